"""What the estimators share: from scikit-learn's settings to a training, and from a trained network to answers."""

from __future__ import annotations

import time
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, estimator_html_repr
from sklearn.utils.validation import check_is_fitted, validate_data

from ..doctor import Doctor
from ..errors import DataError, SettingError
from ..layers import mlp
from ..losses import Loss
from ..module import Layer, with_parameters
from ..records import Record
from ..train import (
    Block,
    Epoch,
    Form,
    Preprocess,
    Run,
    Settings,
    Target,
    begun,
    fit,
    one_pass,
    open_data,
    outputs,
    predicted,
)
from ._rows import one_batch, weighed

if TYPE_CHECKING:
    from ..geometry import Explanation

AUTO = 200  # rows of a batch, as in MLPClassifier
FLOATS = (np.float64, np.float32)
LINEAR = ("sgd", "momentum", "nesterov")  # whose steps grow with the gradient
NAMES = {"logistic": "sigmoid"}  # what scikit-learn calls an activation, where we call it something else


class Task(NamedTuple):
    """What is learned: rows, y as numbers, the target as its user knows it, the loss, the number of outputs.

    `steep` is the slope of our loss over that of scikit-learn's: ours is a mean over outputs, with (z − y)² not halved.
    """

    rows: Block
    numbers: np.ndarray
    target: Target
    loss: Loss
    outputs: int
    steep: float = 1.0


def seed_from(rng: np.random.RandomState) -> int:
    return int(rng.randint(2**31 - 1))


