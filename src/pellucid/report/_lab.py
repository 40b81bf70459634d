"""The figures of the lab: one for each claim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from ..errors import SettingError
from ..insight import DropoutScale, Propagation
from ..lab import (
    Agreement,
    Approximated,
    Cut,
    Depths,
    HalfSpace,
    Memory,
    OneSign,
    Result,
    Saturation,
    Sharing,
    Symmetry,
)
from ..language import phrase, translated
from . import _complex, _signal
from ._colours import BLUE, GREEN, INK, MUTED, ORANGE, RED
from ._keys import legend
from ._panels import framed
from ._style import dress, new, powers, tips
from ._weights import signs

SCALES = {1.0: BLUE, 2.0: RED, 0.5: GREEN}
LEAST = 1e-18  # what an exact agreement is drawn as, where 0 has no place


def picture(record: Result) -> Figure:
    """The figure of a result, by what its experiment saw.

    Raises: SettingError for a claim that has no experiment yet.
    """
    if record.evidence is None:
        raise SettingError(f"{record.claim} has no experiment yet, and so no picture.")
    return DRAWN[type(record.evidence)](record.evidence)


def half_space(record: HalfSpace) -> Figure:
    """The points on which a unit is on, those on which it is off, and its hyperplane."""
    figure, ((axes,),) = new(3.7)
    on, off = record.points[record.on], record.points[~record.on]
    filled = axes.scatter(*on.T, s=26, color=BLUE, linewidths=0, zorder=3)
    rings = axes.scatter(*off.T, s=26, facecolors="none", edgecolors=ORANGE, linewidths=1.3, zorder=3)
    for drawn, which, side in ((filled, record.on, phrase("on")), (rings, ~record.on, phrase("off"))):
        tips(drawn, [phrase("({x:g}, {y:g}): {side}, distance {d:.3g}", x=x, y=y, side=side, d=d)
                     for (x, y), d in zip(record.points[which], record.distance[which], strict=True)])  # fmt: skip
    (a, b), (low, high) = record.weight, (record.points.min(0) - 0.5, record.points.max(0) + 0.5)
    across = np.array([low[0], high[0]])
    axes.plot(across, -(a * across + record.bias) / b, color=INK, linewidth=1.6)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    title = phrase("On at {on:,} points, off at {off:,}", on=len(on), off=len(off))
    dress(axes, title, "x₁", "x₂", grid="")
    return figure


def cut(record: Cut) -> Figure:
    """The regions with the boundary, and the rows."""
    n = record.regions.flat.n_out
    outputs = record.outputs or tuple(str(k) for k in range(n) if n > 1)
    classes = [outputs[k] if k < len(outputs) else "" for k in record.classes.tolist()]
    rows = (record.points, classes) if outputs and len(set(classes)) > 1 else None
    title = phrase("{n:,} regions, one linear formula in each", n=record.regions.count)
    return _complex.regions(record.regions, names=record.axes, outputs=outputs, rows=rows, title=title)


def agreement(record: Agreement) -> Figure:
    """How far every backward is from both oracles, and one chain in numbers."""
    figure, ((axes,), (below,)) = new(4.2, 2, 1, height_ratios=(1, 0.75))
    for values, y, colour, name in (
        (record.automatic, 1.0, BLUE, phrase("automatic differentiation")),
        (record.differences, 0.0, ORANGE, phrase("finite differences")),
    ):
        spread = 0.62 * (np.random.default_rng(0).permutation(len(values)) / max(len(values) - 1, 1) - 0.5)
        dots = axes.scatter(np.maximum(values, LEAST), y + spread, s=20, color=colour, linewidths=0, alpha=0.8)
        tips(dots, [f"{translated(kind)}: {v:.1e}" for kind, v in zip(record.names, values, strict=True)])
        axes.text(3e-19, y + 0.42, translated(name), color=colour, size=9, va="bottom")
    axes.vlines([1e-10, 1e-6], [0.55, -0.45], [1.45, 0.45], color=MUTED, linewidth=1.2, linestyle=(0, (4, 2.5)))
    axes.set(xscale="log", xlim=(2e-19, 30), ylim=(-0.6, 1.8), yticks=[])
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.xaxis.set_major_formatter(powers)
    axes.xaxis.set_minor_locator(NullLocator())
    dress(
        axes, phrase("{n} layers beside two oracles", n=len(record.names)), phrase("relative difference"), "", grid="x"
    )
    chain(below, record)
    return figure


def chain(axes: Axes, record: Agreement) -> None:
    """The factors of one weight's chain, left to right from the loss."""
    steps = record.chain.steps
    dress(axes, phrase("One weight's chain"), "", "", grid="")
    axes.set(xlim=(0, len(steps)), ylim=(0, 1), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    for i, step in enumerate(steps):
        axes.text(i + 0.5, 0.72, step.symbol, ha="center", va="center", size=10, color=MUTED)
        axes.text(i + 0.5, 0.42, f"{step.factor:.4g}".replace("-", "−"), ha="center", va="center", size=13, color=INK)
        if i:
            axes.text(i, 0.42, "×", ha="center", va="center", size=11, color=MUTED)
    product = f"{record.chain.product:.4g}".replace("-", "−")
    axes.text(len(steps) / 2, 0.06, f"= dL/dW = {product}", ha="center", va="center", size=11, color=BLUE)


def symmetry(record: Symmetry) -> Figure:
    """The weights of every unit from both starts, and the losses."""
    figure, panels = new(4.6, 2, 2, height_ratios=(1, 1))
    scale = float(max(abs(record.tied).max(), abs(record.free).max())) or 1.0
    named = ((record.tied, phrase("from equal units")), (record.free, phrase("from a random start")))
    for axes, (weights, name) in zip(panels[0], named, strict=True):
        axes.imshow(signs(weights, scale), interpolation="none", aspect="auto")
        dress(axes, translated(name), phrase("unit"), phrase("input") if axes is panels[0][0] else "", grid="")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_yticks([])
        framed(axes)
    for axes in panels[1]:
        axes.remove()
    below = figure.add_subplot(panels[1][0].get_gridspec()[1, :])
    for losses, colour, name in ((record.tied_losses, RED, named[0][1]), (record.free_losses, BLUE, named[1][1])):
        below.plot(np.linspace(0, 1, len(losses)), losses, color=colour, label=translated(name))
    below.set_xticks([0, 0.5, 1], ["0", "500", "1,000"])
    below.set_ylim(0, None)
    dress(below, phrase("Loss"), phrase("step"), "", grid="y")
    below.legend()
    return figure


def depths(record: Depths) -> Figure:
    """The variance of signal and blame by depth at every scale, measured and predicted, from where each begins."""
    figure, panels = new(5.0, 2, len(record.parts), sharex=True, sharey=True)
    for column, part in enumerate(record.parts):
        for axes, what in zip(panels[:, column], ("variance", "blame"), strict=True):
            for scale, found in part.found.items():
                by_depth(axes, found, what, SCALES[scale], f"×{scale:g}")
            axes.set(yscale="log", ylim=(1e-36, 1e36))
            axes.yaxis.set_major_locator(LogLocator(numticks=5))
            axes.yaxis.set_major_formatter(powers)
            axes.yaxis.set_minor_locator(NullLocator())
        title = translated(part.title) if len(record.parts) > 1 else ""
        first = column == 0
        dress(panels[0, column], title, "", phrase("variance of the signal") if first else "", grid="y")
        dress(panels[1, column], "", phrase("depth"), phrase("variance of the blame") if first else "", grid="y")
    legend(figure, {f"×{scale:g}": colour for scale, colour in SCALES.items()}, 1.0)
    return figure


def by_depth(axes: Axes, found: Propagation, what: str, colour: str, name: str) -> None:
    """One of the two variances at one scale, relative to where it begins: dots measured, a line predicted."""
    depth = np.arange(1, len(found.layers) + 1)
    measured, predicted = (
        np.array([told(getattr(row, what + which)) for row in found.layers]) for which in ("", "_predicted")
    )
    start = measured[0 if what == "variance" else -1]
    axes.plot(depth, predicted / start, color=colour, linewidth=1.3)
    dots = axes.scatter(depth[::2], measured[::2] / start, s=13, color=colour, linewidths=0, zorder=3)
    seen = [(int(n), float(v)) for n, v in zip(depth[::2], measured[::2], strict=True) if np.isfinite(v / start)]
    tips(dots, [phrase("{scale}, layer {n}: {value:.2g}", scale=name, n=n, value=v) for n, v in seen])


def told(value: float | None) -> float:
    """A value that a logarithmic axis can show, or NaN."""
    return float(value) if value is not None and np.isfinite(value) and value > 0 else np.nan


def saturation(record: Saturation) -> Figure:
    """The push on a unit that is wrong, by how wrong it is; and how it finds its way up."""
    figure, ((upper,), (lower,)) = new(4.8, 2)
    colours = dict(zip(record.gradients, (RED, BLUE), strict=True))
    names = dict(zip(record.gradients, (phrase("squared error"), phrase("cross-entropy")), strict=True))
    for name, gradient in record.gradients.items():
        upper.plot(record.z, -gradient, color=colours[name], label=translated(names[name]))
        path = record.paths[name]
        lower.plot(np.arange(len(path)) + 1, path, color=colours[name])
    lower.axhline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 2.5)))
    lower.set_xscale("log")
    lower.xaxis.set_major_formatter(powers)
    lower.xaxis.set_minor_locator(NullLocator())
    upper.legend()
    dress(upper, phrase("The push where 1 is right"), phrase("z of the unit"), "−dL/dz", grid="y")
    dress(lower, phrase("The way up"), phrase("steps"), "z", grid="y")
    return figure


