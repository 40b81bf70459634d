"""The network drawn: units as dots, weights as lines, coloured by who is to blame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ..backprop import Blame
from ..errors import SettingError
from ..language import phrase, translated
from ..layers import Sequential
from ..module import children, walk
from ._colours import BLUE, INK, MUTED, ORANGE, PANEL
from ._style import new, tips
from .words import cut, squeezed

MOST_UNITS = 10
MOST_COLUMNS = 6


class Between(NamedTuple):
    """One weighted layer: its path and the gradient (in, out) of its weight."""

    path: str
    gradient: np.ndarray


def network(
    record: Blame, names: tuple[str, ...] = (), outputs: tuple[str, ...] = (), most: int = MOST_UNITS
) -> Figure:
    """Every unit and weight, at most `most` units a layer (those blamed most); a line is as strong as its blame.

    Orange: the loss falls when the weight falls (gradient > 0); blue: when it grows.
    Raises: SettingError for a network that is not a chain of Dense layers.
    """
    layers = chain(record)
    kept = blamed_most(layers, most)
    figure, ((axes,),) = new(1.1 + 0.3 * max(map(len, kept)))
    axes.set_axis_off()
    high = max(map(len, kept)) - 1
    places = [0.5 + (np.arange(len(units))[::-1] - (len(units) - 1) / 2) / max(high, 1) for units in kept]
    top = max(max(float(np.abs(b.gradient).max()) for b in layers), 1e-30)
    for i, layer in enumerate(layers):
        edges(axes, i, layer, kept[i], kept[i + 1], places, top)
    sizes = [layers[0].gradient.shape[0], *(b.gradient.shape[1] for b in layers)]
    for i, (units, y) in enumerate(zip(kept, places, strict=True)):
        labels = names if i == 0 else outputs if i == len(kept) - 1 else ()
        what = phrase("input") if i == 0 else layers[i - 1].path
        nodes(axes, i, units, y, sizes[i], what, labels, i == len(kept) - 1)
    axes.set_xlim(-0.55 if names else -0.25, len(layers) + (0.45 if outputs else 0.25))
    axes.set_ylim(-0.22, 1.04)
    axes.set_title(phrase("Blame of every weight"))
    return figure


def chain(record: Blame) -> list[Between]:
    """The Dense layers in order, each fed by the one before.

    Raises: SettingError where they are not such a chain, or more than a drawing can hold.
    """
    found = []
    for signal in record.signals.values():
        gradient = record.gradients.get(f"{signal.path}.weight".removeprefix("."))
        if signal.kind == "Dense" and gradient is not None:
            found.append(Between(signal.path, np.nan_to_num(gradient.astype(float), posinf=0, neginf=0)))
    weights = [path for path, gradient in record.gradients.items() if gradient.ndim > 1]
    in_line = all(isinstance(layer, Sequential) for _, layer in walk(record.net) if children(layer))
    if not found or len(found) != len(weights) or not in_line:
        raise SettingError("Only a chain of Dense layers is drawn unit by unit: plot() draws any network by depth.")
    if len(found) > MOST_COLUMNS:
        raise SettingError(
            f"{len(found)} layers are more than the {MOST_COLUMNS} drawn unit by unit: plot() draws them by depth."
        )
    return found


def blamed_most(layers: list[Between], most: int) -> list[np.ndarray]:
    """For each column of units the places of those with the most blame on their weights, in their order."""
    size = [np.square(b.gradient).sum(1) for b in layers[:1]]
    for i, layer in enumerate(layers):
        behind = np.square(layers[i + 1].gradient).sum(1) if i + 1 < len(layers) else 0
        size.append(np.square(layer.gradient).sum(0) + behind)
    return [np.sort(np.argsort(-s, kind="stable")[:most]) for s in size]


def edges(
    axes: Axes, i: int, layer: Between, left: np.ndarray, right: np.ndarray, places: list[np.ndarray], top: float
) -> None:
    """The lines between two columns of units."""
    pairs = [(a, b) for a in range(len(left)) for b in range(len(right))]
    blame = np.array([layer.gradient[left[a], right[b]] for a, b in pairs])
    # The square root lets a weight with a hundredth of the largest blame still be seen.
    strength = np.sqrt(np.abs(blame) / top)
    order = np.argsort(strength, kind="stable")
    ends = [(places[i][pairs[k][0]], places[i + 1][pairs[k][1]]) for k in order]
    lines = [np.array([[i, y], [i + 1, z]]) for y, z in ends]
    colours = [ORANGE if blame[k] > 0 else BLUE for k in order]
    drawn = LineCollection(
        lines, colors=colours, linewidths=0.3 + 3.2 * strength[order], alpha=[0.08 + 0.92 * s for s in strength[order]]
    )
    said = (f"{layer.path}.weight[{left[pairs[k][0]]}, {right[pairs[k][1]]}]: dL/dw = {blame[k]:.3g}" for k in order)
    tips(drawn, list(said))
    axes.add_collection(drawn, autolim=False)


def nodes(
    axes: Axes, i: int, units: np.ndarray, y: np.ndarray, total: int, title: str, labels: tuple[str, ...], last: bool
) -> None:
    """One column of units, with what it is and how many are left out below."""
    named = len(labels) == total
    dots = axes.scatter(np.full(len(units), i), y, s=58, facecolor=PANEL, edgecolor=MUTED, linewidths=1.1, zorder=3)
    said = (phrase("{layer}, unit {unit}", layer=title, unit=int(unit)) for unit in units)
    tips(dots, [f"{one}: {translated(labels[u])}" if named else one for u, one in zip(units, said, strict=True)])
    if named:
        for unit, height in zip(units, y, strict=True):
            side = {"ha": "left", "x": i + 0.09} if last else {"ha": "right", "x": i - 0.09}
            axes.text(side["x"], height, squeezed(labels[unit]), ha=side["ha"], va="center", size=8.5, color=INK)
    left_out = total - len(units)
    axes.text(i, -0.07, cut(title, 12), ha="center", va="top", size=9, color=INK)
    what = phrase("1 unit") if total == 1 else phrase("{n} units", n=total)
    if left_out:
        what = phrase("{n} of {total} units", n=len(units), total=total)
    axes.text(i, -0.15, what, ha="center", va="top", size=8.5, color=MUTED)
