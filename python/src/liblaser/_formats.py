"""Kinds of files of columns with names: ROOT, Parquet, HDF5, and NumPy's own. Each has a function that opens one to be read, and one that writes one."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Callable, NamedTuple

import numpy as np

from ._boundary import FloatArray, mapped

SHOWN = 10  # names that a message has at most


def shown(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:SHOWN]) + (f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else "")


def needed(package: str, extra: str) -> Any:
    """A package that the wheel does without."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(f"files of this kind need the package {package.partition('.')[0]}: pip install liblaser[{extra}] ({error})") from None


# --- what all kinds have in common ---

# A column of numbers, and which of its events have one; None: all.
Column = tuple[FloatArray, "FloatArray | None"]
# Of every column that is wanted its name in the file, and which of several values of an event it is.
Wanted = dict[str, "tuple[str, int | None]"]


class NoColumn(Exception):
    """Why something of a file is not one number an event."""


class SeveralValues(NoColumn):
    """One of them is a column."""


def chosen(index: int | None, what: Any, most: int | None = None) -> int:
    """Which of several values of an event is wanted."""
    if index is None:
        raise SeveralValues(str(what))
    if most is not None and index >= most:
        raise NoColumn(f"{most} values an event, from 0")
    return index


def single(index: int | None) -> None:
    if index is not None:
        raise NoColumn("one number an event, without an index")


def column_of(values: FloatArray, index: int | None = None) -> Column:
    """A column of an array whose first axis is the events: a copy, in the order of bytes of this machine."""
    if values.dtype.kind not in "biuf":
        raise NoColumn(str(values.dtype))
    if values.ndim == 2:
        values = values[:, chosen(index, f"{values.shape[1]} of {values.dtype}", values.shape[1])]
    elif values.ndim == 1:
        single(index)
    else:
        raise NoColumn(f"{values.shape[1:]} of {values.dtype}" if values.ndim else "a single value")
    return np.array(values, values.dtype.newbyteorder("=")), None


def spread(values: FloatArray, there: FloatArray | None) -> Column:
    """Values at their places among all."""
    values, _ = column_of(values)
    if there is None or there.all():
        return values, None
    column = np.zeros(len(there), values.dtype)
    column[there] = values
    return column, there


class Table:
    """Columns of a file that is open."""

    def __init__(self, called: str, names: Sequence[str], rows: int):
        self.called, self.names, self.rows = called, names, rows

    def __str__(self) -> str:
        return self.called

    def raw(self, names: Sequence[str], begin: int, end: int) -> dict[str, Any]:
        """What the file has under these names, of these events."""
        raise NotImplementedError

    def parts(self, names: Sequence[str], size: int) -> Iterator[dict[str, Any]]:
        """The same of all events, so many after the others."""
        for begin in range(0, self.rows, size):
            yield self.raw(names, begin, min(begin + size, self.rows))

    def column(self, raw: Any, index: int | None) -> Column:
        """A column of what `raw` gave."""
        return column_of(raw, index)

    def find(self, name: str) -> str | None:
        """Which name of the file is meant."""
        return name if name in self.names else None

    def hint(self) -> str:
        """What else is to be said where a column is not found."""
        return ""

    def wanted(self, columns: str | Iterable[str] | Mapping[str, str] | None) -> Wanted:
        """The columns that a call asks for."""
        if isinstance(columns, Mapping):
            asked = dict(columns)
        else:
            listed = self.names if columns is None else [columns] if isinstance(columns, str) else list(columns)
            asked = {name: name for name in listed}
            if len(asked) != len(listed) or not listed:
                raise ValueError(f"the columns of {self} must be names, all different, but are {shown(listed) or 'none'}")
        found: Wanted = {}
        for name, where in asked.items():
            numbered = re.fullmatch(r"(.+)\[(\d+)\]", where)
            if (key := self.find(where)) is not None:
                found[name] = key, None
            elif numbered and (key := self.find(numbered[1])) is not None:
                found[name] = key, int(numbered[2])
            else:
                near = difflib.get_close_matches(numbered[1] if numbered else where, self.names, 3)
                guess = f"; did you mean {' or '.join(near)}?" if near else f"; it has {shown(self.names) or 'none'}"
                raise ValueError(f"{self} has no column {where}{guess}{self.hint()}")
        return found

    def types(self, wanted: Wanted) -> dict[str, Any]:
        """The types of columns; an error that names all that are none."""
        empty, types, wrong = self.raw(sorted({key for key, _ in wanted.values()}), 0, 0), {}, []
        for name, (key, index) in wanted.items():
            try:
                types[name] = self.column(empty[key], index)[0].dtype
            except SeveralValues as reason:
                wrong.append(f"{key} ({reason}; take one, as \"{key}[0]\")")
            except NoColumn as reason:
                wrong.append(f"{key} ({reason})")
        if wrong:
            raise ValueError(f"these of {self} are not one number an event: {shown(wrong)}. Say what is wanted, columns=[…], or read the file yourself, "
                             "and give a dictionary of arrays")
        return types


