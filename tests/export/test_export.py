#!/usr/bin/env python3
"""liblaser.export against PyTorch: the events and densities of the files that it writes, as liblaser computes them.

    test_export.py LIBRARY [TEST ...]     prints `ok NAME` or `FAILED NAME` for every test; exit status 0 if none failed
    test_export.py LIBRARY --reference    writes tests/reference/foreign, which tests/foreign.rs reads where PyTorch is not installed

Needs the packages of tests/export/requirements.txt; tests/export/run installs them.
"""

import contextlib
import ctypes as c
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
import warnings
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from safetensors import safe_open
from torch import nn

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "python" / "src"), str(ROOT / "bench")]
if len(sys.argv) > 1:
    os.environ["LASER_LIBRARY"] = sys.argv[1]

import liblaser  # noqa: E402
from laser import Laser  # noqa: E402
from liblaser.export import Affine, Coupling, Linear, Spline, Unsupported, _flows, export, export_flow, export_reweighter  # noqa: E402
from liblaser.export._layers import double_precision  # noqa: E402

ROWS = 10_000
EXACT = 1e-6
UNSUPPORTED = "LASER_ERR_UNSUPPORTED"

laser: Laser
folder: Path


# --- the library ---


def pointer(values: np.ndarray):
    return values.ctypes.data_as(c.c_void_p)


class File:
    """A written file, as the library reads it."""

    def __init__(self, path, **options):
        chosen = laser.options(**options)
        self.generator = laser.make("laser_generator_load", str(path).encode(), chosen)
        self.model = laser.make("laser_model_from_generator", self.generator)
        self.latent_dim, self.event_dim = (self.size(name) for name in ("latent", "event"))

    def size(self, what: str) -> int:
        out = c.c_size_t()
        laser.call(f"laser_model_{what}_dim", self.model, c.byref(out))
        return out.value

    def rows(self, function: str, values: np.ndarray, width: int, *strides) -> np.ndarray:
        values = np.ascontiguousarray(values, np.float64)
        out = np.empty((len(values), width))
        zero = c.c_size_t(0)
        laser.call(function, self.model, None, c.c_size_t(len(values)), pointer(values), zero, pointer(out), *strides)
        return out

    def generate(self, z):
        return self.rows("laser_model_generate", z, self.event_dim, c.c_size_t(0))

    def latent(self, x):
        return self.rows("laser_model_latent", x, self.latent_dim, c.c_size_t(0))

    def log_prob(self, x):
        return self.rows("laser_model_log_prob", x, 1)[:, 0]


def blocks_of(path) -> list[dict]:
    """The coupling blocks of a written flow."""
    with safe_open(path, "np") as file:
        (flow,) = json.loads(file.metadata()["laser"])["model"]["generator"]["kind"]["maps"]
    return flow["network"]["blocks"]


def status_of(function: str, *arguments) -> tuple[int, str]:
    message = c.create_string_buffer(1000)
    status = getattr(laser.library, function)(*arguments)
    laser.library.laser_last_error(message, c.c_size_t(1000), None)
    return status, message.value.decode()


# --- what is compared ---


def normal(rows: int, dim: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, dim))


def near(ours: np.ndarray, theirs, tolerance: float = EXACT) -> None:
    theirs = np.asarray(theirs.detach() if torch.is_tensor(theirs) else theirs, np.float64)
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    error = np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))
    assert np.all(error <= tolerance), f"they differ by up to {error.max():.2e}"


def refused(kind: type, *parts: str, **arguments) -> None:
    """An export that must fail, with all `parts` in its message, and leave no file."""
    blocks = arguments.pop("blocks", None)
    path = folder / "refused.laser"
    try:
        export_flow(blocks, path, **arguments) if blocks is not None else export(arguments.pop("model"), path, **arguments)
    except kind as error:
        for part in parts:
            assert part in str(error), f"`{part}` is not in: {error}"
        assert list(folder.glob("*refused*")) == []
        return
    raise AssertionError(f"accepted: {parts}")


def shaken(model: nn.Module, seed: int = 1) -> nn.Module:
    """Weights that make every part of the model matter, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.15 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer += 0.3 * torch.randn(buffer.shape, generator=generator, dtype=torch.float64)
            if name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator, dtype=torch.float64))
    return model


def subnet(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 24), nn.LeakyReLU(0.1), nn.Linear(24, 24), nn.LeakyReLU(0.1), nn.Linear(24, outputs))


def check_flow(result, x_of, log_prob_of, conditions: int = 0) -> None:
    """Events, densities and latents of ROWS latents: x_of(z, c) and log_prob_of(x, c) are PyTorch's."""
    assert result.native and result.reason == ""
    file = File(result.path)
    assert (file.latent_dim, file.event_dim, file.size("condition")) == (result.latent_dim, result.event_dim, conditions)
    z, given = normal(ROWS, result.latent_dim), normal(ROWS, conditions, 2)
    beside = partial(np.hstack)
    with torch.no_grad():
        x = x_of(torch.from_numpy(z), torch.from_numpy(given)).numpy()
        log_p = log_prob_of(torch.from_numpy(x), torch.from_numpy(given))
    near(file.generate(beside([result.latents(z), given])), x)
    near(file.log_prob(beside([x, given])), log_p)
    near(file.latent(beside([x, given])), result.latents(z))


def standard_log_prob(z: torch.Tensor) -> torch.Tensor:
    return torch.distributions.Normal(0, 1).log_prob(z).sum(1)


# --- networks ---


def test_network():
    model = shaken(
        nn.Sequential(
            nn.Linear(4, 30),
            nn.BatchNorm1d(30),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.3),
            nn.Sequential(nn.Linear(30, 20, bias=False), nn.LeakyReLU(0.2), nn.BatchNorm1d(20)),
            nn.Identity(),
            nn.Linear(20, 3),
        )
    )
    mean, std = [1.0, -2.0, 0.5], [2.0, 0.1, 30.0]
    result = export(model, folder / "network.laser", mean=mean, std=std)
    assert (result.native, result.latent_dim, result.event_dim, result.dtype) == (True, 4, 3, "float64")
    z = normal(ROWS, 4)
    near(File(result.path).generate(z), model(torch.from_numpy(z)) * torch.tensor(std) + torch.tensor(mean))


def test_network_relu_and_linear():
    for layers in ([nn.Linear(3, 9), nn.ReLU(), nn.Linear(9, 2)], [nn.Linear(3, 2)], [nn.Linear(3, 5), nn.Linear(5, 2)]):
        model = shaken(nn.Sequential(*layers))
        z = normal(ROWS, 3)
        near(File(export(model, folder / "relu.laser").path).generate(z), model(torch.from_numpy(z)))


def test_network_with_bounds():
    """Tanh and Sigmoid, hidden and at the end, where they become a scaling between bounds."""
    for final in (nn.Tanh(), nn.Sigmoid()):
        model = shaken(nn.Sequential(nn.Linear(2, 16), nn.Sigmoid(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2), final))
        mean, std = torch.tensor([3.0, -1.0]), torch.tensor([2.0, 0.5])
        result = export(model, folder / "bounds.laser", mean=mean, std=std)
        z = 3 * normal(ROWS, 2)
        x = File(result.path).generate(z)
        near(x, model(torch.from_numpy(z)) * std + mean)
        assert np.all(x <= (mean + std).numpy())


def test_network_with_conditions():
    model = shaken(nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3)))
    result = export(model, folder / "conditional.laser", conditions=2, condition_mean=[50.0, 3.0], condition_std=10.0)
    z, given = normal(ROWS, 3), 50 + 20 * normal(ROWS, 2, 2)
    scaled = (given - [50.0, 3.0]) / 10.0
    near(File(result.path).generate(np.hstack([z, given])), model(torch.from_numpy(np.hstack([z, scaled]))))


def test_single_precision():
    """The default precision is that of the weights; both compute in it."""
    model = shaken(nn.Sequential(nn.Linear(2, 30), nn.LeakyReLU(0.1), nn.Linear(30, 2))).float()
    result = export(model, folder / "single.laser")
    z = normal(ROWS, 2)
    assert result.dtype == "float32"
    near(File(result.path).generate(z), model(torch.from_numpy(z).float()), 1e-5)
    assert export(model, folder / "single.laser", dtype="float64").dtype == "float64"
    near(File(result.path).generate(z), model.double()(torch.from_numpy(z)))


# --- FrEIA ---


def freia_flow(model: nn.Module, name: str, conditions: int = 0, forward: str = "normalise"):
    result = export(model, folder / f"{name}.laser", forward=forward, form="native")
    rev = forward == "normalise"

    def given(values):
        return [values] if conditions else None

    check_flow(
        result,
        lambda z, values: model(z, c=given(values), rev=rev)[0],
        lambda x, values: (lambda z, jac: standard_log_prob(z) + jac)(*model(x, c=given(values), rev=not rev)),
        conditions,
    )
    return result


def softly(u):
    """A soft clamp that liblaser has not."""
    return u / (1 + u**2).sqrt()


def test_freia_of_the_paper():
    """The paper's flow: AllInOneBlocks of half the coordinates, tanh(0.1 s), an affine map per channel, a permutation."""
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import AllInOneBlock

    def wide(inputs, outputs):
        layers = [nn.Linear(inputs, 48)]
        for _ in range(2):
            layers += [nn.LeakyReLU(0.1), nn.Linear(48, 48)]
        return nn.Sequential(*layers, nn.LeakyReLU(0.1), nn.Linear(48, outputs))

    flow = SequenceINN(2)
    for _ in range(12):
        flow.append(AllInOneBlock, subnet_constructor=wide, affine_clamping=2.0)
    with torch.no_grad():
        for block in flow:
            block.subnet[-1].weight *= 8
    freia_flow(shaken(flow), "paper")


