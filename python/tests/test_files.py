"""Files of columns with names: written by other tools and read here, the other way round, and what is refused."""

import os
import stat
import sys

import numpy as np
import pytest
from conftest import TOY, events

import liblaser
from liblaser import Events, Source, iterate, read, write

ak, h5py, pa, pq, uproot = map(pytest.importorskip, ("awkward", "h5py", "pyarrow", "pyarrow.parquet", "uproot"))

N = 1000
random = np.random.default_rng(7)
COLUMNS = {
    "mass": random.normal(size=N).astype(np.float32),
    "pt": np.where(random.random(N) < 0.1, np.nan, random.gamma(2.0, size=N)),
    "event": random.integers(-(2**62), 2**62, N),
    "charge": random.integers(-1, 2, N).astype(np.int8),
    "flags": random.integers(0, 2**32, N).astype(np.uint32),
    "triggered": random.random(N) < 0.5,
}
COUNTS = np.arange(N) % 4
JETS = ak.Array([[10.0 * i + j for j in range(count)] for i, count in enumerate(COUNTS)])


def same(found, expected, order=True):
    """The same columns, in order, with the same types and bits."""
    assert (list if order else sorted)(found) == (list if order else sorted)(expected)
    for name, column in expected.items():
        assert found[name].dtype == column.dtype and np.asarray(found[name]).tobytes() == column.tobytes(), name


# --- by other tools ---


def tree(path):
    with uproot.open({path: None}) as file:
        return {name: branch.array(library="np") for name, branch in file["events"].iteritems()}


def compound(path):
    with h5py.File(path) as file:
        return {name: file["events"][name] for name in file["events"].dtype.names}


def fields(path):
    array = np.load(path)
    return {name: array[name] for name in array.dtype.names}


def table(path):
    found = pq.read_table(path)
    return {name: found.column(name).to_numpy() for name in found.column_names}


READ_BY = {
    "x.root": tree, "x.parquet": table, "x.h5": compound, "x.HDF5": compound, "x.npy": fields,
}


@pytest.mark.parametrize("name", READ_BY)
def test_what_is_written_others_read(tmp_path, name):
    write(tmp_path / name, COLUMNS)
    same(READ_BY[name](str(tmp_path / name)), COLUMNS)
    same(read(tmp_path / name), COLUMNS)
    same(read(tmp_path / name, ["triggered", "mass"]), {key: COLUMNS[key] for key in ("triggered", "mass")})
    assert os.listdir(tmp_path) == [name]


def test_rntuples(tmp_path):
    path = tmp_path / "x.root"
    write(f"{path}:folder/ntuple", COLUMNS, rntuple=True)
    with uproot.open({str(path): None}) as file:
        assert file.classnames()["folder/ntuple;1"] == "ROOT::RNTuple"
        same({name: ak.to_numpy(file["folder/ntuple"][name].array()) for name in COLUMNS}, COLUMNS)
    same(read(path), COLUMNS, order=False)
    with pytest.raises(ValueError, match="RNTuple cannot have a column called muon.pt"):
        write(path, {"muon.pt": [1.0]}, rntuple=True)
    with pytest.raises(ValueError, match="only files of ROOT"):
        write(tmp_path / "x.h5", COLUMNS, rntuple=True)


def test_what_others_write_is_read(tmp_path):
    a, b, c = tmp_path / "a.root", tmp_path / "b.parquet", tmp_path / "c.npy"
    with uproot.recreate(str(a)) as file:
        file.mktree("one", {name: column.dtype for name, column in COLUMNS.items()})
        file["one"].extend(COLUMNS)
    pq.write_table(pa.table(COLUMNS), b, row_group_size=300)
    array = np.zeros(N, [(name, column.dtype.newbyteorder(">")) for name, column in COLUMNS.items()])
    for name, column in COLUMNS.items():
        array[name] = column
    np.save(c, array)
    for path in (a, f"{a}:one", f"{a}:one;1", b, c):
        found = read(path)
        same(found, COLUMNS)
        assert all(column.flags.writeable and column.flags.c_contiguous for column in found.values())


