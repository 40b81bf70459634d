"""Exact arithmetic for the few signs that float64 leaves open.

float64 weights are fractions whose denominators are powers of two, so what a network makes of a rational point is a
rational number, and its sign can be told without any rounding. A point is `(X / Q, Y / Q)` in whole numbers; a value
behind step i of the network is `N / (Q · 2^shift[i])`, so that sums and products need whole numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from math import gcd
from operator import mul
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..affine import Add, Bend, Join
from ._network import Network

Point = tuple[int, ...]  # numerators of the coordinates, then the denominator they share


class Exact:
    """What a network makes of rational points; every unit is computed when it is asked for, once for each point."""

    def __init__(self, network: Network, numbers: Sequence[np.ndarray] | None = None):
        """`numbers` (units,) of every value are equal for units that are the same: those are computed once."""
        self.network = network
        self.same = [firsts(of).tolist() for of in numbers or ()]
        self.rows: dict[tuple[int, int], Any] = {}
        self.values: dict[Point, dict[tuple[int, int], int]] = {}
        self.asked = 0
        self.bend_inputs = [step.inputs[0] for step in network.bends]
        self.pieces: dict[int, list[int]] = {}

    @cached_property
    def shifts(self) -> list[int]:
        """Of every value the power of two by which it is a whole number, beside the point's denominator."""
        found = [0]
        for step in self.network.steps:
            before = max(found[number] for number in step.inputs)
            more = 0 if isinstance(step.operator, Add | Join) else bits(step.operator)
            if isinstance(step.operator, Bend):
                more += bits(SimpleNamespace(kinks=step.operator.kinks))
            found.append(before + more)
        return found

    def within(self, pieces: Sequence[np.ndarray]) -> Exact:
        """The same for points where all units are known to be on these pieces, −1 being any: flat ones ask nobody."""
        found = copy(self)
        found.values, found.shifts = {}, self.shifts
        found.pieces = {step.output: part.tolist() for step, part in zip(self.network.bends, pieces, strict=True)}
        return found

    def known(self, point: Point) -> dict[tuple[int, int], int]:
        if len(self.values) > 4096:
            self.values.clear()
        return self.values.setdefault(point, {})

    def value(self, point: Point, number: int, unit: int) -> tuple[int, int]:
        """One unit of a value, as a numerator and a denominator above 0."""
        n = self.numerator(point, self.known(point), number, unit)
        return n, point[-1] << self.shifts[number]

    def kinked(self, point: Point, bend: int, unit: int, kink: int) -> tuple[int, int]:
        """How far a unit is above one of its kinks, as a numerator and a denominator above 0."""
        self.asked += 1
        n, d = self.value(point, self.bend_inputs[bend], unit)
        a, b = float(self.network.bends[bend].bend.kinks[kink]).as_integer_ratio()
        return n * b - a * d, d * b

    def sign(self, point: Point, bend: int, unit: int, kink: int) -> int:
        n, _ = self.kinked(point, bend, unit, kink)
        return (n > 0) - (n < 0)

    def numerator(self, point: Point, known: dict[tuple[int, int], int], number: int, unit: int) -> int:
        """The numerator of a unit over `Q · 2^shift`."""
        if number == 0:
            return point[unit]
        if self.same:
            unit = self.same[number][unit]
        if (number, unit) in known:
            return known[number, unit]
        step = self.network.steps[number - 1]
        shift = self.shifts[number]
        match step.operator:
            case Add():
                n = sum(self.numerator(point, known, i, unit) << (shift - self.shifts[i]) for i in step.inputs)
            case Join():
                i, place = step.inputs[0], unit
                for i in step.inputs:
                    if place < self.network.width(i):
                        break
                    place -= self.network.width(i)
                n = self.numerator(point, known, i, place) << (shift - self.shifts[i])
            case Bend() as bend:
                flat = self.flat(number, unit, bend)
                n = self.bent(point, known, step.inputs[0], unit, bend, shift) if flat is None else flat * point[-1]
            case _:
                i = step.inputs[0]
                inputs, weights, bias = self.row(number, unit)
                n = bias * point[-1] << self.shifts[i]
                if len(inputs) == self.network.width(i):  # all of them, as every unit of the layer asks
                    n += sum(map(mul, self.vector(point, known, i), weights))
                else:
                    n += sum(self.numerator(point, known, i, j) * w for j, w in zip(inputs, weights, strict=True))
        known[number, unit] = n
        return n

    def vector(self, point: Point, known: Any, number: int) -> list[int]:
        """The numerators of all units of a value."""
        key = number, -1
        if key not in known:
            known[key] = [self.numerator(point, known, number, j) for j in range(self.network.width(number))]
        return known[key]

    def flat(self, number: int, unit: int, bend: Bend) -> int | None:
        """What a bent unit is, over 2^shift, where it is known to be on a first piece that is flat."""
        piece = self.pieces[number][unit] if self.pieces else -1
        if piece != 0:
            return None
        slope, offset = (float(t[0] if t.ndim == 1 else t[0, unit]) for t in (bend.slopes, bend.offsets))
        return None if slope else whole(offset, self.shifts[number])

    def bent(self, point: Point, known: Any, number: int, unit: int, bend: Bend, shift: int) -> int:
        """A bent unit. Its pieces meet exactly: of their offsets the first counts, slopes and kinks tell the others.

        A float64 offset may be off in its last digit, as where a slope is 1/6, and the curve would jump at the kink.
        """
        n, d = self.numerator(point, known, number, unit), point[-1] << self.shifts[number]
        piece = 0
        for kink in bend.kinks:
            a, b = float(kink).as_integer_ratio()
            piece += n * b > a * d
        scale = shift - self.shifts[number]
        slopes, offsets = (table if table.ndim == 1 else table[:, unit] for table in (bend.slopes, bend.offsets))
        steep = [whole(float(slope), scale) for slope in slopes[: piece + 1]]
        offset = whole(float(offsets[0]), scale)
        for kink, before, after in zip(bend.kinks, steep, steep[1:], strict=False):
            a, b = float(kink).as_integer_ratio()
            offset += (before - after) * a // b
        return n * steep[-1] + offset * d

    def row(self, number: int, unit: int) -> tuple[list[int], list[int], int]:
        """A unit's inputs, and its weights and bias as whole numbers."""
        if (number, unit) not in self.rows:
            step = self.network.steps[number - 1]
            scale = self.shifts[number] - self.shifts[step.inputs[0]]
            operator: Any = step.operator
            inputs, weights, bias = operator.row(unit)
            here = np.ones(len(weights), bool) if len(weights) == self.network.width(step.inputs[0]) else weights != 0
            inputs, wholes = inputs[here].tolist(), [whole(w, scale) for w in weights[here].tolist()]
            if self.same:
                inputs, wholes = gathered([self.same[step.inputs[0]][i] for i in inputs], wholes)
            self.rows[number, unit] = inputs, wholes, whole(bias, scale)
        return self.rows[number, unit]


