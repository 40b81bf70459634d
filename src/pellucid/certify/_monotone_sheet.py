"""Variables and linear rows of a program, and what any multipliers of the rows prove about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array, eye_array, hstack, vstack

from ..affine import ROUNDING
from ._program import EXTRA, gamma

NAMES = (  # of rows, by which a proof names its multipliers: see `_monotone_check`
    "z_low", "z_high", "straight", "line_up", "line_down", "first", "last", "right", "left",
    "d_low", "d_high", "flat", "plane_0", "plane_1", "plane_2", "plane_3", "wild_up", "wild_down", "group",
)  # fmt: skip
CODE = {name: code for code, name in enumerate(NAMES)} | {"": -1}
NONE = 0, 0, np.zeros(0, int)
WHOLE = (-1.0, 0.0, 1.0)  # numbers that others are multiplied with without rounding


class Affine(NamedTuple):
    """Values that are affine in variables, `Σ_b M_b v_b + const`, give or take `slack`.

    `parts` are the matrices (units, variables of the block) by where the block begins; `own` is the variable that each
    unit is (−1: it is 0), or None where not all are one.
    """

    parts: dict[int, Any]
    const: np.ndarray
    slack: np.ndarray
    own: np.ndarray | None = None

    def at(self, point: np.ndarray) -> np.ndarray:
        """The values at a point of the program, about."""
        return sum((m @ point[b : b + m.shape[1]] for b, m in self.parts.items()), self.const)

    def take(self, units: np.ndarray) -> Affine:
        own = None if self.own is None else self.own[units]
        return Affine({b: m[units] for b, m in self.parts.items()}, self.const[units], self.slack[units], own)


class Of(NamedTuple):
    """What rows are about: their name (none for what only names values), and the numbers of the units."""

    name: str
    units: np.ndarray


class Rows:
    """Rows `Σ_j entry_j v_j`, the numbers on their right, and of each the code of its name and its unit."""

    def __init__(self) -> None:
        self.row: list[np.ndarray] = [np.zeros(0, int)]
        self.column: list[np.ndarray] = [np.zeros(0, int)]
        self.entry: list[np.ndarray] = [np.zeros(0)]
        self.right: list[np.ndarray] = [np.zeros(0)]
        self.code: list[np.ndarray] = [np.zeros(0, int)]
        self.unit: list[np.ndarray] = [np.zeros(0, int)]
        self.sign: list[np.ndarray] = [np.zeros(0)]
        self.count = 0

    def add(self, of: Of, terms: Sequence[tuple[Affine, np.ndarray]], right: np.ndarray, sign: float = 1.0) -> None:
        for value, scale in terms:
            for b, matrix in value.parts.items():
                part = coo_array(matrix)
                self.row.append(self.count + part.coords[0])
                self.column.append(b + part.coords[1])
                self.entry.append(sign * scale[part.coords[0]] * part.data)
        self.right.append(right)
        self.code.append(np.full(len(right), CODE[of.name]))
        self.unit.append(of.units)
        self.sign.append(np.full(len(right), sign))
        self.count += len(right)

    def matrix(self, columns: int) -> tuple[Any, np.ndarray]:
        place = np.concatenate(self.row), np.concatenate(self.column)
        found = csr_array((np.concatenate(self.entry), place), shape=(self.count, columns))
        return found, np.concatenate(self.right)


class Sheet:
    """A program under way: `A v ≤ b`, `E v = f` and `low ≤ v ≤ high`."""

    def __init__(self) -> None:
        self.low: list[np.ndarray] = []
        self.high: list[np.ndarray] = []
        self.count = 0
        self.below, self.equal = Rows(), Rows()
        self.sides: list[tuple[int, int, np.ndarray]] = []  # named values whose bounds prove: where, code, units

    def values(self, low: np.ndarray, high: np.ndarray, some: np.ndarray | None = None) -> Affine:
        """A variable between these bounds for each unit, or for some, the others being 0."""
        units = np.arange(len(low)) if some is None else np.flatnonzero(some)
        start, n = self.count, len(units)
        self.low.append(low[units])
        self.high.append(high[units])
        self.count += n
        own = np.full(len(low), -1)
        own[units] = start + np.arange(n)
        chosen = csr_array((np.ones(n), (units, np.arange(n))), shape=(len(low), n))
        zeros = np.zeros(len(low))
        return Affine({start: chosen}, zeros, zeros, own)

    def named(self, value: Affine, low: np.ndarray, high: np.ndarray, of: Of) -> Affine:
        """The same values as variables of their own, so that what is made of them is exact again."""
        start, made, one = self.count, self.values(low, high), np.ones(len(low))
        self.rows(Of("", of.units), [(value, one), (made, -one)], np.zeros(len(low)), equal=True)
        if of.name:
            self.sides.append((start, CODE[of.name], of.units))
        return made

    def interval(self, value: Affine) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of values, from those of the variables."""
        low, high = np.concatenate(self.low), np.concatenate(self.high)
        least, most, size = value.const - value.slack, value.const + value.slack, abs(value.const) + value.slack
        terms = 1
        for b, matrix in value.parts.items():
            block = slice(b, b + matrix.shape[1])
            up, down = matrix.maximum(0), matrix.minimum(0)
            least = least + up @ low[block] + down @ high[block]
            most = most + up @ high[block] + down @ low[block]
            size = size + abs(matrix) @ np.maximum(abs(low[block]), abs(high[block]))
            terms += matrix.shape[1]
        off = gamma(terms + EXTRA, ROUNDING) * size
        return least - off, most + off

    def rows(self, of: Of, terms: Sequence[tuple[Affine, np.ndarray]], most: np.ndarray, equal: bool = False) -> None:
        """`Σ scale · value ≤ most` for every unit, or `=`; scales are −1, 0 or 1 but for what is a variable itself.

        What rounding leaves open of constants is left to the row.
        """
        right, size, slack, addends = most, abs(most), np.zeros(len(most)), (most != 0).astype(int)
        for value, scale in terms:
            shift = scale * value.const
            right, size, addends = right - shift, size + abs(shift), addends + (shift != 0)
            slack = slack + abs(scale) * value.slack
        slack = (slack + np.where(addends > 1, 8 * ROUNDING * size, 0.0)) * (1 + 4 * ROUNDING)
        if equal and not slack.any():
            self.equal.add(of, terms, right)
            return
        self.below.add(of, terms, np.nextafter(right + slack, np.inf) if slack.any() else right)
        if equal:
            self.below.add(of, terms, np.nextafter(slack - right, np.inf), -1.0)

    def program(self, aim: Affine, weights: np.ndarray) -> Program:
        """The program of the least `weights · aim`."""
        c, size, low, high = np.zeros(self.count), np.zeros(self.count), *map(np.concatenate, (self.low, self.high))
        for b, matrix in aim.parts.items():
            block = slice(b, b + matrix.shape[1])
            c[block] += matrix.T @ weights
            size[block] += abs(matrix).T @ abs(weights)
        several = np.count_nonzero(weights) > 1 or not np.isin(weights, WHOLE).all()
        rough = gamma(len(weights) + EXTRA, ROUNDING) * several
        off = abs(weights) @ aim.slack + rough * (
            abs(weights) @ abs(aim.const) + size @ np.maximum(abs(low), abs(high))
        )
        start = float(weights @ aim.const - off * (1 + 1e-9))
        both = self.below, self.equal
        rows = Named(*(np.concatenate([*getattr(both[0], f), *getattr(both[1], f)]) for f in ("code", "unit", "sign")))
        sides = [(np.full(len(u), code), u, start + np.arange(len(u))) for start, code, u in [*self.sides, NONE]]
        named = Named(*(np.concatenate(part) for part in zip(*sides, strict=True)))
        parts = *self.below.matrix(self.count), *self.equal.matrix(self.count), low, high, start
        return Program(c, *parts, rows, named)


