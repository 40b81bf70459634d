"""C6: a saturated sigmoid with squared error stops learning; with binary cross-entropy the factor σ'(z) cancels."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..backprop import backpropagate, places
from ..errors import DataError, SettingError
from ..language import phrase
from ..layers import Activation, Dense, Sequential, mlp
from ..losses import Loss, binary_cross_entropy, squared_error
from ..losses import loss as loss_named
from ..module import Layer, map_layers
from ..train import outputs
from ._evidence import Saturation
from ._given import Given, Rows, rows
from ._learn import learned
from ._record import Found, at_least, at_most, equal

FAULTS = {
    "factor-kept": phrase("Cross-entropy is taken behind a sigmoid, whose slope σ'(z) is multiplied in once more."),
    "not-saturated": phrase("The unit starts at z = 0, where the sigmoid is steepest: it is not sure of anything."),
}
CODE = (binary_cross_entropy, squared_error, Activation.backward)
Z, WRONG = np.arange(-16.0, 2.01, 0.5), -8.0  # the target is 1: the lower z, the surer and the more wrong
SQUARED, PAIRED = "squared_error", "binary_cross_entropy"
MOST_STEPS, STEPS = 20_000, 100
ONE = np.ones((1, 1), np.float32)


def experiment(given: Given, fault: str | None = None) -> Found:
    """The gradient of a confidently wrong unit by both losses, and how many steps it takes until it is right."""
    start = 0.0 if fault == "not-saturated" else WRONG
    gradients = {name: np.array([slope(name, z, fault) for z in Z]) for name in (SQUARED, PAIRED)}
    here = {name: slope(name, start, fault) for name in (SQUARED, PAIRED)}
    paths = {name: climbed(name, start, fault) for name in (SQUARED, PAIRED)}
    steps = {name: len(path) - 1 for name, path in paths.items()}
    name, right = on_rows(given, fault)
    checks = (
        equal(phrase("Gradient of cross-entropy at z = −8, beside σ(z) − y"), said(WRONG) - 1, here[PAIRED], 1e-4),
        at_most(phrase("Gradient of squared error at z = −8, in size"), 2 * np.exp(WRONG), abs(here[SQUARED])),
        at_most(phrase("The largest difference of cross-entropy's gradient from σ(z) − y"), 1e-5,
                float(abs(gradients[PAIRED] - (said(Z) - 1)).max())),
        at_most(phrase("Steps until the unit is right, cross-entropy"), 20, steps[PAIRED]),
        at_least(phrase("Steps until the unit is right, squared error"), 1000, steps[SQUARED]),
        at_least(phrase("{on}: share of the wrong rows that is right after {n} steps, cross-entropy", on=name, n=STEPS),
                 0.8, right[PAIRED]),
        at_most(phrase("{on}: share of the wrong rows that is right after {n} steps, squared error", on=name, n=STEPS),
                0.1, right[SQUARED]),
    )  # fmt: skip
    measured = {
        "share": float(said(start)), "squared": here[SQUARED], "paired": here[PAIRED], "slow": counted(steps[SQUARED]),
        "quick": counted(steps[PAIRED]), "on": name, "lazy": right[SQUARED], "awake": right[PAIRED], "steps": STEPS,
    }  # fmt: skip
    on = phrase("one unit, and a network that starts wrong on the breast cancer data") if given.own else given.words
    return Found(on, checks, measured, Saturation(Z, gradients, paths))


def said(z: Any) -> Any:
    """What a sigmoid says, σ(z)."""
    return 1 / (1 + np.exp(-z))


def counted(steps: int) -> str:
    return phrase("more than {n:,}", n=steps) if steps >= MOST_STEPS else f"{steps:,}"


def unit_and_loss(name: str, z: Any, fault: str | None) -> tuple[Layer, Loss]:
    """One unit without a bias whose input is 1, so that its weight is its z, and the loss on its answer.

    Squared error judges what the sigmoid says; cross-entropy knows its sigmoid, and takes z itself.
    """
    dense = Dense(jnp.reshape(jnp.asarray(z, jnp.float32), (1, 1)), None)
    if name == SQUARED:
        return Sequential([dense, Activation("sigmoid")]), loss_named(name)
    return Sequential([dense]), unpaired(loss_named(name)) if fault == "factor-kept" else loss_named(name)


def unpaired(loss: Loss) -> Loss:
    """The fault: cross-entropy whose blame has the sigmoid's slope in it."""
    return dataclasses.replace(loss, both=sloped)


