"""From events to a model."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from ctypes import c_double, c_size_t
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, TypeVar

import numpy as np
import numpy.typing as npt

from . import _c
from ._boundary import (Callback, DataError, FloatArray, Handle, Held, IoError, LaserError, address, call, count, events_callback,
                        generate_callback, long_call, made, mapped, names_given, numbers, of_type, rows_in, rows_out, seek_callback, stride_of,
                        support_callback, tell_callback, text, utf8, value, vector_in, vector_out)
from ._options import (COMPUTES, OF_FILES, Cancel, Checkpoint, Hooks, Log, Options, OptionsLike, PathLike, ProgressLike, Ranks, only, opened,
                       options_of, to_python, without_effect)

F = TypeVar("F", "Generator", "Model", "Reweighter")

# --- sources ---


class Source(Handle[_c.laser_source]):
    """Events of the target, or of any sample.

    ``Source(x, weights)``
        of an array of shape (events, values); a vector is one value an event. Or of a dictionary of columns, a structured array or a
        DataFrame of pandas or a table of Arrow, whose columns are then known by name; ``weights`` may be the name of one. Or of what a
        :class:`Sampler` made,
        with its weights. A float64 array with dense rows (any
        distance between them) is borrowed, not copied: leave it as it is while the source is used. All else is copied.
    ``Source("events.npy", weights="w")``
        of a file of NumPy, or the library's own kind; ``weights`` is a column's name or number. A file that takes more memory than the
        option "source.memory" is read in parts. Those of ROOT, Parquet and HDF5 :func:`read` reads.
    ``Source(function, dim=2)``
        of a simulator: ``function(n)`` returns at most ``n`` events as an array (n, dim), or, if ``weighted``, a pair of them and their
        weights; columns with names go by ``names``. With fewer than ``n`` the events end, and begin again:
        ``lambda n: rng.normal(size=(n, 2))``. ``tell()`` returns where the events stand, a number, and ``seek(number)`` brings them back
        there: then a training that goes on from a :class:`Checkpoint` asks for none twice.

    Weights may be negative if their sum is positive; None means 1 for every event. ``names`` of the values, conditions included, make the
    option "features.names" of what is trained. Where two samples meet, or a sample and a model, and both have names, columns are found by
    them, in any order. NaN and infinity are a :class:`DataError` that says where.

    Threads: one call at a time, else :class:`BusyError`.
    """

    _x: FloatArray | None = None
    _w: FloatArray | None = None
    _index: Any = None  # of pandas

    def __init__(self, events: Any, weights: Any = None, *, dim: int | None = None, names: Iterable[str] | None = None, weighted: bool = False,
                 tell: Callable[[], int] | None = None, seek: Callable[[int], object] | None = None, options: OptionsLike = None,
                 **settings: Any):
        if isinstance(events, Events) and weights is None:
            events, weights = events
        self.names = names_given(names)
        self.count: int | None = None
        self.weighted = weighted
        if isinstance(events, (str, os.PathLike)):
            self._from_file(events, weights, only(OF_FILES, options, settings))
        elif options is not None or settings:
            raise TypeError("a Source of a file takes options; those of all others go to the call that uses them")
        elif callable(events):
            if weights is not None or dim is None:
                raise TypeError("a Source of a function needs dim, the values of an event, and takes its weights from it: weighted=True")
            self._from_function(events, dim)
        else:
            self._from_array(events, weights)
        if dim is not None and self.dim != dim:
            raise ValueError(f"dim must be {self.dim}, as the events have it, not {dim}")
        if self.names is not None and len(self.names) != self.dim:
            turned = f": the events are the rows of an array; is it {TRANSPOSED}?" if self.count == len(self.names) else ""
            raise ValueError(f"names must be {self.dim}, one for each value of an event, not {len(self.names)}{turned}")
        if self.names is not None and len(set(self.names)) != len(self.names):
            raise ValueError(f"names must differ, but are {', '.join(self.names)}")
        if tell is not None or seek is not None:
            self._set_position(tell, seek)

    def _from_array(self, events: Any, weights: Any) -> None:
        if isinstance(events, tuple) and any(hasattr(part, "__array__") and np.size(part) > len(events) for part in events):
            raise TypeError("a tuple of arrays is no table: weights go beside the events, Source(x, weights=w), and vectors are columns by name, "
                            "{'x': x, 'y': y}")
        same_rows("weights", weights, "the events", events)
        self._index = index_of(events)
        columns = columns_of(events)
        if columns is not None:
            if isinstance(weights, str):
                if weights not in columns:
                    raise ValueError(f"weights must be one of the columns {', '.join(columns)}, not {weights}")
                weights = columns.pop(weights)
            events = stacked(columns)
            self._name(tuple(columns))
        elif isinstance(weights, str):
            raise TypeError("weights must be an array: these events have no columns with names")
        x = rows_in("events", events)
        w = vector_in("weights", weights, len(x))
        self._x, self._w, self.weighted = x, w, weights is not None
        self.count, self.dim = x.shape
        if 0 < self.count < self.dim and self.names is None:
            to_python(_c.LASER_LOG_WARNING, f"{self.count} events of {self.dim} values: the events are the rows of an array; is it {TRANSPOSED}?")
        self._held = made(_c.laser_source, _c.laser_source_from_array, address(x), address(w), self.count, self.dim, stride_of(x))

    def _from_file(self, path: PathLike, weights: str | int | None, options: Options | None) -> None:
        if weights is not None:
            if not isinstance(weights, (str, int)):
                raise TypeError("weights of a file must be the name or number of a column")
            options = options_of(options, {"source.weight": str(weights)})
        elif options is not None:
            weights = str(options["source.weight"]).strip() or None
        self.weighted = weights is not None
        self._path = os.fspath(path)
        if re.search(r"\.(root|parquet|h5|hdf5)(:|$)", self._path, re.IGNORECASE):
            raise ValueError(f"{self._path} is a file of columns, which are to be read first: Source(liblaser.read(\"{self._path}\", [\"pt\", \"w\"]), \"w\")")
        try:
            self._held = made(_c.laser_source, _c.laser_source_from_file, utf8("path", self._path), opened(options))
        except DataError as error:
            if "NUMPY" not in str(error):
                raise
            raise DataError(f"{error}. Read files of other kinds yourself, and give what you read: "
                            "Source(pandas.read_csv(path)), Source(numpy.loadtxt(path, delimiter=','))") from None
        self._name(names_in(self._path, weights))
        self.dim = value(c_size_t, _c.laser_source_event_dim, self._open)

    def _from_function(self, function: Callable[[int], Any], dim: int) -> None:
        names, weighted = self.names, self.weighted  # of the Source itself the callback knows nothing, or it would hold it

        def deliver(n: int) -> Any:
            found = function(n)
            if weighted and isinstance(found, tuple) and len(found) == 2:
                same_rows("weights", found[1], "the events", found[0])
                return by_names("a Source", found[0], names), found[1]
            return by_names("a Source", found, names)

        self._callback = events_callback(deliver, self.weighted)
        self.dim = count("dim", dim)
        self._held = made(_c.laser_source, _c.laser_source_from_callback, self.dim, int(self.weighted), self._callback, None)

    def _name(self, own: tuple[str, ...] | None) -> None:
        """Takes the names of the columns, unless others are given, which must not be these in another order."""
        if self.names and own and self.names != own and sorted(self.names) == sorted(own):
            raise ValueError(f"names are {', '.join(self.names)}, but the columns are {', '.join(own)}: they give columns other names, and no other "
                             "order; leave them out")
        self.names = self.names or own

    def _set_position(self, tell: Callable[[], int] | None, seek: Callable[[int], object] | None) -> None:
        if tell is None or seek is None:
            raise TypeError("tell and seek go together")
        self._positions = tell_callback(tell), seek_callback(seek)
        call(_c.laser_source_set_position, self._open, *self._positions, None)

    def _ordered(self, called: str, order: Sequence[int]) -> Source:
        """The same events with these columns, in a source of its own."""
        self._open
        if self._x is None or self.names is None:
            raise ValueError(f"{called} has the columns {', '.join(self.names or ())}, in another order than they are needed, and those of a "
                             "function or file stay as they are: deliver them in the order "
                             f"{', '.join(self.names[i] for i in order) if self.names else 'that is needed'}")
        return Source(self._x[:, order], self._w, names=[self.names[i] for i in order])

    def __len__(self) -> int:
        if self.count is None:
            raise TypeError("only a Source of an array knows the number of its events")
        return self.count

    def _describe(self) -> str:
        of = f"{self.count} events of" if self.count is not None else f"{self._path}," if hasattr(self, "_path") else "a function,"
        named = f" ({', '.join(self.names)})" if self.names else ""
        return f"of {of} {self.dim} values{named}{', weighted' if self.weighted else ''}"


def columns_of(events: Any) -> dict[str, Any] | None:
    """The columns of a dictionary, a structured array, a data frame or a table of Arrow, by name."""
    if isinstance(events, Mapping):
        return dict(events)
    if hasattr(events, "column_names") and hasattr(events, "column"):  # of Arrow
        return {name: np.asarray(events.column(i)) for i, name in enumerate(distinct(events.column_names))}
    if isinstance(events, np.ndarray) and events.dtype.names:
        return {name: events[name] for name in events.dtype.names}
    if hasattr(events, "columns") and hasattr(events, "to_numpy"):
        return {name: events[own].to_numpy() for name, own in zip(distinct(map(str, events.columns)), events.columns)}
    return None


def distinct(names: Iterable[str]) -> list[str]:
    """Names of columns, of which none may be another's: one of the two would be lost."""
    found = list(names)
    if len(set(found)) != len(found):
        raise ValueError(f"names of columns must differ, but are {', '.join(found)}")
    return found


