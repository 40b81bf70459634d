"""What sets two networks apart, as text and as pictures: by layer, by row, by region."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from ..errors import SettingError
from ..geometry import Complex
from ..insight import AnswerChange, Difference, LayerChange, RegionChange
from ..language import phrase
from ..recall import recalled
from ._colours import BLUE, GREEN, RED
from ._complex import edges, two
from ._style import dress, new, tips
from .words import cut, number, share, table

MOST_ROWS = 10
MOST_BARS = 24
CLOSE = 30  # letters of a path beside a bar


def text(record: Difference) -> str:
    a, b = record.names
    changed = record.changed
    if record.same:
        said = [f"{a} and {b} are the same network, bit for bit ({counted(len(record.layers), 'layer')})."]
    else:
        said = [f"{counted(len(changed), 'layer')} of {len(record.layers)} differ between {a} and {b}."]
    parts = [*said, *([layer_table(changed)] if changed else [])]
    if record.answers is not None:
        parts.append(answer_text(record.answers, a, b))
    if record.regions is not None:
        parts.append(region_text(record.regions, a, b))
    return "\n\n".join([*parts, *record.notes])


def layer_table(changed: tuple[LayerChange, ...]) -> str:
    rows = [
        [told_path(layer), layer.kind, layer.change, *moved(layer), cut(layer.note or largest(layer), 60)]
        for layer in changed
    ]
    return table(["layer", "kind", "differs in", "‖a‖", "‖b − a‖", "relative", ""], rows, "   rrr")


def told_path(layer: LayerChange) -> str:
    """The path, and where the layer is in b if that is another."""
    a, b = (path or phrase("(the network)") for path in (layer.path, layer.path_b))
    if layer.change.startswith("only in"):
        return a if layer.change == "only in a" else b
    return a if a == b else f"{a} → {b}"


def moved(layer: LayerChange) -> list[str]:
    if not layer.arrays and not layer.norm:
        return ["", "", ""]
    known = np.isfinite(layer.moved)
    return [number(layer.norm), *([number(layer.moved), share(layer.relative)] if known else ["", ""])]


def largest(layer: LayerChange) -> str:
    """The weight that has changed most."""
    found = max(layer.arrays, key=lambda row: row.largest, default=None)
    if found is None or not found.largest > 0:
        return ""
    return f"most {found.name}[{', '.join(map(str, found.at))}], by {number(found.largest)}"


def answer_text(record: AnswerChange, a: str, b: str) -> str:
    n = len(record.apart)
    lines = [
        f"Answers to {counted(n, 'row')}: the {record.what} differs by {number(record.mean)} in the mean, by "
        f"{number(record.largest)} at most."
    ]
    if record.before.ndim == 1 and record.metric == "accuracy":
        lines.append(f"{counted(len(record.disagree), 'row')} ({share(len(record.disagree) / n)}) get another class.")
    if record.scores is not None:
        before, after = (number(score) for score in record.scores)
        lines.append(f"The {record.metric} is {before} with {a} and {after} with {b}.")
        if record.metric == "accuracy":
            lines.append(f"{b} has {len(record.mended):,} right that {a} has wrong, and {len(record.broken):,} wrong.")
    rows = [
        [str(record.numbers[i]), said(record.before[i]), said(record.after[i]), number(record.apart[i])]
        for i in worst(record)
    ]
    return "\n".join(lines) + ("\n\n" + table(["row", a, b, "difference"], rows, "rrrr") if rows else "")


def worst(record: AnswerChange) -> list[int]:
    """The rows that differ most; those with another class first."""
    other = set(record.disagree.tolist())
    order = [i for i in record.order.tolist() if record.apart[i] > 0]
    return sorted(order, key=lambda i: i not in other)[:MOST_ROWS]


def said(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return ", ".join(said(v) for v in value[:4]) + (", …" if len(value) > 4 else "")
    return number(float(value)) if isinstance(value, float | np.floating) else str(value)


def region_text(record: RegionChange, a: str, b: str) -> str:
    head = f"Regions on the slice: {record.before:,} of {a}, {record.after:,} of {b}"
    if record.kept is None:
        return f"{head}; their units are others, so that no region of one is one of the other."
    return (
        f"{head}. {record.kept:,} are in both, {record.lost:,} lost, with {share(record.lost_area)} of the area, and "
        f"{record.gained:,} gained, with {share(record.gained_area)}."
    )


def counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def layers(record: Difference) -> Figure:
    """How far the weights of each layer have moved, relative to their size."""
    rows = [layer for layer in record.layers if layer.arrays and np.isfinite(layer.relative)][:MOST_BARS]
    figure, ((axes,),) = new(0.9 + 0.28 * max(len(rows), 1))
    bars = axes.barh(range(len(rows)), [layer.relative for layer in rows], color=BLUE, height=0.7)
    for bar, layer in zip(bars, rows, strict=True):
        tips(bar, [f"{told_path(layer)}: {number(layer.moved)}, {share(layer.relative)}"])
    axes.set_yticks(range(len(rows)), [told_path(layer)[-CLOSE:] for layer in rows])
    axes.invert_yaxis()
    dress(axes, phrase("From {a} to {b}", a=record.names[0], b=record.names[1]), "‖b − a‖ / ‖a‖", "", grid="x")
    return figure


def answers(record: Difference) -> Figure:
    """How many rows differ by how much; those that get another class in red."""
    found = record.answers
    if found is None:
        raise SettingError("No answers were compared: give data= to diff.")
    figure, ((axes,),) = new(2.8)
    other = np.zeros(len(found.apart), bool)
    other[found.disagree] = True
    bins = np.linspace(0, max(found.largest, 1e-12), 31)
    labels = [phrase("the same class"), phrase("another class")]
    if found.metric != "accuracy":
        labels = ["", ""]
    parts = [found.apart[~other], found.apart[other]]
    _, ends, groups = axes.hist(parts, bins, stacked=True, color=[BLUE, RED], label=labels)
    for group, some in zip(groups, parts, strict=True):
        for bar, low, high in zip(group, ends, ends[1:], strict=False):
            count = int(((some >= low) & ((some < high) | (high == ends[-1]))).sum())
            tips(bar, [span_of(low, high, count)])
    axes.set_yscale("symlog", linthresh=1)
    across = phrase("largest difference of a row's {what}", what=recalled(found.what))
    dress(axes, phrase("{n:,} rows", n=len(found.apart)), across, phrase("rows"), grid="y")
    if labels[0]:
        axes.legend(loc="upper right")
    return figure


def span_of(low: float, high: float, count: int) -> str:
    ends = {"low": number(float(low), 3), "high": number(float(high), 3)}
    if count == 1:
        return phrase("{low} to {high}: 1 row", **ends)
    return phrase("{low} to {high}: {n:,} rows", **ends, n=count)


def regions(record: Difference) -> Figure:
    """The regions of both on the slice: those that only one has are filled."""
    found = record.regions
    if found is None:
        raise SettingError("No regions were compared: give data=, points= or box= to diff.")
    figure, (panels,) = new(2.6, 1, 2, sharex=True, sharey=True)
    told = ((found.a, found.only_a, RED), (found.b, found.only_b, GREEN))
    counts = ["" if found.lost is None else phrase(", {n:,} lost", n=found.lost),
              "" if found.gained is None else phrase(", {n:,} gained", n=found.gained)]  # fmt: skip
    for axes, name, more, (drawn, only, colour) in zip(panels, record.names, counts, told, strict=True):
        on_slice(axes, drawn, only, colour)
        across, up = two((), drawn)
        dress(axes, f"{cut(name, 16)}: {drawn.count:,}{more}", across, up, grid="")
        axes.xaxis.label.set_fontsize(8)
        tips(axes.patches[0] if axes.patches else axes.artists[0], [phrase("{n:,} regions", n=drawn.count) + more])
        axes.title.set_fontsize(8.5)
    return figure


def on_slice(axes: Axes, drawn: Complex, only: np.ndarray, colour: str) -> None:
    (x0, x1), (y0, y1) = drawn.box
    faces = np.flatnonzero(only)
    if len(faces):
        corners = [drawn.xy[drawn.face(f)] for f in faces.tolist()]
        axes.add_collection(PolyCollection(corners, facecolor=colour, edgecolor="none", alpha=0.45), autolim=False)
    edges(axes, drawn)
    axes.set(xlim=(x0, x1), ylim=(y0, y1))


def pictures(record: Difference) -> list[tuple[Figure, str]]:
    """Every picture that there is something for, with what it shows in words."""
    found: list[tuple[Figure, str]] = [(layers(record), phrase("How far the weights of each layer have moved."))]
    if record.answers is not None:
        found.append((answers(record), phrase("How many rows differ by how much.")))
    if record.regions is not None:
        found.append((regions(record), phrase("The regions of both networks on the slice.")))
    return found
