"""Records in plain text."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backprop import Blame, GradientCheck, Row, Summary
from ..insight import Attention, Difference, DropoutScale, Gates, Importance, Neuron, Neurons, Propagation, Story
from ..language import phrase
from ..records import Record
from ..train import Epoch, Evaluation, Preprocess, Run
from . import (
    _certified_text,
    _constructed,
    _diagnosis_text,
    _difference,
    _gates,
    _geometry_text,
    _lab_text,
    _neuron_text,
)
from .words import METRICS, cut, listed, metric, number, seconds, share, table

MOST_LINES = 60


def text_of(record: Record) -> str:
    """A record as text, by the table below; any other as its fields."""
    write = TEXTS.get(type(record), fields)
    return write(record)


def summary(record: Summary) -> str:
    more = more_columns(record)
    head = ["path", "formula", "output", "parameters", "uses", "bytes", "multiply-adds", *(c.title for c in more)]
    rows = [
        [r.path or "(the network)", cut(f"{r.kind}: {r.formula}", 48), shape(r.output), f"{r.parameters:,}",
         number(r.uses) if r.uses else "", f"{r.bytes:,}", f"{r.macs:,}", *(c.cells[i] for c in more)]
        for i, r in enumerate(record.rows)
    ]  # fmt: skip
    total = ["total", "", "", f"{record.parameters:,}", "", f"{record.bytes:,}", f"{record.macs:,}"]
    lines = table(head, [*rows, [*total, *(c.total for c in more)]], "   rrrr" + "r" * len(more)).splitlines()
    rule = "─" * max(map(len, lines))
    drawn = "\n".join([f"input {shape(record.input)}", "", lines[0], rule, *lines[1:-1], rule, lines[-1]])
    return f"{drawn}\n\nIt ends here: {record.error}" if record.error else drawn


class Column(NamedTuple):
    title: str
    cells: list[str]
    total: str = ""


def more_columns(record: Summary) -> list[Column]:
    """What is said of a network only where there is something to say."""
    columns = [
        Column(phrase("without sharing"), [number(r.unshared) if r.unshared else "" for r in record.rows]),
        Column(phrase("sees of the input"), [receptive_field(r, record.input) for r in record.rows]),
        Column(
            phrase("running"), [number(r.running) if r.running else "" for r in record.rows], number(record.running)
        ),
    ]
    return [column for column in columns if any(column.cells)]


def receptive_field(row: Row, given: tuple[int, ...]) -> str:
    """The places of the input that a unit sees along each axis, and how far on the next unit's begin."""
    if row.receptive_field is None or row.step is None:
        return ""
    if row.receptive_field in (given[1:-1], given[1:]):
        return phrase("all")
    sees, step = (" × ".join(map(number, along)) for along in (row.receptive_field, row.step))
    return phrase("{sees}, step {step}", sees=sees, step=step)


def run(record: Run) -> str:
    facts = {"id": record.id} if record.id else {}
    facts |= {"status": record.status, "epochs": f"{len(record.history)} of {record.settings.epochs}"}
    facts |= {"time": seconds(record.seconds), "loss": record.settings.loss.name}
    kept = kept_epoch(record)
    if kept:
        held = "" if kept.validation_loss is None else f", {number(kept.validation_loss)} on rows held out"
        facts["network"] = f"that of epoch {kept.number}: loss {number(kept.loss)} in training{held}"
        facts |= {METRICS.get(name, name): metric(name, value) for name, value in kept.metrics.items()}
    facts |= {"problem": record.problem.message} if record.problem else {}
    facts["findings"] = str(len(record.findings) or "none")
    said = [f"  - {finding}" for finding in record.findings] + [f"  {note}" for note in record.notes]
    return "\n".join(["Run", listed(facts), *said])


def kept_epoch(record: Run) -> Epoch | None:
    """The epoch whose network was kept: the best one with early stopping, else the last."""
    best = record.best_epoch if record.settings.early_stop is not None else None
    return record.history[(best or len(record.history)) - 1] if record.history else None


