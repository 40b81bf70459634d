"""C11: with weights of one sign a network is monotone, and can never follow f(x) = −x."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..certify import monotone
from ..errors import DataError, SettingError
from ..language import phrase
from ..layers import Activation, Dense, Monotone, Sequential, mlp
from ..losses import loss as loss_named
from ..module import Layer, map_layers, parameters, walk
from ..train import Short, bundled, outputs
from ._evidence import OneSign
from ._given import Given, Rows
from ._learn import learned
from ._record import Check, Found, at_least, at_most, equal, short

FAULTS = {
    "one-inhibition": phrase("The weights of the last layer may have any sign."),
    "all-inhibition": phrase("The weights of the last layer are all negative in place of positive."),
}
CODE = (Monotone.weight, Monotone.forward)
SIZES = [1, 16, 16, 1]
STEPS, RATE = 2000, 0.01
SECONDS = 20.0  # for the proof, at most
NEAR = 0.02  # of the variance: how near the stalled fit is to the constant


class Task(NamedTuple):
    """Rows to learn, a network with weights of both signs, and one of the same sizes without inhibition."""

    name: str
    x: np.ndarray
    y: np.ndarray
    free: Layer
    bound: Layer


def experiment(given: Given, fault: str | None = None) -> Found:
    """The best fit without inhibition, beside the best constant and the best rising function; and with both signs."""
    found = [(task, fitted(task.bound, task), fitted(task.free, task)) for task in tasks(given, fault)]
    checks = [check for case in found for check in checks_of(*case)]
    task, bound, free = found[0]
    z = outputs(bound.net, task.x)[:, 0]
    measured = {
        "stalled": short(error(bound, task)), "constant": short(float(task.y.var())), "free": short(error(free, task)),
        "moves": short(float(np.ptp(z))),
        "pairs": phrase("never falls") if not falls(bound.net, task.x) else phrase("falls somewhere"),
        "proven": phrase("it rises in every input") if proven(bound.net, task.x) == task.x.shape[1] else
        phrase("that it rises cannot be proven"),
    }  # fmt: skip
    order = np.argsort(task.x[:, 0])
    drawn = OneSign(task.x[order, 0], task.y[order, 0], z[order], outputs(free.net, task.x)[order, 0],
                    bound.losses, free.losses)  # fmt: skip
    on = phrase("the line −x, and a measurement that falls as diabetes progresses") if given.own else given.words
    return Found(on, tuple(checks), measured, drawn)


def fitted(net: Layer, task: Task) -> Short:
    return learned(net, task.x, task.y, loss_named("squared_error"), STEPS, rate=RATE)


def error(found: Short, task: Task) -> float:
    """The mean squared error on the rows."""
    return float(np.square(outputs(found.net, task.x) - task.y).mean())


def checks_of(task: Task, bound: Short, free: Short) -> list[Check]:
    """Without inhibition nothing beats the best rising function; with both signs the fit does."""
    spread, best = float(task.y.var()), best_rising(task)
    return [
        equal(phrase("{on}: error without inhibition, and that of the best rising function", on=task.name), best,
              error(bound, task), NEAR * spread),
        at_least(phrase("{on}: error without inhibition over the least a rising function can have", on=task.name),
                 1 - 1e-4, error(bound, task) / best),
        at_most(phrase("{on}: error with both signs, of that without inhibition", on=task.name), 0.95,
                error(free, task) / error(bound, task)),
        equal(phrase("{on}: pairs of inputs x ≤ x' at which it falls", on=task.name), 0, falls(bound.net, task.x)),
        equal(phrase("{on}: inputs in which it is proven to rise, over their whole range", on=task.name),
              task.x.shape[1], proven(bound.net, task.x)),
    ]  # fmt: skip


def best_rising(task: Task) -> float:
    """The least error that any rising function of the first input can have, by isotonic regression.

    Of several inputs that are drawn apart from each other, and a truth that falls in all, it is the constant.
    """
    if task.x.shape[1] > 1:
        return float(task.y.var())
    from sklearn.isotonic import IsotonicRegression

    told = IsotonicRegression().fit(task.x[:, 0], task.y[:, 0]).predict(task.x[:, 0])
    return float(np.square(told - task.y[:, 0]).mean())


def proven(net: Layer, x: np.ndarray) -> int:
    """In how many inputs the network is proven to rise, wherever the others are in the range of the rows."""
    found = monotone(net, direction="rising", data=x, seconds=SECONDS)
    return sum(trend.rises is not None and trend.rises.verdict == "proven" for trend in found.trends)


def falls(net: Layer, x: np.ndarray, pairs: int = 10_000) -> int:
    """At how many pairs of inputs in the range of the rows, the second nowhere smaller, the network falls."""
    rng = np.random.default_rng(0)
    low, high = x.min(0), x.max(0)
    first = rng.uniform(low, high, (pairs, x.shape[1])).astype(np.float32)
    second = (first + rng.uniform(0, 1, first.shape) * (high - first)).astype(np.float32)
    return int((outputs(net, second) < outputs(net, first)).any(1).sum())


def tasks(given: Given, fault: str | None) -> list[Task]:
    """The line −x, and a column of the diabetes data; or the user's network, or a column of their rows."""
    if given.net is not None:
        return [asked(given, fault)]
    held = [(given.words, *column(given.rows))] if given.rows else own_rows()
    return [Task(name, x, y, mlp(SIZES, key=0), without_inhibition(SIZES, fault)) for name, x, y in held]


