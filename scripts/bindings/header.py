"""Reads laser.h: its functions, callback types, opaque handles and constants, as the bindings need them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "include" / "laser.h"


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str  # as C writes it, with single spaces and the stars at the end: "const double *", "laser_model **"


@dataclass(frozen=True)
class Function:
    name: str
    returns: str
    parameters: tuple[Parameter, ...]
    summary: str  # the first sentence of its description


@dataclass(frozen=True)
class Constant:
    name: str
    value: int
    summary: str


@dataclass(frozen=True)
class Header:
    functions: tuple[Function, ...]
    callbacks: tuple[Function, ...]  # the function types, laser_…_fn
    handles: tuple[str, ...]  # the opaque structs
    constants: tuple[Constant, ...]

    def function(self, name: str) -> Function:
        return next(f for f in self.functions + self.callbacks if f.name == name)


def read(path: Path = PATH) -> Header:
    """The header; ValueError for a declaration that this reader does not understand, so that none is passed over."""
    text = path.read_text(encoding="utf-8")
    comments = []

    def keep(comment: re.Match) -> str:
        comments.append(comment.group())
        return f" @{len(comments) - 1}@ "

    code = re.sub(r"/\*.*?\*/", keep, text, flags=re.S)
    constants = []
    for number, name, value in re.findall(r"(?:@(\d+)@\s*)?^#define (LASER_\w+) (-?\d+)\s*$", code, re.M):
        constants.append(Constant(name, int(value), summary_of(comments[int(number)]) if number else ""))
    code = "\n".join(line for line in code.splitlines() if not line.startswith("#"))
    code = re.sub(r'extern "C" \{', "", code)

    functions, callbacks, handles = [], [], []
    for statement in code.split(";"):
        numbers = re.findall(r"@(\d+)@", statement)
        summary = summary_of(comments[int(numbers[-1])]) if numbers else ""
        statement = " ".join(re.sub(r"@\d+@|//.*", " ", statement).split())
        if statement in ("", "}"):
            continue
        if match := re.fullmatch(r"typedef struct (\w+) (\w+)", statement):
            handles.append(match[2])
        elif match := re.fullmatch(r"typedef (.+?) ?\(\*(laser_\w+)\)\((.*)\)", statement):
            callbacks.append(Function(match[2], type_of(match[1]), parameters_of(match[3]), summary))
        elif statement == "typedef int32_t laser_status":
            continue
        elif match := re.fullmatch(r"(.+?)(laser_\w+)\((.*)\)", statement):
            functions.append(Function(match[2], type_of(match[1]), parameters_of(match[3]), summary))
        else:
            raise ValueError(f"laser.h has a declaration that scripts/bindings does not understand: {statement}")
    if not (functions and callbacks and handles and constants):
        raise ValueError("laser.h lacks functions, callbacks, handles or constants")
    return Header(tuple(functions), tuple(callbacks), tuple(handles), tuple(constants))


def summary_of(comment: str) -> str:
    text = " ".join(re.sub(r"^\s*(/\*\*?|\*/|\*)", "", line).replace("*/", "").strip() for line in comment.splitlines())
    text = text.split(" @")[0].strip()
    return re.split(r"(?<=[.:;]) ", text)[0].rstrip(".:;")


def type_of(text: str) -> str:
    stars = text.count("*")
    return " ".join(text.replace("*", " ").split()) + (" " + "*" * stars if stars else "")


def parameters_of(text: str) -> tuple[Parameter, ...]:
    if text.strip() in ("", "void"):
        return ()
    found = []
    for item in text.split(","):
        match = re.fullmatch(r"(.+?[\s*])(\w+)", item.strip())
        if not match:
            raise ValueError(f"laser.h has a parameter that scripts/bindings does not understand: {item.strip()}")
        found.append(Parameter(match[2], type_of(match[1])))
    return tuple(found)
