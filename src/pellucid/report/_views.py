"""Regions with the names of the data, and the linear models that a network uses, drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..errors import SettingError
from ..geometry import LinearModels
from ..insight import View
from ..language import phrase, translated
from . import _complex
from ._colours import MUTED
from ._geometry_text import strongest
from ._style import dress, new
from ._weights import RAISES, cells
from .words import cut, squeezed, width

MOST_MODELS = 14


def regions(record: View, **options: Any) -> Figure:
    rows = (record.points, record.classes) if len(record.points) else None
    found = record.complex
    titled: dict[str, Any] = {}
    if found.flat.n_out == 1:
        of = translated(record.outputs[0])
        if record.link:
            of = phrase("the {link} of {output}", link=record.link, output=of)
        titled = {"title": phrase("{n} regions by {output}", n=_complex.counted(found), output=squeezed(of, 30))}
    return _complex.regions(found, **named(record), level=record.level, rows=rows, **titled | options)


def slope(record: View, **options: Any) -> Figure:
    return _complex.slope(record.complex, **named(record), **options)


def pattern(record: View, **options: Any) -> Figure:
    return _complex.pattern(record.complex, **named(record), **options)


def layer(record: View, **options: Any) -> Figure:
    return _complex.layer(record.complex, **named(record), level=record.level, **options)


def named(record: View) -> dict[str, Any]:
    return {"names": record.names, "outputs": record.outputs}


def models(record: LinearModels, output: int = 0, most: int = MOST_MODELS) -> Figure:
    """What the linear models with most rows weigh: a row for each, the strongest inputs across."""
    if not 0 <= output < len(record.outputs):
        raise SettingError(f"There are the outputs 0 to {len(record.outputs) - 1}; got output={output}.")
    shown, inputs = record.models[:most], strongest(record, 10)
    weights = np.array([[model.weight[i, output] for i in inputs] for model in shown])
    weights = weights / np.maximum(abs(weights).max(0), 1e-300)
    sizes = [len(model.rows) for model in shown]
    rows = [phrase("1 row") if n == 1 else phrase("{n:,} rows", n=n) for n in sizes]
    names = [record.names[i] for i in inputs]
    figure, ((axes,),) = new(1.5 + 0.235 * len(shown))
    more = f"{len(shown)}"
    if len(record.models) > len(shown):
        more = phrase("{n} of {total:,}", n=len(shown), total=len(record.models))
    title = phrase("{n} linear models", n=more)
    if len(record.outputs) > 1:
        title = phrase("{n} linear models for {output}", n=more, output=squeezed(record.outputs[output], 20))
    dress(axes, title, "", "", grid="")
    below = phrase("weights, each input on its own scale; {read}", read=RAISES)
    figure.supxlabel(below, size=9, color=MUTED)
    cells(axes, weights, rows, names)
    turned = len(names) > 5 or max(map(width, names)) > 10
    axes.set_xticks(range(len(names)), [cut(name, 20) for name in names], rotation=25 if turned else 0,
                    ha="right" if turned else "center")  # fmt: skip
    return figure
