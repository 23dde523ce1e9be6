"""Settings, and how long calls are watched and stopped."""

from __future__ import annotations

import ctypes
import json
import logging
import numbers as kinds
import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Callable, NamedTuple, Union

from . import _boundary, _c
from ._boundary import (FREE, Callback, FloatArray, Handle, Held, InvalidArgumentError, LaserWarning, allreduce_callback, call, count,
                        log_callback, made, of_type, on_main, progress_callback, text, utf8, value)

# --- options ---


class Options(Handle[_c.laser_options]):
    """Settings of training, refining and sampling, by key; docs/options.md of the library lists them.

    Every function of this package that takes ``options`` takes a dictionary as well, and settings as keywords::

        train(events, preset="fast", flow={"epochs": 10}, classifier__lr=1e-3)
        train(events, {"preset": "fast", "flow": {"epochs": 10}, "classifier.lr": 1e-3})

    Groups are dictionaries; in keys a dot, or in keywords two underscores, leads into a group. ``preset`` is "default" or "paper", the
    paper's settings, or "fast", the same networks trained for minutes. An option that does not exist is an :class:`UnknownOptionError`
    that names its neighbours, a value out of range an :class:`InvalidArgumentError`.

    An object of this class also reads settings::

        >>> options = Options(preset="fast", flow={"epochs": 10})
        >>> options["flow.epochs"], options["refiner.method"]
        (10, 'auto')
        >>> options["flow.epochs"] = 20
        >>> options
        <Options preset='fast', flow.epochs=20>

    Threads: reading by any number at once; a change alone.
    """

    def __init__(self, options: Mapping[str, Any] | None = None, **settings: Any):
        given = joined({} if options is None else options, settings)
        try:
            written = json.dumps(given, default=plain, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise type(error)(f"options must be numbers, strings and dictionaries of them: {error}") from None
        if given:
            self._held = made(_c.laser_options, _c.laser_options_from_json, written.encode())
        else:
            self._held = made(_c.laser_options, _c.laser_options_new, None)

    def __getitem__(self, key: str) -> int | float | str:
        # The library tells the kind of an option only by refusing the others.
        name = utf8("key", key)
        for kind, function in ((ctypes.c_int64, _c.laser_options_get_i64), (ctypes.c_double, _c.laser_options_get_f64)):
            found = kind()
            status = function(self._open, name, ctypes.byref(found))
            if status == _c.LASER_OK:
                return found.value
            if status != InvalidArgumentError.status:
                break
        return text(_c.laser_options_get_str, self._open, name)

    def __setitem__(self, key: str, setting: float | str) -> None:
        name = utf8("key", key)
        if isinstance(setting, kinds.Integral):
            if not -(2**63) <= int(setting) < 2**63:
                raise ValueError(f"{key} must be from -2**63 to 2**63 - 1, not {setting}")
            call(_c.laser_options_set_i64, self._open, name, int(setting))
        elif isinstance(setting, kinds.Real):
            call(_c.laser_options_set_f64, self._open, name, float(setting))
        else:
            call(_c.laser_options_set_str, self._open, name, utf8(key, setting))

    def to_dict(self) -> dict[str, Any]:
        """All options with their values, defaults included, in groups."""
        found: dict[str, Any] = json.loads(text(_c.laser_options_to_json, self._open))
        return found

    def copy(self) -> Options:
        """The same settings, which may be changed by themselves."""
        return Options(self.to_dict())

    def __reduce__(self) -> Any:
        return Options, (self.to_dict(),)

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, Options) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def _describe(self) -> str:
        settings = dotted(self.to_dict())
        usual = dotted(Options(preset=settings["preset"]).to_dict())
        return ", ".join(f"{key}={setting!r}" for key, setting in settings.items() if key == "preset" or setting != usual[key])


OptionsLike = Union[Options, Mapping[str, Any], None]


def plain(number: Any) -> Any:
    """NumPy's numbers as Python's, for JSON."""
    return number.item() if hasattr(number, "item") else str(number)


COLUMNS = "features.scaling"  # whose dictionary is one of columns, and no group


