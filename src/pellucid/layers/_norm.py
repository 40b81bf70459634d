"""Normalization: numbers brought to mean 0 and variance 1 over some axes, then scaled and shifted per channel."""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..affine import Lowering, Value, as_float
from ..errors import SettingError, ShapeError
from ..module import Layer, running, static
from ..shapes import expect, words
from ._sequences import Sequences, counted, like, values_of, where
from ._sums import summed

Axes = tuple[int, ...]


class BatchNorm(Layer):
    """Each channel at mean 0 and variance 1 over the batch: `y = w (x − mean) / √(variance + ε) + b`.

    In training the statistics are those of the batch, over all axes but the last; the running ones follow them,
    `new = (1 − momentum) old + momentum · batch`, and take their place at inference. The batch's variance divides by
    n to normalize, and by n − 1 on its way into the running one. Of sequences only the steps that count are seen, and
    y is 0 at the others.

    Shapes: x (batch, ..., n) -> y (the same); weight and bias (n,), or None; mean and variance (n,).
    Blame:  dx = w s (dy − mean(dy) − x̂ mean(dy x̂)), with s = 1 / √(variance + ε) and x̂ = (x − mean) s; at inference
        dx = w s dy. dw = Σ dy x̂;  db = Σ dy. For the running statistics: new − old.
    Raises: ShapeError where x is not (batch, ..., n), or has one value for each channel in training.
    Source: Ioffe and Szegedy 2015, Batch Normalization, algorithm 1; PyTorch's conventions for the running statistics.
    Example:
        >>> net = BatchNorm.create(1)
        >>> y, _ = net.forward(jnp.array([[1.0], [3.0]]), key=jax.random.key(0))
        >>> y.round(3).tolist(), net(jnp.array([[1.0], [2.0]])).round(3).tolist()  # net has not been trained
        ([[-1.0], [1.0]], [[1.0], [2.0]])
    """

    reads_lengths: ClassVar[bool] = True
    weight: Array | None
    bias: Array | None
    mean: Array = running()
    variance: Array = running()
    momentum: float = static(default=0.1)
    epsilon: float = static(default=1e-5)

    @classmethod
    def create(cls, n: int, *, affine: bool = True, momentum: float = 0.1, epsilon: float = 1e-5) -> BatchNorm:
        return cls(*scale_and_shift((n,), affine), jnp.zeros(n), jnp.ones(n), momentum, epsilon)

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, tuple[Standard, Any]]:
        values, counts = with_channels(self, x, self.mean), counted(x)
        mean, variance = jax.lax.stop_gradient((self.mean, self.variance))
        change = None
        if key is not None:
            mean, variance, change = self.followed(values, counts, mean, variance)
        standard = Standard(values, mean, jax.lax.rsqrt(variance + self.epsilon), counts)
        return like(x, where(counts, affine(standard.value, self.weight, self.bias))), (standard, change)

    def followed(self, x: Array, counts: Array | None, mean: Array, variance: Array) -> tuple[Array, Array, Any]:
        """The batch's mean and variance, and by how much the running ones follow them."""
        if x.size <= mean.size:
            wanted = "more than one value for each channel in training"
            raise ShapeError("BatchNorm", wanted, f"x {words(x.shape)}", "one value alone has no variance")
        of_batch = moments(x, tuple(range(x.ndim - 1)), counts)
        number = x.size // mean.size if counts is None else counts.sum(dtype=mean.dtype)
        # A batch in which no more than one step counts says nothing about the variance: it is not followed.
        rate = jnp.where(number > 1, self.momentum, 0).astype(mean.dtype)
        bessel = (1, number / jnp.maximum(number - 1, 1))
        pairs = zip(of_batch, bessel, (mean, variance), strict=True)
        return *of_batch, tuple(rate * (new.reshape(-1) * factor - old) for new, factor, old in pairs)

    def backward(self, saved: tuple[Standard, Any], dy: Array) -> tuple[Array, BatchNorm]:
        standard, change = saved
        dy = where(standard.counts, dy)
        along, total = summed(dy * standard.value), summed(dy)  # Σ dy x̂ and Σ dy serve dx too
        dmean, dvariance = jnp.zeros_like(self.mean), jnp.zeros_like(self.variance)
        d = dy
        if change is not None:
            dmean, dvariance = change
            number = dy.size // total.size if standard.counts is None else standard.counts.sum(dtype=dy.dtype)
            d = where(standard.counts, dy - (total + standard.value * along) / jnp.maximum(number, 1))
        dx = affine(standard.scale * d, self.weight, None)
        dweight, dbias = (None if a is None else b.reshape(-1) for a, b in ((self.weight, along), (self.bias, total)))
        return dx, BatchNorm(dweight, dbias, dmean, dvariance, self.momentum, self.epsilon)

    def lower(self, at: Lowering, x: Value) -> Value:
        scale = 1 / np.sqrt(as_float(self.variance) + self.epsilon)
        scale = scale if self.weight is None else scale * as_float(self.weight)
        mean, bias = as_float(self.mean) * scale, 0.0 if self.bias is None else as_float(self.bias)
        return at.scale(x, scale, bias - mean, abs(mean) + abs(bias))


