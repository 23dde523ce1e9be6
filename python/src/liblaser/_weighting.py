"""Weights of events that are there: unfolding, and weights of both signs made positive."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import _c
from ._boundary import FloatArray, address, made, numbers
from ._options import Cancel, Checkpoint, Hooks, Log, OptionsLike, PathLike, ProgressLike, Ranks, opened, to_python, without_effect
from ._training import Reweighter, in_order, look_for_weights, same_rows, source_of, trained_with


class Weighted(NamedTuple):
    """Weights of the events that a call was given, and what carries them to others."""

    w: FloatArray  #: (n,)
    reweighter: Reweighter


def unfold(generated: Any, reconstructed: Any, data: Any, *, is_generated: Any = None, is_reconstructed: Any = None, options: OptionsLike = None,
           progress: ProgressLike = None, log: Log | None = to_python, cancel: Cancel | None = None,
           checkpoint: Checkpoint | PathLike | None = None, ranks: Ranks | None = None, **settings: Any) -> Weighted:
    """Unfolds measured events (OmniFold, arXiv:1911.09107): weights w (n,) of simulated events with which the detector level of the simulation is
    distributed as the data, in shape and number.

    Row i of ``generated``, (n, G), and ``reconstructed``, (n, R), is one simulated event at particle and detector level; ``is_generated`` and
    ``is_reconstructed``, booleans (n,) or integers 0 and 1, say which of them it has, None that all have both. The values of a level that an
    event has not must be finite. ``data``, (m, R), are measured, with columns in the order of ``reconstructed``, or by the same names in any;
    backgrounds among them have negative weights. All are arrays or sources of arrays; weights of ``generated`` are those of the simulation, v, which
    others of ``reconstructed`` replace at the detector level, where a weight of 0 is that of an event not reconstructed: histograms of v * w are unfolded distributions. The reweighter gives
    w / ``reweighter["unfolding.factor"]`` to other events of the particle level. Option group: "unfold"; "features" are those of the particle level. Keywords: see :func:`train`.
    """
    particles, detected = source_of("generated", generated), source_of("reconstructed", reconstructed)
    measured = in_order("data", data, "reconstructed", detected.names)
    n, w = len(particles), np.empty(len(particles))
    if detected.count is not None and len(detected) != n:
        raise ValueError(f"reconstructed must have the {n} events of generated, but has {len(detected)}: row i of both is one simulated event, and "
                         "is_generated and is_reconstructed say which of them it has")
    for called, paired in (("reconstructed", detected), ("is_generated", is_generated), ("is_reconstructed", is_reconstructed)):
        same_rows(called, paired, "generated", particles)
    if detected.weighted and not particles.weighted and log is not None:
        log(_c.LASER_LOG_WARNING, "`reconstructed` has weights, which count at the detector level alone, and `generated` has none: those of the simulation "
                                  "are given to `generated`, Source(x, v)")
    if not any(source._x is None and source.names for source in (detected, measured)):  # the names of files the library looks at itself
        look_for_weights(log, (detected.names or ()) + (measured.names or ()), "trained")
    flags = np.zeros(n, np.int32)
    for bit, name, marks in ((_c.LASER_PAIR_GENERATED, "is_generated", is_generated),
                             (_c.LASER_PAIR_RECONSTRUCTED, "is_reconstructed", is_reconstructed)):
        flags |= bit if marks is None else np.where(booleans(name, marks, n), bit, 0).astype(np.int32)
    given = trained_with(particles, options, settings)
    with Hooks(progress, log, cancel, checkpoint, ranks) as hooks:
        without_effect(settings, log, "`unfold` never reads it", ("resample", "sampler"))
        return Weighted(w, Reweighter._of(made(_c.laser_reweighter, _c.laser_unfold, particles._open, detected._open, measured._open,
                                               address(flags), n, opened(given), hooks._open, address(w))))


def booleans(name: str, given: Any, n: int) -> FloatArray:
    """A mark for each of n events: booleans, or integers 0 and 1."""
    array = numbers(name, given, np.float64)
    if array.shape != (n,):
        raise ValueError(f"{name} must have the shape ({n},), but has {array.shape}")
    if array.dtype.kind == "f":
        raise TypeError(f"{name} must be an array of booleans, not of {array.dtype}: pass a condition, such as `pt > 0`")
    if array.dtype.kind != "b" and not ((array == 0) | (array == 1)).all():
        raise ValueError(f"{name} must be booleans, or integers 0 and 1, but has {array[(array != 0) & (array != 1)][0]}: of flags with several "
                         "bits pass a condition, such as `flags & 2 != 0`")
    marks: FloatArray = array != 0
    return marks


def resample(events: Any, options: OptionsLike = None, *, progress: ProgressLike = None, log: Log | None = to_python,
             cancel: Cancel | None = None, checkpoint: Checkpoint | PathLike | None = None, ranks: Ranks | None = None,
             **settings: Any) -> Weighted:
    """Positive weights (n,) for events that have weights of both signs: W(x), the local mean of the weights (arXiv:2007.11586). Their sum stays.

    ``events`` is a :class:`Source` of an array, with weights, or a pair of events and weights. With the option "resample.method" = "variance" some
    events get 0, so that the errors of histograms stay right as well. The reweighter gives W(x) / ``reweighter["resample.factor"]`` to other events.
    Keywords: see :func:`train`.
    """
    pair = isinstance(events, tuple) and len(events) == 2
    source = source_of("events", *events) if pair else source_of("events", events)
    if source.count is None:
        raise TypeError(f"events must be a Source of an array, not {source!r}: of a file read them, Source(liblaser.read(path), weights=\"w\"); the "
                        "reweighter that a part gives serves the others")
    given = trained_with(source, options, settings)
    if not source.weighted:
        raise ValueError("events must have weights, of both signs: Source(x, weights=w)")
    n, w = len(source), np.empty(len(source))
    with Hooks(progress, log, cancel, checkpoint, ranks) as hooks:
        without_effect(settings, log, "`resample` never reads it", ("sampler",))
        return Weighted(w, Reweighter._of(made(_c.laser_reweighter, _c.laser_resample, source._open, opened(given), hooks._open, n,
                                               address(w))))
