"""Training steps and events of flows from narrow to wide, liblaser beside PyTorch. `make bench` and `make bench-train` run it after theirs.

    wide.py sampling|training --library LIBRARY

Flows of eight affine blocks with three hidden layers, float32, batch 2000. Every peer runs in a process of its own for each width and
number of threads; the rounds of all peers are interleaved, never two at once, and the medians are reported beside the machine's own rate
of large matrix products. A process's memory is what its work has added at its peak.
"""

import argparse
import ctypes as c
import itertools
import json
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

import numpy as np

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "build" / "bench"
WIDTHS = ((2, 48), (30, 128), (100, 256), (368, 512))  # features and units
BLOCKS, LAYERS, BATCH, CLAMP, SLOPE = 8, 3, 2000, 2.0, 0.01
ROUNDS, SECONDS = 3, 0.5
OURS, THEIRS, GEMM = "liblaser", "pytorch-lean", "gemm"
TRAINING, SAMPLING = "training", "sampling"


def subnets(features, units):
    """Widths of the layers of every block's network, inputs and outputs included: the halves of the features take turns."""
    low, high = features // 2, features - features // 2
    shapes = [(low, high), (high, low)]
    return [(passive, *LAYERS * [units], 2 * active) for active, passive in itertools.islice(itertools.cycle(shapes), BLOCKS)]


def flops(work, features, units):
    """Of an event: two for every weight; in a training also for the inputs' gradients and for the parameters'."""
    weights = sum(a * b for widths in subnets(features, units) for a, b in itertools.pairwise(widths))
    return (6 if work == TRAINING else 2) * weights


def target(features):
    return np.random.default_rng(1).standard_normal((10 * BATCH, features))


class Liblaser:
    """Through the C interface. A step is the time from one call of the progress callback to the next; k threads sample with k samplers."""

    def __init__(self, features, units, threads, path):
        from laser import Laser

        self.laser, self.threads, self.features = Laser(path), threads, features
        self.laser.library.laser_progress_stage.restype = c.c_char_p
        self.loop = c.CDLL(str(OUT / "loop.so"))
        self.target, self.samplers = target(features), []
        rows, dim = map(c.c_size_t, self.target.shape)
        pointer = self.target.ctypes.data_as(c.c_void_p)
        self.source = self.laser.make("laser_source_from_array", pointer, None, rows, dim, c.c_size_t(0))
        self.settings = {"dtype": "float32", "threads": threads, "validation.events": 0}
        self.flow = {"epochs": 1, "batch": BATCH, "blocks": BLOCKS, "layers": LAYERS, "units": units}

    def train(self, updates, hooks=None):
        options = self.laser.options(**self.settings, flow={**self.flow, "steps": updates})
        return self.laser.make("laser_generator_train", self.source, options, hooks)

    def training(self, count):
        times = []

        @c.CFUNCTYPE(c.c_int32, c.c_void_p, c.c_void_p)
        def progress(p, _):
            if self.laser.library.laser_progress_stage(c.c_void_p(p)) == b"flow":
                times.append(time.perf_counter())
            return 0

        hooks = self.laser.make("laser_hooks_new")
        self.laser.call("laser_hooks_set_progress", hooks, progress, None)
        self.train(count + 1, hooks)
        return np.diff(times).tolist()

    def sampling(self, count):
        if not self.samplers:
            model = self.laser.make("laser_model_from_generator", self.train(1))
            self.samplers = [self.laser.sampler(model, "baseline", stream) for stream in range(self.threads)]
        start = time.perf_counter()
        helpers = [threading.Thread(target=self.sample, args=(sampler, count)) for sampler in self.samplers[1:]]
        for helper in helpers:
            helper.start()
        self.sample(self.samplers[0], count)
        for helper in helpers:
            helper.join()
        return [(time.perf_counter() - start) / (count * self.threads)]

    def sample(self, sampler, count):
        x = np.empty((BATCH, self.features), np.float32)
        generate = self.laser.library.laser_sampler_generate_f32
        if self.loop.loop_generate(generate, sampler, c.c_size_t(count), c.c_size_t(BATCH), x.ctypes.data_as(c.c_void_p)) != 0:
            raise RuntimeError("sampling failed")


