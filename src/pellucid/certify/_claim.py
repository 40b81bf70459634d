"""What is to be proven: that nowhere in a box the outputs meet one of several clauses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ._certificate import Counterexample
from ._program import Certified
from ._space import Spaces


@dataclass(frozen=True, eq=False)
class Clause:
    """What refutes a claim: `rows · y + shift ≤ 0` for all rows at once; rows (m, n_out), shift (m,)."""

    rows: np.ndarray
    shift: np.ndarray

    def margin(self, y: np.ndarray) -> np.ndarray:
        """How far outputs (points, n_out) are from meeting the clause: it is met at 0 and below."""
        return (y @ self.rows.T + self.shift).max(-1)

    def size(self, y: np.ndarray) -> float:
        """The largest magnitude that the margin of one output is made of."""
        return float((abs(self.rows) @ abs(y) + abs(self.shift)).max())


@dataclass(frozen=True, eq=False)
class Claim:
    """That no input of the space meets one of the clauses. `space` is one box or ball."""

    it: Certified
    space: Spaces
    clauses: tuple[Clause, ...]

    def margins(self, y: np.ndarray) -> np.ndarray:
        """The margin of each clause, (points, clauses)."""
        return np.stack([clause.margin(y) for clause in self.clauses], 1)

    @cached_property
    def rows(self) -> np.ndarray:
        return np.concatenate([clause.rows for clause in self.clauses])

    @cached_property
    def shift(self) -> np.ndarray:
        return np.concatenate([clause.shift for clause in self.clauses])

    def refuted(self, x: np.ndarray) -> Counterexample | None:
        """The input as a counterexample, where the network meets a clause there as it runs and in float64."""
        x = self.space.inside(x[None, None])[0, 0]
        x = self.it.representable(x, self.space.low[0], self.space.high[0])
        ran, exact = self.it.run(x), self.it.network(x[None])[0]
        margin = max(float(self.margins(y[None]).min()) for y in (np.asarray(ran, float), exact))
        if not margin <= 0:
            return None
        return Counterexample(x, ran, exact, -margin)
