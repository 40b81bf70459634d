"""Convolution without sharing: every place has a kernel of its own."""

from __future__ import annotations

from math import prod
from typing import ClassVar, Self

import jax
import jax.numpy as jnp
from jax import Array

from ..affine import Lowering, Value
from ..errors import ShapeError
from ..initializers import Initializer, glorot_uniform, zeros
from ..module import Layer, static
from ..shapes import words
from ._conv import AXES, Padding, Pairs, kernel_shape, one_of, per_axis, per_side, slide_over
from ._lowering import Slide, index_of, spread, windows
from ._windows import Sizes


class Local(Layer):
    """What layers with a kernel at every place have in common: all but the number of axes."""

    axes: ClassVar[int]
    groups: ClassVar[int] = 1
    weight: Array
    bias: Array | None
    stride: tuple[int, ...] = static()
    padding: str | Pairs = static()
    dilation: tuple[int, ...] = static()

    def __init__(
        self,
        weight: Array,
        bias: Array | None = None,
        stride: Sizes = 1,
        padding: Padding = "valid",
        dilation: Sizes = 1,
    ):
        who, axes = type(self).__name__, self.axes
        self.weight, self.bias = checked(who, axes, weight), bias
        self.stride = per_axis(who, axes, "stride", stride)
        self.padding = per_side(who, axes, padding)
        self.dilation = per_axis(who, axes, "dilation", dilation)

    @classmethod
    def create(
        cls,
        n_in: int,
        n_out: int,
        size: Sizes,
        over: Sizes,
        *,
        key: Array,
        stride: Sizes = 1,
        padding: Padding = "valid",
        dilation: Sizes = 1,
        bias: bool = True,
        init: Initializer = glorot_uniform,
    ) -> Self:
        """A kernel for every place over an input whose axes are as long as `over` says."""
        who, axes = cls.__name__, cls.axes
        none = jnp.zeros((*(0,) * axes, *kernel_shape(who, axes, n_in, n_out, size, 1)))
        empty = cls(none, None, stride, padding, dilation)
        arrays = drawn(empty, per_axis(who, axes, "over", over), key, bias, init)
        return cls(*arrays, stride, padding, dilation)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
        at, kernel = slide_over(self, x), self.weight.shape[self.axes :]
        check_places(self, x, at)
        places = self.weight.shape[: self.axes]
        seen = jnp.stack(windows(x, kernel[:-2], at), -2).reshape(len(x), prod(places), -1)
        y = jnp.einsum("bpi,pio->bpo", seen, self.weight.reshape(*seen.shape[1:], -1)).reshape(len(x), *places, -1)
        return y if self.bias is None else y + self.bias, (x, seen)

    def backward(self, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Self]:
        x, seen = saved
        at, size = slide_over(self, x), self.weight.shape[self.axes : -2]
        rows = dy.reshape(*seen.shape[:2], -1)
        dweight = jnp.einsum("bpi,bpo->pio", seen, rows).reshape(self.weight.shape)
        dseen = jnp.einsum("bpo,pio->bpi", rows, self.weight.reshape(*seen.shape[1:], -1))
        dseen = dseen.reshape(*dy.shape[:-1], prod(size), x.shape[-1])
        dx = spread([dseen[..., k, :] for k in range(prod(size))], size, at, x.shape)
        dbias = None if self.bias is None else dy.sum(0)
        return dx, type(self)(dweight, dbias, self.stride, self.padding, self.dilation)

    def lower(self, at: Lowering, x: Value) -> Value:
        over = slide_over(self, one_of(x))
        check_places(self, one_of(x), over)
        index, places = index_of(x.shape[:-1], self.weight.shape[self.axes : -2], over)
        weight = self.weight.reshape(*index.shape, *self.weight.shape[-2:])
        bias = None if self.bias is None else self.bias.reshape(len(index), -1)
        return at.windows(x, index, weight, bias, places)


