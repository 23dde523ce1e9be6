"""Reads a model file: the networks as NumPy arrays. Two-dimensional models only, as the paper's are."""

import json
from dataclasses import dataclass

import numpy as np
from safetensors import safe_open

Layers = list[tuple[np.ndarray, np.ndarray]]  # weight (outputs x inputs) and bias


@dataclass
class Coupling:
    """x[active] = z[active] * exp(clamp * tanh(s / clamp)) + t with (s, t) = subnet(z[passive])."""

    active: int
    passive: int
    clamp: float
    layers: Layers


@dataclass
class Model:
    """x = std * g(z) + mean, z = refiner(y)."""

    blocks: list[Coupling]
    refiner: Layers
    slope: float  # of LeakyReLU
    mean: np.ndarray
    std: np.ndarray

    @property
    def auxiliary_dim(self):
        return self.refiner[0][0].shape[1]


def read(path) -> Model:
    with safe_open(path, framework="numpy") as file:
        description = json.loads(file.metadata()["laser"])["model"]
        tensors = {name: file.get_tensor(name) for name in file.keys()}

    def layers(prefix):
        count = sum(name.startswith(prefix) and name.endswith(".bias") for name in tensors)
        return [(tensors[f"{prefix}{i}.weight"], tensors[f"{prefix}{i}.bias"]) for i in range(count)]

    generator = description["generator"]
    blocks = generator["kind"]["maps"][0]["network"]["blocks"]
    networks = [block["subnet"] for block in blocks] + [description["refinement"]["refiner"]["map"]["network"]]
    slopes = {network["activation"]["slope"] for network in networks}
    assert generator["kind"]["maps"][0]["network"]["dim"] == 2 and len(slopes) == 1
    scalings = generator["scalings"]
    assert all(scaling["type"] == "standardise" for scaling in scalings)
    dtype = tensors["refiner.0.weight"].dtype
    return Model(
        blocks=[
            Coupling(*block["active"], *block["passive"], block["transform"]["clamp"], layers(f"generator.0.blocks.{i}.subnet."))
            for i, block in enumerate(blocks)
        ],
        refiner=layers("refiner."),
        slope=slopes.pop(),
        mean=np.array([scaling["mean"] for scaling in scalings], dtype),
        std=np.array([scaling["std"] for scaling in scalings], dtype),
    )
