"""A network in stages: what is carried from one bend to the next, and how exactly it is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..affine import ROUNDING, Add, Bend, Join, Step, Windows
from ._network import Network


@dataclass(frozen=True, eq=False)
class Stage:
    """The rows before one bend: the values `held` side by side, what it bends first; then its steps up to the next."""

    held: tuple[int, ...]
    widths: tuple[int, ...]
    steps: tuple[Step, ...]
    wanted: tuple[int, ...]

    @property
    def bend(self) -> Bend:
        operator = self.steps[0].operator
        assert isinstance(operator, Bend)
        return operator


class Flow:
    """A network's steps cut into stages, one for each bend; `first` leads from the input to the first bend."""

    def __init__(self, network: Network):
        self.network = network
        steps = network.steps
        starts = [i for i, step in enumerate(steps) if isinstance(step.operator, Bend)]
        ends = [*starts, len(steps)]
        live = [self.live(i) for i in ends]
        widths = [tuple(network.width(number) for number in held) for held in live]
        self.first = Stage((0,), (network.n_in,), steps[: ends[0]], live[0])
        self.stages = [
            Stage(live[i], widths[i], steps[start : ends[i + 1]], live[i + 1]) for i, start in enumerate(starts)
        ]

    def live(self, i: int) -> tuple[int, ...]:
        """The values made before step i that are still needed, the one that step i bends first."""
        steps = self.network.steps
        if i == len(steps):
            return (self.network.output.number,)
        bent = steps[i].inputs[0]
        made = [0, *(step.output for step in steps[:i])]
        rest = [n for n in made if n != bent and self.network.last_use.get(n, -1) >= i]
        return bent, *rest


def advance(stage: Stage, rows: np.ndarray) -> np.ndarray:
    """The rows before one bend, taken to the next."""
    return joined(stage, run(stage, taken_apart(stage, rows)))


def taken_apart(stage: Stage, rows: np.ndarray) -> dict[int, np.ndarray]:
    if len(stage.held) == 1:
        return {stage.held[0]: rows}
    return dict(zip(stage.held, np.split(rows, np.cumsum(stage.widths)[:-1], 1), strict=True))


def run(stage: Stage, values: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    for step in stage.steps:
        values[step.output] = step.operator(*(values[number] for number in step.inputs))
    return values


def joined(stage: Stage, values: dict[int, np.ndarray]) -> np.ndarray:
    parts = [values[number] for number in stage.wanted]
    return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts, 1))


def bounds(stage: Stage, scale: np.ndarray, most: np.ndarray) -> np.ndarray:
    """The unit of error of every number in the next rows, where that of these rows is `scale` and none is above `most`.

    An operator hands errors on and adds its own rounding, `(terms + 2) u (Σ |w| |x| + |b|)`; twice that, for safety.
    """
    errors = taken_apart(stage, scale[None])
    sizes = taken_apart(stage, most[None])
    for step in stage.steps:
        given = [errors[number] for number in step.inputs]
        large = [sizes[number] for number in step.inputs]
        match step.operator:
            case Bend() as bend:
                slope, offset = (abs(table).max(0) for table in (bend.slopes, bend.offsets))
                error, size = given[0] * slope, large[0] * slope + offset
                if not bend.is_relu:
                    error = error + 4 * ROUNDING * size
            case Add():
                error, size = sum(given), sum(large)
                error = error + 2 * len(given) * ROUNDING * size
            case Join():
                error, size = np.concatenate(given, 1), np.concatenate(large, 1)
            case operator:
                size = operator.magnitude(large[0]) + abs(full_bias(operator))
                error = operator.magnitude(given[0]) + 2 * (operator.terms + 2) * ROUNDING * size
        errors[step.output], sizes[step.output] = error, size
    return joined(stage, errors)[0]


def full_bias(operator: object) -> np.ndarray:
    if isinstance(operator, Windows):
        return np.broadcast_to(operator.bias, (len(operator.index), operator.weight.shape[-1])).reshape(-1)
    return operator.bias
