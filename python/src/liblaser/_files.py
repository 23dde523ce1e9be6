"""Files of columns with names: ROOT, Parquet, HDF5, and NumPy's own."""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Union

import numpy as np

from ._boundary import FloatArray, masked, names_given
from ._formats import KINDS, ROOT, Kind, Table, Types, shown
from ._options import PathLike
from ._sampling import Events
from ._training import Source, columns_of, names_of, same_rows

Columns = Union[str, Iterable[str], Mapping[str, str], None]
Fill = Union[float, Mapping[str, float], None]

SIZE = 100_000  # events of a part, unless another number is asked for


# --- reading ---


def read(path: PathLike | Sequence[PathLike], columns: Columns = None, *, fill: Fill = None) -> dict[str, FloatArray]:
    """The columns of a file by name, each a vector (n,) of the type that it has there: what every function that takes samples takes.

    ``path``
        a file ``.root`` (tree or RNTuple), ``.parquet``, ``.h5``, ``.hdf5`` (a compound dataset, a group of vectors, or a table with an attribute
        "columns" or "names") or ``.npy`` (with named fields). What is wanted of a file with several trees or tables stands behind a colon:
        ``"events.root:folder/tree"``. A list, or ``*``, ``?`` and ``[]`` as of a shell, are several files, those of a pattern in the order of their
        names: their events follow each other. ROOT takes uproot, Parquet pyarrow, HDF5 h5py: ``pip install liblaser[root,parquet,hdf5]``.
    ``columns``
        names, in the order that is wanted; nothing else is read. None: all. ``"jet_pt[0]"`` is the first of several values of an event. A dictionary
        gives other names: ``{"pt": "jet_pt[0]", "m": "muon.m"}``.
    ``fill``
        a number, or a dictionary with one for every column that needs it, in the place of values that are not there: null in Parquet, or index 1 of a
        vector with one value. It must lie below all that are there, so that it can be told from them: the scaling "zeros(-999)" of the option
        "features.scaling" is for that. Without, such columns are a ValueError that counts the events. A NaN is a value, and stays.

    A column that is not one number an event, one that is not there, files without events or that differ are a ValueError that names them.
    """
    found = list(iterate(path, columns, fill=fill, size=None))
    if len(found) == 1:
        return found[0]
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def iterate(path: PathLike | Sequence[PathLike], columns: Columns = None, *, fill: Fill = None,
            size: int | None = SIZE) -> Iterator[dict[str, FloatArray]]:
    """The same in parts of at most ``size`` events, for files that memory does not hold; None: a file is a part. Otherwise as :func:`read`.

    ``write("events.npy", iterate("run*.root:events", ["m", "pt"]))`` makes a file of which ``Source("events.npy")`` trains without reading it at once.
    """
    if size is not None and size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    fills, types, first = Fills(fill), {}, ""
    for file, inside in places_of(path):
        with named(file), kind_of(file).read(file, inside) as table:
            wanted = table.wanted(columns)
            found = table.types(wanted)
            if not first:
                types, first = found, str(table)
            if sorted(found) != sorted(types):
                raise ValueError(f"{table} has the columns {shown(found)}, but {first} has {shown(types)}: say which are wanted, columns=[…]")
            for name in types:
                if found[name] != types[name]:
                    raise ValueError(f"{name} of {table} is of {found[name]}, but of {first} of {types[name]}: read these files one by one")
            for part in table.parts(sorted({key for key, _ in wanted.values()}), size or max(table.rows, 1)):
                yield {name: fills.filled(name, *table.column(part[wanted[name][0]], wanted[name][1]), table) for name in types}
    if not fills.events:
        raise ValueError(f"there are no events in {first}")


def places_of(path: PathLike | Sequence[PathLike]) -> list[tuple[str, str]]:
    """The files that are meant, and what of them."""
    if not isinstance(path, (str, os.PathLike)):
        found = [place for one in path for place in places_of(one)]
        if not found:
            raise ValueError("path must be a file or several, but is an empty list")
        if twice := [place[0] for place, times in Counter(found).items() if times > 1]:
            raise ValueError(f"{twice[0]} is there twice: its events would count as often")
        return found
    file, inside = split(path)
    if "://" in file or os.path.isfile(file):
        return [(file, inside)]
    if os.path.isdir(file):
        raise IsADirectoryError(f"{file} is a directory: name the files, as {os.path.join(file, '*.root:tree')}")
    files = sorted(glob.glob(file)) if glob.has_magic(file) else []
    if not files:
        raise FileNotFoundError(f"no such file: {file}")
    return [(one, inside) for one in files]


