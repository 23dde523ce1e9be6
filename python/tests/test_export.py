"""liblaser.export without PyTorch: networks of ONNX files as Keras, PyTorch and scikit-learn write them, against NumPy."""

import json
import re
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import liblaser
from liblaser.export import Unsupported, __main__, _onnx, export, export_reweighter

RNG = np.random.default_rng(5)
Z = RNG.normal(size=(200, 3))


def weights(*widths, dtype=np.float32, seed=7):
    """(W, b) of each layer, W of shape (inputs, outputs) as Keras has it."""
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(a, b)).astype(dtype) / np.sqrt(a).astype(dtype), rng.normal(size=b).astype(dtype)) for a, b in zip(widths, widths[1:])]


def node(kind, inputs, output, domain="", **settings):
    outputs = [output] if isinstance(output, str) else output
    return helper.make_node(kind, inputs.split(), outputs, name=f"model/{outputs[0]}", domain=domain, **settings)


def model(nodes, constants=(), inputs=(("z", 3),), outputs=("x",), batch="batch", opset=17, kind=TensorProto.FLOAT):
    """A graph; constants by name."""
    tensors = [numpy_helper.from_array(np.asarray(values), name) for name, values in dict(constants).items()]
    rows = [helper.make_tensor_value_info(name, kind, [batch, width]) for name, width in inputs]
    made = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(helper.make_graph(nodes, "graph", rows, made, tensors), opset_imports=opsets, ir_version=9)


def keras(layers, activation, last=None, source="z", **settings):
    """A Sequential as tf2onnx writes it, and the name of what it makes: MatMul and Add, named after the layers."""
    nodes, constants, name = [], {}, source
    for i, (weight, bias) in enumerate(layers):
        dense = f"sequential/dense_{i}"
        constants |= {f"{dense}/MatMul/ReadVariableOp:0": weight, f"{dense}/BiasAdd/ReadVariableOp:0": bias}
        nodes.append(node("MatMul", f"{name} {dense}/MatMul/ReadVariableOp:0", f"{dense}/MatMul:0"))
        nodes.append(node("Add", f"{dense}/MatMul:0 {dense}/BiasAdd/ReadVariableOp:0", f"{dense}/BiasAdd:0"))
        name = f"{dense}/BiasAdd:0"
        kind = activation if i < len(layers) - 1 else last
        if kind:
            nodes.append(node(kind, name, f"{dense}/{kind}:0", **(settings if i < len(layers) - 1 else {})))
            name = f"{dense}/{kind}:0"
    return [*nodes, node("Identity", name, "x")], constants


def dense(rows, layers, activation=lambda u: np.where(u > 0, u, 0.2 * u)):
    """What the layers make, in double precision."""
    for i, (weight, bias) in enumerate(layers):
        rows = (activation(rows) if i else rows) @ weight.astype(float) + bias
    return rows


def relu(u):
    return np.maximum(u, 0)


def sigmoid(u):
    return 1 / (1 + np.exp(-u))


def generated(path, rows=Z):
    with liblaser.Model(liblaser.Generator.load(path)) as loaded:
        return loaded.generate(rows)


def near(found, expected, tolerance=2e-5):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def header(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["laser"])


@pytest.fixture
def out(tmp_path):
    return tmp_path / "model.laser"


# --- generators ---


def test_a_generator_of_keras(out):
    layers = weights(3, 16, 16, 2)
    written = export(model(*keras(layers, "LeakyRelu", alpha=0.2)), out, mean=[1.0, -2.0], std=[2.0, 0.5])
    near(generated(out), dense(Z, layers) * [2.0, 0.5] + [1.0, -2.0])
    assert (written.latent_dim, written.event_dim, written.conditions, written.dtype, written.native) == (3, 2, 0, "float32", True)
    assert written.compared.startswith("onnxruntime")
    # The slope that was written, 0.2, not the nearest number of single precision.
    network = header(out)["model"]["generator"]["kind"]["maps"][0]["network"]
    assert network == {"inputs": 3, "hidden": [16, 16], "outputs": 2, "activation": {"type": "leaky_relu", "slope": 0.2}}


@pytest.mark.parametrize("batch", [1, 4, "batch"])
def test_a_sequential_as_torch_onnx_writes_it(out, batch):
    layers = weights(3, 8, 2)
    nodes = [node("Gemm", "z 0.weight 0.bias", "/0/Gemm_output_0", alpha=1.0, beta=1.0, transB=1),
             node("Relu", "/0/Gemm_output_0", "/1/Relu_output_0"),
             node("Gemm", "/1/Relu_output_0 2.weight 2.bias", "x", alpha=2.0, beta=0.5, transB=1)]
    constants = {f"{2 * i}.{name}": values for i, (w, b) in enumerate(layers) for name, values in (("weight", w.T), ("bias", b))}
    export(model(nodes, constants, batch=batch), out)
    near(generated(out), dense(Z, [layers[0], (2 * layers[1][0], 0.5 * layers[1][1])], relu))


def test_the_weights_of_a_plain_network_are_kept_bit_by_bit(out):
    layers = weights(3, 8, 2)
    export(model(*keras(layers, "Tanh")), out)
    data = out.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    tensors = json.loads(data[8 : 8 + length])
    for i, (weight, bias) in enumerate(layers):
        for name, values in (("weight", weight.T), ("bias", bias)):
            begin, end = tensors[f"generator.0.{i}.{name}"]["data_offsets"]
            assert data[8 + length + begin : 8 + length + end] == np.ascontiguousarray(values).tobytes()