def joined(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others that go before them, key by key, however these are written, and of scalings column by column."""
    both, then = dotted(first), dotted(then)
    if isinstance(both.get(COLUMNS), Mapping) and isinstance(then.get(COLUMNS), Mapping):
        then[COLUMNS] = {**both[COLUMNS], **then[COLUMNS]}
    return {**both, **then}


def dotted(groups: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """{"flow": {"epochs": 10}} and {"flow__epochs": 10} as {"flow.epochs": 10}."""
    found: dict[str, Any] = {}
    for key, setting in groups.items():
        key = before + key.replace("__", ".")
        is_group = isinstance(setting, Mapping) and setting and key != COLUMNS
        for name, value in (dotted(setting, f"{key}.") if is_group else {key: setting}).items():
            if name in found:
                raise ValueError(f"option `{name}` is given twice")
            found[name] = value
    return found


def options_of(options: OptionsLike, settings: Mapping[str, Any]) -> Options | None:
    """The settings of a call; None if there are none."""
    if isinstance(options, Options):
        if not settings:
            return options
        changed, given = options.copy(), Options(**settings)
        for key in dotted(settings):
            changed[key] = given[key]
        return changed
    if options is not None and not isinstance(options, Mapping):
        sample = "; a sample is one argument: columns by name, {'x': x, 'y': y}, or Source(x, weights=w)" if hasattr(options, "__array__") else ""
        raise TypeError(f"options must be Options or a dictionary, not {type(options).__name__}{sample}")
    return Options(options, **settings) if options or settings else None


COMPUTES = "threads", "backend", "device"  # all that is read by what computes with a model
OF_REFINERS = "refiner", "rejection", "resampling", "gan", "refiner_flow", "matching", "surrogate", "hmc", "weights.events"  # what refine(model) reads


def among(key: str, groups: Iterable[str]) -> bool:
    """Whether a key is one of these, or in a group of them."""
    return any(key == group or key.startswith(f"{group}.") for group in groups)


def only(keys: Iterable[str], options: OptionsLike, settings: Mapping[str, Any], made_by: str = "") -> Options | None:
    """The settings of a call that reads these keys and no others, of which its keywords must be; ``options`` may be those of a whole training.
    Others belong to what `made_by` makes."""
    given = options_of(options, settings)
    for key in dotted(settings):
        if key not in keys:
            typed = f"{key.replace('.', '__')}=…"
            if made_by == "model" and among(key, OF_REFINERS):
                raise TypeError(f"`{key}` belongs to the model: `refine(model, {typed})` makes one with it")
            taken = f"of the options it takes `{'`, `'.join(keys)}`" if keys else "it takes no options"
            raise TypeError(f"`{key}` has no effect on this call: {taken}{made_by and ', and what the ' + made_by + ' was trained with stays'}")
    return given


OF_FILES = "source.weight", "source.memory"  # what Source(path) alone reads


def without_effect(settings: Mapping[str, Any], log: Log | None, why: str, groups: Iterable[str]) -> None:
    """Warns of keywords of these groups, which a long call never reads. The library, which cannot tell them from the settings of a whole job,
    speaks only of those that no other call of the job reads."""
    keys = dotted(settings)
    files = [key for key in keys if key in OF_FILES]
    others = [key for key in keys if key not in files and among(key, groups)]
    for unused, reason in ((others, why), (files, "files are opened by `Source(path, …)`, which takes it")):
        if unused and log is not None:
            log(_c.LASER_LOG_WARNING, f"without effect: `{'`, `'.join(unused)}`: {reason}")


def opened(options: Options | None) -> Held[_c.laser_options] | None:
    return None if options is None else options._open


# --- watching and stopping long calls ---


class Cancel(Handle[_c.laser_cancel]):
    """A token to stop long calls with: after :meth:`trip`, from any thread, they raise :class:`CancelledError` within one step, and so does
    every later call with it until :meth:`reset`. Ctrl-C needs none.

    Threads: any number at once.
    """

    def __init__(self) -> None:
        self._held = made(_c.laser_cancel, _c.laser_cancel_new)

    def trip(self) -> None:
        """Stops the calls that were given the token."""
        _c.laser_cancel_trip(self._open)

    def reset(self) -> None:
        """Makes a tripped token usable again."""
        call(_c.laser_cancel_reset, self._open)

    @property
    def tripped(self) -> bool:
        """Whether it is tripped."""
        return bool(_c.laser_cancel_is_tripped(self._open))

    def _describe(self) -> str:
        return "tripped" if self.tripped else "not tripped"


class Checkpoint(NamedTuple):
    """A file in which trainings are kept every so many seconds and, unless ``steps`` is 0, every so many updates, besides; also at the end of
    every training, and when a call is stopped. The same call, made again, goes on from it to the same bits. One file serves one job: a
    generator's training, its refinement, and that of another refiner; another job is an error that names the difference."""

    path: Union[str, "os.PathLike[str]"]
    seconds: float = 60.0
    steps: int = 0


class Ranks(NamedTuple):
    """This process among ``ranks`` that make long calls together. ``allreduce(values)`` gets an array and replaces its values by their sums
    over all ranks, or returns these, to the same bits on each. All make the same call and end with the same result.

    ``Ranks(lambda v: comm.Allreduce(MPI.IN_PLACE, v), comm.rank, comm.size)`` with mpi4py.
    """

    allreduce: Callable[[FloatArray], object]
    rank: int
    ranks: int


class Progress(NamedTuple):
    """Where a long call stands."""

    stage: str  #: a word such as "flow" or "classifier"
    epoch: int  #: from 1
    epochs: int  #: planned
    step: int  #: within the stage, from 1
    steps: int  #: planned
    loss: float  #: mean over the epoch so far [nats per event]; NaN if there is none
    validation_loss: float  #: of the held-out events, after the last finished epoch [nats per event]; NaN until known
    seconds_left: float  #: that the stage will still take; NaN until there is an estimate


def progress_of(p: Any) -> Progress:
    return Progress(_c.laser_progress_stage(p).decode(), _c.laser_progress_epoch(p), _c.laser_progress_epochs(p), _c.laser_progress_step(p),
                    _c.laser_progress_steps(p), _c.laser_progress_loss(p), _c.laser_progress_validation_loss(p),
                    _c.laser_progress_seconds_left(p))


class Bars:
    """Progress by tqdm, a bar for each stage."""

    def __init__(self) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            raise ImportError("progress=True needs the package tqdm (pip install tqdm); a function of yours needs none") from None
        self.tqdm = tqdm
        self.bar: Any = None
        self.stage = ""

    def __call__(self, p: Progress) -> None:
        if self.bar is None or p.stage != self.stage or p.step < self.bar.n:  # the last: it begins again, as of an ensemble
            self.close()
            self.bar, self.stage = self.tqdm(total=p.steps, desc=p.stage), p.stage
        if p.loss == p.loss:
            self.bar.set_postfix(loss=f"{p.loss:.4f}", refresh=False)
        self.bar.update(p.step - self.bar.n)
        if p.step >= p.steps:
            self.close()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        self.bar = None


LOGGER = logging.getLogger(__package__)


def to_python(level: int, message: str) -> None:
    """What the library has to say: what it decided goes to the logger "liblaser", at level INFO; what may be wrong is a
    :class:`LaserWarning`, as if the line that called the package warned."""
    if level < _c.LASER_LOG_WARNING:
        LOGGER.info("%s", message)
        return
    depth, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == __package__:
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, LaserWarning, stacklevel=depth)


