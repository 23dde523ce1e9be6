"""Writes julia/LaserRefine/src/c.jl from laser.h, and checks the rest of the package without Julia."""

from pathlib import Path

from common import missing
from header import ROOT, Function, Header
from julia_source import File, arguments, bound, callee, place, signature, text, walk

PACKAGE = ROOT / "julia" / "LaserRefine"
GENERATED = PACKAGE / "src" / "c.jl"
EXAMPLES = ROOT / "examples-julia"

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


# --- the checks ---

EXCUSED = {"laser_last_callback_code": "a callback's exception comes out itself"}

# How the package calls the C layer: after how many arguments C's own begin, and how many more a helper adds to them.
HELPERS = {"call": (1, 0), "value": (2, 1), "text": (1, 3), "doubles": (2, None)}

# All that is used of Base and the standard library; a name that is neither here nor defined is taken for a mistake.
BASE = set("""
    ARGS AbstractMatrix AbstractString AbstractVector Any ArgumentError Array Base Bool C_NULL CapturedException Cint Csize_t Cstring
    Cvoid Dict DimensionMismatch ENV Exception Float32 Float64 GC IO IOBuffer InexactError Inf Int Int32 Int64 Integer
    InterruptException Libdl LogLevel Logging Matrix MersenneTwister MethodError NaN NamedTuple Nothing Pair Ptr Real Ref StridedMatrix
    StridedVector String Symbol Test Threads Tuple Type TypeError UInt32 UInt64 UInt8 Union VERSION Vararg Vector VersionNumber all
    append! axes catch_backtrace ccall close collect copy current_exceptions dirname disable_sigint error fetch finalizer get getindex
    getpid hcat identity include isapprox isempty isequal isfile isfinite isnan isopen iszero joinpath last length log map merge merge! min mktempdir
    nameof new nothing occursin ones parse permutedims pi pipeline pointer_from_objref pop! position print println push! rand rand!
    randn randn! reenable_sigint repr reshape rethrow seek setenv showerror similar sincos size sprint sqrt startswith stderr stride
    string success sum take! task_local_storage throw time typemax typeof undef unsafe_pointer_to_objref unsafe_store! unsafe_string
    unsafe_wrap vcat vec view with_logger write yield zero zeros
""".split())


def check(described: Header):
    package = [File(path) for path in sorted((PACKAGE / "src").glob("*.jl")) if path != GENERATED]
    programs = [File(path) for path in [*sorted((PACKAGE / "test").glob("*.jl")), *sorted(EXAMPLES.glob("*.jl"))]]
    words = {text(node) for file in package for node in file.nodes if node.type == "identifier"}
    in_sync = GENERATED.read_text(encoding="utf-8") == generated(described)
    yield "julia: c.jl is what laser.h gives", [] if in_sync else ["run scripts/bindings --write"]
    yield "julia: no function or status of laser.h is left out", missing(described, words, EXCUSED)
    yield "julia: the files parse", [problem for file in [*package, *programs, File(GENERATED)] for problem in file.syntax_errors()]
    yield "julia: callbacks have laser.h's types", callbacks(described, package)
    yield "julia: calls of the C layer fit it", c_calls(described, package)
    yield "julia: names are defined", names(package, programs)
    yield "julia: calls of the package's functions fit a method", own_calls(package, programs)


def callbacks(described: Header, package: list[File]) -> list[str]:
    """Each laser_X_fn has a function X_fn of its types, and an X_pointer() that makes a C function of that by the same."""
    problems = []
    heads = {callee(head): head for file in package for head in file.signatures}
    for callback in described.callbacks:
        name = callback.name.removeprefix("laser_")
        wanted = [julia_type(described, callback.returns), *types(described, callback)]
        wanted = [f"Ptr{{C.{word[4:-1]}}}" if word[4:-1] in described.handles else word for word in wanted]
        if name not in heads or name.removesuffix("fn") + "pointer" not in heads:
            problems.append(f"{name} or its pointer is missing")
            continue
        head = heads[name]
        has = [text(head.parent.named_children[-1]) if head.parent.type == "typed_expression" else "nothing"]
        has += [text(item.named_children[-1]) for item in arguments(head, defining=True)[0]]
        macro = next(node for node in walk(heads[name.removesuffix("fn") + "pointer"].parent) if node.type == "macrocall_expression")
        function, returns, takes = macro.named_children[-1].named_children
        made = [text(returns), *map(text, takes.named_children)]
        problems += [f"{name} has the types {has}, not {wanted}"] if has != wanted else []
        problems += [f"@cfunction has the types {made}, not {wanted}"] if made != wanted else []
        problems += [f"@cfunction takes {text(function)}, not {name}"] if text(function) != name else []
    return problems


