"""Bounds of one output over many convex cells of the input space at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..affine import Add, Bend, Join
from . import _solid_kernels as kernels
from ._network import Network

MOST = 1 << 18  # numbers in one array, so that it stays in the cache
ROUNDED = 1e-12  # what is added for rounding, as a part of the largest number before a bend


class Cells(NamedTuple):
    """Convex cells by their corners: those of cell c are `points[corners[ptr[c]:ptr[c + 1]]]`."""

    ptr: np.ndarray
    corners: np.ndarray
    points: np.ndarray

    @property
    def centres(self) -> np.ndarray:
        """The mean of the corners of every cell."""
        return np.add.reduceat(self.points[self.corners], self.ptr[:-1]) / np.diff(self.ptr)[:, None]

    def part(self, a: int, b: int) -> Cells:
        return Cells(self.ptr[a : b + 1] - self.ptr[a], self.corners[self.ptr[a] : self.ptr[b]], self.points)


class Known(NamedTuple):
    """The values before a step as affine functions of the input, (maps, 4, units): at 0, then the slopes."""

    step: int
    maps: dict[int, np.ndarray]


def enclosed(
    network: Network, output: int, cells: Cells, known: Known, origin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers that the output is not below and not above in each cell: exact where no unit bends inside.

    `origin` says which of the known maps a cell has. Forward, every unit is an affine function of the input give or
    take an error: one that bends in a cell is put between two parallel planes, `s z + c ± h`. Backward, the output's
    share of each h is its slope there, so that errors that cancel do not both count.

    Source: Singh et al. 2018, "Fast and effective robustness certification", section 3; Zhang et al. 2018, eq. 3.
    """
    widest = max([network.n_in, *(step.width for step in network.steps)])
    size = max(1, MOST // (8 * widest))
    count = len(cells.ptr) - 1
    parts = [
        some(network, output, cells.part(i, min(i + size, count)), known, origin[i : i + size])
        for i in range(0, count, size)
    ]
    low, high = (np.concatenate(part) for part in zip(*parts, strict=True))
    return low, high


def some(
    network: Network, output: int, cells: Cells, known: Known, origin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n = len(cells.ptr) - 1
    values: dict[int, Any] = {k: (maps[origin], np.zeros((n, maps.shape[2]))) for k, maps in known.maps.items()}
    bent = {}
    for i, step in enumerate(network.steps[known.step :], known.step):
        given = [values[number] for number in step.inputs]
        match step.operator:
            case Bend() as bend:
                (maps, error), *_ = given
                low, high = kernels.ranges(maps, cells.ptr, cells.corners, cells.points)
                slope, middle, half = between(bend, low - error, high + error)
                half += ROUNDED * np.maximum(high.max(1), -low.min(1))[:, None]
                bent[i] = slope, half
                maps = maps * slope[:, None]
                maps[:, 0] += middle
                made = maps, error * abs(slope) + half
            case Add() | Join() as joined:
                made = mapped(step.operator, [maps for maps, _ in given]), joined(*(error for _, error in given))
            case operator:
                (maps, error), *_ = given
                made = mapped(operator, [maps]), operator.magnitude(error)
        values[step.output] = made
        network.forget(values, i)
    maps, error = values[network.output.number]
    one = np.ascontiguousarray(maps[:, :, output : output + 1])
    low, high = kernels.ranges(one, cells.ptr, cells.corners, cells.points)
    slack = np.minimum(error[:, output], shares(network, output, bent, known.step, n))
    return low[:, 0] - slack, high[:, 0] + slack


def mapped(operator: Any, maps: list[np.ndarray]) -> np.ndarray:
    """What an operator that does not bend makes of affine functions."""
    n = len(maps[0])
    rows = [m.reshape(n * 4, -1) for m in maps]
    if isinstance(operator, Add | Join):
        return operator(*rows).reshape(n, 4, -1)
    made = operator.linear(rows[0]).reshape(n, 4, -1)
    made[:, 0] += operator(np.zeros((1, rows[0].shape[1])))
    return made


def advanced(network: Network, known: Known, pieces: np.ndarray | None, origin: np.ndarray) -> Known:
    """The maps of these cells before the next bend; `pieces` are those of the bend between, None before the first."""
    values = {k: maps[origin] for k, maps in known.maps.items()} if pieces is not None else dict(known.maps)
    for i, step in enumerate(network.steps[known.step :], known.step):
        given = [values[number] for number in step.inputs]
        if isinstance(step.operator, Bend):
            if pieces is None:
                return Known(i, values)
            made = given[0] * step.operator.slope(pieces)[:, None]
            made[:, 0] += step.operator.offset(pieces)
            pieces = None
        else:
            made = mapped(step.operator, given)
        values[step.output] = made
        network.forget(values, i)
    return Known(len(network.steps), values)


def between(bend: Bend, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slope s, offset c and h such that the curve lies within `s z + c ± h` for z from low to high."""
    if bend.is_relu:
        bends = (low < 0) & (high > 0)
        slope = np.where(bends, high / np.where(bends, high - low, 1), low >= 0)
        half = np.where(bends, -slope * low / 2, 0)
        return slope, half, half.copy()
    at_low, at_high = bend(low), bend(high)
    inside = np.stack([(low < kink) & (kink < high) for kink in bend.kinks])
    width = np.where(inside.any(0), high - low, 1)
    slope = np.where(inside.any(0), (at_high - at_low) / width, bend.slope(bend.piece((low + high) / 2)))
    least = at_low - slope * low
    most = least.copy()
    for here, kink in zip(inside, bend.kinks, strict=True):
        rest = np.where(here, bend(np.full_like(low, kink)) - slope * kink, least)
        least, most = np.minimum(least, rest), np.maximum(most, rest)
    return slope, (least + most) / 2, (most - least) / 2


def shares(network: Network, output: int, bent: dict[int, Any], first: int, n: int) -> np.ndarray:
    """The sum of |slope of the output by a unit| · h over all units from step `first`, taken back from the output."""
    start = np.zeros((n, network.n_out))
    start[:, output] = 1
    slopes, total = {network.output.number: start}, np.zeros(n)
    for i, step in reversed(list(enumerate(network.steps))[first:]):
        d = slopes.pop(step.output, None)
        if d is None:
            continue
        match step.operator:
            case Bend():
                slope, half = bent[i]
                total += (abs(d) * half).sum(1)
                parts = [d * slope]
            case Add():
                parts = [d] * len(step.inputs)
            case Join():
                parts = np.split(d, np.cumsum([network.width(k) for k in step.inputs])[:-1], 1)
            case operator:
                parts = [operator.transposed(d)]
        for number, part in zip(step.inputs, parts, strict=True):
            slopes[number] = slopes[number] + part if number in slopes else part
    return total
