"""What is inside: signal and blame by depth, the neurons of the first layer, the gradient's check."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..backprop import Blame, GradientCheck
from ..language import phrase
from ._colours import BLUE, ORANGE
from ._style import dress, new, tips
from .words import cut, number

MOST_LAYERS = 60


def depth(record: Blame) -> Figure:
    """The variance of every layer's output and of its error signal δ, from the first layer (top) to the last."""
    signals = list(record.signals.values())
    kept = [
        signals[i] for i in sorted({int(i) for i in np.linspace(0, len(signals) - 1, min(len(signals), MOST_LAYERS))})
    ]
    names = [cut(f"{s.path} {s.kind}".strip(), 24) for s in kept]
    figure, ((left, right),) = new(max(2.6, 1.3 + 0.3 * len(kept)), 1, 2, sharey=True)
    figure.get_layout_engine().set(wspace=0.1)  # pyright: ignore
    for axes, values, colour, title, label in (
        (left, [s.variance for s in kept], BLUE, phrase("Signal"), phrase("variance of the output")),
        (right, [s.blame_variance for s in kept], ORANGE, phrase("Blame"), phrase("mean δ² of the output")),
    ):
        stems(axes, values, colour, [f"{name}: {label} {number(v, 3)}" for name, v in zip(names, values, strict=True)])
        dress(axes, title, label, "", grid="x")
        axes.set_ylim(len(kept) - 0.5, -0.5)
    left.set_yticks(range(len(kept)), names)
    return figure


def stems(axes: Axes, values: list[float], colour: str, said: list[str]) -> None:
    """Dots joined from layer to layer, on a logarithmic axis."""
    x = np.array([v if np.isfinite(v) and v > 0 else np.nan for v in values])
    y = np.arange(len(x))
    axes.plot(x, y, color=colour, linewidth=1.3, alpha=0.6)
    seen = np.flatnonzero(np.isfinite(x))
    if len(seen):
        tips(axes.scatter(x[seen], y[seen], s=34, color=colour, linewidths=0), [said[i] for i in seen])
        low, high = x[seen].min(), x[seen].max()
        axes.set_xscale("log")
        axes.set_xlim(10 ** np.floor(np.log10(low) - 0.2), 10 ** np.ceil(np.log10(high) + 0.2))


def gradient_check(record: GradientCheck) -> Figure:
    """The largest relative error of every parameter's gradient, beside the bound it must keep."""
    names = list(record.by_path)[:MOST_LAYERS]
    errors = np.array([max(record.by_path[name], 1e-16) for name in names])
    figure, ((axes,),) = new(max(2.2, 1.2 + 0.26 * len(names)))
    dots = axes.scatter(errors, range(len(names)), s=34, color=BLUE, linewidths=0)
    tips(dots, [f"{name}: {error:.1e}" for name, error in zip(names, errors, strict=True)])
    axes.axvline(1e-5, color=ORANGE, linewidth=1.2, linestyle=(0, (4, 3)), label=phrase("bound"))
    axes.set_xscale("log")
    axes.set_xlim(1e-16, max(1e-3, 10 * errors.max(initial=0)))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [cut(name, 26) for name in names])
    dress(axes, phrase("Gradient against finite differences"), phrase("largest relative error"), "", grid="x")
    axes.legend(loc="lower right")
    return figure
