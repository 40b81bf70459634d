import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.errors import SettingError, ShapeError
from pellucid.layers import Activation, Add, Concat, Dense, Dropout, Flatten, Function, Parallel, Residual, Sequential


def dense(n_in, n_out):
    return Dense(jnp.ones((n_in, n_out)), jnp.zeros(n_out))


def refusal(layer, x):
    with pytest.raises(ShapeError) as caught:
        layer(x)
    return str(caught.value)


def test_a_chain_says_where_and_what_the_layer_before_gives():
    net = Sequential([dense(3, 4), Activation("relu"), dense(9, 2)])
    assert refusal(net, jnp.ones((5, 3))) == (
        "layers[2].Dense expects x (batch, 9), got (5, 4): the layer before gives 4 features."
    )


def test_the_path_leads_through_every_container():
    inner = Sequential([Activation("relu"), dense(9, 4)])
    net = Sequential([dense(3, 4), Residual(Parallel([inner], join="sum"))])
    assert refusal(net, jnp.ones((5, 3))) == (
        "layers[1].layer.layers[0].layers[1].Dense expects x (batch, 9), got (5, 4): the layer before gives 4 features."
    )


def test_what_the_layer_knows_goes_before_what_the_container_knows():
    pictures = Sequential([Function(lambda x: x.reshape(-1, 8, 8)), dense(64, 2)])
    assert refusal(pictures, jnp.ones((5, 64))).endswith("got (5, 8, 8): put a Flatten before it.")
    assert refusal(Sequential([dense(3, 2)]), jnp.ones((5, 4))).endswith("got (5, 4).")


def test_a_residual_that_changes_the_shape_is_refused():
    assert refusal(Sequential([Residual(dense(3, 2))]), jnp.ones((5, 3))) == (
        "layers[0].Residual expects a layer that gives (5, 3), the shape of its input, got (5, 2): "
        "change the last layer inside, or use a Graph."
    )


def test_outputs_that_cannot_be_joined_are_refused():
    uneven = Parallel([dense(3, 2), dense(3, 4)], join="sum")
    assert refusal(uneven, jnp.ones((5, 3))) == "join.Add expects inputs of one shape, got (5, 2), (5, 4)."
    taller = Parallel([dense(3, 2), Function(lambda x: x[:2])])
    assert refusal(taller, jnp.ones((5, 3))).startswith("join.Concat expects inputs that differ in the last axis only")


@pytest.mark.parametrize("layer", [Add(), Concat()], ids=["Add", "Concat"])
def test_a_join_of_one_array_is_refused_and_not_summed_over_its_rows(layer):
    assert "expects a tuple of arrays, got one of (5, 3)" in refusal(layer, jnp.ones((5, 3)))
    assert "expects a tuple of arrays, got ()" in refusal(layer, ())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequential([dense(1, 1), 3]), r"Sequential holds layers; layers\[1\] is 3, a int\."),
        (lambda: Parallel([jnp.sin]), r"Parallel holds layers; layers\[0\] is .*sin.*: wrap it in Function\."),
        (lambda: Residual(None), r"Residual holds layers; layer is None, a NoneType\."),
        (lambda: Parallel([]), "Parallel wants at least one layer"),
        (lambda: Parallel([dense(1, 1)], join="cat"), "no way to join 'cat': did you mean 'concat'"),
        (lambda: Dense.create(0, 2, key=jax.random.key(0)), "at least one input and one output, got n_in=0, n_out=2"),
        (lambda: Activation("rellu"), "no activation 'rellu': did you mean 'relu'"),
        (lambda: Activation("elu", slope=0.1), "no setting of elu 'slope': Known: alpha"),
    ],
)
def test_what_cannot_be_built_is_refused(make, message):
    with pytest.raises(SettingError, match=message):
        make()


def test_flatten_keeps_the_rows_and_their_order():
    x = jnp.arange(24.0).reshape(2, 3, 2, 2)
    y, saved = Flatten().forward(x)
    np.testing.assert_array_equal(y, x.reshape(2, 12))
    np.testing.assert_array_equal(Flatten().backward(saved, y)[0], x)


def test_dropouts_of_one_chain_draw_masks_of_their_own_and_of_the_key():
    net = Sequential([Dropout(0.5), Dropout(0.5)])
    x, key = jnp.ones((4, 64)), jax.random.key(0)
    once = Sequential([Dropout(0.5)]).forward(x, key=key)[0]
    twice = net.forward(x, key=key)[0]
    np.testing.assert_array_equal(twice, net.forward(x, key=key)[0])
    assert (twice != net.forward(x, key=jax.random.key(1))[0]).any()
    np.testing.assert_array_equal(once[twice > 0], 2.0)  # adding a layer behind does not change the mask before it
    assert 0 < (twice > 0).sum() < (once > 0).sum()
