import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import SettingError
from pellucid.layers import Activation, Add, Dense, Flatten, Function, Graph, Parallel, Residual, Sequential
from pellucid.module import Layer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3)).astype(np.float32)
Y = RNG.normal(size=(4, 2)).astype(np.float32)


def dense(n_in, n_out):
    return Dense(jnp.asarray(RNG.normal(size=(n_in, n_out)), jnp.float32), jnp.full(n_out, 0.1))


def agrees(found, chain):
    """The chain's gradient is the backward pass's for that example, and its sums, worked out forward, meet it."""
    wanted = found.per_example(chain.parameter)[(chain.row, *chain.index)]
    scale = max(abs(step.delta) for step in chain.steps)
    assert chain.gradient == pytest.approx(float(wanted), rel=1e-5, abs=1e-7 * scale)
    assert chain.residual <= 1e-5 * scale
    assert chain.steps[-1].delta == pytest.approx(chain.gradient, rel=1e-4, abs=1e-6 * scale)
    assert chain.product == pytest.approx(np.prod([step.factor for step in chain.steps]))
    return chain


def test_with_one_unit_a_layer_the_product_of_the_textbooks_factors_is_the_gradient():
    net = Sequential([dense(1, 1), Activation("sigmoid"), dense(1, 1)])
    found = pl.blame(net, X[:, :1], Y[:, :1], loss="squared_error")
    chain = found.chain("layers[0].weight", row=2)
    assert [step.symbol for step in chain.steps] == ["dL/dz2", "dz2/da1", "da1/dz1", "dz1/dW1"]
    x, first, last = float(X[2, 0]), net.layers[0], net.layers[2]
    a = float(jax.nn.sigmoid(first(X[2:3, :1]))[0, 0])
    z = a * float(last.weight[0, 0]) + 0.1
    factors = [2 * (z - float(Y[2, 0])), float(last.weight[0, 0]), a * (1 - a), x]
    np.testing.assert_allclose([step.factor for step in chain.steps], factors, rtol=1e-5)
    np.testing.assert_allclose([step.delta for step in chain.steps], np.cumprod(factors), rtol=1e-5)
    assert chain.product == pytest.approx(chain.gradient, rel=1e-5)
    assert chain.gradient == pytest.approx(float(found.per_example("layers[0].weight")[2, 0, 0]), rel=1e-5)
    text = str(chain)
    assert text.splitlines()[:2] == [
        "dL/d layers[0].weight[0, 0], example 2",
        "  = dL/dz2 · dz2/da1 · da1/dz1 · dz1/dW1",
    ]
    assert all(f"{factor:.6g}" in text for factor in (step.factor for step in chain.steps))


def test_in_a_wide_network_the_sums_are_the_backward_pass():
    net = pl.mlp([3, 6, 5, 2], key=0, activation="tanh")
    found = pl.blame(net, X, Y, loss="mse")
    for parameter, gradient in found.gradients.items():
        for row in (0, 3):
            index = tuple(int(RNG.integers(n)) for n in gradient.shape)
            agrees(found, found.chain(parameter, index, row))
    chain = found.chain("layers[0].weight", (2, 4), 1)
    assert [step.symbol for step in chain.steps] == ["dL/dz3", "dz3/da2", "da2/dz2", "dz2/da1", "da1/dz1", "dz1/dW1"]
    assert [step.path for step in chain.steps] == ["loss", *(f"layers[{i}]" for i in (4, 3, 2, 1, 0))]
    first, hidden = found.signals["layers[0]"], found.signals["layers[1]"]
    assert chain.steps[-1].factor == pytest.approx(float(X[1, 2]))
    assert chain.steps[-2].delta == pytest.approx(float(first.delta_out[1, 4]), rel=1e-4)
    assert chain.steps[-3].delta == pytest.approx(float(hidden.delta_out[1, 4]), rel=1e-4)


def test_the_path_is_the_heaviest_and_says_how_many_it_left():
    last = Dense(jnp.array([[1.0, -3.0]]), jnp.zeros(2))
    found = pl.blame(Sequential([dense(3, 1), last]), X, np.asarray(Y) + 9, loss="mse")
    chain = agrees(found, found.chain("layers[0].bias", (0,)))
    parts = found.signals["layers[1]"].delta_out[0] * np.array([1.0, -3.0])
    assert chain.steps[1].factor == [1.0, -3.0][int(np.abs(parts).argmax())]
    assert chain.steps[1].delta == pytest.approx(float(parts.sum()), rel=1e-5)
    assert "feeds 2 units, the heaviest path goes through unit 1" in chain.steps[1].text


def test_by_default_it_is_the_weight_that_this_example_blames_most():
    found = pl.blame(pl.mlp([3, 4, 2], key=0), X, Y, loss="mse")
    for row in range(4):
        each = np.abs(found.per_example("layers[2].weight")[row])
        assert found.chain("layers[2].weight", row=row).index == np.unravel_index(each.argmax(), each.shape)


def test_a_bias_is_blamed_for_all_that_its_unit_is():
    found = pl.blame(pl.mlp([3, 4, 2], key=0, activation="tanh"), X, Y, loss="mse")
    chain = agrees(found, found.chain("layers[0].bias", (2,), 3))
    assert chain.steps[-1].symbol == "dz1/db1"
    assert chain.steps[-1].factor == 1
    assert chain.steps[-1].delta == pytest.approx(chain.steps[-2].delta, rel=1e-5)


