from __future__ import annotations

import ctypes
import math
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ..backprop import backpropagate, tapped
from ..errors import DataError, SettingError, ShapeError, StoreError, unknown
from ..language import phrase
from ..layers import values_of
from ..module import Layer
from ..records import Record, plain
from ..shapes import words
from ._checkpoint import load_checkpoint, restored, save_checkpoint
from ._data import Block, Data
from ._epoch import OF_AN_EPOCH, Plan, Segment, State, advance, start_state
from ._evaluate import evaluate
from ._feed import Feed, Part
from ._images import unit
from ._locate import first_not_finite
from ._optimizers import rates
from ._progress import Interrupt, Progress
from ._range_test import range_test
from ._run import Epoch, NonFinite, RangeTest, Run
from ._settings import Settings
from ._snapshots import Snapshots, are_kept, epochs_of, put_together, until, with_next
from ._watch import LayerWatch, watch_records, watched_paths

ON_FINDING = ("tell", "pause", "fix")
MOST_SAID = 3  # findings said on the way; the others are in the run
MOST_MENDED = 8  # times in a training: what goes on failing is not mended by more of the same
SECONDS_PER_CALL = 1.0  # how long the device works before Python looks at Ctrl-C, the bar and the checkpoint


class Mended(NamedTuple):
    """A network that training goes on with, by how much the rate is multiplied, and what was done in words."""

    net: Layer
    rate: float
    words: str


class Watcher(Protocol):
    """Looks at a training before its first step and at every epoch as it ends, and says what it found.

    `mend` is asked what to do about a finding while the training goes on; None where nothing can be done.
    """

    def start(self, net: Layer, data: Data, settings: Settings) -> Sequence[Record]: ...

    def epoch(self, history: Sequence[Epoch], settings: Settings) -> Sequence[Record]: ...

    def mend(self, finding: Record, net: Layer, x: np.ndarray, seed: int) -> Mended | None: ...


def fit(
    net: Layer,
    data: Data,
    settings: Settings,
    *,
    watchers: Sequence[Watcher] = (),
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 10.0,
    resume: bool = False,
    progress: bool | None = None,
    on_epoch: Callable[[Epoch], Any] | None = None,
    on_finding: str = "tell",
) -> Run:
    """Train a network. See `pellucid.fit`, which opens the data, plugs in the doctor and keeps the run."""
    if on_finding not in ON_FINDING:
        raise unknown("on_finding", on_finding, ON_FINDING)
    settings, notes = fitted_settings(settings, data)
    check_fits(net, data, settings)
    trainer = Trainer(
        net, data, settings, watchers, checkpoint, checkpoint_seconds, notes, on_epoch=on_epoch, on_finding=on_finding
    )
    if resume:
        trainer.resume()
    elif settings.learning_rate == "find":
        trainer.find_rate()
    return trainer.train(progress)


