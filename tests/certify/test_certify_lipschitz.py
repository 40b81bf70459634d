"""How steep networks are: against all patterns of units by brute force, gradients of JAX, and the definition itself."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from certify_cases import mlp
from pellucid import certify
from pellucid.errors import CertifyError, SettingError
from pellucid.layers import Activation, Dense, Sequential

BOX = [(-1.0, 1.0)] * 2
NORMS = (1, 2, np.inf)


def steepest(net, box, norm):
    """The largest norm of `V diag(s) W` over all patterns s of one hidden layer that have room in the box, by HiGHS."""
    (w, b), (v, _) = ((np.asarray(layer.weight, float), np.asarray(layer.bias, float)) for layer in net.layers[::2])
    most = 0.0
    for signs in product((-1.0, 1.0), repeat=w.shape[1]):
        s = np.array(signs)
        rows = np.concatenate([-(s * w).T, np.ones((w.shape[1], 1))], 1)  # s (x W + b) ≥ room
        found = linprog([0, 0, -1], rows, s * b, bounds=[*box, (None, 1)])
        if found.status == 0 and -found.fun > 1e-9:
            most = max(most, np.linalg.norm(((w * (s > 0)) @ v).T, norm))
    return most


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("sizes", [[2, 6, 1], [2, 5, 3]])
def test_it_is_the_steepest_of_all_patterns_with_room(sizes, norm):
    net = mlp(sizes, seed=4)
    found = certify.lipschitz(net, BOX, norm)
    assert found.exact
    assert found.method == "regions"
    most = steepest(net, BOX, norm)
    assert found.high == pytest.approx(most, rel=1e-9)
    assert found.low <= most <= found.high
    assert np.linalg.norm(found.jacobian, norm) == pytest.approx(found.low, rel=1e-9)
    assert certify.recheck(found, net).holds


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("activation", "sizes"), [("tanh", [2, 5, 2]), ("silu", [2, 6, 1]), ("relu", [8, 6, 2])])
def test_no_gradient_and_no_two_inputs_are_steeper_and_the_lower_end_is_met(activation, sizes, norm):
    net = mlp(sizes, activation, seed=1)
    box = [(-1.0, 1.0)] * sizes[0]
    found = certify.lipschitz(net, box, norm, tolerance=0.02, seconds=2)
    assert found.method == "bounds"
    x = np.float32(np.random.default_rng(0).uniform(-1, 1, (2000, sizes[0])))
    steep = jax.vmap(jax.jacrev(lambda z: net(z[None])[0]))
    sizes_met = [np.linalg.norm(j, norm) for j in np.asarray(steep(x), float)]
    assert max(sizes_met) <= found.high * (1 + 1e-5)
    assert np.linalg.norm(np.asarray(steep(jnp.float32(found.at)[None])[0]), norm) == pytest.approx(found.low, rel=1e-4)
    y = np.asarray(net(x), float)
    far = np.linalg.norm(y[::2] - y[1::2], norm, axis=1) / np.linalg.norm(x[::2] - x[1::2], norm, axis=1)
    assert far.max() <= found.high * (1 + 1e-5)
    assert certify.recheck(found, net).holds


def test_an_input_that_does_not_change_does_not_count():
    net = Sequential([Dense(jnp.float32([[10.0], [1.0]]), None)])
    found = certify.lipschitz(net, [(0.3, 0.3), (0, 1)])
    assert found.high == pytest.approx(1.0, rel=1e-6)
    assert certify.recheck(found, net).holds
    assert certify.lipschitz(net, [(0.3, 0.3), (0.5, 0.5)]).high == 0.0


def test_of_a_network_without_a_curve_it_is_the_norm_of_its_matrix():
    weight = np.random.default_rng(0).normal(size=(4, 3))
    net = Sequential([Dense(weight, np.zeros(3))])
    for norm in NORMS:
        assert certify.lipschitz(net, [(-1, 1)] * 4, norm).high == pytest.approx(np.linalg.norm(weight.T, norm))
    assert certify.lipschitz(net, [(-1, 1)] * 4, 1, output=2).high == pytest.approx(abs(weight[:, 2]).max())
    none = Dense(np.zeros((2, 2)), np.ones(2))
    constant = Sequential([none, Activation("relu"), none])
    assert certify.lipschitz(constant, BOX).high == 0.0


def test_the_time_is_kept_and_the_bounds_reached_are_given():
    found = certify.lipschitz(mlp([6, 24, 24, 1], "tanh"), [(-1, 1)] * 6, seconds=0.5)
    assert not found.exact
    assert 0 < found.low < found.high < np.inf


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"norm": 3}, SettingError, "norm is 1, 2 or inf"),
        ({"norm": [2]}, SettingError, "norm is 1, 2 or inf"),
        ({"tolerance": "a"}, SettingError, "tolerance is a part"),
        ({"output": 5}, SettingError, "outputs 0 to 0"),
        ({"seconds": 0}, SettingError, "seconds must be above 0"),
        ({"box": None}, CertifyError, r"Nothing says where x\[0\], x\[1\] lie"),
    ],
)
def test_an_impossible_setting_is_named(more, error, words):
    with pytest.raises(error, match=words):
        certify.lipschitz(mlp([2, 3, 1]), **{"box": BOX} | more)
