"""What every call to the library has in common: errors, handles, arrays, callbacks, Ctrl-C."""

from __future__ import annotations

import _signal
import atexit
import ctypes
import os
import re
import threading
import weakref
from typing import Any, Callable, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from . import _c

if _c.laser_abi_version() != _c.LASER_ABI_VERSION:
    raise ImportError(f"the loaded liblaser has the C ABI number {_c.laser_abi_version()}, but this package is for {_c.LASER_ABI_VERSION}")

FloatArray = npt.NDArray[Any]
T = TypeVar("T")
N = TypeVar("N")  # of a named tuple
S = TypeVar("S", bound=ctypes.Structure)

# --- errors ---


class LaserError(Exception):
    """A call of the library failed. The message names the argument, what was wrong with it and what would be right.

    There is a subclass for every status; those that have a twin among Python's own exceptions are one of them, too.
    """

    #: The number of the status, one of ``LASER_ERR_…`` of laser.h.
    status: int = -1


class InvalidArgumentError(LaserError, ValueError):
    """An argument outside its domain."""

    status = _c.LASER_ERR_INVALID_ARGUMENT


class NullError(LaserError):
    """An argument that must be given was not."""

    status = _c.LASER_ERR_NULL


class UnknownOptionError(LaserError, ValueError):
    """An option that does not exist; the message names near misses."""

    status = _c.LASER_ERR_UNKNOWN_OPTION


class IoError(LaserError, OSError):
    """A file that could not be read or written."""

    status = _c.LASER_ERR_IO


class FormatError(LaserError, ValueError):
    """Not a valid model file, or not a checkpoint."""

    status = _c.LASER_ERR_FORMAT


class CallbackError(LaserError):
    """Another rank ended the call. (What a callback raises here comes out itself.)"""

    status = _c.LASER_ERR_CALLBACK


class CancelledError(LaserError):
    """The :class:`Cancel` token was tripped."""

    status = _c.LASER_ERR_CANCELLED


class BusyError(LaserError):
    """An object is in use by another call: of another thread, or the one that called the callback that called this."""

    status = _c.LASER_ERR_BUSY


class UnsupportedError(LaserError):
    """This build, model or method cannot do what was asked."""

    status = _c.LASER_ERR_UNSUPPORTED


class DataError(LaserError, ValueError):
    """Events that cannot be used: NaN, infinite, too few, without weight."""

    status = _c.LASER_ERR_DATA


class NumericalError(LaserError, ArithmeticError):
    """A computation left the finite numbers."""

    status = _c.LASER_ERR_NUMERICAL


class DeviceError(LaserError):
    """The compute device cannot be used; the message says why."""

    status = _c.LASER_ERR_DEVICE


class TorchError(LaserError):
    """libtorch reported an error."""

    status = _c.LASER_ERR_TORCH


class InternalError(LaserError):
    """A defect of liblaser, noticed by itself: please report it."""

    status = _c.LASER_ERR_INTERNAL


class PanicError(LaserError):
    """A defect of liblaser, stopped at its boundary: please report it, and do not use the objects of that call on."""

    status = _c.LASER_ERR_PANIC


class OutOfMemoryError(LaserError, MemoryError):
    """Memory that cannot be had. Nothing has changed: the call may be made again when there is more."""

    status = _c.LASER_ERR_MEMORY


ERRORS: dict[int, type[LaserError]] = {
    error.status: error
    for error in (InvalidArgumentError, NullError, UnknownOptionError, IoError, FormatError, CallbackError, CancelledError, BusyError,
                  UnsupportedError, DataError, NumericalError, DeviceError, TorchError, InternalError, PanicError, OutOfMemoryError)
}


class LaserWarning(UserWarning):
    """The result of a call may not be what you want; the message says what to do."""


# What the messages tell to call, as it is called here.
IN_PYTHON = {
    "laser_generator_load": "Generator.load",
    "laser_generator_with_support": "generator.with_support(function)",
    "laser_model_attach": "model = model.attach(function)",
    "laser_model_attach_support": "model = model.attach_support(function)",
    "laser_model_load": "Model.load",
    "laser_reweighter_load": "Reweighter.load",
    "laser_sampler_generate_given": "sampler.generate_given(conditions)",
    "laser_source_from_array": "Source(array)",
    "laser_source_set_position": "Source(function, tell=f, seek=g)",
}


