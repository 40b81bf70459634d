"""The linear part of a stage: units that stay on one straight piece, and what opposite units have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ._ranges import Range
from ._stages import Stage
from ._thin import EQUAL, Pair, Removal, Thinning, add_to, line_of, multiplied, over, pairs

COARSE = 10  # binary places of what carriers are moved by: few, so that sums with it are exact


class Part(NamedTuple):
    """A linear map beside the units that bend: `h W + b`, read by `out`."""

    weight: np.ndarray
    bias: np.ndarray
    out: np.ndarray


def folded(work: Thinning, k: int) -> bool:
    """A stage of units that are all straight is part of the next one; its curve goes at least."""
    stage, after = work.stages[k], work.stages[k + 1]
    lines = [line_of(stage, work.lies[k], i) for i in range(stage.width)]
    if any(slope is None for slope, _ in lines):
        return False
    slopes, offsets = np.array(lines, float).reshape(-1, 2).T
    costs = [work.charge(k, over(stage, work.lies[k], i) * np.eye(stage.width)[i]) for i in range(stage.width)]
    weight, bias = stage.weight * slopes, stage.bias * slopes + offsets
    joined, lost = multiplied(weight, after.weight)
    smaller = joined.size <= weight.size + after.weight.size
    if stage.curve is None and not smaller:
        return False
    how = "the layer is linear on the box" + (", and part of the next" if smaller else "")
    if stage.curve is not None:
        work.removed += removals(stage, work.lies[k], range(stage.width), how, costs)
    if smaller:
        shift, more = multiplied(bias[None], after.weight)
        work.charge(k + 1, after.lipschitz * (work.reach(k) @ lost + more[0]))
        after.weight, after.bias = joined, shift[0] + after.bias
        del work.stages[k]
    else:
        work.stages[k] = Stage(weight, bias, None, stage.names)
    return True


def removals(stage: Stage, lies: Range, units: Sequence[int], reason: str, costs: Sequence[float]) -> list[Removal]:
    return [
        Removal(stage.names[i], reason, float(lies.low[i]), float(lies.high[i]), lies.how[i], cost)
        for i, cost in zip(units, costs, strict=True)
    ]


def collapsed(work: Thinning, k: int) -> bool:
    """Straight units beside others are as few as the linear map that they make together has inputs or outputs.

    Of two opposite units `relu(z) − relu(−z) = z`, so `a relu(z) + b relu(−z) = (a + b) relu(z) − b z`: where a linear
    part is handed on in any case, or a + b is 0, one of them becomes part of it.
    """
    stage = work.stages[k]
    if not stage.carries or stage.pieces is None or len(stage.pieces[1]) != 2:
        return False
    lines = [line_of(stage, work.lies[k], i) for i in range(stage.width)]
    straight = [i for i, (slope, _) in enumerate(lines) if slope is not None]
    two = [pair for pair in pairs(work, k, -1.0) if not {pair.kept, pair.gone} & set(straight)]
    best, plan = len(straight) + 2 * len(two), None
    for some in (two, [pair for pair in two if cancels(work, k, pair)], []):
        carriers = handed_on(linear_part(stage, work.stages[k + 1], lines, straight, some), work.spans[k])
        bent = sum(not cancels(work, k, pair) for pair in some) + 2 * (len(two) - len(some))
        if len(carriers.bias) + bent < best:
            best, plan = len(carriers.bias) + bent, (some, carriers)
    if plan is None:
        return False
    replace_straight(work, k, straight, *plan)
    return True


def cancels(work: Thinning, k: int, pair: Pair) -> bool:
    """Whether what reads two opposite units reads only their difference."""
    out = work.stages[k + 1].weight
    a, b = out[pair.kept], -pair.factor * out[pair.gone]
    return bool((abs(a + b) <= EQUAL * np.maximum(abs(a), abs(b))).all())


def linear_part(stage: Stage, after: Stage, lines: list[Any], straight: list[int], two: list[Pair]) -> Part:
    """What straight units do, and what of opposite ones is linear: `f(−z) = f(z) − (a + b) z` for slopes a and b."""
    (below, _), (above, _) = stage.pieces[1]  # pyright: ignore[reportOptionalSubscript]
    columns = [stage.weight[:, i] * lines[i][0] for i in straight] + [stage.weight[:, p.kept] for p in two]
    biases = [stage.bias[i] * lines[i][0] + lines[i][1] for i in straight] + [stage.bias[p.kept] for p in two]
    out = [after.weight[i] for i in straight] + [(below + above) * p.factor * after.weight[p.gone] for p in two]
    n = len(biases)
    return Part(
        np.array(columns).reshape(n, len(stage.weight)).T,
        np.array(biases, float),
        np.array(out).reshape(n, after.width),
    )


class Carriers(NamedTuple):
    """Units above 0 everywhere that hand a linear map on: `relu(h W + b) V + c`."""

    weight: np.ndarray
    bias: np.ndarray
    out: np.ndarray
    shift: np.ndarray
    names: list[str]
    lost: np.ndarray


def handed_on(part: Part, span: tuple[np.ndarray, np.ndarray]) -> Carriers:
    """The fewest carriers: one for each part, for each input it reads, or for each number that is made of it."""
    whole, lost = multiplied(part.weight, part.out)
    start, more = multiplied(part.bias[None], part.out)
    off = np.maximum(*map(abs, span)) @ lost + more[0]
    reads, made = np.flatnonzero(whole.any(1)), np.flatnonzero(whole.any(0))
    forms = [
        (part.weight, part.bias, part.out, np.zeros(whole.shape[1]), "part", 0 * off),
        (np.eye(len(whole))[:, reads], np.zeros(len(reads)), whole[reads], start[0], "input", off),
        (whole[:, made], np.zeros(len(made)), np.eye(whole.shape[1])[made], start[0], "sum", off),
    ]
    weight, bias, out, shift, kind, off = min(forms, key=lambda form: len(form[1]))
    low = bias + np.where(weight > 0, span[0][:, None] * weight, span[1][:, None] * weight).sum(0)
    size = abs(bias) + (np.maximum(*map(abs, span))[:, None] * abs(weight)).sum(0)
    step = 2.0 ** (np.ceil(np.log2(np.maximum(size, 2.0**-100))) - COARSE)
    below = np.where(low >= 0, 0.0, step * np.floor(low / step - 1e-3))
    back, more = multiplied(below[None], out)
    names = [f"carries {kind} {i}" for i in range(len(bias))]
    return Carriers(weight, bias - below, out, shift + back[0], names, off + more[0])


def replace_straight(work: Thinning, k: int, straight: list[int], two: list[Pair], carriers: Carriers) -> None:
    """Carriers in the place of straight units and of one of each pair."""
    stage, after, lies = work.stages[k], work.stages[k + 1], work.lies[k]
    work.charge(k + 1, after.lipschitz * carriers.lost)
    costs = [work.charge(k, over(stage, lies, i) * np.eye(stage.width)[i]) for i in straight]
    work.removed += removals(stage, lies, straight, "on everywhere: as part of a linear map", costs)
    gone = list(straight)
    for pair in two:
        cost = work.charge(k, stage.lipschitz * pair.off * np.eye(stage.width)[pair.gone])
        work.removed += removals(
            stage, lies, [pair.gone], f"opposite of {stage.names[pair.kept]}: relu(−z) = relu(z) − z", [cost]
        )
        gone.append(pair.gone)
        only_difference = cancels(work, k, pair)
        lost = add_to(after.weight, pair.kept, -pair.factor, pair.gone) + only_difference * abs(after.weight[pair.kept])
        cost = work.charge(k + 1, after.lipschitz * lost * work.reach(k + 1)[pair.kept])
        if only_difference:
            work.removed += removals(stage, lies, [pair.kept], "only the difference to its opposite is read", [cost])
            gone.append(pair.kept)
    stage.keep(np.setdiff1d(np.arange(stage.width), gone), after)
    stage.weight, stage.bias = np.hstack([stage.weight, carriers.weight]), np.append(stage.bias, carriers.bias)
    stage.names += carriers.names
    after.weight, after.bias = np.vstack([after.weight, carriers.out]), after.bias + carriers.shift
