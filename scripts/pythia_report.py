"""Writes docs/pythia.md and its figures from the results of `make pythia-demo`: pythia_report.py OUT DOCS"""

import datetime
import json
import os
import platform
import shutil
import sys
from pathlib import Path

HEAD = """# Pythia 8

Written by `make pythia-demo`; do not edit.

`make pythia` builds Pythia 8.3 once, from its source distribution on PyPI, into the user's cache; `make pythia-demo` runs three uses of it. The first two are of
[e⁺e⁻ → Z → hadrons](../examples-cpp/pythia8/zhadrons.hpp) at 91.2 GeV, each event described by eight observables: thrust, total broadening, what the wider hemisphere has
of it, Durham y₂₃, the energies x₁ and x₂ of the first two of three Durham jets, the leading charged particle's momentum, and the number of pairs of charged particles, a whole
number (`integer(0:)`). Most others have bounds, which `features.scaling` keeps. The jets' energies bound each other as well: x₁ ≥ x₂ ≥ 2 − x₁ − x₂ is a triangle with sharp
edges, which no scaling keeps, but `support` does. The third goes [into the shower](#into-the-shower) of proton collisions.

EMD is the one-dimensional earth mover's distance to fresh events of Pythia, with its standard error and, in brackets, its floor: what chance alone makes of samples of these
sizes. "Beyond the edge" is the share of events outside the triangle, where Pythia has none. AUC is that of a fresh classifier that sees all observables together; 0.5: it finds no
difference. Machine: {machine}, {cores} cores, {date}.
"""

SURROGATE = """
## A surrogate

[surrogate.cpp](../examples-cpp/pythia8/surrogate.cpp): liblaser pulls {trained:,} events out of Pythia by a callback, trains a flow on them, and refines it by rejection. Scored on
{scored:,} events. One thread makes {pythia:,.0f} events/s with Pythia, {baseline:,.0f} with the flow and {rejection:,.0f} refined: {times:.0f} times as many as Pythia. The flow
smears the edges of the triangle; rejection, which accepts {acceptance:.0%} of the latents, never leaves it. Training took {training_seconds:.0f} s on {threads:.0f} threads, Pythia's events included:
it pays for those who need more than {pays_from:.1e} events.

{table}

![eight observables of Pythia, the flow and the refined flow, with ratios](pythia-surrogate.png)

An AUC above 0.5 by more than its error is a difference that the classifier of the refinement has not found: look for it in the tails of the figure, where training events are few. It shrinks with more training events and longer training of that classifier.
"""

TUNE = """
## A tune, from events alone

[tune.cpp](../examples-cpp/pythia8/tune.cpp): Pythia itself is the generator, a stochastic one. The latent point fixes three of its parameters, each evenly over the range that the manual
allows; shower, hadronisation and decays are hidden. The target is Pythia with its default tune (Monash 2013), of which liblaser sees {trained:,} events and nothing else. OmniFold learns the
weight of a latent point, and the refined latents say which parameters make such events. Scored on {scored:,} events; rejection accepts {acceptance:.0%} of the latents.

{table}

![eight observables of the target, of all tunes alike, and refined, with ratios](pythia-tune.png)

| parameter | target | all tunes alike: mean, width | refined: mean, width |
|---|---|---|---|
{parameters}

![the parameters' distribution before and after](pythia-parameters.png)

What event shapes know best, the coupling of the shower, narrows; Lund's a and b compensate each other in most of them, so that each alone keeps nearly the width it had. The target
being a single tune, ever more iterations would narrow all of them further: the widths tell how far OmniFold has come in {iterations:.0f} iterations, and are no uncertainties of a measurement. Refined
events are those of a mixture of tunes around the target's, which is what a classifier still sees.
"""

SHOWER = """
## Into the shower

[shower.cpp](../examples-cpp/pythia8/shower.cpp): of pp → γ*/Z → μ⁺μ⁻ at 13 TeV with 66 < m < 116 GeV, liblaser learns the *hard* process alone, from {trained_on:,.0f} events of Pythia: mass and
rapidity of the pair, by variables in which every value within the bounds is an event that there can be, the angle cos θ of the μ⁻ to the parton of beam A, and the flavour of that parton, a
`category(10)`. Pythia takes the refined events one by one through its Les Houches interface (`LHAup`), showers, hadronises and decays them; where HepMC3 is found they are written by Pythia's own
converter. What Pythia gets is verified before: momentum, charge and colour conserved, all on their mass shells. The events carry weights, since {overweight_fraction:.2%} of all weight lies above w_max: strategy 4 of the
accord, weights in pb whose mean is the cross-section. Event `i` has random numbers of its own in sampler and Pythia: made again alone, by `seek`, it is the same to the bit, which the program
checks, and fails if not.

Scored on {scored_on:,.0f} events after the shower, against as many of Pythia with its own hard process. "Pythia's hard events" are those, fed through the same interface: what differs there is the way in, and
no model.

{table}

![eight observables after the shower, with Pythia's hard events, the flow and the refined flow, with ratios](pythia-shower.png)

{verdict}

Before the shower, on {hard_scored_on:,.0f} hard events, the AUC is {hard[baseline]} of the flow and {hard[rejection]} refined; rejection accepts {acceptance:.0%} of the latents.

| | rejected by Pythia | complaints | momentum off by at most | cross-section |
|---|---|---|---|---|
{accounts}

Momentum is off in units of the energy of both beams; Pythia itself complains from 10⁻⁶ on. The cross-section given was {cross_section:.1f} ± {cross_section_error:.1f} pb. One thread supplies {rejection:,.0f} refined hard events/s, momenta and their checks
included, and Pythia makes {pythia:,.0f} of its own: for a process as simple as this nothing is gained, as the shower takes {times:.0f} times as long. It would be where a hard event is dear: many legs, loops, or a
slow program far away.
"""


