"""The affine maps that bends are given, for a pattern: made anew, or updated from those of a neighbouring region."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..affine import Add, Bend, Join, Step
from ._blocks import curves
from ._network import Network


class Flip(NamedTuple):
    """A unit that is on another piece beyond a facet."""

    bend: int
    unit: int
    piece: int


class Maps:
    """What every bend of a network is given as an affine map of the input, for a pattern."""

    def __init__(self, network: Network):
        self.network = network
        self.shift = [None if isinstance(s.operator, Bend | Add | Join) else s.operator.shift for s in network.steps]
        self.curves = curves(network)
        self.numbers = [s.output for s in network.bends]

    def anew(self, pieces: list[np.ndarray]) -> list[np.ndarray]:
        """From the input on: rows for each input, and one for the constant."""
        d = self.network.n_in
        values, found, turns = {0: np.eye(d + 1, d)}, [], iter(pieces)
        for i, (step, shift) in enumerate(zip(self.network.steps, self.shift, strict=True)):
            given = [values[number] for number in step.inputs]
            match step.operator:
                case Bend() as bend:
                    piece = next(turns)
                    found.append(given[0])
                    made = given[0] * bend.slope(piece)
                    made[-1] += bend.offset(piece)
                case Add() | Join() as joined:
                    made = joined(*given)
                case operator:
                    made = operator.linear(given[0])
                    made[-1] += shift
            values[step.output] = made
            self.network.forget(values, i)
        return found

    def updated(
        self, maps: list[np.ndarray], old: list[np.ndarray], pieces: list[np.ndarray], flips: list[Flip]
    ) -> list[np.ndarray]:
        """From a neighbour's maps: `Z + Δa ⊗ ∂z/∂a` for each unit that flips, all of one bend."""
        b = flips[0].bend
        units = [flip.unit for flip in flips]
        bend, given = self.curves[b].bend, maps[b][:, units]
        change = given * (bend.slope(pieces[b]) - bend.slope(old[b]))[units]
        change[-1] += (bend.offset(pieces[b]) - bend.offset(old[b]))[units]
        pulse = np.zeros((len(units), self.curves[b].width))
        pulse[np.arange(len(units)), units] = 1
        pulses = {self.numbers[b]: pulse}
        found, at = list(maps), b
        for step in self.network.steps[self.numbers[b] :]:
            turn = isinstance(step.operator, Bend)
            at += turn
            given = [pulses.get(number) for number in step.inputs]
            if all(pulse is None for pulse in given):
                continue
            pulse = self.passed(step, given, pieces[at])
            if turn:
                found[at] = maps[at] + change @ given[0]
            pulses[step.output] = pulse
        return found

    def passed(self, step: Step, given: list[np.ndarray | None], piece: np.ndarray) -> np.ndarray:
        """What a pulse becomes in one step; None is a value that it does not reach."""
        there = next(pulse for pulse in given if pulse is not None)
        match step.operator:
            case Bend() as bend:
                return there * bend.slope(piece)
            case Add():
                return sum(pulse for pulse in given if pulse is not None)  # pyright: ignore[reportReturnType]
            case Join() as join:
                widths = [self.network.width(number) for number in step.inputs]
                zeros = [np.zeros((len(there), width)) for width in widths]
                return join(*(z if pulse is None else pulse for pulse, z in zip(given, zeros, strict=True)))
            case operator:
                return operator.linear(there)

    def on_the_way(self, x: np.ndarray, direction: np.ndarray, reach: float) -> list[np.ndarray]:
        """The pieces just behind x along a direction: on its kink, a unit goes to where it is heading.

        Whether it is on its kink is told by the rounding that numbers as large as `reach` in x would have.
        """
        values, found = {0: (x[None], direction[None], np.maximum(abs(x[None]), reach))}, []
        for i, step in enumerate(self.network.steps):
            value, slope, size = zip(*(values[number] for number in step.inputs), strict=True)
            match step.operator:
                case Bend() as bend:
                    over = value[0][..., None] - bend.kinks
                    within = 1e-11 * (size[0][..., None] + abs(bend.kinks))
                    heading = slope[0][..., None] > 1e-11 * abs(slope[0]).max(initial=0.0)
                    piece = np.where(abs(over) <= within, heading, over > 0).sum(-1).astype(np.int8)
                    found.append(piece[0])
                    made = (
                        bend.by_piece(value[0], piece), slope[0] * bend.slope(piece),
                        size[0] * abs(bend.slopes).max(0) + abs(bend.offsets).max(0),
                    )  # fmt: skip
                case Add() | Join() as joined:
                    made = joined(*value), joined(*slope), joined(*size)
                case operator:
                    made = (
                        operator(value[0]), operator.linear(slope[0]),
                        operator.magnitude(size[0]) + abs(operator.shift),
                    )  # fmt: skip
            values[step.output] = made
            self.network.forget(values, i)
        return found
