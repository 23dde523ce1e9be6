"""The program `laser` that comes with the package, and the files that other tools of Python make."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import events

pa, pq = map(pytest.importorskip, ("pyarrow", "pyarrow.parquet"))

LASER = shutil.which("laser", path=str(Path(sys.executable).parent))
pytestmark = pytest.mark.skipif(LASER is None, reason="no program `laser` beside this Python")


def laser(folder, *arguments):
    done = subprocess.run([LASER, *map(str, arguments)], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stderr


def good(folder, *arguments):
    status, said = laser(folder, *arguments)
    assert status == 0, said
    return said


@pytest.fixture
def folder(tmp_path, model):
    model.save(tmp_path / "model.laser")
    return tmp_path


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4"])
@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_what_pyarrow_writes_is_read(folder, compression, version):
    """All widths of numbers, dictionaries, pages of both versions, several groups: the same columns as of an array."""
    random = np.random.default_rng(5)
    n = 2500
    columns = {
        "d": random.normal(size=n),
        "f": random.normal(size=n).astype("f4"),
        "few": random.integers(0, 5, n) / 4.0,
        "i8": random.integers(-128, 128, n).astype("i1"),
        "i16": random.integers(-(2**15), 2**15, n).astype("i2"),
        "u8": random.integers(0, 256, n).astype("u1"),
        "u32": random.integers(0, 2**32, n).astype("u4"),
        "i64": random.integers(-(2**52), 2**52, n),
        "u64": random.integers(0, 2**52, n).astype("u8"),
        "b": random.random(n) < 0.25,
    }
    pq.write_table(pa.table(columns), folder / "x.parquet", compression=compression, row_group_size=900, data_page_size=2000, version=version,
                   data_page_version="2.0" if version == "2.6" else "1.0", write_page_checksum=True)
    np.save(folder / "x.npy", np.column_stack([np.asarray(column, dtype="f8") for column in columns.values()]))
    good(folder, "reweight", "train", "x.parquet", "x.parquet", "-o", "r.laser", "--options", options(folder))
    good(folder, "reweight", "apply", "r.laser", "x.parquet", "-o", "read.npy", "--events-too")
    read = np.load(folder / "read.npy")
    assert read.dtype.names == (*columns, "w")
    for name, column in columns.items():
        assert np.array_equal(read[name], column.astype("f8")), name


def options(folder):
    path = folder / "options.json"
    path.write_text('{"preset": "fast", "classifier": {"layers": 1, "units": 8, "epochs": 1, "steps": 5}}')
    return path


def test_what_is_written_pyarrow_reads(folder):
    for end in ("npy", "parquet"):
        good(folder, "sample", "model.laser", "-n", "3000", "--seed", "4", "-o", f"x.{end}", "--weights", "--logp")
    table = pq.read_table(folder / "x.parquet")
    assert table.column_names == ["m", "pt", "log_p", "w"]
    assert np.array_equal(np.column_stack([column.to_numpy() for column in table.columns]), np.load(folder / "x.npy"))
    about = pq.read_metadata(folder / "x.parquet")
    assert about.metadata[b"liblaser_seed"] == b"4" and about.created_by.startswith("liblaser")
    assert about.row_group(0).column(0).compression == "SNAPPY"


def test_data_frames(folder):
    """With an index that counts, with one that does not, and with texts beside the numbers."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(events(), columns=["m", "pt"])
    frame.to_parquet(folder / "frame.parquet")
    good(folder, "score", "frame.parquet", "frame.parquet", "--repeats", "2", "--directions", "1")
    frame[frame.m > 0].to_parquet(folder / "cut.parquet")
    status, said = laser(folder, "score", "frame.parquet", "cut.parquet")
    assert status == 1 and "__index_level_0__` is the index of a table" in said
    frame.assign(process="qq").to_parquet(folder / "text.parquet")
    status, said = laser(folder, "score", "frame.parquet", "text.parquet")
    assert status == 1 and "`process` is no column of numbers" in said
    frame.assign(m=frame.m.mask(frame.index == 7)).to_parquet(folder / "null.parquet")
    status, said = laser(folder, "score", "frame.parquet", "null.parquet")
    assert status == 1 and "row 7, column 0 (both from 0): NaN, or no value (null)" in said
