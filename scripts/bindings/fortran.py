"""The Fortran binding, include/laser.f90: its module laser_c is written from laser.h, its module laser by hand."""

import re
import textwrap
from pathlib import Path

from common import missing
from header import ROOT, Function, Header, Parameter

PATH = ROOT / "include" / "laser.f90"
PAGE = ROOT / "docs" / "fortran.md"
EXAMPLE = ROOT / "examples-fortran" / "minimal.f90"
END = "end module laser_c\n"  # what follows is written by hand

# Fortran has no unsigned integers: those of C go by the signed ones of their size.
VALUES = {
    "int32_t": "integer(c_int32_t)",
    "uint32_t": "integer(c_int32_t)",
    "laser_status": "integer(c_int32_t)",
    "int64_t": "integer(c_int64_t)",
    "uint64_t": "integer(c_int64_t)",
    "size_t": "integer(c_size_t)",
    "double": "real(c_double)",
}
# Fortran has no upper and lower case: a constant must not have the name of a function.
NAMES = {"LASER_ABI_VERSION": "LASER_ABI"}
HEAD = """\
! SPDX-License-Identifier: Apache-2.0 OR MIT
!> liblaser for Fortran 2008: latent space refinement (LaSeR) of generative models. docs/fortran.md begins with a program.
!!
!! module laser_c    the C functions as they are, written by scripts/bindings from laser.h: do not edit
!! module laser      what Fortran programs use: types with procedures, arrays and errors as Fortran has them
!!
!! What laser.h says of threads, reproducibility and ownership holds here too.

!> laser.h as it is. Its unsigned integers are signed ones of the same size. Pointers, those to handles too, are type(c_ptr), but:
!! a string that is read is an array of characters that ends with c_null_char, and the handle that a function makes is an argument.
module laser_c
   use, intrinsic :: iso_c_binding, only: c_char, c_double, c_funptr, c_int32_t, c_int64_t, c_ptr, c_size_t
   implicit none
   public
   private :: c_char, c_double, c_funptr, c_int32_t, c_int64_t, c_ptr, c_size_t
"""


def generated(described: Header) -> str:
    """The module laser_c with what stands above it."""
    text = HEAD + "\n"
    for constant in described.constants:
        line = f"   integer(c_int32_t), parameter :: {NAMES.get(constant.name, constant.name)} = {constant.value}"
        text += line + (f" !< {constant.summary}" if constant.summary else "") + "\n"
    text += "\n   abstract interface\n" + "\n".join(interface(f, described, "read") for f in described.callbacks) + "   end interface\n"
    text += "\n   interface\n" + "\n".join(interface(f, described, "given") for f in described.functions) + "   end interface\n"
    return text + END


def interface(function: Function, described: Header, strings: str) -> str:
    kind = "subroutine" if function.returns == "void" else "function"
    names = ", ".join(p.name for p in function.parameters)
    lines = textwrap.wrap(f"{function.summary}.", 120, initial_indent="      !> ", subsequent_indent="      !! ")
    lines += fold(f"{kind} {function.name}({names}) bind(c)")
    lines.append("         import")
    for p in function.parameters:
        lines.append(f"         {declaration(p, described, strings)}")
    if kind == "function":
        lines.append(f"         {VALUES.get(function.returns) or pointer(function.returns, described)} :: {function.name}")
    return "\n".join([*lines, f"      end {kind} {function.name}"]) + "\n"


def declaration(p: Parameter, described: Header, strings: str) -> str:
    """`strings`: "given" to a function of the library, or "read" by a callback of the host."""
    if p.type in VALUES:
        return f"{VALUES[p.type]}, value :: {p.name}"
    if p.type in {c.name for c in described.callbacks}:
        return f"type(c_funptr), value :: {p.name}"
    if p.type == "const char *" and strings == "given":
        return f"character(kind=c_char), intent(in) :: {p.name}(*)"
    if p.type.endswith(" **"):
        return f"type(c_ptr), intent(inout) :: {p.name}"
    return f"{pointer(p.type, described)}, value :: {p.name}"


def pointer(ctype: str, described: Header) -> str:
    """type(c_ptr), for a type that is a pointer to something known."""
    target = re.sub(r"^const ", "", ctype).removesuffix(" *")
    if not ctype.endswith(" *") or target not in {"void", "char", "float", *VALUES, *described.handles}:
        raise ValueError(f"scripts/bindings/fortran.py knows no Fortran type for {ctype}")
    return "type(c_ptr)"


def fold(line: str, width: int = 120) -> list[str]:
    """A statement in lines that end with the continuation mark."""
    lines = textwrap.wrap(line, width, initial_indent="      ", subsequent_indent=" " * 10, break_long_words=False)
    return [part + " &" for part in lines[:-1]] + lines[-1:]


def split(text: str) -> tuple[str, str]:
    """The generated and the hand-written part."""
    before, mark, after = text.partition(END)
    if not mark:
        raise ValueError(f"{PATH} has lost the line {END.strip()!r}")
    return before + mark, after


def write(described: Header) -> None:
    text = PATH.read_text(encoding="utf-8")
    PATH.write_text(generated(described) + split(text)[1], encoding="utf-8")


def check(described: Header) -> list[tuple[str, list[str]]]:
    head, hand = split(PATH.read_text(encoding="utf-8"))
    stale = [] if head == generated(described) else ["out of date: python3 scripts/bindings --write"]
    long = [f"line {n} has more than 132 characters" for n, line in enumerate((head + hand).splitlines(), 1) if len(line) > 132]
    quoted = f"```fortran\n{EXAMPLE.read_text(encoding='utf-8')}```" in PAGE.read_text(encoding="utf-8")
    return [
        ("laser.f90: module laser_c is laser.h", stale),
        ("laser.f90: module laser has all of it", missing(described, used(hand), {})),
        ("laser.f90: lines of standard length", long),
        ("docs/fortran.md quotes minimal.f90", [] if quoted else [f"it does not have {EXAMPLE.name} word for word"]),
    ]


def used(hand: str) -> set[str]:
    """The names of laser_c that the module laser uses, some of them under other names: it has procedures of their names itself."""
    code = re.sub(r"&\s*\n\s*&?", " ", re.sub(r"!.*", "", hand))
    imported = re.search(r"^\s*use laser_c(.*)$", code, re.M)
    renamed = dict(re.findall(r"(\w+) => (laser_\w+)", imported[1] if imported else ""))
    _, _, body = code.partition("\ncontains\n")
    procedures = set(re.findall(r"\b(laser_\w+)\b", body)) - set(renamed.values())
    constants = set(re.findall(r"\b(LASER_ERR_\w+)\b", code))
    return procedures | constants | {name for local, name in renamed.items() if re.search(rf"\b{local}\(", body)}