def by_names(called: str, found: Any, names: Sequence[str] | None) -> Any:
    """What a function returned: columns with names in the order of `names`, all else as it is."""
    columns = columns_of(found)
    if columns is None:
        return found
    if not names and not unnamed(tuple(columns)):
        remedy = "names=[…] says in which order they are wanted" if called == "a Source" else "return an array of them"
        raise ValueError(f"the function of {called} returns the columns {', '.join(columns)}, for which it has no names: {remedy}")
    order = order_of(f"what the function of {called} returns", tuple(columns), "it", names)
    rows = stacked(columns)
    return rows if order is None else rows[:, order]


def index_of(given: Any) -> Any:
    """The index of what pandas made, or of the first of its columns that has one; None of all else."""
    if isinstance(given, Source):
        return given._index
    columns = given.values() if isinstance(given, Mapping) else [given]
    found = (getattr(column, "index", None) for column in columns)
    return next((index for index in found if hasattr(index, "equals")), None)


def same_rows(name: str, given: Any, other: str, others: Any) -> None:
    """An error where what is paired row by row has other rows by the indices of pandas, which nothing here looks at else."""
    index, wanted = index_of(given), index_of(others)
    if index is not None and wanted is not None and len(index) == len(wanted) and not index.equals(wanted):
        raise ValueError(f"{name} and {other} belong together row by row, but their indices differ: give both with reset_index(drop=True) if rows i "
                         "are one event")