def last_error() -> str:
    """The message of this thread's last failure, which names functions as they are called here."""
    needed = ctypes.c_size_t()
    _c.laser_last_error(None, 0, ctypes.byref(needed))
    buffer = ctypes.create_string_buffer(needed.value)
    _c.laser_last_error(buffer, needed.value, ctypes.byref(needed))
    message = buffer.value.decode(errors="replace")
    return re.sub(r"`(laser_\w+)`", lambda found: f"`{IN_PYTHON.get(found[1], found[1])}`", message)


def error_of(status: int) -> LaserError:
    if status in ERRORS:
        return ERRORS[status](last_error())
    return LaserError(f"{last_error()} ({_c.laser_status_name(status).decode()})")


# --- calls ---


class _Thread(threading.local):
    """What the callbacks of a thread's running call leave behind."""

    failure: BaseException | None = None  # what a callback raised
    interrupt: BaseException | None = None  # what a signal's handler, as that of Ctrl-C, raised: it ends the call in any case
    inside = False  # whether a function of the user's runs, which a signal may interrupt where it stands


thread = _Thread()


class Calls:
    """The long calls of threads other than the main one, which end before the interpreter does: what is then called back would find none, and
    Python's way to end such a daemon thread ends the process."""

    SECONDS = 10  # that the end of the interpreter waits for calls, which a function of the user's may hold

    def __init__(self) -> None:
        self.ending = False
        self.running = 0
        self.changed = threading.Condition()
        self.tokens: weakref.WeakSet[Any] = weakref.WeakSet()  # of the class Cancel, which stop these calls

    def begin(self) -> None:
        with self.changed:
            if self.ending:
                raise SystemExit  # which ends a thread without a word
            self.running += 1

    def end(self) -> None:
        with self.changed:
            self.running -= 1
            self.changed.notify_all()

    def stop(self) -> None:
        with self.changed:
            self.ending = True
            for token in list(self.tokens):
                if not token.closed:
                    token.trip()
            self.changed.wait_for(lambda: not self.running, self.SECONDS)


calls = Calls()
atexit.register(lambda: calls.stop())


def forked() -> None:
    global calls
    calls = Calls()  # the other threads are not there


os.register_at_fork(after_in_child=forked)


def on_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def call(function: Callable[..., int], *arguments: Any) -> None:
    """Calls a function that returns a status, and calls nothing back."""
    status = function(*arguments)
    if status != _c.LASER_OK:
        raise error_of(status)


def long_call(function: Callable[..., int], *arguments: Any) -> None:
    """Calls a function that may call back: what a callback raises comes out, and so does what Ctrl-C does meanwhile."""
    watched = None if on_main() else calls
    if watched is not None:
        watched.begin()
    inside, thread.inside, thread.failure, thread.interrupt = thread.inside, False, None, None
    restore = record_interrupts()
    try:
        status = function(*arguments)
    finally:
        restore()
        thread.inside = inside
        if watched is not None:
            watched.end()
    interrupt, failure, thread.interrupt, thread.failure = thread.interrupt, thread.failure, None, None
    try:
        if interrupt is not None:
            raise interrupt
        if status != _c.LASER_OK and watched is not None and watched.ending:
            raise SystemExit
        if status == _c.LASER_ERR_CALLBACK and failure is not None:
            raise failure
        if status != _c.LASER_OK:
            raise error_of(status)
    finally:
        del interrupt, failure  # they hold this frame


# Those that end a call by what a handler of Python's raises. The module signal as it is in C: Python's wraps enumerations around it, which take ten
# microseconds a call.
SIGNALS = tuple(int(number) for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGALRM, _signal.SIGUSR1, _signal.SIGUSR2))


def record_interrupts() -> Callable[[], None]:
    """Keeps what the handler of Ctrl-C raises for the end of the call, as ctypes would lose it where a callback begins; gives what undoes that.

    Python's handlers run on the main thread alone, between two of its instructions: during a call, in its callbacks.
    """
    if not on_main():
        return nothing
    before = {number: handler for number in SIGNALS if callable(handler := _signal.getsignal(number))}

    def recording(number: int, frame: Any) -> None:
        if thread.inside:
            before[number](number, frame)
            return
        try:
            before[number](number, frame)
        except BaseException as interrupt:
            thread.interrupt = interrupt

    def restore() -> None:
        for number, handler in before.items():
            if _signal.getsignal(number) is recording:
                _signal.signal(number, handler)

    for number in before:
        _signal.signal(number, recording)
    return restore


def nothing() -> None:
    pass


