"""The same model in every peer. A peer is loaded from a model file, and makes events of `work`:

    "refined"   x = g(Φ(y)) from auxiliary latents y
    "flow"      x = g(z) from latents z
"""

import ctypes as c
import os
import threading
from pathlib import Path

import numpy as np

REFINED, FLOW = "refined", "flow"
OUT = Path(__file__).resolve().parent.parent / "build" / "bench"


class Liblaser:
    """Draws its own latents, which the peers are given."""

    works = (REFINED, FLOW)

    def __init__(self, path, dtype, threads):
        from laser import Laser

        self.laser = Laser(os.environ["SAMPLER"])
        self.model = self.laser.load(path)
        self.loop = c.CDLL(str(OUT / "loop.so"))
        self.dtype, self.threads, self.samplers = dtype, threads, {}

    def prepare(self, work, _):
        method = {REFINED: "gan", FLOW: "baseline"}[work]
        if work not in self.samplers:
            self.samplers[work] = [self.laser.sampler(self.model, method, stream) for stream in range(self.threads)]

    def events(self, work):
        """A single first event."""
        self.prepare(work, None)
        self.run(self.samplers[work][0], 1, 1)

    def run(self, sampler, batch, calls):
        # laser_sampler_next delivers doubles; batches come in the model's precision.
        library = self.laser.library
        x = np.empty((batch, 2), np.float64 if batch == 1 else self.dtype)
        x = (x, x.ctypes.data_as(c.c_void_p))
        if batch == 1:
            status = self.loop.loop_next(library.laser_sampler_next, sampler, c.c_size_t(calls), x[1])
        else:
            generate = library.laser_sampler_generate_f32 if self.dtype == "float32" else library.laser_sampler_generate
            status = self.loop.loop_generate(generate, sampler, c.c_size_t(calls), c.c_size_t(batch), x[1])
        if status != 0:
            raise RuntimeError(f"status {status}")

    def repeat(self, work, batch, calls):
        """`calls` batches on every thread, each with a sampler of its own; returns the number of events."""
        helpers = [threading.Thread(target=self.run, args=(s, batch, calls)) for s in self.samplers[work][1:]]
        for helper in helpers:
            helper.start()
        self.run(self.samplers[work][0], batch, calls)
        for helper in helpers:
            helper.join()
        return batch * calls * self.threads


class Peer:
    """A peer that maps an array of latents to an array of events."""

    works = (REFINED,)

    def __init__(self, path, dtype, threads):
        import model

        self.model, self.dtype, self.threads = model.read(path), dtype, threads
        self.inputs = {}
        self.load()

    def latents(self, work, rows):
        dim = self.model.auxiliary_dim if work == REFINED else 2
        return np.random.default_rng(1).standard_normal((rows, dim)).astype(self.dtype)

    def prepare(self, work, batch):
        self.inputs[work, batch] = self.tensor(self.latents(work, batch))
        self.compute(work, self.inputs[work, batch])

    def events(self, work, latents=None):
        latents = self.latents(work, 1) if latents is None else latents.astype(self.dtype)
        return np.asarray(self.compute(work, self.tensor(latents)))

    def repeat(self, work, batch, calls):
        for _ in range(calls):
            self.compute(work, self.inputs[work, batch])
        return batch * calls


class Torch(Peer):
    """Common to the PyTorch peers; build() makes the flow as a module from z to x before scaling."""

    works = (REFINED, FLOW)

    def load(self):
        import torch

        torch.set_num_threads(self.threads)
        self.torch = torch
        network, refiner, mean, std = self.build(), self.mlp(self.model.refiner), *map(torch.tensor, (self.model.mean, self.model.std))
        self.functions = {
            FLOW: lambda z: network(z) * std + mean,
            REFINED: lambda y: network(refiner(y)) * std + mean,
        }

    def tensor(self, array):
        return self.torch.from_numpy(array)

    def mlp(self, layers):
        nn, modules = self.torch.nn, []
        for weight, bias in layers:
            linear = nn.Linear(weight.shape[1], weight.shape[0], dtype=self.torch.from_numpy(weight).dtype)
            linear.weight.data, linear.bias.data = map(self.torch.from_numpy, (weight, bias))
            modules += [linear, nn.LeakyReLU(self.model.slope)]
        return nn.Sequential(*modules[:-1])


