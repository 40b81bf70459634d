"""A value with its gradient and Hessian, all as intervals, and their rules for sums, products and chains.

A jet holds intervals of a value (boxes, …), of its gradient (boxes, d, …) and of its Hessian (boxes, d, d, …), where …
is the shape of the value. Where a function may have a kink its Hessian is unbounded, where it may jump its gradient is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import _interval as iv
from ._interval import Interval, exactly


class Jet(NamedTuple):
    """A value with its gradient and Hessian."""

    value: Interval
    slope: Interval
    curve: Interval

    @property
    def rank(self) -> int:
        """How many axes the value has, beside that of the boxes."""
        return self.value.low.ndim - 1


def inputs(low: np.ndarray, high: np.ndarray, slopes: bool = True) -> Jet:
    """The d inputs of boxes (boxes, d): their gradient is 1, their Hessian 0; or values alone, with no directions."""
    boxes, d = low.shape
    unit = np.broadcast_to(np.eye(d)[: d * slopes], (boxes, d * slopes, d))
    return Jet(Interval(low, high), exactly(unit), exactly(np.zeros((boxes, d * slopes, d * slopes, d))))


def constant(value: Any) -> Jet:
    """A number or array that does not depend on the input; the axes of boxes and directions have length 1."""
    value = np.asarray(value, float)
    shape = value.shape
    return Jet(exactly(value[None]), exactly(np.zeros((1, 1, *shape))), exactly(np.zeros((1, 1, 1, *shape))))


def each(jet: Jet, change: Callable[[np.ndarray, int], np.ndarray]) -> Jet:
    """Another shape of the value, the same for all parts; `change` is told how many axes to leave alone."""
    return Jet(*(Interval(*(change(end, lead) for end in part)) for lead, part in enumerate(jet, 1)))


def aligned(a: Jet, b: Jet) -> tuple[Jet, Jet]:
    """Two jets of the same rank: a number beside an array gets axes of length 1."""
    rank = max(a.rank, b.rank)

    def deeper(end: np.ndarray, lead: int) -> np.ndarray:
        return end.reshape(*end.shape[:lead], *[1] * (rank - end.ndim + lead), *end.shape[lead:])

    return each(a, deeper), each(b, deeper)


def along(part: Interval, axes: int) -> Interval:
    """A part with axes of length 1 for directions that it has not."""
    index: Any = (slice(None), *[None] * axes)
    return Interval(*(end[index] for end in part))


def outer(a: Interval, b: Interval) -> Interval:
    """`a_i b_j` of two gradients."""
    return iv.multiply(Interval(*(end[:, :, None] for end in a)), Interval(*(end[:, None] for end in b)))


def squared(a: Interval) -> Interval:
    """`a_i a_j` of one gradient: on the diagonal squares, which are not below 0."""
    low, high = (np.array(end) for end in outer(a, a))
    i = np.arange(low.shape[1])
    low[:, i, i], high[:, i, i] = iv.power(a, 2)
    return Interval(low, high)


def chained(x: Jet, value: Interval, first: Interval, second: Interval) -> Jet:
    """`φ(x)` by the chain rule: `φ' ∇x` and `φ' ∇²x + φ'' ∇x ∇xᵀ`."""
    bent = iv.multiply(along(second, 2), squared(x.slope))
    curve = iv.add(iv.multiply(along(first, 2), x.curve), bent)
    return Jet(value, iv.multiply(along(first, 1), x.slope), curve)


def add(a: Jet, b: Jet) -> Jet:
    return Jet(*(iv.add(*parts) for parts in zip(*aligned(a, b), strict=True)))


def negative(a: Jet) -> Jet:
    return Jet(*map(iv.negative, a))


def multiply(a: Jet, b: Jet) -> Jet:
    """`a b`, with `a ∇b + b ∇a` and `a ∇²b + b ∇²a + ∇a ∇bᵀ + ∇b ∇aᵀ`."""
    if a is b:
        return power(a, 2)
    a, b = aligned(a, b)
    slope = iv.add(iv.multiply(along(a.value, 1), b.slope), iv.multiply(a.slope, along(b.value, 1)))
    mixed = iv.add(outer(a.slope, b.slope), outer(b.slope, a.slope))
    curve = iv.add(iv.multiply(along(a.value, 2), b.curve), iv.multiply(a.curve, along(b.value, 2)))
    return Jet(iv.multiply(a.value, b.value), slope, iv.add(curve, mixed))


def power(x: Jet, n: int) -> Jet:
    """`x^n` for a whole number n."""
    first = iv.multiply(exactly(float(n)), iv.power(x.value, n - 1))
    second = iv.multiply(exactly(float(n * (n - 1))), iv.power(x.value, n - 2))
    return chained(x, iv.power(x.value, n), first, second)


def divide(a: Jet, b: Jet) -> Jet:
    return multiply(a, power(b, -1))


def maximum(a: Jet, b: Jet) -> Jet:
    """The larger of two: one of them where that is decided, and else with a kink."""
    a, b = aligned(a, b)
    value = Interval(np.maximum(a.value.low, b.value.low), np.maximum(a.value.high, b.value.high))
    first, second = a.value.low >= b.value.high, b.value.low >= a.value.high
    slope = decided(first, second, a.slope, b.slope, iv.hull(a.slope, b.slope))
    return Jet(value, slope, decided(first, second, a.curve, b.curve, iv.EVERYTHING))


def selected(which: Interval, cases: list[Jet]) -> Jet:
    """One of two cases, by a number that is 0 or 1: where it is not decided the value may jump."""
    a, b = aligned(*cases)
    which = Interval(*(end.reshape(end.shape + (1,) * (a.rank + 1 - end.ndim)) for end in which))
    first, second = which.high < 0.5, which.low > 0.5
    parts = []
    for lead, (x, y) in enumerate(zip(a, b, strict=True)):
        parts.append(decided(first, second, x, y, iv.EVERYTHING if lead else iv.hull(x, y)))
    return Jet(*parts)


def decided(first: np.ndarray, second: np.ndarray, a: Interval, b: Interval, else_: Interval) -> Interval:
    """a where `first`, b where `second`; the answers have no axes for directions yet."""
    lead = max(a.low.ndim, b.low.ndim) - first.ndim
    first, second = (answer[(slice(None), *[None] * lead)] for answer in (first, second))
    return Interval(*(np.where(first, x, np.where(second, y, z)) for x, y, z in zip(a, b, else_, strict=True)))
