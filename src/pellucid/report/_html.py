"""Records in a notebook."""

from __future__ import annotations

import hashlib
from typing import Any

from ..backprop import Summary
from ..records import Record
from ._colours import variables
from ._figures import FIGURES, figure_of
from ._markup import Markup, element, figure_box, join, table_of
from ._text import more_columns, shape, text_of
from .words import number

# A notebook has its own page: the colours are set on the box alone, and are light, as notebooks print them.
STYLE = (
    f".pellucid{{{variables(0)}background:var(--pl-paper);color:var(--pl-ink);padding:8px;max-width:760px}}"
    ".pellucid figure{margin:0;max-width:560px}.pellucid .scroll{overflow-x:auto}"
    ".pellucid .r{text-align:right}.pellucid .pl-tip{pointer-events:all}"
)


def html_of(record: Record) -> Markup:
    """A box with the record's picture, where it has one, and its numbers."""
    body: Any = summary(record) if isinstance(record, Summary) else element("pre", text_of(record))
    parts = [element("style", Markup(STYLE))]
    if type(record) in FIGURES:
        name = type(record).__name__
        key = hashlib.sha256(text_of(record).encode()).hexdigest()[:8]
        parts.append(figure_box(figure_of(record), f"pl{key}", f"The picture of this {name}; its numbers follow."))
    return element("div", *parts, body, class_="pellucid")


def summary(record: Summary) -> Markup:
    """A network as a table."""
    made = summary_table(record)
    return made if record.error is None else element("div", made, element("p", "It ends here: ", record.error))


def summary_table(record: Summary, caption: str = "") -> Markup:
    """The layers, with the totals last."""
    more = more_columns(record)
    head = ["path", "layer", "output", "parameters", "uses", "multiply-adds", *(c.title for c in more)]
    rows = [
        [r.path or "the network", join([r.kind, element("p", r.formula, class_="muted small")]),
         shape(r.output[1:]), number(r.parameters), number(r.uses) if r.uses else "", number(r.macs),
         *(c.cells[i] for c in more)]
        for i, r in enumerate(record.rows)
    ]  # fmt: skip
    total = ["total", "", "", number(record.parameters), "", number(record.macs), *(c.total for c in more)]
    return table_of(head, [*rows, total], "  rrrr" + "r" * len(more), caption)