class LocallyConnected1d(Local):
    """Each place of a sequence has its kernel: `y[p] = Σ_k x[p · stride + k · dilation − padding] W[p, k] + b[p]`.

    The geometry is that of `Conv1d`; `unshare` gives the one that computes what a convolution does, `share` leads back.

    Shapes: x (batch, length, in) -> y (batch, places, out); weight (places, size, in, out); bias (places, out), or None
        for none.
    Blame:  dx[q] = Σ_k,p dy[p] W[p, k]ᵀ over p · stride + k · dilation − padding = q;
        dW[p, k] = Σ_batch x[p · stride + k · dilation − padding]ᵀ dy[p];  db[p] = Σ_batch dy[p].
    Raises: SettingError where a setting is impossible; ShapeError where x has other axes, channels or places.
    Source: LeCun 1989, Generalization and network design strategies, section 4 (networks with and without sharing).
    Example:
        >>> LocallyConnected1d.create(4, 8, 3, 20, key=jax.random.key(0))(jnp.ones((5, 20, 4))).shape
        (5, 18, 8)
    """

    axes: ClassVar[int] = 1


class LocallyConnected2d(Local):
    """Each place of a picture has its kernel: `y[p] = Σ_k x[p · stride + k · dilation − padding] W[p, k] + b[p]`.

    The geometry is that of `Conv2d`; `unshare` gives the one that computes what a convolution does, `share` leads back.

    Shapes: x (batch, height, width, in) -> y (batch, rows, columns, out); weight
        (rows, columns, kernel height, kernel width, in, out); bias (rows, columns, out), or None for none.
    Blame:  dx[q] = Σ_k,p dy[p] W[p, k]ᵀ over p · stride + k · dilation − padding = q;
        dW[p, k] = Σ_batch x[p · stride + k · dilation − padding]ᵀ dy[p];  db[p] = Σ_batch dy[p].
    Raises: SettingError where a setting is impossible; ShapeError where x has other axes, channels or places.
    Source: LeCun 1989, Generalization and network design strategies, section 4 (networks with and without sharing).
    Example:
        >>> LocallyConnected2d.create(1, 2, 3, (8, 6), key=jax.random.key(0))(jnp.ones((5, 8, 6, 1))).shape
        (5, 6, 4, 2)
    """

    axes: ClassVar[int] = 2


def places_of(layer: Local, shape: tuple[int, ...], at: Slide) -> tuple[int, ...]:
    """How many places a kernel has along each axis of an x of that shape."""
    size = layer.weight.shape[len(layer.stride) : -2]
    axes = zip(shape[1:-1], size, at.padding, at.dilation, at.stride, strict=True)
    return tuple((n + sum(pair) - d * (k - 1) - 1) // s + 1 for n, k, pair, d, s in axes)


def check_places(layer: Local, x: Array, at: Slide) -> None:
    """Raise unless x has exactly the places that there are kernels for."""
    held, found = layer.weight.shape[: len(layer.stride)], places_of(layer, x.shape, at)
    if found != held:
        wanted = f"x that gives {words(held)} places, one for each kernel"
        raise ShapeError(type(layer).__name__, wanted, f"{words(found)} from x {words(x.shape)}")


def checked(who: str, rank: int, weight: Array) -> Array:
    if len(weight.shape) != 2 * rank + 2:
        places = ("places",) if rank == 1 else ("rows", "columns")
        raise ShapeError(who, f"weight {words((*places, *AXES[rank - 1], 'in', 'out'))}", words(weight.shape))
    return weight


def drawn(empty: Local, over: tuple[int, ...], key: Array, bias: bool, init: Initializer) -> tuple[Array, Array | None]:
    """A kernel drawn by itself for each place of an input of that size, and the biases."""
    rank = len(empty.stride)
    kernel = empty.weight.shape[rank:]
    shape = (1, *over, kernel[-2])
    places = places_of(empty, shape, slide_over(empty, jax.ShapeDtypeStruct(shape, jnp.float32)))
    kernels = [init(k, kernel) for k in jax.random.split(key, prod(places))]
    return jnp.stack(kernels).reshape(*places, *kernel), zeros(key, (*places, kernel[-1])) if bias else None
