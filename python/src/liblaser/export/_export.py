"""What is exported how."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union

from ._description import Coupling, Exported, Layers, Linear
from ._scales import Scales

PathLike = Union[str, "os.PathLike[str]"]

try:
    import safetensors  # noqa: F401
except ImportError:
    raise ImportError("liblaser.export needs the package safetensors: pip install liblaser[export]") from None


def is_onnx(model: Any) -> bool:
    """Whether it is an ONNX model, or the name of a file that should be one."""
    return isinstance(model, (str, os.PathLike)) or type(model).__name__ == "ModelProto"


def needs(package: str, what: str, remedy: str) -> None:
    try:
        __import__(package)
    except ImportError as error:
        raise ImportError(f"{what} need the package {package}: {remedy} ({error})") from None


def need_torch() -> None:
    needs("torch", "models of PyTorch", "see pytorch.org")


def need_onnx() -> None:
    needs("onnx", "ONNX files", "pip install liblaser[export]")


def one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name}={value!r}; it is one of {', '.join(map(repr, allowed))}")


DTYPES = (None, "float32", "float64")


def export(
    model: Any,
    path: PathLike,
    *,
    latent: int | None = None,
    conditions: int | str | Sequence[str] | None = None,
    mean: Any = None,
    std: Any = None,
    scaling: str | Sequence[str] | None = None,
    condition_mean: Any = None,
    condition_std: Any = None,
    dtype: str | None = None,
    forward: str = "normalise",
    layers: Layers = None,
    form: str = "auto",
    output: str | None = None,
    names: str | Sequence[str] | None = None,
) -> Exported:
    """Writes a trained generator to the file `path`.

    model           a GAN's generator or a decoder, from N latents followed by C conditions to M features: a torch.nn.Sequential, an ONNX file
                    (its name, or the onnx.ModelProto); a FrEIA SequenceINN or GraphINN, a zuko Flow, an nflows Flow; or, as TorchScript, any
                    module of PyTorch from one tensor of rows to another
    latent          N, if the model does not tell
    conditions      C, if the model does not tell; they are the last values that it is given. Of ONNX also the name of the input that takes
                    them, or a list of names
    mean, std       y = std · model's output + mean: one number or M, the standardisation of the training data; default 0 and 1
    scaling         what y is of a feature x, in the words of the option features.scaling: "standardise", y = x, the default;
                    "asinh(CENTRE:WIDTH)", y = asinh((x − CENTRE) / WIDTH), "asinh" with 0 and 1; "log(LOW)", y = ln(x − LOW);
                    "logit(LOW:HIGH)", y = ln((x − LOW) / (HIGH − x)); "periodic(LOW:HIGH)", the same of an angle; "integer(LOW:HIGH)",
                    "integer" and "category(CLASSES)", x = floor(y), of training data to which uniform numbers in (0, 1) were added, and
                    "integer(LOW:)", of whose LOW y = LOW + 1 + ln r was made. One for all, or M, in a list or with commas
    condition_mean, condition_std   the model is given (c − mean) / std; likewise
    dtype           "float32" or "float64"; default that of the weights
    forward         what the call of an invertible model does: "normalise" (x to z, as for training by likelihood) or "generate" (z to x)
    layers          tells how to reach the torch.nn.Sequential in a module of a class that is not known here; else returns None
    form            "native": or an error; "torchscript"; "auto": native if possible
    output          of ONNX: the name of the output, or of any tensor, that holds the features, where there are several
    names           of the features, and of the conditions behind them, in a list or with commas: columns with names are then found by them

    Raises Unsupported with form="native" and of ONNX where the model has no native form; ValueError for what no form can hold.
    """
    one_of("form", form, ("auto", "native", "torchscript"))
    one_of("forward", forward, ("normalise", "generate"))
    one_of("dtype", dtype, DTYPES)
    scales = Scales(mean, std, condition_mean, condition_std, scaling, names)
    apart(model, path)
    if is_onnx(model):
        for name, given in (("form", form == "torchscript"), ("forward", forward != "normalise"), ("layers", layers is not None)):
            if given:
                raise ValueError(f"{name}= is for models of PyTorch; networks of ONNX are native, and generate")
        need_onnx()
        from ._onnx import export_onnx

        return export_onnx(model, Path(path), latent, conditions, scales, dtype, output)
    if output is not None or not (conditions is None or isinstance(conditions, int)):
        raise ValueError("names of tensors, output= and conditions=, are for ONNX; a module of PyTorch has one, and a number of conditions")
    need_torch()
    from ._modules import export_module

    return export_module(model, Path(path), latent, conditions, scales, dtype, forward == "generate", layers, form)


def apart(model: Any, path: PathLike) -> None:
    """An error where the file to write is the one that is read."""
    if isinstance(model, (str, os.PathLike)) and os.path.exists(path) and os.path.exists(model) and os.path.samefile(model, path):
        raise ValueError(f"{os.fspath(path)} is the model itself; write to another file")


def export_flow(
    blocks: Sequence[Coupling | Linear],
    path: PathLike,
    *,
    dim: int | None = None,
    conditions: int = 0,
    mean: Any = None,
    std: Any = None,
    scaling: str | Sequence[str] | None = None,
    condition_mean: Any = None,
    condition_std: Any = None,
    dtype: str | None = None,
    layers: Layers = None,
    names: str | Sequence[str] | None = None,
) -> Exported:
    """Writes the coupling flow that `blocks` describe, the first applied to z first, to the file `path`, always native. See also `export`."""
    need_torch()
    from ._modules import write_blocks

    scales = Scales(mean, std, condition_mean, condition_std, scaling, names)
    return write_blocks(list(blocks), Path(path), dim, conditions, scales, dtype, layers)


def export_reweighter(
    model: Any,
    path: PathLike,
    *,
    mean: Any = None,
    std: Any = None,
    scaling: str | Sequence[str] | None = None,
    dtype: str | None = None,
    layers: Layers = None,
    output: str | None = None,
    log_ratio_offset: float = 0.0,
    names: str | Sequence[str] | None = None,
    classes: str | Sequence[Any] | None = None,
) -> Exported:
    """Writes a classifier that tells events of a target (label 1) from those of a source (label 0) to the file `path`, for
    ``liblaser.Reweighter.load``: the weights of events of the source are w(x) = p / (1 − p) · exp(log_ratio_offset), p being that of label 1.

    model           a torch.nn.Sequential or an ONNX file from M features to one logit or, by a Sigmoid, to p, or to 1 − p and p by a Softmax
    mean, std       the model is given (y − mean) / std: one number or M; default 0 and 1
    scaling         what y is of a feature x, as for `export`; but no whole numbers and angles, which the library's classifiers see otherwise
    dtype, layers, output   as for `export`
    log_ratio_offset        ln of the total weight of label 0 in training over that of label 1, if they differed
    names           of the features, as for `export`; of ONNX with an input for each column by default those of the inputs
    classes         of ONNX whose classes are not 0 and 1: ("simulation", "data") for the source and the target, what is label 0 and 1 here

    Raises Unsupported where the model has no native form; ValueError for what no form can hold.
    """
    one_of("dtype", dtype, DTYPES)
    scales = Scales(mean, std, None, None, scaling, names)
    apart(model, path)
    if is_onnx(model):
        if layers is not None:
            raise ValueError("layers= is for models of PyTorch")
        need_onnx()
        from ._onnx import export_onnx_reweighter

        return export_onnx_reweighter(model, Path(path), scales, dtype, output, log_ratio_offset, classes)
    if output is not None or classes is not None:
        raise ValueError("output= and classes= are for ONNX; a module of PyTorch has one output, which is that of label 1")
    need_torch()
    from ._modules import export_classifier

    return export_classifier(model, Path(path), scales, dtype, layers, log_ratio_offset)
