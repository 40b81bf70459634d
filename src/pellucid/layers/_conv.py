"""Convolution over one, two or three axes: one kernel, used at every place."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import jax
from jax import Array

from ..affine import Lowering, Value
from ..errors import SettingError, ShapeError, unknown
from ..initializers import Initializer, glorot_uniform, zeros
from ..module import Layer, static
from ..shapes import expect, words
from ._lowering import Slide, convolution, index_of, input_blame, kernel_blame
from ._windows import Sizes, Window, check_fits, each, sizes

Padding = str | int | tuple[int | tuple[int, int], ...]
Pairs = tuple[tuple[int, int], ...]
PADDINGS = ("same", "valid")
AXES = (("length",), ("height", "width"), ("depth", "height", "width"))


class Convolution(Layer):
    """What convolutions over any number of axes have in common: all but that number."""

    axes: ClassVar[int]
    weight: Array
    bias: Array | None
    stride: tuple[int, ...] = static()
    padding: str | Pairs = static()
    dilation: tuple[int, ...] = static()
    groups: int = static()

    def __init__(
        self,
        weight: Array,
        bias: Array | None = None,
        stride: Sizes = 1,
        padding: Padding = "valid",
        dilation: Sizes = 1,
        groups: int = 1,
    ):
        self.weight, self.bias = weight, bias
        who, axes = type(self).__name__, self.axes
        self.stride = per_axis(who, axes, "stride", stride)
        self.dilation = per_axis(who, axes, "dilation", dilation)
        self.padding = per_side(who, axes, padding)
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
        padding: Padding = "valid",
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        init: Initializer = glorot_uniform,
    ) -> Self:
        shape = kernel_shape(cls.__name__, cls.axes, n_in, n_out, size, groups)
        return cls(init(key, shape), zeros(key, (n_out,)) if bias else None, stride, padding, dilation, groups)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        y = convolution(x, self.weight, slide_over(self, x))
        return y if self.bias is None else y + self.bias, x

    def backward(self, saved: Array, dy: Array) -> tuple[Array, Self]:
        at = slide_over(self, saved)
        dx = input_blame(dy, self.weight, at, saved.shape)
        dweight, dbias = kernel_blame(saved, dy, at, self.weight.shape)
        return dx, type(self)(
            dweight, None if self.bias is None else dbias, self.stride, self.padding, self.dilation, self.groups
        )

    def lower(self, at: Lowering, x: Value) -> Value:
        size = self.weight.shape[: self.axes]
        index, places = index_of(x.shape[:-1], size, slide_over(self, one_of(x)))
        weight = self.weight.reshape(-1, *self.weight.shape[-2:])
        return at.windows(x, index, weight, self.bias, places, self.groups)


class Conv1d(Convolution):
    """One kernel at every place of a sequence: `y[p] = Σ_k x[p · stride + k · dilation − padding] W[k] + b`.

    The kernel moves by `stride`, its places lie `dilation` apart, and around x lie `padding` zeros: "valid" none;
    "same" as many as make ⌈n / stride⌉ places, an odd one behind, as in TensorFlow (with a stride of 1 as in PyTorch
    too); or a number, or for each axis a number or a pair (before, behind). With `groups` each part of the output sees
    its part of the input channels alone; with as many groups as input channels the convolution is depthwise.

    Shapes: x (batch, length, in) -> y (batch, length, out), each axis becoming
        ⌊(n + padding − dilation (size − 1) − 1) / stride⌋ + 1; weight (size, in / groups, out);
        bias (out,), or None for none.
    Blame:  dx[q] = Σ dy[p] W[k]ᵀ over all p · stride + k · dilation − padding = q;
        dW[k] = Σ_p x[p · stride + k · dilation − padding]ᵀ dy[p];  db = Σ_p dy[p].
    Raises: SettingError where a setting is impossible or groups do not divide the channels; ShapeError where x has
        other axes or channels, or is smaller than the kernel.
    Source: Waibel and others, 1989, Phoneme recognition using time-delay neural networks, section II.
    Example:
        >>> import jax
        >>> Conv1d.create(4, 8, 3, key=jax.random.key(0), padding="same")(jax.numpy.ones((5, 20, 4))).shape
        (5, 20, 8)
    """

    axes: ClassVar[int] = 1


class Conv2d(Convolution):
    """One kernel at every place of a picture: `y[p] = Σ_k x[p · stride + k · dilation − padding] W[k] + b`.

    One kernel serves every place, where a layer that shares nothing has one for each: 900 times the weights for 3×3
    over 32×32. Settings as in `Conv1d`, one for both axes or one for each.

    Shapes: x (batch, height, width, in) -> y (batch, height, width, out), each axis becoming
        ⌊(n + padding − dilation (size − 1) − 1) / stride⌋ + 1; weight (kh, kw, in / groups, out);
        bias (out,), or None for none.
    Blame:  dx[q] = Σ dy[p] W[k]ᵀ over all p · stride + k · dilation − padding = q;
        dW[k] = Σ_p x[p · stride + k · dilation − padding]ᵀ dy[p];  db = Σ_p dy[p].
    Raises: SettingError where a setting is impossible or groups do not divide the channels; ShapeError where x has
        other axes or channels, or is smaller than the kernel.
    Source: LeCun and others, 1989, Backpropagation applied to handwritten zip code recognition; Dumoulin and Visin,
        2016, A guide to convolution arithmetic for deep learning, section 2.
    Example:
        >>> import jax
        >>> Conv2d.create(1, 8, 3, key=jax.random.key(0))(jax.numpy.ones((5, 32, 32, 1))).shape
        (5, 30, 30, 8)
    """

    axes: ClassVar[int] = 2


class Conv3d(Convolution):
    """One kernel at every place of a volume: `y[p] = Σ_k x[p · stride + k · dilation − padding] W[k] + b`.

    Settings as in `Conv1d`, one for all axes or one for each.

    Shapes: x (batch, depth, height, width, in) -> y (batch, depth, height, width, out), each axis becoming
        ⌊(n + padding − dilation (size − 1) − 1) / stride⌋ + 1; weight (kd, kh, kw, in / groups, out);
        bias (out,), or None for none.
    Blame:  dx[q] = Σ dy[p] W[k]ᵀ over all p · stride + k · dilation − padding = q;
        dW[k] = Σ_p x[p · stride + k · dilation − padding]ᵀ dy[p];  db = Σ_p dy[p].
    Raises: SettingError where a setting is impossible or groups do not divide the channels; ShapeError where x has
        other axes or channels, or is smaller than the kernel.
    Source: Ji and others, 2013, 3D convolutional neural networks for human action recognition, equation 2.
    Example:
        >>> import jax
        >>> Conv3d.create(1, 4, (3, 3, 1), key=jax.random.key(0), stride=2)(jax.numpy.ones((5, 7, 7, 4, 1))).shape
        (5, 3, 3, 2, 4)
    """

    axes: ClassVar[int] = 3


def slide_over(layer: Any, x: Any) -> Slide:
    """How the layer's kernel meets x, the padding in numbers.

    Raises: ShapeError where x has other axes or channels, or is smaller than the kernel.
    """
    *size, each_group, _ = layer.weight.shape[-len(layer.stride) - 2 :]
    expect(layer, x, ("batch", *AXES[len(size) - 1], each_group * layer.groups))
    reach = [d * (k - 1) + 1 for k, d in zip(size, layer.dilation, strict=True)]
    if layer.padding == "same":
        padding = tuple(same(*along) for along in zip(x.shape[1:-1], reach, layer.stride, strict=True))
    else:
        padding = ((0, 0),) * len(size) if isinstance(layer.padding, str) else layer.padding
    along = zip(x.shape[1:-1], reach, layer.stride, padding, strict=True)
    check_fits(layer, x, [Window(i, n, r, s, *pair) for i, (n, r, s, pair) in enumerate(along, 1)])
    return Slide(layer.stride, padding, layer.dilation, layer.groups)


def one_of(x: Value) -> Any:
    """A single example of a lowered network's value, as the checks of a layer want it."""
    return jax.ShapeDtypeStruct((1, *x.shape), "float32")


