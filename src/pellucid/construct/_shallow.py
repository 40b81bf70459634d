"""One hidden layer for a function of one variable: the best kinks for so many neurons."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import SettingError
from ._between import Error, error_between
from ._links import Path, fewest, least_error, path_of
from ._polish import best_polished
from ._target import Target
from ._units import Units, on_both_sides, with_slope

GRID, COARSE, FINE = 1024, 32, 768  # places at which a path is sought: at least, and of each piece
ENOUGH = 1.03  # times the best possible error: below it nothing else is tried
FEW, POLISHED = 2, 16  # neurons that are polished in any case, and where there is hope
FLOAT32 = 2.0**-22  # of the largest value: an error that float32 weights make anyway
MOST_NEURONS = 4000


class Shallow(NamedTuple):
    """A hidden layer with its proven error, and lower bounds of that of any with as many neurons, and pieces."""

    units: Units
    error: Error
    best: float
    best_pieces: float

    @property
    def neurons(self) -> int:
        return len(self.units.knots)


def of_neurons(target: Target, neurons: int, polish: bool = True) -> Shallow:
    """The best hidden layer of at most so many neurons that was found.

    With a kink for each neuron there are `neurons + 1` pieces; but then the units that look to the left must have the
    first piece's slope together. Where their sides can be chosen so that this nearly holds, it is done; where they
    cannot, as for a function that only rises, one neuron serves as that slope. A few neurons are polished, if asked.
    """
    best, path = best_path(target, neurons + 1)
    enough = ENOUGH * best + FLOAT32 * float(abs(path.values).max())
    bent = len(path.slopes) > 1
    found = [settled(target, on_both_sides(path), best, best)] if bent else []
    if not bent or found[0].error.proven > enough:
        fewer, shorter = (best, path) if len(path.slopes) <= neurons else best_path(target, neurons)
        found.append(settled(target, with_slope(shorter), best, fewer))
    hope = bent and neurons <= POLISHED and (neurons <= FEW or balanced(path))
    if polish and hope and min(one.error.proven for one in found) > enough:
        found.append(settled(target, best_polished(target, path), best, best))
    return min(found, key=lambda one: one.error.proven)


def balanced(path: Path) -> bool:
    """Whether some units can have the first slope together: the jumps of the right sign are large enough for it."""
    jumps, first = np.diff(path.slopes), path.slopes[0]
    return bool(np.minimum(jumps, 0).sum() <= -first <= np.maximum(jumps, 0).sum())


def of_error(target: Target, error: float, polish: bool = True) -> tuple[Shallow, int]:
    """The hidden layer with the fewest neurons that was found for this error, and how many are needed at least.

    Raises: SettingError where that many neurons, or weights in float32, do not reach it.
    """
    x = places(*target.box[0], COARSE * GRID)
    y = target.middle(x[:, None])
    least = max(1, fewest(x, y - error, y + error, MOST_NEURONS + 1)[0] - 1)
    neurons, misses = least, 0
    while neurons <= MOST_NEURONS:
        found = of_neurons(target, neurons, polish=False)
        if polish and found.error.proven > error >= found.best:
            found = of_neurons(target, neurons)
        if found.error.proven <= error:
            return found, least
        lost = found.best < 0.9 * error  # what is missing is not for want of neurons
        misses += lost
        if misses > 3:
            raise SettingError(
                f"An error of {error:g} is too small for weights in float32: {found.neurons:,} neurons reach "
                f"{found.error.proven:.2g}, and more do not help."
            )
        neurons = neurons + 1 if lost else max(neurons + 1, int(neurons * (found.error.proven / error) ** 0.5))
    raise SettingError(f"An error of {error:g} takes more than {MOST_NEURONS:,} neurons in one hidden layer.")


def best_path(target: Target, pieces: int) -> tuple[float, Path]:
    """The best continuous function of so many pieces, and a lower bound of the error of any.

    It is the best at finitely many places: first at even ones, then at many in each piece of that path. Between them
    its error is larger by about 4 in the number of places of a piece.
    """
    x, least, most = places(*target.box[0], max(GRID, COARSE * pieces)), 0.0, None
    path = Path(np.zeros(0), np.zeros(0), np.zeros(0))
    for count in (0, max(FINE, GRID // pieces), max(FINE, 16 * GRID // pieces)):
        if count:
            x = np.unique(np.linspace(path.ends[:-1], path.ends[1:], count))
        y = target.middle(x[:, None])
        below, most = least_error(x, y, pieces, most)
        path = path_of(x, fewest(x, y - most, y + most, pieces)[1])
        least = max(least, below)
    return least, path


def places(low: float, high: float, count: int) -> np.ndarray:
    """Places from low to high, half of them even and half of them closer at the ends."""
    even = np.linspace(low, high, count // 2 + 1)
    ends = low + (high - low) * (1 - np.cos(np.linspace(0, np.pi, count // 2 + 1))) / 2
    return np.unique(np.clip(np.concatenate([even, ends]), low, high))


def settled(target: Target, units: Units, best: float, best_pieces: float) -> Shallow:
    """The units in float32, their constant in the middle of what is left over, and their error proven."""
    low, high = target.box[0]
    units = units.rounded()
    path = units.path(low, high)
    x = np.unique(np.linspace(path.ends[:-1], path.ends[1:], 17))
    off = target.middle(x[:, None]) - np.interp(x, path.ends, path.values)
    units = units._replace(shift=units.shift + (off.max() + off.min()) / 2).rounded()
    return Shallow(units, error_between(target, units.path(low, high)), best, best_pieces)
