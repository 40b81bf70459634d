"""Rules on layers that behave differently in training and in use, and on gradients that are not what they should be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..backprop import backpropagate, heard
from ..errors import PellucidError
from ..language import phrase
from ..layers import GRU, LSTM, RNN, BatchNorm, Bidirectional, ChannelDropout, Dropout, Function, PlainDropout
from ..module import Layer, children, parameters, walk, with_parameters
from ._patient import Patient
from ._rule import Rule, Sign, also, mismatch

DROPS = (Dropout, ChannelDropout, PlainDropout)
RECURRENT = (RNN, LSTM, GRU, Bidirectional)
DRAWS = 64  # of a random layer, to know its mean in training
OFF = 0.1  # by which a layer's mean in training may be off that in use
FEW = 64  # rows
SMALL_STEP = 1e-2  # of the weights' size


def scaling(patient: Patient) -> Iterator[Sign]:
    """Layers that are random at inference, or whose mean in training is not what they give in use."""
    suspects = {path for path, layer in walk(patient.net) if is_suspect(layer)}
    if not patient.has_rows or patient.output_shape is None or not suspects:
        return
    x = jnp.asarray(patient.some[0][:FEW])
    for path, (ratio, moves) in heard_ratios(patient.net, x, suspects):
        if moves:
            words = phrase("it is random at inference: two answers to the same row differ")
            yield Sign(path, words, "certain", 0.5)
        elif abs(ratio - 1) > OFF:
            words = phrase(
                "its mean in training is {ratio:.2f} of what it gives in use: later layers meet another signal there",
                ratio=ratio,
            )
            yield Sign(path, words, "certain", 0.5, {"ratio": ratio})


def is_suspect(layer: Layer) -> bool:
    """A layer without weights of its own that is not one of the library's, whose behaviour is tested."""
    return (isinstance(layer, PlainDropout) or is_own(layer)) and not children(layer) and not parameters(layer)


def is_own(layer: Layer) -> bool:
    """A layer of the user's: a function, or a class that is not the library's."""
    return isinstance(layer, Function) or not type(layer).__module__.startswith("pellucid.layers")


def heard_ratios(net: Layer, x: Any, suspects: set[str]) -> list[tuple[str, tuple[float, bool]]]:
    """Of every layer without weights: its mean output in training over that at inference, and whether it moves."""
    inputs = heard(net, x, lambda layer, x, y, saved: x if isinstance(layer, Layer) and not parameters(layer) else None)
    layers = dict(walk(net))
    found = []
    for path, given in inputs:
        layer = layers.get(path)
        if layer is None or path not in suspects or np.asarray(given).dtype.kind != "f":
            continue
        found.append((path, ratio_of(layer, jnp.abs(given) + 1)))
    return found


def ratio_of(layer: Layer, x: Any) -> tuple[float, bool]:
    """On numbers above 1, where a mean can be compared."""
    first, second = np.asarray(layer.forward(x)[0]), np.asarray(layer.forward(x)[0])
    keys = jax.random.split(jax.random.key(0), DRAWS)
    drawn = np.mean(
        [float(jnp.mean(layer.forward(x, key=key)[0])) for key in (keys if is_random(layer, x) else keys[:1])]
    )
    used = float(first.mean())
    return (float(drawn) / used if used else 1.0), not np.array_equal(first, second)


def is_random(layer: Layer, x: Any) -> bool:
    one, other = (layer.forward(x, key=jax.random.key(i))[0] for i in (1, 2))
    return not np.array_equal(np.asarray(one), np.asarray(other))


def misplaced(patient: Patient) -> Iterator[Sign]:
    """Dropout behind the last weights: it strikes out answers, not features."""
    parts = patient.structure.parts
    if not patient.structure.weighted:
        return
    last = parts.index(patient.structure.weighted[-1])
    for part in parts[last + 1 :]:
        if isinstance(part.layer, DROPS) and part.layer.p > 0:
            words = phrase("{part:.0%} of the outputs themselves are left out in training", part=part.layer.p)
            if patient.base is None or patient.sick:
                yield Sign(part.path, words, "likely", max(0.5, patient.gain("no dropout")))
            else:
                yield mismatch(patient, part.path, words)


