"""An explanation in words that need no knowledge of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._explain import Explanation

STRONGEST, NEAREST = 5, 3  # inputs that are named


def sentences(found: Explanation) -> tuple[str, ...]:
    """What the answer is made of, what moves it, where its formula ends, what other categories and changes would do."""
    made = [made_of(found), moves(found), ends(found), *choices(found)]
    return tuple(sentence for sentence in [*made, *(flip.sentence for flip in found.flips)] if sentence)


def subject(found: Explanation) -> str:
    """What the value is called."""
    return f"the {found.link} of {found.output_name}" if found.link else found.output_name


def made_of(found: Explanation) -> str:
    terms = [part for part in found.parts if part.contribution][:STRONGEST]
    rest = found.contributions.sum() - sum(part.contribution for part in terms)
    said = [f"{number(part.contribution)} from {given(found, part.name, part.value)}" for part in terms]
    if np.count_nonzero(found.contributions) > len(terms):
        said.append(f"{number(rest)} from {np.count_nonzero(found.contributions) - len(terms)} other inputs")
    whole = listed([f"{number(found.constant)} to begin with", *said])
    start = subject(found)
    return f"{start[0].upper()}{start[1:]} is {number(found.value)}: {whole}."


def given(found: Explanation, name: str, value: float) -> str:
    """An input with its value; a category is its own value."""
    there = found.categorical[found.names.index(name)]
    return name if there else f"{name} = {number(value)}"


def moves(found: Explanation) -> str:
    """By how much the value changes with the inputs that matter most, as far as the region reaches."""
    movable = np.flatnonzero(~found.categorical & (found.weights != 0))
    order = movable[np.argsort(-np.abs(found.contributions[movable]), kind="stable")][:STRONGEST]
    if not len(order):
        return f"Within this region no input moves {subject(found)}."
    way = np.where(found.weights > 0, "rises", "falls")
    said = [f"{way[i]} by {number(abs(float(found.weights[i])))} per unit of {found.names[i]}" for i in order]
    return f"Within this region {subject(found)} {listed(said)}."


def ends(found: Explanation) -> str:
    """The inputs that end the formula soonest, when they change alone."""
    room = np.where(found.categorical[:, None], np.inf, found.region.room)
    stops, facets = found.region.stops, found.region.facets
    said = []
    for place in np.argsort(room, axis=None, kind="stable"):
        i, side = divmod(int(place), 2)
        stop = stops[i, side]
        if len(said) == NEAREST or not np.isfinite(room[i, side]):
            break
        if stop >= 0 and facets[stop].units:
            said.append(
                f"{found.names[i]} {('falls below', 'rises above')[side]} {number(float(found.ranges[i, side]))}"
            )
    return f"The answer changes its formula if {listed(said, 'or')}." if said else ""


def choices(found: Explanation) -> list[str]:
    """What each column's category gives, and which other changes the answer most."""
    said = []
    for column in found.choices:
        if not column.others:
            continue
        most = max(column.others, key=lambda other: abs(other.output - found.value))
        start = f"{column.name or column.column + ' is none that training had, and'} contributes"
        formula = "" if most.same_region else ", by another formula"
        said.append(
            f"{start} {number(column.contribution)}; with {most.name} {subject(found)} would be "
            f"{number(most.output)}{formula}."
        )
    return said


def listed(parts: list[str], word: str = "and") -> str:
    """Parts as a list in a sentence.

    Example:
        >>> listed(["one", "two", "three"])
        'one, two and three'
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def number(value: float) -> str:
    """Four digits, with a minus that prints well.

    Example:
        >>> number(-0.31234)
        '−0.3123'
    """
    return f"{value:.4g}".replace("-", "−")
