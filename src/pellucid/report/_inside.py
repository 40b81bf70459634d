"""What is inside: signal and blame by depth, the neurons of the first layer, the gradient's check."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..backprop import Blame, GradientCheck
from ..insight import Neuron, Neurons
from ._answers import rgb
from ._colours import BLUE, LINE, MUTED, ORANGE
from ._style import WIDE, dress, new, tips
from .words import cut, number, share, squeezed

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
        (left, [s.variance for s in kept], BLUE, "Signal", "variance of the output"),
        (right, [s.blame_variance for s in kept], ORANGE, "Blame", "mean δ² of the output"),
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


def neurons(record: Neurons) -> Figure:
    """What each neuron weighs: as pictures where the inputs are places of an image, else as bars."""
    units = record.units
    if not units:
        figure, ((axes,),) = new(1.6)
        dress(axes, "No neurons to show", "", "", grid="")
        axes.text(0, 0.5, record.note, color=MUTED, wrap=True)
        axes.set_axis_off()
        return figure
    pictures = [u.picture for u in units if u.picture is not None]
    columns = min(len(units), 4 if pictures else 2)
    rows = -(-len(units) // columns)
    tall = 1.45 if pictures else 0.62 + 0.2 * max(len(u.terms) for u in units)
    figure, axes = new(0.5 + tall * rows, rows, columns, sharex=not pictures)
    scale = max(strongest(unit) for unit in units)
    for i, panel in enumerate(axes.ravel()):
        if i >= len(units):
            panel.set_axis_off()
        elif pictures:
            picture(panel, units[i], scale)
        else:
            bars(panel, units[i], scale)
    label = (
        "blue raises the neuron, orange lowers it"
        if pictures
        else "weight × deviation of the input (blue raises, orange lowers)"
    )
    figure.supxlabel(label, size=9, color=MUTED)
    return figure


def neuron(record: Neuron) -> Figure:
    """What one neuron weighs."""
    figure, ((axes,),) = new(1.0 + 0.28 * len(record.terms) if record.picture is None else WIDE * 0.8)
    if record.picture is None:
        bars(axes, record, strongest(record))
        axes.set_xlabel("weight × deviation of the input")
    else:
        picture(axes, record, strongest(record))
    return figure


def strongest(record: Neuron) -> float:
    """The largest number that is drawn of a neuron."""
    drawn = [t.pull for t in record.terms] if record.picture is None else np.abs(record.picture).ravel()
    return max((float(v) for v in drawn if np.isfinite(v)), default=0.0) or 1.0


def heading(record: Neuron) -> str:
    return f"neuron {record.unit}"


def bars(axes: Axes, record: Neuron, scale: float) -> None:
    """The strongest terms, each as long as what the input's usual variation makes of it."""
    pulls = [np.copysign(t.pull, t.weight) for t in record.terms]
    boxes = [Rectangle((min(0, p), i - 0.36), abs(p), 0.72) for i, p in enumerate(pulls)]
    drawn = PatchCollection(boxes, facecolors=[BLUE if p > 0 else ORANGE for p in pulls], edgecolor="none", alpha=0.85)
    tips(drawn, [f"{t.weight:+.3g} {t.unit}" for t in record.terms])
    axes.add_collection(drawn, autolim=False)
    dress(axes, heading(record), "", "", grid="")
    axes.set_xlim(-1.05 * scale, 1.05 * scale)
    axes.set_ylim(len(pulls) - 0.5, -0.5)
    axes.set_yticks(range(len(pulls)), [squeezed(t.name) for t in record.terms])
    axes.axvline(0, color=LINE, linewidth=1)
    axes.spines[:].set_visible(False)


def picture(axes: Axes, record: Neuron, scale: float) -> None:
    """The weights as an image, each times the deviation of its input, the stronger the fuller."""
    values = np.nan_to_num(np.asarray(record.picture) / scale)
    pixels = np.where(values[..., None] > 0, rgb(BLUE), rgb(ORANGE))
    shown = axes.imshow(np.concatenate([pixels, np.sqrt(np.abs(values))[..., None]], -1), interpolation="none")
    tips(
        shown,
        [f"neuron {record.unit}: positive for {share(record.positive)} of the rows, bias {number(record.bias, 3)}"],
    )
    dress(axes, heading(record), "", "", grid="")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=LINE)


def gradient_check(record: GradientCheck) -> Figure:
    """The largest relative error of every parameter's gradient, beside the bound it must keep."""
    names = list(record.by_path)[:MOST_LAYERS]
    errors = np.array([max(record.by_path[name], 1e-16) for name in names])
    figure, ((axes,),) = new(max(2.2, 1.2 + 0.26 * len(names)))
    dots = axes.scatter(errors, range(len(names)), s=34, color=BLUE, linewidths=0)
    tips(dots, [f"{name}: {error:.1e}" for name, error in zip(names, errors, strict=True)])
    axes.axvline(1e-5, color=ORANGE, linewidth=1.2, linestyle=(0, (4, 3)), label="bound")
    axes.set_xscale("log")
    axes.set_xlim(1e-16, max(1e-3, 10 * errors.max(initial=0)))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [cut(name, 26) for name in names])
    dress(axes, "Gradient against finite differences", "largest relative error", "", grid="x")
    axes.legend(loc="lower right")
    return figure