class ArrayTable(Table):
    """Columns that are arrays, of which `get(name, begin, end)` gives some events."""

    def __init__(self, called: str, names: Sequence[str], rows: int, get: Callable[[str, int, int], FloatArray]):
        super().__init__(called, names, rows)
        self.get = get

    def raw(self, names: Sequence[str], begin: int, end: int) -> dict[str, Any]:
        return {name: self.get(name, begin, end) for name in names}


def one_of(file: str, inside: str, tables: Sequence[str], what: str) -> str:
    """What of a file is meant."""
    if not inside and len(tables) == 1:
        return tables[0]
    if not inside:
        raise ValueError(f"{file} has several {what}, {shown(tables)}: say which, as \"{file}:{tables[0]}\"" if tables else f"{file} has no {what}")
    return inside


Types = dict[str, Any]
Extend = Callable[[dict[str, FloatArray]], Any]


def structured(columns: Mapping[str, FloatArray], types: Types) -> FloatArray:
    rows = np.empty(len(next(iter(columns.values()))), list(types.items()))
    for name, column in columns.items():
        rows[name] = column
    return rows


# --- ROOT ---


class RootTable(Table):
    def __init__(self, called: str, tree: Any):
        self.tree = tree
        self.branches: dict[str, Any] = {name: branch for name, branch in tree.iteritems()
                                         if not (getattr(branch, "branches", ()) or getattr(branch, "fields", ()))}
        super().__init__(called, list(self.branches), int(tree.num_entries))
        ends = Counter(name.rpartition("/")[2] for name in self.names)
        self.short = {end: name for name in self.names if ends[(end := name.rpartition("/")[2])] == 1}

    def find(self, name: str) -> str | None:
        return name if name in self.branches else self.short.get(name)

    def hint(self) -> str:
        friends = self.tree.member("fFriends") if self.tree.has_member("fFriends") else None
        named = [str(friend.member("fTreeName")) for friend in friends or () if friend.has_member("fTreeName")]
        return f". Its friends are read by themselves, {shown(named)}: {{**read(…), **read(…)}} joins them" if named else ""

    def raw(self, names: Sequence[str], begin: int, end: int) -> dict[str, Any]:
        numerical = needed("uproot", "root").interpretation.numerical.Numerical
        found = {}
        for name in names:
            branch = self.branches[name]
            kind = getattr(branch, "interpretation", None)  # of trees
            numbers = kind is None or isinstance(getattr(kind, "content", kind), numerical)
            found[name] = branch.array(entry_start=begin, entry_stop=end, library="ak") if numbers else branch.typename
        return found

    def column(self, raw: Any, index: int | None) -> Column:
        if isinstance(raw, str):
            raise NoColumn(raw)
        ak = needed("awkward", "root")
        kind, there = raw.type.content, None
        if isinstance(kind, ak.types.OptionType):
            there, kind = ~ak.to_numpy(ak.is_none(raw)), kind.content
            raw = raw[there]
        if isinstance(kind, (ak.types.ListType, ak.types.RegularType)) and isinstance(kind.content, ak.types.NumpyType) and not kind.parameters:
            index = chosen(index, kind, getattr(kind, "size", None))
            enough = ak.to_numpy(ak.num(raw, axis=1)) > index
            raw = raw[enough][:, index]
            if there is None:
                there = enough
            else:
                there[there] = enough
        elif isinstance(kind, ak.types.NumpyType):
            single(index)
        else:
            raise NoColumn(str(kind))
        return spread(ak.to_numpy(raw), there)


@contextlib.contextmanager
def read_root(file: str, inside: str) -> Iterator[Table]:
    with needed("uproot", "root").open({file: None}) as root:
        kinds = root.classnames(recursive=True, cycle=False)
        trees = [name for name, kind in kinds.items() if kind in ("TTree", "TNtuple", "TNtupleD") or kind.endswith("RNTuple")]
        inside = one_of(file, inside.strip("/"), trees, "trees and RNTuples")
        if inside.partition(";")[0] not in trees:
            raise ValueError(f"{file} has no tree or RNTuple {inside}; it has {shown(trees) or 'none'}")
        yield RootTable(f"{file}:{inside}", root[inside])


