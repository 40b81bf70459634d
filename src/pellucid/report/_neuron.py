"""A neuron on one page: what it weighs, how the rows lie about its hyperplane, what excites it, what it feeds."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import SubplotSpec
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ..insight import Excited, Neuron
from ..language import phrase, translated
from ._answers import rgb
from ._colours import BLUE, INK, LINE, MUTED, ORANGE
from ._style import dress, sheet, tips
from ._weights import bare, signed_bars, weigh, weights_height
from .words import cut, number, share, signed, squeezed, wrapped

MOST_BARS = 8
MOST_COLUMNS = 4  # cells of a row


def page(record: Neuron, names: Sequence[str] = ()) -> Figure:
    """All of a neuron; `names` are those of the channels of a sequence or kernel, such as "ACGT"."""
    rows, pictures = shots_height(record), bool(record.most) and record.most[0].input.ndim > 1
    high = [weights_height(record), 1.7, rows, feeds_height(record)]
    words = heading(record)
    top = 0.42 + 0.16 * len(words)
    figure = sheet(sum(high) + top)
    title, *parts = np.ravel(np.asarray(figure.subfigures(5, 1, height_ratios=[top, *high])))
    path = record.path or phrase("the network")
    named = phrase("{path}, unit {index}", path=path, index=record.index)
    title.text(0.02, 1 - 0.1 / top, named, va="top", weight="bold", size=12)
    title.text(0.02, 1 - 0.36 / top, "\n".join(words), va="top", color=MUTED, size=9)
    draw = (weigh, histogram, gallery if pictures else listing, onward)
    for part, one in zip(parts, draw, strict=True):
        one(part, part.add_gridspec(1, 1)[0], record, names)
    return figure


def heading(record: Neuron) -> list[str]:
    """The kind of unit, its rule and its state in lines of the figure's width."""
    known = {"kind": record.kind, "n": record.rows}
    kind = phrase("{kind}; {n:,} rows", **known)
    if record.activation != "identity":
        kind = phrase("{kind}, then {activation}; {n:,} rows", **known, activation=record.activation)
    lines = wrapped(translated(record.rule), 74) if len(record.terms) == record.inputs else []
    return [kind, *lines, *wrapped(translated(record.state), 74)]


def shots_height(record: Neuron) -> float:
    if not record.most or record.most[0].input.ndim < 2:
        return 1.1 + 0.16 * (len(record.most) + len(record.least))
    return 0.3 + 0.5 * len(record.most) if is_sequence(record) else 2.6


def is_sequence(record: Neuron) -> bool:
    """Whether the rows are (time, channels), and not pictures of one channel that a Dense layer sees whole."""
    one = record.most[0].input
    return one.ndim == 2 and not (record.kind == "Dense" and record.inputs == one.size)


def feeds_height(record: Neuron) -> float:
    most = max(len(record.feeds.weight) if record.feeds else 0, len(record.correlation))
    return 0.95 + 0.21 * min(most, MOST_BARS)


def histogram(figure: SubFigure, part: SubplotSpec, record: Neuron, names: Sequence[str]) -> None:
    """How the rows lie about 0: one side in blue, the other in orange."""
    axes, found, (on, off) = figure.add_subplot(part), record.margins, map(translated, record.sides)
    ends = [*zip(found.edges[:-1], found.edges[1:], found.count, strict=True)]
    boxes = [Rectangle((a, 0), b - a, n) for a, b, n in ends]
    colours = [BLUE if a >= 0 else ORANGE for a, _, _ in ends]
    drawn = PatchCollection(boxes, facecolors=colours, edgecolor="none", alpha=0.8)
    tips(drawn, [phrase("z from {a} to {b}: {n:,}", a=number(a, 3), b=number(b, 3), n=int(n)) for a, b, n in ends])
    axes.add_collection(drawn, autolim=False)
    reach = float(np.abs(found.edges).max()) * 1.02
    low, high = min(float(found.edges[0]), -0.05 * reach), max(float(found.edges[-1]), 0.05 * reach)
    axes.set_xlim(low, high)
    axes.set_ylim(0, 1.3 * max(int(found.count.max()), 1))
    axes.axvline(0, ymax=0.8, color=INK, linewidth=1)  # below the words
    what = phrase("output h") if record.gates else "z"
    if found.norm > 0:
        what = phrase("{what}; a distance of 1 is z = {norm}", what=what, norm=number(found.norm, 3))
    title = phrase("On which side of it each place of each row falls")
    if found.total == record.rows:
        title = phrase("On which side the rows fall")
    dress(axes, title, what, "", grid="")
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.spines["left"].set_visible(False)
    zero = phrase(", {part} exactly at 0", part=share(found.zero / found.total)) if found.zero else ""
    for x, side, words, colour in (
        (0.99, "right", f"{on} {share(found.positive)}", BLUE),
        (0.01, "left", f"{off} {share(1 - found.positive)}{zero}", ORANGE),
    ):
        axes.text(x, 0.98, words, transform=axes.transAxes, ha=side, va="top", color=colour, size=9, weight="bold")


