"""Units that are left out for a price, the cheapest first, and a network of one input written anew as one layer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..geometry import along
from ..layers import Activation
from ._linear import handed_on, linear_part
from ._links import Path, fewest, path_of
from ._stages import Stage, gains, net_of
from ._thin import RELU, Removal, Thinning, line_of
from ._units import Units, on_both_sides, with_slope

CLOSE = 64  # places between two kinks of a line at which a simpler one is held near it
ALIKE = 2.0**-20  # relative: how far weights in float32 may move a line that is to stay the same


class Plan(NamedTuple):
    """A unit that could become a constant, or straight: `off` by so much at most, and what that costs each output."""

    unit: int
    straight: bool
    off: float
    cost: np.ndarray


def coarser(work: Thinning, room: np.ndarray) -> bool:
    """Make units of one stage constant or straight, while what they cost fits into the room at every output.

    The stage is that of the cheapest of all; behind it everything is bounded again before more is changed.
    """
    choices = [sorted(plans(work, k), key=lambda plan: float(plan.cost.max())) for k in range(len(work.stages) - 1)]
    firsts = [float(some[0].cost.max()) if some else np.inf for some in choices]
    if not np.isfinite(min(firsts, default=np.inf)):
        return False
    k, taken = int(np.argmin(firsts)), []
    for plan in choices[k]:
        if (work.spent + plan.cost > room).any():
            break
        work.spent = work.spent + plan.cost
        taken.append(plan)
    become(work, k, taken)
    return bool(taken)


def plans(work: Thinning, k: int) -> list[Plan]:
    """What each unit of a stage could become, and its price: half of what a constant leaves, or a straight line.

    A line helps only where as many units hand the linear part on as before.
    """
    stage, lies, behind = work.stages[k], work.lies[k], gains(work.stages, k + 1)
    least, most = work.spans[k + 1]
    lines = [line_of(stage, lies, i) for i in range(stage.width)]
    straight = [i for i, (slope, _) in enumerate(lines) if slope is not None]
    is_relu = stage.pieces is not None and stage.pieces[1] == RELU
    now = linear_count(work, k, lines, straight) if is_relu and straight else 0
    found = []
    for i in range(stage.width):
        off = float(most[i] - least[i]) / 2
        low, high = float(lies.low[i]), float(lies.high[i])
        line = -low * high / (high - low) / 2 if low < 0 < high else np.inf
        turned = False
        if is_relu and straight and lines[i][0] is None and line < off:
            chord = [*lines]
            chord[i] = (high / (high - low), 0.0)
            turned = linear_count(work, k, chord, [*straight, i]) <= now
        off = line if turned else off
        off += 2.0**-48 * max(abs(low), abs(high))  # what float64 may lose on the way
        found.append(Plan(i, turned, off, off * behind[i]))
    return found


def linear_count(work: Thinning, k: int, lines: list, straight: list[int]) -> int:
    part = linear_part(work.stages[k], work.stages[k + 1], lines, straight, [])
    return len(handed_on(part, work.spans[k]).bias)


def become(work: Thinning, k: int, taken: list[Plan]) -> None:
    """Constants go into the next bias; a line is a unit that is on everywhere, which the rules then hand on."""
    stage, after, lies = work.stages[k], work.stages[k + 1], work.lies[k]
    least, most = work.spans[k + 1]
    gone = [plan.unit for plan in taken if not plan.straight]
    for plan in taken:
        i = plan.unit
        if not plan.straight:
            after.bias = after.bias + (least[i] + most[i]) / 2 * after.weight[i]
            continue
        low, high = float(lies.low[i]), float(lies.high[i])
        slope = high / (high - low)
        start = slope * low  # the line is slope z − slope low / 2, here as much higher as it takes to be above 0
        stage.weight[:, i] *= slope
        stage.bias[i] = slope * stage.bias[i] - start * (1 + 1e-6)
        after.bias = after.bias + (start * (1 + 1e-6) - start / 2) * after.weight[i]
        stage.names[i] = f"{stage.names[i]}, made straight"
    costs = [float(plan.cost.max()) for plan in taken if not plan.straight]
    work.drop(k, gone, ["nearly constant on the box"] * len(gone), costs)


def as_line(work: Thinning, before: list[Stage], side: tuple[float, float], tolerance: float) -> None:
    """A network of one input and one output as one hidden layer, where that takes fewer units.

    Its straight pieces are known exactly, so the path with the fewest links within the tolerance is what is needed.
    """
    if len(before[-1].bias) != 1 or any(stage.pieces is None for stage in before):
        return
    low, high = side
    found = along(net_of(before, dtype=np.float64), [low], [high])
    ends, values = low + found.ends * (high - low), found.values[:, 0]
    least = ALIKE * float(abs(values).max())
    path = simpler(ends, values, max(0.999 * tolerance, 0.25 * least))
    choices = [with_slope(path), *([on_both_sides(path)] if len(path.slopes) > 1 else [])]
    best = None
    for units in choices:
        at = np.union1d(ends, units.rounded().ends(low, high))
        off = np.interp(at, ends, values) - units.rounded()(at)
        units = units._replace(shift=units.shift + (off.max() + off.min()) / 2).rounded()
        off = abs(np.interp(at, ends, values) - units(at)).max() * (1 + 1e-9) + 1e-12 * abs(values).max()
        if off <= max(tolerance, least) and (best is None or len(units.knots) < len(best[0].knots)):
            best = units, off
    if best is None or len(best[0].knots) >= sum(s.width for s in work.stages if s.curve is not None):
        return
    anew(work, before, *best, pieces=len(path.slopes))


def simpler(x: np.ndarray, y: np.ndarray, error: float) -> Path:
    """The path with the fewest links in the tube around a line; between its kinks many places hold it there."""
    fine = np.unique(np.linspace(x[:-1], x[1:], CLOSE + 1)) if error > 0 else x
    height = np.interp(fine, x, y)
    return path_of(fine, fewest(fine, height - error, height + error)[1])


def anew(work: Thinning, before: list[Stage], units: Units, off: float, pieces: int) -> None:
    reason = f"the network has {pieces:,} straight pieces on the box: one hidden layer is written anew"
    (hidden, bias), (out, shift) = units.chain().maps
    work.removed = [
        Removal(name, reason, float("nan"), float("nan"), "exact pieces", off)
        for s in before
        if s.curve
        for name in s.names
    ]
    names = [f"kink at {knot:.6g}" for knot in units.knots]
    work.stages = [Stage(hidden, bias, Activation("relu"), names), Stage(out, shift, None, ["layers[2][0]"])]
    work.spent = np.full(1, off)
    none = np.zeros(len(names))
    work.spans = [(units.knots.min(keepdims=True), units.knots.max(keepdims=True)), (none, none)]