@contextlib.contextmanager
def write_root(file: str, inside: str, types: Types, rntuple: bool) -> Iterator[Extend]:
    with open(file, "wb+") as handle, needed("uproot", "root").recreate(handle) as root:
        if rntuple:
            ak = needed("awkward", "root")
            ntuple = root.mkrntuple(inside, ak.forms.RecordForm([ak.forms.NumpyForm(dtype.name) for dtype in types.values()], list(types)))
            yield lambda columns: ntuple.extend(ak.Array(columns))
        else:
            yield root.mktree(inside, types).extend


def held_root(file: str) -> list[str]:
    with needed("uproot", "root").open({file: None}) as root:
        return list(root.keys(recursive=True, cycle=False))


# --- Parquet ---


class ParquetTable(Table):
    def __init__(self, called: str, file: Any):
        self.file = file
        self.all: list[str] = file.schema_arrow.names
        # The index of pandas is no column of its frame, with a name or without.
        index = (file.schema_arrow.pandas_metadata or {}).get("index_columns", [])
        names = [name for name in self.all if name not in index and not re.fullmatch(r"__index_level_\d+__", name)]
        super().__init__(called, names, int(file.metadata.num_rows))

    def find(self, name: str) -> str | None:
        return name if name in self.all else None

    def raw(self, names: Sequence[str], begin: int, end: int) -> dict[str, Any]:
        if begin != end:
            raise NotImplementedError("events of Parquet are read one after the other")
        return {name: self.file.schema_arrow.empty_table().column(name) for name in names}

    def parts(self, names: Sequence[str], size: int) -> Iterator[dict[str, Any]]:
        for part in self.file.iter_batches(size, columns=list(names)):
            yield {name: part.column(name) for name in names}

    def column(self, raw: Any, index: int | None) -> Column:
        types, compute = needed("pyarrow.types", "parquet"), needed("pyarrow.compute", "parquet")
        kind, there = raw.type, None
        if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
            index = chosen(index, kind, kind.list_size if types.is_fixed_size_list(kind) else None)
            enough = compute.greater(compute.fill_null(compute.list_value_length(raw), 0), index)
            raw, there = compute.list_element(raw.filter(enough), index), np.array(enough)
        else:
            single(index)
        if not (types.is_integer(raw.type) or types.is_floating(raw.type) or types.is_boolean(raw.type)):
            raise NoColumn(str(kind))
        if raw.null_count:
            valid = np.array(raw.is_valid())
            raw = raw.drop_null()
            if there is None:
                there = valid
            else:
                there[there] = valid
        return spread(np.asarray(raw), there)


@contextlib.contextmanager
def read_parquet(file: str, inside: str) -> Iterator[Table]:
    with needed("pyarrow.parquet", "parquet").ParquetFile(file) as opened:
        yield ParquetTable(file, opened)


@contextlib.contextmanager
def write_parquet(file: str, inside: str, types: Types, rntuple: bool) -> Iterator[Extend]:
    arrow, parquet = needed("pyarrow", "parquet"), needed("pyarrow.parquet", "parquet")
    schema = arrow.schema([arrow.field(name, arrow.from_numpy_dtype(dtype), nullable=False) for name, dtype in types.items()])
    with parquet.ParquetWriter(file, schema) as writer:
        yield lambda columns: writer.write_table(arrow.table([arrow.array(column) for column in columns.values()], schema=schema))


# --- HDF5 ---


class GroupTable(ArrayTable):
    """The datasets in a group, or of groups in it by their paths."""

    def __init__(self, called: str, group: Any):
        def get(name: str, begin: int, end: int) -> FloatArray:
            return np.asarray(group[name][begin:end] if group[name].shape else group[name][()])

        super().__init__(called, [name for name in group if hasattr(group[name], "shape")], 0, get)
        self.group = group

    def find(self, name: str) -> str | None:
        return name if name in self.group and hasattr(self.group[name], "shape") else None

    def types(self, wanted: Wanted) -> dict[str, Any]:
        types = super().types(wanted)
        rows = {key: len(self.group[key]) for key, _ in wanted.values()}
        first = next(iter(rows))
        for key in rows:
            if rows[key] != rows[first]:
                raise ValueError(f"{self}: {key} has {rows[key]} values, but {first} has {rows[first]}: say what is wanted, columns=[…]")
        self.rows = rows[first]
        return types


def names_at(data: Any) -> list[str] | None:
    """The names of the columns of a dataset of two dimensions, in an attribute."""
    for attribute in ("columns", "names", "column_names"):
        found = np.asarray(data.attrs.get(attribute, ())).ravel().tolist()
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in found]
        if len(names) == data.shape[1]:
            return names
    return None


