"""Convolution, pooling, padding and upsampling. ONNX has the channels first, and kernels as (out, in, places...)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import jax
import numpy as np

from ... import layers
from ...layers._conv import slide_over
from ...layers._lowering import index_of
from ...layers._pool import bins, rows_of
from ...layers._windows import each
from ._sheet import Pen, Value, channels_first


def convolution(layer: Any, x: Value, w: Pen) -> Value:
    kernel = np.moveaxis(np.asarray(layer.weight), (-1, -2), (0, 1))
    how = around(layer, x) | {"strides": layer.stride, "dilations": layer.dilation, "group": layer.groups}
    return convolved("Conv", layer, x, w, kernel, how)


def transposed(layer: Any, x: Value, w: Pen) -> Value:
    # (places..., in / groups, out) -> (in, out / groups, places...), the input's channels group by group
    groups = np.split(np.asarray(layer.weight), layer.groups, -1)
    kernel = np.concatenate([np.moveaxis(part, (-2, -1), (0, 1)) for part in groups])
    behind = zip(layer.padding, layer.output_padding, layer.stride, strict=True)
    ends = [(0, p, extra) if extra < step else zeros_for(p, extra, step) for p, extra, step in behind]
    more, cut, extra = zip(*ends, strict=True)
    how = {"pads": [*layer.padding, *cut], "output_padding": extra, "group": layer.groups}
    how |= {"strides": layer.stride, "dilations": layer.dilation}
    if any(more):
        first = channels_first(x.rank)
        x = replace(x, name=w.node("Pad", w.laid(x, first), [0] * (x.rank + 2) + list(more)), axes=first)
    return convolved("ConvTranspose", layer, x, w, kernel, how)


def zeros_for(padding: int, extra: int, step: int) -> tuple[int, int, int]:
    """Zeros behind x, instead of an output padding of a stride or more, which runtimes refuse; what to cut off."""
    zeros = -(-extra // step)
    return zeros, padding + zeros * step - extra, 0


def convolved(kind: str, layer: Any, x: Value, w: Pen, kernel: np.ndarray, how: dict[str, Any]) -> Value:
    first = channels_first(x.rank)
    bias = "" if layer.bias is None else w.parameter("bias", layer.bias)
    weight = w.parameter("weight", kernel)
    return w.out(w.node(kind, w.laid(x, first), weight, bias, kernel_shape=kernel.shape[2:], **how), first)


def around(layer: Any, x: Value) -> dict[str, Any]:
    """The padding in numbers, or, where the length of an axis is open, as ONNX calls "same"."""
    if layer.padding == "same" and None in x.shape[1:] and set(layer.stride) != {1}:
        return {"auto_pad": "SAME_UPPER"}
    shape = [1, *(n or 2**15 for n in x.shape[1:])]  # with a stride of 1 the padding does not depend on the length
    pairs = slide_over(layer, jax.ShapeDtypeStruct(tuple(shape), "float32")).padding
    return {"pads": pads(pairs)}


def pads(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """(before, behind) of every axis as ONNX lists them: first all before, then all behind."""
    return [pair[side] for side in (0, 1) for pair in pairs]


def local(layer: Any, x: Value, w: Pen) -> Value:
    """Every kernel's windows are gathered, and met with its kernel by one product of many matrices."""
    shape = tuple(w.size(x, axis) for axis in range(1, x.rank))
    *size, n_in, n_out = layer.weight.shape[layer.axes :]
    slide = slide_over(layer, jax.ShapeDtypeStruct((1, *shape), "float32"))
    index, places = index_of(shape[:-1], tuple(size), slide)
    outside = prod(shape[:-1])  # the place of a row of zeros
    flat = w.node("Pad", w.node("Reshape", w.laid(x), [0, outside, n_in]), [0, 0, 0, 0, 1, 0])
    seen = w.node("Gather", flat, np.where(index < 0, outside, index), axis=1)
    seen = w.node("Reshape", seen, [0, len(index), 1, index.shape[1] * n_in])
    kernels = w.parameter("weight", np.asarray(layer.weight).reshape(len(index), -1, n_out))
    y = w.node("Reshape", w.node("MatMul", seen, kernels), [0, *places, n_out])
    return w.out(y if layer.bias is None else w.node("Add", y, w.parameter("bias", layer.bias)))


def max_pool(layer: layers.MaxPool, x: Value, w: Pen) -> Value:
    return pooled("MaxPool", layer, x, w)


def average_pool(layer: layers.AvgPool, x: Value, w: Pen) -> Value:
    return pooled("AveragePool", layer, x, w, count_include_pad=int(layer.count_padding))


