import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import DataError, SettingError, ShapeError
from pellucid.layers import Activation, Add, Concat, Dense, Dropout, Function, Graph, Sequential
from pellucid.losses import loss
from pellucid.module import parameters

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3)).astype(np.float32)  # a power of two: the mean over the examples rounds nothing
LABELS = np.array([0, 1, 1, 0])
CE = loss("cross_entropy")
NET = pl.mlp([3, 4, 2], key=0, activation="tanh")
CELL = Dense.create(3, 3, key=jax.random.key(1))
GRAPH = Graph(
    {"cell": CELL, "add": Add(), "join": Concat(), "out": Dense.create(6, 2, key=jax.random.key(2))},
    [
        ("z", "cell", "input"),
        ("y", "cell", "z"),
        ("sum", "add", ("z", "y")),
        ("both", "join", ("sum", "input")),
        ("a", "out", "both"),
    ],
)


@pytest.fixture(scope="module")
def found():
    return pl.blame(NET, X, LABELS, loss="cross_entropy")


def test_signals_hold_what_went_by(found):
    passed = X
    for path, layer in zip(found.signals, NET.layers, strict=True):
        signal = found.signals[path]
        assert (signal.path, signal.kind) == (path, type(layer).__name__)
        np.testing.assert_allclose(signal.x, passed, rtol=1e-6)
        passed = layer(passed)
        np.testing.assert_allclose(signal.y, passed, rtol=1e-5)
    np.testing.assert_array_equal(found.output, signal.y)


def test_deltas_are_the_derivatives_of_each_examples_own_loss(found):
    for i, signal in enumerate(found.signals.values()):

        def own(v, label, first):
            return CE.evaluate(Sequential(NET.layers[first:])(v[None]), label[None])[0]

        slopes = jax.vmap(jax.grad(own), (0, 0, None))
        for delta, at, first in ((signal.delta_in, signal.x, i), (signal.delta_out, signal.y, i + 1)):
            np.testing.assert_allclose(delta, slopes(jnp.asarray(at), LABELS, first), rtol=1e-4, atol=1e-6)


def test_a_signals_summary_is_over_its_numbers(found):
    signal = found.signals["layers[1]"]
    np.testing.assert_allclose(signal.mean_delta, signal.delta_out.sum(0) / len(X), rtol=1e-6)
    np.testing.assert_allclose(signal.variance, np.var(signal.y), rtol=1e-6)
    np.testing.assert_allclose(signal.blame_variance, np.mean(signal.delta_out**2), rtol=1e-6)


def test_gradients_are_those_of_the_mean_loss_and_the_shares_sum_to_one(found):
    value, wanted = jax.value_and_grad(lambda net: CE.evaluate(net(X), LABELS)[0])(NET)
    np.testing.assert_allclose([found.loss, found.losses.mean()], value, rtol=1e-6)
    assert list(found.gradients) == list(found.shares) == list(parameters(NET))
    for path, gradient in parameters(wanted).items():
        np.testing.assert_allclose(found.gradients[path], gradient, rtol=1e-4, atol=1e-7)
    squares = {path: float((g**2).sum()) for path, g in found.gradients.items()}
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.shares == pytest.approx({path: s / sum(squares.values()) for path, s in squares.items()})


@pytest.mark.parametrize("net", [NET, GRAPH], ids=["chain", "graph"])
def test_per_example_gradients_are_the_vmapped_ones_and_average_to_the_whole(net):
    found = pl.blame(net, X, LABELS, loss="cross_entropy")
    each = jax.vmap(jax.grad(lambda net, x, y: CE.evaluate(net(x[None]), y[None])[0]), (None, 0, 0))(net, X, LABELS)
    for path, wanted in parameters(each).items():
        got = found.per_example(path)
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(got.mean(0), found.gradients[path], rtol=1e-4, atol=1e-6)


def test_the_logits_blame_is_the_probability_less_the_truth_exactly(found):
    np.testing.assert_array_equal(
        found.signals["layers[2]"].delta_out, CE.blame(jnp.asarray(found.output), jnp.asarray(LABELS))
    )
    np.testing.assert_allclose(
        found.signals["layers[2]"].delta_out, jax.nn.softmax(found.output) - np.eye(2)[LABELS], atol=1e-6
    )
    y = np.array([[0], [1], [1], [0]], np.float32)
    binary = pl.blame(pl.mlp([3, 4, 1], key=0), X, y, loss="binary_cross_entropy")
    assert (binary.signals["layers[2]"].delta_out == jax.nn.sigmoid(binary.output) - y).all()


