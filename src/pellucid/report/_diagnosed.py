"""What the doctor found, and what it prescribes, as pictures: all findings at a glance, scores before and after."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..doctor import Diagnosis, Finding, Prescription
from ..errors import SettingError
from ..language import phrase, translated
from ._colours import GOLD, GREEN, INK, MUTED, ORANGE, RED
from ._diagnosis_text import place, sureness
from ._finding_network import bars
from ._finding_training import AS_IT_IS, BEST, CONSTANT, reached
from ._style import dress, new, percents, tips
from .words import measure, scored, sentence_case, share

TONES = {"certain": RED, "likely": ORANGE, "possible": GOLD, "harmless": MUTED}
MOST = 12


def glance(record: Diagnosis) -> Figure:
    """What the cure of each finding brings by itself; where there is no alarm or none was tried, what was reached.

    Raises: SettingError where nothing was found and nothing could be tried.
    """
    found = glanced(record)
    if not drawn(record):
        raise SettingError("Nothing could be tried, so there is no picture of it all; each finding has its own.")
    if not found:
        own = {CONSTANT: record.trivial, AS_IT_IS: record.reached, BEST: record.best}
        return reached({"reached": own, "metric": record.metric}, "")
    figure, ((axes,),) = new(1.35 + 0.29 * len(found))
    values = np.array([one.closes or 0.0 for one in found])
    names = [f"{one.code} {place(one)}" for one in found]
    told = [untried(one) if one.closes is None else sureness(one) for one in found]
    shares = ["" if one.closes is None else f": {share(one.closes, 0)}" for one in found]
    words = [f"{name}, {said}{part}" for name, said, part in zip(names, told, shares, strict=True)]
    bars(axes, names, values, [TONES[one.confidence] for one in found], words)
    for i, (value, said) in enumerate(zip(values, told, strict=True)):
        axes.annotate(said, (value, i), (4, 0), textcoords="offset points", va="center", size=9, color=MUTED)
    axes.set_xlim(0, 1.22)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(percents)
    dress(axes, phrase("What each cure brings by itself"), phrase("share of what is missing"), "", grid="x")
    return figure


def untried(one: Finding) -> str:
    return phrase("{sureness}, not tried by itself", sureness=sureness(one))


def glanced(record: Diagnosis) -> list[Finding]:
    """The findings that are drawn: alarms and hints, where there is an alarm and some cure was tried."""
    found = [one for one in record.findings if one.confidence != "harmless"][:MOST]
    return [] if record.healthy or all(one.closes is None for one in found) else found


def cured(record: Prescription) -> Figure:
    """The scores before and after, a line for each draw of the start.

    Raises: SettingError where nothing was better than the program as it is.
    """
    if not record or not record.before:
        raise SettingError("There is no cure to draw: nothing that was tried is better.")
    before, after = np.array(record.before, float), np.array(record.after, float)
    figure, ((axes,),) = new(3.0)
    for old, new_ in zip(before, after, strict=True):
        axes.plot([0, 1], [old, new_], color=MUTED, linewidth=1)
    for at, values, colour in ((0, before, ORANGE), (1, after, GREEN)):
        dots = axes.scatter(np.full(len(values), at), values, s=42, color=colour, linewidths=0, zorder=3)
        tips(dots, [scored(record.metric, float(v)) for v in values])
        middle = float(np.median(values))
        axes.annotate(
            scored(record.metric, middle), (at, middle), (-10 if at == 0 else 10, 0), textcoords="offset points",
            ha="right" if at == 0 else "left", va="center", weight="bold", color=INK,
        )  # fmt: skip
    low, high = min(before.min(), after.min()), max(before.max(), after.max())
    room = 0.12 * (high - low or 1)
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(-0.45, 1.45)
    axes.set_xticks([0, 1], [translated(AS_IT_IS), phrase("changed")])
    if record.metric == "accuracy":
        axes.yaxis.set_major_formatter(percents)
    metric = measure(record.metric)
    title = phrase("{metric} from {n} draws of the start", metric=sentence_case(metric), n=len(after))
    dress(axes, title, phrase("program"), metric, grid="y")
    return figure


def drawn(record: Diagnosis | Prescription) -> bool:
    """Whether there is a picture of it."""
    if isinstance(record, Prescription):
        return bool(record) and bool(record.before)
    return record.reached is not None
