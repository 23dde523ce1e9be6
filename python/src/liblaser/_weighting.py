"""Weights of events that are there: unfolding, and weights of both signs made positive."""

from __future__ import annotations

import ctypes
from typing import Any, Callable, NamedTuple

import numpy as np

from . import _c
from ._boundary import FREE, FloatArray, address, long_call, vector_in
from ._options import Cancel, Checkpoint, Hooks, Log, OptionsLike, PathLike, ProgressLike, Ranks, opened, to_python
from ._training import Reweighter, source_of, trained_with


class Weighted(NamedTuple):
    """Weights of the events that a call was given, and what carries them to others."""

    w: FloatArray  #: (n,)
    reweighter: Reweighter


def unfold(generated: Any, reconstructed: Any, data: Any, *, is_generated: Any = None, is_reconstructed: Any = None, options: OptionsLike = None,
           progress: ProgressLike = None, log: Log | None = to_python, cancel: Cancel | None = None,
           checkpoint: Checkpoint | PathLike | None = None, ranks: Ranks | None = None, **settings: Any) -> Weighted:
    """Unfolds measured events (OmniFold): weights of the generated events (n, M) with which, reconstructed (n, R), they are like the ``data``
    (m, R). Row i of ``generated`` and ``reconstructed`` is one simulated event; ``is_generated`` and ``is_reconstructed``, booleans (n,), say which it
    has, and None that it has both: what it has not is not looked at. Keywords: see :func:`train`."""
    made_of, seen, measured = source_of(generated), source_of(reconstructed), source_of(data)
    n = len(made_of)
    flags = np.zeros(n, np.int32)
    for bit, marks in ((1, is_generated), (2, is_reconstructed)):
        found = vector_in("is_generated" if bit == 1 else "is_reconstructed", marks, n, np.int32)
        flags |= bit if found is None else (found != 0) * bit
    with Hooks(progress, log, cancel, checkpoint, ranks) as hooks:
        return weighted(n, getattr(_c, "laser_unfold", absent), made_of._open, seen._open, measured._open, address(flags), n,
                        opened(trained_with(made_of, options, settings)), hooks._open)


def resample(events: Any, options: OptionsLike = None, *, progress: ProgressLike = None, log: Log | None = to_python,
             cancel: Cancel | None = None, checkpoint: Checkpoint | PathLike | None = None, ranks: Ranks | None = None,
             **settings: Any) -> Weighted:
    """Positive weights for events of weights of both signs, with the same local mean: W(x) = <w | x>. ``events`` is a :class:`Source` of an array,
    with its weights. Keywords: see :func:`train`."""
    source = source_of(events)
    n = len(source)
    with Hooks(progress, log, cancel, checkpoint, ranks) as hooks:
        return weighted(n, getattr(_c, "laser_resample", absent), source._open, opened(trained_with(source, options, settings)), hooks._open, n)


def absent(*_: Any) -> int:
    raise NotImplementedError("the loaded library is older than this function")


def weighted(n: int, function: Callable[..., int], *arguments: Any) -> Weighted:
    """Calls a function whose last parameters receive weights and a reweighter."""
    from ._boundary import Held

    w, pointer = np.empty(n), ctypes.POINTER(_c.laser_reweighter)()
    long_call(function, *arguments, address(w), ctypes.byref(pointer))
    return Weighted(w, Reweighter._of(Held(pointer, FREE[_c.laser_reweighter])))