def test_a_chain_inside_a_branch_is_followed_to_its_end():
    branch = Sequential([dense(3, 3), Activation("tanh")])
    found = pl.blame(Sequential([Residual(branch), dense(3, 4), Activation("tanh"), dense(4, 2)]), X, Y, loss="mse")
    inside = agrees(found, found.chain("layers[0].layer.layers[0].weight"))
    assert [step.symbol for step in inside.steps] == ["dL/da1", "da1/dz1", "dz1/dW1"]
    behind = agrees(found, found.chain("layers[1].weight"))
    assert [step.symbol for step in behind.steps] == ["dL/dz3", "dz3/da2", "da2/dz2", "dz2/dW2"]


def test_branches_side_by_side_do_not_follow_one_another():
    net = Sequential([Parallel([dense(3, 2), dense(3, 2)], join="sum"), Residual(dense(2, 2)), dense(2, 2)])
    found = pl.blame(net, X, Y, loss="mse")
    for parameter in found.gradients:
        chain = agrees(found, found.chain(parameter, row=1))
        assert len(chain.steps) == 2
        assert chain.product == pytest.approx(chain.gradient, rel=1e-4)


def test_a_layer_of_a_graph_is_blamed_at_its_node():
    """Nodes and layers have each other's names, to mislead."""
    net = Graph(
        {"a": dense(3, 3), "b": dense(3, 2)},
        [("b", "a", "input"), ("a", "b", "b")],
    )
    found = pl.blame(net, X, Y, loss="mse")
    for parameter, node in {"layers.a.weight": "layers.b", "layers.b.weight": "layers.a"}.items():
        chain = agrees(found, found.chain(parameter))
        assert chain.steps[-1].path == node
        assert chain.product == pytest.approx(chain.gradient, rel=1e-4)


def test_a_layer_that_several_nodes_share_is_blamed_for_all_of_them():
    cell = dense(3, 3)
    net = Sequential(
        [
            Graph(
                {"cell": cell, "bend": Activation("tanh"), "add": Add()},
                [("z", "cell", "input"), ("a", "bend", "z"), ("y", "cell", "a"), ("sum", "add", ("a", "y"))],
            ),
            dense(3, 2),
        ]
    )
    found = pl.blame(net, X, Y, loss="mse")
    chain = agrees(found, found.chain("layers[0].layers.cell.weight", (1, 2), 2))
    uses = {at: s.x[2, 1] * s.delta_out[2, 2] for at, s in found.signals.items() if at.endswith((".z", ".y"))}
    assert chain.gradient == pytest.approx(float(sum(uses.values())), rel=1e-4)
    assert chain.steps[-1].path == max(uses, key=lambda at: abs(uses[at]))
    assert "shared by 2 nodes" in chain.steps[-1].text


def test_pictures_and_functions_have_chains_too():
    scale = Function(lambda p, x: p["by"] * x, {"by": jnp.array([[1.5]])})
    net = Sequential([Flatten(), dense(6, 3), Activation("tanh"), Activation("tanh"), scale, dense(3, 2)])
    found = pl.blame(net, RNG.normal(size=(4, 2, 3)), Y, loss="mse")
    chain = agrees(found, found.chain("layers[1].weight", (4, 1)))
    assert [step.symbol for step in chain.steps] == ["dL/dz3", "dz3/dz2", "dz2/da1'", "da1'/da1", "da1/dz1", "dz1/dW1"]
    assert agrees(found, found.chain("layers[4].parameters.by")).steps[-1].symbol == "dz2/dw2"
    alone = pl.blame(dense(3, 2), X, Y, loss="mse")
    assert [step.path for step in agrees(alone, alone.chain("weight")).steps] == ["loss", ""]


class Scaled(Layer):
    """A container with an array of its own: `y = scale · f(x)`."""

    scale: jax.Array
    layer: Layer

    def forward(self, x, *, key=None):
        y, saved = self.layer.forward(x, key=key)
        return self.scale * y, (y, saved)

    def backward(self, saved, dy):
        y, inner = saved
        dx, dlayer = self.layer.backward(inner, self.scale * dy)
        return dx, Scaled((y * dy).sum(), dlayer)


def test_a_containers_own_array_is_blamed_but_has_no_chain():
    found = pl.blame(Scaled(jnp.array(2.0), dense(3, 2)), X, Y, loss="mse")
    assert found.check().ok
    agrees(found, found.chain("layer.weight"))
    with pytest.raises(SettingError, match="scale belongs to a container"):
        found.chain("scale")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"parameter": "layers[0].weigth"}, r"no parameter 'layers\[0\]\.weigth': did you mean 'layers\[0\]\.weight'"),
        ({"parameter": "layers[0]"}, "no parameter"),
        ({"parameter": "layers[0].weight", "index": (3, 0)}, r"the shape \(3, 4\); there is no weight \[3, 0\] in it"),
        ({"parameter": "layers[0].weight", "index": (0, -1)}, r"no weight \[0, -1\]"),
        ({"parameter": "layers[0].bias", "index": (0, 0)}, r"the shape \(4,\); there is no weight \[0, 0\]"),
        ({"parameter": "layers[0].bias", "row": 4}, "4 examples, 0 to 3; got row=4"),
        ({"parameter": "layers[0].bias", "row": -1}, "got row=-1"),
    ],
)
def test_a_weight_or_an_example_that_is_not_there_is_refused(asked, message):
    with pytest.raises(SettingError, match=message):
        pl.blame(pl.mlp([3, 4, 2], key=0), X, Y, loss="mse").chain(**asked)


def test_a_chain_is_json():
    chain = pl.blame(pl.mlp([3, 4, 2], key=0), X, Y, loss="mse").chain("layers[0].weight")
    said = json.loads(json.dumps(chain.to_json(), allow_nan=False))
    assert [step["symbol"] for step in said["steps"]] == [step.symbol for step in chain.steps]
    assert said["gradient"] == chain.gradient
