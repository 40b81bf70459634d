"""Claims of the foundation about training, each with its number: symmetry, scale, saturation, dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from pellucid.backprop import backpropagate
from pellucid.initializers import constant
from pellucid.layers import Activation, Dense, Dropout, Parallel, PlainDropout, Sequential
from pellucid.losses import loss


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape)


@pytest.fixture(scope="module")
def trained():
    """Networks before and after 1,000 steps of Adam over shuffled batches: one of equal units, one drawn at random."""
    x = normal(80, 3).astype(np.float32)
    y = np.sin(3 * x[:, :1]) + x[:, 1:2] * x[:, 2:]
    starts = {
        "tied": jax.tree.map(lambda w: 0.3 * w + 0.1, pl.mlp([3, 6, 1], key=0, activation="tanh", init=constant)),
        "random": pl.mlp([3, 6, 1], key=0, activation="tanh"),
    }
    runs = {
        name: pl.fit(net, (x, y), loss="mse", epochs=100, batch_size=8, learning_rate=0.02, validation=None)
        for name, net in starts.items()
    }
    assert all(len(run.history) == 100 for run in runs.values())
    return {name: (starts[name], run.net, run.history) for name, run in runs.items()}


def unit_groups(net):
    """How many different units the hidden layer has: by what each reads and what is read of it."""
    hidden, _, out = net.layers
    rows = np.concatenate([np.asarray(hidden.weight).T, np.asarray(hidden.bias)[:, None], np.asarray(out.weight)], 1)
    return len({row.tobytes() for row in rows})


def test_units_that_start_equal_are_bit_identical_after_1000_steps_and_a_random_start_separates_them(trained):
    start, end, history = trained["tied"]
    assert unit_groups(start) == unit_groups(end) == 1
    assert np.linalg.matrix_rank(end.layers[0].weight) == 1
    assert np.abs(end.layers[0].weight - start.layers[0].weight).max() > 0.1
    _, free, better = trained["random"]
    assert unit_groups(free) == 6
    assert np.linalg.matrix_rank(free.layers[0].weight) == 3
    assert better[-1].loss < history[-1].loss / 3


DEEP = {"tanh": "glorot_uniform", "relu": "he_normal"}


@pytest.fixture(scope="module", params=DEEP)
def deep(request):
    """Fifty layers of 200 units at the initializer's scale, at twice and at half of it."""
    net = pl.mlp([200] * 50 + [1], key=1, activation=request.param, init=DEEP[request.param])
    x, y = normal(100, 200), normal(100, 1)
    scaled = {scale: jax.tree.map(lambda w, s=scale: s * w, net) for scale in (1, 2, 0.5)}
    return request.param, {scale: pl.signal(net, x, y, "squared_error") for scale, net in scaled.items()}


def test_fifty_layers_hold_the_variance_both_ways_at_the_initializers_scale_and_not_at_twice_or_half_of_it(deep):
    activation, found = deep
    for way in ("forward", "backward"):
        assert 1 / 100 < getattr(found[1], way).change < 100  # of the variance: the signal itself within tenfold
        assert getattr(found[1], way).verdict.startswith("holds")
        assert getattr(found[0.5], way).change < 1e-25
    assert found[2].backward.change > 1e6
    if activation == "relu":
        assert found[2].forward.change > 1e25
    else:  # tanh is bounded: what is too large saturates, and only the blame explodes
        assert found[2].layers[40].variance == pytest.approx(found[2].mean_field.fixed_point, rel=0.1) == 2.1


def test_the_measured_rate_meets_the_predicted_one_within_five_percent_at_every_scale(deep):
    activation, found = deep
    rates = {"relu": {1: 1.0, 2: 4.0, 0.5: 0.25}, "tanh": {0.5: 0.25}}[activation]
    for scale, record in found.items():
        for course in (record.forward, record.backward):
            assert course.rate == pytest.approx(course.predicted, rel=0.05)
            assert course.predicted == pytest.approx(rates.get(scale, course.predicted), rel=0.01)


def sigmoid_unit(z):
    """One unit without a bias whose input is 1, so that its weight is its z; with its sigmoid, and without."""
    bare = Dense(jnp.full((1, 1), z), None)
    return {"squared_error": Sequential([bare, Activation("sigmoid")]), "binary_cross_entropy": Sequential([bare])}


ONE = jnp.ones((1, 1))


@pytest.mark.parametrize("z", [-4.0, -8.0, -16.0])
def test_the_gradient_of_a_confidently_wrong_unit_dies_by_squared_error_and_is_one_by_cross_entropy(z):
    share = 1 / (1 + np.exp(-z))
    gradient = {
        name: float(backpropagate(net, loss(name), ONE, ONE).dnet.layers[0].weight[0, 0])
        for name, net in sigmoid_unit(z).items()
    }
    assert gradient["squared_error"] == pytest.approx(2 * (share - 1) * share * (1 - share), rel=1e-5)
    assert abs(gradient["squared_error"]) < 2.1 * np.exp(z)
    assert gradient["binary_cross_entropy"] == pytest.approx(share - 1, rel=1e-5)  # σ(z) − y, and nothing else
    assert gradient["binary_cross_entropy"] < -0.98


def test_a_confidently_wrong_unit_recovers_in_ten_steps_by_cross_entropy_and_in_thousands_by_squared_error():
    def steps_to_half(name):
        criterion = loss(name)

        def step(state):
            net, taken = state
            gradient = backpropagate(net, criterion, ONE, ONE).dnet
            return jax.tree.map(lambda w, g: w - g, net, gradient), taken + 1

        def wrong(state):
            return (state[0].layers[0].weight[0, 0] < 0) & (state[1] < 100_000)

        return int(jax.lax.while_loop(wrong, step, (sigmoid_unit(-8.0)[name], 0))[1])

    assert 8 <= steps_to_half("binary_cross_entropy") <= 10
    assert 1_000 < steps_to_half("squared_error") < 2_000  # e⁸ / 2 = 1,490: z' = 2 exp(z)


def test_dropout_keeps_the_expected_output_and_plain_dropout_is_too_large_by_one_over_the_share_kept():
    read = Dense.create(300, 3, key=jax.random.key(0))
    kinds = [kind(p) for kind in (Dropout, PlainDropout) for p in (0.2, 0.5, 0.8)]
    ratios = [ratio for ratio in (1, 1, 1, 1.25, 2, 5) for _ in ("dropout", "dense")]  # 1, and 1 / (1 − p)
    net = Parallel([Sequential([kind, read]) for kind in kinds])
    for layer, ratio in zip(pl.dropout_scale(net, normal(40, 300)).layers, ratios, strict=True):
        assert layer.ratio == pytest.approx(ratio, abs=5 * layer.error)
        assert layer.error < 0.03 * ratio