def guarded(body: Callable[..., None]) -> Callable[..., int]:
    """A callback as the library wants it: 0, or 1 after an exception, which `long_call` then raises."""

    def callback(*arguments: Any) -> int:
        if thread.interrupt is not None or calls.ending and not on_main():
            return 1  # asked again: the option "source.failures"
        try:
            thread.inside = True
            body(*arguments)
            thread.inside = False
        except Exception as failure:
            thread.inside = False
            thread.failure = failure
            return 1
        except BaseException as interrupt:
            thread.inside = False
            thread.interrupt = interrupt
            return 1
        return 0 if thread.interrupt is None else 1

    return callback


# --- what calls give back ---


def value(kind: Callable[[], Any], function: Callable[..., int], *arguments: Any) -> Any:
    """Calls a function whose last parameter receives a number of a type of ctypes."""
    out = kind()
    call(function, *arguments, ctypes.byref(out))
    return out.value


def doubles(kind: type[N], function: Callable[..., int], *arguments: Any) -> N:
    """Calls a function whose last parameters receive doubles: the fields of a named tuple."""
    fields: Any = kind
    out = [ctypes.c_double() for _ in fields._fields]
    long_call(function, *arguments, *map(ctypes.byref, out))
    return kind(*(number.value for number in out))


def text(function: Callable[..., int], *arguments: Any) -> str:
    """Calls a function whose last parameters are a buffer for text, its size, and the size that is needed."""
    needed = ctypes.c_size_t()
    call(function, *arguments, None, 0, ctypes.byref(needed))
    buffer = ctypes.create_string_buffer(needed.value)
    call(function, *arguments, buffer, needed.value, ctypes.byref(needed))
    return buffer.value.decode()


# --- handles ---


class Held(Generic[S]):
    """A handle of the library's, freed with its last user: an object of this package, or a call that runs."""

    def __init__(self, pointer: Any, free: Callable[[Any], None]):
        self._as_parameter_ = pointer  # what ctypes takes for this object
        self.free = free

    def __del__(self) -> None:
        self.free(self._as_parameter_)


FREE: dict[type[ctypes.Structure], Callable[[Any], None]] = {
    _c.laser_options: _c.laser_options_free,
    _c.laser_cancel: _c.laser_cancel_free,
    _c.laser_hooks: _c.laser_hooks_free,
    _c.laser_source: _c.laser_source_free,
    _c.laser_generator: _c.laser_generator_free,
    _c.laser_model: _c.laser_model_free,
    _c.laser_reweighter: _c.laser_reweighter_free,
    _c.laser_sampler: _c.laser_sampler_free,
    _c.laser_histogram: _c.laser_histogram_free,
}


def made(kind: type[S], function: Callable[..., int], *arguments: Any) -> Held[S]:
    """Calls a function whose last parameter receives a handle, which is freed if Ctrl-C comes too late to end the call."""
    held: Held[S] = Held(ctypes.POINTER(kind)(), FREE[kind])
    long_call(function, *arguments, ctypes.byref(held._as_parameter_))
    return held


class Handle(Generic[S]):
    """What the library calls a handle. ``close`` frees it, as do the end of a ``with`` block and the last reference to it; what was made
    from it stays."""

    _held: Held[S] | None = None

    @property
    def _open(self) -> Held[S]:
        held = self._held
        if held is None:
            raise ValueError(f"this {type(self).__name__} was closed")
        return held

    def close(self) -> None:
        """Frees it now. It cannot be used any more; what was made from it can. A call that runs keeps what it uses."""
        self._held = None

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._held is None

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _describe(self) -> str:
        return ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{' (closed)' if self.closed else ' ' + self._describe()}>"


# --- arguments ---


def count(name: str, number: Any, least: int = 0) -> int:
    """A size or number that C takes as size_t or uint64_t: ctypes would wrap others."""
    try:
        number = number.__index__()
    except AttributeError:
        raise TypeError(f"{name} must be an integer, not {type(number).__name__}") from None
    if not least <= number < 2**64:
        raise ValueError(f"{name} must be from {least} to 2**64 - 1, not {number}")
    return int(number)


def of_type(name: str, given: Any, *kinds: type) -> None:
    """An error that says which objects will do, before ctypes has one of its own."""
    if not isinstance(given, kinds):
        raise TypeError(f"{name} must be a {' or '.join(kind.__name__ for kind in kinds)}, not a {type(given).__name__}")


def names_given(names: Any) -> tuple[str, ...] | None:
    """Names of columns; a single string would be taken for one name a letter."""
    if isinstance(names, str):
        raise TypeError(f"names must be a list of names, [\"{names}\"], not a string")
    return None if names is None else tuple(names)


def utf8(name: str, string: Any) -> bytes:
    if not isinstance(string, str):
        raise TypeError(f"{name} must be a string, not {type(string).__name__}")
    if "\0" in string:
        raise ValueError(f"{name} must not contain a NUL")
    return string.encode("utf-8", "surrogateescape")


