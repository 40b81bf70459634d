"""Interval arithmetic on float64 arrays, rounded outward: a result holds every value that its operands allow.

IEEE operations are right to half a unit in the last place, so the neighbouring float bounds them. NumPy's elementary
functions are right to 4 units, by its documentation, and are widened by 8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

ULPS = 8 * 2.0**-52


class Interval(NamedTuple):
    """`low ≤ x ≤ high`, arrays of one shape; infinite where nothing is known."""

    low: np.ndarray
    high: np.ndarray

    @property
    def most(self) -> np.ndarray:
        """The largest absolute value."""
        return np.maximum(abs(self.low), abs(self.high))


EVERYTHING = Interval(np.asarray(-np.inf), np.asarray(np.inf))


def exactly(x: Any) -> Interval:
    x = np.asarray(x, float)
    return Interval(x, x)


def outward(low: Any, high: Any) -> Interval:
    """One float further on both sides; a NaN, as of ∞ − ∞, becomes infinite."""
    low, high = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
    return Interval(np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high))


def about(low: Any, high: Any) -> Interval:
    """Wide enough for the rounding of an elementary function."""
    with np.errstate(invalid="ignore"):
        return outward(low - ULPS * abs(low), high + ULPS * abs(high))


def add(a: Interval, b: Interval) -> Interval:
    with np.errstate(invalid="ignore"):
        low, high = a.low + b.low, a.high + b.high
    made = outward(low, high)  # but a sum with 0 has no rounding
    exact = [(x == 0) | (y == 0) for x, y in zip(a, b, strict=True)]
    return Interval(np.where(exact[0], low, made.low), np.where(exact[1], high, made.high))


def negative(a: Interval) -> Interval:
    return Interval(-a.high, -a.low)


def subtract(a: Interval, b: Interval) -> Interval:
    return add(a, negative(b))


def multiply(a: Interval, b: Interval) -> Interval:
    with np.errstate(invalid="ignore"):
        ends = [zero(x * y, x, y) for x in a for y in b]
    made = outward(np.minimum.reduce(ends), np.maximum.reduce(ends))
    nothing = ((a.low == 0) & (a.high == 0)) | ((b.low == 0) & (b.high == 0))  # 0 times anything has no rounding
    return Interval(*(np.where(nothing, 0.0, end) for end in made))


def zero(product: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`0 · ∞ = 0`, as the product of what is 0 with any number."""
    return np.where((x == 0) | (y == 0), 0.0, product)


def reciprocal(a: Interval) -> Interval:
    through = (a.low <= 0) & (a.high >= 0)
    with np.errstate(divide="ignore"):
        low, high = outward(1 / a.high, 1 / a.low)
    return Interval(np.where(through, -np.inf, low), np.where(through, np.inf, high))


def power(a: Interval, n: int) -> Interval:
    """`a^n` for a whole number n, by repeated squares; an even power is not below 0."""
    if n < 0:
        return reciprocal(power(a, -n))
    if n == 0:
        return exactly(np.ones_like(a.low))
    if n % 2:
        odd = [repeated(end, n) for end in a]
        return Interval(odd[0].low, odd[1].high)
    size = magnitude(a)
    return Interval(np.maximum(repeated(size.low, n).low, 0.0), repeated(size.high, n).high)


def repeated(x: np.ndarray, n: int) -> Interval:
    """`x^n` of numbers."""
    made, square = exactly(np.ones_like(x)), exactly(x)
    while n:
        made = multiply(made, square) if n % 2 else made
        square, n = multiply(square, square), n // 2
    return made


def magnitude(a: Interval) -> Interval:
    """`|a|`."""
    low = np.where((a.low <= 0) & (a.high >= 0), 0.0, np.minimum(abs(a.low), abs(a.high)))
    return Interval(low, a.most)


def hull(a: Interval, b: Interval) -> Interval:
    return Interval(np.minimum(a.low, b.low), np.maximum(a.high, b.high))


def within(a: Interval, low: float, high: float) -> Interval:
    """Cut down to what the values are known to lie in."""
    return Interval(np.clip(a.low, low, high), np.clip(a.high, low, high))


def rising(function: Callable[[np.ndarray], np.ndarray], domain: tuple[float, float] = (-np.inf, np.inf)) -> Any:
    """A function that rises, on intervals; outside of its domain nothing is known."""

    def bounds(a: Interval) -> Interval:
        inside = (a.low >= domain[0]) & (a.high <= domain[1])
        with np.errstate(all="ignore"):
            low, high = (function(np.clip(end, *domain)) for end in a)
        made = about(low, high)
        return Interval(np.where(inside, made.low, -np.inf), np.where(inside, made.high, np.inf))

    return bounds


def sine(a: Interval) -> Interval:
    return wave(a, np.sin, 0.25)


def cosine(a: Interval) -> Interval:
    return wave(a, np.cos, 0.0)


def wave(a: Interval, function: Any, crest: float) -> Interval:
    """A sine: its ends, and ±1 where a crest or a trough, at `crest + k` and half a turn on, may lie between.

    Numbers of more than 2^30 turns are not told apart.
    """
    with np.errstate(invalid="ignore"):
        turns = [end / (2 * np.pi) - crest for end in a]
        slack = 1e-14 * (1 + abs(turns[0]) + abs(turns[1]))
        top = np.floor(turns[1] + slack) >= np.ceil(turns[0] - slack)
        bottom = np.floor(turns[1] - 0.5 + slack) >= np.ceil(turns[0] - 0.5 - slack)
        ends = [function(end) for end in a]
    far = ~(a.most < 2.0**30)
    made = within(about(np.minimum(*ends), np.maximum(*ends)), -1.0, 1.0)
    return Interval(np.where(bottom | far, -1.0, made.low), np.where(top | far, 1.0, made.high))
