"""Lines of a plane through three pictures on which very many units are 0 together.

Where two of three pictures are black, a picture on the side between them is black too. Pooling compares thousands of
places that see nothing else, and all of these meet their kink on that one line. They need not be cut one by one:
beside the line each is a multiple of the first of them, and what is so everywhere is read off from the network, not
from floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, reduce
from typing import Any, NamedTuple

import numpy as np

from ..affine import Add, Bend, Join, Step
from ._alike import ZERO, Forms, kinds_of, numbering
from ._exact import Point
from ._network import Network
from ._plane import Plane
from ._tile_bounds import Bent, Box

PIXELS = 2  # the number of the value that holds the points of the plane


class Line:
    """A line `g = 0` of the plane, `g = form · (1, s, t)`, and which units are 0 on all of it."""

    def __init__(self, network: Network, form: tuple[Fraction, ...], pixels: np.ndarray):
        self.network, self.form, self.pixels = network, form, pixels
        self.g = np.array([float(part) for part in form])

    @cached_property
    def zero(self) -> list[np.ndarray]:
        """Of every bend the units that are given 0 on the line."""
        numbers = numbering(self.network, {PIXELS: self.pixels})
        return [numbers[step.inputs[0]] == ZERO for step in self.network.bends]

    def has(self, point: Point) -> bool:
        x, y, q = point
        a, b, c = self.form
        return a * q + b * x + c * y == 0

    def crosses(self, box: Box) -> np.ndarray | None:
        """The corners (2, 2) of a rectangle that lie farthest above and below; None where it lies beside the line."""
        corners = np.array([(x, y) for x in box[0] for y in box[1]])
        at = self.g[0] + corners @ self.g[1:]
        size = abs(self.g[0]) + abs(corners) @ abs(self.g[1:])
        high, low = int(at.argmax()), int(at.argmin())
        if not (at[high] > 1e-12 * size[high] and at[low] < -1e-12 * size[low]):
            return None
        return corners[[high, low]]


def lines_of(network: Network, plane: Plane | None) -> list[Line]:
    """The sides of the triangle, and the lines beside them through the third point."""
    if plane is None or plane.sides is None or plane.turn is None:
        return []
    u, v = plane.sides
    zero = np.zeros_like(u)
    (a, b), (c, d) = ([Fraction(float(n)) for n in row] for row in plane.turn)
    along = (a, c), (b, d)
    found = []
    for at in (0, 1):
        start, other = total(plane.origin, at * u), total(plane.origin, at * v)
        both = tuple(x + y for x, y in zip(*along, strict=True))
        for form, pixels in (
            (along[0], (*start, *total(v, zero))),
            (along[1], (*other, *total(u, zero))),
            (both, (*start, *total(v, -u))),
        ):
            rows = np.column_stack(pixels)
            numbers = kinds_of(rows) + ZERO + 1
            numbers[~rows.any(1)] = ZERO
            found.append(Line(network, (Fraction(-at), *form), numbers))
    return found


def total(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`a + b` without error: the rounded sum, and what was rounded away (Knuth 1969, TwoSum)."""
    s = a + b
    back = s - a
    return s, (a - (s - back)) + (b - back)


class Followers(NamedTuple):
    """Units of a bend that are multiples of one function on both sides of a line.

    Bent they are `offset + slope · g`, with a slope (2, units) for each side; `pieces` (2, units) are those there.
    """

    bend: int
    units: np.ndarray
    slope: np.ndarray
    offset: np.ndarray
    pieces: np.ndarray


