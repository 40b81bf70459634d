"""A neuron on one page: what it weighs, how the rows lie about its hyperplane, what excites it, what it feeds."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpecFromSubplotSpec, SubplotSpec
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ..insight import Excited, Filters, Neuron, Neurons
from ._answers import rgb
from ._colours import BLUE, INK, LINE, MUTED, ORANGE
from ._style import WIDE, dress, new, sheet, tips
from .words import cut, number, share, signed, squeezed

MOST_BARS = 8
MOST_PANELS = 8  # channels of a kernel
MOST_FILTERS = 64
RAISES = "blue raises it, orange lowers it"


def page(record: Neuron, names: Sequence[str] = ()) -> Figure:
    """All of a neuron; `names` are those of the channels of a sequence or kernel, such as "ACGT"."""
    rows, pictures = shots_height(record), bool(record.most) and record.most[0].input.ndim > 1
    high = [weights_height(record), 1.7, rows, feeds_height(record)]
    words = heading(record)
    top = 0.42 + 0.16 * len(words)
    figure = sheet(sum(high) + top)
    title, *parts = np.ravel(np.asarray(figure.subfigures(5, 1, height_ratios=[top, *high])))
    title.text(
        0.02, 1 - 0.1 / top, f"{record.path or 'the network'}, unit {record.index}", va="top", weight="bold", size=12
    )
    title.text(0.02, 1 - 0.36 / top, "\n".join(words), va="top", color=MUTED, size=9)
    draw = (weigh, histogram, gallery if pictures else listing, onward)
    for part, one in zip(parts, draw, strict=True):
        one(part, part.add_gridspec(1, 1)[0], record, names)
    return figure


def heading(record: Neuron) -> list[str]:
    """The kind of unit, its rule and its state in lines of the figure's width."""
    behind = "" if record.activation == "identity" else f", then {record.activation}"
    kind = f"{record.kind}{behind}; {record.rows:,} rows"
    lines = textwrap.wrap(record.rule, 74) if len(record.terms) == record.inputs else []
    return [kind, *lines, *textwrap.wrap(record.state, 74)]


def weights_height(record: Neuron) -> float:
    if record.gates:
        return 0.8 + 0.24 * len(record.gates)
    if record.picture is not None and is_motif(record):
        return 0.9 + 0.22 * record.picture.shape[1]
    if record.picture is None and not is_picture(record.direction):
        return 0.8 + 0.22 * len(record.terms)
    return 2.1 if record.picture is None or channels(record) < 5 else 2.9


def channels(record: Neuron) -> int:
    return 1 if record.picture is None or record.picture.ndim < 3 else record.picture.shape[-1]


def is_motif(record: Neuron) -> bool:
    """Whether it is a kernel over a sequence, (width, channels)."""
    return record.kind == "Conv1d" and record.picture is not None


def shots_height(record: Neuron) -> float:
    if not record.most or record.most[0].input.ndim < 2:
        return 1.1 + 0.16 * (len(record.most) + len(record.least))
    return 0.3 + 0.5 * len(record.most) if is_sequence(record) else 2.6


def is_sequence(record: Neuron) -> bool:
    """Whether the rows are (time, channels), and not pictures of one channel that a Dense layer sees whole."""
    one = record.most[0].input
    return one.ndim == 2 and not (record.kind == "Dense" and record.inputs == one.size)


def is_picture(values: np.ndarray | None) -> bool:
    return values is not None and values.ndim > 1


def feeds_height(record: Neuron) -> float:
    most = max(len(record.feeds.weight) if record.feeds else 0, len(record.correlation))
    return 0.95 + 0.21 * min(most, MOST_BARS)


def weigh(figure: SubFigure | Figure, part: SubplotSpec, record: Neuron, names: Sequence[str]) -> None:
    """The weights: gates as a strip, kernels and pixels as pictures, anything else as bars."""
    if record.gates:
        gates(figure.add_subplot(part), record, names)
    elif record.picture is not None and is_motif(record):
        motif(figure.add_subplot(part), record.picture, names)
    elif record.picture is not None:
        panels(figure, part, record.picture, "What it weighs", names)
    elif is_picture(record.direction):
        left, right = part.subgridspec(1, 2, width_ratios=(1.3, 1))
        bars(figure.add_subplot(left), record, strongest(record), "What it weighs")
        panels(figure, right, np.asarray(record.direction), "In the input", names, "mean of dz/dx")
    else:
        axes = figure.add_subplot(part)
        bars(axes, record, strongest(record), "What it weighs")
        axes.set_xlabel("weight × deviation of the input")


