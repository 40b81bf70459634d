"""A planar complex checked again in rational arithmetic, by nothing that took part in finding it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..affine import Add, Bend, Join
from ..errors import DataError, GeometryError, SettingError
from ..module import Layer
from ..records import Record
from ._network import Network, input_shape, lowered, without_link

MENTIONED = 20
Exact = tuple[Fraction, Fraction]
Rows = list[tuple[int, int, int]]  # of each unit the weights of x and y and a constant, as whole numbers


@dataclass(frozen=True)
class Verification(Record):
    """Whether a planar complex holds, in exact arithmetic; `problems` names the first 20 of the `failures`.

    `faces` are in the file; of each one the area is taken, and `checked` of them are checked for the rest. `area` and
    `box_area` are exact fractions, as texts, or their floats where the texts would be long.
    """

    holds: bool
    faces: int
    vertices: int
    checked: int
    half_spaces: int
    area: str
    box_area: str
    failures: int
    problems: tuple[str, ...]


class Face(NamedTuple):
    number: int
    vertices: list[int]
    pattern: list[list[int]]


def verify(
    file_or_dict: str | PathLike[str] | dict[str, Any], net: Layer | Network, *, sample: int | None = None
) -> Verification:
    """Check a complex of a network of two inputs in a rectangle again, in rational arithmetic.

    Read is JSON, or the same as a dict:
    `{"box": [[low, high], [low, high]], "vertices": [{"xy": [x, y]}, …], "faces": [{"vertices": [number, …],
    "pattern": [[piece, …], …]}, …]}`. A coordinate, of the box too, is a text `"p/q"` or `"p"`, read as that
    fraction, or a number, read as exactly that float64. The vertices of a face go round it counterclockwise; those
    of its neighbours on its edges may be among them. Its pattern holds for each bend, in the order of the network, the
    piece of each unit: how many of its kinks it is above. Further keys are not looked at.

    Checked is: every vertex lies in the box; every face is convex and goes round once counterclockwise; at the mean of
    its vertices the network has its pattern (so it is inside the open cell, or on a kink that is everywhere in it); its
    vertices lie in the closed half-spaces of the pattern; the areas of all faces sum to that of the box. Cells of
    different patterns do not overlap, and faces of the same pattern are looked for, so the faces cover the box without
    gap or overlap. `sample` faces at random are checked, by default all; areas and twice-used patterns always of all.

    Raises: DataError where the file is not of this form; GeometryError for a network that has not two inputs;
        SettingError for an impossible sample.
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> net = Sequential([Dense(np.ones((2, 1)), None), Activation("relu"), Dense(np.ones((1, 1)), None)])
        >>> halves = {"box": [[0, 1], [-1, 0]], "vertices": [{"xy": at} for at in ([0, -1], [1, -1], [1, 0], [0, 0])],
        ...           "faces": [{"vertices": [0, 1, 3], "pattern": [[0]]}, {"vertices": [1, 2, 3], "pattern": [[1]]}]}
        >>> verify(halves, net).holds
        True
        >>> halves["faces"][0]["pattern"] = [[1]]
        >>> verify(halves, net).problems[0]
        'Two faces have the pattern of face 0: 0 and 1.'
    """
    network = lowered(net, shape_in(net))
    if network.n_in != 2:
        raise GeometryError(f"verify wants a network of two inputs, got one of {network.n_in}.")
    if sample is not None and sample < 1:
        raise SettingError(f"sample is at least 1 or None, got {sample}.")
    box, points, faces = read(file_or_dict, network)
    problems = [f"Vertex {v} lies outside the box." for v, p in enumerate(points) if not inside(p, box)]
    problems += repeated(faces)
    chosen = faces
    if sample is not None and sample < len(faces):
        chosen = random.Random(0).sample(faces, sample)
    planes = 0
    exact = Planes(network)
    for face in sorted(chosen, key=lambda face: face.pattern):
        corners = [points[v] for v in face.vertices]
        problems += shape_of(face, corners)
        found, count = exact.check(face, corners)
        problems += found
        planes += count
    area = sum((area_of([points[v] for v in face.vertices]) for face in faces), Fraction(0))
    whole = (box[0][1] - box[0][0]) * (box[1][1] - box[1][0])
    if area != whole:
        problems.append(f"The areas sum to {worded(area)}, the box has {worded(whole)}.")
    return Verification(
        not problems, len(faces), len(points), len(chosen), planes, worded(area), worded(whole), len(problems),
        tuple(problems[:MENTIONED]),
    )  # fmt: skip


def shape_in(net: Layer | Network) -> tuple[int, ...] | None:
    """Two numbers, where the network does not say itself what it takes."""
    if isinstance(net, Network):
        return None
    try:
        return input_shape(without_link(net)[0])
    except GeometryError:
        return (2,)


def worded(number: Fraction) -> str:
    text = str(number)
    return text if len(text) <= 60 else repr(float(number))


def read(given: Any, network: Network) -> tuple[list[tuple[Fraction, Fraction]], list[Exact], list[Face]]:
    """The box, the vertices and the faces.

    Raises: DataError where something is not of the form that `verify` reads.
    """
    if not isinstance(given, dict):
        try:
            given = json.loads(Path(given).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{given} cannot be read as the JSON of a complex: {error}.") from None
    try:
        box = [(fraction(low), fraction(high)) for low, high in given["box"]]
        points = [(fraction(x), fraction(y)) for x, y in (vertex["xy"] for vertex in given["vertices"])]
        faces = [
            Face(i, [int(v) for v in face["vertices"]], [[int(p) for p in bend] for bend in face["pattern"]])
            for i, face in enumerate(given["faces"])
        ]
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
        raise DataError(
            f'The complex is not of the form {{"box", "vertices": [{{"xy"}}], "faces": [{{"vertices", "pattern"}}]}}: '
            f"{type(error).__name__}: {error}."
        ) from None
    if len(box) != 2 or not all(low < high for low, high in box):
        raise DataError("The box of a planar complex has two sides, each from a lower to a higher number.")
    widths = [(step.width, len(step.bend.kinks)) for step in network.bends if isinstance(step.operator, Bend)]
    for face in faces:
        if len(face.vertices) < 3 or not all(0 <= v < len(points) for v in face.vertices):
            raise DataError(f"Face {face.number} wants at least 3 vertices, numbered from 0 to {len(points) - 1}.")
        fits = len(face.pattern) == len(widths) and all(
            len(bend) == n and all(0 <= p <= k for p in bend) for bend, (n, k) in zip(face.pattern, widths, strict=True)
        )
        if not fits:
            wanted = ", ".join(str(n) for n, _ in widths)
            raise DataError(f"Face {face.number} wants a piece for each of the units of each bend: {wanted}.")
    return box, points, faces


def fraction(value: Any) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"{value!r} is no coordinate")
    return Fraction(value)


def inside(point: Exact, box: Sequence[tuple[Fraction, Fraction]]) -> bool:
    return all(low <= x <= high for x, (low, high) in zip(point, box, strict=True))


def repeated(faces: list[Face]) -> Iterator[str]:
    """Faces with the same pattern could lie on each other: the sum of the areas would not tell."""
    first: dict[tuple[tuple[int, ...], ...], int] = {}
    for face in faces:
        before = first.setdefault(tuple(map(tuple, face.pattern)), face.number)
        if before != face.number:
            yield f"Two faces have the pattern of face {before}: {before} and {face.number}."


def turn(a: Exact, b: Exact, c: Exact) -> Fraction:
    """Twice the area of the triangle a, b, c: above 0 where c lies left of the way from a to b."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def area_of(corners: list[Exact]) -> Fraction:
    around = [*corners, corners[0]]
    return sum((a[0] * b[1] - a[1] * b[0] for a, b in pairwise(around)), Fraction(0)) / 2