def test_freia_all_in_one():
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import AllInOneBlock

    for forward in ("normalise", "generate"):
        for settings in (
            {"permute_soft": True},
            {"learned_householder_permutation": 3},
            {"reverse_permutation": True, "global_affine_type": "EXP"},
        ):
            flow = SequenceINN(5)
            for _ in range(3):
                flow.append(AllInOneBlock, cond=0, cond_shape=(2,), subnet_constructor=subnet, **settings)
            with torch.no_grad():
                for block in flow:
                    block.subnet[-1].weight *= 8
            # FrEIA makes Householder matrices in the default precision.
            with double_precision():
                freia_flow(shaken(flow), "all_in_one", 2, forward)


def test_freia_coupling_blocks():
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import AffineCouplingOneSided, GLOWCouplingBlock, NICECouplingBlock, PermuteRandom, RNVPCouplingBlock

    for forward in ("normalise", "generate"):
        flow = SequenceINN(5)
        flow.append(GLOWCouplingBlock, subnet_constructor=subnet, clamp=1.5, clamp_activation="TANH")
        flow.append(PermuteRandom, seed=3)
        flow.append(RNVPCouplingBlock, subnet_constructor=subnet, clamp_activation="SIGMOID", split_len=2)
        flow.append(NICECouplingBlock, subnet_constructor=subnet)
        flow.append(PermuteRandom, seed=4)
        flow.append(AffineCouplingOneSided, subnet_constructor=subnet, clamp=2.0, clamp_activation=lambda u: torch.tanh(u / 2))
        flow.append(GLOWCouplingBlock, subnet_constructor=subnet, clamp=0.05, clamp_activation=lambda u: u)
        flow.append(GLOWCouplingBlock, subnet_constructor=subnet)
        flow.append(RNVPCouplingBlock, subnet_constructor=subnet, clamp_activation=lambda u: -0.3 * u / (0.3 + u.abs()))
        blocks = blocks_of(freia_flow(shaken(flow), "coupling_blocks", forward=forward).path)
        # In either direction one for each subnet.
        assert len(blocks) == 2 + 4 + 2 + 1 + 2 + 2 + 4
        assert all(block.get("inverse", False) == (forward == "normalise") for block in blocks)
        kinds = [block["transform"].get("soft_clamp", "tanh") for block in blocks]
        assert (kinds.count("atan"), kinds.count("softsign")) == (2, 4)


def test_freia_graph_with_condition_and_linear_maps():
    from FrEIA.framework import ConditionNode, GraphINN, InputNode, Node, OutputNode
    from FrEIA.modules import (
        ActNorm,
        ConditionalAffineTransform,
        FixedLinearTransform,
        GLOWCouplingBlock,
        HouseholderPerm,
        OrthogonalTransform,
    )

    given = ConditionNode(3)
    nodes = [InputNode(4)]
    settings = {"subnet_constructor": subnet, "clamp_activation": "TANH"}
    # det < 0: the latents come in another order or sign.
    matrix = torch.tensor([[0.0, 2.0, 0.3, 0.0], [1.0, 0.1, 0.0, 0.0], [0.0, 0.2, 0.0, -1.5], [0.4, 0.0, 1.0, 0.0]], dtype=torch.float64)

    def add(kind, conditions=None, **arguments):
        nodes.append(Node(nodes[-1], kind, arguments, conditions=conditions))

    with double_precision():
        add(GLOWCouplingBlock, given, **settings)
        add(ActNorm)
        nodes[-1].module.init_on_next_batch = False
        add(FixedLinearTransform, M=matrix, b=torch.arange(4.0))
        add(GLOWCouplingBlock, **settings)
        add(HouseholderPerm, n_reflections=3)
        add(ConditionalAffineTransform, given, **settings)
        add(OrthogonalTransform)
        flow = shaken(GraphINN([*nodes, given, OutputNode(nodes[-1])]))
        # What training does to keep its inverse one.
        orthogonal = nodes[-1].module
        orthogonal.weights.data = torch.linalg.qr(orthogonal.weights.data)[0]
        for forward in ("normalise", "generate"):
            freia_flow(flow, "graph", 3, forward)


def test_freia_refusals():
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import ActNorm, AllInOneBlock, GINCouplingBlock, GLOWCouplingBlock

    def flow(kind, **arguments):
        made = SequenceINN(4)
        made.append(kind, **arguments)
        return made

    refused(
        Unsupported,
        "FrEIA block 0 (GLOWCouplingBlock)",
        "m · atan(k · s)",
        model=flow(GLOWCouplingBlock, subnet_constructor=subnet, clamp_activation=softly),
        form="native",
    )
    refused(
        Unsupported,
        "GINCouplingBlock",
        "which takes coupling blocks",
        model=flow(GINCouplingBlock, subnet_constructor=subnet),
        form="native",
    )
    refused(Unsupported, "(AllInOneBlock)", model=flow(AllInOneBlock, subnet_constructor=subnet, gin_block=True), form="native")
    refused(ValueError, "ActNorm", "load the trained weights first", model=flow(ActNorm))
    refused(ValueError, "conditions=1, but the flow has 0", model=flow(AllInOneBlock, subnet_constructor=subnet), conditions=1)
    unequal = flow(AllInOneBlock, subnet_constructor=lambda i, o: nn.Linear(i, o + 1))
    refused(ValueError, "coupling 0", "maps 2 values to 5", "4 values are needed", "2 each", model=unequal)


# --- zuko ---


class Clamped(torch.distributions.Transform):
    """x · exp(clamp(a)) + b, as zuko's affine transform with another clamp."""

    domain = codomain = torch.distributions.constraints.real
    bijective = True

    def __init__(self, shift, scale, clamp=torch.tanh):
        super().__init__()
        self.shift, self.log_scale = shift, 1.5 * clamp(scale)

    def _call(self, x):
        return x * self.log_scale.exp() + self.shift

    def _inverse(self, y):
        return (y - self.shift) / self.log_scale.exp()

    def log_abs_det_jacobian(self, x, y):
        return self.log_scale.expand(x.shape)


def zuko_flow(model, name, conditions=0, forward="normalise"):
    result = export(model, folder / f"{name}.laser", form="native", forward=forward)
    base = model.base().base_dist

    def transform(values):
        t = model(values if conditions else None).transform
        return t.inv if forward == "normalise" else t

    def log_prob_of(x, values):
        z, log_det = transform(values).inv.call_and_ladj(x)
        return base.log_prob(z).sum(1) + log_det

    check_flow(result, lambda z, values: transform(values)(z * base.scale + base.loc), log_prob_of, conditions)
    return blocks_of(result.path)


def test_zuko_coupling():
    import zuko

    spline = {"univariate": zuko.transforms.MonotonicRQSTransform, "shapes": [(6,), (6,), (5,)]}
    for arguments in (
        {"univariate": zuko.transforms.AdditiveTransform, "shapes": [()]},
        {"univariate": Clamped},
        {},
        {"univariate": partial(zuko.transforms.MonotonicAffineTransform, slope=0.2)},
        spline,
        spline | {"univariate": partial(zuko.transforms.MonotonicRQSTransform, bound=2.5)},
    ):
        for context, forward in ((0, "normalise"), (2, "normalise"), (2, "generate")):
            model = zuko.flows.NICE(5, context, transforms=4, randmask=True, hidden_features=(20, 20), **arguments)
            assert len(zuko_flow(shaken(model), "zuko", context, forward)) == 4


def test_zuko_autoregressive():
    """MAF and NSF as they are by default, and in fewer passes."""
    import zuko

    for flow in (zuko.flows.MAF, zuko.flows.NSF):
        for context, forward in ((0, "normalise"), (2, "normalise"), (0, "generate"), (2, "generate")):
            for arguments, passes in (
                ({}, 5),
                ({"randperm": True, "passes": 2}, 2),
                ({"passes": 3, "residual": True, "hidden_features": (12, 12, 9)}, 3),
                # In four passes of up to two features, the third is the last.
                ({"passes": 4, "activation": nn.Tanh}, 3),
            ):
                model = flow(5, context, transforms=2, **arguments)
                assert len(zuko_flow(shaken(model), "autoregressive", context, forward)) == 2 * passes


def test_zuko_passes():
    """A block has the part of the masked network that its coordinates depend on; a graph of dependences takes its diameter."""
    import zuko

    blocks = zuko_flow(shaken(zuko.flows.MAF(4, transforms=1, hidden_features=(30, 30))), "passes")
    assert [block["active"] for block in blocks] == [[0], [1], [2], [3]]
    hidden = [block["subnet"]["hidden"] for block in blocks]
    # Of 30 units 10 depend on the first coordinate alone, another 10 on the first two.
    assert hidden == [[], [10, 10], [20, 20], [30, 30]]
    graph = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 1, 1, 1]])
    for context in (0, 2):
        adjacency = torch.hstack([graph, torch.tensor([[1, 0], [0, 1], [0, 0], [1, 1]])]) if context else graph
        transform = zuko.flows.MaskedAutoregressiveTransform(4, context, adjacency=adjacency)
        base = zuko.lazy.UnconditionalDistribution(zuko.distributions.DiagNormal, torch.zeros(4), torch.ones(4), buffer=True)
        blocks = zuko_flow(shaken(zuko.lazy.Flow([transform], base)), "graph", context)
        assert [block["active"] for block in blocks] == [[0, 2], [1], [3]]


