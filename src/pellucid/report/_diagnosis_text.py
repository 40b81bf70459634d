"""What the doctor found, and what it prescribes, in plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from textwrap import indent, wrap
from typing import Any

import numpy as np

from ..doctor import RULES, Diagnosis, Finding, Prescription
from .words import number, scored, seconds, share

WIDTH = 104
MARKS = {"certain": "✗", "likely": "!", "possible": "?", "harmless": "·"}
NOTHING = "Nothing wrong was found."
KINDS = {"static": "the network and its settings", "data": "the data", "probe": "short trainings"}


def finding(record: Finding) -> str:
    """A finding in full."""
    lines = [f"{MARKS[record.confidence]} {record.confidence}: {title(record)}"]
    for name, words in {"": evidence(record), "Why": record.mechanism, "Cure": record.cure}.items():
        lines.append(hanging(name, words))
    return "\n".join(lines)


def title(record: Finding) -> str:
    """The code, what the rule is called, and where."""
    rule = record.numbers.get("rule")
    when = f", epoch {record.epoch}" if record.epoch else ""
    return f"{record.code}{f', {rule},' if rule else ''} at {record.where or 'the network'}{when}"


def evidence(record: Finding) -> str:
    """The evidence, and how much of what is missing it accounts for."""
    part = f" This accounts for {share(record.explains, 0)} of what is missing." if record.explains >= 0.005 else ""
    return f"{sentence(record.evidence)}{part}"


def sentence(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."


def hanging(name: str, words: str) -> str:
    """A paragraph with its name before it."""
    return "\n".join(wrap(words, WIDTH, initial_indent=f"    {name:<5}", subsequent_indent=" " * 9))


def brief(record: Finding) -> str:
    """A hint: what is seen and what to do, without the mechanism."""
    words = f"{MARKS[record.confidence]} {title(record)}: {sentence(record.evidence)}"
    if record.confidence == "possible":
        words += f" {record.cure}"
    return "\n".join(wrap(words, WIDTH, subsequent_indent="  "))


def diagnosis(record: Diagnosis) -> str:
    """What was reached, what is wrong, and what could not be told."""
    parts = [verdict(record), *(finding(one) for one in record.alarms)]
    for kind, head in (("possible", "Hints"), ("harmless", "Harmless here")):
        some = [brief(one) for one in record.findings if one.confidence == kind]
        parts += ["\n".join([head, *some])] if some else []
    if record.notes:
        parts.append("\n".join(["Notes", *("\n".join(wrap(note, WIDTH, initial_indent="- ", subsequent_indent="  "))
                                           for note in record.notes)]))  # fmt: skip
    if record.alarms and record.reached is not None:
        parts.append("prescribe() tries cures, and gives the smallest that works.")
    return "\n\n".join(parts)


def verdict(record: Diagnosis) -> str:
    """One glance: what is wrong, or that nothing is and what was looked at, and what was reached."""
    alarms = record.alarms
    if alarms:
        first = f" The first: {title(alarms[0])}." if len(alarms) > 1 else ""
        said = f"{counted(alarms, 'finding')}.{first}"
    else:
        said = f"{nothing(record)} {looked_at(record)}"
    return "\n".join([*wrap(said, WIDTH), *wrap(scores(record), WIDTH)])


def nothing(record: Diagnosis) -> str:
    """That there is no alarm, and whether there are hints."""
    hints = [one for one in record.findings if one.confidence == "possible"]
    return "Nothing certain or likely was found, but hints were." if hints else NOTHING


def counted(found: tuple[Finding, ...], what: str) -> str:
    """How many of each confidence.

    Example:
        >>> counted((Finding("A", "x", 0, "", "", "", "certain"), Finding("B", "x", 0, "", "", "")), "finding")
        '2 findings, 1 certain and 1 likely'
    """
    kinds = Counter(one.confidence for one in found)
    return f"{len(found)} {what}{'s' * (len(found) != 1)}, " + " and ".join(f"{n} {kind}" for kind, n in kinds.items())


def looked_at(record: Diagnosis) -> str:
    """How many rules looked at what."""
    kinds = Counter(rule.kind for rule in RULES)
    known = {
        "static": True,
        "data": record.reached is not None or bool(record.metric),
        "probe": record.reached is not None,
    }
    parts = [f"{kinds[kind]} at {words}" for kind, words in KINDS.items() if kinds[kind] and known[kind]]
    *first, last = parts
    return f"Rules looked: {', '.join(first)}{' and ' * bool(first)}{last}."


def scores(record: Diagnosis) -> str:
    """What was reached, beside the constant answer and the best that was tried."""
    if record.reached is None or record.trivial is None or record.best is None:
        return "No training was tried."
    reached, trivial, best = (scored(record.metric, v) for v in (record.reached, record.trivial, record.best))
    return (
        f"It reaches {record.metric} {reached}; always the same answer has {trivial}, the best that was tried {best} "
        "(on the rows learned from)."
    )


def prescription(record: Prescription) -> str:
    """The change, how to write it, what it does to the settings, and the scores before and after."""
    cost = f"{record.tried} programs were tried in {seconds(record.seconds)}."
    if not record:
        own = f"As it is, it reaches {record.metric} {all_of(record.metric, record.before)}." if record.before else ""
        return "\n".join(wrap(f"No cure: {record.words}. {cost} {own}", WIDTH))
    words = wrap(f"Change: {record.words}.", WIDTH, subsequent_indent="        ")
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
    return f"{before} → {after} ({every}; {len(record.after)} draws of the start)"


def all_of(metric: str, values: tuple[float, ...]) -> str:
    return ", ".join(scored(metric, value) for value in values)


def said(value: Any) -> str:
    """A setting as one writes it; of a loss its name and what it is set to."""
    if isinstance(value, dict):
        rest = ", ".join(f"{name} {said(v)}" for name, v in value.items() if name != "name")
        return f"{value.get('name', '')}{f' ({rest})' if rest else ''}"
    return "its own" if value is None else number(value) if isinstance(value, float) else str(value)


TEXTS: dict[type, Callable[[Any], str]] = {Finding: finding, Diagnosis: diagnosis, Prescription: prescription}
