"""Findings on what goes through a network, drawn: tied, dead and flat units, signal and blame, first weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..activations import curve as curve_of
from ..language import phrase
from ._colours import BLUE, GREEN, INK, LINE, MUTED, ORANGE, RED
from ._signal import WORDS, span
from ._style import dress, new, percents, powers, tips
from ._weights import cells
from .words import number, share, squeezed, width

FLAT = 0.01  # of the steepest slope, as the doctor counts it
LAW = 10.0


def tied(numbers: dict[str, Any], where: str) -> Figure:
    """The weights of a layer, a column for each unit."""
    weights = np.asarray(numbers["weights"], float)
    high, wide = weights.shape
    figure, ((axes,),) = new(1.35 + 0.19 * high)
    dress(axes, phrase("Weights of {layer}", layer=where), phrase("unit"), "", grid="")
    cells(axes, weights, [phrase("input {i}", i=i) for i in range(high)], [str(j) for j in range(wide)])
    return figure


def depth(numbers: dict[str, Any], where: str) -> Figure:
    """How far the outputs of each layer vary, and the blame that comes back to them."""
    figure, panels = new(4.6, 2, sharex=True)
    upper, lower = panels[:, 0]
    paths = [path or phrase("the network") for path in numbers["paths"]]
    by_layer(upper, numbers["spread"], paths, BLUE, phrase("signal"), first=True)
    by_layer(lower, numbers["blame"], paths, ORANGE, phrase("blame"), first=False)
    dress(upper, phrase("Signal: how far the outputs vary"), "", phrase("deviation"))
    dress(lower, phrase("Blame: the error signal that comes back"), "", phrase("root mean square"))
    label_layers(lower, paths)
    return figure


def by_layer(axes: Axes, values: Sequence[Any], paths: Sequence[str], colour: str, what: str, first: bool) -> None:
    """One number for each layer on a logarithmic axis, beside one that keeps its size; what is 0 lies on the floor."""
    sizes, at = np.array(values, float), np.arange(len(values))
    seen = np.isfinite(sizes) & (sizes > 0)
    axes.set_xlim(-0.5, len(values) - 0.5)
    if not seen.any():
        said = phrase("the {what} is 0 in every layer", what=what)
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", color=RED)
        axes.set_yticks([])
        return
    kept = sizes[seen][0 if first else -1]
    axes.axhline(kept, color=GREEN, linewidth=1.3, linestyle=(0, (4, 2.5)))
    axes.plot(at, np.where(seen, sizes, np.nan), color=colour, linewidth=1.4)
    dots = axes.scatter(at[seen], sizes[seen], s=24, color=colour, linewidths=0, zorder=3)
    tips(dots, [f"{paths[i]}: {what} {number(sizes[i], 3)}" for i in at[seen]])
    span(axes, sizes[seen])
    axes.yaxis.set_major_formatter(powers)
    gone = at[~seen]
    if len(gone):
        floor = np.full(len(gone), axes.get_ylim()[0])
        marks = axes.scatter(gone, floor, s=46, color=RED, marker="v", linewidths=0, zorder=3, clip_on=False)
        tips(marks, [f"{paths[i]}: {number(sizes[i])}" for i in gone])


def label_layers(axes: Axes, paths: Sequence[str]) -> None:
    """Paths under the axis where they fit, else their numbers."""
    if sum(map(width, paths)) <= WORDS:
        axes.set_xticks(range(len(paths)), paths)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel(phrase("layers, from the input to the output"))


def dead(numbers: dict[str, Any], where: str) -> Figure:
    """The share of dead units of each layer, and how far below its kink the deadest of them lies."""
    paths, shares = list(numbers.get("paths", [where])), np.array(numbers["dead"], float)
    margins = numbers.get("margins")
    rows = 1 + (margins is not None)
    high = 1.1 + 0.24 * len(paths) + 2.0 * (rows - 1)
    figure, panels = new(high, rows, height_ratios=[0.7 + 0.24 * len(paths), 1.6][:rows])
    said = [
        phrase("{path}: {part} of the units are dead", path=path, part=share(part))
        for path, part in zip(paths, shares, strict=True)
    ]
    bars(panels[0, 0], paths, shares, [RED if part >= 0.9 else BLUE for part in shares], said)
    panels[0, 0].set_xlim(0, 1)
    panels[0, 0].xaxis.set_major_formatter(percents)
    dress(panels[0, 0], phrase("Units that are 0 on every row"), phrase("share of the units"), "", grid="x")
    if margins is not None:
        sides(panels[1, 0], np.array(margins, float))
    return figure


def sides(axes: Axes, margins: np.ndarray) -> None:
    """How many rows lie how far on which side of one unit's kink."""
    margins = margins[np.isfinite(margins)]
    low, high = min(margins.min(initial=0), 0), max(margins.max(initial=0), 0)
    room = 0.08 * (high - low or 1)
    edges = np.linspace(low, high or room, 25)
    counts, edges = np.histogram(margins, edges)
    colours = [RED if right <= 1e-12 else BLUE for right in edges[1:]]
    boxes = axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colours)
    for box, count, left, right in zip(boxes, counts, edges[:-1], edges[1:], strict=True):
        ends = {"a": number(float(left), 3), "b": number(float(right), 3)}
        tips(box, [phrase("z from {a} to {b}: {n} rows", **ends, n=int(count))])
    axes.axvline(0, color=GREEN, linewidth=1.6)
    axes.set_xlim(low - room, max(high, 0) + room)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    dress(axes, phrase("One such unit: z of the rows, its kink at 0"), "z", phrase("rows"), grid="y")


