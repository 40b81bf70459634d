"""Records in a notebook."""

from __future__ import annotations

import hashlib
from typing import Any

from ..backprop import Row, Summary
from ..doctor import Diagnosis, Finding, Prescription
from ..insight import Difference
from ..language import phrase
from ..records import Record
from ._colours import variables
from ._diagnosis_page import box, diagnosis, prescription
from ._difference import pictures
from ._figures import FIGURES, figure_of
from ._markup import Markup, document, element, figure_box, join, table_of
from ._style import styled
from ._text import more_columns, shape, text_of
from .words import number

# A notebook has its own page: the colours are set on the box alone, and are light, as notebooks print them.
STYLE = (
    f".pellucid{{{variables(0)}background:var(--pl-paper);color:var(--pl-ink);padding:8px;max-width:760px}}"
    ".pellucid figure{margin:0;max-width:560px}.pellucid .scroll{overflow-x:auto}"
    ".pellucid .r{text-align:right}.pellucid .pl-tip{pointer-events:all}"
    ".pellucid .call{border-left:4px solid var(--tone);padding:2px 14px;margin:0 0 14px}"
    ".pellucid .good{--tone:var(--pl-green)}.pellucid .bad{--tone:var(--pl-red)}"
    ".pellucid .warn{--tone:var(--pl-orange)}.pellucid .even{--tone:var(--pl-muted)}"
)

# The formulas of layers that hold words.
WORDED = (
    phrase("y = max over the window of x"),
    phrase("y = (1/n) Σ over the window of x"),
    phrase("y = (x where it counts, 0 elsewhere; lengths)"),
)
FORMULAS = {words.key: words for words in WORDED}

ONE = "main{padding-top:20px}figure{max-width:760px;margin:0 0 16px}"


def html_of(record: Record, options: dict[str, Any] | None = None) -> Markup:
    """A box with the record's picture, where it has one, and its numbers."""
    return element("div", element("style", Markup(STYLE)), *body_of(record, options or {}), class_="pellucid")


def document_of(record: Record, options: dict[str, Any]) -> str:
    """A page of one record, for screens light and dark."""
    return document(type(record).__name__, "", body_of(record, options), ONE)


def body_of(record: Record, options: dict[str, Any]) -> list[Markup]:
    """The picture and the numbers."""
    words = text_of(record)
    key = f"pl{hashlib.sha256(words.encode()).hexdigest()[:8]}"
    match record:
        case Summary():
            return [summary(record)]
        case Finding():
            return [box(record, key)]
        case Diagnosis():
            return diagnosis(record, key)
        case Prescription():
            return prescription(record, key)
        case Difference():
            with styled():
                drawn = [figure_box(figure, f"{key}{i}", said) for i, (figure, said) in enumerate(pictures(record))]
            return [element("pre", words), *drawn]
    parts = [element("pre", words)]
    if type(record) in FIGURES:
        said = phrase("The picture of this {kind}; its numbers follow.", kind=type(record).__name__)
        parts.insert(0, figure_box(figure_of(record, **options), key, said))
    return parts


def summary(record: Summary) -> Markup:
    """A network as a table."""
    made = summary_table(record)
    return made if record.error is None else element("div", made, element("p", phrase("It ends here: "), record.error))


def summary_table(record: Summary, caption: str = "") -> Markup:
    """The layers, with the totals last."""
    more = more_columns(record)
    head = [phrase("path"), phrase("layer"), phrase("output"), phrase("parameters"), phrase("uses")]
    head += [phrase("multiply-adds"), *(c.title for c in more)]
    rows = [
        [r.path or phrase("the network"), join([r.kind, formula(r)]),
         shape(r.output[1:]), number(r.parameters), number(r.uses) if r.uses else "", number(r.macs),
         *(c.cells[i] for c in more)]
        for i, r in enumerate(record.rows)
    ]  # fmt: skip
    total = [phrase("total"), "", "", number(record.parameters), "", number(record.macs), *(c.total for c in more)]
    return table_of(head, [*rows, total], "  rrrr" + "r" * len(more), caption)


def formula(row: Row) -> Markup:
    """What a layer computes."""
    return element("p", FORMULAS.get(row.formula, row.formula), class_="muted small")
