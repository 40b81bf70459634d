"""The cures: each a change from one program to another, with its words; None where it does not apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..activations import CURVES
from ..initializers import FOLLOWED_BY, default_for
from ..language import Phrase, phrase
from ..layers import (
    Activation,
    Dense,
    Dropout,
    GaussianNoise,
    PlainDropout,
    RandomFlip,
    RandomShift,
    Sequential,
    Softmax,
    mlp,
)
from ..losses import loss
from ..module import Layer, map_layers, replaced
from ._criterion import criterion_of
from ._program import Program
from ._structure import Structure, last_units, structure
from ._task import Task, flat

AUGMENTING = (GaussianNoise, RandomFlip, RandomShift)
Apply = Callable[[Program, Task], Program | None]


@dataclass(frozen=True)
class Change:
    """One cure: `apply(program, task)` gives the changed program; `words` say it, `code` shows it.

    `same_shape` says that what is compiled for the program serves the changed one too.
    """

    name: Phrase
    words: Phrase
    code: str
    apply: Apply
    same_shape: bool = False


def standardised(a: np.ndarray) -> np.ndarray:
    """Every column with mean 0 and variance 1; images and sequences as a whole."""
    a = np.asarray(a, np.float64)  # the square of a large float32 is infinite
    axes = 0 if a.ndim <= 2 else tuple(range(a.ndim))
    with np.errstate(invalid="ignore"):  # columns with NaN stay what they are: NaN
        spread = a.std(axes, keepdims=True)
        return ((a - a.mean(axes, keepdims=True)) / np.where(spread == 0, 1, spread)).astype(np.float32)


def standardise_inputs(program: Program, task: Task) -> Program | None:
    if program.x is None or np.asarray(program.x).dtype.kind not in "fu":
        return None
    return replace(program, x=standardised(np.asarray(program.x)))


def standardise_targets(program: Program, task: Task) -> Program | None:
    if task.classification or program.y is None:
        return None
    return replace(program, y=standardised(np.asarray(program.y)))


def rate_times(factor: float) -> Apply:
    def apply(program: Program, task: Task) -> Program | None:
        settings = program.settings
        if not isinstance(settings.optimizer, str):
            return None
        return program.set(learning_rate=float(settings.rate() * factor))

    return apply


def default_rate(program: Program, task: Task) -> Program | None:
    settings = program.settings
    if not isinstance(settings.optimizer, str) or settings.learning_rate is None:
        return None
    return program.set(learning_rate=None)


def epochs_times(factor: int) -> Apply:
    def apply(program: Program, task: Task) -> Program | None:
        epochs = program.settings.epochs
        return program.set(epochs=epochs * factor) if epochs else None

    return apply


def adam(rate: float) -> Apply:
    def apply(program: Program, task: Task) -> Program | None:
        settings = program.settings
        if settings.optimizer == "adam" and settings.rate() == rate:
            return None
        return program.set(optimizer="adam", learning_rate=rate)

    return apply


def fresh_start(program: Program, task: Task) -> Program | None:
    """Every weight drawn anew by the initializer that suits the curve behind it, biases 0."""
    return replace(program, net=fresh(program.net, program.settings.seed))


def fresh(net: Layer, seed: int) -> Layer:
    parts = structure(net).parts
    following: dict[str, str] = {}
    for i, part in enumerate(parts):
        behind = next((p.curve for p in parts[i + 1 :] if p.curve or p.weight is not None), None)
        following[part.path] = behind if behind in FOLLOWED_BY else "identity"
    keys = iter(jax.random.split(jax.random.key(seed), len(parts)))

    def drawn(path: str, layer: Layer) -> Layer:
        weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
        if weight is None or np.ndim(weight) < 2 or path not in following:
            return layer
        new: dict[str, Any] = {"weight": default_for(following[path])(next(keys), weight.shape)}
        if bias is not None:
            new["bias"] = jnp.zeros_like(bias)
        return replaced(layer, **new)

    return map_layers(net, drawn)


def hidden_curves(name: str) -> Apply:
    """Every hidden activation this one, and a start that suits it."""

    def apply(program: Program, task: Task) -> Program | None:
        found = structure(program.net)
        paths = {part.path for part in found.hidden}
        if not paths or all(part.curve == name for part in found.hidden):
            return None

        def changed(path: str, layer: Layer) -> Layer:
            return Activation(name) if path in paths else layer

        return replace(program, net=fresh(map_layers(program.net, changed), program.settings.seed))

    return apply


def between_layers(program: Program, task: Task) -> Program | None:
    """A ReLU behind every hidden layer with weights that has no curve behind it."""
    if type(program.net) is not Sequential:
        return None
    layers = list(program.net.layers)
    weighted = [i for i, layer in enumerate(layers) if np.ndim(getattr(layer, "weight", 0.0)) >= 2]
    new: list[Layer] = []
    for i, layer in enumerate(layers):
        new.append(layer)
        following = layers[i + 1 : next((j for j in weighted if j > i), len(layers))]
        if i in weighted[:-1] and not any(isinstance(f, Activation | Softmax) for f in following):
            new.append(Activation("relu"))
    if len(new) == len(layers):
        return None
    return replace(program, net=fresh(Sequential(new), program.settings.seed))


def without_output_curve(program: Program) -> Layer:
    head = {part.path for part in structure(program.net).head}
    return map_layers(program.net, lambda path, layer: Activation("identity") if path in head else layer)


def suited_output(program: Program, task: Task) -> Program | None:
    """The output and loss that the targets call for: logits with cross-entropy, numbers with squared error."""
    found, y = structure(program.net), np.asarray(program.y)
    net = without_output_curve(program)
    units = last_units(found)
    wanted, name = wanted_output(task, units, y)
    if wanted != units:
        net = with_outputs(net, found, wanted, program.settings.seed)
        if net is None:
            return None
    if name == "cross_entropy" and task.kind in ("binary", "labels"):
        y = flat(y).astype(np.int32)
    elif y.ndim == 1 and name != "cross_entropy":
        y = y[:, None]
    changed = replace(program, net=net, y=y)
    return changed.set(loss=loss(name))


def wanted_output(task: Task, units: int, y: np.ndarray) -> tuple[int, str]:
    """How many outputs the targets need, and the loss for them."""
    match task.kind:
        case "binary":
            return (2, "cross_entropy") if units == 2 else (1, "binary_cross_entropy")
        case "labels":
            return (units if units >= task.classes else task.classes), "cross_entropy"
        case "one-hot":
            return task.classes, "cross_entropy"
        case "bits":
            return task.classes, "binary_cross_entropy"
    return (1 if flat(y).ndim == 1 else y.shape[-1]), "squared_error"


def with_outputs(net: Layer, found: Structure, units: int, seed: int) -> Layer | None:
    """The network with another number of outputs, where its last layer with weights is Dense."""
    last = found.weighted[-1] if found.weighted else None
    if last is None or not isinstance(last.layer, Dense):
        return None
    new = Dense.create(last.layer.weight.shape[0], units, key=jax.random.key(seed))
    return map_layers(net, lambda path, layer: new if path == last.path else layer)


def free_output(program: Program, task: Task) -> Program | None:
    """The output without its activation, the loss as it is."""
    if not structure(program.net).head:
        return None
    return replace(program, net=without_output_curve(program))


def plain_mean(program: Program, task: Task) -> Program | None:
    """The loss of the table that a user's own function computes, over the mean of the rows."""
    units = last_units(structure(program.net))
    row = criterion_of(program.settings.loss, units, np.asarray(program.y)).row
    if row is None or row == program.settings.loss.name:
        return None
    y = np.asarray(program.y)
    changed = replace(program, y=y[:, None]) if y.ndim == 1 and units == 1 else program
    return changed.set(loss=loss(row))


