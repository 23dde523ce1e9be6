"""The sampling benchmark: trains a model of the paper's size, checks that all peers make the same events of it, and measures
their rates side by side. `make bench` runs it.

Every peer runs in a process (and process group) of its own for each number of threads and dtype; the repeats of all peers are
interleaved, and the medians are reported beside the machine's own rate of large matrix products.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

from laser import Laser
from peers import FLOW, OUT, REFINED

HERE = Path(__file__).resolve().parent
MFLOP = {REFINED: 0.235, FLOW: 0.114}  # per event: twice the number of weights
BATCHES = (1, 10, 100, 2000, 20000, 200000)
REPEATS = 3
SECONDS = 0.06  # of a repeat, if a batch does not take longer
SLOW = 1.0  # seconds of a repeat, beyond which there is no second
TOLERANCE = {"float32": 1e-4, "float64": 1e-10}  # of events, relative to the size of the sample
CHECKED = 20000
COMPILED = (("float32", 1), ("float32", 2))  # torch.compile takes long for every process: float32 only
OURS = "liblaser"


class Worker:
    """A running bench/worker.py."""

    def __init__(self, name, model, dtype, threads, library):
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "SAMPLER": library}
        self.log = open(OUT / f"{name}-{dtype}-{threads}.log", "w+")
        self.process = subprocess.Popen(
            [sys.executable, HERE / "worker.py", name, model, dtype, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=environment,
            start_new_session=True,
        )
        self.name = name
        self.first = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            sys.exit(f"bench: {self.name} failed:\n{self.log.read()[-3000:]}")
        return json.loads(line)

    def ask(self, **command):
        print(json.dumps(command), file=self.process.stdin, flush=True)
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


def train(trainer, dtype):
    path = OUT / f"model-{dtype}.laser"
    random = np.random.default_rng(1)
    centres = np.array([[-4.0, -4.0], [-4.0, 4.0], [4.0, -4.0], [4.0, 4.0]])
    events = centres[random.integers(4, size=50000)] + random.standard_normal((50000, 2))
    Laser(trainer).train(events, dtype, path)
    return path


def kolmogorov(a, b):
    """Largest distance between the distribution functions of two samples."""
    both = np.concatenate([a, b])
    distance = [np.searchsorted(np.sort(sample), both, "right") / len(sample) for sample in (a, b)]
    return np.abs(distance[0] - distance[1]).max()


def check(workers, model, dtype, library):
    """The peers' g of liblaser's latents against liblaser's events, their g(Φ) against each other and, in distribution, liblaser's."""
    laser, path = Laser(library), {name: OUT / f"check-{name}.npy" for name in (FLOW, REFINED, "out")}
    x, z = np.empty((CHECKED, 2)), np.empty((CHECKED, 2))
    laser.latent_and_event(laser.sampler(laser.load(model), "gan", 7), x, z)
    np.save(path[FLOW], z)
    from model import read

    np.save(path[REFINED], np.random.default_rng(7).standard_normal((CHECKED, read(model).auxiliary_dim)))
    expected, worst = {FLOW: x}, 0.0
    for worker in workers:
        for work in worker.first["works"]:
            if worker.name == OURS or work not in MFLOP:
                continue
            worker.ask(do="check", work=work, latents=str(path[work]), out=str(path["out"]))
            got = np.load(path["out"])
            if work not in expected:  # the first peer's: in distribution those of liblaser, whose y nobody sees
                expected[work] = got
                for i in range(2):
                    distance = kolmogorov(got[:, i], x[:, i])
                    if distance > 2.2 * (2 / CHECKED) ** 0.5:  # p = 1e-4
                        sys.exit(f"bench: {worker.name}'s refined events are distributed otherwise than liblaser's: {distance}")
            error = np.abs(got - expected[work]).max() / np.abs(expected[work]).max()
            worst = max(worst, error)
            if not error < TOLERANCE[dtype]:
                sys.exit(f"bench: {worker.name} makes other {work} events than liblaser: relative error {error:.1e}, {dtype}")
    print(f"bench: {dtype}: same events from the same latents in all peers, relative error at most {worst:.1e}", flush=True)


def measure(workers, dtype, threads, rates):
    """Interleaved repeats: every peer once, then again. `rates` receives lists by (peer, work, batch, threads, dtype)."""
    for batch in BATCHES:
        for repeat in range(REPEATS):
            for worker in workers:
                for work in worker.first["works"]:
                    key = (worker.name, work, 0 if work == "gemm" else batch, threads, dtype)
                    if rates.get(key) and repeat and rates[key][-1][1] > SLOW:
                        continue
                    if work == "gemm" and repeat:
                        continue
                    answer = worker.ask(do="time", work=work, batch=batch if work != "gemm" else 0, seconds=SECONDS)
                    rates.setdefault(key, []).append((answer["rate"], answer["seconds"]))


def table(records):
    rate = {tuple(r[k] for k in ("peer", "work", "batch", "threads", "dtype")): r for r in records}
    peers = list(dict.fromkeys(r["peer"] for r in records))
    for work in MFLOP:
        for dtype in ("float32", "float64"):
            for threads in (1, 2):
                columns = [p for p in peers if (p, work, BATCHES[0], threads, dtype) in rate]
                print(f"\n{work} events/s, {dtype}, {threads} thread{'s'[: threads - 1]} (in brackets: liblaser is so many times faster)\n")
                print(f"{'batch':>7} " + " ".join(f"{p:>22}" for p in columns) + f" {'gemm share':>11}")
                for batch in BATCHES:
                    cells = [rate[p, work, batch, threads, dtype] for p in columns]
                    ours = cells[columns.index(OURS)]
                    text = []
                    for cell in cells:
                        factor = "" if cell is ours else f"({ours['events_per_s'] / cell['events_per_s']:.2f})"
                        text.append(f"{cell['events_per_s']:>13,.0f} {factor:>8}")
                    print(f"{batch:>7} " + " ".join(text) + f" {ours['gemm_share']:>10.0%}")


def plot(records, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    for axis, dtype in zip(axes, ("float32", "float64")):
        for i, peer in enumerate(dict.fromkeys(r["peer"] for r in records)):
            chosen = [r for r in records if (r["peer"], r["work"], r["threads"], r["dtype"]) == (peer, REFINED, 1, dtype)]
            if chosen:
                style = {"color": "black", "linewidth": 2.5} if peer == OURS else {"color": f"C{i}"}
                axis.loglog([r["batch"] for r in chosen], [r["events_per_s"] for r in chosen], "o-", label=peer, **style)
        axis.set(title=f"{dtype}, one thread", xlabel="batch")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("refined events/s")
    axes[0].legend()
    figure.savefig(path, dpi=130)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trainer", required=True, help="the liblaser.so that trains")
    parser.add_argument("--sampler", required=True, help="the liblaser.so that is measured")
    arguments = parser.parse_args()
    start = time.monotonic()
    models = {dtype: train(arguments.trainer, dtype) for dtype in ("float32", "float64")}
    print(f"bench: trained flow 12 x (3 x 48) and GAN refiner 7 x 100 in {time.monotonic() - start:.0f} s", flush=True)

    rates, footprint = {}, {}
    for dtype, model in models.items():
        for threads in (1, 2):
            names = [OURS, "pytorch-freia", "pytorch-lean", "torch-compile", "onnxruntime", "zuko", "gemm"]
            if (dtype, threads) not in COMPILED:
                names.remove("torch-compile")
            # One after another: the time to the first event is part of what is measured.
            workers = []
            for name in names:
                workers.append(Worker(name, model, dtype, threads, arguments.sampler))
                if (dtype, threads) == ("float32", 1) and name != "gemm":
                    footprint[name] = (workers[-1].ask(do="memory")["memory_mb"], workers[-1].first["load_s"])
            if threads == 1:
                check(workers, model, dtype, arguments.sampler)
            measure(workers, dtype, threads, rates)
            for worker in workers:
                worker.close()
            print(f"bench: {dtype}, {threads} thread(s) measured, {time.monotonic() - start:.0f} s so far", flush=True)

    gemm = {key[3:]: median(rate for rate, _ in values) for key, values in rates.items() if key[1] == "gemm"}
    records = [
        {
            "peer": peer,
            "work": work,
            "batch": batch,
            "threads": threads,
            "dtype": dtype,
            "events_per_s": round(median(rate for rate, _ in values), 1),
            # Of the one-thread rate, times the threads.
            "gemm_share": round(median(rate for rate, _ in values) * MFLOP[work] * 1e6 / (gemm[1, dtype] * threads), 4),
        }
        for (peer, work, batch, threads, dtype), values in rates.items()
        if work in MFLOP
    ]
    (OUT / "sampling.json").write_text(json.dumps(records, indent=1) + "\n")
    plot(records, OUT / "sampling.png")
    table(records)
    print("\nbatch 1 of liblaser: laser_sampler_next; larger ones: laser_sampler_generate, call after call. Both keep blocks inside, and")
    print("make the random latents too, which the peers are given. k threads: k samplers. gemm share: liblaser's, of one thread's rate of")
    print("2048 x 2048 products in PyTorch, times the threads. That rate, in GFLOP/s, by threads and dtype:")
    print("  " + ", ".join(f"{dtype} x {threads}: {rate / 1e9:.0f}" for (threads, dtype), rate in gemm.items()))
    print("\nfloat32, one thread, process after its first event   memory above Python's, MB   seconds from load to first event")
    for name, (memory, load) in footprint.items():
        print(f"  {name:<50} {memory:>10.1f} {load:>30.4f}")
    print(f"\nbench: {time.monotonic() - start:.0f} s; build/bench/sampling.json, build/bench/sampling.png")


if __name__ == "__main__":
    main()
