# %% [markdown]
# # From two arrays to refined events
#
# Where a particle beam, 4 mm wide, hits a detector of two by two sensors: what falls into the gap of 2 mm between them is not measured. A normalizing
# flow joins the four parts, as it cannot tear the normal distribution that it is made of, and puts hits where none can be. The refinement takes
# them out. Open this file as a notebook (VS Code, Spyder, jupytext), or run it as it is: half a minute.

# %% Two arrays
import numpy as np

import liblaser
from liblaser import plot

rng = np.random.default_rng(1)
x, y = 4.0 * rng.standard_normal((2, 200_000))  # [mm]
seen = (abs(x) > 1.0) & (abs(y) > 1.0)
target = {"x": x[seen], "y": y[seen]}

# %% Refined events, in ten lines
settings = {"preset": "fast", "flow": {"epochs": 2}, "classifier": {"layers": 4, "units": 32, "epochs": 12}}
flow = liblaser.train(target, settings)
model = liblaser.refine(flow, target, settings)
model.save("model.laser")
events, w = model.sampler(seed=42).generate(20_000)  # (20000, 2), and a weight each: 1 but for a few

# %% What became of the gap
baseline = model.sampler(seed=42, method="baseline").generate(20_000)

for name, sample in {"flow": baseline, "refined": liblaser.Events(events, w)}.items():
    inside = (abs(sample.x) < 1.0).any(axis=1)
    print(f"in the gap, {name}: {np.average(inside, weights=sample.w):.2%}")
for name in model.names:
    print(name, liblaser.emd_1d(target, liblaser.Source(events, w), name))

# %% Looked at
print(model)
plot.compare(target, {"flow": baseline, "refined": (events, w)}).savefig("features.png")
plot.report(model, target, "report.png", n=20_000)