def pooled(kind: str, layer: Any, x: Value, w: Pen, **how: Any) -> Value:
    first, axes = channels_first(x.rank), x.rank - 2
    size, padding = each(layer.size, axes), each(layer.padding, axes)
    stride = size if layer.stride is None else each(layer.stride, axes)
    y = w.node(kind, w.laid(x, first), kernel_shape=size, strides=stride, pads=padding * 2, **how)
    return w.out(y, first)


def adaptive_pool(layer: layers.AdaptiveAveragePool, x: Value, w: Pen) -> Value:
    """Windows where they divide each axis; else one matrix of means for each axis."""
    first, sizes = channels_first(x.rank), each(layer.size, x.rank - 2)
    lengths = [w.size(x, axis) for axis in range(1, x.rank - 1)]
    if not any(n % size for n, size in zip(lengths, sizes, strict=True)):
        window = [n // size for n, size in zip(lengths, sizes, strict=True)]
        return w.out(w.node("AveragePool", w.laid(x, first), kernel_shape=window, strides=window), first)
    old, new = "hwd"[: len(sizes)], "ijk"[: len(sizes)]
    terms = ",".join(f"{b}{a}" for a, b in zip(old, new, strict=True))
    matrices = [
        w.constant(rows_of(n, bins(n, size)).astype(w.sheet.dtype)) for n, size in zip(lengths, sizes, strict=True)
    ]
    return w.out(w.node("Einsum", w.laid(x, first), *matrices, equation=f"bc{old},{terms}->bc{new}"), first)


def global_average(layer: layers.GlobalAveragePool, x: Value, w: Pen) -> Value:
    if x.lengths is None:
        return w.out(w.node("Flatten", w.node("GlobalAveragePool", w.laid(x, channels_first(x.rank))), axis=1))
    total = w.node("ReduceSum", w.laid(w.masked(x)), list(range(1, x.rank - 1)), keepdims=0)
    number = w.node("Mul", x.lengths.count, w.node("Cast", rest(x, w), to=np.dtype(np.int32)))
    number = w.node("Cast", w.node("Max", number, np.int32(1)), to=w.sheet.dtype)
    return w.out(w.node("Div", total, w.node("Unsqueeze", number, [1])))


def rest(x: Value, w: Pen) -> str:
    """How many places every step of a sequence has, (1,)."""
    number = w.constant([1])
    for axis in range(2, x.rank - 1):
        number = w.node("Mul", number, w.count(x, axis))
    return number


def global_max(layer: layers.GlobalMaxPool, x: Value, w: Pen) -> Value:
    if x.lengths is None:
        return w.out(w.node("Flatten", w.node("GlobalMaxPool", w.laid(x, channels_first(x.rank))), axis=1))
    plain, between = w.laid(x), list(range(1, x.rank - 1))
    largest = w.node("ReduceMax", w.node("Where", w.mask(x), plain, -np.inf), between, keepdims=0)
    some = w.node("Greater", w.node("Unsqueeze", x.lengths.count, [1]), np.int32(0))
    return w.out(w.node("Where", some, largest, 0.0))


def pad(layer: layers.Pad, x: Value, w: Pen) -> Value:
    widths = layer.widths if isinstance(layer.widths, tuple) else ((layer.widths,) * 2,) * (x.rank - 2)
    pairs = [(0, 0), *widths, (0, 0)]
    value = layer.value if layer.mode == "constant" else ""
    y = w.node("Pad", x.name, pads([pairs[axis] for axis in x.axes]), value, mode=layer.mode)
    return w.out(y, x.axes)


RESIZE = {
    "nearest": {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"},
    "linear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
}


def upsample(layer: layers.Upsample, x: Value, w: Pen) -> Value:
    first = channels_first(x.rank)
    scales = np.array([1, 1, *each(layer.factor, x.rank - 2)], np.float32)
    return w.out(w.node("Resize", w.laid(x, first), "", scales, **RESIZE[layer.mode]), first)


ROWS: dict[type[Any], Callable[[Any, Any, Pen], Value]] = {
    layers.AdaptiveAveragePool: adaptive_pool,
    layers.AvgPool: average_pool,
    layers.Conv1d: convolution,
    layers.Conv2d: convolution,
    layers.Conv3d: convolution,
    layers.ConvTranspose1d: transposed,
    layers.ConvTranspose2d: transposed,
    layers.GlobalAveragePool: global_average,
    layers.GlobalMaxPool: global_max,
    layers.LocallyConnected1d: local,
    layers.LocallyConnected2d: local,
    layers.MaxPool: max_pool,
    layers.Pad: pad,
    layers.Upsample: upsample,
}