def test_what_does_nothing_and_what_is_folded(out):
    (w0, b0), (w1, b1) = weights(3, 8, 2)
    scale, bias, mean, variance = (RNG.uniform(0.5, 2, 8).astype(np.float32) for _ in range(4))
    nodes = [
        helper.make_node("Constant", [], ["centre"], value=numpy_helper.from_array(np.float32([1, 2, 3]))),
        node("Sub", "z centre", "a"), node("Div", "a width", "b"),
        # Weights that the graph computes, and a bias that comes first.
        node("Transpose", "w0", "w0t"), node("MatMul", "b w0t", "c"), node("Add", "b0 c", "d"),
        node("BatchNormalization", "d scale bias mean variance", "e", epsilon=1e-3),
        node("Cast", "e", "f", to=TensorProto.FLOAT), node("Relu", "f", "g"),
        node("Dropout", "g ratio training", "h"),
        # As tf2onnx writes the layer Reshape: the number of rows from the tensor's own shape.
        node("Shape", "h", "s"), node("Slice", "s zero one", "s0"), node("Concat", "s0 eight", "target", axis=0), node("Reshape", "h target", "i"),
        node("Unsqueeze", "i one", "j"), node("Flatten", "j", "k", axis=1),
        node("Gemm", "k w1 b1", "l"), node("Mul", "two l", "m"), node("Neg", "m", "n"), node("Sub", "one_f n", "x"),
    ]
    constants = {"width": np.float32([2, 4, 8]), "w0": w0.T, "b0": b0, "scale": scale, "bias": bias, "mean": mean, "variance": variance, "w1": w1,
                 "b1": b1, "two": np.float32(2), "one_f": np.float32(1), "ratio": np.float32(0.5), "training": np.array(False),
                 "zero": np.int64([0]), "one": np.int64([1]), "eight": np.int64([8])}
    export(model(nodes, constants), out)
    hidden = relu(((Z - [1, 2, 3]) / [2, 4, 8] @ w0 + b0 - mean) / np.sqrt(variance + 1e-3) * scale + bias)
    near(generated(out), 1 + 2 * (hidden @ w1 + b1))
    assert header(out)["model"]["generator"]["kind"]["maps"][0]["network"]["hidden"] == [8]


def test_columns_are_moved_and_joined(out):
    layers = weights(3, 8, 4)
    nodes, constants = keras(layers, "Relu")
    nodes += [node("Split", "x two_two", ["left", "right"], axis=1), node("Gather", "right order", "swapped", axis=1),
              node("Add", "left swapped", "sum"), node("Shape", "x", "shape"), node("Gather", "shape first", "rows"),
              node("Concat", "rows first", "column", axis=0), node("Max", "column one", "sizes"), node("Expand", "seven sizes", "sevens"),
              node("Concat", "sum left sevens", "y", axis=-1)]
    constants |= {"two_two": np.int64([2, 2]), "order": np.int64([1, 0]), "seven": np.float32([[7]]), "first": np.int64([0]), "one": np.int64([1])}
    export(model(nodes, constants, outputs=["y"]), out)
    x = dense(Z, layers, relu)
    near(generated(out), np.hstack([x[:, :2] + x[:, [3, 2]], x[:, :2], np.full((200, 1), 7)]))


@pytest.mark.parametrize("kind, function", [("Tanh", np.tanh), ("Sigmoid", sigmoid), ("Exp", np.exp), ("Sinh", np.sinh)])
def test_the_end_becomes_a_scaling(out, kind, function):
    """Activations at the end, with the standardisation undone in the graph or by the caller, and features of either sign."""
    layers = weights(3, 8, 2)
    nodes, constants = keras(layers, "Relu", kind)
    signs = [2.0, 0.5] if kind == "Exp" else [2.0, -0.5]
    nodes += [node("Mul", "x factor", "y"), node("Add", "y offset", "w")]
    constants |= {"factor": np.float32(signs), "offset": np.float32([-1, 3])}
    export(model(nodes, constants, outputs=["w"]), out, mean=[10.0, 0.0], std=[1.0, 3.0])
    near(generated(out), (function(dense(Z, layers, relu)) * signs + [-1, 3]) * [1, 3] + [10, 0])
    scalings = header(out)["model"]["generator"]["scalings"]
    assert {scaling["type"] for scaling in scalings} == {{"Tanh": "logit", "Sigmoid": "logit", "Exp": "log", "Sinh": "asinh"}[kind]}
    with pytest.raises(ValueError, match=f"ends with {kind.lower()}"):
        export(model(nodes, constants, outputs=["w"]), out, scaling="log(0)")


def test_features_that_end_with_relu(out):
    layers = weights(3, 8, 2)
    export(model(*keras(layers, "Relu", "Relu")), out)
    near(generated(out), relu(dense(Z, layers, relu)))
    assert np.any(generated(out) == 0)


@pytest.mark.parametrize("conditions", [0, 1])
def test_different_activations(out, conditions):
    (w0, b0), (w1, b1), (w2, b2), (w3, b3) = weights(3, 8, 8, 8, 2)
    nodes = []
    for i, kind in enumerate(("Relu", "LeakyRelu", "Sigmoid", None)):
        nodes.append(node("Gemm", f"{'z' if i == 0 else f'a{i}'} w{i} b{i}", f"u{i}" if kind else "x"))
        nodes += [node(kind, f"u{i}", f"a{i + 1}")] if kind else []
    constants = {"w0": w0, "b0": b0, "w1": w1, "b1": b1, "w2": w2, "b2": b2, "w3": w3, "b3": b3}
    export(model(nodes, constants), out, conditions=conditions)
    a = relu(Z @ w0 + b0) @ w1 + b1
    a = sigmoid(np.where(a > 0, a, 0.01 * a) @ w2 + b2)
    near(generated(out), a @ w3 + b3)
    assert len(header(out)["model"]["generator"]["kind"]["maps"]) == 3


