"""Looking for inputs where an output rises or falls with a feature, and two inputs that show it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..affine import Bend, Smooth
from ..geometry import Network, along
from ._monotone_ask import Asked, Goal
from ._monotone_slopes import back, backward, slope_at

DRAWN = 4096  # points at first
KEPT = 24  # of the most promising points, from which the search goes on
ROUNDS, EACH = 24, 8  # of it, and the points tried around each in a round
GRID = 257  # points on a line, beside its kinks
LINES, PLACES = 48, 17  # on which a network is run to see that rounding does not undo what is proven
DIGITS, SHARE = 64, 1e-4  # units in the last place, and the share of all that is seen, that rounding may take
ROUNDED = 2.0**-40  # of the sizes on the way, by which a value in float64 may be off


class Seen(NamedTuple):
    """The least and the largest derivatives found, (features,), and where, (features, n_in)."""

    least: np.ndarray
    most: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray


class Pair(NamedTuple):
    """Two inputs that differ in one feature alone (2, n_in), the outputs there as the network runs and in float64, and
    the least change by both, above 0 where it goes the way that was looked for."""

    inputs: np.ndarray
    run: np.ndarray
    exact: np.ndarray
    margin: float


def slopes_of(network: Network, goal: Goal, x: np.ndarray) -> np.ndarray:
    """The derivative of the goal by every input at points, (points, n_in), in float64."""
    values, found = {0: x}, []
    for i, step in enumerate(network.steps):
        given = [values[number] for number in step.inputs]
        if isinstance(step.operator, Bend | Smooth):
            found.append(slope_at(step.operator, given[0]))
        values[step.output] = step.operator(*given)
        network.forget(values, i)
    dy = goal.slope(values[network.output.number])
    done = backward(network, dy, lambda k, d: found[k] * d, back, np.add)
    return done.get(0, np.zeros((len(x), network.n_in)))


class Sampler:
    """Draws inputs that are possible: within the box, each choice 0 or 1."""

    def __init__(self, asked: Asked, seed: int = 0):
        self.asked, self.random = asked, np.random.default_rng(seed)

    def drawn(self, n: int) -> np.ndarray:
        """Half of them corners of the box, or near those, and rows that are known."""
        low, high = self.asked.low, self.asked.high
        x = self.random.uniform(low, high, (n, len(low)))
        ends = self.random.random((n, len(low))) < self.random.choice([0.0, 0.5, 1.0], (n, 1))
        x = np.where(ends, np.where(self.random.random(x.shape) < 0.5, low, high), x)
        known = self.asked.rows
        if len(known):
            x[: n // 4] = np.clip(known[self.random.integers(len(known), size=n // 4)], low, high)
        return self.possible(x)

    def near(self, x: np.ndarray) -> np.ndarray:
        """Points changed in a few places, a little or altogether."""
        low, high = self.asked.low, self.asked.high
        some = self.random.random(x.shape) < self.random.choice([1.5, 4.0], (len(x), 1)) / x.shape[1]
        far = self.random.uniform(low, high, x.shape)
        close = x + self.random.normal(size=x.shape) * 0.1 * (high - low)
        moved = np.where(self.random.random((len(x), 1)) < 0.5, far, close)
        return self.possible(np.clip(np.where(some, moved, x), low, high))

    def possible(self, x: np.ndarray) -> np.ndarray:
        """The nearest inputs whose choices are whole."""
        low, high = self.asked.low, self.asked.high
        for group in self.asked.groups:
            index = np.array(group)
            open_ = high[index] >= 1
            chosen = np.where(open_, x[:, index], -np.inf).argmax(1)
            x[:, index] = np.eye(len(index))[chosen]
        grouped = {i for group in self.asked.groups for i in group}
        for choice in self.asked.choices:
            if choice.input in grouped:
                continue
            i = choice.input
            x[:, i] = np.clip(np.round(x[:, i]), np.ceil(low[i]), np.floor(high[i]))
            for j, value in choice.others.items():
                x[x[:, i] == 1, j] = value
        return x


def looked(asked: Asked, goal: Goal, features: list[int], seed: int = 0) -> Seen:
    """The least and the largest derivatives by each feature that a random search finds."""
    network, sampler = asked.it.network, Sampler(asked, seed)
    x = sampler.drawn(DRAWN)
    slopes = slopes_of(network, goal, x)
    least, most, lowest, highest = [], [], [], []
    for i in features:
        for sign, value, place in ((1.0, least, lowest), (-1.0, most, highest)):
            order = np.argsort(sign * slopes[:, i])[:KEPT]
            best, at = sign * slopes[order, i], x[order]
            for _ in range(ROUNDS):
                if best[0] < 0:
                    break
                tried = sampler.near(np.repeat(at, EACH, 0))
                found = sign * slopes_of(network, goal, tried)[:, i]
                best, at = np.concatenate([best, found]), np.concatenate([at, tried])
                order = np.argsort(best, kind="stable")[:KEPT]
                best, at = best[order], at[order]
            value.append(sign * best[0])
            place.append(at[0])
    return Seen(np.array(least), np.array(most), np.array(lowest), np.array(highest))


def pair_at(asked: Asked, goal: Goal, x: np.ndarray, feature: int, sign: float) -> Pair:
    """The two inputs on the line through x along a feature between which `sign · goal` falls most."""
    low, high = asked.low[feature], asked.high[feature]
    if feature in {choice.input for choice in asked.choices}:
        places = np.array([0.0, 1.0])
    else:
        places = np.concatenate([np.linspace(low, high, GRID), [x[feature]], kinks(asked, x, feature, low, high)])
    places = np.unique(np.asarray(places, asked.it.dtype)).astype(float)
    places = places[(places >= low) & (places <= high)]
    if len(places) < 2:
        places = np.array([low, high])
    inputs = np.tile(asked.it.representable(x, asked.low, asked.high), (len(places), 1))
    inputs[:, feature] = places
    run, exact = outputs(asked, inputs)
    with np.errstate(invalid="ignore", over="ignore"):  # of numbers that are too large, of which no margin is made
        down = [drop(sign * goal.value(y)) for y in (run, exact)]
    a, b = max(down, key=lambda ends: margin(goal, run, exact, sign, *ends))
    both = [a, b]
    return Pair(inputs[both], run[both], exact[both], margin(goal, run, exact, sign, a, b))


def undone(asked: Asked, goal: Goal, feature: int, sign: float) -> float:
    """How far `sign · goal` falls somewhere along a feature as the network runs, beyond what its last digits may do."""
    sampler = Sampler(asked)
    low, high = asked.low[feature], asked.high[feature]
    whole = feature in {choice.input for choice in asked.choices}
    places = np.array([0.0, 1.0]) if whole else np.linspace(low, high, PLACES)
    inputs = np.repeat(sampler.drawn(LINES), len(places), 0)
    inputs[:, feature] = np.tile(places, LINES)
    inputs = np.array([asked.it.representable(x, asked.low, asked.high) for x in inputs])
    y = outputs(asked, inputs)[0]
    if not np.isfinite(y).all():
        return 0.0
    value = sign * goal.value(y).reshape(LINES, -1)
    falls = float((np.maximum.accumulate(value, 1) - value).max())
    last = DIGITS * np.finfo(asked.it.dtype).eps * float(abs(y).max()) if asked.it.dtype.kind == "f" else 0.0
    return falls if falls > last + SHARE * float(np.ptp(value)) else 0.0


def margin(goal: Goal, run: np.ndarray, exact: np.ndarray, sign: float, a: int, b: int) -> float:
    """By how much both fall from place a to place b, what rounding may have done in float64 taken off."""
    falls = []
    for y, off in ((run, 0.0), (exact, ROUNDED)):
        if not np.isfinite(y[[a, b]]).all():
            return -np.inf  # too large to say
        value = sign * goal.value(y[[a, b]])
        falls.append(value[0] - value[1] - off * abs(y[[a, b]]).max())
    return float(min(falls))


def drop(value: np.ndarray) -> tuple[int, int]:
    """The places between which a row of values falls most: the first and the second."""
    most = np.maximum.accumulate(value)
    b = int((most - value).argmax())
    return int(value[: b + 1].argmax()), b


def kinks(asked: Asked, x: np.ndarray, feature: int, low: float, high: float) -> np.ndarray:
    """Where the network turns on the line, where it is made of straight pieces."""
    network = asked.it.network
    if not low < high or any(isinstance(step.operator, Smooth) for step in network.curves):
        return np.zeros(0)
    ends = np.tile(x, (2, 1))
    ends[:, feature] = low, high
    return low + along(network, *ends).ends * (high - low)


def outputs(asked: Asked, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the network gives as it runs, and in float64: (points, n_out) each."""
    it, count = asked.it, max(512, 1 << (len(x) - 1).bit_length())  # few sizes, each of which is compiled once
    given = np.concatenate([x, np.repeat(x[:1], count - len(x), 0)]).reshape(count, *it.network.shape)
    run = np.asarray(it.runs(given.astype(it.dtype)), float)
    return run.reshape(count, -1)[: len(x)], it.network(x)