def sloped(z: Any, y: Any) -> tuple[Any, Any]:
    terms, blame = loss_named(PAIRED).both(z, y)
    share = jax.nn.sigmoid(z)
    return terms, blame * share * (1 - share)


def slope(name: str, z: float, fault: str | None) -> float:
    """dL/dz of the unit by the backward pass, where 1 is right."""
    net, criterion = unit_and_loss(name, z, fault)
    return float(backpropagate(net, criterion, ONE, ONE).dnet.layers[0].weight[0, 0])


def climbed(name: str, start: float, fault: str | None) -> np.ndarray:
    """z by the step, from `start` until the unit is right, in steps of gradient descent of rate 1."""

    @jax.jit
    def many(z: Any) -> Any:
        def step(z: Any, _: Any) -> tuple[Any, Any]:
            net, criterion = unit_and_loss(name, z, fault)
            z = z - backpropagate(net, criterion, ONE, ONE).dnet.layers[0].weight[0, 0]
            return z, z

        return jax.lax.scan(step, z, length=MOST_STEPS)[1]

    path = np.concatenate([[start], np.asarray(many(jnp.float32(start)))])
    right = path > 0
    return path[: int(right.argmax()) + 1] if right.any() else path[: MOST_STEPS + 1]


def on_rows(given: Given, fault: str | None) -> tuple[str, dict[str, float]]:
    """A network that says no to every row with confidence, trained by both losses for the same steps: the share of the
    rows it had wrong that is right in the end."""
    net, seen = asked(given)
    sure = shifted(net, seen.x, 0.0 if fault == "not-saturated" else WRONG)
    y = seen.fitted(1)
    yes = y[:, 0] == 1
    right = {}
    for loss in (SQUARED, PAIRED):
        criterion = unpaired(loss_named(loss)) if fault == "factor-kept" and loss == PAIRED else loss_named(loss)
        whole = Sequential([sure, Activation("sigmoid")]) if loss == SQUARED else Sequential([sure])
        after: Any = learned(whole, seen.x, y, criterion, STEPS, rate=0.1, optimizer="sgd").net
        right[loss] = float((outputs(after.layers[0], seen.x)[yes] > 0).mean())
    return phrase("breast cancer") if given.rows is None else seen.name, right


def asked(given: Given) -> tuple[Layer, Rows]:
    """A network with one output and rows of two classes.

    Raises: SettingError or DataError where they are not.
    """
    seen = given.rows or rows("breast_cancer")
    if given.rows is None and given.net is not None:
        raise DataError("C6 trains the network on rows of two classes: give data=(x, y).")
    if seen.classes != 2:
        classes = seen.classes or "none"
        raise DataError(f"C6 is about one sigmoid, which tells two classes apart; the rows have {classes}.")
    if given.net is None:
        return mlp([int(np.prod(seen.x.shape[1:])), 8, 1], key=0), seen._replace(x=seen.x.reshape(len(seen.x), -1))
    return given.net, seen


def shifted(net: Layer, x: np.ndarray, to: float) -> Layer:
    """The network with its last bias moved, so that its output is `to` on average."""
    last = [place.path for place in places(net) if isinstance(place.layer, Dense)][-1:]
    z = outputs(net, x)
    if z.shape[-1] != 1 or not last:
        raise SettingError("C6 is about one sigmoid: the network needs a Dense layer at its end, with one output.")

    def moved(path: str, layer: Layer) -> Layer:
        if path not in last or not isinstance(layer, Dense):
            return layer
        bias = jnp.zeros(1) if layer.bias is None else layer.bias
        return Dense(layer.weight, bias + np.float32(to - z.mean()))

    return map_layers(net, moved)
