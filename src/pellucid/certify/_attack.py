"""Looking for a counterexample: corners, random points, and downhill from the best of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..affine import Add, Bend, Join, Smooth
from ..geometry import Network
from ._claim import Claim, Clause

STARTS, STEPS = 24, 30  # of each clause
DRAWN = 256  # points at random, and corners
MOST = 2**25  # numbers that an attack may pass through the network
NEAR = 1e-6  # of the width: how far a line's best input is pushed on where it is not beyond the boundary


def attack(claim: Claim, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """For each clause the input found with the least margin, and that margin: inputs (clauses, n), margins (clauses,).

    Source: Madry and others 2018, projected gradient descent.
    """
    network, space, many = claim.it.network, claim.space, len(claim.clauses)
    widest = max([network.n_in, *(step.width for step in network.steps)])
    room = max(2, MOST // (widest * (STEPS + 8)))
    x = drawn(space.low[0], space.high[0], space.centre[0], min(DRAWN, room), rng)
    x = space.inside(x[None])[0]
    margins = claim.margins(network(x))
    starts = min(STARTS, len(x), max(1, room // many))
    best = margins.argmin(0)
    found, least = x[best], margins[best, np.arange(many)]
    for k, clause in enumerate(claim.clauses):
        order = np.argsort(margins[:, k])[:starts]
        z, margin = downhill(network, clause, space, x[order])
        if margin < least[k]:
            found[k], least[k] = z, margin
    return found, least


def drawn(low: np.ndarray, high: np.ndarray, centre: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The centre, corners and points at random, (count, n)."""
    corners = np.where(rng.random((count // 3, len(low))) < 0.5, low, high)
    inner = low + rng.random((count - len(corners) - 1, len(low))) * (high - low)  # of [0, −0] too
    return np.concatenate([centre[None], corners, inner])


def downhill(network: Network, clause: Clause, space: Any, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Down the margin of a clause from points x, in steps along the signs of its slopes that get shorter."""
    wide = (space.high - space.low)[0] / 2
    best, least = x[0], np.inf
    for k in range(STEPS + 1):
        y, slopes = forward(network, x)
        values = y @ clause.rows.T + clause.shift
        i = int(values.max(1).argmin())
        if values[i].max() < least:
            best, least = x[i], float(values[i].max())
        if k < STEPS:
            d = backward(network, slopes, clause.rows[values.argmax(1)])
            x = space.inside((x - np.sign(d) * wide * 0.5 * 0.85**k)[None])[0]
    return best, least


def forward(network: Network, x: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """The outputs at points x, and the slopes of the curves there, by the value that they make."""
    values, slopes = {0: x}, {}
    for i, step in enumerate(network.steps):
        given = [values[number] for number in step.inputs]
        match step.operator:
            case Bend() as bend:
                slopes[step.output] = bend.slope(bend.piece(given[0]))
            case Smooth() as curve:
                slopes[step.output] = curve.slope_range(given[0], given[0])[0]
        values[step.output] = step.operator(*given)
        network.forget(values, i)
    return values[network.output.number], slopes


def backward(network: Network, slopes: dict[int, np.ndarray], dy: np.ndarray) -> np.ndarray:
    """The blame of the inputs for that of the outputs, (points, n_out) -> (points, n_in)."""
    blames = {network.output.number: dy}
    for step in reversed(network.steps):
        d = blames.pop(step.output, None)
        if d is None:
            continue
        match step.operator:
            case Bend() | Smooth():
                parts = [d * slopes[step.output]]
            case Add():
                parts = [d] * len(step.inputs)
            case Join():
                parts = np.split(d, np.cumsum([network.width(n) for n in step.inputs])[:-1], 1)
            case operator:
                parts = [operator.transposed(d)]
        for number, part in zip(step.inputs, parts, strict=True):
            blames[number] = blames[number] + part if number in blames else part
    return blames.get(0, np.zeros((len(dy), network.n_in)))