def split(path: PathLike) -> tuple[str, str]:
    """The path of a file, and what stands behind its colon."""
    whole = os.fspath(path)
    found = re.fullmatch(r"(.+\.(?:root|h5|hdf5)):(.*)", whole, re.IGNORECASE | re.DOTALL)
    return (found[1], found[2]) if found else (whole, "")


def kind_of(file: str) -> Kind:
    """Which kind of file it is, by the end of its name."""
    end = os.path.splitext(file)[1].lower()
    if end not in KINDS:
        other = {".csv": "; pandas.read_csv(path) reads this one, and all functions take what it gives",
                 ".npz": "; numpy.load(path)[…] reads an array of this one"}.get(end, "")
        raise ValueError(f"{file}: files of columns end with {', '.join(KINDS)}{other}")
    return KINDS[end]


@contextlib.contextmanager
def named(file: str) -> Iterator[None]:
    """An error of a package that reads a file says which it is."""
    try:
        yield
    except Exception as error:
        if file in str(error) or isinstance(error, (ImportError, MemoryError)):
            raise
        raise OSError(f"{file} cannot be read: {error}") from error


class Fills:
    """What stands in the place of values that are not there."""

    def __init__(self, fill: Fill):
        self.fill = fill
        self.events = 0
        self.least: dict[str, float] = {}
        self.used: set[str] = set()

    def filled(self, name: str, values: FloatArray, there: FloatArray | None, table: Table) -> FloatArray:
        """A column, `there` saying which of its values are; None: all."""
        self.events += len(values)
        fill = self.fill.get(name) if isinstance(self.fill, Mapping) else self.fill
        lacking = 0 if there is None else len(values) - int(np.count_nonzero(there))
        if lacking and fill is None:
            raise ValueError(f"{name} is not there in {lacking} of {len(values)} events of {table}: leave it out, or give what stands for that, "
                             "fill=-999, with the scaling zeros(-999) (option \"features.scaling\")")
        if fill is None:
            return values
        present = values if there is None else values[there]
        numbers = present[present == present]
        self.least[name] = min(self.least.get(name, np.inf), numbers.min() if len(numbers) else np.inf)
        if lacking and there is not None:
            self.used.add(name)
            with np.errstate(all="ignore"):
                mark = np.array(fill).astype(values.dtype)
            if not (mark == fill or np.isnan(mark) and np.isnan(fill)):
                raise ValueError(f"fill must be a number that {name} of {table}, of {values.dtype}, can be, not {fill}")
            values[~there] = mark
        if name in self.used and self.least[name] <= fill:
            raise ValueError(f"fill must lie below all values of {name} of {table}, which go down to {self.least[name]:g}, or it could not be told "
                             f"from them, but is {fill}")
        return values


# --- writing ---


def write(path: PathLike, events: Any, *, names: Iterable[str] | None = None, weights: str = "weight", rntuple: bool = False) -> None:
    """Writes events to a file of columns with names, which :func:`read` and every other tool of its kind reads, each column of the type that it has.

    ``path``
        ends with ``.root``, ``.parquet``, ``.h5``, ``.hdf5`` or ``.npy``. A tree or dataset is called "events" unless its name stands behind a colon,
        ``"refined.root:folder/tree"``. HDF5 gets one compound dataset.
    ``events``
        what a :class:`Sampler` made, with its weights, a pair of events and weights, columns by name (a dictionary, a structured array, a
        DataFrame), a :class:`Source` of an array, or an array (n, M). Or an iterator of such, which are written one after the other:
        ``write("refined.root", model.sampler(1).batches(100_000, 10**7), names=model.names)``, or what :func:`iterate` gives.
    ``names``
        of the M values of an event, where the events do not have them
    ``weights``
        what the column of the weights is called, if the events have weights
    ``rntuple``
        in ROOT an RNTuple instead of a tree

    The file appears whole or not at all, and replaces what had its name, but no file of ROOT or HDF5 that holds other things besides.
    """
    file, inside = split(path)
    kind = kind_of(file)
    if rntuple and kind is not ROOT:
        raise ValueError("only files of ROOT have RNTuples")
    inside = inside.strip("/") or "events"
    given = names_given(names)
    found = (columns_to_write(part, given, weights) for part in (events if isinstance(events, Iterator) else iter([events])))
    first = next(found, None)
    if first is None:
        raise ValueError("events must have at least one part, but there is none")
    types = types_of(first)
    check_types(file, kind, types, rntuple)
    place = os.path.realpath(file)
    if os.path.exists(place):
        check_place(place, kind, inside)
    with aside(place) as beside, kind.write(beside, inside, types, rntuple) as extend:
        for part in itertools.chain([first], found):
            if types_of(part) != types:
                raise ValueError(f"all parts must have the same columns, of the same types, but one has {described(types_of(part))}, and the first "
                                 f"{described(types)}")
            for begin in range(0, len(next(iter(part.values()))), SIZE):
                extend({name: np.asarray(part[name][begin:begin + SIZE], types[name]) for name in types})


