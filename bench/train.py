"""The training benchmark: checks that liblaser and PyTorch learn alike, and measures the steps of the paper's trainings side by side.
`make bench-train` runs it.

Every peer runs in a process of its own for each number of threads and dtype; the rounds of all peers are interleaved, never two at
once, and the medians are reported beside the machine's own rate of large matrix products.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from statistics import median

from main import HERE, OUT, Worker
from train_peers import COMPILED, CLASSIFIER, FLOW, GAN, GEMM, LEAN, OURS, PEERS, WORKS, flops

BATCHES = (256, 2000, 20000)
MIDDLE = 2000  # the paper's batch; torch.compile takes long for every other, float64 is measured at this one
SETUPS = (("float32", 1), ("float32", 2), ("float64", 1))
ROUNDS = 3
SECONDS, MOST = 0.25, 40  # of a round, unless a step takes longer; and its steps
# First steps and seeds that are compared, and how much the loss may differ: the initial weights do.
CHECKED = {FLOW: (20, 5, 0.03), CLASSIFIER: (20, 5, 0.05), GAN: (1, 15, 0.1)}
UNITS = {FLOW: "update", CLASSIFIER: "update, its events included", GAN: "four discriminator updates and one of the refiner"}


class Peer(Worker):
    """A running bench/train_worker.py."""

    def __init__(self, name, dtype, threads, libraries):
        environment = {**os.environ, **libraries, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.log = open(OUT / f"train-{name}-{dtype}-{threads}.log", "w+")
        self.process = subprocess.Popen(
            [sys.executable, HERE / "train_worker.py", name, dtype, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=environment,
            start_new_session=True,
        )
        self.name, self.dtype = name, dtype
        self.first = self.read()

    def measures(self, batch):
        if self.name == COMPILED:
            return batch == MIDDLE and self.dtype == "float32"
        return batch == MIDDLE or self.dtype == "float32"


def check(peers):
    """That the mean loss of the first updates is the same."""
    for work, (count, seeds, tolerance) in CHECKED.items():
        loss = {name: peers[name].ask(work=work, batch=BATCHES[0], count=count, seeds=seeds)["loss"] for name in (OURS, LEAN)}
        print(f"bench: {work}, mean loss of the first updates: " + ", ".join(f"{name} {value:.4f}" for name, value in loss.items()), flush=True)
        if not abs(loss[OURS] / loss[LEAN] - 1) < tolerance:
            sys.exit(f"bench: liblaser's {work} learns otherwise than PyTorch's")


def measure(peers, dtype, threads, seconds):
    """Interleaved rounds: every peer once, then again. `seconds` receives lists by (peer, work, batch, threads, dtype)."""
    for work in WORKS:
        for batch in BATCHES:
            chosen = [peer for peer in peers.values() if peer.measures(batch)]
            for _ in range(ROUNDS):
                for peer in chosen:
                    key = (peer.name, *((GEMM, 0) if peer.name == GEMM else (work, batch)), threads, dtype)
                    answer = peer.ask(work=work, batch=batch, seconds=SECONDS, most=MOST)
                    seconds.setdefault(key, []).append(answer["seconds"])


def table(records):
    cells = {tuple(r[k] for k in ("peer", "work", "batch", "threads", "dtype")): r for r in records}
    columns = list(dict.fromkeys(key[2:] for key in cells))
    columns.sort(key=lambda column: (column[2], column[1], column[0]))
    for work in WORKS:
        print(f"\n{work}: ms of a step ({UNITS[work]}), so many times liblaser's, share of the rate of large matrix products\n")
        print(f"{'':<15}" + "".join(f"{f'{batch} x {threads}, {dtype[0]}{dtype[-2:]}':>24}" for batch, threads, dtype in columns))
        for peer in PEERS:
            if not any(key[:2] == (peer, work) for key in cells):
                continue
            line = f"{peer:<15}"
            for column in columns:
                cell, ours = cells.get((peer, work, *column)), cells[OURS, work, *column]
                text = f"{cell['step_ms']:.2f} {cell['step_ms'] / ours['step_ms']:>6.2f} {cell['gemm_share']:>5.0%}" if cell else "-"
                line += f"{text:>24}"
            print(line)
    print()
    for work in WORKS:
        at = (work, MIDDLE, 1, "float32")
        ours = cells[OURS, *at]
        others = {peer: cells[peer, *at]["step_ms"] for peer in PEERS if (peer, *at) in cells and peer != OURS}
        faster = ", ".join(f"{ms / ours['step_ms']:.2f} times as fast as {peer}" for peer, ms in others.items())
        print(f"{work}, batch {MIDDLE}, one thread, float32: liblaser {ours['step_ms']:.2f} ms, gemm share {ours['gemm_share']:.0%}; {faster}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--torch", required=True, help="the liblaser.so with libtorch")
    parser.add_argument("--engine", required=True, help="the liblaser.so whose engine is measured")
    arguments = parser.parse_args()
    libraries = {"LIBTORCH_LIBRARY": arguments.torch, "ENGINE": arguments.engine}
    start, seconds = time.monotonic(), {}
    for dtype, threads in SETUPS:
        names = [name for name in PEERS if name != COMPILED or dtype == "float32"]
        peers = {name: Peer(name, dtype, threads, libraries) for name in names}
        if (dtype, threads) == SETUPS[0]:
            check(peers)
        measure(peers, dtype, threads, seconds)
        for peer in peers.values():
            peer.close()
        print(f"bench: {dtype}, {threads} thread(s) measured, {time.monotonic() - start:.0f} s so far", flush=True)

    gemm = {key[3:]: PEERS[GEMM].flop / median(values) for key, values in seconds.items() if key[1] == GEMM}
    records = [
        {
            "peer": peer,
            "work": work,
            "batch": batch,
            "threads": threads,
            "dtype": dtype,
            "step_ms": round(1e3 * median(values), 4),
            "gemm_share": round(flops(work) * batch / median(values) / gemm[threads, dtype], 4),
        }
        for (peer, work, batch, threads, dtype), values in seconds.items()
        if work in WORKS
    ]
    (OUT / "training.json").write_text(json.dumps(records, indent=1) + "\n")
    table(records)
    print("\nThe gemm share counts useful operations, against 2048 x 2048 products in PyTorch with the same threads. Their rate, in GFLOP/s:")
    print("  " + ", ".join(f"{dtype} x {threads}: {rate / 1e9:.0f}" for (threads, dtype), rate in gemm.items()))
    print(f"bench: {time.monotonic() - start:.0f} s; build/bench/training.json")


if __name__ == "__main__":
    main()
