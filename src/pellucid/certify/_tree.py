"""A space cut in two again and again, with what closes each part: what a search leaves behind as proof."""

from __future__ import annotations

from typing import Any

import numpy as np

LEAF, OPEN = -1, -2


class Tree:
    """Nodes by number, 0 the whole. `var` is what a node is cut by: an input, or behind those a unit that goes into a
    curve; `at` where; its parts are `child` (≤ at) and `child + 1` (≥ at). A leaf (var −1) is closed by its `row`, with
    lines number `own`, or the usual ones (−1)."""

    def __init__(self) -> None:
        self.count = 1
        self.var, self.row, self.own = (np.full(1, k, np.int32) for k in (OPEN, -1, -1))
        self.at, self.child = np.zeros(1), np.full(1, -1, np.int64)
        self.marks: list[np.ndarray] = []
        self.lifts: list[np.ndarray] = []
        self.owners = 0

    def split(self, nodes: np.ndarray, var: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Cut nodes in two: the numbers of the lower parts, the upper ones being one more."""
        first = self.count + 2 * np.arange(len(nodes))
        self.count += 2 * len(nodes)
        if self.count > len(self.var):
            self.grow()
        self.var[nodes], self.at[nodes], self.child[nodes] = var, at, first
        return first

    def grow(self) -> None:
        room = 2 * self.count - len(self.var)
        for name, fill in (("var", OPEN), ("row", -1), ("own", -1), ("at", 0.0), ("child", -1)):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.full(room, fill, old.dtype)]))

    def close(self, nodes: np.ndarray, row: np.ndarray, marks: Any = None, lifts: Any = None) -> None:
        """Nodes that are proven, each by a row; marks (nodes, 2, units) and lifts (nodes, units) are its own lines."""
        self.var[nodes], self.row[nodes] = LEAF, row
        if marks is not None and len(nodes):
            self.own[nodes] = self.owners + np.arange(len(nodes))
            self.owners += len(nodes)
            self.marks.append(marks)
            self.lifts.append(lifts)

    def arrays(self) -> dict[str, np.ndarray]:
        """The tree as arrays by name; multipliers only where there are any."""
        found = {name: getattr(self, name)[: self.count] for name in ("var", "at", "child", "row", "own")}
        if self.owners:
            found["marks"] = np.concatenate(self.marks)
            lifts = np.concatenate(self.lifts)
            unit = np.flatnonzero(lifts.any(0))
            found |= {"lift": lifts[:, unit], "lifted": unit}
        return found
