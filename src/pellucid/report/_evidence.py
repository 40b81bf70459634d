"""The sections of the report in figures: how it learned, what it gets wrong, what is inside, what answers rest on."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ..errors import SettingError
from ..insight import Neuron, Story
from ..language import phrase, translated
from ..recall import recalled
from ..records import Record
from ..train import Run
from . import _captions
from ._figures import figure_of
from ._markup import Markup, bar, element, figure_box, join, small, table_of, thumbnail
from .words import cut, measure, metric, number, sentences, share, signed


def shown(name: str, record: Record, words: str, caption: str | None = None, **options: Any) -> Markup:
    """A record's figure; `words` describe it, and are its caption where no other is given."""
    return figure_box(figure_of(record, **options), name, words, words if caption is None else caption)


def figures(*boxes: Markup) -> Markup:
    return element("div", *boxes, class_="figures")


def training(story: Story) -> Markup:
    """Learning curves, the watch, and the range test where there was one."""
    run = story.run
    if not run.history:
        return element("p", phrase("No epoch came to its end."))
    words = course(run)
    held = run.history[-1].validation_loss is not None
    curves = sentences([phrase("Learning curves."), words])
    boxes = [shown("curves", run, curves, _captions.CURVES if held else "")]
    if run.range_test:
        rate = number(run.range_test.suggested, 2)
        said = phrase("Range test: the loss falls steepest at a learning rate of {rate}.", rate=rate)
        boxes.append(shown("rates", run.range_test, said))
    if any(epoch.watch for epoch in run.history):
        boxes.append(shown("watch", run, _captions.WATCH, kind="watch"))
    return join([element("p", words), figures(*boxes)])


def ended(run: Run) -> str:
    return {
        "finished": phrase("finished"), "stopped early": phrase("stopped early"), "paused": phrase("paused"),
        "interrupted": phrase("interrupted"),
    }[run.status]  # fmt: skip


def course(run: Run) -> str:
    """How the training ended, and which epoch was the best."""
    last, done, of = run.history[-1], len(run.history), run.settings.epochs
    said = [phrase("Status: not finite, after {done} of {of} epochs.", done=done, of=of)]
    if run.status != "not finite":
        said = [phrase("Status: {status}, after {done} of {of} epochs.", status=ended(run), done=done, of=of)]
    loss = number(last.loss)
    if last.validation_loss is None:
        said.append(phrase("The loss ended at {loss} in training.", loss=loss))
    else:
        held = number(last.validation_loss)
        said.append(
            phrase("The loss ended at {loss} in training and {held} on the rows held out.", loss=loss, held=held)
        )
    best = run.best_epoch
    if best and run.settings.early_stop is not None:
        said.append(phrase("The network is that of epoch {best}, the best.", best=best))
    elif best and best != done:
        said.append(phrase("It was lowest in epoch {best}; the network is that of the last epoch.", best=best))
    return sentences(said)


def answers(story: Story) -> Markup:
    """Confusion or residuals, calibration, and the rows that are most wrong."""
    record, target = story.evaluation, story.facts.target
    if record.classes:
        right = share(record.metrics["accuracy"])
        words = phrase(
            "{right} of {n:,} rows are on the diagonal, where answer and truth agree.", right=right, n=record.n
        )
        said = sentences([phrase("Confusion matrix of {target}.", target=target), words])
        boxes = [shown("confusion", record, said, words, target=target)]
    else:
        score = phrase("r² is {score}.", score=metric("r2", record.metrics["r2"]))
        boxes = [shown("predicted", record, sentences([_captions.PREDICTED, score]), target=target)]
        error = phrase("The mean absolute error is {error}.", error=metric("mae", record.metrics["mae"]))
        words = sentences([_captions.RESIDUALS, error])
        boxes.append(shown("residuals", record, words, kind="residuals", target=target))
    if story.calibration is not None:
        error = share(story.calibration.error)
        words = phrase("Stated and observed differ by {error} on average (expected calibration error).", error=error)
        boxes.append(shown("calibration", story.calibration, sentences([words, _captions.CALIBRATION])))
    return join([figures(*boxes), worst(story)])


def worst(story: Story) -> Markup:
    """The rows the network is most wrong about."""
    if not story.worst:
        return element("p", phrase("No row was answered wrongly."))
    first, classes = story.worst[0], story.evaluation.task == "classification"
    columns = list(first.values)
    how = phrase("off by") if not classes else phrase("how sure") if first.confidence is not None else ""
    rows = []
    for row in story.worst:
        size = number(row.size, 3) if not classes else "" if row.confidence is None else share(row.confidence)
        seen = phrase("row {row}", row=row.row)
        shown = [] if row.picture is None else [thumbnail(row.picture, seen)]
        given = (cut(row.values[c], 30) for c in columns)
        rows.append([row.row, *shown, cut(row.truth), cut(row.prediction), size, *given])
    pictures = first.picture is not None
    head = [phrase("row"), *[phrase("image")] * pictures, phrase("true"), phrase("answered"), how]
    sides = "r" + " " * pictures + ("  r" if classes else "rrr") + "r" * len(columns)
    title = phrase("The rows it is most wrong about")
    table = table_of([*head, *(cut(column, 30) for column in columns)], rows, sides, title)
    numbered = phrase("Rows are numbered as in the data, the first is 0.")
    if columns and not pictures:
        numbered = phrase(
            "Rows are numbered as in the data, the first is 0; the cells are those of the columns that matter most."
        )
    return join([table, small(numbered)])


