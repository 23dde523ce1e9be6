"""Streams of events."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ctypes import byref, c_double, c_uint64
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _c
from ._boundary import (Callback, FloatArray, Handle, address, call, count, long_call, made, noise_callback, of_type, on_main, rows_out, stride_of,
                        utf8, value, vector_out)
from ._options import Cancel, Hooks, Log, OptionsLike, ProgressLike, only, opened, to_python

if TYPE_CHECKING:
    from ._training import Model


DOUBLE = np.dtype(np.float64)


class Events(NamedTuple):
    """Events and their weights."""

    x: FloatArray  #: (n, M), or (M,) of one event
    w: FloatArray  #: (n,), or a number


class LatentEvents(NamedTuple):
    """Events with the latent points that they were made from."""

    x: FloatArray  #: (n, M)
    z: FloatArray  #: (n, N), x = g(z)
    w: FloatArray  #: (n,)


class Sampler(Handle[_c.laser_sampler]):
    """A reproducible stream of events from a :class:`Model`.

    ``seed`` and ``stream`` are any numbers from 0 to 2**64 - 1: event i of a stream of a seed is the same whatever the sizes of the calls and the
    number of threads, and other streams are independent of it: give each thread or job a stream of its own. ``method`` is "model", the
    default, which is the model's own, or one of "baseline", "reweight", "rejection", "resampling", "mixture", "surrogate", "distilled", "gan", "flow", "matching",
    "langevin", "mala" and "hmc", if the model has what it needs; ``threads`` work within a call, and change no bit. Of settings
    the keywords are "backend" and "device"; all others belong to the model. ``progress``, ``log`` and ``cancel`` are as for :func:`train`: what
    contradicts the model's own report on its weights is a :class:`LaserWarning`.

        >>> sampler = model.sampler(seed=42)
        >>> x, w = sampler.generate(1000)
        >>> x.shape, w.shape, sampler.tell()
        ((1000, 2), (1000,), 1000)
        >>> bool((sampler.seek(0).generate(1000).x == x).all())
        True

    ``sampler["acceptance"]`` is a diagnostic. Iterating gives events one by one, without end, :meth:`batches` many at a time. Calls let other
    Python threads run.

    Threads: one call at a time, else :class:`BusyError`; :meth:`tell` and diagnostics any number at once. Processes: after a fork every child has
    the same sampler, and makes the same events, which is warned of.
    """

    def __init__(self, model: Model, seed: int, stream: int = 0, *, method: str | None = None, threads: int | None = None,
                 progress: ProgressLike = None, log: Log | None = to_python, cancel: Cancel | None = None, options: OptionsLike = None,
                 **settings: Any):
        from ._training import Model

        of_type("model", model, Model)
        if method is not None:
            settings["sampler.method"] = method
        if threads is not None:
            settings["sampler.threads"] = threads
        self.seed, self.stream = count("seed", seed), count("stream", stream)
        self.event_dim, self.latent_dim, self.condition_dim = model.event_dim, model.latent_dim, model.condition_dim
        self.model = model
        self._noise: Callback = None
        self._watch = progress, log, cancel
        self._hooks: Hooks | None = None
        self._on_main: bool | None = None
        self._process = os.getpid()
        self._held = made(_c.laser_sampler, _c.laser_sampler_new, model._open, self.seed, self.stream,
                          opened(only(("sampler.method", "sampler.threads", "backend", "device"), options, settings, "model")))

    def _ready(self) -> Any:
        """The handle, watched. On the main thread the hooks are looked at for Ctrl-C after every block of events; on others that would only have
        the thread wait for the interpreter."""
        held, main = self._open, on_main()
        if self._process != os.getpid():
            self._process = os.getpid()  # told once
            if log := self._watch[1]:
                log(_c.LASER_LOG_WARNING, "this sampler was made before a fork: every child makes the same events; give each a stream of its own, "
                                          "model.sampler(seed, stream)")
        if main is not self._on_main:
            hooks = Hooks(*self._watch)
            call(_c.laser_sampler_set_hooks, held, hooks._open)
            self._hooks, self._on_main = hooks, main
        return held

    def generate(self, n: int, *, out: FloatArray | None = None, w: FloatArray | None = None, logp: FloatArray | None = None,
                 dtype: npt.DTypeLike = None) -> Events:
        """The next ``n`` events of the stream: x of shape (n, M), and their weights w, (n,): w(z) for the method "reweight", else 1, but for the
        few events of "rejection" and "mixture" that lie above w_max.

        ``out`` and ``w`` are arrays to fill instead of new ones, and ``logp``, if given, is one to receive the logarithm of the events' density
        [1 / (product of the units of x)]. They must be writable and of one type, float64 or float32, with dense rows (any distance between
        those of ``out``): they are filled in place, and others refused. ``dtype`` chooses the type of new ones, float64 by default.

        After an exception the stream stands where it stood, and arrays may be filled in part. :class:`NumericalError` if the method gives up;
        :class:`UnsupportedError` if ``logp`` is wanted and there is none; :class:`InvalidArgumentError` for a model with conditions: see
        :meth:`generate_given`.
        """
        n, kind = count("n", n), type_of(dtype, out, w, logp)
        x = rows_out("out", out, n, self.event_dim, kind)
        w = vector_out("w", w, n, kind)
        logp = None if logp is None else vector_out("logp", logp, n, kind)
        function = _c.laser_sampler_generate if kind == DOUBLE else _c.laser_sampler_generate_f32
        long_call(function, self._ready(), n, stride_of(x), address(x), address(w), address(logp))
        return Events(x, w)

    def generate_latent(self, n: int, *, out: FloatArray | None = None, z: FloatArray | None = None, w: FloatArray | None = None) -> LatentEvents:
        """The next ``n`` events with the latent points z, (n, N), that they were made from. The same events as of :meth:`generate`, in float64."""
        n = count("n", n)
        x, z, w = rows_out("out", out, n, self.event_dim), rows_out("z", z, n, self.latent_dim), vector_out("w", w, n)
        long_call(_c.laser_sampler_generate_latent, self._ready(), n, stride_of(x), address(x), stride_of(z), address(z), address(w))
        return LatentEvents(x, z, w)

    def generate_given(self, conditions: Any, *, out: FloatArray | None = None, w: FloatArray | None = None, logp: FloatArray | None = None,
                       dtype: npt.DTypeLike = None) -> Events:
        """The next events of a model with conditions, one for each row of ``conditions``, (n, C) or columns by name, which are converted to the
        type of the events. Otherwise as :meth:`generate`. Nothing is made ahead: ask for many at once where speed counts."""
        from ._training import rows_of

        kind = type_of(dtype, out, w, logp)
        c = rows_of("conditions", conditions, self.condition_dim or None, "the model", self.model.names[self.event_dim:], kind)
        n = len(c)
        x = rows_out("out", out, n, self.event_dim, kind)
        w = vector_out("w", w, n, kind)
        logp = None if logp is None else vector_out("logp", logp, n, kind)
        function = _c.laser_sampler_generate_given if kind == DOUBLE else _c.laser_sampler_generate_given_f32
        long_call(function, self._ready(), n, stride_of(c), address(c), stride_of(x), address(x), address(w), address(logp))
        return Events(x, w)

    def next(self, out: FloatArray | None = None) -> Events:
        """The next event, (M,), and its weight, out of a batch kept inside: for event loops."""
        x, w = vector_out("out", out, self.event_dim), c_double()
        long_call(_c.laser_sampler_next, self._ready(), address(x), byref(w))
        return Events(x, np.float64(w.value))  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Events]:
        while True:
            yield self.next()

    def batches(self, size: int, total: int | None = None) -> Iterator[Events]:
        """The next ``total`` events, or all without end, ``size`` at a time; the last batch may be smaller."""
        size, left = count("size", size, 1), None if total is None else count("total", total)
        while left is None or left > 0:
            yield self.generate(size if left is None else min(size, left))
            left = None if left is None else left - min(size, left)

    def seek(self, event: int) -> Sampler:
        """Goes to an event, forward or backward; the first is 0. Costs at most a block of events, but with chains, which must run up to there.
        Returns the sampler."""
        long_call(_c.laser_sampler_seek, self._ready(), count("event", event))
        return self

    def tell(self) -> int:
        """The number of the event that comes next, from 0."""
        return int(value(c_uint64, _c.laser_sampler_tell, self._open))

    def set_noise(self, function: Callable[[int], Any] | None) -> None:
        """Lets the sampler draw from your own random numbers: ``function(n)`` returns n uniform numbers of [0, 1], of at least 32 random bits, as
        ``numpy.random.default_rng(1).random`` does. The events are then a function of these alone, whatever seed and stream, and :meth:`seek` is
        unsupported. None goes back to the sampler's own."""
        callback = None if function is None else noise_callback(function, self._watch[1])
        call(_c.laser_sampler_set_noise_callback, self._open, callback or _c.laser_noise_fn(), None)
        self._noise = callback

    def __getitem__(self, key: str) -> float:
        return float(value(c_double, _c.laser_sampler_get_f64, self._open, utf8("key", key)))

    def _describe(self) -> str:
        return f"seed {self.seed}, stream {self.stream}, at event {self.tell()}"


def type_of(dtype: npt.DTypeLike, *arrays: FloatArray | None) -> npt.DTypeLike:
    """The type of events: that of the arrays to fill, or the one asked for."""
    if dtype is None and all(array is None for array in arrays):
        return DOUBLE
    given = {array.dtype for array in arrays if isinstance(array, np.ndarray)} | ({np.dtype(dtype)} if dtype is not None else set())
    if len(given) > 1 or not given <= {DOUBLE, np.dtype(np.float32)}:
        raise ValueError(f"events are of one type, float64 or float32, not {' and '.join(sorted(map(str, given)))}")
    return given.pop() if given else DOUBLE
