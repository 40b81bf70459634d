"""What the catalogue has few cases of: faulty trainings with a healthy twin each, and what the doctor says of both.

Rows are scikit-learn's own and a few that are drawn. Of each pair the faulty program should bring an alarm with one of
the codes given, and its twin none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from faults import trained
from jax import Array
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_moons

from pellucid.doctor import Finding, Patient, Program
from pellucid.doctor._diagnosis import examined
from pellucid.layers import (
    GRU,
    RNN,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    Function,
    GaussianNoise,
    PlainDropout,
    RandomFlip,
    Sequential,
    mlp,
)
from pellucid.losses import loss, own
from pellucid.train import Settings

Rows = tuple[np.ndarray, np.ndarray]
Criterion = str | Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Pair:
    """A fault by name, the codes that say it rightly, and the program with it or, where mended, without.

    `trained` says that the doctor is shown the whole training; where there is no `alarm`, what is looked for is a note.
    """

    name: str
    codes: tuple[str, ...]
    program: Callable[[bool], Program]
    trained: bool = False
    alarm: bool = True


@dataclass(frozen=True)
class Told:
    """What was found of the faulty program and of its twin."""

    pair: Pair
    faulty: list[Finding]
    twin: list[Finding]

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.faulty if finding.alarm]

    @property
    def detected(self) -> bool:
        """Whether there is an alarm; of what is to be a note, whether it is told and is none."""
        if self.pair.alarm:
            return bool(self.codes)
        return not self.codes and any(finding.code in self.pair.codes for finding in self.faulty)

    @property
    def right(self) -> bool:
        """Whether a right code is among the first three."""
        return self.detected and (not self.pair.alarm or any(code in self.pair.codes for code in self.codes[:3]))

    @property
    def false_alarms(self) -> list[str]:
        return [finding.code for finding in self.twin if finding.alarm]


def told(pair: Pair, seconds: float) -> Told:
    """The doctor's findings of both programs of a pair."""
    return Told(pair, *(examined(patient(pair, mended, seconds))[0] for mended in (False, True)))


def patient(pair: Pair, mended: bool, seconds: float) -> Patient:
    program = pair.program(mended)
    if not pair.trained:
        return Patient(program, seconds=seconds)
    run = trained(program)
    return Patient(program, run.net, run.history, run.problem, seconds=seconds)


# --- rows -------------------------------------------------------------------------------------------------------------


def mixed(load: Callable[..., Any]) -> Rows:
    """The rows of one of scikit-learn's sets, in a random order."""
    x, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return np.asarray(x, np.float32)[order], np.asarray(y, np.int32)[order]


def digits() -> Rows:
    """1,797 images of 8×8 pixels from 0 to 1, (rows, 8, 8, 1)."""
    x, y = mixed(load_digits)
    return x.reshape(-1, 8, 8, 1) / 16, y


def flat_digits() -> Rows:
    x, y = digits()
    return 2 * x.reshape(len(x), -1) - 1, y


def table_rows(load: Callable[..., Any]) -> Rows:
    """A table with standardised columns."""
    x, y = mixed(load)
    return (x - x.mean(0)) / x.std(0), y


def curve_rows(count: int = 600) -> Rows:
    """A smooth function of four columns, with mean 0 and variance 1."""
    x = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    y = np.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3] / 2 + x[:, 3:] / 2
    return x, ((y - y.mean()) / y.std()).astype(np.float32)


def apart(rows: Rows, held: int) -> tuple[Rows, Rows]:
    """The rows to learn from, and the last so many, held out."""
    x, y = rows
    return (x[:-held], y[:-held]), (x[-held:], y[-held:])


# --- programs ---------------------------------------------------------------------------------------------------------


def program(
    net: Any, rows: Rows, criterion: Criterion = "cross_entropy", held: Rows | None = None, **settings: Any
) -> Program:
    wanted = loss(criterion) if isinstance(criterion, str) else own(criterion)
    return Program(net, Settings(wanted, **{"watch_every": 0, **settings}), *rows, held)


def on_digits(x: np.ndarray, y: np.ndarray, **settings: Any) -> Program:
    return program(mlp([64, 32, 10], key=0), (x, y), **{"epochs": 10, "learning_rate": 3e-3, **settings})


