"""Windows that slide over the places of x (batch, channels, places...): how ONNX says where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..errors import InteropError

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Slide:
    """Along each axis of places: the window's size, stride and dilation, how many places are added before and behind,
    and how many more behind so that the last window is whole."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Pairs
    beyond: tuple[int, ...]

    @property
    def whole(self) -> Pairs:
        """All that is added before and behind."""
        return tuple((a, b + more) for (a, b), more in zip(self.padding, self.beyond, strict=True))


def slide(
    places: Sequence[int], size: Sequence[int], *,
    strides: Sequence[int] | None, dilations: Sequence[int] | None, pads: Sequence[int] | None, auto_pad: str,
    ceil_mode: int = 0,
) -> Slide:  # fmt: skip
    """How a window slides over so many places, from the attributes of ONNX."""
    n = len(size)
    if len(places) != n:
        raise InteropError(f"A window of {n} axes cannot slide over {len(places)}.")
    stride, dilation = tuple(strides or (1,) * n), tuple(dilations or (1,) * n)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, size, strict=True)]
    along = list(zip(places, spans, stride, strict=True))
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        missing = [max(0, (-(-m // s) - 1) * s + span - m) for m, span, s in along]
        pairs = [(t // 2, t - t // 2) if auto_pad == "SAME_UPPER" else (t - t // 2, t // 2) for t in missing]
    elif auto_pad in ("NOTSET", "", "VALID"):
        given = list(pads) if pads and auto_pad != "VALID" else [0] * 2 * n
        pairs = list(zip(given[:n], given[n:], strict=True))
    else:
        raise InteropError(f"There is no auto_pad {auto_pad!r}.")
    beyond = [0] * n
    if ceil_mode:
        for i, ((m, span, s), (a, b)) in enumerate(zip(along, pairs, strict=True)):
            number = -(-(m + a + b - span) // s) + 1
            number -= (number - 1) * s >= m + a  # the last window begins inside
            beyond[i] = max(0, (number - 1) * s + span - (m + a + b))
    return Slide(tuple(size), stride, dilation, tuple(pairs), tuple(beyond))


def windows(x: Any, by: Slide, fill: Any) -> Array:
    """What each tap of the window sees, (taps, batch, channels, windows...); around x is `fill`."""
    index = numbered(x.shape[2:], by, False)
    flat = jnp.reshape(x, (*x.shape[:2], -1))
    seen = jnp.take(jnp.pad(flat, ((0, 0), (0, 0), (0, 1)), constant_values=fill), index[:, 0, 0], 2, mode="wrap")
    return jnp.moveaxis(seen, 2, 0)


def summed(x: Any, by: Slide) -> Array:
    """The sum of each window."""
    return lax.reduce_window(
        x, np.zeros((), x.dtype), lax.add, (1, 1, *by.size), (1, 1, *by.stride), ((0, 0), (0, 0), *by.whole),
        window_dilation=(1, 1, *by.dilation),
    )  # fmt: skip


def largest(x: Any, by: Slide, least: Any) -> Array:
    """The largest number of each window, `least` being around x."""
    if set(by.dilation) == {1}:
        start = np.asarray(least, x.dtype)
        around = ((0, 0), (0, 0), *by.whole)
        return lax.reduce_window(x, start, lax.max, (1, 1, *by.size), (1, 1, *by.stride), around)
    return windows(x, by, least).max(0)  # where windows have gaps, JAX knows no blame for the other way


def counts(places: Sequence[int], by: Slide, around: bool) -> np.ndarray:
    """How many places of x each window sees, the added ones too where `around` is set."""
    total: Any = np.ones((1, 1), np.int64)
    for i, m in enumerate(places):
        seen = np.pad(np.ones(m, int), by.padding[i], constant_values=int(around))
        seen = np.pad(seen, (0, by.beyond[i]))
        span = by.dilation[i] * (by.size[i] - 1) + 1
        first = np.arange(0, len(seen) - span + 1, by.stride[i])
        along = seen[first[:, None] + by.dilation[i] * np.arange(by.size[i])].sum(1)
        total = total[..., None] * along
    return total


def numbered(places: Sequence[int], by: Slide, columns: bool) -> np.ndarray:
    """The number of the place of x that each tap of each window sees, (taps, 1, 1, windows...); −1 around x."""
    order = "F" if columns else "C"
    index: Any = np.arange(prod(places)).reshape(places, order=order)[None, None]
    index = np.pad(index, [(0, 0), (0, 0), *by.whole], constant_values=-1)
    taps = []
    for place in product(*map(range, by.size)):
        first = [k * d for k, d in zip(place, by.dilation, strict=True)]
        spans = [d * (k - 1) for d, k in zip(by.dilation, by.size, strict=True)]
        parts = zip(first, spans, by.stride, index.shape[2:], strict=True)
        taps.append(index[(..., *(slice(a, m - span + a, s) for a, span, s, m in parts))])
    return np.stack(taps)
