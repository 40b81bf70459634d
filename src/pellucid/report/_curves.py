"""How training went: the loss by epoch, what the watch saw, the range test."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from ..language import phrase
from ..train import RangeTest, Run, smoothed
from ._colours import BLUE, GREEN, MUTED, ORANGE
from ._style import dress, new, percents, tips
from .words import loss_name, measure, metric, number, sentence_case

FEW = 60  # points that are drawn as dots
MOST_POINTS = 400  # points that say their values


def learning(run: Run) -> Figure:
    """The loss by epoch, and under it the first metric of the rows held out."""
    history = run.history
    held = [e for e in history if e.metrics]
    name = next(iter(held[-1].metrics)) if held else None
    figure, panels = stacked(1 + bool(name))
    top = panels[0]
    epochs = [e.number for e in history]
    words = phrase("epoch {x}: training loss {y}")
    curve(top, epochs, [e.loss for e in history], BLUE, phrase("training"), words)
    checked = [e for e in history if e.validation_loss is not None]
    if checked:
        losses = [e.validation_loss for e in checked]
        words = phrase("epoch {x}: loss on rows held out {y}")
        curve(top, [e.number for e in checked], losses, ORANGE, phrase("rows held out"), words)
    logarithmic(top)
    title = phrase("Loss by epoch ({name})", name=loss_name(run.settings.loss.name))
    dress(top, title, "" if name else phrase("epoch"), phrase("loss"))
    if name:
        values = [e.metrics[name] for e in held]
        title = measure(name)
        words = phrase("epoch {x}: {metric} {y}", x="{x}", y="{y}", metric=title)
        curve(panels[1], [e.number for e in held], values, GREEN, "", words, lambda v: metric(name, v))
        if "accuracy" in name:
            panels[1].yaxis.set_major_formatter(percents)
        dress(
            panels[1],
            phrase("{metric} on the rows held out", metric=sentence_case(title)),
            phrase("epoch"),
            title,
        )
    for axes in panels:
        mark_best(axes, run)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if checked or run.best_epoch:
        top.legend(loc="best", ncols=1)
    return figure


def stacked(rows: int) -> tuple[Figure, list[Axes]]:
    figure, axes = new(3.1 if rows == 1 else 4.9, rows, sharex=True)
    return figure, list(axes[:, 0])


def curve(
    axes: Axes,
    x: Any,
    y: Any,
    colour: str,
    label: str,
    words: str,
    say: Any = number,
    **look: Any,
) -> None:
    """A line whose points say their values."""
    x = np.asarray(x)
    y = np.array([np.nan if v is None or not np.isfinite(v) else v for v in y], float)
    axes.plot(x, y, color=colour, label=label, marker="o" if len(x) <= FEW else "", **look)
    finite = np.flatnonzero(np.isfinite(y))
    kept = finite[np.linspace(0, len(finite) - 1, min(len(finite), MOST_POINTS)).astype(int)]
    if len(kept):
        points = axes.scatter(x[kept], y[kept], s=70, facecolor=(0, 0, 0, 0), edgecolor="none", zorder=5)
        tips(points, [words.format(x=number(float(x[i])), y=say(y[i])) for i in kept])


def logarithmic(axes: Axes) -> None:
    """A logarithmic axis where the values need it; over a few decades its ticks are plain numbers."""
    values = np.concatenate([line.get_ydata() for line in axes.lines] or [np.ones(1)])
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 15 * values.min():
        axes.set_yscale("log")
        few = values.max() < 300 * values.min()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=7))
        axes.yaxis.set_minor_locator(NullLocator())
        if few:
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def mark_best(axes: Axes, run: Run) -> None:
    if run.best_epoch:
        axes.axvline(
            run.best_epoch,
            color=MUTED,
            linewidth=1,
            linestyle=(0, (3, 3)),
            label=phrase("best epoch, {best}", best=run.best_epoch),
        )


def watch(run: Run) -> Figure:
    """The variance of every layer's output and error signal by epoch: the deeper the layer, the stronger the line."""
    seen = [e for e in run.history if e.watch]
    paths = list(seen[-1].watch) if seen else []
    figure, panels = stacked(2)
    what = {"variance": phrase("variance of the output"), "blame_variance": phrase("mean δ² of the output")}
    for axes, (name, words) in zip(panels, what.items(), strict=True):
        for i, path in enumerate(paths):
            values = [max(getattr(e.watch[path], name), 0) or np.nan for e in seen]
            strength = 0.25 + 0.75 * (i + 1) / len(paths)
            said = phrase("{path}, epoch {x}: {what} {y}", path=path, what=words, x="{x}", y="{y}")
            label = path if i in (0, len(paths) - 1) else ""
            curve(axes, [e.number for e in seen], values, BLUE, label, said, alpha=strength)
        logarithmic(axes)
        title = phrase("Signal by epoch") if name == "variance" else phrase("Blame by epoch")
        dress(axes, title, phrase("epoch") if name != "variance" else "", words)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if paths:
        panels[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
    return figure


def range_test(record: RangeTest) -> Figure:
    """The loss while the learning rate grows."""
    figure, ((axes,),) = new(3.1)
    words = phrase("learning rate {x}: loss {y}")
    curve(axes, record.rates, record.losses, BLUE, phrase("each batch"), words, alpha=0.35)
    axes.plot(record.rates, smoothed(record.losses), color=BLUE, label=phrase("running mean"))
    axes.set_xscale("log")
    logarithmic(axes)
    title = phrase("Loss while the learning rate grows")
    dress(axes, title, phrase("learning rate (logarithmic)"), phrase("loss of one batch"))
    axes.axvline(
        record.suggested,
        color=ORANGE,
        linewidth=1.4,
        linestyle=(0, (4, 3)),
        label=phrase("suggested: {rate}", rate=number(record.suggested, 2)),
    )
    axes.legend(loc="best")
    return figure
