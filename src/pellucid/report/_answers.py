"""How good the answers are: confusion, residuals, reliability, and which columns they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ..errors import SettingError
from ..insight import Calibration, Importance
from ..language import phrase, translated
from ..train import Evaluation
from ._colours import BLUE, BRIGHT, INK, LINE, MUTED, ORANGE
from ._style import WIDE, dress, new, percents, tips
from .words import cut, measure, number, share, squeezed, width

MOST_CLASSES = 20  # in a confusion matrix
MOST_POINTS = 800
MOST_BARS = 15


def answers(record: Evaluation, target: str = "") -> Figure:
    """Confusion matrix, or prediction against truth."""
    target = target or phrase("value")
    return confusion(record, target) if record.classes else against_truth(record, target)


def confusion(record: Evaluation, target: str) -> Figure:
    """How often each class was answered for each true class; the shade is the share of the true class."""
    shown = worst_classes(record)
    counts = np.array([[((record.truth == a) & (record.prediction == b)).sum() for b in shown] for a in shown])
    total = np.array([(record.truth == a).sum() for a in shown])[:, None]
    parts = counts / np.maximum(total, 1)
    names = [squeezed(c, 14) for c in shown]
    n = len(shown)
    longest = max(map(width, names))
    figure, ((axes,),) = new(min(WIDE, 1.6 + 0.42 * n + 0.06 * longest))
    said = [
        phrase("true {a}, answered {b}: {n:,} of {total:,} ({share})", a=a, b=b, n=int(counts[i, j]),
               total=int(total[i, 0]), share=share(parts[i, j]))
        for i, a in enumerate(names)
        for j, b in enumerate(names)
    ]  # fmt: skip
    shaded(axes, parts, BLUE, said)
    size = 9 if n <= 10 else 7
    for i, j in np.ndindex(n, n):
        if counts[i, j]:
            axes.text(
                j,
                i,
                f"{counts[i, j]:,}",
                ha="center",
                va="center",
                size=size,
                color=BRIGHT if parts[i, j] > 0.5 else INK,
            )
    turned = longest > 3 and (n > 5 or longest > 9)
    axes.set_xticks(range(n), names, rotation=40 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(range(n), names)
    title, of = phrase("Answers and truth"), len(record.classes)
    if of > n:
        title = phrase("Answers and truth ({n} of {of} classes: those with most errors)", n=n, of=of)
    named = cut(target)
    dress(axes, title, phrase("{target} answered", target=named), phrase("true {target}", target=named), grid="")
    axes.spines[:].set_visible(False)
    return figure


def worst_classes(record: Evaluation) -> list[Any]:
    """The classes in their order; of more than 20, those that most errors involve."""
    classes = list(record.classes)
    if len(classes) <= MOST_CLASSES:
        return classes
    wrong = record.truth != record.prediction
    errors = [((record.truth == c) & wrong).sum() + ((record.prediction == c) & wrong).sum() for c in classes]
    kept = sorted(np.argsort(-np.array(errors), kind="stable")[:MOST_CLASSES])
    return [classes[i] for i in kept]


def shaded(axes: Axes, values: np.ndarray, colour: str, said: Sequence[str]) -> None:
    """A table of cells shaded from nothing (0) to the full colour (1), the first row on top."""
    high, wide = values.shape
    axes.set_xlim(-0.5, wide - 0.5)
    axes.set_ylim(high - 0.5, -0.5)
    axes.set_aspect("equal")
    boxes = [Rectangle((j - 0.47, i - 0.47), 0.94, 0.94) for i in range(high) for j in range(wide)]
    strength = np.clip(np.nan_to_num(values.ravel()), 0, 1)
    faces = [(*rgb(colour), 0.06 + 0.94 * s) for s in strength]
    cells = PatchCollection(boxes, facecolors=faces, edgecolors="none", linewidths=0)
    tips(cells, said)
    axes.add_collection(cells, autolim=False)


def rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def thinned(n: int) -> np.ndarray:
    """At most 800 of n places, evenly spread."""
    return np.linspace(0, n - 1, min(n, MOST_POINTS)).astype(int)


def against_truth(record: Evaluation, target: str) -> Figure:
    """Every prediction against its truth; on the line they are equal."""
    truth, guess = finite_pairs(record)
    kept = thinned(len(truth))
    figure, ((axes,),) = new(4.2)
    low, high = (pick([*truth, *guess], default=0.0) for pick in (min, max))
    margin = 0.04 * (high - low or 1)
    ends = [low - margin, high + margin]
    axes.plot(ends, ends, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label=phrase("prediction = truth"))
    points = axes.scatter(truth[kept], guess[kept], s=18, color=BLUE, alpha=0.55, linewidths=0)
    said = (phrase("true {a}, predicted {b}", a=number(truth[i]), b=number(guess[i])) for i in kept)
    tips(points, list(said))
    title, of = phrase("Prediction and truth"), len(truth)
    if len(kept) < of:
        title = phrase("Prediction and truth ({n:,} of {of:,})", n=len(kept), of=of)
    dress(axes, title, phrase("true {target}", target=cut(target)), phrase("predicted {target}", target=cut(target)))
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    ticks = [tick for tick in MaxNLocator(5).tick_values(*ends) if ends[0] <= tick <= ends[1]]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.legend(loc="upper left")
    return figure


def finite_pairs(record: Evaluation) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction where both can be drawn."""
    pairs = [np.asarray(a, float).reshape(-1) for a in (record.truth, record.prediction)]
    drawable = np.logical_and(*(np.abs(a) < 1e30 for a in pairs))
    return pairs[0][drawable], pairs[1][drawable]


