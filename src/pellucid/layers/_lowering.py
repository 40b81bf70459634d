"""How sums over windows are computed on each kind of device: one table, measured in docs/decisions/convolution.md.

A convolution and its two blames, for x (batch, places, in), a kernel (size, in/groups, out), dy (batch, places, out):

    y[p] = Σ_k x[p · stride + k · dilation − padding] W[k]
    dx   = Σ_k dy W[k]ᵀ, put back where k saw x
    dW[k] = Σ_p x[p · stride + k · dilation − padding]ᵀ dy[p];   db = Σ_p dy[p]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial, reduce
from itertools import product
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..machine import cores
from ._sums import summed

Shape = tuple[int, ...]
CACHE = 2_000_000  # bytes of windows at a time: they stay in the second-level cache of a core


class Slide(NamedTuple):
    """How a kernel meets its input: along each axis the stride, the empty places around, the dilation; the groups."""

    stride: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    groups: int


class Lowering(NamedTuple):
    """A convolution, its blame of the input, and its blame of the kernel and of a bias on its output."""

    forward: Callable[[Array, Array, Slide], Array]  # x, kernel
    input_blame: Callable[[Array, Array, Slide, Shape], Array]  # dy, kernel, shape of x
    kernel_blame: Callable[[Array, Array, Slide, Shape], tuple[Array, Array]]  # x, dy, shape of the kernel


def convolution(x: Array, kernel: Array, at: Slide) -> Array:
    return lowering().forward(*alike(x, kernel), at)


def input_blame(dy: Array, kernel: Array, at: Slide, shape: Shape) -> Array:
    return lowering().input_blame(*alike(dy, kernel), at, shape)


def kernel_blame(x: Array, dy: Array, at: Slide, shape: Shape) -> tuple[Array, Array]:
    return lowering().kernel_blame(*alike(x, dy), at, shape)


def lowering() -> Lowering:
    return LOWERINGS.get(jax.default_backend(), LOWERINGS["any other"])


def alike(a: Array, b: Array) -> tuple[Array, Array]:
    """Both in one type of number."""
    dtype = jnp.result_type(a, b)
    return jnp.asarray(a, dtype), jnp.asarray(b, dtype)


def swapped(kernel: Array, groups: int) -> Array:
    """The kernel that leads back, (..., out/groups, in) for (..., in/groups, out), and the other way round."""
    *size, n_in, n_out = kernel.shape
    parts = kernel.reshape(*size, n_in, groups, n_out // groups)
    return jnp.swapaxes(parts, -1, -3).reshape(*size, n_out // groups, groups * n_in)


# Any device: the textbook's three convolutions.


@partial(jax.jit, static_argnames="at")
def convolve(x: Array, kernel: Array, at: Slide) -> Array:
    return lax.conv_general_dilated(
        x, kernel, at.stride, at.padding, rhs_dilation=at.dilation,
        dimension_numbers=numbers("N{}C", "{}IO", "N{}C", x), feature_group_count=at.groups,
    )  # fmt: skip


@partial(jax.jit, static_argnames=("at", "shape"))
def convolve_turned(dy: Array, kernel: Array, at: Slide, shape: Shape) -> Array:
    """dy with `stride − 1` zeros between its places, convolved with the kernel turned round."""
    size = kernel.shape[:-2]
    padding = []
    for (before, _), n, k, d, stride, places in zip(
        at.padding, shape[1:-1], size, at.dilation, at.stride, dy.shape[1:-1], strict=True
    ):
        first = d * (k - 1) - before
        padding.append((first, n + d * (k - 1) - first - (places - 1) * stride - 1))
    turned = jnp.flip(swapped(kernel, at.groups), range(len(size)))
    return lax.conv_general_dilated(
        dy, turned, (1,) * len(size), padding, lhs_dilation=at.stride, rhs_dilation=at.dilation,
        dimension_numbers=numbers("N{}C", "{}IO", "N{}C", dy), feature_group_count=at.groups,
    )  # fmt: skip


@partial(jax.jit, static_argnames=("at", "shape"))
def correlate(x: Array, dy: Array, at: Slide, shape: Shape) -> tuple[Array, Array]:
    """x convolved with dy, batch and channels having changed places."""
    padding = [
        (before, (k - 1) * d + (places - 1) * stride + 1 - before - n)
        for (before, _), n, k, d, stride, places in zip(
            at.padding, x.shape[1:-1], shape[:-2], at.dilation, at.stride, dy.shape[1:-1], strict=True
        )
    ]
    blame = lax.conv_general_dilated(
        x, dy, at.dilation, padding, rhs_dilation=at.stride,
        dimension_numbers=numbers("C{}N", "I{}O", "{}NC", x), batch_group_count=at.groups,
    )  # fmt: skip
    return blame, summed(dy).reshape(-1)


def numbers(x: str, kernel: str, y: str, array: Array) -> tuple[str, str, str]:
    """The names of the axes as `lax` wants them: batch N, channels C, in I, out O, and between them the places."""
    places = "DHW"[5 - array.ndim :]
    return x.format(places), kernel.format(places), y.format(places)


# On a CPU the blames are matrix products of windows, a few rows at a time; a depthwise kernel is number by number.


@partial(jax.jit, static_argnames="at")
def slide(x: Array, kernel: Array, at: Slide) -> Array:
    if not depthwise(kernel.shape, at):
        return convolve(x, kernel, at)
    size, n_out = kernel.shape[:-2], kernel.shape[-1]
    taps = kernel.reshape(-1, n_out)

    def some(rows: Array) -> Array:
        return sum_of(s * tap for s, tap in zip(windows(repeated(rows, n_out), size, at), taps, strict=True))

    return by_parts(some, x, chunks(x.shape[0], positions(x.shape, size, at), kernel.shape, at, x.dtype))


@partial(jax.jit, static_argnames=("at", "shape"))
def put_back(dy: Array, kernel: Array, at: Slide, shape: Shape) -> Array:
    size, n_out = kernel.shape[:-2], kernel.shape[-1]
    if depthwise(kernel.shape, at):
        dx = spread([dy * tap for tap in kernel.reshape(-1, n_out)], size, at, (*shape[:-1], n_out))
        return dx if dx.shape == shape else dx.reshape(*shape, n_out // at.groups).sum(-1)
    g, group = group_axis(at)
    taps = kernel.reshape(prod(size), kernel.shape[-2], *group, n_out // at.groups)

    def rows_blame(dy: Array) -> Array:
        places = dy.shape[:-1]
        blames = jnp.einsum(f"...{g}o,ki{g}o->...k{g}i", dy.reshape(*places, *group, n_out // at.groups), taps)
        blames = blames.reshape(*places, len(taps), shape[-1])
        return spread([blames[..., k, :] for k in range(len(taps))], size, at, shape)

    return by_parts(rows_blame, dy, chunks(dy.shape[0], dy.shape[1:-1], kernel.shape, at, dy.dtype))


@partial(jax.jit, static_argnames=("at", "shape"))
def gather(x: Array, dy: Array, at: Slide, shape: Shape) -> tuple[Array, Array]:
    size, n_out = shape[:-2], shape[-1]
    g, group = group_axis(at)

    def rows_blame(x: Array, dy: Array) -> tuple[Array, Array]:
        total = summed(dy).reshape(-1)
        if depthwise(shape, at):
            taps = [summed(s * dy).reshape(1, n_out) for s in windows(repeated(x, n_out), size, at)]
            return jnp.stack(taps), total
        patches = jnp.stack(windows(x, size, at), -2)
        rows = prod(dy.shape[:-1])
        dy = dy.reshape(rows, *group, n_out // at.groups)
        return jnp.einsum(f"p{g}o,pk{g}i->{g}oki", dy, patches.reshape(rows, prod(size), *group, shape[-2])), total

    count = chunks(x.shape[0], dy.shape[1:-1], shape, at, dy.dtype)
    parts = split(x, count), split(dy, count)
    zeros = jax.tree.map(jnp.zeros_like, jax.eval_shape(rows_blame, *(part[0] for part in parts)))
    (blame, total), _ = lax.scan(
        lambda so_far, rows: (jax.tree.map(jnp.add, so_far, rows_blame(*rows)), None), zeros, parts
    )
    if not depthwise(shape, at):
        blame = blame.reshape(at.groups, -1, prod(size), shape[-2]).transpose(2, 3, 0, 1)
    return blame.reshape(shape), total


def depthwise(kernel: Shape, at: Slide) -> bool:
    return kernel[-2] == 1 < at.groups


def repeated(x: Array, n_out: int) -> Array:
    """Each channel as often as a depthwise kernel reads it."""
    return x if x.shape[-1] == n_out else jnp.repeat(x, n_out // x.shape[-1], -1)


def group_axis(at: Slide) -> tuple[str, Shape]:
    """The axis of the groups, by letter and size; one group has none, since an axis of length 1 costs a third more."""
    return ("g", (at.groups,)) if at.groups > 1 else ("", ())


def chunks(batch: int, places: Shape, kernel: Shape, at: Slide, dtype: jnp.dtype) -> int:
    """Into how many equal parts to cut a batch, so that what is computed with one part stays in the cache."""
    size = prod(kernel[:-2])
    kept = 3 * kernel[-1] if depthwise(kernel, at) else size * kernel[-2] * at.groups  # x, dy, product; or windows
    row = prod(places) * kept * dtype.itemsize
    most = CACHE * cores()
    if size == 1 or batch * row <= most:
        return 1
    return next(n for n in range(1, batch + 1) if batch % n == 0 and (batch // n * row <= most or n == batch))


def split(x: Array, count: int) -> Array:
    return x.reshape(count, x.shape[0] // count, *x.shape[1:])


def by_parts(change: Callable[[Array], Array], x: Array, count: int) -> Array:
    """`change` of x, in so many equal parts of its rows."""
    if count == 1:
        return change(x)
    parts = lax.map(change, split(x, count))
    return parts.reshape(x.shape[0], *parts.shape[2:])


def positions(shape: Shape, size: Shape, at: Slide) -> Shape:
    """How many places the kernel takes along each axis of an input of that shape."""
    along = zip(shape[1:-1], at.padding, size, at.dilation, at.stride, strict=True)
    return tuple((n + before + behind - d * (k - 1) - 1) // s + 1 for n, (before, behind), k, d, s in along)


def windows(x: Array, size: Shape, at: Slide) -> list[Array]:
    """What each place of the kernel sees: `x[p · stride + k · dilation − padding]` for all p, one array for each k."""
    along = list(zip(positions(x.shape, size, at), at.stride, strict=True))
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((a, b, 0) for a, b in at.padding), (0, 0, 0)])
    found = []
    for place in product(*map(range, size)):
        start = [k * d for k, d in zip(place, at.dilation, strict=True)]
        stop = [a + (m - 1) * s + 1 for a, (m, s) in zip(start, along, strict=True)]
        found.append(lax.slice(x, (0, *start, 0), (x.shape[0], *stop, x.shape[-1]), (1, *at.stride, 1)))
    return found


def index_of(shape: Shape, size: Shape, at: Slide) -> tuple[np.ndarray, Shape]:
    """Which place of the input each tap of the kernel sees, (places, taps), −1 around it; and the places' own shape."""
    numbered: Any = np.arange(1, prod(shape) + 1, dtype=np.int32).reshape(1, *shape, 1)
    seen = [np.asarray(tap)[0, ..., 0] for tap in windows(numbered, size, at)]
    return np.stack([tap.reshape(-1) for tap in seen], 1) - 1, seen[0].shape


def spread(parts: Iterable[Array], size: Shape, at: Slide, shape: Shape) -> Array:
    """The sum of what each place of the kernel gives back, put where `windows` took it from x of that shape."""

    def back(place: Shape, part: Array) -> Array:
        widths = [(0, 0, 0)]
        for k, d, s, (before, _), n, m in zip(
            place, at.dilation, at.stride, at.padding, shape[1:-1], part.shape[1:-1], strict=True
        ):
            first = k * d - before
            widths.append((first, n - first - (m - 1) * s - 1, s - 1))
        return lax.pad(part, jnp.zeros((), part.dtype), [*widths, (0, 0, 0)])

    return sum_of(back(place, part) for place, part in zip(product(*map(range, size)), parts, strict=True))


def sum_of(parts: Iterable[Array]) -> Array:
    return reduce(jnp.add, parts)


LOWERINGS = {
    "cpu": Lowering(slide, put_back, gather),
    "any other": Lowering(convolve, convolve_turned, correlate),
}
