"""Units that start equal stay equal for ever; a random start breaks the symmetry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid import mlp
from pellucid.backprop import backpropagate
from pellucid.initializers import constant
from pellucid.losses import loss

X = jax.random.normal(jax.random.key(0), (16, 3))
Y = jnp.sin(X.sum(1, keepdims=True))
CRITERION = loss("squared_error")


@jax.jit
def steps(net):
    """Twenty steps of gradient descent, and the gradient of the first."""

    def step(net, _):
        gradient = backpropagate(net, CRITERION, X, Y).dnet
        return jax.tree.map(lambda w, g: w - 0.1 * g, net, gradient), gradient

    last, gradients = jax.lax.scan(step, net, length=20)
    return last, jax.tree.map(lambda g: g[0], gradients)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_units_that_start_equal_get_equal_gradients_and_stay_equal(activation):
    first = mlp([3, 4, 1], key=0, activation=activation, init=constant)
    last, gradient = steps(jax.tree.map(lambda w: 0.3 * w + 0.1, first))
    for net in (gradient, last):
        hidden, _, out = net.layers
        assert (hidden.weight == hidden.weight[:, :1]).all()
        assert (hidden.bias == hidden.bias[0]).all()
        assert (out.weight == out.weight[0]).all()
    assert gradient.layers[0].weight.any()
    assert (last.layers[0].weight != 0.4).any()
    assert np.linalg.matrix_rank(last.layers[0].weight) == 1


def test_two_tied_units_among_free_ones_stay_bit_identical():
    net = mlp([3, 4, 1], key=0, activation="tanh")
    hidden, bend, out = net.layers
    tied = type(hidden)(hidden.weight.at[:, 3].set(hidden.weight[:, 1]), hidden.bias)
    net = type(net)([tied, bend, type(out)(out.weight.at[3].set(out.weight[1]), out.bias)])
    last, _ = steps(net)
    columns = np.asarray(last.layers[0].weight).T
    assert columns[1].tobytes() == columns[3].tobytes()
    assert len({column.tobytes() for column in columns}) == 3


def test_a_random_start_separates_the_units():
    last, gradient = steps(mlp([3, 4, 1], key=0, activation="tanh"))
    for net in (gradient, last):
        assert len({column.tobytes() for column in np.asarray(net.layers[0].weight).T}) == 4
    assert np.linalg.matrix_rank(last.layers[0].weight) == 3