def sharing(record: Sharing) -> Figure:
    """Errors with sharing and without; the kernel that is shared, and what became of it at nine places."""
    figure, panels = new(4.6, 2, 2, height_ratios=(0.9, 1))
    for axes in panels[0]:
        axes.remove()
    bars(figure.add_subplot(panels[0][0].get_gridspec()[0, :]), record)
    kernel, alone = record.shared, record.alone
    if kernel.ndim != 4:
        for axes in panels[1]:
            axes.set_axis_off()
        return figure
    unit = int(np.abs(kernel).sum((0, 1, 2)).argmax())
    shown = kernel[:, :, 0, unit], at_nine(alone, unit) if alone.ndim == 6 else kernel[:, :, 0, unit]
    for axes, values in zip(panels[1], shown, strict=True):
        axes.imshow(signs(values, float(abs(values).max())), interpolation="none")
    titles = phrase("one kernel, shared"), phrase("the same at nine places")
    for axes, title in zip(panels[1], titles, strict=True):
        dress(axes, title, "", "", grid="")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure


def bars(axes: Axes, record: Sharing) -> None:
    """The errors on what was learned from, and on shifted pictures."""
    names = phrase("learned from"), phrase("shifted")
    for i, (label, colour) in enumerate(((phrase("shared"), BLUE), (phrase("not shared"), RED))):
        values = record.learned[i], record.errors[i]
        drawn = axes.barh(np.arange(2) + 0.38 * i - 0.19, values, 0.34, color=colour, label=translated(label))
        for y, value in zip(np.arange(2) + 0.38 * i - 0.19, values, strict=True):
            axes.text(value + 0.01, y, f"{value:.1%}", va="center", size=9, color=MUTED)
        tips(drawn[0], [f"{translated(label)}: {values[0]:.1%}"])
    axes.set_yticks(range(2), list(map(translated, names)))
    axes.set_ylim(1.5, -0.5)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    axes.legend(loc="upper right")
    dress(axes, phrase("Errors of classification"), "", "", grid="x")


