from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d

from ..errors import DataError
from ..losses import loss
from ..train import Block, Target
from ._estimator import NetEstimator, Task


class NetRegressor(RegressorMixin, NetEstimator):
    """A network that gives one number for each row, or several, as a scikit-learn estimator.

    Settings are those of `MLPRegressor`, with the same defaults; `loss`, `solver`, `activation` and `learning_rate`
    (the schedule) take every name that `pl.fit` and `pl.mlp` know. What MLPRegressor calls "sgd" is "nesterov" here.
    Targets are learned as they are: where they are large, wrap it in a `TransformedTargetRegressor`.

    Fitted: as `NetClassifier`, without `classes_`.

    Raises: DataError, SettingError.
    Example:
        >>> x = np.linspace(-1, 1, 128)[:, None]
        >>> y = np.abs(x[:, 0])
        >>> bool(NetRegressor((32,), learning_rate_init=0.02, tol=0, random_state=0).fit(x, y).score(x, y) > 0.9)
        True
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        loss: str = "squared_error",
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
    ):
        super().__init__(
            hidden_layer_sizes, activation, solver=solver, alpha=alpha, batch_size=batch_size,
            learning_rate=learning_rate, learning_rate_init=learning_rate_init, max_iter=max_iter, shuffle=shuffle,
            random_state=random_state, tol=tol, verbose=verbose, warm_start=warm_start, early_stopping=early_stopping,
            validation_fraction=validation_fraction, n_iter_no_change=n_iter_no_change,
        )  # fmt: skip
        self.loss = loss

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One pass over some rows, on from where the network and its optimizer are."""
        return self._one_pass(X, y, sample_weight)

    def _task(self, rows: Block, going_on: bool, classes: Any) -> Task:
        y = np.asarray(rows.y, np.float64)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        chosen = loss(self.loss)
        outputs = chosen.outputs * (1 if y.ndim == 1 else y.shape[1])
        if going_on and outputs != self.n_outputs_:
            raise DataError(f"y asks for {outputs} outputs, and the network has {self.n_outputs_}.")
        steep = (2 if chosen.name == "squared_error" else 1) * chosen.outputs / outputs
        return Task(rows._replace(y=y), y, Target("y", "value"), chosen, outputs, steep)

    def predict(self, X: Any) -> np.ndarray:
        """The number for each row, (n,), or the numbers, (n, k)."""
        found = self._answers(X)
        return found[:, 0] if found.shape[1] == 1 else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
