"""C9: a gate is a learnable tap, `y = σ(g) ⊙ s`; with gates a network remembers over a hundred steps, without it does
not."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import DataError, SettingError
from ..insight import gates
from ..language import phrase
from ..layers import GRU, LSTM, RNN, Dense, Gate, Sequential, mlp, values_of
from ..losses import Loss
from ..losses import loss as loss_named
from ..module import Layer, map_layers, replaced, walk
from ..train import bundled
from ._evidence import Memory
from ._given import Given
from ._learn import accuracy, learned
from ._record import Check, Found, at_least, at_most, equal

FAULTS = {
    "gates-shut": phrase("The gate that keeps starts shut, so that nothing is kept from one step to the next."),
    "gates-left-out": phrase("A plain recurrent layer stands where the layer with gates should."),
}
CODE = (Gate.forward, Gate.backward, LSTM.step, LSTM.step_back)
STEPS, UNITS = 120, 16  # to remember over, and in the layer
UPDATES, BATCH, TESTED = 240, 32, 512
OPEN = float(np.log(STEPS))  # so that σ is about 1 − 1 / STEPS: Tallec and Ollivier 2018, section 2
SHUT = -3.0
PLAIN = "RNN"
CELLS: dict[str, Any] = {"LSTM": LSTM, "GRU": GRU, PLAIN: RNN}
LEARNED, LOST = 0.8, 0.6  # the share answered rightly with gates, and the share between guessing and knowing


class Task(NamedTuple):
    """Sequences to learn from and new ones to be tested on, their classes, and the networks that are tried.

    `known` is the share of the new sequences that can be known at best.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    new_x: np.ndarray
    new_y: np.ndarray
    classes: int
    nets: dict[str, Layer]
    known: float = 1.0


def experiment(given: Given, fault: str | None = None) -> Found:
    """The answer is seen at the first step, then comes noise: who still knows it 120 steps later?"""
    checks, told = [], []
    for task in tasks(given, fault):
        after = {kind: trained(net, task) for kind, net in task.nets.items()}
        right = {kind: accuracy(net, task.new_x, task.new_y) for kind, net in after.items()}
        told.append((task, right, after))
        checks += checks_of(task, right)
    task, right, after = told[0]
    opened = gates(after[next(iter(after))], task.new_x[:8]) if has_gates(after[next(iter(after))]) else None
    measured = {
        "steps": task.x.shape[1], "updates": UPDATES, "guess": 1 / task.classes,
        "right": ", ".join(f"{kind} {share:.1%}" for kind, share in right.items()),
    }  # fmt: skip
    on = phrase("a sign, and an iris, seen at the first of {n} steps", n=STEPS) if given.own else given.words
    drawn = Memory(tuple(right), np.array([*right.values()]), 1 / task.classes, opened)
    return Found(on, (*checks, tap()), measured, drawn)


def trained(net: Layer, task: Task) -> Layer:
    n_out = outputs_of(net, task.x)
    return learned(net, task.x, fitted(task.y, n_out), loss_of(n_out), UPDATES, clip=1.0).net


def checks_of(task: Task, right: dict[str, float]) -> list[Check]:
    """With gates most of what there is to know is known at the end; without, hardly more than by guessing."""
    guess, steps = 1 / task.classes, task.x.shape[1]
    most = task.known - guess
    found = []
    for kind, share in right.items():
        what = phrase("{on}: answered rightly after {n} steps, {kind}", on=task.name, n=steps, kind=kind)
        known = guess + (LEARNED if kind != PLAIN else LOST) * most
        found.append(at_most(what, known, share) if kind == PLAIN else at_least(what, known, share))
    return found


def tap() -> Check:
    """The gate beside its formula, worked out in double precision."""
    rng = np.random.default_rng(0)
    g, s = rng.normal(size=(2, 50, 4)).astype(np.float32)
    got = np.asarray(Gate()((jnp.asarray(g), jnp.asarray(s))), np.float64)
    what = phrase("The gate beside σ(g) · s, largest difference")
    return equal(what, 0.0, float(abs(got - s / (1 + np.exp(-g.astype(float)))).max()), 1e-6)


