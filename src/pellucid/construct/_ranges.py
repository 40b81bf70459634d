"""What goes into every unit of a chain over a box, by bounds; by mixed-integer programs where they do not decide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from ..certify import bounds
from ._record import Box, scattered
from ._stages import Stage, net_of

SECONDS, MOST = 2.0, 100  # of one program; undecided units before it
SLACK = 1e-6  # relative: how far the answer of a program may be off
BOUNDS, PROGRAM = "bounds", "mixed-integer program"


@dataclass(eq=False)
class Range:
    """Bounds of what goes into the units of one stage, by what they were found, and how far they may be off."""

    low: np.ndarray
    high: np.ndarray
    how: list[str]
    slack: np.ndarray


def ranges(stages: list[Stage], box: Box) -> list[Range]:
    """The ranges of every stage.

    A unit that is on one side of its kink at all of some inputs, while the bounds leave it open, is asked of HiGHS: how
    far it gets over the box, with the units before it as they are.
    """
    found: list[Range] = []
    seen = np.concatenate([scattered(box), np.array(box).T])
    for k, stage in enumerate(stages):
        plain = Stage(stage.weight, stage.bias, None)
        lies = bounds(net_of([*stages[:k], plain], dtype=np.float64), box, "alpha", arithmetic="real")
        none = np.zeros(stage.width)
        found.append(Range(lies.low[0].copy(), lies.high[0].copy(), [BOUNDS] * stage.width, none))
        z = seen @ stage.weight + stage.bias
        if k and stage.pieces is not None and stage.pieces[0] == (0.0,):
            decide(stages[: k + 1], found, z, box)
        seen = stage(z)
    return found


def decide(stages: list[Stage], found: list[Range], z: np.ndarray, box: Box) -> None:
    """Ask for the side of each unit of the last stage that may be on one alone; the answers go into its range."""
    here, last = found[-1], stages[-1]
    open_ = (here.low < 0) & (here.high > 0)
    on, off = open_ & (z.min(0) >= 0), open_ & (z.max(0) <= 0)
    program = Program.of(stages[:-1], found, box) if (on | off).any() else None
    if program is None:
        return
    reach = np.maximum(*map(abs, stages[-2].span(found[-2].low, found[-2].high)))
    for unit in np.flatnonzero(on | off):
        weight, sign = last.weight[:, unit], 1.0 if on[unit] else -1.0
        bound = program.least(sign * weight)
        if bound is None:
            continue
        bound += sign * float(last.bias[unit])
        here.how[unit] = PROGRAM
        here.slack[unit] = SLACK * float(abs(weight) @ reach + abs(last.bias[unit]))
        here.low[unit] = max(here.low[unit], bound) if on[unit] else here.low[unit]
        here.high[unit] = min(here.high[unit], -bound) if off[unit] else here.high[unit]


@dataclass(eq=False)
class Program:
    """Stages with one kink at 0 as a mixed-integer program: `r ≥ z, r ≥ 0, r ≤ z − l (1 − d), r ≤ u d` for `relu(z)`.

    The variables are the input and, of every undecided unit, r and d, which is 0 or 1. What comes out of the last stage
    is `out · variables + shift`.
    """

    low: np.ndarray
    high: np.ndarray
    whole: np.ndarray
    out: np.ndarray
    shift: np.ndarray
    rows: list[np.ndarray]
    limits: list[tuple[float, float]]

    @staticmethod
    def of(stages: list[Stage], found: list[Range], box: Box) -> Program | None:
        """None where too many units are undecided, or a curve has other kinks."""
        if any(s.pieces is None or s.pieces[0] not in ((), (0.0,)) for s in stages):
            return None
        count = sum(int(((r.low < 0) & (r.high > 0)).sum()) for s, r in zip(stages, found, strict=False) if s.curve)
        n_in = len(box)
        if count > MOST:
            return None
        n = n_in + 2 * count
        low, high, whole = np.zeros(n), np.ones(n), np.zeros(n)
        low[:n_in], high[:n_in] = np.array(box).T
        made = Program(low, high, whole, np.eye(n_in, n), np.zeros(n_in), [], [])
        free = n_in
        for stage, lies in zip(stages, found, strict=False):
            free = made.add(stage, lies, free)
        return made

    def add(self, stage: Stage, lies: Range, free: int) -> int:
        """One more stage, whose variables begin at `free`; gives where they end."""
        z, shift = stage.weight.T @ self.out, stage.weight.T @ self.shift + stage.bias
        if stage.pieces is None or not stage.pieces[0]:
            self.out, self.shift = z, shift
            return free
        (below, _), (above, _) = stage.pieces[1]
        bent, bent_shift = np.where((lies.low >= 0)[:, None], z, 0.0), np.where(lies.low >= 0, shift, 0.0)
        for unit in np.flatnonzero((lies.low < 0) & (lies.high > 0)):
            r, d = np.eye(len(self.low))[[free, free + 1]]
            least, most = float(lies.low[unit]), float(lies.high[unit])
            self.rows += [r - z[unit], r - z[unit] - least * d, r - most * d]
            self.limits += [(shift[unit], np.inf), (-np.inf, shift[unit] - least), (-np.inf, 0.0)]
            self.high[free], self.whole[free + 1] = most, 1
            bent[unit], bent_shift[unit] = r, 0.0
            free += 2
        self.out, self.shift = below * z + (above - below) * bent, below * shift + (above - below) * bent_shift
        return free

    def least(self, weight: np.ndarray) -> float | None:
        """A lower bound of `weight · what comes out`; None where there was no time for one."""
        held = LinearConstraint(np.array(self.rows), *np.array(self.limits).T) if self.rows else ()
        found = milp(
            weight @ self.out, constraints=held, integrality=self.whole, bounds=Bounds(self.low, self.high),  # pyright: ignore[reportArgumentType]
            options={"time_limit": SECONDS},
        )  # fmt: skip
        bound = found.mip_dual_bound
        return None if bound is None or not np.isfinite(bound) else float(bound + weight @ self.shift)
