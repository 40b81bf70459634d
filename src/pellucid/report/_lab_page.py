"""The page of the lab: every claim with its idea, its formula, its number, its figure, and the code that does it."""

from __future__ import annotations

import numpy as np

from ..lab import Code, Lab, Result, claim
from ..language import phrase, speaking
from ._figures import figure_of
from ._lab_text import numbers, verdict
from ._markup import Markup, call, document, element, figure_box, join, small, table_of
from .words import seconds, sentence_case

MOST_ROWS = 12
TONES = {"holds": "good", "fails": "bad", "not yet": "even", "not put": "even"}
CSS = """
.verdict{font-weight:600;color:var(--tone);white-space:nowrap}
.formula{white-space:pre-wrap;border-left:4px solid var(--pl-blue);border-radius:0 12px 12px 0}
.formula code{font-size:.98rem}
.lab{display:grid;grid-template-columns:minmax(0,500px) minmax(0,1fr);gap:0 26px;align-items:start}
.lab>figure{margin:0 0 20px}
section{padding-top:64px}
section h3{margin-top:1.4em}
.checks tbody th{font-weight:400;min-width:11em}
.overview td:nth-child(3){min-width:10em}
section>details{margin:0 0 6px}
p code,li code{background:var(--pl-panel);border-radius:4px;padding:.06em .3em;overflow-wrap:anywhere}
@media (max-width:860px){.lab{grid-template-columns:minmax(0,1fr)}}
@media print{.lab{grid-template-columns:1fr 1fr}}
"""


def page(record: Lab, lang: str | None = None) -> str:
    """One file that needs nothing else, in the language `lang`."""
    with speaking(lang), np.errstate(over="ignore", invalid="ignore"):
        links = [element("a", r.claim, href=f"#{r.claim}", title=claim(r.claim).title) for r in record.results]
        body = [
            element("nav", join(links), aria_label=phrase("Claims")),
            element("section", element("h2", phrase("The numbers")), overview(record), id="numbers"),
            *(section(result) for result in record.results),
            element("footer", phrase("Made by Pellucid. Every figure says its numbers where the pointer rests on it.")),
        ]
        return document(phrase("The lab: every claim put to the test"), hero(record), body, CSS)


def hero(record: Lab) -> Markup:
    """How many claims hold, in a sentence and in numbers."""
    counts = {kind: sum(r.verdict == kind for r in record.results) for kind in TONES}
    tiles = {
        phrase("claims hold"): f"{counts['holds']}",
        phrase("claims fail"): f"{counts['fails']}",
        phrase("not yet: their part of the library is still to come"): f"{counts['not yet']}",
        phrase("of processor time"): seconds(record.seconds),
    }
    shown = [element("div", element("b", value), element("span", what), class_="tile") for what, value in tiles.items()]
    parts = [
        element("p", phrase("Pellucid lab"), class_="eyebrow"),
        element("h1", phrase("Every claim, put to the test")),
        element("p", phrase(
            "Neural networks are no magic: a few simple parts, put together. Here each sentence of that is an "
            "experiment with a number that it must meet, a picture, and the code that does it. Each can fail, and says "
            "so where it does."
        ), class_="lead"),
        element("div", *shown, class_="tiles"),
    ]  # fmt: skip
    return element("header", element("div", *parts, class_="wrap"), class_="hero")


def overview(record: Lab) -> Markup:
    """A row for each claim."""
    head = [phrase("claim"), phrase("verdict"), "", phrase("expected"), phrase("found"), phrase("residual"),
            phrase("time")]  # fmt: skip
    rows = [
        [element("a", r.claim, href=f"#{r.claim}"), told(r), claim(r.claim).title, *numbers(r.shown),
         seconds(r.seconds) if r.seconds else ""]
        for r in record.results
    ]  # fmt: skip
    return element("div", table_of(head, rows, "   rrrr", phrase("Expected and found")), class_="overview")


def told(record: Result) -> Markup:
    """The verdict in its colour."""
    return element("span", verdict(record), class_=f"verdict {TONES[record.verdict]}")


def section(record: Result) -> Markup:
    """All there is to say of one claim."""
    said = claim(record.claim)
    verdict_box = call(
        TONES[record.verdict], phrase("{verdict}. ", verdict=sentence_case(verdict(record))), with_code(record.words)
    )
    told = [prose(said.idea), element("pre", element("code", said.formula), class_="formula"), verdict_box]
    if record.fault:
        told.insert(0, call("warn", phrase("With a deliberate fault: "), record.faults[record.fault]))
    parts = [element("h2", f"{record.claim} · {said.title}"), *told]
    if record.evidence is not None:
        drawn = figure_box(figure_of(record), record.claim.lower(), record.words, with_code(said.figure))
        parts = [parts[0], element("div", drawn, element("div", *told), class_="lab")]
        parts += [element("h3", phrase("What is measured")), prose(said.measured), checks(record)]
    if record.code:
        parts += [element("h3", phrase("The code that does it")), *map(code, record.code)]
    parts += [element("h3", phrase("Try it")), prose(said.tries), element("pre", element("code", said.code))]
    if record.faults:
        words = [element("li", element("code", name), ": ", what) for name, what in record.faults.items()]
        parts += [small(phrase("Faults that can be switched in:")), element("ul", *words, class_="notes")]
    return element("section", *parts, id=record.claim)


def checks(record: Result) -> Markup:
    """Every check of a claim with its numbers; a long list is folded."""
    rows = [
        [c.what, element("span", phrase("holds") if c.holds else phrase("fails"),
                         class_=f"verdict {'good' if c.holds else 'bad'}"), *numbers(c)]
        for c in record.checks
    ]  # fmt: skip
    head = [phrase("check"), phrase("verdict"), phrase("expected"), phrase("found"), phrase("residual")]
    caption = phrase("{n} checks, on {on}", n=len(rows), on=record.on)
    if len(rows) <= MOST_ROWS:
        return element("div", table_of(head, rows, "  rrr", caption), class_="checks")
    return element("details", element("summary", caption), table_of(head, rows, "  rrr"), class_="checks")


def code(piece: Code) -> Markup:
    """The real lines, folded, with the file and the function."""
    where = element("code", f"{piece.file}:{piece.line} {piece.name}")
    return element("details", element("summary", where), element("pre", element("code", piece.text)))


def prose(text: str) -> Markup:
    return element("p", with_code(text))


def with_code(text: str) -> Markup:
    """A text whose `code` is set as such."""
    parts = text.split("`")
    return Markup("".join(element("code", part) if i % 2 else element("span", part) for i, part in enumerate(parts)))