def same(n: int, reach: int, stride: int) -> tuple[int, int]:
    """The zeros before and behind an axis of length n that make ⌈n / stride⌉ places."""
    zeros = max((-(-n // stride) - 1) * stride + reach - n, 0)
    return zeros // 2, zeros - zeros // 2


def per_axis(who: str, axes: int, name: str, setting: Sizes, least: int = 1) -> tuple[int, ...]:
    """A setting as one whole number for each axis."""
    found = each(sizes(who, name, setting, least), axes)
    if len(found) != axes:
        raise SettingError(f"{who}: {name} is one whole number or {axes}; got {setting!r}.")
    return found


def per_side(who: str, axes: int, padding: Padding) -> str | Pairs:
    """The padding as its name, or as a pair for each axis."""
    if isinstance(padding, str):
        if padding not in PADDINGS:
            raise unknown("padding", padding, PADDINGS)
        return padding
    sides = padding if isinstance(padding, tuple | list) else (padding,) * axes
    pairs = tuple((side, side) if isinstance(side, int) else (*side,) for side in sides)
    if len(pairs) != axes or any(len(pair) != 2 or any(type(n) is not int or n < 0 for n in pair) for pair in pairs):
        raise SettingError(
            f"{who}: padding is 'same', 'valid', a whole number from 0 on, or for each of {axes} axes one or a pair "
            f"(before, behind); got {padding!r}."
        )
    return tuple((before, behind) for before, behind in pairs)


def grouped(who: str, axes: int, weight: Array, groups: int) -> int:
    """The number of groups, for a kernel that can be shared out into as many."""
    if len(weight.shape) != axes + 2:
        raise ShapeError(who, f"weight {words((*AXES[axes - 1], 'in / groups', 'out'))}", words(weight.shape))
    check_groups(who, groups, weight.shape[-1])
    return groups


def kernel_shape(who: str, axes: int, n_in: int, n_out: int, size: Sizes, groups: int) -> tuple[int, ...]:
    """The shape of the kernel that `create` draws."""
    if n_in < 1 or n_out < 1:
        raise SettingError(f"{who} wants at least one channel in and out, got n_in={n_in}, n_out={n_out}.")
    check_groups(who, groups, n_in, n_out)
    return *per_axis(who, axes, "size", size), n_in // groups, n_out


def check_groups(who: str, groups: int, *channels: int) -> None:
    if type(groups) is not int or groups < 1 or any(n % groups for n in channels):
        counts = " and ".join(map(str, channels))
        raise SettingError(f"{who}: groups is a whole number that divides the {counts} channels; got {groups!r}.")
