"""Plots: that every one is drawn, and shows what it is given."""

import numpy as np
import pytest
from conftest import TOY, events

import liblaser

plot = pytest.importorskip("liblaser.plot")


def test_compare(model):
    sampled = model.sampler(1).generate(500)
    figure = plot.compare(events(), {"refined": sampled, "other": events(2)}, bins=20)
    above, below = figure.axes[:2]
    assert [text.get_text() for text in above.get_legend().get_texts()] == ["truth", "refined", "other"]
    assert below.get_xlabel() == "x0" and len(figure.axes) == 4
    assert plot.compare({"m": events()[:, 0], "pt": events()[:, 1]}, sampled).axes[1].get_xlabel() == "m"
    assert len(plot.compare((events()[:, 0], np.ones(2000)), {"a": events(2)[:, 0]}).axes) == 2
    with pytest.raises(ValueError, match="2 values"):
        plot.compare(events(), {"short": np.zeros((5, 1))})


def test_density_and_errors():
    height, error = plot.density(np.array([0.5, 0.5, 1.5, 9.0]), np.array([1.0, 2.0, 1.0, 4.0]), np.array([0.0, 1.0, 2.0]))
    assert np.allclose(height, [3 / 8, 1 / 8]) and np.allclose(error, [5**0.5 / 8, 1 / 8])


def test_of_models(model):
    reweighter = liblaser.Reweighter.train(events(1), events(2, shift=0.5), TOY)
    for thing in (model, reweighter):
        assert len(plot.calibration(thing).axes) == 1
    assert [axes.get_title() for axes in plot.training(model).axes] == ["flow", "classifier"]
    assert len(plot.weights(reweighter.weights(events())).axes) == 2
    assert len(plot.weights(np.ones(10)).axes) == 2
    chains = liblaser.refine(model, None, TOY, refiner__method="hmc", hmc={"pilot": 20, "chains": 10, "burn_in": 5})
    assert plot.training(chains).axes[-1].get_title() == "chains"
    with pytest.raises(ValueError, match="no record"):
        plot.training(liblaser.Model(liblaser.Generator.from_callable(lambda z: z, 2, 2)))


@pytest.mark.parametrize("ending, begins", [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("html", b"<!DOCTYPE")])
def test_report(model, tmp_path, ending, begins):
    path = tmp_path / f"report.{ending}"
    plot.report(model, events(), path, n=1000)
    assert path.read_bytes().startswith(begins)
    if ending == "html":
        assert "too few" in path.read_text(encoding="utf-8")


def test_reports_of_others(conditional, generator, tmp_path):
    c = np.random.default_rng(3).uniform(size=(500, 1))
    plot.report(conditional, np.hstack([events(2, 500), c]), tmp_path / "a.png", n=1000)
    plot.report(liblaser.Model(generator), (events(), np.ones(2000)), str(tmp_path / "b.png"), n=1000)
    with pytest.raises(ValueError, match="columns"):
        plot.report(conditional, events(), tmp_path / "c.png")