def test_zuko_linear_maps_and_base():
    import zuko
    from zuko.flows.coupling import GeneralCouplingTransform
    from zuko.lazy import Flow, UnconditionalDistribution, UnconditionalTransform

    couple = partial(GeneralCouplingTransform, 4, univariate=Clamped, activation=nn.Tanh)
    model = Flow(
        [
            couple(),
            UnconditionalTransform(zuko.transforms.PermutationTransform, torch.tensor([2, 0, 3, 1]), buffer=True),
            couple(mask=[1, 1, 1, 0]).inv,
            UnconditionalTransform(zuko.transforms.RotationTransform, torch.randn(4, 4)),
            zuko.flows.NSF(4, bins=5, passes=2).transform.transforms[0],
            UnconditionalTransform(zuko.transforms.LULinearTransform, torch.randn(4, 4) + 2 * torch.eye(4)),
        ],
        UnconditionalDistribution(zuko.distributions.DiagNormal, torch.randn(4), torch.rand(4) + 0.5, buffer=True),
    )
    zuko_flow(shaken(model), "zuko_linear")


def test_zuko_refusals():
    import zuko

    affine = partial(zuko.flows.NICE, 3, univariate=partial(Clamped, clamp=softly))
    refused(Unsupported, "zuko transform 0", "soft clamp", model=affine(), form="native")
    refused(Unsupported, "slope=0.01", "0.001", model=zuko.flows.NSF(3, slope=0.01), form="native")
    refused(Unsupported, "129 bins within ±5", "2 to 128", model=zuko.flows.NSF(3, bins=129, transforms=1), form="native")
    circular = partial(zuko.flows.MAF, 3, univariate=zuko.flows.spline.CircularRQSTransform, shapes=[(8,), (8,), (7,)])
    refused(Unsupported, "ComposedTransform", "MonotonicRQSTransform", model=circular(), form="native")
    refused(Unsupported, "shapes [(17,)]", model=zuko.flows.BPF(3, degree=16), form="native")
    for flow in (zuko.flows.SOSPF, zuko.flows.NAF, zuko.flows.UNAF, zuko.flows.GF):
        refused(Unsupported, "zuko transform 0", "takes", model=flow(3), form="native")
    refused(Unsupported, "no shift and scale", model=affine(univariate=lambda shift: Clamped(shift, shift), shapes=[()]), form="native")
    refused(Unsupported, "a BoxUniform", model=zuko.flows.NCSF(3), form="native")
    refused(Unsupported, "(FFJTransform)", "no counterpart", model=zuko.flows.CNF(3), form="native")
    refused(Unsupported, "the layer `ELU`", model=zuko.flows.MAF(3, activation=nn.ELU), form="native")
    refused(Unsupported, "the layer `LayerNorm`", model=zuko.flows.RealNVP(3, normalize=True), form="native")
    refused(Unsupported, "skip connection around tanh", model=zuko.flows.MAF(3, residual=True, activation=nn.Tanh), form="native")
    mixed = zuko.flows.MAF(3, 2, transforms=1)
    mixed.transform.transforms.append(zuko.flows.MAF(3, 1, transforms=1).transform.transforms[0])
    refused(Unsupported, "different contexts, [1, 2]", model=mixed, form="native")
    refused(Unsupported, "more than 4096 coupling blocks", model=zuko.flows.MAF(2, transforms=2049, hidden_features=(2,)), form="native")
    for transforms in (1, 3):  # of 5706 parameters each
        with mock.patch.object(_flows, "MAX_PARAMETERS", 5000 * transforms):
            refused(Unsupported, f"{5000 * transforms} parameters", model=zuko.flows.MAF(3, transforms=transforms), form="native")
    cyclic = zuko.flows.MAF(3)
    for module in cyclic.modules():
        if hasattr(module, "mask"):
            module.mask.fill_(True)
    refused(Unsupported, "depend on itself", model=cyclic, form="native")


# --- nflows ---


def nflows_flow(model, name, forward="normalise", **arguments):
    result = export(model, folder / f"{name}.laser", form="native", forward=forward, **arguments)
    to_events, to_latents = model._transform.inverse, model._transform.forward
    if forward == "generate":
        to_events, to_latents = to_latents, to_events

    def log_prob_of(x, _):
        z, log_det = to_latents(x)
        return standard_log_prob(z) + log_det

    check_flow(result, lambda z, _: to_events(z)[0], log_prob_of)
    return blocks_of(result.path)


def nflows_chain(*transforms):
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows.transforms import CompositeTransform

    return Flow(CompositeTransform(transforms), StandardNormal([5]))


def test_nflows_affine():
    """SimpleRealNVP, affine as it is by default and volume preserving."""
    from nflows.flows import SimpleRealNVP

    for preserving in (False, True):
        for norms in (False, True):
            model = SimpleRealNVP(
                features=5,
                hidden_features=12,
                num_layers=4,
                num_blocks_per_layer=2,
                use_volume_preserving=preserving,
                activation=nn.functional.leaky_relu if norms else nn.functional.relu,
                batch_norm_within_layers=norms,
                batch_norm_between_layers=norms,
                dropout_probability=0.2,
            )
            nflows_flow(shaken(model), "nflows")
            # Normalisations over running variances make that direction's latents inexact in PyTorch too.
            if not norms:
                nflows_flow(model, "nflows", "generate")


def test_nflows_splines():
    from nflows import transforms
    from nflows.nn.nets import ResidualNet

    couple = partial(transforms.PiecewiseRationalQuadraticCouplingTransform, tails="linear", num_bins=6)
    residual = partial(ResidualNet, hidden_features=16, num_blocks=1)
    model = nflows_chain(
        couple([1, -1, 1, -1, 1], residual, tail_bound=3.0),
        transforms.RandomPermutation(5),
        # The widths are divided by √hidden_features only of networks that tell them.
        couple([-1, 1, 1, -1, 1], ContextNet, tail_bound=2.0, apply_unconditional_transform=True),
        transforms.LULinear(5),
        couple([1, 1, 1, -1, -1], residual, apply_unconditional_transform=True),
    )
    for forward in ("normalise", "generate"):
        blocks = nflows_flow(shaken(model), "nflows_splines", forward, layers=lambda module: module.net)
        assert sum(block["transform"]["type"] == "spline" for block in blocks) == 3 + 2
        assert sum(not any(block["subnet"]["hidden"]) for block in blocks if block["transform"]["type"] == "spline") == 2


def test_nflows_autoregressive():
    from nflows import transforms

    spline = partial(
        transforms.MaskedPiecewiseRationalQuadraticAutoregressiveTransform, features=5, hidden_features=16, tails="linear", tail_bound=3.0
    )
    for norm in (False, True):
        model = nflows_chain(
            spline(use_batch_norm=norm),
            transforms.ReversePermutation(5),
            spline(use_residual_blocks=False, random_mask=True, use_batch_norm=norm, activation=torch.tanh),
            transforms.InverseTransform(spline(num_bins=4, num_blocks=1)),
        )
        blocks = nflows_flow(shaken(model), "nflows_autoregressive")
        # With random masks, coordinates may depend on fewer than all before them.
        assert 2 * 5 < len(blocks) <= 3 * 5
        assert {block.get("inverse", False) for block in blocks} == {False, True}


def test_nflows_affine_autoregressive():
    from nflows.flows import MaskedAutoregressiveFlow

    for residual in (True, False):
        settings = {"features": 4, "hidden_features": 16, "num_layers": 3, "num_blocks_per_layer": 2, "use_residual_blocks": residual}
        nflows_flow(shaken(MaskedAutoregressiveFlow(**settings)), "nflows_maf")


def test_nflows_autoregressive_context():
    from nflows import transforms

    affine = partial(transforms.MaskedAffineAutoregressiveTransform, 5, 16, context_features=2)
    spline = partial(transforms.MaskedPiecewiseRationalQuadraticAutoregressiveTransform, 5, 16, context_features=2, tails="linear", tail_bound=3.0)
    leaky = nn.functional.leaky_relu
    for norm in (False, True):
        model = shaken(
            nflows_chain(
                spline(use_batch_norm=norm),
                transforms.ReversePermutation(5),
                affine(num_blocks=1, activation=leaky, use_batch_norm=norm),
                spline(num_bins=4, use_residual_blocks=False, random_mask=True),
            )
        )
        result = export(model, folder / "nflows_given.laser", form="native")
        check_flow(result, lambda z, c, model=model: model._transform.inverse(z, c)[0], lambda x, c, model=model: model.log_prob(x, c), 2)
    refused(ValueError, "conditions=1, but the flow has 2", model=model, conditions=1)


class ContextNet(nn.Module):
    """nflows hands the context to its networks, which nn.Sequential does not take."""

    def __init__(self, inputs, outputs, context=0):
        super().__init__()
        self.net = subnet(inputs + context, outputs)

    def forward(self, x, context=None):
        return self.net(x if context is None else torch.cat([x, context], 1))


def test_nflows_linear_maps():
    from nflows import transforms
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow

    def couple(mask):
        return transforms.AdditiveCouplingTransform(mask, ContextNet)

    chain = [couple([1, -1, 1, -1]), transforms.LULinear(4), transforms.ReversePermutation(4), transforms.SVDLinear(4, 2)]
    chain += [transforms.InverseTransform(couple([-1, 1, 1, -1])), transforms.QRLinear(4, 3), transforms.RandomPermutation(4)]
    chain += [transforms.PointwiseAffineTransform(torch.arange(4.0), torch.tensor([1.0, 2.0, 0.5, 3.0]))]
    model = shaken(Flow(transforms.CompositeTransform(chain), StandardNormal([4])))
    refused(Unsupported, "the layer `ContextNet`", "layers=lambda module: module.net", model=model, form="native")
    result = export(model, folder / "nflows_linear.laser", form="native", layers=lambda module: module.net)
    check_flow(result, lambda z, _: model._transform.inverse(z)[0], lambda x, _: model.log_prob(x))