def test_different_activations_at_the_end(out):
    """What has them beside each other is not expressed; what is before them, with a scaling, is the same."""
    layers = weights(3, 8, 3)
    nodes, constants = keras(layers, "Relu")
    nodes += [node("Split", "x parts", ["left", "right", "rest"], axis=1), node("Sigmoid", "left", "s"), node("Exp", "right", "e"),
              node("Concat", "s e rest", "joined", axis=1), node("Identity", "joined", "y")]
    made = model(nodes, constants | {"parts": np.int64([1, 1, 1])}, outputs=["y"])
    with pytest.raises(Unsupported, match=r"brings together .* by scaling=\[…\], as .*, one word each, .*, output='x'"):
        export(made, out)
    export(made, out, output="x", scaling=["logit(0:1)", "log(0)", "standardise"])
    u = dense(Z, layers, relu)
    near(generated(out), np.column_stack([sigmoid(u[:, 0]), np.exp(u[:, 1]), u[:, 2]]))
    # Heads with weights of their own have no such tensor.
    with pytest.raises(Unsupported) as caught:
        export(model([node("Gemm", "z w", "u"), node("Tanh", "u", "t"), node("Gemm", "z w", "v"), node("Exp", "v", "r"), node("Concat", "t r", "x", axis=1)], W), out)
    assert "output=" not in str(caught.value)


@pytest.mark.parametrize("kind", ["Max", "Max slope", "Clip", "PRelu"])
def test_rectifiers_as_others_write_them(out, kind):
    (w0, b0), (w1, b1) = weights(3, 8, 2)
    slope = 0.0 if kind in ("Max", "Clip") else 0.3
    middle = {"Max": [node("Max", "u zero", "v")], "Max slope": [node("Mul", "slope u", "t"), node("Max", "t u", "v")],
              "Clip": [node("Clip", "u zero", "v")], "PRelu": [node("PRelu", "u slope", "v")]}[kind]
    nodes = [node("Gemm", "z w0 b0", "u"), *middle, node("Gemm", "v w1 b1", "x")]
    export(model(nodes, {"w0": w0, "b0": b0, "w1": w1, "b1": b1, "zero": np.float32(0), "slope": np.float32(0.3)}), out)
    near(generated(out), dense(Z, [(w0, b0), (w1, b1)], lambda u: np.where(u > 0, u, slope * u)))
    assert header(out)["model"]["generator"]["kind"]["maps"][0]["network"]["activation"]["slope"] == slope


@pytest.mark.parametrize("activation, slope", [("Relu", 0.0), ("LeakyRelu", 0.01)])
def test_layers_side_by_side(out, activation, slope):
    """A latent and a condition with layers of their own, a skip connection around two layers, and one from the input to the end."""
    shapes = {"w": (3, 8), "v": (2, 4), "a": (12, 6), "b": (6, 12), "c": (15, 2)}
    layers = {name: weights(*shape, seed=i)[0] for i, (name, shape) in enumerate(shapes.items())}
    constants = {f"{name}{part}": values for name, layer in layers.items() for part, values in zip("wb", layer)}
    nodes = [node("Gemm", "z ww wb", "z1"), node(activation, "z1", "z2"), node("Gemm", "y vw vb", "y1"), node(activation, "y1", "y2"),
             node("Concat", "z2 y2", "j", axis=1), node("Gemm", "j aw ab", "j1"), node(activation, "j1", "j2"), node("Gemm", "j2 bw bb", "j3"),
             node("Add", "j3 j", "k"), node(activation, "k", "k1"), node("Concat", "z k1", "l", axis=1), node("Gemm", "l cw cb", "x")]
    export(model(nodes, constants, inputs=(("z", 3), ("y", 2))), out, conditions="y")
    y = RNG.normal(size=(200, 2))

    def f(u):
        return np.where(u > 0, u, slope * u)

    def layer(name, u):
        return u @ layers[name][0].astype(float) + layers[name][1]

    j = np.hstack([f(layer("w", Z)), f(layer("v", y))])
    k = f(layer("b", f(layer("a", j))) + j)
    near(generated(out, np.hstack([Z, y])), layer("c", np.hstack([Z, k])))


@pytest.mark.parametrize("order", ["z c", "c z"])
def test_conditions_by_name(out, order):
    layers = weights(5, 8, 2)
    nodes, constants = keras(layers, "Relu", source="joined")
    both = model([node("Concat", order, "joined", axis=1), *nodes], constants, inputs=(("c", 2), ("z", 3)))
    with pytest.raises(Unsupported, match="inputs 'c', 'z'"):
        export(both, out)
    with pytest.raises(ValueError, match="conditions='d': the inputs are 'c', 'z'"):
        export(both, out, conditions=["d"])
    written = export(both, out, conditions="c", condition_mean=[1.0, 0.0], condition_std=2.0)
    c = RNG.normal(size=(200, 2))
    given = {"z": Z, "c": (c - [1, 0]) / 2}
    near(generated(out, np.hstack([Z, c])), dense(np.hstack([given[name] for name in order.split()]), layers, relu))
    assert (written.latent_dim, written.conditions) == (3, 2)


