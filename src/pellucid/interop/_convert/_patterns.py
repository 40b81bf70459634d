"""What others write in several operations, and is one layer here: curves in parts, and a normalization in parts."""

from __future__ import annotations

from functools import cache

import jax.numpy as jnp
import numpy as np

from ...activations import curve
from ...errors import InteropError
from ...operators import apply
from .._model import Operation
from ._attention import attention_in_parts
from ._steps import Steps

# The curves that are looked for, and the operation each is.
CURVES = {
    "gelu": Operation("Gelu", (), ()),
    "gelu_tanh": Operation("Gelu", (), (), {"approximate": "tanh"}),
    "silu": Operation("Swish", (), ()),
    "mish": Operation("Mish", (), ()),
    "softplus": Operation("Softplus", (), ()),
    "softsign": Operation("Softsign", (), ()),
}
EACH = {
    "Add", "Sub", "Mul", "Div", "Pow", "Erf", "Tanh", "Sigmoid", "Exp", "Log", "Sqrt", "Abs", "Neg", "Softplus", "Max",
    "Min", "HardSigmoid", "Clip", "Relu", "Identity", "Reciprocal",
}  # fmt: skip
LONGEST = 12  # operations of a curve in parts
POINTS = np.concatenate([np.linspace(-8, 8, 65), np.array([0.0, 1e-3, -1e-3])]).astype(np.float32)


def recognized(steps: Steps) -> Steps:
    """The same operations with one in place of several, where these are a layer in parts."""
    for find in (part_of_joined, curve_in_parts, norm_in_parts, group_norm_in_parts, attention_in_parts):
        for operation in reversed(steps.operations):
            if id(operation) in steps.place and (found := find(steps, operation)):
                steps = steps.without(*found)
    return steps


def part_of_joined(steps: Steps, last: Operation) -> tuple[list[Operation], Operation] | None:
    """One of several values that were only joined to be taken apart again, as the last state of stacked layers."""
    if last.kind != "Gather" or steps.number(last.inputs[1]) is None or steps.facts[last.inputs[1]].rank:
        return None
    joined = steps.made_by(last.inputs[0], "Concat")
    fact = steps.facts.get(last.inputs[0])
    if joined is None or fact is None or last.outputs[0] not in steps.facts:
        return None
    axis, along = (int(one.attributes.get("axis", 0)) % fact.rank for one in (last, joined))
    parts = [steps.facts.get(name) for name in joined.inputs]
    if axis != along or any(part is None or part.shape[axis] != 1 for part in parts):
        return None
    chosen = joined.inputs[int(steps.number(last.inputs[1]) or 0)]
    return [last, joined], Operation("Squeeze", (chosen,), last.outputs, {"axes": [axis]}, last.name)


def curve_in_parts(steps: Steps, last: Operation) -> tuple[list[Operation], Operation] | None:
    """The operations behind a value, where together they are a curve of one number.

    Which curve is found by its numbers at some places: operations on single numbers with constants that agree there to
    the last digits are the same formula.
    """
    if last.kind not in EACH:
        return None
    parts: list[Operation] = []
    leaves = {last.outputs[0]}
    while len(parts) < LONGEST:
        inner = [steps.maker[name] for name in leaves if name in steps.maker and steps.maker[name].kind in EACH]
        inner = [one for one in inner if one is last or not read_outside(steps, one.outputs[0], parts)]
        if not inner:
            return None
        # The one computed last: all who read it are parts already.
        one = max(inner, key=lambda each: steps.place[id(each)])
        parts.append(one)
        moving = {name for name in one.inputs if name and steps.number(name) is None}
        leaves = (leaves - set(one.outputs)) | moving
        if len(leaves) == 1 and len(parts) > 1 and (found := curve_through(steps, parts, *leaves)):
            return parts, Operation(found.kind, tuple(leaves), last.outputs, found.attributes, last.name)
    return None


def read_outside(steps: Steps, value: str, parts: list[Operation]) -> bool:
    return steps.readers[value] != sum(one.inputs.count(value) for one in parts)


def curve_through(steps: Steps, parts: list[Operation], source: str) -> Operation | None:
    """Which curve these operations are, the last of them first."""
    values: dict[str, np.ndarray] = {source: POINTS}
    for one in reversed(parts):
        inputs = [values.get(name, scalar(steps.number(name))) if name else None for name in one.inputs]
        try:
            values[one.outputs[0]] = np.asarray(apply(one.kind, inputs, one.attributes, opset=steps.model.opset))
        except InteropError:
            return None
    y = values[parts[0].outputs[0]]
    if y.shape != POINTS.shape or not np.isfinite(y).all():
        return None
    return next((one for name, one in CURVES.items() if np.allclose(y, at_points(name), 1e-5, 2e-6)), None)


