"""Fully connected networks as the model file has them, from steps: ("linear", W, b), and ("activation", kind, slope) of a kind as in the model
file, or "sigmoid"."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._description import Array, Unsupported

Step = tuple[Any, ...]


def carry(steps: list[Step], n: int, kept: int, where: str) -> list[Step]:
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


def skip(steps: list[Step], n: int, where: str, context: int = 0) -> list[Step]:
    """(x, c) ↦ (x + steps(x, c), c) of n values x and a context c."""
    unit, all_of = np.eye(n), np.eye(n + context)
    sums = beside(np.hstack([unit, unit]), np.eye(context))
    twice = ("linear", np.vstack([all_of, all_of]), np.zeros(2 * (n + context)))
    return [twice, *carry(steps, n + context, n + context, where), ("linear", sums, np.zeros(n + context))]


def beside(a: Array, b: Array) -> Array:
    """The two as blocks on the diagonal."""
    return np.vstack([np.hstack([a, np.zeros((len(a), b.shape[1]))]), np.hstack([np.zeros((len(b), a.shape[1])), b])])


@dataclasses.dataclass
class Network:
    """Weights (outputs × inputs) and biases; `activation` between the layers."""

    layers: list[tuple[Array, Array]]
    activation: dict[str, Any]
    #: After the last layer: None, "tanh" or "sigmoid".
    final: str | None

    @property
    def inputs(self) -> int:
        return int(self.layers[0][0].shape[1])

    @property
    def outputs(self) -> int:
        return len(self.layers[-1][1])

    @property
    def parameters(self) -> int:
        return sum(weight.size + bias.size for weight, bias in self.layers)

    def dependence(self) -> Array:
        """Outputs × inputs: whether a path of weights that are not 0 joins them."""
        reached = np.eye(self.inputs, dtype=np.float32)
        for weight, _ in self.layers:
            reached = ((weight != 0).astype(np.float32) @ reached > 0).astype(np.float32)
        return reached > 0

    def part(self, inputs: Array, outputs: Array) -> Network:
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

    def description(self) -> dict[str, Any]:
        hidden = [len(bias) for _, bias in self.layers[:-1]]
        return {"inputs": self.inputs, "hidden": hidden, "outputs": self.outputs, "activation": self.activation}


def assembled(steps: Sequence[Step], where: str) -> Network:
    """The network that does these steps."""
    done: list[tuple[Array, Array]] = []
    pending: tuple[Array, Array] | None = None
    kinds: list[dict[str, Any]] = []
    final = None
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


def merged_units(layers: list[tuple[Array, Array]]) -> list[tuple[Array, Array]]:
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


def named(network: Network, prefix: str) -> dict[str, Array]:
    return {f"{prefix}{i}.{name}": values for i, layer in enumerate(network.layers) for name, values in zip(("weight", "bias"), layer)}