TRANSPOSED = "transposed (x.T)"


def stacked(columns: Mapping[str, Any]) -> FloatArray:
    """The rows of columns with names, which must be of one length."""
    arrays = {name: numbers(f"the column {name}", column, np.float64) for name, column in columns.items()}
    if not arrays:
        raise ValueError("events must have columns, but there are none")
    first = next(iter(arrays))
    for name, array in arrays.items():
        same_rows(f"the column {name}", columns[name], first, columns[first])
        if array.ndim != 1:
            raise ValueError(f"the column {name} must be a vector, but has the shape {array.shape}")
        if len(array) != len(arrays[first]):
            raise ValueError(f"the column {name} has {len(array)} values, but {first} has {len(arrays[first])}: all must have as many")
    return np.stack(list(arrays.values()), axis=1)


def names_in(path: str, weights: str | int | None) -> tuple[str, ...] | None:
    """The names of the columns of a file of NumPy that has some, without that of the weights."""
    try:
        found = mapped(path).dtype.names or ()
    except (OSError, ValueError, EOFError):
        return None
    return tuple(name for i, name in enumerate(found) if weights not in (name, i, str(i))) or None


def names_of(events: Any) -> tuple[str, ...] | None:
    """The names of the columns of events, if they have some."""
    columns = events.names if isinstance(events, Source) else columns_of(events)
    return tuple(columns) if columns else None


def source_of(called: str, given: Any, weights: Any = None) -> Source:
    """A source of what a call was given, or that source itself; what is wrong with it is said of this argument."""
    if isinstance(given, Source) and weights is None:
        return given
    try:
        return Source(given, weights)
    except Exception as error:
        if isinstance(error, LaserError) or type(error) in (TypeError, ValueError):
            raise type(error)(f"{called}: {error}") from None
        raise


def order_of(called: str, given: Sequence[str] | None, of: str, names: Sequence[str] | None) -> list[int] | None:
    """Which column of those that `given` names is each of `names`; None if they are to stand as they are: in that order, or without names."""
    if not given or not names or tuple(given) == tuple(names):
        return None
    if sorted(given) != sorted(names):
        if unnamed(given) or unnamed(names):
            return None
        others = [f"without {name}" for name in given if name not in names] + [f"with {name}" for name in names if name not in given]
        raise ValueError(f"{called} has the columns {', '.join(given)}, but {of} has {', '.join(names)}: they must be the same, in any order: "
                         f"{', '.join(others)}")
    return [list(given).index(name) for name in names]


def unnamed(names: Sequence[str]) -> bool:
    """Whether these are what columns are called that nobody gave a name: x0 ... and, of conditions, c0 ...; in data frames 0 ..."""
    features = sum(name.startswith("x") for name in names)
    usual = [f"x{i}" for i in range(features)] + [f"c{i}" for i in range(len(names) - features)]
    return list(names) in (usual, [str(i) for i in range(len(names))])


WEIGHED = set("down ev event evt gen lhe lumi mc nom nominal pileup pu sf sum tot total up xs xsec".split())  # what weights are of, beside their w


def is_weight(name: str) -> bool:
    """Whether a column is called as weights are, as the library's trainings tell it."""
    small = name.startswith("w")
    name = re.sub("[-_ .]", "", name.lower())
    of = name.endswith("w") and name[:-1] in WEIGHED or small and name[1:] in WEIGHED
    return of or name == "w" or name.endswith("wt") or any(part in name for part in ("weight", "wgt", "wght"))


def look_for_weights(log: Log | None, names: Sequence[str], what: str = "compared") -> None:
    """Warns of features that are called as weights are."""
    for name in filter(is_weight, dict.fromkeys(names)):
        if log is not None:
            log(_c.LASER_LOG_WARNING, f"`{name}` is {what} as a feature, and is called as weights are: if it is one, Source(x, weights=\"{name}\")")


def in_order(called: str, given: Any, of: str, names: Sequence[str] | None) -> Source:
    """A source of what a call was given, its columns in the order of `names`, those of another argument or of a model, if both have names."""
    source = source_of(called, given)
    order = order_of(called, source.names, of, names)
    return source if order is None else source._ordered(called, order)


