"""A run's network as the linear pieces it is made of: its regions in a plane, the models it uses, one row explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import GeometryError, PellucidError, SettingError
from ..geometry import (
    Complex,
    Explanation,
    Given,
    LinearModels,
    Network,
    complex_of,
    explain,
    given,
    in_units,
    linear_models,
    lowered,
    slice_of,
)
from ..language import message_of, phrase
from ..module import Layer
from ..records import Record, unlisted
from ..train import Run, true_names
from ._judged import Judged, data_of, judged, learned

FEW, KINKS = 10_000, 3_000  # regions and kinks that a report has time for
SMALL = 2**16  # kinks times inputs, up to which half-spaces that bound nothing are left out of a region
ZOOM = 0.2  # of the sides of a slice that has too many regions
ROWS = 300  # whose linear models are told in a report
SHOWN = 200  # rows drawn as points
MARGIN = 0.05  # of the range of the data, around it


@dataclass(frozen=True)
class View(Record):
    """The regions of a network in the plane of its two inputs, or in a slice, and what is seen there.

    `names` are those of the axes, `outputs` of the outputs, and `link` what these are, such as "logit"; `level` is
    where an only output decides between two answers, None where it decides nothing. `points` are rows on the plane,
    and `classes` what they are.
    """

    complex: Complex
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    level: float | None
    link: str
    points: np.ndarray = unlisted(repr=False)
    classes: tuple[str, ...] = unlisted(repr=False)


@dataclass(frozen=True)
class Piecewise(Record):
    """What there is to say of a run's network as linear pieces; where that is nothing, `note` says why.

    `explanation` is of the row with the number `row`. What would have taken too long is None, and `note` says so.
    """

    note: str
    view: View | None = None
    models: LinearModels | None = None
    row: int | None = None
    explanation: Explanation | None = None


def piecewise(run: Run) -> Piecewise:
    """The regions, the linear models and one explanation of a run, quickly: what a report shows.

    A network that is not piecewise linear, or is too large for a moment, is told by `note`.

    Raises: DataError for a run without its data.
    """
    rows = judged(data_of(run))
    try:
        network = lowered(run.net, rows.block.x.shape[1:])
    except GeometryError as problem:
        return Piecewise(message_of(problem))
    if network.kinks > KINKS:
        return Piecewise(
            phrase(
                "The network bends in {n:,} places, and its regions would take more than a moment: `pellucid regions` "
                "draws a slice of them, and `pellucid explain` explains a row.",
                n=network.kinks,
            )
        )
    try:
        seen = quick_view(run)
    except PellucidError as problem:  # the rows may lie on a line, or hold padding
        return Piecewise(message_of(problem))
    many = phrase("There are too many regions to draw them in a moment: `pellucid regions` does.")
    note = "" if seen else many
    raw = raw_rows(run, rows, ROWS)
    if raw is None:
        return Piecewise(note, seen)
    try:
        models = linear_models(run, raw)
        explanation = explained(run, raw[:1])
    except PellucidError as problem:  # its numbers may have run away
        return Piecewise(message_of(problem), seen)
    return Piecewise(note, seen, models, int(rows.numbers[0]), explanation)


def explained(net: Layer | Network | Run, row: Any, output: Any = None) -> Explanation:
    """`explain`, without looking for the half-spaces that bound nothing where there are too many for a moment."""
    network = given(net, row, single=True).network
    return explain(net, row, output, minimal=network.kinks * network.n_in <= SMALL)


def quick_view(run: Run) -> View | None:
    """The regions of a run; in a part of the slice where there are too many, and None where even that has."""
    seen = view(run, limit=FEW)
    if not seen.complex.complete:
        sides = np.array(seen.complex.box)
        middle, half = sides.mean(1, keepdims=True), ZOOM * np.diff(sides) / 2
        seen = view(run, box=np.hstack([middle - half, middle + half]).tolist(), limit=FEW)
    return seen if seen.complex.complete else None


def raw_rows(run: Run, rows: Judged, most: int) -> Any:
    """The first rows as they were given; None of a table in blocks, which has none at hand."""
    if rows.rows is not None:
        return rows.rows[:most]
    form = run.preprocess.form
    if form is None:
        return None
    x = rows.block.x[:most]
    return np.rint(255 * x).astype(np.uint8) if form.name == "bytes" else x  # `judged` made fractions of the bytes


def view(
    net: Layer | Network | Run,
    data: Any = None,
    *,
    rows: Sequence[int] | None = None,
    pca: bool = False,
    box: Any = None,
    **settings: Any,
) -> View:
    """The regions of a network of two inputs in their own units; of another in a slice through rows of its data.

    `data` are the inputs (n, ...) of a network alone; a run has its own. `rows` are the numbers of three rows that the
    slice goes through, by default three of different classes; `pca` takes the two principal directions instead.
    `settings` are those of `complex_of` and `slice_of`.

    Raises: as these; SettingError where three rows are not three of those there are, or where there are none.
    """
    found, known = seen_rows(net, data, rows is not None)
    if found.network.n_in == 2 and rows is None and not pca:
        return flat_view(found, known, box, settings)
    if known is None:
        raise SettingError(
            f"The network has {found.network.n_in} inputs, so its regions are drawn in a slice through its data: give "
            "data=, or --data FILE."
        )
    if rows is None and not pca:
        rows = three_rows(known)
        pca = rows is None
    if pca:
        cut = slice_of(final(found), pca=known.x, box=box, **settings)
        names = (phrase("along the first principal direction"), phrase("along the second"))
    else:
        places = places_of(known, rows or ())
        cut = slice_of(final(found), known.x[places], box=box, **settings)
        cut, names = marked(cut, known, places)
    return View(cut, names, found.outputs, level_of(net, found), found.link, np.zeros((0, 2)), ())


@dataclass(frozen=True)
class Known:
    """The rows that a slice may go through: as the network takes them, their numbers, their targets and classes."""

    x: np.ndarray
    numbers: np.ndarray
    target: np.ndarray | None
    classes: tuple[str, ...]


def seen_rows(net: Layer | Network | Run, data: Any, every: bool) -> tuple[Given, Known | None]:
    """The network with its units, and its rows: of a run those held out, or `every` one."""
    if isinstance(net, Run):
        rows = judged(data_of(net))
        raw = raw_rows(net, rows, 1)
        if raw is None or not len(rows.block.x):
            raise SettingError(phrase("There are no rows to look at."))
        found = given(net, raw, single=True)
        parts = [rows, learned(data_of(net))] if every and rows.held_out else [rows]
        known = [known_of(net, part) for part in parts]
        return found, known[0] if len(known) == 1 else both(*known)
    if data is None:
        network = lowered(net)
        return given(network, np.zeros((1, network.n_in)), single=True), None
    x = np.asarray(data, float)
    network = lowered(net, x.shape[1:] if x.ndim > 2 else None)
    found = given(network, x.reshape(len(x), -1), single=False)
    answers = network(found.points)
    classes = tuple(str(i) for i in (answers.argmax(1) if network.n_out > 1 else (answers[:, 0] > 0).astype(int)))
    return found, Known(found.points, np.arange(len(x)), None, classes)


def known_of(run: Run, rows: Judged) -> Known:
    x = np.asarray(rows.block.x, float).reshape(len(rows.block.x), -1)
    labels = run.preprocess.target.classes and not run.preprocess.target.steps
    classes = tuple(map(str, true_names(run.preprocess, rows.block.y))) if labels else ()
    target = None if labels else np.asarray(rows.block.y, float).reshape(len(x), -1)[:, 0]
    return Known(x, rows.numbers, target, classes)


def both(a: Known, b: Known) -> Known:
    target = None if a.target is None or b.target is None else np.concatenate([a.target, b.target])
    return Known(np.concatenate([a.x, b.x]), np.concatenate([a.numbers, b.numbers]), target, a.classes + b.classes)


def flat_view(found: Given, known: Known | None, box: Any, settings: dict[str, Any]) -> View:
    """The two inputs themselves, in their own units, with the data on them."""
    raw = np.zeros((0, 2)) if known is None else found.raw(known.x)
    if box is None and len(raw):
        low, high = raw.min(0), raw.max(0)
        around = MARGIN * np.maximum(high - low, 1e-9 * np.maximum(abs(high), 1))
        box = list(zip((low - around).tolist(), (high + around).tolist(), strict=True))
    made = complex_of(in_units(found), ((-1, 1), (-1, 1)) if box is None else box, **settings)
    classes = () if known is None else known.classes[:SHOWN]
    names = found.names if found.known is not None else ("x₁", "x₂")
    level = 0.0 if found.link or found.known is None else None
    return View(made, names, found.outputs, level, found.link, raw[:SHOWN], classes)


def level_of(net: Any, found: Given) -> float | None:
    """Where an only output decides: at 0 where it is a logit, or nobody says what it is; nowhere in a regression."""
    return 0.0 if found.link or not isinstance(net, Run) else None


def final(found: Given) -> Network:
    """The network with its inputs as it takes them, and its outputs in the target's unit."""
    return in_units(found._replace(mean=np.zeros_like(found.mean), scale=np.ones_like(found.scale)))


