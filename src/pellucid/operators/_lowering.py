"""Operators as piecewise-affine maps: how geometry sees a network that was made of operations of others.

Each is asked what it does to numbers instead of being said a second time: what only moves numbers is shown the numbers
of the units, what is affine is shown the units one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..affine import Lowering, Value
from ..errors import InteropError
from ._activation import SELU_ALPHA, SELU_GAMMA
from ._shape import listed
from ._table import OPERATORS
from ._types import type_of
from ._windows import numbered, slide

FIRST = ("BatchNormalization", "Div")  # affine in their first input alone
MOST = 2**24  # entries of a matrix that is found unit by unit
FAR = 2.0**40  # slopes are read off this far from 0, where what is added to them is lost in the rounding


class Operation(NamedTuple):
    """One operation: its inputs are values of the network where they are a `Value`, and else constants."""

    kind: str
    inputs: tuple[Any, ...]
    attributes: Mapping[str, Any]
    opset: int
    outputs: int

    @property
    def values(self) -> list[Value]:
        return [x for x in self.inputs if isinstance(x, Value)]

    def of(self, *arrays: np.ndarray) -> Any:
        """The output where the values are these arrays, in double precision."""
        rest = iter(arrays)
        inputs = [next(rest) if isinstance(x, Value) else exact(x) for x in self.inputs]
        return OPERATORS[self.kind](inputs, self.attributes, self.opset, self.outputs)


Rule = Callable[[Lowering, Operation], Any]


def exact(x: Any) -> Any:
    """A constant in double precision, where it is not of whole numbers."""
    return x.astype(np.float64) if isinstance(x, np.ndarray) and np.issubdtype(x.dtype, np.floating) else x


def moved(at: Lowering, operation: Operation) -> Any:
    """What only moves numbers, copies them and puts constants among them, found by moving the units' own numbers."""
    values = operation.values
    widths = [prod(x.shape) for x in values]
    total, starts = sum(widths), np.cumsum([0, *widths[:-1]])
    first = [
        start + np.arange(n, dtype=float).reshape(1, *x.shape)
        for start, n, x in zip(starts, widths, values, strict=True)
    ]
    once, again = operation.of(*first), operation.of(*(x + total for x in first))
    whole = (
        values[0] if len(values) == 1 else at.join([at.reshape(x, (n,)) for x, n in zip(values, widths, strict=True)])
    )
    several = operation.outputs > 1
    pairs = list(zip(once, again, strict=True)) if several else [(once, again)]
    if any(np.shape(a)[:1] != (1,) for a, _ in pairs):
        return None  # it mixes examples
    found = [picked(at, whole, a, b, total) for a, b in pairs]
    return tuple(found) if several else found[0]


def picked(at: Lowering, x: Value, numbers: np.ndarray, again: np.ndarray, total: int) -> Value:
    """The units of x with these numbers; where the number is the same `again`, it is a constant."""
    from scipy.sparse import coo_array

    shape, numbers, again = numbers.shape[1:], numbers.reshape(-1), again.reshape(-1)
    here = np.flatnonzero(again == numbers + total)
    index = numbers[here].astype(int)
    if len(here) == len(numbers) == total and (index == np.arange(total)).all():
        return at.reshape(x, shape)
    fill = np.where(again == numbers, numbers, 0.0)
    matrix = coo_array((np.ones(len(here)), (here, index)), shape=(len(numbers), total))
    return at.sparse(x, matrix, fill, shape)


def linear(at: Lowering, operation: Operation) -> Any:
    """What is affine in its one value, each example by itself, found from one example for each unit."""
    from scipy.sparse import csr_array

    values = operation.values
    if len(values) != 1 or operation.outputs > 1:
        return None
    x, n = values[0], prod(values[0].shape)
    bias = operation.of(np.zeros((1, *x.shape)))
    if bias.shape[:1] != (1,) or n * bias.size > MOST:
        return None
    y = operation.of(FAR * np.eye(n).reshape(n, *x.shape))
    if y.shape != (n, *bias.shape[1:]):
        return None
    return at.sparse(x, csr_array((y - bias).reshape(n, -1).T / FAR), bias.reshape(-1), bias.shape[1:])


