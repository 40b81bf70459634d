"""What the doctor found, and what it prescribes, in plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from textwrap import indent, wrap
from typing import Any

import numpy as np

from ..doctor import RULES, Diagnosis, Finding, Prescription
from ..language import phrase, translated
from ..recall import recalled
from .words import enumerated, measure, number, scored, seconds

WIDTH = 104
MARKS = {"certain": "✗", "likely": "!", "possible": "?", "harmless": "·"}
NOTHING = phrase("Nothing wrong was found.")
KINDS = {
    "static": phrase("the network and its settings"),
    "data": phrase("the data"),
    "probe": phrase("short trainings"),
}
SURENESS = {
    "certain": phrase("certain"),
    "likely": phrase("likely"),
    "possible": phrase("possible"),
    "harmless": phrase("harmless"),
}
PLACES = {
    "": phrase("the network"),
    "batch": phrase("batch"),
    "dropout": phrase("dropout"),
    "input": phrase("input"),
    "learning rate": phrase("learning rate"),
    "loss": phrase("loss"),
    "network": phrase("network"),
    "optimizer": phrase("optimizer"),
    "start": phrase("start"),
    "targets": phrase("targets"),
    "training": phrase("training"),
    "validation": phrase("validation"),
    "validation x": phrase("validation x"),
    "validation y": phrase("validation y"),
    "weight decay": phrase("weight decay"),
    "x and y": phrase("x and y"),
}


def finding(record: Finding) -> str:
    """A finding in full."""
    lines = [f"{MARKS[record.confidence]} {record.confidence}: {title(record)}"]
    for name, words in {"": sentence(record.evidence), "Why": record.mechanism, "Cure": record.cure}.items():
        lines.append(hanging(name, translated(words)))
    return "\n".join(lines)


def title(record: Finding) -> str:
    """The code, what the rule is called, and where."""
    rule = record.numbers.get("rule")
    when = f", epoch {record.epoch}" if record.epoch else ""
    return f"{record.code}{f', {rule},' if rule else ''} at {record.where or 'the network'}{when}"


def place(record: Finding) -> str:
    """Where it is, in the language at hand; the path of a layer as it is."""
    return translated(PLACES.get(record.where, record.where))


def sureness(record: Finding) -> str:
    """How sure it is, in the language at hand."""
    return translated(SURENESS[record.confidence])


def sentence(words: str) -> str:
    """With a stop at its end."""
    words = recalled(words)
    return words if words.endswith((".", "!", "?", "。")) else phrase("{words}.", words=words)


def hanging(name: str, words: str) -> str:
    """A paragraph with its name before it."""
    return "\n".join(wrap(words, WIDTH, initial_indent=f"    {name:<5}", subsequent_indent=" " * 9))


def brief(record: Finding) -> str:
    """A hint: what is seen and what to do, without the mechanism."""
    words = f"{MARKS[record.confidence]} {title(record)}: {sentence(record.evidence)}"
    if record.confidence == "possible":
        words += f" {translated(record.cure)}"
    return "\n".join(wrap(words, WIDTH, subsequent_indent="  "))


def diagnosis(record: Diagnosis) -> str:
    """What was reached, what is wrong, and what could not be told."""
    parts = [verdict(record), *(finding(one) for one in record.alarms)]
    for kind, head in (("possible", "Hints"), ("harmless", "Harmless here")):
        some = [brief(one) for one in record.findings if one.confidence == kind]
        parts += ["\n".join([head, *some])] if some else []
    if record.notes:
        parts.append("\n".join(["Notes", *("\n".join(wrap(note, WIDTH, initial_indent="- ", subsequent_indent="  "))
                                           for note in map(translated, record.notes))]))  # fmt: skip
    if record.alarms and record.reached is not None:
        parts.append("prescribe() tries cures, and gives the smallest that works.")
    return "\n\n".join(parts)


def verdict(record: Diagnosis) -> str:
    """One glance: what is wrong, or that nothing is and what was looked at, and what was reached."""
    alarms = record.alarms
    if alarms:
        first = f" The first: {title(alarms[0])}." if len(alarms) > 1 else ""
        said = f"{counted(alarms)}.{first}"
    else:
        said = f"{nothing(record)} {looked_at(record)}"
    return "\n".join([*wrap(said, WIDTH), *wrap(scores(record), WIDTH)])


def nothing(record: Diagnosis) -> str:
    """That there is no alarm, and whether there are hints."""
    hints = [one for one in record.findings if one.confidence == "possible"]
    return phrase("Nothing certain or likely was found, but hints were.") if hints else translated(NOTHING)


def counted(found: tuple[Finding, ...]) -> str:
    """How many of each confidence.

    Example:
        >>> counted((Finding("A", "x", 0, "", "", "", "certain"), Finding("B", "x", 0, "", "", "")))
        '2 findings, 1 certain and 1 likely'
    """
    each = Counter(one.confidence for one in found)
    kinds = phrase(" and ").join(phrase("{n} {kind}", n=n, kind=SURENESS[kind]) for kind, n in each.items())
    if len(found) == 1:
        return phrase("1 finding, {kinds}", kinds=kinds)
    return phrase("{n} findings, {kinds}", n=len(found), kinds=kinds)


def looked_at(record: Diagnosis) -> str:
    """How many rules looked at what."""
    kinds = Counter(rule.kind for rule in RULES)
    known = {
        "static": True,
        "data": record.reached is not None or bool(record.metric),
        "probe": record.reached is not None,
    }
    *first, last = (
        phrase("{n} at {what}", n=kinds[kind], what=what) for kind, what in KINDS.items() if kinds[kind] and known[kind]
    )
    whole = f"{enumerated(first)}{phrase(' and ')}{last}" if first else last
    return phrase("Rules looked: {rules}.", rules=whole)


def scores(record: Diagnosis) -> str:
    """What was reached, beside the constant answer and the best that was tried."""
    if record.reached is None or record.trivial is None or record.best is None:
        return phrase("No training was tried.")
    reached, trivial, best = (scored(record.metric, v) for v in (record.reached, record.trivial, record.best))
    return phrase(
        "It reaches {metric} {reached}; always the same answer has {trivial}, the best that was tried {best} "
        "(on the rows learned from).",
        metric=measure(record.metric),
        reached=reached,
        trivial=trivial,
        best=best,
    )


def prescription(record: Prescription) -> str:
    """The change, how to write it, what it does to the settings, and the scores before and after."""
    cost = f"{record.tried} programs were tried in {seconds(record.seconds)}."
    if not record:
        own = f"As it is, it reaches {record.metric} {all_of(record.metric, record.before)}." if record.before else ""
        return "\n".join(wrap(f"No cure: {translated(record.words)}. {cost} {own}", WIDTH))
    words = wrap(f"Change: {translated(record.words)}.", WIDTH, subsequent_indent="        ")
    parts = ["\n".join(words), indent(record.code, "    ")]
    if record.settings:
        parts.append("\n".join(f"  {name}: {said(old)} → {said(new)}" for name, (old, new) in record.settings.items()))
    parts.append(f"{record.metric}: {change(record)}\n{cost}")
    return "\n\n".join(parts)


def change(record: Prescription) -> str:
    """The middle score before and after, and all of them.

    Example:
        >>> change(Prescription(("a",), "", "", {}, (0.5, 0.6, 0.5), (0.9, 1.0, 0.9), "accuracy", 3, 1.0))
        '50.0 % → 90.0 % (50.0 %, 60.0 %, 50.0 % → 90.0 %, 100.0 %, 90.0 %; 3 draws of the start)'
    """
    before, after = (scored(record.metric, float(np.median(v))) for v in (record.before, record.after))
    every = " → ".join(all_of(record.metric, v) for v in (record.before, record.after))
    return phrase(
        "{before} → {after} ({every}; {n} draws of the start)",
        before=before,
        after=after,
        every=every,
        n=len(record.after),
    )


def all_of(metric: str, values: tuple[float, ...]) -> str:
    return enumerated(scored(metric, value) for value in values)


def said(value: Any) -> str:
    """A setting as one writes it; of a loss its name and what it is set to."""
    if isinstance(value, dict):
        rest = ", ".join(f"{name} {said(v)}" for name, v in value.items() if name != "name")
        return f"{value.get('name', '')}{f' ({rest})' if rest else ''}"
    return phrase("its own") if value is None else number(value) if isinstance(value, float) else str(value)


TEXTS: dict[type, Callable[[Any], str]] = {Finding: finding, Diagnosis: diagnosis, Prescription: prescription}