def test_joins_of_a_graph_have_signals_whose_input_is_a_tuple():
    found = pl.blame(GRAPH, X, LABELS, loss="cross_entropy")
    assert list(found.signals) == ["layers.z", "layers.y", "layers.sum", "layers.both", "layers.a"]
    total, both = found.signals["layers.sum"], found.signals["layers.both"]
    assert [a.shape for a in (*total.x, *total.delta_in)] == [(4, 3)] * 4
    np.testing.assert_array_equal(total.y, total.x[0] + total.x[1])
    np.testing.assert_array_equal(total.delta_in[0], total.delta_out)
    np.testing.assert_array_equal(np.concatenate(both.delta_in, -1), both.delta_out)
    assert both.delta_out.shape == (4, 6)
    blamed_twice = found.signals["layers.y"].delta_in + total.delta_in[0]
    np.testing.assert_allclose(found.signals["layers.z"].delta_out, blamed_twice, rtol=1e-5)


def test_the_pass_is_the_one_of_inference():
    net = Sequential([NET.layers[0], Dropout(0.9), *NET.layers[1:]])
    np.testing.assert_array_equal(pl.blame(net, X, LABELS, loss="cross_entropy").output, NET(X))


def test_a_network_that_was_seen_before_is_not_compiled_again():
    traced = []

    def counted(x):
        traced.append(x)
        return x

    for key in range(3):
        net = Sequential([Function(counted), *pl.mlp([3, 4, 2], key=key).layers])
        found = pl.blame(net, X + key, LABELS, loss="cross_entropy")
        found.per_example("layers[1].weight")
        if key == 0:
            once = len(traced)
    assert len(traced) == once


def test_a_network_without_parameters_has_signals_and_no_shares():
    found = pl.blame(Activation("tanh"), X, X, loss="mse")
    assert list(found.signals) == [""]
    assert found.shares == {}
    with pytest.raises(SettingError, match="no parameter 'weight': Known: none"):
        found.per_example("weight")


def test_a_perfect_network_has_nothing_to_share():
    found = pl.blame(NET, X, np.asarray(NET(X)), loss="mse")
    assert (found.loss, set(found.shares.values())) == (0, {0})


@pytest.mark.parametrize(
    ("x", "y", "criterion", "error", "message"),
    [
        (X[:0], LABELS[:0], "cross_entropy", DataError, r"got x \(0, 3\) and y \(0,\)"),
        (X, LABELS[:2], "cross_entropy", DataError, r"got x \(4, 3\) and y \(2,\)"),
        (1.0, 1.0, "mse", DataError, r"got x \(\) and y \(\)"),
        (X, LABELS + 1, "cross_entropy", DataError, r"whole labels 0\.\.1; row 1 has 2"),
        (X, np.full((4, 2), np.nan), "mse", DataError, "finite targets; row 0 has nan"),
        (X, np.ones((4, 3)), "mse", ShapeError, r"squared_error expects targets \(4, 2\) for outputs \(4, 2\)"),
        (X[:, :2], LABELS, "cross_entropy", ShapeError, r"layers\[0\]\.Dense expects x \(batch, 3\), got \(4, 2\)"),
        (X, LABELS, "crossentropy", SettingError, "no loss 'crossentropy': did you mean 'cross_entropy'"),
    ],
)
def test_what_cannot_be_blamed_is_refused(x, y, criterion, error, message):
    with pytest.raises(error, match=message):
        pl.blame(NET, x, y, loss=criterion)


def test_a_blame_is_json_without_the_network_and_the_data():
    for net in (NET, GRAPH):
        said = json.loads(json.dumps(pl.blame(net, X, LABELS, loss="cross_entropy").to_json(), allow_nan=False))
        assert set(said) == {"loss", "losses", "output", "signals", "gradients", "shares"}
    assert np.shape(said["signals"]["layers.sum"]["x"]) == (2, 4, 3)
