#!/usr/bin/env python3
"""Events of particles, in and out of the program `laser`, against other readers of their formats (pylhe, pyhepmc) and kinematics of its own.

    tests/particles.py LASER FOLDER

LASER is the program, FOLDER where files may be written. Prints `ok NAME` or `FAILED NAME` for each check."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyhepmc
import pylhe

LASER, FOLDER = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
FOLDER.mkdir(parents=True, exist_ok=True)
FEATURES = "m = m(13+-13), pt = pt(13+-13), y = y(13+-13), cos = cos_cs(13,-13), phi = phi_cs(13,-13)"
NAMES = ["m", "pt", "y", "cos", "phi"]
MUON, BEAM, SIGMA = 0.10566, 6500.0, (1234.5, 6.7)
DECLARATION = {
    "beams": {"pdg": [2212, 2212], "energy": [BEAM, BEAM]},
    "incoming": [{"pdg": 2, "color": [501, 0]}, {"pdg": -2, "color": [0, 502]}],
    "cross_section": SIGMA,
    "particles": [
        {"pdg": 23, "m": "m", "pt": "pt", "y": "y", "phi": "uniform",
         "decay": {"frame": "collins_soper", "cos_theta": "cos", "phi": "phi", "to": [{"pdg": 13, "m": MUON}, {"pdg": -13, "m": MUON}]}},
        {"pdg": 21, "recoil": True, "y": "-y / 2", "m": 0, "color": [501, 502]},
    ],
}
OPTIONS = {"preset": "fast", "features.scaling": "log(0),log(0),auto,logit(-1:1),periodic(-pi:pi)", "weights.events": 5000,
           "flow": {"blocks": 4, "layers": 2, "units": 32, "epochs": 3}, "classifier": {"layers": 2, "units": 32, "epochs": 3}}
failures = 0


def check(name: str, good: bool, *what) -> None:
    global failures
    failures += not good
    print(("ok " if good else "FAILED ") + name, *([] if good else what), flush=True)


def laser(*arguments, status=0) -> str:
    done = subprocess.run([LASER, *map(str, arguments)], cwd=FOLDER, capture_output=True, text=True)
    if done.returncode != status:
        print(done.stderr)
        sys.exit(f"FAILED laser {arguments}: status {done.returncode}")
    return done.stdout if status == 0 else done.stderr


def boost_to(p, q):
    """p, in the rest frame of q, in the frame where q is (active boost, by the textbook's formula)."""
    m = np.sqrt(q[:, 3] ** 2 - (q[:, :3] ** 2).sum(1))
    dot = (p[:, :3] * q[:, :3]).sum(1)
    energy = (p[:, 3] * q[:, 3] + dot) / m
    factor = (energy + p[:, 3]) / (q[:, 3] + m)
    return np.column_stack([p[:, :3] + factor[:, None] * q[:, :3], energy])


def truth(n: int, seed: int):
    """Rows m, pt, y, cos θ and φ of Collins and Soper, and the momenta of two muons and a gluon."""
    r = np.random.default_rng(seed)
    m = 91.2 + 2.5 * np.clip(r.standard_cauchy(n), -12, 40)
    pt, y = 2 + r.gamma(2, 8, n), 1.2 * r.standard_normal(n)
    axis = r.uniform(0, 2 * np.pi, n)
    transverse = np.sqrt(m * m + pt * pt)
    q = np.column_stack([pt * np.cos(axis), pt * np.sin(axis), transverse * np.sinh(y), transverse * np.cosh(y)])
    # Isotropic in the rest frame that a single boost reaches; Collins and Soper's angles are measured afterwards.
    cos, phi = r.uniform(-0.999, 0.999, n), r.uniform(-np.pi, np.pi, n)
    k = np.sqrt(m * m / 4 - MUON**2)
    sin = np.sqrt(1 - cos**2)
    a = np.column_stack([k * sin * np.cos(phi), k * sin * np.sin(phi), k * cos, m / 2])
    b = np.column_stack([-a[:, :3], m / 2])
    muons = boost_to(a, q), boost_to(b, q)
    gluon = np.column_stack([-q[:, 0], -q[:, 1], pt * np.sinh(-y / 2), pt * np.cosh(y / 2)])
    return features(*muons), (*muons, gluon)


def features(a, b):
    q = a + b
    m = np.sqrt(q[:, 3] ** 2 - (q[:, :3] ** 2).sum(1))
    pt = np.hypot(q[:, 0], q[:, 1])
    y = 0.5 * np.log((q[:, 3] + q[:, 2]) / (q[:, 3] - q[:, 2]))
    plus, minus = (lambda p: p[:, 3] + p[:, 2]), (lambda p: p[:, 3] - p[:, 2])
    transverse = np.sqrt(m * m + pt * pt)
    # Of momentum 2 k, and not of energy m, as the muons have masses.
    cos = (plus(a) * minus(b) - minus(a) * plus(b)) / (m * transverse) / np.sqrt(1 - 4 * MUON**2 / m**2)
    d = a - b
    across = (q[:, 0] * d[:, 1] - q[:, 1] * d[:, 0]) / pt
    # The component along pT in the rest frame: boosted along z first, then along pT.
    energy = (q[:, 3] * d[:, 3] - q[:, 2] * d[:, 2]) / transverse
    along = (transverse * (d[:, 0] * q[:, 0] + d[:, 1] * q[:, 1]) / pt - pt * energy) / m
    return np.column_stack([m, pt, y, cos, np.arctan2(across, along)])


def write_lhe(path: Path, momenta, weights) -> None:
    lines = ["<LesHouchesEvents version=\"1.0\">", "<init>", f"2212 2212 {BEAM} {BEAM} 0 0 0 0 -4 1", "1. 0.1 1. 1", "</init>"]
    for i, weight in enumerate(weights):
        lines += ["<event>", f"3 1 {weight:.10E} 91.2 -1 -1"]
        for pdg, p, mass in zip((13, -13, 21), momenta, (MUON, MUON, 0.0)):
            lines.append(f"{pdg} 1 0 0 0 0 " + " ".join(f"{v:.12E}" for v in p[i]) + f" {mass} 0. 9.")
        lines += ["# by hand", "</event>"]
    lines.append("</LesHouchesEvents>\n")
    data = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def momenta_of(event, pdg, status=1):
    found = [p for p in event.particles if p.id == pdg and p.status == status]
    return [[p.px, p.py, p.pz, p.e] for p in found][0]


N = 4000
rows, momenta = truth(N, 1)
np.save(FOLDER / "truth.npy", np.array([tuple(r) for r in rows], dtype=[(n, "f8") for n in NAMES]))
write_lhe(FOLDER / "truth.lhe.gz", momenta, np.ones(N))

# What the program reads is what the momenta are.
scores = json.loads(laser("score", "truth.npy", "truth.lhe.gz", "--features", FEATURES, "--repeats", 2, "--directions", 1, "--json"))
worst = max(f["emd"]["distance"] for f in scores["features"])
check("features of an LHE file are those of its momenta", worst < 1e-6, worst)

# Trained from the file, and written as particles.
(FOLDER / "train.json").write_text(json.dumps({"events": "truth.lhe.gz", "features": FEATURES, "model": "z.laser", "options": OPTIONS}))
laser("refine", "train.json")
(FOLDER / "particles.json").write_text(json.dumps(DECLARATION))
sample = ["sample", "z.laser", "-n", 500, "--seed", 3, "--weights"]
laser(*sample, "-o", "events.csv")
laser(*sample, "-o", "events.lhe.gz", "--particles", "particles.json")
laser(*sample, "-o", "events.hepmc.gz", "--particles", "particles.json")
table = np.genfromtxt(FOLDER / "events.csv", delimiter=",", names=True)
known = np.column_stack([table[n] for n in NAMES])

file = pylhe.LHEFile.fromfile(str(FOLDER / "events.lhe.gz"))
events = list(file.events)
init = file.init
check("pylhe reads as many events", len(events) == 500, len(events))
check("beams", init.initInfo.beamA == 2212 and init.initInfo.energyB == BEAM, init)
check("cross-section", (init.procInfo[0].xSection, init.procInfo[0].error) == SIGMA, init)
a, b, g = (np.array([momenta_of(e, pdg) for e in events]) for pdg in (13, -13, 21))
z = np.array([momenta_of(e, 23, 2) for e in events])
u, v = (np.array([momenta_of(e, pdg, -1) for e in events]) for pdg in (2, -2))
found = features(a, b)
off = np.abs(found - known)
off[:, 4] = np.minimum(off[:, 4], 2 * np.pi - off[:, 4])
check("an LHE event has the features of its row", (off < 1e-5 * (1 + np.abs(known))).all(), off.max(0))
check("LHE: momentum is conserved", np.abs(u + v - a - b - g).max() < 1e-6 and np.abs(z - a - b).max() < 1e-6)
check("LHE: partons go in along the beams", (u[:, 2] > 0).all() and (v[:, 2] < 0).all() and not u[:, :2].any())
mass = lambda p: p[:, 3] ** 2 - (p[:, :3] ** 2).sum(1)
check("LHE: muons are on their shell", np.abs(mass(a) - MUON**2).max() < 1e-5, np.abs(mass(a)).max())
weights = np.array([e.eventinfo.weight for e in events])
check("LHE: the weight is that of the row, in pb", np.allclose(weights, table["w"] * SIGMA[0], rtol=1e-12))
azimuth = np.sort(np.arctan2(z[:, 1], z[:, 0]) / (2 * np.pi) + 0.5)
distance = np.abs(azimuth - (np.arange(500) + 0.5) / 500).max()
check("the azimuth that no column knows is uniform", distance < 1.95 / np.sqrt(500), distance)

with pyhepmc.open(str(FOLDER / "events.hepmc.gz")) as f:
    hepmc = list(f)
check("pyhepmc reads as many events", len(hepmc) == 500, len(hepmc))
momentum = lambda p: [p.momentum.px, p.momentum.py, p.momentum.pz, p.momentum.e]
of = lambda pdg, status: np.array([[momentum(p) for p in e.particles if p.pid == pdg and p.status == status][0] for e in hepmc])
check("HepMC has the same particles", all((of(pdg, s) == p).all() for pdg, s, p in [(13, 1, a), (-13, 1, b), (21, 1, g), (23, 2, z)]))
check("HepMC: beams", all([p.pid for p in e.beams] == [2212, 2212] for e in hepmc))
check("HepMC: the weight", np.allclose([e.weight() for e in hepmc], table["w"], rtol=1e-14))
check("HepMC: the cross-section", abs(hepmc[0].cross_section.xsec() - SIGMA[0]) < 1e-9 and abs(hepmc[0].cross_section.xsec_err() - SIGMA[1]) < 1e-9)
check("HepMC: events are numbered", [e.event_number for e in hepmc] == list(range(500)))
muon = [p for p in hepmc[0].particles if p.pid == 13][0]
parents = [p.pid for p in muon.parents]
check("HepMC: muons come of the Z, the Z of the partons", parents == [23] and sorted(p.pid for p in muon.parents[0].parents) == [-2, 2], parents)

# The same features of either file; weights by a reweighter, multiplied or added.
scores = json.loads(laser("score", "events.lhe.gz", "events.hepmc.gz", "--features", FEATURES, "--weights", "--repeats", 2, "--directions", 1, "--json"))
check("both files have the same features", max(f["emd"]["distance"] for f in scores["features"]) < 1e-9)
other, others = truth(N, 2)
write_lhe(FOLDER / "other.lhe", others, np.where(np.arange(N) % 10, 1.0, -1.0))
refused = laser("reweight", "train", "other.lhe", "truth.lhe.gz", "-o", "r.laser", "--features", FEATURES, status=2)
check("weights that nobody asked for are not left out in silence", "its events have weights, from -1e0 to 1e0" in refused, refused)
(FOLDER / "options.json").write_text(json.dumps({"preset": "fast", "classifier": {"layers": 2, "units": 16, "epochs": 2}}))
laser("reweight", "train", "other.lhe", "truth.lhe.gz", "-o", "r.laser", "--features", FEATURES, "--weights=from", "--options", "options.json")
laser("reweight", "apply", "r.laser", "events.lhe.gz", "--features", FEATURES, "-o", "w.npy")
w = np.load(FOLDER / "w.npy")
laser("reweight", "apply", "r.laser", "events.lhe.gz", "--features", FEATURES, "-o", "times.lhe")
times = [e.eventinfo.weight for e in pylhe.LHEFile.fromfile(str(FOLDER / "times.lhe")).events]
piped = laser("reweight", "apply", "r.laser", "events.lhe.gz", "--features", FEATURES, "-o", "-", "--format", "lhe")
check("the same to stdout", piped == (FOLDER / "times.lhe").read_text())
check("an LHE file with its weights multiplied", np.allclose(times, weights * w, rtol=1e-12))
laser("reweight", "apply", "r.laser", "events.lhe.gz", "--features", FEATURES, "-o", "named.lhe.gz", "--weight-name", "tune")
named = pylhe.LHEFile.fromfile(str(FOLDER / "named.lhe.gz"))
tuned = list(named.events)
check("an LHE file with one more weight", np.allclose([e.weights["tune"] for e in tuned], weights * w, rtol=1e-12)
      and np.array_equal([e.eventinfo.weight for e in tuned], weights))
laser("reweight", "apply", "r.laser", "events.hepmc.gz", "--features", FEATURES, "-o", "named.hepmc", "--weight-name", "tune")
with pyhepmc.open(str(FOLDER / "named.hepmc")) as f:
    tuned = list(f)
check("a HepMC file with one more weight", np.allclose([e.weight("tune") for e in tuned], table["w"] * w, rtol=1e-12)
      and np.array_equal([e.weight("weight") for e in tuned], [e.weight() for e in hepmc]))
laser("reweight", "apply", "r.laser", "named.hepmc", "--features", FEATURES, "-o", "times.hepmc.gz")
with pyhepmc.open(str(FOLDER / "times.hepmc.gz")) as f:
    times = list(f)
check("a HepMC file with its weights multiplied", np.allclose([e.weight("tune") for e in times], table["w"] * w * w, rtol=1e-12) and len(times) == 500)

# A file whose header says that weights do not count: refused before the training, and nothing is written.
(FOLDER / "unit.lhe").write_text((FOLDER / "other.lhe").read_text().replace("0 0 0 0 -4 1", "0 0 0 0 3 1"))
for command in (["reweight", "apply", "r.laser", "unit.lhe", "-o", "unit_out.lhe"], ["resample", "unit.lhe", "-o", "unit_out.lhe"]):
    refused = laser(*command, "--features", FEATURES, status=1)
    check(f"{command[0]}: weights that do not count are not multiplied", "IDWTUP 3" in refused and "updates" not in refused
          and not (FOLDER / "unit_out.lhe").exists(), refused)

sys.exit(failures > 0)
