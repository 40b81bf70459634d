from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import optax

from ..errors import SettingError, unknown
from ..losses import Loss
from ..records import Record
from ._optimizers import SCHEDULES, default_rate, optimizer

WATCH = 64  # steps between two looks of the watch by default
LOOKS = 4  # in a long epoch, and in a short training


@dataclass(frozen=True)
class Settings(Record):
    """How a network is trained. `learning_rate` None is the optimizer's own default, "find" a range test.

    `early_stop` is the number of epochs without a better validation loss (training loss where there is no validation)
    after which training stops; the best network is then restored. Better is a loss that is lower by more than
    `tolerance`. `clip` bounds the norm of the gradient.
    `watch_every` is the number of steps between two looks of the watch, 0 for none; by default 64, or more where an
    epoch is long and fewer where the whole training is short: then four looks are taken in it.
    """

    loss: Loss
    optimizer: str | optax.GradientTransformation = "adam"
    learning_rate: float | str | None = None
    schedule: str = "constant"
    epochs: int = 20
    batch_size: int = 32
    weight_decay: float = 0.0
    l1: float = 0.0
    clip: float | None = None
    class_weight: str | tuple[tuple[str, float], ...] | None = None
    early_stop: int | None = None
    shuffle: bool = True
    seed: int = 0
    watch_every: int = WATCH
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        whole = {"epochs": 0, "batch_size": 1, "seed": 0, "watch_every": 0}
        if self.early_stop is not None:
            whole["early_stop"] = 1
        for name, least in whole.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise SettingError(f"{name} is a whole number of at least {least}, got {value!r}.")
        rate = self.learning_rate
        if isinstance(rate, str) and rate != "find":
            raise SettingError(f"learning_rate is a number or 'find', got {rate!r}.")
        if isinstance(rate, int | float) and not (rate > 0 and math.isfinite(rate)):
            raise SettingError(f"learning_rate is a number above 0, got {rate}.")
        if not isinstance(self.optimizer, str) and rate is not None:
            raise SettingError("An Optax optimizer brings its own learning rate: leave learning_rate out.")
        if self.schedule not in SCHEDULES:
            raise unknown("schedule", self.schedule, SCHEDULES)
        if isinstance(self.class_weight, str) and self.class_weight != "balanced":
            raise SettingError(f"class_weight is 'balanced' or a table of class and weight, got {self.class_weight!r}.")
        if not (self.tolerance >= 0 and math.isfinite(self.tolerance)):
            raise SettingError(f"tolerance is a number of 0 or more, got {self.tolerance}.")
        self.rule()

    def rule(self) -> Any:
        return optimizer(self.optimizer, weight_decay=self.weight_decay, l1=self.l1, clip=self.clip)

    def watched(self, steps_per_epoch: int | None) -> int:
        """How many steps lie between two looks of the watch."""
        if self.watch_every != WATCH or steps_per_epoch is None:
            return self.watch_every
        short = max(1, min(WATCH, self.epochs * steps_per_epoch // LOOKS))
        return max(short, steps_per_epoch // LOOKS)

    def rate(self) -> float:
        """The learning rate to begin with."""
        return (
            float(self.learning_rate) if isinstance(self.learning_rate, int | float) else default_rate(self.optimizer)
        )

    def to_json(self) -> dict[str, Any]:
        written = super().to_json()
        written["loss"] = {"name": self.loss.name, **dict(self.loss.settings)}
        written["optimizer"] = self.optimizer if isinstance(self.optimizer, str) else "an Optax transformation"
        return written
