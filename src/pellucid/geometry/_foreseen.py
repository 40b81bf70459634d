"""How much there will be in a tree of halvings, told from a few random ways down it before it is walked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

Part = TypeVar("Part")


def foreseen(
    root: Callable[[], Part], halves: Callable[[Part], list[Part] | np.ndarray], ways: int
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of what the whole holds, and the standard error of that mean.

    A leaf found after n halvings stands for `2ⁿ` times what it holds: the mean over random ways is the whole, whatever
    the tree is. `halves(part)` gives the two halves, or what a leaf holds, an array.
    Source: Knuth 1975, Estimating the efficiency of backtrack programs.
    """
    rng = np.random.default_rng(0)
    held = np.array([way_down(root(), halves, rng) for _ in range(ways)])
    return held.mean(0), held.std(0, ddof=1) / np.sqrt(ways)


def way_down(part: Part, halves: Callable[[Part], list[Part] | np.ndarray], rng: np.random.Generator) -> np.ndarray:
    weight = 1.0
    while isinstance(found := halves(part), list):
        part, weight = found[rng.integers(2)], 2 * weight
    return found * weight