def rows_of(called: str, given: Any, columns: int | None, of: str, names: Sequence[str] | None,
            dtype: npt.DTypeLike = np.float64) -> FloatArray:
    """Events to read, in rows, as `rows_in`, of all that a `Source` takes but files and functions, and of a Source; columns as `in_order`."""
    found: Sequence[str] | None = None
    if isinstance(given, (str, os.PathLike)):
        path = os.fspath(given)
        raise TypeError(f"{called} must be an array, not the name of a file: read it, numpy.load(\"{path}\") or liblaser.read(\"{path}\")")
    if isinstance(given, Source):
        given._open
        if given._x is None:
            raise TypeError(f"{called} must be an array, or a Source of one, not {given!r}")
        given, found = given._x, given.names
    elif isinstance(given, Events):
        given = given.x
    elif (table := columns_of(given)) is not None:
        given, found = stacked(table), tuple(table)
    order = order_of(called, found, of, names)
    return rows_in(called, given if order is None else given[:, order], columns, dtype)


def trained_with(source: Source, options: OptionsLike, settings: Mapping[str, Any]) -> Options | None:
    """The options of a call with a source, whose names are those of the values unless there are others."""
    given = options_of(options, settings)
    called = [] if given is None else [name.strip() for name in str(given["features.names"]).split(",") if name.strip()]
    if source.names and not called:
        return options_of(given, {"features.names": ",".join(source.names)})
    if source.names and tuple(called) != source.names and sorted(called) == sorted(source.names):
        raise ValueError(f"the option features.names is {', '.join(called)}, but the columns are {', '.join(source.names)}: it gives them names, "
                         "and no other order")
    return given


# --- generators ---


class Saved(Handle[Any]):
    """What can be written to a model file and read from one, and be pickled by it."""

    _save: Callable[..., int]
    _load: Callable[..., int]
    _kind: type[Any]
    _read: tuple[str, ...] = ()  # the options that reading a file looks at

    def __init__(self, held: Held[Any], callbacks: tuple[Callback, Callback] = (None, None)):
        self._held = held
        self._callbacks = callbacks  # the functions of the generator and of its support, which the library borrows

    def save(self, path: PathLike) -> None:
        """Writes a model file. It appears whole or not at all, and replaces what had its name."""
        call(type(self)._save, self._open, utf8("path", os.fspath(path)))

    @classmethod
    def load(cls: type[F], path: PathLike, options: OptionsLike = None, **settings: Any) -> F:
        """Reads a model file. What was loaded gives the same bits as what was saved; functions are not in files, see ``attach``. (A generator
        may also be a TorchScript module, whose options are "generator.latent", "conditions" and "dtype".)"""
        try:
            return cls._of(made(cls._kind, cls._load, utf8("path", os.fspath(path)), opened(only(cls._read, options, settings))))
        except LaserError as error:
            if isinstance(error, IoError) or not re.search(r"\.(onnx|pt|pth|h5|keras)$", os.fspath(path), re.IGNORECASE):
                raise
            what = " --reweighter" if cls is Reweighter else ""
            raise type(error)(f"{error}. Models that were trained elsewhere become model files by `python -m liblaser.export {os.fspath(path)} "
                              f"model.laser{what}`") from None

    @classmethod
    def _of(cls: type[F], held: Held[Any], callbacks: tuple[Callback, Callback] = (None, None)) -> F:
        self = cls.__new__(cls)
        Saved.__init__(self, held, callbacks)
        return self

    def to_bytes(self) -> bytes:
        """The bytes of the model file; so it is pickled, too."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.laser")
            self.save(path)
            return path.read_bytes()

    @classmethod
    def from_bytes(cls: type[F], data: bytes) -> F:
        """What :meth:`to_bytes` gave."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.laser")
            path.write_bytes(data)
            return cls.load(path)

    def __reduce__(self) -> Any:
        return type(self).from_bytes, (self.to_bytes(),)


class Generator(Saved):
    """g, which turns latent points z into events x = g(z). :func:`train` makes one of events, :meth:`from_callable` one of a function of
    yours, :meth:`load` one of a file. Immutable. Threads: any number at once."""

    _kind, _save, _load = _c.laser_generator, staticmethod(_c.laser_generator_save), staticmethod(_c.laser_generator_load)
    _read = "generator.latent", "conditions", "dtype", *COMPUTES

    def __init__(self, *_: Any, **__: Any):
        raise TypeError("a Generator is made by train, Generator.from_callable or Generator.load")

    @classmethod
    def from_callable(cls, function: Callable[..., Any], latent_dim: int, event_dim: int, condition_dim: int = 0, *, stochastic: bool = False,
                      options: OptionsLike = None, **settings: Any) -> Generator:
        """A generator of your own, such as a detector simulation or a network of another framework.

        ``function(z)`` gets latent points (n, latent_dim) and returns events (n, event_dim); with conditions it is called as
        ``function(z, c)``, c of shape (n, condition_dim). A row of x must depend on the same row of z and c alone, besides randomness of its
        own if it is ``stochastic``. Events that are not finite count as failed and are replaced. Option: "dtype".

        Threads: while the function runs for one, a second that needs it gets :class:`BusyError`.
        """
        callback = generate_callback(lambda *given: by_names("a Generator", function(*given), None))
        return cls._of(made(_c.laser_generator, _c.laser_generator_from_callback, count("latent_dim", latent_dim),
                            count("condition_dim", condition_dim), count("event_dim", event_dim), int(stochastic), callback, None,
                            opened(only(("dtype",), options, settings))), (callback, None))

    def with_support(self, function: Callable[[FloatArray], Any]) -> Generator:
        """The same generator with a function that says where its events can be, where no formula of the option "support" does.

        ``function(x)`` gets finite events, conditions behind them, (n, event_dim + condition_dim), and returns n booleans. A mark must
        depend on its row alone. Outside, the weight is exactly 0. It replaces the support that the generator had.
        """
        callback = support_callback(function)
        return self._of(made(_c.laser_generator, _c.laser_generator_with_support, self._open, self.event_dim + self.condition_dim, callback,
                             None), (self._callbacks[0], callback))

    @property
    def event_dim(self) -> int:
        """M, the values of an event."""
        return int(value(c_size_t, _c.laser_generator_event_dim, self._open))

    @property
    def latent_dim(self) -> int:
        """N, the dimensions of the latent space."""
        return int(value(c_size_t, _c.laser_generator_latent_dim, self._open))

    @property
    def condition_dim(self) -> int:
        """C, the values of the condition of an event; 0 without conditions."""
        return int(value(c_size_t, _c.laser_generator_condition_dim, self._open))

    def _describe(self) -> str:
        given = f" given {self.condition_dim} conditions" if self.condition_dim else ""
        return f"of {self.event_dim} values from {self.latent_dim} latents{given}{', a function' if self._callbacks[0] else ''}"