def running_statistics(patient: Patient) -> Iterator[Sign]:
    """A BatchNorm whose running statistics are far from those of the data: training and use see another network."""
    net = patient.ended
    norms = [path for path, layer in walk(patient.net) if isinstance(layer, BatchNorm)]
    if net is None or not norms or not patient.has_rows:
        return
    x = jnp.asarray(patient.some[0])
    layers = dict(walk(net))
    worst, where = 0.0, ""
    for path, (mean, variance) in heard(net, x, statistics):
        layer = layers.get(path)
        if not isinstance(layer, BatchNorm):
            continue
        spread = np.sqrt(np.asarray(layer.variance) + layer.epsilon)
        off = np.abs(np.asarray(mean) - np.asarray(layer.mean)) / spread
        ratio = np.abs(np.log10((np.asarray(variance) + layer.epsilon) / (np.asarray(layer.variance) + layer.epsilon)))
        size = float(max(off.max(), 3 * ratio.max()))
        worst, where = max((worst, where), (size, path))
    if worst < 1.5:
        return
    gain = trained_mode_gain(patient, net, x)
    words = phrase("its running statistics are {n:.1f} deviations from those of the rows", n=worst)
    if gain > 0.15:
        better = phrase("with the batch's own the score is {gain:.0%} of what there is to learn better", gain=gain)
        words = also(words, better)
        yield Sign(where, words, "certain", gain)
    elif worst > 5:
        yield Sign(where, words, "possible", 0.1)


def statistics(layer: Layer, x: Any, y: Any, saved: Any) -> Any:
    if not isinstance(layer, BatchNorm):
        return None
    axes = tuple(range(x.ndim - 1))
    return x.mean(axes), x.var(axes)


def trained_mode_gain(patient: Patient, net: Layer, x: Any) -> float:
    """By how much the score is better where BatchNorm uses the batch's own statistics, as a share of all there is."""
    from ._task import score

    if patient.task is None:
        return 0.0
    without = [layer for _, layer in walk(net) if isinstance(layer, DROPS) and layer.p > 0]
    try:
        z = np.asarray(net.forward(x, key=jax.random.key(0))[0])
    except PellucidError:
        return 0.0
    if without:  # the draw of dropout would be judged as well
        return 0.0
    own = score(patient.task, z, patient.some[1], patient.threshold)
    used = patient.score_of(net) or patient.trivial
    return (patient.above(own) - patient.above(used)) / max(1 - patient.trivial, 1e-9)


def more_weights_than_rows(patient: Patient) -> Iterator[Sign]:
    if not patient.has_rows:
        return
    count = sum(int(np.size(a)) for a in parameters(patient.net).values())
    numbers = len(patient.x) * max(1, int(np.prod(np.shape(patient.y)[1:])))
    if count > 100 * numbers:
        words = phrase(
            "{weights:,} weights for {targets:,} target numbers: it can learn them by heart",
            weights=count,
            targets=numbers,
        )
        yield Sign("network", words, "possible", 0.0, {"weights": count, "targets": numbers})


def first_loss(patient: Patient) -> Iterator[Sign]:
    """The loss at the start beside that of answers that know nothing: log K for K classes, the variance for numbers."""
    look, task = patient.at_start, patient.task
    if look is None or task is None or not look.finite or not patient.sick:
        return
    y = np.asarray(patient.some[1], float)
    expected = {
        "binary_cross_entropy": np.log(2),
        "binary_cross_entropy_of_probabilities": np.log(2),
        "cross_entropy": np.log(max(patient.n_outputs, 2)),
        "cross_entropy_of_probabilities": np.log(max(patient.n_outputs, 2)),
        "squared_error": float(np.square(y).mean()) if not task.classification else None,
    }.get(patient.criterion.row or "")
    if expected and patient.criterion.reduction == "mean" and look.loss > 5 * expected:
        words = phrase(
            "the loss starts at {loss:.3g}, where answers that know nothing give {expected:.3g}",
            loss=look.loss,
            expected=expected,
        )
        yield Sign("start", words, "possible", 0.1, {"first": look.loss, "expected": float(expected)})


def wrong_gradient(patient: Patient) -> Iterator[Sign]:
    """The backward pass against finite differences of the loss, layer by layer along its own gradient.

    Only where a layer or the loss is the user's own: those of the library are tested.
    """
    own_parts = patient.settings.loss.targets == "own" or any(is_own(layer) for _, layer in walk(patient.net))
    if patient.at_start is None or not patient.at_start.finite or not own_parts:
        return
    some = np.linspace(0, len(patient.some[0]) - 1, min(len(patient.some[0]), FEW)).astype(int)
    x, y, loss = patient.some[0][some], patient.some[1][some], patient.settings.loss
    run = jax.jit(backpropagate, static_argnums=1)
    gradients, weights = parameters(run(patient.net, loss, x, y).dnet), parameters(patient.net)
    for path in dict.fromkeys(name.rpartition(".")[0] for name in weights):
        own = {name: np.asarray(g, np.float64) for name, g in gradients.items() if name.rpartition(".")[0] == path}
        norm = np.sqrt(sum(np.square(g).sum() for g in own.values()))
        size = np.sqrt(sum(np.square(np.asarray(weights[name], np.float64)).sum() for name in own))
        ratios = []
        for step in (SMALL_STEP, SMALL_STEP / 10):
            far = step * max(size, 1e-3) / max(norm, 1e-30)
            ends = [
                float(run(with_parameters(patient.net, moved(weights, own, sign * far)), loss, x, y).loss)
                for sign in (1, -1)
            ]
            told = 2 * far * norm * norm
            if told > 1e-3 * max(map(abs, ends)):  # else rounding drowns the difference
                ratios.append((ends[0] - ends[1]) / told)
        if len(ratios) == 2 and np.isfinite(ratios).all() and all(-1.2 < ratio < -0.8 for ratio in ratios):
            words = phrase(
                "the loss falls where its gradient says it rises: finite differences are {ratio:.2f} of it",
                ratio=ratios[0],
            )
            yield Sign(path, words, "certain", 1.0, {"ratios": ratios})
        elif ratios and np.isfinite(ratios).all() and all(abs(ratio - 1) > 0.5 for ratio in ratios):
            words = phrase(
                "finite differences of the loss are {ratio:.2f} of what the backward pass says", ratio=ratios[0]
            )
            yield Sign(path, words, "possible", 0.3, {"ratios": ratios})