def inside(story: Story) -> Markup:
    """Signal and blame by depth, the network drawn, and every parameter's share of the blame."""
    found, preprocess = story.blame, story.run.preprocess
    boxes = [shown("depth", found, _captions.DEPTH)]
    names, outputs = preprocess.input_names, tuple(map(str, preprocess.target.classes))
    with suppress(SettingError):  # the drawing is for chains of Dense layers; the figure by depth shows any network
        boxes.append(shown("network", found, _captions.NETWORK, kind="network", names=names, outputs=outputs))
    top = sorted(found.shares.items(), key=lambda item: -item[1])[:12]
    rows = [[path, " × ".join(map(str, found.gradients[path].shape)), join([share(s), bar(s)])] for path, s in top]
    head = [phrase("parameter"), phrase("shape"), phrase("share of the squared gradient")]
    words = phrase("Seen on {n:,} rows, with a loss of {loss}.", n=len(found.losses), loss=number(found.loss))
    return join([element("p", words), figures(*boxes), table_of(head, rows, "", phrase("Who is to blame"))])


def neurons(story: Story) -> Markup:
    """The first layer's neurons: half-spaces in the users' own units, or what the filters of a convolution look for."""
    found = story.neurons
    if not found.units:
        return element("p", recalled(found.note))
    known = {"shown": len(found.units), "total": found.total, "path": found.path}
    if found.units[0].weight.ndim > 1:
        words = phrase("These are the {shown} of {total} neurons of {path} that move the layer above most.", **known)
        box = shown("neurons", found, sentences([_captions.FILTERS, _captions.EFFECT]))
        table = [[unit.index, share(unit.margins.positive), number(unit.effect, 3)] for unit in found.units]
        numbers = table_of([phrase("neuron"), phrase("positive for"), phrase("effect")], table, "rrr")
        return join([element("p", words), figures(box), numbers])
    sides = phrase("A neuron draws a plane through the data: on one side it speaks up, on the other it is silent.")
    if found.activation not in ("relu", "identity"):
        sides = phrase(
            "A neuron draws a plane through the data: z is positive on one side and negative on the other, and "
            "{activation} is applied to it.",
            activation=found.activation,
        )
    words = phrase(
        "These are the {shown} of {total} neurons of {path} that move the layer above most, with weights in the units "
        "of the data.",
        **known,
    )
    box = shown("neurons", found, sentences([_captions.NEURONS, _captions.EFFECT]))
    return join([element("p", sentences([sides, words])), figures(box, *map(card, found.units))])


def card(unit: Neuron) -> Markup:
    """One neuron in words."""
    terms = []
    for term in unit.terms:
        weight = element("b", signed(term.weight), class_="up" if term.weight > 0 else "down")
        terms.append(element("li", weight, f" {cut(translated(term.unit), 70)}"))
    more, bias = unit.inputs - len(unit.terms), signed(unit.bias)
    rest = phrase("bias {bias}", bias=bias)
    if more > 0:
        rest = phrase("and {more:,} weaker inputs; bias {bias}", more=more, bias=bias)
    known = {"share": share(unit.margins.positive), "effect": number(unit.effect, 3)}
    said = phrase("positive for {share} of what it sees · effect {effect}", **known)
    if unit.margins.total == unit.rows:
        said = phrase("positive for {share} of the rows · effect {effect}", **known)
    return element(
        "div",
        element("h3", phrase("Neuron {index}", index=unit.index)),
        element("ul", *terms, class_="terms"),
        small(rest),
        bar(unit.margins.positive),
        small(said),
        class_="card",
    )


def rests_on(story: Story) -> Markup:
    """Permutation importance."""
    found, kind = story.importance, story.facts.kind
    what = {"image": phrase("place of the image"), "sequence": phrase("part of the sequence")}.get(kind)
    words = phrase(
        "One {what} after another is shuffled among {rows:,} {where}, {times} times, and the {metric} measured again.",
        what=what or phrase("column"),
        rows=found.rows,
        where=phrase("rows held out") if story.held_out else phrase("rows learned from"),
        times=found.repeats,
        metric=measure(found.metric),
    )
    first = translated(found.names[found.order[0]])
    largest = phrase("Permutation importance by column; the largest drop is that of {first}.", first=first)
    boxes = [shown("importance", found, sentences([largest, _captions.SPREAD]), _captions.SPREAD)]
    if found.places:
        boxes.append(shown("pixels", found, _captions.PIXELS, kind="picture"))
    note = small(phrase("Shown: {note}.", note=translated(found.note))) if found.note else ""
    return join([element("p", sentences([words, _captions.SHUFFLED])), figures(*boxes), note])
