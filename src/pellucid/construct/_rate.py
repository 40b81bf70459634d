"""How the error falls with the number of neurons: built, measured, and as theory says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import SettingError
from ..records import Record
from ._approximate import approximate, checked_neurons
from ._record import above_zero, checked_box
from ._target import target_of

PLACES = 20_000  # at which the curvature is summed


@dataclass(frozen=True, eq=False)
class Rate(Record):
    """The proven error of networks of several sizes for one function.

    Of one variable, `best` is a lower bound of the error of any hidden layer with as many neurons, and `limit` what the
    best one comes near to for many, `(∫ √|f″|)² / (16 n²)`; both NaN where there is none. `slope` is by which power of
    the neurons the proven error falls, by least squares of the logarithms.

    Shapes: neurons, proven, measured, best, limit (sizes,).
    Source: de Boor 1973, Good approximation by splines with variable knots, for the limit.
    """

    what: str
    neurons: np.ndarray
    proven: np.ndarray
    measured: np.ndarray
    best: np.ndarray
    limit: np.ndarray
    slope: float


def rate(
    function: Callable[[Any], Any],
    box: Any,
    *,
    neurons: Sequence[int] | None = None,
    errors: Sequence[float] | None = None,
    name: str = "",
    **known: Any,
) -> Rate:
    """Networks for one function: of one variable with so many `neurons` each, of any number within these `errors`.

    `known` is what `approximate` is told of the function.

    Raises: as `approximate`; SettingError where neither or both are given, or fewer than two.
    Example:
        >>> found = rate(np.square, (-1, 1), neurons=[4, 8, 16])
        >>> [round(float(n * n * e), 2) for n, e in zip(found.neurons + 1, found.best)], round(found.slope, 1)
        ([0.5, 0.5, 0.5], -1.8)
    """
    if (neurons is None) == (errors is None):
        raise SettingError("Give either neurons=, how many each network may have, or errors=, how large they may be.")
    wanted: Any = errors if neurons is None else neurons
    if not isinstance(wanted, Sequence | np.ndarray) or len(wanted) < 2:
        raise SettingError("A rate needs two networks or more: give a list, as in neurons=[8, 16, 32].")
    if neurons is None:
        sizes = [{"error": above_zero("error", e)} for e in wanted]
    else:
        sizes = [{"neurons": checked_neurons(n)} for n in wanted]
    made = [approximate(function, box, name=name, **size, **known) for size in sizes]
    counts = np.array([one.neurons for one in made])
    proven = np.array([one.error for one in made])
    limit = np.full(len(made), np.nan)
    if len(made[0].box) == 1:
        limit = limit_of(function, box, known) / (counts + 1.0) ** 2
    fits = (counts > 0) & (proven > 0)
    slope = (
        float(np.polyfit(np.log(counts[fits]), np.log(proven[fits]), 1)[0]) if len(set(counts[fits])) > 1 else np.nan
    )
    best = np.array([np.nan if one.best is None else one.best for one in made])
    return Rate(made[0].what, counts, proven, np.array([one.measured for one in made]), best, limit, slope)


def limit_of(function: Callable[[Any], Any], box: Any, known: Any) -> float:
    """`(∫ √|f″|)² / 16`, NaN where the second derivative is not known or not finite everywhere."""
    target = target_of(function, checked_box(box), **known)
    if target.operations is None:
        return float("nan")
    low, high = target.box[0]
    at = low + (high - low) * (np.arange(PLACES)[:, None] + 0.5) / PLACES
    bent = target.jets(at, at).curve
    middle = abs(bent.low + bent.high)[:, 0, 0] / 2
    return float((np.sqrt(middle).mean() * (high - low)) ** 2 / 16) if np.isfinite(middle).all() else float("nan")
