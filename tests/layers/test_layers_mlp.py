import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid import mlp
from pellucid.errors import SettingError
from pellucid.initializers import glorot_uniform, he_normal, lecun_normal, orthogonal
from pellucid.layers import Activation, Dense, Dropout


@pytest.mark.parametrize(
    ("activation", "start"),
    [
        ("relu", he_normal),
        ("gelu", he_normal),
        ("tanh", glorot_uniform),
        ("sigmoid", glorot_uniform),
        ("selu", lecun_normal),
    ],
)
def test_weights_start_as_suits_the_activation_behind_them(activation, start):
    keys = jax.random.split(jax.random.key(3), 2)
    hidden, bend, last = mlp([5, 7, 2], key=3, activation=activation).layers
    assert bend == Activation(activation)
    np.testing.assert_array_equal(hidden.weight, start(keys[0], (5, 7)))
    np.testing.assert_array_equal(last.weight, glorot_uniform(keys[1], (7, 2)))  # nothing follows: the identity
    assert not hidden.bias.any()
    assert not last.bias.any()


def test_an_initializer_can_be_given_by_name_or_as_a_function():
    named = mlp([4, 4, 4], key=0, init="orthogonal")
    given = mlp([4, 4, 4], key=0, init=orthogonal)
    np.testing.assert_array_equal(named.layers[2].weight, given.layers[2].weight)
    np.testing.assert_allclose(named.layers[2].weight.T @ named.layers[2].weight, jnp.eye(4), atol=1e-5)


def test_dropout_stands_behind_every_activation():
    kinds = [type(layer) for layer in mlp([2, 3, 3, 1], key=0, dropout=0.2).layers]
    assert kinds == [Dense, Activation, Dropout, Dense, Activation, Dropout, Dense]


def test_the_same_key_draws_the_same_network_and_another_another():
    weights = [mlp([3, 4], key=key).layers[0].weight for key in (1, np.int64(1), jax.random.key(1), 2)]
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[0], weights[2])
    assert (weights[0] != weights[3]).all()


@pytest.mark.parametrize(
    ("sizes", "settings", "message"),
    [
        ([3], {}, r"as in \[2, 16, 1\]; got \[3\]"),
        ([3, 0, 1], {}, "at least one input and one output, got n_in=3, n_out=0"),
        ([3, 1], {"activation": "rellu"}, "no activation 'rellu': did you mean 'relu'"),
        ([3, 2, 1], {"activation": "softmax"}, "no activation 'softmax'"),
        ([3, 2, 1], {"init": "he"}, "no initializer 'he'"),
        ([3, 2, 1], {"dropout": 1.0}, "got p=1.0"),
    ],
)
def test_what_cannot_be_built_is_refused(sizes, settings, message):
    with pytest.raises(SettingError, match=message):
        mlp(sizes, key=0, **settings)