def test_nflows_context():
    from nflows import transforms
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow

    masks = ([1, -1, 1], [-1, 1, -1])
    chain = transforms.CompositeTransform([transforms.AdditiveCouplingTransform(mask, partial(ContextNet, context=2)) for mask in masks])
    model = shaken(Flow(chain, StandardNormal([3])))
    settings = {"conditions": 2, "layers": lambda module: module.net}
    result = export(model, folder / "nflows_context.laser", form="native", **settings)
    check_flow(result, lambda z, c: model._transform.inverse(z, c)[0], lambda x, c: model.log_prob(x, c), 2)
    refused(ValueError, "the subnet maps 3 values to 2", "0 conditions", "say conditions=2", model=model, layers=settings["layers"])
    refused(ValueError, "3 latents and 0 conditions", "conditions=C", model=model)
    model._embedding_net = nn.Linear(2, 2)
    refused(Unsupported, "embedding net", model=model, form="native", **settings)


def test_nflows_refusals():
    from nflows import transforms
    from nflows.distributions import ConditionalDiagonalNormal, StandardNormal
    from nflows.flows import Flow
    from nflows.nn.nets import ResidualNet

    net = partial(ResidualNet, hidden_features=4)
    quadratic = transforms.MaskedPiecewiseQuadraticAutoregressiveTransform(5, 8, tails="linear")
    refused(Unsupported, "(MaskedPiecewiseQuadraticAutoregressiveTransform)", "no counterpart", model=nflows_chain(quadratic), form="native")
    autoregressive = transforms.MaskedPiecewiseRationalQuadraticAutoregressiveTransform
    smooth = autoregressive(5, 8, context_features=2, tails="linear", activation=torch.tanh)
    refused(Unsupported, "around tanh, or a context", model=nflows_chain(smooth), form="native")
    refused(Unsupported, "tails=None", model=nflows_chain(autoregressive(5, 8)), form="native")
    couple = transforms.PiecewiseRationalQuadraticCouplingTransform
    thin = couple([1, -1], net, tails="linear", min_bin_width=1e-4)
    refused(Unsupported, "other min_bin_width", model=Flow(thin, StandardNormal([2])), form="native")
    wide = transforms.AffineCouplingTransform([1, -1], net)
    wide._scale_and_shift = lambda parameters: (parameters[:, 1:].exp(), parameters[:, :1])
    refused(Unsupported, "nflows: a scale other than", model=Flow(wide, StandardNormal([2])), form="native")
    alone = transforms.AffineCouplingTransform([1, -1], net, unconditional_transform=transforms.ActNorm)
    refused(Unsupported, "unconditional_transform is a ActNorm", model=Flow(alone, StandardNormal([2])), form="native")
    cubic = transforms.PiecewiseCubicCouplingTransform([1, -1], net, tails="linear")
    refused(Unsupported, "(PiecewiseCubicCouplingTransform)", "no counterpart", model=Flow(cubic, StandardNormal([2])), form="native")
    spline = couple([1, -1], net, tails="linear")
    refused(Unsupported, "ConditionalDiagonalNormal", model=Flow(spline, ConditionalDiagonalNormal([2])), form="native")
    gated = transforms.AdditiveCouplingTransform([1, -1], partial(net, context_features=2))
    refused(Unsupported, "gates its blocks", model=Flow(gated, StandardNormal([2])), form="native")
    smooth = transforms.AdditiveCouplingTransform([1, -1], partial(net, activation=torch.tanh))
    refused(Unsupported, "skip connection around tanh", model=Flow(smooth, StandardNormal([2])), form="native")
    actnorm = Flow(transforms.ActNorm(2), StandardNormal([2]))
    refused(ValueError, "ActNorm", "load the trained weights first", model=actnorm, form="native")


# --- features with bounds ---

BOUNDED = ["log(-2)", "standardise", "logit(-pi:2pi)"]
MEAN, STD = torch.tensor([0.5, -3.0, 0.2]), torch.tensor([0.8, 20.0, 1.7])


