"""What the colours of a picture of regions mean: names in a row, a bar from low to high, a wheel of directions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ..language import phrase
from ._colours import LINE, MUTED
from ._faces import Scale, by_direction
from ._style import dress
from .words import cut, number, width

MOST_KEYS = 10


def legend(figure: Figure, keys: Mapping[str, str], alpha: float = 0.75) -> None:
    """Names with their colours below the picture."""
    named = list(keys.items())
    shown = [Patch(facecolor=to_rgba(colour, alpha), edgecolor="none", label=cut(name, 44))
             for name, colour in named[:MOST_KEYS]]  # fmt: skip
    if len(named) > MOST_KEYS:
        shown.append(Patch(facecolor="none", edgecolor="none", label=phrase("and {n} more", n=len(named) - MOST_KEYS)))
    longest = max((width(str(patch.get_label())) for patch in shown), default=1)
    figure.legend(
        handles=shown, loc="outside lower left", ncols=max(1, min(len(shown), 10, 62 // (longest + 5))),
        handlelength=1.1, handleheight=1.1, columnspacing=1.2, labelcolor=MUTED,
    )  # fmt: skip


def bar(axes: Axes, scale: Scale) -> None:
    """One output from its lowest to its highest."""
    high = scale.high if scale.high > scale.low else scale.low + 1  # a constant output is one colour
    steps = np.linspace(scale.low, scale.high, 128)[:, None, None]
    pixels = (255 * scale(steps) + 0.5).astype(np.uint8)
    axes.imshow(pixels, extent=(0, 1, scale.low, high), origin="lower", aspect="auto", interpolation="none")
    dress(axes, " ", "", "", grid="")
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(lambda value, _: number(float(value), 3).replace("-", "−"))
    axes.spines[:].set(visible=True, color=LINE)


def wheel(axes: Any, most: float) -> None:
    """A disc of all directions: each point in the colour of a slope that points there."""
    at = np.linspace(-1, 1, 181)
    slopes = np.stack(np.meshgrid(at, at), -1)
    pixels = by_direction(slopes, 1.0)
    pixels[np.linalg.norm(slopes, axis=-1) > 1, 3] = 0
    pixels = (255 * pixels + 0.5).astype(np.uint8)
    axes.imshow(pixels, extent=(-1, 1, -1, 1), origin="lower", interpolation="none")
    dress(axes, phrase("uphill"), phrase("rim: {slope}\nor steeper", slope=number(most, 2)), "", grid="")
    axes.set_anchor("N")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
