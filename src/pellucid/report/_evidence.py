"""The sections of the report in figures: how it learned, what it gets wrong, what is inside, what answers rest on."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ..errors import SettingError
from ..insight import Neuron, Story
from ..records import Record
from . import _captions
from ._figures import figure_of
from ._markup import Markup, bar, element, figure_box, join, small, table_of, thumbnail
from .words import METRICS, cut, metric, number, share, signed


def shown(name: str, record: Record, words: str, caption: str | None = None, **options: Any) -> Markup:
    """A record's figure; `words` describe it, and are its caption where no other is given."""
    return figure_box(figure_of(record, **options), name, words, words if caption is None else caption)


def figures(*boxes: Markup) -> Markup:
    return element("div", *boxes, class_="figures")


def training(story: Story) -> Markup:
    """Learning curves, the watch, and the range test where there was one."""
    run = story.run
    if not run.history:
        return element("p", "No epoch came to its end.")
    last = run.history[-1]
    held = "" if last.validation_loss is None else f" and {number(last.validation_loss)} on the rows held out"
    words = f"Status: {run.status}, after {len(run.history)} of {run.settings.epochs} epochs. "
    words += f"The loss ended at {number(last.loss)} in training{held}."
    if run.best_epoch and run.settings.early_stop is not None:
        words += f" The network is that of epoch {run.best_epoch}, the best."
    elif run.best_epoch and run.best_epoch != len(run.history):
        words += f" It was lowest in epoch {run.best_epoch}; the network is that of the last epoch."
    boxes = [shown("curves", run, f"Learning curves. {words}", _captions.CURVES if held else "")]
    if run.range_test:
        rate = number(run.range_test.suggested, 2)
        boxes.append(
            shown("rates", run.range_test, f"Range test: the loss falls steepest at a learning rate of {rate}.")
        )
    if any(epoch.watch for epoch in run.history):
        boxes.append(shown("watch", run, _captions.WATCH, kind="watch"))
    return join([element("p", words), figures(*boxes)])


def answers(story: Story) -> Markup:
    """Confusion or residuals, calibration, and the rows that are most wrong."""
    record, target = story.evaluation, story.facts.target
    if record.classes:
        right = share(record.metrics["accuracy"])
        words = f"{right} of {record.n:,} rows are on the diagonal, where answer and truth agree."
        boxes = [shown("confusion", record, f"Confusion matrix of {target}. {words}", words, target=target)]
    else:
        words = f"{_captions.PREDICTED} r² is {metric('r2', record.metrics['r2'])}."
        boxes = [shown("predicted", record, words, target=target)]
        words = f"{_captions.RESIDUALS} The mean absolute error is {metric('mae', record.metrics['mae'])}."
        boxes.append(shown("residuals", record, words, kind="residuals", target=target))
    if story.calibration is not None:
        error = share(story.calibration.error)
        words = (
            f"Stated and observed differ by {error} on average (expected calibration error). {_captions.CALIBRATION}"
        )
        boxes.append(shown("calibration", story.calibration, words))
    return join([figures(*boxes), worst(story)])


def worst(story: Story) -> Markup:
    """The rows the network is most wrong about."""
    if not story.worst:
        return element("p", "No row was answered wrongly.")
    first, classes = story.worst[0], story.evaluation.task == "classification"
    columns = list(first.values)
    how = "off by" if not classes else "how sure" if first.confidence is not None else ""
    rows = []
    for row in story.worst:
        size = number(row.size, 3) if not classes else "" if row.confidence is None else share(row.confidence)
        shown = [] if row.picture is None else [thumbnail(row.picture, f"row {row.row}")]
        given = (cut(row.values[c], 30) for c in columns)
        rows.append([row.row, *shown, cut(row.truth), cut(row.prediction), size, *given])
    pictures = first.picture is not None
    head = ["row", *["image"] * pictures, "true", "answered", how, *(cut(column, 30) for column in columns)]
    sides = "r" + " " * pictures + ("  r" if classes else "rrr") + "r" * len(columns)
    table = table_of(head, rows, sides, "The rows it is most wrong about")
    which = "; the cells are those of the columns that matter most." if columns and not pictures else "."
    return join([table, small(_captions.WORST + which)])


