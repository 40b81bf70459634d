from __future__ import annotations

from dataclasses import dataclass

from ..backprop import Blame, Summary, blame, summary
from ..doctor import RULES
from ..records import Record, unlisted
from ..train import Data, Evaluation, Run, evaluate
from ._baselines import Baseline, Verdict, baselines, verdict
from ._calibration import Calibration, calibration
from ._importance import Importance, importance
from ._judged import data_of, judged, learned
from ._neurons import Neurons, neurons
from ._reproduce import Reproduction, reproduction
from ._words import sentence, title_of
from ._worst import WorstRow, worst_rows

BLAMED = 256  # rows whose blame is shown


@dataclass(frozen=True)
class Facts(Record):
    """What the data was: rows learned from (None where an iterator does not tell) and held out, and its inputs."""

    name: str
    target: str
    rows: int | None
    held_out: int
    columns: int
    inputs: int
    kind: str  # "column" of a table, "input" of an array
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Story(Record):
    """A run and everything there is to say about it. `evaluation` is on the rows held out, or, where there are none
    (`held_out` False), on training rows; `training` is on training rows. `checked` names what the doctor looked for.
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
    calibration: Calibration | None
    worst: tuple[WorstRow, ...]
    summary: Summary
    checked: tuple[str, ...]
    reproduction: Reproduction
    blame: Blame = unlisted(repr=False)


def story(run: Run, source: str | None = None) -> Story:
    """Everything a report shows of a run; `source` is what to call the data, by default its own file or name.

    Raises: DataError for a run without its data.
    """
    data, source = data_of(run), source or run.source.get("path")
    rows, seen = judged(data), learned(data)
    criterion, preprocess = run.settings.loss, run.preprocess
    held = evaluate(run.net, criterion, preprocess, rows.block.x, rows.block.y)
    training = evaluate(run.net, criterion, preprocess, seen.block.x, seen.block.y) if rows.held_out else held
    simpler = baselines(data)
    verdicts = tuple(verdict(held, baseline) for baseline in simpler.values())
    shuffled = importance(run)
    strongest = tuple(shuffled.names[i] for i in shuffled.order)
    facts = facts_of(run, data)
    few = rows.take(slice(0, BLAMED)).block
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
        calibration=calibration(held),
        worst=worst_rows(held, rows, strongest),
        summary=summary(run.net, rows.block.x[:1]),
        checked=tuple(rule.code for rule in RULES),
        reproduction=reproduction(run, data),
        blame=blame(run.net, few.x, few.y, loss=criterion),
    )


def facts_of(run: Run, data: Data) -> Facts:
    preprocess = data.preprocess
    used = dict.fromkeys(preprocess.input_columns)
    held = 0 if data.validation is None else len(data.validation.x)
    inputs, kind = len(preprocess.input_names), "column" if preprocess.shape is None else "input"
    name = run.source.get("path") or data.name
    return Facts(name, preprocess.target.name, data.n_rows, held, len(used), inputs, kind, data.notes)
