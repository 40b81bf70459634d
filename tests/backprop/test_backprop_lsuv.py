import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from pellucid.backprop import backpropagate, tapped, traces
from pellucid.errors import DataError
from pellucid.layers import Activation, Add, Dense, Graph, Residual, Sequential
from pellucid.losses import loss
from pellucid.module import parameters

X = jax.random.normal(jax.random.key(0), (300, 8)) * 3 + 1
KEYS = jax.random.split(jax.random.key(1), 4)


def deviations(net):
    """The standard deviation of the output of every layer, by its place."""
    y = net(X)
    seen = traces(backpropagate(tapped(net), loss("mse"), X, y).dnet)
    return {at: float(trace.y.std()) for at, trace in seen.items()}


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_every_weighted_layer_gives_variance_one_however_deep(activation):
    before = pl.mlp([8, 12, 12, 12, 12, 3], key=0, activation=activation, init="orthogonal")
    net = pl.unit_variance(before, X)
    for i in range(0, len(net.layers), 2):
        assert deviations(net)[f"layers[{i}]"] == pytest.approx(1, abs=1e-3)
        ratio = net.layers[i].weight / before.layers[i].weight
        np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)
        np.testing.assert_array_equal(net.layers[i].bias, before.layers[i].bias)
    assert abs(deviations(before)["layers[0]"] - 1) > 0.1


def test_branches_and_biases_are_met_too():
    layers = [Dense(jax.random.normal(key, (8, 8)), jnp.linspace(-1, 1, 8) / 4) for key in KEYS]
    net = Sequential([layers[0], Residual(Sequential([layers[1], Activation("tanh")])), layers[2]])
    found = deviations(pl.unit_variance(net, X, rounds=12))
    for at in ("layers[0]", "layers[1].layer.layers[0]", "layers[2]"):
        assert found[at] == pytest.approx(1, abs=1e-3)


def test_a_shared_layer_is_met_where_it_is_used_last():
    cell = Dense(jax.random.normal(KEYS[0], (8, 8)), jnp.zeros(8))
    nodes = [("z", "cell", "input"), ("a", "bend", "z"), ("y", "cell", "a"), ("sum", "add", ("a", "y"))]
    net = pl.unit_variance(Graph({"cell": cell, "bend": Activation("tanh"), "add": Add()}, nodes), X, rounds=20)
    assert deviations(net)["layers.y"] == pytest.approx(1, abs=1e-3)
    assert list(parameters(net)) == ["layers.cell.weight", "layers.cell.bias"]


def test_data_that_cannot_tell_is_refused():
    net = pl.mlp([8, 2], key=0)
    with pytest.raises(DataError, match="several rows of data, got 1"):
        pl.unit_variance(net, X[:1])
    with pytest.raises(DataError, match=r"output of layers\[0\] does not vary"):
        pl.unit_variance(net, jnp.zeros((5, 8)))