def moved(weights: dict[str, Any], gradients: dict[str, np.ndarray], far: float) -> dict[str, Any]:
    """One layer's weights a step along their gradient."""
    return {
        name: jnp.asarray(np.asarray(weights[name]) + far * g, weights[name].dtype) for name, g in gradients.items()
    }


def through_time(patient: Patient) -> Iterator[Sign]:
    """The blame of the first steps of sequences beside that of the last, in a recurrent network that does not learn."""
    where = next((path for path, layer in walk(patient.net) if isinstance(layer, RECURRENT)), None)
    if where is None or patient.at_start is None or not patient.stuck or len(patient.at_start.steps) < 8:
        return
    blame = np.asarray(patient.at_start.steps)
    quarter = len(blame) // 4
    ratio = float(blame[:quarter].mean() / max(float(blame[-quarter:].mean()), 1e-30))
    if 1e-3 <= ratio <= 1e3:
        return
    words = phrase("the blame of the first quarter of the steps is {ratio:.0e} of that of the last", ratio=ratio)
    yield Sign(where, words, "likely", 0.6, {"steps": blame[:200].tolist()})


LAYER_RULES: tuple[Rule, ...] = (
    Rule(
        "DROPOUT_SCALING", phrase("another mean in training than in use"), "static", scaling,
        phrase("With a share p left out and nothing made up for it, E[y] in training is (1 − p) x, and x in use."),
        phrase("Use Dropout, which divides by 1 − p in training, and give no key at inference."),
        phrase("Srivastava and others 2014, section 10; by the mean of 64 draws"),
        stands=True,
    ),
    Rule(
        "DROPOUT", phrase("dropout on the outputs"), "static", misplaced,
        phrase("Behind the last weights an answer that is struck out is wrong whatever the weights: its blame is "
               "noise."),
        phrase("Put dropout between hidden layers."),
        phrase("Srivastava and others 2014, section 4"),
        ("no dropout",),
    ),
    Rule(
        "BN_MODE", phrase("BatchNorm in another mode"), "probe", running_statistics,
        phrase("In training it uses the batch's mean and variance, in use the running ones: where these differ, the "
               "network that is used is not the one that was trained."),
        phrase("Train longer or with a larger momentum, so that the running statistics follow; do not freeze them."),
        phrase("Ioffe and Szegedy 2015, section 3.1; by both modes, measured"),
        ("batches of 32",), stands=True,
    ),
    Rule(
        "CAPACITY", phrase("more weights than targets"), "static", more_weights_than_rows,
        phrase("With many more weights than numbers to meet, many networks meet all of them, and most of them "
               "nothing else."),
        phrase("Hold rows out to judge by, and use early_stop, weight_decay or dropout."),
        phrase("Zhang and others 2017, Understanding deep learning requires rethinking generalization"),
    ),
    Rule(
        "INIT", phrase("loss at the start"), "probe", first_loss,
        phrase("Answers that know nothing cost log K for K classes, and the mean square of the targets for numbers: "
               "more says that the network starts out sure of something wrong."),
        phrase("Start with smaller weights in the last layer, and standardise inputs and targets."),
        phrase("Karpathy 2019, A recipe for training neural networks"),
        ("fresh start", "standardise targets"),
    ),
    Rule(
        "GRAD_SIGN", phrase("backward against finite differences"), "probe", wrong_gradient,
        phrase("L(w + εg) − L(w − εg) = 2ε ‖g‖² for the true gradient g."),
        phrase("Look at the layers and losses of your own: their backward is not the derivative of their forward."),
        phrase("by central differences"),
        stands=True,
    ),
    Rule(
        "VANISH", phrase("blame through time"), "probe", through_time,
        phrase("δ_t = δ_T Π Wᵀ f'(z): over many steps factors below one leave nothing of it, factors above one too "
               "much."),
        phrase("Use LSTM or GRU, shorter sequences, clip=1.0, or orthogonal recurrent weights."),
        phrase("Pascanu, Mikolov and Bengio 2013, section 2"),
        ("rate / 10",),
    ),
)  # fmt: skip
