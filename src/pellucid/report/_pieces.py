"""The section of a report on the regions of the network: a picture, one row explained, the linear models it uses."""

from __future__ import annotations

from typing import Any

from ..geometry import LinearModels
from ..insight import Growth, Story, View
from ..train import Run
from . import _captions
from ._evidence import figures, shown
from ._film import drawings, moving
from ._geometry_text import MOST_MODELS, plain, strongest
from ._markup import Markup, element, join, small, table_of
from .words import cut, metric, number, share

MOST_TOLD = 1000  # regions that tell their map on a page
SECONDS = 0.6  # of each picture of the film
SCORES = {"accuracy": "accuracy", "r2": "r²"}


def section(story: Story) -> Markup:
    """The regions of the network, the linear models that answer the rows, and one row in words."""
    found = story.pieces
    parts: list[Any] = [element("p", _captions.PIECES)] if found.view or found.models else []
    parts += [element("p", note) for note in (found.note, story.growth and story.growth.note) if note]
    boxes = []
    if found.view:
        boxes.append(shown("pieces", found.view, words_of(found.view), tell=MOST_TOLD))
    if story.growth and story.growth.views:
        boxes.append(film(story.growth, story.run))
    if found.explanation:
        boxes.append(shown("explained", found.explanation, f"Row {found.row}. {_captions.CONTRIBUTIONS}"))
    parts += [figures(*boxes)] if boxes else []
    if found.explanation:
        parts.append(element("h3", f"Row {found.row} in words"))
        parts += [element("p", sentence) for sentence in found.explanation.sentences]
    if found.models:
        parts.append(models_table(found.models) if found.models.largest > 1 else element("p", each_alone(found.models)))
    return join(parts)


def each_alone(record: LinearModels) -> str:
    return (
        f"Each of {record.rows:,} rows lies in a region of its own: the network answers every one of them by another "
        "linear formula."
    )


def film(record: Growth, run: Run) -> Markup:
    """The regions over the epochs, a picture for each, and what is to be seen."""
    labels = []
    for epoch, score in zip(record.epochs, record.scores, strict=True):
        measured = "" if score is None else f", {SCORES[record.metric]} {metric(record.metric, score)}"
        labels.append("at the start" if not epoch else f"epoch {epoch}{measured}")
    words = growth_in_words(record, run)
    drawn = moving(drawings(record.views, labels, {}), SECONDS, "film", f"A film of the regions. {words}")
    return element("figure", Markup(drawn), element("figcaption", f"{words} {_captions.FILM}"))


def growth_in_words(record: Growth, run: Run) -> str:
    """How many regions there were and are, and whether they gather at the boundary."""
    first, last = record.counts[0], record.counts[-1]
    began = "at the start" if not record.epochs[0] else f"in epoch {record.epochs[0]}"
    ended = f"in epoch {record.epochs[-1]}" + ", where it broke off" * (record.epochs[-1] > len(run.history))
    how = "grow" if last > first else "shrink" if last < first else "go"
    said = f"The regions {how} from {first:,} {began} to {last:,} {ended}."
    found = record.gathering
    if found is None:
        return said
    verdict = {1: "they gather there", 0: "which may be chance", -1: "they keep away from it"}[found.verdict]
    return (
        f"{said} {share(found.near)} of them lie within a tenth of the picture from the boundary, on "
        f"{share(found.area)} of its area: {verdict}."
    )


def words_of(record: View) -> str:
    """The picture in words, and how to read it."""
    found = record.complex
    where = "all of" if found.plane is None else "a slice through three rows of" if found.plane.marks else "a slice of"
    read = f"{found.count:,} regions in {where} the input. {_captions.REGIONS}"
    if found.complete and found.count <= MOST_TOLD:
        read += " Rest the pointer on a region to read its formula."
    elif found.plane is not None:
        read += " Coordinates are distances in the units of the network's inputs."
    return read


def models_table(record: LinearModels) -> Markup:
    """The models with most rows, one line each; of several outputs the first few."""
    inputs, rows = strongest(record), []
    outputs = range(min(len(record.outputs), 1 if len(record.models) > 3 else 3))
    for i, model in enumerate(record.models[:MOST_MODELS], start=1):
        for o in outputs:
            name = f"{i}" if len(record.outputs) == 1 else f"{i}, {cut(record.outputs[o], 20)}"
            weights = (plain(model.weight[j, o], 3) for j in inputs)
            rows.append([name, f"{len(model.rows):,}", *weights, plain(model.bias[o], 3)])
    head = ["model", "rows", *(cut(record.names[j], 24) for j in inputs), "constant"]
    largest = share(record.largest / record.rows)
    said = (
        f"{record.rows:,} rows lie in {record.regions:,} regions; the largest holds {largest}. These are the linear "
        f"models that answer most of them, of {number(len(record.models))}, in the units of the data"
    )
    one = (
        f", for the {record.link or 'output'} of {record.outputs[0]}"
        if len(record.outputs) > 1 and len(outputs) == 1
        else ""
    )
    hidden = len(record.names) - len(inputs)
    rest = f" {hidden:,} more inputs are not shown." if hidden > 0 else ""
    table = table_of(head, rows, " " + "r" * (len(inputs) + 2), "The linear models it uses")
    return join([table, small(f"{said}{one}.{rest}")])
