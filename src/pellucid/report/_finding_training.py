"""Findings on how a network is trained, drawn: what other rates and changes reach, losses that fall or part."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..language import phrase, translated
from ..recall import recalled
from ._colours import BLUE, GREEN, MUTED, ORANGE
from ._curves import curve, logarithmic
from ._finding_network import bars
from ._style import dress, new, percents, powers
from .words import SCORE, measure, number, scored, sentence_case, share

AS_IT_IS, CONSTANT, BEST = phrase("as it is"), phrase("a constant answer"), phrase("best that was tried")


def rates(numbers: dict[str, Any], where: str) -> Figure:
    """The score at each learning rate that was tried."""
    metric = measure(numbers.get("metric", SCORE))
    pairs = np.array(sorted(map(tuple, numbers["rates"])), float)
    figure, ((axes,),) = new(3.0)
    words = phrase("learning rate {x}: {metric} {y}", x="{x}", y="{y}", metric=metric)
    curve(axes, pairs[:, 0], pairs[:, 1], BLUE, "", words, lambda value: scored(numbers.get("metric", SCORE), value))
    now = float(numbers["rate"])
    axes.axvline(now, color=ORANGE, linewidth=1.4, label=phrase("as it is, {rate}", rate=number(now, 2)))
    if numbers.get("usual"):
        usual = float(numbers["usual"])
        label = phrase("usual, {rate}", rate=number(usual, 2))
        axes.axvline(usual, color=GREEN, linewidth=1.4, linestyle=(0, (4, 2.5)), label=label)
    trivial_line(axes, numbers)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(powers)
    axis_of_scores(axes, numbers, "y")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.24), ncols=3, borderaxespad=0, columnspacing=1.2)
    dress(axes, phrase("What is reached at other learning rates"), phrase("learning rate"), metric)
    return figure


def losses(numbers: dict[str, Any], where: str) -> Figure:
    """The loss along the training."""
    values = np.array(numbers["losses"], float)
    figure, ((axes,),) = new(2.7)
    curve(axes, np.arange(1, len(values) + 1), values, BLUE, "", phrase("part {x}: loss {y}"))
    logarithmic(axes)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    half = values[len(values) // 2 :]
    fell = 1 - half[-1] / half[0] if len(half) > 1 and half[0] > 0 and np.isfinite(half).all() else 0.0
    title = phrase("The loss of the training")
    if fell > 0:
        title = phrase("The loss: {part} less over the last half", part=share(fell, 0))
    dress(axes, title, phrase("parts of the training"), phrase("loss"))
    return figure


def overfit(numbers: dict[str, Any], where: str) -> Figure:
    """The loss in training and on the rows held out, by epoch."""
    figure, ((axes,),) = new(3.0)
    held = np.array(numbers["held"], float)
    drawn = ((phrase("training"), numbers["loss"], BLUE), (phrase("rows held out"), held, ORANGE))
    for name, values, colour in drawn:
        words = phrase("epoch {x}: loss, {name}, {y}", x="{x}", y="{y}", name=name)
        curve(axes, np.arange(1, len(values) + 1), values, colour, name, words)
    logarithmic(axes)
    axes.axvline(int(np.nanargmin(held)) + 1, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.legend(loc="best")
    dress(axes, phrase("Loss by epoch"), phrase("epoch"), phrase("loss"))
    return figure


def reached(numbers: dict[str, Any], where: str) -> Figure:
    """What short trainings reach, with one thing changed each, beside the training as it is."""
    metric = numbers.get("metric", SCORE)
    scores = {tried(name): float(value) for name, value in numbers["reached"].items() if value is not None}
    own = translated(AS_IT_IS)
    colours = [MUTED if n == translated(CONSTANT) else ORANGE if n.startswith(own) else BLUE for n in scores]
    figure, ((axes,),) = new(1.0 + 0.28 * len(scores))
    said = [f"{name}: {scored(metric, value)}" for name, value in scores.items()]
    values = np.array(list(scores.values()))
    bars(axes, list(scores), values, colours, said)
    for i, value in enumerate(values):
        axes.annotate(
            scored(metric, value), (max(value, 0), i), (4, 0), textcoords="offset points", va="center", color=MUTED,
            size=9,
        )  # fmt: skip
    axis_of_scores(axes, numbers, "x")
    axes.set_xlim(min(0.0, float(values.min())), 1.16 * max(1.0, float(values.max())))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    name = measure(metric)
    dress(axes, phrase("{metric} that is reached", metric=sentence_case(name)), name, "", grid="x")
    return figure


def tried(names: str) -> str:
    """What was changed, by the names of the changes."""
    return phrase(" and ").join(recalled(name) for name in names.split(" and "))


def trivial_line(axes: Axes, numbers: dict[str, Any]) -> None:
    if numbers.get("trivial") is not None:
        axes.axhline(numbers["trivial"], color=MUTED, linewidth=1, linestyle=(0, (3, 3)), label=translated(CONSTANT))


def axis_of_scores(axes: Axes, numbers: dict[str, Any], side: str) -> None:
    if numbers.get("metric") == "accuracy":
        getattr(axes, f"{side}axis").set_major_formatter(percents)
