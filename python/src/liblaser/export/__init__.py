"""Writes generators and classifiers that were trained elsewhere to the library's model file: docs/foreign-models.md.

    export(model, "model.laser")                   a GAN's generator or a decoder of PyTorch or of an ONNX file (Keras, TensorFlow,
                                                   scikit-learn), a flow of FrEIA, zuko or nflows
    export_flow([Coupling(...), Linear(...)], "model.laser")    a flow of your own in PyTorch, described block by block
    export_reweighter(model, "weights.laser")      a classifier between two samples, whose weights p / (1 − p) a Reweighter gives
    python -m liblaser.export SOURCE OUT           the same from the shell

A model that the library's flows and networks express exactly becomes a native file: it needs no libtorch, and flows keep their density. Any other
of PyTorch becomes a TorchScript module, which a library with libtorch loads, and which has no density; `export` says why.

Needs the extra ``liblaser[export]``, and PyTorch for its models; FrEIA, zuko and nflows only to make the models that they define.
"""

from ._description import Affine, Coupling, Exported, Linear, Spline, Unsupported, Untraceable
from ._export import export, export_flow, export_reweighter

__all__ = ["Affine", "Coupling", "Exported", "Linear", "Spline", "Unsupported", "Untraceable", "export", "export_flow", "export_reweighter"]
