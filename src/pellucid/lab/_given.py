"""The network and the rows that a user puts a claim to, from whatever form they have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jax import Array

from ..backprop import default_shape
from ..errors import DataError, SettingError
from ..language import phrase
from ..losses import Loss
from ..losses import loss as loss_named
from ..module import Layer
from ..train import BUNDLED, Run, bundled, open_data, unit

MOST_ROWS = 2_000


class Rows(NamedTuple):
    """Rows as a network takes them: x (rows, ...), y as a loss does; `classes` is 0 where y are numbers."""

    x: np.ndarray
    y: np.ndarray | None
    classes: int
    name: str

    @property
    def outputs(self) -> int:
        """How many outputs the usual network for these rows has."""
        targets = self.targets()
        if not self.classes:
            return targets.shape[1] if targets.ndim > 1 else 1
        return 1 if self.classes == 2 else self.classes

    def targets(self) -> np.ndarray:
        """The targets, without which some claims cannot be put.

        Raises: DataError where there are none.
        """
        if self.y is None:
            raise DataError("This claim is about learning, and the rows have no targets: give data=(x, y).")
        return self.y

    def loss(self, n_out: int) -> Loss:
        """The loss that suits the targets and so many outputs."""
        if not self.classes:
            return loss_named("squared_error")
        return loss_named("binary_cross_entropy" if n_out == 1 else "cross_entropy")

    def fitted(self, n_out: int) -> np.ndarray:
        """The targets as `loss` wants them: of one output a column."""
        y = self.targets()
        return y.reshape(len(y), 1).astype(np.float32) if n_out == 1 and y.ndim == 1 else y


class Given(NamedTuple):
    """What a claim is put to: a network and rows; None for what the experiment is to choose by itself."""

    net: Layer | None = None
    rows: Rows | None = None
    function: tuple[Callable[[Any], Any], tuple[float, float]] | None = None  # of one number, and its box

    @property
    def own(self) -> bool:
        """Whether everything is the experiment's own."""
        return self.net is None and self.rows is None and self.function is None

    def inputs(self, n: int = 500) -> np.ndarray:
        """The rows' inputs; without rows, normal numbers in the shape that the network's first weight asks for.

        Raises: DataError where the first weight leaves that shape open, as a convolution's does.
        """
        if self.rows is not None:
            return self.rows.x
        try:
            shape = default_shape(self.net) if self.net is not None else (1, 2)
        except SettingError:
            raise DataError("The network's first layer takes inputs of any size: give some rows as data.") from None
        return np.random.default_rng(0).normal(size=(n, *shape[1:])).astype(np.float32)

    @property
    def words(self) -> str:
        """What it is put to, in words."""
        if self.function is not None:
            return phrase("your function")
        if self.rows is None:
            return phrase("your network, on inputs drawn at random")
        if self.net is None:
            return phrase("a network of the lab, on {data}", data=self.rows.name)
        return phrase("your network, on {data}", data=self.rows.name)


def given(net: Layer | Run | None, data: Any, target: str | None = None) -> Given:
    """A network, or a run with its rows; rows as arrays x or (x, y), a table, a file, or the name of a bundled set.

    Raises: SettingError or DataError where they are none, or do not fit each other.
    """
    if isinstance(data, tuple) and len(data) == 2 and callable(data[0]):
        if net is not None:
            raise SettingError("A function is followed by a network that is built for it: leave net= out.")
        low, high = (float(side) for side in data[1])
        return Given(function=(data[0], (low, high)))
    if isinstance(net, Run):
        if data is None and net.data is not None:
            return Given(net.net, of(net.data, "its own rows"))
        known = net.preprocess
        net = net.net
        if data is not None and known is not None and not is_arrays(data):
            return Given(net, of(opened(data, target or known.target.name, net, known), named(data)))
    if net is not None and not isinstance(net, Layer):
        raise SettingError(f"net is a network of pellucid layers or a run, got a {type(net).__name__}.")
    return Given(net, None if data is None else rows(data, target, net))


def rows(data: Any, target: str | None = None, net: Layer | None = None) -> Rows:
    """Rows from arrays as they are, or from a table, encoded and standardised."""
    if not is_arrays(data):
        return of(opened(data, target, net, None), named(data))
    x, y = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
    try:
        x = np.asarray(x, np.float32)
        y = None if y is None else np.asarray(y)
    except (TypeError, ValueError):
        raise DataError("data is arrays of numbers x or (x, y), a table, a file, or the name of a data set.") from None
    if x.ndim < 2 or not len(x) or not np.isfinite(x).all():
        raise DataError(f"x holds rows of finite numbers, (rows, ...); got the shape {x.shape}.")
    if y is None:
        return Rows(x[:MOST_ROWS], None, 0, phrase("your rows"))
    if len(y) != len(x) or y.dtype.kind not in "biuf":
        raise DataError(f"y holds a number for each of the {len(x):,} rows, got {y.shape} of {y.dtype}.")
    y, classes = encoded(y)
    return Rows(x[:MOST_ROWS], y[:MOST_ROWS], classes, phrase("your rows"))


def encoded(y: np.ndarray) -> tuple[np.ndarray, int]:
    """Whole numbers as classes from 0 on, with their number; other targets as they are, with 0."""
    if y.dtype.kind == "f" or y.ndim > 1:
        return y.astype(np.float32), 0
    names, labels = np.unique(y, return_inverse=True)
    return labels.astype(np.int32), len(names)


def opened(data: Any, target: str | None, net: Layer | None, known: Any) -> Any:
    """A table or a file as `Data`."""
    if isinstance(data, str) and data in BUNDLED and not Path(data).exists():
        data, own = bundled(data)
        target = target or own
    return open_data(data, target, validation=None, net=net, preprocess=known)


def of(data: Any, name: str) -> Rows:
    """Rows of `Data`, at most so many."""
    block = next(iter(data.blocks(0))) if data.in_memory else data.sample
    if len(block.x) > MOST_ROWS:
        block = block.take(np.sort(np.random.default_rng(0).choice(len(block.x), MOST_ROWS, replace=False)))
    return Rows(unit(block.x), block.y, len(data.preprocess.target.classes), name)


def is_arrays(data: Any) -> bool:
    return isinstance(data, np.ndarray | list | tuple | Array)


def named(data: Any) -> str:
    """What to call it: its name, or the name of its file."""
    return Path(data).name if isinstance(data, str | Path) else phrase("your rows")
