"""Where the heads of an attention layer look."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..errors import SettingError, unknown
from ..insight import Attention
from ._answers import rgb
from ._colours import BLUE, LINE, MUTED
from ._style import dress, new, tips
from .words import number

MOST_HEADS = 12


def heads(record: Attention, layer: str | None = None, row: int = 0) -> Figure:
    """The heads of one layer on one example: how much of what a step (down) finds comes from which step (across).

    Raises: SettingError where there is no such layer or example.
    """
    layers = {found.path: found for found in record.layers}
    if layer is not None and layer not in layers:
        raise unknown("attention layer", layer, layers)
    found = record.layers[0] if layer is None else layers[layer]
    if not 0 <= row < len(found.lengths):
        raise SettingError(f"There are {len(found.lengths)} examples, from row 0 on; got row={row}.")
    end = max(int(found.lengths[row]), 1)
    shown = found.weights[row, :MOST_HEADS, :end, :end]
    columns = min(len(shown), 4 if len(shown) > 4 else 2)
    rows = -(-len(shown) // columns)
    figure, panels = new(0.7 + rows * (1.1 + 4 / columns) * 0.8, rows, columns, sharex=True, sharey=True)
    for h, axes in enumerate(panels.ravel()):
        if h >= len(shown):
            axes.set_axis_off()
            continue
        strength = np.nan_to_num(shown[h] / max(float(np.nan_to_num(shown[h]).max()), 1e-30))
        cells = np.concatenate([np.broadcast_to(rgb(BLUE), (*strength.shape, 3)), strength[..., None]], -1)
        image = axes.imshow(cells, interpolation="none", aspect="auto")
        spread, apart = np.exp(found.entropy[h]), found.distance[h]
        tips(image, [f"head {h}: looks at about {number(spread, 3)} steps, {number(apart, 3)} away on average"])
        dress(axes, f"head {h}", "", "", grid="")
        for spine in axes.spines.values():
            spine.set(visible=True, color=LINE)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(4, integer=True))
    figure.supxlabel("step that is looked at", size=9, color=MUTED)
    figure.supylabel("step that looks", size=9, color=MUTED)
    return figure