def test_names(out):
    made = model(*keras(weights(4, 8, 2), "Relu"), inputs=[("z", 4)])
    for names in (["m", "p T", "mu"], "m, p T,mu"):
        export(made, out, conditions=1, names=names)
        loaded = liblaser.Model(liblaser.Generator.load(out))
        assert loaded.names == ("m", "p T", "mu")
    export(made, out)
    assert "names" not in header(out)["model"]
    for names, words in ((["m"], "names are 1, m; 3 are needed"), ("m,m,mu", "'m'; they are all different"), (["m", "a=b", "c"], "'a=b'; "),
                         (["m", "", "c"], "''; "), (["m", "1e3", "c"], "'1e3'; "), (["m", "x" * 101, "c"], "1 to 100 letters")):
        with pytest.raises(ValueError, match=words):
            export(made, out, conditions=1, names=names)
    classifier = model(*keras(weights(3, 8, 1), "Relu"))
    export_reweighter(classifier, out)
    bare = weighted(out, Z)
    export_reweighter(classifier, out, names=["a", "b", "c"])
    assert np.array_equal(weighted(out, {"c": Z[:, 2], "a": Z[:, 0], "b": Z[:, 1]}), bare)


def test_the_model_itself_is_not_written_over(tmp_path):
    path = tmp_path / "clf.onnx"
    onnx.save(model(*keras(weights(3, 8, 1), "Relu")), path)
    link = tmp_path / "link.laser"
    link.symlink_to(path)
    before = path.read_bytes()
    for write in (export, export_reweighter):
        for place in (path, link):
            with pytest.raises(ValueError, match="is the model itself"):
                write(path, place)
    assert path.read_bytes() == before


def test_scalers_far_from_0_keep_their_digits(out):
    import onnxruntime
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # Numbers that single precision has.
    x = np.round(8 * np.vstack([Z, Z + 0.3])) / 8 + 2.0**17
    labels = np.repeat([0, 1], len(Z))
    pipeline = fitted(make_pipeline(StandardScaler(), MLPClassifier(hidden_layer_sizes=(8,), max_iter=3)), x, labels)
    graph = to_onnx(pipeline, x.astype(np.float32), options={"zipmap": False})
    written = export_reweighter(graph, out)
    assert written.dtype == "float64"
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    p = session.run(["probabilities"], {session.get_inputs()[0].name: x.astype(np.float32)})[0].astype(float)
    near(np.log(weighted(out, x)), np.log(p[:, 1] / p[:, 0]), 1e-4)
    export_reweighter(graph, out, dtype="float32")
    with pytest.raises(AssertionError):
        near(np.log(weighted(out, x)), np.log(p[:, 1] / p[:, 0]), 1e-4)


def test_double_precision(out):
    layers = weights(3, 8, 2, dtype=np.float64)
    written = export(model(*keras(layers, "Tanh"), kind=TensorProto.DOUBLE), out)
    near(generated(out), dense(Z, layers, np.tanh), 1e-14)
    assert written.dtype == "float64"
    assert export(model(*keras(weights(3, 8, 2), "Tanh")), out, dtype="float64").dtype == "float64"


def test_files_and_weights_beside_them(out, tmp_path):
    layers = weights(3, 64, 2)
    made, path = model(*keras(layers, "Relu")), tmp_path / "net.onnx"
    onnx.save(made, path, save_as_external_data=True, location="net.data", size_threshold=0)
    export(path, out)
    near(generated(out), dense(Z, layers, relu))
    (tmp_path / "net.data").unlink()
    with pytest.raises(ValueError, match="its weights in other files are missing"):
        export(str(path), out)
    with pytest.raises(FileNotFoundError, match="there is no file nothing.onnx"):
        export("nothing.onnx", out)
    (tmp_path / "model.keras").write_bytes(b"PK")
    with pytest.raises(ValueError, match="is no ONNX file.*model.export"):
        export(tmp_path / "model.keras", out)


@pytest.mark.parametrize("opset", [9, 11, 13, 20])
def test_versions_of_operators(out, opset):
    """Axes, bounds and ratios are attributes in old graphs, and inputs in new ones."""
    layers = weights(3, 8, 2)
    ones = {name: np.ones(8, np.float32) for name in ("scale", "bias", "mean", "variance")}
    new = [node("Unsqueeze", "d axis", "e"), node("Squeeze", "e axis", "f")]
    old = [node("Unsqueeze", "d", "e", axes=[2]), node("Squeeze", "e", "f", axes=[2])]
    clip = node("Clip", "f", "g", min=0.0) if opset < 11 else node("Clip", "f zero", "g")
    drop = node("Dropout", "g", "h", ratio=0.5) if opset < 12 else node("Dropout", "g half", "h")
    nodes = [node("Gemm", "z w0 b0", "c"), node("BatchNormalization", "c scale bias mean variance", "d", epsilon=0.5), *(old if opset < 13 else new), clip,
             drop, node("Gemm", "h w1 b1", "x")]
    constants = ones | {"w0": layers[0][0], "b0": layers[0][1], "w1": layers[1][0], "b1": layers[1][1], "axis": np.int64([2]), "zero": np.float32(0),
                        "half": np.float32(0.5)}
    written = export(model(nodes, constants, opset=opset), out)
    near(generated(out), dense(Z, layers, lambda u: relu((u - 1) / np.sqrt(1.5) + 1)))
    assert written.compared.startswith("onnxruntime")