def types_of(columns: Mapping[str, FloatArray]) -> Types:
    return {name: column.dtype.newbyteorder("=") for name, column in columns.items()}


def described(types: Types) -> str:
    return shown(f"{name} of {dtype}" for name, dtype in types.items())


def columns_to_write(events: Any, names: Sequence[str] | None, weights: str) -> dict[str, FloatArray]:
    """The columns of events, their weights among them."""
    w = None
    if isinstance(events, tuple) and (isinstance(events, Events) or len(events) == 2):
        events, w = events
        same_rows("weights", w, "the events", events)
    own = names_of(events)
    if own is not None and names is not None:
        raise TypeError(f"names are for events that have none: these have {shown(own)}")
    if isinstance(events, Source):
        events._open
        if events._x is None:
            raise TypeError(f"events must be an array, or a Source of one, not {events!r}")
        events, w = events._x, events._w if w is None else w
    columns = columns_of(events)
    if columns is None:
        array = events if masked(events) else np.asarray(events)
        array = array[:, np.newaxis] if array.ndim == 1 else array
        names = own or names or ()
        if not names:
            raise ValueError(f"events must have names for their columns, and these of the shape {array.shape} have none: names=model.names of a model "
                             "(features first), else names=[…]")
        if array.ndim != 2 or array.shape[1] != len(set(names)) or len(set(names)) != len(names):
            raise ValueError(f"events must have the shape (events, {len(names)}), with as many names, all different, but have {array.shape}, and the "
                             f"names {shown(names)}: names=model.names has those of a model, features first")
        columns = {name: array[:, i] for i, name in enumerate(names)}
    if w is not None:
        if weights in columns:
            raise ValueError(f"the events have a column {weights}: weights= gives that of the weights another name")
        columns[weights] = w
    checked: dict[str, FloatArray] = {}
    for name, column in columns.items():
        if masked(column):
            raise ValueError(f"the column {name} must not be masked: leave out the events that are")
        array = np.asarray(column)
        if array.dtype.kind not in "biuf" or array.ndim != 1:
            raise TypeError(f"the column {name} must be a vector of numbers or booleans, not of {array.dtype} with the shape {array.shape}")
        same_rows(f"the column {name}", column, next(iter(columns)), columns[next(iter(columns))])
        if checked and len(array) != len(first := next(iter(checked.values()))):
            raise ValueError(f"the column {name} has {len(array)} values, but {next(iter(checked))} has {len(first)}: all must have as many")
        checked[str(name)] = array
    if not checked:
        raise ValueError("events must have columns, but there are none")
    return checked


def check_types(file: str, kind: Kind, types: Types, rntuple: bool) -> None:
    """An error for columns that a kind of file cannot hold as they are."""
    for name, dtype in types.items():
        if dtype.itemsize > 8 or kind is ROOT and dtype == np.float16:
            raise TypeError(f"{file} cannot hold the column {name}, of {dtype}: convert it to float64 or float32")
        if rntuple and re.search(r"[./]", name):
            raise ValueError(f"an RNTuple cannot have a column called {name}, with a dot or slash")


def check_place(place: str, kind: Kind, inside: str) -> None:
    """An error where something would be lost that is not being written anew."""
    if not os.path.isfile(place):
        raise IsADirectoryError(f"{place} is no file that can be replaced")
    with named(place):
        held = kind.held(place)
    others = [name for name in held if name != inside and not inside.startswith(f"{name}/")]
    if others:
        raise FileExistsError(f"{place} holds {shown(others)}, which would be lost: write to another file")


@contextlib.contextmanager
def aside(place: str) -> Iterator[str]:
    """A file beside its place, to which it is moved when it is complete, with the permissions of what was there."""
    folder, name = os.path.split(place)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no directory {folder}")
    beside = os.path.join(folder, f".laser-{secrets.token_hex(6)}")
    try:
        yield beside
        with open(beside, "rb") as written:
            os.fsync(written.fileno())
        if os.path.exists(place):
            shutil.copymode(place, beside)
        os.replace(beside, place)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(beside)
