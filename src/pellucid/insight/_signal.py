from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..backprop import Tap, backpropagate, places, tapped, traces
from ..errors import DataError, unknown
from ..initializers import INITIALIZERS, default_for, fans
from ..language import phrase
from ..layers import (
    Activation,
    ChannelDropout,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    LocallyConnected1d,
    LocallyConnected2d,
    PlainDropout,
    RandomFlip,
    RandomShift,
    Residual,
    Sequential,
)
from ..losses import Loss
from ..losses import loss as loss_named
from ..module import Layer, children, has_weights, joined, parameters, walk, with_parameters
from ..records import Record
from ..shapes import words
from ._mean_field import MeanField, mean_field, moments

# y_j = Σ_i w x_i + b_j, with a weight for each input and output that meet, shared or not
WEIGHING = (
    Dense, Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, LocallyConnected1d, LocallyConnected2d
)  # fmt: skip
ONLY_IN_TRAINING = (Dropout, ChannelDropout, PlainDropout, GaussianNoise, RandomFlip, RandomShift)
HOLDS = 100.0


@dataclass(frozen=True)
class LayerSignal(Record):
    """One layer with weights: the variance of its pre-activation z and of its error signal δ = dL/dz.

    Both are mean squares over units and examples, that is variances about 0, the mean that random weights give; δ is of
    each example's own loss. Beside what was measured, what mean field predicts from the variance of the weights there
    are (`predicted`), and from that of an initializer's law (`law`); None for a layer whose output is no weighed sum.
    """

    path: str
    kind: str
    variance: float
    blame: float
    variance_predicted: float | None
    blame_predicted: float | None
    variance_law: float | None
    blame_law: float | None


@dataclass(frozen=True)
class Course(Record):
    """How the signal fares from layer to layer ("forward"), or its blame on the way back ("backward").

    `rate` is the factor by which the variance changes at each layer, fitted through all but the last, whose width and
    weights are those of the output; `change = rate^layers`; `predicted` and `law` are the same of what was predicted.
    None where fewer than two layers can tell. The `verdict` is "holds" where the variance stays within a hundredfold
    over the depth of the network, and so the signal within tenfold.
    """

    way: str
    rate: float | None
    predicted: float | None
    law: float | None
    change: float | None
    verdict: str


@dataclass(frozen=True)
class Propagation(Record):
    """The variance of the signal and of the blame by depth, measured and predicted.

    `init` is the initializer whose law is shown, None for the defaults. `mean_field` is where a deeper stack of the
    same layers would lead; None where the layers are not alike. `notes` say where a prediction breaks off; it goes on,
    from what was measured, at the next layer with weights.
    """

    loss: str
    init: str | None
    training: bool
    layers: tuple[LayerSignal, ...]
    forward: Course
    backward: Course
    mean_field: MeanField | None
    notes: tuple[str, ...]


class Seen(NamedTuple):
    """The mean squares of a layer's input, of its output and of that one's blame; the shapes of the first two."""

    x: float
    y: float
    dy: float
    given: tuple[int, ...]
    made: tuple[int, ...]


class Gain(NamedTuple):
    """How many inputs each output weighs, how many outputs each input reaches, and the mean squares of W and b."""

    fan_in: float
    fan_out: float
    weight: float
    bias: float


class State(NamedTuple):
    """The mean square of a signal on its way, and whether it is a sum of many terms, and so normal."""

    square: float
    normal: bool


@dataclass
class Field:
    """A prediction in the making: the variances of z and δ at each layer, the slopes between, and where it breaks."""

    seen: dict[str, Seen]
    gains: dict[str, Gain]
    training: bool
    variance: dict[str, float] = field(default_factory=dict)
    blame: dict[str, float] = field(default_factory=dict)
    slopes: dict[str, float] = field(default_factory=dict)
    breaks: dict[str, str] = field(default_factory=dict)


