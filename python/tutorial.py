# %% [markdown]
# # From two arrays to refined events
#
# What a simulator delivers: dimuon-like pairs of an invariant mass with a hard cut, and a transverse momentum. A normalizing flow learns their
# distribution, but smears the cut; the refinement cuts it again. Open this file as a notebook (VS Code, Spyder, jupytext), or run it as it is:
# a third of a minute.

# %% Two arrays
import numpy as np

import liblaser
from liblaser import plot

rng = np.random.default_rng(1)
mass = 91.2 + 2.5 * rng.standard_normal(200_000)  # [GeV]
pt = rng.gamma(2.0, 10.0, 200_000)  # [GeV]
seen = mass > 88.0
target = {"mass": mass[seen], "pt": pt[seen]}

# %% Refined events, in ten lines
options = {"preset": "fast", "classifier": {"layers": 4, "units": 32, "epochs": 6}}
flow = liblaser.train(target, options)
model = liblaser.refine(flow, target, options)
model.save("model.laser")
x, w = model.sampler(seed=42).generate(20_000)  # (20000, 2), and a weight each: 1 but for a few

# %% What became of the cut
baseline = model.sampler(seed=42, method="baseline").generate(20_000)
print("below the cut: generator", np.mean(baseline.x[:, 0] < 88.0), " refined", np.average(x[:, 0] < 88.0, weights=w))
for name in model.names:
    print(name, liblaser.emd_1d(target, liblaser.Source(x, w), name))

# %% Looked at
print(model)
plot.compare(target, {"generator": baseline, "refined": (x, w)}).savefig("features.png")
plot.report(model, target, "report.png", n=20_000)
