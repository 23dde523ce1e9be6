"""What the tests share: toy events, and models that show the calls, not the quality."""

import numpy as np
import pytest

import liblaser

TOY = {
    "flow": {"blocks": 2, "layers": 2, "units": 8, "epochs": 1, "steps": 5, "batch": 64},
    "classifier": {"layers": 2, "units": 8, "epochs": 1, "steps": 5, "batch": 64},
    "matching": {"layers": 2, "units": 8, "epochs": 1, "steps": 5, "batch": 64, "pool": 1000},
    "validation.events": 200,
    "weights.events": 2000,
}


def events(seed=1, n=2000, shift=0.0):
    """n normal events with means (1, -2) and standard deviations (1, 0.5)."""
    return np.random.default_rng(seed).normal(size=(n, 2)) * [1.0, 0.5] + [1.0 + shift, -2.0]


@pytest.fixture(scope="session")
def generator():
    return liblaser.train(events(), TOY)


@pytest.fixture(scope="session")
def model(generator):
    return liblaser.refine(generator, liblaser.Source(events(), names=["m", "pt"]), TOY)


@pytest.fixture(scope="session")
def conditional():
    """A model whose last column is a condition."""
    c = np.random.default_rng(3).uniform(size=(2000, 1))
    rows = np.hstack([events(2) + c, c])
    flow = liblaser.train(rows, TOY, conditions=1)
    return liblaser.refine(flow, rows, TOY, conditions=1)


@pytest.fixture(scope="session")
def reweighter():
    return liblaser.Reweighter.train(events(), events(2), TOY)