def signal(
    net: Layer, x: Any, y: Any, loss: str | Loss, *, init: str | None = None, key: int | Array | None = None
) -> Propagation:
    """The variance of signal and blame by depth, measured, and as mean field predicts it.

    `Var(z) = fan_in · Var(W) · E[φ(z')²] + Var(b)` forward and `Var(δ') = fan_out · Var(W) · E[φ'(z')²] · Var(δ)` back,
    where z' and δ' belong to the layer below; z' is taken for normal and the weights for independent of what meets
    them: right for wide layers before training, less so where the error is mostly the output itself. Once from the
    weights' own variance; once from the law of the initializer `init`, by default the one that suits the activation
    behind each layer. A key means training: dropout is on.

    Raises: DataError where there is no example, or a target that the loss cannot meet.
    Source: Glorot and Bengio 2010, section 4.2.1; He et al. 2015, section 2.2; Poole et al. 2016, eq. 3; Schoenholz et
        al. 2017, eq. 13.
    Example:
        >>> from pellucid import mlp
        >>> x = np.random.default_rng(0).normal(size=(64, 30))
        >>> net = jax.tree.map(lambda w: w / 2, mlp([30] * 12 + [1], key=0, activation="tanh"))
        >>> found = signal(net, x, np.ones((64, 1)), "squared_error")
        >>> found.forward.verdict.partition(":")[0], round(found.forward.predicted, 2)
        ('fades', 0.24)
    """
    criterion = loss_named(loss)
    x, y = jnp.asarray(x), jnp.asarray(y)
    if x.shape[:1] != y.shape[:1] or not x.shape or not len(x):
        raise DataError(f"Signal wants examples and as many targets, got x {words(x.shape)} and y {words(y.shape)}.")
    if init is not None and init not in INITIALIZERS:
        raise unknown("initializer", init, INITIALIZERS)
    key = jax.random.key(key) if isinstance(key, int) else key
    z, passed = one_pass(net, criterion, x, y, key)
    criterion.check(np.asarray(y), z.shape[-1] if z.ndim > 1 else 1)
    leaves = {place.at: place.layer for place in places(net)}
    seen = {at: seen_of(trace, len(x)) for at, trace in passed.items()}
    gains = {at: gain_of(leaves[at], seen[at]) for at in seen if isinstance(leaves[at], WEIGHING)}
    laws = {at: gain._replace(weight=law_of(at, leaves, seen[at], init), bias=0.0) for at, gain in gains.items()}
    own, law = (predicted(net, Field(seen, which, key is not None)) for which in (gains, laws))
    rows = tuple(
        LayerSignal(
            at, type(leaves[at]).__name__, seen[at].y, seen[at].dy,
            own.variance.get(at), own.blame.get(at), law.variance.get(at), law.blame.get(at),
        )
        for at in leaves if at in seen and has_weights(leaves[at])
    )  # fmt: skip
    forward, backward = (course(rows, way) for way in ("forward", "backward"))
    plain = all(isinstance(layer, Sequential) for _, layer in walk(net) if children(layer))
    deeper = alike(leaves, gains, rows) if plain and key is None and not own.breaks else None
    notes = tuple(f"{at or 'The network'} ({type(leaves[at]).__name__}): {why}." for at, why in own.breaks.items())
    return Propagation(criterion.name, init, key is not None, rows, forward, backward, deeper, notes)


@partial(jax.jit, static_argnames="loss")
def one_pass(net: Layer, loss: Loss, x: Array, y: Array, key: Array | None) -> tuple[Array, dict[str, Any]]:
    """The output; and x, y and dL/dy of the layers with weights, the first layer and the last."""
    _, z, _, dnet = backpropagate(tapped(net), loss, x, y, key=key)
    leaves = {place.at: place.layer for place in places(net)}
    ends = list(leaves)[:1] + list(leaves)[-1:]
    found = {at: (t.x, t.y, t.dy) for at, t in traces(dnet).items() if at in ends or has_weights(leaves[at])}
    return z, {at: trace for at, trace in found.items() if not isinstance(trace[0], tuple)}


def square(a: Any) -> float:
    return float(np.square(a, dtype=np.float64).mean())


