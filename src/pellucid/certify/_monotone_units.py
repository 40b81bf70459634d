"""What the units of a curve can be between bounds of what goes in: straight, turning once, or anything else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..affine import ROUNDING, Bend, Smooth
from ..compiled import kernel
from ._lines import line, reach
from ._monotone_sheet import WHOLE
from ._monotone_slopes import slope_between
from ._program import Program


class Shape(NamedTuple):
    """The units of a curve between low and high, each of one kind: `straight` ones have the slope `before` and the
    offset `rise`; `kinked` ones turn at `kink`, where the slope `past` and the offset `later` begin, with a jump of at
    most `loose`, by rounding; of `wild` ones `before` and `past` are the least and the largest slope.

    `whole` says whether all slopes of straight and kinked units are −1, 0 or 1, and none is wild.
    """

    straight: np.ndarray
    kinked: np.ndarray
    wild: np.ndarray
    kink: np.ndarray
    before: np.ndarray
    past: np.ndarray
    rise: np.ndarray
    later: np.ndarray
    loose: np.ndarray
    whole: bool

    @property
    def zero(self) -> np.ndarray:
        """The units that give 0 alone."""
        return self.straight & (self.before == 0) & (self.rise == 0)


def shape_of(curve: Bend | Smooth, low: np.ndarray, high: np.ndarray) -> Shape:
    """What the units of a curve are strictly between low and high, (units,)."""
    if isinstance(curve, Smooth):
        least, most = (side[0] for side in slope_between(curve, low[None], high[None]))
        no, zero = np.zeros(len(low), bool), np.zeros(len(low))
        return Shape(no, no, ~no, zero, least, most, zero, zero, zero, False)
    first = (low[:, None] >= curve.kinks).sum(-1)
    last = np.maximum(first, (high[:, None] > curve.kinks).sum(-1))
    straight, kinked = first == last, last == first + 1
    wild = ~straight & ~kinked
    kink = np.where(kinked, np.append(curve.kinks, 0.0)[np.minimum(first, len(curve.kinks))], 0.0)
    before, past = curve.slope(first), curve.slope(last)
    rise, later = curve.offset(first), curve.offset(last)
    if wild.any():
        least, most = (side[0] for side in slope_between(curve, low[None], high[None]))
        before, past = np.where(wild, least, before), np.where(wild, most, past)
    jump = abs((before * kink + rise) - (past * kink + later))
    size = (abs(before) + abs(past)) * abs(kink) + abs(rise) + abs(later)
    loose = np.where(kinked & (size > 0), jump + 8 * ROUNDING * size, 0.0)
    whole = not wild.any() and bool(np.isin(before, WHOLE).all() and np.isin(past, WHOLE).all())
    return Shape(straight, kinked, wild, kink, before, past, rise, later, loose, whole)


class Lines(NamedTuple):
    """Lines above and below every unit of a curve, and its least and largest value."""

    up: np.ndarray
    above: np.ndarray
    down: np.ndarray
    below: np.ndarray
    least: np.ndarray
    most: np.ndarray


def lines_of(program: Program, step: int, low: np.ndarray, high: np.ndarray) -> Lines:
    """The lines of the curve of a step between low and high, (units,)."""
    return Lines(*drawn(program, step, low, high))


@kernel
def drawn(program, step, low, high):
    found = np.empty((6, len(low)))
    for j in range(len(low)):
        found[0, j], found[1, j], _ = line(program, step, j, low[j], high[j], 1)
        found[2, j], found[3, j], _ = line(program, step, j, low[j], high[j], -1)
        found[4, j], found[5, j] = reach(program, step, j, low[j], high[j])
    return found