class Named(NamedTuple):
    """Codes of names and units of rows, those of `E` last, with their signs; or of variables, with where they are."""

    code: np.ndarray
    unit: np.ndarray
    more: np.ndarray


class Program(NamedTuple):
    """`start + min c · v` with `A v ≤ b`, `E v = f` and `low ≤ v ≤ high`; and what its rows and sides are about."""

    c: np.ndarray
    below: Any
    b: np.ndarray
    equal: Any
    f: np.ndarray
    low: np.ndarray
    high: np.ndarray
    start: float
    rows: Named
    sides: Named

    def told(self, multipliers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Multipliers that are not 0 by the code of their name and their unit, and those of the sides of values."""
        y = np.array(multipliers, float)
        y[: len(self.b)] = np.maximum(y[: len(self.b)], 0)
        slope = self.c + vstack([self.below, self.equal]).T @ y
        at = slope[self.sides.more]
        code = np.concatenate([self.rows.code, self.sides.code + (at < 0)])
        unit, value = np.concatenate([self.rows.unit, self.sides.unit]), np.concatenate([y * self.rows.more, abs(at)])
        kept = (value != 0) & (code >= 0)
        return code[kept], unit[kept], value[kept]

    def proven(self, multipliers: np.ndarray) -> float:
        """A number that the least is not below, whatever the multipliers: with `r = c + Aᵀλ + Eᵀμ`, it is
        `start + Σ min(r low, r high) − λ b − μ f` for `λ ≥ 0`, rounded down.

        Source: Neumaier and Shcherbina 2004, Safe bounds in linear and mixed-integer linear programming, section 3.
        """
        y = np.array(multipliers, float)
        y[: len(self.b)] = np.maximum(y[: len(self.b)], 0)
        rows, right = vstack([self.below, self.equal]), np.concatenate([self.b, self.f])
        r, size = self.c + rows.T @ y, abs(self.c) + abs(rows).T @ abs(y)
        off = gamma(len(y) + EXTRA, ROUNDING) * size * np.maximum(abs(self.low), abs(self.high))
        terms = np.concatenate([[self.start], np.minimum(r * self.low, r * self.high) - off, -y * right])
        found = float(terms.sum()) - gamma(len(terms) + EXTRA, ROUNDING) * float(abs(terms).sum())
        return found if np.isfinite(found) else -np.inf

    def solved(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Where the least is, about, and the multipliers that prove it; None where there is no point."""
        from scipy.optimize import linprog

        sides = np.stack([self.low, self.high], 1)
        equal = (self.equal, self.f) if len(self.f) else (None, None)
        found = linprog(
            self.c, self.below, self.b, *equal, sides, method="highs-ds", options={"presolve": False}
        )  # fmt: skip
        if found.status != 0:
            return None
        return found.x, -np.concatenate([found.ineqlin.marginals, found.eqlin.marginals])

    def elastic(self, cost: float) -> Program:
        """The same where a point may go beyond rows at a cost, so that there is always one: multipliers that prove its
        least prove it of this program, too."""
        n, each = 1 + 2 * len(self.f), eye_array(len(self.f))  # each row of E up or down, those of A all together
        below = hstack([self.below, csr_array(-np.ones((len(self.b), 1))), csr_array((len(self.b), n - 1))])
        equal = hstack([self.equal, csr_array((len(self.f), 1)), each, -each])
        return Program(
            np.append(self.c, np.full(n, cost)), below.tocsr(), self.b, equal.tocsr(), self.f,
            np.append(self.low, np.zeros(n)), np.append(self.high, np.full(n, np.inf)), self.start, self.rows,
            self.sides,
        )  # fmt: skip
