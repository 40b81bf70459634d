"""The regions of a network drawn: by output, by slope, by pattern, by what bends where; and the boundary alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.ticker import MaxNLocator

from ..errors import SettingError
from ..geometry import Boundary, Complex
from ..language import phrase
from ._answers import rgb
from ._colours import INK, MANY, PAPER
from ._faces import (
    PIXELS,
    Box,
    Scale,
    by_direction,
    called,
    faces_at,
    leading_slopes,
    outputs_at,
    path_of,
    path_of_edges,
    pixel_middles,
    said_of_faces,
    straight,
    told_apart,
)
from ._keys import bar, legend, wheel
from ._panels import framed
from ._style import WIDE, dress, new, tips
from .words import number, squeezed

MOST_TOLD = 3000  # faces with a text at the pointer
MOST_VECTORS = 20_000  # edges drawn as lines; more become pixels
MOST_KEYS = 8
Marks = Mapping[str, tuple[float, float]]
Rows = tuple[np.ndarray, Sequence[Any]]  # places (n, 2) and the name of the class of each


def regions(
    record: Complex,
    names: Sequence[str] = (),
    outputs: Sequence[str] = (),
    level: float | None = 0.0,
    marks: Marks | None = None,
    rows: Rows | None = None,
    tell: int = MOST_TOLD,
    title: str = "",
    span: np.ndarray | None = None,
    pixels: int = PIXELS,
    shades: int = 255,
) -> Figure:
    """Every region by its output, with the exact boundary: of one output where it is `level`, None for no boundary.

    `names` are those of the two axes, `outputs` of the outputs, `marks` named points, `rows` places in the box with the
    class of each; `tell` is the most faces that tell their map at the pointer, `span` are outputs (n, n_out) that the
    colours are to tell apart, by default the record's own; `pixels` are those along a side, `shades` those of a colour.
    """
    span = record.values if span is None else span
    scale = Scale(span, level, record.flat.n_out)
    points = pixel_middles(record.box, pixels)
    faces = faces_at(record.mesh, record.box, points)
    figure, axes, key = canvas(record, record.flat.n_out == 1)
    colours = scale(outputs_at(record, points, faces))
    colours[..., 3] = np.round(shades * colours[..., 3]) / shades
    painted(axes, record.box, colours)
    edges(axes, record)
    if record.complete and level is not None:
        strong(axes, record.boundary(level).lines)
    if rows is not None:
        scattered(axes, *rows, outputs)
    finish(axes, record, names, outputs, marks, tell, title or default_title(record, outputs))
    if key is not None:
        bar(key, scale)
    else:
        answers = [i for i in range(record.flat.n_out) if (span.argmax(1) == i).any()]
        legend(figure, {called(outputs, i, record.flat.n_out): MANY[i % len(MANY)] for i in answers})
    return figure


def slope(
    record: Complex,
    names: Sequence[str] = (),
    outputs: Sequence[str] = (),
    output: int | None = None,
    marks: Marks | None = None,
    tell: int = MOST_TOLD,
) -> Figure:
    """Every region by where its map leads uphill and how steeply: of one output, or of the margin of the largest."""
    if output is not None and not 0 <= output < record.flat.n_out:
        raise SettingError(f"The network has {record.flat.n_out} outputs, numbered from 0; got output={output}.")
    record.whole()
    found = leading_slopes(record, output)
    steep = np.linalg.norm(found, axis=1)
    most = quantile(steep, record.areas, 0.98) or 1.0
    faces = faces_at(record.mesh, record.box, pixel_middles(record.box))
    figure, axes, key = canvas(record, True, 0.2)
    painted(axes, record.box, by_direction(found, most)[faces])
    edges(axes, record)
    title = phrase("Slope of the margin in {n} regions", n=counted(record))
    if output is not None or record.flat.n_out == 1:
        of = called(outputs, output or 0, record.flat.n_out)
        title = phrase("Slope of {output} in {n} regions", output=of, n=counted(record))
    finish(axes, record, names, outputs, marks, tell, title)
    wheel(key, most)
    return figure


def pattern(
    record: Complex,
    names: Sequence[str] = (),
    outputs: Sequence[str] = (),
    marks: Marks | None = None,
    tell: int = MOST_TOLD,
) -> Figure:
    """Every region told apart from its neighbours, whatever the output."""
    colours = np.array([(*rgb(colour), 0.62) for colour in MANY])
    faces = faces_at(record.mesh, record.box, pixel_middles(record.box))
    figure, axes, _ = canvas(record, False)
    painted(axes, record.box, colours[told_apart(record)][faces])
    edges(axes, record, INK if record.count < 3000 else None)
    finish(axes, record, names, outputs, marks, tell, phrase("{n} regions", n=counted(record)))
    return figure


def layer(
    record: Complex,
    names: Sequence[str] = (),
    outputs: Sequence[str] = (),
    level: float | None = 0.0,
    marks: Marks | None = None,
    tell: int = MOST_TOLD,
) -> Figure:
    """The lines along which units bend, in the colour of their layer, and the boundary."""
    groups = by_path(record)
    figure, axes, _ = canvas(record, False)
    thin = density(record)
    keys = {}
    for i, (path, (mine, count)) in reversed(list(enumerate(groups.items()))):  # the first layers on top
        colour = MANY[i % len(MANY)]
        width = (1.7 - 0.9 * i / max(len(groups) - 1, 1)) * thin
        add(axes, path_of_edges(record.xy, lines_of(record, mine)), colour, width, 0.95, mine.sum() > MOST_VECTORS)
        keys[phrase("{path}: {n:,} regions behind it", path=path or phrase("the network"), n=count)] = colour
    if record.complete and level is not None:
        strong(axes, record.boundary(level).lines)
    finish(axes, record, names, outputs, marks, tell, phrase("What bends where: {n} regions", n=counted(record)))
    legend(figure, dict(reversed(keys.items())))
    return figure


def boundary(record: Boundary, names: Sequence[str] = (), outputs: Sequence[str] = ()) -> Figure:
    """The exact boundary, and which answer is given on each side of it."""
    (x0, y0), (x1, y1) = record.mesh.xy.min(0), record.mesh.xy.max(0)
    figure, axes = sheet_for(x1 - x0, y1 - y0, 0.5)
    several = int(record.answers.max(initial=0)) > 1 or len(outputs) > 2
    colours = MANY if several else (MANY[1], MANY[0])
    box = (x0, x1), (y0, y1)
    faces = faces_at(record.mesh, box, pixel_middles(box))
    base = np.array([(*rgb(colour), 0.35) for colour in colours])
    painted(axes, box, base[record.answer_of[faces] % len(colours)])
    strong(axes, record.lines)
    tell_pieces(axes, record)
    axes.set(xlim=(x0, x1), ylim=(y0, y1))
    length = number(record.length, 3)
    title = phrase("The boundary: {n:,} pieces, length {length}", n=record.count, length=length)
    if record.count == 1:
        title = phrase("The boundary: 1 piece, length {length}", length=length)
    dress(axes, title, *two(names, None), grid="")
    framed(axes)
    named = [called(outputs, i, len(outputs) or 99) if len(outputs) > 1 or several
             else (phrase("below"), phrase("above"))[i]
             for i in range(int(record.answers.max(initial=0)) + 1)]  # fmt: skip
    legend(figure, {named[a]: colours[a % len(colours)] for a in np.unique(record.answers)}, 0.35)
    return figure


def tell_pieces(axes: Axes, record: Boundary) -> None:
    """The lines tell how long they are."""
    lines = record.lines[:MOST_TOLD]
    if not lines:
        return
    drawn = PathCollection([path_of([line]) for line in lines], facecolor=(0, 0, 0, 0), edgecolor=(0, 0, 0, 0))
    drawn.set_linewidth(7)
    tips(drawn, [told(line) for line in lines])
    axes.add_collection(drawn, autolim=False)


def told(line: np.ndarray) -> str:
    """How long a line of the boundary is."""
    known = {"n": len(line) - 1, "length": number(float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum()), 3)}
    if (line[0] == line[-1]).all():
        return phrase("a closed line of {n:,} straight pieces, length {length}", **known)
    return phrase("a line of {n:,} straight pieces, length {length}", **known)


# What they share.


def canvas(record: Complex, with_key: bool, part: float = 0.05) -> tuple[Figure, Axes, Any]:
    """A figure as high as the box wants, with a narrow place for a key at the right where it is asked for."""
    (x0, x1), (y0, y1) = record.box
    if not with_key:
        return *sheet_for(x1 - x0, y1 - y0, 0.9 + 0.1 * min(record.flat.n_out, 8)), None
    figure, ((axes, key),) = new(
        height(x1 - x0, y1 - y0, 0.75, (WIDE - 1.25) / (1 + part)), 1, 2, width_ratios=(1, part)
    )
    return figure, axes, key


def sheet_for(wide: float, high: float, around: float) -> tuple[Figure, Axes]:
    figure, ((axes,),) = new(height(wide, high, around, WIDE - 0.8))
    return figure, axes


def height(wide: float, high: float, around: float, width: float) -> float:
    """Inches: as wide as high where both axes are of one kind of size, else a picture that is not too flat."""
    return around + width * min(max(high / wide, 0.55), 1.15)


def painted(axes: Axes, box: Box, pixels: np.ndarray) -> None:
    """The box filled with pixels (high, wide, 4), the lowest row first."""
    (x0, x1), (y0, y1) = box
    pixels = (255 * pixels + 0.5).astype(np.uint8)
    axes.imshow(pixels, extent=(x0, x1, y0, y1), origin="lower", interpolation="none", aspect="auto")


def density(record: Complex) -> float:
    """How much thinner lines are drawn where there are many."""
    return float(np.clip((1500 / max(record.count, 1)) ** 0.4, 0.12, 1))


def edges(axes: Axes, record: Complex, colour: str | None = INK) -> None:
    """The edges between the regions: those of the first layers strong, those of deeper ones finer."""
    if colour is None:
        return
    groups = by_path(record)
    thin = density(record)
    for i, (mine, _) in enumerate(groups.values()):
        late = i / max(len(groups) - 1, 1)
        add(
            axes,
            path_of_edges(record.xy, lines_of(record, mine)),
            colour,
            (1.05 - 0.6 * late) * thin,
            (0.8 - 0.35 * late) * thin**0.5,
            mine.sum() > MOST_VECTORS,
        )


def lines_of(record: Complex, mine: np.ndarray) -> np.ndarray:
    """Edges as lines between vertices: whole ones where they are written as such."""
    return record.edges[mine] if mine.sum() > MOST_VECTORS else straight(record, mine)


def by_path(record: Complex) -> dict[str, tuple[np.ndarray, int]]:
    """Of every layer that bends: which edges it drew, and how many regions there are behind it."""
    found: dict[str, tuple[np.ndarray, int]] = {}
    for bend, (step, count) in enumerate(zip(record.flat.bends, record.counts, strict=False)):
        mine = record.drawn[:, 0] == bend
        before = found.get(step.path)
        found[step.path] = (mine if before is None else mine | before[0], count)
    return found


def add(axes: Axes, path: Any, colour: str, width: float, alpha: float, as_pixels: bool) -> None:
    if len(path.vertices):
        drawn = PathPatch(path, fill=False, edgecolor=colour, linewidth=width, alpha=alpha, capstyle="round")
        drawn.set_rasterized(as_pixels)
        axes.add_artist(drawn)  # add_patch would look for the limits of every edge


def strong(axes: Axes, lines: Sequence[np.ndarray]) -> None:
    """The boundary: a strong line with a little air around it."""
    if len(lines):
        path = path_of(lines)
        for colour, width in ((PAPER, 3.4), (INK, 1.9)):
            axes.add_artist(PathPatch(path, fill=False, edgecolor=colour, linewidth=width, joinstyle="round"))


def finish(
    axes: Axes,
    record: Complex,
    names: Sequence[str],
    outputs: Sequence[str],
    marks: Marks | None,
    tell: int,
    title: str,
) -> None:
    """What all have: texts at the pointer, marks, limits and labels."""
    (x0, x1), (y0, y1) = record.box
    if record.complete and record.count <= tell:
        corners = [record.xy[record.face(f)] for f in range(record.count)]
        faces = PolyCollection(corners, facecolor=(0, 0, 0, 0), edgecolor="none")
        tips(faces, said_of_faces(record, short(names, record), outputs))
        axes.add_collection(faces, autolim=False)
    else:
        whole = Rectangle((x0, y0), x1 - x0, y1 - y0, facecolor=(0, 0, 0, 0))
        tips(whole, [phrase("{n:,} regions, {edges:,} edges", n=record.count, edges=len(record.edges))])
        axes.add_patch(whole)
    named(axes, record, (record.plane.marks if record.plane else {}) if marks is None else marks)
    axes.set(xlim=(x0, x1), ylim=(y0, y1))
    if 0.5 <= (y1 - y0) / (x1 - x0) <= 2 and (record.plane is not None or not names):
        axes.set_aspect("equal")
    dress(axes, title, *two(names, record), grid="")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    framed(axes)


def scattered(axes: Axes, places: np.ndarray, classes: Sequence[Any], outputs: Sequence[str]) -> None:
    """Rows as points, filled with the colour of their own class."""
    places = np.asarray(places, float)
    known = [str(name) for name in outputs]
    if not len(classes):
        colours = [INK] * len(places)
    elif len(known) == 1:
        colours = [MANY[0] if str(c) == known[0] else MANY[1] for c in classes]
    else:
        colours = [MANY[known.index(str(c)) % len(MANY)] if str(c) in known else INK for c in classes]
    axes.scatter(places[:, 0], places[:, 1], s=15, c=colours, edgecolors=PAPER, linewidths=0.9, zorder=4)


def named(axes: Axes, record: Complex, marks: Marks) -> None:
    """Points with their names, on the side where there is room."""
    (x0, x1), (y0, y1) = record.box
    for name, (x, y) in marks.items():
        axes.plot([x], [y], "o", color=PAPER, markeredgecolor=INK, markeredgewidth=1.4, markersize=6, zorder=5)
        right, top = x > x0 + 0.7 * (x1 - x0), y > y0 + 0.85 * (y1 - y0)
        axes.annotate(
            squeezed(name, 28), (x, y), (-8 if right else 8, -9 if top else 9), textcoords="offset points", size=8.5,
            ha="right" if right else "left", va="top" if top else "bottom", zorder=6,
            bbox={"boxstyle": "round,pad=0.2", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.82},
        )  # fmt: skip


def two(names: Sequence[str], record: Complex | None) -> tuple[str, str]:
    """The labels of the axes."""
    if len(names) == 2:
        return squeezed(names[0], 40), squeezed(names[1], 30)
    if record is None or record.plane is None:
        return "x₁", "x₂"
    if len(record.plane.marks) == 3:
        first, second, _ = record.plane.marks
        return phrase("distance from {first} towards {second}", first=first, second=second), phrase("distance across")
    return phrase("along the first direction"), phrase("along the second")


def short(names: Sequence[str], record: Complex) -> tuple[str, str]:
    """The names of the coordinates in formulas."""
    if len(names) == 2 and (record.plane is None or not record.plane.marks):
        return squeezed(names[0], 20), squeezed(names[1], 20)
    return ("x₁", "x₂") if record.plane is None else ("s", "t")


def default_title(record: Complex, outputs: Sequence[str]) -> str:
    if record.flat.n_out == 1:
        return phrase("{n} regions by {output}", n=counted(record), output=called(outputs, 0, 1))
    return phrase("{n} regions", n=counted(record))


def counted(record: Complex) -> str:
    return f"{record.count:,}" if record.complete else phrase("The first {n:,}", n=record.count)


def quantile(values: np.ndarray, weights: np.ndarray, part: float) -> float:
    """The value that so large a part of the area is not above."""
    order = np.argsort(values)
    return float(
        values[order][np.searchsorted(np.cumsum(weights[order]), part * weights.sum()).clip(0, len(order) - 1)]
    )
