"""Negative weights: `laser resample` beside cres, on the same events, a fifth of which have the weight -1.

    main.py --laser PROGRAM --cres PROGRAM [--events N] [--cells GEV] [--classifier OPTIONS] [--threads N]

An event is a W and a Z that recoil in the transverse plane: px, py, and the two pz. The probability
of the weight -1 depends on pT and on the difference of rapidities, and is below 1/2 everywhere. Both programs get the same events, laser as rows
of a .npy file, cres as a Les Houches file, and both keep the sum of the weights.

Printed are, of the events that each program writes: the share of events with a negative weight, and of |w| in them; how many events have a weight
at all; what they are worth; then of four observables, none of which is a feature by itself, in 25 bins each, against the exact local mean on 25
times as many other events: the width of the pulls (observed - exact) / error, with the errors that the weights themselves tell, sqrt(sum of
w^2), and chi^2 per bin with the errors that the original weights tell. Both are 1 for the events as they were. Then time and memory, at their
peak, of the program, with reading and writing.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from measure import measured  # noqa: E402

BINS = 25
OTHERS = 25
MASSES = (80.4, 91.2)


def momenta(rng, rows):
    """px, py, pz of the W and pz of the Z, in GeV."""
    pt = 30 * rng.gamma(2.0, 1.0, rows)
    phi = 2 * np.pi * rng.random(rows)
    y = rng.normal(0, 1.2, (2, rows)) + rng.normal(0, 0.6, rows)
    pz = [np.sqrt(m**2 + pt**2) * np.sinh(y) for m, y in zip(MASSES, y)]
    return np.column_stack([pt * np.cos(phi), pt * np.sin(phi), *pz])


def energies(x):
    pt2 = x[:, 0] ** 2 + x[:, 1] ** 2
    return [np.sqrt(m**2 + pt2 + x[:, 2 + i] ** 2) for i, m in enumerate(MASSES)]


def rapidities(x):
    return [0.5 * np.log((e + x[:, 2 + i]) / (e - x[:, 2 + i])) for i, e in enumerate(energies(x))]


def negative(x):
    """The probability of the weight -1; a fifth on average."""
    first, second = rapidities(x)
    pt = np.hypot(x[:, 0], x[:, 1])
    return 0.08 + 0.305 * np.exp(-(((pt - 45) / 35) ** 2)) / (1 + 0.3 * (first - second) ** 2)


def observables(x):
    """Name, values, and range of what is histogrammed."""
    e = sum(energies(x))
    pz = x[:, 2] + x[:, 3]
    first, second = rapidities(x)
    return [
        ("pT", np.hypot(x[:, 0], x[:, 1]), (0, 200)),
        ("mass", np.sqrt(e**2 - pz**2), (170, 800)),
        ("y", 0.5 * np.log((e + pz) / (e - pz)), (-2.5, 2.5)),
        ("|dy|", np.abs(first - second), (0, 4)),
    ]


def write_lhe(path, x, w):
    """As a generator would: incoming partons of the energies that are needed, then W and Z."""
    names = "<LesHouchesEvents version=\"1.0\">\n<init>\n2212 2212 6500 6500 0 0 0 0 -4 1\n1.0 0.1 1.0 1\n</init>\n"
    with open(path, "w", encoding="ascii") as file:
        file.write(names)
        for first in range(0, len(x), 100_000):
            part, weights = x[first:first + 100_000], w[first:first + 100_000]
            e = energies(part)
            total, pz = e[0] + e[1], part[:, 2] + part[:, 3]
            rows = zip(part.tolist(), weights.tolist(), e[0].tolist(), e[1].tolist(), (0.5 * (total + pz)).tolist(), (0.5 * (total - pz)).tolist())
            file.writelines(
                f"<event>\n4 1 {w:.9e} 91.2 0.0078 0.118\n"
                f"2 -1 0 0 101 0 0.0 0.0 {up:.9e} {up:.9e} 0.0 0.0 9.0\n-1 -1 0 0 0 101 0.0 0.0 {-down:.9e} {down:.9e} 0.0 0.0 9.0\n"
                f"24 1 1 2 0 0 {p[0]:.9e} {p[1]:.9e} {p[2]:.9e} {a:.9e} 80.4 0.0 9.0\n"
                f"23 1 1 2 0 0 {-p[0]:.9e} {-p[1]:.9e} {p[3]:.9e} {b:.9e} 91.2 0.0 9.0\n</event>\n"
                for p, w, a, b, up, down in rows
            )
        file.write("</LesHouchesEvents>\n")


def read_lhe(path):
    """The weights, in order."""
    weights = []
    with open(path, encoding="ascii") as file:
        for line in file:
            if line.startswith("<event>"):
                weights.append(float(next(file).split()[2]))
    return np.array(weights)


def histograms(x, w):
    """Of every observable: contents, and squared errors."""
    return [tuple(np.histogram(values, BINS, limits, weights=u)[0] for u in (w, w**2)) for _, values, limits in observables(x)]


def row(name, x, w, exact, original, took):
    """Prints a row of the table."""
    pulls, chi2 = [], []
    for (content, squares), mean, (_, own) in zip(histograms(x, w), exact, original):
        many = own > 25
        pulls.append(np.std((content - mean)[many] / np.sqrt(squares[many])))
        chi2.append(np.mean((content - mean)[many] ** 2 / own[many]))
    cells = [name, f"{100 * np.mean(w < 0):.1f} %", f"{100 * np.abs(w[w < 0]).sum() / np.abs(w).sum():.1f} %", f"{np.count_nonzero(w)}",
             f"{w.sum() ** 2 / np.sum(w**2):.0f}", ", ".join(f"{p:.2f}" for p in pulls), ", ".join(f"{c:.2f}" for c in chi2)]
    cells += [f"{took[0]:.0f} s", f"{took[1]:.0f} s", f"{took[2]:.0f} MB"] if took else 3 * [""]
    print("|", " | ".join(cells), "|", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--laser", type=Path, required=True)
    parser.add_argument("--cres", type=Path, required=True)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--cells", default="none,20", help="largest cells of cres in GeV, with commas between; none: as large as it takes; empty: without cres")
    parser.add_argument("--classifier", default='"layers": 4, "units": 64, "epochs": 4, "ensemble": 4', help="options of laser's, as JSON without braces")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    out = HERE.parent.parent / "build" / "bench" / "negative"
    (out / "cres").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    x = momenta(rng, arguments.events)
    w = np.where(rng.random(len(x)) < negative(x), -1.0, 1.0)
    exact = None
    for _ in range(OTHERS):
        fresh = momenta(rng, arguments.events)
        own = [content / OTHERS for content, _ in histograms(fresh, 1 - 2 * negative(fresh))]
        exact = own if exact is None else [a + b for a, b in zip(exact, own)]
    original = histograms(x, w)
    names = ", ".join(name for name, _, _ in observables(x[:2]))
    print(f"{len(x)} events; {names}\n")
    print("| | negative events | of \\|w\\| | events | worth | width of pulls | chi^2 per bin | time | of processors | memory |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    row("as they were", x, w, exact, original, None)
    np.save(out / "events.npy", np.column_stack([x, w]))
    options = out / "options.json"
    options.write_text(f'{{"preset": "fast", "threads": {arguments.threads}, "classifier": {{{arguments.classifier}}}}}', encoding="ascii")
    for method in ([], ["--variance"]):
        command = [arguments.laser, "resample", out / "events.npy", "-o", out / "new.npy", "--options", options, *method]
        took = measured(command)
        new = np.load(out / "new.npy")
        row("laser resample" + " ".join(["", *method]), new[:, :4], new[:, 4], exact, original, took)
    write_lhe(out / "events.lhe", x, w)
    for cells in filter(None, arguments.cells.split(",")):
        limit = [] if cells == "none" else ["--max-cell-size", cells]
        command = [arguments.cres, "-a", "anti-kt", "-R", "0.4", "-p", "30", "-o", out / "cres", "-t", arguments.threads, "-l", "off", *limit,
                   out / "events.lhe"]
        took = measured(command)
        row("cres" + ("" if cells == "none" else f", cells up to {cells} GeV"), x, read_lhe(out / "cres" / "events.lhe"), exact, original, took)
    for path in [out / "events.lhe", out / "cres" / "events.lhe", out / "events.npy", out / "new.npy"]:
        path.unlink()


if __name__ == "__main__":
    main()
