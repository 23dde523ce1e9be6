"""What hatchling must be told for the wheel: version, library, program and tag.

The library and the program `laser` are those of LIBLASER_BUILD, by default build/standalone; `make wheel` builds them.
"""

import os
import platform
import re
import subprocess
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("LIBLASER_BUILD", ROOT / "build" / "standalone"))


class Metadata(MetadataHookInterface):
    def update(self, metadata: dict) -> None:
        metadata["version"] = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.M)[1]


class Wheel(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        library, program = BUILD / "liblaser.so", BUILD / "laser"
        if not (library.exists() and program.exists()):
            raise FileNotFoundError(f"{BUILD} lacks liblaser.so or laser, which the wheel holds: make standalone builds them")
        floor = max(glibc(library), glibc(program))
        build_data["tag"] = f"py3-none-manylinux_{floor[0]}_{floor[1]}_{platform.machine()}"
        build_data["pure_python"] = False
        build_data["force_include"][str(library)] = "liblaser/liblaser.so.0"
        build_data["shared_scripts"][str(program)] = "laser"


def glibc(binary: Path) -> tuple[int, int]:
    """The oldest glibc that a binary loads with."""
    symbols = subprocess.run(["readelf", "--dyn-syms", "-W", binary], check=True, capture_output=True, text=True).stdout
    return max((int(major), int(minor)) for major, minor in re.findall(r"@GLIBC_(\d+)\.(\d+)", symbols))