def number_by_number(at: Lowering, operation: Operation) -> Any:
    """What scales and shifts each number of its one value."""
    from scipy.sparse import csr_array

    values = operation.values
    if len(values) != 1 or (operation.kind in FIRST and not isinstance(operation.inputs[0], Value)):
        return None
    x = values[0]
    shift = operation.of(np.zeros((1, *x.shape)))
    slope = (operation.of(np.full((1, *x.shape), FAR)) - shift) / FAR
    if shift.shape[:1] != (1,):
        return None
    numbers = np.broadcast_to(np.arange(prod(x.shape)).reshape(1, *x.shape), shift.shape).reshape(-1)
    matrix = csr_array((slope.reshape(-1), (np.arange(len(numbers)), numbers)), shape=(len(numbers), prod(x.shape)))
    size = None
    if operation.kind == "BatchNormalization":  # bias − mean · slope, which may cancel
        bias = abs(exact(operation.inputs[2])).reshape(-1, *(1,) * (shift.ndim - 2))
        size = (abs(shift) + 2 * bias).reshape(-1)
    return at.sparse(x, matrix, shift.reshape(-1), shift.shape[1:], size)


def added(at: Lowering, operation: Operation) -> Any:
    """A sum, difference or mean: each value is scaled, and the constants come with the first."""
    if len(operation.values) == 1:
        return number_by_number(at, operation)
    parts, places = [], [i for i, x in enumerate(operation.inputs) if isinstance(x, Value)]
    shape = operation.of(*(np.zeros((1, *x.shape)) for x in operation.values)).shape
    if shape[:1] != (1,):
        return None
    for place in places:
        constants = (0 if isinstance(x, Value) or place != places[0] else x for x in operation.inputs)
        inputs = [np.zeros(shape) + exact(np.asarray(x)) for x in constants]
        inputs[place] = operation.inputs[place]
        parts.append(number_by_number(at, operation._replace(inputs=tuple(inputs))))
    return None if any(part is None for part in parts) else at.add(parts)


def bent(kinks: Sequence[Any], pieces: Sequence[tuple[Any, Any]]) -> Callable[[Lowering, Any], Value]:
    return lambda at, x: at.bend(x, kinks, pieces)


RELU = bent([0.0], [(0.0, 0.0), (1.0, 0.0)])


def leaky(at: Lowering, operation: Operation) -> Any:
    return bent([0.0], [(operation.attributes.get("alpha", 0.01), 0.0), (1.0, 0.0)])(at, operation.inputs[0])


def own_slope(at: Lowering, operation: Operation) -> Any:
    """PRelu, whose slope below 0 is read off at −1."""
    x = operation.inputs[0]
    if len(operation.values) != 1 or not isinstance(x, Value):
        return None
    slope = -operation.of(np.full((1, *x.shape), -1.0))
    return bent([0.0], [(slope.reshape(-1), 0.0), (1.0, 0.0)])(at, x) if slope.shape == (1, *x.shape) else None


def hard_sigmoid(at: Lowering, operation: Operation) -> Any:
    a, b = operation.attributes.get("alpha", 0.2), operation.attributes.get("beta", 0.5)
    if a <= 0:
        return None
    return bent([-b / a, (1 - b) / a], [(0.0, 0.0), (a, b), (0.0, 1.0)])(at, operation.inputs[0])


def curved(kind: str, a: str = "", usual: float = 1.0, b: str = "") -> Rule:
    """A smooth curve, where those are allowed; a and b are attributes."""

    def rule(at: Lowering, operation: Operation) -> Any:
        words = operation.attributes
        if not at.curves:
            return None
        return at.smooth(operation.inputs[0], kind, words.get(a, usual), words.get(b, SELU_GAMMA if b else 1.0))

    return rule


