"""An explanation in words that need no knowledge of networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..language import phrase, translated

if TYPE_CHECKING:
    from ._explain import Explanation

STRONGEST, NEAREST = 5, 3  # inputs that are named


def sentences(found: Explanation) -> tuple[str, ...]:
    """What the answer is made of, what moves it, where its formula ends, what other categories and changes would do."""
    made = [made_of(found), moves(found), ends(found), *choices(found)]
    return tuple(sentence for sentence in [*made, *(flip.sentence for flip in found.flips)] if sentence)


def subject(found: Explanation) -> str:
    """What the value is called."""
    if not found.link:
        return translated(found.output_name)
    return phrase("the {link} of {output}", link=found.link, output=found.output_name)


def made_of(found: Explanation) -> str:
    terms = [part for part in found.parts if part.contribution][:STRONGEST]
    rest = found.contributions.sum() - sum(part.contribution for part in terms)
    said = [phrase("{n} to begin with", n=number(found.constant))]
    for part in terms:
        name = given(found, part.name, part.value)
        said.append(phrase("{n} from {name}", n=number(part.contribution), name=name))
    if np.count_nonzero(found.contributions) > len(terms):
        others = np.count_nonzero(found.contributions) - len(terms)
        said.append(phrase("{n} from {others} other inputs", n=number(rest), others=others))
    whole = phrase(
        "{subject} is {value}: {parts}.", subject=subject(found), value=number(found.value), parts=listed(said)
    )
    return f"{whole[0].upper()}{whole[1:]}"


def given(found: Explanation, name: str, value: float) -> str:
    """An input with its value; a category is its own value."""
    there = found.categorical[found.names.index(name)]
    return translated(name) if there else f"{translated(name)} = {number(value)}"


def moves(found: Explanation) -> str:
    """By how much the value changes with the inputs that matter most, as far as the region reaches."""
    movable = np.flatnonzero(~found.categorical & (found.weights != 0))
    order = movable[np.argsort(-np.abs(found.contributions[movable]), kind="stable")][:STRONGEST]
    if not len(order):
        return phrase("Within this region no input moves {subject}.", subject=subject(found))
    said = [change(float(found.weights[i]), found.names[i]) for i in order]
    return phrase("Within this region {subject} {moves}.", subject=subject(found), moves=listed(said))


def change(weight: float, name: str) -> str:
    """By how much the value changes with one input."""
    by = number(abs(weight))
    if weight > 0:
        return phrase("rises by {by} per unit of {name}", by=by, name=name)
    return phrase("falls by {by} per unit of {name}", by=by, name=name)


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
            name, end = found.names[i], number(float(found.ranges[i, side]))
            above = phrase("{name} rises above {end}", name=name, end=end)
            said.append(above if side else phrase("{name} falls below {end}", name=name, end=end))
    if not said:
        return ""
    return phrase("The answer changes its formula if {ends}.", ends=listed(said, either=True))


def choices(found: Explanation) -> list[str]:
    """What each column's category gives, and which other changes the answer most."""
    said = []
    for column in found.choices:
        if not column.others:
            continue
        most = max(column.others, key=lambda other: abs(other.output - found.value))
        n = number(column.contribution)
        gives = phrase("{name} contributes {n}", name=column.name, n=n)
        if not column.name:
            gives = phrase("{column} is none that training had, and contributes {n}", column=column.column, n=n)
        known = {"gives": gives, "other": most.name, "subject": subject(found), "value": number(most.output)}
        if most.same_region:
            said.append(phrase("{gives}; with {other} {subject} would be {value}.", **known))
        else:
            said.append(phrase("{gives}; with {other} {subject} would be {value}, by another formula.", **known))
    return said


def listed(parts: Sequence[str], either: bool = False) -> str:
    """Parts as a list in a sentence, with an "and" before the last, or an "or" where it is `either`.

    Example:
        >>> listed(["one", "two", "three"])
        'one, two and three'
    """
    said, *others = parts
    for part in others[:-1]:
        said = phrase("{first}, {more}", first=said, more=part)
    if not others:
        return said
    if either:
        return phrase("{first} or {last}", first=said, last=others[-1])
    return phrase("{first} and {last}", first=said, last=others[-1])


def number(value: float) -> str:
    """Four digits, with a minus that prints well.

    Example:
        >>> number(-0.31234)
        '−0.3123'
    """
    return f"{value:.4g}".replace("-", "−")