class Freia(Torch):
    """As the paper's code: a flow of FrEIA modules, coupling blocks with permutations between them, sampled under no_grad."""

    def build(self):
        from FrEIA.framework import SequenceINN
        from FrEIA.modules import GLOWCouplingBlock, PermuteRandom

        flow, order = SequenceINN(2), [0, 1]
        # A GLOW block is two of the model's: it transforms its first half given the second, then the second given the first.
        for first, second in zip(self.model.blocks[::2], self.model.blocks[1::2]):
            assert (first.active, first.passive) == (second.passive, second.active)
            wanted = [first.active, first.passive]
            self.permute(flow, PermuteRandom, [order.index(i) for i in wanted])
            order = wanted
            subnets = iter([self.mlp(second.layers), self.mlp(first.layers)])
            clamp = first.clamp
            flow.append(
                GLOWCouplingBlock,
                subnet_constructor=lambda *_: next(subnets),
                clamp=clamp,
                clamp_activation=lambda u, clamp=clamp: self.torch.tanh(u / clamp),
            )
        self.permute(flow, PermuteRandom, [order.index(i) for i in (0, 1)])
        return lambda z: flow(z)[0]

    def permute(self, flow, module, order):
        flow.append(module)
        flow[-1].perm.data = self.torch.tensor(order)
        flow[-1].perm_inv.data = self.torch.tensor(np.argsort(order))

    def compute(self, work, latents):
        with self.torch.no_grad():
            return self.functions[work](latents)


class Lean(Torch):
    """The same layers without a framework: the two coordinates are kept apart, nothing is permuted or copied."""

    def build(self):
        torch, blocks = self.torch, [(b.active, b.passive, b.clamp, self.mlp(b.layers)) for b in self.model.blocks]

        def flow(z):
            x = [z[:, :1], z[:, 1:]]
            for active, passive, clamp, subnet in blocks:
                out = subnet(x[passive])
                x[active] = x[active] * torch.exp(clamp * torch.tanh(out[:, :1] / clamp)) + out[:, 1:]
            return torch.cat(x, 1)

        return flow

    def compute(self, work, latents):
        with self.torch.inference_mode():
            return self.functions[work](latents)


class Compiled(Lean):
    """torch.compile of the lean one, its default mode; one graph for batch 1 and one for all others."""

    works = (REFINED,)

    def load(self):
        super().load()
        self.functions = {REFINED: self.torch.compile(self.functions[REFINED])}

    def compute(self, work, latents):
        if len(latents) > 1:
            self.torch._dynamo.mark_dynamic(latents, 0)
        with self.torch.no_grad():
            return self.functions[work](latents)


class Zuko(Torch):
    """The flow of zuko's coupling transforms, with the model's clamped scale."""

    works = (FLOW,)

    def build(self):
        from zuko.flows.coupling import GeneralCouplingTransform
        from zuko.lazy import LazyComposedTransform
        from zuko.transforms import MonotonicAffineTransform

        torch, model = self.torch, self.model

        class Affine(MonotonicAffineTransform):
            def __init__(self, s, t):
                super().__init__(t, s)
                clamp = model.blocks[0].clamp
                self.log_scale = clamp * torch.tanh(s / clamp)
                self.scale = self.log_scale.exp()

        assert len({block.clamp for block in model.blocks}) == 1
        transforms = []
        for block in model.blocks:
            mask = torch.arange(2) == block.passive
            hidden = [len(bias) for _, bias in block.layers[:-1]]
            transform = GeneralCouplingTransform(2, mask=mask, univariate=Affine, hidden_features=hidden)
            transform.hyper = self.mlp(block.layers)
            transforms.append(transform)
        flow = LazyComposedTransform(*transforms)
        return lambda z: flow()(z)

    def compute(self, work, latents):
        with self.torch.inference_mode():
            return self.functions[work](latents)