def test_hdf5_in_all_forms(tmp_path):
    path = str(tmp_path / "x.h5")
    with h5py.File(path, "w", track_order=True) as file:
        for name, column in COLUMNS.items():
            file.create_dataset(f"vectors/{name}", data=column)
        file["vectors"].create_dataset("deep/z", data=np.arange(N))
        file["vectors"]["p4"] = random.normal(size=(N, 4))
        file["vectors"]["label"] = ["a"] * N
        file["vectors"]["short"] = np.zeros(3)
        file["vectors"]["luminosity"] = 139.0
        file["table"] = np.column_stack([COLUMNS["mass"], COLUMNS["mass"] ** 2])
        file["table"].attrs["columns"] = ["m", "m2"]
        file["bytes"] = np.column_stack([COLUMNS["mass"]])
        file["bytes"].attrs["names"] = np.array([b"m"])
        file["bare"] = np.zeros((N, 2))
        file.create_group("frame").attrs["pandas_type"] = "frame"
        file["frame/axis0"] = np.zeros(3)
    same(read(f"{path}:vectors", list(COLUMNS)), COLUMNS)
    with h5py.File(path) as file:
        same(read(f"{path}:vectors", {"e": "p4[3]", "z": "deep/z"}), {"e": file["vectors/p4"][:, 3], "z": np.arange(N)})
    same(read(f"{path}:table"), {"m": COLUMNS["mass"], "m2": COLUMNS["mass"] ** 2})
    same(read(f"{path}:bytes"), {"m": COLUMNS["mass"]})
    for inside, message in {
        "": "has several tables, .*table.*: say which, as \".*:",
        "nothing": "has no nothing; it has ",
        "bare": r"bare has the shape \(1000, 2\), and no attribute \"columns\" or \"names\" .*names=\[…\]\) takes it",
        "frame": "is a data frame of pandas: pandas.read_hdf\\(\".*x.h5\", \"frame\"\\)",
        "vectors": r"not one number an event: label \(object\), luminosity \(a single value\), p4 \(4 of float64; take one, as \"p4\[0\]\"\)",
    }.items():
        with pytest.raises(ValueError, match=message):
            read(f"{path}:{inside}")
    for columns, message in {"short mass": "mass has 1000 values, but short has 3", "p4[4]": r"p4 \(4 values an event, from 0\)",
                             "mass[0]": "one number an event, without an index"}.items():
        with pytest.raises(ValueError, match=message):
            read(f"{path}:vectors", columns.split())


# --- what is chosen ---


@pytest.fixture
def several(tmp_path):
    """A file with three trees and an RNTuple, as they come."""
    path = str(tmp_path / "several.root")
    with uproot.recreate(path) as file:
        file.mktree("Runs", {"run": np.dtype("i4")})
        file["Runs"].extend({"run": np.arange(3, dtype=np.int32)})
        file.mktree("deep/Events", {"jet_pt": "var * float64", "muon.pt": np.dtype("f4"), "event/m": np.dtype("f8"), "x[0]": np.dtype("f8"),
                                    "p4": np.dtype(("f4", (4,)))})
        file["deep/Events"].extend({"jet_pt": JETS, "muon.pt": COLUMNS["mass"], "event/m": np.arange(N) * 1.0, "x[0]": np.ones(N),
                                    "p4": np.arange(4 * N, dtype=np.float32).reshape(N, 4)})
        file.mktree("empty", {"m": np.dtype("f8")})
        ntuple = ak.zip({"jet_pt": JETS, "jets": ak.zip({"eta": JETS}), "s": ["a"] * N, "p4": np.zeros((N, 2))}, depth_limit=1)
        file.mkrntuple("ntuple", ntuple.layout.form).extend(ntuple)
    return path


