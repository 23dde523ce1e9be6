"""What flows are described by, and what is said of a file that was written."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
import numpy.typing as npt

from ._limits import BOUNDS, MAX_BINS, MAX_LEAST

Array = npt.NDArray[Any]
#: Tells how to reach the torch.nn.Sequential in a module of a class that is not known here; else returns None.
Layers = Optional[Callable[[Any], Any]]

#: The classes of a classifier that does not name them: events that are weighted, and those that they are to be like.
LABELS = ("0", "1")
# A soft clamp so wide that it changes no s by more than rounding: clamp · tanh(s / clamp) = s (1 − (s / clamp)² / 3 + …).
NO_CLAMP = 1e9


class Unsupported(Exception):
    """liblaser's own networks do not express this model; the message says which part of it, and what to do."""


class Untraceable(ValueError):
    """No TorchScript module makes this model's events; the message says why, and what to do."""


# The inverses of the bounded functions f of Affine, and the slopes of these at 0.
SOFT_CLAMPS: dict[str, tuple[Callable[[float], float], float]] = {
    "tanh": (math.atanh, 1.0),
    "atan": (lambda y: math.tan(y * math.pi / 2), 2 / math.pi),
    "softsign": (lambda y: y / (1 - abs(y)), 1.0),
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

    def description(self, where: str) -> dict[str, Any]:
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

    def arrange(self, sign: Array) -> tuple[Array, Array, Array]:
        """(index, factor, offset): output k of liblaser's subnet is factor[k] times output index[k] of this one plus offset[k], where
        liblaser has the active coordinates with these signs."""
        n, kinds = len(sign), len(self.outputs)
        # liblaser's bounded s is its s̃ where that is small.
        unit = 1.0 if self.clamp is None or self.soft_clamp in ADDED else self.clamp * SOFT_CLAMPS[self.soft_clamp][1]
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

    def description(self, where: str) -> dict[str, Any]:
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

    def arrange(self, sign: Array) -> tuple[Array, Array, Array]:
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

    active: Sequence[int] | Array
    passive: Sequence[int] | Array
    subnet: Any
    transform: Affine | Spline = dataclasses.field(default_factory=Affine)
    inverse: bool = False
    #: The condition values that the subnet takes after the passive coordinates; None: all.
    conditions: Sequence[int] | None = None


@dataclasses.dataclass
class Linear:
    """A fixed invertible map x = matrix · z + offset: a permutation, a rotation, a normalisation of activations."""

    matrix: npt.ArrayLike
    offset: npt.ArrayLike = 0.0

    @staticmethod
    def permutation(order: Sequence[int]) -> Linear:
        """x[i] = z[order[i]]."""
        return Linear(np.eye(len(order))[list(order)])

    @staticmethod
    def of(function: Callable[[Any], Any], dim: int) -> Linear:
        """The map that `function`, in double precision, is known to be, from what it makes of 0 and of the unit vectors: rows of `dim`."""
        import torch

        with torch.no_grad():
            rows = function(torch.cat([torch.zeros(1, dim), torch.eye(dim)]).double()).cpu().double().numpy()
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
    latent_order: Array | None = None
    latent_sign: Array | None = None
    #: Of ONNX: the program that the numbers were compared with, row by row.
    compared: str = ""
    #: Of a reweighter: w = p(second) / p(first).
    classes: tuple[str, ...] = ()

    def latents(self, z: Array) -> Array:
        """The file's latent points for those of the model (rows × N): they give the same events."""
        if self.latent_order is None:
            return z
        theirs = np.empty_like(z)
        theirs[:, self.latent_order] = z * self.latent_sign
        return theirs
