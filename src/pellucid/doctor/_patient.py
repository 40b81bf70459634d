"""A training with everything that was measured of it: what all rules read, each thing measured once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import jax
import numpy as np

from ..errors import PellucidError
from ..layers import Flatten, Sequential, mlp, values_of
from ..losses import loss
from ..module import Layer
from ..train import Epoch, NonFinite, unit
from ._changes import finite_rows, standardised, wanted_output
from ._criterion import Criterion, criterion_of
from ._look import Look, look
from ._program import Program
from ._structure import Structure, structure
from ._task import Task, flat
from ._trials import Trial, applicable, changed, redrawn, score_of, task_for, threshold_of, tried

MENDED = ("suited output", "standardise inputs", "standardise targets", "adam at 0.01")  # what suits most trainings
MOST_ROWS = 4096
FEWEST_HELD = 100  # rows of which a fifth can be held out
HELPS_HELD = 0.1  # of the gap of the rows held out
STARTS = 3  # others that are tried, to tell harm from an unlucky one
CHANCE = 0.5  # of what was missed, that another start makes up for
FEWEST_STEPS = 300  # that a change is tried for: fewer tell nothing
SICK = 0.06  # of what there is to learn: a training that misses this much, a sixteenth, is sick


@dataclass(eq=False)
class Patient:
    """A program, and what is known of its training: the trained network and the epochs, where there was one.

    `seconds` is how long all probes together may take.
    """

    program: Program
    trained: Layer | None = None
    history: Sequence[Epoch] = ()
    problem: NonFinite | None = None
    seconds: float = 5.0
    start_known: bool = True
    refusal: str = ""
    tries: dict[tuple[str, ...], Trial | None] = field(default_factory=dict)
    spent: float = 0.0  # seconds of trials

    @property
    def net(self) -> Layer:
        return self.program.net

    @property
    def settings(self):
        return self.program.settings

    @property
    def x(self) -> Any:
        return self.program.x

    @property
    def y(self) -> Any:
        return self.program.y

    @property
    def validation(self) -> Any:
        return self.program.validation

    @property
    def names(self) -> tuple[str, ...]:
        return self.program.names

    @property
    def seed(self) -> int:
        return self.settings.seed

    @property
    def epoch(self) -> int:
        return self.history[-1].number if self.history else 0

    @property
    def left(self) -> float:
        """The seconds that are left for trials; those to compile them do not count."""
        return self.seconds - self.spent

    @property
    def has_rows(self) -> bool:
        return self.x is not None and self.y is not None and len(self.x) > 0

    @cached_property
    def structure(self) -> Structure:
        return structure(self.net)

    @cached_property
    def n_outputs(self) -> int:
        """How many numbers the network gives at the end, 0 where it cannot be run."""
        return 0 if self.output_shape is None else self.output_shape[-1]

    @cached_property
    def some(self) -> tuple[np.ndarray, np.ndarray]:
        """At most 4,096 rows, spread over all."""
        rows = np.linspace(0, len(self.x) - 1, min(len(self.x), MOST_ROWS)).astype(int)
        return np.asarray(self.x)[rows], np.asarray(self.y)[rows]

    @cached_property
    def output_shape(self) -> tuple[int, ...] | None:
        """The shape of the outputs of one row, a batch of 1; None where the network cannot be run on the rows."""
        if self.x is None or not len(self.x):
            return None
        one = unit(np.asarray(self.x[:1]))
        try:
            found = jax.eval_shape(lambda net, x: values_of(net(x)), self.net, one).shape
        except (PellucidError, TypeError, ValueError) as problem:
            self.refusal = str(problem)
            return None
        return found if len(found) > 1 else None

    @cached_property
    def criterion(self) -> Criterion:
        if not self.has_rows or not self.n_outputs:
            return Criterion(None, "unknown")
        return criterion_of(self.settings.loss, self.n_outputs, np.asarray(self.y))

    @cached_property
    def task(self) -> Task | None:
        return task_for(self.sample, self.n_outputs) if self.has_rows and self.n_outputs else None

    @cached_property
    def sample(self) -> Program:
        """The program on at most 4,096 of its rows: what is tried."""
        if not self.has_rows:
            return self.program
        x, y = self.some
        size = min(self.settings.batch_size, len(x))
        return replace(self.program, x=x, y=y, settings=replace(self.settings, batch_size=size, watch_every=0))

    @property
    def threshold(self) -> float:
        return threshold_of(self.sample, self.n_outputs)

    def score_of(self, net: Layer | None) -> float | None:
        """Accuracy or R² of a network on the rows learned from."""
        if net is None or self.task is None:
            return None
        try:
            return score_of(self.sample, net, self.task)
        except (PellucidError, TypeError, ValueError):
            return None

    @cached_property
    def score(self) -> float | None:
        """Of the trained network."""
        return self.score_of(self.trained)

    @property
    def trivial(self) -> float:
        return self.task.trivial if self.task else 0.0

    @cached_property
    def at_start(self) -> Look | None:
        """One pass through the network as it starts."""
        return look(self.net, self.settings.loss, *self.some) if self.has_rows else None

    @cached_property
    def ended(self) -> Layer | None:
        """The trained network, or that of a trial."""
        return self.trained if self.trained is not None else (self.base.net if self.base else None)

    @cached_property
    def at_end(self) -> Look | None:
        """One pass through the trained network."""
        return look(self.ended, self.settings.loss, *self.some) if self.ended is not None else None

    @property
    def like(self) -> int:
        """The steps that trials are compiled for."""
        return max(self.program.steps, FEWEST_STEPS)

    @property
    def steps(self) -> int:
        """As many as the base took; where it broke off at numbers that are not finite, as many as it was to take."""
        return self.base.steps if self.base and self.base.finite else self.program.steps

    @cached_property
    def base(self) -> Trial | None:
        """The program as it is, tried; None where there is nothing to try it on, or no time."""
        if self.task is None or self.seconds <= 0:
            return None
        return self.run(self.sample, self.program.steps)

    def run(self, program: Program, steps: int) -> Trial | None:
        """A program tried for so many steps, or a fifth of the time."""
        found = tried(program, self.task, steps, seconds=self.seconds / 5, like=self.like) if self.task else None
        self.spent += found.seconds if found else 0.0
        return found

    @cached_property
    def longer(self) -> Trial | None:
        """The program as it is, for as many steps as changes are tried: 300 where it takes fewer itself."""
        if self.base is None or self.base.steps >= FEWEST_STEPS or not self.base.finite:
            return self.base
        return self.run(self.sample, FEWEST_STEPS)

    def trial(self, *names: str) -> Trial | None:
        """The program with these changes; None where they do not apply, or time is over."""
        task, longer = self.task, self.longer
        if names not in self.tries and task and longer and self.left > 0:
            after = changed(self.sample, task, *names)
            self.tries[names] = after and self.run(after, self.steps_for(after, longer))
        return self.tries.get(names)

    def steps_for(self, after: Program, longer: Trial) -> int:
        """As many as the program takes `longer`; where a change asks for more epochs, its own and as many times."""
        if self.asks_for_more(after):
            return self.steps * after.settings.epochs // self.settings.epochs
        return longer.steps if longer.finite else self.like

    def asks_for_more(self, after: Program) -> bool:
        """Whether a changed program has more epochs."""
        return after.settings.epochs > self.settings.epochs

    @cached_property
    def reference(self) -> float:
        """What a plain network reaches on these rows: two hidden layers of 32 ReLU, standardised, Adam at 0.01."""
        if self.task is None or self.base is None:
            return 0.0
        program = plain_program(self.sample, self.task)
        found = program and self.run(program, max(400, min(self.steps, 2000)))
        return found.score if found else self.trivial

    def above(self, score: float | None) -> float:
        """A score, no lower than that of the constant answer."""
        return self.trivial if score is None or not np.isfinite(score) else max(score, self.trivial)

    @cached_property
    def reached(self) -> float:
        """What the training reached: the trained network's score, or that of a trial."""
        return self.above(self.score if self.score is not None else self.base and self.base.score)

    @property
    def best(self) -> float:
        """The best score that anything tried so far has reached."""
        tries = [self.above(t.score) for t in self.tries.values() if t]
        return max([self.reached, self.above(self.reference), *tries])

    @property
    def room(self) -> float:
        """How much better the training could have gone, as a share of all that there is to learn."""
        span = self.best - self.trivial
        return (self.best - self.reached) / span if span > 1e-9 else 0.0

    @property
    def sick(self) -> bool:
        """Whether a sixteenth of what there is to learn was missed, or numbers became infinite."""
        return self.room > SICK or (self.base is not None and not self.base.finite)

    @property
    def stuck(self) -> bool:
        """Whether less than half of what there is to learn was learned."""
        return self.room > 0.5

    @property
    def likely(self) -> str:
        """How sure a measured cause is: where half of what there is to learn was learned, it is a hint only."""
        return "likely" if self.stuck else "possible"

    @cached_property
    def outright(self) -> bool:
        """Whether what stands at the end of the network rules learning out, whatever the training does."""
        from ._output_rules import OUTPUT_RULES

        rules = ("OUT_SOFTMAX1", "OUT_UNITS", "OUT_ACT_RANGE")
        signs = [s for rule in OUTPUT_RULES if rule.code in rules for s in rule.look(self)]
        return any(sign.confidence == "certain" and sign.explains > 0.5 for sign in signs)

    def gain(self, *names: str) -> float:
        """The share of what was missed that a trial with these changes brings, 0 to 1.

        A change is held against the program as it is for as many steps; more steps against the program's own.
        """
        found = self.trial(*names)
        base = self.base if found and self.asks_for_more(found.program) else self.longer
        if found is None or base is None:
            return 0.0
        before = self.above(base.score)
        missed = self.best - before
        return float(np.clip((self.above(found.score) - before) / missed, 0, 1)) if missed > 1e-9 else 0.0

    def closed(self, names: Sequence[str]) -> float | None:
        """The share of what was missed that one of these changes has brought by itself; None where none was tried."""
        return max((self.gain(name) for name in names if self.tries.get((name,))), default=None)

    def costs(self, gain: float) -> bool:
        """Whether what a change brings, a share of what was missed, is enough to make a training sick by itself."""
        return gain * self.room > SICK

    def learns(self, times: int) -> bool:
        """Whether so many times the steps help rows that are held out, a fifth, and not only those learned by heart."""
        if self.task is None or self.base is None or len(self.sample.x) < FEWEST_HELD:
            return True
        rows = np.random.default_rng(self.seed).permutation(len(self.sample.x))
        held, rest = np.split(rows, [len(rows) // 5])
        known = np.resize(rest, len(rows))  # of the same shape as all rows: nothing is compiled anew
        x, y = np.asarray(self.sample.x), np.asarray(self.sample.y)
        program, asked = replace(self.sample, x=x[known], y=y[known]), replace(self.sample, x=x[held], y=y[held])
        trials = [self.run(program, steps) for steps in (self.base.steps, self.base.steps * times)]
        few, many = (self.above(score_of(asked, t.net, self.task)) if t and t.finite else 0.0 for t in trials)
        return many > few + HELPS_HELD * (self.best - few)

    @cached_property
    def chance(self) -> float:
        """What the same program reaches from another start, where that makes up for half of what was missed; else 0."""
        if self.base is None or self.task is None or not self.base.finite:
            return 0.0
        for seed in range(self.seed + 1, self.seed + 1 + STARTS):
            drawn = replace(self.sample, net=redrawn(self.net, seed)).set(seed=seed)
            found = self.run(drawn, self.base.steps) if self.left > 0 else None
            reached = self.above(found.score) if found else self.trivial
            if reached - self.reached > CHANCE * (self.best - self.reached):
                return reached
        return 0.0

    def share(self, name: str) -> float:
        """What a change brings by itself or, where little was learned, what is lost without it when all is mended."""
        alone = self.gain(name)
        if alone > 0.3 or not self.stuck or self.task is None:
            return alone
        whole = applicable(self.sample, self.task, MENDED)
        if name not in whole:
            return alone
        rest = tuple(n for n in whole if n != name)
        return max(alone, self.gain(*whole) - self.gain(*rest))


def plain_program(program: Program, task: Task) -> Program | None:
    """A network that learns most things: what can be reached on these rows."""
    program = finite_rows(program, task) or program
    x, y = standardised(np.asarray(program.x)), np.asarray(program.y)
    units, name = wanted_output(task, 0, y)
    front: list[Layer] = []
    if x.ndim > 2 and (y.ndim < x.ndim or y.shape[1:-1] != x.shape[1:-1]):
        front.append(Flatten())
        n_in = int(np.prod(x.shape[1:]))
    else:
        n_in = x.shape[-1]
    if x.ndim < 2:
        return None
    net = mlp([n_in, 32, 32, units], key=program.settings.seed)
    if name == "cross_entropy" and task.kind in ("binary", "labels"):
        y = flat(y).astype(np.int32)
    elif not task.classification:
        y = standardised(y if y.ndim > 1 else y[:, None])
    elif y.ndim == 1:
        y = y[:, None]
    after = replace(program, net=Sequential([*front, *net.layers]), x=x, y=y)
    return after.set(
        loss=loss(name), optimizer="adam", learning_rate=1e-2, weight_decay=0.0, l1=0.0, batch_size=min(64, len(x)),
        class_weight=None, shuffle=True,
    )  # fmt: skip
