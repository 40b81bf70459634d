"""Operations on every number by itself: activations, and sums and products with others."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...layers import Activation, Add, Conv1d, Conv2d, Conv3d, Dense, Dropout, LogSoftmax, Operator, Softmax
from ...module import Layer, replaced
from .._model import Operation
from ._builder import FEW, WORDS, Axes, Builder, is_float
from ._weights import leaf

SETTINGS = {"LeakyRelu": ("leaky_relu", {"alpha": ("slope", 0.01)}), "Elu": ("elu", {"alpha": ("alpha", 1.0)})}
PLAIN = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign", "Abs": "abs",
    "Exp": "exponential", "Mish": "mish",
}  # fmt: skip
DEFAULTS = {
    "Selu": ("selu", {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875}),
    "Celu": ("elu", {"alpha": 1.0}),
    "HardSigmoid": ("hard_sigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "Swish": ("silu", {"alpha": 1.0}),
}
# What an attribute is where it is left out, for those of DEFAULTS that then are another curve.
LEFT_OUT = {"HardSigmoid": {"alpha": 0.2, "beta": 0.5}}


def along(at: Builder, operation: Operation, layer: Layer) -> bool:
    """A layer on every number by itself: the axes stay where they are."""
    x = operation.inputs[0]
    if x not in at.held:
        return False
    held = at.held[x]
    at.keep(operation.outputs[0], at.put(at.name_of(operation), layer, (held.node,)), held.axes)
    return True


def activation(at: Builder, operation: Operation) -> bool:
    layer = curve_of(at, operation)
    fact = at.fact(operation.inputs[0])
    return layer is not None and fact is not None and is_float(np.zeros(0, fact.dtype)) and along(at, operation, layer)


def curve_of(at: Builder, operation: Operation) -> Activation | None:
    """The curve that an operation is; None where there is none in our table."""
    kind, words = operation.kind, operation.attributes
    if kind in PLAIN:
        return Activation(PLAIN[kind])
    if kind in SETTINGS:
        name, settings = SETTINGS[kind]
        return Activation(name, **{ours: float(words.get(theirs, v)) for theirs, (ours, v) in settings.items()})
    if kind in DEFAULTS:
        name, wanted = DEFAULTS[kind]
        said = {**wanted, **LEFT_OUT.get(kind, {}), **words}
        return Activation(name) if all(abs(float(said[k]) - v) < 1e-6 for k, v in wanted.items()) else None
    if kind == "Gelu":
        return Activation("gelu_tanh" if words.get("approximate", "none") == "tanh" else "gelu")
    if kind == "Clip":
        limits = limits_of(at, operation)
        return Activation(CLIPS[limits]) if limits in CLIPS else None
    return None


CLIPS = {(0.0, 6.0): "relu6", (-1.0, 1.0): "hard_tanh", (0.0, np.inf): "relu"}


def limits_of(at: Builder, operation: Operation) -> tuple[float, float] | None:
    """The least and largest number that Clip lets through, where they are constants."""
    words, names = operation.attributes, (*operation.inputs[1:], "", "")[:2]
    found = []
    for name, word, free in zip(names, ("min", "max"), (-np.inf, np.inf), strict=True):
        constant = at.constant(name) if name else None
        if name and constant is None:
            return None
        found.append(float(words.get(word, free)) if constant is None else float(constant.reshape(-1)[0]))
    return found[0], found[1]


def softmax(at: Builder, operation: Operation) -> bool:
    """Shares along one axis: our layer where that is the last."""
    x, new = operation.inputs[0], at.model.opset >= 13
    fact = at.fact(x)
    if fact is None or x not in at.held or not fact.rank:
        return False
    axis = int(operation.attributes.get("axis", -1 if new else 1)) % fact.rank
    axes = at.held[x].axes or ()
    if axis not in axes or (not new and axis != fact.rank - 1):
        return False
    if axes.index(axis) == len(axes) - 1:
        return along(at, operation, Softmax() if operation.kind == "Softmax" else LogSoftmax())
    return along(at, operation, Operator(operation.kind, attributes={"axis": axes.index(axis)}, opset=WORDS))


def unary(at: Builder, operation: Operation) -> bool:
    """An operator without a layer, on every number by itself, whose other inputs are single numbers."""
    constants = {i: at.constant(name) for i, name in enumerate(operation.inputs) if i and name}
    if any(c is None or c.size != 1 for c in constants.values()) or at.fact(operation.inputs[0]) is None:
        return False
    layer = Operator(operation.kind, constants=constants, attributes=operation.attributes, opset=at.model.opset)
    return along(at, operation, layer)


def clip(at: Builder, operation: Operation) -> bool:
    return activation(at, operation) or unary(at, operation)


def curve_or_operator(at: Builder, operation: Operation) -> bool:
    return activation(at, operation) or unary(at, operation)


def dropout(at: Builder, operation: Operation) -> bool:
    """Nothing at inference; a layer, so that it can be trained on."""
    words, opset = operation.attributes, at.model.opset
    if any(operation.outputs[1:]) or opset < 7 or operation.inputs[0] not in at.held:
        return False
    ratio = words.get("ratio", 0.5)
    if len(operation.inputs) > 1 and operation.inputs[1]:
        ratio = at.constant(operation.inputs[1])
    trains = at.constant(operation.inputs[2]) if len(operation.inputs) > 2 and operation.inputs[2] else np.array(False)
    if ratio is None or trains is None or bool(trains.any()) or not 0 <= float(np.reshape(ratio, -1)[0]) < 1:
        return False
    return along(at, operation, Dropout(float(np.reshape(ratio, -1)[0])))


def together(at: Builder, operation: Operation) -> bool:
    """Numbers of several values, place by place, shapes made to fit as NumPy does."""
    out = at.fact(operation.outputs[0])
    if out is None or any(not name or at.fact(name) is None for name in operation.inputs):
        return False
    if not any(name in at.held for name in operation.inputs):
        return False
    moving = [name for name in operation.inputs if name in at.held or at.constant(name) is None]
    for name in moving:
        at.made(name)
    if operation.kind == "Add" and biased(at, operation):
        return True
    axes = common(at, operation, moving, out.rank)
    sources = [spread(at, name, axes, out.rank) for name in moving]
    alike = all(at.facts[name].shapes == out.shapes for name in moving)
    if operation.kind in ("Add", "Sum") and len(moving) == len(operation.inputs) > 1 and alike:
        at.keep(operation.outputs[0], at.put(at.name_of(operation), Add(), sources), axes)
        return True
    places = [i for i, name in enumerate(operation.inputs) if name in at.held]
    constants = {
        i: laid(at.constant(name), axes, out.rank) for i, name in enumerate(operation.inputs) if name not in at.held
    }
    learned = [i for i, c in constants.items() if at.learns(operation, i, c)]
    buffers = [i for i, c in constants.items() if i not in learned and c.size > FEW and is_float(c)]
    layer = Operator(
        operation.kind, given=places, constants=constants, learned=learned, buffers=buffers,
        attributes={k: v for k, v in operation.attributes.items() if k not in ("axis", "broadcast")},
        opset=max(at.model.opset, 7),
    )  # fmt: skip
    names = tuple(name if i in constants else "" for i, name in enumerate(operation.inputs))
    shared = (operation.kind, names, axes, str(sorted(operation.attributes.items()))) if learned else None
    at.keep(operation.outputs[0], at.put(at.name_of(operation), layer, sources, shared), axes)
    return True


def biased(at: Builder, operation: Operation) -> bool:
    """A bias added to what a layer without one gave, which nobody else reads: it becomes the bias of that layer."""
    x, b = sorted(operation.inputs, key=lambda name: name not in at.held)
    constant, out = at.constant(b), at.facts[operation.outputs[0]]
    if constant is None or at.readers[x] != 1 or at.facts[x].shapes != out.shapes or not constant.size:
        return False
    held = at.held[x]
    layer: Any = at.layers.get(held.node)
    if not isinstance(layer, Dense | Conv1d | Conv2d | Conv3d) or layer.bias is not None or held.axes is None:
        return False
    missing = set(range(out.rank)) - set(held.axes)
    bias = None if missing else laid(constant, held.axes, out.rank)
    if bias is None or bias.size not in (1, layer.weight.shape[-1]) or bias.ndim > 1 or not is_float(bias):
        return False
    if sum(owner == held.node for _, owner, _ in at.nodes) != 1:
        return False
    at.replace_layer(held.node, replaced(layer, bias=leaf(np.broadcast_to(bias, layer.weight.shape[-1:]))), b)
    at.held[operation.outputs[0]] = held
    return True


def common(at: Builder, operation: Operation, moving: list[str], rank: int) -> Axes:
    """A layout for all inputs, that of the largest where it has all axes that are longer than 1."""
    largest = max(moving, key=lambda name: prod(at.facts[name].shapes[1]))
    axes = tuple(a + rank - at.facts[largest].rank for a in at.held[largest].axes or ())
    for name in operation.inputs:
        fact = at.facts[name]
        long = {a + rank - fact.rank for a in range(fact.rank) if (fact.shapes[0][a], fact.shapes[1][a]) != (1, 1)}
        if not long <= set(axes):
            return tuple(range(rank))
    return axes


def spread(at: Builder, name: str, axes: Axes, rank: int) -> str:
    """The node where a value lies in this layout of so many axes, as far as its own reach."""
    shift = rank - at.facts[name].rank
    own = tuple(a - shift for a in axes if a >= shift)
    node = at.bring(name, own)
    new = [at.lengths(name, (a - shift,))[0] if a >= shift else (1, 1) for a in axes]
    while new and axes[len(axes) - len(new)] < shift:
        new = new[1:]
    return at.reshaped(node, at.lengths(name, own), new)


def laid(constant: np.ndarray | None, axes: Axes, rank: int) -> np.ndarray:
    """A constant in this layout; axes of length 1 at its front are left out."""
    assert constant is not None
    whole = constant.reshape((1,) * (rank - constant.ndim) + constant.shape)
    missing = tuple(a for a in range(rank) if a not in axes)
    shape = [whole.shape[a] for a in axes]
    while shape and shape[0] == 1:
        shape = shape[1:]
    return np.array(whole.transpose(*axes, *missing).reshape(shape), order="C")  # one of no axes keeps none


ALONG = ("Erf", "Sqrt", "Log", "Neg", "Floor", "Ceil", "Sign", "Sin", "Cos", "Atan", "Reciprocal", "ThresholdedRelu")
TOGETHER = ("Add", "Sub", "Mul", "Div", "Pow", "Sum", "Max", "Min", "Mean")
RULES: dict[str, Any] = {
    **dict.fromkeys((*PLAIN, *SETTINGS, *DEFAULTS, "Gelu", "HardSwish"), curve_or_operator),
    "Clip": clip,
    **dict.fromkeys(("Softmax", "LogSoftmax"), softmax),
    **dict.fromkeys(ALONG, unary),
    "Dropout": dropout,
    **dict.fromkeys(TOGETHER, together),
}