class LayerNorm(Layer):
    """Each example at mean 0 and variance 1 by itself: `y = w (x − mean) / √(variance + ε) + b`, over the last axis.

    A weight of several axes normalizes over as many last axes of x.

    Shapes: x (..., n) -> y (the same); weight and bias (n,), or of the shape of the last axes of x, or None.
    Blame:  dx = s (d − mean(d) − x̂ mean(d x̂)) with d = w dy, s = 1 / √(variance + ε) and x̂ = (x − mean) s;
        dw = Σ dy x̂;  db = Σ dy.
    Raises: ShapeError where x does not end in the axes of the weight.
    Source: Ba, Kiros and Hinton 2016, Layer Normalization, eq. 4.
    Example:
        >>> LayerNorm.create(2)(jnp.array([[1.0, 3.0]])).round(3).tolist()
        [[-1.0, 1.0]]
    """

    weight: Array | None
    bias: Array | None
    epsilon: float = static(default=1e-5)

    @classmethod
    def create(cls, *shape: int, affine: bool = True, epsilon: float = 1e-5) -> LayerNorm:
        return cls(*scale_and_shift(shape, affine), epsilon)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Standard]:
        last = ("features",) if self.weight is None else self.weight.shape
        expect(self, x, ("...", *last))
        standard = standardized(x, tuple(range(-len(last), 0)), self.epsilon)
        return affine(standard.value, self.weight, self.bias), standard

    def backward(self, saved: Standard, dy: Array) -> tuple[Array, LayerNorm]:
        d, dweight, dbias = affine_blame(self, saved, dy)
        axes = tuple(range(-1 if self.weight is None else -self.weight.ndim, 0))
        return standard_blame(saved, d, axes), LayerNorm(dweight, dbias, self.epsilon)


class GroupNorm(Layer):
    """Each example's channels at mean 0 and variance 1 group by group: `y = w (x − mean) / √(variance + ε) + b`.

    The channels are cut into `groups` of neighbours; the statistics are over a group and all axes between batch and
    channels. Of sequences only the steps that count are seen, and y is 0 at the others.

    Shapes: x (batch, ..., n) -> y (the same); weight and bias (n,), or None.
    Blame:  dx = s (d − mean(d) − x̂ mean(d x̂)) with d = w dy, s = 1 / √(variance + ε) and x̂ = (x − mean) s;
        dw = Σ dy x̂;  db = Σ dy.
    Raises: ShapeError where x is not (batch, ..., n) or the groups do not divide n.
    Source: Wu and He 2018, Group Normalization, eq. 1-7.
    """

    reads_lengths: ClassVar[bool] = True
    weight: Array | None
    bias: Array | None
    groups: int = static()
    epsilon: float = static(default=1e-5)

    @classmethod
    def create(cls, n: int, groups: int, *, affine: bool = True, epsilon: float = 1e-5) -> GroupNorm:
        if groups < 1 or n % groups:
            raise SettingError(f"GroupNorm wants groups that divide the channels, got {groups} groups of {n} channels.")
        return cls(*scale_and_shift((n,), affine), groups, epsilon)

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Standard]:
        values, counts = with_channels(self, x, self.weight), counted(x)
        if values.shape[-1] % self.groups:
            raise ShapeError("GroupNorm", f"channels in {self.groups} equal groups", f"x {words(values.shape)}")
        standard = standardized(values, between(values), self.epsilon, counts, self.groups)
        return like(x, where(counts, affine(standard.value, self.weight, self.bias))), standard

    def backward(self, saved: Standard, dy: Array) -> tuple[Array, GroupNorm]:
        d, dweight, dbias = affine_blame(self, saved, where(saved.counts, dy))
        dx = standard_blame(saved, d, between(d), self.groups)
        return dx, GroupNorm(dweight, dbias, self.groups, self.epsilon)


