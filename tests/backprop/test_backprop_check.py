import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from pellucid.layers import Activation, Add, Dense, Graph, Sequential
from pellucid.module import Layer, parameters, static

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3))
Y = RNG.normal(size=(6, 2))


class WrongDense(Layer):
    """A Dense layer whose backward is wrong in one place by a factor: `y = x W + b`."""

    weight: jax.Array
    bias: jax.Array
    wrong: str = static()
    factor: float = static(default=1.001)

    def forward(self, x, *, key=None):
        return x @ self.weight + self.bias, x

    def backward(self, saved, dy):
        parts = {"dx": dy @ self.weight.T, "weight": saved.T @ dy, "bias": dy.sum(0)}
        parts[self.wrong] = parts[self.wrong] * self.factor
        return parts["dx"], WrongDense(parts["weight"], parts["bias"], self.wrong, self.factor)


def with_wrong(part):
    first, bend, last = pl.mlp([3, 4, 2], key=0, activation="tanh").layers
    return Sequential([first, bend, WrongDense(last.weight, last.bias, part)])


@pytest.mark.parametrize("activation", ["relu", "gelu", "sigmoid"])
def test_good_layers_agree_with_finite_differences(activation):
    net = pl.mlp([3, 8, 2], key=0, activation=activation)
    check = pl.blame(net, X, Y, loss="mse").check(samples=12)
    assert check.ok
    assert check.worst < 1e-6
    assert list(check.by_path) == list(parameters(net))
    assert check.checked + check.kinks == 12 + 8 + 12 + 2


def test_a_layer_used_twice_agrees():
    cell = Dense.create(3, 3, key=jax.random.key(0))
    nodes = [("z", "cell", "input"), ("a", "bend", "z"), ("y", "cell", "a"), ("sum", "add", ("a", "y"))]
    net = Graph({"cell": cell, "bend": Activation("tanh"), "add": Add()}, nodes)
    assert pl.blame(net, X, X, loss="mse").check().ok


@pytest.mark.parametrize(
    ("wrong", "paths"),
    [
        ("weight", {"layers[2].weight"}),
        ("bias", {"layers[2].bias"}),
        ("dx", {"layers[0].weight", "layers[0].bias"}),
    ],
)
def test_a_wrong_backward_is_found_and_its_path_is_named(wrong, paths):
    check = pl.blame(with_wrong(wrong), X, Y, loss="mse").check()
    assert not check.ok
    assert check.where in paths
    assert check.worst == pytest.approx(1e-3, rel=0.01)
    assert {path for path, error in check.by_path.items() if error > 1e-5} == paths
    assert check.kinks == 0


def test_large_losses_and_inputs_raise_no_false_alarm():
    """Rounding of a loss of 20,000 is more than some of the differences."""
    net = pl.mlp([3, 16, 16, 1], key=0, activation="tanh")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)) * [1, 1, 1000], 150 + 80 * rng.normal(size=(6, 1))
    check = pl.blame(net, x, y, loss="mse").check()
    assert check.worst < 1e-6
    assert check.kinks == 0


def test_weights_at_a_kink_are_counted_and_left_out():
    zero = Dense(jnp.zeros((3, 2)), jnp.zeros(2))
    net = Sequential([zero, Activation("relu"), Dense.create(2, 2, key=jax.random.key(0))])
    check = pl.blame(net, X, Y, loss="mse").check()
    assert check.kinks == 6 + 2
    assert check.checked == 4 + 2
    assert check.ok


def test_a_kink_of_the_loss_is_one_too():
    net = Dense(jnp.ones((3, 1)), jnp.zeros(1))
    check = pl.blame(net, X[:1], np.asarray(net(X[:1].astype(np.float32))), loss="mae").check()
    assert (check.kinks, check.ok) == (4, True)


def test_the_check_is_in_double_precision_and_leaves_single_behind():
    check = pl.blame(pl.mlp([3, 2], key=0), X, Y, loss="mse").check()
    assert check.worst < 1e-8
    assert jnp.ones(1).dtype == jnp.float32


def test_a_check_is_json():
    check = pl.blame(pl.mlp([3, 2], key=0), X, Y, loss="mse").check()
    said = json.loads(json.dumps(check.to_json(), allow_nan=False))
    assert set(said["by_path"]) == {"layers[0].weight", "layers[0].bias"}
