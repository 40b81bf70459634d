"""What units weigh: kernels and pixels as pictures, gates as a table, anything else as bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import SubplotSpec
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ..insight import Filters, Neuron, Neurons
from ..language import phrase, translated
from ..recall import recalled
from ._answers import rgb
from ._colours import BLUE, LINE, MUTED, ORANGE
from ._panels import framed, grid
from ._style import WIDE, dress, new, sheet, tips
from .words import number, share, squeezed, wrapped

MOST_PANELS = 8  # channels of a kernel
MOST_FILTERS = 64
RAISES = phrase("blue raises it, orange lowers it")


def weights(record: Neuron) -> Figure:
    """What one neuron weighs, alone."""
    figure = sheet(weights_height(record))
    weigh(figure, figure.add_gridspec(1, 1)[0], record, ())
    return figure


def weigh(figure: SubFigure | Figure, part: SubplotSpec, record: Neuron, names: Sequence[str]) -> None:
    """What one neuron weighs, and where it does not see the input, what the input is to it."""
    if record.gates:
        gates(figure.add_subplot(part), record, names)
    elif is_motif(record):
        motif(figure.add_subplot(part), np.asarray(record.picture), names)
    elif record.picture is not None:
        panels(figure, part, record.picture, phrase("What it weighs"), names)
        figure.supxlabel(translated(RAISES), size=9, color=MUTED)
    elif is_deep(record):
        left, right = part.subgridspec(1, 2, width_ratios=(1.3, 1))
        bars(figure.add_subplot(left), record, strongest(record), phrase("What it weighs"))
        panels(figure, right, np.asarray(record.direction), phrase("In the input"), names, phrase("mean of dz/dx"))
    else:
        axes = figure.add_subplot(part)
        bars(axes, record, strongest(record), phrase("What it weighs"))
        axes.set_xlabel(phrase("weight × deviation of the input"))


def weights_height(record: Neuron) -> float:
    """The inches that `weigh` takes."""
    picture = record.picture
    if record.gates:
        return 0.8 + 0.24 * len(record.gates)
    if picture is None:
        return 2.1 if is_deep(record) else 0.8 + 0.22 * len(record.terms)
    if is_motif(record):
        return 0.9 + 0.22 * picture.shape[1]
    channels = 1 if picture.ndim < 3 else picture.shape[-1]
    return 2.1 if channels == 1 else 2.25 if channels < 5 else 2.9


def is_motif(record: Neuron) -> bool:
    """Whether it is a kernel over a sequence, (width, channels)."""
    return record.kind == "Conv1d" and record.picture is not None


def is_deep(record: Neuron) -> bool:
    """Whether it weighs other units, and the input it is moved by is a picture."""
    return record.direction is not None and record.direction.ndim > 1


def signs(values: np.ndarray, scale: float) -> np.ndarray:
    """Numbers as colours: blue above 0, orange below, the stronger the fuller."""
    part = np.clip(np.nan_to_num(np.asarray(values, float) / (scale or 1)), -1, 1)
    pixels = np.where(part[..., None] > 0, rgb(BLUE), rgb(ORANGE))
    return np.concatenate([pixels, np.sqrt(np.abs(part))[..., None]], -1)


def bare(axes: Axes, title: str = "") -> None:
    """A picture's frame, without ticks."""
    dress(axes, title, "", "", grid="")
    axes.set_xticks([])
    axes.set_yticks([])
    framed(axes)


def flat_channels(values: np.ndarray) -> np.ndarray:
    """A picture or kernel as (height, width, channels); of a volume its layers side by side."""
    values = values[..., None] if values.ndim == 2 else values
    return values.reshape(values.shape[0], -1, values.shape[-1])