def on_wine(x: np.ndarray, y: np.ndarray, held: Rows | None = None, **settings: Any) -> Program:
    net = mlp([x.shape[1], 16, 3], key=0)
    return program(net, (x, y), held=held, **{"epochs": 60, "learning_rate": 1e-2, **settings})


def on_curve(net: Any = None, criterion: Criterion = "squared_error", **settings: Any) -> Program:
    net = mlp([4, 32, 1], key=0) if net is None else net
    return program(net, curve_rows(), criterion, **{"epochs": 40, "learning_rate": 1e-2, **settings})


def overfitting(mended: bool) -> Program:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 20)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] + rng.normal(size=2000) > 0).astype(np.int32)
    learned, held = apart((x, y), 500)
    few = learned if mended else (learned[0][:80], learned[1][:80])
    epochs = 4 if mended else 120
    return program(mlp([20, 64, 2], key=0), few, held=held, epochs=epochs, learning_rate=5e-3)


def too_narrow(mended: bool) -> Program:
    return program(mlp([64, 32 if mended else 1, 10], key=0), flat_digits(), epochs=15, learning_rate=5e-3)


def too_few_steps(mended: bool) -> Program:
    return on_digits(*flat_digits(), epochs=10 if mended else 1, batch_size=32 if mended else 256)


def label_noise(mended: bool) -> Program:
    x, y = flat_digits()
    rng = np.random.default_rng(1)
    wrong = rng.random(len(y)) < (0 if mended else 0.2)
    return on_digits(x, np.where(wrong, rng.integers(0, 10, len(y)), y).astype(np.int32))


def shuffled_labels(mended: bool) -> Program:
    x, y = flat_digits()
    return on_digits(x, y if mended else np.random.default_rng(1).permutation(y))


def labels_moved(mended: bool) -> Program:
    x, y = flat_digits()
    return on_digits(x, y if mended else np.roll(y, 1))


def noise_or_overlap(mended: bool) -> Program:
    """A tenth of the labels of two moons wrong; the twin has moons that overlap, and no wrong label."""
    x, y = make_moons(800, noise=0.4 if mended else 0.15, random_state=0)
    wrong = np.random.default_rng(1).random(len(y)) < (0 if mended else 0.1)
    rows = np.asarray(x, np.float32), np.asarray(y, np.int32) ^ wrong
    return program(mlp([2, 32, 2], key=0), rows, epochs=30, learning_rate=1e-2)


def shuffled_numbers(mended: bool) -> Program:
    """The twin has a relation too, a weak one: a tenth of the variance."""
    x, _ = curve_rows()
    rng = np.random.default_rng(1)
    y = (x[:, :1] / 3 + rng.normal(size=(len(x), 1))).astype(np.float32)
    targets = y if mended else rng.permutation(curve_rows()[1])
    return program(mlp([4, 32, 1], key=0), (x, targets), "squared_error", epochs=10, learning_rate=3e-3)


def not_a_number(mended: bool) -> Program:
    x, y = table_rows(load_wine)
    x = x.copy()
    if not mended:
        x[17, 3] = np.nan
    return on_wine(x, y)


def dropout_scaling(mended: bool) -> Program:
    first, curve, last = mlp([4, 32, 1], key=0).layers
    return on_curve(Sequential([first, curve, Dropout(0.2) if mended else PlainDropout(0.5), last]))


def dropout_on_outputs(mended: bool) -> Program:
    first, curve, last = mlp([4, 32, 1], key=0).layers
    drop = Dropout(0.1 if mended else 0.5)
    return on_curve(Sequential([first, curve, drop, last] if mended else [first, curve, last, drop]))


def much_dropout(mended: bool) -> Program:
    return on_curve(mlp([4, 32, 32, 1], key=0, dropout=0.05 if mended else 0.9))


def batchnorm_mode(mended: bool) -> Program:
    x, y = curve_rows()
    first, curve, last = mlp([4, 32, 1], key=0).layers
    norm = BatchNorm.create(32, momentum=0.1 if mended else 1e-6)
    return program(
        Sequential([first, norm, curve, last]), (2 * x + 1, y), "squared_error", epochs=40, learning_rate=1e-2
    )


