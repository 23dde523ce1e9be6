"""What the caller says of the model's numbers."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from ._description import Array
from ._limits import MAX_CELLS

# No edge of a cell may lie farther out in u.
FARTHEST = 37


def numbers(values: Any, n: int, what: str, default: float, positive: bool = False) -> Array:
    """`n` finite numbers from one or `n` of them."""
    values = np.asarray(default if values is None else values.detach().cpu() if hasattr(values, "detach") else values, float)
    if values.shape not in ((), (n,)):
        raise ValueError(f"{what} has shape {values.shape}; one number or {n} are needed")
    if not np.all(np.isfinite(values)) or (positive and np.any(values <= 0)):
        raise ValueError(f"{what} must be finite{' and positive' if positive else ''}: {values}")
    return np.broadcast_to(values, (n,))


def standardise(mean: Array, std: Array) -> list[dict[str, Any]]:
    return [{"type": "standardise", "mean": float(m), "std": float(s)} for m, s in zip(mean, std)]


def logit(low: float, high: float) -> dict[str, Any]:
    if not low < high:
        raise Misplaced("the lower bound must lie below the upper one")
    return {"type": "logit", "low": low, "high": high}


def periodic(low: float, high: float) -> dict[str, Any]:
    return {"type": "periodic", "low": logit(low, high)["low"], "period": high - low, "cut": low}


def asinh(centre: float, width: float) -> dict[str, Any]:
    if not width > 0:
        raise Misplaced("the width must be positive")
    return {"type": "asinh", "centre": centre, "width": width}


def cells(first: float, last: float, classes: bool) -> dict[str, Any]:
    """Whole numbers from first to last: `edges` are as yet those of y."""
    if not first < last:
        raise Misplaced("there must be two values or more")
    if last - first >= MAX_CELLS:
        raise Misplaced(f"{MAX_CELLS} values are the most")
    return {"type": "cells", "first": first, "edges": np.arange(first + 1, last + 1), "classes": classes}


#: The words for a scaling, x standing for numbers, and what they are in the model file.
WORDS: dict[str, Callable[..., dict[str, Any]]] = {
    "standardise": lambda: {"type": "standardise"},
    "asinh": lambda: asinh(0.0, 1.0),
    "asinh(x:x)": asinh,
    "log(x)": lambda low: {"type": "log", "low": low},
    "logit(x:x)": logit,
    "periodic(x:x)": periodic,
    "integer": lambda: {"type": "integer"},
    "integer(x:)": lambda low: {"type": "integer", "low": low},
    "integer(x:x)": lambda low, high: cells(low, high, False),
    "category(x)": lambda classes: cells(0.0, classes - 1, True),
}
CHOICES = (
    "`standardise`, `asinh`, `asinh(CENTRE:WIDTH)`, `log(LOW)`, `logit(LOW:HIGH)`, `periodic(LOW:HIGH)`, `integer`, `integer(LOW:)`, "
    "`integer(LOW:HIGH)`, `category(CLASSES)`"
)
#: Of these, features have values with a probability: x is no smooth function of y.
STEPPED = ("integer", "cells")


#: What the library takes for the name of a feature.
NAME = re.compile(r'[^,={}"\x00-\x1f\x7f-\x9f]{1,100}')


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class Misplaced(Exception):
    """Numbers of a word that do not go together."""


def scaling_of(word: Any) -> dict[str, Any]:
    """The word as the model file has it, but for mean and std."""
    match = re.fullmatch(r"\s*(\w+)\s*(\(.*\))?\s*", word) if isinstance(word, str) else None
    kind, arguments = match.groups("") if match else ("", "")
    try:
        bounds = [number(text) for text in re.findall(r"[^():]+", arguments) if text.strip()]
        whole = kind not in ("integer", "category") or all(bound.is_integer() and abs(bound) <= 1e15 for bound in bounds)
        make = WORDS[kind + re.sub(r"[^():]+", "x", re.sub(r"\s", "", arguments))] if whole else None
    except (KeyError, ValueError):
        make = None
    if make is None:
        raise ValueError(
            f"scaling: {word!r} is none of {CHOICES}, where LOW and HIGH are finite numbers, as -1 or pi, those of `integer` whole"
        )
    try:
        return make(*bounds)
    except Misplaced as what:
        raise ValueError(f"scaling: {word!r}: {what}") from None


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


def standardised(word: dict[str, Any], mean: float, std: float) -> dict[str, Any]:
    """The scaling with y = std · u + mean."""
    if word["type"] != "cells":
        return word | {"mean": mean, "std": std}
    edges = (word["edges"] - mean) / std
    if np.abs(edges).max() >= FARTHEST:
        raise ValueError(f"scaling: whole numbers from {word['first']:g} on lie {FARTHEST} standard deviations std from mean, or farther")
    return word | {"edges": edges.tolist()}


@dataclasses.dataclass
class Scales:
    """What the caller says of the model's numbers: see `export`."""

    mean: Any
    std: Any
    condition_mean: Any
    condition_std: Any
    scaling: str | Sequence[str] | None
    names: str | Sequence[str] | None = None

    def called(self, columns: int) -> list[str]:
        """What the features, and the conditions behind them, are called; empty if that is not said."""
        if self.names is None:
            return []
        names = [name.strip() for name in (self.names.split(",") if isinstance(self.names, str) else self.names)]
        if len(names) != columns:
            raise ValueError(f"names are {len(names)}, {', '.join(names)}; {columns} are needed, of the features and of the conditions behind them")
        for i, name in enumerate(names):
            if not NAME.fullmatch(name) or is_number(name) or name in names[:i]:
                raise ValueError(f"names: {name!r}; they are all different, no numbers, of 1 to 100 letters, and without , = {{ }} \"")
        return names

    def words(self) -> list[dict[str, Any]]:
        words = "standardise" if self.scaling is None else self.scaling
        return [scaling_of(word) for word in (words.split(",") if isinstance(words, str) else words)]

    def features(self, m: int, final: str | None = None, factor: Any = 1.0, offset: Any = 0.0) -> list[dict[str, Any]]:
        """x = inverse of scaling(std · y + mean), for each of m features, where y is the network's output u, or factor · final(u) + offset."""
        mean, std = numbers(self.mean, m, "mean", 0), numbers(self.std, m, "std", 1, True)
        words = self.words()
        if len(words) not in (1, m):
            raise ValueError(f"scaling lists {len(words)} words; one for all or one for each of the {m} features is needed")
        if final is None:
            words = words if len(words) == m else words * m
            return [standardised(word, float(a), float(b)) for word, a, b in zip(words, mean, std)]
        self.none_beside(final)
        mean, std = std * offset + mean, std * factor
        if final == "exp":
            return [{"type": "log", "low": float(a), "mean": math.log(b), "std": 1.0} for a, b in zip(mean, std)]
        if final == "sinh":
            return [{"type": "asinh", "centre": float(a), "width": float(b), "mean": 0.0, "std": 1.0} for a, b in zip(mean, std)]
        # A tanh or sigmoid at the end is liblaser's scaling between bounds, high and low being reached by no u.
        below, steepness = {"sigmoid": (0.0, 1.0), "tanh": (1.0, 2.0)}[final]
        ends = [(float(a - below * b), float(a + b)) for a, b in zip(mean, std)]
        return [{"type": "logit", "low": low, "high": high, "mean": 0.0, "std": steepness} for low, high in ends]

    def none_beside(self, final: str) -> None:
        if any(word["type"] != "standardise" for word in self.words()):
            bounds = {"sigmoid": "from mean to mean + std", "tanh": "from mean − std to mean + std", "exp": "above mean", "sinh": "to none"}[final]
            raise ValueError(
                f"scaling={self.scaling!r} for a generator that ends with {final}, which bounds its features already, {bounds}: "
                "leave scaling= out and say the bounds by mean and std"
            )

    def conditions(self, c: int) -> list[dict[str, Any]]:
        return standardise(numbers(self.condition_mean, c, "condition_mean", 0), numbers(self.condition_std, c, "condition_std", 1, True))