def panels(
    figure: SubFigure | Figure,
    part: SubplotSpec,
    values: np.ndarray,
    title: str,
    names: Sequence[str],
    below: str = "",
) -> None:
    """A picture of signs for each channel, the strongest of them in their order; `below` stands under a single one."""
    values = flat_channels(values)
    strength = np.square(values).sum((0, 1))
    kept = np.sort(np.argsort(-strength, kind="stable")[:MOST_PANELS])
    scale = float(np.abs(values).max())
    columns = min(len(kept), 4)
    places = part.subgridspec(-(-len(kept) // columns), columns)
    for i, channel in enumerate(kept):
        axes, own = figure.add_subplot(places[divmod(i, columns)]), values[..., channel]
        name = str(names[channel]) if len(names) == values.shape[-1] else phrase("channel {i}", i=int(channel))
        low, high = number(own.min(), 3), number(own.max(), 3)
        said = phrase("{name}: weights from {low} to {high}; {read}", name=name, low=low, high=high, read=RAISES)
        tips(axes.imshow(signs(own, scale), interpolation="none"), [said])
        bare(axes, title if i == 0 else " ")
        axes.set_xlabel(name if len(kept) > 1 else below, size=8)


def cells(axes: Axes, values: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> None:
    """A table of weights as shaded cells."""
    scale = float(np.nanmax(np.abs(values))) or 1.0
    high, wide = values.shape
    boxes = [Rectangle((j - 0.48, i - 0.46), 0.96, 0.92) for i in range(high) for j in range(wide)]
    drawn = PatchCollection(boxes, facecolors=list(signs(values, scale).reshape(-1, 4)), edgecolors="none")
    said = [phrase("{row}, {column}: weight {w}", row=row, column=column, w=number(float(values[i, j]), 3))
            for i, row in enumerate(rows) for j, column in enumerate(columns)]  # fmt: skip
    tips(drawn, said)
    axes.add_collection(drawn, autolim=False)
    axes.set_xlim(-0.5, wide - 0.5)
    axes.set_ylim(high - 0.5, -0.5)
    axes.set_yticks(range(high), [squeezed(row) for row in rows])
    step = -(-wide // 12)
    axes.set_xticks(range(0, wide, step), [squeezed(column, 12) for column in columns[::step]])
    axes.spines[:].set_visible(False)


def motif(axes: Axes, values: np.ndarray, names: Sequence[str]) -> None:
    """A kernel over a sequence, (width, channels): a column for each position, a row for each channel."""
    wide, channels = values.shape
    rows = names if len(names) == channels else [phrase("channel {i}", i=c) for c in range(channels)]
    across = phrase("position in the window; {read}", read=RAISES)
    dress(axes, phrase("What it looks for"), across, "", grid="")
    cells(axes, values.T, rows, [str(i) for i in range(wide)])


def gates(axes: Axes, record: Neuron, names: Sequence[str]) -> None:
    """What each gate weighs: the inputs, the bias, and the units of its own layer."""
    n_in = record.weight.shape[1]
    columns = list(names) if len(names) == n_in else [f"x{i}" for i in range(n_in)]
    parts = [record.weight]
    if record.gate_bias is not None:
        parts.append(record.gate_bias[:, None])
        columns.append(phrase("bias"))
    if record.recurrent is not None:
        parts.append(record.recurrent)
        columns += [f"h{i}" for i in range(record.recurrent.shape[1])]
    dress(axes, phrase("What its gates weigh"), phrase("inputs x, bias, units h of the step before"), "", grid="")
    cells(axes, np.concatenate(parts, 1), [recalled(gate) for gate in record.gates], columns)
    for edge in (n_in, n_in + 1):
        axes.axvline(edge - 0.5, color=MUTED, linewidth=0.8)


def strongest(record: Neuron) -> float:
    """The largest number that is drawn of a neuron."""
    drawn = [t.pull for t in record.terms] if record.picture is None else np.abs(record.picture).ravel()
    return max((float(v) for v in drawn if np.isfinite(v)), default=0.0) or 1.0


def bars(axes: Axes, record: Neuron, scale: float, title: str) -> None:
    """The strongest terms, each as long as what the input's usual variation makes of it."""
    pulls = [float(np.copysign(t.pull, t.weight)) for t in record.terms]
    said = [f"{t.weight:+.3g} {translated(t.unit)}" for t in record.terms]
    signed_bars(axes, [t.name for t in record.terms], pulls, said, scale)
    dress(axes, title, "", "", grid="")


def signed_bars(axes: Axes, names: Sequence[str], values: Iterable[float], said: Sequence[str], scale: float) -> None:
    """Bars to either side of 0 with their names, the first on top."""
    values = [float(np.nan_to_num(v, posinf=0, neginf=0)) for v in values]
    boxes = [Rectangle((min(0, v), i - 0.36), abs(v), 0.72) for i, v in enumerate(values)]
    drawn = PatchCollection(boxes, facecolors=[BLUE if v > 0 else ORANGE for v in values], edgecolor="none", alpha=0.85)
    tips(drawn, said)
    axes.add_collection(drawn, autolim=False)
    axes.set_xlim(-1.05 * scale, 1.05 * scale)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_yticks(range(len(values)), [squeezed(name, 20) for name in names])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.axvline(0, color=LINE, linewidth=1)
    axes.spines[:].set_visible(False)


def neurons(record: Neurons) -> Figure:
    """What each neuron weighs: as pictures where the inputs are places of an image, else as bars."""
    units = record.units
    if not units:
        figure, ((axes,),) = new(1.6)
        dress(axes, phrase("No neurons to show"), "", "", grid="")
        axes.text(0, 0.5, "\n".join(wrapped(recalled(record.note), 74)), color=MUTED)
        axes.set_axis_off()
        return figure
    scale, n = max(strongest(unit) for unit in units), len(units)
    if units[0].picture is None:
        each = 0.62 + 0.2 * max(len(unit.terms) for unit in units)
        figure, drawn = grid(n, min(n, 2), each, 0.5, sharex=True)
        for axes, unit in zip(drawn, units, strict=True):
            bars(axes, unit, scale, phrase("neuron {index}", index=unit.index))
        below = phrase("weight × deviation of the input ({read})", read=RAISES)
        figure.supxlabel(below, size=9, color=MUTED)
        return figure
    pictures = [side_by_side(unit) for unit in units]
    figure, drawn = grid(n, 4, height(pictures[0], 4) + 0.4, 0.5)
    for axes, unit, values in zip(drawn, units, pictures, strict=True):
        name, part = phrase("neuron {index}", index=unit.index), share(unit.margins.positive)
        said = phrase(
            "{neuron}: positive for {part} of what it sees, bias {bias}",
            neuron=name,
            part=part,
            bias=number(unit.bias, 3),
        )
        tips(axes.imshow(signs(values, scale), interpolation="none"), [said])
        bare(axes, name)
    figure.supxlabel(phrase("blue raises the neuron, orange lowers it"), size=9, color=MUTED)
    return figure


def side_by_side(record: Neuron) -> np.ndarray:
    """The weights as one image, the channels side by side; of a motif a row for each channel."""
    picture = np.asarray(record.picture)
    if is_motif(record):
        return picture.T
    values = flat_channels(picture)
    return values.transpose(0, 2, 1).reshape(len(values), -1)


def height(picture: np.ndarray, columns: int) -> float:
    """The inches of a picture that fills one of so many columns, within limits."""
    return ((WIDE - 0.3) / columns - 0.1) * min(max(picture.shape[0] / picture.shape[1], 0.4), 2)


def filters(record: Filters) -> Figure:
    """All filters of a layer (the first 64), each on its own scale; three channels as colours, more by their norm."""
    pictures = [coloured(weight) for weight in record.weight[:MOST_FILTERS]]
    columns = min(len(pictures), 8)
    figure, drawn = grid(len(pictures), columns, height(pictures[0], columns) + 0.24, 0.75)
    sequence = record.weight.ndim == 3
    for i, (axes, pixels) in enumerate(zip(drawn, pictures, strict=True)):
        shown = axes.imshow(pixels, interpolation="none", aspect="auto" if sequence else "equal")
        own = record.weight[i]
        low, high = number(own.min(), 3), number(own.max(), 3)
        tips(shown, [phrase("unit {i}: weights from {low} to {high}", i=i, low=low, high=high)])
        bare(axes)
        axes.set_title(str(i), size=7, pad=2, color=MUTED, weight="normal")
    path, n, of = record.path or phrase("the network"), len(pictures), len(record.weight)
    title = phrase("Filters of {path}", path=path)
    if of > n:
        title = phrase("Filters of {path}, the first {n} of {of}", path=path, n=n, of=of)
    figure.suptitle(title, x=0.02, ha="left", weight="bold", size=10.5)
    figure.supxlabel(explained(sequence, record.weight.shape[-1]), size=9, color=MUTED)
    return figure


def coloured(weight: np.ndarray) -> np.ndarray:
    """A kernel as a picture; one over a sequence is (width, channels)."""
    scale = float(np.abs(weight).max()) or 1.0
    if weight.ndim == 2:
        return signs(weight.T, scale)
    weight = flat_channels(weight)
    if weight.shape[-1] == 3:
        return np.clip(0.5 + weight / (2 * scale), 0, 1)
    if weight.shape[-1] == 1:
        return signs(weight[..., 0], scale)
    size = np.linalg.norm(weight, axis=-1) * np.where(weight.sum(-1) < 0, -1, 1)
    return signs(size, float(np.abs(size).max()))


def explained(sequence: bool, channels: int) -> str:
    """How to read the colours."""
    if sequence:
        return phrase("position to the right, channel downwards; {read}", read=RAISES)
    if channels == 3:
        return phrase("grey is a weight of 0 in all three colours")
    if channels == 1:
        return translated(RAISES)
    return phrase("norm over {n} channels with the sign of their sum", n=channels)
