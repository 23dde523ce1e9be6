"""Plots: that every one is drawn, and shows what it is given."""

import io

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


def test_reports_of_reweighters(tmp_path):
    target = {"m": events(2, shift=0.5)[:, 0], "pt": events(2)[:, 1]}
    begin = {"pt": events()[:, 1], "m": events()[:, 0]}
    reweighter = liblaser.Reweighter.train(begin, target, TOY)
    path = tmp_path / "report.html"
    for weights in (np.ones(2000), np.linspace(0.5, 1.5, 2000)):
        plot.report(reweighter, target, path, events=liblaser.Source(begin, weights), n=5000)
        page = path.read_text(encoding="utf-8")
        assert all(word in page for word in ("EMD of events", "EMD of reweighted", "weights.calibration.auc", "<td>pt</td>", "too few"))
        distance = float(page.split("<tr><td>m</td><td>")[1].split(" ±")[0])
        if weights[0] == 1:
            exact = liblaser.emd_1d(target["m"][:, None], begin["m"][:, None], 0).distance
            assert distance == pytest.approx(exact, rel=0.01)
    plot.report(reweighter, target, tmp_path / "report.png", events=begin)
    with pytest.raises(TypeError, match="report needs events"):
        plot.report(reweighter, target, path)
    with pytest.raises(ValueError, match="same, in any order|pt"):
        plot.report(reweighter, target, path, events={"pt": begin["pt"], "eta": begin["m"]})
    # Of fewer, any: a column that alternates is still what it is.
    pairs = {"m": events()[:, 0], "pt": np.where(np.arange(2000) % 2, 1.0, -1.0)}
    plot.report(reweighter, pairs, path, events=pairs, n=1000)
    distance = float(path.read_text(encoding="utf-8").split("<tr><td>pt</td><td>")[1].split(" ±")[0])
    assert distance < 0.1
    broken = {**target, "m": np.where(np.arange(2000) == 7, np.nan, target["m"])}
    with pytest.raises(ValueError, match="target must be finite, but row 7 has nan as m"):
        plot.report(reweighter, broken, path, events=begin)
    with pytest.raises(ValueError, match="n must be"):
        plot.report(reweighter, target, path, events=begin, n=0)
    with pytest.raises(TypeError, match="model must be a Model or Reweighter, not a list"):
        plot.report([], target, path)


def test_density_and_errors():
    height, error = plot.density(np.array([0.5, 0.5, 1.5, 9.0]), np.array([1.0, 2.0, 1.0, 4.0]), np.array([0.0, 1.0, 2.0]))
    assert np.allclose(height, [3 / 8, 1 / 8]) and np.allclose(error, [5**0.5 / 8, 1 / 8])


def curves(axes):
    """Ratios by the place of the tail in the reference's distribution function, and the places of triangles."""
    drawn, triangles = {}, []
    for line in axes.lines:
        if line.get_marker() == "v":
            triangles += list(line.get_xdata())
        elif line.get_marker() == ".":
            drawn.update((place, ratio) for place, ratio in zip(line.get_xdata(), line.get_ydata()) if abs(place - 0.5) > 0.01)
    return drawn, triangles


def test_coverage(model):
    x = np.linspace(0.0, 1.0, 10_001)
    cut = 0.9 * x  # without the upper tail
    figure = plot.coverage({"a": x, "b": x}, {"cut": {"b": x, "a": cut}})
    assert [axes.get_xlabel() for axes in figure.axes] == ["a: share of the truth below | above", "b: share of the truth below | above"]
    drawn, triangles = curves(figure.axes[0])
    for place, ratio in drawn.items():
        expected = 1 / 0.9 if place < 0.5 else (1 - place / 0.9) / (1 - place)
        assert ratio == pytest.approx(expected, abs=0.15 if place < 0.01 else 0.02), place
    assert len(triangles) == sum(place > 0.9 for place in (*drawn, *triangles)) > 5 and min(triangles) > 0.9
    drawn, triangles = curves(figure.axes[1])
    assert len(drawn) == 22 and not triangles and np.allclose(list(drawn.values()), 1)
    doubled = plot.coverage((x, np.ones(x.size)), {"weighted": (x, np.where(x > 0.5, 3.0, 1.0))})
    ratios = curves(doubled.axes[0])[0]
    assert np.allclose([ratio for place, ratio in ratios.items() if place > 0.5], 1.5, atol=1e-3)
    assert np.allclose([ratio for place, ratio in ratios.items() if place < 0.5], 0.5, atol=1e-3)
    with pytest.raises(ValueError, match="2 values"):
        plot.coverage(events(), {"short": np.zeros((5, 1))})
    plot.coverage(np.ones((5, 1)), np.zeros((5, 1))).savefig(io.BytesIO())  # constants, of few events


