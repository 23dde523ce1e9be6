"""Unfolding side by side with the package omnifold (PyPI), on samples whose truth is known.

    main.py --library LIBRARY [--events N] [--cases NAMES] [--peers NAMES] [--iterations N]

Cases:
  gaussian    the package's own example: truth N(0.2, 0.8), simulation N(0, 1), the detector adds N(0, 0.5)
  detector    three quantities of two jets, a spectrum, an angle and a mass, smeared; an event is reconstructed with an efficiency that rises from
              a fifth to nine tenths along the spectrum, and the simulation has 1.5 times as many events as the data

Every peer unfolds in a process of its own, in the same number of iterations. Printed are: mean and width of the first quantity with the
weights, beside those of the truth with their statistical errors; χ² per bin of every quantity, in 20 bins of as many true events (errors of truth
and of weights; what unfolding adds counts against the peer), of shapes; the unfolded number of events over the true one; seconds of
processors, and of the clock.
"""

import argparse
import ctypes as c
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
THREADS = 2


def gaussian(seed, rows):
    """Particle and detector level of simulation and of nature, and which events of each are reconstructed."""
    random = np.random.default_rng(seed)
    smear = lambda t: t + random.normal(0, 0.5, t.shape)
    t, truth = random.normal(0, 1, (rows, 1)), random.normal(0.2, 0.8, (rows, 1))
    seen = np.ones(rows, bool)
    return t, smear(t), seen, truth, smear(truth), seen


