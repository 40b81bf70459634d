"""Fitted scikit-learn models as networks: perceptrons, and the affine steps of pipelines before and behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..errors import InteropError
from ..layers import Activation, Dense, Sequential
from ..module import Layer

ACTIVATIONS = {"logistic": "sigmoid", "tanh": "tanh", "relu": "relu", "identity": None, "exp": "exponential"}
LINKS = ("softmax", "logistic")  # of a classifier's outputs, which loss and geometry know by themselves


def from_sklearn(model: Any) -> Layer:
    """A fitted `MLPClassifier`, `MLPRegressor` or estimator of ours as a network; a pipeline that ends in one too.

    The network takes the rows that the model takes, and gives what `predict` gives of a regressor; of a classifier the
    logits, of which `predict_proba` is the softmax, or for two classes, and for several labels, the sigmoid. Steps of a
    pipeline that are affine become `Dense` layers: scalers, PCA, a choice of columns, a `ColumnTransformer` of these.
    A search stands for the best it found, a `TransformedTargetRegressor` for both its parts.

    Arrays are float32, or float64 inside `with jax.enable_x64(True)`.

    Raises: InteropError that lists every step that is not affine, or not fitted.
    Example:
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.neural_network import MLPRegressor
        >>> x, y = load_iris(return_X_y=True)
        >>> model = MLPRegressor(hidden_layer_sizes=(5,), solver="lbfgs", random_state=0).fit(x, y)
        >>> net = from_sklearn(model)
        >>> bool(np.allclose(net(jnp.asarray(x[:3]))[:, 0], model.predict(x[:3]), atol=1e-5))
        True
    """
    wrong: list[str] = []
    layers = layers_of(model, type(model).__name__, wrong)
    if wrong:
        raise InteropError(
            f"{len(wrong)} part{'s' * (len(wrong) > 1)} of the model cannot be opened:\n  " + "\n  ".join(wrong)
        )
    return layers[0] if len(layers) == 1 else Sequential(layers)


class Affine(NamedTuple):
    """`y = x W + b`, in float64."""

    weight: np.ndarray
    bias: np.ndarray

    def then(self, other: Affine) -> Affine:
        return Affine(self.weight @ other.weight, self.bias @ other.weight + other.bias)

    def layer(self) -> Dense:
        return Dense(jnp.asarray(self.weight), jnp.asarray(self.bias))


def identity(width: int) -> Affine:
    return Affine(np.eye(width), np.zeros(width))


def scaled(width: int, by: Any, shift: Any) -> Affine:
    """`x by + shift`, column by column; None for 1 and 0."""
    scale = np.ones(width) if by is None else np.asarray(by, float)
    return Affine(np.diag(scale), np.zeros(width) if shift is None else np.asarray(shift, float))


def layers_of(model: Any, where: str, wrong: list[str]) -> list[Layer]:
    """The layers of a model that predicts; what cannot be opened goes on the list."""
    net = getattr(model, "net_", None)
    if isinstance(net, Layer):
        return [*net.layers] if isinstance(net, Sequential) else [net]
    if hasattr(model, "best_estimator_"):
        return layers_of(model.best_estimator_, f"{where}.best_estimator_", wrong)
    if hasattr(model, "coefs_") and hasattr(model, "out_activation_"):
        return perceptron(model)
    if hasattr(model, "regressor_") and hasattr(model, "transformer_"):
        return scaled_target(model, where, wrong)
    if hasattr(model, "steps"):
        return pipeline(model, where, wrong)
    wrong.append(f"{where}: {said(model)} is no network that can be opened, or is not fitted.")
    return []


def perceptron(model: Any) -> list[Layer]:
    layers: list[Layer] = []
    last = len(model.coefs_) - 1
    for i, (weight, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        layers.append(Dense(jnp.asarray(weight), jnp.asarray(bias)))
        name = model.activation if i < last else model.out_activation_
        curve = None if i == last and name in LINKS else ACTIVATIONS[name]
        if curve:
            layers.append(Activation(curve))
    return layers


def pipeline(model: Any, where: str, wrong: list[str]) -> list[Layer]:
    *before, (name, final) = model.steps
    layers: list[Layer] = []
    for step, transformer in before:
        found = affine(transformer, None, f"{where}[{step!r}]", wrong)
        layers += [found.layer()] if found else []
    return layers + layers_of(final, f"{where}[{name!r}]", wrong)


def scaled_target(model: Any, where: str, wrong: list[str]) -> list[Layer]:
    """The network of a TransformedTargetRegressor, and the way back from its targets."""
    layers = layers_of(model.regressor_, f"{where}.regressor_", wrong)
    found = affine(model.transformer_, None, f"{where}.transformer_", wrong)
    if found is None:
        return layers
    back = np.linalg.pinv(found.weight)
    return [*layers, Affine(back, -found.bias @ back).layer()]


def affine(transformer: Any, width: int | None, where: str, wrong: list[str]) -> Affine | None:
    """A fitted transformer of `width` columns as an affine map; None where it passes on what it gets, or where it is
    none, which goes on the list."""
    if transformer is None or transformer == "passthrough":
        return None if width is None else identity(width)
    kind = type(transformer).__name__
    try:
        if kind == "ColumnTransformer":
            return by_columns(transformer, where, wrong)
        if kind == "Pipeline":
            return chained(transformer, width, where, wrong)
        row = "get_support" if hasattr(transformer, "get_support") else kind
        if row not in MAPS:
            raise InteropError("is not known to be affine")
        return MAPS[row](transformer, transformer.n_features_in_)
    except AttributeError:
        wrong.append(f"{where}: {said(transformer)} is not fitted.")
    except InteropError as why:
        wrong.append(f"{where}: {said(transformer)} {why}.")
    return None


def chained(transformer: Any, width: int | None, where: str, wrong: list[str]) -> Affine | None:
    """A pipeline of transformers as one map."""
    parts = [affine(part, None, f"{where}[{name!r}]", wrong) for name, part in transformer.steps]
    parts = [part for part in parts if part is not None]
    found = parts[0] if parts else None if width is None else identity(width)
    for part in parts[1:]:
        found = found.then(part) if found else part
    return found


def by_columns(transformer: Any, where: str, wrong: list[str]) -> Affine:
    """The parts of a ColumnTransformer side by side, each of its own columns."""
    n, parts = transformer.n_features_in_, [Affine(np.zeros((transformer.n_features_in_, 0)), np.zeros(0))]
    for name, part, columns in transformer.transformers_:
        places = places_of(columns, n, getattr(transformer, "feature_names_in_", None))
        if (isinstance(part, str) and part == "drop") or not len(places):
            continue
        inner = affine(part, len(places), f"{where}[{name!r}]", wrong)
        if inner is not None:
            parts.append(Affine(np.eye(n)[:, places] @ inner.weight, inner.bias))
    return Affine(np.hstack([part.weight for part in parts]), np.concatenate([part.bias for part in parts]))


def places_of(columns: Any, n: int, names: Any) -> np.ndarray:
    """The numbers of columns that are given as numbers, names, a slice or a mask."""

    def end(at: Any, beyond: int) -> Any:
        return list(names).index(at) + beyond if isinstance(at, str) else at  # a slice of names holds its last

    if isinstance(columns, slice):
        return np.arange(n)[end(columns.start, 0) : end(columns.stop, 1) : columns.step]
    chosen = np.atleast_1d(np.asarray(columns))
    if chosen.dtype.kind in "OU" and len(chosen):
        return np.array([list(names).index(name) for name in chosen])
    return np.arange(n)[chosen if len(chosen) else np.zeros(0, int)]


def standard(made: Any, n: int) -> Affine:
    scale = np.ones(n) if made.scale_ is None else made.scale_
    return scaled(n, 1 / scale, -made.mean_ / scale if made.with_mean else None)


def robust(made: Any, n: int) -> Affine:
    scale = np.ones(n) if made.scale_ is None else made.scale_
    return scaled(n, 1 / scale, -made.center_ / scale if made.with_centering else None)


def from_least_to_most(made: Any, n: int) -> Affine:
    if made.clip:
        raise InteropError("clips what it gives (clip=True), and is not affine")
    return scaled(n, made.scale_, made.min_)


def most(made: Any, n: int) -> Affine:
    if getattr(made, "clip", False):
        raise InteropError("clips what it gives (clip=True), and is not affine")
    return scaled(n, 1 / made.scale_, None)


def components(made: Any, n: int) -> Affine:
    weight = made.components_.T
    if getattr(made, "whiten", False) and hasattr(made, "explained_variance_"):
        weight = weight / np.sqrt(made.explained_variance_)
    mean = getattr(made, "mean_", None)
    return Affine(weight, np.zeros(weight.shape[1]) if mean is None else -mean @ weight)


def function(made: Any, n: int) -> Affine:
    if made.func is not None:
        raise InteropError("is a function, of which nothing is known")
    return identity(n)


def support(made: Any, n: int) -> Affine:
    chosen = np.asarray(made.get_support())
    return Affine(np.eye(n)[:, chosen], np.zeros(int(chosen.sum())))


MAPS: dict[str, Callable[[Any, int], Affine]] = {
    "FunctionTransformer": function,
    "IncrementalPCA": components,
    "MaxAbsScaler": most,
    "MinMaxScaler": from_least_to_most,
    "PCA": components,
    "RobustScaler": robust,
    "StandardScaler": standard,
    "TruncatedSVD": components,
    "get_support": support,  # every choice of columns has it
}


def said(model: Any) -> str:
    return f"a {type(model).__name__}"