Log = Callable[[int, str], object]
PathLike = Union[str, "os.PathLike[str]"]
ProgressLike = Union[Callable[[Progress], object], bool, None]


class Hooks(Handle[_c.laser_hooks]):
    """The keywords of long calls, for the library; holds the functions that it calls."""

    def __init__(self, progress: ProgressLike = None, log: Log | None = to_python, cancel: Cancel | None = None,
                 checkpoint: Checkpoint | PathLike | None = None, ranks: Ranks | None = None):
        for name, function in (("progress", progress), ("log", log)):
            if not (function is None or isinstance(function, bool) and name == "progress" or callable(function)):
                raise TypeError(f"{name} must be a function, not a {type(function).__name__}")
        self._held = made(_c.laser_hooks, _c.laser_hooks_new)
        self.callbacks: list[Callback] = []
        self.bars = Bars() if progress is True else None
        report = self.bars or progress or None
        # On the main thread each update is an occasion for Ctrl-C. Others need the interpreter only if there is something to be called.
        if report is not None or on_main():
            told = (lambda p: report(progress_of(p))) if callable(report) else None
            call(_c.laser_hooks_set_progress, self._open, self.keep(progress_callback(told)), None)
        if log is not None:
            call(_c.laser_hooks_set_log, self._open, self.keep(log_callback(log)), None)
        if cancel is not None:
            of_type("cancel", cancel, Cancel)
        elif not on_main():
            cancel = Cancel()
        if cancel is not None:
            call(_c.laser_hooks_set_cancel, self._open, cancel._open)
            self.cancel = cancel
        if cancel is not None and not on_main():
            _boundary.calls.tokens.add(cancel)
        if checkpoint is not None:
            if not isinstance(checkpoint, Checkpoint):
                checkpoint = Checkpoint(checkpoint)
            call(_c.laser_hooks_set_checkpoint, self._open, utf8("checkpoint", os.fspath(checkpoint.path)), checkpoint.seconds,
                 count("steps", checkpoint.steps))
        if ranks is not None:
            of_type("ranks", ranks, Ranks)
            call(_c.laser_hooks_set_allreduce, self._open, count("rank", ranks.rank), count("ranks", ranks.ranks),
                 self.keep(allreduce_callback(ranks.allreduce)), None)

    def keep(self, callback: Callback) -> Callback:
        self.callbacks.append(callback)
        return callback

    def __exit__(self, *_: object) -> None:
        if self.bars is not None:
            self.bars.close()


# --- the library ---


def device_check(device: str) -> None:
    """Raises, with the reason, unless the device can be used here: "cpu", "cuda" or "cuda:N"."""
    call(_c.laser_device_check, utf8("device", device))


def library_version() -> str:
    """The version of the loaded library, "0.1.0"."""
    version: bytes = _c.laser_version()
    return version.decode()
