"""What the doctor found, and what it prescribes, as HTML: boxes with their pictures, a section of a report, a page."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from ..doctor import RULES, Diagnosis, Finding, Prescription
from ..insight import Story
from . import _captions
from ._colours import variables
from ._diagnosed import drawn, glanced
from ._diagnosis_text import KINDS, NOTHING, change, counted, evidence, looked_at, nothing, said, scores, sentence
from ._figures import figure_of
from ._finding import found
from ._markup import DOCUMENT, Markup, call, element, facts, figure_box, join, safe, small, table_of
from .words import scored, seconds

TONES = {"certain": "bad", "likely": "warn", "possible": "even", "harmless": "even"}


def section(story: Story) -> Markup:
    """What the doctor saw during the training, each with its picture; the diagnosis, where one was made."""
    own = boxes([one for one in story.run.findings if isinstance(one, Finding)], "seen")
    own += [call("warn", "", str(one)) for one in story.run.findings if not isinstance(one, Finding)]
    parts: list[Any] = own or [call("good", "Nothing found.", "")]
    parts.append(small(f"Looked for after every epoch: {', '.join(story.checked)}."))
    if story.diagnosis is not None:
        parts += [element("h3", "The diagnosis"), *diagnosis(story.diagnosis, "told")]
    return join(parts)


def boxes(findings: Iterable[Finding], name: str) -> list[Any]:
    """A box for each finding; `name` keeps the ids of their pictures apart from others on the page."""
    return [box(one, f"{name}{i}") for i, one in enumerate(findings)]


def box(record: Finding, name: str) -> Markup:
    """What was found, the evidence, why it harms and what to do, and its picture."""
    when = f", epoch {record.epoch}" if record.epoch else ""
    rule = record.numbers.get("rule")
    head = f" · {f'{rule} · ' if rule else ''}{record.where}{when} · {record.confidence}"
    lines = {"Evidence: ": evidence(record), "Why: ": record.mechanism, "What to do: ": record.cure}
    more = [element("p", element("b", name), text) for name, text in lines.items()]
    known = found(record)
    if known is not None:
        more.append(figure_box(figure_of(record), name, f"{record.evidence}. {known.caption}", known.caption))
    return call(TONES[record.confidence], record.code, head, *more)


def diagnosis(record: Diagnosis, name: str = "found") -> list[Any]:
    """The whole of a diagnosis: the glance, the alarms with their pictures, hints, what is harmless, and the notes."""
    parts: list[Any] = [element("p", scores(record))]
    if record.healthy:
        tone = "good" if nothing(record) == NOTHING else "even"
        parts = [call(tone, nothing(record), f" {looked_at(record)}"), *parts]
    if drawn(record):
        caption = _captions.GLANCE if glanced(record) else _captions.REACHED
        parts.append(figure_box(figure_of(record), f"{name}-glance", scores(record), caption))
    parts += boxes(record.alarms, name)
    for kind, head in (("possible", "Hints"), ("harmless", "Harmless here")):
        some = [one for one in record.findings if one.confidence == kind]
        parts += [element("h3", head), *map(brief, some)] if some else []
    if record.notes:
        parts.append(element("ul", *(element("li", note) for note in record.notes), class_="notes"))
    return parts


def brief(record: Finding) -> Markup:
    """A hint, or what is harmless, in a few lines."""
    more = small(record.cure) if record.confidence == "possible" else Markup("")
    return call("even", record.code, f" · {record.where}: {sentence(record.evidence)}", more)


def prescription(record: Prescription, name: str = "cure") -> list[Any]:
    """The change with its code, the settings, and the scores before and after."""
    if not record:
        return [call("even", "No cure: ", f"{sentence(record.words)} {record.tried} programs were tried.")]
    parts: list[Any] = [call("good", "The change: ", sentence(record.words))]
    parts.append(element("pre", element("code", record.code)))
    settings = {name: f"{said(old)} → {said(new)}" for name, (old, new) in record.settings.items()}
    parts.append(facts({**settings, record.metric: change(record), "programs tried": str(record.tried),
                        "time": seconds(record.seconds)}))  # fmt: skip
    if drawn(record):
        parts.append(figure_box(figure_of(record), name, change(record), _captions.CURED))
    return parts


def page(record: Diagnosis, cure: Prescription | None, title: str) -> str:
    """One file that needs nothing else."""
    parts = [element("section", element("h2", "Findings"), *diagnosis(record), id="findings")]
    if cure is not None:
        parts.append(element("section", element("h2", "Prescription"), *prescription(cure), id="prescription"))
    parts.append(element("section", element("h2", "What was looked for"), rules_table(), id="rules"))
    return DOCUMENT.format(
        title=safe(f"{title}: diagnosis"),
        light=variables(0),
        dark=variables(1),
        css=files("pellucid.report").joinpath("page.css").read_text("utf-8"),
        hero=hero(record, title),
        body=join([*parts, element("footer", _captions.FOOT)]),
    )


def hero(record: Diagnosis, title: str) -> Markup:
    """What was found in a sentence, and the scores."""
    lead = nothing(record) if record.healthy else f"{counted(record.alarms, 'finding')}."
    tiles = {}
    if record.reached is not None and record.trivial is not None and record.best is not None:
        tiles = {
            f"{record.metric} that it reaches": scored(record.metric, record.reached),
            "always the same answer": scored(record.metric, record.trivial),
            "the best that was tried": scored(record.metric, record.best),
        }
    shown = [element("div", element("b", value), element("span", what), class_="tile") for what, value in tiles.items()]
    parts = [
        element("p", "Pellucid doctor", class_="eyebrow"),
        element("h1", title),
        element("p", lead, class_="lead"),
        element("div", *shown, class_="tiles") if shown else "",
    ]
    return element("header", element("div", *parts, class_="wrap"), class_="hero")


def rules_table() -> Markup:
    """All rules, with what they look at and where they come from."""
    rows = [[rule.code, rule.name, KINDS[rule.kind], rule.source] for rule in RULES]
    return element("details", element("summary", f"{len(rows)} rules"),
                   table_of(["code", "rule", "looks at", "source"], rows))  # fmt: skip
