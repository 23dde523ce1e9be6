#!/usr/bin/env python3
"""Writes generators trained in PyTorch to liblaser's model file.

    laser_export.py SOURCE OUT [options]         see docs/foreign-models.md

    export(model, "model.laser")                 GAN generators, flows of FrEIA, zuko and nflows
    export_flow([Coupling(...), Linear(...)], "model.laser")   a flow of your own, described block by block

A model that liblaser's coupling flows and networks express exactly becomes a native file: it needs no libtorch, and flows keep
their density. Any other becomes a TorchScript module, which a liblaser with libtorch loads, and which has no density; `export` says why.

Needs torch, numpy and safetensors. FrEIA, zuko and nflows are needed only to make the models that they define.
"""

import argparse
import contextlib
import copy
import dataclasses
import hashlib
import importlib.util
import io
import json
import math
import os
import pickle
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from safetensors.numpy import save
from torch import nn

FORMAT_VERSION = 1
# A soft clamp so wide that it changes no s by more than rounding: clamp · tanh(s / clamp) = s (1 − (s / clamp)² / 3 + …).
NO_CLAMP = 1e9
# The largest clamp of those in ADDED, as good as none: exp(−80) beside what it is added to.
MAX_LEAST = 80.0
# liblaser's splines have no share of a bin and no slope below this, 2 to MAX_BINS bins, and bounds within BOUNDS.
SMALLEST = 1e-3
MAX_BINS = 128
BOUNDS = (1e-3, 1e3)
# liblaser loads no larger flow.
MAX_BLOCKS = 1 << 12
MAX_PARAMETERS = 1 << 28


class Unsupported(Exception):
    """liblaser's own networks do not express this model; the message says which part of it, and what to do."""


class Untraceable(ValueError):
    """No TorchScript module makes this model's events; the message says why, and what to do."""


# --- what a coupling flow is described by ---


# The bounded functions f of Affine, their inverses, and their slopes at 0.
SOFT_CLAMPS = {
    "tanh": (torch.tanh, math.atanh, 1.0),
    "atan": (lambda u: torch.atan(u) * (2 / math.pi), lambda y: math.tan(y * math.pi / 2), 2 / math.pi),
    "softsign": (nn.functional.softsign, lambda y: y / (1 - abs(y)), 1.0),
}
# The functions of Affine that are a scale, to which exp(−clamp) is added.
ADDED = ("sigmoid", "softplus")