# What trainings never read: of other calls, of the refinement, and of what a model keeps when it gets another refiner.
OF_OTHERS = "unfold", "resample", "sampler"
OF_REFINEMENT = ("classifier", "pullback", "weights", "refiner", "iteration", "rejection", "resampling", "gan", "refiner_flow", "matching", "surrogate", "hmc")
KEPT = "classifier", "pullback", "weights.tail", "weights.margin", "iteration", "support", "target", "conditions", "features.scaling", "dtype"


def train(target: Any, options: OptionsLike = None, *, progress: ProgressLike = None, log: Log | None = to_python,
          cancel: Cancel | None = None, checkpoint: Checkpoint | PathLike | None = None, ranks: Ranks | None = None,
          **settings: Any) -> Generator:
    """Trains a generator, by default a normalizing flow, on events: a :class:`Source`, or what makes one. The calling thread works until it is
    done, and other Python threads run meanwhile. The defaults are the paper's settings, which take ten times as long as ``preset="fast"``.

    The keywords of all long calls:

    ``options`` and settings
        see :class:`Options`
    ``progress``
        True: bars of tqdm; or a function that gets a :class:`Progress` after each update
    ``log``
        a function that gets level (1: what was decided, 2: a warning) and text of messages; by default these go to the logger "liblaser", and
        warnings are :class:`LaserWarning`; None: silence
    ``cancel``
        a :class:`Cancel` token
    ``checkpoint``
        a path or :class:`Checkpoint`: a file to go on from
    ``ranks``
        :class:`Ranks` that share the call

    An exception in a function of yours ends the call and comes out of it, the same object; Ctrl-C ends it within a step. All arguments stay
    usable. Raises :class:`DataError` for events that cannot be used, :class:`NumericalError` for a loss that is no longer finite.
    """
    source = source_of("target", target)
    given = trained_with(source, options, settings)
    with Hooks(progress, log, cancel, checkpoint, ranks) as hooks:
        without_effect(settings, log, "`train` makes the generator alone", (*OF_OTHERS, *OF_REFINEMENT))
        return Generator._of(made(_c.laser_generator, _c.laser_generator_train, source._open, opened(given), hooks._open))


# --- models ---


