#!/usr/bin/env python3
"""How far the weights of `make paper` are from the truth, which is known, and what could be made of them after the training.

    LASER_LIBRARY=build/standalone/liblaser.so PYTHONPATH=python/src $(scripts/setup --python) bench/exact.py build/paper

The ratio is that of the target's density to the flow's own. Prints, for every target that was run, the mean of (log w - log ratio)^2 / 8 over
events of the target, which is about the Jensen-Shannon divergence in nats that reweighting leaves: without weights, with the classifier's,
the share of that which the outermost hundredth of the events has, and with the weights calibrated on a million events of each class by an
isotonic function of log w or by a linear one (Platt).
"""

import sys
from pathlib import Path

import liblaser
import numpy as np

EVENTS = 1_000_000
JUDGED = 400_000
LARGEST = 2.0  # of a difference that counts, so that single events do not decide
CENTRES = np.array([[-4, -4], [-4, 4], [4, -4], [4, 4]])
RINGS = {"donut": ([-4, 4], 1.0), "rings": ([-12, 0, 12], 1.0), "narrow_rings": ([-12, 0, 12], 0.25)}


def draw(name, n, rng):
    """Events of a target of examples-c/simulator.c."""
    if name == "gaussians":
        return CENTRES[rng.integers(4, size=n)] + rng.normal(size=(n, 2))
    centres, width = RINGS[name]
    centre, radius, angle = np.array(centres)[rng.integers(len(centres), size=n)], 4 + width * rng.normal(size=n), 2 * np.pi * rng.random(n)
    return np.c_[centre + radius * np.cos(angle), radius * np.sin(angle)]


def log_density(name, x):
    """That of the target."""
    if name == "gaussians":
        return np.log(sum(np.exp(-((x - c) ** 2).sum(1) / 2) for c in CENTRES) / (8 * np.pi))
    centres, width = RINGS[name]
    total = 0.0
    for c in centres:
        r = np.hypot(x[:, 0] - c, x[:, 1])
        total += (np.exp(-(((r - 4) / width) ** 2) / 2) + np.exp(-(((r + 4) / width) ** 2) / 2)) / (width * np.sqrt(2 * np.pi) * 2 * np.pi * r)
    return np.log(total / len(centres))


def isotonic(score, label, per_bin=2000):
    """log ratio as a rising function of the score: pooled adjacent violators, on bins of so many events."""
    order = np.argsort(score)
    n = len(order) // per_bin * per_bin
    at, share = (v[order][:n].reshape(-1, per_bin).mean(1) for v in (score, label))
    pools = []
    for value in share:
        pools.append([value, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            value, bins = pools.pop()
            last = pools[-1]
            last[:] = (last[0] * last[1] + value * bins) / (last[1] + bins), last[1] + bins
    fitted = np.clip(np.repeat([p[0] for p in pools], [p[1] for p in pools]), 1 / per_bin, 1 - 1 / per_bin)
    return lambda s: np.interp(s, at, np.log(fitted / (1 - fitted)))


def platt(score, label):
    """log ratio as a linear function of the score, by logistic regression."""
    slope, offset = 1.0, 0.0
    for _ in range(20):
        p = 1 / (1 + np.exp(-(slope * score + offset)))
        left, h = label - p, p * (1 - p)
        hessian = [[(h * score**2).sum(), (h * score).sum()], [(h * score).sum(), h.sum()]]
        step = np.linalg.solve(hessian, [(left * score).sum(), left.sum()])
        slope, offset = slope + step[0], offset + step[1]
    return lambda s: slope * s + offset


def left(log_w, exact):
    """The squares, event by event."""
    return np.clip(log_w - exact, -LARGEST, LARGEST) ** 2 / 8


def main(directory):
    print("| target | no weights | classifier | its outermost 1 % | isotonic | Platt |\n|---|---|---|---|---|---|")
    for name in ("gaussians", *RINGS):
        path = directory / name / "model.laser"
        if not path.exists():
            continue
        model, rng = liblaser.Model.load(str(path)), np.random.default_rng(3)
        target, generated = draw(name, EVENTS, rng), model.sampler(11, method="baseline").generate(EVENTS).x
        score = np.r_[model.log_weight(target), model.log_weight(generated)]
        label = np.r_[np.ones(EVENTS), np.zeros(EVENTS)]
        x = draw(name, JUDGED, rng)
        density, own = log_density(name, x), model.log_weight(x)
        exact = density - model.log_prob(x)
        squares = left(own, exact)
        outermost = squares[density <= np.quantile(density, 0.01)].sum() / squares.sum()
        columns = [f"{left(0, exact).mean():.2e}", f"{squares.mean():.2e}", f"{100 * outermost:.0f} %"]
        columns += [f"{left(f(score, label)(own), exact).mean():.2e}" for f in (isotonic, platt)]
        print(f"| {name} | " + " | ".join(columns) + " |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    main(Path(sys.argv[1]))