def verdict(scores: dict) -> str:
    """What the classifier and the KS tests say after the shower, by the same rule as the program."""
    lines = []
    for name, label in (("rejection", "the refined events"), ("baseline", "those of the flow"), ("replayed", "Pythia's own, fed in,")):
        s = scores[name]
        away, chance = (s["auc"] - 0.5) / s["auc_error"], 0.01 / len(s["observables"])
        seen = [of for of, found in s["observables"].items() if found["ks_p_value"] < chance]
        differ = "differ measurably" if away > 2 or seen else "are not told apart"
        lines.append(f"{label} {differ} (AUC {away:+.1f} errors from 0.5, KS tests see {', '.join(seen) or 'nothing'})")
    return f"After the shower, with so many events, {'; '.join(lines)}. Where the flow is not told apart either, its faults are smaller than these samples show."


def account(name: str, found: dict) -> str:
    return f"| {name} | {found['rejected']:.0f} | {found['complaints']:.0f} | {found['imbalance']:.0e} | {found['cross_section']:.1f} pb |"


def table(scores: dict) -> str:
    names = {"replayed": "Pythia's hard events", "baseline": "before", "rejection": "refined"}
    rows = [f"| | {' | '.join(names[k] for k in scores)} |", "|---" * (len(scores) + 1) + "|"]
    rows.append("| AUC | " + " | ".join(f"{s['auc']:.4f} ± {s['auc_error']:.4f}" for s in scores.values()) + " |")
    for name in next(iter(scores.values()))["observables"]:
        cells = [s["observables"][name] for s in scores.values()]
        rows.append(f"| EMD of {name} | " + " | ".join(f"{c['emd']:.2g} ± {c['emd_error']:.1g} ({c['emd_floor']:.2g})" for c in cells) + " |")
    if all("beyond" in s for s in scores.values()):
        if any(s["beyond_truth"] for s in scores.values()):
            raise SystemExit("Pythia has events beyond the edge: it is none")
        rows.append("| beyond the edge | " + " | ".join(f"{s['beyond']:.2%}" for s in scores.values()) + " |")
    return "\n".join(rows)


def parameters(found: dict) -> str:
    return "\n".join(
        f"| {name} | {p['target']:.4g} | {p['baseline']['mean']:.3f}, {p['baseline']['width']:.3f} | {p['rejection']['mean']:.3f}, {p['rejection']['width']:.3f} |"
        for name, p in found.items()
    )


def processor() -> str:
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    out, docs = map(Path, sys.argv[1:])
    scores = json.loads((out / "scores.json").read_text())
    surrogate, tune, shower = scores["surrogate"], scores["tune"], scores["shower"]
    rate = surrogate["events_per_second"]
    page = HEAD.format(machine=processor(), cores=os.cpu_count(), date=datetime.date.today())
    told = {key: surrogate[key] for key in ("acceptance", "training_seconds", "threads", "pays_from")}
    page += SURROGATE.format(trained=surrogate["trained_on"], scored=surrogate["scored_on"], times=rate["rejection"] / rate["pythia"],
                             table=table(surrogate["scores"]), **told, **rate)
    page += TUNE.format(trained=tune["trained_on"], scored=tune["scored_on"], acceptance=tune["acceptance"], table=table(tune["scores"]),
                        parameters=parameters(tune["parameters"]), iterations=tune["iterations"])
    names = {"pythia": "Pythia", "replayed": "Pythia's hard events", "baseline": "flow", "rejection": "refined"}
    told = {key: shower[key] for key in ("trained_on", "scored_on", "hard_scored_on", "acceptance", "overweight_fraction", "cross_section", "cross_section_error")}
    rate = shower["events_per_second"]
    page += SHOWER.format(table=table(shower["scores"]), verdict=verdict(shower["scores"]), rejection=rate["rejection"], pythia=rate["pythia"],
                          times=rate["pythia"] * shower["threads"] / rate["showered"],
                          hard={key: f"{found['auc']:.4f} ± {found['auc_error']:.4f}" for key, found in shower["hard_auc"].items()},
                          accounts="\n".join(account(names[key], found) for key, found in shower["accounts"].items()), **told)
    (docs / "pythia.md").write_text(page, encoding="utf-8")
    for figure in ("surrogate", "tune", "parameters", "shower"):
        shutil.copy(out / f"{figure}.png", docs / f"pythia-{figure}.png")


if __name__ == "__main__":
    main()
