"""Flows as the model file has them, from their description."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ._description import NO_CLAMP, Affine, Array, Coupling, Exported, Layers, Linear, Spline, Unsupported
from ._files import native_file, write
from ._layers import array, read_network
from ._limits import MAX_DEPTH, MAX_PARAMETERS
from ._networks import Network, named
from ._scales import Scales


class FlowWriter:
    """Turns a description into the blocks of a liblaser flow, which permute nothing.

    Works from the events back to the latents: `place` and `sign` tell which coordinate of liblaser's, and with which sign, holds each
    coordinate of the description; permutations and reflections only change them.
    """

    def __init__(self, dim: int, conditions: int, layers: Layers):
        self.dim, self.conditions, self.layers = dim, conditions, layers
        self.place, self.sign = np.arange(dim), np.ones(dim)
        self.blocks: list[tuple[dict[str, Any], Network]] = []
        self.parameters = 0

    def add(self, active: Array, passive: Array, network: Network, transform: dict[str, Any], inverse: bool = False) -> None:
        block = {
            "active": self.place[active].tolist(),
            "passive": self.place[passive].tolist(),
            "transform": transform,
            "subnet": network.description(),
        }
        self.blocks.append((block | {"inverse": True} if inverse else block, network))
        self.parameters += network.parameters
        within_limits(len(self.blocks), self.parameters)

    def add_linear(self, active: Array, passive: Array, s: Array, weight: Array, offset: Array) -> None:
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

        def shear(i: int, weights: Array) -> None:
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

    def finish(self, steps: list[Any]) -> dict[str, Any]:
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

    def tensors(self) -> dict[str, Array]:
        return {
            name: values
            for i, (_, network) in enumerate(self.blocks)
            for name, values in named(network, f"generator.0.blocks.{i}.subnet.").items()
        }


def merged(steps: Sequence[Any]) -> list[Any]:
    """Neighbouring linear maps in one."""
    out: list[Any] = []
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
    if blocks > MAX_DEPTH or parameters > MAX_PARAMETERS:
        raise Unsupported(
            f"the flow takes more than {MAX_DEPTH} coupling blocks or {MAX_PARAMETERS} parameters, liblaser's limits; an autoregressive "
            "transform takes a block, and a network, for each pass"
        )


def autoregressive(network: Network, transform: Affine | Spline, dim: int, inverse: bool, where: str) -> list[Coupling]:
    """The blocks of a transform of all coordinates, of which the network of all, then of the conditions, makes the parameters of each from
    others before it: a block for all coordinates that need none but those of the blocks before."""
    per = transform.per_coordinate
    if network.outputs != per * dim:
        raise ValueError(f"{where}: the network has {network.outputs} outputs; {per * dim} are needed for {dim} coordinates, {per} each")
    needs = network.dependence()[:, :dim].reshape(dim, per, dim).any(1)
    done, parameters = np.zeros(dim, bool), 0
    steps: list[Coupling] = []
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


def write_flow(steps: Iterable[Coupling | Linear], path: Path, dim: int, conditions: int, scales: Scales, dtype: str, layers: Layers,
               record: dict[str, Any]) -> Exported:
    if dim < 2:
        raise Unsupported("a flow of one feature; liblaser's coupling flows have two or more")
    features, given = scales.features(dim), scales.conditions(conditions)
    writer = FlowWriter(dim, conditions, layers)
    maps = [writer.finish(list(steps))]
    names = scales.called(dim + conditions)
    data = native_file(maps, writer.tensors(), features, given, names, (dim, dim), dtype, record)
    write(path, data)
    return Exported(path, True, dim, dim, conditions, dtype, latent_order=writer.place, latent_sign=writer.sign)