def inside(story: Story) -> Markup:
    """Signal and blame by depth, the network drawn, and every parameter's share of the blame."""
    found, preprocess = story.blame, story.run.preprocess
    boxes = [shown("depth", found, _captions.DEPTH)]
    names, outputs = preprocess.input_names, tuple(map(str, preprocess.target.classes))
    with suppress(SettingError):  # the drawing is for chains of Dense layers; the figure by depth shows any network
        boxes.append(shown("network", found, _captions.NETWORK, kind="network", names=names, outputs=outputs))
    top = sorted(found.shares.items(), key=lambda item: -item[1])[:12]
    rows = [[path, " × ".join(map(str, found.gradients[path].shape)), join([share(s), bar(s)])] for path, s in top]
    head = ["parameter", "shape", "share of the squared gradient"]
    words = f"Seen on {len(found.losses):,} rows, with a loss of {number(found.loss)}."
    return join([element("p", words), figures(*boxes), table_of(head, rows, "", "Who is to blame")])


def neurons(story: Story) -> Markup:
    """The first layer's neurons: half-spaces in the users' own units, or what the filters of a convolution look for."""
    found = story.neurons
    if not found.units:
        return element("p", found.note)
    few = f"These are the {len(found.units)} of {found.total} neurons of {found.path} that move the layer above most"
    if found.units[0].weight.ndim > 1:
        box = shown("neurons", found, f"{_captions.FILTERS} {_captions.EFFECT}")
        table = [[unit.index, share(unit.margins.positive), number(unit.effect, 3)] for unit in found.units]
        numbers = table_of(["neuron", "positive for", "effect"], table, "rrr")
        return join([element("p", f"{few}."), figures(box), numbers])
    sides = _captions.ON_AND_OFF
    if found.activation not in ("relu", "identity"):
        sides = f"z is positive on one side and negative on the other, and {found.activation} is applied to it"
    words = f"A neuron draws a plane through the data: {sides}. {few}, with weights in the units of the data."
    boxes = [shown("neurons", found, f"{_captions.NEURONS} {_captions.EFFECT}"), *(card(unit) for unit in found.units)]
    return join([element("p", words), figures(*boxes)])


def card(unit: Neuron) -> Markup:
    """One neuron in words."""
    terms = []
    for term in unit.terms:
        weight = element("b", signed(term.weight), class_="up" if term.weight > 0 else "down")
        terms.append(element("li", weight, f" {cut(term.unit, 70)}"))
    more = unit.inputs - len(unit.terms)
    rest = f"and {more:,} weaker inputs; " if more > 0 else ""
    seen = "the rows" if unit.margins.total == unit.rows else "what it sees"
    said = f"positive for {share(unit.margins.positive)} of {seen} · effect {number(unit.effect, 3)}"
    return element(
        "div",
        element("h3", f"Neuron {unit.index}"),
        element("ul", *terms, class_="terms"),
        small(f"{rest}bias {signed(unit.bias)}"),
        bar(unit.margins.positive),
        small(said),
        class_="card",
    )


def rests_on(story: Story) -> Markup:
    """Permutation importance."""
    found = story.importance
    where = "rows held out" if story.held_out else "rows learned from"
    what = {"image": "place of the image", "sequence": "part of the sequence"}.get(story.facts.kind, "column")
    words = (
        f"One {what} after another is shuffled among {found.rows:,} {where}, {found.repeats} times, and the "
        f"{METRICS[found.metric]} measured again. {_captions.SHUFFLED}"
    )
    first = found.names[found.order[0]]
    said = f"Permutation importance by column; the largest drop is that of {first}. {_captions.SPREAD}"
    boxes = [shown("importance", found, said, _captions.SPREAD)]
    if found.places:
        boxes.append(shown("pixels", found, _captions.PIXELS, kind="picture"))
    note = small(f"Shown: {found.note}.") if found.note else ""
    return join([element("p", words), figures(*boxes), note])
