"""One look for every figure: colours by role, a light and a dark value each, and the settings of matplotlib."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..language import translated
from ._colours import INK, LINE, MUTED, PAPER
from ._fonts import families
from .words import percent

WIDE = 4.8  # inches: at a phone's width the text of a figure is as large as the text around it

SETTINGS: dict[str, Any] = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9.0,
    "axes.labelsize": 9.5,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.9,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "axes.formatter.useoffset": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "grid.linestyle": "-",
    "grid.alpha": 1.0,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "text.color": INK,
    "text.usetex": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.0,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "figure.facecolor": PAPER,
    "figure.edgecolor": "none",
    "savefig.facecolor": "auto",
    "figure.dpi": 150.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "pellucid",
    "path.simplify": True,
}


def styled() -> AbstractContextManager[None]:
    """The settings above, for as long as a figure is drawn; the user's own are untouched."""
    return matplotlib.rc_context(SETTINGS | {"font.family": families()})  # pyright: ignore[reportArgumentType]


def new(high: float = 3.3, rows: int = 1, columns: int = 1, **settings: Any) -> tuple[Figure, Any]:
    """A figure with its axes (always a 2-D array); no window, no global state."""
    made = sheet(high)
    return made, made.subplots(rows, columns, squeeze=False, **settings)


def sheet(high: float) -> Figure:
    """A figure without axes."""
    made = Figure(figsize=(WIDE, high), layout="constrained")
    FigureCanvasAgg(made)
    made.get_layout_engine().set(w_pad=0.06, h_pad=0.06)  # pyright: ignore
    return made


def dress(axes: Axes, title: str, x: str, y: str, grid: str = "both") -> None:
    """Title and labels; the grid only where it helps to read a value."""
    axes.set_title(translated(title))
    axes.set_xlabel(translated(x))
    axes.set_ylabel(translated(y))
    axes.grid(False)
    if grid:
        axes.grid(True, axis=grid)  # pyright: ignore
    axes.tick_params(length=0)


def powers(value: float, _: object = None) -> str:
    """A power of ten as a tick, its exponent as large as other text.

    Example:
        >>> powers(0.01), powers(1.0), powers(1e-5), powers(2e6)
        ('0.01', '1', '10⁻⁵', '2·10⁶')
    """
    if value == 0 or 1e-3 < abs(value) < 1e4:
        return f"{value:g}"
    digits, _, exponent = f"{value:.0e}".partition("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if digits == "1" else f"{digits}·10{raised}"


def percents(value: float, _: object = None) -> str:
    """A share as a tick, in percent.

    Example:
        >>> percents(0.25)
        '25 %'
    """
    return percent(f"{100 * value:.0f}")


def tips(artist: Any, words: Sequence[str]) -> None:
    """What to say when the pointer rests on each part of an artist; it travels as the artist's id, which SVG keeps."""
    artist.set_gid("tips:" + json.dumps([*map(translated, words)]))