class NetEstimator(BaseEstimator):
    """A multilayer perceptron with scikit-learn's habits: the part that classifier and regressor share."""

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
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change

    @abstractmethod
    def _task(self, rows: Block, going_on: bool, classes: Any) -> Task:
        """What the targets of these rows ask for, the same as before where the training goes on."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a network on rows X (n, features) and targets y; `warm_start` goes on with the one there is.

        Raises: DataError for rows that cannot be learned from, or where numbers stop being finite; SettingError.
        """
        going_on = self.warm_start and hasattr(self, "run_")
        task, rng = self._read(X, y, sample_weight, going_on), check_random_state(self.random_state)
        rows, size = task.rows, self._batch(len(task.rows.x))
        net, seed = self.net_ if going_on else self._new_net(task, rng), seed_from(rng)
        if len(rows.x) <= size and not self.early_stopping:
            rows = one_batch(rows, task.numbers)
            size = len(rows.x)
        data = open_data(
            tuple(part for part in rows if part is not None),
            validation=self.validation_fraction if self.early_stopping else None,
            seed=seed,
            preprocess=self._preprocess(task.target),
        )
        settings = self._settings(task, rows, size, seed)
        run = fit(net, data, settings, watchers=[Doctor()], progress=bool(self.verbose))
        if run.problem:
            raise DataError(run.problem.message)
        if run.status == "interrupted":
            warnings.warn("The training was interrupted: the network is as it was then.", stacklevel=2)
        # The rows are not kept: an estimator is copied and pickled often, and must not carry its training set.
        return self._keep(replace(run, data=None, snapshots=()), task, None)

    def _one_pass(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        """One pass over some rows; the optimizer remembers what it did in those before."""
        if self.early_stopping:
            raise SettingError("partial_fit sees some rows at a time and holds none out: set early_stopping=False.")
        if self.solver == "lbfgs":
            raise SettingError("partial_fit takes steps, and lbfgs works on all rows at once: choose another solver.")
        began, going_on = time.perf_counter(), hasattr(self, "run_")
        task = self._read(X, y, sample_weight, going_on, classes)
        rows, rng = task.rows, check_random_state(None if going_on else self.random_state)
        net = self.net_ if going_on else self._new_net(task, rng)
        seed = self.run_.settings.seed if going_on else seed_from(rng)
        settings = self._settings(task, rows, self._batch(len(rows.x)), seed)
        history = self.run_.history if going_on else ()
        state = (self._state if going_on else None) or begun(net, settings)
        known = self._preprocess(task.target)
        lot = Block(known.transform(rows.x), known.targets(rows.y), rows.weights)
        state, loss = one_pass(state, lot, settings)
        if not bool(state.finite):
            raise DataError("A number stopped being finite: scale the inputs, or lower learning_rate_init.")
        seconds = time.perf_counter() - began
        history = (*history, Epoch(len(history) + 1, loss, None, {}, settings.rate(), seconds))
        run = Run("finished", settings, history, (), (), seconds, net=state.net, preprocess=known)
        return self._keep(run, task, state)

    def _keep(self, run: Run, task: Task, state: Any) -> Self:
        self.run_, self.n_outputs_, self._state = run, task.outputs, state
        return self

    def _read(self, X: Any, y: Any, sample_weight: Any, going_on: bool, classes: Any = None) -> Task:
        X, y = validate_data(self, X, y, dtype=FLOATS, multi_output=True, reset=not going_on)
        return self._task(weighed(X, y, sample_weight), going_on, classes)

    def _preprocess(self, target: Target) -> Preprocess:
        names = tuple(map(str, getattr(self, "feature_names_in_", ())))
        features: Any = vars(self)["n_features_in_"]
        return Preprocess((), target, form=Form("numbers", (features,), names=names))

    def _new_net(self, task: Task, rng: np.random.RandomState) -> Layer:
        """A network with the weights and biases that MLPClassifier begins with, to the same `random_state`."""
        hidden = np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=object)).tolist()
        if any(isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1 for n in hidden):
            raise SettingError(f"hidden_layer_sizes are whole numbers above 0, got {self.hidden_layer_sizes!r}.")
        sizes = [task.rows.x.shape[1], *map(int, hidden), task.outputs]
        net, start = mlp(sizes, key=0, activation=NAMES.get(self.activation, self.activation)), {}
        for i, (n_in, n_out) in enumerate(pairwise(sizes)):
            most = ((2 if self.activation == "logistic" else 6) / (n_in + n_out)) ** 0.5
            for name, shape in (("weight", (n_in, n_out)), ("bias", n_out)):
                start[f"layers[{2 * i}].{name}"] = jnp.asarray(rng.uniform(-most, most, shape), jnp.float32)
        return with_parameters(net, start)

    def _batch(self, n: int) -> int:
        """The rows of a batch, of n in all; lbfgs takes them all at once."""
        size = AUTO if isinstance(self.batch_size, str) and self.batch_size == "auto" else self.batch_size
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise SettingError(f"batch_size is 'auto' or a whole number above 0, got {self.batch_size!r}.")
        return n if self.solver == "lbfgs" else int(size)

    def _settings(self, task: Task, rows: Block, size: int, seed: int) -> Settings:
        """The settings of a training: `alpha` is shared by the rows of a batch, by weight, as in MLPClassifier."""
        n = len(rows.x)
        rate = self.learning_rate_init
        if self.solver == "lbfgs":
            rate = None  # its line search finds it
        elif self.solver in LINEAR and rate is not None:
            rate = rate / task.steep
        total = float(n if rows.weights is None else rows.weights.sum()) * min(size, n) / n
        return Settings(
            task.loss,
            self.solver,
            rate,
            self.learning_rate,
            epochs=int(self.max_iter),
            batch_size=min(size, n),
            weight_decay=task.steep * self.alpha / total,
            early_stop=int(min(self.n_iter_no_change, self.max_iter)) + 1,  # MLPClassifier waits for one more
            shuffle=bool(self.shuffle),
            seed=seed,
            tolerance=self.tol,
        )

    def _answers(self, X: Any) -> np.ndarray:
        """What the loss's link makes of the network's outputs, (n, outputs), in float64 as geometry has it."""
        check_is_fitted(self)
        x = np.asarray(validate_data(self, X, dtype=FLOATS, reset=False), np.float64)
        with jax.enable_x64(True):
            net = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), self.run_.net)
            return predicted(self.run_.settings.loss, outputs(net, x))

    def explain(self, X: Any, output: Any = None) -> Explanation:
        """The exact linear map that gave the answer to one row, what each feature contributed, and how far it holds.

        `X` is (1, features); `output` the class, or the number of the output, that is explained: by default the one
        predicted. See `pellucid.explain`.

        Raises: GeometryError for an activation that is not piecewise linear.
        """
        from ..geometry import explain

        check_is_fitted(self)
        return explain(self.run_, np.asarray(validate_data(self, X, dtype=FLOATS, reset=False)), output)

    @property
    def net_(self) -> Layer:
        """The trained network; it gives logits, or the numbers themselves."""
        return self.run_.net

    @property
    def findings_(self) -> tuple[Record, ...]:
        """What the doctor found before and during the training."""
        return self.run_.findings

    @property
    def loss_curve_(self) -> list[float]:
        """The training loss of every epoch."""
        return [epoch.loss for epoch in self.run_.history]

    @property
    def n_iter_(self) -> int:
        """The number of epochs."""
        return len(self.run_.history)

    def _html_repr(self) -> str:
        """Scikit-learn's diagram, and below it how the training went and what was found."""
        found = estimator_html_repr(self)
        if not hasattr(self, "run_"):
            return found
        return found + "".join(record._repr_html_() for record in (self.run_, *self.findings_))