def shared_rows(mended: bool) -> Program:
    (x, y), held = apart(table_rows(load_wine), 50)
    return on_wine(x, y, held if mended else (x[::3], y[::3]))


def tiny_batches(mended: bool) -> Program:
    x, y = flat_digits()
    return on_digits(x[:600], y[:600], batch_size=32 if mended else 1, learning_rate=2e-2, optimizer="adam")


def weight_decay(mended: bool) -> Program:
    return on_curve(weight_decay=1e-4 if mended else 1.0)


def strong_l1(mended: bool) -> Program:
    return on_curve(l1=1e-5 if mended else 0.3)


def nothing_held_out(mended: bool) -> Program:
    (x, y), held = apart(table_rows(load_wine), 50)
    return on_wine(x, y, held if mended else None)


def imbalance(mended: bool) -> Program:
    rng = np.random.default_rng(0)
    y = (np.arange(600) < (300 if mended else 5)).astype(np.int32)
    x = (rng.normal(size=(600, 6)) + 0.7 * y[:, None]).astype(np.float32)
    return program(mlp([6, 16, 2], key=0), (x, y), epochs=20, learning_rate=5e-3)


def target_as_column(mended: bool) -> Program:
    x, y = table_rows(load_breast_cancer)
    more = np.random.default_rng(0).normal(size=len(y)) if mended else 3.0 * y - 1
    return program(mlp([31, 16, 2], key=0), (np.c_[x, more].astype(np.float32), y), epochs=20, learning_rate=5e-3)


def contradictions(mended: bool) -> Program:
    x, y = table_rows(load_wine)
    return on_wine(np.r_[x, x], np.r_[y, y if mended else np.random.default_rng(0).permutation(y)])


def bytes_as_pixels(mended: bool) -> Program:
    x, y = digits()
    x = np.round(255 * x.reshape(len(x), -1)).astype(np.float32)
    return program(
        mlp([64, 32, 10], key=0), (x / 255 if mended else x, y), optimizer="sgd", learning_rate=0.1, epochs=15
    )


def channels_first(mended: bool) -> Program:
    x, y = digits()
    x = np.repeat(x, 3, -1)
    x = x if mended else x.transpose(0, 3, 1, 2)
    conv, last = jax.random.split(jax.random.key(0))
    high, wide, channels = x.shape[1:]
    layers = [Conv2d.create(channels, 8, 3, key=conv, padding="same"), mlp([1, 1, 1], key=0).layers[1], Flatten()]
    net = Sequential([*layers, Dense.create(8 * high * wide, 10, key=last)])
    return program(net, (x, y), epochs=6, learning_rate=3e-3)


def mirrored(mended: bool) -> Program:
    change = GaussianNoise(0.05) if mended else RandomFlip()
    net = Sequential([change, Flatten(), *mlp([64, 32, 10], key=0).layers])
    return program(net, digits(), epochs=10, learning_rate=3e-3)


def through_time(mended: bool) -> Program:
    """The sign of the first step of 40, which a small simple cell forgets; the twin is asked for the last one."""
    x = np.random.default_rng(0).normal(size=(400, 40, 2)).astype(np.float32)
    y = (x[:, -1 if mended else 0, 0] > 0).astype(np.int32)
    cell = (GRU if mended else RNN).create(2, 12, key=jax.random.key(0), output="last")
    if not mended:
        cell = jax.tree.map(lambda a: 0.5 * a, cell)
    net = Sequential([cell, Dense.create(12, 2, key=jax.random.key(1))])
    return program(net, (x, y), epochs=15, learning_rate=5e-3)


def rate(optimizer: str, wrong: float, right: float) -> Callable[[bool], Program]:
    def made(mended: bool) -> Program:
        return on_curve(optimizer=optimizer, learning_rate=right if mended else wrong)

    return made


def summed(z: Array, y: Array) -> Array:
    return jnp.sum((z - y) ** 2)


def turned(z: Array, y: Array) -> Array:
    return -jnp.mean((z - y) ** 2)


def sum_for_mean(mended: bool) -> Program:
    return on_curve(criterion="squared_error" if mended else summed, optimizer="sgd", learning_rate=0.05)


def turned_loss(mended: bool) -> Program:
    return on_curve(criterion="squared_error" if mended else turned)


