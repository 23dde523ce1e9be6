#!/usr/bin/env python3
"""Draws what demo_sample found, like figure 4 of the paper: feature space above, latent space below, one column a method.

    plot_demo.py DIR

reads DIR/histograms.json, the CSV files beside it and DIR/scores.json; writes DIR/figure.png.
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

TITLES = {
    "truth": "Truth",
    "baseline": "Baseline",
    "reweight": "Reweighted",
    "rejection": "Rejection",
    "resampling": "Resampling",
    "mala": "MALA",
    "gan": "GAN",
    "flow": "Flow refiner",
    "matching": "Flow matching",
    "mixture": "Mixture",
    "distilled": "Distilled",
    "hmc": "HMC",
}
ROWS = (
    ("feature", "$x_1$", "$x_2$", "feature space"),
    ("latent", "$z_1$", "$z_2$", "latent space"),
)
DECADES = 3  # shown below the largest density


def density(path, extent):
    """The histogram in `path` as a density; rows are bins in x."""
    counts = np.loadtxt(path, delimiter=",")
    (x_lo, x_hi), (y_lo, y_hi) = extent
    bin_area = (x_hi - x_lo) * (y_hi - y_lo) / counts.size
    return counts / (counts.sum() * bin_area)


def height_over_width(extent):
    """The shape of an axis with equal units."""
    (x_lo, x_hi), (y_lo, y_hi) = extent
    return (y_hi - y_lo) / (x_hi - x_lo)


def subtitle(name, scores):
    """JSD of a sample to the truth; beside the truth, the floor."""
    if name == "truth":
        return f"JSD floor {scores['floor']['jsd']:.2e}"
    return f"JSD {scores['methods'][name]['jsd']:.2e}"


def fewer_events(name, space, index, scores):
    """A note for a panel that shows fewer events than the figure's title says; empty otherwise."""
    if name != "truth":
        events = scores["methods"][name]["events"]
    else:
        events = index["latent_truth_events"] if space == "latent" else scores["events"]
    return f"({events / 1000:g}k events)" if events < scores["events"] else ""


def draw(directory, scores, path, dpi=130):
    """Draws the histograms in a directory to `path`, and returns that."""
    index = json.loads((directory / "histograms.json").read_text())
    names = index["samples"]
    column_width = 2.7
    heights = [column_width * height_over_width(index[f"{space}_range"]) for space, *_ in ROWS]
    figure, axes = plt.subplots(
        2,
        len(names),
        figsize=(1.5 + column_width * len(names), sum(heights) + 1.7),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for row, (space, x_label, y_label, space_title) in zip(axes, ROWS):
        extent = index[f"{space}_range"]
        densities = [density(directory / f"{space}_{name}.csv", extent) for name in names]
        top = max(d.max() for d in densities)
        norm = LogNorm(top / 10**DECADES, top)
        for axis, name, values in zip(row, names, densities):
            image = axis.imshow(
                np.maximum(values.T, norm.vmin),
                origin="lower",
                extent=(*extent[0], *extent[1]),
                norm=norm,
                cmap="viridis",
                interpolation="nearest",
            )
            axis.set_xlabel(x_label)
            axis.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10], prune="both"))
            if axis is not row[0]:
                axis.tick_params(labelleft=False)
            fewer = fewer_events(name, space, index, scores)
            if space == "feature":
                axis.set_title(f"{TITLES.get(name, name)} {fewer}".strip() + f"\n{subtitle(name, scores)}", fontsize=10)
            elif fewer:
                axis.set_title(fewer, fontsize=10)
        row[0].set_ylabel(f"{space_title}\n{y_label}")
        figure.colorbar(image, cax=row[-1].inset_axes([1.04, 0.0, 0.05, 1.0]), label="density")
    figure.suptitle(f"{index['target']}: {scores['events']:,} events")
    figure.savefig(path, dpi=dpi)
    plt.close(figure)
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    directory = Path(sys.argv[1])
    print(f"wrote {draw(directory, json.loads((directory / 'scores.json').read_text()), directory / 'figure.png')}")