def seen_of(trace: tuple[Array, Array, Array], n: int) -> Seen:
    """What a pass over n examples showed of a layer; the loss is their mean, δ is of each example's own."""
    x, y, dy = trace
    with np.errstate(over="ignore", invalid="ignore"):
        return Seen(square(x), square(y), square(dy) * n * n, x.shape[1:], y.shape[1:])


def gain_of(layer: Layer, seen: Seen) -> Gain:
    """How a layer weighs. With all weights 1 and inputs 1 its output says how many inputs count: padding does not."""
    arrays = parameters(layer)
    counting = {"weight": jnp.ones_like(arrays["weight"])} | {k: 0 * a for k, a in arrays.items() if k == "bias"}
    fan_in = float(with_parameters(layer, counting)(jnp.ones((1, *seen.given))).mean())
    fan_out = fan_in * math.prod(seen.made) / math.prod(seen.given)
    return Gain(fan_in, fan_out, square(arrays["weight"]), square(arrays["bias"]) if "bias" in arrays else 0.0)


def law_of(at: str, leaves: dict[str, Layer], seen: Seen, init: str | None) -> float:
    """The variance that an initializer would give to the weights at this path."""
    behind = list(leaves.values())[list(leaves).index(at) + 1 :]
    nearest = next((layer for layer in behind if isinstance(layer, Activation) or has_weights(layer)), None)
    suits = default_for(nearest.name if isinstance(nearest, Activation) else "identity")
    row = INITIALIZERS[init] if init else next(row for row in INITIALIZERS.values() if row.function is suits)
    kernel = parameters(leaves[at])["weight"].shape[-len(seen.given) - 1 :]  # one place's, where none is shared
    return row.variance(*fans(kernel))


def predicted(net: Layer, sums: Field) -> Field:
    """The field with the variances of every layer, first those of the signal, then those of the blame."""
    ends = [place.at for place in places(net)]
    first, last = sums.seen.get(ends[0]), sums.seen.get(ends[-1])
    onward(tapped(net), "", State(first.x, False) if first else None, sums)
    back(tapped(net), "", last.dy if last else None, sums)
    return sums


def onward(layer: Layer, at: str, state: State | None, sums: Field) -> State | None:
    """The mean square behind a layer, from that before it; None where it cannot be known."""
    match layer:
        case Tap(layer=inside):
            return onward_leaf(inside, at, state, sums)
        case Sequential():
            for part, child in children(layer).items():
                state = onward(child, joined(at, part), state, sums)
            return state
        case Residual():
            added = onward(layer.layer, joined(at, "layer"), state, sums)
            if state is None or added is None:
                return None
            if added.normal:  # weighed sums are centred, whatever they are added to
                return State(state.square + added.square, state.normal)
            sums.breaks[at] = "what it adds is not centred"
            return None
        case _:
            for part, child in children(layer).items():
                onward(child, joined(at, part), None, sums)
            return None


def onward_leaf(layer: Layer, at: str, state: State | None, sums: Field) -> State | None:
    if at in sums.gains:
        gain = sums.gains[at]
        given = sums.seen[at].x if state is None else state.square
        sums.variance[at] = gain.fan_in * gain.weight * given + gain.bias
        return State(sums.variance[at], True)
    if state is None:
        return None
    factor = passed_on(layer, sums.training)
    if factor is not None:
        return State(state.square * factor, state.normal and factor == 1)
    if isinstance(layer, Activation) and state.normal:
        made, sums.slopes[at] = moments(layer, state.square)
        return State(made, False)
    bends = isinstance(layer, Activation)
    sums.breaks[at] = "its input is no weighed sum" if bends else "mean field has no formula for it here"
    return None


def back(layer: Layer, at: str, blame: float | None, sums: Field) -> float | None:
    """The mean square of dL/dx from that of dL/dy; None where it cannot be known."""
    match layer:
        case Tap(layer=inside):
            return back_leaf(inside, at, blame, sums)
        case Sequential():
            for part, child in reversed(children(layer).items()):
                blame = back(child, joined(at, part), blame, sums)
            return blame
        case Residual():
            inside = joined(at, "layer")
            if blame is None:  # what the sum is blamed for is what its last term is blamed for
                last = [place.at for place in places(layer.layer, at=inside)][-1]
                blame = sums.seen[last].dy if last in sums.gains else None
            below = back(layer.layer, inside, blame, sums)
            return None if blame is None or below is None else blame + below
        case _:
            for part, child in children(layer).items():
                back(child, joined(at, part), None, sums)
            return None


