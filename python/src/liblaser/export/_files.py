"""The model file."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from ._description import Array, Unsupported
from ._limits import FORMAT_VERSION
from ._networks import Network, named
from ._scales import Scales


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


def networks_file(networks: list[Network], features: list[dict[str, Any]], conditions: list[dict[str, Any]], names: list[str],
                  dims: tuple[int, int], dtype: str, record: dict[str, Any]) -> bytes:
    """A generator of networks that are applied one after the other."""
    maps = [{"type": "network", "network": network.description()} for network in networks]
    tensors = {name: values for i, network in enumerate(networks) for name, values in named(network, f"generator.{i}.").items()}
    return native_file(maps, tensors, features, conditions, names, dims, dtype, record)


def native_file(maps: list[dict[str, Any]], tensors: dict[str, Array], scalings: list[dict[str, Any]], conditions: list[dict[str, Any]],
                names: list[str], dims: tuple[int, int], dtype: str, record: dict[str, Any]) -> bytes:
    generator: dict[str, Any] = {"kind": {"type": "networks", "maps": maps}, "scalings": scalings}
    if conditions:
        generator["conditions"] = conditions
    return sealed(generator, None, tensors, names, dims, len(conditions), dtype, record)


def reweighter_file(network: Network, scales: Scales, dtype: str, log_ratio_offset: float, record: dict[str, Any]) -> bytes:
    """A classifier, whose network ends with the logit, or with a sigmoid of it, or with two logits, or a softmax of them."""
    if network.outputs == 2 and network.final in (None, "softmax"):
        weight, bias = network.layers[-1]
        network = Network([*network.layers[:-1], (weight[1:] - weight[:1], bias[1:] - bias[:1])], network.activation, None)
    if network.outputs != 1 or network.final not in (None, "sigmoid"):
        end = f"{network.outputs} values" + (f" by {network.final}" if network.final else "")
        raise Unsupported(f"the classifier ends with {end}; one logit or two are needed, or their sigmoid or softmax")
    if not math.isfinite(log_ratio_offset):
        raise ValueError(f"log_ratio_offset={log_ratio_offset}; it is a finite number")
    features = scales.features(network.inputs)
    if others := sorted({scaling["type"] for scaling in features} - {"standardise", "asinh", "log", "logit"}):
        raise ValueError(
            f"scaling: classifiers of the library see features of the scaling {others[0]} otherwise; take standardise, asinh, log or logit"
        )
    classifier = {"network": network.description(), "scalings": features, "log_ratio_offset": float(log_ratio_offset)}
    generator = {"kind": {"type": "events"}, "scalings": features}
    names = scales.called(network.inputs)
    return sealed(generator, classifier, named(network, "classifier."), names, (0, network.inputs), 0, dtype, record)


def sealed(generator: dict[str, Any], classifier: dict[str, Any] | None, tensors: dict[str, Array], names: list[str], dims: tuple[int, int],
           conditions: int, dtype: str, record: dict[str, Any]) -> bytes:
    for name, values in tensors.items():
        tensors[name] = np.ascontiguousarray(values, dtype)
        if not np.all(np.isfinite(tensors[name])):
            raise ValueError(f"{name} leaves the finite numbers of {dtype}; try dtype='float64'")
    bare = save(tensors)
    model: dict[str, Any] = {"dtype": dtype, "generator": generator, "classifier": classifier, "refinement": None, "record": record}
    if names:
        model["names"] = names
    description = {
        "format_version": FORMAT_VERSION,
        "library": "laser_export.py",
        "sha256": "0" * 64,
        "latent_dim": dims[0],
        "event_dim": dims[1],
        "condition_dim": conditions,
        "model": model,
    }
    # The checksum is that of the description, with zeros in its place, and of all bytes after the header, which metadata do not change.
    data = bare[8 + int.from_bytes(bare[:8], "little") :]
    description["sha256"] = hashlib.sha256(json.dumps(description).encode() + data).hexdigest()
    return save(tensors, metadata={"laser": json.dumps(description)})


def agreed(what: str, stated: int | None, found: int | None) -> int | None:
    """The number that the caller states or the model tells."""
    if stated is not None and found is not None and stated != found:
        raise ValueError(f"{what}={stated}, but the flow has {found}")
    return found if stated is None else stated


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
