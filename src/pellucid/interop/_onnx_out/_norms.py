"""Normalization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ... import layers
from ._sheet import Pen, Value, channels_first

WITH_GROUP_NORM, WITH_RMS_NORM = 21, 23  # the first opsets that have them


def batch_norm(layer: layers.BatchNorm, x: Value, w: Pen) -> Value:
    first, n = channels_first(x.rank), len(layer.mean)
    y = w.node(
        "BatchNormalization",
        w.laid(x, first),
        w.parameter("weight", unless(layer.weight, np.ones(n))),
        w.parameter("bias", unless(layer.bias, np.zeros(n))),
        w.parameter("mean", layer.mean),
        w.parameter("variance", layer.variance),
        epsilon=float(layer.epsilon),
    )
    return w.masked(replace(w.out(y, first), lengths=x.lengths))


def layer_norm(layer: layers.LayerNorm, x: Value, w: Pen) -> Value:
    last = 1 if layer.weight is None else layer.weight.ndim
    if w.sheet.dtype != np.float64:
        ones = np.ones([w.size(x, axis) for axis in range(-last, 0)])
        bias = "" if layer.bias is None else w.parameter("bias", layer.bias)
        weight = w.parameter("weight", unless(layer.weight, ones))
        y = w.node("LayerNormalization", w.laid(x), weight, bias, axis=-last, epsilon=float(layer.epsilon))
        return w.out(y)
    # The operator takes mean and variance in single precision.
    return w.out(affine(layer, w, standard(w, w.laid(x), list(range(-last, 0)), layer.epsilon)))


def instance_norm(layer: layers.InstanceNorm, x: Value, w: Pen) -> Value:
    if x.lengths is None:
        first, n = channels_first(x.rank), w.size(x, -1)
        weight = w.parameter("weight", unless(layer.weight, np.ones(n)))
        bias = w.parameter("bias", unless(layer.bias, np.zeros(n)))
        y = w.node("InstanceNormalization", w.laid(x, first), weight, bias, epsilon=float(layer.epsilon))
        return w.out(y, first)
    y = standard(w, w.laid(w.masked(x)), list(range(1, x.rank - 1)), layer.epsilon, w.mask(x))
    return w.masked(replace(w.out(affine(layer, w, y)), lengths=x.lengths))


def group_norm(layer: layers.GroupNorm, x: Value, w: Pen) -> Value:
    """In older opsets as one channel for each group, which is made standard, then the groups' channels scaled."""
    if x.lengths is not None:
        return group_norm_of_steps(layer, x, w)
    first, n, groups = channels_first(x.rank), w.size(x, -1), layer.groups
    given, epsilon = w.laid(x, first), float(layer.epsilon)
    weight, bias = unless(layer.weight, np.ones(n)), unless(layer.bias, np.zeros(n))
    if w.sheet.opset >= WITH_GROUP_NORM:
        names = w.parameter("weight", weight), w.parameter("bias", bias)
        return w.out(w.node("GroupNormalization", given, *names, num_groups=groups, epsilon=epsilon), first)
    parts = w.node("Reshape", given, [0, groups, -1])
    same = w.constant(np.ones(groups, w.sheet.dtype)), w.constant(np.zeros(groups, w.sheet.dtype))
    y = w.node("Reshape", w.node("InstanceNormalization", parts, *same, epsilon=epsilon), w.node("Shape", given))
    along = (n, *(1,) * (x.rank - 2))
    y = w.node("Mul", y, w.parameter("weight", np.reshape(weight, along)))
    return w.out(w.node("Add", y, w.parameter("bias", np.reshape(bias, along))), first)


def group_norm_of_steps(layer: layers.GroupNorm, x: Value, w: Pen) -> Value:
    """Of sequences: each group of channels along an axis of its own, the mean over the steps that count."""
    n, before = w.size(x, -1), [0] * (x.rank - 1)
    parts = w.node("Reshape", w.laid(w.masked(x)), [*before, layer.groups, n // layer.groups])
    y = standard(w, parts, [*range(1, x.rank - 1), x.rank], layer.epsilon, w.mask(x, x.rank + 1))
    return w.masked(replace(w.out(affine(layer, w, w.node("Reshape", y, [*before, n]))), lengths=x.lengths))


def rms_norm(layer: layers.RMSNorm, x: Value, w: Pen) -> Value:
    plain = w.laid(x)
    if w.sheet.opset >= WITH_RMS_NORM and w.sheet.dtype != np.float64:
        weight = w.parameter("weight", unless(layer.weight, np.ones(w.size(x, -1))))
        return w.out(w.node("RMSNormalization", plain, weight, axis=-1, epsilon=float(layer.epsilon)))
    return w.out(affine(layer, w, w.node("Div", plain, deviation(w, plain, [-1], layer.epsilon))))


def standard(w: Pen, x: str, over: Sequence[int], epsilon: float, mask: str | None = None) -> str:
    """x with mean 0 and variance 1 over these axes; where there is a mask, of what counts, and 0 elsewhere."""
    share = None if mask is None else share_of(w, mask)
    centred = counted(w, mask, w.node("Sub", x, mean(w, x, over, share)))
    return w.node("Div", centred, deviation(w, centred, over, epsilon, share))


def deviation(w: Pen, x: str, over: Sequence[int], epsilon: float, share: str | None = None) -> str:
    """√(mean(x²) + ε)."""
    return w.node("Sqrt", w.node("Add", mean(w, w.node("Mul", x, x), over, share), float(epsilon)))


def mean(w: Pen, x: str, over: Sequence[int], share: str | None) -> str:
    """The mean over these axes, or over the share of them that counts, where the rest is 0."""
    found = w.node("ReduceMean", x, list(over), keepdims=1)
    return found if share is None else w.node("Div", found, share)


def share_of(w: Pen, mask: str) -> str:
    """The share of the steps that count; of a sequence without a step, 1, whatever is divided by it being 0."""
    share = w.node("ReduceMean", w.node("Cast", mask, to=w.sheet.dtype), [1], keepdims=1)
    return w.node("Where", w.node("Greater", share, 0.0), share, 1.0)


def counted(w: Pen, mask: str | None, x: str) -> str:
    return x if mask is None else w.node("Where", mask, x, 0.0)


def affine(layer: Any, w: Pen, x: str) -> str:
    x = x if layer.weight is None else w.node("Mul", x, w.parameter("weight", layer.weight))
    bias = getattr(layer, "bias", None)
    return x if bias is None else w.node("Add", x, w.parameter("bias", bias))


def unless(array: Any, instead: np.ndarray) -> Any:
    return instead if array is None else array


ROWS: dict[type[Any], Callable[[Any, Any, Pen], Value]] = {
    layers.BatchNorm: batch_norm,
    layers.GroupNorm: group_norm,
    layers.InstanceNorm: instance_norm,
    layers.LayerNorm: layer_norm,
    layers.RMSNorm: rms_norm,
}