def evaluation(record: Evaluation) -> str:
    head = f"{record.task} on {record.n:,} rows: loss {number(record.loss)}"
    said = [head, listed({METRICS.get(k, k): metric(k, v) for k, v in record.metrics.items()})]
    if record.classes and len(record.classes) <= 12:
        names = [cut(c, 12) for c in record.classes]
        counts = [
            [str(((record.truth == a) & (record.prediction == b)).sum()) for b in record.classes]
            for a in record.classes
        ]
        rows = [[name, *row] for name, row in zip(names, counts, strict=True)]
        said += ["", "true (down), answered (across)", table(["", *names], rows, " " + "r" * len(names))]
    return "\n".join(said)


def blame(record: Blame) -> str:
    parameters = [
        [path, shape(g.shape), f"{np.sqrt(np.square(g, dtype=float).sum()):.3e}", share(record.shares[path])]
        for path, g in record.gradients.items()
    ]
    signals = [
        [s.path or "(the network)", s.kind, f"{s.variance:.3e}", f"{s.blame_variance:.3e}"]
        for s in record.signals.values()
    ]
    examples = f"{len(record.losses):,} example{'s' * (len(record.losses) != 1)}"
    return "\n".join(
        [
            f"Blame for a loss of {number(record.loss)} on {examples}",
            "",
            table(["parameter", "shape", "‖gradient‖", "share"], trimmed(parameters), "  rr"),
            "",
            table(["layer", "kind", "variance of output", "mean δ²"], trimmed(signals), "  rr"),
        ]
    )


def gradient_check(record: GradientCheck) -> str:
    answer = "agrees with" if record.ok else "DIFFERS from"
    kinks = f"; {record.kinks} at a kink left out" if record.kinks else ""
    where = f" at {record.where}" if record.where else ""
    return (
        f"The gradient {answer} finite differences: largest relative error {record.worst:.1e}{where} "
        f"({record.checked} weights in float64{kinks})."
    )


def importance(record: Importance) -> str:
    head = [record.names[i] for i in record.order]
    rows = [
        [cut(name), number(record.drop[i], 3), f"± {number(record.spread[i], 2)}"]
        for name, i in zip(head, record.order, strict=True)
    ]
    title = f"Drop of {METRICS[record.metric]} (now {metric(record.metric, record.score)}) when a column is shuffled"
    return "\n".join([title, table(["column", "drop", ""], trimmed(rows), " rr")])


def neurons(record: Neurons) -> str:
    if record.note:
        return record.note
    head = f"The {len(record.units)} of {record.total} neurons of {record.path} with the largest effect"
    return "\n".join([head, *(f"  {brief(unit)}" for unit in record.units)])


def brief(unit: Neuron) -> str:
    """A neuron in one line."""
    parts = [f"{term.weight:+.3g} {term.unit}" for term in unit.terms]
    more = unit.inputs - len(unit.terms)
    rest = f", and {more} more" if more > 0 else ""
    return (
        f"neuron {unit.index}: {'; '.join(parts)}{rest}; bias {unit.bias:+.3g}. "
        f"Positive for {share(unit.margins.positive)}; effect {number(unit.effect, 3)}."
    )


def propagation(record: Propagation) -> str:
    head = ["layer", "kind", "Var(z)", "predicted", "law", "mean δ²", "predicted", "law"]
    rows = [
        [row.path or "(the network)", row.kind, *(
            "" if value is None else f"{value:.2e}" for value in (
                row.variance, row.variance_predicted, row.variance_law, row.blame, row.blame_predicted, row.blame_law
            )
        )]
        for row in record.layers
    ]  # fmt: skip
    said = [f"Signal {record.forward.verdict}", f"Blame {record.backward.verdict}"]
    for way in (record.forward, record.backward):
        if way.predicted is not None:
            law = "" if way.law is None else f", by the initializer's law ×{way.law:.3g}"
            said.append(f"Predicted {way.way}: ×{way.predicted:.3g} per layer{law}")
    field = record.mean_field
    if field:
        said.append(
            f"Deeper still, the variance goes to {value_in_words(field.fixed_point)}; there χ = {field.chi:.4g}, and "
            f"blame changes e-fold in {value_in_words(field.depth_scale)} layers"
        )
    return "\n".join(
        [*said, "", table(head, trimmed(rows), "  rrrrrr"), *([""] if record.notes else []), *record.notes]
    )