def test_gaps_of_the_record_are_drawn(model):
    gaps = [{"direction": "m", "side": "below", "from": 0.0, "target": 0.01, "generated": 0.0005},
            {"direction": "m", "side": "above", "from": 9.0, "target": 0.02, "generated": 0.0}]
    axes = plot.Figure().subplots()
    plot.draw_coverage(axes, ["m", "pt"], (events(), np.ones(2000)), (events(2), np.ones(2000)), gaps)
    crosses = [(*line.get_xdata(), *line.get_ydata()) for line in axes.lines if line.get_marker() == "x"]
    assert np.allclose(crosses, [(0.01, 0.05), (0.98, 1.2 * plot.REACH[0])])
    assert axes.get_title() == "reach of the generator; gaps: 2"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["m", "pt"]


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
def test_report(model, tmp_path, monkeypatch, ending, begins):
    titles, whole = [], plot.Figure.savefig
    path = tmp_path / f"report.{ending}"
    monkeypatch.setattr(plot.Figure, "savefig",
                        lambda figure, *rest, **more: titles.extend(axes.get_title() for axes in figure.axes) or whole(figure, *rest, **more))
    plot.report(model, events(), path, n=1000)
    assert "reach of the generator; gaps: 0" in titles
    assert path.read_bytes().startswith(begins)
    if ending == "html":
        page = path.read_text(encoding="utf-8")
        assert all(word in page for word in ("too few", "EMD of generator", "weights.acceptance", "flow.reference"))


def test_reports_of_others(conditional, generator, tmp_path):
    c = np.random.default_rng(3).uniform(size=(500, 1))
    plot.report(conditional, np.hstack([events(2, 500), c]), tmp_path / "a.png", n=1000)
    plot.report(liblaser.Model(generator), (events(), np.ones(2000)), str(tmp_path / "b.png"), n=1000)
    with pytest.raises(ValueError, match="columns"):
        plot.report(conditional, events(), tmp_path / "c.png")
    with pytest.raises(TypeError, match="events are for reports of reweighters"):
        plot.report(liblaser.Model(generator), events(), tmp_path / "c.png", events=events())


def test_what_is_not_finite_is_refused():
    x = events(1)
    broken = np.where(np.arange(len(x))[:, np.newaxis] == 7, np.nan, x)
    for draw in (plot.compare, plot.coverage):
        with pytest.raises(ValueError, match="sample must be finite, but row 7 has nan as x0"):
            draw(x, broken)
        with pytest.raises(ValueError, match="weights of sample must be finite, but that of row 7 is not"):
            draw(x, (x, broken[:, 0]))


def test_reports_take_conditions_of_all_the_target(conditional, tmp_path, monkeypatch):
    c = np.linspace(0.0, 1.0, 2000)[:, np.newaxis]
    target = np.hstack([events(5) + c, c])
    seen = []
    monkeypatch.setattr(plot, "draw_coverage", lambda axes, names, target, generated, *_: seen.append(generated))
    for given in (target, liblaser.Source(target, c[:, 0] + 0.5)):
        plot.report(conditional, given, tmp_path / "report.png", n=500)
    some = np.random.default_rng(1).permutation(2000)[:500]
    (x, w), (again, weighted) = seen
    assert np.array_equal(x, conditional.sampler(1, method="baseline").generate_given(c[some]).x) and np.array_equal(x, again)
    assert np.allclose(weighted, w * (c[some, 0] + 0.5))
