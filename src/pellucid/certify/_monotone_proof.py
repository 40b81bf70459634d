"""What a search leaves behind as proof: its tree of cuts, and the multipliers of every part that a program closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._certificate import Proof
from ._monotone_ask import Asked, Goal
from ._monotone_parts import CHOICE, UNIT
from ._monotone_search import PROGRAM, SPLIT, Search
from ._monotone_sheet import NAMES

KIND = "monotone"


def proof_of(found: Asked, goal: Goal, searches: Sequence[Search]) -> Proof:
    """The proof that all derivatives searched for are nowhere below 0."""
    first = searches[0]
    about = {
        "shape": list(found.it.network.shape), "format": found.it.format.name, "feature": first.feature,
        "sign": first.sign, "goal": [goal.output, goal.shared], "names": list(NAMES),
        "groups": [list(group) for group in found.groups],
        "choices": [[choice.input, [[i, value] for i, value in choice.others.items()]] for choice in found.choices],
        "trees": len(searches),
    }  # fmt: skip
    arrays = {"low": found.low, "high": found.high}
    for k, search in enumerate(searches):
        tree = tree_of(found, search.tree)
        arrays |= {f"{k}.row": search.row} | {f"{k}.{name}": array for name, array in tree.items()}
    return Proof(KIND, about, arrays)


def tree_of(found: Asked, tree: Sequence[Sequence[Any]]) -> dict[str, np.ndarray]:
    """A tree as arrays, node by node, 0 being the whole.

    `var` is the input that it is cut at, or behind those a unit that goes into a curve, or behind those an input that
    is chosen (−1: it is a leaf); `at` the place, `child` the first of its two parts. Multipliers `value` of the rows
    named by `code` and `unit`, those of node i from `start[i]` on.
    """
    n, units = found.it.network.n_in, sum(step.width for step in found.it.network.curves)
    var, at, child, start = [], [], [], [0]
    parts: list[Any] = []
    for entry in tree:
        cut = entry[0] == SPLIT
        kind, index, place, first = entry[1:5] if cut else (0, -1, 0.0, -1)
        var.append(index + (n if kind == UNIT else n + units if kind == CHOICE else 0) if cut else -1)
        at.append(place)
        child.append(first)
        parts += [entry[1:]] if entry[0] == PROGRAM else []
        start.append(start[-1] + (len(entry[1]) if entry[0] == PROGRAM else 0))
    columns = zip(*parts, strict=True) if parts else ([], [], [])
    code, unit, value = (np.concatenate([np.zeros(0), *column]) for column in columns)
    return {
        "var": np.array(var, np.int32), "at": np.array(at, float), "child": np.array(child, np.int64),
        "start": np.array(start, np.int64), "code": code.astype(np.int8), "unit": unit.astype(np.int32),
        "value": value.astype(np.float32),
    }  # fmt: skip