def address(array: FloatArray | None) -> int | None:
    return None if array is None else array.ctypes.data


def fits(array: FloatArray, dtype: npt.DTypeLike) -> bool:
    """Whether the library can use the rows of an array as they lie in memory."""
    size = array.itemsize
    row = array.shape[1] * size
    return (array.dtype == dtype and array.flags.aligned and (array.shape[1] == 1 or array.strides[1] == size)
            and (array.shape[0] <= 1 or array.strides[0] >= row and array.strides[0] % size == 0))


def stride_of(array: FloatArray) -> int:
    """Numbers from one row to the next, for C."""
    return array.strides[0] // array.itemsize if array.shape[0] > 1 else array.shape[1]


def masked(given: Any) -> bool:
    """Whether an array, or one in a list, has masked values, which NumPy would unmask."""
    if isinstance(given, (list, tuple)):
        return any(masked(part) for part in given if isinstance(part, (list, tuple, np.ma.MaskedArray)))
    return bool(np.ma.is_masked(given))


def numbers(name: str, given: Any, dtype: npt.DTypeLike) -> FloatArray:
    """An array of real numbers, as it is if its type is the right one, else converted."""
    if masked(given):
        raise ValueError(f"{name} must not be masked: leave out the events that are")
    array = np.asarray(given)
    if array.dtype != dtype and not np.can_cast(array.dtype, dtype, "same_kind"):
        wanted = "integers or booleans" if np.dtype(dtype).kind == "i" else "real numbers"
        raise TypeError(f"{name} must be an array of {wanted}, not of {array.dtype}")
    return array


def rows_in(name: str, given: Any, columns: int | None = None, dtype: npt.DTypeLike = np.float64) -> FloatArray:
    """Events to read, in rows: as they are if the library can read them there, else a copy. A vector is a column."""
    array = numbers(name, given, dtype)
    if array.ndim == 1 and columns in (None, 1):
        array = array[:, np.newaxis]
    if array.ndim != 2 or columns is not None and array.shape[1] != columns:
        wanted = "(events, columns)" if columns is None else f"(events, {columns})"
        turned = "; is it transposed (x.T)?" if array.ndim == 2 and array.shape[0] == columns else ""
        raise ValueError(f"{name} must have the shape {wanted}, but has {array.shape}{turned}")
    return array if fits(array, dtype) else np.array(array, dtype=dtype, order="C")


def vector_in(name: str, given: Any, n: int, dtype: npt.DTypeLike = np.float64) -> FloatArray | None:
    """A value for each of `n` events, to read; a copy unless it is dense and of the right type. None stays None."""
    if given is None:
        return None
    array = numbers(name, given, dtype)
    if array.shape != (n,):
        raise ValueError(f"{name} must have the shape ({n},), but has {array.shape}")
    return np.ascontiguousarray(array, dtype=dtype) if array.flags.aligned else np.array(array, dtype=dtype)


def mapped(path: str) -> FloatArray:
    """The array of a file of NumPy, where it lies."""
    # NumPy trusts no header of more than ten thousand letters, some five hundred names, unless it is told how many there may be.
    length: dict[str, Any] = {"max_header_size": os.path.getsize(path)} if np.lib.NumpyVersion(np.__version__) >= "1.23.4" else {}
    array: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False, **length)
    return array


def rows_out(name: str, given: Any, n: int, columns: int, dtype: npt.DTypeLike = np.float64) -> FloatArray:
    """An array for events to write, made if none is given; refused if the library cannot write there."""
    if given is None:
        return np.empty((n, columns), dtype)
    if not (isinstance(given, np.ndarray) and given.shape == (n, columns) and fits(given, dtype) and given.flags.writeable):
        raise ValueError(f"{name} must be a writable array of {np.dtype(dtype).name} with the shape ({n}, {columns}) and dense rows, not "
                         f"{described(given)}")
    return given


def vector_out(name: str, given: Any, n: int, dtype: npt.DTypeLike = np.float64) -> FloatArray:
    """The same of a value for each event."""
    if given is None:
        return np.empty(n, dtype)
    if not (isinstance(given, np.ndarray) and given.shape == (n,) and given.dtype == dtype and given.flags.c_contiguous
            and given.flags.aligned and given.flags.writeable):
        raise ValueError(f"{name} must be a writable, dense array of {np.dtype(dtype).name} with the shape ({n},), not {described(given)}")
    return given


def described(given: Any) -> str:
    if not isinstance(given, np.ndarray):
        return f"a {type(given).__name__}"
    return f"one of {given.dtype.name} with the shape {given.shape}, strides {given.strides}, writable: {given.flags.writeable}"


