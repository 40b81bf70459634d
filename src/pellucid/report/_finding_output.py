"""Findings on the end of a network, drawn: what its output can reach, and the blame that its loss gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..language import phrase
from ._colours import BLUE, GREEN, MUTED, ORANGE, RED
from ._style import dress, new, percents, tips
from .words import loss_name, number, share

REACH = 8.0  # logits that are drawn to either side
SPAN, MOST = (-1.5, 2.5), 10.0  # outputs, and blame, that are drawn
CLIP = 1e-7  # where a loss cuts probabilities off


def constant(numbers: dict[str, Any], where: str) -> Figure:
    """Softmax over one unit beside the sigmoid that was meant."""
    figure, ((axes,),) = new(2.9)
    z = np.linspace(-6, 6, 201)
    axes.plot(z, sigmoid(z), color=GREEN, linestyle=(0, (4, 2.5)), label="sigmoid(z)")
    (line,) = axes.plot(z, np.full_like(z, numbers["constant"]), color=RED, label="softmax(z)")
    tips(line, [phrase("softmax of one unit is {value} for every z", value=number(float(numbers["constant"])))])
    axes.set_ylim(-0.08, 1.12)
    dress(axes, phrase("The output of {layer}", layer=where), "z", phrase("output"))
    axes.legend(loc="center right")
    return figure


def reach(numbers: dict[str, Any], where: str) -> Figure:
    """How the targets lie in and around what the output can give."""
    y = np.array(numbers["targets"], float)
    y = y[np.isfinite(y)]
    low, high = (end(numbers[side], sign) for side, sign in (("low", -1), ("high", 1)))
    figure, ((axes,),) = new(2.9)
    finite = [v for v in (low, high) if np.isfinite(v)]
    least, most = min([y.min(), *finite]), max([y.max(), *finite])
    room = 0.06 * (most - least or 1)
    edges = np.linspace(y.min(), y.max() if y.max() > y.min() else y.min() + 1, 26)
    counts, edges = np.histogram(y, edges)
    middles = (edges[1:] + edges[:-1]) / 2
    colours = [BLUE if low <= middle <= high else RED for middle in middles]
    boxes = axes.bar(edges[:-1], counts / max(len(y), 1), np.diff(edges), align="edge", color=colours)
    for box, count, a, b in zip(boxes, counts, edges[:-1], edges[1:], strict=True):
        ends, part = {"a": number(float(a), 3), "b": number(float(b), 3)}, share(count / max(len(y), 1))
        tips(box, [phrase("targets from {a} to {b}: {part} of those shown", **ends, part=part)])
    axes.axvspan(max(low, least - room), min(high, most + room), color=GREEN, alpha=0.16, linewidth=0, zorder=0)
    axes.set_xlim(least - room, most + room)
    axes.yaxis.set_major_formatter(percents)
    out = float(((y < low) | (y > high)).mean()) if len(y) else 0.0
    title = phrase("{part} of the targets are out of reach", part=share(out))
    dress(axes, title, phrase("target"), phrase("share of the targets"), grid="y")
    return figure


def end(value: Any, sign: int) -> float:
    """The end of a range; None, as JSON has it, is infinity."""
    return sign * np.inf if value is None else float(value)


def blame(numbers: dict[str, Any], where: str) -> Figure:
    """The blame of a yes-or-no answer by its logit, with this pair of output and loss and with cross-entropy."""
    curve, loss = numbers["pair"]
    own = BLAMES[curve, loss]
    margins = np.array(numbers["margins"], float)
    margins = np.clip(margins[np.isfinite(margins)], -REACH, REACH)
    figure, ((axes,),) = new(3.5)
    z = np.linspace(-REACH, REACH, 401)
    size, suited = abs(own(z)), 1 - sigmoid(z)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.fill_between(z, size, suited, where=list(suited > size), color=ORANGE, alpha=0.12, linewidth=0)
    axes.plot(z, suited, color=GREEN, linestyle=(0, (4, 2.5)), label=phrase("cross-entropy on the logit"))
    own_label = phrase("{loss}, output: {curve}", loss=loss_name(loss), curve=curve)
    axes.plot(z, size, color=ORANGE, label=own_label)
    marked(axes, margins, abs(own(margins)), margins < 0)
    across = phrase("logit: wrong to the left, right to the right")
    dress(axes, phrase("Blame by how sure an answer is"), across, "|dL/dz|")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=1, borderaxespad=0)
    return figure


def marked(axes: Axes, at: np.ndarray, size: np.ndarray, wrong: np.ndarray) -> None:
    """Rows of the training on a line."""
    label = phrase("rows of this training")
    rows = axes.scatter(at, size, s=26, color=BLUE, alpha=0.45, linewidths=0, zorder=3, label=label)
    if len(at):
        tips(rows, [phrase("{part} of these rows are answered wrongly", part=share(float(wrong.mean())))])


def clipped(numbers: dict[str, Any], where: str) -> Figure:
    """The blame by an output that is taken for a probability and is none."""
    outputs = np.array(numbers["clipped"], float)
    outputs = np.clip(outputs[np.isfinite(outputs)], *SPAN)
    figure, ((axes,),) = new(3.4)
    z = np.linspace(*SPAN, 801)
    axes.axvspan(0, 1, color=GREEN, alpha=0.16, linewidth=0)
    axes.plot(z, cut_off(z), color=ORANGE, label=loss_name(numbers["loss"]))
    marked(axes, outputs, np.minimum(cut_off(outputs), MOST), outputs < 0.5)
    axes.set_ylim(-0.03 * MOST, MOST)
    dress(axes, phrase("Blame by the output for the right class"), phrase("output"), "|dL/dz|")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=1, borderaxespad=0)
    return figure


def cut_off(z: np.ndarray) -> np.ndarray:
    """`|d(−log z)/dz|`, 0 where z is cut off."""
    inside = (z > CLIP) & (z < 1 - CLIP)
    return np.where(inside, 1 / np.where(inside, z, 1), 0.0)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def slope(z: np.ndarray) -> np.ndarray:
    return sigmoid(z) * (1 - sigmoid(z))


# dL/dz of a row whose answer should be yes, by output activation and loss. A softmax over two classes is a sigmoid of
# the difference of their logits.
BLAMES: dict[tuple[str, str], Callable[[np.ndarray], np.ndarray]] = {
    ("sigmoid", "squared_error"): lambda z: 2 * (sigmoid(z) - 1) * slope(z),
    ("softmax", "squared_error"): lambda z: 2 * (sigmoid(z) - 1) * slope(z),
    ("sigmoid", "absolute_error"): lambda z: -slope(z),
    ("sigmoid", "binary_cross_entropy"): lambda z: (sigmoid(sigmoid(z)) - 1) * slope(z),
    ("softmax", "cross_entropy"): lambda z: 2 * (sigmoid(2 * sigmoid(z) - 1) - 1) * slope(z),
}
