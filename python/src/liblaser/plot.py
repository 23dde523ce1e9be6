"""Plots of samples and models, with matplotlib (``pip install liblaser[plot]``). Each function returns a matplotlib Figure."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._boundary import FloatArray, count, names_given, of_type, vector_in
from ._options import PathLike, to_python
from ._sampling import Events
from ._scores import emd_1d, vector
from ._training import Model, Reweighter, Source, look_for_weights, names_of, rows_of, same_rows

try:
    from matplotlib.figure import Figure
except ImportError:
    raise ImportError("liblaser.plot needs the package matplotlib: pip install liblaser[plot]") from None

STYLE = {"xtick.direction": "in", "ytick.direction": "in", "xtick.top": True, "ytick.right": True, "legend.frameon": False, "font.size": 9}

RECORDED = ("flow.validation_loss", "flow.reference", "classifier.validation_loss", "weights.mean", "weights.max", "weights.effective_fraction",
            "weights.w_max", "weights.overweight_fraction", "weights.acceptance", "weights.calibration.auc", "weights.calibration.chi_square",
            "chains.acceptance", "unfolding.factor", "resample.factor")

Sample = tuple[FloatArray, FloatArray]  # events (n, M) and weights (n,)


def sample_of(called: str, given: Any, of: str = "", names: Any = None) -> Sample:
    """Events and weights of what a `Source` takes, but files and functions, of a Source, or of a pair of events and weights; columns
    with names in the order of `names`."""
    x, w = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    same_rows(f"weights of {called}", w, "its events", x)
    rows = rows_of(called, x, None, of, names)
    if w is None and isinstance(x, Source):
        w = x._w
    weights = vector_in(f"weights of {called}", w, len(rows))
    if bad := np.argwhere(~np.isfinite(rows)).tolist():
        row, column = bad[0]
        own = names or names_of(x) or ()
        name = own[column] if column < len(own) else f"x{column}"
        raise ValueError(f"{called} must be finite, but row {row} has {rows[row, column]} as {name}")
    if weights is not None and not np.isfinite(weights).all():
        raise ValueError(f"weights of {called} must be finite, but that of row {np.argmin(np.isfinite(weights))} is not")
    if weights is None:
        look_for_weights(to_python, names_of(x) or (), "drawn")
    return rows, np.ones(len(rows)) if weights is None else weights


def samples_of(reference: Any, samples: Any, names: Any, label: str) -> tuple[dict[str, Sample], list[str]]:
    """A reference, and samples with the same columns, by what they are called; and what the columns are called."""
    columns = names_of(reference[0] if isinstance(reference, tuple) else reference)
    if not isinstance(samples, Mapping) or columns and set(samples) == set(columns):
        samples = {"sample": samples}
    if label in samples:
        raise ValueError(f"a sample is called {label}, as the reference is: label= gives that another name")
    found = {label: sample_of(label, reference), **{name: sample_of(name, sample, label, columns) for name, sample in samples.items()}}
    dim = found[label][0].shape[1]
    for name, (x, _) in found.items():
        if x.shape[1] < dim:
            raise ValueError(f"{name} must have the {dim} values of the reference, not {x.shape[1]}")
    called = names_given(names) or columns or tuple(f"x{i}" for i in range(dim))
    if len(called) != dim:
        raise ValueError(f"names must be {dim}, one for each value of the reference, not {len(called)}")
    return found, list(called)


def density(x: FloatArray, w: FloatArray, edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The density in bins, normalised with what lies outside of them, and its standard error."""
    scale = 1.0 / (w.sum() * np.diff(edges))
    return np.histogram(x, edges, weights=w)[0] * scale, np.sqrt(np.histogram(x, edges, weights=w * w)[0]) * scale


def in_style(draw: Any) -> Any:
    """A function that draws in the style of this module, and leaves the caller's as it is."""
    import functools

    import matplotlib

    @functools.wraps(draw)
    def styled(*arguments: Any, **keywords: Any) -> Any:
        with matplotlib.rc_context(STYLE):
            return draw(*arguments, **keywords)

    return styled


