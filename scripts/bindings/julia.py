"""Writes julia/LaserRefine/src/c.jl from laser.h, and checks the rest of the package without Julia."""

import re
from pathlib import Path

from header import ROOT, Function, Header

PACKAGE = ROOT / "julia" / "LaserRefine"
GENERATED = PACKAGE / "src" / "c.jl"

SCALARS = {"int32_t": "Int32", "laser_status": "Int32", "uint32_t": "UInt32", "int64_t": "Int64", "uint64_t": "UInt64",
           "size_t": "Csize_t", "float": "Float32", "double": "Float64", "void": "Cvoid"}


# --- the generated layer ---


def julia_type(described: Header, c: str) -> str:
    """The type that ccall and @cfunction need for one of C. Handles and arrays go as they are: Julia then keeps them alive for the call."""
    words = c.replace("const ", "").split()
    base, stars = words[0], len(words[1]) if len(words) > 1 else 0
    if base == "char":
        return "Cstring" if c.startswith("const ") else "Ptr{UInt8}"
    if base in SCALARS:
        name = SCALARS[base]
    elif base in described.handles or any(base == callback.name for callback in described.callbacks):
        name = base
    else:
        raise ValueError(f"laser.h has a type that scripts/bindings/julia.py does not know: {c}")
    return "Ptr{" * stars + name + "}" * stars


def types(described: Header, function: Function) -> list[str]:
    return [julia_type(described, parameter.type) for parameter in function.parameters]


def tuple_of(items: list[str]) -> str:
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


def generated(described: Header) -> str:
    lines = ["# Written by scripts/bindings from include/laser.h: do not edit.", "",
             '"The functions of laser.h as they are: statuses are returned, nothing is checked. Not for use outside the package."',
             "module C", "", 'const liblaser = "liblaser.so.0"', ""]
    for constant in described.constants:
        lines += [f"# {constant.summary}"] if constant.summary else []
        lines.append(f"const {constant.name} = Int32({constant.value})")
    lines += ["", "# The opaque structs, to tell pointers apart.", "abstract type Opaque end"]
    lines += [f"struct {handle} <: Opaque end" for handle in described.handles]
    lines += ["", "# The callbacks, with what @cfunction needs for each."]
    for callback in described.callbacks:
        lines.append(f"# {julia_type(described, callback.returns)}, {tuple_of(types(described, callback))}")
        lines.append(f"const {callback.name} = Ptr{{Cvoid}}")
    for function in described.functions:
        names = ", ".join(parameter.name for parameter in function.parameters)
        parts = [f"ccall((:{function.name}, liblaser), {julia_type(described, function.returns)},",
                 tuple_of(types(described, function)) + ("," if names else ""), names]
        short = " ".join(parts).rstrip()
        lines += ["", f"# {function.summary}", f"{function.name}({names}) ="]
        lines.append(f"    {short})" if len(short) < 130 else "    " + "\n          ".join(parts) + ")")
    return "\n".join([*lines, "", "end"]) + "\n"


def write(described: Header) -> None:
    GENERATED.write_text(generated(described), encoding="utf-8")
