"""The section of a report on the regions of the network: a picture, one row explained, the linear models it uses."""

from __future__ import annotations

from typing import Any

from ..geometry import LinearModels
from ..insight import Growth, Story, View
from ..language import phrase
from ..recall import recalled
from ..train import Run
from . import _captions
from ._evidence import figures, shown
from ._film import drawings, moving
from ._geometry_text import MOST_MODELS, plain, strongest
from ._markup import Markup, element, join, small, table_of
from .words import cut, measure, metric, number, sentences, share

MOST_TOLD = 1000  # regions that tell their map on a page
SECONDS = 0.6  # of each picture of the film


def section(story: Story) -> Markup:
    """The regions of the network, the linear models that answer the rows, and one row in words."""
    found = story.pieces
    parts: list[Any] = [element("p", _captions.PIECES)] if found.view or found.models else []
    parts += [element("p", recalled(note)) for note in (found.note, story.growth and story.growth.note) if note]
    boxes = []
    if found.view:
        boxes.append(shown("pieces", found.view, words_of(found.view), tell=MOST_TOLD))
    if story.growth and story.growth.views:
        boxes.append(film(story.growth, story.run))
    if found.explanation:
        words = sentences([phrase("Row {row}.", row=found.row), _captions.CONTRIBUTIONS])
        boxes.append(shown("explained", found.explanation, words))
    parts += [figures(*boxes)] if boxes else []
    if found.explanation:
        parts.append(element("h3", phrase("Row {row} in words", row=found.row)))
        parts += [element("p", sentence) for sentence in found.explanation.sentences]
    if found.models:
        parts.append(models_table(found.models) if found.models.largest > 1 else element("p", each_alone(found.models)))
    return join(parts)


def each_alone(record: LinearModels) -> str:
    return phrase(
        "Each of {rows:,} rows lies in a region of its own: the network answers every one of them by another linear "
        "formula.",
        rows=record.rows,
    )


def film(record: Growth, run: Run) -> Markup:
    """The regions over the epochs, a picture for each, and what is to be seen."""
    labels = [labelled(record, i) for i in range(len(record.epochs))]
    words = growth_in_words(record, run)
    said = sentences([phrase("A film of the regions."), words])
    drawn = moving(drawings(record.views, labels, {}), SECONDS, "film", said)
    return element("figure", Markup(drawn), element("figcaption", sentences([words, _captions.FILM])))


def labelled(record: Growth, i: int) -> str:
    """The epoch of a picture, and the score there."""
    epoch, score = record.epochs[i], record.scores[i]
    if not epoch:
        return phrase("at the start")
    if score is None:
        return phrase("epoch {epoch}", epoch=epoch)
    name, value = measure(record.metric), metric(record.metric, score)
    return phrase("epoch {epoch}, {metric} {value}", epoch=epoch, metric=name, value=value)


def growth_in_words(record: Growth, run: Run) -> str:
    """How many regions there were and are, and whether they gather at the boundary."""
    first, last = record.counts[0], record.counts[-1]
    began = phrase("in epoch {epoch}", epoch=record.epochs[0]) if record.epochs[0] else phrase("at the start")
    ended = phrase("in epoch {epoch}", epoch=record.epochs[-1])
    if record.epochs[-1] > len(run.history):
        ended = phrase("in epoch {epoch}, where it broke off", epoch=record.epochs[-1])
    known = {"first": first, "began": began, "last": last, "ended": ended}
    if last > first:
        said = phrase("The regions grow from {first:,} {began} to {last:,} {ended}.", **known)
    elif last < first:
        said = phrase("The regions shrink from {first:,} {began} to {last:,} {ended}.", **known)
    else:
        said = phrase("The regions go from {first:,} {began} to {last:,} {ended}.", **known)
    found = record.gathering
    if found is None:
        return said
    verdict = {
        1: phrase("they gather there"), 0: phrase("which may be chance"), -1: phrase("they keep away from it"),
    }[found.verdict]  # fmt: skip
    near = phrase(
        "{near} of them lie within a tenth of the picture from the boundary, on {area} of its area: {verdict}.",
        near=share(found.near),
        area=share(found.area),
        verdict=verdict,
    )
    return sentences([said, near])


def words_of(record: View) -> str:
    """The picture in words, and how to read it."""
    found = record.complex
    if found.plane is None:
        said = [phrase("{n:,} regions in all of the input.", n=found.count)]
    elif found.plane.marks:
        said = [phrase("{n:,} regions in a slice through three rows of the input.", n=found.count)]
    else:
        said = [phrase("{n:,} regions in a slice of the input.", n=found.count)]
    said.append(_captions.REGIONS)
    if found.complete and found.count <= MOST_TOLD:
        said.append(phrase("Rest the pointer on a region to read its formula."))
    elif found.plane is not None:
        said.append(phrase("Coordinates are distances in the units of the network's inputs."))
    return sentences(said)


def models_table(record: LinearModels) -> Markup:
    """The models with most rows, one line each; of several outputs the first few."""
    inputs, rows = strongest(record), []
    outputs = range(min(len(record.outputs), 1 if len(record.models) > 3 else 3))
    for i, model in enumerate(record.models[:MOST_MODELS], start=1):
        for o in outputs:
            name = f"{i}" if len(record.outputs) == 1 else f"{i}, {cut(record.outputs[o], 20)}"
            weights = (plain(model.weight[j, o], 3) for j in inputs)
            rows.append([name, f"{len(model.rows):,}", *weights, plain(model.bias[o], 3)])
    head = [phrase("model"), phrase("rows"), *(cut(record.names[j], 24) for j in inputs), phrase("constant")]
    table = table_of(head, rows, " " + "r" * (len(inputs) + 2), phrase("The linear models it uses"))
    alone = len(record.outputs) > 1 and len(outputs) == 1
    return join([table, small(sentences(models_in_words(record, alone, len(record.names) - len(inputs))))])


def models_in_words(record: LinearModels, alone: bool, hidden: int) -> list[str]:
    """How many models there are, of which output they are where it is shown `alone`, and how many inputs are hidden."""
    said: list[str] = [
        phrase(
            "{rows:,} rows lie in {regions:,} regions; the largest holds {largest}.",
            rows=record.rows,
            regions=record.regions,
            largest=share(record.largest / record.rows),
        )
    ]
    n = number(len(record.models))
    if alone:
        said.append(
            phrase(
                "These are the linear models that answer most of them, of {n}, in the units of the data, for the "
                "{link} of {output}.",
                n=n,
                link=record.link or phrase("output"),
                output=record.outputs[0],
            )
        )
    else:
        said.append(
            phrase("These are the linear models that answer most of them, of {n}, in the units of the data.", n=n)
        )
    return [*said, phrase("{hidden:,} more inputs are not shown.", hidden=hidden)] if hidden > 0 else said
