"""Writes python/src/liblaser/export/_limits.py, what model files may hold, from the library's sources, and checks it."""

import re

from header import ROOT, Header

GENERATED = ROOT / "python" / "src" / "liblaser" / "export" / "_limits.py"

# Where the constants are.
SOURCES = {
    "src/model/file.rs": ["FORMAT_VERSION"],
    "src/model/network.rs": ["MAX_DEPTH", "MAX_PARAMETERS", "SMALLEST", "MAX_BINS", "BOUNDS", "MAX_LEAST"],
    "src/model/scaling.rs": ["MAX_CELLS"],
}


def generated() -> str:
    lines = ['"""What model files may hold.', "", "Written by scripts/bindings from the library's sources: do not edit.", '"""', ""]
    for source, names in SOURCES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        for name in names:
            found = re.search(rf"((?:^ *///.*\n)+) *pub const {name}: [^=]+ = ([\w.<(), -]+);", text, re.M)
            if not found:
                raise ValueError(f"{source} has no constant {name} that scripts/bindings/limits.py can read")
            comment = [line.strip().removeprefix("/// ") for line in found[1].splitlines()]
            lines += [f"# {line}" for line in comment]
            lines.append(f"{name} = {found[2]}")
    return "\n".join(lines) + "\n"


def write(_: Header) -> None:
    GENERATED.write_text(generated(), encoding="utf-8")


def check(_: Header):
    in_sync = GENERATED.read_text(encoding="utf-8") == generated()
    yield "python: export/_limits.py is what the library's sources give", [] if in_sync else ["run scripts/bindings --write"]
