"""A part of the input space, cut in two where what is asked about is left most open."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..affine import Add, Bend, Join, Smooth
from ..geometry import Network
from ._bounds import enclose
from ._monotone_ask import Asked, Choice
from ._monotone_relax import Aim, Part, Relaxed
from ._monotone_slopes import back, backward, slope_at
from ._space import Spaces

FEW = 6  # inputs, up to which a box is cut in halves while more units than these are undecided
CLEAR = 4
UNIT, INPUT, CHOICE = range(3)  # what a part is cut at


class Sides(NamedTuple):
    """The two sides of a cut, one after the other in each array, and what the cut is at: a kind, a number, a place.

    Shapes: bottom, top (2, n_in); low, high (2, units), which are asked for and not yet tightened.
    """

    bottom: np.ndarray
    top: np.ndarray
    low: np.ndarray
    high: np.ndarray
    cut: tuple[int, int, float]


def enclosed(asked: Asked, bottom: np.ndarray, top: np.ndarray, *given: np.ndarray) -> list[Part | None]:
    """The parts with the bounds of their units, given some that are asked for; None for one that holds no input."""
    spaces = Spaces(bottom, top, bottom, np.zeros(len(top)), np.inf)
    found = enclose(asked.it, spaces, np.zeros((1, asked.it.network.n_out)), given=given or None, threads=1)
    empty = np.any(found.low > found.high, axis=1)
    return [None if empty[i] else Part(bottom[i], top[i], found.low[i], found.high[i]) for i in range(len(top))]


def fraction(asked: Asked, part: Part, x: np.ndarray) -> Choice | None:
    """The choice that is farthest from being 0 or 1, where one is still open and not whole."""
    open_ = [choice for choice in asked.choices if part.bottom[choice.input] < part.top[choice.input]]
    worst = max(open_, key=lambda choice: min(x[choice.input], 1 - x[choice.input]), default=None)
    return None if worst is None or min(x[worst.input], 1 - x[worst.input]) < 1e-6 else worst


def doubled(part: Part) -> list[np.ndarray]:
    return [np.tile(side, (2, 1)) for side in part]


def chosen(part: Part, choice: Choice) -> Sides:
    """An input that is 0 on one side and 1 on the other, where others are fixed with it."""
    bottom, top, low, high = doubled(part)
    top[0, choice.input], bottom[1, choice.input] = 0.0, 1.0
    for i, value in choice.others.items():
        bottom[1, i] = top[1, i] = value
    return Sides(bottom, top, low, high, (CHOICE, choice.input, 0.0))


def halved(asked: Asked, part: Part) -> Sides | None:
    """The side of the box that is longest beside that of the whole, cut in the middle; None where all are too short."""
    i = int(((part.top - part.bottom) / np.maximum(asked.high - asked.low, 1e-300)).argmax())
    place = float(part.bottom[i] + (part.top[i] - part.bottom[i]) / 2)
    if not part.bottom[i] < place < part.top[i]:
        return None
    bottom, top, low, high = doubled(part)
    top[0, i] = bottom[1, i] = place
    return Sides(bottom, top, low, high, (INPUT, i, place))


def bent_side(network: Network, part: Part, made: Relaxed, point: np.ndarray, aim: Aim) -> Sides | None:
    """The unit whose slope leaves most open, cut at its kink or in the middle; None where no unit does."""
    score, place = opened(network, part, made, point, aim)
    if not len(score) or not score.max() > 0:
        return None
    unit = int(score.argmax())
    at = float(place[unit])
    if not part.low[unit] < at < part.high[unit]:
        return None
    bottom, top, low, high = doubled(part)
    high[0, unit] = low[1, unit] = at
    return Sides(bottom, top, low, high, (UNIT, unit, at))


def cut(asked: Asked, part: Part, made: Relaxed, point: np.ndarray, aim: Aim) -> Sides | None:
    """The two sides of a part, by the point where its program has its least; None where it cannot be cut."""
    network = asked.it.network
    choice = fraction(asked, part, point)
    if choice is not None:
        return chosen(part, choice)
    undecided = sum(int((bent.shape.kinked | bent.shape.wild).sum()) for bent in made.curves)
    if network.n_in <= FEW and (undecided > CLEAR or any(bent.shape.wild.any() for bent in made.curves)):
        return halved(asked, part) or bent_side(network, part, made, point, aim)
    return bent_side(network, part, made, point, aim) or halved(asked, part)


def opened(network: Network, part: Part, made: Relaxed, point: np.ndarray, aim: Aim) -> tuple[np.ndarray, np.ndarray]:
    """How much each unit leaves the derivative open, about, and where it would be cut: by how far the program's product
    of slope and derivative is from what it is at this point, and by how undecided its slope is there."""
    slopes, wrong, loose, places, start = [], [], [], [np.zeros(0)], 0
    for step, bent in zip(network.curves, made.curves, strict=True):
        shape, z = bent.shape, bent.z.at(point)
        wide, a = shape.past - shape.before, np.where(shape.wild, 0.5, bent.turn.at(point))
        slopes.append(shape.before + wide * a)
        slope = np.clip(slope_at(step.operator, z[None])[0], *np.sort([shape.before, shape.past], 0))  # pyright: ignore
        wrong.append(abs(bent.before.at(point) - slope * bent.behind.at(point)))
        loose.append(abs(wide) * np.minimum(a, 1 - a) + 1e-12 * (~shape.straight))
        low, high = (side[start : start + step.width] for side in (part.low, part.high))
        places.append(cuts(step.operator, low, high))  # pyright: ignore[reportArgumentType]
        start += step.width
    into, out_of = passing(network, slopes, aim)
    score = [abs(t) * (w + abs(d) * r) for t, d, w, r in zip(into, out_of, wrong, loose, strict=True)]
    return np.concatenate([np.zeros(0), *score]), np.concatenate(places)


def cuts(curve: Bend | Smooth, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where units are cut in two: at the kink next to the middle, or there."""
    middle = low + (high - low) / 2
    if isinstance(curve, Smooth):
        return middle
    inside = (curve.kinks > low[:, None]) & (curve.kinks < high[:, None])
    near = np.where(inside, abs(curve.kinks - middle[:, None]), np.inf).argmin(1)
    return np.where(inside.any(1), curve.kinks[near], middle)


def passing(network: Network, slopes: list[np.ndarray], aim: Aim) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Of all units before curves the derivative along the aim's weights, and of its row that by all units behind
    curves, where the curves have these slopes."""
    behind = backward(network, aim.row[None], lambda k, d: slopes[k] * d, back, np.add)
    ahead = {0: aim.weights[None]}
    into, out_of = [], []
    for step in network.steps:
        given = [ahead[number] for number in step.inputs]
        match step.operator:
            case Bend() | Smooth():
                into.append(given[0][0])
                out_of.append(behind[step.output][0] if step.output in behind else np.zeros(step.width))
                made = given[0] * slopes[len(into) - 1]
            case Add() | Join() as several:
                made = several(*given)
            case operator:
                made = operator.linear(given[0])
        ahead[step.output] = made
    return into, out_of