class Lean:
    """The same layers in PyTorch without a framework: the halves of the features are kept apart, nothing is permuted or copied."""

    def __init__(self, features, units, threads, _):
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(1)
        self.torch, self.features = torch, features
        self.target = torch.from_numpy(target(features)).float()
        self.networks = [self.mlp(widths) for widths in subnets(features, units)]
        parameters = [p for network in self.networks for p in network.parameters()]
        self.optimiser = torch.optim.Adam(parameters, lr=1e-3, weight_decay=1e-5, fused=True)

    def mlp(self, widths):
        nn, modules = self.torch.nn, []
        for inputs, outputs in itertools.pairwise(widths):
            linear = nn.Linear(inputs, outputs)
            nn.init.kaiming_normal_(linear.weight, a=SLOPE)
            modules += [linear, nn.LeakyReLU(SLOPE, inplace=True)]
        modules[-2].weight.data *= 0
        modules[-2].bias.data *= 0
        return nn.Sequential(*modules[:-1])

    def split(self, x):
        return [*x.split([self.features // 2, self.features - self.features // 2], 1)]

    def coefficients(self, i, passive):
        s, t = self.networks[i](passive).chunk(2, 1)
        return CLAMP * self.torch.tanh(s / CLAMP), t

    def update(self):
        torch = self.torch
        x, log_det = self.split(self.target[torch.randint(len(self.target), (BATCH,))]), 0.0
        self.optimiser.zero_grad()
        for i in reversed(range(BLOCKS)):
            s, t = self.coefficients(i, x[(i + 1) % 2])
            x[i % 2] = (x[i % 2] - t) * torch.exp(-s)
            log_det = log_det - s.sum(1)
        squares = (x[0] * x[0]).sum(1) + (x[1] * x[1]).sum(1)
        loss = (0.5 * (squares + self.features * math.log(2 * math.pi)) - log_det).mean()
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def training(self, count):
        return [seconds(self.update) for _ in range(count)]

    def sampling(self, count):
        with self.torch.inference_mode():
            return [seconds(self.sample) for _ in range(count)]

    def sample(self):
        x = self.split(self.torch.randn(BATCH, self.features))
        for i in range(BLOCKS):
            s, t = self.coefficients(i, x[(i + 1) % 2])
            x[i % 2] = x[i % 2] * self.torch.exp(s) + t
        return self.torch.cat(x, 1)


class Gemm:
    """The machine's own large matrix product."""

    def __init__(self, _features, _units, threads, _path):
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.a, self.b = (torch.randn(2048, 2048) for _ in range(2))
        self.c = torch.empty_like(self.a)

    def training(self, count):
        return [seconds(self.torch.mm, self.a, self.b, out=self.c) for _ in range(count)]

    sampling = training


PEERS = {OURS: Liblaser, THEIRS: Lean, GEMM: Gemm}


def seconds(function, *arguments, **keywords):
    start = time.perf_counter()
    function(*arguments, **keywords)
    return time.perf_counter() - start


def peak():
    """The most memory that this process has had, in MB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def work(name, kind, features, units, threads, library):
    """One peer: for every line on stdin a round, its median step and the peak memory on stdout."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the peers print is no answer
    peer = PEERS[name](features, units, threads, library)
    before = peak()
    run = getattr(peer, kind)
    run(1)
    first = max(run(1))
    memory = peak() - before
    for _ in sys.stdin:
        steps = run(max(2, min(200, round(SECONDS / first))))
        print(json.dumps({"seconds": median(steps), "memory_mb": memory}), file=answers)


def measure(kind, library):
    records = []
    for threads in (1, 2):
        for features, units in WIDTHS:
            environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
            processes = {
                name: subprocess.Popen(
                    [sys.executable, __file__, kind, "--library", library, "--peer", name, "--width", str(features), str(units), str(threads)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=environment,
                    start_new_session=True,
                )
                for name in PEERS
            }
            answers = {name: [] for name in PEERS}
            for _ in range(ROUNDS):
                for name, process in processes.items():
                    print(file=process.stdin, flush=True)
                    line = process.stdout.readline()
                    if not line:
                        sys.exit(f"bench: {name} failed at {features} x {units}")
                    answers[name].append(json.loads(line))
            for process in processes.values():
                process.stdin.close()
                process.wait()
            step = {name: median(answer["seconds"] for answer in given) for name, given in answers.items()}
            flop, rate = flops(kind, features, units) * BATCH, 2 * 2048**3 / step[GEMM]
            records.append(
                {
                    "work": kind,
                    "features": features,
                    "units": units,
                    "threads": threads,
                    "step_ms": round(1e3 * step[OURS], 3),
                    "pytorch_ms": round(1e3 * step[THEIRS], 3),
                    "faster": round(step[THEIRS] / step[OURS], 2),
                    "gemm_share": round(flop / step[OURS] / rate, 3),
                    "pytorch_gemm_share": round(flop / step[THEIRS] / rate, 3),
                    "gemm_gflops": round(rate / 1e9, 1),
                    "ns_per_weight": round(1e9 * step[OURS] / (flop / 2), 5),
                    "memory_mb": round(answers[OURS][0]["memory_mb"], 1),
                    "pytorch_memory_mb": round(answers[THEIRS][0]["memory_mb"], 1),
                }
            )
    return records


def table(kind, records):
    what = {TRAINING: "ms of a step", SAMPLING: f"ms of {BATCH} events"}[kind]
    print(f"\nflows of {BLOCKS} affine blocks of {LAYERS} hidden layers, float32, batch {BATCH}: {what}, share of the rate of large matrix")
    print("products with the same threads, peak memory above that before, ns of a product and a sum\n")
    print(f"{'features x units':>17} {'threads':>8} {'liblaser':>10} {'share':>6} {'PyTorch':>10} {'share':>6} {'faster':>7} {'MB':>8} {'PyTorch MB':>11} {'ns':>8}")
    for r in records:
        width = f"{r['features']} x {r['units']}"
        print(
            f"{width:>17} {r['threads']:>8} {r['step_ms']:>10.2f} {r['gemm_share']:>6.0%} {r['pytorch_ms']:>10.2f} {r['pytorch_gemm_share']:>6.0%}"
            f" {r['faster']:>7.2f} {r['memory_mb']:>8.0f} {r['pytorch_memory_mb']:>11.0f} {r['ns_per_weight']:>8.4f}"
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=(TRAINING, SAMPLING))
    parser.add_argument("--library", required=True, help="the liblaser.so that is measured")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--width", nargs=3, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return work(arguments.peer, arguments.kind, *arguments.width, arguments.library)
    start = time.monotonic()
    records = measure(arguments.kind, arguments.library)
    (OUT / f"wide-{arguments.kind}.json").write_text(json.dumps(records, indent=1) + "\n")
    table(arguments.kind, records)
    print(f"bench: {time.monotonic() - start:.0f} s; build/bench/wide-{arguments.kind}.json")


if __name__ == "__main__":
    main()
