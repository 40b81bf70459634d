"""What was proven about networks: which way answers go, how far outputs reach, which rows keep their answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..certify import Certificate, Line, Lipschitz, Monotonicity, OutputRange, Robustness, Trend
from ..errors import SettingError
from ..language import phrase
from ..recall import recalled
from ._colours import BLUE, BRIGHT, GREEN, INK, LINE, MUTED, ORANGE, RED, SLATE
from ._style import dress, new, sheet, tips
from .words import cut, number, share, squeezed

ACROSS, MOST = 3, 36  # panels in a row, and at most
STRONGEST = 12  # inputs in the picture of a steepest gradient
ANSWERS = {  # colour, an arrow, and the word
    "rising": (GREEN, "↗", phrase("rising")),
    "falling": (BLUE, "↘", phrase("falling")),
    "constant": (SLATE, "→", phrase("constant")),
    "neither": (ORANGE, "↗↘", phrase("neither")),
    "not rising": (ORANGE, "↘", phrase("not rising")),
    "not falling": (ORANGE, "↗", phrase("not falling")),
    "unknown": (MUTED, "?", phrase("unknown")),
}
VERDICTS = {
    "proven": (GREEN, phrase("proven")),
    "unknown": (SLATE, phrase("unknown")),
    "counterexample": (RED, phrase("refuted")),
}


def trends(record: Monotonicity) -> Figure:
    """A panel for each feature: how the answer goes along it, and where it goes both ways two inputs that show it."""
    if not record.trends:
        raise SettingError("There are no trends to draw: no feature was asked about.")
    shown = record.trends[:MOST]
    across = min(ACROSS, len(shown))
    down = -(-len(shown) // across)
    made = sheet(0.55 + 1.32 * down)
    panels = made.subplots(down, across, squeeze=False)
    for axes, trend in zip(panels.flat, shown, strict=False):
        panel(axes, trend, record)
    for axes in panels.flat[len(shown) :]:
        axes.set_axis_off()
    what = record.output if record.unit in ("", "value") else phrase("probability of {what}", what=record.output)
    made.supxlabel(phrase("green: it rises between the dots; red: it falls; pale: around the middle row"), size=8)
    made.suptitle(phrase("{what} along each feature", what=cut(what, 40)), x=0.01, ha="left", size=10.5, weight="bold")
    return made


def panel(axes: Axes, trend: Trend, record: Monotonicity) -> None:
    """One feature: its usual line, and the lines of its witnesses with their two ends."""
    colour, arrow, word = ANSWERS[trend.answer]
    clear = trend.rise is None or trend.fall is None
    usual = axes.plot(trend.usual.x, trend.usual.y, color=colour if clear else LINE, linewidth=2.2 if clear else 1.4)[0]
    tips(usual, [phrase("{feature}: {word}, around the middle row", feature=trend.feature, word=word)])
    if trend.answer not in ("rising", "falling", "constant"):
        for line, tone in ((trend.rise, GREEN), (trend.fall, RED)):
            if line is not None:
                witness(axes, line, tone, trend.feature)
    axes.set_title(squeezed(trend.feature, 17), size=8.6, pad=4, weight="normal", color=MUTED)
    axes.text(1, 1.03, arrow, transform=axes.transAxes, ha="right", va="bottom", size=10, color=colour, weight="bold")
    for spine in axes.spines.values():
        spine.set_color(LINE)
    axes.grid(False)
    axes.tick_params(length=0, labelsize=7, pad=1.5)
    low, high = trend.usual.x[0], trend.usual.x[-1]
    axes.set_xticks([low, high], [number(float(low), 3), number(float(high), 3)])
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        label.set(ha=side)
    axes.yaxis.set_major_locator(two_ticks())
    axes.margins(y=0.16)


def two_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(2, min_n_ticks=2)


def witness(axes: Axes, line: Line, tone: str, feature: str) -> None:
    """A line along which the answer goes a way, with the two inputs that show it."""
    axes.plot(line.x, line.y, color=tone, linewidth=1.1, alpha=0.55)
    between = (line.x >= min(line.ends)) & (line.x <= max(line.ends))
    axes.plot(line.x[between], line.y[between], color=tone, linewidth=2.2)
    dots = axes.plot(line.ends, line.values, "o", color=tone, markersize=4.2, linestyle="None")[0]
    tips(dots, [phrase("{feature} = {x}: {y}", feature=feature, x=number(x), y=number(y))
                for x, y in zip(line.ends, line.values, strict=True)])  # fmt: skip


def ranges(record: OutputRange) -> Figure:
    """What each output reaches, and beyond it what it is proven never to reach."""
    n = len(record.low)
    labels = record.names or tuple(phrase("output {k}", k=k) for k in range(n))
    figure, ((axes,),) = new(1.0 + 0.34 * n)
    places = np.arange(n)[::-1]
    beyond = axes.barh(places, record.high - record.low, left=record.low, height=0.5, color=LINE)
    reached = axes.barh(places, record.highest - record.lowest, left=record.lowest, height=0.5, color=BLUE)
    for part, low, high in zip(beyond, record.low, record.high, strict=True):
        tips(part, [phrase("proven: from {low} to {high}", low=number(float(low)), high=number(float(high)))])
    for part, low, high in zip(reached, record.lowest, record.highest, strict=True):
        tips(part, [phrase("reached: {low} and {high}", low=number(float(low)), high=number(float(high)))])
    axes.set_yticks(places, [cut(label, 24) for label in labels])
    axes.spines[:].set_color(LINE)
    dress(axes, phrase("What the outputs can be"), phrase("blue: reached; grey: not ruled out"), "", grid="x")
    return figure


def robustness(record: Robustness) -> Figure:
    """How many rows keep their answer, and what the lead of each lies between, the least certain first."""
    counts = {verdict: record.verdicts.count(verdict) for verdict in VERDICTS}
    figure, ((upper,), (lower,)) = new(3.4, 2, height_ratios=(0.22, 1))
    start, whole = 0, max(len(record.verdicts), 1)
    for verdict, count in counts.items():
        colour, word = VERDICTS[verdict]
        if not count:
            continue
        part = upper.barh([0], [count], left=[start], color=colour, height=0.8)[0]
        tips(part, [phrase("{word}: {n:,} of {whole:,} rows", word=word, n=count, whole=whole)])
        if count > 0.12 * whole:
            upper.text(start + count / 2, 0, share(count / whole), color=BRIGHT, ha="center", va="center", size=8.5)
        start += count
    title = phrase("{part} of the rows keep their answer within {radius}", part=share(record.share),
                   radius=number(record.radius))  # fmt: skip
    dress(upper, title, "", "", grid="")
    upper.set(xlim=(0, whole), yticks=[], xticks=[])
    upper.spines[:].set_visible(False)
    leads(lower, record)
    return figure


def leads(axes: Axes, record: Robustness) -> None:
    """Of each row the interval that the least lead of its answer lies in."""
    finite = np.where(np.isfinite(record.margins), record.margins, np.nan)
    order = np.argsort(np.nan_to_num(finite[:, 0], nan=-np.inf), kind="stable")
    verdicts = np.array(record.verdicts)[order]
    for verdict, (colour, word) in VERDICTS.items():
        at = np.flatnonzero(verdicts == verdict)
        if len(at):
            low, high = np.nan_to_num(finite[order[at]]).T
            axes.vlines(
                at, np.minimum(low, high), np.maximum(low, high) + 1e-12, color=colour, linewidth=1.6, label=word
            )
            axes.plot(at, low, ".", color=colour, markersize=3)
    axes.axhline(0, color=INK, linewidth=0.9)
    dress(
        axes,
        phrase("By how much they do"),
        phrase("rows, the least sure first"),
        phrase("lead of the answer"),
        grid="y",
    )
    axes.legend(loc="upper left")


def steepest(record: Lipschitz) -> Figure:
    """Where the network is steepest: how much each input moves the outputs there."""
    size = abs(record.jacobian).max(0)
    order = np.argsort(-size, kind="stable")[:STRONGEST]
    figure, ((axes,),) = new(1.3 + 0.26 * len(order))
    places = np.arange(len(order))[::-1]
    one = len(record.jacobian) == 1
    values = record.jacobian[0, order] if one else size[order]
    drawn = axes.barh(places, values, color=[BLUE if v >= 0 else ORANGE for v in values], height=0.62)
    for part, i, value in zip(drawn, order, values, strict=True):
        tips(part, [phrase("{name}: {value} for each unit", name=record.names[i], value=number(float(value)))])
    axes.set_yticks(places, [cut(record.names[i], 24) for i in order])
    axes.spines[:].set_color(LINE)
    norm = "∞" if np.isinf(record.norm) else number(record.norm)
    said = phrase("between {low} and {high}", low=number(record.low), high=number(record.high))
    value = number(record.high) if record.exact else said
    title = phrase("Lipschitz constant (norm {norm}): {value}", norm=norm, value=value)
    under = phrase("slope at the steepest place") if one else phrase("largest slope at the steepest place")
    dress(axes, title, under, "", grid="x")
    return figure


def certificate(record: Certificate) -> Figure:
    """The least margin: what it is proven not to be below, and the lowest that was met."""
    colour, word = VERDICTS[record.verdict]
    low, high = record.bounds
    ends = [end for end in (low, high) if np.isfinite(end) and abs(end) < 1e200]
    figure, ((axes,),) = new(1.25)
    wide = max([abs(end) for end in ends], default=1.0) or 1.0
    left, right = min([*ends, 0.0]) - 0.15 * wide, max([*ends, 0.0]) + 0.15 * wide
    start = low if low in ends else left
    stop = high if high in ends else right
    bar = axes.barh([0], [max(stop - start, 0.01 * wide)], left=[start], height=0.5, color=colour)[0]
    tips(bar, [phrase("the least margin is between {low} and {high}", low=number(low), high=number(high))])
    axes.axvline(0, color=INK, linewidth=1.2)
    axes.set(xlim=(left, right), yticks=[])
    axes.spines[:].set_color(LINE)
    axes.spines["left"].set_visible(False)
    title = phrase("{question}: {word}", question=cut(recalled(record.question), 48), word=word)
    dress(axes, title, phrase("margin; the question holds right of 0"), "", grid="x")
    return figure
