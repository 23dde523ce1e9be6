"""Flows of FrEIA."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from ._description import Affine, Coupling, Linear, Unsupported
from ._layers import framework, recognised


def read_freia(model: Any, generates: bool) -> tuple[int, int, list[Any]]:
    rev = not generates
    modules = freia_modules(model)
    widths = freia_widths(modules)
    dim = freia_dim(model)
    ends = np.cumsum([0, *widths])
    groups = []
    for i, (module, given, _) in enumerate(modules):
        columns = [k for n in given for k in range(ends[n], ends[n + 1])]
        groups.append(freia_steps(module, f"FrEIA block {i} ({type(module).__name__})", dim, columns, rev))
    if rev:
        groups.reverse()
    return dim, sum(widths), [step for own in groups for step in own]


def freia_dim(model: Any) -> int:
    shapes = [tuple(shape) for shape in model.dims_in]
    if len(shapes) != 1 or len(shapes[0]) != 1:
        raise ValueError(f"FrEIA: events of shape {shapes}; liblaser's are rows of features")
    return int(shapes[0][0])


def freia_widths(modules: list[tuple[Any, list[int], list[int]]]) -> list[int]:
    """How many values each condition has."""
    widths = {number: width for _, given, sizes in modules for number, width in zip(given, sizes)}
    return [widths.get(number, 0) for number in range(max(widths, default=-1) + 1)]


def freia_modules(model: Any) -> list[tuple[Any, list[int], list[int]]]:
    """(module, numbers of its conditions, their widths), in the order of evaluation."""
    if type(model).__name__ == "SequenceINN":
        given = [[] if c is None else [c] for c in model.conditions]
        return [(m, own, [d[0] for d in m.dims_c][: len(own)]) for m, own in zip(model.module_list, given)]
    nodes = [node for node in model.node_list if node.module is not None]
    chain = len(model.in_nodes) == len(model.out_nodes) == 1
    for node, before in zip([*nodes, *model.out_nodes], [*model.in_nodes, *nodes]):
        chain &= node.inputs == [(before, 0)]
    if not chain:
        raise Unsupported("FrEIA: the graph splits or joins; liblaser's flows are chains of blocks")
    return [(n.module, [model.condition_nodes.index(c) for c in n.conditions], [d[0] for d in n.condition_dims]) for n in nodes]


FREIA_LINEAR = ("PermuteRandom", "FixedLinearTransform", "ActNorm", "OrthogonalTransform", "HouseholderPerm")


def freia_steps(module: Any, where: str, dim: int, conditions: list[int], rev: bool) -> list[Any]:
    kind = type(module).__name__
    if framework(module) != "FrEIA":
        raise Unsupported(f"{where} is no module of FrEIA; describe the flow to export_flow")
    if kind in FREIA_LINEAR and not (kind == "HouseholderPerm" and module.conditional):
        if getattr(module, "init_on_next_batch", False):
            raise ValueError(f"{where} has seen no data yet, its scales are not set; load the trained weights first")
        return [Linear.of(lambda x: module((x,), rev=rev)[0][0], dim)]
    if kind == "AllInOneBlock" and not module.GIN:
        if module.householder:
            module.w_perm = module._construct_householder_permutation()
            module.w_perm_inv = module.w_perm.t().contiguous()
        first = module.splits[0]
        # The block scales all outputs of its subnet.
        transform = Affine(clamp=module.clamp, s_factor=0.1, t_factor=0.1)
        steps = [
            Coupling(range(first, dim), range(first), module.subnet, transform, inverse=rev, conditions=conditions),
            Linear.of(lambda x: module._permute(x, rev=rev)[0], dim),
        ]
        if module.reverse_pre_permute:
            steps.insert(0, Linear.of(lambda x: module._pre_permute(x, rev=rev), dim))
        return steps[::-1] if rev else steps
    if kind not in ("GLOWCouplingBlock", "RNVPCouplingBlock", "NICECouplingBlock", "AffineCouplingOneSided", "ConditionalAffineTransform"):
        raise Unsupported(
            f"{where} has no counterpart in liblaser, which takes coupling blocks but GIN, AllInOneBlock, {', '.join(FREIA_LINEAR)}"
        )
    affine = Affine(outputs="t")
    if kind != "NICECouplingBlock":
        affine = recognised(lambda u: module.clamp * module.f_clamp(u), where)
    first, second = range(module.split_len1), range(module.split_len1, dim)

    def couple(active: Sequence[int], passive: Sequence[int], subnet: Any, outputs: str = "st") -> Coupling:
        return Coupling(active, passive, subnet, dataclasses.replace(affine, outputs=outputs), inverse=rev, conditions=conditions)

    blocks: dict[str, Callable[[], list[Coupling]]] = {
        "GLOWCouplingBlock": lambda: [couple(first, second, module.subnet2), couple(second, first, module.subnet1)],
        "RNVPCouplingBlock": lambda: [
            couple(first, second, module.subnet_s2, outputs="s"),
            couple(first, second, module.subnet_t2, outputs="t"),
            couple(second, first, module.subnet_s1, outputs="s"),
            couple(second, first, module.subnet_t1, outputs="t"),
        ],
        "NICECouplingBlock": lambda: [
            couple(first, second, module.F, outputs="t"),
            couple(second, first, module.G, outputs="t"),
        ],
        "AffineCouplingOneSided": lambda: [couple(second, first, module.subnet)],
        "ConditionalAffineTransform": lambda: [couple(range(dim), [], module.subnet)],
    }
    made = blocks[kind]()
    return made[::-1] if rev else made
