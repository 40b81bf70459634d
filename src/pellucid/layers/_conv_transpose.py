"""Transposed convolution over one or two axes: every place of the input gives to several of a larger output."""

from __future__ import annotations

from math import prod
from typing import ClassVar, Self

import numpy as np
from jax import Array

from ..affine import Lowering, Value
from ..errors import SettingError, ShapeError
from ..initializers import Initializer, glorot_uniform, zeros
from ..module import Layer, static
from ..shapes import expect, words
from ._conv import AXES, grouped, kernel_shape, one_of, per_axis
from ._lowering import Slide, convolution, index_of, input_blame, kernel_blame, swapped
from ._sums import summed
from ._windows import Sizes


class TransposedConvolution(Layer):
    """What transposed convolutions over any number of axes have in common: all but that number."""

    axes: ClassVar[int]
    weight: Array
    bias: Array | None
    stride: tuple[int, ...] = static()
    padding: tuple[int, ...] = static()
    output_padding: tuple[int, ...] = static()
    dilation: tuple[int, ...] = static()
    groups: int = static()

    def __init__(
        self,
        weight: Array,
        bias: Array | None = None,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
    ):
        who, axes = type(self).__name__, self.axes
        self.weight, self.bias = weight, bias
        self.stride = per_axis(who, axes, "stride", stride)
        self.padding = per_axis(who, axes, "padding", padding, 0)
        self.dilation = per_axis(who, axes, "dilation", dilation)
        self.output_padding = behind(who, axes, output_padding, self.stride, self.dilation)
        self.groups = grouped(who, axes, weight, groups)

    @classmethod
    def create(
        cls,
        n_in: int,
        n_out: int,
        size: Sizes,
        *,
        key: Array,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        init: Initializer = glorot_uniform,
    ) -> Self:
        weight = init(key, kernel_shape(cls.__name__, cls.axes, n_in, n_out, size, groups))
        return cls(weight, zeros(key, (n_out,)) if bias else None, stride, padding, output_padding, dilation, groups)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        at, shape = slide_back(self, x)
        y = input_blame(x, swapped(self.weight, self.groups), at, shape)
        return y if self.bias is None else y + self.bias, x

    def backward(self, saved: Array, dy: Array) -> tuple[Array, Self]:
        at, _ = slide_back(self, saved)
        kernel = swapped(self.weight, self.groups)
        dx = convolution(dy, kernel, at)
        dweight = swapped(kernel_blame(dy, saved, at, kernel.shape)[0], self.groups)
        dbias = None if self.bias is None else summed(dy).reshape(-1)
        return dx, type(self)(
            dweight, dbias, self.stride, self.padding, self.output_padding, self.dilation, self.groups
        )

    def lower(self, at: Lowering, x: Value) -> Value:
        back, shape = slide_back(self, one_of(x))
        reached, _ = index_of(shape[1:-1], self.weight.shape[: self.axes], back)  # by each tap from each place of x
        index = np.full((prod(shape[1:-1]), reached.shape[1]), -1)
        for tap, places in enumerate(reached.T):
            index[places[places >= 0], tap] = np.flatnonzero(places >= 0)
        weight = self.weight.reshape(-1, *self.weight.shape[-2:])
        return at.windows(x, index, weight, self.bias, shape[1:-1], self.groups)


class ConvTranspose1d(TransposedConvolution):
    """Every place gives to its surroundings: `y[q] = Σ x[p] W[k] + b`, over p · stride + k · dilation − padding = q.

    The transpose of `Conv1d` as a linear map: its forward is that one's blame of the input. `padding` takes as many
    places away on both sides, `output_padding` adds some behind; both, and `groups`, are as in PyTorch.

    Shapes: x (batch, length, in) -> y (batch, length, out), each axis becoming
        (n − 1) stride − 2 padding + dilation (size − 1) + output_padding + 1;
        weight (size, in / groups, out); bias (out,), or None for none.
    Blame:  dx[p] = Σ_k dy[p · stride + k · dilation − padding] W[k]ᵀ;
        dW[k] = Σ_p x[p]ᵀ dy[p · stride + k · dilation − padding];  db = Σ_q dy[q].
    Raises: SettingError where a setting is impossible or groups do not divide the channels; ShapeError where x has
        other axes or channels, or nothing is left of the output.
    Source: Zeiler and others, 2010, Deconvolutional networks, equation 1.
    Example:
        >>> import jax
        >>> layer = ConvTranspose1d.create(4, 2, 4, key=jax.random.key(0), stride=2, padding=1)
        >>> layer(jax.numpy.ones((5, 10, 4))).shape
        (5, 20, 2)
    """

    axes: ClassVar[int] = 1


class ConvTranspose2d(TransposedConvolution):
    """Every place gives to its surroundings: `y[q] = Σ x[p] W[k] + b`, over p · stride + k · dilation − padding = q.

    Settings as in `ConvTranspose1d`, one for both axes or one for each.

    Shapes: x (batch, height, width, in) -> y (batch, height, width, out), each axis becoming
        (n − 1) stride − 2 padding + dilation (size − 1) + output_padding + 1;
        weight (kh, kw, in / groups, out); bias (out,), or None for none.
    Blame:  dx[p] = Σ_k dy[p · stride + k · dilation − padding] W[k]ᵀ;
        dW[k] = Σ_p x[p]ᵀ dy[p · stride + k · dilation − padding];  db = Σ_q dy[q].
    Raises: SettingError where a setting is impossible or groups do not divide the channels; ShapeError where x has
        other axes or channels, or nothing is left of the output.
    Source: Dumoulin and Visin, 2016, A guide to convolution arithmetic for deep learning, section 4.
    Example:
        >>> import jax
        >>> layer = ConvTranspose2d.create(8, 1, 2, key=jax.random.key(0), stride=2)
        >>> layer(jax.numpy.ones((5, 7, 7, 8))).shape
        (5, 14, 14, 1)
    """

    axes: ClassVar[int] = 2


def slide_back(layer: TransposedConvolution, x: Array) -> tuple[Slide, tuple[int, ...]]:
    """How the kernel of the convolution that leads from y back to x meets y, and the shape of y.

    Raises: ShapeError where x has other axes or channels, or nothing is left of y.
    """
    *size, each_group, n_out = layer.weight.shape
    expect(layer, x, ("batch", *AXES[len(size) - 1], each_group * layer.groups))
    along = zip(x.shape[1:-1], size, layer.stride, layer.dilation, layer.padding, layer.output_padding, strict=True)
    places = tuple((n - 1) * s - 2 * p + d * (k - 1) + more + 1 for n, k, s, d, p, more in along)
    if min(places) < 1:
        hint = "take a smaller padding"
        raise ShapeError(type(layer).__name__, "x whose output has at least one place", words(x.shape), hint)
    padding = tuple((p, p - more) for p, more in zip(layer.padding, layer.output_padding, strict=True))
    return Slide(layer.stride, padding, layer.dilation, layer.groups), (x.shape[0], *places, n_out)


def behind(who: str, axes: int, setting: Sizes, stride: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """The output padding, which is less than the stride or the dilation: more would be a place no kernel reaches."""
    found = per_axis(who, axes, "output_padding", setting, 0)
    if any(n >= max(s, d) for n, s, d in zip(found, stride, dilation, strict=True)):
        raise SettingError(
            f"{who}: output_padding must be less than the stride or the dilation; got output_padding={found}, "
            f"stride={stride} and dilation={dilation}."
        )
    return found