def tasks(given: Given, fault: str | None) -> list[Task]:
    """A sign to remember, and an iris; or the user's rows, each to be remembered, or their sequences as they are."""
    if not given.own:
        return [asked(given, fault)]
    table, target = bundled("iris")
    x = table.drop(target).to_numpy()
    x = (x - x.mean(0)) / x.std(0)
    y = np.unique(table[target].to_numpy(), return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(len(x))
    own, other = order[:100], order[100:]
    sign = np.array([[-1.0], [1.0]])
    both = np.array([0, 1])
    return [
        Task(phrase("a sign"), *hidden(sign, both, UPDATES * BATCH, 1), *hidden(sign, both, TESTED, 2), 2,
             {kind: net_of(kind, 1, 1, fault) for kind in ("LSTM", "GRU", PLAIN)}),
        Task(phrase("iris"), *hidden(x[own], y[own], UPDATES * BATCH, 3), *hidden(x[other], y[other], TESTED, 4), 3,
             {kind: net_of(kind, 4, 3, fault) for kind in ("LSTM", PLAIN)}),
    ]  # fmt: skip


def hidden(x: np.ndarray, y: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences whose first step is one of the rows, and whose other steps are noise of half the size."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(x), n)
    found = 0.5 * rng.normal(size=(n, STEPS, x.shape[1]))
    found[:, 0] = x[chosen]
    return found.astype(np.float32), y[chosen].astype(np.int32)


def net_of(kind: str, n_in: int, n_out: int, fault: str | None) -> Layer:
    """A recurrent layer and a Dense one behind its last step; the gate that keeps starts open."""
    key = jax.random.key(0)
    net = Sequential([CELLS[kind].create(n_in, UNITS, key=key, output="last"), Dense.create(UNITS, n_out, key=key)])
    return with_fault(kept_from(net, OPEN), fault)


def with_fault(net: Layer, fault: str | None) -> Layer:
    if fault == "gates-left-out":
        return without_gates(net)
    return kept_from(net, SHUT) if fault == "gates-shut" else net


def kept_from(net: Layer, at: float) -> Layer:
    """The network whose gates that keep start from this bias."""

    def biased(_: str, layer: Layer) -> Layer:
        if not isinstance(layer, LSTM | GRU):
            return layer
        n, i = layer.recurrent.shape[0], layer.gates[layer.keeper]
        return replaced(layer, bias=layer.bias.at[i * n : (i + 1) * n].set(at))

    return map_layers(net, biased)


def without_gates(net: Layer) -> Layer:
    """The network with a plain recurrent layer in place of each with gates."""

    def plain(_: str, layer: Layer) -> Layer:
        if not isinstance(layer, LSTM | GRU):
            return layer
        n_in, n = layer.weight.shape[0], layer.recurrent.shape[0]
        return RNN.create(n_in, n, key=jax.random.key(0), output=layer.output, reverse=layer.reverse)

    return map_layers(net, plain)


def has_gates(net: Layer | None) -> bool:
    return net is not None and any(isinstance(layer, LSTM | GRU) for _, layer in walk(net))


def asked(given: Given, fault: str | None) -> Task:
    """The user's rows, each seen at the first step, or their sequences of 100 steps and more; their network, or ours.

    Raises: DataError where the rows have no classes or are too short, SettingError where the network has no gates.
    """
    if given.net is not None and not has_gates(given.net):
        raise SettingError("C9 is about gates: the network needs an LSTM or a GRU layer.")
    if given.rows is None:
        raise DataError("C9 trains on sequences, or on rows to be remembered: give data=(x, y).")
    x, y, classes = given.rows.x, given.rows.targets(), given.rows.classes
    if not classes:
        raise DataError("C9 asks for a class at the end of each sequence: give whole numbers or names as targets.")
    if x.ndim == 3 and x.shape[1] < 100:
        raise DataError(f"C9 is about remembering over 100 steps and more; these sequences have {x.shape[1]}.")
    order = np.random.default_rng(0).permutation(len(x))
    own, other = order[: 2 * len(x) // 3], order[2 * len(x) // 3 :]
    n_out = 1 if classes == 2 else classes
    if x.ndim == 3:
        rows, known = (x[own], y[own], x[other], y[other]), 1.0
    else:
        x = x.reshape(len(x), -1)
        rows = (*hidden(x[own], y[own], UPDATES * BATCH, 1), *hidden(x[other], y[other], TESTED, 2))
        known = at_once(*rows, n_out)
    nets = {kind: net_of(kind, x.shape[-1], n_out, fault) for kind in ("LSTM", PLAIN)}
    if given.net is not None:
        kind = next(type(layer).__name__ for _, layer in walk(given.net) if isinstance(layer, LSTM | GRU))
        nets = {kind: with_fault(kept_from(given.net, OPEN), fault), PLAIN: without_gates(given.net)}
    return Task(given.words, *rows, classes, nets, known)


def at_once(x: np.ndarray, y: np.ndarray, new_x: np.ndarray, new_y: np.ndarray, n_out: int) -> float:
    """The share of new sequences that a network knows which sees the first step alone, after as many updates."""
    net = mlp([x.shape[-1], UNITS, n_out], key=0, activation="tanh")
    return accuracy(learned(net, x[:, 0], fitted(y, n_out), loss_of(n_out), UPDATES).net, new_x[:, 0], new_y)


def outputs_of(net: Layer, x: np.ndarray) -> int:
    return values_of(jax.eval_shape(lambda net, x: net(x), net, x[:1])).shape[-1]


def fitted(y: np.ndarray, n_out: int) -> np.ndarray:
    """Classes as the loss of so many outputs wants them."""
    return y.reshape(-1, 1).astype(np.float32) if n_out == 1 else y


def loss_of(n_out: int) -> Loss:
    return loss_named("binary_cross_entropy" if n_out == 1 else "cross_entropy")
