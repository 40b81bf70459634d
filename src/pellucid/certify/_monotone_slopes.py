"""Derivatives of a lowered network: at points, and between which numbers they lie in a box, the rounding counted.

Both go back from the outputs, `d_in = s d_out` at a curve whose slope is s. In bounds, terms above 0 and terms below 0
are summed apart: rounding cannot make a derivative of one sign look as if it had both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..affine import ROUNDING, Add, Bend, Join, Smooth, Sparse, Windows
from ..geometry import Network
from ..smooth import KINDS, slopes
from ._lines import MONOTONE
from ._program import EXTRA, gamma

TINY = 1e-150  # the product of two numbers at least so large is not lost below the least float


class Interval(NamedTuple):
    """Numbers between which others lie."""

    low: np.ndarray
    high: np.ndarray


def slope_at(curve: Bend | Smooth, z: np.ndarray) -> np.ndarray:
    """The slope of a curve at points; at a kink that of the piece before it."""
    if isinstance(curve, Bend):
        return curve.slope(curve.piece(z))
    return slopes(KINDS[curve.kind], curve.a, curve.b, z)


def slope_between(curve: Bend | Smooth, low: np.ndarray, high: np.ndarray) -> Interval:
    """Between which numbers the slope of every unit is strictly inside low … high, (boxes, units)."""
    if isinstance(curve, Bend):
        first = (low[..., None] >= curve.kinks).sum(-1, dtype=np.int8)
        last = np.maximum(first, (high[..., None] > curve.kinks).sum(-1, dtype=np.int8))
        least = most = np.array(curve.slope(first))
        for k in range(1, len(curve.kinks) + 1):
            here, slope = (first < k) & (k <= last), curve.slope(np.full_like(first, k))
            least, most = np.where(here, np.minimum(least, slope), least), np.where(here, np.maximum(most, slope), most)
        return Interval(least, most)
    least, most = curve.slope_range(low, high)
    rises = KINDS[curve.kind] in MONOTONE and curve.a >= 0 and curve.b >= 0
    return Interval(np.maximum(least, 0) if rises else least, most)


def backward(
    network: Network, dy: Any, curve: Callable[..., Any], affine: Callable[..., Any], plus: Callable[..., Any]
) -> dict[int, Any]:
    """The derivatives by every value of the network, by its number (that of the input is 0), from those by the outputs.

    `curve(k, d)` takes d back through the k-th curve, `affine(operator, d)` through an operator, `plus` adds two."""
    k, found = len(network.curves), {network.output.number: dy}
    for step in reversed(network.steps):
        bent = isinstance(step.operator, Bend | Smooth)
        k -= bent
        if step.output not in found:
            continue
        d = found[step.output]
        if bent:
            parts = [curve(k, d)]
        elif isinstance(step.operator, Add):
            parts = [d] * len(step.inputs)
        elif isinstance(step.operator, Join):
            ends = np.cumsum([0, *(network.width(n) for n in step.inputs)])
            parts = [affine(slice(a, b), d) for a, b in pairwise(ends)]
        else:
            parts = [affine(step.operator, d)]
        for number, part in zip(step.inputs, parts, strict=True):
            found[number] = plus(found[number], part) if number in found else part
    return found


def derivatives(network: Network, x: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The derivative of `row · outputs` by every input, at points x: (points, n_in), in float64."""
    values, found = {0: x}, []
    for i, step in enumerate(network.steps):
        given = [values[number] for number in step.inputs]
        if isinstance(step.operator, Bend | Smooth):
            found.append(slope_at(step.operator, given[0]))
        values[step.output] = step.operator(*given)
        network.forget(values, i)
    dy = np.tile(row, (len(x), 1))
    done = backward(network, dy, lambda k, d: found[k] * d, back, np.add)
    return done.get(0, np.zeros((len(x), network.n_in)))


def back(operator: Windows | Sparse | slice, d: np.ndarray) -> np.ndarray:
    return d[:, operator] if isinstance(operator, slice) else operator.transposed(d)


