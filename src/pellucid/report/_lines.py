"""A network along a line, and its surface in space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..errors import SettingError
from ..geometry import Pieces, Surface
from ..language import phrase
from ._answers import rgb
from ._colours import BLUE, INK, LINE, MANY, MUTED
from ._faces import called
from ._keys import legend
from ._style import dress, new, sheet, tips
from .words import number

MOST_OUTPUTS, MOST_TOLD, MOST_POLYGONS = 10, 400, 60_000
CORNERS = [tuple(map(float, corner)) for corner in np.ndindex(2, 2, 2)]
CUBE = np.array([(a, b) for a in CORNERS for b in CORNERS if a < b and np.abs(np.subtract(a, b)).sum() == 1])


def along(record: Pieces, outputs: Sequence[str] = ()) -> Figure:
    """The outputs between two inputs, piece by piece, with every breakpoint and every change of the answer."""
    n = record.values.shape[1]
    figure, ((axes,), (strip,)) = new(3.7, 2, 1, height_ratios=(1, 0.09), sharex=True)
    low, high = float(record.values.min()), float(record.values.max())
    for flip in record.flips:
        axes.axvline(flip.t, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    for o in range(min(n, MOST_OUTPUTS)):
        line = np.stack([record.ends, record.values[:, o]], 1)
        drawn = LineCollection(list(np.stack([line[:-1], line[1:]], 1)), colors=MANY[o], linewidths=1.9)
        drawn.set(capstyle="round", label=called(outputs, o, n))
        tips(drawn, said_of(record, o, called(outputs, o, n)))
        axes.add_collection(drawn, autolim=False)
    around = 0.06 * (high - low or 1)
    axes.set(xlim=(0, 1), ylim=(low - around, high + around))
    dress(axes, in_pieces(record), "", phrase("output"), grid="y")
    breaks(strip, record)
    if n > 1:
        legend(figure, {called(outputs, o, n): MANY[o] for o in range(min(n, MOST_OUTPUTS))}, 1.0)
    return figure


def in_pieces(record: Pieces) -> str:
    """How many pieces there are, and how often the answer changes, or an only output goes through 0."""
    n, times = record.linear_pieces, len(record.flips)
    if not times:
        return phrase("{n:,} linear pieces", n=n)
    if record.values.shape[1] > 1:
        if times == 1:
            return phrase("{n:,} linear pieces; the answer changes once", n=n)
        return phrase("{n:,} linear pieces; the answer changes {times} times", n=n, times=times)
    if times == 1:
        return phrase("{n:,} linear pieces; it goes through 0 once", n=n)
    return phrase("{n:,} linear pieces; it goes through 0 {times} times", n=n, times=times)


def said_of(record: Pieces, o: int, name: str) -> list[str]:
    """The slope of every piece; of very many, what they are together."""
    if len(record.slopes) > MOST_TOLD:
        return [phrase("{name}: {n:,} pieces", name=name, n=len(record.slopes))]
    ends = zip(record.slopes[:, o], record.ends[:-1], record.ends[1:], strict=True)
    return [
        phrase("{name}: slope {slope} from t = {a} to {b}", name=name, slope=number(float(s), 3),
               a=number(float(a), 3), b=number(float(b), 3))
        for s, a, b in ends
    ]  # fmt: skip


def breaks(axes: Axes, record: Pieces) -> None:
    """Where units bend, in the colours of their layers."""
    bends = sorted({at.bend for at in record.breakpoints})
    lines = [[(at.t, 0), (at.t, 1)] for at in record.breakpoints]
    if lines:
        colours = [MANY[bends.index(at.bend) % len(MANY)] for at in record.breakpoints]
        drawn = LineCollection(lines, colors=colours, linewidths=1.1 if len(lines) < 200 else 0.5)
        many = len(lines) > MOST_TOLD
        tips(drawn, [phrase("{n:,} breakpoints", n=len(lines))] if many else [
            phrase("{name} bends at t = {t}", name=at.name, t=number(at.t, 4)) for at in record.breakpoints
        ])  # fmt: skip
        axes.add_collection(drawn, autolim=False)
    axes.set(ylim=(0, 1), yticks=[])
    dress(axes, phrase("where units bend"), phrase("t, from the first input to the second"), "", grid="")
    axes.spines[:].set(visible=True, color=LINE)


def surface(
    record: Surface, names: Sequence[str] = ("x₁", "x₂", "x₃"), turn: tuple[float, float] = (22.0, -55.0)
) -> Figure:
    """The level set in space: its polygons shaded by a light from above, with the lines where units bend.

    `turn` is where it is seen from: degrees above the ground, and round it.
    """
    from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection

    if record.count > MOST_POLYGONS:
        raise SettingError(
            f"A picture of {record.count:,} polygons would take minutes: to_glb or to_ply write them for a 3-D viewer."
        )
    figure = sheet(4.4)
    axes: Any = figure.add_subplot(projection="3d", computed_zorder=False)
    if record.count:
        drawn = Poly3DCollection([record.polygon(p) for p in range(record.count)], facecolors=lit(record, turn))
        drawn.set(edgecolor=(*rgb(INK), 0.35), linewidth=float(np.clip(40 / record.count**0.75, 0.08, 0.5)))
        drawn.set_rasterized(record.count > 3000)
        tips(drawn, [phrase("{n:,} polygons, area {area}", n=record.count, area=number(record.area, 4))])
        axes.add_collection3d(drawn, autolim=False)
    low, high = seen_of(record)
    frame = Line3DCollection(low + CUBE * (high - low), colors=LINE, linewidths=0.8, zorder=0)
    axes.add_collection3d(frame, autolim=False)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    axes.set_box_aspect(high - low)
    axes.view_init(*turn)
    title = phrase("{n:,} polygons at level {level}", n=record.count, level=number(record.level, 3))
    axes.set_title(title, loc="left")
    area = number(record.area, 4)
    closed = phrase("area {area}, watertight", area=area)
    if not record.watertight:
        closed = phrase("area {area}, not closed", area=area)
    figure.supxlabel(closed, size=9, color=MUTED)
    axes.set(xlabel=names[0], ylabel=names[1])
    axes.grid(False)
    axes.set_zlabel(names[2])
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((0, 0, 0, 0))
        axis.set_major_locator(MaxNLocator(4, prune="both"))
        axis.line.set_color(LINE)
    return figure


def seen_of(record: Surface) -> tuple[np.ndarray, np.ndarray]:
    """The corners of what is drawn: the box, or a smaller one around a small surface, of the same shape."""
    low, high = np.array(record.box, float).T
    if not record.count:
        return low, high
    least, most = record.vertices.min(0), record.vertices.max(0)
    part = min(1.0, 1.2 * float(((most - least) / (high - low)).max()))
    half = part * (high - low) / 2
    middle = np.clip((least + most) / 2, low + half, high - half)
    return middle - half, middle + half


def lit(record: Surface, turn: tuple[float, float]) -> np.ndarray:
    """The colours of the polygons: the more a polygon faces the light, the lighter."""
    up, round_ = np.radians(turn)
    eye = np.array([np.cos(up) * np.cos(round_), np.cos(up) * np.sin(round_), np.sin(up)])
    light = eye + np.array([-0.35 * np.sin(round_), 0.35 * np.cos(round_), 0.8])
    normal = record.gradient / np.maximum(np.linalg.norm(record.gradient, axis=1), 1e-300)[:, None]
    facing = normal @ (light / np.linalg.norm(light))
    bright = 0.5 + 0.5 * facing  # both sides of the surface are seen, so nothing is black
    base, white, dark = np.array(rgb(BLUE)), np.ones(3), np.array(rgb(BLUE)) * 0.35
    mixed = np.where(
        bright[:, None] > 0.5,
        base + (white - base) * (bright[:, None] - 0.5) * 1.5,
        dark + (base - dark) * 2 * bright[:, None],
    )
    return np.clip(mixed, 0, 1)
