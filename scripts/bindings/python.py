"""Writes python/src/liblaser/_c.py from laser.h, and checks the rest of the package against it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from common import missing
from header import ROOT, Function, Header

PACKAGE = ROOT / "python" / "src" / "liblaser"
GENERATED = PACKAGE / "_c.py"

SCALARS = {"int32_t": "c_int32", "laser_status": "c_int32", "uint32_t": "c_uint32", "int64_t": "c_int64", "uint64_t": "c_uint64",
           "size_t": "c_size_t", "double": "c_double"}


# --- the generated layer ---


def ctype(described: Header, c: str) -> str:
    """The type that ctypes needs for one of C: handles are told apart, all other arrays and results are addresses."""
    words = c.replace("const ", "").split()
    base, stars = words[0], len(words[1]) if len(words) > 1 else 0
    if base == "void" and not stars:
        return "None"
    if base == "char" and stars == 1:
        return "c_char_p"
    if base in described.handles and stars:
        return "POINTER(" * stars + base + ")" * stars
    if any(base == callback.name for callback in described.callbacks) and not stars:
        return base
    if stars == 1 and (base in SCALARS or base in ("void", "float")):
        return "c_void_p"
    if base in SCALARS and not stars:
        return SCALARS[base]
    raise ValueError(f"laser.h has a type that scripts/bindings/python.py does not know: {c}")


def types(described: Header, function: Function) -> list[str]:
    return [ctype(described, parameter.type) for parameter in function.parameters]


def generated(described: Header) -> str:
    names = sorted({*SCALARS.values(), "CFUNCTYPE", "POINTER", "Structure", "c_char_p", "c_void_p"})
    lines = ['"""The functions of laser.h as they are: statuses are returned, nothing is checked. Not for use outside the package.',
             "", "Written by scripts/bindings from include/laser.h: do not edit.", '"""', "",
             f"from ctypes import {', '.join(names)}", "", "from ._library import declared", ""]
    for constant in described.constants:
        lines += [f"# {constant.summary}"] if constant.summary else []
        lines.append(f"{constant.name} = {constant.value}")
    lines += ["", "# The opaque structs, to tell pointers apart."]
    for handle in described.handles:
        lines += ["", "", f"class {handle}(Structure):", "    pass"]
    lines += ["", "", "# The callbacks."]
    for callback in described.callbacks:
        parts = ", ".join([ctype(described, callback.returns), *types(described, callback)])
        lines += [f"# {callback.summary}", f"{callback.name} = CFUNCTYPE({parts})"]
    lines += ["", "# The functions: what they return, and what they take."]
    for function in described.functions:
        names = ", ".join(parameter.name for parameter in function.parameters)
        parts = ", ".join([f'"{function.name}"', ctype(described, function.returns), *types(described, function)])
        lines += ["", f"# {function.summary}", f"# ({names})", f"{function.name} = declared({parts})"]
    return "\n".join(lines) + "\n"


def write(described: Header) -> None:
    GENERATED.write_text(generated(described), encoding="utf-8")


# --- the checks ---

EXCUSED = {"laser_last_callback_code": "a callback's exception comes out itself"}

# How the package calls the C layer: after how many arguments C's own begin, and how many more a helper adds to them.
HELPERS = {"call": (1, 0), "long_call": (1, 0), "made": (2, 1), "made_long": (2, 1), "value": (2, 1), "text": (1, 3), "doubles": (2, None)}


def check(described: Header):
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.glob("*.py")) if path != GENERATED}
    words = {word for tree in trees.values() for word in used(tree)}
    in_sync = GENERATED.read_text(encoding="utf-8") == generated(described)
    yield "python: _c.py is what laser.h gives", [] if in_sync else ["run scripts/bindings --write"]
    yield "python: no function or status of laser.h is left out", missing(described, words, EXCUSED)
    yield "python: calls of the C layer fit it", [problem for path, tree in trees.items() for problem in calls(described, path, tree)]


def c_name(node: ast.AST) -> str:
    """laser_x of `_c.laser_x`."""
    return node.attr if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "_c" else ""


def used(tree: ast.AST) -> Iterator[str]:
    yield from filter(None, map(c_name, ast.walk(tree)))
    # Of what a library may lack, by getattr.
    yield from (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def calls(described: Header, path: Path, tree: ast.AST) -> Iterator[str]:
    """Right numbers of arguments, results of the right type, no two arguments swapped. What handles are, ctypes checks."""
    functions = {function.name: function for function in described.functions}
    others = {*described.handles, *(c.name for c in described.constants), *(c.name for c in described.callbacks)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        helper = call.func.id if isinstance(call.func, ast.Name) else ""
        begin, more = HELPERS.get(helper, (0, 0))
        name = c_name(call.args[begin - 1]) if begin and len(call.args) >= begin else c_name(call.func)
        if not name or name in others:
            continue
        where = f"{path.name} line {call.lineno}"
        if name not in functions:
            yield f"{where}: laser.h has no {name}"
            continue
        given, parameters = call.args[begin:], functions[name].parameters
        more = len(call.args[0].args) if more is None and isinstance(call.args[0], ast.Call) else more
        if more is None:  # doubles(Names, …): as many as the named tuple has fields, which are its annotations
            more = fields(tree, call.args[0])
        if any(isinstance(argument, ast.Starred) for argument in given):
            continue
        if len(given) + more != len(parameters):
            yield f"{where}: {name} takes {len(parameters)} arguments, and gets {len(given) + more}"
            continue
        if helper in ("made", "made_long", "value"):
            result, wanted = ast.unparse(call.args[0]).split(".")[-1], ctype(described, parameters[-1].type.removesuffix("*").rstrip())
            wanted = wanted.removeprefix("POINTER(").rstrip(")")
            if result != wanted:
                yield f"{where}: {name} gives a {wanted}, not a {result}"
        for i, (parameter, argument) in enumerate(zip(parameters, given)):
            if any(ast.unparse(argument) == other.name for other in parameters if other != parameter):
                yield f"{where}: argument {i + 1} of {name}, {ast.unparse(argument)}, is not its {parameter.name}"


def fields(tree: ast.AST, kind: ast.expr) -> int:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == ast.unparse(kind):
            return sum(isinstance(item, ast.AnnAssign) for item in node.body)
    return -1