def test_several_outputs(out):
    layers = weights(3, 8, 2)
    nodes, constants = keras(layers, "Relu")
    nodes.append(node("Tanh", "x", "bounded"))
    two = model(nodes, constants, outputs=["x", "bounded"])
    with pytest.raises(ValueError, match="outputs 'x', 'bounded'; say by output="):
        export(two, out)
    with pytest.raises(ValueError, match="output='y': no node of the graph makes it; its outputs are 'x', 'bounded'"):
        export(two, out, output="y")
    export(two, out, output="bounded")
    near(generated(out), np.tanh(dense(Z, layers, relu)))
    # Any tensor, not outputs alone.
    export(two, out, output="sequential/dense_0/Relu:0")
    near(generated(out), relu(dense(Z, layers[:1])))


W = {"w": np.ones((3, 3), np.float32), "k": np.float32([1, 2, 3]), "i": np.int64([0, 2]), "two": np.int64([2]), "half": np.float32(0.5), "yes": np.array(True)}
REFUSED = {
    "Elu": ([node("Elu", "z", "x")], r"the node 'model/x' \(Elu\) is an activation that liblaser has not; .* Relu, LeakyRelu, Tanh or Sigmoid.*Generator.from_callable"),
    "Conv": ([node("Conv", "z w", "x")], r"'model/x' \(Conv\) has no counterpart in liblaser"),
    "product": ([node("Sigmoid", "z", "s"), node("Mul", "z s", "x")], r"'model/x' \(Mul\) multiplies .* both depend on the input"),
    "quotient": ([node("Div", "k z", "x")], r"'model/x' \(Div\) divides by values that depend on the input"),
    "skip": ([node("Tanh", "z", "r"), node("Add", "z r", "x")], r"'model/x' \(Add\) brings together .* skip connection around tanh.*from_callable"),
    "two": ([node("Tanh", "z", "t"), node("Relu", "z", "r"), node("Concat", "t r", "x", axis=1)], r"\(Concat\) brings together .* different activations"),
    "random": ([node("RandomNormalLike", "z", "r"), node("Add", "z r", "x")], r"\(RandomNormalLike\) draws random numbers.*save the decoder alone"),
    "training": ([node("Dropout", "z half yes", "x")], r"\(Dropout\) is that of a training"),
    "norm": ([node("BatchNormalization", "z k k k k", "x", training_mode=1)], r"\(BatchNormalization\) is that of a training"),
    "rows": ([node("Transpose", "z", "t"), node("MatMul", "t w", "x")], r"'model/t' \(Transpose\) makes one row of several"),
    "axis": ([node("Concat", "z z", "x", axis=0)], r"\(Concat\) joins rows"),
    "slopes": ([node("PRelu", "z k", "x")], r"\(PRelu\) has the slopes 1, 2, 3"),
    "steep": ([node("LeakyRelu", "z", "x", alpha=1.5)], r"has the slopes 1.5; liblaser's have one, within \[0, 1\)"),
    "bounds": ([node("Clip", "z half", "x")], r"\(Clip\) holds values between bounds"),
    "integers": ([node("Cast", "z", "x", to=TensorProto.INT64)], r"\(Cast\) makes INT64"),
    "lookup": ([node("Cast", "z", "j", to=TensorProto.INT32), node("Gather", "w j", "x")], r"\(Cast\) makes INT32"),
    "softmax": ([node("Gemm", "z w", "u"), node("Softmax", "u", "x")], r"end with softmax.*output='u'.*export_reweighter"),
    "inside": ([node("Exp", "z", "e"), node("Gemm", "e w", "x")], r"exp is followed by further layers.*from_callable"),
    "shape": ([node("Unsqueeze", "z two", "x")], r"'x' is of shape \[batch, 3, 1\]"),
    "constant": ([node("Identity", "w", "x")], r"'x' does not depend on the input"),
    "missing": ([node("Add", "z nothing", "x")], r"'nothing' is no input, constant"),
    "control": ([helper.make_node("If", ["yes"], ["x"], "model/x", then_branch=helper.make_graph([], "g", [], []),
                                  else_branch=helper.make_graph([], "g", [], []))], r"\(If\) decides which part"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_mapped_is_named(out, case):
    nodes, words = REFUSED[case]
    with pytest.raises(Unsupported, match=words):
        export(model(nodes, W), out)
    assert not out.exists()


def test_weights_that_no_file_may_hold(out):
    layers = weights(3, 8, 2)
    layers[0][0][1, 2] = np.nan
    with pytest.raises(ValueError, match="dense_0/MatMul/ReadVariableOp:0' has a value that is not finite"):
        export(model(*keras(layers, "Relu")), out)
    with pytest.raises(Unsupported, match="half precision"):
        export(model([node("Cast", "h", "w", to=1), node("MatMul", "z w", "x")], {"h": np.ones((3, 2), np.float16)}), out)
    whole = helper.make_tensor_value_info("z", TensorProto.INT64, ["batch", 3])
    made = model(*keras(weights(3, 2), "Relu"))
    made.graph.input[0].CopyFrom(whole)
    with pytest.raises(Unsupported, match="input 'z' is of type INT64"):
        export(made, out)


def test_shapes_of_the_input(out):
    layers = weights(3, 8, 2)
    made = model(*keras(layers, "Relu"))
    made.graph.input[0].type.tensor_type.shape.dim[1].ClearField("dim_value")
    with pytest.raises(ValueError, match=r"input 'z' is of shape \[batch, \?\]: the length of a row is needed"):
        export(made, out)
    export(made, out, latent=3)
    near(generated(out), dense(Z, layers, relu))
    made.graph.input[0].type.tensor_type.shape.dim.add().dim_value = 2
    with pytest.raises(Unsupported, match=r"rows are needed, \[batch, d\]"):
        export(made, out)
    whole = model(*keras(layers, "Relu"))
    for wrong, words in (({"latent": 2}, "latent=2, but"), ({"conditions": 3}, "leave no latents"), ({"mean": [1, 2, 3]}, "mean has shape"),
                         ({"form": "torchscript"}, "form= is for models of PyTorch"), ({"layers": lambda m: m}, "layers= is for"),
                         ({"forward": "generate"}, "forward= is for"), ({"dtype": "float16"}, "dtype='float16'")):
        with pytest.raises(ValueError, match=words):
            export(whole, out, **wrong)


def test_the_numbers_are_compared_and_nothing_is_written_where_they_differ(out, monkeypatch):
    layers = weights(3, 8, 2)
    made = model(*keras(layers, "Relu"))
    computed = _onnx.evaluated

    def other(*arguments):
        program, values = computed(*arguments)
        values[317, 1] += 1e-3 * np.abs(values).max()
        return program, values

    monkeypatch.setattr(_onnx, "evaluated", other)
    with pytest.raises(ValueError, match="would not have the model's numbers: of the trial row 317, value 1 is .* by onnxruntime"):
        export(made, out)
    assert not out.exists()
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert export(made, out).compared.startswith("the reference of onnx")


# --- scikit-learn ---


def fitted(estimator, *data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that so few steps have not converged
        return estimator.fit(*data)


def to_onnx(estimator, x, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skl2onnx

        return skl2onnx.to_onnx(estimator, x[:1], **settings)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_a_regressor_of_scikit_learn(out, activation, dtype):
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = (Z * [1, 10, 0.1] + [5, 0, 1]).astype(dtype)
    pipeline = fitted(make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(8, 8), activation=activation, max_iter=3)), x, Z[:, 0] ** 2)
    written = export(to_onnx(pipeline, x), out)
    near(generated(out, x.astype(float))[:, 0], pipeline.predict(x))
    assert written.dtype == np.dtype(dtype).name


def test_several_targets_of_scikit_learn(out):
    """skl2onnx ends the graph with a Reshape to one column, of twice as many rows."""
    from sklearn.neural_network import MLPRegressor

    regressor = fitted(MLPRegressor(hidden_layer_sizes=(8,), max_iter=3), Z, Z[:, :2])
    made = to_onnx(regressor, Z)
    with pytest.raises(Unsupported, match=r"\(Reshape\) makes one row of several.*say output='add_result1'"):
        export(made, out)
    export(made, out, output="add_result1")
    near(generated(out), regressor.predict(Z), 1e-12)


# --- reweighters ---


def weighted(path, rows):
    with liblaser.Reweighter.load(path) as reweighter:
        return reweighter.weights(rows)


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_classifier_of_scikit_learn(out, zipmap):
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = Z * [1, 10, 0.1] + [5, 0, 1]
    label = (Z[:, 0] + RNG.normal(size=len(Z)) > 0).astype(int)
    classifier = fitted(make_pipeline(StandardScaler(), MLPClassifier(hidden_layer_sizes=(8, 8), max_iter=20)), x, label)
    made = to_onnx(classifier, x, options={"zipmap": zipmap})
    written = export_reweighter(made, out, log_ratio_offset=np.log(2))
    p = classifier.predict_proba(x)[:, 1]
    near(weighted(out, x), 2 * p / (1 - p), 1e-3)
    assert (written.event_dim, written.latent_dim) == (3, 0)
    assert "reweighter" in repr(liblaser.Reweighter.load(out)).lower()


def test_the_probability_of_the_other_label(out):
    layers = [(RNG.normal(size=(3, 5)).astype("f4"), RNG.normal(size=5).astype("f4")), (RNG.normal(size=(5, 1)).astype("f4"), np.ones(1, "f4"))]
    constants = {"w0": layers[0][0], "b0": layers[0][1], "w1": layers[1][0], "b1": layers[1][1], "one": np.ones(1, "f4")}
    logit = dense(Z, layers, relu)[:, 0]
    for last, sign in (([], 1), ([node("Sub", "one p", "q")], -1), ([node("Sub", "one p", "r"), node("Sub", "one r", "q")], 1)):
        nodes = [node("Gemm", "z w0 b0", "h"), node("Relu", "h", "a"), node("Gemm", "a w1 b1", "l"), node("Sigmoid", "l", "p"), *last]
        export_reweighter(model(nodes, constants, outputs=("q" if last else "p",)), out)
        near(weighted(out, Z), np.exp(sign * logit))


def labelled(labels, zipmap=True):
    """A classifier of labels, of which the second has the larger values, and what it says of Z: the logarithm of p(second) / p(first)."""
    from sklearn.neural_network import MLPClassifier

    second = Z[:, 0] + np.random.default_rng(3).normal(size=len(Z)) > 0
    classifier = fitted(MLPClassifier(hidden_layer_sizes=(8,), max_iter=20, random_state=1), Z, np.where(second, labels[1], labels[0]))
    p = classifier.predict_proba(Z)[:, list(classifier.classes_).index(labels[1])]
    return to_onnx(classifier, Z, options={"zipmap": zipmap}), np.log(p / (1 - p))


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("labels", [("sim", "data"), ("data", "sim"), (1, 0), (2, 5), (1, -1)])
def test_classes_that_are_not_0_and_1(out, labels, zipmap):
    made, log_w = labelled(labels, zipmap)
    first, second = sorted(map(str, labels)) if isinstance(labels[0], str) else map(str, sorted(labels))
    if (first, second) != ("0", "1"):
        with pytest.raises(ValueError, match=rf"the classes of the graph are '{first}', '{second}': say .* --classes {first},{second} or {second},{first}"):
            export_reweighter(made, out)
        assert not out.exists()
    for classes, sign in ((labels, 1), (labels[::-1], -1), (",".join(map(str, labels)), 1)):
        written = export_reweighter(made, out, classes=classes)
        near(np.log(weighted(out, Z)), sign * log_w, 1e-4)
        assert written.classes == (tuple(classes.split(",")) if isinstance(classes, str) else tuple(map(str, classes)))
    near(np.log(weighted(out, Z)), log_w, 1e-4)
    # Of the logits, which are in the same order.
    export_reweighter(made, out, classes=labels, output="add_result1")
    near(np.log(weighted(out, Z)), log_w, 1e-4)
    with pytest.raises(ValueError, match=f"classes=\\('a', 'b'\\), but those of the graph are '{first}', '{second}'"):
        export_reweighter(made, out, classes=("a", "b"))


def test_classes_of_other_graphs(out):
    """A softmax whose labels a LabelEncoder or a Gather chooses, and one that does not say."""
    layers = weights(3, 8, 2)
    nodes, constants = keras(layers, "Relu", "Softmax")
    u = dense(Z, layers, relu)
    chosen = node("ArgMax", "x", "k", axis=1, keepdims=0)
    encoder = node("LabelEncoder", "k", "label", domain="ai.onnx.ml", keys_int64s=[0, 1], values_strings=["data", "sim"])
    for end, labels in ((encoder, {}), (node("Gather", "labels k", "label"), {"labels": np.array(["data", "sim"], object)})):
        made = model([*nodes, chosen, end], constants | labels)
        with pytest.raises(ValueError, match="the classes of the graph are 'data', 'sim'"):
            export_reweighter(made, out)
        export_reweighter(made, out, classes=("sim", "data"))
        near(weighted(out, Z), np.exp(u[:, 0] - u[:, 1]), 1e-4)
        assert header(out)["model"]["record"]["classes"] == ["sim", "data"]
    written = export_reweighter(model(nodes, constants), out)
    near(weighted(out, Z), np.exp(u[:, 1] - u[:, 0]), 1e-4)
    assert written.classes == ("0", "1")
    with pytest.raises(ValueError, match="the graph does not name its classes: leave it out; w is p / "):
        export_reweighter(model(nodes, constants), out, classes=("sim", "data"))


def test_a_classifier_is_no_generator(out):
    made, _ = labelled((0, 1))
    with pytest.raises(Unsupported, match=r"end with sigmoid, and sum to 1.*output='add_result1'.*export_reweighter\(model, '.*model.laser'\), or --reweighter"):
        export(made, out)
    assert not out.exists()


def test_a_classifier_with_an_input_for_each_column(out):
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = Z * [1, 10, 0.1] + [5, 0, 1]
    classifier = fitted(make_pipeline(StandardScaler(), MLPClassifier(hidden_layer_sizes=(8,), max_iter=20)), x, (Z[:, 0] > 0).astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skl2onnx
        from skl2onnx.common.data_types import FloatTensorType

        made = skl2onnx.to_onnx(classifier, initial_types=[(name, FloatTensorType([None, 1])) for name in ("pt", "eta", "m")])
    export_reweighter(made, out)
    p = classifier.predict_proba(x)[:, 1]
    near(weighted(out, x), p / (1 - p), 1e-3)
    assert np.array_equal(weighted(out, {"m": x[:, 2], "pt": x[:, 0], "eta": x[:, 1]}), weighted(out, x))
    assert liblaser.Reweighter.load(out).names == ("pt", "eta", "m")
    export_reweighter(made, out, names="a,b,c")
    assert liblaser.Reweighter.load(out).names == ("a", "b", "c")
    with pytest.raises(Unsupported, match=r"the inputs 'pt', 'eta', 'm'; one is needed.*initial_types=\[\(\"x\", FloatTensorType"):
        export(made, out)


@pytest.mark.parametrize("end, widths", [("Sigmoid", 1), (None, 1), ("Softmax", 2), (None, 2)])
def test_a_classifier_of_keras(out, end, widths):
    layers = weights(3, 8, widths)
    u = dense((np.log(np.exp(Z) + 1 - 1) - 0.5) / [1, 2, 3], layers, relu)
    export_reweighter(model(*keras(layers, "Relu", end)), out, mean=0.5, std=[1, 2, 3], scaling="log(1)")
    near(weighted(out, np.exp(Z) + 1), np.exp(u[:, 0] if widths == 1 else u[:, 1] - u[:, 0]), 1e-4)


def test_a_steep_classifier(out):
    """Weights of trial rows far out leave the finite numbers, their logarithms do not."""
    layers = weights(3, 8, 1)
    layers[1] = (200 * layers[1][0], layers[1][1])
    export_reweighter(model(*keras(layers, "Relu", "Sigmoid")), out)
    near(np.log(weighted(out, Z / 10)), dense(Z / 10, layers, relu)[:, 0], 1e-4)


def test_classifiers_that_are_none(out):
    for layers, end, words in ((weights(3, 8, 3), "Softmax", "3 values by softmax"), (weights(3, 8, 3), None, "ends with 3 values;"),
                               (weights(3, 8, 1), "Tanh", "1 values by tanh")):
        with pytest.raises(Unsupported, match=words):
            export_reweighter(model(*keras(layers, "Relu", end)), out)
    one = model(*keras(weights(3, 8, 1), "Relu", "Sigmoid"))
    with pytest.raises(ValueError, match="the scaling periodic otherwise"):
        export_reweighter(one, out, scaling="periodic(0:1)")
    with pytest.raises(ValueError, match="log_ratio_offset=nan"):
        export_reweighter(one, out, log_ratio_offset=np.nan)


# --- scalings ---


def test_scalings(out):
    """u = −1.5, −1.4, … of one latent, six features that are its copies."""
    words = ["asinh(10:2)", "asinh", "periodic(-pi:pi)", "integer", "integer(-1:1)", "category(3)", "integer(0:)", "log(2)", "logit(-1:1)"]
    count = len(words)
    made = model([node("MatMul", "z w", "x")], {"w": np.ones((1, count), np.float32)}, inputs=[("z", 1)])
    export(made, out, scaling=words, mean=0.25, std=2.0, dtype="float64")
    u = np.arange(-1.5, 1.5, 0.1)
    y = 2.0 * u + 0.25
    expected = [10 + 2 * np.sinh(y), np.sinh(y), 2 * np.pi * sigmoid(y) - np.pi, np.floor(y), np.clip(np.floor(y), -1, 1), np.clip(np.floor(y), 0, 2),
                np.maximum(np.floor(y), 0), 2 + np.exp(y), 2 * sigmoid(y) - 1]
    np.testing.assert_allclose(generated(out, u[:, None]), np.transpose(expected), rtol=1e-12, atol=1e-12)
    wrong = {"zeros(0)": "is none of `standardise`", "asinh(1)": "is none of", "integer(0.5:)": "of `integer` whole", "integer(0": "is none of",
             "integer(5)": "is none of", "category(1)": "two values or more", "integer(3:1)": "two values", "asinh(0:0)": "the width must be positive",
             "integer(0:5000)": "1000 values are the most", "periodic(1:0)": "the lower bound must lie below",
             "integer(900:1000)": "standard deviations std from mean"}
    for word, reason in wrong.items():
        with pytest.raises(ValueError, match=reason):
            export(made, out, scaling=word)


# --- the page, the command ---


@pytest.mark.filterwarnings("ignore")
def test_documentation(tmp_path, monkeypatch, capsys):
    """The examples of docs/foreign-models.md that need no PyTorch, one after the other."""
    text = (Path(__file__).parents[2] / "docs" / "foreign-models.md").read_text(encoding="utf-8")
    examples = re.findall(r"^<!-- test: not run, because python/tests/test_export.py runs it -->\n```python\n(.*?)^```$", text, re.M | re.S)
    assert len(examples) == 3
    monkeypatch.chdir(tmp_path)
    names = {}
    for example in examples:
        exec(compile(example, "foreign-models.md", "exec"), names)
    assert capsys.readouterr().out.startswith("3 1 float64 onnxruntime")
    z = RNG.normal(size=(50, 4))
    near(liblaser.Model(names["generator"]).generate(z), names["network"].predict(z))
    y = np.log(names["x"][:, 0] - 20)
    assert names["x"].shape == (1000, 2) and abs(y.mean()) < 0.15 and abs(y.std() - 1) < 0.15
    # What was trained on: the label 1 has the larger mean, by 0.2.
    mean = np.average(names["simulation"], axis=0, weights=names["w"])
    assert np.all(abs(mean - 0.2) < 0.15) and np.all(abs(names["simulation"].mean(0)) < 0.1)


def test_the_command(out, tmp_path, capsys):
    layers = weights(4, 8, 2)
    path = tmp_path / "net.onnx"
    onnx.save(model(*keras(layers, "Relu"), inputs=[("z", 4)]), path)
    assert __main__.main([str(path), str(out), "--conditions", "1", "--mean=-1,2", "--scaling=asinh(0:2)"]) == 0
    said = capsys.readouterr().out
    assert "native model file; 3 latents, 1 conditions, 2 features, float32; the same numbers as by onnxruntime" in said
    rows = RNG.normal(size=(50, 4))
    near(generated(out, rows), 2 * np.sinh(dense(rows, layers, relu) + [-1, 2]))
    for arguments, words in ((["--conditions", "c"], "conditions='c': the inputs are 'z'"), (["--state", "x.pt"], "--state is for models of PyTorch"),
                             (["--reweighter", "--latent", "3"], "--latent is for generators"), (["--log-ratio-offset", "1"], "is for a reweighter"),
                             (["--classes", "a,b"], "--classes is for a reweighter"), (["--names", "a"], "names are 1, a; 2 are needed"),
                             (["--torchscript"], "form= is for"), (["--reweighter", "--torchscript"], "--torchscript is for generators")):
        assert __main__.main([str(path), str(out), *arguments]) == 1
        assert words in capsys.readouterr().err
    assert __main__.main([str(path), str(out), "--reweighter", "--log-ratio-offset", "1"]) == 0
    said = capsys.readouterr().out
    assert "reweighter; 4 features, float32; the same numbers as by onnxruntime" in said and said.endswith("; w = p(1) / p(0)\n")
    made, log_w = labelled(("sim", "data"))
    onnx.save(made, path)
    assert __main__.main([str(path), str(out), "--reweighter", "--classes", "sim,data", "--names=a,b,c"]) == 0
    assert capsys.readouterr().out.endswith("; w = p(data) / p(sim)\n")
    near(np.log(weighted(out, {"c": Z[:, 2], "b": Z[:, 1], "a": Z[:, 0]})), log_w, 1e-4)


@pytest.mark.skipif("torch" in sys.modules, reason="PyTorch is there")
def test_without_pytorch(out, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="models of PyTorch need the package torch"):
        export(object(), out)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"ONNX files need the package onnx: pip install liblaser\[export\]"):
        export("net.onnx", out)
