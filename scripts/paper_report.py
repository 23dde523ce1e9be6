#!/usr/bin/env python3
"""Tells what the program `paper` found, beside the paper's Table 3.

    paper_report.py DIR [DOCS]

reads DIR/TARGET.json of every target that was run, prints the tables, writes DIR/scores.json and DIR/TARGET.png; with DOCS, also
DOCS/paper.md and DOCS/paper-TARGET.png.
"""

import json
import os
import platform
import sys
from datetime import date
from pathlib import Path

from PIL import Image
from plot_demo import TITLES, draw

TARGETS = ("gaussians", "donut", "rings", "narrow_rings")
LEARNED = ("gan", "flow", "matching", "distilled")
# JSD and EMD of Table 3, and the errors that it quotes; by the methods here that do what its rows did.
TABLE3 = {
    "gaussians": {"baseline": (0.66, 0.28), "hmc": (0.12, 0.22), "gan": (0.24, 0.21), "reweight": (0.09, 0.09), "error": (0.04, 0.02)},
    "donut": {"baseline": (0.27, 0.23), "hmc": (0.07, 0.06), "gan": (0.09, 0.09), "reweight": (0.05, 0.11), "error": (0.04, 0.02)},
    "rings": {"baseline": (0.21, 0.067), "hmc": (0.07, 0.137), "gan": (0.08, 0.047), "reweight": (0.04, 0.037), "error": (0.02, 0.006)},
}
LASER_GOALS = {"gaussians": (0.12, 0.105), "donut": (0.045, 0.045), "rings": (0.04, 0.024)}  # half the paper's LaSeR
ROWS = {"baseline": "baseline", "hmc": "HMC", "gan": "LaSeR", "reweight": "Dctr"}  # their names there
COLOURS = 96  # of the figures in the documentation, which are kept small


def best(scores, names):
    """The method of `names` with the smallest JSD; None if none of them ran."""
    return min((n for n in names if n in scores["methods"]), key=lambda n: scores["methods"][n]["jsd_paper"], default=None)


def best_unweighted(scores):
    return best(scores, [n for n, m in scores["methods"].items() if n != "baseline" and not m["weighted"]])


def with_error(scores, name):
    """A score of a table, with the error of its mean over the repeats."""
    error = scores[f"{name}_error"]
    return f"{scores[name]:.4f}" + (f" ± {error:.4f}" if error is not None else "")


def table(target, scores):
    """Lines of a Markdown table of one target, aligned so that it can be read as it is."""
    quoted = TABLE3.get(target, {})
    rows = [("method", "JSD", "EMD", "µs/event", "calls/event", "the paper's JSD, EMD")]
    for name, method in scores["methods"].items():
        paper = f"{ROWS[name]} {quoted[name][0]:g}, {quoted[name][1]:g}" if name in quoted else ""
        label = TITLES.get(name, name) + (" (weighted)" if method["weighted"] else "")
        if name == best_unweighted(scores):
            label = f"**{label}**"
        rows.append((label, with_error(method, "jsd_paper"), with_error(method, "emd_paper"), f"{method['us_per_event']:.1f}",
                     f"{method['calls_per_event']:.2f}", paper))
    error = "errors {:g}, {:g}".format(*quoted["error"]) if quoted else ""
    rows.append(("floor: truth against truth", with_error(scores["floor"], "jsd_paper"), with_error(scores["floor"], "emd_paper"), "", "", error))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return lines


def above(score, floor):
    """How far a score lies above its floor, in per cent of that."""
    return f"{100 * (score / floor - 1):+.1f} %"


def goals(target, scores):
    """The quality goals of a target: what is asked, whether it is met, and why not as far as the scores tell."""
    methods, jsd, emd = scores["methods"], scores["floor"]["jsd_paper"], scores["floor"]["emd_paper"]
    found = []
    reweight, unweighted, learned = methods.get("reweight"), best_unweighted(scores), best(scores, LEARNED)
    if reweight:
        w = reweight["jsd_paper"]
        text = f"reweighted JSD within 15 % of the floor: {above(w, jsd)}"
        why = f"the reweighted JSD is {w - jsd:.4f} above the floor, which is what the classifier has not learnt"
        found.append((text, w <= 1.15 * jsd, why + calibration(scores)))
    if unweighted:
        m = methods[unweighted]
        text = (f"the best unweighted method ({TITLES[unweighted]}) within 25 % of the floor in JSD and twice the floor in EMD: "
                f"{above(m['jsd_paper'], jsd)}, {m['emd_paper'] / emd:.1f} times")
        own = f", {m['jsd_paper'] - reweight['jsd_paper']:+.4f} beside the reweighted one" if reweight else ""
        why = (f"the JSD of the best unweighted method is {m['jsd_paper'] - jsd:.4f} above the floor{own}; "
               f"its EMD {m['emd_paper'] - emd:.4f} above the floor")
        found.append((text, m["jsd_paper"] <= 1.25 * jsd and m["emd_paper"] <= 2 * emd, why))
        if target in TABLE3:
            found.append(beats_the_paper(m, unweighted, TABLE3[target]))
    if learned and target in LASER_GOALS:
        m, (goal_jsd, goal_emd) = methods[learned], LASER_GOALS[target]
        text = (f"the best learned refiner ({TITLES[learned]}) at half the paper's LaSeR or better, JSD {goal_jsd:g} and EMD {goal_emd:g}: "
                f"{m['jsd_paper']:.4f}, {m['emd_paper']:.4f}")
        why = f"the best learned refiner is {m['jsd_paper'] - jsd:.4f} above the floor in JSD and {m['emd_paper'] - emd:.4f} in EMD"
        if unweighted != learned:
            why += f", where {TITLES[unweighted]}, from the same weights, is {methods[unweighted]['jsd_paper'] - jsd:.4f} above it in JSD"
        found.append((text, m["jsd_paper"] <= goal_jsd and m["emd_paper"] <= goal_emd, why))
    if learned and {"baseline", "rejection"} <= methods.keys():
        before, exact, own = (methods[name]["jsd_paper"] for name in ("baseline", "rejection", learned))
        gain, us = (before - own) / (before - exact), methods[learned]["us_per_event"]
        text = f"the best learned refiner ({TITLES[learned]}) with at least 80 % of what rejection gains in JSD, at 5 µs an event or less: {100 * gain:.0f} %, {us:.1f} µs"
        found.append((text, gain >= 0.8 and us <= 5, f"of the JSD that rejection gains, {before - exact:.4f}, the best learned refiner gains {before - own:.4f}"))
    return found