def gelu(at: Lowering, operation: Operation) -> Any:
    tanh = operation.attributes.get("approximate", "none") == "tanh"
    return curved("gelu_tanh" if tanh else "gelu")(at, operation)


def stretched(kind: str, power: int) -> Rule:
    """`f(s x) / s`, for a curve f whose α only stretches it, `s = α^power`."""

    def rule(at: Lowering, operation: Operation) -> Any:
        alpha, x = operation.attributes.get("alpha", 1.0), operation.inputs[0]
        if not at.curves or not alpha > 0:
            return None
        n, s = x.shape[-1], alpha**power
        inner = at.scale(x, np.full(n, s), np.zeros(n))
        return at.scale(at.smooth(inner, kind), np.full(n, 1 / s), np.zeros(n))

    return rule


def clipped(at: Lowering, operation: Operation) -> Any:
    x, *bounds = [*operation.inputs, None, None][:3]
    old = operation.attributes.get("min"), operation.attributes.get("max")
    low, high = (a if a is not None else b for a, b in zip(bounds, old, strict=True))
    if any(isinstance(b, Value) for b in (low, high)):
        return None
    low, high = (None if b is None or np.isinf(b) else float(np.asarray(b).reshape(())) for b in (low, high))
    if low is not None and high is not None and low >= high:
        return None
    below = [] if low is None else [(0.0, low)]
    above = [] if high is None else [(0.0, high)]
    kinks = [b for b in (low, high) if b is not None]
    return bent(kinks, [*below, (1.0, 0.0), *above])(at, x) if kinks else x


def largest(at: Lowering, operation: Operation, sign: float = 1.0) -> Any:
    """The larger of values and constants: `max(a, b) = b + max(0, a − b)`; with sign −1 the smaller."""
    total = None
    add = Operation("Add", (), {}, 14, 1)
    shape = operation.of(*(np.zeros((1, *x.shape)) for x in operation.values)).shape
    for x in sorted(operation.inputs, key=lambda x: not isinstance(x, Value)):
        if not isinstance(x, Value):
            x = exact(x)
        part = added(at, add._replace(inputs=(x, np.zeros(shape)))) if isinstance(x, Value) else x
        if total is None:
            total = part
            continue
        minus = added(at, Operation("Sub", (part, total) if sign > 0 else (total, part), {}, 14, 1))
        ahead = RELU(at, minus)
        total = added(at, Operation("Add" if sign > 0 else "Sub", (total, ahead), {}, 14, 1))
    return total


def smallest(at: Lowering, operation: Operation) -> Any:
    return largest(at, operation, -1.0)


def groups(at: Lowering, operation: Operation, axes: Sequence[int], keepdims: bool) -> Any:
    """The largest over axes of a value."""
    x = operation.inputs[0]
    rank = len(x.shape) + 1
    along = sorted(axis % rank for axis in axes)
    if 0 in along or not along:
        return None
    numbers = np.arange(prod(x.shape)).reshape(x.shape)
    index = np.moveaxis(numbers, [a - 1 for a in along], range(-len(along), 0))
    kept = index.shape[: len(x.shape) - len(along)]
    shape = [1 if i + 1 in along else n for i, n in enumerate(x.shape) if keepdims or i + 1 not in along]
    return at.largest(x, index.reshape(prod(kept), -1), tuple(shape))


def reduce_max(at: Lowering, operation: Operation) -> Any:
    over = operation.inputs[1] if len(operation.inputs) > 1 else operation.attributes.get("axes")
    return None if over is None else groups(at, operation, listed(over), bool(operation.attributes.get("keepdims", 1)))


def global_max(at: Lowering, operation: Operation) -> Any:
    return groups(at, operation, range(2, len(operation.inputs[0].shape) + 1), True)


