from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from ..errors import DataError, SettingError
from ..losses import loss
from ..train import Block, Target
from ._estimator import NetEstimator, Task


class NetClassifier(ClassifierMixin, NetEstimator):
    """A network that tells classes apart, or says which of several labels a row has, as a scikit-learn estimator.

    Settings are those of `MLPClassifier`, with the same defaults; `solver`, `activation` and `learning_rate` (the
    schedule) take every name that `pl.fit` and `pl.mlp` know. What MLPClassifier calls "sgd" is "nesterov" here. With
    `early_stopping` a share of the rows is held out, and the network with the lowest loss on them is kept.

    Fitted: `classes_`, `n_features_in_`, `feature_names_in_`, `net_` (the network), `run_` (the training as `pl.fit`
    gives it, without its rows), `findings_` (what the doctor saw), `loss_curve_`, `n_iter_`, `n_outputs_`.

    Raises: DataError for targets that are no classes, or of one class alone.
    Example:
        >>> from sklearn.datasets import load_iris
        >>> x, y = load_iris(return_X_y=True)
        >>> bool(NetClassifier((16,), learning_rate_init=0.01, random_state=0).fit(x, y).score(x, y) > 0.9)
        True
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
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
        class_weight: str | Mapping[Any, float] | None = None,
    ):
        super().__init__(
            hidden_layer_sizes, activation, solver=solver, alpha=alpha, batch_size=batch_size,
            learning_rate=learning_rate, learning_rate_init=learning_rate_init, max_iter=max_iter, shuffle=shuffle,
            random_state=random_state, tol=tol, verbose=verbose, warm_start=warm_start, early_stopping=early_stopping,
            validation_fraction=validation_fraction, n_iter_no_change=n_iter_no_change,
        )  # fmt: skip
        self.class_weight = class_weight

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One pass over some rows, on from where the network and its optimizer are.

        `classes` are all that will ever come, and must be given the first time.

        Raises: DataError where they are not given, or another class comes.
        """
        if isinstance(self.class_weight, str):
            raise SettingError("class_weight='balanced' needs all rows: give partial_fit a table of weights instead.")
        if classes is None and not hasattr(self, "run_"):
            raise DataError("classes must be given to the first call of partial_fit: all classes that will ever come.")
        return self._one_pass(X, y, sample_weight, classes)

    def _task(self, rows: Block, going_on: bool, classes: Any) -> Task:
        check_classification_targets(rows.y)
        if type_of_target(rows.y).startswith("multilabel"):
            return self._labels(rows)
        if type_of_target(rows.y) == "multiclass-multioutput":
            raise DataError("y has several columns of classes: wrap the classifier in a MultiOutputClassifier.")
        y = column_or_1d(rows.y, warn=True)
        if not going_on:
            self.classes_ = np.unique(y if classes is None else np.asarray(classes))
        if (new := np.setdiff1d(y, self.classes_)).size:
            raise DataError(f"y holds the class {new.tolist()[0]!r}, and the classes are {self.classes_.tolist()}.")
        target = Target.of_classes("y", self.classes_.tolist())
        weights = rows.weights
        if self.class_weight is not None:
            of_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y, sample_weight=weights)
            weights = of_class[np.searchsorted(self.classes_, y)] * (1.0 if weights is None else weights)
        two = len(self.classes_) == 2
        chosen = loss("binary_cross_entropy" if two else "cross_entropy")
        numbers = np.searchsorted(self.classes_, y)
        return Task(Block(rows.x, y, weights), numbers, target, chosen, 1 if two else len(self.classes_))

    def _labels(self, rows: Block) -> Task:
        """Several labels a row: each is a question of its own."""
        if self.class_weight is not None:
            raise SettingError("class_weight is for one class a row, and y has several labels a row.")
        given: Any = rows.y
        y = np.asarray(given.toarray() if issparse(given) else given, float)
        self.classes_ = np.arange(y.shape[1])
        chosen = loss("binary_cross_entropy")
        return Task(rows._replace(y=y), y, Target("y", "value"), chosen, y.shape[1], 1 / y.shape[1])

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row, (n,); of several labels 1 for those that are likelier than not, (n, k)."""
        found = self._answers(X)
        if self._labelled:
            return (found > 0.5).astype(int)
        if found.shape[1] == 1:
            return self.classes_[(found[:, 0] > 0.5).astype(int)]
        return self.classes_[found.argmax(1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, (n, classes); of each label by itself, where a row can have several."""
        found = self._answers(X)
        return np.hstack([1 - found, found]) if found.shape[1] == 1 and not self._labelled else found

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @property
    def _labelled(self) -> bool:
        return self.run_.preprocess.target.kind != "label"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
