"""C++: include/laser.hpp, written by hand; the compiler checks its types."""

import re

from common import missing
from header import ROOT, Header

PATH = ROOT / "include" / "laser.hpp"


def write(described: Header) -> None:
    """Nothing of it is generated."""


def check(described: Header) -> list[tuple[str, list[str]]]:
    code = re.sub(r"/\*.*?\*/", "", PATH.read_text(encoding="utf-8"), flags=re.S)
    code = re.sub(r"//.*", "", code)
    return [("C++: every function and status has a twin", missing(described, set(re.findall(r"\w+", code)), {}))]