def shape_of(face: Face, corners: list[Exact]) -> Iterator[str]:
    """Convex, counterclockwise and round only once: all corners lie left of every edge, and the edges turn once."""
    around = [*corners, corners[0]]
    if len(set(corners)) < len(corners):
        yield f"Face {face.number} has a corner twice."
    elif any(turn(a, b, c) < 0 for a, b in pairwise(around) for c in corners):
        yield f"Face {face.number} is not convex and counterclockwise."
    elif area_of(corners) <= 0:
        yield f"Face {face.number} has no area."
    elif turns_back(around):
        yield f"Face {face.number} goes round more than once."


def turns_back(around: list[Exact]) -> bool:
    """Whether the edges do not go once through all directions in order: twice from the lower to the upper half."""
    upper = [(b[1], b[0]) > (a[1], a[0]) for a, b in pairwise(around)]
    return sum(a != b for a, b in pairwise([*upper, upper[0]])) != 2


class Values(NamedTuple):
    """What a step makes, as an affine map of the input: whole numbers over `2^shift`."""

    rows: Rows
    shift: int


class Planes:
    """The half-spaces of patterns, exactly: float64 weights are whole numbers over powers of two.

    Faces come sorted by pattern, so the maps up to the first bend that differs are still known from the last face.
    """

    def __init__(self, network: Network):
        self.network = network
        self.matrices = {i: Matrix(s.operator, network.width(s.inputs[0])) for i, s in enumerate(network.steps)
                         if not isinstance(s.operator, Bend | Add | Join)}  # fmt: skip
        self.curves = {
            i: Curve(s.operator, s.width) for i, s in enumerate(network.steps) if isinstance(s.operator, Bend)
        }
        self.places = list(self.curves)
        self.pattern: list[list[int]] = []
        self.values: dict[int, Values] = {0: Values([(1, 0, 0), (0, 1, 0)], 0)}

    def check(self, face: Face, corners: list[Exact]) -> tuple[list[str], int]:
        """What is wrong with a face's pattern, and how many half-spaces were looked at."""
        self.make(face.pattern)
        middle = (sum(x for x, _ in corners) / len(corners), sum(y for _, y in corners) / len(corners))
        inner, outer, count = over_one(middle), [over_one(corner) for corner in corners], 0  # pyright: ignore[reportArgumentType]
        for b, (i, pieces) in enumerate(zip(self.places, face.pattern, strict=True)):
            rows, shift = self.values[self.network.steps[i].inputs[0]]
            kinks = self.curves[i].kinks
            for unit, (row, piece) in enumerate(zip(rows, pieces, strict=True)):
                if sum(side(row, shift, inner, kink) > 0 for kink in kinks) != piece:
                    return [self.wrong(face, b, unit, "at its middle")], count
                for k in (piece - 1, piece):
                    if not 0 <= k < len(kinks):
                        continue
                    count += 1
                    wrong = -1 if k < piece else 1
                    if any(side(row, shift, corner, kinks[k]) * wrong > 0 for corner in outer):
                        return [self.wrong(face, b, unit, "at a corner")], count
        return [], count

    def wrong(self, face: Face, bend: int, unit: int, where: str) -> str:
        return f"Face {face.number}: {self.network.name(bend, unit)} is not on its piece {where}."

    def make(self, pattern: list[list[int]]) -> None:
        """The maps of all values, from the first bend on that is on other pieces than in the last pattern."""
        same = 0
        while same < len(self.pattern) and self.pattern[same] == pattern[same]:
            same += 1
        start = self.places[same] if self.pattern and same < len(self.places) else 0
        if self.pattern and same == len(self.places):
            return
        turns = iter(pattern[same if self.pattern else 0 :])
        for i, step in enumerate(self.network.steps[start:], start):
            given = [self.values[number] for number in step.inputs]
            self.values[step.output] = self.made(i, given, next(turns) if i in self.curves else None)
        self.pattern = pattern

    def made(self, i: int, given: list[Values], pieces: list[int] | None) -> Values:
        if pieces is not None:
            return self.curves[i](given[0], pieces)
        if i in self.matrices:
            return self.matrices[i](given[0])
        shift = max(value.shift for value in given)
        parts = [[tuple(n << (shift - value.shift) for n in row) for row in value.rows] for value in given]
        if isinstance(self.network.steps[i].operator, Join):
            return Values([row for part in parts for row in part], shift)  # pyright: ignore[reportArgumentType]
        summed = [tuple(map(sum, zip(*rows, strict=True))) for rows in zip(*parts, strict=True)]
        return Values(summed, shift)  # pyright: ignore[reportArgumentType]