def ranges_of(network: Network, low: np.ndarray, high: np.ndarray) -> list[Interval]:
    """The slopes of every curve between bounds of all units, side by side in the order of `network.curves`."""
    ends = np.cumsum([0, *(step.width for step in network.curves)])
    return [
        slope_between(step.operator, low[:, a:b], high[:, a:b])  # pyright: ignore[reportArgumentType]
        for step, a, b in zip(network.curves, ends[:-1], ends[1:], strict=True)
    ]


def bounds_back(network: Network, ranges: Sequence[Interval], dy: np.ndarray) -> dict[int, Interval]:
    """Bounds of the derivatives of `dy · outputs` by every value of the network, by its number; dy (boxes, n_out)."""
    start = Interval(dy, dy)
    found = backward(network, start, lambda k, d: product(ranges[k], d), weighed_back, total)
    nothing = np.zeros((len(dy), network.n_in))
    return {0: Interval(nothing, nothing)} | found


def product(s: Interval, d: Interval) -> Interval:
    """All products of numbers from two intervals."""
    ends = [a * b for a in s for b in d]
    low, high = np.minimum.reduce(ends), np.maximum.reduce(ends)
    low, high = low - 2 * ROUNDING * abs(low), high + 2 * ROUNDING * abs(high)
    below = ((s.low < 0) & (d.high > 0)) | ((s.high > 0) & (d.low < 0))
    above = ((s.high > 0) & (d.high > 0)) | ((s.low < 0) & (d.low < 0))
    return Interval(np.where(below, np.minimum(low, -TINY), low), np.where(above, np.maximum(high, TINY), high))


def total(a: Interval, b: Interval) -> Interval:
    low, high = a.low + b.low, a.high + b.high
    return Interval(low - 2 * ROUNDING * abs(low), high + 2 * ROUNDING * abs(high))


def weighed_back(operator: Windows | Sparse | slice, d: Interval) -> Interval:
    """Bounds of `d Wᵀ`: the sums of what is above 0 and of what is below 0, each rounded outward."""
    if isinstance(operator, slice):
        return Interval(d.low[:, operator], d.high[:, operator])
    n = len(d.low)
    ends = np.concatenate([np.maximum(d.low, 0), np.maximum(-d.low, 0), np.maximum(d.high, 0), np.maximum(-d.high, 0)])
    inner, outer = (
        [part.transposed(ends).reshape(4, n, -1) for part in parted(operator, least)] for least in (0.0, TINY)
    )
    rough = gamma(operator.width + EXTRA, ROUNDING)
    (more, less), (most, least) = inner, outer  # Σ w d over w > 0 and over w < 0, of the parts of both ends of d
    low = (more[0] + less[3]) * (1 - rough) - (most[1] + least[2]) * (1 + rough)
    high = (most[2] + least[1]) * (1 + rough) - (more[3] + less[0]) * (1 - rough)
    return Interval(low - 2 * ROUNDING * abs(low), high + 2 * ROUNDING * abs(high))


@lru_cache(64)
def parted(operator: Windows | Sparse, least: float) -> tuple[Any, Any]:
    """The operator's weights above 0, and those below 0 without their sign; those that are tiny are 0, or `least`."""

    def sized(weight: np.ndarray) -> np.ndarray:
        return np.where((weight > 0) & (weight < TINY), least, np.maximum(weight, 0))

    if isinstance(operator, Windows):
        none = np.zeros(operator.weight.shape[-1])
        return tuple(replace(operator, weight=sized(s * operator.weight), bias=none) for s in (1, -1))  # pyright: ignore
    plus, minus = operator.matrix.copy(), operator.matrix.copy()
    plus.data, minus.data = sized(operator.matrix.data), sized(-operator.matrix.data)
    none = np.zeros(operator.width)
    return replace(operator, matrix=plus, bias=none), replace(operator, matrix=minus, bias=none)
