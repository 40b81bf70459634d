import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.errors import SettingError, ShapeError
from pellucid.layers import Activation, Add, Dense, Graph, Sequential

CELL = Dense.create(3, 3, key=jax.random.key(0))
X = jax.random.normal(jax.random.key(1), (4, 3))


def shared():
    """tanh(cell(tanh(cell(x)))) + x: a layer and a curve used twice, names that are not in alphabetical order."""
    return Graph(
        {"cell": CELL, "bend": Activation("tanh"), "add": Add()},
        [
            ("z", "cell", "input"),
            ("y", "bend", "z"),
            ("x", "cell", "y"),
            ("w", "bend", "x"),
            ("sum", "add", ("w", "input")),
        ],
    )


@pytest.mark.parametrize(
    ("layers", "nodes", "message"),
    [
        ({}, [], "Graph wants at least one node"),
        ({"cell": CELL}, [("a", "sell", "input")], "no layer for node 'a' called 'sell': did you mean 'cell'"),
        ({"cell": CELL}, [("a", "cell", "inputs")], "no node before 'a' called 'inputs': did you mean 'input'"),
        (
            {"cell": CELL},
            [("a", "cell", "b"), ("b", "cell", "input")],
            "no node before 'a' called 'b': Known: input",
        ),
        ({"cell": CELL}, [("a", "cell", "a")], "no node before 'a' called 'a': Known: input"),
        (
            {"cell": CELL},
            [("a", "cell", "input"), ("a", "cell", "a")],
            "Two nodes are called 'a': rename one",
        ),
        ({"cell": CELL}, [("input", "cell", "input")], "Two nodes are called 'input'"),
        ({"cell": CELL}, [("a", "cell", ())], "Node 'a' reads nothing"),
        (
            {"cell": CELL},
            [("a", "cell", "input"), ("b", "cell", "input")],
            "nobody reads a: remove it, or put it last as the output",
        ),
        (
            {"cell": CELL, "spare": CELL, "more": CELL},
            [("a", "cell", "input")],
            "no node uses the layer more, spare: remove it",
        ),
        ({"cell": jnp.sin}, [("a", "cell", "input")], r"Graph holds layers; layers\.cell is .*: wrap it in Function"),
    ],
)
def test_wiring_that_cannot_be_is_refused(layers, nodes, message):
    with pytest.raises(SettingError, match=message):
        Graph(layers, nodes)


def test_a_graph_computes_its_nodes():
    y = jnp.tanh(CELL(X))
    np.testing.assert_allclose(shared()(X), jnp.tanh(CELL(y)) + X, rtol=1e-6)


def test_a_shared_layers_blame_is_the_sum_over_its_nodes_and_the_vjp():
    net = shared()
    y, vjp = jax.vjp(lambda net, x: net(x), net, X)
    wanted_net, wanted_x = vjp(jnp.ones_like(y))
    dx, dnet = net.backward(net.forward(X)[1], jnp.ones_like(y))
    np.testing.assert_allclose(dnet.layers["cell"].weight, wanted_net.layers["cell"].weight, rtol=1e-5)
    np.testing.assert_allclose(dx, wanted_x, rtol=1e-5)
    alone = net.unshared()
    parts = alone.backward(alone.forward(X)[1], jnp.ones_like(y))[1]
    total = parts.layers["z"].weight + parts.layers["x"].weight
    np.testing.assert_allclose(dnet.layers["cell"].weight, total, rtol=1e-6)


def test_unshared_gives_every_node_its_own_layer_and_shared_again_sums_them():
    net = shared()
    alone = net.unshared()
    assert list(alone.layers) == [node for node, _, _ in net.nodes]
    np.testing.assert_array_equal(alone(X), net(X))
    again = net.shared_again(alone)
    assert jax.tree.structure(again) == jax.tree.structure(net)
    np.testing.assert_array_equal(again.layers["cell"].weight, 2 * CELL.weight)


def test_a_node_read_twice_by_one_other_is_blamed_twice():
    double = Graph({"add": Add()}, [("y", "add", ("input", "input"))])
    y, saved = double.forward(X)
    np.testing.assert_array_equal(y, 2 * X)
    np.testing.assert_array_equal(double.backward(saved, X)[0], 2 * X)


def test_a_misfit_names_the_layer_the_node_and_what_it_reads():
    narrow = Dense.create(3, 2, key=jax.random.key(0))
    net = Sequential(
        [Graph({"narrow": narrow, "add": Add()}, [("h", "narrow", "input"), ("y", "add", ("h", "input"))])]
    )
    with pytest.raises(ShapeError) as caught:
        net(X)
    assert str(caught.value) == (
        "layers[0].layers.add.Add expects inputs of one shape, got (4, 2), (4, 3): node 'y' reads h, input."
    )


def test_a_join_with_one_input_is_refused():
    net = Graph({"add": Add()}, [("y", "add", "input")])
    with pytest.raises(ShapeError, match="name its inputs at its node of a Graph"):
        net(X)
