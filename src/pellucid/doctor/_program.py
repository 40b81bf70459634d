"""A training as it was set up: what the doctor examines, and what a cure changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..module import Layer
from ..train import Settings


@dataclass(frozen=True, eq=False)
class Program:
    """A network before its first step, the rows it learns from as it takes them, and how it is trained.

    Shapes: x (rows, ...); y (rows,) or (rows, ...); `validation` is such a pair, or None. `x` and `y` are None where
    there is no data. `names` are those of the columns of a table, `classes` those of its classes.
    """

    net: Layer
    settings: Settings
    x: Any = None
    y: Any = None
    validation: tuple[np.ndarray, np.ndarray] | None = None
    names: tuple[str, ...] = ()
    classes: tuple[Any, ...] = ()

    @property
    def loss(self):
        return self.settings.loss

    @property
    def rows(self) -> int:
        return 0 if self.x is None else len(self.x)

    @property
    def steps_per_epoch(self) -> int:
        return max(1, -(-self.rows // self.settings.batch_size))

    @property
    def steps(self) -> int:
        """How many steps the whole training takes."""
        return self.settings.epochs * self.steps_per_epoch

    def set(self, **settings: Any) -> Program:
        """The same with other settings."""
        return replace(self, settings=replace(self.settings, **settings))