def at_nine(alone: np.ndarray, unit: int) -> np.ndarray:
    """The kernels of one unit at nine places, three by three, with a gap between."""
    places = [np.linspace(0, n - 1, 3).round().astype(int) for n in alone.shape[:2]]
    high, wide = alone.shape[2:4]
    whole = np.full((3 * high + 2, 3 * wide + 2), np.nan)
    for i, down in enumerate(places[0]):
        for j, across in enumerate(places[1]):
            whole[i * (high + 1) :][:high, j * (wide + 1) :][:, :wide] = alone[down, across, :, :, 0, unit]
    return np.nan_to_num(whole)


def memory(record: Memory) -> Figure:
    """The share of new sequences answered rightly, and the opening of the gate that keeps."""
    shown = record.openings is not None
    figure, panels = new(4.4 if shown else 2.2, 1 + shown, 1, **({"height_ratios": (0.8, 1)} if shown else {}))
    axes = panels[0][0]
    colours = [BLUE if name != "RNN" else RED for name in record.names]
    y = np.arange(len(record.names))
    axes.barh(y, record.right, 0.55, color=colours)
    for at, value in zip(y, record.right, strict=True):
        axes.text(value + 0.01, at, f"{value:.1%}", va="center", size=9, color=MUTED)
    axes.axvline(record.guessing, color=INK, linewidth=1.2, linestyle=(0, (4, 2.5)))
    axes.set_yticks(y, record.names)
    axes.set(xlim=(0, 1.12), ylim=(len(y) - 0.5, -0.5), xticks=[0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    dress(axes, phrase("Answered rightly"), "", "", grid="x")
    if record.openings is not None:
        left(panels[1][0], record)
    return figure


def left(axes: Axes, record: Memory) -> None:
    """How much of what each unit held at first its gates have left at each step, `Π σ(g)`."""
    layer = record.openings.layers[0]  # pyright: ignore[reportOptionalMemberAccess]
    kept = np.cumprod(layer.openings[layer.keeper][0], axis=0)
    axes.plot(np.arange(1, len(kept) + 1), kept, color=BLUE, linewidth=1, alpha=0.7)
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    dress(axes, phrase("{kind}: what is left of the first step", kind=layer.kind), phrase("step"), "", grid="y")


def approximated(record: Approximated) -> Figure:
    """A function with the network built for it, and the errors by the number of neurons."""
    figure, ((upper,), (lower,)) = new(4.8, 2)
    upper.plot(record.x, record.y, color=INK, linewidth=1.2, label=phrase("the function"))
    few = phrase("a network of {n} neurons", n=int(record.neurons[0]))
    upper.plot(record.x, record.net, color=BLUE, linewidth=1.6, linestyle=(0, (4, 2)), label=few)
    upper.legend()
    dress(upper, phrase("Built, not trained"), "x", "", grid="y")
    lower.plot(record.neurons, record.proven, color=BLUE, label=phrase("proven"))
    dots = lower.scatter(
        record.neurons, record.found, s=34, color=ORANGE, linewidths=0, zorder=3, label=phrase("found")
    )
    tips(dots, [phrase("{n} neurons: {value:.3g}", n=int(n), value=float(v))
                for n, v in zip(record.neurons, record.found, strict=True)])  # fmt: skip
    falling = record.proven[0] * (record.neurons / record.neurons[0]) ** -2.0
    lower.plot(record.neurons, falling, color=MUTED, linewidth=1.1, linestyle=(0, (4, 2.5)), label="∝ n⁻²")
    lower.set(xscale="log", yscale="log")
    lower.set_xticks(record.neurons, [str(n) for n in record.neurons])
    lower.xaxis.set_minor_locator(NullLocator())
    lower.yaxis.set_major_formatter(powers)
    lower.yaxis.set_minor_locator(NullLocator())
    lower.legend()
    dress(lower, phrase("Largest error"), phrase("neurons"), "", grid="y")
    return figure


def one_sign(record: OneSign) -> Figure:
    """What is to be learned, with inhibition and without; and both losses by the step."""
    figure, ((upper,), (lower,)) = new(4.8, 2)
    many = len(record.x) > 0 and float(np.abs(np.diff(record.y)).mean()) > 0.1 * float(np.ptp(record.y) or 1)
    if many:
        upper.scatter(record.x, record.y, s=7, color=MUTED, linewidths=0, alpha=0.6, label=phrase("to be learned"))
    else:
        upper.plot(record.x, record.y, color=MUTED, linewidth=4, alpha=0.45, label=phrase("to be learned"))
    without, both = phrase("no weight below 0"), phrase("weights of both signs")
    upper.plot(record.x, record.bound, color=RED, label=without)
    upper.plot(record.x, record.free, color=BLUE, linewidth=1.4, label=both)
    upper.legend()
    dress(upper, phrase("What each can follow"), "x", "", grid="y")
    for losses, colour in ((record.bound_losses, RED), (record.free_losses, BLUE)):
        lower.plot(np.linspace(0, 2000, len(losses)), np.maximum(losses, 1e-12), color=colour)
    lower.set_yscale("log")
    lower.yaxis.set_major_formatter(powers)
    lower.yaxis.set_minor_locator(NullLocator())
    dress(lower, phrase("Loss"), phrase("step"), "", grid="y")
    return figure


DRAWN: dict[type, Callable[[Any], Figure]] = {
    HalfSpace: half_space,
    Cut: cut,
    Agreement: agreement,
    Symmetry: symmetry,
    Depths: depths,
    Saturation: saturation,
    Sharing: sharing,
    DropoutScale: _signal.dropout_scale,
    Memory: memory,
    Approximated: approximated,
    OneSign: one_sign,
}