def from_line(u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of BOUNDED, and log |du/dx|, of what a model makes."""
    low, high = -np.pi, 2 * np.pi
    y = u * STD + MEAN
    share = torch.sigmoid(y[:, 2])
    x = torch.stack([y[:, 0].exp() - 2, y[:, 1], low + (high - low) * share], 1)
    return x, -STD.log().sum() - y[:, 0] - torch.log((high - low) * share * (1 - share))


def test_scaling_native():
    """Events, densities and latents of a flow of FrEIA, of one described, and of a GAN, in the transformed features."""
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import AllInOneBlock

    flow = SequenceINN(3)
    for _ in range(3):
        flow.append(AllInOneBlock, subnet_constructor=subnet)
    flow = shaken(flow)

    def on_line(x):
        share = (x[:, 2] + np.pi) / (3 * np.pi)
        return (torch.stack([(x[:, 0] + 2).log(), x[:, 1], share.logit()], 1) - MEAN) / STD

    def log_prob_of(x, _):
        u = on_line(x)
        z, log_det = flow(u)
        return standard_log_prob(z) + log_det + from_line(u)[1]

    result = export(flow, folder / "scaled.laser", mean=MEAN, std=STD, scaling=BOUNDED)
    check_flow(result, lambda z, _: from_line(flow(z, rev=True)[0])[0], log_prob_of)
    net = shaken(subnet(1, 4))
    blocks = [Coupling([0, 2], [1], net)]

    def described(z, _):
        s, t = net(z[:, [1]]).split(2, 1)
        u = z.clone()
        u[:, [0, 2]] = z[:, [0, 2]] * torch.tanh(s).exp() + t
        return from_line(u)[0]

    z = normal(ROWS, 3)
    result = export_flow(blocks, folder / "scaled_own.laser", mean=MEAN, std=STD, scaling=", ".join(BOUNDED))
    near(File(result.path).generate(z), described(torch.from_numpy(z), None))
    gan = shaken(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)))
    result = export(gan, folder / "scaled_gan.laser", scaling="logit(0.1:0.7)")
    z = 20 * normal(ROWS, 2)
    x = File(result.path).generate(z)
    near(x, 0.1 + 0.6 * torch.sigmoid(gan(torch.from_numpy(z))))
    assert np.all(x >= 0.1) and np.all(x <= 0.7) and np.any(x > 0.7 - 1e-9)


def test_scaling_torchscript():
    model = shaken(nn.Sequential(nn.Linear(2, 8), nn.GELU(), nn.Linear(8, 3)))
    settings = {"mean": MEAN, "std": STD, "scaling": BOUNDED}
    script_file(model, lambda z, _: from_line(model(z))[0], (2, 0), "`GELU`", **settings)
    # Far out rounding leads to the bounds, none of which float32 has, never beyond; and derivatives stay numbers.
    for dtype in (torch.float32, torch.float64):
        far = settings | {"scaling": ["log(0.1)", "log(-0.1)", "logit(0.1:0.7)"], "dtype": str(dtype).removeprefix("torch.")}
        export(model, folder / "far.pt", **far)
        module = torch.jit.load(folder / "far.pt")
        z = (300 * torch.from_numpy(normal(ROWS, 2))).to(dtype).requires_grad_()
        x = module(z)
        (slope,) = torch.autograd.grad(x[:, 2].sum() + x[:, :2].clamp(max=1e6).sum(), z)
        x = x.detach().double()
        assert torch.all(x.isfinite()) and torch.all(slope.isfinite())
        assert torch.all(x[:, 0] > 0.1) and torch.all(x[:, 1] > -0.1) and torch.all((x[:, 2] >= 0.1) & (x[:, 2] <= 0.7))
        assert x[:, 0].min() < 0.1 + 1e-7 and x[:, 2].max() > 0.7 - 1e-7 and x[:, 2].min() < 0.1 + 1e-7
    # The others, on both sides: native and as a module.
    settings = {"scaling": "asinh(10:2), periodic(-pi:pi), standardise", "mean": 0.5, "std": 2.0, "dtype": "float64"}
    export(model, folder / "angles.pt", **settings)
    x = torch.jit.load(folder / "angles.pt")(torch.from_numpy(normal(ROWS, 2)))
    y = 2 * model.double()(torch.from_numpy(normal(ROWS, 2))) + 0.5
    near(x.detach().numpy()[:, :1], 10 + 2 * y[:, :1].sinh())
    near(x.detach().numpy()[:, 1:], torch.stack([2 * np.pi * torch.sigmoid(y[:, 1]) - np.pi, y[:, 2]], 1))
    linear = shaken(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3)))
    export(linear, folder / "angles.laser", **settings)
    y = 2 * linear.double()(torch.from_numpy(normal(ROWS, 2))) + 0.5
    x = File(folder / "angles.laser", dtype="float64").generate(normal(ROWS, 2))
    near(x[:, :1], 10 + 2 * y[:, :1].sinh())
    near(x[:, 1:], torch.stack([2 * np.pi * torch.sigmoid(y[:, 1]) - np.pi, y[:, 2]], 1))
    refused(ValueError, "need a native form", model=model.float(), scaling="integer(0:3)")


def test_scaling_errors():
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
    wrong = ("sqrt", "log", "log(x)", "log(inf)", "log(0:1)", "logit(0)", "logit(0:1", "standardise(1)", "zeros(0)", "")
    for scaling in (*wrong, ["log(0)", 3]):
        refused(ValueError, "is none of `standardise`, `asinh`, `asinh(CENTRE:WIDTH)`, `log(LOW)`", model=model, scaling=scaling)
        refused(ValueError, "is none of", blocks=[Coupling([0], [1], subnet(1, 2))], scaling=scaling)
    for scaling in ("logit(1:1)", "standardise, logit(pi:-pi)"):
        refused(ValueError, "the lower bound must lie below", model=model, scaling=scaling)
    for form in ("native", "torchscript"):
        refused(ValueError, "lists 3 words", "2 features", model=model, scaling="log(0), log(0), log(0)", form=form)
        refused(ValueError, "lists 0 words", model=model, scaling=[], form=form)
        for final in (nn.Tanh(), nn.Sigmoid()):
            bounded = nn.Sequential(nn.Linear(2, 2), final)
            refused(ValueError, f"ends with {type(final).__name__.lower()}", "mean + std", model=bounded, scaling="logit(0:1)", form=form)
    inner = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    settings = {"scaling": "log(0)", "layers": lambda module: module.net}
    wrapped = ContextNet(2, 2)
    wrapped.net = inner
    refused(ValueError, "ends with tanh", model=wrapped, **settings)
    assert export(inner, folder / "tanh.laser", scaling="standardise").native


# --- flows described by hand ---


def test_described_flow():
    """Blocks of all kinds of outputs, in both directions, with conditions that some of them take; and an own LU map between."""
    torch.manual_seed(5)
    nets = [shaken(subnet(i, o), seed) for seed, (i, o) in enumerate([(2 + 2, 2), (1 + 1, 6), (2, 2), (3 + 2, 1)])]
    matrix, offset = normal(4, 4, 9) - np.eye(4), np.array([1.0, 0.0, -1.0, 2.0])
    blocks = [
        Coupling([1, 3], [2, 0], nets[0], Affine(outputs="t")),
        Linear.permutation([3, 1, 0, 2]),
        Coupling([3, 0, 1], [2], nets[1], Affine(0.8, s_factor=2.0, t_factor=0.5, outputs="ts", interleaved=True), conditions=[1]),
        Linear(matrix, offset),
        Coupling([0, 1], [2, 3], nets[2], Affine(clamp=None, outputs="s"), inverse=True, conditions=[]),
        Coupling([2], [3, 0, 1], nets[3], Affine(clamp=1.2, outputs="s")),
    ]
    mean, std = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.5, 1.0, 2.0, 4.0])

    def x_of(z, given):
        given = (given - 0.5) / 2
        x = z.clone()
        x[:, [1, 3]] = z[:, [1, 3]] + nets[0](torch.cat([z[:, [2, 0]], given], 1))
        z = x[:, [3, 1, 0, 2]]
        out = nets[1](torch.cat([z[:, [2]], given[:, [1]]], 1))
        s, t = 0.8 * torch.tanh(2 * out[:, 1::2]), 0.5 * out[:, 0::2]
        x = z.clone()
        x[:, [3, 0, 1]] = z[:, [3, 0, 1]] * s.exp() + t
        z = x @ torch.from_numpy(matrix).T + torch.from_numpy(offset)
        x = z.clone()
        x[:, [0, 1]] = z[:, [0, 1]] * torch.exp(-nets[2](z[:, [2, 3]]))
        z = x.clone()
        x[:, [2]] = z[:, [2]] * torch.exp(1.2 * torch.tanh(nets[3](torch.cat([z[:, [3, 0, 1]], given], 1))))
        return x * std + mean

    z, given = torch.from_numpy(normal(ROWS, 4)), torch.from_numpy(normal(ROWS, 2, 2))

    def log_prob_of(x, c):
        jacobian = torch.vmap(torch.func.jacrev(lambda one, g: x_of_row(one, g)))(z, c)
        return standard_log_prob(z) - torch.linalg.slogdet(jacobian)[1]

    def x_of_row(one, g):
        """As x_of, of one row and without assignments, which jacrev does not take."""
        parts = list(one)
        g = (g - 0.5) / 2
        add = nets[0](torch.cat([torch.stack([parts[2], parts[0]]), g]))
        parts = [parts[0], parts[1] + add[0], parts[2], parts[3] + add[1]]
        parts = [parts[k] for k in (3, 1, 0, 2)]
        out = nets[1](torch.stack([parts[2], g[1]]))
        s, t = 0.8 * torch.tanh(2 * out[1::2]), 0.5 * out[0::2]
        for at, k in enumerate((3, 0, 1)):
            parts[k] = parts[k] * s[at].exp() + t[at]
        parts = list(torch.from_numpy(matrix) @ torch.stack(parts) + torch.from_numpy(offset))
        s = nets[2](torch.stack([parts[2], parts[3]]))
        parts = [parts[0] * torch.exp(-s[0]), parts[1] * torch.exp(-s[1]), parts[2], parts[3]]
        s = 1.2 * torch.tanh(nets[3](torch.cat([torch.stack([parts[3], parts[0], parts[1]]), g])))
        parts[2] = parts[2] * torch.exp(s[0])
        return torch.stack(parts) * std + mean

    near(x_of(z, given).detach().numpy()[:20], torch.vmap(x_of_row)(z[:20], given[:20]))
    result = export_flow(blocks, folder / "described.laser", conditions=2, mean=mean, std=std, condition_mean=0.5, condition_std=2.0)
    check_flow(result, x_of, log_prob_of, 2)


def test_described_clamps():
    """All soft clamps, in both directions, of coordinates that a reflection has given another sign."""
    functions = {
        "tanh": lambda u: 1.7 * torch.tanh(u),
        "atan": lambda u: 1.7 * 2 / torch.pi * torch.atan(u),
        "softsign": lambda u: 1.7 * u / (1 + u.abs()),
        "sigmoid": lambda u: torch.log(torch.sigmoid(u) + torch.exp(torch.tensor(-1.7))),
        "softplus": lambda u: torch.log(nn.functional.softplus(u) + torch.exp(torch.tensor(-1.7))),
        (None, "tanh"): lambda u: u,
        (None, "sigmoid"): lambda u: torch.log(torch.sigmoid(u)),
        (None, "softplus"): lambda u: torch.log(nn.functional.softplus(u)),
    }
    for kind, function in functions.items():
        clamp, name = (1.7, kind) if isinstance(kind, str) else kind
        for inverse in (False, True):
            net = shaken(subnet(2, 2))
            affine = Affine(clamp, name, s_factor=1.5, s_offset=-0.6, t_factor=-0.7)
            blocks = [Coupling([1], [2, 0], net, affine, inverse), Linear(np.diag([1.0, -1.0, -2.0]))]

            def both(known, net=net, function=function, inverse=inverse):
                s, t = net(known[:, [2, 0]]).split(1, 1)
                s, t = function(1.5 * s - 0.6)[:, 0], -0.7 * t[:, 0]
                return (-s, -t * torch.exp(-s)) if inverse else (s, t)

            def x_of(z, _, both=both):
                s, t = both(z)
                return torch.stack([z[:, 0], -(z[:, 1] * s.exp() + t), -2 * z[:, 2]], 1)

            def log_prob_of(x, _, both=both):
                z = torch.stack([x[:, 0], -x[:, 1], -x[:, 2] / 2], 1)
                s, t = both(z)
                z[:, 1] = (z[:, 1] - t) * torch.exp(-s)
                return standard_log_prob(z) - s - np.log(2)

            result = export_flow(blocks, folder / "clamps.laser")
            check_flow(result, x_of, log_prob_of)
            assert result.latent_sign.tolist() == [1, -1, -1]


def test_described_splines():
    """Splines of all knots and of reflected coordinates, against the library's own of the same reflected by hand."""
    flip = Linear(np.diag([-1.0, 1.0, -1.0]))
    z = normal(ROWS, 3) * 1.5
    for knots in ("tanh", "softplus", "softsign"):
        for inverse in (False, True):
            net = shaken(subnet(1, 2 * 11))
            one = Coupling([0, 2], [1], net, Spline(4, 2.5, knots, share_factor=1.3), inverse)
            mirrored = export_flow([flip, one, flip], folder / "mirrored.laser")
            plain = export_flow([one], folder / "plain.laser")
            sign = np.array([-1, 1, -1])
            x = File(plain.path).generate(z * sign) * sign
            assert np.abs(x - z).max() > 0.1
            near(File(mirrored.path).generate(mirrored.latents(z)), x)


def test_description_errors():
    good = Coupling([0], [1], subnet(1, 2))
    refused(ValueError, "coupling 1: active and passive", blocks=[good, Coupling([0], [0], subnet(1, 2))])
    refused(ValueError, "coupling 0: the subnet maps 1 values to 3", "2 values are needed", blocks=[Coupling([0], [1], subnet(1, 3))])
    refused(ValueError, "outputs='x'", blocks=[Coupling([0], [1], subnet(1, 2), Affine(outputs="x"))])
    for wrong, words in (
        (Affine(clamp=0.0), ("clamp=0.0", "positive")),
        (Affine(clamp=float("nan")), ("clamp=nan", "positive")),
        (Affine(clamp=81.0, soft_clamp="sigmoid"), ("clamp=81.0", "at most 80")),
        (Affine(soft_clamp="hard"), ("soft_clamp='hard'", "'softsign'")),
        (Spline(8, 5.0, "hard"), ("knots='hard'", "'softplus'")),
    ):
        refused(ValueError, "coupling 1", *words, blocks=[good, Coupling([0], [1], subnet(1, 2), wrong)])
    refused(ValueError, "maps 1 values to 2", "23 values are needed", blocks=[Coupling([0], [1], subnet(1, 2), Spline(8, 5.0))])
    refused(Unsupported, "1 bins within ±5", blocks=[Coupling([0], [1], subnet(1, 2), Spline(1, 5.0))])
    refused(Unsupported, "8 bins within ±0", "0.001 to 1000", blocks=[Coupling([0], [1], subnet(1, 23), Spline(8, 0.0))])
    refused(ValueError, "singular", blocks=[good, Linear(np.ones((2, 2)))])
    refused(ValueError, "shape (3, 3)", blocks=[good, Linear(np.eye(3))])
    refused(Unsupported, "no coupling block", blocks=[Linear(np.eye(2))], dim=2)
    refused(ValueError, "give dim=", blocks=[])
    refused(Unsupported, "one feature", blocks=[Coupling([0], [], nn.Linear(2, 2))], conditions=2)
    refused(Unsupported, "ends with an activation", blocks=[Coupling([0], [1], nn.Sequential(subnet(1, 2), nn.Tanh()))])
    broken = subnet(1, 2)
    broken[2].bias.data[3] = float("nan")
    refused(ValueError, "coupling 1: `2.bias`", "not finite", "(3,)", blocks=[good, Coupling([1], [0], broken)])


# --- what the library does with the files ---


def test_samples():
    """The sampler's events are the foreign model's of the latents that it drew."""
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import AllInOneBlock

    flow = SequenceINN(3)
    for _ in range(4):
        flow.append(AllInOneBlock, subnet_constructor=subnet)
    flow = shaken(flow)
    result = export(flow, folder / "samples.laser")
    file = File(result.path)
    sampler = laser.sampler(file.model, "baseline", 7)
    x, drawn = np.empty((ROWS, 3)), np.empty((ROWS, 3))
    laser.latent_and_event(sampler, x, drawn)
    z = drawn[:, result.latent_order] * result.latent_sign
    with torch.no_grad():
        near(x, flow(torch.from_numpy(z), rev=True)[0])
    assert abs(drawn.mean()) < 0.05 and abs(drawn.std() - 1) < 0.05


def test_refinement():
    """Exported generators can be refined, also by chains, which need gradients through all blocks."""
    flow = [
        Linear([[0.6, -0.8], [0.8, 0.6]], [1.0, 0.0]),
        Coupling([0], [1], shaken(subnet(1, 2)), inverse=True),
        Coupling([1], [0], shaken(subnet(1, 11)), Spline(4, 3.0, "softsign"), inverse=True),
        Linear(np.diag([2.0, -0.5])),
    ]
    gan = shaken(nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2), nn.Tanh()))
    target = np.clip(0.3 * normal(4000, 2), -0.9, 0.9)
    source = laser.make("laser_source_from_array", pointer(target), None, c.c_size_t(4000), c.c_size_t(2), c.c_size_t(0))
    quick = {"preset": "fast", "dtype": "float64", "classifier": {"epochs": 1, "steps": 5}, "weights.events": 2000}
    hmc = {"refiner.method": "hmc", "hmc": {"chains": 4, "pilot": 5, "burn_in": 5, "leapfrog": 3}}
    for result in (export_flow(flow, folder / "refined_flow.laser"), export(gan, folder / "refined_gan.laser")):
        model = laser.make("laser_refine", File(result.path).generator, source, laser.options(**quick, **hmc), None)
        sampler = laser.sampler(model, "model", 1)
        x, z = np.empty((200, 2)), np.empty((200, result.latent_dim))
        laser.latent_and_event(sampler, x, z)
        assert np.all(np.isfinite(x))
        near(File(result.path).generate(z), x)


