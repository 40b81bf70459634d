"""Findings on how a network is trained, drawn: what other rates and changes reach, losses that fall or part."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ._colours import BLUE, GREEN, MUTED, ORANGE
from ._curves import curve, logarithmic
from ._finding_network import bars
from ._style import dress, new, powers
from .words import number, scored, sentence_case, share

AS_IT_IS, CONSTANT = "as it is", "a constant answer"


def rates(numbers: dict[str, Any], where: str) -> Figure:
    """The score at each learning rate that was tried."""
    metric = numbers.get("metric", "score")
    pairs = np.array(sorted(map(tuple, numbers["rates"])), float)
    figure, ((axes,),) = new(3.0)
    words = "learning rate {x}: " + metric + " {y}"
    curve(axes, pairs[:, 0], pairs[:, 1], BLUE, "", words, lambda value: scored(metric, value))
    now = float(numbers["rate"])
    axes.axvline(now, color=ORANGE, linewidth=1.4, label=f"as it is, {number(now, 2)}")
    if numbers.get("usual"):
        usual = float(numbers["usual"])
        axes.axvline(usual, color=GREEN, linewidth=1.4, linestyle=(0, (4, 2.5)), label=f"usual, {number(usual, 2)}")
    trivial_line(axes, numbers)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(powers)
    axis_of_scores(axes, numbers, "y")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.24), ncols=3, borderaxespad=0, columnspacing=1.2)
    dress(axes, "What is reached at other learning rates", "learning rate", metric)
    return figure


def losses(numbers: dict[str, Any], where: str) -> Figure:
    """The loss along the training."""
    values = np.array(numbers["losses"], float)
    figure, ((axes,),) = new(2.7)
    curve(axes, np.arange(1, len(values) + 1), values, BLUE, "", "part {x}: loss {y}")
    logarithmic(axes)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    half = values[len(values) // 2 :]
    fell = 1 - half[-1] / half[0] if len(half) > 1 and half[0] > 0 and np.isfinite(half).all() else 0.0
    said = f"The loss: {share(fell, 0)} less over the last half" if fell > 0 else "The loss of the training"
    dress(axes, said, "parts of the training", "loss")
    return figure


def overfit(numbers: dict[str, Any], where: str) -> Figure:
    """The loss in training and on the rows held out, by epoch."""
    figure, ((axes,),) = new(3.0)
    held = np.array(numbers["held"], float)
    for name, values, colour in (("training", numbers["loss"], BLUE), ("rows held out", held, ORANGE)):
        curve(axes, np.arange(1, len(values) + 1), values, colour, name, f"epoch {{x}}: loss, {name}, {{y}}")
    logarithmic(axes)
    axes.axvline(int(np.nanargmin(held)) + 1, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.legend(loc="best")
    dress(axes, "Loss by epoch", "epoch", "loss")
    return figure


def reached(numbers: dict[str, Any], where: str) -> Figure:
    """What short trainings reach, with one thing changed each, beside the training as it is."""
    metric = numbers.get("metric", "score")
    scores = {name: float(value) for name, value in numbers["reached"].items() if value is not None}
    colours = [MUTED if name == CONSTANT else ORANGE if name.startswith(AS_IT_IS) else BLUE for name in scores]
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
    dress(axes, f"{sentence_case(metric)} that is reached", metric, "", grid="x")
    return figure


def trivial_line(axes: Axes, numbers: dict[str, Any]) -> None:
    if numbers.get("trivial") is not None:
        axes.axhline(numbers["trivial"], color=MUTED, linewidth=1, linestyle=(0, (3, 3)), label=CONSTANT)


def axis_of_scores(axes: Axes, numbers: dict[str, Any], side: str) -> None:
    if numbers.get("metric") == "accuracy":
        getattr(axes, f"{side}axis").set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
