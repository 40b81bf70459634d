"""Normalization, channels first; and dropout, which at inference does nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from ._table import Call, operator
from ._types import type_of


def by_channel(x: Array, values: Array) -> Array:
    """One value for each channel, so that it meets x (batch, channels, ...)."""
    return values.reshape((-1,) + (1,) * (x.ndim - 2))


def standard(at: Call, x: Array, axes: Sequence[int], epsilon: float) -> tuple[Array, Array, Array]:
    """x with mean 0 and variance 1 over the axes; its mean, and 1 / √(variance + ε)."""
    axes = tuple(axes)
    mean = x.mean(axes, keepdims=True)
    inverse = 1 / at.xp.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + epsilon)
    return (x - mean) * inverse, mean, inverse


def stash(x: Array, number: int) -> Array:
    """x in the precision that statistics are taken in: a type of ONNX, and no less than x's own."""
    return x.astype(jnp.promote_types(type_of(number), x.dtype))


@operator("BatchNormalization")
def batch_normalization(
    at: Call, x: Array, scale: Array, bias: Array, mean: Array, variance: Array, *,
    epsilon: float = 1e-5, momentum: float = 0.9, training_mode: int = 0, is_test: int = 0, spatial: int = 1,
) -> tuple[Array, ...]:  # fmt: skip
    """With the running statistics, or in training with those of the batch, which then join the running ones."""
    if not spatial:
        raise at.refuse("spatial=0 is not supported")
    if training_mode or (at.opset < 14 and at.outputs > 1):
        axes = tuple(i for i in range(x.ndim) if i != 1)
        kept = mean, variance
        mean, variance = at.xp.mean(x, axes), at.xp.var(x, axes)
        pairs = zip(kept, (mean, variance), strict=True)
        followed = tuple((momentum * old + (1 - momentum) * new).astype(old.dtype) for old, new in pairs)
    else:
        followed = ()
    factor = scale * 1 / at.xp.sqrt(variance + epsilon)
    y = (x - by_channel(x, mean)) * by_channel(x, factor) + by_channel(x, bias)
    return y.astype(x.dtype), *followed


@operator("InstanceNormalization")
def instance_normalization(at: Call, x: Array, scale: Array, bias: Array, *, epsilon: float = 1e-5) -> Array:
    y, _, _ = standard(at, x, range(2, x.ndim), epsilon)
    return y * by_channel(x, scale) + by_channel(x, bias)


@operator("GroupNormalization")
def group_normalization(
    at: Call, x: Array, scale: Array, bias: Array, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1
) -> Array:
    """A scale and shift for each channel; before opset 21 for each group."""
    groups = stash(x, stash_type).reshape(x.shape[0], num_groups, -1)
    y = standard(at, groups, (2,), epsilon)[0].reshape(x.shape).astype(x.dtype)
    if at.opset < 21:
        scale, bias = (at.xp.repeat(a, x.shape[1] // num_groups) for a in (scale, bias))
    return y * by_channel(x, scale) + by_channel(x, bias)


@operator("LayerNormalization")
def layer_normalization(
    at: Call, x: Array, scale: Array, bias: Array | None = None, *,
    axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1,
) -> tuple[Array, Array, Array]:  # fmt: skip
    y, mean, inverse = standard(at, stash(x, stash_type), range(axis % x.ndim, x.ndim), epsilon)
    y = y.astype(x.dtype) * scale
    return (y if bias is None else y + bias), mean, inverse


@operator("RMSNormalization")
def rms_normalization(
    at: Call, x: Array, scale: Array, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Array:
    inner = stash(x, stash_type)
    squares = (inner * inner).mean(tuple(range(axis % x.ndim, x.ndim)), keepdims=True)
    return (inner * 1 / at.xp.sqrt(squares + epsilon)).astype(x.dtype) * scale


@operator("LpNormalization")
def lp_normalization(at: Call, x: Array, *, axis: int = -1, p: int = 2) -> Array:
    """x over its norm along the axis; 0 where that is 0."""
    norm = (at.xp.abs(x) ** p).sum(axis, keepdims=True) ** (1 / p)
    return at.xp.where(norm == 0, 0, x / at.xp.where(norm == 0, 1, norm))


@operator("MeanVarianceNormalization")
def mean_variance_normalization(at: Call, x: Array, *, axes: Sequence[int] = (0, 2, 3)) -> Array:
    away = x - at.xp.mean(x, tuple(axes), keepdims=True)
    return away / (at.xp.sqrt((away * away).mean(tuple(axes), keepdims=True)) + 1e-9)


@operator("LRN")
def local_response_normalization(
    at: Call, x: Array, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> Array:
    """x over a power of the mean square in a window of channels around it."""
    before = (size - 1) // 2
    squares = at.xp.pad(x * x, [(before, size - 1 - before) if i == 1 else (0, 0) for i in range(x.ndim)])
    total = sum(squares[:, i : i + x.shape[1]] for i in range(size))
    return x / (bias + alpha / size * total) ** beta


@operator("Dropout", known=(1, 2))
def dropout(
    at: Call, x: Any, share: Any = None, training: Any = None, *,
    ratio: float = 0.5, seed: int | None = None, is_test: int = 1,
) -> tuple[Any, Any]:  # fmt: skip
    """x and which numbers are kept: all at inference; in training as the seed draws, by NumPy's RandomState."""
    ratio = ratio if share is None else float(np.asarray(share))
    if training is None or not training.any() or ratio == 0:
        return x, np.ones(x.shape, bool)
    if seed is None:
        raise at.refuse("a draw without a seed cannot be repeated: train with a Dropout layer in its place")
    kept = np.random.RandomState(seed).uniform(0, 1, x.shape) >= ratio
    return at.xp.where(kept, x * np.asarray(1 / (1 - ratio), x.dtype), at.xp.zeros_like(x)), kept