def no_decay(program: Program, task: Task) -> Program | None:
    settings = program.settings
    if not settings.weight_decay and not settings.l1:
        return None
    return program.set(weight_decay=0.0, l1=0.0)


def no_dropout(program: Program, task: Task) -> Program | None:
    dropped = (Dropout, PlainDropout)
    if not any(isinstance(part.layer, dropped) for part in structure(program.net).parts):
        return None

    def changed(path: str, layer: Layer) -> Layer:
        return Activation("identity") if isinstance(layer, dropped) else layer

    return replace(program, net=map_layers(program.net, changed))


def free_weights(program: Program, task: Task) -> Program | None:
    """Weights of either sign: a fresh start, and the named rule in place of one that holds them above 0."""
    weights = [part.weight for part in structure(program.net).parts if part.weight is not None]
    optimizer = program.settings.optimizer
    if isinstance(optimizer, str) and not (weights and all((w >= 0).all() for w in weights)):
        return None
    return replace(program, net=fresh(program.net, program.settings.seed)).set(optimizer="adam", learning_rate=1e-2)


def batch_of(rows: int) -> Apply:
    def apply(program: Program, task: Task) -> Program | None:
        return None if program.settings.batch_size == rows or program.rows < rows else program.set(batch_size=rows)

    return apply


def wider(program: Program, task: Task) -> Program | None:
    """Every hidden Dense layer at least four times as wide, up to 64 units."""
    found = structure(program.net)
    if type(program.net) is not Sequential or not all(isinstance(p.layer, Dense) for p in found.weighted):
        return None
    if any(not p.curve and p.weight is None for p in found.parts):
        return None
    weights = [p.weight for p in found.weighted if p.weight is not None]
    sizes = [weights[0].shape[0], *(w.shape[1] for w in weights)]
    new = [sizes[0], *(max(n, min(4 * n, 64)) for n in sizes[1:-1]), sizes[-1]]
    if new == sizes or not found.hidden:
        return None
    name = found.hidden[0].curve
    net = mlp(new, key=program.settings.seed, activation=name if name in CURVES else "relu")
    return replace(program, net=Sequential([*net.layers, *(part.layer for part in found.head)]))