def own_rows() -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The line −x, and the column of the diabetes data that falls most with the target."""
    table, target = bundled("diabetes")
    x, y = table.drop(target).to_numpy(), table[target].to_numpy()
    return [(phrase("the line −x"), *line(1)), (phrase("diabetes"), *falling(x, y))]


def column(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """The same of the user's rows.

    Raises: DataError where they have not one target each.
    """
    y = rows.targets()
    if y.ndim > 1 and y.shape[1] > 1:
        raise DataError("C11 takes one target for each row.")
    return falling(rows.x.reshape(len(y), -1), y.reshape(-1))


def line(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs at random in [−1, 1], and less their mean, which falls in all of them."""
    x = np.random.default_rng(0).uniform(-1, 1, (512, n)).astype(np.float32)
    return x, -x.mean(1, keepdims=True)


def falling(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The column that falls most with the target, both standardised.

    Raises: DataError where no column falls.
    """
    y = np.asarray(y, float)
    correlation = np.array([np.corrcoef(column, y)[0, 1] if np.ptp(column) else 0.0 for column in x.T])
    least = int(np.nan_to_num(correlation).argmin())
    if not correlation[least] < 0:
        raise DataError("C11 wants a column that falls as the target rises, and these rows have none.")
    scaled = [((a - a.mean()) / a.std()).astype(np.float32)[:, None] for a in (x[:, least], y)]
    return scaled[0], scaled[1]


def without_inhibition(sizes: list[int], fault: str | None) -> Sequential:
    """Layers whose weights are squares, and so never negative; with the fault, the last one's have any sign."""
    keys = jax.random.split(jax.random.key(0), len(sizes))
    layers: list[Layer] = []
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        last = i == len(sizes) - 2
        layers.append(last_layer(n_in, n_out, keys[i], fault) if last else Monotone.create(n_in, n_out, key=keys[i]))
        layers += [] if last else [Activation("relu")]
    return Sequential(layers)


def last_layer(n_in: int, n_out: int, key: jax.Array, fault: str | None) -> Layer:
    if fault == "one-inhibition":
        return Dense.create(n_in, n_out, key=key)
    return Monotone.create(n_in, n_out, key=key, outputs="-" * n_out if fault == "all-inhibition" else None)


def asked(given: Given, fault: str | None) -> Task:
    """The user's network as it is, and with the signs of its weights taken away; what it is to learn falls in every
    input.

    Raises: SettingError where it is not made of Dense layers and rising activations with one output.
    """
    dense = [path for path, layer in walk(given.net) if isinstance(layer, Dense)]  # pyright: ignore
    curves = {layer.name for _, layer in walk(given.net) if isinstance(layer, Activation)}  # pyright: ignore
    shapes = [array.shape for path, array in parameters(given.net).items() if path.endswith("weight")]
    if not dense or len(shapes) != len(dense) or shapes[-1][1] != 1 or not curves <= set(RISING):
        raise SettingError(
            f"C11 takes a network of Dense layers with one output and rising activations: {', '.join(RISING)}."
        )

    def signless(path: str, layer: Layer) -> Layer:
        if not isinstance(layer, Dense) or (path == dense[-1] and fault == "one-inhibition"):
            return layer
        down = path == dense[-1] and fault == "all-inhibition"
        n_in, n_out = layer.weight.shape
        return Monotone(jnp.sqrt(abs(layer.weight)), layer.bias, "+" * n_in, ("-" if down else "+") * n_out)

    return Task(given.words, *line(shapes[0][0]), given.net, map_layers(given.net, signless))  # pyright: ignore


RISING = ("relu", "leaky_relu", "relu6", "elu", "selu", "softplus", "sigmoid", "tanh", "identity", "hard_tanh")