class Model(Saved):
    """A generator with its classifier and refiner: all that makes refined events. :func:`refine` makes one, :meth:`load` reads one;
    ``Model(generator)`` is the generator alone, the baseline.

    ``model["weights.effective_fraction"]`` is a number of the record of its training, of which :attr:`record` has all. Immutable. Threads: any
    number at once.
    """

    _kind, _save, _load = _c.laser_model, staticmethod(_c.laser_model_save), staticmethod(_c.laser_model_load)

    def __init__(self, generator: Generator):
        of_type("generator", generator, Generator)
        super().__init__(made(_c.laser_model, _c.laser_model_from_generator, generator._open), generator._callbacks)

    def attach(self, function: Callable[..., Any]) -> Model:
        """A new model, which is this one with the function of its generator, if that is one: files do not hold it. This one stays without:
        ``model = Model.load(path).attach(function)``. See :meth:`Generator.from_callable`."""
        names = self.names[:self.event_dim]
        callback = generate_callback(lambda *given: by_names("the model", function(*given), names))
        return self._of(made(_c.laser_model, _c.laser_model_attach, self._open, self.latent_dim, self.condition_dim, self.event_dim, callback,
                             None), (callback, self._callbacks[1]))

    def attach_support(self, function: Callable[[FloatArray], Any]) -> Model:
        """A new model, which is this one with the function of its support, if that is one: files do not hold it. See
        :meth:`Generator.with_support`."""
        callback = support_callback(function)
        return self._of(made(_c.laser_model, _c.laser_model_attach_support, self._open, self.event_dim + self.condition_dim, callback, None),
                        (self._callbacks[0], callback))

    @property
    def event_dim(self) -> int:
        """M, the values of an event."""
        return int(value(c_size_t, _c.laser_model_event_dim, self._open))

    @property
    def latent_dim(self) -> int:
        """N, the dimensions of the latent space."""
        return int(value(c_size_t, _c.laser_model_latent_dim, self._open))

    @property
    def condition_dim(self) -> int:
        """C, the values of the condition of an event; 0 without conditions."""
        return int(value(c_size_t, _c.laser_model_condition_dim, self._open))

    @property
    def method(self) -> str:
        """The method by which samplers make events unless told otherwise, such as "rejection"."""
        return text(_c.laser_model_method, self._open)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the values of an event are called, and its conditions behind them."""
        return tuple(text(_c.laser_model_feature_name, self._open, i) for i in range(self.event_dim + self.condition_dim))

    def info(self) -> dict[str, Any]:
        """All that describes the model: networks, scalings, refiner, and the record of its training."""
        found: dict[str, Any] = json.loads(text(_c.laser_model_info, self._open))
        return found

    @property
    def record(self) -> dict[str, Any]:
        """The record of the training: settings, losses, the report on the weights, the judgement."""
        return record_of(self.info())

    def __getitem__(self, key: str) -> float:
        return float(value(c_double, _c.laser_model_get_f64, self._open, utf8("key", key)))

    def sampler(self, seed: int, stream: int = 0, *, method: str | None = None, threads: int | None = None,
                options: OptionsLike = None, **settings: Any) -> Sampler:
        """A reproducible stream of events: see :class:`Sampler`."""
        return Sampler(self, seed, stream, method=method, threads=threads, options=options, **settings)

    def log_weight(self, x: Any, *, out: FloatArray | None = None, options: OptionsLike = None, **settings: Any) -> FloatArray:
        """log w(x), the logarithm of the density ratio target / generated, of events (n, M + C), conditions behind their features; minus
        infinity outside the support. Shape (n,). Options: "threads", "backend", "device". :class:`UnsupportedError` without a classifier."""
        x, log_w, given = self._of_events(x, out, options, settings)
        long_call(_c.laser_model_log_weight, self._open, given, len(x), address(x), stride_of(x), address(log_w))
        return log_w

    def log_prob(self, x: Any, *, out: FloatArray | None = None, options: OptionsLike = None, **settings: Any) -> FloatArray:
        """log p_g(x), the logarithm of the generator's density [1 / (product of the units of x)], as :meth:`log_weight`. Only flows have
        one, else it is an :class:`UnsupportedError`."""
        x, log_p, given = self._of_events(x, out, options, settings)
        long_call(_c.laser_model_log_prob, self._open, given, len(x), address(x), stride_of(x), address(log_p))
        return log_p

    def _rows(self, x: Any) -> FloatArray:
        return rows_of("x", x, self.event_dim + self.condition_dim, "the model", self.names)

    def _of_events(self, x: Any, out: FloatArray | None, options: OptionsLike, settings: Mapping[str, Any]) -> tuple[FloatArray, FloatArray, Any]:
        events = self._rows(x)
        return events, apart(vector_out("out", out, len(events)), events), opened(only(COMPUTES, options, settings, "model"))

    def latent(self, x: Any, *, out: FloatArray | None = None, options: OptionsLike = None, **settings: Any) -> FloatArray:
        """The latent points (n, N) with g(z) = x of events (n, M + C). Only flows are invertible, else :class:`UnsupportedError`."""
        events = self._rows(x)
        z = apart(rows_out("out", out, len(events), self.latent_dim), events)
        long_call(_c.laser_model_latent, self._open, opened(only(COMPUTES, options, settings, "model")), len(events), address(events), stride_of(events),
                  address(z), stride_of(z))
        return z

    def generate(self, z: Any, *, out: FloatArray | None = None, options: OptionsLike = None, **settings: Any) -> FloatArray:
        """x = g(z), (n, M): the generator applied to your own latent points (n, N + C), conditions behind them. They are not refined."""
        latents = rows_in("z", z, self.latent_dim + self.condition_dim)
        x = apart(rows_out("out", out, len(latents), self.event_dim), latents)
        long_call(_c.laser_model_generate, self._open, opened(only(COMPUTES, options, settings, "model")), len(latents), address(latents),
                  stride_of(latents), address(x), stride_of(x))
        return x

    def _describe(self) -> str:
        verdict = self.record.get("judgement", {}).get("verdict")
        given = f" given {self.condition_dim}" if self.condition_dim else ""
        return f"of {', '.join(self.names[:self.event_dim])}{given}: {self.method}{f'; {verdict}' if verdict else ''}"


def apart(out: FloatArray, given: FloatArray) -> FloatArray:
    """An output that is not where the input lies."""
    if np.may_share_memory(out, given):
        raise ValueError("out must not overlap the events that are read")
    return out


def record_of(info: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = info.get("record") or {}
    return found


def refine(generator: Generator | Model, target: Any = None, options: OptionsLike = None, *, progress: ProgressLike = None,
           log: Log | None = to_python, cancel: Cancel | None = None, checkpoint: Checkpoint | PathLike | None = None,
           ranks: Ranks | None = None, **settings: Any) -> Model:
    """Refines a generator (LaSeR): trains a classifier of the target against generated events, pulls its weights back to the latent space, and
    prepares or trains the refiner that the option "refiner.method" names. ``target`` may be the source that trained the generator. Keywords:
    see :func:`train`.

    Of a :class:`Model` it makes one with another refiner, and keeps its classifier: ``refine(model, refiner__method="mixture")``. Only a model
    with conditions needs the target for that; where one is given, the second opinion
    on the weights is of its events.
    """
    of_type("generator", generator, Generator, Model)
    source = None if target is None else source_of("target", target)
    given = options_of(options, settings)
    if source is not None:
        names = (generator if isinstance(generator, Model) else Model(generator)).names
        if sorted(source.names or ()) == sorted(names) or given is None or not given["features.names"]:
            source = in_order("target", source, "the generator", names)
        given = trained_with(source, given, {})
    if source is None and isinstance(generator, Generator):
        raise TypeError("a generator is refined to a target, which is missing")
    events = None if source is None else source._open
    with Hooks(progress, log, cancel, checkpoint, ranks) as hooks:
        if isinstance(generator, Model):
            without_effect(settings, log, "another refiner is all that the model gets; `refine(generator, target)` trains the rest",
                           (*OF_OTHERS, *KEPT))
            return Model._of(made(_c.laser_model, _c.laser_model_refine, generator._open, events, opened(given), hooks._open),
                             generator._callbacks)
        without_effect(settings, log, "`refine` never reads it", OF_OTHERS)
        return Model._of(made(_c.laser_model, _c.laser_refine, generator._open, events, opened(given), hooks._open),
                         generator._callbacks)


# --- reweighters ---

OFF = 0.1  # how far from 1 the mean weight of events of the source may be
ENOUGH = 100  # events that it is told by
BESIDE = 0.05  # of the range of a condition of the training: as little beyond it is no other


def mean_of(w: FloatArray, v: FloatArray) -> tuple[float, float]:
    """The mean of w with weights v, and its standard error; without a sum NaN."""
    total = float(v.sum())
    if not total > 0:
        return np.nan, np.nan
    mean = float(w @ v) / total
    return mean, float(np.sqrt((v * v) @ (w - mean) ** 2)) / total


class Reweighter(Saved):
    """Weights for events that are there: w(x) = p_to(x) / p_from(x), the ratio of the densities of two samples, so that those of the first
    become like those of the second. No generator is needed. :meth:`train` makes one, :meth:`load` reads one.

    The order of its columns, :attr:`names`, is that of the second sample, ``target``, of the training: columns with names are found by them, and
    arrays without names must have that order.

    ``reweighter["weights.calibration.chi_square"]`` is a number of the record of its training. Immutable. Threads: any number at once.
    """

    _kind, _save, _load = _c.laser_reweighter, staticmethod(_c.laser_reweighter_save), staticmethod(_c.laser_reweighter_load)

    def __init__(self, *_: Any, **__: Any):
        raise TypeError("a Reweighter is made by Reweighter.train or Reweighter.load")

    @classmethod
    def train(cls, source: Any, target: Any, options: OptionsLike = None, *, progress: ProgressLike = None, log: Log | None = to_python,
              cancel: Cancel | None = None, checkpoint: Checkpoint | PathLike | None = None, ranks: Ranks | None = None,
              **settings: Any) -> Reweighter:
        """Trains the classifier between events of ``source``, which are to be weighted, and those of ``target``, which they are to be like: each
        a :class:`Source`, or what makes one.

        With the option "conditions" = C the last C values of a row of the target are conditions; if the source has none, its events stand for all
        of them. Weights of either may be negative, and have any unit; the weighted source has about the total weight that it had. The weights
        are judged on held-out events, and what is wrong with them is warned of. Keywords: see :func:`train`.
        """
        begin, end = source_of("source", source), source_of("target", target)
        if begin.dim == end.dim:
            begin = in_order("source", begin, "target", end.names)
        else:
            begin = in_order("source", begin, "target, without conditions,", end.names and end.names[:begin.dim])
        if begin.dim != end.dim and not end.names:
            look_for_weights(log, begin.names or (), "trained")  # which the library never hears of
        given = trained_with(end if end.names or begin.dim != end.dim else begin, options, settings)
        with Hooks(progress, log, cancel, checkpoint, ranks) as hooks:
            without_effect(settings, log, "`Reweighter.train` never reads it", ("resample", "sampler"))
            return cls._of(made(_c.laser_reweighter, _c.laser_reweighter_train, begin._open, end._open, opened(given), hooks._open))

    def weights(self, x: Any, *, out: FloatArray | None = None, log_w: FloatArray | None = None, spread: FloatArray | None = None,
                options: OptionsLike = None, **settings: Any) -> FloatArray:
        """The weights (n,) of events (n, M + C), conditions behind their features; 0 outside the support.

        Of events like those of ``source`` the mean is 1, weighted with the weights that they have (those of a :class:`Source`): of 100 or more, a
        mean that is off by more than 0.1 and four standard errors is a :class:`LaserWarning`.

        An event counts with the product of w and the weight that it has. Times ``reweighter["unfolding.factor"]`` it is a number of events, of a
        reweighter of :func:`unfold`; of one of :func:`resample` w times ``reweighter["resample.factor"]`` stands in the place of its weight.

        ``log_w`` and ``spread`` are arrays (n,) to fill, if wanted, with log w and its standard deviation between the networks of the ensemble
        (option "classifier.ensemble"). Options: "threads", "backend", "device".
        """
        events = rows_of("x", x, self.event_dim + self.condition_dim, "the reweighter", self.names)
        n = len(events)
        w = apart(vector_out("out", out, n), events)
        log_w = None if log_w is None else vector_out("log_w", log_w, n)
        spread = None if spread is None else vector_out("spread", spread, n)
        self._weigh(events, w, log_w, spread, only(COMPUTES, options, settings, "reweighter"))
        self._look_at_conditions(events)
        if n >= ENOUGH:
            self._judge(w, x)
        return w

    def _weigh(self, events: FloatArray, w: FloatArray | None, log_w: FloatArray | None, spread: FloatArray | None = None,
               options: Options | None = None) -> None:
        long_call(_c.laser_reweighter_weights, self._open, opened(options), len(events), address(events), stride_of(events), address(w),
                  address(log_w), address(spread))

    def _look_at_conditions(self, events: FloatArray) -> None:
        """Warns of more conditions beyond those of the training, or where it had next to none, than chance puts there, as samplers do."""
        reach = self.record.get("conditions")
        if not self.condition_dim or not isinstance(reach, dict):
            return
        low, high = np.array(reach["low"]), np.array(reach["high"])
        given, margin = events[:, self.event_dim:], BESIDE * (high - low)
        beyond = (given < low - margin) | (given > high + margin)
        sparse = np.zeros_like(beyond)
        for k, ends in enumerate(reach.get("stretches", ())):
            near = [(given[:, k] >= first - margin[k]) & (given[:, k] <= last + margin[k]) for first, last in zip(ends[::2], ends[1::2])]
            sparse[:, k] = ~np.any(near, axis=0)

        def first(of: Any) -> tuple[int, int, str]:
            row = int(np.argmax(of.any(axis=1)))
            k = int(np.argmax(of[row]))
            return int(of.any(axis=1).sum()), k, f"as {self.names[self.event_dim + k]} = {given[row, k]:.6g}"

        expected = 2 * len(low) * len(events) / reach["events"]
        strange, k, example = first(beyond)
        if strange > expected:
            to_python(_c.LASER_LOG_WARNING, f"{strange} of {len(events)} conditions lie beyond those of the training, {example}, which had "
                                            f"{low[k]:.6g} to {high[k]:.6g}: of weights there nothing is known")
            return
        expected += reach.get("sparse", 0) * len(events) / reach["events"]
        strange, k, example = first(sparse & ~beyond.any(axis=1, keepdims=True))
        if strange > expected + 10 * expected ** 0.5:
            to_python(_c.LASER_LOG_WARNING, f"{strange} of {len(events)} conditions lie where the training had next to no events, {example}: it had them "
                                            f"in {', '.join(f'{a:.6g} to {b:.6g}' for a, b in zip(reach['stretches'][k][::2], reach['stretches'][k][1::2]))}")

    def _judge(self, w: FloatArray, x: Any) -> None:
        """Warns of a mean that events of ``source`` do not have, as `laser reweight apply` does; with the weights of the events, if they have some
        and are not, as for :func:`resample`, to be weighted without them."""
        own = x._w if isinstance(x, Source) else x.w if isinstance(x, Events) else None
        mean, error = mean_of(w, np.ones(len(w)))
        means = [(mean, error)] if own is None else [(mean, error), mean_of(w, np.asarray(own, np.float64))]
        if all(not abs(mean - 1) <= OFF + 4 * error for mean, error in means):
            taken = unnamed(names_of(x) or ()) and not unnamed(self.names)
            order = f". They have no names: their columns are taken in the order {', '.join(self.names)}" if taken else ""
            to_python(_c.LASER_LOG_WARNING, f"the mean weight of these events is {mean:.3g}, and of events like those of `source` it is 1: these are "
                                            f"others, or their conditions are{', or they have weights, Source(x, v)' if own is None else ''}{order}. "
                                            "Weights of other events mean nothing")

    @property
    def event_dim(self) -> int:
        """M, the values of an event, without conditions."""
        return int(value(c_size_t, _c.laser_reweighter_event_dim, self._open))

    @property
    def condition_dim(self) -> int:
        """C, the values of the condition of an event; 0 without conditions."""
        return int(value(c_size_t, _c.laser_reweighter_condition_dim, self._open))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the values of an event are called, and its conditions behind them."""
        return tuple(text(_c.laser_reweighter_feature_name, self._open, i) for i in range(self.event_dim + self.condition_dim))

    def info(self) -> dict[str, Any]:
        """All that describes the reweighter: networks, scalings, and the record of its training."""
        found: dict[str, Any] = json.loads(text(_c.laser_reweighter_info, self._open))
        return found

    @property
    def record(self) -> dict[str, Any]:
        """The record of the training: settings, losses, the report on the weights, the judgement."""
        return record_of(self.info())

    def __getitem__(self, key: str) -> float:
        return float(value(c_double, _c.laser_reweighter_get_f64, self._open, utf8("key", key)))

    def _describe(self) -> str:
        verdict = self.record.get("judgement", {}).get("verdict")
        return f"of {', '.join(self.names)}{f'; {verdict}' if verdict else ''}"


from ._sampling import Events, Sampler  # noqa: E402  a sampler needs models, and they their method `sampler`