class Matrix:
    """An affine operator as whole numbers over `2^shift`, read off from what it makes of the unit vectors and of 0."""

    def __init__(self, operator: Any, n_in: int):
        matrix, bias = operator.linear(np.eye(n_in)).T, operator(np.zeros((1, n_in)))[0]
        self.shift = power_below([*matrix[matrix != 0].tolist(), *bias.tolist()])
        self.rows = [[(int(i), scaled(row[i], self.shift)) for i in np.flatnonzero(row)] for row in matrix]
        self.bias = [scaled(number, self.shift) for number in bias]

    def __call__(self, given: Values) -> Values:
        rows: Rows = []
        for terms, bias in zip(self.rows, self.bias, strict=True):
            used = [(weight, given.rows[i]) for i, weight in terms]
            x, y, c = (sum(weight * row[k] for weight, row in used) for k in range(3))
            rows.append((x, y, c + (bias << given.shift)))
        return Values(rows, given.shift + self.shift)


class Curve:
    """A bend: of every unit and piece the slope and the offset, as whole numbers over `2^shift`; kinks as fractions."""

    def __init__(self, bend: Bend, width: int):
        tables = [np.broadcast_to(t.reshape(len(t), -1), (len(t), width)) for t in (bend.slopes, bend.offsets)]
        self.shift = power_below([number for table in tables for number in table.reshape(-1).tolist()])
        self.slopes, self.offsets = ([[scaled(n, self.shift) for n in row] for row in table] for table in tables)
        self.kinks = [Fraction(float(kink)) for kink in bend.kinks]

    def __call__(self, given: Values, pieces: list[int]) -> Values:
        rows: Rows = []
        for unit, ((x, y, c), piece) in enumerate(zip(given.rows, pieces, strict=True)):
            slope, offset = self.slopes[piece][unit], self.offsets[piece][unit]
            rows.append((slope * x, slope * y, slope * c + (offset << given.shift)))
        return Values(rows, given.shift + self.shift)


def power_below(numbers: Sequence[float]) -> int:
    """The power of two that all these floats are whole multiples of, `2^−power`."""
    return max((float(number).as_integer_ratio()[1].bit_length() - 1 for number in numbers), default=0)


def scaled(number: float, shift: int) -> int:
    n, d = float(number).as_integer_ratio()
    return (n << shift) // d


def over_one(point: Exact) -> tuple[int, int, int]:
    """A point as whole numbers X, Y over Q."""
    x, y = point
    q = lcm(x.denominator, y.denominator)
    return x.numerator * (q // x.denominator), y.numerator * (q // y.denominator), q


def side(row: tuple[int, int, int], shift: int, point: tuple[int, int, int], kink: Fraction) -> int:
    """On which side of its kink a unit is at a point: above 0, on it 0, below 0."""
    value = row[0] * point[0] + row[1] * point[1] + row[2] * point[2]  # over Q · 2^shift
    return value * kink.denominator - kink.numerator * (point[2] << shift)
