"""Graphs of ONNX, followed from their input to a tensor: what Keras, TensorFlow, scikit-learn and others write becomes linear layers and
activations."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from ._description import Array, Unsupported
from ._networks import Step

FLOATS: dict[int, Any] = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}
# Activations that liblaser has between layers, and those that it has at the end alone, where they become scalings of the features.
HIDDEN = {"Relu": "leaky_relu", "LeakyRelu": "leaky_relu", "PRelu": "leaky_relu", "Tanh": "tanh", "Sigmoid": "sigmoid"}
LAST = {"Exp": "exp", "Sinh": "sinh", "Softmax": "softmax"}
OTHERS = "Elu Selu Celu Gelu Softplus Softsign HardSigmoid HardSwish Swish Mish ThresholdedRelu LogSoftmax Erf Sin Cos Log Sqrt Pow Abs".split()
# What leaves values as they are, and what only moves them.
SAME = ("Identity", "Dropout", "Cast", "CastLike", "ZipMap")
MOVING = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Gather", "Split", "Transpose", "Expand", "Tile", "ArrayFeatureExtractor")
FUNCTION = "Any graph is a function that onnxruntime computes, for liblaser.Generator.from_callable (docs/foreign-models.md)"
NETWORK = (
    "liblaser's networks are linear layers (Gemm, MatMul, Add, Sub, Mul, Div by constants, BatchNormalization, Scaler) with Relu, LeakyRelu, "
    f"Tanh or Sigmoid between them. {FUNCTION}"
)
#: Rows that a graph is followed with, if it does not say how many it takes: a number that no width is by chance.
TRACED = 1009


@dataclasses.dataclass
class Value:
    """What a tensor holds for each row: matrix · v + offset, where v is what the steps, which end with an activation, make of the input."""

    before: tuple[Step, ...]
    matrix: Array
    offset: Array
    #: Of one row.
    shape: tuple[int, ...]
    #: The tensor whose activation v is.
    head: str = ""

    def select(self, index: Array) -> Value:
        """The values with these numbers, in the shape of `index`."""
        flat = index.ravel()
        return dataclasses.replace(self, matrix=self.matrix[flat], offset=self.offset[flat], shape=index.shape)

    def times(self, factor: Array) -> Value:
        return dataclasses.replace(self, matrix=self.matrix * factor[:, None], offset=self.offset * factor)

    def plus(self, offset: Array) -> Value:
        return dataclasses.replace(self, offset=self.offset + offset)

    def mapped(self, matrix: Array, shape: tuple[int, ...]) -> Value:
        return dataclasses.replace(self, matrix=matrix @ self.matrix, offset=matrix @ self.offset, shape=shape)

    def activated(self, kind: str, slope: float | None, head: str) -> Value:
        before = (*self.before, ("linear", self.matrix, self.offset), ("activation", kind, slope))
        n = len(self.offset)
        return Value(before, np.eye(n), np.zeros(n), self.shape, head)


Given = Any  # a Value, an array of a constant, or None for an input that is left out


def name_of(node: Any) -> str:
    return f"the node {node.name or node.output[0]!r} ({node.op_type})"


class Tracer:
    """Follows a graph from its inputs to a tensor."""

    def __init__(self, model: Any) -> None:
        self.model, self.graph = model, model.graph
        self.makers = {name: node for node in self.graph.node for name in node.output if name}
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}
        if self.graph.sparse_initializer:
            raise Unsupported("the graph has sparse weights; save it with dense ones")
        self.inputs = [value for value in self.graph.input if value.name not in self.constants]
        self.rows = TRACED
        self.values: dict[str, Given] = {}
        self.double = False

    # --- what there is ---

    def width(self, value: Any, latent: int | None) -> int:
        """The values in a row of an input."""
        kind = value.type.tensor_type
        if kind.elem_type not in FLOATS:
            raise Unsupported(f"the input {value.name!r} is of type {TensorProto.DataType.Name(kind.elem_type)}; FLOAT or DOUBLE is needed")
        dims = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in kind.shape.dim] if kind.HasField("shape") else [0, 0]
        if len(dims) != 2:
            raise Unsupported(f"the input {value.name!r} is of shape {shown(kind)}; rows are needed, [batch, d]")
        if dims[0] > 0:
            self.rows = dims[0]
        width = dims[1] or latent
        if not width:
            raise ValueError(
                f"the input {value.name!r} is of shape {shown(kind)}: the length of a row is needed; that of latents may be said by latent=N"
            )
        self.double |= kind.elem_type == TensorProto.DOUBLE
        return width

    def target(self, output: str | None) -> str:
        """The tensor that holds what is wanted."""
        if output is None:
            kinds = {value.name: value.type for value in self.graph.output}
            numbers = [name for name, kind in kinds.items() if not kind.HasField("tensor_type") or kind.tensor_type.elem_type in (0, *FLOATS)]
            if len(numbers) != 1:
                raise ValueError(f"the graph has the outputs {', '.join(map(repr, kinds))}; say by output= which one is wanted")
            output = numbers[0]
        if output not in self.makers:
            raise ValueError(
                f"output={output!r}: no node of the graph makes it; its outputs are {', '.join(repr(value.name) for value in self.graph.output)}"
            )
        while self.makers[output].op_type == "ZipMap":
            output = self.makers[output].input[0]
        return output

    def classes(self) -> tuple[str, ...]:
        """What the graph calls its two classes, in the order of their probabilities; empty if it does not say."""
        for node in self.graph.node:
            labels = listed(node, "classlabels_")
            if node.op_type == "LabelEncoder" and self.chosen(node.input[0]):
                labels = [label for _, label in sorted(zip(listed(node, "keys_"), listed(node, "values_")))]
            elif node.op_type in ("ArrayFeatureExtractor", "Gather") and self.chosen(node.input[1]):
                labels = self.stored(node.input[0])
            if len(labels) == 2:
                return tuple(label.decode() if isinstance(label, bytes) else str(label) for label in labels)
        return ()

    def chosen(self, name: str) -> bool:
        """Whether it is the number of the class of the largest probability."""
        while name in self.makers and self.makers[name].op_type in (*SAME, *MOVING):
            name = self.makers[name].input[0]
        return name in self.makers and self.makers[name].op_type == "ArgMax"

    def stored(self, name: str) -> list[Any]:
        tensor = self.constants.get(name)
        if tensor is None and name in self.makers and self.makers[name].op_type == "Constant":
            tensor = attributes(self.makers[name]).get("value")
        return [] if tensor is None else list(numpy_helper.to_array(tensor).ravel().tolist())

    # --- following it ---

    def follow(self, target: str) -> Value:
        self.wanted = target
        for node in self.needed(target):
            given = [self.given(name) if name else None for name in node.input]
            for name, made in zip(node.output, self.made(node, given)):
                self.values[name] = made
        value = self.given(target)
        if not isinstance(value, Value):
            raise Unsupported(f"{target!r} does not depend on the input")
        return value

    def needed(self, target: str) -> list[Any]:
        wanted = {target}
        nodes: list[Any] = []
        for node in reversed(self.graph.node):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                nodes.append(node)
        return nodes[::-1]

    def given(self, name: str) -> Given:
        if name not in self.values:
            if name not in self.constants:
                raise Unsupported(f"the tensor {name!r} is no input, constant or result of an earlier node")
            self.values[name] = self.constant(numpy_helper.to_array(self.constants[name]), f"the constant {name!r}", True)
        return self.values[name]

    def constant(self, values: Any, where: str, stored: bool) -> Array:
        """In double precision; `stored` in the graph, or computed of such."""
        array: Array = np.asarray(values)
        if array.dtype.kind == "f":
            if array.dtype == np.float16:
                raise Unsupported(f"{where} is of half precision; save the model with float32")
            if not np.all(np.isfinite(array)):
                raise ValueError(f"{where} has a value that is not finite: the training has diverged; export an earlier state")
            self.double |= stored and array.dtype == np.float64 and array.size > 1
            return np.asarray(array, np.float64)
        if array.dtype.kind not in "iubU" and array.dtype != object:
            raise Unsupported(f"{where} is of type {array.dtype}; save the model with float32")
        return array

    def computed(self, node: Any, given: Sequence[Any]) -> list[Any]:
        """What the node makes of arrays."""
        names = [name for name in node.input if name]
        inputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in names]
        outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.output if name]
        model = helper.make_model(helper.make_graph([node], "node", inputs, outputs), opset_imports=self.model.opset_import)
        try:
            return list(ReferenceEvaluator(model).run(None, dict(zip(names, (array for array in given if array is not None)))))
        except Exception as error:
            raise Unsupported(f"{name_of(node)} cannot be followed: {type(error).__name__}: {error}") from error

    def made(self, node: Any, given: list[Given]) -> list[Given]:
        kind, where = node.op_type, name_of(node)
        values = [value for value in given if isinstance(value, Value)]
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise Unsupported(f"{where} decides which part of the graph is computed; {NETWORK}")
        if kind.startswith(("Random", "Multinomial", "Bernoulli")):
            raise Unsupported(f"{where} draws random numbers; an event of liblaser is a function of its latents: make them an input (of a VAE "
                              "save the decoder alone)")
        if not values:
            return [self.constant(array, where, kind == "Constant") for array in self.computed(node, given)]
        if kind in ("Shape", "Size"):
            return self.computed(node, [np.zeros((self.rows, *values[0].shape), np.float32)])
        if kind in SAME:
            return [self.same(node, given, where)] + [None] * (len(node.output) - 1)
        if kind in MOVING:
            return self.moved(node, given, where)
        if kind in HIDDEN or kind in LAST:
            return [self.activation(node, given, where)]
        if kind in ("Clip", "Max"):
            return [self.relu(node, given, where)]
        if kind in ("Add", "Sub", "Mul", "Div", "Neg", "Sum"):
            return [self.arithmetic(kind, given, where)]
        if kind in ("MatMul", "Gemm"):
            return [self.product(node, given, where)]
        if kind in ("Concat", "FeatureVectorizer"):
            return [self.concatenated(node, given, where)]
        if kind == "BatchNormalization":
            return [self.normalised(node, given, where)]
        if kind == "Scaler":
            settings, n = attributes(node), len(values[0].offset)
            offset, scale = (np.broadcast_to(settings.get(name, default), n) for name, default in (("offset", 0.0), ("scale", 1.0)))
            return [values[0].plus(-offset).times(scale)]
        what = "is an activation that liblaser has not" if kind in OTHERS else "has no counterpart in liblaser"
        raise Unsupported(f"{where} {what}; {NETWORK}")

    def same(self, node: Any, given: list[Given], where: str) -> Value:
        value = given[0]
        if node.op_type == "Cast" and attributes(node)["to"] not in FLOATS:
            raise Unsupported(f"{where} makes {TensorProto.DataType.Name(attributes(node)['to'])} of values that depend on the input")
        if node.op_type == "Dropout" and len(given) > 2 and given[2] is not None and np.any(given[2]):
            raise Unsupported(f"{where} is that of a training, and draws random numbers; save the model for inference")
        if not isinstance(value, Value):
            raise Unsupported(f"{where} depends on the input in another way than by its first argument")
        return value

    def moved(self, node: Any, given: list[Given], where: str) -> list[Given]:
        """Values only change places: those of which row are where, tells the node itself."""
        value = given[0]
        if not isinstance(value, Value) or any(isinstance(other, Value) for other in given[1:]):
            raise Unsupported(f"{where} chooses values by the input; {NETWORK}")
        n = len(value.offset)
        numbered = np.arange(self.rows * n).reshape(self.rows, *value.shape)
        return [self.selected(value, places, where) for places in self.computed(node, [numbered, *given[1:]])]

    def selected(self, value: Value, places: Array, where: str) -> Value:
        n = len(value.offset)
        places = np.asarray(places)
        if places.ndim > 0 and len(places) == self.rows:
            inside = places - n * np.arange(self.rows).reshape(-1, *[1] * (places.ndim - 1))
            if np.all(inside == inside[0]) and np.all((inside >= 0) & (inside < n)):
                return value.select(inside[0])
        before = next((name for name, known in self.values.items() if known is value and name in self.makers), None)
        remedy = f". For the values before it say output={before!r}" if before else ""
        raise Unsupported(f"{where} makes one row of several, or several of one; each event of liblaser is a function of its own latents{remedy}")

    def activation(self, node: Any, given: list[Given], where: str) -> Value:
        kind, settings, value = node.op_type, attributes(node), given[0]
        slope: float | None = None
        if not isinstance(value, Value) or any(isinstance(other, Value) for other in given[1:]):
            raise Unsupported(f"{where} has a slope that depends on the input")
        if kind in ("Relu", "LeakyRelu", "PRelu"):
            slopes = np.unique(given[1]) if kind == "PRelu" else np.array([settings.get("alpha", 0.01) if kind == "LeakyRelu" else 0.0])
            slope = decimal(float(slopes[0]))
            if len(slopes) > 1 or not 0 <= slope < 1:
                raise Unsupported(f"{where} has the slopes {', '.join(f'{s:g}' for s in slopes[:3])}; liblaser's have one, within [0, 1)")
        if kind == "Softmax" and (len(value.shape) != 1 or settings.get("axis", -1) not in (-1, 1)):
            raise Unsupported(f"{where} is not one over the values of a row")
        return value.activated({**HIDDEN, **LAST}[kind], slope, node.input[0])

    def relu(self, node: Any, given: list[Given], where: str) -> Value:
        """Relu and LeakyRelu as some write them: the larger one of x and 0, or of x and slope · x."""
        settings = attributes(node)
        if node.op_type == "Clip":
            low, high = (given[i] if len(given) > i else settings.get(name) for i, name in ((1, "min"), (2, "max")))
            if isinstance(given[0], Value) and low is not None and np.all(low == 0) and (high is None or np.all(high >= 3e38)):
                return given[0].activated("leaky_relu", 0.0, node.input[0])
            raise Unsupported(f"{where} holds values between bounds; {NETWORK}")
        if len(given) == 2:
            for i, j in ((0, 1), (1, 0)):
                one, other = given[i], given[j]
                if not isinstance(one, Value):
                    continue
                if isinstance(other, np.ndarray) and not np.any(other) and other.size == 1:
                    return one.activated("leaky_relu", 0.0, node.input[i])
                if isinstance(other, Value) and shared([one, other]) == len(one.before) == len(other.before) and one.shape == other.shape:
                    ours, theirs = (np.append(v.matrix.ravel(), v.offset) for v in (one, other))
                    slope = float(ours @ theirs / max(float(ours @ ours), 1e-300))
                    if 0 <= slope < 1 and np.allclose(theirs, slope * ours, rtol=1e-12, atol=0):
                        return one.activated("leaky_relu", decimal(slope), node.input[i])
        raise Unsupported(f"{where} takes the larger one of other values than x and slope · x; {NETWORK}")

    def arithmetic(self, kind: str, given: list[Given], where: str) -> Given:
        if kind == "Neg":
            return given[0].times(-np.ones(len(given[0].offset)))
        total = given[0]
        for other in given[1:]:
            total = self.combined(kind, total, other, where)
        return total

    def combined(self, kind: str, a: Given, b: Given, where: str) -> Given:
        if not isinstance(a, Value) and not isinstance(b, Value):
            return a + b
        if isinstance(a, Value) and isinstance(b, Value):
            if kind in ("Mul", "Div"):
                raise Unsupported(f"{where} multiplies or divides values that both depend on the input; {NETWORK}")
            shape = self.common([a, b], where)
            a, b = (self.spread(value, shape, where) for value in (a, b))
            b = b.times(-np.ones(len(b.offset))) if kind == "Sub" else b
            a, b = together([a, b], where)
            return dataclasses.replace(a, matrix=a.matrix + b.matrix, offset=a.offset + b.offset)
        value, constant = (a, b) if isinstance(a, Value) else (b, a)
        shape = self.common([value, constant], where)
        value = self.spread(value, shape, where)
        full = np.broadcast_to(constant, shape)
        if np.any(full != full[:1]):
            raise Unsupported(f"{where} has another constant for each row; each event of liblaser is a function of its own latents")
        factor = full[0].ravel()
        if kind == "Mul":
            return value.times(factor)
        if kind == "Div":
            if not isinstance(a, Value):
                raise Unsupported(f"{where} divides by values that depend on the input; {NETWORK}")
            if np.any(factor == 0):
                raise ValueError(f"{where} divides by 0")
            return dataclasses.replace(value, matrix=value.matrix / factor[:, None], offset=value.offset / factor)
        if kind == "Sub":
            return value.plus(-factor) if isinstance(a, Value) else value.times(-np.ones(len(factor))).plus(factor)
        return value.plus(factor)

    def common(self, values: list[Given], where: str) -> tuple[int, ...]:
        shapes = [(self.rows, *value.shape) if isinstance(value, Value) else value.shape for value in values]
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise Unsupported(f"{where} is given shapes that do not go together, {' and '.join(map(str, shapes))}") from None

    def spread(self, value: Value, shape: tuple[int, ...], where: str) -> Value:
        """In the shape that arithmetic with another tensor gives it."""
        n = len(value.offset)
        numbered = np.arange(self.rows * n).reshape(self.rows, *value.shape)
        return value if shape == numbered.shape else self.selected(value, np.broadcast_to(numbered, shape), where)

    def product(self, node: Any, given: list[Given], where: str) -> Given:
        value: Given = given[0]
        weight: Given = given[1]
        settings = attributes(node)
        if not isinstance(value, Value) or isinstance(weight, Value) or settings.get("transA", 0):
            raise Unsupported(f"{where} is no matrix of weights applied to rows; {NETWORK}")
        weight = weight.T if settings.get("transB", 0) else weight
        column = weight.ndim == 1
        weight = weight[:, None] if column else weight
        if weight.ndim != 2 or not value.shape or value.shape[-1] != weight.shape[0]:
            raise Unsupported(f"{where} multiplies weights of shape {weight.shape} with rows of {shown_shape([None, *value.shape])}")
        others = value.shape[:-1]
        matrix = np.kron(np.eye(math.prod(others)), weight.T) * settings.get("alpha", 1.0)
        value = value.mapped(matrix, others if column else (*others, weight.shape[1]))
        if len(given) > 2 and given[2] is not None:
            return self.combined("Add", value, given[2] * settings.get("beta", 1.0), where)
        return value

    def concatenated(self, node: Any, given: list[Given], where: str) -> Value:
        value = next(v for v in given if isinstance(v, Value))
        axis = attributes(node).get("axis", 1) % (len(value.shape) + 1)
        if axis == 0:
            raise Unsupported(f"{where} joins rows; each event of liblaser is a function of its own latents")
        parts = []
        for part in given:
            if not isinstance(part, Value):
                if len(part) != self.rows or np.any(part != part[:1]):
                    raise Unsupported(f"{where} has another constant for each row; each event of liblaser is a function of its own latents")
                n = part[0].size
                part = dataclasses.replace(value, matrix=np.zeros((n, value.matrix.shape[1])), offset=part[0].ravel(), shape=part[0].shape)
            parts.append(part)
        try:
            parts = together(parts, where)
        except Unsupported as why:
            before = self.before_activations(node)
            if before is None:
                raise
            raise Unsupported(f"{why}. Features at the end become that by scaling=[…], as logit(0:1) of a Sigmoid and log(0) of an Exp, one word "
                              f"each, of the values before them, output={before!r}") from None
        begins = np.cumsum([0, *(len(part.offset) for part in parts)])
        places = np.concatenate([begin + np.arange(len(part.offset)).reshape(part.shape) for begin, part in zip(begins, parts)], axis - 1)
        matrix, offset = np.vstack([part.matrix for part in parts]), np.concatenate([part.offset for part in parts])
        return dataclasses.replace(parts[0], matrix=matrix, offset=offset).select(places)

    def before_activations(self, node: Any) -> str | None:
        """The tensor of which all that the node at the end joins is made, column by column."""
        moves = (*SAME, *MOVING, *HIDDEN, *LAST)
        end = self.wanted
        while end in self.makers and self.makers[end].op_type in SAME:
            end = self.makers[end].input[0]
        found: list[list[str]] = []
        for name in node.input if end in node.output else ():
            found.append([name])
            while name in self.makers and self.makers[name].op_type in moves:
                name = self.makers[name].input[0]
                found[-1].append(name)
        return next((name for name in (found or [[]])[0] if name in self.makers and all(name in others for others in found)), None)

    def normalised(self, node: Any, given: list[Given], where: str) -> Value:
        value, *parameters = given[:5]
        settings = attributes(node)
        if settings.get("training_mode", 0) or len([name for name in node.output if name]) > 1 or not settings.get("is_test", 1):
            raise Unsupported(f"{where} is that of a training, and mixes rows; save the model for inference")
        if not isinstance(value, Value) or any(isinstance(parameter, Value) for parameter in parameters):
            raise Unsupported(f"{where} has parameters that depend on the input")
        scale, bias, mean, variance = (np.repeat(parameter.ravel(), math.prod(value.shape[1:])) for parameter in parameters)
        factor = scale / np.sqrt(variance + settings.get("epsilon", 1e-5))
        return value.plus(-mean).times(factor).plus(bias)


def attributes(node: Any) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def listed(node: Any, kind: str) -> list[Any]:
    """The attribute whose name begins so; empty if there is none."""
    found: Any = next((values for name, values in attributes(node).items() if name.startswith(kind)), [])
    return list(numpy_helper.to_array(found).ravel().tolist()) if isinstance(found, TensorProto) else list(found)


def decimal(slope: float) -> float:
    """The number that was written, where the file has it in single precision: 0.2, not 0.20000000298."""
    short = float(str(np.float32(slope)))
    return short if np.float32(short) == np.float32(slope) and abs(slope - short) < 1e-7 else slope


def shared(values: Sequence[Value]) -> int:
    """How many of their first steps are the same ones."""
    for i, steps in enumerate(zip(*(value.before for value in values))):
        if any(step is not steps[0] for step in steps):
            return i
    return min(len(value.before) for value in values)


def together(values: list[Value], where: str) -> list[Value]:
    """The values with the same steps before them: those of each, side by side. What has fewer of them passes the others' ReLU and LeakyReLU as
    x = (act(x) − act(−x)) / (1 + slope)."""
    first = shared(values)
    if all(len(value.before) == first for value in values):
        return values
    steps = list(values[0].before[:first])
    width = len(steps[-2][2]) if steps else next(value.before[first][1].shape[1] for value in values if len(value.before) > first)
    # Of each value, what makes of the vector that all have in common the vector that its next step takes.
    makes = [np.eye(width) for _ in values]
    for i in range(first, max(len(value.before) for value in values), 2):
        kinds = {value.before[i + 1][1:] for value in values if len(value.before) > i}
        kind, slope = kinds.pop()
        if kinds or kind == "softmax" or (kind != "leaky_relu" and any(len(value.before) <= i for value in values)):
            raise Unsupported(
                f"{where} brings together values of layers with different activations, or of a skip connection around {kind}; side by side "
                f"liblaser has one activation, and only Relu and LeakyRelu let values pass. {FUNCTION}"
            )
        rows: list[Array] = []
        offsets: list[Array] = []
        parts: list[list[tuple[float, int]]] = []
        for value, make in zip(values, makes):
            if len(value.before) > i:
                _, weight, bias = value.before[i]
                rows, offsets = [*rows, weight @ make], [*offsets, bias]
                parts.append([(1.0, len(bias))])
            else:
                n = len(make)
                rows, offsets = [*rows, make, -make], [*offsets, np.zeros(2 * n)]
                parts.append([(1 / (1 + slope), n), (-1 / (1 + slope), n)])
        total, begin = sum(n for part in parts for _, n in part), 0
        for k, part in enumerate(parts):
            makes[k] = np.zeros((part[0][1], total))
            for factor, n in part:
                makes[k][:, begin : begin + n] = factor * np.eye(n)
                begin += n
        steps += [("linear", np.vstack(rows), np.concatenate(offsets)), ("activation", kind, slope)]
    before = tuple(steps)
    return [dataclasses.replace(value, before=before, matrix=value.matrix @ make, head="") for value, make in zip(values, makes)]


def shown_shape(shape: Sequence[Any]) -> str:
    return f"[{', '.join('batch' if size is None else str(size) for size in shape)}]"


def shown(kind: Any) -> str:
    return f"[{', '.join(dim.dim_param or str(dim.dim_value or '?') for dim in kind.shape.dim)}]"