def beats_the_paper(scores, name, quoted):
    """Whether an unweighted method is better than those of the paper's table, in both scores; as `goals` tells it."""
    jsd, emd = (min(quoted[row][k] for row in ("hmc", "gan")) for k in (0, 1))
    text = f"{TITLES[name]} better than the paper's HMC and LaSeR, JSD {jsd:g} and EMD {emd:g} at best: {scores['jsd_paper']:.4f}, {scores['emd_paper']:.4f}"
    return text, scores["jsd_paper"] < jsd and scores["emd_paper"] < emd, f"{TITLES[name]} is not better than the paper's in both scores"


def calibration(scores):
    """What the classifier's own record says of it."""
    chi_square = scores["record"].get("weights.calibration.chi_square")
    return f" (its calibration on held-out events has χ² per degree of freedom {chi_square:.1f})" if chi_square is not None else ""


def missed(found):
    """A paragraph on the goals that were missed."""
    reasons = [why for _, met, why in found if not met]
    return "Missed: " + "; ".join(reasons) + "." if reasons else "All goals are met."


def section(target, scores):
    """Lines on one target."""
    found = goals(target, scores)
    lines = [*table(target, scores), ""]
    lines += [f"- {'met' if met else '**missed**'}: {text}" for text, met, _ in found]
    lines += ["", missed(found)]
    lines += [f"Left out, {TITLES.get(name, name)}: {why}" for name, why in scores["left_out"].items()]
    return lines


def machine():
    """CPU model, cores and the day."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, {date.today()}"


def page(all_scores):
    """The page for the documentation."""
    first = next(iter(all_scores.values()))
    minutes = {target.replace("_", " "): scores["seconds"] / 60 for target, scores in all_scores.items()}
    together = sum(minutes.values()) / 2
    lines = [
        "# The paper's Table 3",
        "",
        "Made by `make paper`; do not edit.",
        "",
        f"Flow and classifier of the paper's size, trained on fresh events of a simulator in C; {first['events']:,} events a method. JSD and EMD of 100 × 100 bins in the paper's",
        "convention, smaller is better, as mean and standard error over two or three repeats with other seeds and other truth; times are processor time on one",
        "thread, calls are those of the generator. The floor is the score of as many events of another simulation: the best to expect. The best unweighted method is in bold. `scores.json`, beside",
        "the models and histograms in `build/paper`, has nats and units of x too.",
        "",
        f"Machine: {machine()}. On one thread each, {', '.join(f'{target} took {m:.0f} min' for target, m in minutes.items())}: all of them, two at a time,",
        f"{together:.0f} min ({'met' if together <= 120 else '**missed**'}: two hours).",
    ]
    for target, scores in all_scores.items():
        title = target.replace("_", " ")
        lines += ["", f"## {title.capitalize()}", "", *section(target, scores), ""]
        lines += [f"![{title}: feature space above, latent space below, one column a method](paper-{target}.png)"]
    return "\n".join(lines) + "\n"


def shrink(figure, path):
    """A copy of a figure with few colours."""
    with Image.open(figure) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def main(directory, docs=None):
    found = [target for target in TARGETS if (directory / f"{target}.json").exists()]
    if not found:
        sys.exit(f"{directory} has no scores: run scripts/paper")
    all_scores = {target: json.loads((directory / f"{target}.json").read_text(encoding="utf-8")) for target in found}
    (directory / "scores.json").write_text(json.dumps(all_scores, indent=1) + "\n", encoding="utf-8")
    for target, scores in all_scores.items():
        print("\n".join(["", f"{target}, {scores['seconds']} s", "", *section(target, scores)]))
        figure = draw(directory / target, scores, directory / f"{target}.png", dpi=85)
        if docs:
            shrink(figure, docs / f"paper-{target}.png")
    if docs:
        (docs / "paper.md").write_text(page(all_scores), encoding="utf-8")
        print(f"\nwrote {docs}/paper.md and its figures")
    print(f"\nwrote {directory}/scores.json and a figure of every target beside it")


if __name__ == "__main__":
    if len(sys.argv) in (2, 3):
        main(*map(Path, sys.argv[1:]))
    else:
        sys.exit(__doc__.strip())