class Onnx(Peer):
    """ONNX Runtime on a graph written node by node: Gemm and LeakyRelu, all optimisations on."""

    works = (REFINED, FLOW)

    def load(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        self.sessions = {
            work: onnxruntime.InferenceSession(self.graph(work), options, providers=["CPUExecutionProvider"]) for work in self.works
        }

    def tensor(self, array):
        return array

    def compute(self, work, latents):
        return self.sessions[work].run(None, {"latents": latents})[0]

    def graph(self, work):
        from onnx import TensorProto, checker, helper, numpy_helper

        nodes, constants = [], []

        def node(kind, *inputs, outputs=1, **attributes):
            names = [f"{len(nodes)}.{i}" for i in range(outputs)]
            nodes.append(helper.make_node(kind, inputs, names, **attributes))
            return names[0] if outputs == 1 else names

        def constant(value):
            constants.append(numpy_helper.from_array(np.asarray(value), f"c{len(constants)}"))
            return constants[-1].name

        def leaky_relu(h):
            if self.dtype == "float32":
                return node("LeakyRelu", h, alpha=self.model.slope)
            # ONNX Runtime has no LeakyRelu of doubles for the CPU.
            return node("Max", h, node("Mul", h, constant(np.float64(self.model.slope))))

        def mlp(h, layers):
            for i, (weight, bias) in enumerate(layers):
                h = leaky_relu(h) if i else h
                h = node("Gemm", h, constant(weight), constant(bias), transB=1)
            return h

        z = mlp("latents", self.model.refiner) if work == REFINED else "latents"
        x = node("Split", z, outputs=2, axis=1, num_outputs=2)
        for block in self.model.blocks:
            s, t = node("Split", mlp(x[block.passive], block.layers), outputs=2, axis=1, num_outputs=2)
            clamp = constant(np.asarray(block.clamp, self.dtype))
            scale = node("Exp", node("Mul", clamp, node("Tanh", node("Div", s, clamp))))
            x[block.active] = node("Add", node("Mul", x[block.active], scale), t)
        last = node("Add", node("Mul", node("Concat", *x, axis=1), constant(self.model.std)), constant(self.model.mean))

        kind = TensorProto.FLOAT if self.dtype == "float32" else TensorProto.DOUBLE
        inputs = self.model.auxiliary_dim if work == REFINED else 2
        graph = helper.make_graph(
            nodes,
            work,
            [helper.make_tensor_value_info("latents", kind, ["n", inputs])],
            [helper.make_tensor_value_info(last, kind, ["n", 2])],
            constants,
        )
        onnx_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        checker.check_model(onnx_model)
        return onnx_model.SerializeToString()


class Gemm:
    """The machine's own large matrix product; an "event" is one operation."""

    works = ("gemm",)
    size = 2048

    def __init__(self, _, dtype, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.a, self.b = (torch.randn(self.size, self.size, dtype=getattr(torch, dtype)) for _ in range(2))
        self.c = torch.empty_like(self.a)

    def prepare(self, work, batch):
        self.events(work)

    def events(self, _):
        self.torch.mm(self.a, self.b, out=self.c)

    def repeat(self, work, _, calls):
        for _ in range(calls):
            self.events(work)
        return 2 * self.size**3 * calls


PEERS = {
    "liblaser": Liblaser,
    "pytorch-freia": Freia,
    "pytorch-lean": Lean,
    "torch-compile": Compiled,
    "onnxruntime": Onnx,
    "zuko": Zuko,
    "gemm": Gemm,
}
