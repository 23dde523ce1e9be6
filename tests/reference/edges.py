# Requires: numpy==2.4.6
"""Reference values for the bins of a histogram: python3 edges.py > edges.json.

Axes of awkward widths; the values are their edges, the numbers beside them, and decimals that look like edges. The bin of each is numpy's.
"""

import json

import numpy as np

rng = np.random.default_rng(20261129)


def case(bins, low, high):
    edges = np.linspace(low, high, bins + 1)
    if len(edges) > 150:
        edges = np.concatenate([edges[:3], rng.choice(edges, 100, replace=False), edges[-3:]])
    decimals = np.round(edges, 6)
    around = [np.nextafter(edges, -np.inf), edges, np.nextafter(edges, np.inf), decimals]
    values = np.unique(np.concatenate(around))
    values = values[(values >= low) & (values <= high)]
    where = [int(np.histogram([v], bins, (low, high))[0].argmax()) for v in values]
    return {"bins": bins, "range": [low, high], "values": values.tolist(), "where": where}


axes = [
    (100, 0, 100),
    (700, 0, 700),
    (10, 0, 1),
    (3, 0, 1),
    (30, -1, 2),
    (7, 0, 0.7),
    (7, -0.7, 0.7),
    (50, -5, -0.1),
    (49, 0.1, 5),
    (1000, 0, 1e-3),
    (33, -np.pi, np.pi),
    (60, 1e6, 1e6 + 1),
    (11, -1e-200, 3e-200),
    (9, 0, 1e300),
    (1, 2, 3),
]
print(json.dumps([case(*axis) for axis in axes], separators=(",", ":")))