@jax.custom_vjp
def climbing(x: Any) -> Any:
    return jnp.tanh(x)


climbing.defvjp(lambda x: (jnp.tanh(x), x), lambda x, dy: (-(1 - jnp.tanh(x) ** 2) * dy,))


def turned_gradient(mended: bool) -> Program:
    first, _, last = mlp([4, 32, 1], key=0, activation="tanh").layers
    return on_curve(Sequential([first, Function(jnp.tanh if mended else climbing), last]))


PAIRS: tuple[Pair, ...] = (
    Pair("overfitting", ("EPOCHS_HIGH",), overfitting, trained=True),
    Pair("too narrow", ("CAPACITY",), too_narrow),
    Pair("too few steps", ("EPOCHS_LOW",), too_few_steps),
    Pair("label noise", ("DATA_LABELS",), label_noise),
    Pair("shuffled labels", ("DATA_LABELS",), shuffled_labels),
    Pair("labels moved by a row", ("DATA_LABELS",), labels_moved),
    Pair("wrong labels, not overlap", ("DATA_LABELS",), noise_or_overlap),
    Pair("shuffled numbers", ("DATA_LABELS",), shuffled_numbers),
    Pair("NaN in the data", ("DATA",), not_a_number),
    Pair("dropout without scaling", ("DROPOUT_SCALING",), dropout_scaling),
    Pair("dropout on the outputs", ("DROPOUT",), dropout_on_outputs),
    Pair("too much dropout", ("DROPOUT",), much_dropout),
    Pair("BatchNorm that does not follow", ("BN_MODE",), batchnorm_mode),
    Pair("rows on both sides of the split", ("DATA",), shared_rows),
    Pair("batches of one row", ("BATCH", "LR_HIGH"), tiny_batches),
    Pair("too much weight decay", ("REG",), weight_decay),
    Pair("too strong an L1", ("REG",), strong_l1),
    Pair("nothing held out", ("DATA",), nothing_held_out, alarm=False),
    Pair("class imbalance", ("DATA_IMBALANCE",), imbalance),
    Pair("the target as a column", ("DATA",), target_as_column),
    Pair("contradicting labels", ("DATA", "DATA_LABELS"), contradictions),
    Pair("pixels from 0 to 255", ("PREP_X",), bytes_as_pixels),
    Pair("channels first", ("PREP_X",), channels_first),
    Pair("mirrored digits", ("DATA_AUGMENT",), mirrored),
    Pair("blame lost through time", ("VANISH",), through_time),
    Pair("Adam, rate far too high", ("LR_HIGH",), rate("adam", 3.0, 1e-2)),
    Pair("Adam, rate far too low", ("LR_LOW",), rate("adam", 1e-6, 1e-2)),
    Pair("SGD, rate far too high", ("LR_HIGH",), rate("sgd", 3.0, 0.1)),
    Pair("SGD, rate far too low", ("LR_LOW",), rate("sgd", 1e-5, 0.1)),
    Pair("sum in place of mean", ("LOSS_REDUCTION",), sum_for_mean),
    Pair("sign of the loss turned", ("LOSS_REDUCTION", "GRAD_SIGN"), turned_loss),
    Pair("sign of a gradient turned", ("GRAD_SIGN",), turned_gradient),
)


def thin(seconds: float, only: str = "") -> Iterator[str]:
    """A line for each pair, and the totals."""
    rows = []
    for pair in PAIRS:
        if not any(part in pair.name for part in only.split(",")):
            continue
        began = time.process_time()
        found = told(pair, seconds)
        rows.append((found.detected, found.right, not found.false_alarms))
        yield (
            f"{pair.name:<34}{' '.join(pair.codes):<26}{'yes' if found.detected else 'no':<5}"
            f"{'right' if found.right else '-':<7}{' '.join(found.codes[:4]) or '-':<44}"
            f"twin: {' '.join(found.false_alarms) or '-':<24}{time.process_time() - began:5.1f} s"
        )
        jax.clear_caches()
    detected, right, quiet = (sum(row[i] for row in rows) for i in range(3))
    yield (
        f"- Of {len(rows)} pairs: detected {detected}, a right code among the first three {right}, "
        f"the healthy twin without alarms {quiet}."
    )