def gallery(figure: SubFigure, part: SubplotSpec, record: Neuron, names: Sequence[str]) -> None:
    """The rows at either end as pictures or strips of time, with a frame around what moves the unit."""
    strips, n = is_sequence(record), len(record.most)
    places = part.subgridspec(n, 2) if strips else part.subgridspec(2, n)
    top = max(float(np.nanmax(np.abs(one.input))) for one in (*record.most, *record.least)) or 1.0
    shown = {phrase("Excite it most, with z"): record.most, phrase("Excite it least"): record.least}
    for side, (title, rows) in enumerate(shown.items()):
        for i, one in enumerate(rows):
            axes = figure.add_subplot(places[i, side] if strips else places[side, i])
            drawn = thumbnail(axes, one.input, top, strips)
            z = phrase("row {row}: z = {z}", row=one.row, z=number(one.z, 4))
            if one.place:
                z = phrase("row {row}: z = {z} at {place}", row=one.row, z=number(one.z, 4), place=list(one.place))
            tips(drawn, [z])
            bare(axes)
            axes.set_title(title if i == 0 else "" if strips else " ", size=9.5)
            said = f"{phrase('row {row}', row=one.row)}\n{signed(one.z)}"
            if strips:
                axes.set_ylabel(said, size=7.5, rotation=0, ha="right", va="center")
            else:
                axes.set_xlabel(said, size=7.5)
            frame(axes, one, strips)


def thumbnail(axes: Axes, values: np.ndarray, top: float, strip: bool) -> Any:
    """A picture in ink, or in its own colours where it has three channels; a strip has time to the right."""
    if values.ndim == 3 and values.shape[-1] == 3:
        low = min(float(values.min()), 0.0)
        return axes.imshow(np.clip((values - low) / ((top - low) or 1), 0, 1), interpolation="none")
    values = values.T if strip else values.reshape(*values.shape[:2], -1)[..., 0]
    ink = np.clip(np.abs(np.nan_to_num(values)) / top, 0, 1)
    pixels = np.where(np.nan_to_num(values)[..., None] >= 0, rgb(INK), rgb(ORANGE))
    aspect = "auto" if strip else "equal"
    return axes.imshow(np.concatenate([pixels, ink[..., None]], -1), interpolation="none", aspect=aspect)


def frame(axes: Axes, one: Excited, strip: bool) -> None:
    """What moves the unit, where that is not the whole picture."""
    if one.box is None or len(one.box) < 2 or np.prod([b - a for a, b in one.box]) == one.input.size:
        return
    (top, bottom), (left, right) = one.box[1::-1] if strip else one.box[:2]
    corner, looks = (left - 0.5, top - 0.5), {"fill": False, "color": BLUE, "linewidth": 1.4, "clip_on": False}
    axes.add_patch(Rectangle(corner, right - left, bottom - top, **looks))


def listing(figure: SubFigure, part: SubplotSpec, record: Neuron, names: Sequence[str]) -> None:
    """The rows at either end as a table."""
    axes = figure.add_subplot(part)
    axes.set_axis_off()
    axes.set_title(phrase("The rows that excite it most and least"))
    kept = columns(record)
    size = phrase("distance") if record.margins.norm > 0 else "h"
    heads = [phrase("row"), size, *("\n".join(named(c)) for c in kept)]
    x = np.concatenate([[0.08, 0.25], np.linspace(0.25, 1, len(kept) + 1)[1:]])
    lines = [heads, *(line(one, record) for one in record.most), [], *(line(one, record) for one in record.least)]
    axes.set_ylim(len(lines) - 0.4, -1.2)
    axes.set_xlim(0, 1)
    for y, texts in enumerate(lines):
        looks: dict[str, Any] = {"va": "center"} if y else {"va": "baseline", "color": MUTED, "linespacing": 1.0}
        for place, text in zip(x, texts, strict=False):
            axes.text(place, y or 0.3, text, ha="right", size=8.5, **looks)
    axes.axhline(len(record.most) + 1, color=LINE, linewidth=1)


def named(column: str) -> list[str]:
    """The name of a column in at most two short lines."""
    return [squeezed(words, 12) for words in textwrap.wrap(column, 12, max_lines=2, placeholder="…")] or [""]


def columns(record: Neuron) -> list[str]:
    """The columns whose cells are told of a row."""
    return list(record.most[0].values)[:MOST_COLUMNS] if record.most else []


def line(one: Excited, record: Neuron) -> list[str]:
    """A row: its number, its distance from the hyperplane, its cells."""
    size = one.z / record.margins.norm if record.margins.norm > 0 else one.z
    return [f"{one.row:,}", signed(size, ".2f"), *(cut(one.values.get(c, ""), 12) for c in columns(record))]


def onward(figure: SubFigure, part: SubplotSpec, record: Neuron, names: Sequence[str]) -> None:
    """What it feeds, and what its output goes with."""
    drawn = []
    if record.feeds is not None:
        fed = largest(zip(record.feeds.names, record.feeds.weight, strict=True))
        scale = max(abs(value) for _, value in fed) or 1.0
        title = phrase("Feeds {path}", path=record.feeds.path)
        below = phrase("weight; {part} of its input", part=share(record.feeds.share))
        drawn.append((title, phrase("weight"), below, fed, scale))
    if record.correlation:
        below, pairs = phrase("correlation of its output"), largest(record.correlation.items())
        drawn.append((phrase("Goes with"), phrase("correlation"), below, pairs, 1.0))
    places = part.subgridspec(1, max(len(drawn), 1))
    for place, (title, what, below, pairs, scale) in enumerate(drawn):
        axes = figure.add_subplot(places[0, place])
        said = [f"{translated(name)}: {what} {value:+.3g}" for name, value in pairs]
        signed_bars(axes, [name for name, _ in pairs], [value for _, value in pairs], said, scale)
        dress(axes, title, below, "", grid="")
    if not drawn:
        axes = figure.add_subplot(places[0, 0])
        axes.set_axis_off()
        axes.text(0, 0.6, phrase("No layer with weights that can be told apart by units follows."), color=MUTED, size=9)


def largest(pairs: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """The pairs with the largest values, to either side of 0, in order."""
    return sorted(pairs, key=lambda pair: (np.isnan(pair[1]), -abs(pair[1])))[:MOST_BARS]
