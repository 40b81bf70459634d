"""Convolutions, channels first."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ._table import Call, operator
from ._windows import Slide, slide, windows

Lengths = Sequence[int] | None


def numbers(axes: int) -> tuple[str, str, str]:
    """The names of the axes of x, the kernel and y, as `lax` wants them."""
    places = "DHW"[-axes:] if axes <= 3 else "ABCDEFGH"[:axes]
    return f"NC{places}", f"OI{places}", f"NC{places}"


def convolved(x: Array, weight: Array, by: Slide, group: int) -> Array:
    return lax.conv_general_dilated(
        x, weight, by.stride, by.whole, rhs_dilation=by.dilation, feature_group_count=group,
        dimension_numbers=numbers(x.ndim - 2),
    )  # fmt: skip


def with_bias(y: Array, bias: Array | None) -> Array:
    return y if bias is None else y + jnp.reshape(bias, (-1,) + (1,) * (y.ndim - 2))


@operator("Conv", in_jax=True)
def conv(
    at: Call, x: Array, weight: Array, bias: Array | None = None, *,
    auto_pad: str = "NOTSET", dilations: Lengths = None, group: int = 1, kernel_shape: Lengths = None,
    pads: Lengths = None, strides: Lengths = None,
) -> Array:  # fmt: skip
    """x (batch, channels, places...), weight (out, channels / group, window...), bias (out,)."""
    by = slide(x.shape[2:], weight.shape[2:], strides=strides, dilations=dilations, pads=pads, auto_pad=auto_pad)
    return with_bias(convolved(jnp.asarray(x), jnp.asarray(weight), by, group), bias)


def turned(weight: Array, group: int) -> Array:
    """A kernel (in, out / group, window...) turned round, as (out, in / group, window...)."""
    n_in, each, *size = weight.shape
    parts = jnp.reshape(weight, (group, n_in // group, each, *size)).swapaxes(1, 2)
    return jnp.flip(parts.reshape(group * each, n_in // group, *size), range(2, 2 + len(size)))


@operator("ConvTranspose", in_jax=True)
def conv_transpose(
    at: Call, x: Array, weight: Array, bias: Array | None = None, *,
    auto_pad: str = "NOTSET", dilations: Lengths = None, group: int = 1, kernel_shape: Lengths = None,
    output_padding: Lengths = None, output_shape: Lengths = None, pads: Lengths = None, strides: Lengths = None,
) -> Array:  # fmt: skip
    """The transposed convolution; weight (channels, out / group, window...)."""
    axes = x.ndim - 2
    stride, dilation = tuple(strides or (1,) * axes), tuple(dilations or (1,) * axes)
    more = tuple(output_padding or (0,) * axes)
    spans = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    wanted = output_shape
    if wanted is None and auto_pad.startswith("SAME"):
        wanted = [n * s for n, s in zip(x.shape[2:], stride, strict=True)]
    if wanted is None:
        given = list(pads or (0,) * 2 * axes)
        pairs = list(zip(given[:axes], given[axes:], strict=True))
    else:
        along = zip(x.shape[2:], stride, more, spans, tuple(wanted)[-axes:], strict=True)
        total = [s * (n - 1) + m + span + 1 - out for n, s, m, span, out in along]
        pairs = [(t // 2, t - t // 2) if auto_pad == "SAME_UPPER" else (t - t // 2, t // 2) for t in total]
    padding = [(span - a, span - b + m) for span, (a, b), m in zip(spans, pairs, more, strict=True)]
    y = lax.conv_general_dilated(
        jnp.asarray(x), turned(weight, group), (1,) * axes, padding, lhs_dilation=stride, rhs_dilation=dilation,
        feature_group_count=group, dimension_numbers=numbers(axes),
    )  # fmt: skip
    return with_bias(y, bias)


@operator("CausalConvWithState", in_jax=True)
def causal_conv(
    at: Call, x: Array, weight: Array, bias: Array | None = None, past: Array | None = None, *, activation: str = "none"
) -> tuple[Array, Array]:
    """A depthwise convolution that sees only what came before, and the last steps, for the next call."""
    before = weight.shape[2] - 1
    past = jnp.zeros((*x.shape[:2], before), x.dtype) if past is None else past
    seen = jnp.concatenate([past, x], 2)
    by = Slide((before + 1,), (1,), (1,), ((0, 0),), (0,))
    y = with_bias(convolved(seen, jnp.asarray(weight), by, x.shape[1]), bias)
    if activation not in ("none", "silu", "swish"):
        raise at.refuse(f"there is no activation {activation!r}")
    return (y if activation == "none" else jax.nn.silu(y)), seen[:, :, seen.shape[2] - before :]


@operator("Col2Im", known=(1, 2), in_jax=True)
def image_of_columns(
    at: Call, columns: Array, image: Any, block: Any, *,
    dilations: Lengths = None, pads: Lengths = None, strides: Lengths = None,
) -> Array:  # fmt: skip
    """The sum of windows put back where they were: what `windows` does, transposed."""
    size, places = tuple(map(int, block)), tuple(map(int, image))
    by = slide(places, size, strides=strides, dilations=dilations, pads=pads, auto_pad="NOTSET")
    shape = (columns.shape[0], columns.shape[1] // prod(size), *places)
    like = jax.ShapeDtypeStruct(shape, columns.dtype)

    def taken(x: Array) -> Array:
        return jnp.moveaxis(windows(x, by, 0), 0, 2).reshape(*shape[:2], prod(size), -1)

    (x,) = jax.linear_transpose(taken, like)(jnp.reshape(columns, (*shape[:2], prod(size), -1)))
    return x


@operator("DeformConv", in_jax=True)
def deformable_conv(
    at: Call, x: Array, weight: Array, offset: Array, bias: Array | None = None, mask: Array | None = None, *,
    dilations: Lengths = None, group: int = 1, kernel_shape: Lengths = None, offset_group: int = 1,
    pads: Lengths = None, strides: Lengths = None,
) -> Array:  # fmt: skip
    """A convolution whose taps are moved by offsets, (batch, groups · taps · 2, h, w), and weighed by a mask."""
    if x.ndim != 4:
        raise at.refuse("only pictures are supported")
    (n, c, _, _), size, (h, w) = x.shape, weight.shape[2:], offset.shape[2:]
    by = slide(x.shape[2:], size, strides=strides, dilations=dilations, pads=pads, auto_pad="NOTSET")
    taps = prod(size)
    moved = jnp.reshape(offset, (n, offset_group, taps, 2, h, w))
    grid = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), -1).reshape(taps, 2)
    corner = [s * np.arange(m) - p for s, m, (p, _) in zip(by.stride, (h, w), by.padding, strict=True)]
    rows = moved[:, :, :, 0] + (grid[:, 0] * by.dilation[0])[:, None, None] + corner[0][:, None]
    columns = moved[:, :, :, 1] + (grid[:, 1] * by.dilation[1])[:, None, None] + corner[1]
    parts = jnp.reshape(x, (n, offset_group, c // offset_group, *x.shape[2:]))
    seen = jax.vmap(jax.vmap(between))(parts, rows, columns)  # (n, groups, channels, taps, h, w)
    if mask is not None:
        seen = seen * jnp.reshape(mask, (n, offset_group, 1, taps, h, w))
    seen = seen.reshape(n, group, c // group, taps, h, w)
    kernel = jnp.reshape(weight, (group, -1, c // group, taps))
    y = jnp.einsum("ngcthw,goct->ngohw", seen, kernel).reshape(n, -1, h, w)
    return with_bias(y, bias).astype(x.dtype)


def between(x: Array, rows: Array, columns: Array) -> Array:
    """x (channels, h, w) at places between its own, by the four around each; 0 beyond the picture."""
    top, left = jnp.floor(rows), jnp.floor(columns)
    total: Any = 0
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        r, q = (top + i).astype(int), (left + j).astype(int)
        share = (1 - abs(rows - r)) * (1 - abs(columns - q))
        inside = (r >= 0) & (r < x.shape[1]) & (q >= 0) & (q < x.shape[2])
        total += x[:, jnp.clip(r, 0, x.shape[1] - 1), jnp.clip(q, 0, x.shape[2] - 1)] * jnp.where(inside, share, 0)
    return total
