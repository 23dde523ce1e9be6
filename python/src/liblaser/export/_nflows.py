"""Flows of nflows."""

from __future__ import annotations

import math
from typing import Any, Callable

import numpy as np
import torch
from torch import nn

from ._description import Affine, Array, Coupling, Layers, Linear, Spline, Unsupported
from ._flows import autoregressive
from ._layers import activation_of, array, framework, normalisation, operations, read_network
from ._limits import SMALLEST
from ._networks import Network, Step, beside, carry, skip

NFLOWS_LINEAR = (
    "IdentityTransform PointwiseAffineTransform AffineTransform AffineScalarTransform Permutation RandomPermutation ReversePermutation "
    "ActNorm BatchNorm NaiveLinear LULinear QRLinear SVDLinear HouseholderSequence"
).split()


def nflows_operations(net: nn.Module, where: str, layers: Layers) -> list[Step]:
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

    def without_context(n: int) -> Step:
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


def read_nflows(model: nn.Module, generates: bool) -> tuple[int, int | None, list[Any]]:
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
    return int(shape[0])


def nflows_steps(transform: nn.Module, where: str, dim: int, inverse: bool) -> list[Any]:
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
        kinds: dict[str, Callable[[], Affine | Spline]] = {
            "AdditiveCouplingTransform": lambda: Affine(outputs="t"),
            "AffineCouplingTransform": lambda: nflows_affine(transform, where),
            "PiecewiseRationalQuadraticCouplingTransform": lambda: nflows_spline(transform, transform.num_bins, net, where),
        }
        steps = [Coupling(active, passive, net, kinds[kind](), inverse)]
        if (alone := transform.unconditional_transform) is not None:
            steps.append(nflows_alone(alone, passive, active, f"{where}.unconditional_transform", inverse))
        return steps[::-1] if inverse else steps
    if kind in ("MaskedAffineAutoregressiveTransform", "MaskedPiecewiseRationalQuadraticAutoregressiveTransform"):
        net = transform.autoregressive_net
        if kind == "MaskedAffineAutoregressiveTransform":
            univariate: Affine | Spline = Affine(clamp=-math.log(transform._epsilon), soft_clamp="softplus", interleaved=True)
        else:
            univariate = nflows_spline(transform, transform.num_bins, net, where)
        return autoregressive(read_network(net, where, None), univariate, dim, inverse, where)
    raise Unsupported(f"{where} ({kind}): it has no counterpart in liblaser")


def nflows_affine(coupling: nn.Module, where: str) -> Affine:
    clamp = -math.log(1e-3)
    affine = Affine(clamp=clamp, soft_clamp="sigmoid", s_offset=2.0, outputs="ts")
    s = torch.linspace(-20, 20, 81)[:, None].expand(-1, coupling.num_transform_features)
    scale, _ = coupling._scale_and_shift(torch.cat([torch.zeros_like(s), s], 1))
    if not torch.allclose(scale, torch.sigmoid(s + affine.s_offset) + math.exp(-clamp), rtol=1e-9):
        raise Unsupported(f"{where}: a scale other than nflows' default, sigmoid(s + 2) + 0.001")
    return affine


def nflows_spline(transform: nn.Module, bins: int, net: nn.Module | None, where: str) -> Spline:
    if transform.tails != "linear":
        raise Unsupported(f"{where}: a spline with tails={transform.tails!r}; liblaser's go on as the identity, tails='linear'")
    if {transform.min_bin_width, transform.min_bin_height, transform.min_derivative} != {SMALLEST}:
        raise Unsupported(f"{where}: a spline with other min_bin_width, min_bin_height or min_derivative than nflows' default, {SMALLEST}")
    hidden = next((getattr(net, name) for name in ("hidden_features", "hidden_channels") if hasattr(net, name)), 1)
    return Spline(bins, transform.tail_bound, "softplus", share_factor=1 / math.sqrt(hidden))


def nflows_alone(cdf: nn.Module, active: Array, passive: Array, where: str, inverse: bool) -> Coupling:
    """A transform of the identity features, dependent on nothing."""
    if framework(cdf) != "nflows" or type(cdf).__name__ != "PiecewiseRationalQuadraticCDF":
        raise Unsupported(f"{where} is a {type(cdf).__name__}; of unconditional transforms liblaser takes PiecewiseRationalQuadraticCDF")
    tensors = [array(t) for t in (cdf.unnormalized_widths, cdf.unnormalized_heights, cdf.unnormalized_derivatives)]
    bias = np.concatenate(tensors, 1).ravel()
    network = Network([(np.zeros((len(bias), len(passive))), bias)], {"type": "tanh"}, None)
    return Coupling(active, passive, network, nflows_spline(cdf, tensors[0].shape[1], None, where), inverse, conditions=[])