def test_one_of_several_trees(several):
    with pytest.raises(ValueError, match=r"has several trees and RNTuples, Runs, deep/Events, empty, ntuple: say which, as \".*several.root:Runs\""):
        read(several)
    with pytest.raises(ValueError, match="has no tree or RNTuple Events; it has Runs, deep/Events"):
        read(f"{several}:Events")
    same(read(f"{several}:Runs"), {"run": np.arange(3, dtype=np.int32)})
    with pytest.raises(ValueError, match="there are no events in .*several.root:empty"):
        read(f"{several}:empty")


def test_names(several):
    path = f"{several}:deep/Events"
    expected = {"muon.pt": COLUMNS["mass"], "event/m": np.arange(N) * 1.0, "x[0]": np.ones(N)}
    same(read(path, ["muon.pt", "event/m", "x[0]"]), expected)
    same(read(path, {"pt": "muon.pt", "e": "p4[3]"}), {"pt": COLUMNS["mass"], "e": np.arange(3, 4 * N, 4, dtype=np.float32)})
    same(read(path, "event/m"), {"event/m": np.arange(N) * 1.0})
    for columns, message in {
        ("muon.pT",): r"deep/Events has no column muon.pT; did you mean muon.pt\?",
        ("zzz",): "has no column zzz; it has njet_pt, jet_pt, muon.pt",
        ("zzz[1]",): r"has no column zzz\[1\]",
        (): "must be names, all different, but are none",
        ("m", "m"): "must be names, all different, but are m, m",
    }.items():
        with pytest.raises(ValueError, match=message):
            read(path, columns)


def test_friends_are_named():
    from liblaser._formats import RootTable

    class Member:
        def __init__(self, **members):
            self.member, self.has_member = members.get, lambda name: name in members

    friendly = Member(fFriends=[Member(fTreeName="calibrated")])
    friendly.iteritems, friendly.num_entries = lambda: iter([("pt", None), ("deep/eta", None), ("a/m", None), ("b/m", None)]), 3
    table = RootTable("x.root:t", friendly)
    assert table.find("eta") == "deep/eta" and table.find("m") is None and table.find("a/m") == "a/m"
    with pytest.raises(ValueError, match=r"Its friends are read by themselves, calibrated: \{\*\*read"):
        table.wanted(["energy"])


def test_values_that_are_not_there(several, tmp_path):
    pq.write_table(pa.table({"jet_pt": pa.array(JETS.tolist())}), tmp_path / "x.parquet")
    second = np.where(COUNTS > 1, 10.0 * np.arange(N) + 1, -999.0)
    for path in (f"{several}:deep/Events", f"{several}:ntuple", tmp_path / "x.parquet"):
        with pytest.raises(ValueError, match=r"jet_pt \(.*; take one, as \"jet_pt\[0\]\"\)"):
            read(path, ["jet_pt"])
        with pytest.raises(ValueError, match=r"jet_pt\[1\] is not there in 500 of 1000 events of .*zeros\(-999\)"):
            read(path, ["jet_pt[1]"])
        same(read(path, ["jet_pt[1]"], fill=-999), {"jet_pt[1]": second})
        same(read(path, {"second": "jet_pt[1]"}, fill={"second": -999}), {"second": second})
        with pytest.raises(ValueError, match=r"fill must lie below all values of jet_pt\[1\] of .*, which go down to 21, .* but is 21"):
            read(path, ["jet_pt[1]"], fill=21)
        found = list(iterate(path, ["jet_pt[1]"], fill=-999, size=300))
        assert [len(part["jet_pt[1]"]) for part in found] == [300, 300, 300, 100]
        same({"jet_pt[1]": np.concatenate([part["jet_pt[1]"] for part in found])}, {"jet_pt[1]": second})
    with pytest.raises(ValueError, match=r"not one number an event: jet_pt .*, jets.eta \(.*, s \(string\), p4 \(2 \* float64; take one, as \"p4\[0\]\"\)"):
        read(f"{several}:ntuple", ["jet_pt", "jets.eta", "s", "p4"])
    assert np.isnan(read(f"{several}:ntuple", "jets.eta[0]", fill=np.nan)["jets.eta[0]"][::4]).all()


