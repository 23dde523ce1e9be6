#!/usr/bin/env python3
"""The recipe for conda-forge, parsed and rendered by rattler-build, its builder; its commands and files beside an installation: conda.py PREFIX

What conda would build it does not: conda's channels are no package registry that the tests may use. Prints `ok NAME` or `FAILED NAME` for each check.
"""

import subprocess
import sys
from pathlib import Path

from rattler_build import PlatformConfig, RenderConfig, Stage0Recipe, VariantConfig

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "packaging" / "conda"
PREFIX = Path(sys.argv[1])
VARIANTS = {"c_compiler": ["gcc"], "rust_compiler": ["rust"], "c_stdlib": ["sysroot"], "c_stdlib_version": ["2.17"]}

failures = 0


def check(name: str, good: bool, *what) -> None:
    global failures
    failures += not good
    print(("ok " if good else "FAILED ") + name, *([] if good else what), flush=True)


cargo = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
version = next(line.split('"')[1] for line in cargo.splitlines() if line.startswith("version = "))
linux = RenderConfig(platform=PlatformConfig(target_platform="linux-64", build_platform="linux-64", host_platform="linux-64"))
(variant,) = Stage0Recipe.from_file(str(FOLDER / "recipe.yaml")).render(VariantConfig(VARIANTS), linux)
recipe = variant.recipe.to_dict()
check("the version is that of Cargo.toml", recipe["package"]["version"] == version, recipe["package"])
needs = str(recipe["requirements"]["build"])
check("compilers of C and Rust", "gcc_linux-64" in needs and "rust_linux-64" in needs, needs)
check("licences", all((ROOT / name).is_file() for name in ("LICENSE-APACHE", "LICENSE-MIT")))
files = [file for test in recipe["tests"] for file in test.get("package_contents", {}).get("files", [])]
missing = [file for file in files if not (PREFIX / file).exists()]
check("the files of a package are those of an installation", len(files) == 7 and not missing, files, missing)
script = str(recipe["build"]["script"])
check("it installs by cmake/install.cmake", "cmake/install.cmake" in script and "--no-default-features --features cli" in script, script)
program = PREFIX / "conda_program"
flags = subprocess.check_output(["pkg-config", "--cflags", "--libs", "laser"], text=True, env={"PATH": "/usr/bin:/bin", "PKG_CONFIG_PATH": str(PREFIX / "lib/pkgconfig")})
subprocess.run(["cc", str(FOLDER / "program.c"), "-o", str(program), *flags.split(), f"-Wl,-rpath,{PREFIX / 'lib'}"], check=True)
said = subprocess.check_output([program], text=True)
check("its test program", said == f"liblaser {version}\n", said)
program.unlink()
sys.exit(failures > 0)
