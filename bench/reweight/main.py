"""Reweighters side by side on samples whose ratio is known: correlated normals in 2, 5 and 20 dimensions.

    main.py --library LIBRARY [--events N] [--dims 2,5,20] [--peers NAMES]
    main.py --library LIBRARY --files N

Every peer learns, in a process of its own, to weight one sample of N events like another, and then weights N fresh events. Printed are: the
area under the ROC curve of gradient-boosted trees (scikit-learn's histogram ones, trained on one half of the fresh events and looked at on
the other) before and after, 0.5 where they find no difference; what the weighted events are worth; the root mean square of log w less the
exact one, weights scaled to the mean 1; seconds of processors for training and for weighting; and what the work has added to the memory at
its peak.

With --files the program `laser`, beside the library, trains from two files of N rows of 5 features and weights one of them: seconds, and memory
at the peak.

The sample `from` is a chain of unit normals, each correlated by 0.2 with the one before; `to` by 0.4, and its first two are moved by 0.4.
"""

import argparse
import ctypes as c
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from measure import measured  # noqa: E402

THREADS = 2


def chain(seed, rows, dim, correlation, moved):
    """Unit normals, each correlated with the one before; the first two are moved afterwards."""
    z = np.random.default_rng(seed).standard_normal((rows, dim))
    x = z.copy()
    for k in range(1, dim):
        x[:, k] = correlation * x[:, k - 1] + np.sqrt(1 - correlation**2) * z[:, k]
    x[:, :2] += moved
    return x


def log_density(x, correlation, moved):
    x = x - np.r_[[moved] * 2, [0] * (x.shape[1] - 2)]
    rest = 1 - correlation**2
    steps = x[:, 1:] - correlation * x[:, :-1]
    return -0.5 * (x[:, 0] ** 2 + np.sum(steps**2, axis=1) / rest) - 0.5 * (x.shape[1] - 1) * np.log(rest)


FROM, TO = (0.2, 0.0), (0.4, 0.4)


def liblaser(source, target, fresh, library):
    """Through the C interface, by the preset `fast`."""
    from laser import Laser

    laser = Laser(library)

    def array(x):
        return laser.make("laser_source_from_array", x.ctypes.data_as(c.c_void_p), None, *map(c.c_size_t, (*x.shape, 0)))

    options = laser.options(preset="fast", threads=THREADS)
    trained = laser.make("laser_reweighter_train", array(source), array(target), options, None)
    yield
    w = np.empty(len(fresh))
    laser.call("laser_reweighter_weights", trained, options, c.c_size_t(len(fresh)), fresh.ctypes.data_as(c.c_void_p), c.c_size_t(0),
               w.ctypes.data_as(c.c_void_p), None, None)
    yield w


def gb_reweighter(source, target, fresh, library):
    """hep_ml's, by its defaults."""
    from hep_ml.reweight import GBReweighter

    trained = GBReweighter()
    trained.fit(source, target)
    yield
    yield trained.predict_weights(fresh)


def tree_ratio(source, target, fresh, library):
    """A step of OmniFold: a classifier's f / (1 - f), here of the trees that also judge."""
    trained = trees().fit(np.vstack([source, target]), np.repeat([0, 1], [len(source), len(target)]))
    yield
    f = trained.predict_proba(fresh)[:, 1]
    yield f / (1 - f)


def trees():
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=300, early_stopping=True, random_state=1)


PEERS = {
    "liblaser": liblaser,
    "hep_ml GBReweighter": gb_reweighter,
    "scikit-learn trees": tree_ratio,
}


def megabytes(key):
    """Of this process: VmRSS now, or VmHWM at its peak."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024


def work(peer, dim, events, library):
    """In a process of its own: the peer's weights, in a file, and what they took."""
    source, target = chain(1, events, dim, *FROM), chain(2, events, dim, *TO)
    fresh = chain(3, events, dim, *FROM)
    # The peak of what comes, and not of what has made the events.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, start = megabytes("VmRSS"), time.process_time()
    steps = PEERS[peer](source, target, fresh, library)
    next(steps)
    trained = time.process_time()
    w = next(steps)
    done = time.process_time()
    print(json.dumps({"training": trained - start, "weighting": done - trained, "memory": megabytes("VmHWM") - before}))
    return w


