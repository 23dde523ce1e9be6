"""Flows of zuko."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import torch

from ._description import Affine, Array, Coupling, Linear, Spline, Unsupported
from ._flows import autoregressive
from ._layers import array, framework, read_network, recognised
from ._limits import SMALLEST


def read_zuko(model: Any, generates: bool) -> tuple[int, int, list[Any]]:
    dim, loc, scale = zuko_base(model)
    lazies = model.transform.transforms if type(model.transform).__name__ == "LazyComposedTransform" else [model.transform]
    groups = [zuko_steps(t, f"zuko transform {i} ({type(t).__name__})", dim, not generates) for i, t in enumerate(lazies)]
    conditions = {c for _, c in groups if c is not None}
    if len(conditions) > 1:
        raise Unsupported(f"zuko: transforms of different contexts, {sorted(conditions)} values")
    if not generates:
        groups.reverse()
    return dim, conditions.pop() if conditions else 0, [Linear(np.diag(scale), loc), *(step for own, _ in groups for step in own)]


def zuko_base(model: Any) -> tuple[int, Array, Array]:
    base = model.base()
    if type(base).__name__ != "DiagNormal":
        raise Unsupported(f"zuko: the base distribution is a {type(base).__name__}; liblaser's latents are normal (DiagNormal)")
    loc, scale = array(base.base_dist.loc), array(base.base_dist.scale)
    return len(loc), loc, scale


def zuko_steps(lazy: Any, where: str, dim: int, inverse: bool) -> tuple[list[Any], int | None]:
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


def zuko_univariate(lazy: Any, where: str) -> Affine | Spline:
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

    def applied(x: Any, *phi: Any) -> Any:
        with torch.no_grad():
            return lazy.univariate(*(parameter.expand_as(x) for parameter in phi))(x)

    def log_scale(u: Any) -> Any:
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


def zuko_context(model: Any, dim: int) -> int | None:
    """The length of the context, if the transforms tell."""
    given = {"GeneralCouplingTransform": lambda lazy: int(lazy.mask.sum()), "MaskedAutoregressiveTransform": lambda lazy: dim}
    lengths = {
        next(lazy.hyper.parameters()).shape[1] - given[type(lazy).__name__](lazy)
        for lazy in model.modules()
        if framework(lazy) == "zuko" and type(lazy).__name__ in given
    }
    return lengths.pop() if len(lengths) == 1 else None