@dataclass
class Trainer:
    """One training under way: the state on the device, and the place in the data it has come to."""

    net: Layer
    data: Data
    settings: Settings
    watchers: Sequence[Watcher]
    checkpoint: Path | None
    checkpoint_seconds: float
    notes: list[str]
    on_epoch: Callable[[Epoch], Any] | None = None
    on_finding: str = "tell"
    paused: bool = False
    begun: State | None = None  # as the epoch began, where it may have to begin again
    mended: int = 0
    part: int = 0  # the part of the epoch that is under way; the state knows the batch within it
    pace: int = 8
    compiled: bool = False
    history: list[Epoch] = field(default_factory=list)
    judged: list[float] = field(default_factory=list)
    findings: list[Record] = field(default_factory=list)
    best: Any = None
    problem: NonFinite | None = None
    found: RangeTest | None = None
    snapshots: Snapshots = ()
    epoch_began: float = 0.0
    spent: float = 0.0

    def __post_init__(self) -> None:
        settings = self.settings
        one = unit(self.data.sample.x[:1])
        outputs = jax.eval_shape(lambda net, x: values_of(net(x)), self.net, one).shape[-1]
        self.feed = Feed(self.data, settings, outputs, class_weights(self.data, settings))
        every, search = settings.watched(self.feed.steps_per_epoch), settings.optimizer == "lbfgs"
        self.plan = Plan(settings.loss, settings.rule(), settings.batch_size, every, search)
        self.state = start_state(self.net, self.plan)
        self.snapshots = with_next((), 0, self.state.net) if are_kept(self.state.net) else ()
        self.zeros = {name: np.asarray(getattr(self.state, name)) for name in OF_AN_EPOCH}
        self.key = jax.random.key(settings.seed)
        self.paths = watched_paths(tapped(self.net))
        self.rate = settings.rate()
        self.saved = time.monotonic()

    def train(self, show: bool | None) -> Run:
        began = time.perf_counter()
        settings, status = self.settings, "finished"
        steps = self.feed.steps_per_epoch
        progress = Progress(show, settings.epochs, int(self.state.step), steps)
        if self.data.preprocess.columns and not self.history:
            progress.say(self.data.preprocess.describe())
        for note in (*self.data.notes, *self.notes):
            progress.say(note)
        if not self.history:
            self.tell(
                [finding for watcher in self.watchers for finding in watcher.start(self.net, self.data, settings)],
                progress,
            )
        try:
            with Interrupt() as interrupt:
                while len(self.history) < settings.epochs:
                    if self.paused or self.enough():
                        status = "paused" if self.paused else "stopped early"
                        break
                    if not self.one_epoch(progress, interrupt) and not self.step_back(progress):
                        status = "not finite" if self.problem else "interrupted"
                        break
        finally:
            progress.close()
            if int(self.state.step):  # also where the data broke off: what was learned until then is kept
                self.save(self.checkpoint)
        best = None if settings.early_stop is None else self.best
        net, epoch = (self.state.net, self.epochs_begun()) if best is None else (best, self.best_epoch() or 0)
        return Run(
            status=status,
            settings=settings,
            history=tuple(self.history),
            findings=tuple(self.findings),
            notes=tuple(self.notes),
            seconds=self.spent + time.perf_counter() - began,
            best_epoch=self.best_epoch(),
            problem=self.problem,
            range_test=self.found,
            fingerprint=self.data.fingerprint,
            snapshots=until(self.snapshots, epoch, net),
            net=net,
            data=self.data,
            preprocess=self.data.preprocess,
        )

    def epochs_begun(self) -> int:
        """The epochs that took a step, one that broke off included."""
        return len(self.history) + bool(self.part or int(self.state.at))

    def compile(self, segment: Segment) -> None:
        """Have the epoch compiled, by a call that takes no step, and give back the memory that the compiler leaves.

        That is some 250 MB for a small convnet, which the training would otherwise need beside it.
        """
        jax.block_until_ready(
            advance(self.state, segment, self.state.at, self.key, plan=self.plan, whole=self.feed.whole)
        )
        give_back_memory()
        self.compiled = True

    def one_epoch(self, progress: Progress, interrupt: Interrupt) -> bool:
        """Train to the end of the epoch; False where it was interrupted or a number stopped being finite."""
        self.epoch_began = time.perf_counter()
        self.begun = self.state if self.on_finding == "fix" and not self.part and not int(self.state.at) else self.begun
        for part in self.feed.parts(len(self.history), self.part):
            batches = -(-part.rows // self.settings.batch_size)
            segment = self.segment(part)
            if not self.compiled:
                self.compile(segment)
            while (at := int(self.state.at)) < batches:
                before, began = self.state, time.perf_counter()
                stop = min(at + self.pace, batches)
                self.state = jax.block_until_ready(
                    advance(before, segment, np.int32(stop), self.key, plan=self.plan, whole=self.feed.whole)
                )
                if not bool(self.state.finite):
                    self.stop_before_the_bad_step(before, segment)
                    return False
                self.keep_pace(stop - at, time.perf_counter() - began)
                progress.advanced(stop - at)
                if time.monotonic() - self.saved >= self.checkpoint_seconds:
                    self.save(self.checkpoint)
                if interrupt.asked and stop < batches:
                    return False
            self.part, self.state = self.part + 1, self.state._replace(at=np.int32(0))
        if not float(self.state.weight_sum):
            raise DataError(
                f"{self.data.name} gave no rows (or none with a weight above 0) in epoch {len(self.history) + 1}."
            )
        self.end_epoch(progress)
        return not interrupt.asked or len(self.history) == self.settings.epochs

    def segment(self, part: Part) -> Segment:
        count = len(part.order) // self.settings.batch_size
        total = self.settings.epochs * (self.feed.steps_per_epoch or 1)
        first = int(self.state.step) - int(self.state.at)
        rate = rates(self.settings.schedule, self.rate * self.plateau(), first, count, total)
        return Segment(part.x, part.y, part.weights, part.order, np.int32(part.rows), rate)

    def keep_pace(self, steps: int, seconds: float) -> None:
        """The next call's number of steps; the first call is mostly compilation and says little."""
        wanted = steps * SECONDS_PER_CALL / max(seconds, 1e-6)
        self.pace = int(min(max(wanted, self.pace, 1), 8 * self.pace) if seconds < SECONDS_PER_CALL else max(wanted, 1))

    def end_epoch(self, progress: Progress) -> None:
        state, number = self.state, len(self.history) + 1
        held = self.data.validation
        checked = None
        if held is not None and len(held.x):
            checked = evaluate(self.state.net, self.settings.loss, self.data.preprocess, held.x, held.y)
        epoch = Epoch(
            number=number,
            loss=float(state.loss_sum / state.weight_sum),
            validation_loss=checked and checked.loss,
            metrics=checked.metrics if checked else {},
            learning_rate=self.rate * self.plateau(),
            seconds=time.perf_counter() - self.epoch_began,
            watch=watch_records(self.paths, np.asarray(state.watch_sum), int(state.watch_count)),
        )
        self.history.append(epoch)
        if self.settings.early_stop is not None and self.best_epoch() == number:
            self.best = self.state.net
        if self.snapshots:
            self.snapshots = with_next(self.snapshots, number, self.state.net)
        self.state = self.state._replace(**self.zeros)
        self.part = 0
        self.watch(progress)
        progress.epoch(epoch)
        if tell := self.on_epoch:
            self.kept(lambda: tell(epoch))

    def watch(self, progress: Progress | None = None) -> None:
        for watcher in self.watchers:
            found = watcher.epoch(self.history, self.settings)
            self.tell(found, progress)
            if progress and self.on_finding == "fix":
                for finding in found:
                    self.mend(watcher, finding, progress)

    def tell(self, found: Sequence[Record], progress: Progress | None) -> None:
        """Keep findings, say them, and stop for them where that was asked; those of a resumed run were said before."""
        left = max(0, MOST_SAID - len(self.findings))
        self.findings += found
        if progress:
            for finding in found[:left]:
                progress.say(str(finding))
            self.paused |= self.on_finding == "pause" and bool(found)

    def mend(self, watcher: Watcher, finding: Record, progress: Progress) -> None:
        """Do what the watcher knows to do about a finding, and go on."""
        x = unit(self.data.sample.x)
        done = watcher.mend(finding, self.state.net, x, len(self.history)) if self.mended < MOST_MENDED else None
        if done is None:
            return
        self.mended += 1
        self.rate *= done.rate
        self.state = self.state._replace(net=jax.tree.map(jnp.asarray, done.net))
        self.notes.append(phrase("Mended after epoch {epoch}: {done}.", epoch=len(self.history), done=done.words))
        progress.say(self.notes[-1])

    def step_back(self, progress: Progress) -> bool:
        """Where numbers became infinite and mending was asked for: the epoch once more, with a tenth of the rate."""
        if self.problem is None or self.begun is None or self.mended >= MOST_MENDED:
            return False
        self.mended += 1
        self.rate /= 10
        self.notes.append(
            phrase(
                "Mended in epoch {epoch}: {part} was not finite; a tenth of the rate.",
                epoch=self.problem.epoch,
                part=self.problem.pass_,
            )
        )
        progress.say(self.notes[-1])
        self.state, self.part, self.problem = self.begun, 0, None
        return True

    def monitored(self) -> list[float]:
        """What each epoch is judged by: the validation loss, or the training loss where nothing is held out."""
        for epoch in self.history[len(self.judged) :]:
            loss = epoch.loss if epoch.validation_loss is None else epoch.validation_loss
            self.judged.append(loss if math.isfinite(loss) else math.inf)
        return self.judged

    def best_epoch(self) -> int | None:
        """The epoch with the lowest such loss."""
        losses = self.monitored()
        return losses.index(min(losses)) + 1 if losses else None

    def enough(self) -> bool:
        patience = self.settings.early_stop
        return patience is not None and self.waited() >= patience

    def waited(self) -> int:
        """Epochs since the loss was last lower than all before, by more than the tolerance."""
        losses = np.array([np.inf, *self.monitored()])
        better = np.flatnonzero(losses[1:] < np.minimum.accumulate(losses)[:-1] - self.settings.tolerance)
        return len(losses) - 2 - int(better[-1]) if len(better) else len(losses) - 1

    def plateau(self) -> float:
        """Half the rate for every five epochs in a row that brought nothing better."""
        if self.settings.schedule != "plateau":
            return 1.0
        factor, best, waited = 1.0, np.inf, 0
        for loss in self.monitored():
            best, waited = (loss, 0) if loss < best else (best, waited + 1)
            if waited == 5:
                factor, waited = factor / 2, 0
        return factor

    def stop_before_the_bad_step(self, before: State, segment: Segment) -> None:
        """Go back to the last good network, step by careful step, and find the layer where the next one goes wrong."""
        careful = replace(self.plan, careful=True)
        end = np.int32(int(self.state.at))
        bad = int(advance(before, segment, end, self.key, plan=careful, whole=self.feed.whole).at) - 1
        state = advance(before, segment, np.int32(bad), self.key, plan=self.plan, whole=self.feed.whole)
        size = self.settings.batch_size
        rows = np.asarray(segment.order[bad * size : (bad + 1) * size])
        weights = (bad * size + np.arange(size) < int(segment.rows)).astype(np.float32)
        if segment.weights is not None:
            weights = weights * np.asarray(segment.weights)[rows]
        step = int(state.step)
        key = jax.random.fold_in(self.key, step)
        x, y = unit(segment.x[rows]), segment.y[rows]
        numbers = None if self.data.train_index is None else self.data.train_index[rows]
        fault = first_not_finite(state.net, self.settings.loss, x, y, jnp.asarray(weights), key, numbers)
        epoch, cure = len(self.history) + 1, fault.cure or advice(self.rate)
        message = phrase(
            "Training stopped in epoch {epoch}, step {step}: {what}. {cure}",
            epoch=epoch,
            step=step + 1,
            what=fault.sentence,
            cure=cure,
        )
        self.problem = NonFinite(fault.path, fault.pass_, epoch, step + 1, message)
        self.state = state

    def find_rate(self) -> None:
        part = next(iter(self.feed.parts(0)))
        segment = self.segment(part)
        batches = -(-part.rows // self.settings.batch_size)
        self.found = range_test(self.state, segment, batches, self.key, self.plan, whole=self.feed.whole)
        self.rate = self.found.suggested
        self.notes.append(phrase("The range test suggests a learning rate of {rate:.2g}.", rate=self.rate))

    def kept(self, write: Callable[[], Any]) -> None:
        """Write something of the run; where the disk refuses, say so once and train on: the work is worth more."""
        try:
            write()
        except StoreError as problem:
            if not any("not kept" in note for note in self.notes):
                self.notes.append(phrase("Part of the run was not kept: {problem}", problem=str(problem)))
                warnings.warn(self.notes[-1], RuntimeWarning, stacklevel=4)

    def save(self, path: Path | None) -> None:
        """Write a checkpoint, where one is wanted."""
        if path is None:
            return
        trees = {"state": self.state} | ({} if self.best is None else {"best": self.best})
        trees |= {"snapshots": [snapshot.net for snapshot in self.snapshots]} if self.snapshots else {}
        about = {
            "settings": self.settings.to_json(),
            "fingerprint": self.data.fingerprint,
            "history": [epoch.to_json() for epoch in self.history],
            "part": self.part,
            "rate": self.rate,
            "found": plain(self.found),
            "best": self.best is not None,
            "snapshots": epochs_of(self.snapshots),
        }
        self.kept(lambda: save_checkpoint(path, trees, about))
        self.saved = time.monotonic()

    def resume(self) -> None:
        """Take up where the checkpoint stands.

        Raises: SettingError where settings or data differ from those the checkpoint was made with.
        """
        if self.checkpoint is None or not self.checkpoint.exists():
            raise SettingError(f"There is no checkpoint to resume from at {self.checkpoint}.")
        arrays, about = load_checkpoint(self.checkpoint)
        own, kept = self.settings.to_json(), about.get("settings", {})
        planned = self.settings.schedule not in ("constant", "plateau")  # laid out over all epochs
        for name in own:
            if (name != "epochs" or planned) and own[name] != kept.get(name):
                raise SettingError(
                    f"The checkpoint was made with {name}={kept.get(name)!r}, not {own[name]!r}: resume with the same."
                )
        if about["fingerprint"] != self.data.fingerprint:
            raise SettingError(f"The checkpoint was made with other data than {self.data.name}: resume with the same.")
        epochs, net = about.get("snapshots", []), self.state.net  # older checkpoints have none
        like = {"state": self.state} | ({"best": net} if about["best"] else {})
        trees = restored(like | ({"snapshots": [net] * len(epochs)} if epochs else {}), arrays, self.checkpoint)
        self.state, self.best = trees["state"], trees.get("best")
        self.snapshots = put_together(epochs, trees.get("snapshots", []))
        self.part, self.rate = about["part"], about["rate"]
        self.found = about["found"] and RangeTest(
            np.array(about["found"]["rates"]), np.array(about["found"]["losses"]), about["found"]["suggested"]
        )
        for epoch in about["history"]:
            self.history.append(epoch_from_json(epoch))
            self.watch()
        self.spent = sum(epoch.seconds for epoch in self.history)


def epoch_from_json(written: dict[str, Any]) -> Epoch:
    nan = float("nan")
    watch = {path: LayerWatch(**seen) for path, seen in written["watch"].items()}
    metrics = {name: nan if value is None else value for name, value in written["metrics"].items()}
    return Epoch(**{**written, "watch": watch, "metrics": metrics})


def advice(rate: float) -> str:
    return phrase("Try a learning rate below {rate:.2g}, clip=1.0, or inputs on a smaller scale.", rate=rate)


def fitted_settings(settings: Settings, data: Data) -> tuple[Settings, list[str]]:
    """The settings with a batch no larger than the data, and what was changed."""
    if settings.optimizer == "lbfgs":
        if not data.in_memory or not data.n_rows:
            raise SettingError("lbfgs works on all rows at once: it cannot be used on data that is read in blocks.")
        return replace(settings, batch_size=data.n_rows), []
    if not data.n_rows and settings.schedule not in ("constant", "plateau"):
        raise SettingError(
            f"The schedule {settings.schedule!r} needs the number of rows, which an iterator does not tell."
        )
    if data.n_rows and settings.batch_size > data.n_rows:
        note = phrase(
            "batch_size {size} is more than the {rows} rows: every epoch is one batch.",
            size=settings.batch_size,
            rows=data.n_rows,
        )
        return replace(settings, batch_size=data.n_rows), [note]
    return settings, []


def check_fits(net: Layer, data: Data, settings: Settings) -> None:
    """Shapes and targets, before anything is computed."""
    one = unit(data.sample.x[:1])
    z = jax.eval_shape(lambda net, x: values_of(net(x)), net, one)
    if z.ndim < 2:
        raise ShapeError(type(net).__name__, "an output (batch, outputs) for a loss", words(tuple(z.shape)))
    for block in (everything(data), data.validation):
        if block is not None and len(block.y):
            settings.loss.check(block.y, z.shape[-1])
    jax.eval_shape(lambda net: backpropagate(net, settings.loss, one, data.sample.y[:1]), net)


def everything(data: Data) -> Block:
    """All training rows where they are in memory, else a sample of them."""
    return next(iter(data.blocks(0))) if data.in_memory else data.sample


def class_weights(data: Data, settings: Settings) -> np.ndarray | None:
    """One weight per class number; "balanced" is n / (classes · count)."""
    if settings.class_weight is None:
        return None
    if settings.loss.targets == "own":
        raise SettingError("class_weight cannot be used with a loss of your own: it is a function of a whole batch.")
    classes = data.preprocess.target.classes
    if not classes or data.sample.y.dtype.kind != "i" or data.preprocess.target.steps:
        raise SettingError("class_weight is for classification with one class a row; this target is another.")
    if settings.class_weight == "balanced":
        counts = np.bincount(everything(data).y.ravel(), minlength=len(classes))
        return (counts.sum() / (len(classes) * np.maximum(counts, 1))).astype(np.float32)
    given = {str(name): float(weight) for name, weight in settings.class_weight}
    if set(given) != {str(c) for c in classes}:
        raise SettingError(
            f"class_weight names the classes {sorted(given)}; the target has {[str(c) for c in classes]}."
        )
    return np.array([given[str(c)] for c in classes], np.float32)


def give_back_memory() -> None:
    """Hand freed memory back to the system, where the C library can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim:
        trim(0)