def tables_of(file: Any) -> list[str]:
    """What of a file of HDF5 has columns: compound datasets, others of two dimensions, groups of vectors, data frames of pandas."""
    found: list[str] = []
    frames: list[str] = []

    def visit(name: str, thing: Any) -> None:
        group = name.rpartition("/")[0] or "/"
        if any(name.startswith(frame) for frame in frames):
            return
        if "pandas_type" in thing.attrs:
            frames.append(f"{name}/")
            found.append(name)
        elif hasattr(thing, "shape") and (thing.dtype.names or len(thing.shape) == 2):
            found.append(name)
        elif hasattr(thing, "shape") and len(thing.shape) == 1 and group not in found:
            found.append(group)

    file.visititems(visit)
    return found


@contextlib.contextmanager
def read_hdf5(file: str, inside: str) -> Iterator[Table]:
    with needed("h5py", "hdf5").File(file, "r") as opened:
        inside = one_of(file, inside, tables_of(opened), "tables")
        if inside not in opened:
            raise ValueError(f"{file} has no {inside}; it has {shown(tables_of(opened)) or 'no tables'}")
        thing, called = opened[inside], f"{file}:{inside}"
        if "pandas_type" in thing.attrs:
            raise ValueError(f"{called} is a data frame of pandas: pandas.read_hdf(\"{file}\", \"{inside}\") reads it, and all functions take it")
        if not hasattr(thing, "shape"):
            yield GroupTable(called, thing)
        elif thing.dtype.names:
            yield ArrayTable(called, list(thing.dtype.names), len(thing), lambda name, begin, end: thing.fields(name)[begin:end])
        elif len(thing.shape) == 2 and (names := names_at(thing)):
            yield ArrayTable(called, names, len(thing), lambda name, begin, end: thing[begin:end, names.index(name)])
        else:
            raise ValueError(f"{called} has the shape {thing.shape}, and no attribute \"columns\" or \"names\" that names its columns: "
                             f"Source(h5py.File(\"{file}\")[\"{inside}\"][:], names=[…]) takes it")


@contextlib.contextmanager
def write_hdf5(file: str, inside: str, types: Types, rntuple: bool) -> Iterator[Extend]:
    with needed("h5py", "hdf5").File(file, "w") as opened:
        data = opened.create_dataset(inside, shape=(0,), maxshape=(None,), dtype=list(types.items()), chunks=True)

        def extend(columns: dict[str, FloatArray]) -> None:
            rows = structured(columns, types)
            data.resize((len(data) + len(rows),))
            data[len(data) - len(rows):] = rows

        yield extend


def held_hdf5(file: str) -> list[str]:
    found: list[str] = []
    with needed("h5py", "hdf5").File(file, "r") as opened:
        opened.visit(found.append)
    return found


# --- NumPy ---


@contextlib.contextmanager
def read_npy(file: str, inside: str) -> Iterator[Table]:
    data = mapped(file)
    if not data.dtype.names:
        raise ValueError(f"{file} has no columns with names: Source(numpy.load(\"{file}\"), names=[…]) takes it")
    yield ArrayTable(file, list(data.dtype.names), len(data), lambda name, begin, end: data[name][begin:end])


@contextlib.contextmanager
def write_npy(file: str, inside: str, types: Types, rntuple: bool) -> Iterator[Extend]:
    rows = 0

    def header() -> bytes:
        """Of the same length for any number of rows, which is known at the end."""
        fields = [(name, dtype.str) for name, dtype in types.items()]
        text = f"{{'descr': {fields}, 'fortran_order': False, 'shape': ({rows:20},), }}".encode()
        length = -(-(13 + len(text)) // 64) * 64
        return b"\x93NUMPY\x03\x00" + (length - 12).to_bytes(4, "little") + text.ljust(length - 13) + b"\n"

    def extend(columns: dict[str, FloatArray]) -> None:
        nonlocal rows
        block = structured(columns, types)
        handle.write(block.tobytes())
        rows += len(block)

    with open(file, "wb") as handle:
        handle.write(header())
        yield extend
        handle.seek(0)
        handle.write(header())


# --- all of them ---


class Kind(NamedTuple):
    """What can be done with a kind of files."""

    read: Callable[[str, str], contextlib.AbstractContextManager[Table]]  #: of a file, and what of it
    write: Callable[[str, str, Types, bool], contextlib.AbstractContextManager[Extend]]  #: the same, types of the columns, whether an RNTuple
    held: Callable[[str], list[str]]  #: what a file holds, all of which would be lost with it


ROOT = Kind(read_root, write_root, held_root)
PARQUET = Kind(read_parquet, write_parquet, lambda file: [])
HDF5 = Kind(read_hdf5, write_hdf5, held_hdf5)
NPY = Kind(read_npy, write_npy, lambda file: [])
KINDS = {".root": ROOT, ".parquet": PARQUET, ".h5": HDF5, ".hdf5": HDF5, ".npy": NPY}
