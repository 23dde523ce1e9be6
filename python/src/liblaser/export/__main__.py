"""The command python -m liblaser.export."""

from __future__ import annotations

import argparse
import importlib.util
import json
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import Exported, Unsupported, export, export_reweighter
from ._export import need_torch
from ._files import first_line
from ._scales import CHOICES

PROGRAM = "liblaser.export"


def load(source: str) -> Any:
    """The name of a file.onnx; file.py:name, a model or a function that builds it; else a file of torch.save."""
    if Path(source).suffix in (".onnx", ".keras", ".h5", ".pb", ".joblib"):
        return source
    need_torch()
    import torch
    from torch import nn

    file, _, name = source.rpartition(":")
    if file.endswith(".py"):
        sys.path.insert(0, str(Path(file).resolve().parent))
        spec = importlib.util.spec_from_file_location(Path(file).stem, file)
        if spec is None or spec.loader is None:
            raise FileNotFoundError(file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        model = getattr(module, name)
        model = model if isinstance(model, nn.Module) else model()
    else:
        model = torch.load(source, map_location="cpu", weights_only=False)
    return model


def load_state(model: Any, file: str) -> None:
    if isinstance(model, str):
        raise ValueError("--state is for models of PyTorch; an ONNX file has its weights")
    import torch

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        state = None
    if not isinstance(state, dict):
        raise ValueError(f"{file} holds no weights alone, torch.save(model.state_dict()); a whole model is given in the place of the source")
    try:
        model.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        here, there = ({k: tuple(getattr(v, "shape", ())) for k, v in weights.items()} for weights in (model.state_dict(), state))
        other = [k for k in [*here, *there] if here.get(k) != there.get(k)]
        if not other:
            raise ValueError(f"{file} does not fit the model: {first_line(error)}") from None
        first = other[0]
        of = [f"of shape {those[first]}" if first in those else f"missing (it has `{next(iter(those), '')}`)" for those in (there, here)]
        raise ValueError(
            f"{file} holds the weights of another model: {len(set(other))} tensors differ, first `{first}`, {of[0]} in the file and "
            f"{of[1]} in the model"
        ) from None


def conditions(text: str) -> int | list[str]:
    return int(text) if text.isdigit() else text.split(",")


def several(text: str) -> list[float] | float:
    values = [float(word) for word in text.split(",")]
    return values if len(values) > 1 else values[0]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    what = "Writes a generator or classifier that was trained elsewhere to liblaser's model file."
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description=what)
    parser.add_argument(
        "source",
        help="FILE.onnx; FILE.py:NAME, a model of PyTorch or a function that builds it; or a file of torch.save(model), which runs its author's code",
    )
    parser.add_argument("out", help="the file to write")
    parser.add_argument("--state", help="weights to load into the model: a file of torch.save(model.state_dict())")
    for of in ("", "condition-"):
        for what in ("mean", "std"):
            name = f"--{of}{what}"
            text = f"of the {'conditions' if of else 'features'}: one number, or one each"
            text += f"; a first one below 0 as {name}=-1,..." if what == "mean" else ""
            parser.add_argument(name, type=several, metavar="X[,X...]", help=text)
    words = "one word, or one each: " + CHOICES.replace("`", "") + "; --mean and --std are then those of the transformed feature"
    parser.add_argument("--scaling", metavar="WORD[,WORD...]", help=words)
    parser.add_argument("--latent", type=int, help="N, if the model does not tell")
    parser.add_argument("--conditions", type=conditions, help="C, if the model does not tell; of ONNX also the names of the inputs that take them")
    parser.add_argument("--output", help="of ONNX: the output, or any tensor, that is wanted, where there are several")
    parser.add_argument("--reweighter", action="store_true", help="the model is a classifier between two samples: a file of weights p / (1 - p)")
    parser.add_argument("--log-ratio-offset", type=float, help="of a reweighter: ln of the weight of label 0 in training over that of label 1")
    parser.add_argument("--names", metavar="NAME[,NAME...]", help="of the features, and of the conditions behind them: columns are then found by them")
    what = "of a reweighter, where the graph's classes are not 0 and 1: those of the events to be weighted, and of those that they are to be like"
    parser.add_argument("--classes", metavar="FROM,TO", help=what)
    parser.add_argument("--dtype", choices=("float32", "float64"), help="default: that of the weights")
    what = "what calling the flow does: x to z (normalise, the default), or z to x"
    parser.add_argument("--forward", choices=("normalise", "generate"), default="normalise", help=what)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--native", dest="form", action="store_const", const="native", help="fail where there is no native form")
    form.add_argument(
        "--torchscript", dest="form", action="store_const", const="torchscript", help="a TorchScript module, whatever the model"
    )
    parser.set_defaults(form="auto")
    return parser.parse_args(arguments)


#: What a reweighter knows nothing of, and its own.
OF_GENERATORS = {"latent": None, "conditions": None, "condition_mean": None, "condition_std": None, "forward": "normalise"}


def main(arguments: Sequence[str] | None = None) -> int:
    options = vars(parse(arguments))
    source, out, state = (options.pop(name) for name in ("source", "out", "state"))
    reweighter, form = options.pop("reweighter"), options["form"]
    own = {name: value for name in ("log_ratio_offset", "classes") if (value := options.pop(name)) is not None}

    def failed(why: object) -> int:
        print(f"{PROGRAM}: {why}", file=sys.stderr)
        return 1

    if reweighter:
        given = [name for name, default in OF_GENERATORS.items() if options.pop(name) != default]
        if given or options.pop("form") == "torchscript":
            return failed(f"--{(given or ['torchscript'])[0].replace('_', '-')} is for generators, not for a reweighter")
    elif own:
        return failed(f"--{next(iter(own)).replace('_', '-')} is for a reweighter")
    try:
        model = load(source)
    except Exception as error:  # whatever the code of the model raises
        return failed(f"{source} does not load: {first_line(error)}")
    try:
        if state is not None:
            load_state(model, state)
        result = export_reweighter(model, out, **own, **options) if reweighter else export(model, out, **options)
    except (Unsupported, ValueError, OSError, ImportError) as error:
        return failed(error)
    except Exception as error:  # likewise
        return failed(f"{source} cannot be exported: {first_line(error)}")
    if reweighter:
        ratio = "w = p({1}) / p({0})".format(*result.classes)
        print(f"{out}: reweighter; {result.event_dim} features, {result.dtype}{compared(result)}; {ratio}")
        return 0
    sizes = f"{result.latent_dim} latents, {result.conditions} conditions, {result.event_dim} features, {result.dtype}"
    if result.native:
        print(f"{out}: native model file; {sizes}{compared(result)}")
        return 0
    if form == "auto":
        print(f"{PROGRAM}: no native form: {result.reason}", file=sys.stderr)
    print(f"{out}: TorchScript module without density; {sizes}. Load it by a liblaser with libtorch, options:")
    print(json.dumps({"generator.latent": result.latent_dim, "conditions": result.conditions, "dtype": result.dtype}))
    return 0


def compared(result: Exported) -> str:
    return f"; the same numbers as by {result.compared}" if result.compared else ""


if __name__ == "__main__":
    sys.exit(main())