def firsts(numbers: np.ndarray) -> np.ndarray:
    """For every number where it comes first."""
    _, first, place = np.unique(numbers, return_index=True, return_inverse=True)
    return first[place.reshape(-1)]


def gathered(inputs: list[int], weights: list[int]) -> tuple[list[int], list[int]]:
    """Inputs once each, with the sum of their weights."""
    found: dict[int, int] = {}
    for i, weight in zip(inputs, weights, strict=True):
        found[i] = found.get(i, 0) + weight
    return list(found), list(found.values())


def bits(operator: Any) -> int:
    """By which power of two all numbers of an operator become whole."""
    arrays = [getattr(array, "data", array) if hasattr(array, "indptr") else array for array in vars(operator).values()]
    numbers = [np.ravel(a) for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    most = 0
    for array in numbers:
        mantissa, exponent = np.frexp(array[array != 0])
        whole = (mantissa * 2.0**53).astype(np.int64)
        trailing = np.log2((whole & -whole).astype(float)).astype(int)  # zeros at the end, which need no place
        most = max(most, int((53 - exponent - trailing).max(initial=0)))
    return most


def whole(number: float, shift: int) -> int:
    """`number · 2^shift`, which is a whole number."""
    a, b = number.as_integer_ratio()
    return (a << shift) // b


def point_of(coordinates: Any) -> Point:
    """A float64 point as a rational one."""
    ratios = [float(c).as_integer_ratio() for c in coordinates]
    q = max(b for _, b in ratios)
    return *(a * (q // b) for a, b in ratios), q


def crossing(u: Point, v: Point, at_u: tuple[int, int], at_v: tuple[int, int]) -> Point:
    """The point between u and v where a function is 0 that is `at_u` at u and `at_v`, of the other sign, at v."""
    a, b = abs(at_u[0]) * at_v[1], abs(at_v[0]) * at_u[1]  # |f(u)| and |f(v)| over a common denominator
    w = (b * x * v[-1] + a * y * u[-1] for x, y in zip(u[:-1], v[:-1], strict=True))
    q = (a + b) * u[-1] * v[-1]
    return reduced((*w, q))


def reduced(point: Point) -> Point:
    divisor = gcd(*point)
    return tuple(a // divisor for a in point)