def value_in_words(value: float) -> str:
    return "infinity" if value == np.inf else number(value, 3)


def dropout_scale(record: DropoutScale) -> str:
    rows = [
        [row.path or "(the network)", row.kind, *(
            (f"×{row.ratio:.3f}", f"± {row.error:.3f}") if np.isfinite(row.ratio) else ("silent", "")
        )]
        for row in record.layers
    ]  # fmt: skip
    off = [row for row in record.layers if row.differs]
    found = "in testing every output has the scale it has in training"
    if off:
        found = f"in testing {len(off)} of {len(rows)} outputs have another scale, first {off[0].path or 'the network'}"
    head = f"Over {record.passes} passes in training, {found}"
    return "\n".join([head, "", table(["layer", "kind", "testing / training", ""], trimmed(rows), "  rr")])


def attention(record: Attention) -> str:
    rows = [
        [found.path or "(the network)", str(h), number(np.exp(found.entropy[h]), 3), number(found.distance[h], 3)]
        for found in record.layers
        for h in range(len(found.entropy))
    ]
    return table(["layer", "head", "steps looked at", "mean distance"], trimmed(rows), " rrr")


def story(record: Story) -> str:
    return "\n\n".join([record.title, record.sentence, run(record.run), evaluation(record.evaluation)])


def preprocess(record: Preprocess) -> str:
    return record.describe()


def fields(record: Any) -> str:
    """The fields of any other record, arrays by their size and range."""
    shown = {f.name: value_text(getattr(record, f.name)) for f in dataclasses.fields(record) if f.repr}
    return f"{type(record).__name__}\n{listed(shown)}"


def value_text(value: Any) -> str:
    """One field in one line."""
    if isinstance(value, np.ndarray) and value.size > 1 and value.dtype.kind in "fiu":
        low, high = (number(v) for v in (np.nanmin(value), np.nanmax(value)))
        size = shape(value.shape) if value.ndim > 1 else f"{value.size:,}"
        return f"{size} numbers from {low} to {high}"
    if isinstance(value, Record):
        return type(value).__name__
    if isinstance(value, tuple | list | dict) and len(value) > 8:
        return f"{len(value):,} entries"
    return number(value) if isinstance(value, float) else cut(value, 200)


def trimmed(rows: list[list[str]]) -> list[list[str]]:
    """The first of the rows, with a last one that says how many are left out."""
    if len(rows) <= MOST_LINES:
        return rows
    gone = [f"… {len(rows) - MOST_LINES:,} more"] + [""] * (len(rows[0]) - 1)
    return [*rows[:MOST_LINES], gone]


def shape(sizes: tuple[int, ...]) -> str:
    return " × ".join(f"{n:,}" for n in sizes) or "1"


TEXTS: dict[type, Callable[[Any], str]] = {
    Summary: summary,
    Run: run,
    Evaluation: evaluation,
    Blame: blame,
    GradientCheck: gradient_check,
    Importance: importance,
    Neuron: _neuron_text.text,
    Neurons: neurons,
    Propagation: propagation,
    Difference: _difference.text,
    DropoutScale: dropout_scale,
    Attention: attention,
    Gates: _gates.text,
    Story: story,
    Preprocess: preprocess,
    **_diagnosis_text.TEXTS,
    **_geometry_text.TEXTS,
    **_lab_text.TEXTS,
    **_constructed.TEXTS,
    **_certified_text.TEXTS,
}
