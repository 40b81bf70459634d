"""The nearest change of a row that changes its answer, in the units of its columns and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import SettingError
from ..geometry import Explanation, Given, NearestFlip, Network, given, nearest_flip
from ..language import key_of, phrase
from ..module import Layer
from ..records import Record
from ..train import Run

NAMED = 4  # inputs that a sentence names
SAME = 1e-9  # of what the input was: a change below this is none


@dataclass(frozen=True)
class NearestChange(Record):
    """Inputs that, changed together from `before` to `after`, in their own units, change the answer.

    Categories stay as they are. `flip` is in the network's inputs, where a distance of 1 is a deviation of a column.
    `moved` are the numbers of these inputs. `asked` names the inputs that were free to change; empty for all.
    """

    sentence: str
    asked: tuple[str, ...]
    names: tuple[str, ...]
    moved: tuple[int, ...]
    before: np.ndarray
    after: np.ndarray
    to: str
    flip: NearestFlip


def nearest_change(
    net: Layer | Network | Run, row: Any, asked: Sequence[str] = (), *, norm: float = 2, seconds: float = 5.0
) -> NearestChange:
    """The nearest change that gives another answer, exact or with bounds when the time is up.

    `row` is one input, or for a run a raw row. `asked` names the inputs that may change, by default all but categories.

    Raises: SettingError for a run that answers with numbers, which have no other answer to flip to; as `nearest_flip`.
    """
    found = given(net, row, single=True)
    if found.known is not None and not found.known.target.classes:
        raise SettingError(f"{found.known.target.name} is a number and no class: there is no answer to flip.")
    lost = [name for name in asked if name not in found.names]
    if lost:
        raise SettingError(f"There is no input {lost[0]!r}.")
    x = found.points[0]
    free = movable(found) if not asked else np.isin(found.names, asked)
    box = np.where(free[:, None], [-np.inf, np.inf], x[:, None])
    flip = nearest_flip(found.network, x, norm, box=None if free.all() else box, seconds=seconds)
    before, after = found.raw(x), None if flip.point is None else found.raw(flip.point)
    changed = np.zeros(len(x), bool) if flip.point is None else abs(flip.point - x) > SAME * (1 + abs(x))
    shown = np.flatnonzero(changed)
    to = "" if flip.to is None else answer_of(found, flip.to)
    flat = before if after is None else after
    names, places = tuple(found.names[i] for i in shown), tuple(shown.tolist())
    made = NearestChange("", tuple(asked), names, places, before[shown], flat[shown], to, flip)
    sizes = np.zeros(0) if flip.point is None else abs(flip.point - x)[shown]
    return replace(made, sentence=told(made, np.argsort(-sizes, kind="stable")))


def movable(found: Given) -> np.ndarray:
    """Which inputs can change a little: all but those that are there or not."""
    free = np.ones(len(found.names), bool)
    if found.known is None or found.known.shape is not None:
        return free
    fixed = {column.name for column in found.known.columns if column.kind in ("category", "boolean")}
    for i, (column, name) in enumerate(zip(found.known.input_columns, found.names, strict=True)):
        free[i] = column not in fixed and not key_of(name).endswith(" is missing")
    return free if free.any() else ~free


def answer_of(found: Given, number: int) -> str:
    """What an answer is called."""
    classes = found.known.target.classes if found.known is not None else ()
    if len(classes) > number:
        return str(classes[number])
    if found.network.n_out > 1:
        return found.outputs[number]
    return phrase("above 0") if number else phrase("not above 0")


def told(found: NearestChange, order: np.ndarray) -> str:
    """A change in a sentence."""
    flip, alone = found.flip, " and ".join(found.asked)
    who = f"With {alone} alone, the" if found.asked else "The"
    if flip.status == "none":
        return f"{who} answer stays the same, wherever {alone or 'the inputs'} may go: that is proven."
    if flip.point is None:
        return f"{who} answer does not change within a distance of {number(flip.lower)}; the time was up for more."
    moves = [
        f"{found.names[i]} from {number(float(found.before[i]))} to {number(float(found.after[i]))}"
        for i in order[:NAMED]
    ]
    more = [f"{len(order) - NAMED} other inputs a little"] if len(order) > NAMED else []
    what = listed([*moves, *more]) or "no change at all"
    if flip.status == "exact":
        near = f"at a distance of {number(flip.distance)}, proven to be the least"
    else:
        near = (
            f"at a distance of {number(flip.distance)}; none is nearer than {number(flip.lower)}, and the time was up"
        )
    return f"{who} nearest change to {found.to}: {what}, {near}."


def strongest(found: Explanation, most: int) -> list[str]:
    """The inputs with the largest contributions that can change a little."""
    free = [i for i in np.argsort(-abs(found.contributions), kind="stable") if not found.categorical[i]]
    return [found.names[i] for i in free if found.weights[i]][:most]


def listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
