#!/usr/bin/env python3
"""Draws what the Pythia examples found, as experiments do: distributions above, ratios to Pythia below.

    plot_pythia.py DIR

reads DIR/surrogate_histograms.json, DIR/tune_histograms.json, DIR/tune_parameters.json and DIR/shower_histograms.json; writes DIR/surrogate.png,
DIR/tune.png, DIR/parameters.png and DIR/shower.png.
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

COLOURS = {"replayed": "tab:green", "baseline": "tab:blue", "rejection": "tab:red"}
LINES = {"replayed": ":", "baseline": "--", "rejection": "-"}
ROW = 4  # observables side by side


def density(sample, width):
    """Density and its statistical error."""
    return tuple(np.asarray(values) / (sample["total"] * width) for values in (sample["sums"], np.sqrt(sample["squares"])))


def draw_observable(upper, lower, observable):
    """One observable: Pythia as points, the other samples as lines; below, the samples divided by Pythia, whose own error is the band."""
    samples = dict(observable["samples"])
    bins = len(samples["pythia"]["sums"])
    edges = np.linspace(observable["lo"], observable["hi"], bins + 1)
    centres, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    truth = samples.pop("pythia")
    reference, error = density(truth, width)
    filled = np.asarray(truth["sums"]) >= 20
    relative = np.where(filled, error / np.where(filled, reference, 1), np.nan)
    upper.errorbar(centres[filled], reference[filled], error[filled], fmt="k.", ms=3, lw=0.8, label=truth["label"], zorder=3)
    lower.fill_between(edges, *(1 + s * np.append(relative, np.nan) for s in (-1, 1)), step="post", color="0.85", lw=0)
    for name, sample in samples.items():
        values, errors = density(sample, width)
        style = {"color": COLOURS[name], "ls": LINES[name], "lw": 1.2}
        upper.stairs(values, edges, label=sample["label"], **style)
        ratio = np.where(filled, values / np.where(filled, reference, 1), np.nan)
        lower.stairs(ratio, edges, baseline=None, **style)
        spread = np.where(filled, errors / np.where(filled, reference, 1), np.nan)
        lower.errorbar(centres, ratio, spread, fmt="none", ecolor=COLOURS[name], elinewidth=0.6)
    upper.set_yscale("log")
    if filled.any():  # of few events no bin may have enough
        upper.set_ylim(bottom=reference[filled].min() / 3)
    upper.tick_params(labelbottom=False)
    lower.axhline(1, color="k", lw=0.6)
    lower.set_xlim(edges[0], edges[-1])
    lower.set_xlabel(observable["label"])


def draw_observables(histograms, scores, path, title, span):
    """All observables; ratios from 1 - span to 1 + span."""
    observables = histograms["observables"]
    rows = -(-len(observables) // ROW)
    figure = plt.figure(figsize=(3.3 * ROW, 3.9 * rows), layout="constrained")
    grid = figure.add_gridspec(2 * rows, ROW, height_ratios=[2.2, 1] * rows)
    for i, observable in enumerate(observables):
        row, column = divmod(i, ROW)
        upper = figure.add_subplot(grid[2 * row, column])
        lower = figure.add_subplot(grid[2 * row + 1, column], sharex=upper)
        draw_observable(upper, lower, observable)
        lower.set_ylim(1 - span, 1 + span)
        if column == 0:
            upper.set_ylabel("density")
            lower.set_ylabel("ratio to Pythia")
        if i == 0:
            upper.legend(fontsize=8, frameon=False)
    aucs = ", ".join(
        f"{histograms['observables'][0]['samples'][name]['label']} {found['auc']:.4f} ± {found['auc_error']:.4f}" for name, found in scores.items()
    )
    figure.suptitle(f"{title}\nAUC against Pythia: {aucs}", fontsize=11)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def draw_parameters(found, path):
    """Where the refined latents lie: every parameter alone, and a against b; a line or star marks the target's tune."""
    parameters, bins = found["parameters"], int(found["bins"])
    figure, axes = plt.subplots(1, len(parameters) + 2, figsize=(3.1 * (len(parameters) + 2), 3.3), layout="constrained")
    for k, (axis, parameter) in enumerate(zip(axes, parameters)):
        edges = np.linspace(parameter["lo"], parameter["hi"], bins + 1)
        for name, sample in found["samples"].items():
            sums = np.asarray(sample["marginals"][k])
            axis.stairs(sums / (sums.sum() * (edges[1] - edges[0])), edges, color=COLOURS[name], ls=LINES[name], label=sample["label"])
        axis.axvline(parameter["target"], color="k", lw=1, label="Monash 2013")
        axis.set_xlabel(parameter["label"])
        axis.set_xlim(parameter["lo"], parameter["hi"])
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("density")
    axes[0].legend(fontsize=8, frameon=False)
    pairs = [(0, 2), (1, 2)]
    every = [(k, l) for k in range(len(parameters)) for l in range(k + 1, len(parameters))]
    for axis, pair in zip(axes[len(parameters) :], pairs):
        x, y = (parameters[k] for k in pair)
        sums = np.asarray(found["samples"]["rejection"]["pairs"][every.index(pair)]).reshape(bins, bins)
        axis.imshow(
            np.maximum(sums.T, 1), origin="lower", extent=(x["lo"], x["hi"], y["lo"], y["hi"]), aspect="auto", cmap="viridis", norm=LogNorm()
        )
        axis.plot(x["target"], y["target"], "r*", ms=12)
        axis.set_xlabel(x["label"])
        axis.set_ylabel(y["label"])
        axis.set_title("refined", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def main(directory):
    def read(name):
        return json.loads((directory / name).read_text())

    surrogate, tune, shower = read("surrogate.json"), read("tune.json"), read("shower.json")
    yield draw_observables(
        read("surrogate_histograms.json"),
        surrogate["scores"],
        directory / "surrogate.png",
        "A flow learns event shapes of $e^+e^-\\to Z\\to$ hadrons from Pythia 8; liblaser refines it",
        0.25,
    )
    yield draw_observables(
        read("tune_histograms.json"),
        tune["scores"],
        directory / "tune.png",
        "Pythia 8 with parameters over their whole ranges; liblaser refines their distribution to the Monash 2013 tune's events",
        0.8,
    )
    yield draw_parameters(read("tune_parameters.json"), directory / "parameters.png")
    yield draw_observables(
        read("shower_histograms.json"),
        shower["scores"],
        directory / "shower.png",
        "$pp\\to\\gamma^*/Z\\to\\mu\\mu$ after Pythia's shower: with its own hard events, those of a flow, and refined ones",
        0.25,
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    for figure in main(Path(sys.argv[1])):
        print(f"wrote {figure}")
