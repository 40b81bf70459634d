"""Operations with weights as layers: products, convolutions, tables of rows, and normalization."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...layers import (
    BatchNorm,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    Dense,
    Embedding,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    PReLU,
    RMSNorm,
)
from ...module import Layer
from .._model import Operation
from ._builder import Axes, Builder, is_float

CONVOLUTIONS: tuple[Any, ...] = (Conv1d, Conv2d, Conv3d)
TRANSPOSED: tuple[Any, ...] = (ConvTranspose1d, ConvTranspose2d)


def dense(at: Builder, operation: Operation) -> bool:
    """`x W + b`: Gemm, a MatMul with constant weights, and a Linear, which is both with a bias added."""
    x, weight, *rest = operation.inputs
    if x in at.later and x not in at.held and at.constant(x) is None:
        at.made(x)
    w, b = at.constant(weight), at.constant(rest[0]) if rest and rest[0] else None
    rank, words = at.rank(x), operation.attributes
    if w is None or w.ndim != 2 or not is_float(w) or x not in at.held or not rank or rank < 2:
        return False
    if (rest and rest[0] and b is None) or words.get("transA", 0):
        return False
    w = words.get("alpha", 1.0) * w.T if words.get("transB", 0) else words.get("alpha", 1.0) * w
    if b is not None:
        if b.size not in (1, w.shape[1]) or (b.ndim and b.shape[-1] != b.size):
            return False
        b = np.broadcast_to(words.get("beta", 1.0) * b.reshape(-1), w.shape[1])
    held = at.held[x].axes or ()
    axes = (*(a for a in held if a != rank - 1), rank - 1)
    axes = axes if len(axes) > 1 else tuple(range(rank))
    key = ("Dense", weight, *rest, *sorted(words.items()))
    layer = Dense(leaf(w), None if b is None else leaf(b))
    at.keep(operation.outputs[0], at.put(at.name_of(operation), layer, (at.bring(x, axes),), key), axes)
    return True


def leaf(array: np.ndarray) -> Any:
    """A constant as the array of a layer: a copy, as the model may go on changing; jnp.asarray would compile one."""
    return jax.device_put(np.array(array, order="C"))


def channels_last(rank: int) -> Axes:
    return (0, *range(2, rank), 1)


def given(at: Builder, operation: Operation, first: int = 1) -> list[np.ndarray | None] | None:
    """The inputs from `first` on, as constants; None where one is not."""
    arrays: list[Any] = [at.constant(name) if name else None for name in operation.inputs[first:]]
    missing = any(a is None and name for a, name in zip(arrays, operation.inputs[first:], strict=True))
    return None if missing or operation.inputs[0] not in at.held else arrays


def put_channels_last(at: Builder, operation: Operation, layer: Layer, axes: Axes | None = None) -> bool:
    """A layer that takes its first input with the channels last, and gives it so, or with these axes."""
    x = operation.inputs[0]
    fact = at.fact(x)
    if fact is None or not jnp.issubdtype(fact.dtype, jnp.inexact):
        return False
    last = channels_last(fact.rank)
    key = (type(layer).__name__, *operation.inputs[1:], *sorted((k, str(v)) for k, v in operation.attributes.items()))
    shared = key if len(operation.inputs) > 1 else None
    node = at.put(at.name_of(operation), layer, (at.bring(x, last),), shared)
    at.keep(operation.outputs[0], node, last if axes is None else axes)
    return True


def convolution(at: Builder, operation: Operation) -> bool:
    arrays, rank = given(at, operation), at.rank(operation.inputs[0])
    if arrays is None or rank not in (3, 4, 5) or arrays[0] is None or arrays[0].ndim != rank:
        return False
    weight, bias = arrays[0], [*arrays, None][1]
    words, n = operation.attributes, rank - 2
    padding: Any = paddings(words, n)
    if padding is None or not is_float(weight):
        return False
    kernel = leaf(weight.transpose(*range(2, rank), 1, 0))
    layer = CONVOLUTIONS[n - 1](
        kernel, None if bias is None else leaf(bias), tuple(words.get("strides", (1,) * n)), padding,
        tuple(words.get("dilations", (1,) * n)), int(words.get("group", 1)),
    )  # fmt: skip
    return put_channels_last(at, operation, layer)


def paddings(words: Any, n: int) -> str | tuple[tuple[int, int], ...] | None:
    """The padding of a convolution in our words; None where they are not enough."""
    match words.get("auto_pad", "NOTSET"):
        case "SAME_UPPER":
            return "same"
        case "VALID":
            return "valid"
        case "NOTSET":
            pads = tuple(words.get("pads", (0,) * (2 * n)))
            return tuple(zip(pads[:n], pads[n:], strict=True)) if min(pads, default=0) >= 0 else None
    return None


def transposed_convolution(at: Builder, operation: Operation) -> bool:
    arrays, rank = given(at, operation), at.rank(operation.inputs[0])
    if arrays is None or rank not in (3, 4) or arrays[0] is None or arrays[0].ndim != rank:
        return False
    weight, bias = arrays[0], [*arrays, None][1]
    words, n, groups = operation.attributes, rank - 2, int(operation.attributes.get("group", 1))
    padding = paddings(words, n)
    strides, dilations = tuple(words.get("strides", (1,) * n)), tuple(words.get("dilations", (1,) * n))
    extra = tuple(words.get("output_padding", (0,) * n))
    padding = ((0, 0),) * n if padding == "valid" else padding
    if padding is None or isinstance(padding, str) or "output_shape" in words or not is_float(weight):
        return False
    least = [max(s, d) for s, d in zip(strides, dilations, strict=True)]
    if any(a != b for a, b in padding) or any(e >= m for e, m in zip(extra, least, strict=True)):
        return False
    # (in, out / groups, ...) -> (..., in / groups, out)
    n_in, each = weight.shape[:2]
    kernel = weight.reshape(groups, n_in // groups, each, *weight.shape[2:])
    kernel = kernel.transpose(*range(3, rank + 1), 1, 0, 2).reshape(*weight.shape[2:], n_in // groups, groups * each)
    layer = TRANSPOSED[n - 1](
        leaf(kernel), None if bias is None else leaf(bias), strides,
        tuple(a for a, _ in padding), extra, dilations, groups,
    )  # fmt: skip
    return put_channels_last(at, operation, layer)


def batch_norm(at: Builder, operation: Operation) -> bool:
    arrays, rank, words = given(at, operation), at.rank(operation.inputs[0]), operation.attributes
    trains = words.get("training_mode", 0) or at.model.opset < 7 or not words.get("spatial", 1)
    if arrays is None or not rank or rank < 2 or trains or any(operation.outputs[1:]) or any(a is None for a in arrays):
        return False
    momentum, epsilon = 1 - float(words.get("momentum", 0.9)), float(words.get("epsilon", 1e-5))
    weights = scale_and_shift(at, operation, arrays[:2])
    mean, variance = (leaf(a) for a in arrays[2:] if a is not None)
    layer = BatchNorm(weights[0], weights[1], mean, variance, momentum, epsilon)
    return put_channels_last(at, operation, layer)


def scale_and_shift(at: Builder, operation: Operation, arrays: Sequence[np.ndarray | None]) -> list[Any]:
    """Weight and bias of a normalization; None for ones and zeros that its author says are no weights."""
    found = []
    for name, array, plain in zip(operation.inputs[1:], arrays, (1, 0), strict=False):
        spare = array is None or (at.model.exact and not at.is_weight(name) and bool((array == plain).all()))
        found.append(None if spare or array is None else leaf(array))
    return found + [None] * (2 - len(found))


def layer_norm(at: Builder, operation: Operation) -> bool:
    arrays, x, words = given(at, operation), operation.inputs[0], operation.attributes
    shape = at.shape(x)
    if arrays is None or not shape or any(operation.outputs[1:]) or arrays[0] is None:
        return False
    axis = int(words.get("axis", -1)) % len(shape)
    if any(a is not None and a.shape != shape[axis:] for a in arrays) or not is_float(arrays[0]):
        return False
    epsilon = float(words.get("epsilon", 1e-5))
    weights = scale_and_shift(at, operation, arrays)
    if weights[0] is None and axis != len(shape) - 1:
        weights[0] = leaf(arrays[0])  # which says over how many axes
    root = operation.kind == "RMSNormalization"
    if root and axis != len(shape) - 1:
        return False
    layer = RMSNorm(weights[0], epsilon) if root else LayerNorm(weights[0], weights[1], epsilon)
    last = tuple(range(axis, len(shape)))
    axes = (*(a for a in at.held[x].axes or () if a < axis), *last)
    key = (operation.kind, *operation.inputs[1:], axis, epsilon)
    at.keep(operation.outputs[0], at.put(at.name_of(operation), layer, (at.bring(x, axes),), key), axes)
    return True


def instance_norm(at: Builder, operation: Operation) -> bool:
    arrays, fact, words = given(at, operation), at.fact(operation.inputs[0]), operation.attributes
    if arrays is None or fact is None or fact.rank < 3 or any(a is None for a in arrays):
        return False
    weights = scale_and_shift(at, operation, arrays)
    epsilon = float(words.get("epsilon", 1e-5))
    if operation.kind == "InstanceNormalization":
        if min(prod(shape[2:]) for shape in fact.shapes) < 2:
            return False
        return put_channels_last(at, operation, InstanceNorm(weights[0], weights[1], epsilon))
    groups, channels = int(words["num_groups"]), fact.shapes[0][1]
    weights = [None if a is None else a.reshape(-1) for a in weights]
    weights = [
        jnp.repeat(a, channels // groups) if a is not None and a.shape == (groups,) and groups < channels else a
        for a in weights
    ]
    return put_channels_last(at, operation, GroupNorm(weights[0], weights[1], groups, epsilon))


def embedding(at: Builder, operation: Operation) -> bool:
    """A table of rows from which whole numbers choose."""
    table, chosen = at.constant(operation.inputs[0]), operation.inputs[1]
    fact = at.fact(chosen)
    if table is None or table.ndim != 2 or not is_float(table) or chosen not in at.held or fact is None:
        return False
    if int(operation.attributes.get("axis", 0)) != 0 or not fact.rank or not at.is_weight(operation.inputs[0]):
        return False
    axes = tuple(range(fact.rank + 1))
    name = operation.inputs[0].rpartition(".")[0] or operation.name or "embedding"
    node = at.put(name, Embedding(leaf(table)), (at.bring(chosen),), ("Embedding", operation.inputs[0]))
    at.keep(operation.outputs[0], node, axes)
    return True


def prelu(at: Builder, operation: Operation) -> bool:
    slope, fact = at.constant(operation.inputs[1]), at.fact(operation.inputs[0])
    if slope is None or fact is None or fact.rank < 2 or operation.inputs[0] not in at.held or not is_float(slope):
        return False
    whole = (1,) * (fact.rank - slope.ndim) + slope.shape
    if slope.size != 1 and (fact.rank < 2 or slope.size != whole[1] or slope.size != fact.shapes[0][1]):
        return False
    return put_channels_last(at, operation, PReLU(leaf(slope.reshape(-1))))


RULES: dict[str, Any] = {
    "Gemm": dense,
    "MatMul": dense,
    "Linear": dense,
    "Conv": convolution,
    "ConvTranspose": transposed_convolution,
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "RMSNormalization": layer_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": instance_norm,
    "Gather": embedding,
    "PRelu": prelu,
}
