"""One answer explained in a picture: what each input contributed, and between which values the map holds."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ..errors import SettingError
from ..geometry import Explanation, NearestFlip, Part
from ..insight import NearestChange, pictured
from ..language import phrase, translated
from ._colours import BLUE, INK, LINE, MUTED
from ._style import dress, new, tips
from ._weights import RAISES, bare, signed_bars, signs
from .words import cut, number

MOST = 12  # inputs that are drawn


def bars(record: Explanation, most: int = MOST) -> Figure:
    """The contributions that sum to the output, and beside them how far each input alone can move in the region."""
    parts = [part for part in record.parts if part.contribution][:most]
    parts = parts or list(record.parts[:1])
    rest = float(record.contributions.sum() - sum(part.contribution for part in parts))
    left = np.count_nonzero(record.contributions) - len(parts)
    names = [phrase("constant"), *(valued(record, part.name, part.value) for part in parts)]
    values = [record.constant, *(part.contribution for part in parts)]
    said = [phrase("constant {value}", value=plain(record.constant)), *map(product, parts)]
    if left > 0:
        names, values = [*names, phrase("{n} others", n=left)], [*values, rest]
        said.append(phrase("{n} others {value}", n=left, value=plain(rest)))
    figure, ((axes, room),) = new(1.45 + 0.235 * len(names), 1, 2, width_ratios=(1.15, 1), sharey=True)
    signed_bars(axes, names, values, said, max(map(abs, values)) or 1.0)
    figure.suptitle(f"{cut(subject(record), 44)} = {plain(record.value)}", x=0.02, ha="left", weight="bold", size=11.5)
    dress(axes, phrase("made of"), phrase("contributions; they sum to it"), "", grid="")
    rooms(room, record, [record.names.index(part.name) for part in parts], len(names))
    return figure


def product(part: Part) -> str:
    """What an input contributes, as it is worked out."""
    return phrase(
        "{weight} × {value} = {contribution} from {name}",
        weight=plain(part.weight),
        value=plain(part.value),
        contribution=plain(part.contribution),
        name=part.name,
    )


def rooms(axes: Axes, record: Explanation, inputs: list[int], rows: int) -> None:
    """How far each input can go down and up, in the network's own units, with its ends in the user's."""
    room = record.region.room[inputs]
    finite = room[np.isfinite(room)]
    reach = float(np.quantile(finite, 0.8)) * 1.3 if len(finite) else 1.0
    reach = reach or 1.0
    lines, said = [], []
    for i, (down, up) in enumerate(room, start=1):
        lines.append([(-min(down, reach), i), (min(up, reach), i)])
        low, high = record.ranges[inputs[i - 1]]
        ends = {"low": limit(low, phrase("any")), "high": limit(high, phrase("any"))}
        said.append(phrase("{name} from {low} to {high}", name=record.names[inputs[i - 1]], **ends))
        for side, far, value in ((-1, down, low), (1, up, high)):
            if np.isfinite(far):
                axes.annotate(
                    plain(value), (side * min(far, reach), i), (4 * side, 0), textcoords="offset points", size=8.5,
                    color=MUTED, ha="left" if side > 0 else "right", va="center",
                )  # fmt: skip
            if far > reach:
                axes.plot([side * reach], [i], marker=">" if side > 0 else "<", color=BLUE, markersize=4)
    drawn = LineCollection(lines, colors=BLUE, linewidths=3.2, capstyle="round", alpha=0.8)
    tips(drawn, said)
    axes.add_collection(drawn, autolim=False)
    axes.plot(np.zeros(len(inputs)), np.arange(1, len(inputs) + 1), "o", color=INK, markersize=4, zorder=3)
    axes.set_xlim(-1.9 * reach, 1.9 * reach)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.axvline(0, color=LINE, linewidth=1, zorder=0)
    dress(axes, phrase("where it holds"), phrase("each input alone"), "", grid="")
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def picture(record: Explanation) -> Figure:
    """The contributions at their places in the picture.

    Raises: SettingError where the inputs are not those of a picture.
    """
    shown = {phrase("input"): pictured(record.names, record.values),
             phrase("contributions"): pictured(record.names, record.contributions),
             phrase("weights"): pictured(record.names, record.weights)}  # fmt: skip
    if any(values is None for values in shown.values()):
        raise SettingError("These inputs are not places of a picture: plot(kind='bars') draws them.")
    figure, (panels,) = new(2.35, 1, 3)
    for i, (axes, (title, values)) in enumerate(zip(panels, shown.items(), strict=True)):
        values = np.asarray(values)
        if i == 0:
            drawn = axes.imshow(values, cmap="gray_r" if values.min() >= 0 else "gray", interpolation="none")
        else:
            drawn = axes.imshow(signs(values, float(abs(values).max())), interpolation="none")
        low, high = plain(values.min()), plain(values.max())
        tips(drawn, [phrase("{title}: from {low} to {high}", title=title, low=low, high=high)])
        bare(axes, title)
    figure.suptitle(f"{cut(subject(record), 44)} = {plain(record.value)}", x=0.02, ha="left", weight="bold", size=11.5)
    figure.supxlabel(translated(RAISES), size=9, color=MUTED)
    return figure


def moved(record: NearestFlip | NearestChange, most: int = MOST) -> Figure:
    """By how much each input is moved to the nearest change of the answer, in the network's inputs.

    Raises: SettingError where no change was found.
    """
    flip = record.flip if isinstance(record, NearestChange) else record
    if flip.point is None:
        raise SettingError("No change of the answer was found, so there is none to draw.")
    step = flip.point - flip.x
    names = [phrase("input {i}", i=i) for i in range(len(step))]
    if isinstance(record, NearestChange):
        named = dict(zip(record.moved, record.names, strict=True))
        names = [named.get(i, name) for i, name in enumerate(names)]
    order = np.argsort(-abs(step), kind="stable")[: max(1, min(most, np.count_nonzero(step)))]
    said = [f"{names[i]}: {plain(float(flip.x[i]))} → {plain(float(flip.point[i]))}" for i in order]
    figure, ((axes,),) = new(1.1 + 0.235 * len(order))
    signed_bars(axes, [names[i] for i in order], step[order], said, float(abs(step).max()) or 1.0)
    to = cut(record.to if isinstance(record, NearestChange) else phrase("answer {to}", to=flip.to), 24)
    far, least = plain(flip.distance), plain(flip.lower)
    title = phrase("To {to}: distance {far} (at least {least})", to=to, far=far, least=least)
    if flip.status == "exact":
        title = phrase("To {to}: distance {far} (the least)", to=to, far=far)
    dress(axes, title, phrase("moves, as the network sees its inputs"), "", grid="")
    return figure


def subject(record: Explanation) -> str:
    if not record.link:
        return translated(record.output_name)
    return phrase("{link} of {output}", link=record.link, output=record.output_name)


def valued(record: Explanation, name: str, value: float) -> str:
    """An input with its value; one that is there or not is named alone."""
    return name if record.categorical[record.names.index(name)] else f"{cut(name, 22)} = {plain(value)}"


def limit(value: float, otherwise: str) -> str:
    return plain(value) if np.isfinite(value) else otherwise


def plain(value: float) -> str:
    return number(float(value), 3).replace("-", "−")
