"""C5: weights too large explode the signal, too small make it vanish; Glorot and He keep its variance both ways."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ..errors import SettingError
from ..initializers import default_for, glorot, glorot_uniform, he, he_normal, normal
from ..insight import Propagation, signal
from ..language import phrase
from ..layers import Activation, Dense, mlp
from ..losses import Loss
from ..losses import loss as loss_named
from ..module import Layer, map_layers, walk
from ..train import bundled
from ._evidence import Depth, Depths
from ._given import Given
from ._record import Check, Found, at_least, at_most, equal, short

FAULTS = {
    "scale-left-out": phrase("Weights are drawn with variance 1, whatever the number of inputs."),
    "biased-initializer": phrase("Weights are drawn around 0.1 in place of 0."),
}
CODE = (glorot, glorot_uniform, he, he_normal)
LAYERS, WIDTH, ROWS = 50, 200, 100
INITS = {"tanh": "glorot_uniform", "relu": "he_normal"}
SCALES = (1.0, 2.0, 0.5)


def experiment(given: Given, fault: str | None = None) -> Found:
    """Fifty layers at the initializer's scale, at twice and at half of it: measured beside predicted."""
    checks: list[Check] = []
    seen: list[Depth] = []
    for name, activation, net, x, y, criterion in cases(given, fault):
        found = {s: signal(jax.tree.map(lambda a, s=s: s * a, net), x, y, criterion) for s in SCALES}
        seen.append(Depth(name, found))
        checks += rates(name, found, given.own) + holding(name, found[1.0]) + off_scale(name, activation, found)
    first = seen[0].found
    measured = {
        "n": len(first[1.0].layers), "rate": short(first[1.0].forward.rate),
        "predicted": short(first[1.0].forward.predicted), "back": short(first[1.0].backward.rate),
        "half": short(first[0.5].forward.rate), "half_back": short(first[0.5].backward.rate),
        "twice": short(first[2.0].forward.rate), "twice_back": short(first[2.0].backward.rate),
    }  # fmt: skip
    on = phrase("50 layers of tanh on normal numbers, and 50 of ReLU on the digits") if given.own else given.words
    return Found(on, tuple(checks), measured, Depths(tuple(seen)))


def number(value: float | None) -> float:
    return float("nan") if value is None else value


def cases(given: Given, fault: str | None) -> list[tuple[str, str, Layer, Any, Any, Loss]]:
    """A name, the activation, the network as drawn, rows, and the loss."""
    if not given.own:
        return [asked(given, fault)]
    table, target = bundled("digits")
    ink = table.drop(target).to_numpy()[:ROWS]
    ink = (ink - ink.mean(0)) / np.maximum(ink.std(0), 1e-9)
    rng = np.random.default_rng(0)
    x = {"tanh": rng.normal(size=(ROWS, 64)), "relu": ink}
    names = {"tanh": phrase("tanh, Glorot"), "relu": phrase("ReLU, He")}
    y, criterion = rng.normal(size=(ROWS, 1)), loss_named("squared_error")
    return [
        (names[act], act, faulty(mlp([64] + [WIDTH] * (LAYERS - 1) + [1], key=1, activation=act, init=init), fault),
         x[act], y, criterion)
        for act, init in INITS.items()
    ]  # fmt: skip


def asked(given: Given, fault: str | None) -> tuple[str, str, Layer, Any, Any, Loss]:
    """The user's network with its weights drawn anew by the initializer that suits its activation, and the rows."""
    net = given.net
    x = given.inputs(ROWS)[:ROWS]
    if net is None:
        net = mlp([int(np.prod(x.shape[1:])), *[WIDTH] * (LAYERS - 1), 1], key=1, activation="tanh")
        x = x.reshape(len(x), -1)
    curves = {layer.name for _, layer in walk(net) if isinstance(layer, Activation)}
    dense = [layer for _, layer in walk(net) if isinstance(layer, Dense)]
    if len(curves) != 1 or len(dense) < 4:
        raise SettingError(
            "C5 is about a deep stack of Dense layers with one activation: the network needs 4 Dense layers at least "
            f"and one kind of activation; it has {len(dense)}, and {', '.join(sorted(curves)) or 'none'}."
        )
    (activation,) = curves
    rng = np.random.default_rng(1)
    y = rng.normal(size=(len(x), dense[-1].weight.shape[1]))
    return given.words, activation, faulty(redrawn(net, activation), fault), x, y, loss_named("squared_error")


def redrawn(net: Layer, activation: str) -> Layer:
    """The network with its Dense weights drawn anew, and its biases 0."""
    init = default_for(activation)
    keys = iter(jax.random.split(jax.random.key(1), 10_000))

    def drawn(_: str, layer: Layer) -> Layer:
        if not isinstance(layer, Dense):
            return layer
        return Dense(init(next(keys), layer.weight.shape), None if layer.bias is None else 0 * layer.bias)

    return map_layers(net, drawn)


def faulty(net: Layer, fault: str | None) -> Layer:
    """The network with its weights drawn wrongly."""
    keys = iter(jax.random.split(jax.random.key(2), 10_000))

    def drawn(_: str, layer: Layer) -> Layer:
        if not isinstance(layer, Dense) or fault is None:
            return layer
        weight = normal(next(keys), layer.weight.shape, std=1.0) if fault == "scale-left-out" else layer.weight + 0.1
        return Dense(weight, layer.bias)

    return map_layers(net, drawn)


def holding(name: str, found: Propagation) -> list[Check]:
    """At the initializer's scale the signal stays within tenfold, its variance within a hundredfold, both ways."""
    return [
        at_most(phrase("{on}: signal, powers of ten of its variance over the depth", on=name), 2.0,
                powers(found.forward.change)),
        at_most(phrase("{on}: blame, powers of ten of its variance over the depth", on=name), 2.0,
                powers(found.backward.change)),
    ]  # fmt: skip


def powers(change: float | None) -> float:
    return float("nan") if change is None or not change > 0 else abs(float(np.log10(change)))


def rates(name: str, found: dict[float, Propagation], own: bool) -> list[Check]:
    """The factor per layer beside that of mean field, forward and backward, at every scale."""
    checks = []
    for scale, record in found.items():
        for course in (record.forward, record.backward):
            what = phrase("{on}, ×{scale:g}: factor per layer {way}, predicted and measured", on=name, scale=scale,
                          way=phrase("forward") if course.way == "forward" else phrase("backward"))  # fmt: skip
            measured, predicted = number(course.rate), number(course.predicted)
            checks.append(equal(what, predicted, measured, (0.05 if own else 0.2) * predicted))
    return checks


def off_scale(name: str, activation: str, found: dict[float, Propagation]) -> list[Check]:
    """Half the scale fades both ways; twice the scale explodes the blame, and the signal where nothing bounds it."""
    n = len(found[1.0].layers)
    half, twice = found[0.5], found[2.0]
    checks = [
        at_most(phrase("{on}, ×0.5: rate of the signal", on=name), 0.6, number(half.forward.rate)),
        at_most(phrase("{on}, ×0.5: rate of the blame", on=name), 0.6, number(half.backward.rate)),
        at_least(phrase("{on}, ×2: rate of the blame", on=name), 1.2, number(twice.backward.rate)),
    ]
    if activation == "relu" and n:
        checks.append(at_least(phrase("{on}, ×2: rate of the signal", on=name), 2.0, number(twice.forward.rate)))
    return checks
