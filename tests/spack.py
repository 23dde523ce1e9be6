#!/usr/bin/env python3
"""Runs the Spack recipe's environment and installation with stand-ins for Spack, without libtorch: spack.py TARGET_DIR PREFIX

What is tested is the recipe's own part: that its directives have the names and arguments Spack knows, its commands work, and their results are a whole
installation. TARGET_DIR is a cargo target folder to build in, which saves time.
"""

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "packaging/spack/spack_repo/liblaser/packages/liblaser/package.py"

directives = []


def directive(name, *keywords):
    def record(first, **given):
        unknown = given.keys() - set(keywords)
        assert not unknown, f"{name} takes no {unknown}"
        directives.append((name, first))

    return record


class Executable:
    def __init__(self, *command):
        self.command = command

    def __call__(self, *arguments):
        environment = {k: v for k, v in os.environ.items() if k != "LIBTORCH"}
        subprocess.run([*self.command, *map(str, arguments)], check=True, cwd=ROOT, env=environment)


class Spec:
    def satisfies(self, what):
        return {"+torch": False}[what]


class Package:
    spec = Spec()


def main():
    target, prefix = map(Path, sys.argv[1:])
    # As Spack sees it, the target folder lies in the source.
    source = prefix.with_name(prefix.name + "-source")
    source.mkdir(parents=True, exist_ok=True)
    (source / "target").unlink(missing_ok=True)
    (source / "target").symlink_to(target.resolve())

    spack = types.ModuleType("spack.package")
    spack.license = directive("license")
    spack.version = directive("version", "branch", "sha256", "url", "git", "tag", "commit")
    spack.variant = directive("variant", "default", "description", "values", "multi", "when")
    spack.depends_on = directive("depends_on", "type", "when", "patches")
    spack.which = lambda name, required=False: Executable(name)
    spack.cmake = Executable("cmake")
    generic = types.ModuleType("spack_repo.builtin.build_systems.generic")
    generic.Package = Package
    for module in ("spack", "spack_repo", "spack_repo.builtin", "spack_repo.builtin.build_systems"):
        sys.modules[module] = types.ModuleType(module)
    sys.modules.update({"spack.package": spack, generic.__name__: generic})

    described = importlib.util.spec_from_file_location("liblaser_package", RECIPE)
    recipe = importlib.util.module_from_spec(described)
    described.loader.exec_module(recipe)
    assert ("version", version()) in directives, f"the recipe lacks version {version()} of Cargo.toml"
    package = recipe.Liblaser()
    package.stage = types.SimpleNamespace(path="/nonexistent", source_path=str(source))
    variables = {}
    package.setup_build_environment(types.SimpleNamespace(set=variables.__setitem__))
    assert variables == {"CARGO_HOME": "/nonexistent/cargo"}, variables
    package.install(package.spec, prefix)
    for name in ("lib/liblaser.so.0", "include/laser.h", "include/laser.hpp", "lib/cmake/laser/laserConfig.cmake", "bin/laser"):
        assert (prefix / name).exists(), f"{name} was not installed"


def version():
    for line in (ROOT / "Cargo.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("version = "):
            return line.split('"')[1]
    raise ValueError("Cargo.toml has no version")


if __name__ == "__main__":
    main()