@cache
def at_points(name: str) -> np.ndarray:
    """A curve of our table at these places."""
    return np.asarray(curve(name).value(jnp.asarray(POINTS)))


def scalar(number: float | None) -> np.ndarray | None:
    return None if number is None else np.array(number, np.float32)


def norm_in_parts(steps: Steps, last: Operation) -> tuple[list[Operation], Operation] | None:
    """`w (x − mean) / √(variance + ε) + b` over the last axis."""
    if last.kind != "Add":
        return None
    shift = next((name for name in last.inputs if steps.constant(name) is not None), None)
    product = next((one for name in last.inputs if (one := steps.made_by(name, "Mul"))), None)
    scale = product and next((name for name in product.inputs if steps.constant(name) is not None), None)
    ratio = product and next((one for name in product.inputs if (one := steps.made_by(name, "Div"))), None)
    if shift is None or product is None or scale is None or ratio is None:
        return None
    centred, root = steps.maker.get(ratio.inputs[0]), steps.made_by(ratio.inputs[1], "Sqrt")
    total = root and steps.made_by(root.inputs[0], "Add")
    if centred is None or centred.kind != "Sub" or root is None or total is None:
        return None
    epsilon = next((n for name in total.inputs if (n := steps.number(name)) is not None), None)
    variance = next((one for name in total.inputs if (one := steps.made_by(name, "ReduceMean"))), None)
    square = variance and steps.made_by(variance.inputs[0], "Pow", "Mul")
    mean = steps.made_by(centred.inputs[1], "ReduceMean")
    if epsilon is None or variance is None or square is None or mean is None:
        return None
    x, d = centred.inputs[0], centred.outputs[0]
    squared = (
        square.inputs == (d, d)
        if square.kind == "Mul"
        else square.inputs[0] == d and steps.number(square.inputs[1]) == 2
    )
    width = steps.facts[x].shape[-1:] if x in steps.facts else ()
    known = [steps.constant(name) for name in (scale, shift)]
    same = all(one is not None and one.shape == width for one in known)
    if mean.inputs[0] != x or not squared or not same or not all(over_last(steps, one, x) for one in (mean, variance)):
        return None
    attributes = {"axis": -1, "epsilon": epsilon}
    gone = [last, product, ratio, centred, root, total, variance, square, mean]
    return gone, Operation("LayerNormalization", (x, scale, shift), last.outputs, attributes, last.name)


def group_norm_in_parts(steps: Steps, last: Operation) -> tuple[list[Operation], Operation] | None:
    """GroupNorm as PyTorch writes it: groups as channels of an InstanceNormalization, then a scale and a shift."""
    if last.kind != "Add":
        return None
    shift = next((name for name in last.inputs if steps.constant(name) is not None), None)
    product = next((one for name in last.inputs if (one := steps.made_by(name, "Mul"))), None)
    scale = product and next((name for name in product.inputs if steps.constant(name) is not None), None)
    back = product and next((one for name in product.inputs if (one := steps.made_by(name, "Reshape"))), None)
    norm = back and steps.made_by(back.inputs[0], "InstanceNormalization")
    cut = norm and steps.made_by(norm.inputs[0], "Reshape")
    if shift is None or product is None or scale is None or back is None or norm is None or cut is None:
        return None
    x, y, parts = (steps.facts.get(name) for name in (cut.inputs[0], last.outputs[0], cut.outputs[0]))
    ones, zeros = (steps.constant(name) for name in norm.inputs[1:3])
    if x is None or y is None or parts is None or x.shapes != y.shapes or parts.rank != 3 or x.rank < 3:
        return None
    channels, groups = x.shapes[0][1], parts.shapes[0][1]
    per_channel = [(channels, *(1,) * (x.rank - 2)), (1, channels, *(1,) * (x.rank - 2))]
    fits = all(steps.facts[name].shapes[0] in per_channel for name in (scale, shift))
    plain = ones is not None and zeros is not None and bool((ones == 1).all()) and not zeros.any()
    if not fits or not plain or channels % groups or parts.shapes[0][0] != x.shapes[0][0]:
        return None
    attributes = {"num_groups": groups, "epsilon": float(norm.attributes.get("epsilon", 1e-5))}
    new = Operation("GroupNormalization", (cut.inputs[0], scale, shift), last.outputs, attributes, last.name)
    return [last, product, back, norm, cut], new


def over_last(steps: Steps, mean: Operation, x: str) -> bool:
    """Whether a mean is over the last axis, which it leaves with length 1."""
    axes = mean.attributes.get("axes")
    if axes is None and len(mean.inputs) > 1:
        axes = steps.constant(mean.inputs[1])
    rank = steps.facts[x].rank
    return axes is not None and [int(a) % rank for a in axes] == [rank - 1] and bool(mean.attributes.get("keepdims", 1))
