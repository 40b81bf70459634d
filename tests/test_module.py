from collections import namedtuple

import jax
import jax.numpy as jnp
import pytest

from pellucid.layers import Activation, Dense, Function, Graph, Parallel, Residual, Sequential
from pellucid.module import Layer, children, map_children, map_layers, parameters, rebuild, static, walk

Sizes = namedtuple("Sizes", "n_in n_out")


class Nested(Layer):
    """Layers at every depth of tuples, lists and dicts, beside a setting that is a tuple of its own kind."""

    grid: tuple[list[Layer], ...]
    named: dict[str, dict[str, Layer]]
    scale: jax.Array
    sizes: Sizes = static()

    def forward(self, x, *, key=None):
        return x, None

    def backward(self, saved, dy):
        return dy, self


def dense(n_in=2, n_out=2):
    return Dense(jnp.ones((n_in, n_out)), jnp.zeros(n_out))


@pytest.fixture
def nested():
    relu, tanh = Activation("relu"), Activation("tanh")
    return Nested(([relu], [tanh, dense()]), {"a": {"b": dense(2, 1)}}, jnp.ones(2), Sizes(2, 1))


@pytest.fixture
def net():
    graph = Graph({"cell": dense(), "bend": Activation("tanh")}, [("h", "cell", "input"), ("a", "bend", "h")])
    return Sequential([Residual(Sequential([dense(), Activation("relu")])), graph, Parallel([dense()])])


def test_walk_meets_every_layer_a_container_before_what_it_holds(net):
    kinds = {path: type(layer).__name__ for path, layer in walk(net)}
    assert kinds == {
        "": "Sequential",
        "layers[0]": "Residual",
        "layers[0].layer": "Sequential",
        "layers[0].layer.layers[0]": "Dense",
        "layers[0].layer.layers[1]": "Activation",
        "layers[1]": "Graph",
        "layers[1].layers.cell": "Dense",
        "layers[1].layers.bend": "Activation",
        "layers[2]": "Parallel",
        "layers[2].layers[0]": "Dense",
    }
    assert [path for path in kinds if not path.count(".")] == ["", "layers[0]", "layers[1]", "layers[2]"]


def test_parameters_have_the_paths_of_their_layers(net, nested):
    for whole in (net, nested):
        layers = dict(walk(whole))
        found = parameters(whole)
        for path, array in found.items():
            owner, _, name = path.rpartition(".")
            assert getattr(layers[owner], name) is array
        assert list(map(id, found.values())) == list(map(id, jax.tree.leaves(whole)))
    assert "layers[1].layers.cell.weight" in parameters(net)
    assert set(parameters(nested)) == {
        "grid[1][1].weight", "grid[1][1].bias", "named.a.b.weight", "named.a.b.bias", "scale",
    }  # fmt: skip


def test_parameters_of_a_function_are_found_at_any_depth():
    tree = {"w": [jnp.ones(2), (jnp.zeros(1),)]}
    assert list(parameters(Function(lambda p, x: x, tree))) == ["parameters.w[0]", "parameters.w[1][0]"]


def test_children_are_found_in_tuples_lists_and_dicts_of_any_depth(nested):
    assert list(children(nested)) == ["grid[0][0]", "grid[1][0]", "grid[1][1]", "named.a.b"]
    assert children(dense()) == {}


def test_map_children_keeps_all_but_the_layers(nested):
    swapped = map_children(nested, lambda path, layer: Activation("abs"))
    assert {layer.name for layer in children(swapped).values()} == {"abs"}
    assert swapped.sizes is nested.sizes
    assert swapped.scale is nested.scale
    assert isinstance(swapped.grid[0], list)


def test_map_layers_reaches_the_leaves_only_and_leaves_the_rest_equal(net):
    seen = []
    same = map_layers(net, lambda path, layer: seen.append(path) or layer)
    assert seen == [path for path, layer in walk(net) if not children(layer)]
    assert jax.tree.structure(same) == jax.tree.structure(net)
    assert all(a is b for a, b in zip(jax.tree.leaves(same), jax.tree.leaves(net), strict=True))


def test_a_layer_cannot_be_changed_after_it_is_made():
    layer = dense()
    with pytest.raises(AttributeError):
        layer.weight = jnp.zeros((2, 2))


def test_rebuild_passes_by_the_constructor():
    made = rebuild(Activation, {"name": "elu", "settings": (("alpha", 2.0),)})
    assert made == Activation("elu", alpha=2.0)


def test_a_setting_is_structure_and_an_array_is_not():
    assert jax.tree.leaves(Activation("elu", alpha=2.0)) == []
    assert jax.tree.structure(Activation("elu")) != jax.tree.structure(Activation("elu", alpha=2.0))
    assert jax.tree.structure(dense()) == jax.tree.structure(jax.tree.map(lambda a: a + 1, dense()))
