"""A network in stages: what is carried from one bend to the next, and how exactly it is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, NamedTuple

import numpy as np

from ..affine import ROUNDING, Add, Bend, Join, Sparse, Step
from ._network import Network


class Rows(NamedTuple):
    """The values of all vertices before a bend, between which numbers each column lies, and how exactly it is known.

    `scale` (3, columns): the unit of each column's error, the steepest that it may rise where the input moves, and how
    far it may be off everywhere, which cutting does not add to.
    """

    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True, eq=False)
class Stage:
    """The rows before one bend: the values `held` side by side, what it bends first; then its steps up to the next."""

    held: tuple[int, ...]
    widths: tuple[int, ...]
    steps: tuple[Step, ...]
    wanted: tuple[int, ...]
    after: tuple[int, ...]  # the widths of the wanted values

    @cached_property
    def pools(self) -> bool:
        """Whether a bend follows on differences, sums and choices of bent units alone."""
        return all(isinstance(step.operator, Bend | Sparse | Add) for step in self.steps) and len(self.steps) > 1

    @property
    def bend(self) -> Bend:
        return self.steps[0].bend

    @property
    def n(self) -> int:
        """How many units bend."""
        return self.widths[0]

    @property
    def width(self) -> int:
        """How many columns there are before the next bend."""
        return sum(self.after)

    def advance(self, rows: np.ndarray) -> np.ndarray:
        """The rows before one bend, taken to the next."""
        return self.joined(self.run(self.taken_apart(rows)))

    def marked(self, rows: np.ndarray, off: np.ndarray) -> np.ndarray:
        """`advance`, with −0.0 for what the next bend is given that is known to be exactly 0.

        Each unit may be off by `off`. One that is surely below its ReLU's kink gives 0, and so does the difference of
        two such units, which max pooling behind a ReLU takes by the thousand. As floats they are 0 as well, but a float
        that is 0 need not be exact: the mark says it is.
        """
        found = self.advance(rows)
        bend = self.bend
        if not self.pools or bend.slopes[0].any() or bend.offsets[0].any():
            return found
        n = self.n
        known = {number: is_zero(part) for number, part in self.taken_apart(rows).items()}
        known[self.steps[0].output] = known[self.held[0]] | (rows[:, :n] + off <= bend.kinks[0])
        for step in self.steps[1:]:
            parts = [known[number] for number in step.inputs]
            match step.operator:
                case Add():
                    known[step.output] = np.logical_and.reduce(parts)
                case Sparse() as operator:
                    unsure = operator.magnitude((~parts[0]).astype(np.float32)) > 0
                    known[step.output] = ~unsure & (operator.bias == 0)
        found += 0.0  # −0.0 of any other origin becomes 0.0
        found[self.joined(known)] = -0.0
        return found

    def taken_apart(self, rows: np.ndarray) -> dict[int, np.ndarray]:
        if len(self.held) == 1:
            return {self.held[0]: rows}
        return dict(zip(self.held, np.split(rows, np.cumsum(self.widths)[:-1], 1), strict=True))

    def run(self, values: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        for step in self.steps:
            values[step.output] = step.operator(*(values[number] for number in step.inputs))
        return values

    def joined(self, values: dict[int, np.ndarray]) -> np.ndarray:
        parts = [values[number] for number in self.wanted]
        return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts, 1))

    def bounds(self, rows: Rows, low: np.ndarray, high: np.ndarray, off: np.ndarray) -> np.ndarray:
        """How exactly the next rows are known, whose columns lie between `low` and `high`, from how exactly these are.

        No number in these rows is off by more than `off` of its column.
        An operator hands errors on and adds its own rounding, `(terms + 2) u (Σ |w| |x| + |b|)`; twice that, for
        safety. Nothing is rounded where all that is added to a number is 0, nor in a choice of numbers; and a
        difference is never rounded across 0. So what is the same everywhere, as in the empty margin of pictures, is
        known without error.
        """
        errors = self.taken_apart(rows.scale)
        sizes = self.taken_apart(np.maximum(rows.high, -rows.low)[None])
        measured = dict(
            zip(self.wanted, np.split(np.maximum(high, -low)[None], np.cumsum(self.after)[:-1], 1), strict=True)
        )
        for step in self.steps:
            given = [errors[number] for number in step.inputs]
            large = [sizes[number] for number in step.inputs]
            rounded: Any = 0
            match step.operator:
                case Bend() as bend:
                    n = self.n
                    ends = np.stack([rows.high[:n], rows.low[:n], *(np.full(n, kink) for kink in bend.kinks)])
                    flat = (rows.high[:n] + off[:n] <= bend.kinks[0]) & (
                        bend.slopes[0] == 0
                    )  # every vertex is surely before it
                    error = np.where(flat, 0, given[0] * abs(bend.slopes).max(0))
                    size = np.where(flat, abs(bend.offsets[0]), abs(bend(ends)).max(0)[None])
                    rounded = 0 if bend.is_relu else 4 * ROUNDING * size
                case Add():
                    error, size = reduce(np.add, given), reduce(np.add, large)
                    several = reduce(np.add, [(part > 0).astype(int) for part in large]) > 1
                    rounded = np.where(several, 2 * len(given) * ROUNDING * size, 0)
                case Join():
                    error, size = np.concatenate(given, 1), np.concatenate(large, 1)
                case operator:
                    products = operator.magnitude(large[0])
                    size = products + abs(operator.shift)
                    error = operator.magnitude(given[0])
                    if isinstance(operator, Sparse) and operator.simple:
                        size = measured.get(step.output, size)
                        several = operator.magnitude((large[0] > 0).astype(float)) > 1
                        rounded = np.where(several, 2 * ROUNDING * size, 0)
                    else:
                        rounded = np.where(products > 0, 2 * (operator.terms + 2) * ROUNDING * size, 0)
            errors[step.output], sizes[step.output] = np.stack([(error[:1] + rounded)[0], *error[1:]]), size
        return self.joined(errors)


def is_zero(rows: np.ndarray) -> np.ndarray:
    """Where the mark says that a number is exactly 0."""
    return (rows == 0) & np.signbit(rows)


class Flow:
    """A network's steps cut into stages, one for each bend; `first` leads from the input to the first bend."""

    def __init__(self, network: Network):
        self.network = network
        steps = network.steps
        starts = [i for i, step in enumerate(steps) if isinstance(step.operator, Bend)]
        ends = [*starts, len(steps)]
        live = [self.live(i) for i in ends]
        widths = [tuple(network.width(number) for number in held) for held in live]
        self.first = Stage((0,), (network.n_in,), steps[: ends[0]], live[0], widths[0])
        self.stages = [
            Stage(live[i], widths[i], steps[start : ends[i + 1]], live[i + 1], widths[i + 1])
            for i, start in enumerate(starts)
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