@dataclass(eq=False)
class Crossing:
    """A line through a rectangle, and what units are at the corners above and below, step by step.

    `values` hold rows for each value: the units at both corners, sizes of what was summed for them there, and whether
    units hang on anything that bends but the line.
    """

    line: Line
    corners: np.ndarray
    rounded: list[float]
    values: dict[int, np.ndarray]
    forms: tuple[Forms, Forms]  # on both sides
    found: list[Followers]

    @staticmethod
    def of(line: Line, corners: np.ndarray, rounded: list[float], numbers: list[np.ndarray]) -> Crossing:
        start = np.concatenate([corners, abs(corners), np.zeros((1, 2))])
        above, below = (Forms(line.network, numbers, {}) for _ in range(2))
        return Crossing(line, corners, rounded, {0: start}, (above, below), [])

    def step(self, step: Step, b: int, part: Bent | None) -> None:
        """Go on by one step; of bend number b `part` says what it can do in the rectangle."""
        given = [self.values[number] for number in step.inputs]
        match step.operator:
            case Bend() as bend:
                assert part is not None
                made = self.bent(bend, b, part, given[0], self.rounded[step.inputs[0]])
                for side, forms in enumerate(self.forms):
                    forms.pieces[step.output] = np.where(part.open, -1, part.first)
                    if self.found and self.found[-1].bend == b:
                        forms.pieces[step.output][self.found[-1].units] = self.found[-1].pieces[side]
            case Add():
                made = reduce(np.add, given)
            case Join():
                made = np.concatenate(given, 1)
            case operator:
                sizes = operator.magnitude(given[0][2:])
                sizes[:2] += abs(operator.shift)
                made = np.concatenate([operator(given[0][:2]), sizes])
        self.values[step.output] = made

    def bent(self, bend: Bend, b: int, part: Bent, rows: np.ndarray, rounded: float) -> np.ndarray:
        z, size, hangs = rows[:2], rows[2:4], rows[4] > 0
        known = (abs(z) > rounded * size) | (size == 0)
        met = part.open & ~hangs & self.line.zero[b] & (bend.kinks.tolist() == [0])
        for side, forms in enumerate(self.forms):
            zero = [u for u in np.flatnonzero(met & ~known[side]).tolist() if forms.zero(b, u)]
            z[side, zero], size[side, zero], known[side, zero] = 0, 0, True
        pieces, h, steep = bend.piece(z), bend(z), abs(bend.slopes).max(0)
        units = np.flatnonzero(met & known.all(0))
        if len(units):
            offset = np.broadcast_to(bend.offsets[0], z.shape[1:])[units]
            at = self.line.g[0] + self.corners @ self.line.g[1:]
            slope = (h[:, units] - offset) / at[:, None]
            self.found.append(Followers(b, units, slope, offset, pieces[:, units]))
        hangs = np.where(part.open, 1.0, hangs & (part.slope != 0))
        hangs[units] = 0
        flat = (pieces == 0) & (abs(z) > rounded * size) & (bend.slopes[0] == 0)
        return np.stack([*h, *np.where(flat, abs(bend.offsets[0]), steep * size + abs(bend.offsets).max(0)), hangs])


class Led(NamedTuple):
    """Units of a bend that are on a known piece on either side of the line where their leader bends.

    `pieces` (2, units): where the leader, a unit of a bend, is on its lower piece, and on its upper one. `strict` says
    that this holds but where the leader is 0 on a whole face.
    """

    bend: int
    units: np.ndarray
    leader: tuple[int, int]
    pieces: np.ndarray
    strict: bool = False

    def behind(self, others: Mapping[tuple[int, int], tuple[Led, int]]) -> Led:
        """The same by the leader of its leader, where that is among `others` that are led (which, and its place)."""
        if self.leader not in others:
            return self
        other, place = others[self.leader]
        pieces = self.pieces[other.pieces[:, place]]
        return Led(self.bend, self.units, other.leader, pieces, self.strict or other.strict).behind(others)


@dataclass(eq=False)
class Joined:
    """What the followers of one line are in terms of their leader: `constant + slant g + share` of the bent leader."""

    leader: tuple[int, int]
    line: Line
    of_bend: dict[int, tuple[Any, ...]]  # units, constant, slant, share
    led: list[Led]


def joined(crossing: Crossing, speaks: list[np.ndarray]) -> Joined | None:
    """The first follower leads the others; None where there are none."""
    if not crossing.found:
        return None
    first = crossing.found[0]
    bends = first.pieces[0] != first.pieces[1]
    if not bends.any():
        return None
    i = int(np.argmax(bends))
    leader, (above, below), start = (first.bend, int(first.units[i])), first.slope[:, i], first.offset[i]
    up = int(first.pieces[0, i])
    of_bend, led = {}, []
    for b, units, slope, offset, pieces in crossing.found:
        others = speaks[b][units] != leader[1] if b == leader[0] else np.ones(len(units), bool)
        share = (slope[0] - slope[1]) / (above - below)
        slant = slope[0] - share * above
        of_bend[b] = tuple(part[others] for part in (units, offset - share * start, slant, share))
        led.append(Led(b, units[others], leader, (pieces if up == 0 else pieces[::-1])[:, others]))
    return Joined(leader, crossing.line, of_bend, led)
