# Requires: numpy==2.4.6 scipy==1.17.1 POT==0.9.7.post1
"""Reference values for the metrics: python3 metrics.py > metrics.json (about a minute).

Histograms of many kinds with their JSD by scipy and their EMD by POT, and a list of events with their histogram by numpy.
"""

import json

import numpy as np
import ot
from scipy.spatial.distance import cdist, jensenshannon

rng = np.random.default_rng(20240117)


def counts(events, bins, ranges):
    return np.histogram2d(*events.T, bins=bins, range=ranges)[0].astype(int)


def gaussian(mean, sigma, n):
    return rng.normal(mean, sigma, size=(n, 2))


def double_donut(radius, n):
    angle = rng.uniform(0, 2 * np.pi, n)
    r = rng.normal(radius, 1, n)
    return np.stack([r * np.cos(angle) + rng.choice([-4, 4], n), r * np.sin(angle)], axis=1)


def pairs():
    """Yield (name, ranges, p, q)."""
    ranges = [[0, 3], [-1, 2]]
    yield "sparse", ranges, *(rng.poisson(0.1, (2, 12, 9)) * rng.integers(1, 20, (2, 12, 9)))
    yield "dense", ranges, *rng.integers(1, 1000, (2, 30, 30))
    yield "different_totals", ranges, rng.poisson(3, (16, 16)), rng.poisson(50, (16, 16))
    yield "weighted", ranges, *rng.exponential(1, (2, 20, 15))
    yield "one_row", ranges, *rng.integers(0, 9, (2, 1, 50))
    yield "elongated", [[0, 1000], [0, 1]], *rng.integers(0, 9, (2, 15, 20))
    ranges = [[-8, 8], [-8, 8]]
    near, far = gaussian([-1, 0], 1.5, 20000), gaussian([1.3, 0.4], 1.6, 20000)
    yield "shifted_gaussian", ranges, counts(near, 30, ranges), counts(far, 30, ranges)
    near, far = gaussian([-4, -3], 1, 5000), gaussian([4, 3], 1.5, 5000)
    yield "disjoint", ranges, counts(near, 40, ranges), counts(far, 40, ranges)
    ranges = [[-11, 11], [-7, 7]]
    near, far = double_donut(4, 40000), double_donut(4.3, 40000)
    yield "double_donut", ranges, counts(near, 100, ranges), counts(far, 100, ranges)


def emd(ranges, p, q):
    edges = [np.linspace(*r, n + 1) for r, n in zip(ranges, p.shape)]
    x, y = np.meshgrid(*[(e[1:] + e[:-1]) / 2 for e in edges], indexing="ij")
    centres = np.stack([x.ravel(), y.ravel()], axis=1)
    p, q = (h.ravel() / h.sum() for h in (p, q))
    # Not ot.dist: it expands the square, which leaves 1e-8 for the distance of a bin to itself.
    distances = cdist(centres[p > 0], centres[q > 0])
    return ot.emd2(p[p > 0], q[q > 0], distances, numItermax=10**9)


def case(name, ranges, p, q):
    contents = {"p": p.ravel().tolist(), "q": q.ravel().tolist()}
    scores = {"jsd": jensenshannon(p.ravel(), q.ravel()) ** 2, "emd": float(emd(ranges, p, q))}
    return {"name": name, "bins": p.shape, "ranges": ranges, **contents, **scores}


def filling():
    """Events on a lattice that holds the edges of the bins, inside and outside the range."""
    events = rng.integers(-10, 26, (200, 2)) / 8
    weights = rng.integers(-4, 20, 200) / 4
    ranges = [[-1, 3], [0, 2]]
    contents = np.histogram2d(*events.T, bins=(8, 5), range=ranges, weights=weights)[0]
    return {
        "bins": [8, 5],
        "ranges": ranges,
        "events": events.ravel().tolist(),
        "weights": weights.tolist(),
        "contents": contents.ravel().tolist(),
    }


cases = [case(*pair) for pair in pairs()]
print(json.dumps({"pairs": cases, "filling": filling()}, separators=(",", ":")))
