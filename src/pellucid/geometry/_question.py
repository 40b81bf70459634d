"""What is asked of a network at one input: which sums of its outputs are below 0 there, and where one is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import GeometryError, SettingError
from ._network import Network


@dataclass(frozen=True, eq=False)
class Question:
    """Where does one of `f(z) @ rows.T + shift` reach 0, for z = x + δ with `low ≤ δ ≤ high`?

    `answer` is the class that x has, or 1 or 0 for above or below a level; `classes` is that of each row.
    """

    network: Network
    x: np.ndarray
    rows: np.ndarray
    shift: np.ndarray
    answer: int
    classes: tuple[int, ...]
    low: np.ndarray
    high: np.ndarray

    def margins(self, z: np.ndarray) -> np.ndarray:
        """`f(z) @ rows.T + shift`, (points, rows): 0 or above where the answer has changed."""
        return self.network(z) @ self.rows.T + self.shift

    def within(self, delta: np.ndarray) -> np.ndarray:
        return self.x + np.clip(delta, self.low, self.high)


def question(
    network: Network, x: Any, target: int | None, output: int | None, level: float, box: Any = None
) -> Question:
    """The question of the nearest change of the answer.

    Raises: GeometryError where x is no one input of the network, a number in it is not finite, or it lies outside the
        box; SettingError for a class or an output that is not there.
    """
    x = one_input(network, x)
    low, high = box_around(network, x, box)
    f = network(x[None])[0]
    n = network.n_out
    if n == 1 or output is not None:
        if target is not None:
            raise SettingError("target= names a class; where one output crosses a level there is none: leave it out.")
        chosen = numbered(0 if output is None else output, n, "output")
        if not np.isfinite(level):
            raise SettingError(f"level must be a finite number, got {level}.")
        above = bool(f[chosen] > level)
        sign = -1.0 if above else 1.0
        rows = sign * np.eye(n)[[chosen]]
        return Question(network, x, rows, np.array([-sign * level]), int(above), (int(not above),), low, high)
    answer = int(f.argmax())
    classes = [i for i in range(n) if i != answer] if target is None else [numbered(target, n, "class")]
    if answer in classes:
        raise SettingError(f"The answer is class {answer} already: target= is the class it should change to.")
    rows = np.eye(n)[classes] - np.eye(n)[answer]
    return Question(network, x, rows, np.zeros(len(classes)), answer, tuple(classes), low, high)


def one_input(network: Network, x: Any) -> np.ndarray:
    x = np.asarray(x, float).reshape(-1)
    if len(x) != network.n_in:
        raise GeometryError(f"x is one input of {network.n_in} numbers; got {len(x)}.")
    if not np.isfinite(x).all():
        raise GeometryError(f"x[{int(np.argmin(np.isfinite(x)))}] is not a finite number: it lies in no region.")
    return x


def numbered(i: int, n: int, what: str) -> int:
    if isinstance(i, bool) or not isinstance(i, int | np.integer) or not -n <= i < n:
        raise SettingError(f"There is no {what} {i!r}: the network has {n}, 0 to {n - 1}.")
    return int(i) % n


def box_around(network: Network, x: np.ndarray, box: Any) -> tuple[np.ndarray, np.ndarray]:
    """How far each coordinate may go down and up; `box` is one pair (low, high), or a pair for each input.

    Raises: GeometryError where it is no such box, is empty, or x lies outside.
    """
    n = network.n_in
    if box is None:
        return np.full(n, -np.inf), np.full(n, np.inf)
    sides = np.asarray(box, float)
    if sides.shape not in ((2,), (n, 2)):
        raise GeometryError(f"box is one pair (low, high), or one for each of the {n} inputs; got {sides.shape}.")
    sides = np.broadcast_to(sides, (n, 2))
    bad = np.flatnonzero(~(sides[:, 0] <= sides[:, 1]))
    if len(bad):
        raise GeometryError(f"box is empty in input {bad[0]}: {sides[bad[0]].tolist()} is no (low, high).")
    out = np.flatnonzero((x < sides[:, 0]) | (x > sides[:, 1]))
    if len(out):
        raise GeometryError(
            f"x lies outside the box in input {out[0]}: {x[out[0]]:g} is not within {sides[out[0]].tolist()}."
        )
    return sides[:, 0] - x, sides[:, 1] - x