# --- TorchScript ---


def script_file(model, x_of, dims, *parts, **arguments):
    """A model that becomes TorchScript: the module, loaded by PyTorch and by the library, makes PyTorch's events."""
    path, (latent, conditions) = folder / "script.pt", dims
    result = export(model, path, **arguments)
    assert not result.native and (result.latent_dim, result.conditions) == (latent, conditions)
    for part in parts:
        assert part in result.reason, result.reason
    z, given = normal(ROWS, latent), normal(ROWS, conditions, 2)
    # Far out all coordinates are in the tails of splines; one row alone is the smallest request.
    z[0] = 40.0
    rows = np.hstack([z, given])
    with torch.no_grad():
        x = x_of(torch.from_numpy(z), torch.from_numpy(given))
        module = torch.jit.load(path)
        near(module(torch.from_numpy(rows)).numpy(), x)
        near(module(torch.from_numpy(rows[:1])).numpy(), x[:1])
    options = {"generator.latent": latent, "conditions": conditions, "dtype": result.dtype}
    generator = c.c_void_p()
    status, message = status_of("laser_generator_load", str(path).encode(), laser.options(**options), c.byref(generator))
    if status == 0:
        near(File(path, **options).generate(rows), x)
    else:
        assert status_name(status) == UNSUPPORTED and "libtorch" in message, message


def status_name(status: int) -> str:
    function = laser.library.laser_status_name
    function.restype = c.c_char_p
    return function(status).decode()


def test_torchscript_freia():
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import GLOWCouplingBlock, PermuteRandom

    flow = SequenceINN(3)
    for i in range(3):
        flow.append(GLOWCouplingBlock, cond=0, cond_shape=(2,), subnet_constructor=subnet, clamp_activation=softly)
        flow.append(PermuteRandom, seed=i)
    flow = shaken(flow)
    script_file(flow, lambda z, given: flow(z, c=[given], rev=True)[0], (3, 2), "soft clamp")
    script_file(flow, lambda z, given: flow(z, c=[given])[0], (3, 2), "soft clamp", forward="generate")


def test_torchscript_zuko():
    import zuko

    real = shaken(zuko.flows.NICE(3, 2, univariate=partial(Clamped, clamp=softly)))
    script_file(real, lambda z, given: real(given).transform.inv(z), (3, 2), "soft clamp")
    refused(ValueError, "conditions=3, but the flow has 2", model=real, conditions=3)
    masked = shaken(zuko.flows.MAF(3, 2, passes=2, transforms=2, activation=nn.ELU))
    script_file(masked, lambda z, given: masked(given).transform.inv(z), (3, 2), "`ELU`", condition_mean=0.0)
    spline = shaken(zuko.flows.NSF(3, passes=2, slope=0.01))
    mean, std = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.1, 10.0])
    script_file(spline, lambda z, _: spline().transform.inv(z) * std + mean, (3, 0), "slope=0.01", mean=mean, std=std)


def test_torchscript_nflows():
    from nflows import transforms
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow, MaskedAutoregressiveFlow
    from nflows.nn.nets import ResidualNet

    maf = shaken(MaskedAutoregressiveFlow(features=3, hidden_features=8, num_layers=3, num_blocks_per_layer=1, activation=torch.nn.functional.gelu))
    script_file(maf, lambda z, _: maf._transform.inverse(z)[0], (3, 0), "'gelu'")
    net = partial(ResidualNet, hidden_features=8, context_features=2)
    couple = partial(transforms.PiecewiseRationalQuadraticCouplingTransform, transform_net_create_fn=net, tails="linear", tail_bound=3.0)
    spline = shaken(Flow(transforms.CompositeTransform([couple([1, -1, 1]), couple([-1, 1, -1])]), StandardNormal([3])))
    script_file(spline, lambda z, given: spline._transform.inverse(z, given)[0], (3, 2), "gates its blocks")


class Softplus(nn.Module):
    """A generator of a class of its own."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, rows):
        return nn.functional.softplus(self.layer(rows))


class Random(nn.Module):
    def forward(self, rows):
        return rows + torch.randn_like(rows)


def test_torchscript_module():
    model = Softplus().double()
    script_file(
        model,
        lambda z, given: model(torch.cat([z, given / 4], 1)),
        (2, 1),
        "the layer `Softplus`",
        latent=2,
        conditions=1,
        condition_std=4.0,
    )
    plain = shaken(nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2)))
    script_file(plain, lambda z, _: plain(z), (2, 0), "asked for", form="torchscript")
    refused(ValueError, "the layer `Softplus`", "give latent=N", model=model)
    refused(ValueError, "does not take rows of 1 latents and 0 conditions", model=model, latent=1)
    refused(ValueError, "192 rows into a tensor of shape (192, 2, 1)", model=nn.Sequential(nn.Linear(3, 2), nn.Unflatten(1, (2, 1))), latent=3)
    refused(ValueError, "draws random numbers", model=Random(), latent=2)


class Deciding(nn.Module):
    """Follows a function of its rows, of the layer's outputs and of its inputs."""

    def __init__(self, function):
        super().__init__()
        self.layer, self.function = nn.Linear(2, 2), function

    def forward(self, rows):
        return self.function(self.layer(rows), rows)