def three_rows(known: Known) -> list[int] | None:
    """The numbers of three rows that tell much: of three classes, or with a low, a middle and a high target.

    Of each class it is the row nearest to the middle of its class. None where there are not three that differ.
    """
    if known.target is not None:
        order = np.argsort(known.target, kind="stable")
        chosen = [order[int(part * (len(order) - 1))] for part in (0.1, 0.5, 0.9)] if len(order) > 2 else []
    else:
        names, counts = np.unique(np.array(known.classes), return_counts=True)
        frequent = names[np.argsort(-counts, kind="stable")][:3]
        groups = [np.flatnonzero(np.array(known.classes) == name) for name in frequent]
        near = [group[nearness(known.x[group])] for group in groups]
        chosen = [ranked[0] for ranked in near]
        if len(groups) < 3:  # the farthest ones of the classes there are
            chosen += [ranked[-1] for ranked in near if len(ranked) > 1][: 3 - len(chosen)]
    three = known.x[chosen]
    if len(chosen) < 3 or np.linalg.matrix_rank(three[1:] - three[0], tol=1e-6 * (abs(three).max() + 1e-300)) < 2:
        return None
    return [int(known.numbers[i]) for i in chosen]


def nearness(x: np.ndarray) -> np.ndarray:
    """The rows by their distance from their mean, the nearest first."""
    return np.argsort(np.linalg.norm(x - x.mean(0), axis=1), kind="stable")


