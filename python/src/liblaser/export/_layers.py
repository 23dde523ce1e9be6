"""The layers of PyTorch, and what models of its flow libraries share."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any, Callable

import numpy as np
import torch
from torch import nn

from ._description import SOFT_CLAMPS, Affine, Array, Layers, Unsupported
from ._networks import Network, Step, assembled, skip

FUNCTIONS = {
    nn.functional.relu: nn.ReLU(),
    torch.relu: nn.ReLU(),
    nn.functional.leaky_relu: nn.LeakyReLU(),
    torch.tanh: nn.Tanh(),
    nn.functional.tanh: nn.Tanh(),
    torch.sigmoid: nn.Sigmoid(),
    nn.functional.sigmoid: nn.Sigmoid(),
}


def array(tensor: torch.Tensor) -> Array:
    return np.asarray(tensor.detach().cpu().double().numpy())


def framework(module: Any) -> str:
    return type(module).__module__.partition(".")[0]


def is_plain(module: Any, kind: Any) -> bool:
    """Whether it computes what its class does: subclasses may compute something else."""
    return isinstance(module, kind) and type(module).forward is kind.forward


def operations(module: nn.Module, where: str, layers: Layers) -> list[Step]:
    """The steps of a network of linear layers and activations, in evaluation mode."""
    if is_plain(module, nn.Sequential):
        return [step for name, child in module.named_children() for step in operations(child, f"{where}.{name}", layers)]
    if is_plain(module, nn.Linear) or (framework(module) == "zuko" and type(module).__name__ == "Linear" and module.weight.ndim == 2):
        weight = array(module.weight)
        return [("linear", weight, np.zeros(len(weight)) if module.bias is None else array(module.bias))]
    if framework(module) in ("nflows", "zuko") and type(module).__name__ == "MaskedLinear":
        weight = array(module.weight * module.mask)
        return [("linear", weight, np.zeros(len(weight)) if module.bias is None else array(module.bias))]
    if isinstance(module, (nn.Identity, nn.Dropout)):
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
        from ._nflows import nflows_operations

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


def normalisation(module: nn.BatchNorm1d) -> Step:
    scale = 1 / np.sqrt(array(module.running_var) + module.eps)
    if module.weight is not None:
        scale = scale * array(module.weight)
    offset = -array(module.running_mean) * scale
    if module.bias is not None:
        offset = offset + array(module.bias)
    return ("linear", np.diag(scale), offset)


def activation_of(function: Any, where: str, layers: Layers) -> Step:
    module = function if isinstance(function, nn.Module) else FUNCTIONS.get(function)
    if module is None:
        raise Unsupported(f"{where}: the activation {getattr(function, '__name__', function)!r} has no counterpart in liblaser")
    (step,) = operations(module, where, layers)
    return step


def read_network(module: Any, where: str, layers: Layers) -> Network:
    return assembled(operations(module, where, layers), where)


# The bounded functions of SOFT_CLAMPS.
BOUNDED: dict[str, Callable[[Any], Any]] = {
    "tanh": torch.tanh,
    "atan": lambda u: torch.atan(u) * (2 / math.pi),
    "softsign": nn.functional.softsign,
}


def recognised(function: Callable[[Any], Any], where: str) -> Affine:
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
        for name, (inverse, _) in SOFT_CLAMPS.items():
            k = inverse(start / m) / near
            if torch.allclose(values, m * BOUNDED[name](k * u), rtol=1e-9, atol=1e-10):
                return Affine(clamp=m, soft_clamp=name, s_factor=k)
    raise Unsupported(
        f"{where}: the soft clamp of the scale is none of m · tanh(k · s), m · atan(k · s), m · s / (1 + k |s|) and k · s; liblaser's "
        "coupling blocks have no other. For a native file train with one of these"
    )


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


def own_dtype(modules: Sequence[nn.Module]) -> str:
    dtypes = {p.dtype for module in modules for p in module.parameters() if p.is_floating_point()}
    return "float64" if torch.float64 in dtypes else "float32"


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def last_layer(model: nn.Module) -> nn.Module:
    while is_plain(model, nn.Sequential) and len(model) > 0:
        model = model[-1]
    return model
