"""Models of PyTorch and its flow libraries."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

from torch import nn

from ._description import LABELS, Coupling, Exported, Layers, Linear, Unsupported
from ._files import agreed, networks_file, reweighter_file, write
from ._flows import write_flow
from ._freia import read_freia
from ._layers import check, double_precision, last_layer, own_dtype, read_network
from ._nflows import read_nflows
from ._scales import Scales
from ._torchscript import ASKED, export_script, kind_of
from ._zuko import read_zuko


def checked(model: Any, dtype: str | None) -> str:
    """The type of its numbers."""
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"a torch.nn.Module is needed, not {type(model).__name__}; weights alone (a state_dict) belong into their model first"
        )
    check(model)
    return dtype or own_dtype([model])


def export_module(model: Any, path: Path, latent: int | None, conditions: int | None, scales: Scales, dtype: str | None, generates: bool,
                  layers: Layers, form: str) -> Exported:
    dtype = checked(model, dtype)
    kind = kind_of(model)
    reason = ASKED
    if kind == "network" and isinstance(last := last_layer(model), (nn.Tanh, nn.Sigmoid)):
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


def export_network(model: nn.Module, path: Path, latent: int | None, conditions: int | None, scales: Scales, dtype: str, layers: Layers) -> Exported:
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
    features, given, names = scales.features(m, network.final), scales.conditions(conditions), scales.called(m + conditions)
    write(path, networks_file([network], features, given, names, (latent, m), dtype, {"from": "torch.nn"}))
    return Exported(path, True, latent, m, conditions, dtype)


def export_classifier(model: Any, path: Path, scales: Scales, dtype: str | None, layers: Layers, log_ratio_offset: float) -> Exported:
    dtype = checked(model, dtype)
    with double_precision():
        network = read_network(copy.deepcopy(model).cpu().double().eval(), type(model).__name__, layers)
    data = reweighter_file(network, scales, dtype, log_ratio_offset, {"from": "torch.nn"})
    write(path, data)
    return Exported(path, True, 0, network.inputs, 0, dtype, classes=LABELS)


def write_blocks(blocks: list[Coupling | Linear], path: Path, dim: int | None, conditions: int, scales: Scales, dtype: str | None,
                 layers: Layers) -> Exported:
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
    with double_precision():
        blocks = [
            dataclasses.replace(block, subnet=copy.deepcopy(block.subnet).cpu().double().eval()) if isinstance(block, Coupling) else block
            for block in blocks
        ]
        return write_flow(blocks, path, dim, conditions, scales, dtype, layers, {"from": "export_flow"})
