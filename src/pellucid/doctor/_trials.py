"""Programs tried on short trainings from the same seed and rows, and compared by what they reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ..errors import PellucidError
from ..module import Layer, learned
from ..train import outputs, short
from ._changes import CHANGES
from ._criterion import criterion_of
from ._program import Program
from ._structure import SQUASHING, structure
from ._task import Task, score, task_of


@dataclass(frozen=True, eq=False)
class Trial:
    """What one program reached: its score on the rows learned from, its losses part by part, how many steps it took.

    `score` is that of the constant answer, or worse, where numbers were not finite.
    """

    program: Program
    score: float
    losses: np.ndarray
    steps: int
    seconds: float
    finite: bool
    net: Any = None


def threshold_of(program: Program, units: int) -> float:
    """Where an output stands for "yes": 0 for a logit, a half for a probability or a number."""
    bounded = structure(program.net).output_curve in (*SQUASHING, "softmax")
    wants = criterion_of(program.settings.loss, units, np.asarray(program.y)).wants
    return 0.0 if wants == "logits" and not bounded else 0.5


def task_for(program: Program, units: int) -> Task:
    """What the program's targets ask."""
    criterion = criterion_of(program.settings.loss, units, np.asarray(program.y))
    labels = program.settings.loss.targets == "labels" or criterion.exclusive
    squashed = structure(program.net).output_curve in ("softmax", "log_softmax", "sigmoid", "hard_sigmoid")
    return task_of(np.asarray(program.y), labels=labels, classifying=criterion.classifies or squashed)


def score_of(program: Program, net: Any, task: Task) -> float:
    """Accuracy or R² of a network on the program's rows."""
    z = outputs(net, np.asarray(program.x))
    return score(task, z, np.asarray(program.y), threshold_of(program, z.shape[-1]))


def tried(
    program: Program,
    task: Task,
    steps: int,
    *,
    seed: int | None = None,
    seconds: float = float("inf"),
    like: int | None = None,
) -> Trial | None:
    """Train a program for so many steps; None where it cannot be run."""
    try:
        found = short(
            program.net,
            np.asarray(program.x),
            np.asarray(program.y),
            program.settings,
            steps,
            seed=seed,
            seconds=seconds,
            like=like,
        )
        reached = score_of(program, found.net, task) if found.finite else min(task.trivial, 0.0)
    except (PellucidError, TypeError, ValueError):
        return None
    return Trial(program, reached, found.losses, found.steps, found.seconds, found.finite, found.net)


def changed(program: Program, task: Task, *names: str) -> Program | None:
    """The program after several changes; None where one does not apply."""
    for name in names:
        after = CHANGES[name].apply(program, task)
        if after is None:
            return None
        program = after
    return program


def applicable(program: Program, task: Task, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the changes that change something."""
    return tuple(name for name in names if CHANGES[name].apply(program, task) is not None)


def redrawn(net: Layer, seed: int) -> Layer:
    """The same network from another draw: the numbers of every weight in another order, which keeps their law."""
    rng = np.random.default_rng(seed)

    def shuffled(a: Any) -> Any:
        if a is None or np.ndim(a) < 2:
            return a
        return rng.permutation(np.ravel(a)).reshape(np.shape(a)).astype(np.asarray(a).dtype)

    return jax.tree.map(lambda old, new: old if new is None else new, net, jax.tree.map(shuffled, learned(net)))