def saturated(numbers: dict[str, Any], where: str) -> Figure:
    """Where the pre-activations lie on the curve and its slope; without these, how much of each layer is flat."""
    if "z" in numbers and "curve" in numbers:
        return on_the_curve(np.array(numbers["z"], float), numbers["curve"], where)
    paths, shares = list(numbers["flat"]), np.array(list(numbers["flat"].values()), float)
    figure, ((axes,),) = new(1.1 + 0.24 * len(paths))
    bars(axes, paths, shares, [RED if part > 0.3 else BLUE for part in shares],
         [phrase("{path}: {part} on the flat part", path=path, part=share(part))
          for path, part in zip(paths, shares, strict=True)])  # fmt: skip
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(percents)
    dress(axes, phrase("Outputs on the flat part of the curve"), phrase("share of the outputs"), "", grid="x")
    return figure


def on_the_curve(z: np.ndarray, name: str, where: str) -> Figure:
    """A curve, its slope and where it is flat, with what goes into it as dots."""
    z = z[np.isfinite(z)]
    reach = float(np.clip(1.1 * np.abs(z).max(initial=4.0), 4, 60))
    figure, ((axes,),) = new(3.4)
    at, some = np.linspace(-reach, reach, 401), np.clip(z, -reach, reach)
    values, slopes = on(name, at)
    steepest = float(slopes.max()) or 1.0
    for left, right in intervals(at, slopes < FLAT * steepest):
        axes.axvspan(left, right, color=RED, alpha=0.1, linewidth=0)
    axes.plot(at, values, color=BLUE, label=name)
    axes.plot(at, slopes / steepest, color=ORANGE, label=phrase("its slope, of the steepest"))
    own, own_slopes = on(name, some)
    flat = own_slopes < FLAT * steepest
    dots = axes.scatter(some, own, s=30, color=[RED if f else INK for f in flat], alpha=0.45, linewidths=0, zorder=3)
    part = share(float(flat.mean()) if len(flat) else 0.0)
    tips(dots, [phrase("{part} of these {n} values lie on the flat parts", part=part, n=len(some))])
    dress(axes, phrase("Where the units of {layer} lie", layer=where), "z", "")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2, borderaxespad=0)
    return figure


def on(name: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of an activation and its slopes."""
    row = curve_of(name)
    values = row.value(z.astype(np.float32))
    return np.asarray(values, float), np.asarray(row.derivative(z.astype(np.float32), values), float)


def intervals(at: np.ndarray, inside: np.ndarray) -> list[tuple[float, float]]:
    """The stretches of an axis where something is so."""
    steps = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    return [(float(at[a]), float(at[b - 1])) for a, b in zip(steps[::2], steps[1::2], strict=True)]


def law(numbers: dict[str, Any], where: str) -> Figure:
    """The size of each layer's first weights beside the law of its variance."""
    paths, ratios = list(numbers["paths"]), np.maximum(np.array(numbers["ratios"], float), 1e-12)
    figure, ((axes,),) = new(1.3 + 0.26 * len(paths))
    at = np.arange(len(paths))
    off = (ratios > LAW) | (ratios < 1 / LAW)
    axes.axvspan(1 / LAW, LAW, color=GREEN, alpha=0.09, linewidth=0)
    axes.axvline(1, color=GREEN, linewidth=1.4)
    axes.hlines(at, 1, ratios, color=MUTED, linewidth=1.2)
    dots = axes.scatter(ratios, at, s=36, color=[RED if o else BLUE for o in off], linewidths=0, zorder=3)
    tips(dots, [
        phrase("{path}: {ratio} times its law", path=path, ratio=number(float(r), 3))
        for path, r in zip(paths, ratios, strict=True)
    ])  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(min(ratios.min(), 1 / LAW) / 2, max(ratios.max(), LAW) * 2)
    axes.set_ylim(len(paths) - 0.5, -0.5)
    axes.set_yticks(at, [squeezed(path, 18) for path in paths])
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(powers)
    across = phrase("standard deviation / √(2 / (n_in + n_out))")
    dress(axes, phrase("First weights beside the law of their variance"), across, "", "x")
    return figure


def bars(axes: Axes, names: Sequence[str], values: np.ndarray, colours: Sequence[str], said: Sequence[str]) -> None:
    """Bars to the right with their names, the first on top, each with what it says at the pointer."""
    drawn = axes.barh(np.arange(len(names)), values, 0.68, color=list(colours))
    for box, words in zip(drawn, said, strict=True):
        tips(box, [words])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [squeezed(name, 22) for name in names])
    axes.axvline(0, color=LINE, linewidth=1)
