"""What the doctor found, and what it prescribes, as HTML: boxes with their pictures, a section of a report, a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..doctor import RULES, Diagnosis, Finding, Prescription
from ..insight import Story
from ..language import phrase, translated
from ..recall import recalled
from . import _captions
from ._diagnosed import drawn, glanced
from ._diagnosis_text import (
    KINDS,
    NOTHING,
    change,
    counted,
    looked_at,
    nothing,
    place,
    said,
    scores,
    sentence,
    sureness,
)
from ._figures import figure_of
from ._finding import found
from ._markup import Markup, call, document, element, facts, figure_box, join, small, table_of
from .words import enumerated, measure, scored, seconds, sentences

TONES = {"certain": "bad", "likely": "warn", "possible": "even", "harmless": "even"}


def section(story: Story) -> Markup:
    """What the doctor saw during the training, each with its picture; the diagnosis, where one was made."""
    own = boxes([one for one in story.run.findings if isinstance(one, Finding)], "seen")
    own += [call("warn", "", str(one)) for one in story.run.findings if not isinstance(one, Finding)]
    parts: list[Any] = own or [call("good", phrase("Nothing found."), "")]
    checked = enumerated(recalled(rule) for rule in story.checked)
    parts.append(small(phrase("Looked for after every epoch: {rules}.", rules=checked)))
    if story.diagnosis is not None:
        parts += [element("h3", phrase("The diagnosis")), *diagnosis(story.diagnosis, "told")]
    return join(parts)


def boxes(findings: Iterable[Finding], name: str) -> list[Any]:
    """A box for each finding; `name` keeps the ids of their pictures apart from others on the page."""
    return [box(one, f"{name}{i}") for i, one in enumerate(findings)]


def box(record: Finding, name: str) -> Markup:
    """What was found, the evidence, why it harms and what to do, and its picture."""
    where, rule = place(record) if record.where else "", record.numbers.get("rule")
    if record.epoch:
        where = phrase("{where}, epoch {epoch}", where=where, epoch=record.epoch)
    parts = [*([recalled(rule)] if rule else []), where, sureness(record)]
    lines = {
        phrase("Evidence: "): sentence(record.evidence),
        phrase("Why: "): recalled(record.mechanism),
        phrase("What to do: "): recalled(record.cure),
    }
    more = [element("p", element("b", name), text) for name, text in lines.items()]
    known = found(record)
    if known is not None:
        words = sentences([phrase("{words}.", words=recalled(record.evidence)), known.caption])
        more.append(figure_box(figure_of(record), name, words, known.caption))
    return call(TONES[record.confidence], record.code, "".join(f" · {part}" for part in parts), *more)


def diagnosis(record: Diagnosis, name: str = "found") -> list[Any]:
    """The whole of a diagnosis: the glance, the alarms with their pictures, hints, what is harmless, and the notes."""
    parts: list[Any] = [element("p", scores(record))]
    if record.healthy:
        tone = "good" if nothing(record) == translated(NOTHING) else "even"
        parts = [call(tone, nothing(record), f" {looked_at(record)}"), *parts]
    if drawn(record):
        caption = _captions.GLANCE if glanced(record) else _captions.REACHED
        parts.append(figure_box(figure_of(record), f"{name}-glance", scores(record), caption))
    parts += boxes(record.alarms, name)
    for kind, head in (("possible", phrase("Hints")), ("harmless", phrase("Harmless here"))):
        some = [one for one in record.findings if one.confidence == kind]
        parts += [element("h3", head), *map(brief, some)] if some else []
    if record.notes:
        parts.append(element("ul", *(element("li", recalled(note)) for note in record.notes), class_="notes"))
    return parts


def brief(record: Finding) -> Markup:
    """A hint, or what is harmless, in a few lines."""
    more = small(recalled(record.cure)) if record.confidence == "possible" else Markup("")
    where = place(record) if record.where else ""
    words = phrase("{where}: {evidence}", where=where, evidence=sentence(record.evidence))
    return call("even", record.code, f" · {words}", more)


def prescription(record: Prescription, name: str = "cure") -> list[Any]:
    """The change with its code, the settings, and the scores before and after."""
    if not record:
        tried = phrase("{n} programs were tried.", n=record.tried)
        return [call("even", phrase("No cure: "), sentences([sentence(record.words), tried]))]
    parts: list[Any] = [call("good", phrase("The change: "), sentence(record.words))]
    code = "\n".join(map(recalled, record.code.split("\n")))
    parts.append(element("pre", element("code", code)))
    settings = {name: f"{said(old)} → {said(new)}" for name, (old, new) in record.settings.items()}
    parts.append(facts({**settings, measure(record.metric): change(record),
                        phrase("programs tried"): str(record.tried),
                        phrase("time"): seconds(record.seconds)}))  # fmt: skip
    if drawn(record):
        parts.append(figure_box(figure_of(record), name, change(record), _captions.CURED))
    return parts


def page(record: Diagnosis, cure: Prescription | None, title: str) -> str:
    """One file that needs nothing else."""
    parts = [element("section", element("h2", phrase("Findings")), *diagnosis(record), id="findings")]
    if cure is not None:
        parts.append(element("section", element("h2", phrase("Prescription")), *prescription(cure), id="prescription"))
    parts.append(element("section", element("h2", phrase("What was looked for")), rules_table(), id="rules"))
    return document(
        phrase("{title}: diagnosis", title=title), hero(record, title), [*parts, element("footer", _captions.FOOT)]
    )


def hero(record: Diagnosis, title: str) -> Markup:
    """What was found in a sentence, and the scores."""
    lead = nothing(record) if record.healthy else phrase("{words}.", words=counted(record.alarms))
    tiles = {}
    if record.reached is not None and record.trivial is not None and record.best is not None:
        tiles = {
            phrase("{metric} that it reaches", metric=measure(record.metric)): scored(record.metric, record.reached),
            phrase("always the same answer"): scored(record.metric, record.trivial),
            phrase("the best that was tried"): scored(record.metric, record.best),
        }
    shown = [element("div", element("b", value), element("span", what), class_="tile") for what, value in tiles.items()]
    parts = [
        element("p", phrase("Pellucid doctor"), class_="eyebrow"),
        element("h1", title),
        element("p", lead, class_="lead"),
        element("div", *shown, class_="tiles") if shown else "",
    ]
    return element("header", element("div", *parts, class_="wrap"), class_="hero")


def rules_table() -> Markup:
    """All rules, with what they look at and where they come from."""
    rows = [[rule.code, rule.name, KINDS[rule.kind], rule.source] for rule in RULES]
    head = [phrase("code"), phrase("rule"), phrase("looks at"), phrase("source")]
    return element("details", element("summary", phrase("{n} rules", n=len(rows))), table_of(head, rows))
