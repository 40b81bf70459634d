"""C4: units that start equal get equal gradients and stay equal for ever; a random start breaks the symmetry."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..backprop import places
from ..errors import SettingError
from ..initializers import constant, glorot_uniform
from ..language import phrase
from ..layers import Activation, Dense, Dropout, Sequential, mlp
from ..losses import Loss
from ..losses import loss as loss_named
from ..module import Layer, map_layers
from ..train import Short
from ._evidence import Symmetry
from ._given import Given, rows
from ._learn import learned
from ._record import Check, Found, at_least, equal, short

FAULTS = {
    "one-weight-nudged": phrase("One weight of one unit starts a thousandth larger than those of the others."),
    "dropout": phrase("Dropout leaves out some of the equal units at random, so that they are not treated alike."),
}
CODE = (Dense.backward, constant, glorot_uniform)
STEPS, UNITS = 1000, 6


def experiment(given: Given, fault: str | None = None) -> Found:
    """A thousand steps of Adam from equal units, and from a random start, on the same rows."""
    told = []
    for name, start, x, y, criterion in cases(given):
        tied, free = (learned(broken(net, fault), x, y, criterion, STEPS, rate=0.02, batch=8)
                      for net in (equal_units(start), start))  # fmt: skip
        told.append((name, start, tied, free))
    checks = [check for case in told for check in checks_of(*case)]
    _, start, tied, free = told[0]
    measured = {
        "steps": tied.steps, "n": groups_wanted(start), "tied": groups(tied.net),
        "rank": int(np.linalg.matrix_rank(incoming(tied.net))), "free": groups(free.net),
        "better": short(float(free.losses[-1])), "loss": short(float(tied.losses[-1])),
    }  # fmt: skip
    on = phrase("small networks on a function of three numbers, and on the diabetes data") if given.own else given.words
    drawn = Symmetry(incoming(tied.net), incoming(free.net), tied.losses, free.losses)
    return Found(on, tuple(checks), measured, drawn)


def checks_of(name: str, start: Layer, tied: Short, free: Short) -> list[Check]:
    n = groups_wanted(start)
    return [
        equal(phrase("{on}: different units after training from equal ones", on=name), 1, groups(tied.net)),
        equal(phrase("{on}: rank of their layer", on=name), 1, int(np.linalg.matrix_rank(incoming(tied.net)))),
        at_least(phrase("{on}: how far they moved", on=name), 0.01,
                 float(abs(incoming(tied.net) - incoming(equal_units(start))).max())),
        equal(phrase("{on}: different units after training from a random start", on=name), n, groups(free.net)),
        at_least(phrase("{on}: loss of equal units over that of the random start", on=name), 1.0,
                 float(tied.losses[-1] / free.losses[-1])),
    ]  # fmt: skip


def cases(given: Given) -> list[tuple[str, Layer, np.ndarray, np.ndarray, Loss]]:
    """Networks with rows to learn."""
    if given.own:
        x = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
        y = np.sin(3 * x[:, :1]) + x[:, 1:2] * x[:, 2:]
        net = mlp([3, UNITS, 1], key=0, activation="tanh")
        small = (phrase("three numbers"), net, x, y, loss_named("squared_error"))
        return [small, case(phrase("diabetes"), Given(rows=rows("diabetes")))]
    return [case(given.words, given if given.rows is not None else Given(given.net, random_rows(given)))]


def case(name: str, given: Given) -> tuple[str, Layer, np.ndarray, np.ndarray, Loss]:
    seen: Any = given.rows
    x = seen.x if given.net is not None else seen.x.reshape(len(seen.x), -1)
    net = given.net or mlp([x.shape[1], UNITS, seen.outputs], key=0, activation="tanh")
    n_out = dense_layers(net)[-1][1].weight.shape[1]
    return name, net, x, seen.fitted(n_out), seen.loss(n_out)


def random_rows(given: Given) -> Any:
    """Rows for a network that came without any."""
    x = given.inputs(80)
    n_out = dense_layers(given.net)[-1][1].weight.shape[1]
    y = np.sin(2 * x.reshape(len(x), -1)[:, :1]) * np.ones((1, n_out), np.float32)
    return rows((x, y.astype(np.float32)))


def dense_layers(net: Layer | None) -> list[tuple[str, Dense]]:
    """The Dense layers in their order, two at least.

    Raises: SettingError where there are fewer.
    """
    found = [(place.at, place.layer) for place in places(net) if isinstance(place.layer, Dense)]  # pyright: ignore
    if len(found) < 2:
        raise SettingError("C4 is about the units of a hidden layer: the network needs two Dense layers at least.")
    return found


def equal_units(net: Layer) -> Layer:
    """The network with all units of every hidden layer made the same: what each reads, and what is read of it."""
    paths = [path for path, _ in dense_layers(net)]

    def tied(path: str, layer: Layer) -> Layer:
        if path not in paths or not isinstance(layer, Dense):
            return layer
        weight, bias, i = layer.weight, layer.bias, paths.index(path)
        if i > 0:
            weight = jnp.broadcast_to(weight[:1], weight.shape)
        if i < len(paths) - 1:
            weight = jnp.broadcast_to(weight[:, :1], weight.shape)
            bias = None if bias is None else jnp.broadcast_to(bias[:1], bias.shape)
        return Dense(weight, bias)

    return map_layers(net, tied)


def broken(net: Layer, fault: str | None) -> Layer:
    """The network with a fault."""
    first = dense_layers(net)[0][0]

    def nudged(path: str, layer: Layer) -> Layer:
        if path != first or not isinstance(layer, Dense):
            return layer
        return Dense(layer.weight.at[0, 0].add(1e-3), layer.bias)

    def dropping(_: str, layer: Layer) -> Layer:
        return Sequential([layer, Dropout(0.2)]) if isinstance(layer, Activation) else layer

    return map_layers(net, {"one-weight-nudged": nudged, "dropout": dropping}[fault]) if fault else net


def incoming(net: Layer) -> np.ndarray:
    """The weights of the first hidden layer, (inputs, units)."""
    return np.asarray(dense_layers(net)[0][1].weight)


def groups(net: Layer) -> int:
    """How many different units the hidden layers have, at most: by what each reads and what is read of it, in bits."""
    layers = [layer for _, layer in dense_layers(net)]
    counts = []
    for below, above in pairwise(layers):
        bias = np.zeros(below.weight.shape[1]) if below.bias is None else np.asarray(below.bias)
        if above.weight.shape[0] != below.weight.shape[1]:
            raise SettingError("C4 looks at Dense layers that feed one another directly, with activations between.")
        units = np.concatenate([np.asarray(below.weight).T, bias[:, None], np.asarray(above.weight)], 1)
        counts.append(len({row.tobytes() for row in units}))
    return max(counts)


def groups_wanted(net: Layer) -> int:
    """How many units the widest hidden layer has."""
    return max(layer.weight.shape[1] for _, layer in dense_layers(net)[:-1])