def detector(seed, rows):
    """As `gaussian`: log of a scale in units of its threshold, acoplanarity, log of the mass over the scale."""
    random = np.random.default_rng(seed)

    def particles(rows, slope, width, mass, radiation):
        q = random.exponential(1 / slope, rows)
        phi = np.abs(random.normal(0, width, rows))
        m = mass + 0.3 * (random.normal(0, 1, rows) + radiation * phi / width)
        return np.column_stack([q, phi, m])

    def detect(t):
        q = t[:, 0] + np.log(np.maximum(0.05, 1 + np.hypot(0.09 * np.exp(-t[:, 0] / 2), 0.05) * random.normal(0, 1, len(t))))
        phi = np.abs(t[:, 1] + 0.05 * random.normal(0, 1, len(t)))
        m = t[:, 2] + 0.12 * random.normal(0, 1, len(t))
        efficiency = 0.2 + 0.7 / (1 + np.exp(-8 * (t[:, 0] - 0.2)))
        return np.column_stack([q, phi, m]), random.uniform(size=len(t)) < efficiency

    t, truth = particles(rows * 3 // 2, 6.0, 0.25, -2.3, 0.0), particles(rows, 5.4, 0.27, -2.25, 0.25)
    (x, seen), (data, measured) = detect(t), detect(truth)
    return t, x, seen, truth, data, measured


CASES = {"gaussian": gaussian, "detector": detector}


def liblaser(sample, iterations, library, preset):
    """Through the C interface; in events of the data."""
    from laser import Laser

    t, x, seen, _, data, measured = sample
    laser = Laser(library)
    data = np.ascontiguousarray(data[measured])

    def array(x):
        return laser.make("laser_source_from_array", x.ctypes.data_as(c.c_void_p), None, *map(c.c_size_t, (*x.shape, 0)))

    settings = {"preset": "fast", "threads": THREADS, "unfold.iterations": iterations, "unfold.tolerance": 0}
    options = laser.options(**settings, **preset)
    flags = np.where(seen, 3, 1).astype(np.int32)
    w = np.empty(len(t))
    sources = [array(t), array(x), array(data)]
    laser.make("laser_unfold", *sources, flags.ctypes.data_as(c.c_void_p), c.c_size_t(len(t)), options, None, w.ctypes.data_as(c.c_void_p))
    return w


def small(sample, iterations, library):
    """liblaser, networks of the size of the package's, and half a minute of training."""
    return liblaser(sample, iterations, library, {"classifier": {"layers": 3, "units": 96, "epochs": 10}, "unfold.epochs": 4})


def fast(sample, iterations, library):
    """liblaser, by the preset `fast`."""
    return liblaser(sample, iterations, library, {})


def omnifold(sample, iterations, library):
    """The package, by its defaults (three hidden layers of 64, 128 and 64 units), but with batches of 1000 and at most 20 epochs."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(1)
    from omnifold import DataLoader, MLP, MultiFold
    from omnifold.net import weighted_binary_crossentropy

    # Keras, as of 2026, asks for the names of losses that it copies.
    tf.keras.utils.get_custom_objects()["weighted_binary_crossentropy"] = weighted_binary_crossentropy

    t, x, seen, _, data, measured = (np.asarray(a, np.float32) if a.dtype != bool else a for a in sample)
    mean, std = x[seen].mean(0), x[seen].std(0)
    reco = np.where(seen[:, None], (x - mean) / std, 0).astype(np.float32)
    gen = ((t - t.mean(0)) / t.std(0)).astype(np.float32)
    measured = ((data[measured] - mean) / std).astype(np.float32)
    # The package trains on shapes: both have the total of the data.
    simulated = DataLoader(reco=reco, pass_reco=seen, gen=gen, weight=np.full(len(gen), len(measured) / seen.sum(), np.float32))
    with tempfile.TemporaryDirectory() as folder:
        dims = gen.shape[1]
        fold = MultiFold("bench", MLP(dims), MLP(dims), DataLoader(reco=measured), simulated, batch_size=1000, niter=iterations, epochs=20,
                         early_stop=5, weights_folder=folder, log_folder=folder, verbose=False)
        fold.Unfold()
        w = fold.reweight(simulated.gen, fold.model2, batch_size=1000)
    return np.asarray(w, float) * len(measured) / seen.sum()


PEERS = {"liblaser, small": small, "liblaser, fast": fast, "omnifold 0.1.36": omnifold}


def scores(t, w, truth):
    """Mean and width of the first column, χ² per bin of every one, and the total over the true one."""
    mean = np.average(t[:, 0], weights=w)
    width = np.sqrt(np.average((t[:, 0] - mean) ** 2, weights=w))
    chi = []
    for column in range(t.shape[1]):
        edges = np.quantile(truth[:, column], np.linspace(0, 1, 21))
        edges[[0, -1]] = -np.inf, np.inf
        expected = np.histogram(truth[:, column], edges)[0] / len(truth)
        found = np.histogram(t[:, column], edges, weights=w)[0] / w.sum()
        variance = expected / len(truth) + np.histogram(t[:, column], edges, weights=w**2)[0] / w.sum() ** 2
        chi.append(np.mean((found - expected) ** 2 / variance))
    return mean, width, chi, w.sum() / len(truth)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--cases", default="gaussian,detector")
    parser.add_argument("--peers", help="names with semicolons between")
    parser.add_argument("--work", nargs=3, metavar=("PEER", "CASE", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        peer, case, path = arguments.work
        sample = CASES[case](1, arguments.events)
        begun, start = time.perf_counter(), time.process_time()
        np.save(path, PEERS[peer](sample, arguments.iterations, arguments.library))
        print(json.dumps({"processors": time.process_time() - start, "clock": time.perf_counter() - begun}))
        return
    print(f"{arguments.events} true events, {arguments.iterations} iterations\n")
    print("| case | | mean | width | χ² per bin | events / true | processors | clock |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    out = HERE.parent.parent / "build" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    for case in arguments.cases.split(","):
        t, _, seen, truth, _, measured = CASES[case](1, arguments.events)
        n = len(truth)
        mean, width = truth[:, 0].mean(), truth[:, 0].std()
        fourth = np.mean((truth[:, 0] - mean) ** 4) / width**4
        spread = width * np.sqrt((fourth - 1) / 4 / n)
        cells = [case, "the truth", f"{mean:.4f} ± {width / np.sqrt(n):.4f}", f"{width:.4f} ± {spread:.4f}", "", "1.000", "", ""]
        print("|", " | ".join(cells), "|", flush=True)
        row(case, "the simulation", scores(t, np.full(len(t), measured.sum() / seen.sum()), truth), None)
        for peer in arguments.peers.split(";") if arguments.peers else PEERS:
            path = out / f"unfolded-{case}.npy"
            command = [sys.executable, __file__, "--library", arguments.library, "--events", arguments.events]
            command += ["--iterations", arguments.iterations, "--work", peer, case, path]
            told = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout
            row(case, peer, scores(t, np.load(path), truth), json.loads(told.splitlines()[-1]))


def row(case, peer, found, took):
    """Prints a row of the table."""
    mean, width, chi, total = found
    cells = [case, peer, f"{mean:.4f}", f"{width:.4f}", ", ".join(f"{c:.1f}" for c in chi), f"{total:.3f}"]
    cells += [f"{took['processors']:.0f} s", f"{took['clock']:.0f} s"] if took else 2 * [""]
    print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
