"""Where the heads of an attention layer look."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..insight import Attention
from ..language import phrase
from ._colours import MUTED
from ._panels import chosen, grid, shaded
from .words import number

MOST_HEADS = 12


def heads(record: Attention, layer: str | None = None, row: int = 0) -> Figure:
    """The heads of one layer on one example: how much of what a step (down) finds comes from which step (across).

    Raises: SettingError where there is no such layer or example.
    """
    found, end = chosen(record.layers, "attention layer", layer, row)
    shown = np.nan_to_num(found.weights[row, :MOST_HEADS, :end, :end])
    n = len(shown)
    columns = min(n, min((2, 3) if n < 5 else (4, 3), key=lambda wide: -n % wide))  # the fewest empty places
    figure, panels = grid(n, columns, (1.1 + 4 / columns) * 0.8, 0.7, sharex=True, sharey=True)
    for h, axes in enumerate(panels):
        spread, apart = np.exp(found.entropy[h]), found.distance[h]
        said = phrase(
            "head {h}: looks at about {n} steps, {far} away on average", h=h, n=number(spread, 3), far=number(apart, 3)
        )
        shaded(axes, shown[h] / max(float(shown[h].max()), 1e-30), phrase("head {h}", h=h), said)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(4, integer=True))
    figure.supxlabel(phrase("step that is looked at, the fuller the blue, the more"), size=9, color=MUTED)
    figure.supylabel(phrase("step that looks"), size=9, color=MUTED)
    return figure