def test_null_and_nan_in_parquet(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"i": pa.array([1, None, 3], pa.int32()), "x": pa.array([np.nan, None, 2.0]), "b": pa.array([True, None, False]),
                             "l": pa.array([[1.0, None], None, []]), "whole": [np.nan, 1.0, 2.0], "s": ["a", "b", "c"],
                             "f": pa.array([[1, 2]] * 3, pa.list_(pa.float32(), 2)), "t": pa.array([1, 2, 3], pa.timestamp("s")),
                             "__index_level_0__": [7, 8, 9]}), path)
    for name, lacking in {"i": 1, "x": 1, "b": 1, "l[0]": 2, "l[1]": 3}.items():
        with pytest.raises(ValueError, match=rf"is not there in {lacking} of 3 events"):
            read(path, [name])
    found = read(path, ["i", "x", "l[0]", "f[1]", "whole"], fill=-1)
    same(found, {"i": np.array([1, -1, 3], np.int32), "x": np.array([np.nan, -1, 2]), "l[0]": np.array([1.0, -1, -1]),
                 "f[1]": np.full(3, 2, np.float32), "whole": np.array([np.nan, 1, 2])})
    with pytest.raises(liblaser.DataError, match="row 0, column 0"):
        Source(read(path, ["whole"]))
    for name, fill, message in (("i", np.nan, "fill must be a number that i of .*x.parquet, of int32, can be, not nan"), ("i", 0.5, "can be, not 0.5"),
                                ("b", -1, "that b of .*, of bool, can be"), ("i", 1, "which go down to 1, .* but is 1")):
        with pytest.raises(ValueError, match=message):
            read(path, [name], fill=fill)
    with pytest.raises(ValueError, match=r"not one number an event: l \(.*\), s \(string\), f \(.*\), t \(timestamp.*\)\. Say what is wanted"):
        read(path)
    with pytest.raises(ValueError, match=r"f \(2 values an event, from 0\)"):
        read(path, ["f[2]"])


def test_several_files(tmp_path):
    parts = [{name: column[begin:end] for name, column in COLUMNS.items()} for begin, end in ((0, 300), (300, 300), (300, N))]
    for number, part in enumerate(parts):
        write(f"{tmp_path}/run{number}.root:tree", part)
    expected = {name: COLUMNS[name] for name in ("pt", "event")}
    for path in (f"{tmp_path}/run*.root:tree", f"{tmp_path}/run?.root", [tmp_path / f"run{number}.root" for number in range(3)]):
        same(read(path, ["pt", "event"]), expected)
    assert [len(part["pt"]) for part in iterate(f"{tmp_path}/run*.root", "pt", size=250)] == [250, 50, 250, 250, 200]
    write(tmp_path / "run[1].root", {"pt": [1.0]})
    same(read(tmp_path / "run[1].root"), {"pt": np.ones(1)})
    write(tmp_path / "x.npy", {"event": [1], "pt": [1.0]})
    same(read([tmp_path / "x.npy", tmp_path / "run0.root"], ["event"]), {"event": np.append(1, COLUMNS["event"][:300])})
    for second, message in (({"pt": np.ones(1, np.float32)}, "pt of .*b.npy is of float32, but of .*a.npy of float64: read these files one by one"),
                            ({"pt": [1.0], "m": [1.0]}, "b.npy has the columns pt, m, but .*a.npy has pt: say which are wanted")):
        write(tmp_path / "a.npy", {"pt": [1.0]})
        write(tmp_path / "b.npy", second)
        with pytest.raises(ValueError, match=message):
            read([tmp_path / "a.npy", tmp_path / "b.npy"])


