# Requires: numpy==2.4.6 scikit-learn==1.9.1
"""Reference values for the trees and for the two-sample score: python3 trees.py > trees.json.

scikit-learn's HistGradientBoostingClassifier on toys that src/metrics/trees/toys.rs makes too, of the same random numbers: raw scores of single events
after a few rounds, and areas under the curve of classifiers that were trained on even rows and judged by odd ones. Numbers of rows to train on have no
divisor in common with 255: where a quantile lies between two events, scikit-learn's is a matter of rounding.
"""

import json

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

SEED, DOMAIN = 11, 1


def uniforms(stream, rows, columns):
    """The library's noise: draws of event 0; numpy steps the counter before it draws."""
    counter = np.array([2**64 - 1, 2**64 - 1, stream - 1, 0], dtype=np.uint64)
    bits = np.random.Philox(key=np.array([SEED, DOMAIN], dtype=np.uint64), counter=counter)
    words = bits.random_raw(rows * columns) >> np.uint64(12)
    return ((words + 0.5) * 2.0**-52).reshape(rows, columns)


def cube(stream, rows, power):
    """Three features of [0, 1); the first is a power of a uniform number."""
    u = uniforms(stream, rows, 3)
    u[:, 0] **= power
    return u


def resonance(stream, rows, smearing):
    """Like Drell-Yan: a Breit-Wigner mass, smeared, among five features that tell nothing."""
    u = uniforms(stream, rows, 8)
    mass = 91.2 + 1.25 * np.tan(np.pi * (u[:, 0] - 0.5)) + smearing * (u[:, 1] + u[:, 2] - 1)
    return np.c_[mass, -8 * np.log(u[:, 3]), u[:, 4] - u[:, 5], 2 * u[:, 6] - 1, 2 * np.pi * u[:, 7], mass * u[:, 3]]


def calorimeter(stream, rows, width):
    """Energies of ten cells, most of them 0."""
    u = uniforms(stream, rows, 11)
    profile = 20 * np.exp(-0.4 * np.arange(10)) * (0.5 + u[:, :1])
    energies = profile * (-np.log(u[:, 1:])) ** width
    energies[energies < 4] = 0
    return energies


def log(x):
    return np.log(x + 0.01)


def scores():
    """Raw scores after ten rounds; where there are weights, with few different values, whose bins do not depend on them."""
    plain = cube(2, 601, 1.0), cube(3, 601, 1.5)
    uneven = cube(2, 500, 1.0), cube(3, 700, 1.5)
    lattice = [np.floor(10 * x) for x in uneven]
    for name, classes in [("plain", plain), ("weighted", lattice)]:
        weights = None
        if name == "weighted":
            # The classes count alike, with a mean weight of 1.
            weights = [1.0 + np.arange(len(x)) % 4 for x in classes]
            weights = np.concatenate([600 * w / w.sum() for w in weights])
        labels = np.repeat([0, 1], [len(x) for x in classes])
        trees = HistGradientBoostingClassifier(max_iter=10, early_stopping=False)
        trees.fit(np.concatenate(classes), labels, sample_weight=weights)
        yield name, trees.decision_function(classes[1][:40]).tolist()


def area(zeros, ones):
    even = np.r_[zeros[::2], ones[::2]]
    odd = np.r_[zeros[1::2], ones[1::2]]
    labels = np.r_[np.zeros(len(zeros) // 2), np.ones(len(ones) // 2)]
    trees = HistGradientBoostingClassifier(max_iter=60, early_stopping=False).fit(even, labels)
    return float(roc_auc_score(labels, trees.decision_function(odd)))


def areas():
    rows = 12004
    yield "resonance", area(resonance(5, rows, 4.0), resonance(4, rows, 0.0))
    yield "calorimeter", area(calorimeter(7, rows, 1.1), calorimeter(6, rows, 1.0))
    yield "logarithms", area(log(calorimeter(7, rows, 1.1)), log(calorimeter(6, rows, 1.0)))
    yield "equal", area(resonance(8, rows, 0.0), resonance(4, rows, 0.0))


print(json.dumps({"scores": dict(scores()), "areas": dict(areas())}, indent=1))
