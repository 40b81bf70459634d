from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import DataError
from ..module import Layer
from ..records import Record, unlisted
from ._columns import Preprocess
from ._data import Data
from ._evaluate import Evaluation, evaluate, outputs, predicted
from ._padding import at_every_step
from ._settings import Settings
from ._snapshots import Snapshots
from ._watch import LayerWatch


@dataclass(frozen=True)
class Epoch(Record):
    """One pass over the data. `loss` is the mean over its batches while the network was changing.

    `metrics` are those of the validation rows; `watch` is empty where the watch did not look in this epoch.
    """

    number: int
    loss: float
    validation_loss: float | None
    metrics: dict[str, float]
    learning_rate: float
    seconds: float
    watch: dict[str, LayerWatch] = field(default_factory=dict)


@dataclass(frozen=True)
class NonFinite(Record):
    """Where a number first became NaN or infinite. `pass_` is "forward", "loss", "backward" or "step"."""

    path: str
    pass_: str
    epoch: int
    step: int
    message: str


@dataclass(frozen=True)
class RangeTest(Record):
    """The loss while the learning rate grows, and a rate some way before it blows up."""

    rates: np.ndarray
    losses: np.ndarray
    suggested: float


@dataclass(frozen=True)
class Run(Record):
    """A training that has ended: the network, how it went, and what was learned from what.

    `status` is "finished", "stopped early", "interrupted" or "not finite" (then `problem` says where). `source` is what
    `pellucid.fit` was given as data, and how it was held out, as far as names and numbers can say; `fingerprint` is the
    SHA-256 of the data itself; `data` is None for a run read back from disk (`pellucid.with_data` opens it again).

    `snapshots` are the networks of at most 25 epochs, evenly spread from the start to `net`, and none of a network that
    takes more than a twenty-fifth of a MiB (10,485 weights): see `docs/decisions/snapshots.md`.
    """

    status: str
    settings: Settings
    history: tuple[Epoch, ...]
    findings: tuple[Record, ...]
    notes: tuple[str, ...]
    seconds: float
    best_epoch: int | None = None
    problem: NonFinite | None = None
    range_test: RangeTest | None = None
    id: str | None = None
    source: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    snapshots: Snapshots = unlisted(default=(), repr=False)
    net: Layer = unlisted(default=None)
    data: Data | None = unlisted(default=None)
    preprocess: Preprocess = unlisted(default=None)

    def output(self, rows: Any) -> np.ndarray:
        """The network's own output (logits) for raw rows."""
        return outputs(self.net, self.preprocess.kept(rows))

    def predict_proba(self, rows: Any) -> np.ndarray:
        """Raw rows to the loss's link of the output: probabilities, or means on the scale trained on."""
        return predicted(self.settings.loss, self.output(rows))

    def predict(self, rows: Any) -> np.ndarray:
        """Raw rows to answers in the user's own terms: class names, or numbers in the target's unit."""
        return self.preprocess.names(self.predict_proba(rows))

    def evaluate(self, rows: Any = None, targets: Any = None) -> Evaluation:
        """How good it is on rows with their targets (a column of the table, or an array); by default the rows held out.

        Raises: DataError where there are no rows to evaluate on.
        """
        if rows is None:
            held = self.data.validation if self.data else None
            if held is None or not len(held.x):
                raise DataError("No rows were held out in this run: give rows to evaluate on.")
            x, y = held.x, held.y
        else:
            x = self.preprocess.kept(rows)
            y = rows if targets is None else targets
            y = self.preprocess.targets(at_every_step(y, x) if self.preprocess.target.steps else y)
        return evaluate(self.net, self.settings.loss, self.preprocess, x, y)