def test_what_is_no_such_file(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    (tmp_path / "x.csv").touch()
    for path, kind, message in (("none.root:t", FileNotFoundError, "no such file: .*none.root$"), ("n*.root", FileNotFoundError, "no such file"),
                                ("", IsADirectoryError, r"is a directory: name the files, as .*\*\.root:tree"),
                                ("x.csv", ValueError, "files of columns end with .root, .parquet, .h5, .hdf5, .npy; pandas.read_csv"),
                                ("x.npy", ValueError, "has no columns with names: Source")):
        with pytest.raises(kind, match=message):
            read(f"{tmp_path}/{path}")
    with pytest.raises(ValueError, match="empty list"):
        read([])
    with pytest.raises(ValueError, match="size must be at least 1, not 0"):
        next(iterate(tmp_path / "x.npy", size=0))
    with pytest.raises(ValueError, match=r"events.root:t is a file of columns.*: Source\(liblaser.read\(\"events.root:t\""):
        liblaser.train("events.root:t")


@pytest.mark.parametrize("name", ["x.root", "x.parquet", "x.h5", "x.npy"])
def test_files_that_are_damaged_are_named(tmp_path, name):
    path = tmp_path / name
    write(path, COLUMNS)
    for damaged in (path.read_bytes()[:-path.stat().st_size // 2], b"not a file of this kind" * 10, b""):
        path.write_bytes(damaged)
        with pytest.raises(Exception, match=name):
            read(f"{tmp_path}/x*")


@pytest.mark.parametrize("package, extra, name", [("uproot", "root", "x.root"), ("pyarrow.parquet", "parquet", "x.parquet"), ("h5py", "hdf5", "x.h5")])
def test_the_extra_to_install_is_named(tmp_path, monkeypatch, package, extra, name):
    write(tmp_path / name, COLUMNS)
    monkeypatch.setitem(sys.modules, package, None)
    for function in (lambda: read(tmp_path / name), lambda: write(tmp_path / f"other{name}", COLUMNS)):
        with pytest.raises(ImportError, match=rf"need the package {package.partition('.')[0]}: pip install liblaser\[{extra}\]"):
            function()
    assert os.listdir(tmp_path) == [name]


# --- what is written ---


def test_events_with_names_and_weights(tmp_path, model):
    path, made = tmp_path / "x.parquet", model.sampler(1).generate(500, dtype=np.float32)
    expected = {"m": made.x[:, 0], "pt": made.x[:, 1], "weight": made.w}
    write(path, made, names=model.names)
    same(read(path), expected)
    for given in ((made.x, made.w), Source(made, names=["m", "pt"])):
        write(path, given, weights="w", **({} if isinstance(given, Source) else {"names": model.names}))
        assert list(read(path)) == ["m", "pt", "w"]
        assert all(np.array_equal(a, b) for a, b in zip(read(path).values(), expected.values()))
    source = Source(read(path), weights="w")
    assert source.names == ("m", "pt") and source.weighted and len(source) == 500
    assert np.array_equal(model.log_weight(read(path, ["pt", "m"])), model.log_weight(made.x.astype(np.float64)))
    write(path, np.arange(3), names=["n"])
    same(read(path), {"n": np.arange(3)})


def test_streams(tmp_path, model):
    whole = model.sampler(5).generate(2500)
    for name in ("x.root", "x.parquet", "x.h5", "x.npy"):
        write(tmp_path / name, model.sampler(5).batches(1000, 2500), names=model.names)
        same(read(tmp_path / name), {"m": whole.x[:, 0], "pt": whole.x[:, 1], "weight": whole.w})
    x = events()
    write(tmp_path / "big.root", {"pt": x[:, 1], "other": x[:, 0], "m": x[:, 0]})
    write(tmp_path / "big.npy", iterate(tmp_path / "big.root", ["m", "pt"], size=700))
    expected = liblaser.train(Source(x, names=["m", "pt"]), TOY).to_bytes()
    assert liblaser.train(Source(tmp_path / "big.npy"), TOY).to_bytes() == expected


@pytest.mark.parametrize("wrong, keywords, kind, message", [
    (np.zeros((3, 2)), {}, ValueError, r"shape \(3, 2\) have none: names=model.names"),
    (Events(np.zeros((3, 2)), np.ones(3)), {}, ValueError, "names=model.names of a model"),
    (np.zeros((3, 2)), {"names": ["a"]}, ValueError, r"shape \(events, 1\), with as many names, all different, but have \(3, 2\)"),
    (np.zeros((3, 2)), {"names": ["a", "a"]}, ValueError, "all different"),
    ({"a": [1.0]}, {"names": ["b"]}, TypeError, "names are for events that have none: these have a"),
    (Events(np.zeros((3, 1)), np.ones(3)), {"names": ["weight"]}, ValueError, "have a column weight: weights= gives"),
    ({"a": [1.0], "b": [1.0, 2.0]}, {}, ValueError, "the column b has 2 values, but a has 1"),
    ({"a": ["x"]}, {}, TypeError, "the column a must be a vector of numbers or booleans, not of <U1"),
    ({"a": np.zeros((3, 2))}, {}, TypeError, "the column a must be a vector"),
    ({"a": np.ma.masked_array([1.0, 2.0], [True, False])}, {}, ValueError, "must not be masked"),
    ({}, {}, ValueError, "must have columns"), (iter([]), {}, ValueError, "at least one part"),
    ({"a": np.zeros(2, np.longdouble)}, {}, TypeError, "cannot hold the column a, of float128"),
    ({"a": np.zeros(2, np.float16)}, {}, TypeError, "cannot hold the column a, of float16"),
    (iter([{"a": [1.0]}, {"a": [1]}]), {}, ValueError, "the same types, but one has a of int64, and the first a of float64"),
    (Source(lambda n: np.zeros((n, 1)), dim=1), {}, TypeError, "an array, or a Source of one"),
])
def test_what_cannot_be_written_leaves_what_was_there(tmp_path, wrong, keywords, kind, message):
    path = tmp_path / "x.root"
    write(path, {"m": [1.0]})
    before = path.read_bytes()
    with pytest.raises(kind, match=message):
        write(path, wrong, **keywords)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["x.root"]


def test_files_are_replaced_as_a_whole_or_kept(tmp_path, several):
    for name in ("x.root", "x.h5", "x.parquet", "x.npy"):
        path = tmp_path / name
        write(path, {"a": [1.0]})
        path.chmod(0o640)
        write(path, iterate(path))  # read while it is written
        same(read(path), {"a": np.ones(1)})
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    for path in (f"{several}:Runs", f"{tmp_path}/x.h5:other"):
        with pytest.raises(FileExistsError, match="holds .*, which would be lost: write to another file"):
            write(path, COLUMNS)
    link = tmp_path / "link.npy"
    link.symlink_to(tmp_path / "x.npy")
    write(link, {"a": [2.0]})
    assert link.is_symlink() and read(tmp_path / "x.npy")["a"] == [2.0]
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(IsADirectoryError, match="no file that can be replaced"):
        write(tmp_path / "folder.npy", COLUMNS)
    with pytest.raises(FileNotFoundError, match="no directory"):
        write(tmp_path / "none" / "x.npy", COLUMNS)


def test_many_columns(tmp_path):
    many = {f"cell_{i}": np.full(3, float(i)) for i in range(1000)}
    path = tmp_path / "many.npy"
    liblaser.write(path, many)
    back = liblaser.read(path)
    assert list(back) == list(many) and all(np.array_equal(back[name], many[name]) for name in many)


def test_an_index_of_pandas_is_no_column_unless_asked_for(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"event": COLUMNS["event"], "mass": COLUMNS["mass"]})
    path = tmp_path / "x.parquet"
    frame.set_index("event")[COLUMNS["triggered"]].to_parquet(path)
    assert list(read(path)) == ["mass"]
    assert np.array_equal(read(path, "event")["event"], COLUMNS["event"][COLUMNS["triggered"]])
    frame[COLUMNS["triggered"]].to_parquet(path)
    assert list(read(path)) == ["event", "mass"]
    assert list(read(path, "__index_level_0__")) == ["__index_level_0__"]


def test_no_file_is_read_twice(tmp_path):
    liblaser.write(tmp_path / "run1.npy", {"x": np.arange(3.0)})
    with pytest.raises(ValueError, match="run1.npy is there twice: its events would count as often"):
        liblaser.read([tmp_path / "run1.npy", tmp_path / "run*.npy"])
