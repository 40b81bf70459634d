"""What passes through a network: the variance of signal and blame by depth, and the scale that dropout leaves."""

from __future__ import annotations

import re

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from ..insight import Course, DropoutScale, Propagation
from ..language import phrase, translated
from ._colours import BLUE, GREEN, INK, MUTED, ORANGE, RED
from ._style import dress, new, tips
from .words import cut, number, width

WORDS = 48  # letters that fit under the axis


def signal(record: Propagation) -> Figure:
    """The variance of every pre-activation and of its error signal, measured (dots) and predicted (lines)."""
    figure, panels = new(5.4, 2, sharex=True)
    upper, lower = panels[:, 0]
    by_depth(upper, record, "variance", BLUE, phrase("variance of z"))
    by_depth(lower, record, "blame", ORANGE, phrase("mean δ²"))
    title = phrase("Signal {verdict}", verdict=in_short(record.forward))
    dress(upper, title, "", phrase("variance of z"))
    title = phrase("Blame {verdict}", verdict=in_short(record.backward))
    dress(lower, title, phrase("depth: layers with weights"), phrase("mean δ²"))
    paths = [row.path or phrase("the network") for row in record.layers]
    if sum(map(width, paths)) <= WORDS:
        lower.set_xticks(range(1, len(paths) + 1), paths)
        lower.set_xlabel(phrase("layers with weights"))
    else:
        lower.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    lower.set_xlim(0.5, len(paths) + 0.5)
    upper.legend(loc="upper left", bbox_to_anchor=(0, -0.02), ncols=3, borderaxespad=0, handlelength=1.6)
    return figure


def in_short(course: Course) -> str:
    """The verdict as far as its first comma."""
    return re.split("[,，]", translated(course.verdict))[0]


def by_depth(axes: Axes, record: Propagation, what: str, colour: str, label: str) -> None:
    """One of the two variances: dots for what was measured, lines for what was predicted."""
    depth = np.arange(1, len(record.layers) + 1)

    def values(which: str) -> np.ndarray:
        found = [getattr(row, what + which) for row in record.layers]
        return np.array([v if v is not None and np.isfinite(v) and v > 0 else np.nan for v in found])

    measured, own, law = values(""), values("_predicted"), values("_law")
    seen = np.flatnonzero(np.isfinite(measured))
    dots = axes.scatter(
        depth[seen], measured[seen], s=24, color=colour, linewidths=0, zorder=3, label=phrase("measured")
    )
    if len(seen):
        tips(dots, [said(record, int(i), what, label) for i in seen])
    axes.plot(depth, own, color=INK, linewidth=1.4, label=phrase("mean field"))
    law_of = phrase("law of {init}", init=record.init) if record.init else phrase("law of the defaults")
    axes.plot(depth, law, color=GREEN, linewidth=1.4, linestyle=(0, (4, 2.5)), label=law_of)
    together = np.concatenate([measured, own, law])
    span(axes, together[np.isfinite(together)])


def said(record: Propagation, i: int, what: str, label: str) -> str:
    row = record.layers[i]
    measured, guess = getattr(row, what), getattr(row, what + "_predicted")
    return phrase(
        "{layer}: {what} {measured}, predicted {guess}",
        layer=row.path or row.kind,
        what=label,
        measured=number(measured, 3),
        guess=number(guess, 3),
    )


def span(axes: Axes, values: np.ndarray) -> None:
    """A logarithmic axis of two decades at least, so that small changes look small."""
    if not len(values):
        return
    low, high = np.log10(values.min()), np.log10(values.max())
    room = max(1 - (high - low) / 2, 0.06 * (high - low))
    axes.set_yscale("log")
    axes.set_ylim(10 ** (low - room), 10 ** (high + room))
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())


def dropout_scale(record: DropoutScale) -> Figure:
    """How much larger every layer's output is in testing than in training, with two standard errors to each side."""
    layers = record.layers
    figure, ((axes,),) = new(max(2.2, 1.2 + 0.28 * len(layers)))
    ratios, errors = (np.array([getattr(row, name) for row in layers]) for name in ("ratio", "error"))
    seen = np.flatnonzero(np.isfinite(ratios))
    axes.axvline(1, color=GREEN, linewidth=1.2, label=phrase("the same"))
    colours = [RED if layers[i].differs else BLUE for i in seen]
    axes.hlines(seen, (ratios - 2 * errors)[seen], (ratios + 2 * errors)[seen], color=MUTED, linewidth=1.3)
    if len(seen):
        dots = axes.scatter(ratios[seen], seen, s=34, color=colours, linewidths=0, zorder=3)
        tips(dots, [f"{layers[i].path or layers[i].kind}: ×{ratios[i]:.3f} ± {errors[i]:.2g}" for i in seen])
    ends = np.concatenate([[0.9, 1.1], (ratios - 3 * errors)[seen], (ratios + 3 * errors)[seen]])
    room = 0.04 * (ends.max() - ends.min())
    axes.set_xlim(ends.min() - room, ends.max() + room)
    axes.set_ylim(len(layers) - 0.5, -0.5)
    axes.set_yticks(range(len(layers)), [cut(f"{row.path} {row.kind}".strip(), 26) for row in layers])
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(lambda value, _: f"×{value:g}")
    title, across = phrase("Output in testing over training"), phrase("output in testing / mean output in training")
    dress(axes, title, across, "", grid="x")
    return figure