# --- callbacks ---

# A function of the user's, as C calls it; whoever lends it to the library must keep it.
Callback = Any


def read(pointer: int, shape: tuple[int, ...]) -> FloatArray:
    """A copy of doubles of the library's: the array may be kept, as a view might not."""
    array = np.empty(shape)
    ctypes.memmove(array.ctypes.data, pointer, array.nbytes)
    return array


def put(name: str, found: Any, pointer: int, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> None:
    """Hands what a function returned to the library."""
    array = numbers(f"what {name} returns", found, dtype)
    if array.ndim == 1 and len(shape) == 2 and shape[1] == 1:
        array = array[:, np.newaxis]
    if array.shape != shape:
        raise ValueError(f"{name} must return an array with the shape {shape}, not {array.shape}")
    array = np.ascontiguousarray(array, dtype=dtype)
    ctypes.memmove(pointer, array.ctypes.data, array.nbytes)


def events_callback(function: Callable[[int], Any], weighted: bool) -> Callback:
    def deliver(n: int, dim: int, x: int, w: int, got: int, _: int) -> None:
        found = function(n)
        if weighted:
            if not isinstance(found, tuple) or len(found) != 2:
                raise TypeError("the function of a Source with weights must return two arrays, events and weights")
            found, weights = found
        events = rows_in("what the function of a Source returns", found, dim)
        if len(events) > n:
            raise ValueError(f"the function of a Source must return at most the {n} events that it is asked for, not {len(events)}")
        put("the function of a Source", events, x, (len(events), dim))
        if weighted:
            put("the function of a Source", weights, w, (len(events),))
        ctypes.c_size_t.from_address(got).value = len(events)

    return _c.laser_events_fn(guarded(deliver))


def tell_callback(function: Callable[[], int]) -> Callback:
    def tell(position: int, _: int) -> None:
        ctypes.c_uint64.from_address(position).value = count("what tell returns", function())

    return _c.laser_tell_fn(guarded(tell))


def seek_callback(function: Callable[[int], object]) -> Callback:
    def seek(position: int, _: int) -> None:
        function(position)

    return _c.laser_seek_fn(guarded(seek))


def generate_callback(function: Callable[..., Any]) -> Callback:
    def generate(n: int, z: int, zdim: int, c: int, cdim: int, x: int, xdim: int, _: int) -> None:
        conditions = (read(c, (n, cdim)),) if cdim else ()
        put("the function of a Generator", function(read(z, (n, zdim)), *conditions), x, (n, xdim))

    return _c.laser_generate_fn(guarded(generate))


def support_callback(function: Callable[[FloatArray], Any]) -> Callback:
    def support(n: int, dim: int, x: int, inside: int, _: int) -> None:
        put("the function of a support", function(read(x, (n, dim))), inside, (n,), np.int32)

    return _c.laser_support_fn(guarded(support))


def noise_callback(function: Callable[[int], Any], log: Callable[[int, str], object] | None) -> Callback:
    before: list[float] = []
    again = 0

    def noise(n: int, u: int, _: int) -> None:
        nonlocal before, again
        found = numbers("what the function of random numbers returns", function(n), np.float64)
        if found.dtype != np.float64:
            raise TypeError(f"the function of random numbers must return float64, of 32 random bits at least, not {found.dtype}")
        put("the function of random numbers", found, u, (n,))
        first = found[:2].tolist()
        again, before = again + 1 if first == before else 0, first
        if again == 2 and log is not None:  # once may be a generator that was set back
            log(_c.LASER_LOG_WARNING, "the function of random numbers returns the same in every call, and so the events are the same: make its generator "
                                      "once, and not in each call")

    return _c.laser_noise_fn(guarded(noise))


def allreduce_callback(function: Callable[[FloatArray], object]) -> Callback:
    def allreduce(n: int, values: int, _: int) -> None:
        array = read(values, (n,))
        found = function(array)
        put("the sum over ranks", array if found is None else found, values, (n,))

    return _c.laser_allreduce_fn(guarded(allreduce))


def log_callback(function: Callable[[int, str], object]) -> Callback:
    def log(level: int, message: bytes, _: int) -> None:
        function(level, message.decode(errors="replace"))

    return _c.laser_log_fn(guarded(log))


def progress_callback(function: Callable[[Any], object] | None) -> Callback:
    """Without a function it is an occasion for Ctrl-C alone."""

    def progress(p: Any, _: int) -> None:
        if function is not None:
            function(p)

    return _c.laser_progress_fn(guarded(progress))
