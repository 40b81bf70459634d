"""Numbers of few bits: `x ≈ (q − zero) · scale`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import Array

from ._convolution import convolved
from ._table import Call, operator
from ._types import EIGHT_BITS, cast, type_of
from ._windows import slide

Lengths = Sequence[int] | None


def whole(dtype: Any) -> bool:
    """Whether a type is one of whole numbers, of however few bits."""
    return jnp.issubdtype(dtype, jnp.integer)


def spread(at: Call, values: Any, x: Any, axis: int, block: int) -> Any:
    """One value for all, for each place along an axis, or for each block of places, so that it meets x."""
    if values.size == 1:
        return values.reshape(())
    if not block:
        return along_axis(values, x.ndim, axis)
    repeated = at.xp.repeat(values, block, axis)
    return at.xp.take(repeated, np.arange(x.shape[axis]), axis)


def along_axis(values: Any, rank: int, axis: int) -> Any:
    """One value for each place along an axis of arrays of so many axes."""
    return values.reshape([-1 if i == axis % rank else 1 for i in range(rank)])


def held(at: Call, x: Any, dtype: Any) -> Any:
    """x in a type of whole numbers, cut off at its ends."""
    info = ml_dtypes.iinfo(dtype)
    return at.xp.clip(x, int(info.min), int(info.max)).astype(dtype)


@operator("QuantizeLinear")
def quantize(
    at: Call, x: Any, scale: Any, zero: Any = None, *,
    axis: int = 1, saturate: int = 1, block_size: int = 0, output_dtype: int = 0, precision: int = 0,
) -> Any:  # fmt: skip
    dtype = zero.dtype if zero is not None else type_of(output_dtype or 2)
    exact = type_of(precision) if precision else scale.dtype if x.dtype == np.int32 else x.dtype
    ratio = x.astype(exact) / spread(at, scale, x, axis, block_size).astype(exact)
    ratio = ratio.astype(at.type(np.float64)) if whole(dtype) else ratio
    start = 0 if zero is None else spread(at, zero, x, axis, block_size).astype(ratio.dtype)
    if not whole(dtype):
        return cast(at, ratio + start, np.dtype(dtype), bool(saturate))
    return held(at, at.xp.round(ratio) + start, dtype)


@operator("DequantizeLinear")
def dequantize(
    at: Call, x: Any, scale: Any, zero: Any = None, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0
) -> Any:
    y = x.astype(np.float32)
    if zero is not None and x.dtype not in EIGHT_BITS:
        y = y - spread(at, zero, x, axis, block_size).astype(np.float32)
    y = y * spread(at, scale, x, axis, block_size).astype(np.float32)
    return y.astype(type_of(output_dtype) if output_dtype else scale.dtype)


@operator("DynamicQuantizeLinear")
def dynamic_quantize(at: Call, x: Any) -> tuple[Any, Any, Any]:
    """x in eight bits, whose scale and zero are such that they reach from the least of x to its largest, and to 0."""
    low, high = at.xp.minimum(x.min(), 0), at.xp.maximum(x.max(), 0)
    scale = at.xp.where(high == low, at.xp.ones_like(high), high - low) / np.asarray(255, x.dtype)
    zero = at.xp.round(at.xp.clip(-low / scale, 0, 255))
    y = at.xp.clip(at.xp.round(x / scale) + zero, 0, 255).astype(np.uint8)
    return y, at.xp.asarray(scale, x.dtype), at.xp.asarray(zero.astype(np.uint8))


def away_from(x: Any, zero: Any, axis: int) -> Array:
    """x − zero in 32 bits; one zero for all, or one for each place along an axis."""
    x = jnp.asarray(x, jnp.int32)
    if zero is None:
        return x
    zero = jnp.asarray(zero, jnp.int32)
    return x - (
        zero
        if zero.ndim != 1 or zero.size == 1
        else zero.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    )


@operator("MatMulInteger", in_jax=True)
def matmul_integer(at: Call, a: Array, b: Array, a_zero: Any = None, b_zero: Any = None) -> Array:
    return away_from(a, a_zero, -2) @ away_from(b, b_zero, -1)


@operator("ConvInteger", in_jax=True)
def conv_integer(
    at: Call, x: Array, weight: Array, x_zero: Any = None, w_zero: Any = None, *,
    auto_pad: str = "NOTSET", dilations: Lengths = None, group: int = 1, kernel_shape: Lengths = None,
    pads: Lengths = None, strides: Lengths = None,
) -> Array:  # fmt: skip
    by = slide(x.shape[2:], weight.shape[2:], strides=strides, dilations=dilations, pads=pads, auto_pad=auto_pad)
    return convolved(away_from(x, x_zero, 1), away_from(weight, w_zero, 0), by, group)


def rescaled(at: Call, y: Array, ratio: Any, zero: Any, dtype: Any) -> Array:
    """A sum of products of whole numbers, in the scale and type wanted."""
    exact = y.astype(at.type(np.float64)) * ratio
    return held(at, jnp.round(exact) + (0 if zero is None else jnp.asarray(zero, jnp.int32)), dtype)


@operator("QLinearMatMul", in_jax=True)
def qlinear_matmul(
    at: Call, a: Array, a_scale: Any, a_zero: Any, b: Array, b_scale: Any, b_zero: Any, y_scale: Any, y_zero: Any
) -> Array:
    scales = [along_rows(a_scale, -2), along_rows(b_scale, -1), along_rows(y_scale, -2)]
    ratio = scales[0].astype(jnp.float32) * scales[1].astype(jnp.float32) / scales[2].astype(jnp.float32)
    return rescaled(at, away_from(a, a_zero, -2) @ away_from(b, b_zero, -1), ratio, y_zero, y_zero.dtype)


def along_rows(scale: Any, axis: int) -> Array:
    """A scale for all, or one for each row or column of a matrix."""
    scale = jnp.asarray(scale)
    return scale if scale.ndim != 1 or scale.size == 1 else scale.reshape((-1, 1) if axis == -2 else (1, -1))


@operator("QLinearConv", in_jax=True)
def qlinear_conv(
    at: Call, x: Array, x_scale: Any, x_zero: Any, weight: Array, w_scale: Any, w_zero: Any, y_scale: Any, y_zero: Any,
    bias: Array | None = None, *,
    auto_pad: str = "NOTSET", dilations: Lengths = None, group: int = 1, kernel_shape: Lengths = None,
    pads: Lengths = None, strides: Lengths = None,
) -> Array:  # fmt: skip
    by = slide(x.shape[2:], weight.shape[2:], strides=strides, dilations=dilations, pads=pads, auto_pad=auto_pad)
    y = convolved(away_from(x, x_zero, 1), away_from(weight, w_zero, 0), by, group)
    by_channel = (-1,) + (1,) * (x.ndim - 2)
    y = y if bias is None else y + jnp.reshape(bias, by_channel)
    ratio = (
        jnp.asarray(x_scale) * jnp.reshape(w_scale, by_channel if np.size(w_scale) > 1 else ()) / jnp.asarray(y_scale)
    )
    return rescaled(at, y, ratio, y_zero, y_zero.dtype)
