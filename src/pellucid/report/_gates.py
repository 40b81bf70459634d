"""How far the gates of a recurrent layer open, step by step."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..insight import Gates, LayerGates
from ..language import phrase
from ..recall import recalled
from ._colours import ORANGE
from ._panels import chosen, shaded
from ._style import dress, new
from .words import number, share, signed, table

MOST_UNITS = 64
MOST_TOLD = 8  # units in words


def strip(record: Gates, layer: str | None = None, row: int = 0) -> Figure:
    """Every gate of one layer on one example: units (down) by steps (across), and the mean over the units.

    The units that remember longest come first.

    Raises: SettingError where there is no such layer or example.
    """
    found, end = chosen(record.layers, "layer with gates called", layer, row)
    order = longest(found)[:MOST_UNITS]
    heights = [3.0, 1.0] * len(found.openings)
    figure, panels = new(0.6 + 2.1 * len(found.openings), len(heights), sharex=True, height_ratios=heights)
    for (gate, opening), (picture, line) in zip(found.openings.items(), panels.reshape(-1, 2), strict=True):
        shown = np.nan_to_num(opening[row, :end, order])  # units first
        open_ = share(float(shown.mean()))
        said = phrase("{gate} gate: {share} open on average", gate=recalled(gate), share=open_)
        shaded(picture, shown, phrase("{gate} gate", gate=recalled(gate)), said)
        picture.set_ylabel(phrase("unit"))
        picture.set_yticks([])
        line.plot(np.arange(end), shown.mean(0), color=ORANGE)
        dress(line, phrase("mean"), "", "", grid="y")
        line.set_ylim(-0.05, 1.05)
        line.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panels[-1, 0].set_xlabel(phrase("step; the fuller the blue, the further the gate is open"))
    return figure


def longest(layer: LayerGates) -> np.ndarray:
    """The units by how long they remember, the longest first."""
    return np.argsort(-layer.half_life, kind="stable")


def text(record: Gates) -> str:
    return "\n\n".join(layer_text(layer) for layer in record.layers)


def layer_text(layer: LayerGates) -> str:
    """One layer: how far its gates are open, and what its longest memories respond to."""
    counts, rows = layer.counts, []
    for gate, opening in layer.openings.items():
        seen = opening[counts]
        rows.append([gate, *map(share, (float(seen.mean()), float((seen > 0.9).mean()), float((seen < 0.1).mean())))])
    life = layer.half_life
    head = (
        f"{layer.path or 'the network'} ({layer.kind}): half-life of memory {steps(float(np.median(life)))} (median), "
    )
    head += f"from {steps(float(life.min()))} to {steps(float(life.max()))}"
    lines = [head, table(["gate", "mean opening", "above 0.9", "below 0.1"], rows, " rrr")]
    for unit in longest(layer)[:MOST_TOLD]:
        parts = []
        for found in layer.responses:
            i = int(found.strongest[unit])
            pull, r = float(found.pull[i, unit]), float(found.correlation[i, unit])
            follows = "" if np.isnan(r) else f", correlation {signed(r, '.2f')}"
            parts.append(f"{found.gate} by input {i} (pull {signed(pull)}{follows})")
        lines.append(f"  unit {unit}, half-life {steps(float(life[unit]))}: {'; '.join(parts)}")
    return "\n".join(lines)


def steps(value: float) -> str:
    return "without end" if value == np.inf else f"{number(value, 3)} steps"