def places_of(known: Known, rows: Sequence[int]) -> list[int]:
    """Where rows with these numbers stand.

    Raises: SettingError where they are not three different rows that are at hand.
    """
    where = {int(number): i for i, number in enumerate(known.numbers)}
    if len(rows) != 3 or len(set(rows)) != 3:
        raise SettingError(f"A slice goes through three different rows; got {list(rows)}.")
    lost = [row for row in rows if row not in where]
    if lost:
        some = ", ".join(map(str, sorted(where)[:8]))
        raise SettingError(f"Row {lost[0]} is not among the {len(where):,} rows at hand, such as {some}.")
    return [where[row] for row in rows]


def marked(cut: Complex, known: Known, places: Sequence[int]) -> tuple[Complex, tuple[str, str]]:
    """The slice with its three points named by their rows, and the names of its axes."""
    assert cut.plane is not None
    rows = [int(known.numbers[i]) for i in places]
    said = [
        phrase("row {row}: {name}", row=row, name=known.classes[i]) if known.classes else phrase("row {row}", row=row)
        for row, i in zip(rows, places, strict=True)
    ]
    named = replace(cut, plane=replace(cut.plane, marks=dict(zip(said, cut.plane.marks.values(), strict=True))))
    return named, (
        phrase("from row {a} towards row {b}", a=rows[0], b=rows[1]),
        phrase("at right angles, to row {c}", c=rows[2]),
    )
