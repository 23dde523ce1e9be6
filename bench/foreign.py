"""Flows as zuko and nflows make them by default, and the native files that liblaser.export writes of them: rates of events and densities,
side by side, after a check that they are the same. `make bench-foreign` runs it.

float32, one thread; frameworks as their users call them, in evaluation mode and without gradients. liblaser's events include its random
numbers, as those of the frameworks include theirs. The repeats of all are interleaved; medians.
"""

import ctypes as c
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "python" / "src"))
os.environ["LASER_LIBRARY"] = sys.argv[1]

from laser import Laser  # noqa: E402
from liblaser.export import export  # noqa: E402

BATCHES = (100, 20000)
REPEATS = 5
SECONDS = 0.2  # of a repeat
OUT = ROOT / "build" / "bench"


def flows() -> dict:
    """Of 5 features, with three transforms of two hidden layers of 64, each as its framework makes it."""
    import nflows.flows
    import zuko
    from nflows import transforms

    hidden = {"hidden_features": (64, 64)}
    net = {"hidden_features": 64, "num_blocks": 1}
    mask = [1, -1, 1, -1, 1]
    spline = {"tails": "linear", "tail_bound": 5.0}

    def subnet(inputs, outputs):
        return nflows.nn.nets.ResidualNet(inputs, outputs, **net)

    def coupling(i):
        return transforms.PiecewiseRationalQuadraticCouplingTransform([m * (-1) ** i for m in mask], subnet, num_bins=8, **spline)

    def composed(parts):
        return nflows.flows.Flow(transforms.CompositeTransform(parts), nflows.distributions.StandardNormal([5]))

    return {
        "zuko RealNVP": zuko.flows.RealNVP(5, transforms=3, **hidden),
        "zuko MAF": zuko.flows.MAF(5, transforms=3, **hidden),
        "zuko NSF": zuko.flows.NSF(5, transforms=3, **hidden),
        "nflows RealNVP": nflows.flows.SimpleRealNVP(5, 64, num_layers=3, num_blocks_per_layer=1),
        "nflows MAF": nflows.flows.MaskedAutoregressiveFlow(5, 64, num_layers=3, num_blocks_per_layer=1),
        "nflows NSF (couplings)": composed([coupling(i) for i in range(3)]),
    }


class Foreign:
    """The flow in its framework."""

    def __init__(self, flow):
        self.flow = flow.float().eval()
        self.is_zuko = type(flow).__module__.startswith("zuko")

    def sample(self, n):
        return self.flow().sample((n,)) if self.is_zuko else self.flow.sample(n)

    def log_prob(self, x):
        return self.flow().log_prob(x) if self.is_zuko else self.flow.log_prob(x)


class Ours:
    """Its file in liblaser."""

    def __init__(self, laser, path, dtype):
        self.laser = laser
        options = laser.options(dtype=dtype)
        self.model = laser.make("laser_model_from_generator", laser.make("laser_generator_load", str(path).encode(), options))
        self.sampler = laser.make("laser_sampler_new", self.model, c.c_uint64(1), c.c_uint64(0), None)

    def sample(self, x):
        self.laser.call("laser_sampler_generate", self.sampler, c.c_size_t(len(x)), c.c_size_t(0), pointer(x), None, None)

    def log_prob(self, x, out):
        self.laser.call("laser_model_log_prob", self.model, None, c.c_size_t(len(x)), pointer(x), c.c_size_t(0), pointer(out))


def pointer(array):
    return array.ctypes.data_as(c.c_void_p)


def rate(function, batch):
    """Rows a second; the first call is not counted."""
    function()
    calls, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS:
        function()
        calls += 1
    return calls * batch / elapsed


def check(name, flow, ours):
    """Densities of the same points, in double precision."""
    double = Foreign(flow)
    double.flow = flow.double().eval()
    with torch.no_grad():
        x = double.sample(1000).double()
        expected = double.log_prob(x).numpy()
    got, x = np.empty(1000), np.ascontiguousarray(x.numpy())
    ours.log_prob(x, got)
    worst = np.max(np.abs(got - expected) / np.maximum(1, np.abs(expected)))
    if not worst < 1e-6:
        sys.exit(f"bench: {name}: log p differs by {worst:.1e} from that of its framework")
    return worst


def main():
    laser = Laser(sys.argv[1])
    torch.set_num_threads(1)
    torch.manual_seed(1)
    records, worst = [], 0.0
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        pairs = []
        for name, flow in flows().items():
            torch.set_default_dtype(torch.float64)
            path = export(flow.double(), Path(folder) / "flow.laser", form="native", dtype="float64").path
            worst = max(worst, check(name, flow, Ours(laser, path, "float64")))
            torch.set_default_dtype(torch.float32)
            path = export(flow.float(), Path(folder) / "flow.laser", form="native", dtype="float32").path
            pairs.append((name, Foreign(flow), Ours(laser, path, "float32")))
        print(f"bench: the same densities here and there, relative error at most {worst:.1e} in float64", flush=True)
        for batch in BATCHES:
            for name, theirs, ours in pairs:
                x, log_p = np.empty((batch, 5)), np.empty(batch)
                points = theirs.sample(batch)
                given = np.ascontiguousarray(points.double().numpy())
                rates = {key: [] for key in ("events", "events_framework", "densities", "densities_framework")}
                for _ in range(REPEATS):
                    rates["events"].append(rate(lambda: ours.sample(x), batch))
                    rates["events_framework"].append(rate(lambda: theirs.sample(batch), batch))
                    rates["densities"].append(rate(lambda: ours.log_prob(given, log_p), batch))
                    rates["densities_framework"].append(rate(lambda: theirs.log_prob(points), batch))
                records.append({"flow": name, "batch": batch, **{key: median(values) for key, values in rates.items()}})
    print("\nrows/s, float32, one thread (in brackets: liblaser is so many times faster)\n")
    print(f"{'flow':<24} {'batch':>6} {'events, liblaser':>17} {'framework':>18} {'log p, liblaser':>17} {'framework':>18}")
    for r in records:
        cells = []
        for what in ("events", "densities"):
            ours, theirs = r[what], r[f"{what}_framework"]
            cells += [f"{ours:>17,.0f}", f"{theirs:>10,.0f} {f'({ours / theirs:.1f})':>7}"]
        print(f"{r['flow']:<24} {r['batch']:>6} " + " ".join(cells))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "foreign.json").write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