@dataclasses.dataclass
class Affine:
    """z · exp(s) + t, where t = t_factor · t̃, s = clamp · f(u), u = s_factor · s̃ + s_offset; s̃ and t̃ are the subnet's outputs. f is

        "tanh"      tanh u
        "atan"      (2/π) · atan u
        "softsign"  u / (1 + |u|)
        "sigmoid"   not bounded that way: s = log(σ(u) + exp(−clamp)), σ being the logistic function, and clamp at most 80
        "softplus"  likewise: s = log(log(1 + exp(u)) + exp(−clamp))
    """

    #: Bound on |s|; None: s = u, or log σ(u) with "sigmoid", log log(1 + exp(u)) with "softplus".
    clamp: float | None = 1.0
    soft_clamp: str = "tanh"
    s_factor: float = 1.0
    s_offset: float = 0.0
    t_factor: float = 1.0
    #: What the subnet gives: "st", s̃ of all active coordinates, then t̃ of all; "ts"; "s" and no shift; "t" and no scale.
    outputs: str = "st"
    #: Whether s̃ and t̃ of one coordinate lie side by side instead.
    interleaved: bool = False

    @property
    def per_coordinate(self) -> int:
        return len(self.outputs)

    def description(self, where: str) -> dict:
        """As the model file has it."""
        if self.outputs not in ("st", "ts", "s", "t"):
            raise ValueError(f"{where}: outputs={self.outputs!r}; it is one of 'st', 'ts', 's', 't'")
        if self.soft_clamp not in (*SOFT_CLAMPS, *ADDED):
            raise ValueError(f"{where}: soft_clamp={self.soft_clamp!r}; it is one of {', '.join(map(repr, [*SOFT_CLAMPS, *ADDED]))}")
        most = MAX_LEAST if self.soft_clamp in ADDED else sys.float_info.max
        if self.clamp is not None and not 0 < self.clamp <= most:
            raise ValueError(f"{where}: clamp={self.clamp}; it is positive, of {' and '.join(ADDED)} at most {MAX_LEAST:g}, or None")
        if self.soft_clamp in ADDED:
            return {"type": "affine", "clamp": float(self.clamp or MAX_LEAST), "soft_clamp": self.soft_clamp}
        if self.clamp is None:
            return {"type": "affine", "clamp": NO_CLAMP}
        choice = {} if self.soft_clamp == "tanh" else {"soft_clamp": self.soft_clamp}
        return {"type": "affine", "clamp": float(self.clamp), **choice}

    def arrange(self, sign: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(index, factor, offset): output k of liblaser's subnet is factor[k] times output index[k] of this one plus offset[k], where
        liblaser has the active coordinates with these signs."""
        n, kinds = len(sign), len(self.outputs)
        # liblaser's bounded s is its s̃ where that is small.
        unit = 1.0 if self.clamp is None or self.soft_clamp in ADDED else self.clamp * SOFT_CLAMPS[self.soft_clamp][2]
        offsets = {"s": self.s_offset * unit, "t": 0.0}
        factors = {"s": np.full(n, self.s_factor * unit), "t": self.t_factor * sign}
        index, factor, offset = np.zeros((2, n), int), np.zeros((2, n)), np.zeros((2, n))
        for row, kind in enumerate("st"):
            if kind in self.outputs:
                at = self.outputs.index(kind)
                index[row] = np.arange(n) * kinds + at if self.interleaved else np.arange(n) + at * n
                factor[row], offset[row] = factors[kind], offsets[kind]
        return index.ravel(), factor.ravel(), offset.ravel()


@dataclasses.dataclass
class Spline:
    """A monotonic rational-quadratic spline on [−bound, bound], beyond it the identity, slope 1. The subnet gives, coordinate by
    coordinate, w̃ of every bin, h̃ of every bin, and d̃ of every knot between bins. `knots` says what is made of w = share_factor · w̃, of
    h̃ likewise, and of d̃; here m = 0.001 and c = −log m:

        "tanh"      shares of the width m + (1 − m · bins) · softmax(w), slopes exp(c · tanh(d̃ / c)): liblaser's own
        "softplus"  the same shares, slopes m + log(1 + exp(d̃)): nflows' default
        "softsign"  shares softmax(w / (1 + 2 |w| / c)), slopes exp(d̃ / (1 + |d̃| / c)): zuko's default
    """

    bins: int
    bound: float
    knots: str = "tanh"
    share_factor: float = 1.0

    @property
    def per_coordinate(self) -> int:
        return 3 * self.bins - 1

    def description(self, where: str) -> dict:
        """As the model file has it."""
        if self.knots not in ("tanh", "softplus", "softsign"):
            raise ValueError(f"{where}: knots={self.knots!r}; it is one of 'tanh', 'softplus', 'softsign'")
        if not 2 <= self.bins <= MAX_BINS or not BOUNDS[0] <= self.bound <= BOUNDS[1]:
            raise Unsupported(
                f"{where}: a spline of {self.bins} bins within ±{self.bound:g}; liblaser's have 2 to {MAX_BINS} bins, and bounds from "
                f"{BOUNDS[0]:g} to {BOUNDS[1]:g}"
            )
        choice = {} if self.knots == "tanh" else {"knots": self.knots}
        return {"type": "spline", "bins": self.bins, "bound": float(self.bound), **choice}

    def arrange(self, sign: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As that of Affine."""
        k = self.bins
        forward = np.arange(self.per_coordinate)
        # −f(−z) of a spline f is the one with bins and slopes in reversed order.
        mirrored = np.concatenate([forward[:k][::-1], forward[k : 2 * k][::-1], forward[2 * k :][::-1]])
        index = np.where(sign[:, None] > 0, forward, mirrored) + self.per_coordinate * np.arange(len(sign))[:, None]
        factor = np.where(forward < 2 * k, self.share_factor, 1.0)
        return index.ravel(), np.tile(factor, len(sign)), np.zeros(index.size)


@dataclasses.dataclass
class Coupling:
    """One coupling block, in the direction from the latent point z to the event x:

        x[active] = transform(z[active])       or, with inverse=True, such that       z[active] = transform(x[active])

    the transform's parameters being made by subnet(passive coordinates, conditions), and x[passive] = z[passive]. A block that a framework
    defines from x to z (the density's direction) has inverse=True.
    """

    active: Sequence[int]
    passive: Sequence[int]
    subnet: "nn.Module | Network"
    transform: Affine | Spline = dataclasses.field(default_factory=Affine)
    inverse: bool = False
    #: The condition values that the subnet takes after the passive coordinates; None: all.
    conditions: Sequence[int] | None = None


@dataclasses.dataclass
class Linear:
    """A fixed invertible map x = matrix · z + offset: a permutation, a rotation, a normalisation of activations."""

    matrix: np.ndarray
    offset: np.ndarray | float = 0.0

    @staticmethod
    def permutation(order: Sequence[int]) -> "Linear":
        """x[i] = z[order[i]]."""
        return Linear(np.eye(len(order))[list(order)])

    @staticmethod
    def of(function: Callable[[torch.Tensor], torch.Tensor], dim: int) -> "Linear":
        """The map that `function`, in double precision, is known to be, from what it makes of 0 and of the unit vectors: rows of `dim`."""
        with torch.no_grad():
            rows = array(function(torch.cat([torch.zeros(1, dim), torch.eye(dim)]).double()))
        return Linear((rows[1:] - rows[0]).T, rows[0])


@dataclasses.dataclass
class Exported:
    """What was written."""

    path: Path
    native: bool
    latent_dim: int
    event_dim: int
    conditions: int
    dtype: str
    #: Why it is TorchScript and not native; empty if native.
    reason: str = ""
    #: Coordinate k of the model's own z is coordinate latent_order[k] of the file's, times latent_sign[k]. That is the identity
    #: but for flows with permutations; the standard normal prior is the same in all orders and signs.
    latent_order: np.ndarray | None = None
    latent_sign: np.ndarray | None = None

    def latents(self, z: np.ndarray) -> np.ndarray:
        """The file's latent points for those of the model (rows × N): they give the same events."""
        if self.latent_order is None:
            return z
        theirs = np.empty_like(z)
        theirs[:, self.latent_order] = z * self.latent_sign
        return theirs


# --- fully connected networks ---

# What a network consists of here: ("linear", W, b) and ("activation", kind, slope), kind as in the model file or "sigmoid".
FUNCTIONS = {
    nn.functional.relu: nn.ReLU(),
    torch.relu: nn.ReLU(),
    nn.functional.leaky_relu: nn.LeakyReLU(),
    torch.tanh: nn.Tanh(),
    nn.functional.tanh: nn.Tanh(),
    torch.sigmoid: nn.Sigmoid(),
    nn.functional.sigmoid: nn.Sigmoid(),
}


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()


def framework(module) -> str:
    return type(module).__module__.partition(".")[0]


def is_plain(module: nn.Module, kind: type) -> bool:
    """Whether it computes what its class does: subclasses may compute something else."""
    return isinstance(module, kind) and type(module).forward is kind.forward


def operations(module: nn.Module, where: str, layers: Callable | None) -> list[tuple]:
    """The steps of a network of linear layers and activations, in evaluation mode."""
    if is_plain(module, nn.Sequential):
        return [step for name, child in module.named_children() for step in operations(child, f"{where}.{name}", layers)]
    if is_plain(module, nn.Linear) or (framework(module) == "zuko" and type(module).__name__ == "Linear" and module.weight.ndim == 2):
        weight = array(module.weight)
        return [("linear", weight, np.zeros(len(weight)) if module.bias is None else array(module.bias))]
    if framework(module) in ("nflows", "zuko") and type(module).__name__ == "MaskedLinear":
        weight = array(module.weight * module.mask)
        return [("linear", weight, np.zeros(len(weight)) if module.bias is None else array(module.bias))]
    if isinstance(module, nn.Identity | nn.Dropout):
        return []
    if is_plain(module, nn.BatchNorm1d) and module.running_mean is not None:
        return [normalisation(module)]
    if isinstance(module, nn.ReLU):
        return [("activation", "leaky_relu", 0.0)]
    if isinstance(module, nn.LeakyReLU):
        if not 0 <= module.negative_slope < 1:
            raise Unsupported(f"{where}: a LeakyReLU of slope {module.negative_slope}; liblaser's slopes are within [0, 1)")
        return [("activation", "leaky_relu", float(module.negative_slope))]
    if isinstance(module, nn.Tanh):
        return [("activation", "tanh", None)]
    if isinstance(module, nn.Sigmoid):
        return [("activation", "sigmoid", None)]
    if framework(module) == "nflows" and type(module).__name__ in ("ResidualNet", "MADE"):
        return nflows_operations(module, where, layers)
    if framework(module) == "zuko" and type(module).__name__ == "Residual":
        steps = [step for name, child in module.named_children() for step in operations(child, f"{where}.{name}", layers)]
        return skip(steps, steps[0][1].shape[1], where)
    if layers is not None and (inner := layers(module)) is not None and inner is not module:
        return operations(inner, where, layers)
    raise Unsupported(
        f"{where}: the layer `{type(module).__name__}` has no counterpart in liblaser, whose networks are torch.nn.Linear (with BatchNorm1d "
        "and Dropout as they are in evaluation) with ReLU, LeakyReLU, Tanh or Sigmoid between them. If it only holds such layers, tell how "
        "they are reached by layers=, e.g. layers=lambda module: module.net"
    )


def normalisation(module: nn.BatchNorm1d) -> tuple:
    scale = 1 / np.sqrt(array(module.running_var) + module.eps)
    if module.weight is not None:
        scale = scale * array(module.weight)
    offset = -array(module.running_mean) * scale
    if module.bias is not None:
        offset = offset + array(module.bias)
    return ("linear", np.diag(scale), offset)


def activation_of(function, where: str, layers: Callable | None) -> tuple:
    module = function if isinstance(function, nn.Module) else FUNCTIONS.get(function)
    if module is None:
        raise Unsupported(f"{where}: the activation {getattr(function, '__name__', function)!r} has no counterpart in liblaser")
    (step,) = operations(module, where, layers)
    return step


def carry(steps: list[tuple], n: int, kept: int, where: str) -> list[tuple]:
    """The steps of the first `n` values, beside which `kept` more pass: through a ReLU as x = (act(x) − act(−x)) / (1 + slope), exact, with
    wider layers."""
    unit, none = np.eye(kept), np.zeros((kept, kept))
    aside = np.vstack([unit, -unit])
    out = [("linear", beside(np.eye(n), aside), np.zeros(n + 2 * kept))]
    width = n
    for step in steps:
        if step[0] == "linear":
            _, weight, bias = step
            width = len(bias)
            out.append(("linear", beside(weight, np.eye(2 * kept)), np.concatenate([bias, np.zeros(2 * kept)])))
        elif kept == 0:
            out.append(step)
        elif step[1] != "leaky_relu":
            raise Unsupported(f"{where}: a skip connection around {step[1]}, or a context beside it; only ReLU and LeakyReLU let values pass")
        else:
            back = np.hstack([unit, -unit]) / (1 + step[2])
            out += [step, ("linear", beside(np.eye(width), aside @ back), np.zeros(width + 2 * kept))]
    return [*out, ("linear", beside(np.eye(width), np.hstack([unit, none])), np.zeros(width + kept))]


def skip(steps: list[tuple], n: int, where: str, context: int = 0) -> list[tuple]:
    """(x, c) ↦ (x + steps(x, c), c) of n values x and a context c."""
    unit, all_of = np.eye(n), np.eye(n + context)
    sums = beside(np.hstack([unit, unit]), np.eye(context))
    twice = ("linear", np.vstack([all_of, all_of]), np.zeros(2 * (n + context)))
    return [twice, *carry(steps, n + context, n + context, where), ("linear", sums, np.zeros(n + context))]


def beside(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The two as blocks on the diagonal."""
    return np.vstack([np.hstack([a, np.zeros((len(a), b.shape[1]))]), np.hstack([np.zeros((len(b), a.shape[1])), b])])


def nflows_operations(net: nn.Module, where: str, layers: Callable | None) -> list[tuple]:
    """nflows' ResidualNet and MADE."""
    if getattr(net, "context_features", None) is not None:
        raise Unsupported(f"{where}: ResidualNet gates its blocks by the context, a product that liblaser's networks have not")
    feedforward = not getattr(net, "use_residual_blocks", True)
    steps = operations(net.initial_layer, f"{where}.initial_layer", layers)
    context = 0
    if hasattr(net, "context_layer"):
        # h = initial(x) + act(layer(c)); c goes on to the blocks.
        (_, weight, bias), (_, of_context, offset) = steps[0], operations(net.context_layer, f"{where}.context_layer", layers)[0]
        n, context = of_context.shape
        passing = beside(weight, np.eye(context))
        first = np.vstack([np.hstack([np.zeros((n, weight.shape[1])), of_context]), passing])
        sums = beside(np.hstack([np.eye(n), np.eye(n)]), np.eye(context))
        steps = [("linear", first, np.concatenate([offset, bias, np.zeros(context)]))]
        steps += carry([activation_of(net.activation, where, layers)], n, n + context, where)
        steps.append(("linear", sums, np.zeros(n + context)))

    def without_context(n: int) -> tuple:
        return ("linear", np.hstack([np.eye(n), np.zeros((n, context))]), np.zeros(n))

    if feedforward:
        steps += [without_context(len(net.initial_layer.bias)), activation_of(net.activation, where, layers)]
    for i, block in enumerate(net.blocks):
        place = f"{where}.blocks.{i}"
        layer_norms = [block.batch_norm] if feedforward else getattr(block, "batch_norm_layers", [None, None])
        norms = [[] if norm is None else [normalisation(norm)] for norm in layer_norms]
        linear = [operations(layer, place, layers) for layer in ([block.linear] if feedforward else block.linear_layers)]
        activation = activation_of(block.activation, place, layers)
        if feedforward:
            steps += [*norms[0], *linear[0], activation]
            continue
        n = block.linear_layers[0].in_features
        ((_, weight, bias),) = linear[0]
        if context:
            ((_, of_context, offset),) = operations(block.context_layer, place, layers)
            weight, bias = np.hstack([weight, of_context]), bias + offset
        inner = [*carry([*norms[0], activation], n, context, place), ("linear", weight, bias), *norms[1], activation, *linear[1]]
        steps += skip(inner, n, place, context)
    if not feedforward:
        steps.append(without_context(net.final_layer.in_features))
    return steps + operations(net.final_layer, f"{where}.final_layer", layers)


@dataclasses.dataclass
class Network:
    """Weights (outputs × inputs) and biases; `activation` between the layers."""

    layers: list[tuple[np.ndarray, np.ndarray]]
    activation: dict
    #: After the last layer: None, "tanh" or "sigmoid".
    final: str | None

    @property
    def inputs(self) -> int:
        return self.layers[0][0].shape[1]

    @property
    def outputs(self) -> int:
        return len(self.layers[-1][1])

    @property
    def parameters(self) -> int:
        return sum(weight.size + bias.size for weight, bias in self.layers)

    def dependence(self) -> np.ndarray:
        """Outputs × inputs: whether a path of weights that are not 0 joins them."""
        reached = np.eye(self.inputs, dtype=np.float32)
        for weight, _ in self.layers:
            reached = ((weight != 0).astype(np.float32) @ reached > 0).astype(np.float32)
        return reached > 0

    def part(self, inputs: np.ndarray, outputs: np.ndarray) -> "Network":
        """Of these inputs and outputs only, other inputs being 0, and without the hidden units on which no output depends."""
        layers = [(self.layers[0][0][:, inputs], self.layers[0][1]), *self.layers[1:]]
        done, units = [], outputs
        while layers:
            weight, bias = layers.pop()
            weight, bias = weight[units], bias[units]
            units = np.flatnonzero(weight.any(0))
            if layers and len(units) > 0:
                weight = weight[:, units]
            elif layers:
                layers, weight = [], np.zeros((len(bias), len(inputs)))
            done.append((weight, bias))
        return Network(done[::-1], self.activation, self.final)

    def description(self) -> dict:
        hidden = [len(bias) for _, bias in self.layers[:-1]]
        return {"inputs": self.inputs, "hidden": hidden, "outputs": self.outputs, "activation": self.activation}


def read_network(module: nn.Module, where: str, layers: Callable | None) -> Network:
    steps = operations(module, where, layers)
    done, pending, kinds, final = [], None, [], None
    for i, step in enumerate(steps):
        if step[0] == "linear":
            _, weight, bias = step
            if pending is not None:
                before, offset = pending
                if weight.shape[1] != len(offset):
                    raise ValueError(f"{where}: a layer of {weight.shape[1]} inputs follows one of {len(offset)} outputs")
                weight, bias = weight @ before, weight @ offset + bias
            pending = (weight, bias)
            continue
        _, kind, slope = step
        if pending is None:
            raise Unsupported(f"{where}: an activation where a torch.nn.Linear is expected; liblaser's networks begin with a linear layer")
        if i == len(steps) - 1:
            final = kind
            break
        weight, bias = pending
        pending = None
        if kind == "sigmoid":
            # sigmoid(u) = ½ + ½ tanh(u / 2).
            weight, bias = weight / 2, bias / 2
            half = np.full(len(bias), 0.5)
            pending = (np.diag(half), half)
            kind = "tanh"
        if done and done[-1][0].shape[0] != weight.shape[1]:
            raise ValueError(f"{where}: a layer of {weight.shape[1]} inputs follows one of {done[-1][0].shape[0]} outputs")
        done.append((weight, bias))
        kinds.append({"type": kind} if slope is None else {"type": kind, "slope": slope})
    if pending is None:
        raise Unsupported(f"{where}: it has no torch.nn.Linear at its end")
    if done and done[-1][0].shape[0] != pending[0].shape[1]:
        raise ValueError(f"{where}: a layer of {pending[0].shape[1]} inputs follows one of {done[-1][0].shape[0]} outputs")
    if any(kind != kinds[0] for kind in kinds):
        names = sorted({json.dumps(kind) for kind in kinds})
        raise Unsupported(f"{where}: different activations, {' and '.join(names)}; a network of liblaser has one")
    return Network(merged_units([*done, pending]), kinds[0] if kinds else {"type": "tanh"}, final)


def merged_units(layers: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same function with hidden units that compute the same, as those of a skip connection and of what it skips, made one."""
    layers = list(layers)
    for i in range(len(layers) - 1):
        (weight, bias), (after, offset) = layers[i : i + 2]
        _, first, unit = np.unique(np.column_stack([weight, bias]), axis=0, return_index=True, return_inverse=True)
        kept = np.sort(first)
        summed = np.zeros((len(after), len(kept)))
        np.add.at(summed.T, np.searchsorted(kept, first[unit.ravel()]), after.T)
        layers[i], layers[i + 1] = (weight[kept], bias[kept]), (summed, offset)
    return layers


# --- coupling flows ---


class FlowWriter:
    """Turns a description into the blocks of a liblaser flow, which permute nothing.

    Works from the events back to the latents: `place` and `sign` tell which coordinate of liblaser's, and with which sign, holds each
    coordinate of the description; permutations and reflections only change them.
    """

    def __init__(self, dim: int, conditions: int, layers: Callable | None):
        self.dim, self.conditions, self.layers = dim, conditions, layers
        self.place, self.sign = np.arange(dim), np.ones(dim)
        self.blocks: list[tuple[dict, Network]] = []
        self.parameters = 0

    def add(self, active: np.ndarray, passive: np.ndarray, network: Network, transform: dict, inverse: bool = False) -> None:
        block = {
            "active": self.place[active].tolist(),
            "passive": self.place[passive].tolist(),
            "transform": transform,
            "subnet": network.description(),
        }
        self.blocks.append((block | {"inverse": True} if inverse else block, network))
        self.parameters += network.parameters
        within_limits(len(self.blocks), self.parameters)

    def add_linear(self, active: np.ndarray, passive: np.ndarray, s: np.ndarray, weight: np.ndarray, offset: np.ndarray) -> None:
        """x[active] = z[active] · exp(s) + weight · z[passive] + offset, of the description's coordinates."""
        weight = self.sign[active][:, None] * weight * self.sign[passive]
        rows = np.hstack([weight, np.zeros((len(active), self.conditions))])
        layer = (np.vstack([np.zeros_like(rows), rows]), np.concatenate([s, self.sign[active] * offset]))
        self.add(active, passive, Network([layer], {"type": "tanh"}, None), {"type": "affine", "clamp": NO_CLAMP})

    def linear(self, step: Linear) -> None:
        """x = P L D U z + b, U and L unit triangular: shears, scales and shifts, shears, a permutation."""
        matrix = np.asarray(step.matrix, float)
        offset = np.broadcast_to(np.asarray(step.offset, float), (self.dim,))
        if matrix.shape != (self.dim, self.dim):
            raise ValueError(f"a linear map of shape {matrix.shape} in a flow of {self.dim} dimensions")
        p, lower, upper = (array(m) for m in torch.linalg.lu(torch.from_numpy(np.ascontiguousarray(matrix))))
        diagonal = np.diag(upper)
        if np.any(np.abs(diagonal) <= 1e-13 * np.abs(matrix).max()):
            raise ValueError("a linear map whose matrix is singular: it cannot be inverted, so the flow has no density")
        upper = upper / diagonal[:, None]
        # x[i] = y[order[i]].
        order = p.argmax(1)
        for field in (self.place, self.sign):
            field[order] = field.copy()
        everything, nothing = np.arange(self.dim), np.arange(0)

        def shear(i: int, weights: np.ndarray) -> None:
            if np.any(weights):
                others = np.delete(everything, i)
                self.add_linear(np.array([i]), others, np.zeros(1), weights[None, others], np.zeros(1))

        # From the last to the first: L changes the last coordinate first, U the first.
        for i in range(self.dim):
            shear(i, np.where(everything < i, lower[i], 0))
        shift = np.linalg.solve(lower, p.T @ offset)
        if np.any(np.abs(diagonal) != 1) or np.any(shift):
            self.add_linear(everything, nothing, np.log(np.abs(diagonal)), np.zeros((self.dim, 0)), shift)
        self.sign *= np.sign(diagonal)
        for i in reversed(range(self.dim)):
            shear(i, np.where(everything > i, upper[i], 0))

    def coupling(self, step: Coupling, where: str) -> None:
        active, passive = np.asarray(step.active, int), np.asarray(step.passive, int)
        if sorted([*active, *passive]) != list(range(self.dim)) or len(active) == 0:
            raise ValueError(f"{where}: active and passive must hold each of the {self.dim} coordinates once, at least one of them active")
        given = np.arange(self.conditions) if step.conditions is None else np.asarray(step.conditions, int)
        transform, per = step.transform.description(where), step.transform.per_coordinate
        network = step.subnet if isinstance(step.subnet, Network) else read_network(step.subnet, where, self.layers)
        if network.final is not None:
            raise Unsupported(f"{where}: the subnet ends with an activation ({network.final}); end it with a torch.nn.Linear")
        if network.inputs != len(passive) + len(given) or network.outputs != per * len(active):
            others = network.inputs - len(passive)
            remedy = f". If the other {others} are conditions, say conditions={others}" if others > len(given) == self.conditions else ""
            raise ValueError(
                f"{where}: the subnet maps {network.inputs} values to {network.outputs}, but {len(passive)} passive coordinates and "
                f"{len(given)} conditions go in, and {per * len(active)} values are needed for the {len(active)} active ones, {per} each{remedy}"
            )
        weight, bias = network.layers[0]
        first = np.zeros((len(bias), len(passive) + self.conditions))
        first[:, : len(passive)] = weight[:, : len(passive)] * self.sign[passive]
        first[:, len(passive) + given] = weight[:, len(passive) :]
        layers = [(first, bias), *network.layers[1:]]
        index, factor, offset = step.transform.arrange(self.sign[active])
        weight, bias = layers[-1]
        layers[-1] = (factor[:, None] * weight[index], factor * bias[index] + offset)
        self.add(active, passive, Network(layers, network.activation, None), transform, step.inverse)

    def finish(self, steps: list) -> dict:
        """The map of a model file, its tensors beside it."""
        number = sum(isinstance(step, Coupling) for step in steps)
        if number == 0:
            raise Unsupported("the flow has no coupling block")
        for step in reversed(merged(steps)):
            if isinstance(step, Linear):
                self.linear(step)
            else:
                number -= 1
                self.coupling(step, f"coupling {number}")
        self.blocks.reverse()
        return {"type": "flow", "network": {"dim": self.dim, "conditions": self.conditions, "blocks": [block for block, _ in self.blocks]}}

    def tensors(self) -> dict[str, np.ndarray]:
        return {
            name: values
            for i, (_, network) in enumerate(self.blocks)
            for name, values in named(network, f"generator.0.blocks.{i}.subnet.").items()
        }


def named(network: Network, prefix: str) -> dict[str, np.ndarray]:
    return {f"{prefix}{i}.{name}": values for i, layer in enumerate(network.layers) for name, values in zip(("weight", "bias"), layer)}


def merged(steps: Sequence) -> list:
    """Neighbouring linear maps in one."""
    out: list = []
    for step in steps:
        if isinstance(step, Linear) and out and isinstance(out[-1], Linear):
            before = out.pop()
            matrix = np.asarray(step.matrix, float)
            dim = len(matrix)
            offset = matrix @ np.broadcast_to(np.asarray(before.offset, float), (dim,))
            step = Linear(matrix @ np.asarray(before.matrix, float), offset + step.offset)
        out.append(step)
    return out


def within_limits(blocks: int, parameters: int) -> None:
    if blocks > MAX_BLOCKS or parameters > MAX_PARAMETERS:
        raise Unsupported(
            f"the flow takes more than {MAX_BLOCKS} coupling blocks or {MAX_PARAMETERS} parameters, liblaser's limits; an autoregressive "
            "transform takes a block, and a network, for each pass"
        )


def autoregressive(network: Network, transform: Affine | Spline, dim: int, inverse: bool, where: str) -> list[Coupling]:
    """The blocks of a transform of all coordinates, of which the network of all, then of the conditions, makes the parameters of each from
    others before it: a block for all coordinates that need none but those of the blocks before."""
    per = transform.per_coordinate
    if network.outputs != per * dim:
        raise ValueError(f"{where}: the network has {network.outputs} outputs; {per * dim} are needed for {dim} coordinates, {per} each")
    needs = network.dependence()[:, :dim].reshape(dim, per, dim).any(1)
    done, steps, parameters = np.zeros(dim, bool), [], 0
    while not done.all():
        ready = ~done & ~(needs & ~done).any(1)
        if not ready.any():
            raise Unsupported(f"{where}: its masks let a coordinate depend on itself")
        active, passive = np.flatnonzero(ready), np.flatnonzero(~ready)
        inputs = np.concatenate([passive, np.arange(dim, network.inputs)])
        subnet = network.part(inputs, (per * active[:, None] + np.arange(per)).ravel())
        steps.append(Coupling(active, passive, subnet, transform, inverse))
        done |= ready
        parameters += subnet.parameters
        within_limits(len(steps), parameters)
    return steps if inverse else steps[::-1]


def recognised(function: Callable[[torch.Tensor], torch.Tensor], where: str) -> Affine:
    """The soft clamp, with its clamp and s_factor, that s̃ ↦ s is."""
    near = 1e-3
    u = torch.linspace(-30, 30, 1201)
    with torch.no_grad():
        values, m, start = function(u), float(function(torch.tensor([1e300]))[0]), float(function(torch.tensor([near]))[0])
    slope = start / near
    if math.isfinite(slope) and torch.allclose(values, slope * u, rtol=1e-9, atol=1e-12):
        return Affine(clamp=None, s_factor=slope)
    m = abs(m)
    if math.isfinite(m) and abs(start) < m:
        for name, (bounded, inverse, _) in SOFT_CLAMPS.items():
            k = inverse(start / m) / near
            if torch.allclose(values, m * bounded(k * u), rtol=1e-9, atol=1e-10):
                return Affine(clamp=m, soft_clamp=name, s_factor=k)
    raise Unsupported(
        f"{where}: the soft clamp of the scale is none of m · tanh(k · s), m · atan(k · s), m · s / (1 + k |s|) and k · s; liblaser's "
        "coupling blocks have no other. For a native file train with one of these"
    )


# --- readers of the frameworks: (dim, conditions or None if the flow does not tell, steps from z to x) ---


def read_freia(model: nn.Module, generates: bool) -> tuple[int, int, list]:
    rev = not generates
    modules = freia_modules(model)
    widths = freia_widths(modules)
    dim = freia_dim(model)
    ends = np.cumsum([0, *widths])
    groups = []
    for i, (module, given, _) in enumerate(modules):
        columns = [k for n in given for k in range(ends[n], ends[n + 1])]
        groups.append(freia_steps(module, f"FrEIA block {i} ({type(module).__name__})", dim, columns, rev))
    if rev:
        groups.reverse()
    return dim, sum(widths), [step for own in groups for step in own]


def freia_dim(model: nn.Module) -> int:
    shapes = [tuple(shape) for shape in model.dims_in]
    if len(shapes) != 1 or len(shapes[0]) != 1:
        raise ValueError(f"FrEIA: events of shape {shapes}; liblaser's are rows of features")
    return shapes[0][0]


def freia_widths(modules: list[tuple]) -> list[int]:
    """How many values each condition has."""
    widths = {number: width for _, given, sizes in modules for number, width in zip(given, sizes)}
    return [widths.get(number, 0) for number in range(max(widths, default=-1) + 1)]


def freia_modules(model: nn.Module) -> list[tuple]:
    """(module, numbers of its conditions, their widths), in the order of evaluation."""
    if type(model).__name__ == "SequenceINN":
        given = [[] if c is None else [c] for c in model.conditions]
        return [(m, own, [d[0] for d in m.dims_c][: len(own)]) for m, own in zip(model.module_list, given)]
    nodes = [node for node in model.node_list if node.module is not None]
    chain = len(model.in_nodes) == len(model.out_nodes) == 1
    for node, before in zip([*nodes, *model.out_nodes], [*model.in_nodes, *nodes]):
        chain &= node.inputs == [(before, 0)]
    if not chain:
        raise Unsupported("FrEIA: the graph splits or joins; liblaser's flows are chains of blocks")
    return [(n.module, [model.condition_nodes.index(c) for c in n.conditions], [d[0] for d in n.condition_dims]) for n in nodes]


FREIA_LINEAR = ("PermuteRandom", "FixedLinearTransform", "ActNorm", "OrthogonalTransform", "HouseholderPerm")


def freia_steps(module: nn.Module, where: str, dim: int, conditions: list[int], rev: bool) -> list:
    kind = type(module).__name__
    if framework(module) != "FrEIA":
        raise Unsupported(f"{where} is no module of FrEIA; describe the flow to export_flow")
    if kind in FREIA_LINEAR and not (kind == "HouseholderPerm" and module.conditional):
        if getattr(module, "init_on_next_batch", False):
            raise ValueError(f"{where} has seen no data yet, its scales are not set; load the trained weights first")
        return [Linear.of(lambda x: module((x,), rev=rev)[0][0], dim)]
    if kind == "AllInOneBlock" and not module.GIN:
        if module.householder:
            module.w_perm = module._construct_householder_permutation()
            module.w_perm_inv = module.w_perm.t().contiguous()
        first = module.splits[0]
        # The block scales all outputs of its subnet.
        transform = Affine(clamp=module.clamp, s_factor=0.1, t_factor=0.1)
        steps = [
            Coupling(range(first, dim), range(first), module.subnet, transform, inverse=rev, conditions=conditions),
            Linear.of(lambda x: module._permute(x, rev=rev)[0], dim),
        ]
        if module.reverse_pre_permute:
            steps.insert(0, Linear.of(lambda x: module._pre_permute(x, rev=rev), dim))
        return steps[::-1] if rev else steps
    if kind not in ("GLOWCouplingBlock", "RNVPCouplingBlock", "NICECouplingBlock", "AffineCouplingOneSided", "ConditionalAffineTransform"):
        raise Unsupported(
            f"{where} has no counterpart in liblaser, which takes coupling blocks but GIN, AllInOneBlock, {', '.join(FREIA_LINEAR)}"
        )
    affine = Affine(outputs="t")
    if kind != "NICECouplingBlock":
        affine = recognised(lambda u: module.clamp * module.f_clamp(u), where)
    first, second = range(module.split_len1), range(module.split_len1, dim)

    def couple(active, passive, subnet, outputs="st") -> Coupling:
        return Coupling(active, passive, subnet, dataclasses.replace(affine, outputs=outputs), inverse=rev, conditions=conditions)

    steps = {
        "GLOWCouplingBlock": lambda: [couple(first, second, module.subnet2), couple(second, first, module.subnet1)],
        "RNVPCouplingBlock": lambda: [
            couple(first, second, module.subnet_s2, outputs="s"),
            couple(first, second, module.subnet_t2, outputs="t"),
            couple(second, first, module.subnet_s1, outputs="s"),
            couple(second, first, module.subnet_t1, outputs="t"),
        ],
        "NICECouplingBlock": lambda: [
            couple(first, second, module.F, outputs="t"),
            couple(second, first, module.G, outputs="t"),
        ],
        "AffineCouplingOneSided": lambda: [couple(second, first, module.subnet)],
        "ConditionalAffineTransform": lambda: [couple(range(dim), [], module.subnet)],
    }[kind]()
    return steps[::-1] if rev else steps


def read_zuko(model: nn.Module, generates: bool) -> tuple[int, int, list]:
    dim, loc, scale = zuko_base(model)
    lazies = model.transform.transforms if type(model.transform).__name__ == "LazyComposedTransform" else [model.transform]
    groups = [zuko_steps(t, f"zuko transform {i} ({type(t).__name__})", dim, not generates) for i, t in enumerate(lazies)]
    conditions = {c for _, c in groups if c is not None}
    if len(conditions) > 1:
        raise Unsupported(f"zuko: transforms of different contexts, {sorted(conditions)} values")
    if not generates:
        groups.reverse()
    return dim, conditions.pop() if conditions else 0, [Linear(np.diag(scale), loc), *(step for own, _ in groups for step in own)]


def zuko_base(model: nn.Module) -> tuple[int, np.ndarray, np.ndarray]:
    base = model.base()
    if type(base).__name__ != "DiagNormal":
        raise Unsupported(f"zuko: the base distribution is a {type(base).__name__}; liblaser's latents are normal (DiagNormal)")
    loc, scale = array(base.base_dist.loc), array(base.base_dist.scale)
    return len(loc), loc, scale


def zuko_steps(lazy: nn.Module, where: str, dim: int, inverse: bool) -> tuple[list, int | None]:
    """Steps, and the length of the context if the transform knows it."""
    kind = type(lazy).__name__
    if kind == "LazyInverse":
        return zuko_steps(lazy.transform, where, dim, not inverse)
    if kind == "UnconditionalTransform" and type(lazy()).__name__ in ("PermutationTransform", "RotationTransform", "LULinearTransform"):
        transform = lazy().inv if inverse else lazy()
        return [Linear.of(transform, dim)], None
    if kind == "GeneralCouplingTransform":
        passive, active = (np.flatnonzero(array(mask)) for mask in (lazy.mask, ~lazy.mask))
        transform = zuko_univariate(lazy, where)
        return [Coupling(active, passive, lazy.hyper, transform, inverse)], lazy.hyper.in_features - len(passive)
    if kind == "MaskedAutoregressiveTransform":
        network = read_network(lazy.hyper, where, None)
        return autoregressive(network, zuko_univariate(lazy, where), dim, inverse, where), network.inputs - dim
    raise Unsupported(
        f"{where} has no counterpart in liblaser, which takes GeneralCouplingTransforms and MaskedAutoregressiveTransforms, affine or of "
        "rational-quadratic splines, permutations, rotations, LULinearTransforms"
    )


def zuko_univariate(lazy: nn.Module, where: str) -> Affine | Spline:
    shapes = [tuple(shape) for shape in lazy.shapes]
    bins = shapes[0][0] if len(shapes) == 3 and shapes[0] else 0
    if shapes == [(bins,), (bins,), (bins - 1,)]:
        # The largest of derivatives makes the largest of slopes, 1 / slope.
        univariate = lazy.univariate(torch.zeros(bins), torch.zeros(bins), torch.full((bins - 1,), 1e300))
        kind = type(univariate).__name__
        if framework(univariate) != "zuko" or kind != "MonotonicRQSTransform":
            raise Unsupported(f"{where}: the univariate transform is a {kind}; of splines liblaser takes MonotonicRQSTransform")
        steepest = float(univariate.derivatives.max())
        if bins > 1 and abs(steepest * SMALLEST - 1) > 1e-9:
            raise Unsupported(f"{where}: a spline with slope={1 / steepest:.6g}; those of liblaser have zuko's default, {SMALLEST}")
        return Spline(bins, -float(univariate.horizontal[0]), "softsign")
    if shapes not in ([()], [(), ()]):
        raise Unsupported(
            f"{where}: a univariate transform with parameters of shapes {shapes}; liblaser takes affine ones, of one or two numbers, "
            "and splines"
        )

    def applied(x: torch.Tensor, *phi: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return lazy.univariate(*(parameter.expand_as(x) for parameter in phi))(x)

    def log_scale(u: torch.Tensor) -> torch.Tensor:
        low, high = applied(torch.tensor([[-2.0], [2.0]]).expand(2, len(u)), torch.zeros(()), u)
        return (high - low).log() - math.log(4)

    x, t, u = torch.linspace(-2, 2, 9), torch.tensor(0.7), torch.tensor(0.3)
    if len(shapes) == 1:
        affine, given, expected = Affine(outputs="t"), applied(x, t), x + t
    else:
        affine = dataclasses.replace(recognised(log_scale, where), outputs="ts", interleaved=True)
        given, expected = applied(x, t, u), x * log_scale(u[None]).exp() + t
    if not torch.allclose(given, expected, rtol=1e-9):
        raise Unsupported(f"{where}: the univariate transform is no shift and scale; liblaser takes affine couplings, and splines")
    return affine


NFLOWS_LINEAR = (
    "IdentityTransform PointwiseAffineTransform AffineTransform AffineScalarTransform Permutation RandomPermutation ReversePermutation "
    "ActNorm BatchNorm NaiveLinear LULinear QRLinear SVDLinear HouseholderSequence"
).split()


def zuko_context(model: nn.Module, dim: int) -> int | None:
    """The length of the context, if the transforms tell."""
    given = {"GeneralCouplingTransform": lambda lazy: int(lazy.mask.sum()), "MaskedAutoregressiveTransform": lambda lazy: dim}
    lengths = {
        next(lazy.hyper.parameters()).shape[1] - given[type(lazy).__name__](lazy)
        for lazy in model.modules()
        if framework(lazy) == "zuko" and type(lazy).__name__ in given
    }
    return lengths.pop() if len(lengths) == 1 else None


def read_nflows(model: nn.Module, generates: bool) -> tuple[int, int | None, list]:
    dim = nflows_dim(model)
    if not isinstance(model._embedding_net, nn.Identity):
        raise Unsupported("nflows: the flow has an embedding net for its context; liblaser's subnets are given the conditions as they are")
    return dim, nflows_context(model), nflows_steps(model._transform, "nflows", dim, not generates)


def nflows_context(model: nn.Module) -> int | None:
    """The length of the context, if a ResidualNet or a MADE tells and it is what the flow is given."""
    nets = [module for module in model.modules() if framework(module) == "nflows" and type(module).__name__ in ("ResidualNet", "MADE")]
    lengths = {net.context_features for net in nets if getattr(net, "context_features", None) is not None}
    lengths |= {net.context_layer.in_features for net in nets if hasattr(net, "context_layer")}
    return lengths.pop() if len(lengths) == 1 and isinstance(model._embedding_net, nn.Identity) else None


def nflows_dim(model: nn.Module) -> int:
    distribution = model._distribution
    shape = tuple(getattr(distribution, "_shape", ()))
    if type(distribution).__name__ != "StandardNormal" or len(shape) != 1:
        raise Unsupported(
            f"nflows: the base distribution is a {type(distribution).__name__} of shape {shape}; liblaser's latents are rows of StandardNormal"
        )
    return shape[0]


def nflows_steps(transform: nn.Module, where: str, dim: int, inverse: bool) -> list:
    kind = type(transform).__name__
    if kind == "CompositeTransform":
        groups = [nflows_steps(child, f"{where}.{i}", dim, inverse) for i, child in enumerate(transform._transforms)]
        return [step for own in (reversed(groups) if inverse else groups) for step in own]
    if kind == "InverseTransform":
        return nflows_steps(transform._transform, where, dim, not inverse)
    if kind in NFLOWS_LINEAR and framework(transform) == "nflows":
        if kind == "ActNorm" and not transform.initialized:
            raise ValueError(f"{where} (ActNorm) has seen no data yet, its scales are not set; load the trained weights first")
        return [Linear.of(lambda x: (transform.inverse if inverse else transform)(x)[0], dim)]
    if kind in ("AdditiveCouplingTransform", "AffineCouplingTransform", "PiecewiseRationalQuadraticCouplingTransform"):
        active, passive = transform.transform_features.numpy(), transform.identity_features.numpy()
        net = transform.transform_net
        univariate = {
            "AdditiveCouplingTransform": lambda: Affine(outputs="t"),
            "AffineCouplingTransform": lambda: nflows_affine(transform, where),
            "PiecewiseRationalQuadraticCouplingTransform": lambda: nflows_spline(transform, transform.num_bins, net, where),
        }[kind]()
        steps = [Coupling(active, passive, net, univariate, inverse)]
        if (alone := transform.unconditional_transform) is not None:
            steps.append(nflows_alone(alone, passive, active, f"{where}.unconditional_transform", inverse))
        return steps[::-1] if inverse else steps
    if kind in ("MaskedAffineAutoregressiveTransform", "MaskedPiecewiseRationalQuadraticAutoregressiveTransform"):
        net = transform.autoregressive_net
        if kind == "MaskedAffineAutoregressiveTransform":
            univariate = Affine(clamp=-math.log(transform._epsilon), soft_clamp="softplus", interleaved=True)
        else:
            univariate = nflows_spline(transform, transform.num_bins, net, where)
        return autoregressive(read_network(net, where, None), univariate, dim, inverse, where)
    raise Unsupported(f"{where} ({kind}): it has no counterpart in liblaser")


def nflows_affine(coupling: nn.Module, where: str) -> Affine:
    affine = Affine(clamp=-math.log(1e-3), soft_clamp="sigmoid", s_offset=2.0, outputs="ts")
    s = torch.linspace(-20, 20, 81)[:, None].expand(-1, coupling.num_transform_features)
    scale, _ = coupling._scale_and_shift(torch.cat([torch.zeros_like(s), s], 1))
    if not torch.allclose(scale, torch.sigmoid(s + affine.s_offset) + math.exp(-affine.clamp), rtol=1e-9):
        raise Unsupported(f"{where}: a scale other than nflows' default, sigmoid(s + 2) + 0.001")
    return affine


def nflows_spline(transform: nn.Module, bins: int, net: nn.Module | None, where: str) -> Spline:
    if transform.tails != "linear":
        raise Unsupported(f"{where}: a spline with tails={transform.tails!r}; liblaser's go on as the identity, tails='linear'")
    if {transform.min_bin_width, transform.min_bin_height, transform.min_derivative} != {SMALLEST}:
        raise Unsupported(f"{where}: a spline with other min_bin_width, min_bin_height or min_derivative than nflows' default, {SMALLEST}")
    hidden = next((getattr(net, name) for name in ("hidden_features", "hidden_channels") if hasattr(net, name)), 1)
    return Spline(bins, transform.tail_bound, "softplus", share_factor=1 / math.sqrt(hidden))


def nflows_alone(cdf: nn.Module, active: np.ndarray, passive: np.ndarray, where: str, inverse: bool) -> Coupling:
    """A transform of the identity features, dependent on nothing."""
    if framework(cdf) != "nflows" or type(cdf).__name__ != "PiecewiseRationalQuadraticCDF":
        raise Unsupported(f"{where} is a {type(cdf).__name__}; of unconditional transforms liblaser takes PiecewiseRationalQuadraticCDF")
    tensors = [array(t) for t in (cdf.unnormalized_widths, cdf.unnormalized_heights, cdf.unnormalized_derivatives)]
    bias = np.concatenate(tensors, 1).ravel()
    network = Network([(np.zeros((len(bias), len(passive))), bias)], {"type": "tanh"}, None)
    return Coupling(active, passive, network, nflows_spline(cdf, tensors[0].shape[1], None, where), inverse, conditions=[])


# --- TorchScript ---


class Generate(nn.Module):
    """What liblaser calls: rows of N latents followed by C conditions ↦ rows of M features."""

    def __init__(self, model: nn.Module, function: Callable, latent_dim: int, scalings: tuple[list[dict], list[dict]], dtype: torch.dtype):
        super().__init__()
        self.model, self.function, self.latent_dim = model, function, latent_dim
        features, conditions = scalings
        self.inverse = [inverse_of(scaling, dtype) for scaling in features]
        for prefix, those in (("", features), ("condition_", conditions)):
            for name in ("mean", "std"):
                self.register_buffer(prefix + name, torch.tensor([scaling[name] for scaling in those], dtype=torch.float64))
        self.to(dtype).eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        z, c = rows[:, : self.latent_dim], rows[:, self.latent_dim :]
        y = self.function(self.model, z, (c - self.condition_mean) / self.condition_std) * self.std + self.mean
        if not any(self.inverse):
            return y
        return torch.stack([inverse(column) if inverse else column for inverse, column in zip(self.inverse, y.unbind(1))], 1)


def inverse_of(scaling: dict, dtype: torch.dtype) -> Callable | None:
    """y ↦ x for a feature with bounds, as liblaser's own: rounding puts no event beyond them."""

    def within(bound: float, upwards: bool) -> torch.Tensor:
        rounded = torch.tensor(bound, dtype=dtype)
        beyond = float(rounded) < bound if upwards else float(rounded) > bound
        return next_to(rounded, upwards) if beyond else rounded

    def next_to(value: torch.Tensor, upwards: bool) -> torch.Tensor:
        return torch.nextafter(value, torch.tensor(math.inf if upwards else -math.inf, dtype=dtype))

    if scaling["type"] == "standardise":
        return None
    low = scaling["low"]
    if scaling["type"] == "log":
        above, most = float(next_to(within(low, True), True)), math.log(torch.finfo(dtype).max / 4)
        return lambda y: (low + y.clamp(max=most).exp()).clamp(min=above)
    high = scaling["high"]
    ends = float(within(low, True)), float(within(high, False))

    def between(y: torch.Tensor) -> torch.Tensor:
        # From the nearer bound, for the precision that is there.
        x = torch.where(y < 0, low + (high - low) * torch.sigmoid(y), high - (high - low) * torch.sigmoid(-y))
        return x.clamp(*ends)

    return between


def generating_function(model: nn.Module, generates: bool, widths: list[int]) -> Callable:
    """(model, z, c) ↦ x before the scaling."""
    kind = kind_of(model)
    if kind == "FrEIA":
        return lambda m, z, c: m(z, c=list(c.split(widths, 1)) if widths else None, rev=not generates, jac=False)[0]
    if kind == "zuko":
        _, loc, scale = zuko_base(model)
        loc, scale = torch.from_numpy(loc), torch.from_numpy(scale)

        def zuko(m, z, c):
            transform = m.transform(c if c.shape[1] else None)
            return (transform if generates else transform.inv)(z * scale.to(z) + loc.to(z))

        return zuko
    if kind == "nflows":
        return lambda m, z, c: (m._transform if generates else m._transform.inverse)(z, m._embedding_net(c) if c.shape[1] else None)[0]
    return lambda m, z, c: m(torch.cat([z, c], 1))


# Rows for trials: so many of each size, in units of a standard deviation.
TRIALS = 64
SIZES = (0.1, 1.0, 3.0)
# What zuko's autograd functions are there for.
NUMERICAL = {
    "Bisection": "inverts a transform by bisection",
    "GaussLegendre": "integrates numerically",
    "AdaptiveCheckpointAdjoint": "solves a differential equation in steps of its own choice",
}


def trial_rows(columns: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.cat([size * torch.randn(TRIALS, columns, generator=generator) for size in SIZES])


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def same(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float) -> bool:
    return torch.allclose(ours, theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().nanmedian()), equal_nan=True)


def traced_module(module: nn.Module, rows: torch.Tensor) -> tuple[torch.jit.ScriptModule, list[str]]:
    """Its trace, and where the code makes Python values of tensors: the trace keeps those that it saw."""

    met = []

    def refuse(cls, *_):
        met.append(cls)
        raise RuntimeError

    with mock.patch.object(torch.autograd.Function, "apply", classmethod(refuse)), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            traced = torch.jit.trace(module, rows, check_trace=False)
        except Exception as error:
            if not met:
                raise Untraceable(f"the model cannot become TorchScript: torch.jit.trace fails with {first_line(error)}") from error
            name, cause = met[0].__name__, NUMERICAL.get(met[0].__name__)
            raise Untraceable(
                f"the model cannot become TorchScript: {f'it {cause}, ' if cause else ''}by the autograd function `{name}` of "
                f"{met[0].__module__}, whose derivative is Python code. Train a model without it, e.g. a flow with affine or spline transforms"
            ) from None
    libraries = [Path(sys.modules[name].__file__).parent for name in ("torch", "FrEIA", "zuko", "nflows") if name in sys.modules]
    own = [
        f"{w.filename}:{w.lineno}"
        for w in caught
        if issubclass(w.category, torch.jit.TracerWarning)
        and not any(Path(w.filename).is_relative_to(library) for library in [*libraries, __file__])
    ]
    return traced, list(dict.fromkeys(own))


def trial(model: nn.Module, function: Callable, latent: int, conditions: int, stated: bool) -> torch.Tensor:
    """What the model makes of the trial rows."""
    z, c = trial_rows(latent + conditions).split([latent, conditions], 1)
    try:
        batch = function(model, z, c)
    except Exception as error:
        remedy = "" if stated else ". If it takes conditions, say how many: conditions=C"
        if (framework(error), type(error).__name__) == ("nflows", "InputOutsideDomain"):
            remedy = (
                ": a transform of it takes an interval only, and latents are normal. Give splines tails='linear'; for features with bounds "
                "leave Sigmoid and Logit out of the flow"
            )
        raise Untraceable(
            f"the model does not take rows of {latent} latents and {conditions} conditions, of normal distribution: {first_line(error)}{remedy}"
        ) from error
    if batch.ndim != 2 or len(batch) != len(z):
        raise Untraceable(f"the model turns {len(z)} rows into a tensor of shape {tuple(batch.shape)}; rows of features are needed")
    return batch


def script(model: nn.Module, function: Callable, dims: tuple[int, int], batch: torch.Tensor, scalings: tuple, dtype: torch.dtype) -> bytes:
    """The bytes of the module; `batch` is what the model makes of the trial rows, in double precision."""
    z, c = trial_rows(sum(dims)).split(dims, 1)
    if not same(function(model, z, c), batch, 1e-6):
        raise Untraceable("the model draws random numbers; an event of liblaser is a function of its latents: make them some")
    torch.set_default_dtype(dtype)
    wrapped = Generate(copy.deepcopy(model), function, dims[0], scalings, dtype)
    rows = torch.cat([z.to(dtype), c.to(dtype) * wrapped.condition_std + wrapped.condition_mean], 1)
    traced, places = traced_module(wrapped, rows[:7])
    where = f" (at {', '.join(places[:3])})" if places else ""
    for part in (rows, *rows.split(1)):
        expected = wrapped(part)
        try:
            holds = same(traced(part), expected, 1e3 * torch.finfo(dtype).eps)
        except RuntimeError:  # of another shape within than that of the trace
            holds = False
        if not holds:
            raise Untraceable(
                f"the model takes decisions by its input{where}, and a trace keeps the ones that it saw: for {len(part)} rows of a trial it "
                "makes other events than the model. Compute them by tensors instead, e.g. torch.where"
            )
    # In double precision, where rounding, which may differ with the number of rows, is far below what is looked for.
    torch.set_default_dtype(torch.float64)
    alone = torch.cat([function(model, *row) for row in zip(z.split(1), c.split(1))])
    if not same(batch, alone, 1e-6):
        row = int((batch - alone).abs().amax(1).argmax())
        raise Untraceable(
            f"the model mixes rows (as a mean over the batch does): of row {row} of a trial it makes another event alone than among others. "
            "Each event of liblaser is a function of its own latents and conditions"
        )
    if places:
        warnings.warn(
            f"the model makes Python values of tensors{where}, which its trace keeps as they were; it made the model's events of all "
            f"{len(rows)} trial rows, but a decision that those do not reach would be lost",
            stacklevel=4,
        )
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer)
    return buffer.getvalue()


# --- files ---


def kind_of(model: nn.Module) -> str:
    """The framework of a flow, by the class that it is an instance of; "network" of anything else."""
    for base in type(model).__mro__:
        name = (base.__module__.partition(".")[0], base.__name__)
        if name in {("FrEIA", "SequenceINN"), ("FrEIA", "GraphINN"), ("zuko", "Flow"), ("nflows", "Flow")}:
            return name[0]
    return "network"


def write(path: Path, data: bytes) -> None:
    """The file appears whole or not at all."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} of {path} does not exist")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give a file in it")
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(aside, 0o666 & ~mask)
        os.replace(aside, path)
    except BaseException:
        os.unlink(aside)
        raise


def native_file(maps: list, tensors: dict, scalings: list, conditions: list, dims: tuple[int, int], dtype: str, record: dict) -> bytes:
    for name, values in tensors.items():
        tensors[name] = np.ascontiguousarray(values, dtype)
        if not np.all(np.isfinite(tensors[name])):
            raise ValueError(f"{name} leaves the finite numbers of {dtype}; try dtype='float64'")
    generator = {"kind": {"type": "networks", "maps": maps}, "scalings": scalings}
    if conditions:
        generator["conditions"] = conditions
    bare = save(tensors)
    description = {
        "format_version": FORMAT_VERSION,
        "library": "laser_export.py",
        "sha256": "0" * 64,
        "latent_dim": dims[0],
        "event_dim": dims[1],
        "condition_dim": len(conditions),
        "model": {"dtype": dtype, "generator": generator, "classifier": None, "refinement": None, "record": record},
    }
    # The checksum is that of the description, with zeros in its place, and of all bytes after the header, which metadata do not change.
    data = bare[8 + int.from_bytes(bare[:8], "little") :]
    description["sha256"] = hashlib.sha256(json.dumps(description).encode() + data).hexdigest()
    return save(tensors, metadata={"laser": json.dumps(description)})


def check(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if module._forward_hooks or module._forward_pre_hooks:
            raise ValueError(
                f"`{name}` has hooks, which may change what it computes; remove them first "
                "(of weight and spectral normalisation: torch.nn.utils.remove_weight_norm, remove_spectral_norm)"
            )
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            index = tuple((~torch.isfinite(tensor)).nonzero()[0].tolist())
            raise ValueError(f"`{name}` has a value that is not finite, at {index}: the training has diverged; export an earlier state")


def numbers(values, n: int, what: str, default: float, positive: bool = False) -> np.ndarray:
    """`n` finite numbers from one or `n` of them."""
    values = np.asarray(default if values is None else values.detach().cpu() if torch.is_tensor(values) else values, float)
    if values.shape not in ((), (n,)):
        raise ValueError(f"{what} has shape {values.shape}; one number or {n} are needed")
    if not np.all(np.isfinite(values)) or (positive and np.any(values <= 0)):
        raise ValueError(f"{what} must be finite{' and positive' if positive else ''}: {values}")
    return np.broadcast_to(values, (n,))


def standardise(mean, std) -> list[dict]:
    return [{"type": "standardise", "mean": float(m), "std": float(s)} for m, s in zip(mean, std)]


#: The arguments of each word for a scaling.
SCALINGS = {"standardise": (), "log": ("low",), "logit": ("low", "high")}


def scaling_of(word: str) -> dict:
    """The word as the model file has it, without mean and std."""
    match = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", word) if isinstance(word, str) else None
    kind, arguments = match.groups() if match else (None, None)
    try:
        bounds = [] if arguments is None else [number(text) for text in arguments.split(":")]
        named = dict(zip(SCALINGS[kind], bounds, strict=True))
    except (KeyError, ValueError):
        choices = "`standardise`, `log(LOW)`, `logit(LOW:HIGH)`"
        raise ValueError(f"scaling: {word!r} is none of {choices}, where LOW and HIGH are finite numbers, as -1 or pi") from None
    if kind == "logit" and not bounds[0] < bounds[1]:
        raise ValueError(f"scaling: {word!r}: the lower bound must lie below the upper one")
    return {"type": kind, **named}


def number(text: str) -> float:
    """A number, or a multiple of π: `pi`, `-pi`, `2pi`."""
    text = text.strip()
    if text.endswith("pi"):
        factor = text[:-2].strip()
        value = math.pi * float(factor + "1" if factor in ("", "+", "-") else factor)
    else:
        value = float(text)
    # As liblaser: a bound at the end of the number range leaves nothing beyond it.
    if not abs(value) <= sys.float_info.max / 4:
        raise ValueError(text)
    return value


@dataclasses.dataclass
class Scales:
    """What the caller says of the model's numbers: see `export`."""

    mean: object
    std: object
    condition_mean: object
    condition_std: object
    scaling: str | Sequence[str] | None

    def words(self) -> list[dict]:
        words = "standardise" if self.scaling is None else self.scaling
        return [scaling_of(word) for word in (words.split(",") if isinstance(words, str) else words)]

    def features(self, m: int, final: str | None = None) -> list[dict]:
        """x = inverse of scaling(std · final(u) + mean), for each of m features."""
        mean, std = numbers(self.mean, m, "mean", 0), numbers(self.std, m, "std", 1, True)
        words = self.words()
        if len(words) not in (1, m):
            raise ValueError(f"scaling lists {len(words)} words; one for all or one for each of the {m} features is needed")
        if final is None:
            words = words if len(words) == m else words * m
            return [word | {"mean": float(a), "std": float(b)} for word, a, b in zip(words, mean, std)]
        self.none_beside(final)
        # A tanh or sigmoid at the end is liblaser's scaling between bounds, high and low being reached by no u.
        below, steepness = {"sigmoid": (0.0, 1.0), "tanh": (1.0, 2.0)}[final]
        ends = [(float(a - below * b), float(a + b)) for a, b in zip(mean, std)]
        return [{"type": "logit", "low": low, "high": high, "mean": 0.0, "std": steepness} for low, high in ends]

    def none_beside(self, final: str) -> None:
        if any(word["type"] != "standardise" for word in self.words()):
            low = "mean" if final == "sigmoid" else "mean − std"
            raise ValueError(
                f"scaling={self.scaling!r} for a generator that ends with {final}, which bounds its features already, from {low} to mean + std: "
                "leave scaling= out and say the bounds by mean and std"
            )

    def conditions(self, c: int) -> list[dict]:
        return standardise(numbers(self.condition_mean, c, "condition_mean", 0), numbers(self.condition_std, c, "condition_std", 1, True))


@contextlib.contextmanager
def double_precision():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def one_thread():
    """For models of single rows, where more threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def own_dtype(modules: Sequence[nn.Module]) -> str:
    dtypes = {p.dtype for module in modules for p in module.parameters() if p.is_floating_point()}
    return "float64" if torch.float64 in dtypes else "float32"


#: Why a module is TorchScript, where the caller wants it.
ASKED = "asked for"


def export(
    model: nn.Module,
    path,
    *,
    latent: int | None = None,
    conditions: int | None = None,
    mean=None,
    std=None,
    scaling: str | Sequence[str] | None = None,
    condition_mean=None,
    condition_std=None,
    dtype: str | None = None,
    forward: str = "normalise",
    layers: Callable[[nn.Module], nn.Module] | None = None,
    form: str = "auto",
) -> Exported:
    """Writes a trained generator to the file `path`.

    model           a GAN's generator: torch.nn.Sequential from N latents followed by C conditions to M features; a FrEIA SequenceINN or
                    GraphINN, a zuko Flow, an nflows Flow; or, as TorchScript, any module from one tensor of rows to another
    latent          N, if the model does not tell
    conditions      C, if the model does not tell; they are the last values that it is given
    mean, std       y = std · model's output + mean: one number or M, the standardisation of the training data; default 0 and 1
    scaling         what y is of a feature x, in the words of the option features.scaling: "standardise", y = x, the default; "log(LOW)",
                    y = ln(x − LOW); "logit(LOW:HIGH)", y = ln((x − LOW) / (HIGH − x)). One for all, or M, in a list or with commas
    condition_mean, condition_std   the model is given (c − mean) / std; likewise
    dtype           "float32" or "float64"; default that of the weights
    forward         what the call of an invertible model does: "normalise" (x to z, as for training by likelihood) or "generate" (z to x)
    layers          tells how to reach the torch.nn.Sequential in a module of a class that this tool does not know; else returns None
    form            "native": or an error; "torchscript"; "auto": native if possible

    Raises Unsupported with form="native" where the model has no native form; ValueError for what no form can hold.
    """
    path = Path(path)
    choices = [("form", form, ("auto", "native", "torchscript")), ("forward", forward, ("normalise", "generate"))]
    for name, value, allowed in [*choices, ("dtype", dtype, (None, "float32", "float64"))]:
        if value not in allowed:
            raise ValueError(f"{name}={value!r}; it is one of {', '.join(map(repr, allowed))}")
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"a torch.nn.Module is needed, not {type(model).__name__}; weights alone (a state_dict) belong into their model first"
        )
    check(model)
    dtype = dtype or own_dtype([model])
    generates = forward == "generate"
    kind = kind_of(model)
    scales = Scales(mean, std, condition_mean, condition_std, scaling)
    reason = ASKED
    if kind == "network" and isinstance(last := last_layer(model), nn.Tanh | nn.Sigmoid):
        scales.none_beside(type(last).__name__.lower())
    with double_precision():
        model = copy.deepcopy(model).cpu().double().eval()
        if form != "torchscript":
            try:
                if kind == "network":
                    return export_network(model, path, latent, conditions, scales, dtype, layers)
                dim, given, steps = {"FrEIA": read_freia, "zuko": read_zuko, "nflows": read_nflows}[kind](model, generates)
                agreed("latent", latent, dim)
                given = agreed("conditions", conditions, given) or 0
                return write_flow(steps, path, dim, given, scales, dtype, layers, {"from": kind})
            except Unsupported as why:
                if form == "native":
                    raise
                reason = str(why)
        return export_script(model, path, kind, generates, latent, conditions, scales, dtype, reason)


def last_layer(model: nn.Module) -> nn.Module:
    while is_plain(model, nn.Sequential) and len(model) > 0:
        model = model[-1]
    return model


def agreed(what: str, stated: int | None, found: int | None) -> int | None:
    """The number that the caller states or the model tells."""
    if stated is not None and found is not None and stated != found:
        raise ValueError(f"{what}={stated}, but the flow has {found}")
    return found if stated is None else stated


def export_network(model, path, latent, conditions, scales, dtype, layers) -> Exported:
    network = read_network(model, type(model).__name__, layers)
    if network.final not in (None, "tanh", "sigmoid"):
        raise Unsupported(
            f"{type(model).__name__}: it ends with {network.final}; a network of liblaser ends linear, with tanh or with sigmoid"
        )
    conditions = conditions or 0
    latent = network.inputs - conditions if latent is None else latent
    if latent < 1 or latent + conditions != network.inputs:
        raise ValueError(f"the network takes {network.inputs} values, not {latent} latents and {conditions} conditions")
    m = network.outputs
    features, given = scales.features(m, network.final), scales.conditions(conditions)
    maps = [{"type": "network", "network": network.description()}]
    tensors = named(network, "generator.0.")
    data = native_file(maps, tensors, features, given, (latent, m), dtype, {"from": "torch.nn"})
    write(path, data)
    return Exported(path, True, latent, m, conditions, dtype)


def write_flow(steps, path, dim, conditions, scales, dtype, layers, record) -> Exported:
    if dim < 2:
        raise Unsupported("a flow of one feature; liblaser's coupling flows have two or more")
    features, given = scales.features(dim), scales.conditions(conditions)
    writer = FlowWriter(dim, conditions, layers)
    maps = [writer.finish(list(steps))]
    data = native_file(maps, writer.tensors(), features, given, (dim, dim), dtype, record)
    write(path, data)
    return Exported(path, True, dim, dim, conditions, dtype, latent_order=writer.place, latent_sign=writer.sign)


def export_script(model, path, kind, generates, latent, conditions, scales, dtype, reason) -> Exported:
    found, given, widths = None, None, []
    if kind == "FrEIA":
        found, widths = freia_dim(model), freia_widths(freia_modules(model))
        given = sum(widths)
    elif kind == "zuko":
        found = zuko_base(model)[0]
        given = zuko_context(model, found)
    elif kind == "nflows":
        found, given = nflows_dim(model), nflows_context(model)
    elif latent is None:
        first = next((m for m in model.modules() if isinstance(m, nn.Linear)), None)
        if first is None or not is_plain(model, nn.Sequential):
            raise ValueError(f"{reason}. For a TorchScript module give latent=N, and conditions=C if it has any")
        latent = first.in_features - (conditions or 0)
    latent, conditions = agreed("latent", latent, found), agreed("conditions", conditions, given)
    stated, conditions = conditions is not None, conditions or 0
    function = generating_function(model, generates, widths)
    try:
        with torch.no_grad(), one_thread():
            batch = trial(model, function, latent, conditions, stated)
            m = batch.shape[1]
            scalings = (scales.features(m), scales.conditions(conditions))
            data = script(model, function, (latent, conditions), batch, scalings, getattr(torch, dtype))
    except Untraceable as error:
        raise ValueError(str(error) if reason == ASKED else f"{error}. Nor is there a native form: {reason}") from error.__cause__
    write(path, data)
    return Exported(path, False, latent, m, conditions, dtype, reason)


def export_flow(
    blocks: Sequence[Coupling | Linear],
    path,
    *,
    dim: int | None = None,
    conditions: int = 0,
    mean=None,
    std=None,
    scaling: str | Sequence[str] | None = None,
    condition_mean=None,
    condition_std=None,
    dtype: str | None = None,
    layers: Callable[[nn.Module], nn.Module] | None = None,
) -> Exported:
    """Writes the coupling flow that `blocks` describe, the first applied to z first, to the file `path`, always native. See also `export`."""
    blocks = list(blocks)
    couplings = [block for block in blocks if isinstance(block, Coupling)]
    for i, block in enumerate(couplings):
        try:
            check(block.subnet)
        except ValueError as error:
            raise ValueError(f"coupling {i}: {error}") from None
    if dim is None:
        if not couplings:
            raise ValueError("a flow without coupling blocks; give dim=")
        dim = len(couplings[0].active) + len(couplings[0].passive)
    dtype = dtype or own_dtype([block.subnet for block in couplings])
    scales = Scales(mean, std, condition_mean, condition_std, scaling)
    with double_precision():
        blocks = [
            dataclasses.replace(block, subnet=copy.deepcopy(block.subnet).cpu().double().eval()) if isinstance(block, Coupling) else block
            for block in blocks
        ]
        return write_flow(blocks, Path(path), dim, conditions, scales, dtype, layers, {"from": "export_flow"})


# --- the command ---


def load(source: str) -> nn.Module:
    """file.py:name, a model or a function that builds it; else a file of torch.save."""
    file, _, name = source.rpartition(":")
    if file.endswith(".py"):
        sys.path.insert(0, str(Path(file).resolve().parent))
        spec = importlib.util.spec_from_file_location(Path(file).stem, file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        model = getattr(module, name)
        model = model if isinstance(model, nn.Module) else model()
    else:
        model = torch.load(source, map_location="cpu", weights_only=False)
    return model


def load_state(model: nn.Module, file: str) -> None:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        state = None
    if not isinstance(state, dict):
        raise ValueError(f"{file} holds no weights alone, torch.save(model.state_dict()); a whole model is given in the place of the source")
    try:
        model.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        here, there = ({k: tuple(getattr(v, "shape", ())) for k, v in weights.items()} for weights in (model.state_dict(), state))
        other = [k for k in [*here, *there] if here.get(k) != there.get(k)]
        if not other:
            raise ValueError(f"{file} does not fit the model: {first_line(error)}") from None
        first = other[0]
        of = [f"of shape {those[first]}" if first in those else f"missing (it has `{next(iter(those), '')}`)" for those in (there, here)]
        raise ValueError(
            f"{file} holds the weights of another model: {len(set(other))} tensors differ, first `{first}`, {of[0]} in the file and "
            f"{of[1]} in the model"
        ) from None


def several(text: str) -> list[float] | float:
    values = [float(word) for word in text.split(",")]
    return values if len(values) > 1 else values[0]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="laser_export.py", description="Writes a generator trained in PyTorch to liblaser's model file.")
    parser.add_argument(
        "source", help="FILE.py:NAME, a model or a function that builds it; or a file of torch.save(model), which runs its author's code"
    )
    parser.add_argument("out", help="the file to write")
    parser.add_argument("--state", help="weights to load into the model: a file of torch.save(model.state_dict())")
    for of in ("", "condition-"):
        for what in ("mean", "std"):
            name = f"--{of}{what}"
            text = f"of the {'conditions' if of else 'features'}: one number, or one each"
            text += f"; a first one below 0 as {name}=-1,..." if what == "mean" else ""
            parser.add_argument(name, type=several, metavar="X[,X...]", help=text)
    words = "one word, or one each: standardise, log(LOW), logit(LOW:HIGH); --mean and --std are then those of the transformed feature"
    parser.add_argument("--scaling", metavar="WORD[,WORD...]", help=words)
    parser.add_argument("--latent", type=int, help="N, if the model does not tell")
    parser.add_argument("--conditions", type=int, help="C, if the model does not tell")
    parser.add_argument("--dtype", choices=("float32", "float64"), help="default: that of the weights")
    what = "what calling the flow does: x to z (normalise, the default), or z to x"
    parser.add_argument("--forward", choices=("normalise", "generate"), default="normalise", help=what)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--native", dest="form", action="store_const", const="native", help="fail where there is no native form")
    form.add_argument(
        "--torchscript", dest="form", action="store_const", const="torchscript", help="a TorchScript module, whatever the model"
    )
    parser.set_defaults(form="auto")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = vars(parse(arguments))
    source, out, state = (options.pop(name) for name in ("source", "out", "state"))
    try:
        model = load(source)
    except Exception as error:  # whatever the code of the model raises
        print(f"laser_export.py: {source} does not load: {first_line(error)}", file=sys.stderr)
        return 1
    try:
        if state is not None:
            load_state(model, state)
        result = export(model, out, **options)
    except (Unsupported, ValueError, OSError) as error:
        print(f"laser_export.py: {error}", file=sys.stderr)
        return 1
    except Exception as error:  # likewise
        print(f"laser_export.py: {source} cannot be exported: {first_line(error)}", file=sys.stderr)
        return 1
    sizes = f"{result.latent_dim} latents, {result.conditions} conditions, {result.event_dim} features, {result.dtype}"
    if result.native:
        print(f"{out}: native model file; {sizes}")
        return 0
    if options["form"] == "auto":
        print(f"laser_export.py: no native form: {result.reason}", file=sys.stderr)
    print(f"{out}: TorchScript module without density; {sizes}. Load it by a liblaser with libtorch, options:")
    print(json.dumps({"generator.latent": result.latent_dim, "conditions": result.conditions, "dtype": result.dtype}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