def c_calls(described: Header, package: list[File]) -> list[str]:
    """Right numbers of arguments, handles where C wants handles, callbacks where it wants them, no two arguments swapped."""
    problems = []
    functions = {function.name: function for function in described.functions}
    others = {*described.handles, *(c.name for c in described.constants), "liblaser", "Opaque"}
    structs = {struct: handle for file in package for struct, handle in file.handles()}
    for file in package:
        for node in file.nodes:
            if node.type != "field_expression" or not text(node).startswith("C."):
                continue
            name, where = text(node)[2:], f"{file.path.name} {place(node)}"
            if name in others:
                continue
            if name not in functions:
                problems.append(f"{where}: laser.h has no {name}")
                continue
            call = node.parent if node.parent.type == "call_expression" else node.parent.parent
            if call.type != "call_expression" or call != node.parent and callee(call) not in HELPERS:
                problems.append(f"{where}: {name} is not called, nor by a helper")
                continue
            begin, more = (0, 0) if call == node.parent else HELPERS[callee(call)]
            given = arguments(call)[0]
            more = len(given[0].named_children) if more is None else more  # of the names that doubles() gives its results
            parameters = functions[name].parameters
            if arguments(call)[2] or given[begin - 1 : begin] != [node] * (begin > 0) or len(given) - begin + more != len(parameters):
                problems.append(f"{where}: {name} takes {len(parameters)} arguments, and gets {len(given) - begin + more}")
                continue
            if call != node.parent and callee(call) == "value":
                wanted = julia_type(described, parameters[-1].type)[4:-1].replace("laser_", "C.laser_")
                problems += [f"{where}: {name} gives a {wanted}, not a {text(given[0])}"] if text(given[0]) != wanted else []
            for i, (parameter, argument) in enumerate(zip(parameters, given[begin:])):
                kind = parameter.type.replace("const ", "").split()[0]
                if kind.endswith("_fn"):
                    fits = kind.removeprefix("laser_").removesuffix("fn") + "pointer()" in text(argument)
                elif kind in described.handles and parameter.type.count("*") == 1:
                    fits = kind in {structs.get(word) for word in file.types_of(argument)} or f"Ptr{{C.{kind}}}" in file.types_of(argument)
                else:
                    fits = not any(text(argument) == other.name for other in parameters if other != parameter)
                problems += [] if fits else [f"{where}: argument {i + 1} of {name}, {text(argument)}, is not its {parameter.name}"]
    return problems


def names(package: list[File], programs: list[File]) -> list[str]:
    problems = []
    public = {name for file in package for name in file.exports}
    defined = {name for file in package for name in file.globals()}
    problems += [f"{name} is exported, but not defined" for name in sorted(public - defined)]
    for file in [*package, *programs]:
        known = BASE | {"C", "LaserRefine"} | (defined if file in package else public | file.globals())
        for item in file.items():
            local = file.locals(item)
            problems += [f"{file.path.name} {place(node)}: {text(node)} is not defined"
                         for node in walk(item) if file.is_variable(node) and text(node) not in known | local]
    return problems


def own_calls(package: list[File], programs: list[File]) -> list[str]:
    """Numbers of arguments and keywords of calls of what the package, or the file itself, defines; not of what extends Base."""
    problems = []
    common = [method for file in package for method in file.methods()]
    for file in [*package, *programs]:
        methods = common + (list(file.methods()) if file in programs else [])
        for call in file.calls:
            fitting = [method for method in methods if method[0] == callee(call)]
            if not fitting or callee(call) in BASE or callee(call) in file.variables(call):
                continue
            positional, keywords, splat = arguments(call)
            if not any(keywords <= names and (splat or least <= len(positional) <= most) for _, least, most, names in fitting):
                given = f"{len(positional)} arguments and {sorted(keywords)}"
                problems.append(f"{file.path.name} {place(call)}: no method takes {given}: {text(call)[:60]}")
    return problems
