"""A hidden layer made better by moving kinks, weights and constant a little, for the least largest error."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from ._links import Path
from ._target import Target
from ._units import KEPT as MOST_CHOICES
from ._units import Units, on_both_sides

SAMPLES, FIRST, STEPS = 20, 4, 40  # places of each piece at which the error is seen; linear programs, first and at most
LEAST_STEP, GAIN = 1e-4, 1e-5
STARTS, KEPT, MOVED = 32, 3, 0.1  # starts; those that are polished to the end; of a piece, how far kinks are moved


def best_polished(target: Target, path: Path) -> Units:
    """The best layer that is found from many starts: other sides of the units, and kinks moved at random."""
    rng, n = np.random.default_rng(0), len(path.slopes) - 1
    sides = min(2**n, MOST_CHOICES, STARTS)
    starts = [on_both_sides(path, i) for i in range(sides)]
    low, high = path.ends[0], path.ends[-1]
    wide = MOVED * (high - low) / len(path.slopes)
    for i in range(STARTS - sides):
        units = starts[i % sides]
        starts.append(units._replace(knots=np.clip(np.sort(units.knots + wide * rng.normal(size=n)), low, high)))
    tried = sorted((polished(target, start, FIRST) for start in starts), key=lambda one: one[1])
    return min((polished(target, units) for units, _ in tried[:KEPT]), key=lambda one: one[1])[0]


def polished(target: Target, start: Units, steps: int = STEPS) -> tuple[Units, float]:
    """A layer with the same sides and a smaller largest error, and that error as it was seen.

    The error is nearly linear in small changes, so the best change within a step is that of a linear program; the step
    is cut where the error did not fall as it should, and doubled where it did.
    """
    order = np.argsort(start.knots)
    best, step = Units(start.knots[order], start.sides[order], start.weights[order], start.shift), 0.25
    error = float(abs(off_by(target, best)[0]).max())
    for _ in range(steps):
        new = improved(target, best, step)
        found = float(abs(off_by(target, new)[0]).max())
        if found < error * (1 - GAIN):
            best, error, step = new, found, min(2 * step, 0.45)
        else:
            step /= 4
        if step < LEAST_STEP:
            break
    return best, error


def off_by(target: Target, layer: Units) -> tuple[np.ndarray, np.ndarray]:
    """What the function is above the layer at places that part each piece evenly, and the places, (pieces, samples)."""
    ends = np.concatenate([[target.box[0][0]], layer.knots, [target.box[0][1]]])
    x = ends[:-1, None] + np.linspace(0, 1, SAMPLES + 1) * np.diff(ends)[:, None]
    flat = x.reshape(-1)
    return (target.sampled(flat[:, None]) - layer(flat)).reshape(x.shape), x


def improved(target: Target, layer: Units, step: float) -> Units:
    """The best change of weights, constant and kinks; a kink moves by `step` of the way to its neighbour at most.

    The places move with the kinks, so every unit stays on or off at each of them, and nothing jumps.
    """
    (low, high), n = target.box[0], len(layer.knots)
    off, x = off_by(target, layer)
    ends = np.concatenate([[low], layer.knots, [high]])
    gaps, share = np.diff(ends), np.linspace(0, 1, SAMPLES + 1)
    on = layer.sides * ((ends[1:] + ends[:-1])[:, None] / 2 - layer.knots) > 0  # (pieces, units)
    lean = layer.weights * layer.sides * on
    little = 1e-6 * (high - low)
    at = np.clip(x[..., None] + [-little, little], low, high)
    rise = np.diff(target.sampled(at.reshape(-1, 1)).reshape(at.shape))[..., 0] / np.diff(at)[..., 0]
    steeper = rise - lean.sum(1)[:, None]
    moved = np.repeat(lean[:, None], SAMPLES + 1, 1)
    i = np.arange(n)
    moved[i + 1, :, i] += (1 - share) * steeper[1:]
    moved[i, :, i] += share * steeper[:-1]
    height = np.maximum(layer.sides * (x[..., None] - layer.knots), 0)
    change = np.concatenate([-height, moved, -np.ones((*x.shape, 1))], 2).reshape(x.size, -1)
    ones, gap = np.ones((x.size, 1)), off.reshape(-1)
    rows = np.vstack([np.hstack([change, -ones]), np.hstack([-change, -ones])])
    cost = np.append(np.zeros(2 * n + 1), 1.0)
    room = zip((-step * gaps[:-1]).tolist(), (step * gaps[1:]).tolist(), strict=True)
    limits = [(None, None)] * n + list(room) + [(None, None), (0, None)]
    found = linprog(cost, rows, np.concatenate([-gap, gap]), bounds=limits, method="highs").x
    if found is None:
        return layer
    knots = np.sort(layer.knots + found[n : 2 * n])
    return Units(knots, layer.sides, layer.weights + found[:n], layer.shift + found[2 * n])
