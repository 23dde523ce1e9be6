"""TorchScript modules, of models that have no native form."""

from __future__ import annotations

import contextlib
import copy
import io
import math
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable
from unittest import mock

import torch
from torch import nn

from ._description import Exported, Untraceable
from ._files import agreed, first_line, write
from ._freia import freia_dim, freia_modules, freia_widths
from ._layers import framework, is_plain
from ._nflows import nflows_context, nflows_dim
from ._scales import STEPPED, Scales
from ._zuko import zuko_base, zuko_context

Function = Callable[..., Any]
Scalings = tuple[list[dict[str, Any]], list[dict[str, Any]]]


class Generate(nn.Module):  # type: ignore[misc]
    """What liblaser calls: rows of N latents followed by C conditions ↦ rows of M features."""

    def __init__(self, model: nn.Module, function: Function, latent_dim: int, scalings: Scalings, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.function, self.latent_dim = model, function, latent_dim
        features, conditions = scalings
        self.inverse = [inverse_of(scaling, dtype) for scaling in features]
        for prefix, those in (("", features), ("condition_", conditions)):
            for name in ("mean", "std"):
                self.register_buffer(prefix + name, torch.tensor([scaling[name] for scaling in those], dtype=torch.float64))
        self.to(dtype).eval()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        z, c = rows[:, : self.latent_dim], rows[:, self.latent_dim :]
        y = self.function(self.model, z, (c - self.condition_mean) / self.condition_std) * self.std + self.mean
        if not any(self.inverse):
            return y
        return torch.stack([inverse(column) if inverse else column for inverse, column in zip(self.inverse, y.unbind(1))], 1)


def inverse_of(scaling: dict[str, Any], dtype: torch.dtype) -> Callable[[Any], Any] | None:
    """y ↦ x for a feature with bounds, as liblaser's own: rounding puts no event beyond them."""

    def within(bound: float, upwards: bool) -> torch.Tensor:
        rounded = torch.tensor(bound, dtype=dtype)
        beyond = float(rounded) < bound if upwards else float(rounded) > bound
        return next_to(rounded, upwards) if beyond else rounded

    def next_to(value: torch.Tensor, upwards: bool) -> torch.Tensor:
        return torch.nextafter(value, torch.tensor(math.inf if upwards else -math.inf, dtype=dtype))

    if scaling["type"] == "standardise":
        return None
    most = math.log(torch.finfo(dtype).max / 4)
    if scaling["type"] == "asinh":
        return lambda y: scaling["centre"] + scaling["width"] * y.clamp(-most, most).sinh()
    low = scaling["low"]
    if scaling["type"] == "periodic":
        period, last = scaling["period"], float(next_to(within(low + scaling["period"], False), False))
        first = float(within(low, True))
        return lambda y: (low + period * torch.sigmoid(y)).clamp(first, last)
    if scaling["type"] == "log":
        above = float(next_to(within(low, True), True))
        return lambda y: (low + y.clamp(max=most).exp()).clamp(min=above)
    high = scaling["high"]
    ends = float(within(low, True)), float(within(high, False))

    def between(y: torch.Tensor) -> torch.Tensor:
        # From the nearer bound, for the precision that is there.
        x = torch.where(y < 0, low + (high - low) * torch.sigmoid(y), high - (high - low) * torch.sigmoid(-y))
        return x.clamp(*ends)

    return between


def generating_function(model: nn.Module, generates: bool, widths: list[int]) -> Function:
    """(model, z, c) ↦ x before the scaling."""
    kind = kind_of(model)
    if kind == "FrEIA":
        return lambda m, z, c: m(z, c=list(c.split(widths, 1)) if widths else None, rev=not generates, jac=False)[0]
    if kind == "zuko":
        _, loc, scale = zuko_base(model)
        loc, scale = torch.from_numpy(loc), torch.from_numpy(scale)

        def zuko(m: Any, z: Any, c: Any) -> Any:
            transform = m.transform(c if c.shape[1] else None)
            return (transform if generates else transform.inv)(z * scale.to(z) + loc.to(z))

        return zuko
    if kind == "nflows":
        return lambda m, z, c: (m._transform if generates else m._transform.inverse)(z, m._embedding_net(c) if c.shape[1] else None)[0]
    return lambda m, z, c: m(torch.cat([z, c], 1))


# Rows for trials: so many of each size, in units of a standard deviation.
TRIALS = 64


SIZES = (0.1, 1.0, 3.0)


# What zuko's autograd functions are there for.
NUMERICAL = {
    "Bisection": "inverts a transform by bisection",
    "GaussLegendre": "integrates numerically",
    "AdaptiveCheckpointAdjoint": "solves a differential equation in steps of its own choice",
}


def trial_rows(columns: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.cat([size * torch.randn(TRIALS, columns, generator=generator) for size in SIZES])


def same(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float) -> bool:
    return bool(torch.allclose(ours, theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().nanmedian()), equal_nan=True))


def traced_module(module: nn.Module, rows: torch.Tensor) -> tuple[torch.jit.ScriptModule, list[str]]:
    """Its trace, and where the code makes Python values of tensors: the trace keeps those that it saw."""

    met: list[Any] = []

    def refuse(cls: Any, *_: Any) -> None:
        met.append(cls)
        raise RuntimeError

    with mock.patch.object(torch.autograd.Function, "apply", classmethod(refuse)), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            traced = torch.jit.trace(module, rows, check_trace=False)
        except Exception as error:
            if not met:
                raise Untraceable(f"the model cannot become TorchScript: torch.jit.trace fails with {first_line(error)}") from error
            name, cause = met[0].__name__, NUMERICAL.get(met[0].__name__)
            raise Untraceable(
                f"the model cannot become TorchScript: {f'it {cause}, ' if cause else ''}by the autograd function `{name}` of "
                f"{met[0].__module__}, whose derivative is Python code. Train a model without it, e.g. a flow with affine or spline transforms"
            ) from None
    libraries = [Path(str(sys.modules[name].__file__)).parent for name in ("torch", "FrEIA", "zuko", "nflows") if name in sys.modules]
    own = [
        f"{w.filename}:{w.lineno}"
        for w in caught
        if issubclass(w.category, torch.jit.TracerWarning)
        and not any(Path(w.filename).is_relative_to(library) for library in [*libraries, Path(__file__).parent])
    ]
    return traced, list(dict.fromkeys(own))


def trial(model: nn.Module, function: Function, latent: int, conditions: int, stated: bool) -> torch.Tensor:
    """What the model makes of the trial rows."""
    z, c = trial_rows(latent + conditions).split([latent, conditions], 1)
    try:
        batch = function(model, z, c)
    except Exception as error:
        remedy = "" if stated else ". If it takes conditions, say how many: conditions=C"
        if (framework(error), type(error).__name__) == ("nflows", "InputOutsideDomain"):
            remedy = (
                ": a transform of it takes an interval only, and latents are normal. Give splines tails='linear'; for features with bounds "
                "leave Sigmoid and Logit out of the flow"
            )
        raise Untraceable(
            f"the model does not take rows of {latent} latents and {conditions} conditions, of normal distribution: {first_line(error)}{remedy}"
        ) from error
    if batch.ndim != 2 or len(batch) != len(z):
        raise Untraceable(f"the model turns {len(z)} rows into a tensor of shape {tuple(batch.shape)}; rows of features are needed")
    return batch


def script(model: nn.Module, function: Function, dims: tuple[int, int], batch: torch.Tensor, scalings: Scalings, dtype: torch.dtype) -> bytes:
    """The bytes of the module; `batch` is what the model makes of the trial rows, in double precision."""
    z, c = trial_rows(sum(dims)).split(dims, 1)
    if not same(function(model, z, c), batch, 1e-6):
        raise Untraceable("the model draws random numbers; an event of liblaser is a function of its latents: make them some")
    torch.set_default_dtype(dtype)
    wrapped = Generate(copy.deepcopy(model), function, dims[0], scalings, dtype)
    rows = torch.cat([z.to(dtype), c.to(dtype) * wrapped.condition_std + wrapped.condition_mean], 1)
    traced, places = traced_module(wrapped, rows[:7])
    where = f" (at {', '.join(places[:3])})" if places else ""
    for part in (rows, *rows.split(1)):
        expected = wrapped(part)
        try:
            holds = same(traced(part), expected, 1e3 * torch.finfo(dtype).eps)
        except RuntimeError:  # of another shape within than that of the trace
            holds = False
        if not holds:
            raise Untraceable(
                f"the model takes decisions by its input{where}, and a trace keeps the ones that it saw: for {len(part)} rows of a trial it "
                "makes other events than the model. Compute them by tensors instead, e.g. torch.where"
            )
    # In double precision, where rounding, which may differ with the number of rows, is far below what is looked for.
    torch.set_default_dtype(torch.float64)
    alone = torch.cat([function(model, *row) for row in zip(z.split(1), c.split(1))])
    if not same(batch, alone, 1e-6):
        row = int((batch - alone).abs().amax(1).argmax())
        raise Untraceable(
            f"the model mixes rows (as a mean over the batch does): of row {row} of a trial it makes another event alone than among others. "
            "Each event of liblaser is a function of its own latents and conditions"
        )
    if places:
        warnings.warn(
            f"the model makes Python values of tensors{where}, which its trace keeps as they were; it made the model's events of all "
            f"{len(rows)} trial rows, but a decision that those do not reach would be lost",
            stacklevel=5,
        )
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer)
    return buffer.getvalue()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """For models of single rows, where more threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


#: Why a module is TorchScript, where the caller wants it.
ASKED = "asked for"


def export_script(model: nn.Module, path: Path, kind: str, generates: bool, latent: int | None, conditions: int | None, scales: Scales, dtype: str,
                  reason: str) -> Exported:
    if scales.names is not None:
        why = "" if reason == ASKED else f"there is no native form: {reason}. And "
        raise ValueError(f"{why}names= is for native files: a TorchScript module holds none, and gets those of the events that it is refined to")
    found: int | None = None
    given: int | None = None
    widths: list[int] = []
    if kind == "FrEIA":
        found, widths = freia_dim(model), freia_widths(freia_modules(model))
        given = sum(widths)
    elif kind == "zuko":
        found = zuko_base(model)[0]
        given = zuko_context(model, found)
    elif kind == "nflows":
        found, given = nflows_dim(model), nflows_context(model)
    elif latent is None:
        first = next((m for m in model.modules() if isinstance(m, nn.Linear)), None)
        if first is None or not is_plain(model, nn.Sequential):
            raise ValueError(f"{reason}. For a TorchScript module give latent=N, and conditions=C if it has any")
        latent = first.in_features - (conditions or 0)
    latent, conditions = agreed("latent", latent, found) or 0, agreed("conditions", conditions, given)
    stated, conditions = conditions is not None, conditions or 0
    function = generating_function(model, generates, widths)
    try:
        with torch.no_grad(), one_thread():
            batch = trial(model, function, latent, conditions, stated)
            m = batch.shape[1]
            scalings = (scales.features(m), scales.conditions(conditions))
            if any(scaling["type"] in STEPPED for scaling in scalings[0]):
                raise Untraceable("features that are whole numbers (scaling integer, category) need a native form: a module is taken for smooth")
            data = script(model, function, (latent, conditions), batch, scalings, getattr(torch, dtype))
    except Untraceable as error:
        raise ValueError(str(error) if reason == ASKED else f"{error}. Nor is there a native form: {reason}") from error.__cause__
    write(path, data)
    return Exported(path, False, latent, m, conditions, dtype, reason)


def kind_of(model: nn.Module) -> str:
    """The framework of a flow, by the class that it is an instance of; "network" of anything else."""
    for base in type(model).__mro__:
        name = (base.__module__.partition(".")[0], base.__name__)
        if name in {("FrEIA", "SequenceINN"), ("FrEIA", "GraphINN"), ("zuko", "Flow"), ("nflows", "Flow")}:
            return name[0]
    return "network"
