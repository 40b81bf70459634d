"""Findings on the data, drawn: scales of columns and targets, classes, and whether rows and targets belong together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from ..language import phrase
from ..recall import recalled
from ._colours import BLUE, GREEN, INK, MUTED, RED
from ._finding_network import bars
from ._style import dress, new, powers, tips
from .words import measure, number, percent, share, signed, squeezed

FEW = 14  # columns with their names
CHANCE = 2.0  # standard deviations, as the doctor counts it
USUAL = (0.1, 10.0)
TARGET = "target"


def tests(numbers: dict[str, Any], where: str) -> Figure:
    """How far above chance each test of a relation lies."""
    found = {recalled(name): float(value) for name, value in numbers["tests"].items()}
    figure, ((axes,),) = new(1.3 + 0.27 * len(found))
    values = np.array(list(found.values()))
    said = [deviated(name, value) for name, value in found.items()]
    bars(axes, list(found), values, [BLUE] * len(found), said)
    axes.axvline(CHANCE, color=GREEN, linewidth=1.5)
    axes.set_xlim(min(-CHANCE, values.min()) - 0.5, max(2 * CHANCE, values.max()) + 0.5)
    dress(axes, phrase("No test sees a relation"), phrase("standard deviations above chance"), "", grid="x")
    return figure


def deviated(name: str, value: float) -> str:
    return phrase("{name}: {value} standard deviations", name=name, value=signed(value, ".1f"))


def shifts(numbers: dict[str, Any], where: str) -> Figure:
    """How alike the targets of neighbours are, with the targets moved by so many rows."""
    found = {int(shift): float(value) for shift, value in numbers["scores"].items()}
    order = sorted(found, key=lambda shift: (shift == 0, shift))
    names = [phrase("moved by {n}", n=signed(shift, "d")) if shift else phrase("in reverse") for shift in order]
    best = int(numbers["shift"])
    figure, ((axes,),) = new(1.3 + 0.25 * len(order))
    values = np.array([found[shift] for shift in order])
    said = [deviated(name, value) for name, value in zip(names, values, strict=True)]
    bars(axes, names, values, [RED if shift == best else BLUE for shift in order], said)
    title = phrase("Neighbours are alike where the targets are …")
    dress(axes, title, phrase("standard deviations above chance"), "", grid="x")
    return figure


def columns(numbers: dict[str, Any], where: str) -> Figure:
    """The deviations of the columns, from the smallest to the largest."""
    return spreads(np.array(numbers["deviations"], float), None, [])


def scale(numbers: dict[str, Any], where: str) -> Figure:
    """The deviation of each column, and how far its mean lies from 0."""
    spread, mean = np.atleast_1d(np.array(numbers["spread"], float)), np.atleast_1d(np.array(numbers["mean"], float))
    names = list(numbers.get("names", ())) or [phrase("column {i}", i=i) for i in range(len(spread))]
    return spreads(spread, np.abs(mean), names if where != "targets" else [TARGET] * len(spread))


def spreads(deviation: np.ndarray, offset: np.ndarray | None, names: list[str]) -> Figure:
    """Deviations as bars from 1 and offsets as dots, on a logarithmic axis."""
    n = len(deviation)
    together = np.concatenate([deviation, [] if offset is None else offset])
    seen = together[np.isfinite(together) & (together > 0)]
    least, most = min(seen.min(initial=0.3), 0.3) / 2, max(seen.max(initial=3.0), 3.0) * 2
    named = bool(names) and n <= FEW
    figure, ((axes,),) = new(1.9 + 0.26 * n if named else 3.2)
    size = np.clip(np.nan_to_num(deviation), least, most)
    colours = [BLUE if USUAL[0] <= d <= USUAL[1] else RED for d in deviation]
    words = names if len(names) == n else [phrase("column {i} in order", i=i) for i in range(n)]
    words = [phrase("target") if word == TARGET else word for word in words]
    said = [
        phrase("{name}: standard deviation {value}", name=word, value=number(float(d), 3))
        for word, d in zip(words, deviation, strict=True)
    ]
    at = np.arange(n)
    draw = axes.barh if named else axes.bar
    boxes = draw(at, size - 1, 0.7 if n <= 60 else 1.0, **{"left" if named else "bottom": 1.0}, color=colours)
    for box, text in zip(boxes, said, strict=True):
        tips(box, [text])
    if offset is not None and (offset > least).any():
        far = np.flatnonzero(offset > least)
        place = (offset[far], at[far]) if named else (at[far], offset[far])
        dots = axes.scatter(*place, s=30, color=INK, marker="D", linewidths=0, zorder=3, label=phrase("|mean|"))
        tips(dots, [phrase("{name}: |mean| {value}", name=words[i], value=number(float(offset[i]), 3)) for i in far])
        figure.legend(handles=[dots], loc="outside lower left", labelcolor=MUTED)
    settle(axes, named, (least, most), names, n)
    return figure


def settle(axes: Axes, named: bool, span: tuple[float, float], names: list[str], n: int) -> None:
    """The axes of deviations: upright for named columns, lying for many."""
    side = axes.xaxis if named else axes.yaxis
    (axes.set_xscale if named else axes.set_yscale)("log")
    (axes.set_xlim if named else axes.set_ylim)(*span)
    (axes.axvline if named else axes.axhline)(1, color=GREEN, linewidth=1.4)
    side.set_major_locator(LogLocator(numticks=7))
    side.set_minor_locator(NullLocator())
    side.set_major_formatter(powers)
    if named:
        axes.set_ylim(n - 0.5, -0.5)
        axes.set_yticks(range(n), [squeezed(phrase("target") if name == TARGET else name, 20) for name in names])
        title = phrase("Standard deviation of each column")
        if set(names) == {TARGET}:
            title = phrase("Standard deviation of the targets")
        dress(axes, title, phrase("standard deviation (logarithmic)"), "", grid="x")
    else:
        axes.set_xlim(-0.5, n - 0.5)
        across = phrase("column") if names else phrase("columns, in order")
        dress(axes, phrase("Standard deviation of each column"), across, "", grid="y")


def targets(numbers: dict[str, Any], where: str) -> Figure:
    """The targets beside what a network answers before its first step."""
    figure, ((axes,),) = new(1.9)
    own = float(numbers["mean"]), float(numbers["deviation"])
    rows = {phrase("first outputs"): (0.0, 1.0), phrase("targets"): own}
    colours = (GREEN, RED)
    for i, (name, (mean, deviation)) in enumerate(rows.items()):
        (box,) = axes.barh([i], [2 * deviation], 0.5, left=[mean - deviation], color=colours[i])
        known = {"mean": number(mean, 3), "deviation": number(deviation, 3)}
        tips(box, [phrase("{name}: mean {mean}, standard deviation {deviation}", name=name, **known)])
        axes.scatter([mean], [i], s=34, color=INK, marker="D", linewidths=0, zorder=3)
    axes.use_sticky_edges = False
    axes.margins(x=0.06)
    axes.set_ylim(1.5, -0.5)
    axes.set_yticks(range(2), list(rows))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(lambda value, _: number(float(value), 3))
    dress(axes, phrase("Targets beside the first outputs"), phrase("value"), "", grid="x")
    return figure


def counts(numbers: dict[str, Any], where: str) -> Figure:
    """The rows of each class."""
    found = np.array(numbers["counts"], float)
    few = len(found) <= FEW
    figure, ((axes,),) = new(1.2 + 0.25 * len(found) if few else 2.8)
    total = max(found.sum(), 1)
    said = [phrase("class {i}: {n:,} rows, {part}", i=i, n=int(n), part=share(n / total)) for i, n in enumerate(found)]
    colours = [RED if n * len(found) < 0.1 * total else BLUE for n in found]
    if few:
        bars(axes, [phrase("class {i}", i=i) for i in range(len(found))], found, colours, said)
        dress(axes, phrase("Rows of each class"), phrase("rows"), "", grid="x")
        return figure
    for box, text in zip(axes.bar(np.arange(len(found)), found, color=colours), said, strict=True):
        tips(box, [text])
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    dress(axes, phrase("Rows of each class"), phrase("class"), phrase("rows"), grid="y")
    return figure


def shared(numbers: dict[str, Any], where: str) -> Figure:
    """How many of the rows held out were learned from, beside how many repeat each other."""
    found: dict[str, Any] = {
        phrase("of those held out"): numbers["share"],
        phrase("among themselves"): numbers["chance"],
    }
    return parts(found, (RED, MUTED), phrase("Rows that are among those learned from"))


def kept(numbers: dict[str, Any], where: str) -> Figure:
    """How many rows keep their class as their nearest, with and without the change."""
    found: dict[str, Any] = {
        phrase("as they are"): numbers["before"],
        phrase("as changed"): numbers["after"],
        phrase("by chance"): numbers["chance"],
    }
    return parts(found, (BLUE, RED, MUTED), phrase("Nearest to a row of their own class"))


def shares(numbers: dict[str, Any], where: str) -> Figure:
    """Shares of the rows, under the words that the rule gives."""
    found = {squeezed(recalled(name), 24): value for name, value in list(numbers["parts"].items())[:FEW]}
    axis = measure(numbers["axis"]) if "axis" in numbers else ""
    return parts(found, (RED, *[BLUE] * (len(found) - 1)), recalled(numbers["of"]), axis)


def beside(numbers: dict[str, Any], where: str) -> Figure:
    """One column along another, or along the target."""
    figure, ((axes,),) = new(3.0)
    x, y = (np.array(values, float) for values in numbers["points"])
    name, other = (squeezed(recalled(numbers[which]), 24) for which in ("name", "beside"))
    dots = axes.scatter(x, y, s=18, color=BLUE, alpha=0.5, linewidths=0)
    tips(dots, [f"{name} {number(float(a))}, {other} {number(float(b))}" for a, b in zip(x, y, strict=True)])
    dress(axes, phrase("{name} and {other} say the same", name=name, other=other), name, other)
    return figure


def parts(found: Mapping[str, Any], colours: tuple[str, ...], title: str, axis: str = "") -> Figure:
    """Shares as bars with their numbers."""
    figure, ((axes,),) = new(1.1 + 0.28 * len(found))
    values = np.array(list(found.values()), float)
    bars(axes, list(found), values, colours, [f"{name}: {share(float(v))}" for name, v in found.items()])
    for i, value in enumerate(values):
        axes.annotate(
            share(float(value)), (value, i), (4, 0), textcoords="offset points", va="center", color=MUTED, size=9
        )
    axes.set_xlim(0, 1.14 * max(values.max(), 0.05))
    axes.xaxis.set_major_formatter(lambda value, _: percent(f"{100 * value:g}"))
    dress(axes, title, axis or phrase("share of the rows"), "", grid="x")
    return figure


def along(numbers: dict[str, Any], where: str) -> Figure:
    """The target along a column."""
    figure, ((axes,),) = new(3.0)
    x, y = np.array(numbers["along"], float), np.array(numbers["values"], float)
    dots = axes.scatter(x, y, s=18, color=BLUE, alpha=0.5, linewidths=0)
    part = share(float(numbers["share"]))
    tips(dots, [phrase("{n} rows: the target falls in {part} of their pairs", n=len(x), part=part)])
    name = numbers.get("name", phrase("the column"))
    dress(axes, phrase("The target falls along {name}", name=squeezed(name, 24)), squeezed(name, 40), phrase("target"))
    return figure