def max_pool(at: Lowering, operation: Operation) -> Any:
    x, settings = operation.inputs[0], operation.attributes
    channels, *places = x.shape
    if operation.outputs > 1:
        return None
    by = slide(places, settings["kernel_shape"], strides=settings.get("strides"), dilations=settings.get("dilations"),
        pads=settings.get("pads"), auto_pad=settings.get("auto_pad", "NOTSET"), ceil_mode=settings.get("ceil_mode", 0),
    )  # fmt: skip
    taps = numbered(places, by, False)[:, 0, 0]
    index = taps.reshape(len(taps), -1).T  # (windows, taps)
    starts = np.arange(channels)[:, None, None] * prod(places)
    whole = np.where(index < 0, -1, index + starts).reshape(-1, len(taps))
    return at.largest(x, whole, (channels, *taps.shape[1:]))


def same(at: Lowering, operation: Operation) -> Any:
    """Dropout at inference, and casts to numbers that are not whole."""
    if operation.kind == "Cast" and not np.issubdtype(type_of(operation.attributes["to"]), np.floating):
        return None
    return operation.inputs[0] if operation.outputs == 1 else None


def where(at: Lowering, operation: Operation) -> Any:
    return None if isinstance(operation.inputs[0], Value) else moved(at, operation)


def resized(at: Lowering, operation: Operation) -> Any:
    nearest = operation.attributes.get("mode", "nearest") == "nearest"
    return moved(at, operation) if nearest else linear(at, operation)


MOVING = (
    "CenterCropPad", "Compress", "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND",
    "Identity", "Pad", "Reshape", "ReverseSequence", "Scatter", "ScatterElements", "ScatterND", "Slice", "SpaceToDepth",
    "Split", "Squeeze", "Tile", "Transpose", "Trilu", "Unsqueeze", "ai.onnx.ml.ArrayFeatureExtractor",
)  # fmt: skip
LINEAR = (
    "AveragePool", "Conv", "ConvTranspose", "CumSum", "DFT", "Einsum", "Gemm", "GlobalAveragePool", "MatMul",
    "ReduceMean", "ReduceSum",
)  # fmt: skip
LOWERINGS: dict[str, Rule] = {
    **dict.fromkeys(MOVING, moved),
    **dict.fromkeys(LINEAR, linear),
    **dict.fromkeys(("BatchNormalization", "Div", "Mul", "Neg", "ai.onnx.ml.Scaler"), number_by_number),
    **dict.fromkeys(("Add", "Mean", "Sub", "Sum"), added),
    **dict.fromkeys(("Resize", "Upsample"), resized),
    **dict.fromkeys(("Cast", "Dropout"), same),
    **{kind: curved(kind.lower()) for kind in ("Mish", "Sigmoid", "Softplus", "Softsign", "Tanh")},
    "Abs": lambda at, operation: bent([0.0], [(-1.0, 0.0), (1.0, 0.0)])(at, operation.inputs[0]),
    "Celu": stretched("elu", -1),
    "Clip": clipped,
    "Elu": curved("elu", "alpha"),
    "Exp": curved("exponential"),
    "Gelu": gelu,
    "GlobalMaxPool": global_max,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": curved("hard_swish"),
    "LeakyRelu": leaky,
    "Max": largest,
    "MaxPool": max_pool,
    "Min": smallest,
    "PRelu": own_slope,
    "ReduceMax": reduce_max,
    "Relu": lambda at, operation: RELU(at, operation.inputs[0]),
    "Selu": curved("elu", "alpha", SELU_ALPHA, "gamma"),
    "Swish": stretched("silu", 1),
    "Where": where,
}


def lowered(at: Lowering, operation: Operation) -> Any:
    """The operation written down with `at`; None where it is not piecewise linear, or mixes examples."""
    rule = LOWERINGS.get(operation.kind)
    known = [x for i, x in enumerate(operation.inputs) if i in OPERATORS[operation.kind].known]
    if rule is None or not operation.values or any(isinstance(x, Value) for x in known):
        return None
    try:
        return rule(at, operation)
    except InteropError:  # a value where it takes constants alone
        return None
