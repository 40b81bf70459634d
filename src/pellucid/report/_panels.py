"""What the pictures of layers share: which layer and example is drawn, panels in rows, shading and frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import SettingError, unknown
from ..insight import LayerAttention, LayerGates
from ._answers import rgb
from ._colours import BLUE, LINE
from ._style import dress, new, tips

Found = TypeVar("Found", LayerAttention, LayerGates)


def chosen(layers: Sequence[Found], kind: str, layer: str | None, row: int) -> tuple[Found, int]:
    """The layer of that path, the first where none is named, and the number of steps of its example `row`.

    Raises: SettingError where there is no such layer or example.
    """
    known = {found.path: found for found in layers}
    if layer is not None and layer not in known:
        raise unknown(kind, layer, known)
    found = layers[0] if layer is None else known[layer]
    if not 0 <= row < len(found.lengths):
        raise SettingError(f"There are {len(found.lengths)} examples, from row 0 on; got row={row}.")
    return found, max(int(found.lengths[row]), 1)


def grid(n: int, columns: int, each: float, around: float, **settings: Any) -> tuple[Figure, Sequence[Axes]]:
    """A figure of n panels, so many in a row, `each` inches high, with `around` inches for the words around them."""
    rows = -(-n // columns)
    figure, axes = new(around + each * rows, rows, columns, **settings)
    panels = axes.ravel()
    for panel in panels[n:]:
        panel.set_axis_off()
    for panel in panels[max(n - columns, 0) : n]:  # those above an empty place too
        panel.tick_params(labelbottom=True)
    return figure, panels[:n]


def shaded(axes: Axes, strength: np.ndarray, title: str, said: str) -> None:
    """A picture of numbers from 0 (nothing) to 1 (the full colour) in a frame; `said` is told at the pointer."""
    pixels = np.concatenate([np.broadcast_to(rgb(BLUE), (*strength.shape, 3)), strength[..., None]], -1)
    tips(axes.imshow(pixels, interpolation="none", aspect="auto"), [said])
    dress(axes, title, "", "", grid="")
    framed(axes)


def framed(axes: Axes) -> None:
    """A thin line around a picture."""
    axes.spines[:].set(visible=True, color=LINE)
