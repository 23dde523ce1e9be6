# Requires: numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 POT==0.9.7.post1
"""Reference values for the scores of samples: python3 scores.py > scores.json.

Pairs of weighted samples: one-dimensional earth mover's distance and Kolmogorov-Smirnov test by scipy, sliced distance by POT, area
under the curve by scikit-learn with DeLong's error from its definition.
"""

import json

import numpy as np
import ot
from scipy.special import kolmogorov
from scipy.stats import ks_2samp, wasserstein_distance
from sklearn.metrics import roc_auc_score

rng = np.random.default_rng(20240119)


def pairs():
    """Yield (name, p, weights of p, q, weights of q); weights are integers, so that events can be repeated instead."""
    ones = np.ones
    yield "equal", rng.normal(size=(60, 3)), ones(60), rng.normal(size=(80, 3)), ones(80)
    yield "shifted", rng.normal(size=(50, 2)), ones(50), rng.normal(1, 2, size=(70, 2)), ones(70)
    yield "weighted", rng.normal(size=(40, 3)), rng.integers(1, 5, 40), rng.normal(0.3, 1, size=(60, 3)), rng.integers(0, 9, 60)
    lattice = lambda n: rng.integers(0, 6, (n, 2)).astype(float)
    yield "ties", lattice(50), rng.integers(1, 4, 50), lattice(45), ones(45)
    yield "apart", rng.uniform(0, 1, (20, 2)), ones(20), rng.uniform(2, 3, (30, 2)), ones(30)
    yield "two_events", np.array([[0.5, 1.0], [0.25, 2.0]]), ones(2), rng.normal(size=(30, 2)), ones(30)


def repeated(x, w):
    return np.repeat(x, w.astype(int))


def ks(p, wp, q, wq):
    effective = [w.sum() ** 2 / (w**2).sum() for w in (wp, wq)]
    root = np.sqrt(effective[0] * effective[1] / sum(effective))
    statistic = ks_2samp(repeated(p, wp), repeated(q, wq)).statistic
    return float(statistic), float(kolmogorov((root + 0.12 + 0.11 / root) * statistic))


def sliced(p, wp, q, wq):
    std = np.sqrt(np.cov(p.T, fweights=wp.astype(int), ddof=0).diagonal())
    directions = rng.normal(size=(p.shape[1], 40000))
    directions /= np.linalg.norm(directions, axis=0)
    a, b = wp / wp.sum(), wq / wq.sum()
    return float(ot.sliced_wasserstein_distance(p / std, q / std, a, b, projections=directions, p=1))


def delong(ones, zeros):
    """The standard error of the area under the curve, without weights."""
    higher = (ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros)
    return float(np.sqrt(np.var(higher.mean(1), ddof=1) / len(ones) + np.var(higher.mean(0), ddof=1) / len(zeros)))


def case(name, p, wp, q, wq):
    p, q = np.round(p, 6), np.round(q, 6)
    x, y = p[:, 0], q[:, 0]
    labels = np.r_[np.ones(len(x)), np.zeros(len(y))]
    statistic, p_value = ks(x, wp, y, wq)
    return {
        "name": name,
        "dim": p.shape[1],
        "p": p.ravel().tolist(),
        "p_weights": wp.astype(float).tolist(),
        "q": q.ravel().tolist(),
        "q_weights": wq.astype(float).tolist(),
        "emd_1d": float(wasserstein_distance(x, y, wp, wq)),
        "ks": statistic,
        "ks_p": p_value,
        "sliced": sliced(p, wp, q, wq),
        "auc": float(roc_auc_score(labels, np.r_[x, y], sample_weight=np.r_[wp, wq])),
        "delong": delong(x, y),
    }


print(json.dumps([case(*pair) for pair in pairs()], separators=(",", ":")))
