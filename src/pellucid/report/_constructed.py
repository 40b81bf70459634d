"""Networks that were built: what they are near to and how near, how the error falls, what was left out; as text too."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from ..construct import Construction, Rate, Simplification
from ..language import phrase, translated
from ._colours import BLUE, GREEN, INK, LINE, MUTED, ORANGE, RED
from ._faces import Scale
from ._keys import bar
from ._style import dress, new, powers, tips
from .words import cut, listed, number, table

WIDE, MOST_ROWS, MOST_BARS = 100, 20, 12
KINDS = {  # of the reasons of removals, by words in them
    "nothing reads": phrase("not read by anything"),
    "no input reaches": phrase("reached by no input"),
    "off everywhere": phrase("off everywhere"),
    "flat everywhere": phrase("flat everywhere"),
    " times ": phrase("multiples of others"),
    "the same as": phrase("multiples of others"),
    "opposite": phrase("opposites of others"),
    "on everywhere": phrase("on everywhere: linear"),
    "linear on the box": phrase("of a linear layer"),
    "nearly constant": phrase("nearly constant"),
    "written anew": phrase("written anew as one layer"),
}
NOTHING = 1e-6  # the least difference that an axis shows


def construction(record: Construction) -> Figure:
    """The function and the network, and between what they differ: along the input, over two, or across the box."""
    return over_plane(record) if len(record.box) == 2 else along_line(record)


def along_line(record: Construction) -> Figure:
    """Above the two, below their difference between the lines that were proven."""
    t, truth, made = record.along()
    figure, ((upper,), (lower,)) = new(4.6, 2, height_ratios=(1, 0.8), sharex=True)
    upper.plot(t, truth, color=MUTED, linewidth=3.2, alpha=0.5, label=phrase("target"))
    upper.plot(t, made, color=BLUE, linewidth=1.4, label=phrase("network"))
    said = phrase("{n:,} neurons, hidden layers: {depth}", n=record.neurons, depth=record.depth)
    dress(upper, said, "", phrase("output"), grid="y")
    upper.legend(loc="best")
    difference(lower, record, t, made - truth)
    one = len(record.box) == 1
    lower.set_xlabel(phrase("input") if one else phrase("from the lower to the upper corner of the box"))
    return figure


def difference(axes: Axes, record: Construction, t: np.ndarray, off: np.ndarray) -> None:
    """What the network is off by, and the bounds of it."""
    drawn = axes.plot(t, off, color=BLUE, linewidth=1.2)[0]
    tips(drawn, [phrase("off by {found} at most, as found", found=number(record.measured))])
    for sign in (1, -1) if record.error > 0 else ():
        line = axes.axhline(sign * record.error, color=RED, linewidth=1.1, linestyle=(0, (4, 3)))
        tips(line, [phrase("proven: at most {error}", error=number(record.error))])
    room = 1.25 * max(record.error, float(np.nanmax(abs(off), initial=0.0)), NOTHING)
    axes.set_ylim(-room, room)
    title = phrase("Off by at most {error}, proven", error=number(record.error))
    dress(axes, title, "", phrase("difference"), grid="y")


def over_plane(record: Construction) -> Figure:
    """The network over its two inputs, and what it is off by where that is not nothing."""
    made, off = record.over()
    (x0, x1), (y0, y1) = record.box
    count, error = phrase("{n:,} neurons", n=record.neurons), phrase("Off by at most {e}", e=number(record.error))
    parts = [
        (made, Scale(made.reshape(-1, 1), None, 1), count),
        (abs(np.nan_to_num(off)), Scale(np.array([[0.0], [record.error]]), None, 1), error),
    ]
    if record.error == 0:
        parts = [(*parts[0][:2], phrase("{n:,} neurons, off by at most 0", n=record.neurons))]
    figure, (row,) = new(2.7, 1, len(parts))
    left = row[0]
    for axes, (values, scale, title) in zip(row, parts, strict=True):
        pixels = (255 * scale(values[..., None]) + 0.5).astype(np.uint8)
        shown = axes.imshow(pixels, extent=(x0, x1, y0, y1), origin="lower", aspect="auto", interpolation="none")
        least, most = number(float(values.min()), 3), number(float(values.max()), 3)
        tips(shown, [phrase("{title}: from {low} to {high}", title=title, low=least, high=most)])
        dress(axes, title, phrase("first input"), phrase("second input") if axes is left else "", grid="")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        bar(axes.inset_axes((1.03, 0, 0.05, 1)), scale)
    return figure


def rate(record: Rate) -> Figure:
    """Error against neurons on logarithmic axes: proven, the best possible, and as theory says."""
    figure, ((axes,),) = new(3.6)
    lines = (
        (record.proven, BLUE, "o", "-", phrase("proven")),
        (record.best, GREEN, "_", "None", phrase("no hidden layer is nearer")),
        (record.limit, MUTED, "", "--", phrase("best, for many neurons")),
    )
    for values, colour, mark, style, name in lines:
        fits = np.isfinite(values) & (values > 0)
        if not fits.any():
            continue
        drawn = axes.plot(record.neurons[fits], values[fits], color=colour, marker=mark, linestyle=style, label=name,
                          markersize=9 if mark == "_" else 4)[0]  # fmt: skip
        tips(drawn, [phrase("{n:,} neurons: {name} {error}", n=int(n), name=name, error=number(float(v), 3))
                     for n, v in zip(record.neurons[fits], values[fits], strict=True)])  # fmt: skip
    axes.set(xscale="log", yscale="log")
    sizes = sorted({int(n) for n in record.neurons})
    axes.set_xticks(sizes, [f"{n:,}" for n in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(powers)
    title = phrase("The error falls as neurons to the power {slope:.2f}", slope=record.slope)
    dress(axes, title, phrase("neurons"), phrase("error"))
    axes.legend(loc="best")
    return figure


def simplification(record: Simplification) -> Figure:
    """Why units are gone, and how many there are left."""
    counts = Counter(translated(kind_of(gone.reason)) for gone in record.removed)
    rows = [*counts.most_common(MOST_BARS), (phrase("left"), record.neurons[1])]
    figure, ((axes,),) = new(1.2 + 0.3 * len(rows))
    names, values = zip(*rows, strict=True)
    places = np.arange(len(rows))[::-1]
    drawn = axes.barh(places, values, color=[*[ORANGE] * (len(rows) - 1), BLUE], height=0.62)
    for part, name, value in zip(drawn, names, values, strict=True):
        tips(part, [f"{name}: {value:,}"])
        axes.text(value, part.get_y() + 0.31, f" {value:,}", va="center", size=9, color=INK)
    axes.set_yticks(places, list(names))
    axes.set_xlim(0, 1.12 * max(*values, 1))
    axes.spines[:].set_color(LINE)
    title = phrase("{before:,} neurons become {after:,}", before=record.neurons[0], after=record.neurons[1])
    off = phrase("neurons; off by at most {off}", off=number(record.difference, 3))
    dress(axes, title, off, "", grid="x")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure


def kind_of(reason: str) -> str:
    """A reason in a few words, without the unit that it names."""
    return next((kind for words, kind in KINDS.items() if words in reason), reason)


def construction_text(record: Construction) -> str:
    facts = {
        "size": f"{record.neurons:,} neurons, {record.depth} hidden layer{'s' * (record.depth != 1)} of at most "
        f"{record.width:,}; {record.parameters:,} parameters, {record.nonzero:,} of them not 0",
        "on": " × ".join(f"[{number(low)}, {number(high)}]" for low, high in record.box[:4])
        + (f" × … ({len(record.box)} inputs)" if len(record.box) > 4 else ""),
        "error": f"at most {number(record.error)}, proven; {number(record.measured)} found",
        "looked at": record.looked_at,
        "float32": f"adds {number(record.residual, 2)} at most, as found",
    }
    if record.best is not None:
        facts["best"] = f"no hidden layer of as many neurons has less than {number(record.best)}"
    said = [f"It rests on this: {record.proof}.", *record.notes]
    return "\n".join([f"A network for {record.what}", listed(facts), "", *wrapped(said)])


def wrapped(lines: Any) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, WIDE, initial_indent="  ", subsequent_indent="    ")]


def rate_text(record: Rate) -> str:
    rows = [
        [f"{int(n):,}", *(number(float(v), 4) if np.isfinite(v) else "" for v in values)]
        for n, *values in zip(record.neurons, record.proven, record.measured, record.best, record.limit, strict=True)
    ]
    head = f"The error of networks for {record.what} falls as neurons^{record.slope:.2f}"
    return "\n".join([head, "", table(["neurons", "proven", "found", "none is below", "limit"], rows, "rrrrr")])


def simplification_text(record: Simplification) -> str:
    facts = {
        "neurons": f"{record.neurons[0]:,} before, {record.neurons[1]:,} now",
        "parameters": f"{record.parameters[0]:,} before, {record.parameters[1]:,} now",
        "difference": f"at most {number(record.difference, 3)} on the box, proven; {number(record.measured, 3)} found "
        f"({record.looked_at})",
    }
    rows = [
        [gone.unit, cut(gone.reason, 44), number(gone.low, 3), number(gone.high, 3), gone.how, number(gone.cost, 2)]
        for gone in record.removed[:MOST_ROWS]
    ]
    left = len(record.removed) - MOST_ROWS
    rows += [[f"… {left:,} more", "", "", "", "", ""]] if left > 0 else []
    head = ["unit", "gone because", "from", "to", "known by", "costs"]
    shown = table(head, rows, "  rr r") if rows else "Nothing was found to leave out."
    return "\n".join(["The same network, smaller", listed(facts), "", shown])


TEXTS: dict[type, Callable[[Any], str]] = {
    Construction: construction_text,
    Rate: rate_text,
    Simplification: simplification_text,
}