def auc(x, w, target):
    """Of trees that tell weighted events from the target's."""
    from sklearn.metrics import roc_auc_score

    half = len(x) // 2
    features, labels = np.vstack([x, target]), np.repeat([0, 1], [len(x), len(target)])
    weights = np.r_[w / w.mean(), np.ones(len(target))]
    train = np.r_[np.arange(half), len(x) + np.arange(half)]
    test = np.setdiff1d(np.arange(len(features)), train)
    fitted = trees().fit(features[train], labels[train], sample_weight=weights[train])
    return roc_auc_score(labels[test], fitted.predict_proba(features[test])[:, 1], sample_weight=weights[test])


def write(path, seed, rows, *law):
    """A file of events, made in parts."""
    part = 1_000_000
    file = np.lib.format.open_memmap(path, "w+", float, (rows, 5))
    for first in range(0, rows, part):
        count = min(part, rows - first)
        file[first:first + count] = chain(seed + first, count, 5, *law)


def of_files(program, rows):
    """The program from file to file."""
    with tempfile.TemporaryDirectory(dir=HERE.parent.parent / "build" / "bench") as folder:
        for name, seed, law in (("from.npy", 1, FROM), ("to.npy", 2, TO)):
            write(Path(folder) / name, seed, rows, *law)
        (Path(folder) / "options.json").write_text(f'{{"preset": "fast", "threads": {THREADS}}}', encoding="ascii")
        print(f"{rows} rows of 5 features in either file, preset `fast`\n\n| | clock | processors | memory |\n|---|---|---|---|")
        train = ["train", "from.npy", "to.npy", "-o", "r.laser", "--options", "options.json"]
        for name, words in (("training", train), *((f"weighting, {threads} thread{'s' * (threads > 1)}",
                            ["apply", "r.laser", "from.npy", "-o", "w.npy", "--threads", threads]) for threads in (1, THREADS))):
            clock, processors, memory = measured([program.resolve(), "reweight", *words], cwd=folder)
            print(f"| {name} | {clock:.0f} s | {processors:.0f} s | {memory:.0f} MB |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--dims", default="2,5,20")
    parser.add_argument("--peers", help="names with semicolons between")
    parser.add_argument("--files", type=int, metavar="N")
    parser.add_argument("--work", nargs=3, metavar=("PEER", "DIM", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        peer, dim, path = arguments.work
        np.save(path, work(peer, int(dim), arguments.events, arguments.library))
        return
    out = HERE.parent.parent / "build" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    if arguments.files:
        of_files(arguments.library.parent / "laser", arguments.files)
        return
    print(f"{arguments.events} events of each sample; seconds of processors\n")
    print("| dimensions | | AUC before | AUC after | effective | log w off by | training | weighting | memory |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for dim in map(int, arguments.dims.split(",")):
        fresh, target = chain(3, arguments.events, dim, *FROM), chain(4, arguments.events, dim, *TO)
        exact = log_density(fresh, *TO) - log_density(fresh, *FROM)
        plain = auc(fresh, np.ones(len(fresh)), target)
        row(dim, "the exact ratio", np.exp(exact), None, exact, plain, fresh, target)
        for peer in arguments.peers.split(";") if arguments.peers else PEERS:
            path = out / f"weights-{dim}.npy"
            command = [sys.executable, __file__, "--library", arguments.library, "--events", arguments.events, "--work", peer, dim, path]
            told = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout
            row(dim, peer, np.load(path), json.loads(told.splitlines()[-1]), exact, plain, fresh, target)


def row(dim, peer, w, took, exact, plain, fresh, target):
    """Prints a row of the table."""
    w = w / w.mean()
    off = np.sqrt(np.mean((np.log(w) - exact) ** 2))
    effective = w.sum() ** 2 / np.sum(w**2) / len(w)
    cells = [str(dim), peer, f"{plain:.3f}", f"{auc(fresh, w, target):.3f}", f"{100 * effective:.1f} %", f"{off:.3f}"]
    cells += [f"{took['training']:.1f} s", f"{took['weighting']:.2f} s", f"{took['memory']:.0f} MB"] if took else 3 * [""]
    print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
