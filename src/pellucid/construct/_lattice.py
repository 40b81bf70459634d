"""Piecewise-linear functions that are given, as networks: by points, or by maxima and minima of linear ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DataError
from ._chain import Chain, affine, beside, picked, then
from ._links import Path
from ._order import largest_of, smallest_of
from ._record import Box, Construction, built, checked_box
from ._shallow import FLOAT32, MOST_NEURONS
from ._units import on_both_sides, with_slope

SHARP = 1e-9  # relative: values nearer to each other than this are one
MOVED = "max and min are exact, and move no more than the linear functions, which are rounded to weights of float32"
Linear = tuple[np.ndarray, np.ndarray]


def piecewise_linear(x: Any, y: Any) -> Construction:
    """The line through points in order, `y_i` at `x_i`, as one hidden layer; beyond its ends it goes straight on.

    One neuron for each kink, and one for the slope where the kinks cannot carry it.

    Raises: DataError where there are fewer than two points, a number is not finite, x does not rise, or there are more
        than 4,000 kinks; SettingError where float32 cannot hold a slope.
    Example:
        >>> tent = piecewise_linear([0, 1, 2], [0, 1, 0])
        >>> tent.neurons, tent.error, tent.net(np.array([[0.5], [1.75]], np.float32)).tolist()
        (2, 0.0, [[0.5], [0.25]])
    """
    x, y = numbers("x", x, 1), numbers("y", y, 1)
    if len(x) != len(y) or len(x) < 2:
        raise DataError(f"A line goes through two points or more, an x and a y each; got {len(x)} x and {len(y)} y.")
    if not (np.diff(x) > 0).all():
        i = int(np.argmin(np.diff(x) > 0))
        raise DataError(f"x must rise from point to point; x[{i}] is {x[i]:g} and x[{i + 1}] is {x[i + 1]:g}.")
    slopes = np.diff(y) / np.diff(x)
    bent = np.append(True, np.append(abs(np.diff(slopes)) > SHARP * abs(slopes).max(), True))
    if bent.sum() > MOST_NEURONS + 2:
        raise DataError(f"A line of {bent.sum() - 2:,} kinks is too long: {MOST_NEURONS:,} at most become a network.")
    path = Path(x[bent], y[bent], np.diff(y[bent]) / np.diff(x[bent]))
    choices = []
    for units in [on_both_sides(path)] * (len(path.slopes) > 1) + [with_slope(path)]:
        units = units.rounded()
        at = np.union1d(x, units.ends(x[0], x[-1]))
        off = np.interp(at, x, y) - units(at)
        units = units._replace(shift=units.shift + (off.max() + off.min()) / 2).rounded()
        choices.append((float(abs(np.interp(at, x, y) - units(at)).max()), units))
    error, units = next((c for c in choices if c[0] <= FLOAT32 * abs(y).max()), min(choices, key=lambda c: c[0]))
    return built(
        units.chain(), ((float(x[0]), float(x[-1])),), lambda at: np.interp(at, x, y),
        f"a line through {len(x):,} points", error,
        "two lines are the furthest apart at a kink of one of them; what is left is what float32 rounds off",
    )  # fmt: skip


def lattice(weight: Any, bias: Any, groups: Sequence[Sequence[int]], *, box: Any = (-1, 1)) -> Construction:
    """`max over groups of min over j in the group of (x · W[:, j] + b_j)`, as every piecewise-linear function is.

    Shapes: weight (n_in, pieces); bias (pieces,); groups, lists of pieces.

    Raises: DataError where the arrays do not fit, a number is not finite, or a group is empty or names no piece.
    Source: Tarela and Martínez 1999, Region configurations for realizability of lattice piecewise-linear models.
    Example:
        >>> hat = lattice([[1.0, -1.0, 0.0]], [1.0, 1.0, 0.0], [[0, 1], [2]])
        >>> hat.error, hat.net(np.array([[0.25], [2.0]], np.float32)).tolist()
        (0.0, [[0.75], [0.0]])
    """
    linear = pieces_of(weight, bias)
    n_in, n = linear[0].shape
    if not np.iterable(groups):
        raise DataError(f"groups wants lists of pieces, as in [[0, 1], [2]]; got {groups!r}.")
    for group in groups:
        if not np.iterable(group):
            raise DataError(f"groups wants lists of pieces, as in [[0, 1], [2]]; one is {group!r}.")
        if not len(group) or not all(isinstance(j, int | np.integer) and 0 <= j < n for j in group):
            raise DataError(f"A group names one piece or more, from 0 to {n - 1}; got {list(group)}.")
    if not len(groups):
        raise DataError("A lattice has one group or more; got none.")
    sides, plain = checked_box(box, n_in), [sorted({int(j) for j in group}) for group in groups]

    def truth(x: np.ndarray) -> np.ndarray:
        y = x @ linear[0] + linear[1]
        return np.max([y[:, group].min(1) for group in plain], axis=0)[:, None]

    near, off = on_grid(linear, sides)
    what = f"the largest of the smallest of {n:,} linear functions"
    return built(lattice_of(near, plain), sides, truth, what, off, MOVED, regular=True)


def convex_difference(convex: tuple[Any, Any], concave: tuple[Any, Any], *, box: Any = (-1, 1)) -> Construction:
    """`max_j (x · W[:, j] + b_j) − max_k (x · V[:, k] + c_k)`, from the pairs (W, b) and (V, c).

    Raises: DataError where the arrays do not fit or a number is not finite.
    Example:
        >>> made = convex_difference(([[1.0, -1.0]], [0.0, 0.0]), ([[2.0, -2.0]], [-2.0, -2.0]), box=(-2, 2))
        >>> made.error, made.net(np.array([[0.5], [2.0]], np.float32)).tolist()
        (0.0, [[1.5], [0.0]])
    """
    for part in (convex, concave):
        if not isinstance(part, tuple | list) or len(part) != 2:
            raise DataError("convex and concave are pairs of arrays, (weight, bias) each.")
    first, second = pieces_of(*convex), pieces_of(*concave)
    if len(first[0]) != len(second[0]):
        raise DataError(f"Both parts read the same inputs; got {len(first[0])} and {len(second[0])} of them.")
    sides = checked_box(box, len(first[0]))
    near, off = zip(*(on_grid(part, sides) for part in (first, second)), strict=True)
    tops = [then(affine(*part), largest_of(len(part[1]))) for part in near]

    def truth(x: np.ndarray) -> np.ndarray:
        return ((x @ first[0] + first[1]).max(1) - (x @ second[0] + second[1]).max(1))[:, None]

    chain = then(beside(tops), affine([[1], [-1]]))
    return built(chain, sides, truth, "a difference of two convex functions", sum(off), MOVED, regular=True)


def numbers(name: str, value: Any, axes: int) -> np.ndarray:
    """An array of finite numbers with so many axes.

    Raises: DataError where it is not.
    """
    try:
        found = np.asarray(value, float)
    except (TypeError, ValueError):
        raise DataError(f"{name} wants numbers, got {value!r}.") from None
    if found.ndim != axes:
        raise DataError(
            f"{name} wants an array with {axes} ax{'i' if axes == 1 else 'e'}s, got one of shape {found.shape}."
        )
    if not np.isfinite(found).all():
        raise DataError(f"{name} holds a number that is NaN or infinite.")
    return found


def pieces_of(weight: Any, bias: Any) -> Linear:
    """Linear functions `x · W[:, j] + b_j`."""
    weight, bias = numbers("weight", weight, 2), numbers("bias", bias, 1)
    if weight.shape[1] != len(bias) or not weight.size:
        raise DataError(f"weight (n_in, pieces) and bias (pieces,) do not fit: got {weight.shape} and {bias.shape}.")
    return weight, bias


def lattice_of(linear: Linear, groups: Sequence[Sequence[int]]) -> Chain:
    """The largest of the smallest of each group."""
    n = linear[0].shape[1]
    smallest = [then(picked(n, group), smallest_of(len(group))) for group in groups]
    return then(affine(*linear), beside(smallest), largest_of(len(groups)))


def on_grid(linear: Linear, box: Box) -> tuple[Linear, float]:
    """The nearest linear functions whose differences float32 can hold, and how far they are off on a box at most.

    All weights become multiples of one power of two, 2^-22 of the largest, and all biases of another: then the
    difference of two of them needs 23 binary places, of the 24 there are.
    """
    made = []
    for part in linear:
        step = 2.0 ** (np.ceil(np.log2(max(abs(part).max(), 2.0**-100))) - 22)
        made.append(np.round(part / step) * step)
    weight, bias = (abs(a - b) for a, b in zip(made, linear, strict=True))
    return (made[0], made[1]), float((np.abs(np.array(box)).max(1) @ weight + bias).max())
