# Requires: numpy==2.4.6 arviz==0.23.4
"""Reference values for the diagnostics of chains: python3 chains.py > chains.json.

Chains of many kinds, draws x chains, with their rank-normalised split R-hat and bulk effective sample size by ArviZ.
"""

import json

import arviz
import numpy as np

rng = np.random.default_rng(20240118)


def autoregressive(rho, draws, chains):
    x = np.empty((draws, chains))
    x[0] = rng.normal(size=chains)
    for i in range(1, draws):
        x[i] = rho * x[i - 1] + np.sqrt(1 - rho**2) * rng.normal(size=chains)
    return x


def chains():
    """Yield (name, draws x chains)."""
    yield "independent", rng.normal(size=(100, 4))
    yield "correlated", autoregressive(0.8, 201, 4)
    yield "slow", autoregressive(0.99, 150, 3)
    yield "antithetic", autoregressive(-0.7, 120, 2)
    yield "alternating", autoregressive(-0.99, 40, 2)
    yield "one_chain", autoregressive(0.5, 300, 1)
    yield "heavy_tails", rng.standard_cauchy((100, 4))
    yield "shifted", autoregressive(0.3, 100, 4) + [0, 0, 0, 2]
    yield "scaled", rng.normal(size=(100, 4)) * [1, 1, 1, 5]
    yield "ties", np.round(2 * autoregressive(0.6, 90, 3))
    yield "rejections", np.repeat(rng.normal(size=(40, 3)), 3, axis=0)
    yield "shortest", rng.normal(size=(4, 2))
    yield "stuck_apart", np.tile([1.0, 2.0, 3.0], (20, 1)) + 1e-3 * rng.normal(size=(20, 3))


def case(name, x):
    x = np.round(x, 6)
    return {
        "name": name,
        "chains": x.shape[1],
        "x": x.ravel().tolist(),
        # ArviZ gives none for one chain, though its halves would do.
        "r_hat": float(arviz.rhat(x.T, method="rank")) if x.shape[1] > 1 else None,
        "bulk": float(arviz.ess(x.T, method="bulk")),
    }


print(json.dumps([case(*pair) for pair in chains()], separators=(",", ":")))
