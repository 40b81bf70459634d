"""A hidden layer made better by moving kinks, weights and constant a little, for the least largest error."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from ._target import Target
from ._units import Units

SAMPLES, STEPS = 24, 40  # places of each piece at which the error is seen; linear programs at most
LEAST_STEP, GAIN = 1e-3, 1e-5


def polished(target: Target, start: Units) -> tuple[Units, float]:
    """A layer with the same sides and a smaller largest error, and that error as it was seen.

    The error is nearly linear in small changes, so the best change within a step is that of a linear program; the step
    is halved where the error did not fall as it should, and doubled where it did.
    """
    best, step = start, 0.25
    x, y = seen(target, best)
    error = float(abs(best(x) - y).max())
    for _ in range(STEPS):
        new = improved(target, best, x, y, step)
        at, there = seen(target, new)
        found = float(abs(new(at) - there).max())
        if found < error * (1 - GAIN):
            best, x, y, error, step = new, at, there, found, min(2 * step, 0.5)
        else:
            step /= 4
        if step < LEAST_STEP:
            break
    return best, error


def seen(target: Target, layer: Units) -> tuple[np.ndarray, np.ndarray]:
    """Places in every piece, its ends among them, and the function there."""
    low, high = target.box[0]
    ends = layer.ends(low, high)
    x = np.unique(np.linspace(ends[:-1], ends[1:], SAMPLES + 1))
    return x, target.middle(x[:, None])


def improved(target: Target, layer: Units, x: np.ndarray, y: np.ndarray, step: float) -> Units:
    """The best change of weights, constant and kinks; a kink moves by `step` of the way to its neighbour at most."""
    low, high = target.box[0]
    n = len(layer.knots)
    on = np.maximum(layer.sides * (x[:, None] - layer.knots), 0)
    moved = -(layer.weights * layer.sides) * (on > 0)
    slopes = np.hstack([on, moved, np.ones((len(x), 1))])
    off = (y - layer(x))[:, None]
    rows = np.vstack([np.hstack([slopes, -np.ones((len(x), 1))]), np.hstack([-slopes, -np.ones((len(x), 1))])])
    order = np.argsort(layer.knots)
    gaps = np.diff(np.concatenate([[low], layer.knots[order], [high]]))
    room = np.empty((n, 2))
    room[order] = step * np.stack([-np.maximum(gaps[:-1], 0), np.maximum(gaps[1:], 0)], 1)
    cost = np.append(np.zeros(2 * n + 1), 1.0)
    limits = [(None, None)] * n + [tuple(r) for r in room.tolist()] + [(None, None), (0, None)]
    found = linprog(cost, rows, np.concatenate([off, -off])[:, 0], bounds=limits, method="highs")
    if found.x is None:
        return layer
    return Units(
        layer.knots + found.x[n : 2 * n], layer.sides, layer.weights + found.x[:n], layer.shift + found.x[2 * n]
    )