def signs(values: np.ndarray, scale: float) -> np.ndarray:
    """Numbers as colours: blue above 0, orange below, the stronger the fuller."""
    part = np.clip(np.nan_to_num(np.asarray(values, float) / (scale or 1)), -1, 1)
    pixels = np.where(part[..., None] > 0, rgb(BLUE), rgb(ORANGE))
    return np.concatenate([pixels, np.sqrt(np.abs(part))[..., None]], -1)


def bare(axes: Axes, title: str = "") -> None:
    """A picture's frame."""
    dress(axes, title, "", "", grid="")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=True, color=LINE)


def flat_channels(values: np.ndarray) -> np.ndarray:
    """A picture or kernel as (height, width, channels); of a volume its layers side by side."""
    values = values[..., None] if values.ndim == 2 else values
    return values.reshape(values.shape[0], -1, values.shape[-1]) if values.ndim > 3 else values


def panels(
    figure: SubFigure | Figure,
    part: SubplotSpec,
    values: np.ndarray,
    title: str,
    names: Sequence[str],
    below: str = RAISES,
) -> None:
    """A picture of signs for each channel, the strongest first."""
    values = flat_channels(values)
    strength = np.square(values).sum((0, 1))
    kept = np.sort(np.argsort(-strength, kind="stable")[:MOST_PANELS])
    scale = float(np.abs(values).max())
    columns = min(len(kept), 4)
    grid = part.subgridspec(-(-len(kept) // columns), columns)
    for i, channel in enumerate(kept):
        axes = figure.add_subplot(grid[i // columns, i % columns])
        drawn = axes.imshow(signs(values[..., channel], scale), interpolation="none")
        name = names[channel] if len(names) == values.shape[-1] else f"channel {channel}"
        tips(drawn, [f"{name}: weights from {number(values[..., channel].min(), 3)} to "
                     f"{number(values[..., channel].max(), 3)}; {RAISES}"])  # fmt: skip
        bare(axes, title if i == 0 else " ")
        if len(kept) > 1:
            axes.set_xlabel(str(name), size=8)
        elif i == 0:
            axes.set_xlabel(below, size=9)


def cells(axes: Axes, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], what: str) -> None:
    """A table of signed numbers as shaded cells."""
    scale = float(np.nanmax(np.abs(values))) or 1.0
    high, wide = values.shape
    boxes = [Rectangle((j - 0.48, i - 0.46), 0.96, 0.92) for i in range(high) for j in range(wide)]
    drawn = PatchCollection(boxes, facecolors=list(signs(values, scale).reshape(-1, 4)), edgecolors="none")
    said = [f"{row}, {column}: {what} {number(float(values[i, j]), 3)}"
            for i, row in enumerate(rows) for j, column in enumerate(columns)]  # fmt: skip
    tips(drawn, said)
    axes.add_collection(drawn, autolim=False)
    axes.set_xlim(-0.5, wide - 0.5)
    axes.set_ylim(high - 0.5, -0.5)
    axes.set_yticks(range(high), [squeezed(row) for row in rows])
    step = -(-wide // 12)
    axes.set_xticks(range(0, wide, step), [squeezed(columns[j], 12) for j in range(0, wide, step)])
    axes.spines[:].set_visible(False)


def motif(axes: Axes, values: np.ndarray, names: Sequence[str]) -> None:
    """A kernel over a sequence, (width, channels): a column for each position, a row for each channel."""
    wide, channels = values.shape
    rows = list(names) if len(names) == channels else [f"channel {c}" for c in range(channels)]
    dress(axes, "What it looks for", f"position in the window; {RAISES}", "", grid="")
    cells(axes, values.T, rows, [str(i) for i in range(wide)], "weight")


def gates(axes: Axes, record: Neuron, names: Sequence[str]) -> None:
    """What each gate weighs: the inputs, the bias, and the units of its own layer."""
    n_in = record.weight.shape[1]
    inputs = list(names) if len(names) == n_in else [f"x{i}" for i in range(n_in)]
    parts, columns = [record.weight], inputs
    if record.gate_bias is not None:
        parts, columns = [*parts, record.gate_bias[:, None]], [*columns, "bias"]
    if record.recurrent is not None:
        parts = [*parts, record.recurrent]
        columns = [*columns, *(f"h{i}" for i in range(record.recurrent.shape[1]))]
    dress(axes, "What its gates weigh", "inputs x, bias, units h of the step before", "", grid="")
    cells(axes, np.concatenate(parts, 1), record.gates, columns, "weight")
    for edge in (n_in, n_in + 1):
        axes.axvline(edge - 0.5, color=MUTED, linewidth=0.8)


def strongest(record: Neuron) -> float:
    """The largest number that is drawn of a neuron."""
    drawn = [t.pull for t in record.terms] if record.picture is None else np.abs(record.picture).ravel()
    return max((float(v) for v in drawn if np.isfinite(v)), default=0.0) or 1.0


def bars(axes: Axes, record: Neuron, scale: float, title: str) -> None:
    """The strongest terms, each as long as what the input's usual variation makes of it."""
    pulls = [float(np.copysign(t.pull, t.weight)) for t in record.terms]
    strip(axes, [t.name for t in record.terms], pulls, [f"{t.weight:+.3g} {t.unit}" for t in record.terms], scale)
    dress(axes, title, "", "", grid="")


def strip(axes: Axes, names: Sequence[str], values: Iterable[float], said: Sequence[str], scale: float) -> None:
    """Signed bars with their names, the first on top."""
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


def histogram(figure: SubFigure, part: SubplotSpec, record: Neuron, names: Sequence[str]) -> None:
    """How the rows lie about 0: one side in blue, the other in orange."""
    axes, found, (on, off) = figure.add_subplot(part), record.margins, record.sides
    ends = [*zip(found.edges[:-1], found.edges[1:], found.count, strict=True)]
    boxes = [Rectangle((a, 0), b - a, n) for a, b, n in ends]
    colours = [BLUE if a >= 0 else ORANGE for a, _, _ in ends]
    drawn = PatchCollection(boxes, facecolors=colours, edgecolor="none", alpha=0.8)
    tips(drawn, [f"z from {number(a, 3)} to {number(b, 3)}: {n:,}" for a, b, n in ends])
    axes.add_collection(drawn, autolim=False)
    reach = float(np.abs(found.edges).max()) * 1.02
    low, high = min(float(found.edges[0]), -0.05 * reach), max(float(found.edges[-1]), 0.05 * reach)
    axes.set_xlim(low, high)
    axes.set_ylim(0, 1.3 * max(int(found.count.max()), 1))
    axes.axvline(0, color=INK, linewidth=1)
    what = "output h" if record.gates else "z"
    distance = "" if not found.norm > 0 else f"; a distance of 1 is z = {number(found.norm, 3)}"
    whose = "the rows fall" if found.total == record.rows else "of it each place of each row falls"
    dress(axes, f"On which side {whose}", f"{what}{distance}", "", grid="")
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.spines["left"].set_visible(False)
    zero = f", {share(found.zero / found.total)} exactly at 0" if found.zero else ""
    for x, side, words, colour in (
        (0.99, "right", f"{on} {share(found.positive)}", BLUE),
        (0.01, "left", f"{off} {share(1 - found.positive)}{zero}", ORANGE),
    ):
        axes.text(x, 0.98, words, transform=axes.transAxes, ha=side, va="top", color=colour, size=9, weight="bold")


def gallery(figure: SubFigure, part: SubplotSpec, record: Neuron, names: Sequence[str]) -> None:
    """The rows at either end as pictures or strips of time, with a frame around what moves the unit."""
    strips, columns = is_sequence(record), max(len(record.most), 1)
    grid = part.subgridspec(columns, 2) if strips else part.subgridspec(2, columns)
    top = max((float(np.nanmax(np.abs(one.input))) for one in (*record.most, *record.least)), default=1.0) or 1.0
    for side, (title, rows) in enumerate(
        {"Excite it most, with z": record.most, "Excite it least": record.least}.items()
    ):
        for i, one in enumerate(rows):
            axes = figure.add_subplot(grid[i, side] if strips else grid[side, i])
            drawn = thumbnail(axes, one.input, top, strips)
            tips(drawn, [f"row {one.row}: z = {number(one.z, 4)}" + (f" at {list(one.place)}" if one.place else "")])
            bare(axes)
            axes.set_title(title if i == 0 else "" if strips else " ", size=9.5)
            said = f"row {one.row}\n{signed(one.z)}"
            if strips:
                axes.set_ylabel(said, size=7.5, rotation=0, ha="right", va="center")
            else:
                axes.set_xlabel(said, size=7.5)
            frame(axes, one, strips)


def thumbnail(axes: Axes, values: np.ndarray, top: float, strip: bool) -> Any:
    """A picture in ink, or in its own colours where it has three channels; a strip has time to the right."""
    if values.ndim == 3 and values.shape[-1] == 3:
        low = min(float(values.min()), 0.0)
        return axes.imshow(np.clip((values - low) / ((top - low) or 1), 0, 1), interpolation="none")
    values = values.T if strip else values.reshape(*values.shape[:2], -1)[..., 0]
    ink = np.clip(np.abs(np.nan_to_num(values)) / top, 0, 1)
    pixels = np.where(np.nan_to_num(values)[..., None] >= 0, rgb(INK), rgb(ORANGE))
    aspect = "auto" if strip else "equal"
    return axes.imshow(np.concatenate([pixels, ink[..., None]], -1), interpolation="none", aspect=aspect)


def frame(axes: Axes, one: Excited, strip: bool) -> None:
    """What moves the unit, where that is not the whole picture."""
    if one.box is None or len(one.box) < 2 or np.prod([b - a for a, b in one.box]) == one.input.size:
        return
    (top, bottom), (left, right) = one.box[1::-1] if strip else one.box[:2]
    axes.add_patch(
        Rectangle(
            (left - 0.5, top - 0.5), right - left, bottom - top, fill=False, color=BLUE, linewidth=1.4, clip_on=False
        )
    )


def listing(figure: SubFigure, part: SubplotSpec, record: Neuron, names: Sequence[str]) -> None:
    """The rows at either end as a table."""
    axes = figure.add_subplot(part)
    axes.set_axis_off()
    axes.set_title("The rows that excite it most and least")
    columns = list(record.most[0].values) if record.most else []
    kept = columns[: 4 if len(columns) > 4 else None]
    heads = ["row", "distance" if record.margins.norm > 0 else "h", *("\n".join(named(c)) for c in kept)]
    x = np.concatenate([[0.08, 0.25], np.linspace(0.25, 1, len(kept) + 1)[1:]])
    lines = [
        heads,
        *(line(one, record, kept) for one in record.most),
        [],
        *(line(o, record, kept) for o in record.least),
    ]
    axes.set_ylim(len(lines) - 0.4, -1.2)
    axes.set_xlim(0, 1)
    for y, texts in enumerate(lines):
        for place, text in zip(x, texts, strict=False):
            up: dict[str, Any] = {"va": "center"} if y else {"va": "bottom", "linespacing": 1.0}
            axes.text(place, y if y else 0.4, text, ha="right", size=8.5, color=INK if y else MUTED, **up)
    axes.axhline(len(record.most) + 1, color=LINE, linewidth=1)


def named(column: str) -> list[str]:
    """The name of a column in at most two short lines."""
    return [squeezed(words, 12) for words in textwrap.wrap(column, 12, max_lines=2, placeholder="…")] or [""]


def line(one: Excited, record: Neuron, columns: Sequence[str]) -> list[str]:
    size = one.z / record.margins.norm if record.margins.norm > 0 else one.z
    return [f"{one.row:,}", f"{size:+.2f}".replace("-", "−"), *(cut(one.values.get(c, ""), 12) for c in columns)]


def onward(figure: SubFigure, part: SubplotSpec, record: Neuron, names: Sequence[str]) -> None:
    """What it feeds, and what its output goes with."""
    drawn = [content for content in (record.feeds, record.correlation) if content]
    grid: GridSpecFromSubplotSpec = part.subgridspec(1, max(len(drawn), 1))
    place = 0
    if record.feeds is not None:
        axes = figure.add_subplot(grid[0, place])
        order = np.argsort(-np.abs(record.feeds.weight), kind="stable")[:MOST_BARS]
        fed, values = [record.feeds.names[i] for i in order], record.feeds.weight[order]
        strip(axes, fed, values, [f"{n}: weight {v:+.3g}" for n, v in zip(fed, values, strict=True)],
              float(np.abs(values).max()) or 1.0)  # fmt: skip
        dress(axes, f"Feeds {record.feeds.path}", f"weight; {share(record.feeds.share)} of its input", "", grid="")
        place = 1
    if record.correlation:
        axes = figure.add_subplot(grid[0, place])
        found = sorted(record.correlation.items(), key=lambda item: -abs(item[1]))[:MOST_BARS]
        said = [f"{name}: correlation {value:+.3f}" for name, value in found]
        strip(axes, [name for name, _ in found], [value for _, value in found], said, 1.0)
        dress(axes, "Goes with", "correlation of its output", "", grid="")
    if not drawn:
        axes = figure.add_subplot(grid[0, 0])
        axes.set_axis_off()
        axes.text(0, 0.6, "No layer with weights that can be told apart by units follows.", color=MUTED, size=9)


def weights(record: Neuron) -> Figure:
    """What one neuron weighs, alone."""
    figure = sheet(weights_height(record))
    weigh(figure, figure.add_gridspec(1, 1)[0], record, ())
    return figure


def neurons(record: Neurons) -> Figure:
    """What each neuron weighs: as pictures where the inputs are places of an image, else as bars."""
    units = record.units
    if not units:
        figure, ((axes,),) = new(1.6)
        dress(axes, "No neurons to show", "", "", grid="")
        axes.text(0, 0.5, record.note, color=MUTED, wrap=True)
        axes.set_axis_off()
        return figure
    pictures = units[0].picture is not None
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
            bars(panel, units[i], scale, f"neuron {units[i].index}")
    label = "blue raises the neuron, orange lowers it"
    figure.supxlabel(label if pictures else f"weight × deviation of the input ({RAISES})", size=9, color=MUTED)
    return figure


def picture(axes: Axes, record: Neuron, scale: float) -> None:
    """The weights as one image, the channels side by side."""
    assert record.picture is not None
    values = record.picture.T if record.kind.startswith("Conv1") else flat_channels(record.picture)
    values = values if values.ndim == 2 else np.concatenate([*np.moveaxis(values, -1, 0)], 1)
    shown = axes.imshow(signs(values, scale), interpolation="none")
    said = f"positive for {share(record.margins.positive)} of what it sees, bias {number(record.bias, 3)}"
    tips(shown, [f"neuron {record.index}: {said}"])
    bare(axes, f"neuron {record.index}")


def filters(record: Filters, names: Sequence[str] = ()) -> Figure:
    """All filters of a layer (the first 64), each on its own scale; three channels as colours, more by their norm."""
    shown = record.weight[:MOST_FILTERS]
    wide = min(len(shown), 8)
    rows = -(-len(shown) // wide)
    one = (WIDE - 0.3) / wide
    sequence = shown.ndim == 3
    ratio = shown.shape[2] / shown.shape[1] if sequence else shown.shape[1] / shown.shape[2]
    figure, axes = new(0.75 + rows * ((one - 0.1) * min(max(ratio, 0.4), 2) + 0.24), rows, wide)
    for i, panel in enumerate(axes.ravel()):
        if i >= len(shown):
            panel.set_axis_off()
            continue
        weight, scale = shown[i], float(np.abs(shown[i]).max()) or 1.0
        drawn = panel.imshow(
            coloured(weight, scale, sequence), interpolation="none", aspect="auto" if sequence else "equal"
        )
        tips(drawn, [f"unit {i}: weights from {number(weight.min(), 3)} to {number(weight.max(), 3)}"])
        bare(panel, " ")
        panel.set_title(str(i), size=7, pad=2, color=MUTED, weight="normal")
    more = f", the first {len(shown)} of {len(record.weight)}" if len(record.weight) > len(shown) else ""
    figure.suptitle(f"Filters of {record.path or 'the network'}{more}", x=0.02, ha="left", weight="bold", size=10.5)
    figure.supxlabel(explained(shown, sequence), size=9, color=MUTED)
    return figure


def coloured(weight: np.ndarray, scale: float, sequence: bool) -> np.ndarray:
    """A kernel as a picture."""
    if sequence:
        return signs(weight.T, scale)
    weight = flat_channels(weight)
    if weight.shape[-1] == 3:
        return np.clip(0.5 + weight / (2 * scale), 0, 1)
    if weight.shape[-1] == 1:
        return signs(weight[..., 0], scale)
    size = np.linalg.norm(weight, axis=-1) * np.where(weight.sum(-1) < 0, -1, 1)
    return signs(size, float(np.abs(size).max()))


def explained(shown: np.ndarray, sequence: bool) -> str:
    if sequence:
        return f"position to the right, channel downwards; {RAISES}"
    if shown.shape[-1] == 3:
        return "grey is a weight of 0 in all three colours"
    return RAISES if shown.shape[-1] == 1 else f"norm over {shown.shape[-1]} channels with the sign of their sum"
