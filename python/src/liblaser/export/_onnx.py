"""Networks of ONNX files."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from ._description import LABELS, Array, Exported, Unsupported
from ._files import agreed, first_line, networks_file, reweighter_file, write
from ._graph import FLOATS, FUNCTION, LAST, TRACED, Tracer, Value, shown_shape
from ._networks import Network, Step, assembled
from ._scales import Scales

# How many rows are compared, of each size, and to which precision, in units of the largest value of a column.
ROWS = 200
SIZES = (0.1, 1.0, 3.0, 30.0)
AGREEMENT = {"float32": 1e-4, "float64": 1e-9}

# A first layer into which a scaler of features was folded, of means this many widths from 0, loses them in single precision.
FAR = 1e3


# --- from a value to networks ---


@dataclasses.dataclass
class Ended:
    """Networks one after the other, and what follows them: factor · final(u) + offset of each output u."""

    networks: list[Network]
    final: str | None
    factor: Array
    offset: Array


def ended(value: Value, conditions: int) -> Ended:
    n = len(value.offset)
    kind, matrix = (value.before[-1][1] if value.before else ""), value.matrix
    if kind in ("tanh", "sigmoid", "exp", "sinh") and n > 0 and np.all((matrix != 0).sum(1) == 1):
        # Each feature is one value of the last activation, moved and scaled.
        place = np.abs(matrix).argmax(1)
        factor, offset = matrix[np.arange(n), place], value.offset.copy()
        if kind == "exp" and np.any(factor < 0):
            raise Unsupported("features below a bound, minus an exponential: liblaser has log(LOW) of those above one. Export their negative")
        # f(−u) = −f(u), or 1 − f(u).
        if kind == "sigmoid":
            offset += np.minimum(factor, 0)
        sign = np.sign(factor)
        *before, (_, weight, bias), _ = value.before
        steps = [*before, ("linear", weight[place] * sign[:, None], bias[place] * sign)]
        return Ended(chain(steps, conditions), kind, np.abs(factor), offset)
    if kind == "softmax" and matrix.shape == (n, n) and np.array_equal(matrix, np.eye(n)) and not np.any(value.offset):
        return Ended(chain(list(value.before[:-1]), conditions), kind, np.ones(n), np.zeros(n))
    steps = [*value.before, ("linear", matrix, value.offset)]
    return Ended(chain(steps, conditions), None, np.ones(n), np.zeros(n))


def chain(steps: list[Step], conditions: int) -> list[Network]:
    """Networks of one activation each; those after the first are given the conditions, which they do not need, as well."""
    groups: list[list[Step]] = [[]]
    last: Any = None
    for step in steps:
        if step[0] == "activation":
            if step[1] in LAST.values():
                raise Unsupported(f"{step[1]} is followed by further layers; liblaser has it at the end only, where each feature is one value of "
                                  f"it. {FUNCTION}")
            here = ("tanh", None) if step[1] == "sigmoid" else step[1:]
            if last not in (None, here):
                n = len(groups[-1][-1][2])
                groups.append([("linear", np.hstack([np.eye(n), np.zeros((n, conditions))]), np.zeros(n))])
            last = here
        groups[-1].append(step)
    return [assembled(group, "the network") for group in groups]


def precision(tracer: Tracer, networks: list[Network]) -> str:
    """That of the weights, or double where the first layer needs it."""
    far = bool(np.any(np.abs(networks[0].layers[0][1]) > FAR))
    return "float64" if tracer.double or far else "float32"


# --- files ---


def read(source: Any) -> Any:
    if isinstance(source, (str, os.PathLike)):
        if not os.path.isfile(source):
            raise FileNotFoundError(f"there is no file {os.fspath(source)}")
        name, why = os.fspath(source), "it has no graph"
        try:
            source = onnx.load(name)
        except Exception as error:
            source, why = onnx.ModelProto(), f"{type(error).__name__}: {error}"
        if not source.graph.node:
            raise ValueError(
                f"{name} is no ONNX file, or its weights in other files are missing ({why}). Keras 3 writes one by "
                'model.export("model.onnx", format="onnx"), TensorFlow by tf2onnx, scikit-learn by skl2onnx.to_onnx'
            )
    if source.functions:
        from onnx.inliner import inline_local_functions

        source = inline_local_functions(source)
    return source


def quoted(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def traced(source: Any, latent: int | None, conditions: Any, output: str | None,
           columns: bool = False) -> tuple[Tracer, list[tuple[str, int]], int, Value, str]:
    """The tracer, its inputs in the order of a row with their widths, the number of conditions, the value, and its tensor. With `columns` the
    inputs may be one for each column of a row."""
    tracer = Tracer(read(source))
    known = [value.name for value in tracer.inputs]
    names = () if conditions is None or isinstance(conditions, int) else (conditions,) if isinstance(conditions, str) else conditions
    named = list(dict.fromkeys(names))
    for name in named:
        if name not in known:
            raise ValueError(f"conditions={name!r}: the inputs are {quoted(known)}")
    others = [name for name in known if name not in named]
    by_name = {value.name: value for value in tracer.inputs}
    if len(others) != 1 and not (columns and others and all(tracer.width(by_name[name], None) == 1 for name in others)):
        inputs = f"the inputs {quoted(known)}" if known else "no input"
        raise Unsupported(f"the graph has {inputs}; one is needed, and beside it those only that conditions= names. skl2onnx makes one for all "
                          'columns by initial_types=[("x", FloatTensorType([None, N]))]')
    said = None if latent is None else latent + (conditions if isinstance(conditions, int) else 0)
    rows = [(name, tracer.width(by_name[name], said if name == others[0] else None)) for name in [*others, *named]]
    total, begin = sum(width for _, width in rows), 0
    for name, width in rows:
        tracer.values[name] = Value((), np.eye(total)[begin : begin + width], np.zeros(width), (width,))
        begin += width
    target = tracer.target(output)
    value = tracer.follow(target)
    if len(value.shape) > 1:
        shape = shown_shape([None, *value.shape])
        raise Unsupported(f"{target!r} is of shape {shape}; rows of features are needed: flatten it, or name another by output=")
    given = sum(width for name, width in rows if name in named) if named else conditions or 0
    return tracer, rows, given, value, target


def export_onnx(source: Any, path: Path, latent: int | None, conditions: Any, scales: Scales, dtype: str | None, output: str | None) -> Exported:
    tracer, inputs, given, value, target = traced(source, latent, conditions, output)
    total = sum(width for _, width in inputs)
    n = total - given
    agreed("latent", latent, n)
    if n < 1 or given < 0:
        raise ValueError(f"the network takes {total} values, of which {given} conditions leave no latents")
    end = ended(value, given)
    if end.final == "softmax" or complementary(value):
        raise Unsupported(
            f"the features end with {value.before[-1][1]}, and sum to 1; liblaser has no such scaling. For the values before it say "
            f"output={value.head!r}; a classifier becomes a reweighter: export_reweighter(model, {str(path)!r}), or --reweighter from the shell"
        )
    dtype = dtype or precision(tracer, end.networks)
    dims, record = (n, len(value.offset)), {"from": "onnx"}

    def file(scales: Scales) -> bytes:
        features = scales.features(dims[1], end.final, end.factor, end.offset)
        return networks_file(end.networks, features, scales.conditions(given), scales.called(dims[1] + given), dims, dtype, record)

    data = file(scales)
    plain = file(Scales(None, None, None, None, None))

    def ours(rows: Array) -> Array:
        from .. import Generator, Model

        with Model(Generator.from_bytes(plain)) as model:
            return np.asarray(model.generate(rows))

    compared = compare(tracer, inputs, target, dtype, ours, lambda theirs: theirs.reshape(len(theirs), -1))
    write(path, data)
    return Exported(path, True, n, dims[1], given, dtype, compared=compared)


def complementary(value: Value) -> bool:
    """Whether it is 1 − p and p of one p, as classifiers of scikit-learn have them."""
    of_sigmoid = bool(value.before) and value.before[-1][1] == "sigmoid"
    return of_sigmoid and np.array_equal(value.matrix, [[-1], [1]]) and np.array_equal(value.offset, [1, 0])


def negated(network: Network) -> Network:
    """A network of the opposite logit."""
    *layers, (weight, bias) = network.layers
    return dataclasses.replace(network, layers=[*layers, (-weight, -bias)])


def ordered(found: tuple[str, ...], classes: str | Sequence[Any] | None) -> tuple[str, ...]:
    """The classes of the source and of the target, of those that the graph has, in its order, and those that the caller says."""
    wanted = None if classes is None else tuple(map(str, classes.split(",") if isinstance(classes, str) else classes))
    if wanted is None and found not in ((), LABELS):
        raise ValueError(f"the classes of the graph are {quoted(found)}: say which events are to be weighted, and which they are to be like, "
                         f"classes=({quoted(found)}) or classes=({quoted(found[::-1])}), from the shell --classes {','.join(found)} or "
                         f"{','.join(found[::-1])}")
    if wanted is not None and not found:
        raise ValueError(f"classes=({quoted(wanted)}), but the graph does not name its classes: leave it out; w is p / (1 − p), p being that of label 1")
    if wanted is not None and sorted(wanted) != sorted(found):
        raise ValueError(f"classes=({quoted(wanted)}), but those of the graph are {quoted(found)}")
    return wanted or LABELS


def export_onnx_reweighter(source: Any, path: Path, scales: Scales, dtype: str | None, output: str | None, log_ratio_offset: float,
                           classes: str | Sequence[Any] | None) -> Exported:
    tracer, inputs, _, value, target = traced(source, None, None, output, columns=True)
    m = sum(width for _, width in inputs)
    if len(inputs) > 1 and scales.names is None:
        scales = dataclasses.replace(scales, names=[name for name, _ in inputs])
    if complementary(value):
        value = value.select(np.array([1]))
    of_other = value.before and value.before[-1][1] == "sigmoid" and np.array_equal(value.matrix, [[-1]]) and np.array_equal(value.offset, [1])
    if of_other:  # 1 - p alone, the sigmoid of the opposite logit
        value = value.times(np.array([-1.0])).plus(np.array([1.0]))
    end = ended(value, 0)
    if len(end.networks) > 1:
        raise Unsupported("the classifier has different activations; a classifier of liblaser has one")
    if np.any(end.factor != 1) or np.any(end.offset):
        raise Unsupported(f"the classifier goes on after its {end.final}; a probability is needed, or a logit")
    network = dataclasses.replace(end.networks[0], final=end.final)
    dtype = dtype or precision(tracer, [network])
    record: dict[str, Any] = {"from": "onnx"}
    called: tuple[str, ...] = LABELS
    sign = 1.0
    if of_other:
        network, sign = negated(network), -1.0
    if network.outputs <= 2:
        found = tracer.classes()
        called = ordered(found, classes)
        if found and called != found:
            # The ratio of the first to the second.
            network, sign = negated(network), -sign
    if called != LABELS:
        record["classes"] = list(called)
    data = reweighter_file(network, scales, dtype, log_ratio_offset, record)
    plain = reweighter_file(network, Scales(None, None, None, None, None), dtype, 0.0, record)

    def ours(rows: Array) -> Array:
        from .. import NumericalError, Reweighter

        log_w = np.full(len(rows), np.nan)
        # Of rows far out w itself may leave the finite numbers, which is said when log w of all is there.
        with Reweighter.from_bytes(plain) as reweighter, contextlib.suppress(NumericalError):
            reweighter._weigh(rows, None, log_w)
        return log_w[:, None]

    # Of the logits: where they are large, probabilities are 0 and 1.
    logits = target if end.final is None else value.head
    two = network.outputs == 2

    def logit(theirs: Array) -> Array:
        return sign * (theirs[:, 1:] - theirs[:, :1] if two else theirs.reshape(len(theirs), 1))

    compared = compare(tracer, inputs, logits, dtype, ours, logit)
    write(path, data)
    return Exported(path, True, 0, m, 0, dtype, compared=compared, classes=called)


# --- the comparison ---


def compare(tracer: Tracer, inputs: list[tuple[str, int]], target: str, dtype: str, ours: Any, of: Any) -> str:
    """By what program the same rows were computed, and had the same values; else raises."""
    generator = np.random.default_rng(1)
    widths = [width for _, width in inputs]
    count = math.ceil(ROWS / tracer.rows) * tracer.rows if tracer.rows != TRACED else ROWS
    rows = np.concatenate([size * generator.normal(size=(count, sum(widths))) for size in SIZES]).astype(np.float32).astype(np.float64)
    feeds = dict(zip((name for name, _ in inputs), np.split(rows, np.cumsum(widths)[:-1], axis=1)))
    program, theirs = evaluated(tracer, feeds, target)
    theirs = np.asarray(of(theirs), np.float64)
    found = np.asarray(ours(rows), np.float64)
    with np.errstate(invalid="ignore"):
        # Rows of one size with each other; where single precision ends, there is nothing to compare.
        known = np.isfinite(theirs).reshape(len(SIZES), count, -1)
        scale = np.abs(np.where(known, theirs.reshape(known.shape), 0)).max(1, keepdims=True)
        worst = np.where(known, np.abs(found - theirs).reshape(known.shape) / np.maximum(scale, np.finfo(dtype).tiny), 0).reshape(theirs.shape)
    if not np.all(worst <= AGREEMENT[dtype if tracer.double else "float32"]):
        row, column = np.unravel_index(np.nanargmax(np.where(np.isnan(worst), np.inf, worst)), worst.shape)
        raise ValueError(
            f"the file would not have the model's numbers: of the trial row {row}, value {column} is {found[row, column]:.9g}, and "
            f"{theirs[row, column]:.9g} by {program}; nothing was written. Please report this"
        )
    return f"{program}, {len(rows)} rows"


def evaluated(tracer: Tracer, feeds: dict[str, Array], target: str) -> tuple[str, Array]:
    """The program that computed the tensor, and its values: onnxruntime where it is installed and can, else that of the package onnx."""
    model = onnx.ModelProto()
    model.CopyFrom(tracer.model)
    del model.graph.node[:], model.graph.output[:]
    model.graph.node.extend(tracer.needed(target))
    model.graph.output.append(onnx.ValueInfoProto(name=target))
    kinds = {value.name: FLOATS[value.type.tensor_type.elem_type] for value in tracer.inputs}
    rows = len(next(iter(feeds.values())))
    step = rows if tracer.rows == TRACED else tracer.rows
    batches = [{name: values[i : i + step].astype(kinds[name]) for name, values in feeds.items()} for i in range(0, rows, step)]
    try:
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4
        session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
        return f"onnxruntime {onnxruntime.__version__}", np.concatenate([session.run([target], batch)[0] for batch in batches])
    except ImportError:
        pass
    except Exception as error:  # it has no kernel of this type, or knows no version as new
        if type(error).__module__.partition(".")[0] != "onnxruntime":
            raise
    try:
        reference = ReferenceEvaluator(model)
        return f"the reference of onnx {onnx.__version__}", np.concatenate([reference.run([target], batch)[0] for batch in batches])
    except Exception as error:
        raise ValueError(f"the graph cannot be computed, to compare the file with it: {first_line(error)}") from error
