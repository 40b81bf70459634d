"""What can be left out of a stage of a chain, given what goes into its units: rules, each with its reason and price."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..records import Record
from ._ranges import Range
from ._stages import Stage, gains

EQUAL = 4 * 2.0**-24  # relative: what float32 rounds off, so what two units may differ by and still be the same
RELU = ((0.0, 0.0), (1.0, 0.0))


@dataclass(frozen=True)
class Removal(Record):
    """A unit that was left out: why, what goes into it over the box, how that is known, and what it costs at most at
    any output."""

    unit: str
    reason: str
    low: float
    high: float
    how: str
    cost: float


@dataclass(eq=False)
class Thinning:
    """The stages as they become, what was left out of them, and what that costs at each output so far.

    `spans` are what the inputs of every stage lie between, `lies` what goes into its units.
    """

    stages: list[Stage]
    removed: list[Removal]
    spent: np.ndarray
    lies: list[Range]
    spans: list[tuple[np.ndarray, np.ndarray]]

    def reach(self, k: int) -> np.ndarray:
        """The largest absolute value of each input of stage k."""
        return np.maximum(*map(abs, self.spans[k]))

    def charge(self, k: int, change: np.ndarray) -> float:
        """Add what a change of the numbers that come out of stage k does to the outputs; gives the largest."""
        cost = change @ gains(self.stages, k + 1)
        self.spent = self.spent + cost
        return float(cost.max(initial=0.0))

    def drop(self, k: int, units: list[int], reasons: list[str], costs: list[float], how: str = "") -> None:
        """Take units out of stage k."""
        stage, lies = self.stages[k], self.lies[k]
        for i, reason, cost in zip(units, reasons, costs, strict=True):
            seen = how or lies.how[i]
            self.removed.append(Removal(stage.names[i], reason, float(lies.low[i]), float(lies.high[i]), seen, cost))
        stage.keep(np.setdiff1d(np.arange(stage.width), units), self.stages[k + 1])


def unread(work: Thinning, k: int) -> bool:
    """Units that nothing behind them weighs."""
    units = np.flatnonzero(~work.stages[k + 1].weight.any(1)).tolist()
    work.drop(k, units, ["nothing reads it"] * len(units), [0.0] * len(units), "weights")
    return bool(units)


def constant(work: Thinning, k: int) -> bool:
    """Units that give one number for every input of the box: it becomes part of the next bias."""
    stage, lies, after = work.stages[k], work.lies[k], work.stages[k + 1]
    units, reasons, costs = [], [], []
    for i in range(stage.width):
        slope, offset = line_of(stage, lies, i)
        alone = not stage.weight[:, i].any()
        if not alone and slope != 0:
            continue
        value = float(stage(stage.bias[i : i + 1])[0]) if alone else offset
        smooth = 2.0**-50 * abs(value) * (stage.pieces is None)
        off = smooth if alone else over(stage, lies, i)
        after.bias = after.bias + value * after.weight[i]
        units.append(i)
        reasons.append("no input reaches it" if alone else f"{'off' if value == 0 else 'flat'} everywhere on the box")
        costs.append(work.charge(k, off * np.eye(stage.width)[i]))
    work.drop(k, units, reasons, costs)
    return bool(units)


def line_of(stage: Stage, lies: Range, i: int) -> tuple[float, float] | tuple[None, float]:
    """Slope and offset of a unit that stays on one straight piece; None where it does not."""
    return piece_of(stage, lies.low[i] + lies.slack[i], lies.high[i] - lies.slack[i])


def piece_of(stage: Stage, low: float, high: float) -> tuple[float, float] | tuple[None, float]:
    if stage.pieces is None:
        return None, 0.0
    kinks, pieces = stage.pieces
    for left, right, piece in zip((-np.inf, *kinks), (*kinks, np.inf), pieces, strict=True):
        if left <= low and high <= right:
            return piece
    return None, 0.0


def over(stage: Stage, lies: Range, i: int) -> float:
    """How far a unit may be from its line, where it is on one but for what its range may be off by."""
    slack = float(lies.slack[i])
    surely = slack == 0 or piece_of(stage, lies.low[i] - slack, lies.high[i] + slack)[0] is not None
    return 0.0 if surely else 4 * stage.lipschitz * slack


class Pair(NamedTuple):
    """Unit `gone` is `factor` times unit `kept`, or its opposite where that is below 0, but for `off`."""

    kept: int
    gone: int
    factor: float
    off: float


def pairs(work: Thinning, k: int, sign: float) -> Iterator[Pair]:
    """Units whose hyperplanes are the same, looking to the same side (1) or to opposite ones (−1); each in one pair."""
    stage, reach = work.stages[k], np.append(work.reach(k), 1.0)
    rows = np.vstack([stage.weight, stage.bias])
    length = np.linalg.norm(rows, axis=0)
    unit = rows / np.where(length > 0, length, 1.0)
    free = np.ones(stage.width, bool)
    for i in range(stage.width):
        if not free[i] or not length[i]:
            continue
        near = np.flatnonzero(free & (abs(unit - sign * unit[:, [i]]).max(0) < 1e-5))
        for j in near[near > i].tolist() if sign > 0 else near[near != i].tolist():
            factor = sign * length[j] / length[i] if stage.homogeneous else sign
            off = float(abs(rows[:, j] - factor * rows[:, i]) @ reach)
            if off <= EQUAL * float(abs(rows[:, j]) @ reach):
                free[[i, j] if sign < 0 else [j]] = False
                yield Pair(i, j, float(factor), off)
                if sign < 0:
                    break


def alike(work: Thinning, k: int) -> bool:
    """Units that are a multiple of another: the weights that read them are added up."""
    stage, after = work.stages[k], work.stages[k + 1]
    units, reasons, costs = [], [], []
    for kept, gone, factor, off in pairs(work, k, 1.0):
        costs.append(work.charge(k, stage.lipschitz * off * np.eye(stage.width)[gone]))
        units.append(gone)
        work.charge(k + 1, after.lipschitz * add_to(after.weight, kept, factor, gone) * work.reach(k + 1)[kept])
        times = "the same as" if factor == 1 else f"{factor:.6g} times"
        reasons.append(f"{times} {stage.names[kept]}")
    work.drop(k, units, reasons, costs, "weights")
    return bool(units)


def multiplied(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`a b`, and how much of each sum float64 loses: nothing, where all its terms are multiples of one power of two."""
    size = abs(a) @ abs(b)
    room = np.log2(max(size.max(initial=0.0), 2.0**-1000)) - lowest(a) - lowest(b)
    return a @ b, np.zeros_like(size) if room < 52 else (len(b) + 1) * 2.0**-53 * size


def lowest(a: np.ndarray) -> float:
    """The exponent of the largest power of two of which all numbers are multiples."""
    share, exponent = np.frexp(a[a != 0])
    whole = (share * 2.0**53).astype(np.int64)
    return float((exponent - 53 + np.log2((whole & -whole).astype(float))).min(initial=1000.0))


def add_to(weight: np.ndarray, kept: int, factor: float, gone: int) -> np.ndarray:
    """`weight[kept] += factor weight[gone]`; gives how much of the sum float64 loses: nothing, where there is room."""
    a, b = weight[kept].copy(), factor * weight[gone]
    total = a + b
    part = total - a
    weight[kept] = total
    lost = abs((a - (total - part)) + (b - part))  # what the sum loses (Knuth 1969, the art of computer programming, 2)
    return lost + (0.0 if np.frexp(abs(factor))[0] == 0.5 else 2.0**-53 * abs(b))