def residuals(record: Evaluation, target: str = "") -> Figure:
    """How often the prediction is off by how much."""
    target = target or phrase("value")
    if record.classes:
        raise SettingError("Classes have no residuals: plot(kind='answers') draws the confusion matrix.")
    truth, guess = finite_pairs(record)
    error = guess - truth
    count, edges = np.histogram(error, bins=min(30, max(8, int(np.sqrt(len(error))))))
    figure, ((axes,),) = new(3.1)
    boxes = [Rectangle((a, 0), b - a, n) for a, b, n in zip(edges[:-1], edges[1:], count, strict=True)]
    bars = PatchCollection(boxes, facecolor=BLUE, edgecolor="none", alpha=0.75)
    ends = zip(edges[:-1], edges[1:], count, strict=True)
    said = (phrase("off by {a} to {b}: {n:,} rows", a=number(a, 3), b=number(b, 3), n=int(n)) for a, b, n in ends)
    tips(bars, list(said))
    axes.add_collection(bars, autolim=False)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.08 * max(count.max(), 1))
    axes.axvline(0, color=MUTED, linewidth=1)
    across = phrase("predicted − true {target}", target=cut(target))
    dress(axes, phrase("How far off the predictions are"), across, phrase("rows"), grid="y")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure


def reliability(record: Calibration) -> Figure:
    """The frequency observed against the probability stated; the larger the dot, the more rows."""
    figure, ((axes,),) = new(3.9)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label=phrase("stated = observed"))
    full = np.flatnonzero(record.count)
    x, y, n = record.stated[full], record.observed[full], record.count[full]
    axes.plot(x, y, color=BLUE, linewidth=1.2, alpha=0.6)
    dots = axes.scatter(x, y, s=24 + 260 * n / n.max(), color=BLUE, alpha=0.75, linewidths=0)
    tips(dots, [
        phrase("stated {a}, observed {b}, {n:,} rows", a=share(a), b=share(b), n=int(k))
        for a, b, k in zip(x, y, n, strict=True)
    ])  # fmt: skip
    axes.set_xlim(-0.04, 1.06)
    axes.set_ylim(-0.04, 1.06)
    dress(axes, phrase("Is a stated probability the frequency?"), record.of, phrase("share of rows where it was so"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(percents)
    axes.legend(loc="upper left")
    return figure


def importance(record: Importance, most: int = MOST_BARS) -> Figure:
    """The drop of the metric when a column is shuffled, the largest first."""
    order = record.order[:most]
    names = [squeezed(record.names[i], 24) for i in order]
    scale = 100 if record.metric == "accuracy" else 1
    drop, spread = (scale * np.nan_to_num(a[order], posinf=0, neginf=0) for a in (record.drop, record.spread))
    unit, label = phrase("r²"), phrase("drop of r²")
    if record.metric == "accuracy":
        unit, label = phrase("percentage points"), phrase("drop of accuracy (percentage points)")
    n = len(order)
    figure, ((axes,),) = new(1.1 + 0.24 * n)
    boxes = [Rectangle((min(0, d), i - 0.35), abs(d), 0.7) for i, d in enumerate(drop)]
    bars = PatchCollection(boxes, facecolor=BLUE, edgecolor="none", alpha=0.85)
    tips(bars, [
        f"{translated(record.names[i])}: {number(d, 3)} ± {number(s, 2)} {unit}"
        for i, d, s in zip(order, drop, spread, strict=True)
    ])  # fmt: skip
    axes.add_collection(bars, autolim=False)
    axes.hlines(range(n), drop - spread, drop + spread, color=INK, linewidth=1.1)
    reach = max(float((drop + spread).max(initial=0)), 1e-9)
    axes.set_xlim(min(0, 1.1 * float((drop - spread).min(initial=0))), 1.06 * reach)
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_yticks(range(n), names)
    axes.axvline(0, color=LINE, linewidth=1)
    title, of = phrase("What the answers rest on"), len(record.names)
    if n < of:
        title = phrase("What the answers rest on, the first {n} of {of}", n=n, of=of)
    dress(axes, title, label, "", grid="x")
    return figure


def importance_picture(record: Importance) -> Figure:
    """The drop of the metric for every place of an image."""
    if record.places is None:
        raise SettingError("These columns are no places of an image: plot(kind='bars') draws them.")
    high, wide = (max(place[axis] for place in record.places) + 1 for axis in (0, 1))
    values = np.zeros((high, wide))
    said: list[list[str]] = [[phrase("no column here")] * wide for _ in range(high)]
    for place, name, drop in zip(record.places, record.names, record.drop, strict=True):
        values[place] = drop
        said[place[0]][place[1]] = f"{name}: {number(100 * drop if record.metric == 'accuracy' else drop, 3)}"
    figure, ((axes,),) = new(4.2)
    shaded(axes, values / max(np.nan_to_num(values).max(), 1e-12), ORANGE, [text for row in said for text in row])
    dress(
        axes,
        phrase("Where in the image (drop of {metric})", metric=measure(record.metric)),
        phrase("column of the image"),
        phrase("row of the image"),
        grid="",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(8, integer=True))
    axes.spines[:].set_visible(False)
    return figure