def back_leaf(layer: Layer, at: str, blame: float | None, sums: Field) -> float | None:
    if at in sums.gains:
        sums.blame[at] = sums.seen[at].dy if blame is None else blame
        return sums.blame[at] * sums.gains[at].fan_out * sums.gains[at].weight
    factor = sums.slopes.get(at) if isinstance(layer, Activation) else passed_on(layer, sums.training)
    return None if blame is None or factor is None else blame * factor


def passed_on(layer: Layer, training: bool) -> float | None:
    """What is left of a mean square, `E[(mask · scale)²]` for dropout; None for a layer that does more than pass on."""
    if isinstance(layer, Flatten) or (not training and isinstance(layer, ONLY_IN_TRAINING)):
        return 1.0
    if isinstance(layer, Dropout | ChannelDropout):
        return 1 / (1 - layer.p)
    return 1 - layer.p if isinstance(layer, PlainDropout) else None


def course(rows: tuple[LayerSignal, ...], way: str) -> Course:
    """How one of the two variances runs through the layers."""
    what = "variance" if way == "forward" else "blame"
    measured, guessed, lawful = (
        slope([getattr(row, what + which) for row in rows[:-1]], way) for which in ("", "_predicted", "_law")
    )
    change = None if measured is None else measured ** len(rows)
    values = [
        (row.path or phrase("the network"), getattr(row, what)) for row in (rows if way == "forward" else rows[::-1])
    ]
    lost = next(((path, value) for path, value in values if not 0 < value < math.inf), None)
    if lost:
        verdict = gone(*lost, way)
    elif measured is None or change is None:
        verdict = phrase("cannot be told from so few layers")
    elif 1 / HOLDS <= change <= HOLDS:
        known = {"each": f"{measured:.3g}", "all": f"{change:.2g}", "n": len(rows)}
        verdict = phrase("holds: ×{each} per layer, ×{all} after {n} layers", **known)
    else:
        known = {"each": f"{measured:.3g}", "all": f"{change:.0e}", "n": len(rows)}
        fades = phrase("fades: ×{each} per layer, ×{all} after {n} layers", **known)
        verdict = fades if change < 1 else phrase("explodes: ×{each} per layer, ×{all} after {n} layers", **known)
    return Course(way, measured, guessed, lawful, change, verdict)


def gone(path: str, value: float, way: str) -> str:
    """Where a variance stops being a number above 0."""
    size = "0" if value == 0 else phrase("not finite")
    if way == "forward":
        return phrase("is {size} from {path} on", size=size, path=path)
    return phrase("is {size} from {path} back", size=size, path=path)


def slope(values: list[float | None], way: str) -> float | None:
    """The factor from one value to the next, of a line through their logarithms."""
    if len(values) < 2 or any(v is None or not 0 < v < math.inf for v in values):
        return None
    places = np.arange(len(values)) * (1 if way == "forward" else -1)
    return float(np.exp(np.polyfit(places, np.log(np.array(values, float)), 1)[0]))


def alike(leaves: dict[str, Layer], gains: dict[str, Gain], rows: tuple[LayerSignal, ...]) -> MeanField | None:
    """The mean field of a plain stack; None where its activations differ, or no layer lies between first and last."""
    curves = {(layer.name, layer.settings): layer for layer in leaves.values() if isinstance(layer, Activation)}
    inner = [gains[row.path] for row in rows[1:-1] if row.path in gains]
    if len(curves) != 1 or not all(gain.weight > 0 for gain in inner) or not inner:
        return None
    (activation,) = curves.values()
    gain, gain_back = (
        float(np.exp(np.mean(np.log([getattr(g, fan) * g.weight for g in inner])))) for fan in ("fan_in", "fan_out")
    )
    return mean_field(activation, gain, gain_back, float(np.mean([g.bias for g in inner])), rows[0].variance)
