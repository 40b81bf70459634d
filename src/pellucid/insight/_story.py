from __future__ import annotations

import math
from dataclasses import dataclass

from ..backprop import Blame, Summary, blame, summary
from ..doctor import LIVE_RULES, Diagnosis
from ..errors import DataError
from ..records import Record, unlisted
from ..train import Data, Evaluation, Run, evaluate
from ._baselines import Baseline, Verdict, baselines, verdict
from ._calibration import Calibration, calibration
from ._growth import Growth, growth
from ._importance import Importance, importance
from ._judged import data_of, judged, learned
from ._neurons import Neurons, neurons
from ._piecewise import Piecewise, piecewise
from ._reproduce import Reproduction, reproduction
from ._words import sentence, title_of
from ._worst import WorstRow, worst_rows

BLAMED, NUMBERS = 256, 2**24  # rows whose blame is shown; fewer where a row has many numbers inside the network


@dataclass(frozen=True)
class Facts(Record):
    """What the data was: rows learned from (None where an iterator does not tell) and held out, and its inputs."""

    name: str
    target: str
    rows: int | None
    held_out: int
    columns: int
    inputs: int
    kind: str  # "column" of a table, "input" of an array, "image", "sequence"
    notes: tuple[str, ...]
    shape: tuple[int, ...] | None = None  # of a row of an array


@dataclass(frozen=True)
class Story(Record):
    """A run and everything there is to say about it. `evaluation` is on the rows held out, or, where there are none
    (`held_out` False), on training rows; `training` is on training rows. `checked` names what the doctor looked for in
    every epoch; `diagnosis` is what it found where it was asked.
    """

    title: str
    sentence: str
    run: Run
    facts: Facts
    held_out: bool
    evaluation: Evaluation
    training: Evaluation
    baselines: dict[str, Baseline]
    verdicts: tuple[Verdict, ...]
    importance: Importance
    neurons: Neurons
    pieces: Piecewise
    growth: Growth | None
    calibration: Calibration | None
    worst: tuple[WorstRow, ...]
    summary: Summary
    checked: tuple[str, ...]
    reproduction: Reproduction
    blame: Blame = unlisted(repr=False)
    diagnosis: Diagnosis | None = None


def story(run: Run, source: str | None = None, diagnosis: Diagnosis | None = None) -> Story:
    """Everything a report shows of a run; `source` is what to call the data, by default its own file or name.

    Raises: DataError for a run without its data, or one that answers at every step of a sequence.
    """
    data, source = data_of(run), source or run.source.get("path")
    rows, seen = judged(data), learned(data)
    criterion, preprocess = run.settings.loss, run.preprocess
    if preprocess.target.steps:
        raise DataError("A report tells of one answer for each row; this network answers at every step.")
    held = evaluate(run.net, criterion, preprocess, rows.block.x, rows.block.y)
    training = evaluate(run.net, criterion, preprocess, seen.block.x, seen.block.y) if rows.held_out else held
    simpler = baselines(data)
    verdicts = tuple(verdict(held, baseline) for baseline in simpler.values())
    shuffled = importance(run)
    strongest = tuple(shuffled.names[i] for i in shuffled.order)
    facts = facts_of(run, data)
    pieces = piecewise(run)
    table = summary(run.net, rows.block.x[:1])
    inside = max(sum(math.prod(row.output) for row in table.rows), 1)
    few = rows.take(slice(0, min(BLAMED, max(NUMBERS // inside, 8)))).block
    return Story(
        title=title_of(facts),
        sentence=sentence(facts, held, simpler, verdicts, rows.held_out),
        run=run,
        facts=facts,
        held_out=rows.held_out,
        evaluation=held,
        training=training,
        baselines=simpler,
        verdicts=verdicts,
        importance=shuffled,
        neurons=neurons(run),
        pieces=pieces,
        growth=growth(run, pieces.view),
        calibration=calibration(held),
        worst=worst_rows(held, rows, strongest),
        summary=table,
        checked=tuple(rule.name.key for rule in LIVE_RULES),
        reproduction=reproduction(run, data),
        blame=blame(run.net, few.x, few.y, loss=criterion),
        diagnosis=diagnosis,
    )


def facts_of(run: Run, data: Data) -> Facts:
    preprocess = data.preprocess
    held = 0 if data.validation is None else len(data.validation.x)
    shape = preprocess.shape
    inputs = len(preprocess.input_names) if shape is None else math.prod(shape)
    kind = "column" if shape is None else "image" if len(shape) == 3 else "input"
    kind = "sequence" if preprocess.form and preprocess.form.name == "sequences" else kind
    name = run.source.get("path") or data.name
    columns = len(dict.fromkeys(preprocess.input_columns)) if shape is None else inputs
    return Facts(name, preprocess.target.name, data.n_rows, held, columns, inputs, kind, data.notes, shape)