def finite_rows(program: Program, task: Task) -> Program | None:
    """Without the rows that hold a number that is not finite."""
    x, y = np.asarray(program.x), np.asarray(program.y)
    good = [np.isfinite(a.reshape(len(a), -1)).all(1) if a.dtype.kind == "f" else np.ones(len(a), bool) for a in (x, y)]
    rows = good[0] & good[1]
    return None if rows.all() or not rows.any() else replace(program, x=x[rows], y=y[rows])


def no_augmentation(program: Program, task: Task) -> Program | None:
    if not any(isinstance(part.layer, AUGMENTING) for part in structure(program.net).parts):
        return None

    def changed(path: str, layer: Layer) -> Layer:
        return Activation("identity") if isinstance(layer, AUGMENTING) else layer

    return replace(program, net=map_layers(program.net, changed))


def rows_in_order(program: Program, task: Task) -> Program | None:
    return None if program.settings.shuffle else program.set(shuffle=True)


CHANGES: dict[str, Change] = {
    change.name.key: change
    for change in (
        Change(phrase("drop rows"), phrase("leave out the rows with NaN or infinite numbers"),
               "rows = np.isfinite(x).all(1) & np.isfinite(y)", finite_rows),
        Change(phrase("no augmentation"), phrase("no augmentation"),
               phrase("leave out the layers that augment"), no_augmentation),
        Change(phrase("standardise inputs"), phrase("give every input column mean 0 and variance 1"),
               "x = (x - x.mean(0)) / x.std(0)", standardise_inputs, True),
        Change(phrase("standardise targets"), phrase("give the targets mean 0 and variance 1"),
               "y = (y - y.mean(0)) / y.std(0)", standardise_targets, True),
        Change(phrase("fresh start"), phrase("start with the initializer that suits each activation"),
               phrase("net = pl.mlp(sizes, key=0)  # He before relu, Glorot before tanh"), fresh_start, True),
        Change(phrase("default rate"), phrase("use the optimizer's own learning rate"),
               "learning_rate=None", default_rate, True),
        Change(phrase("rate × 100"), phrase("a hundred times the learning rate"),
               "learning_rate={rate:.3g}", rate_times(100), True),
        Change(phrase("rate × 10"), phrase("ten times the learning rate"),
               "learning_rate={rate:.3g}", rate_times(10), True),
        Change(phrase("rate × 3"), phrase("three times the learning rate"),
               "learning_rate={rate:.3g}", rate_times(3), True),
        Change(phrase("rate / 3"), phrase("a third of the learning rate"),
               "learning_rate={rate:.3g}", rate_times(1 / 3), True),
        Change(phrase("rate / 10"), phrase("a tenth of the learning rate"),
               "learning_rate={rate:.3g}", rate_times(0.1), True),
        Change(phrase("rate / 100"), phrase("a hundredth of the learning rate"),
               "learning_rate={rate:.3g}", rate_times(0.01), True),
        Change(phrase("epochs × 5"), phrase("five times as many epochs"), "epochs={epochs}", epochs_times(5), True),
        Change(phrase("epochs × 25"), phrase("twenty-five times as many epochs"),
               "epochs={epochs}", epochs_times(25), True),
        Change(phrase("adam"), phrase("Adam at its usual rate"), 'optimizer="adam", learning_rate=0.001', adam(1e-3)),
        Change(phrase("adam at 0.01"), phrase("Adam at 0.01"), 'optimizer="adam", learning_rate=0.01', adam(1e-2)),
        Change(phrase("relu inside"), phrase("ReLU in the hidden layers, started for it"),
               'activation="relu"', hidden_curves("relu")),
        Change(phrase("tanh inside"), phrase("tanh in the hidden layers, started for it"),
               'activation="tanh"', hidden_curves("tanh")),
        Change(phrase("curves between"), phrase("a ReLU behind each hidden layer"),
               'Activation("relu")', between_layers),
        Change(phrase("suited output"), phrase("the output and the loss that the targets call for"),
               phrase("loss={loss!r}  # on the last layer's own numbers, no activation behind it"), suited_output),
        Change(phrase("free output"), phrase("no activation behind the last layer"),
               phrase("leave out the last activation"), free_output),
        Change(phrase("plain mean"), phrase("the table's own loss: a mean over rows, targets shaped as the outputs"),
               "loss={loss!r}", plain_mean),
        Change(phrase("no decay"), phrase("no weight decay"), "weight_decay=0", no_decay),
        Change(phrase("no dropout"), phrase("no dropout"), phrase("leave out Dropout"), no_dropout),
        Change(phrase("free weights"), phrase("weights of either sign"),
               phrase("leave out the constraint on the weights"), free_weights),
        Change(phrase("batches of 32"), phrase("batches of 32 rows"), "batch_size=32", batch_of(32)),
        Change(phrase("wider"), phrase("wider hidden layers"), "pl.mlp({sizes}, key=0)", wider),
        Change(phrase("shuffle"), phrase("rows in a new order in every epoch"), "shuffle=True", rows_in_order, True),
    )
}  # fmt: skip
