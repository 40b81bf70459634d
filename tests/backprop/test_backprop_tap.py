import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.backprop import Tap, backpropagate, tapped, traces, untapped
from pellucid.layers import Activation, Add, Concat, Dense, Dropout, Function, Graph, Parallel, Residual, Sequential
from pellucid.losses import loss
from pellucid.module import children, map_children, walk

RNG = np.random.default_rng(0)
X, Y = jnp.asarray(RNG.normal(size=(5, 3)), jnp.float32), jnp.asarray(RNG.normal(size=(5, 2)), jnp.float32)
MSE = loss("mse")


def dense(n_in, n_out):
    return Dense(jnp.asarray(RNG.normal(size=(n_in, n_out)), jnp.float32), jnp.zeros(n_out))


def graph():
    """A cell used twice, nodes whose order is not that of their names, a join of three."""
    return Graph(
        {"cell": dense(3, 3), "bend": Activation("tanh"), "join": Concat(), "add": Add()},
        [
            ("z", "cell", "input"),
            ("y", "bend", "z"),
            ("x", "cell", "y"),
            ("sum", "add", ("x", "y", "input")),
            ("out", "join", ("sum", "x")),
        ],
    )


NETS = {
    "one layer": dense(3, 2),
    "chain": Sequential([dense(3, 4), Activation("relu"), Dropout(0.5), dense(4, 2)]),
    "residual": Sequential([Residual(Sequential([dense(3, 3), Activation("tanh")])), dense(3, 2)]),
    "parallel": Sequential([Parallel([dense(3, 2), Sequential([dense(3, 2), Activation("tanh")])]), dense(4, 2)]),
    "graph in a chain": Sequential([Function(lambda x: 2 * x), graph(), dense(6, 2)]),
    "graph in a graph": Sequential(
        [Graph({"inner": graph(), "down": dense(6, 3)}, [("b", "inner", "input"), ("a", "down", "b")]), dense(3, 2)]
    ),
}


@pytest.fixture(params=NETS, ids=str)
def net(request):
    return NETS[request.param]


@pytest.mark.parametrize("key", [None, jax.random.key(0)], ids=["inference", "training"])
def test_a_tapped_network_gives_the_same_pass(net, key):
    bare = backpropagate(net, MSE, X, Y, key=key)
    listening = backpropagate(tapped(net), MSE, X, Y, key=key)
    dnet = untapped(listening.dnet, net)
    assert jax.tree.structure(dnet) == jax.tree.structure(bare.dnet)
    jax.tree.map(np.testing.assert_array_equal, (*listening[:3], dnet), (*bare[:3], bare.dnet))


def test_traces_come_in_the_order_of_the_pass_from_a_compiled_pass_too():
    net = NETS["graph in a graph"]
    inner = [f"layers[0].layers.b.layers.{node}" for node in ("z", "y", "x", "sum", "out")]
    wanted = [*inner, "layers[0].layers.a", "layers[1]"]
    compiled = jax.jit(lambda net: backpropagate(net, MSE, X, Y).dnet)(tapped(net))
    assert list(traces(compiled)) == list(traces(backpropagate(tapped(net), MSE, X, Y).dnet)) == wanted


def test_every_layer_that_is_no_container_has_a_trace_that_joins_to_the_next():
    net = NETS["chain"]
    seen = traces(backpropagate(tapped(net), MSE, X, Y).dnet)
    assert list(seen) == [path for path, layer in walk(net) if not children(layer)]
    assert seen["layers[0]"].x is X
    for before, behind in zip(list(seen.values())[:-1], list(seen.values())[1:], strict=True):
        np.testing.assert_array_equal(before.y, behind.x)
        np.testing.assert_array_equal(before.dy, behind.dx)


@pytest.mark.parametrize("name", ["graph in a chain", "residual", "parallel"])
def test_a_traces_blame_is_the_vjp(name):
    """A number added to a layer's input or output moves the loss by dx or dy."""
    net = NETS[name]
    listening = tapped(net)
    seen = traces(backpropagate(listening, MSE, X, Y).dnet)
    offsets = {at: (jax.tree.map(jnp.zeros_like, t.x), jnp.zeros_like(t.y)) for at, t in seen.items()}

    def moved(offsets):
        def shifted(path, layer):
            before, behind = offsets[path]
            return Sequential([Function(lambda x: jax.tree.map(jnp.add, x, before)), layer, Function(behind.__add__)])

        return MSE.evaluate(replaced(listening, shifted)(X), Y)[0]

    wanted = jax.grad(moved)(offsets)
    for at, trace in seen.items():
        for got, vjp in zip(jax.tree.leaves((trace.dx, trace.dy)), jax.tree.leaves(wanted[at]), strict=True):
            np.testing.assert_allclose(got, vjp, rtol=1e-4, atol=1e-6, err_msg=at)


def replaced(listening, change, path=""):
    """The tapped network with every tap replaced by `change(path, its layer)`."""
    if isinstance(listening, Tap):
        return change(path, listening.layer)
    return map_children(listening, lambda part, child: replaced(child, change, f"{path}.{part}" if path else part))