def draw_feature(above: Any, below: Any, name: str, feature: int, samples: Mapping[str, Sample], bins: int) -> None:
    """One feature of samples, the first of which is the reference: densities above, ratios to it below."""
    (reference, weights), *_ = samples.values()
    low, high = np.quantile(reference[:, feature], [0.001, 0.999])
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
    edges = np.linspace(low, high, bins + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    truth, truth_error = density(reference[:, feature], weights, edges)
    filled = truth > 0
    for i, (label, (x, w)) in enumerate(samples.items()):
        height, error = density(x[:, feature], w, edges)
        colour = "black" if i == 0 else f"C{i - 1}"
        above.stairs(height, edges, color=colour, label=label, linewidth=1.2)
        above.errorbar(centres, height, error, fmt="none", ecolor=colour, elinewidth=0.8)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio, ratio_error = np.where(filled, height / truth, np.nan), np.where(filled, error / truth, np.nan)
        if i == 0:
            below.bar(centres, 2 * ratio_error, np.diff(edges), bottom=1 - ratio_error, color="0.85", linewidth=0)
        else:
            below.errorbar(centres, ratio, ratio_error, fmt=".", color=colour, markersize=3, elinewidth=0.8)
    below.axhline(1, color="black", linewidth=0.8)
    below.set_ylim(0.5, 1.5)
    below.set_xlabel(name)
    below.set_ylabel("ratio")
    above.set_ylabel("density")
    above.set_ylim(bottom=0)
    above.tick_params(labelbottom=False)


@in_style
def compare(reference: Any, samples: Mapping[str, Any] | Any, *, names: Any = None, bins: int = 50, label: str = "truth") -> Any:
    """Every feature of samples beside that of a reference, with errors, and below each the ratio to it, in whose panel the band is the error of the
    reference. Samples are arrays (n, M) or columns by name, which are found by them in any order, a :class:`Source` of either, or pairs of events
    and weights, as :meth:`Sampler.generate` gives them; a dictionary has several by name. The range holds 99.8 % of the reference; what lies
    outside counts for the normalisation."""
    all_samples, called = samples_of(reference, samples, names, label)
    dim = len(called)
    across = min(dim, 3)
    down = -(-dim // across)
    figure = Figure(figsize=(4 * across, 4 * down), layout="constrained")
    grid = figure.add_gridspec(2 * down, across, height_ratios=[3, 1] * down)
    for i in range(dim):
        row, column = divmod(i, across)
        above = figure.add_subplot(grid[2 * row, column])
        draw_feature(above, figure.add_subplot(grid[2 * row + 1, column], sharex=above), called[i], i, all_samples, bins)
        if i == 0:
            above.legend()
    return figure


REACH = 0.02, 50.0  # ratios that are drawn
GAP = 0.1  # where a model's report speaks of one


def share_up_to(x: FloatArray, w: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The shares of the weight at values and below, and their standard errors."""
    order = np.argsort(x)
    within = np.searchsorted(x[order], values, side="right")
    sums, squares = (np.append(0.0, np.cumsum(part[order]))[within] for part in (w, w * w))
    return sums / w.sum(), np.sqrt(squares) / w.sum()


def draw_reach(axes: Any, feature: int, reference: Sample, sample: Sample, colour: str, label: str) -> None:
    """Of one feature in both tails the share of a sample over that of the reference, against where the tail begins in the reference's
    distribution function. The smallest tails have some ten events of the reference."""
    shares = np.geomspace(min(10 / len(reference[0]), 0.1), 0.5, 12)
    for sign in (1.0, -1.0):
        values = np.quantile(sign * reference[0][:, feature], shares)
        (truth, truth_error), (found, error) = (share_up_to(sign * x[:, feature], w, values) for x, w in (reference, sample))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = found / truth
            error = np.hypot(error, ratio * truth_error) / truth
        place = np.clip(truth if sign > 0 else 1 - truth, 1e-6, 1 - 1e-6)
        drawn = ratio > REACH[0]
        axes.errorbar(place[drawn], ratio[drawn], error[drawn], fmt=".-", color=colour, markersize=3, linewidth=0.8, label=label if sign > 0 else None)
        axes.plot(place[~drawn], np.full((~drawn).sum(), 1.2 * REACH[0]), "v", color=colour, markersize=4)


def frame_reach(axes: Any, label: str, name: str = "") -> None:
    axes.axhline(1, color="black", linewidth=0.8)
    axes.axhline(GAP, color="black", linewidth=0.8, linestyle=":")
    tails = 10.0 ** np.arange(-5, 0)
    axes.set_xscale("logit")
    drawn = axes.get_xlim()
    axes.set_xticks(np.concatenate([tails, [0.5], 1 - tails]), [f"{tail:g}" for tail in tails] + ["½"] + [f"{tail:g}" for tail in tails])
    axes.set_xticks([], minor=True)
    axes.set_xlim(drawn)
    axes.set_yscale("log")
    axes.set_ylim(*REACH)
    axes.set_xlabel(f"{name}share of the {label} below | above")
    axes.set_ylabel("ratio of shares")


@in_style
def coverage(reference: Any, samples: Mapping[str, Any] | Any, *, names: Any = None, label: str = "truth") -> Any:
    """Whether samples reach where a reference does, feature by feature, in both tails: the share of a sample's weight below a value (left half) or
    above it (right half) over the reference's share there, which is on the horizontal axis. Triangles are tails that have a fiftieth of the reference's
    share or nothing: no weight brings back what is never made. Below the dotted line, at a tenth, a model's record has a gap. Samples are those of
    :func:`compare`; held-out events and the baseline's tell how far the generator reaches."""
    all_samples, called = samples_of(reference, samples, names, label)
    across = min(len(called), 3)
    down = -(-len(called) // across)
    figure = Figure(figsize=(4 * across, 3.2 * down), layout="constrained")
    for i, name in enumerate(called):
        axes = figure.add_subplot(down, across, i + 1)
        for colour, sample in enumerate(list(all_samples)[1:]):
            draw_reach(axes, i, all_samples[label], all_samples[sample], f"C{colour}", sample)
        frame_reach(axes, label, f"{name}: ")
        if i == 0:
            axes.legend()
    return figure


def draw_coverage(axes: Any, names: Sequence[str], target: Sample, generated: Sample, gaps: Sequence[Mapping[str, Any]],
                  whose: str = "generator") -> None:
    """The reach of a generator, or of events to weight, in all features, and the gaps that the model's report has."""
    for i, name in enumerate(names):
        draw_reach(axes, i, target, generated, f"C{i}", name)
    for gap in gaps:
        if gap["side"] == "within":  # a region, which has no place in a single feature
            continue
        place = gap["target"] if gap["side"] == "below" else 1 - gap["target"]
        axes.plot(place, max(gap["generated"] / gap["target"], 1.2 * REACH[0]), "x", color="red")
    frame_reach(axes, "target")
    axes.set_title(f"reach of the {whose}; gaps: {len(gaps)}", fontsize=9)
    if len(names) <= 12:
        axes.legend(fontsize=7, ncol=2)


def draw_weights(spread: Any, tail: Any, w: FloatArray) -> None:
    """How weights are distributed, and which share of them is carried by those above any of them."""
    positive = w[w > 0]
    edges = np.geomspace(positive.min(), positive.max() * 1.0001, 61) if positive.size and positive.min() < positive.max() else 50
    spread.hist(positive, edges, histtype="step", color="C0")
    spread.set_yscale("log")
    spread.set_xlabel("weight w")
    spread.set_ylabel("events")
    ordered = np.sort(w)[::-1]
    carried = np.cumsum(ordered) / ordered.sum()
    tail.plot(ordered, carried, color="C0", label="of the weight")
    tail.plot(ordered, np.arange(1, len(w) + 1) / len(w), color="C1", label="of the events")
    tail.set_yscale("log")
    tail.set_xlabel("weight w")
    tail.set_ylabel("share above w")
    tail.legend()


@in_style
def weights(w: Any) -> Any:
    """Weights (n,), or a pair of events and weights: their distribution, and their tail, that is the share of weight and events above each."""
    values = vector("w", w[1] if isinstance(w, tuple) else w)
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    spread, tail = figure.subplots(1, 2)
    draw_weights(spread, tail, values)
    return figure


def draw_calibration(axes: Any, record: Mapping[str, Any]) -> None:
    found = record.get("weights", {}).get("calibration", {})
    bins = found.get("bins") or []
    predicted, observed, error = (np.array([bin[key] for bin in bins]) for key in ("predicted", "observed", "error"))
    axes.errorbar(predicted, observed, error, fmt=".", color="C0")
    if len(bins):
        ends = [min(predicted.min(), observed.min()), max(predicted.max(), observed.max())]
        axes.plot(ends, ends, color="black", linewidth=0.8)
    axes.set_xlabel("mean weight that the classifier says")
    axes.set_ylabel("ratio of held-out events")
    axes.set_title(f"χ² per degree of freedom {found['chi_square']:.2f}" if found.get("chi_square") is not None else "no held-out events", fontsize=9)


@in_style
def calibration(model: Model | Reweighter) -> Any:
    """Of a model or reweighter: whether the weights of held-out events are the ratio that is there, in bins of the weight. On the line they are."""
    figure = Figure(figsize=(4.5, 4), layout="constrained")
    draw_calibration(figure.subplots(), model.record)
    return figure


def trainings_of(record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {name: part for name, part in record.items() if isinstance(part, Mapping) and part.get("losses")}


def draw_losses(axes: Any, name: str, part: Mapping[str, Any]) -> None:
    for key, label, style in (("losses", "training", "-"), ("validation_losses", "held out", "--")):
        losses = [np.nan if loss is None else loss for loss in part.get(key) or []]
        if losses:
            axes.plot(np.arange(1, len(losses) + 1), losses, style, marker="." if len(losses) < 30 else None, label=label)
    axes.set_title(name, fontsize=9)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.legend()


def draw_chains(axes: Any, chains: Mapping[str, Any]) -> None:
    r_hat = chains["r_hat"]
    axes.bar(np.arange(len(r_hat)), np.array(r_hat, float) - 1, color="C0")
    axes.axhline(0.01, color="black", linewidth=0.8, label="converged below")
    axes.set_xlabel("latent dimension")
    axes.set_ylabel("R-hat − 1")
    axes.set_title("chains", fontsize=9)
    axes.legend()


@in_style
def training(model: Model | Reweighter) -> Any:
    """The losses of all trainings in a model or reweighter, epoch by epoch, and R-hat of its chains if it has them."""
    record = model.record
    parts, chains = trainings_of(record), record.get("chains")
    panels = len(parts) + bool(chains)
    if not panels:
        raise ValueError("the model has no record of a training")
    figure = Figure(figsize=(4 * panels, 3.5), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for panel, (name, part) in zip(axes, parts.items()):
        draw_losses(panel, name, part)
    if chains:
        draw_chains(axes[-1], chains)
    return figure


@in_style
def report(model: Model | Reweighter, target: Any, path: PathLike, *, events: Any = None, n: int = 100_000, seed: int = 1, bins: int = 50) -> None:
    """Writes a page about a model: features of the target beside the baseline's and the refined events', ``n`` each; the reach of the generator, as
    :func:`coverage`, with crosses at the gaps that the model's record has; weights and their tail; calibration; losses; and the judgement with its
    warnings. Of a reweighter ``events`` are those to weight, and take the place of the generator's. ``target`` and ``events`` are samples as of
    :func:`compare`. The ending of ``path`` says how: ``.png``, ``.pdf``, ``.svg``, or ``.html``, which needs no other file, and has the numbers too:
    the distance of each feature with its floor, of up to ``n`` events, and the record's. Of a model with conditions those of the target are
    taken, with its weights; a reweighter's are in both samples, behind the features."""
    of_type("model", model, Model, Reweighter)
    n = count("n", n, 1)
    record, names = model.record, model.names[: model.event_dim]
    wanted = model.event_dim + model.condition_dim

    def given(called: str, sample: Any) -> Sample:
        rows, weight = sample_of(called, sample, "the model", model.names)
        if rows.shape[1] != wanted:
            raise ValueError(f"{called} must have {wanted} columns, not {rows.shape[1]}; weights go beside them, as Source(x, w)")
        return rows, weight

    samples = {"target": given("target", target)}
    if isinstance(model, Reweighter):
        if events is None:
            raise TypeError("of a reweighter, report needs events=…, which it weights")
        rows, weight = given("events", events)
        w = model.weights(Source(rows, weight) if np.any(weight != 1) else rows)
        samples |= {"events": (rows, weight), "reweighted": (rows, weight * w)}
        begins, refined = "events", True
    else:
        if events is not None:
            raise TypeError("events are for reports of reweighters: a model generates its own")
        begins, refined = "generator", model.method != "baseline"
        rows, weight = samples["target"]
        some = np.resize(np.random.default_rng(seed).permutation(len(rows)), n)  # of all of them: they may have an order
        given_them = weight[some] if model.condition_dim else 1.0

        def drawn(method: str, weight: Any = 1.0) -> Events:
            sampler = model.sampler(seed, method=method)
            made = sampler.generate_given(rows[some, model.event_dim : wanted]) if model.condition_dim else sampler.generate(n)
            return Events(made.x, made.w * weight)

        samples["generator"] = sample_of("generator", drawn("baseline", given_them))
        if refined:
            samples[f"refined ({model.method})"] = sample_of("refined", drawn("model", given_them))
            w = drawn("reweight").w
    parts = trainings_of(record)
    panels = (4 if refined else 1) + len(parts) + bool(record.get("chains"))
    across = 3
    features, others = -(-len(names) // across), -(-panels // across)
    figure = Figure(figsize=(12, 3.6 * features + 3 * others + 1.6), layout="constrained")
    grid = figure.add_gridspec(2 * features + others, across, height_ratios=[2.7, 0.9] * features + [3] * others)
    for i, name in enumerate(names):
        row, column = divmod(i, across)
        above = figure.add_subplot(grid[2 * row, column])
        draw_feature(above, figure.add_subplot(grid[2 * row + 1, column], sharex=above), name, i, samples, bins)
        if i == 0:
            above.legend()
    axes = [figure.add_subplot(grid[2 * features + i // across, i % across]) for i in range(panels)]
    draw_coverage(axes.pop(0), names, samples["target"], samples[begins], record.get("weights", {}).get("gaps") or [], begins)
    if refined:
        draw_weights(axes.pop(0), axes.pop(0), w)
        draw_calibration(axes.pop(0), record)
    for name, part in parts.items():
        draw_losses(axes.pop(0), name, part)
    if record.get("chains"):
        draw_chains(axes.pop(0), record["chains"])
    verdict = record.get("judgement", {}).get("verdict", "no judgement: the generator alone")
    figure.suptitle(f"{model!r}"[1:-1] if refined else f"Model of {', '.join(names)}: {verdict}", fontsize=11)
    where = Path(os.fspath(path))
    if where.suffix.lower() != ".html":
        figure.savefig(where, dpi=150)
        return
    said = [html.escape(warning["message"]) for warning in record.get("judgement", {}).get("warnings", [])]
    tables = distances(names, samples, n, seed) + numbers_of(record)
    where.write_text(page_of(figure, html.escape(verdict), said, tables), encoding="utf-8")


def distances(names: Sequence[str], samples: Mapping[str, Sample], n: int, seed: int) -> str:
    """A table: how far each feature of the others is from the target, of up to ``n`` events of each."""
    sources = {}
    for called, (x, w) in samples.items():
        some = np.random.default_rng(seed).permutation(len(x))[:n] if len(x) > n else slice(None)
        sources[called] = Source(x[some, : len(names)], w[some])
    target = sources.pop("target")
    rows = [["feature", *(f"EMD of {html.escape(called)}" for called in sources), "floor"]]
    for i, name in enumerate(names):
        found = [emd_1d(target, source, i, seed=seed) for source in sources.values()]
        rows.append([html.escape(name), *(f"{d.distance:.3g} ± {d.error:.2g}" for d in found), f"{found[-1].floor:.3g} ± {found[-1].floor_spread:.2g}"])
    return table_of("Distances from the target, in units of the feature; at the floor no difference is told", rows)


def numbers_of(record: Mapping[str, Any]) -> str:
    """A table of the numbers that the record has of these."""
    rows = []
    for key in RECORDED:
        value: Any = record
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, (int, float)):
            rows.append([f"<code>{key}</code>", f"{value:.4g}"])
    return table_of("The record, as <code>model[\"…\"]</code> has it", rows) if rows else ""


def table_of(title: str, rows: Sequence[Sequence[str]]) -> str:
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h2>{title}</h2><table>{lines}</table>"


def page_of(figure: Any, verdict: str, warnings: Sequence[str], tables: str) -> str:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    said = "".join(f"<li>{warning}</li>" for warning in warnings)
    return (f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>liblaser: {verdict}</title>'
            "<style>body {font-family: sans-serif; max-width: 75em; margin: auto} h2 {font-size: 1em} td {padding: 0 2em 0 0}</style>"
            f"<body><h1>{verdict}</h1><ul>{said}</ul>"
            f'<img style="width: 100%" alt="report" src="data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}">{tables}</body></html>')