class InstanceNorm(Layer):
    """Each channel of each example at mean 0 and variance 1: `y = w (x − mean) / √(variance + ε) + b`.

    The statistics are over the axes between batch and channels. Of sequences only the steps that count are seen, and
    y is 0 at the others.

    Shapes: x (batch, ..., n) -> y (the same); weight and bias (n,), or None.
    Blame:  dx = s (d − mean(d) − x̂ mean(d x̂)) with d = w dy, s = 1 / √(variance + ε) and x̂ = (x − mean) s;
        dw = Σ dy x̂;  db = Σ dy.
    Raises: ShapeError where x is not (batch, ..., n), or has no more than one value between batch and channels.
    Source: Ulyanov, Vedaldi and Lempitsky 2016, Instance Normalization, eq. 1-3.
    """

    reads_lengths: ClassVar[bool] = True
    weight: Array | None
    bias: Array | None
    epsilon: float = static(default=1e-5)

    @classmethod
    def create(cls, n: int, *, affine: bool = False, epsilon: float = 1e-5) -> InstanceNorm:
        return cls(*scale_and_shift((n,), affine), epsilon)

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Standard]:
        values, counts = with_channels(self, x, self.weight), counted(x)
        if math.prod(values.shape[1:-1]) < 2:
            wanted = "more than one value for each channel of an example"
            raise ShapeError("InstanceNorm", wanted, f"x {words(values.shape)}", "one value alone has no variance")
        standard = standardized(values, between(values), self.epsilon, counts)
        return like(x, where(counts, affine(standard.value, self.weight, self.bias))), standard

    def backward(self, saved: Standard, dy: Array) -> tuple[Array, InstanceNorm]:
        d, dweight, dbias = affine_blame(self, saved, where(saved.counts, dy))
        return standard_blame(saved, d, between(d)), InstanceNorm(dweight, dbias, self.epsilon)


class RMSNorm(Layer):
    """Each example at mean square 1, its mean left as it is: `y = w x / √(mean(x²) + ε)`, over the last axis.

    Shapes: x (..., n) -> y (the same); weight (n,), or None.
    Blame:  dx = s (d − x̂ mean(d x̂)) with d = w dy, s = 1 / √(mean(x²) + ε) and x̂ = x s;  dw = Σ dy x̂.
    Raises: ShapeError where x does not end in n features.
    Source: Zhang and Sennrich 2019, Root Mean Square Layer Normalization, eq. 4.
    Example:
        >>> RMSNorm.create(4)(jnp.array([[0.0, 0.0, 0.0, 3.0]])).round(3).tolist()
        [[0.0, 0.0, 0.0, 2.0]]
    """

    weight: Array | None
    epsilon: float = static(default=1e-5)

    @classmethod
    def create(cls, n: int, *, affine: bool = True, epsilon: float = 1e-5) -> RMSNorm:
        return cls(jnp.ones(n) if affine else None, epsilon)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
        expect(self, x, ("...", "features" if self.weight is None else self.weight.shape[0]))
        scale = jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + self.epsilon)
        return affine(x * scale, self.weight, None), (x, scale)

    def backward(self, saved: tuple[Array, Array], dy: Array) -> tuple[Array, RMSNorm]:
        x, scale = saved
        unit = x * scale
        d = dy if self.weight is None else dy * self.weight
        dweight = None if self.weight is None else summed(dy * unit).reshape(-1)
        return scale * (d - unit * (d * unit).mean(-1, keepdims=True)), RMSNorm(dweight, self.epsilon)