def test_torchscript_row_by_row():
    """Modules whose trace is another function, or whose events depend on each other."""
    decisions = (
        lambda y, x: y if x.sum() > 0 else -y,
        lambda y, x: y if x.abs().max() < 1 else 2 * y,
        lambda y, x: torch.stack([row if row[0] > 0 else -row for row in y]),
        lambda y, x: y if len(x) > 1 else -y,
        lambda y, x: y + torch.ones(len(x.tolist()), 2),
    )
    for decision in decisions:
        for dtype in ("float32", "float64"):
            refused(ValueError, "takes decisions by its input", "torch.where", model=Deciding(decision), latent=2, dtype=dtype)
    refused(ValueError, f"(at {__file__}:", model=Deciding(decisions[0]), latent=2)
    for mixing in (lambda y, x: y - y.mean(0), lambda y, x: y + 1e-4 * y.flip(0), lambda y, x: y / y.abs().max()):
        refused(ValueError, "mixes rows", "its own latents", model=Deciding(mixing), latent=2)
    # What a tensor decides by row is in the trace; of what the trial does not reach the user hears.
    good = Deciding(lambda y, x: torch.where(x > 0, y, -y))
    for model, warned in ((good, False), (Deciding(lambda y, x: y if x.abs().max() < 100 else 2 * y), True)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            script_file(model.double(), lambda z, _, model=model: model(z), (2, 0), "the layer `Deciding`", latent=2)
        heard = [str(w.message) for w in caught if "trial rows" in str(w.message)]
        assert len(heard) == warned and all(__file__ in text for text in heard), heard


class Rounded(torch.autograd.Function):
    """Has a derivative of its own."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, slope):
        return slope


def test_torchscript_refusals():
    """Models that PyTorch cannot trace: one error that says why, and the reason against a native form."""
    import zuko
    from nflows import transforms
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows.nn.nets import ResidualNet

    flows = zuko.flows
    for kind, cause in ((flows.NAF, "Bisection"), (flows.UNAF, "Bisection"), (flows.BPF, "Bisection"), (flows.SOSPF, "Bisection")):
        refused(ValueError, "by bisection", f"`{cause}` of zuko.utils", "Nor is there a native form: zuko transform 0", model=kind(3))
    refused(ValueError, "by bisection", model=flows.GF(3), form="torchscript")
    refused(ValueError, "differential equation", "`AdaptiveCheckpointAdjoint`", "(FFJTransform)", model=flows.CNF(3))
    refused(ValueError, "integrates numerically", model=flows.UNAF(3), forward="generate")
    # Where the call itself makes the events, none is inverted.
    for kind in (flows.NAF, flows.BPF, flows.GF):
        model = shaken(kind(3, transforms=2))
        script_file(model, lambda z, _, model=model: model().transform(z), (3, 0), "zuko transform 0", forward="generate")
    refused(ValueError, "`Rounded` of", "affine or spline", model=Deciding(lambda y, x: Rounded.apply(y)), latent=2)
    couple = partial(transforms.PiecewiseRationalQuadraticCouplingTransform, [1, -1], partial(ResidualNet, hidden_features=4))
    refused(ValueError, "InputOutsideDomain", "tails='linear'", "tails=None", model=Flow(couple(), StandardNormal([2])))
    first = transforms.CompositeTransform([transforms.Sigmoid(), couple(tails="linear")])
    refused(ValueError, "InputOutsideDomain", "leave Sigmoid and Logit out", model=Flow(first, StandardNormal([2])))


# --- errors ---


def test_unsupported_layers():
    def net(*layers):
        return nn.Sequential(nn.Linear(2, 4), *layers)

    refused(Unsupported, "Sequential.1: the layer `GELU`", "layers=", model=net(nn.GELU(), nn.Linear(4, 2)), form="native")
    refused(Unsupported, "`LayerNorm`", model=net(nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 2)), form="native")
    refused(
        Unsupported,
        "different activations",
        "leaky_relu",
        "tanh",
        model=net(nn.ReLU(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)),
        form="native",
    )
    refused(Unsupported, "slope 1.5", model=net(nn.LeakyReLU(1.5), nn.Linear(4, 2)), form="native")
    refused(Unsupported, "ends with leaky_relu", model=net(nn.ReLU()), form="native")
    refused(Unsupported, "begin with a linear layer", model=nn.Sequential(nn.Tanh(), nn.Linear(4, 2)), form="native")

    class Doubled(nn.Sequential):
        def forward(self, x):
            return 2 * super().forward(x)

    refused(Unsupported, "the layer `Doubled`", model=Doubled(nn.Linear(2, 2)), form="native")


def test_wrong_arguments():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    refused(ValueError, "a layer of 5 inputs follows one of 4 outputs", model=nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(5, 2)))
    refused(ValueError, "a layer of 5 inputs follows one of 4 outputs", model=nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2)))
    refused(ValueError, "takes 3 values, not 3 latents and 1 conditions", model=model, latent=3, conditions=1)
    refused(ValueError, "mean has shape (3,); one number or 2", model=model, mean=[1.0, 2.0, 3.0])
    refused(ValueError, "std must be finite and positive", model=model, std=[1.0, 0.0])
    refused(ValueError, "mean must be finite", model=model, mean=float("nan"))
    refused(ValueError, "dtype='float16'", "float64", model=model, dtype="float16")
    refused(ValueError, "forward='backward'", model=model, forward="backward")
    refused(ValueError, "form='onnx'", model=model, form="onnx")
    refused(ValueError, "not OrderedDict", "state_dict", model=model.state_dict())
    hooked = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)))
    z = normal(100, 3)
    near(File(export(hooked.double(), folder / "hooked.laser").path).generate(z), hooked(torch.from_numpy(z)))
    hooked[0].register_forward_hook(lambda *_: None)
    refused(ValueError, "`0` has hooks", "remove them first", model=hooked)


def test_weights_that_are_not_finite():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    model[2].weight.data[1, 3] = float("inf")
    refused(ValueError, "`2.weight`", "at (1, 3)", "diverged", model=model)
    large = nn.Sequential(nn.Linear(3, 2)).double()
    large[0].weight.data[0, 0] = 1e300
    refused(ValueError, "generator.0.0.weight", "dtype='float64'", model=large, dtype="float32")


def test_files():
    """A failed export leaves what was there; an export replaces it; the library notices damage."""
    path = folder / "kept.laser"
    model = shaken(nn.Sequential(nn.Linear(2, 2)))
    export(model, path)
    before = path.read_bytes()
    for broken, said in ((folder / "none" / "kept.laser", f"the folder {folder / 'none'} of"), (folder, f"{folder} is a folder")):
        try:
            export(model, broken)
        except OSError as error:
            assert str(error).startswith(said), error
            continue
        raise AssertionError(f"wrote {broken}")
    assert [p.name for p in folder.glob("*kept*")] == ["kept.laser"] and path.read_bytes() == before
    export(model, path, mean=1.0)
    z = normal(10, 2)
    near(File(path).generate(z), model(torch.from_numpy(z)) + 1)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    status, message = status_of("laser_generator_load", str(path).encode(), None, c.byref(c.c_void_p()))
    assert status != 0 and "SHA-256" in message, message


# --- the documentation ---


class Block(nn.Module):
    """The coupling block of the paper's published code, as far as docs/foreign-models.md speaks of it."""

    def __init__(self, dim: int):
        super().__init__()
        self.in_channels, self.split_len1, self.clamp = dim, dim - dim // 2, 1
        self.s = nn.Module()
        self.s.layers = nn.ModuleList([nn.Linear(self.split_len1, 9), nn.Dropout(0.1), nn.LeakyReLU(0.1), nn.Linear(9, 2 * (dim // 2))])
        self.scale, self.offset, self.order = nn.Parameter(torch.rand(dim) + 0.5), nn.Parameter(torch.randn(dim)), torch.randperm(dim)

    def permute(self, x, rev=False):
        if rev:
            return (x[:, torch.argsort(self.order)] - self.offset) / self.scale
        return (x * self.scale + self.offset)[:, self.order]

    def forward(self, x, rev=False):
        x = self.permute(x[0], rev=True)
        x1, x2 = x[:, : self.split_len1], x[:, self.split_len1 :]
        out = x1
        for layer in self.s.layers:
            out = layer(out)
        s, t = out.chunk(2, 1)
        return [torch.cat([x1, (x2 - 0.1 * t) * torch.exp(-self.clamp * torch.tanh(0.1 * s))], 1)]


class PermuteRandom(nn.Module):
    """As that of the published code, whose call returns no Jacobian."""

    def __init__(self, dim: int):
        super().__init__()
        self.perm = torch.randperm(dim)

    def forward(self, x, rev=False):
        return [x[0][:, torch.argsort(self.perm) if rev else self.perm]]


class Published(nn.Module):
    """A network of these, from events to latents; only the inverse is needed here."""

    def __init__(self, dim: int, blocks: int):
        super().__init__()
        # The first and the last node of the graph have no module that computes anything.
        self.module_list = nn.ModuleList(
            [None, nn.Flatten(), *(kind(dim) for _ in range(blocks) for kind in (PermuteRandom, Block)), nn.Module()]
        )

    def generate(self, z):
        for module in reversed(self.module_list[2:-1]):
            z = module([z], rev=True)[0]
        return z


def test_documentation():
    """Every example of docs/foreign-models.md with PyTorch runs, and the library loads what it writes."""
    text = (ROOT / "docs" / "foreign-models.md").read_text(encoding="utf-8")
    examples = re.findall(r"^<!-- test: not run, because tests/export runs it -->\n```python\n(.*?)^```$", text, re.M | re.S)
    assert len(examples) >= 6
    names: dict = {}
    with contextlib.chdir(folder), contextlib.redirect_stdout(None):
        for example in examples:
            exec(compile(example, "foreign-models.md", "exec"), names)
        written = sorted(folder.glob("*.laser"))
        assert len(written) == sum(example.count('.laser"') for example in examples), written
        for path in written:
            assert File(path).event_dim >= 2
        net, scales = shaken(Published(3, 4)), np.array([1.0, 2.0, 3.0])
        result = names["export_published"](net, scales, "published.laser")
        z = normal(ROWS, 3)
        near(File(result.path.resolve()).generate(result.latents(z)), net.generate(torch.from_numpy(z)) * torch.from_numpy(scales))


# --- the reference of the Rust tests ---

REFERENCE = ROOT / "tests" / "reference" / "foreign"


def write_reference(place: Path) -> None:
    """Small flows of every framework, native, and what PyTorch says of some points: {name: {"z": …, "x": …, "log_prob": …}}."""
    import nflows.flows
    import zuko
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import AllInOneBlock, GLOWCouplingBlock
    from nflows import transforms

    def small(inputs, outputs):
        return nn.Sequential(nn.Linear(inputs, 6), nn.LeakyReLU(0.1), nn.Linear(6, outputs))

    freia = SequenceINN(3)
    freia.append(AllInOneBlock, subnet_constructor=small)
    freia.append(GLOWCouplingBlock, subnet_constructor=small)
    quadratic = partial(transforms.PiecewiseRationalQuadraticCouplingTransform, tails="linear", tail_bound=3.0, num_bins=4)
    net = partial(nflows.nn.nets.ResidualNet, hidden_features=6, num_blocks=1)
    splines = transforms.CompositeTransform([quadratic(mask, net) for mask in ([1, -1, 1], [-1, 1, -1])])
    sizes = {"features": 3, "hidden_features": 6, "num_layers": 2, "num_blocks_per_layer": 1}
    flows = {
        "freia": freia,
        "nflows_realnvp": nflows.flows.SimpleRealNVP(**sizes),
        "nflows_maf": nflows.flows.MaskedAutoregressiveFlow(**sizes),
        "nflows_nsf": nflows.flows.Flow(splines, nflows.distributions.StandardNormal([3])),
        "zuko_realnvp": zuko.flows.RealNVP(3, transforms=2, hidden_features=(6,)),
        "zuko_maf": zuko.flows.MAF(3, transforms=2, hidden_features=(6,)),
        "zuko_nsf": zuko.flows.NSF(3, transforms=2, bins=4, hidden_features=(6,)),
    }
    place.mkdir(exist_ok=True)
    values = {}
    for name, flow in flows.items():
        result = export(shaken(flow), place / f"{name}.laser", form="native")
        z = torch.from_numpy(normal(25, 3))
        with torch.no_grad():
            if name == "freia":
                x = flow(z, rev=True)[0]
                latent, log_det = flow(x)
                log_prob = standard_log_prob(latent) + log_det
            elif name.startswith("nflows"):
                x = flow._transform.inverse(z)[0]
                log_prob = flow.log_prob(x)
            else:
                x = flow().transform.inv(z)
                log_prob = flow().log_prob(x)
        rows = {"z": result.latents(z.numpy()), "x": x.numpy(), "log_prob": log_prob.numpy()}
        values[name] = {key: rows[key].ravel().tolist() for key in rows}
    (place / "values.json").write_text(json.dumps(values, indent=0) + "\n", encoding="utf-8")


def test_reference():
    """What is committed is what this tool writes."""
    write_reference(folder / "foreign")
    written = sorted((folder / "foreign").iterdir())
    assert [path.name for path in written] == sorted(path.name for path in REFERENCE.iterdir())
    committed, now = (json.loads((place / "values.json").read_text()) for place in (REFERENCE, folder / "foreign"))
    for name, rows in now.items():
        for key, values in rows.items():
            near(np.array(committed[name][key]), np.array(values))
        z = np.array(rows["z"]).reshape(-1, 3)
        near(File(REFERENCE / f"{name}.laser").generate(z), np.array(rows["x"]).reshape(-1, 3))


# --- reweighters ---


def test_reweighters():
    """Weights p / (1 − p) of classifiers that end with a logit, its sigmoid, or two logits."""
    x = normal(1000, 3)
    for outputs, end in ((1, []), (1, [nn.Sigmoid()]), (2, [])):
        net = shaken(nn.Sequential(nn.Linear(3, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, outputs), *end)).double()
        export_reweighter(net, folder / "weights.laser", mean=0.5, std=[1.0, 2.0, 3.0], log_ratio_offset=np.log(3))
        u = net(torch.from_numpy((x - 0.5) / [1, 2, 3]))
        w = u / (1 - u) if end else (u[:, -1:] - (u[:, :1] if outputs == 2 else 0)).exp()
        with liblaser.Reweighter.load(folder / "weights.laser") as reweighter:
            near(reweighter.weights(x)[:, None], 3 * w)
    export_reweighter(net, folder / "weights.laser", names=["a", "b", "c"])
    assert liblaser.Reweighter.load(folder / "weights.laser").names == ("a", "b", "c")
    for wrong, words in ((nn.Linear(3, 3), "ends with 3 values"), (nn.Sequential(nn.Linear(3, 1), nn.Tanh()), "1 values by tanh")):
        try:
            export_reweighter(wrong, folder / "weights.laser")
        except Unsupported as error:
            assert words in str(error), error
        else:
            raise AssertionError("it is no classifier")


def test_names():
    export(nn.Linear(4, 2), folder / "names.laser", conditions=1, names="m,pt,mu")
    assert liblaser.Model(liblaser.Generator.load(folder / "names.laser")).names == ("m", "pt", "mu")
    blocks = [Coupling(active=[0], passive=[1], subnet=nn.Linear(1, 2))]
    export_flow(blocks, folder / "names.laser", names=["m", "pt"])
    assert liblaser.Model(liblaser.Generator.load(folder / "names.laser")).names == ("m", "pt")
    holds = "names= is for native files: a TorchScript module holds none"
    refused(ValueError, holds, model=nn.Linear(4, 2), form="torchscript", names=["m", "pt"])
    refused(ValueError, holds, "`GELU`", model=nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2)), names=["m", "pt"])


# --- the command ---

COMMAND = """
import torch
from torch import nn

def generator():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))

def smooth():
    return nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2))

def locked():
    import threading
    model = generator()
    model.lock = threading.Lock()
    return model

def neural():
    import zuko
    return zuko.flows.NAF(3)
"""


def command(*arguments) -> tuple[int, str, str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "python" / "src"), os.environ.get("PYTHONPATH", "")])}
    program = [sys.executable, "-m", "liblaser.export", *map(str, arguments)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stdout, done.stderr


def test_command():
    text = " ".join(command("--help")[1].split())
    assert "below 0 as --mean=-1,..." in text and "--std=-1" not in text, text
    source, state, out = folder / "models.py", folder / "state.pt", folder / "command.laser"
    source.write_text(COMMAND)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    torch.save(model.state_dict(), state)
    status, text, _ = command(
        f"{source}:generator", out, "--state", state, "--dtype", "float64", "--conditions", 1, "--mean=1,-2", "--std", "3"
    )
    assert status == 0 and "native model file; 2 latents, 1 conditions, 2 features, float64" in text, text
    rows = normal(100, 3)
    x = model.float().double()(torch.from_numpy(rows)) * 3 + torch.tensor([1, -2])
    near(File(out).generate(rows), x)
    assert command(f"{source}:generator", out, "--scaling=log(-1),logit(0:3)", "--mean=-0.5,2")[0] == 0
    x = File(out).generate(1e3 * normal(100, 3))
    assert np.all(x >= [-1, 0]) and np.all(x[:, 1] <= 3)
    status, _, errors = command(f"{source}:generator", out, "--scaling=log")
    assert status == 1 and "'log' is none of" in errors, errors
    whole = folder / "whole.pt"
    torch.save(model, whole)
    assert command(whole, out, "--conditions", 1, "--native")[0] == 0
    other, nested = folder / "other.pt", folder / "nested.pt"
    torch.save(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).state_dict(), other)
    torch.save({"model": model.state_dict(), "epoch": 3}, nested)
    (folder / "text.pt").write_text("weights")
    (folder / "cut.pt").write_bytes(state.read_bytes()[:500])
    torch.save(torch.ones(3), folder / "tensor.pt")
    for file, words in (
        (whole, "a whole model is given in the place of the source"),
        (folder / "text.pt", "holds no weights alone"),
        (folder / "tensor.pt", "holds no weights alone"),
        (other, "3 tensors differ, first `0.weight`, of shape (5, 3) in the file and of shape (4, 3) in the model"),
        (nested, "6 tensors differ, first `0.weight`, missing (it has `model`) in the file"),
        (folder / "cut.pt", "holds no weights alone"),
        (folder / "none.pt", "No such file"),
    ):
        status, _, errors = command(f"{source}:generator", folder / "never.laser", "--state", file)
        assert status == 1 and words in errors and str(file) in errors and len(errors.splitlines()) == 1, errors
    status, _, errors = command(f"{source}:generator", folder / "none" / "x.laser")
    assert status == 1 and f"the folder {folder / 'none'} of" in errors and len(errors.splitlines()) == 1, errors
    status, text, errors = command(f"{source}:smooth", out, "--latent", 3)
    assert status == 0 and "no native form" in errors and "`GELU`" in errors, errors
    assert json.loads(text.splitlines()[1]) == {"generator.latent": 3, "conditions": 0, "dtype": "float32"}
    status, _, errors = command(f"{source}:smooth", out, "--native")
    assert status == 1 and "`GELU`" in errors and "Traceback" not in errors, errors
    status, _, errors = command(f"{source}:neural", out)
    assert status == 1 and "by bisection" in errors and len(errors.splitlines()) == 1, errors
    status, _, errors = command(f"{source}:locked", out)
    assert status == 1 and "cannot be exported: TypeError" in errors and len(errors.splitlines()) == 1, errors
    for wrong in (f"{source}:nothing", folder / "none.pt", f"{folder}/none.py:f"):
        status, _, errors = command(wrong, out)
        assert status == 1 and f"{wrong} does not load" in errors and "Traceback" not in errors, errors


def seed() -> None:
    torch.manual_seed(0)
    np.random.seed(0)


def main() -> int:
    global laser, folder
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    laser = Laser(sys.argv[1])
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    tests = {name.removeprefix("test_"): test for name, test in globals().items() if name.startswith("test_")}
    if sys.argv[2:] == ["--reference"]:
        seed()
        write_reference(REFERENCE)
        return 0
    failures = 0
    for name in sys.argv[2:] or tests:
        seed()
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            try:
                tests[name]()
                print(f"ok {name}", flush=True)
            except Exception:
                traceback.print_exc(file=sys.stdout)
                print(f"FAILED {name}", flush=True)
                failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
