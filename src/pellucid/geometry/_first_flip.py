"""A near change of the answer, quickly: an upper bound of the distance. Nothing here proves that it is the nearest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._closest import closest, length, to_half_space
from ._question import Question
from ._relax import Relaxation

STARTS, ROUNDS = 8, 80
REGIONS = 60  # most regions looked at on the way down
SMALL = 2**18  # numbers in the hyperplanes of one region
MOST = 2**26  # numbers that all rounds together may pass through the network
OVER, BACK, PULL = 1.05, 0.9, 0.1


class Found(NamedTuple):
    """A point at which the answer has changed, or None; its distance, and which row of the question is 0 there."""

    distance: float
    z: np.ndarray | None
    row: int


def near_flip(asked: Question, norm: float, seed: int = 0) -> Found:
    """A near flip: from several starts to the boundary and along it, then down from region to region where they are few
    enough to write out."""
    found = drawn(asked, norm, seed)
    if found.z is None:
        return found
    found = halved(asked, norm, found)
    small = asked.network.kinks * len(asked.x) <= SMALL
    return descended(asked, norm, found) if small else found


def drawn(asked: Question, norm: float, seed: int) -> Found:
    """From starts around x, in every round to the boundary of the map where the point is, and a little towards x.

    Source: Croce and Hein 2020, Minimally distorted adversarial examples with a fast adaptive boundary attack.
    """
    relax, x, n = Relaxation(asked.network, asked.x), asked.x, len(asked.x)
    goals = len(asked.rows)
    starts = int(np.clip(MOST // (ROUNDS * relax.widest * goals * 8), 1, STARTS))
    row = np.repeat(np.arange(goals), starts)
    delta, best, at = np.zeros((len(row), n)), np.full(len(row), np.inf), np.zeros((len(row), n))
    noise = np.random.default_rng(seed).normal(size=delta.shape)
    noise /= length(noise, norm)[:, None] + 1e-300
    noise[::starts] = 0
    output = asked.network.output.number
    for i in range(ROUNDS):
        z = x + delta
        lines, _ = relax.above(output, asked.rows[row][:, None], relax.tangent(z))
        a, c = lines.a[:, 0], lines.c[:, 0] + asked.shift[row]
        value = np.einsum("ri,ri->r", a, delta) + c
        far, there = length(delta, norm), value >= 0
        closer = there & (far < best)
        best[closer], at[closer] = far[closer], delta[closer]
        from_x, step_x = to_half_space(a, c, norm, asked.low, asked.high)
        from_z, step_z = to_half_space(a, value, norm, asked.low - delta, asked.high - delta)
        met = np.isfinite(from_x) & np.isfinite(from_z)
        from_x, from_z = np.where(met, from_x, 1.0), np.where(met, from_z, 0.0)
        pull = np.minimum(from_z / np.maximum(from_x + from_z, 1e-300), PULL)[:, None]
        onward = (1 - pull) * (delta + OVER * step_z) + pull * OVER * step_x
        delta = np.where(there[:, None], BACK * delta, np.where(met[:, None], onward, delta))
        if i == 0 and met.any():
            delta = delta + noise * np.median(from_x[met]) * np.linspace(0.3, 1.5, len(row))[:, None]
        delta = np.clip(delta, asked.low, asked.high)
    i = int(best.argmin())
    return Found(float(best[i]), None, 0) if np.isinf(best[i]) else Found(float(best[i]), x + at[i], int(row[i]))


def halved(asked: Question, norm: float, found: Found) -> Found:
    """A point where the answer changes on the way from x to a flip, by halving."""
    assert found.z is not None
    first, last = 0.0, 1.0
    for _ in range(60):
        middle = (first + last) / 2
        there = (asked.margins(asked.x + middle * (found.z - asked.x)[None]) >= 0).any()
        first, last = (first, middle) if there else (middle, last)
    nearer = settle(asked, norm, last * (found.z - asked.x))
    return nearer if nearer.distance < found.distance else settle(asked, norm, found.z - asked.x)


def descended(asked: Question, norm: float, found: Found) -> Found:
    """The nearest flip of the region the point is in, then of those behind the walls that hold it up, and so on."""
    x, seen = asked.x, set()
    todo = [] if found.z is None else [found.z]
    while todo and len(seen) < REGIONS:
        z = todo.pop()
        pieces = asked.network.pieces(z[None])
        key = b"".join(p.tobytes() for p in pieces)
        if key in seen:
            continue
        seen.add(key)
        kinks = asked.network.hyperplanes(z)
        side = np.where(kinks.value > 0, 1.0, -1.0)
        local = asked.network.local_of([p[0] for p in pieces])
        rows = asked.rows[found.row]
        a = np.concatenate([(local.weight @ rows)[None], side[:, None] * kinks.normal])
        value = np.concatenate(
            [
                [(local.bias + x @ local.weight) @ rows + asked.shift[found.row]],
                side * (kinks.offset + kinks.normal @ x),
            ]
        )
        here = closest(a, value, norm, asked.low, asked.high, found.distance)
        if not here.distance < found.distance * (1 - 1e-9):
            continue
        settled = settle(asked, norm, here.point)
        if not settled.distance < found.distance:
            continue
        found = settled
        walls = np.flatnonzero(abs(a[1:] @ here.point + value[1:]) <= 1e-9 * found.distance * length(a[1:], 2))
        todo = []
        for chosen in [*([w] for w in walls[:20]), walls]:
            out = -(side[chosen, None] * kinks.normal[chosen]).sum(0)
            todo.append(asked.within(here.point + 1e-7 * found.distance * out / (length(out, 2) + 1e-300)))
    return found


def settle(asked: Question, norm: float, delta: np.ndarray) -> Found:
    """The first point along δ, at it or a trifle behind, where the answer has changed in the network's own forward."""
    steps = 1 + np.array([0.0, 1e-14, 1e-12, 1e-10, 1e-9])
    z = asked.within(steps[:, None] * delta)
    margins = asked.margins(z)
    there = np.flatnonzero((margins >= 0).any(1))
    if not len(there):
        return Found(np.inf, None, 0)
    i = there[0]
    return Found(float(length(z[i] - asked.x, norm)), z[i], int(margins[i].argmax()))