class Standard(NamedTuple):
    """What makes x standard, `x̂ = (x − mean) · scale`; kept in parts, as x is there already and x̂ would be new."""

    x: Array
    mean: Array
    scale: Array
    counts: Array | None = None

    @property
    def value(self) -> Array:
        # Not `x · scale − mean · scale`: where the mean is large that would be a small difference of large numbers.
        return where(self.counts, (self.x - self.mean) * self.scale)


def standardized(
    x: Array, axes: Axes, epsilon: float, counts: Array | None = None, groups: int | None = None
) -> Standard:
    mean, variance = moments(x, axes, counts, groups)
    return Standard(x, mean, jax.lax.rsqrt(variance + epsilon), counts)


def standard_blame(standard: Standard, d: Array, axes: Axes, groups: int | None = None) -> Array:
    """dL/dx from d = dL/dx̂, where mean and scale came from x over these axes."""
    value, counts = standard.value, standard.counts
    own = average(d, axes, counts, groups) + value * average(d * value, axes, counts, groups)
    return where(counts, standard.scale * (d - own))


def moments(x: Array, axes: Axes, counts: Array | None, groups: int | None = None) -> tuple[Array, Array]:
    """Mean and variance, as `average` takes them."""
    # From one of the values, and in two passes: sums of large numbers, or mean(x²) − mean(x)², would lose what is
    # small beside a large mean.
    near = x[tuple(slice(0, 1) if axis in (a % x.ndim for a in axes) else slice(None) for axis in range(x.ndim))]
    if groups is not None:
        near = jnp.repeat(near[..., :: x.shape[-1] // groups], x.shape[-1] // groups, -1)
    mean = near + average(x - near, axes, counts, groups)
    return mean, average(jnp.square(x - mean), axes, counts, groups)


def average(x: Array, axes: Axes, counts: Array | None, groups: int | None = None) -> Array:
    """The mean over these axes of what counts, and of each channel with its neighbours where there are groups."""
    if counts is None:
        mean = summed(x, axes) / math.prod(x.shape[axis] for axis in axes)
    else:
        number = jnp.broadcast_to(counts, x.shape).sum(axes, keepdims=True)
        mean = summed(where(counts, x), axes) / jnp.maximum(number, 1)
    if groups is None:
        return mean
    shared = mean.reshape(*mean.shape[:-1], groups, -1)
    return jnp.broadcast_to(shared.mean(-1, keepdims=True), shared.shape).reshape(mean.shape)


def between(x: Array) -> Axes:
    """The axes between batch and channels."""
    return tuple(range(1, x.ndim - 1))


def with_channels(layer: Layer, x: Any, like: Array | None) -> Array:
    """The values of x, which are (batch, ..., channels) with as many channels as `like` has."""
    values, least = values_of(x), 3 if isinstance(x, Sequences) else 2
    wanted = ("channels",) if like is None else like.shape
    if getattr(values, "ndim", 0) < least or (like is not None and values.shape[-1:] != wanted):
        expect(layer, values, ("batch", "time", "...", *wanted) if least == 3 else ("batch", "...", *wanted))
    return values


def affine(x: Array, weight: Array | None, bias: Array | None) -> Array:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def affine_blame(layer: Any, standard: Standard, dy: Array) -> tuple[Array, Array | None, Array | None]:
    """dL/dx̂, and the blame of weight and bias."""
    weight, bias = layer.weight, layer.bias
    dbias = None if bias is None else summed(dy, tuple(range(dy.ndim - bias.ndim))).reshape(bias.shape)
    if weight is None:
        return dy, None, dbias
    dweight = summed(dy * standard.value, tuple(range(dy.ndim - weight.ndim))).reshape(weight.shape)
    return dy * weight, dweight, dbias


def scale_and_shift(shape: tuple[int, ...], affine: bool) -> tuple[Array | None, Array | None]:
    if not shape or min(shape) < 1:
        raise SettingError(f"A normalization wants at least one channel, got {words(shape)}.")
    return (jnp.ones(shape), jnp.zeros(shape)) if affine else (None, None)
