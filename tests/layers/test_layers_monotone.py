"""Networks that rise or fall by design: the law itself, what it costs, and what else must work on them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pl
from pellucid.activations import CURVES
from pellucid.errors import SettingError
from pellucid.geometry import enumerate_regions, lowered
from pellucid.layers import Activation, Dense, Monotone, Sequential, monotone_mlp
from pellucid.layers._monotone import RISING
from pellucid.module import map_layers, replaced

quick = settings(max_examples=30, deadline=None)
X = np.linspace(-2, 2, 81, dtype=np.float32)[:, None]


def drawn_anew(net, rng, size):
    """The network with arrays of any size and sign in place of its own."""

    def change(path, layer):
        if not isinstance(layer, Monotone):
            return layer
        raw = rng.normal(size=layer.raw.shape) * size
        bias = None if layer.bias is None else jnp.asarray(rng.normal(size=layer.bias.shape), jnp.float32)
        return replaced(layer, raw=jnp.asarray(raw, jnp.float32), bias=bias)

    return map_layers(net, change)


def steps(x, directions, rng):
    """Points that are further along in every direction that is given, and the same where it is free."""
    ahead = np.abs(rng.normal(size=x.shape)) * rng.choice([0, 1e-6, 1.0], x.shape)
    return (x + ahead * directions).astype(np.float32)


@quick
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(1,), (-1,), (1, -1), (1, 0, -1, 0), (0, 0, 1)]),
    st.sampled_from([1e-3, 0.3, 3.0, 100.0]),
    st.sampled_from(["relu", "leaky_relu", "hard_tanh", "relu6"]),
)
def test_no_weights_turn_the_order_of_two_outputs(seed, directions, size, activation):
    """Not even by rounding: the outputs are compared without a tolerance."""
    rng = np.random.default_rng(seed)
    net = monotone_mlp([len(directions), 7, 6, 2], directions, key=0, activation=activation)
    net = drawn_anew(net, rng, size)
    x = rng.normal(size=(32, len(directions))).astype(np.float32)
    y = np.asarray(net(jnp.concatenate([x, steps(x, np.array(directions), rng)])))
    assert (y[:32] <= y[32:]).all()


@quick
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-2, 1.0, 30.0]))
def test_the_map_of_every_region_has_the_signs_asked_for(seed, size):
    net = drawn_anew(monotone_mlp([3, 4, 4, 1], [1, -1, 0], key=0), np.random.default_rng(seed), size)
    found = enumerate_regions(net, [(-2, 2)] * 3)
    for i in range(found.count):
        slope = found.local(i).weight[:, 0]
        assert slope[0] >= 0 >= slope[1]


def test_a_free_input_may_do_anything():
    x = np.random.default_rng(0).uniform(-2, 2, (400, 2)).astype(np.float32)
    y = np.cos(2 * x[:, 1:]) + (1 + np.sin(3 * x[:, 1:])) * x[:, :1]
    run = pl.fit(monotone_mlp([2, 32, 32, 1], [1, 0], key=0), (x, y), epochs=150, learning_rate=0.01, progress=False)
    assert run.evaluate().metrics["r2"] > 0.97


def test_free_units_see_nothing_of_what_has_a_direction():
    layer = drawn_anew(Monotone.create(3, 4, key=jax.random.key(0), inputs="+-0", outputs="+-00"), *BIG)
    weight = np.asarray(layer.weight)
    assert not weight[:2, 2:].any()
    assert np.sign(weight[:2, :2]).tolist() == [[1, -1], [-1, 1]]
    np.testing.assert_array_equal(weight[2], layer.raw[2])


BIG = (np.random.default_rng(1), 2.0)


def test_by_default_no_weight_is_below_zero():
    layer = drawn_anew(Monotone.create(5, 6, key=jax.random.key(0)), *BIG)
    np.testing.assert_array_equal(layer.weight, layer.raw**2)


def test_only_curves_that_rise_everywhere_are_allowed():
    x = jnp.linspace(-12, 12, 4001)
    rises = {n for n, curve in CURVES.items() if bool((jnp.diff(curve.value(x)) >= -1e-6).all())}
    assert set(RISING) == rises


def halves(net):
    """f at the middle of two points, and the mean of f there."""
    y = np.asarray(net(jnp.asarray(X)))
    return y[40], (y[:1] + y[-1:])[0] / 2


def test_units_that_fall_are_what_lets_a_network_bend_down():
    """−relu(−z) is concave: with rising units alone all that W ≥ 0 gives is convex, whatever the weights."""
    rng = np.random.default_rng(0)
    keys = jax.random.split(jax.random.key(0), 2)
    only = Sequential([Monotone.create(1, 16, key=keys[0]), Activation("relu"), Monotone.create(16, 1, key=keys[1])])
    bends = []
    for _ in range(20):
        middle, mean = halves(drawn_anew(only, rng, 1.0))
        assert (middle <= mean + 1e-5).all()
        middle, mean = halves(drawn_anew(monotone_mlp([1, 16, 1], [1], key=0), rng, 1.0))
        bends.append(bool((middle > mean + 1e-3).all()))
    assert any(bends)


def test_weights_of_one_sign_cannot_learn_minus_x_and_weights_of_both_can():
    """The best rising fit of a falling function is its mean (isotonic regression), whose error is the variance."""
    y, key = -X, jax.random.split(jax.random.key(0), 2)
    one = Sequential([Monotone.create(1, 16, key=key[0]), Activation("tanh"), Monotone.create(16, 1, key=key[1])])
    both = Sequential([Dense.create(1, 16, key=key[0]), Activation("tanh"), Dense.create(16, 1, key=key[1])])
    settings = {"optimizer": "lbfgs", "epochs": 200, "validation": None, "progress": False, "loss": "squared_error"}
    error = [float(np.mean((np.asarray(pl.fit(net, (X, y), **settings).net(X)) - y) ** 2)) for net in (one, both)]
    assert error[0] >= y.var() * (1 - 1e-5)
    assert error[0] < y.var() * 1.01
    assert error[1] < 1e-4


def test_it_is_written_and_read_like_any_other_network(tmp_path):
    net = drawn_anew(monotone_mlp([3, 5, 4, 1], [1, -1, 0], key=0), *BIG)
    x = np.random.default_rng(2).normal(size=(20, 3)).astype(np.float32)
    wanted = np.asarray(net(x))
    pl.save(tmp_path / "net", net)
    np.testing.assert_array_equal(pl.load(tmp_path / "net.safetensors")(x), wanted)
    pl.to_onnx(net, tmp_path / "net.onnx")
    np.testing.assert_allclose(pl.load(tmp_path / "net.onnx")(x), wanted, 1e-5, 1e-5)
    np.testing.assert_allclose(lowered(net)(x), wanted, 1e-4, 1e-4)
    assert pl.explain(net, x[0]).residual < 1e-4


def test_weights_from_elsewhere_come_in_where_their_signs_fit(tmp_path):
    import torch

    net = monotone_mlp([2, 3, 1], [1, -1], key=0)
    module = pl.to_torch(drawn_anew(net, *BIG))
    x = np.random.default_rng(3).normal(size=(9, 2)).astype(np.float32)
    torch.save(module.state_dict(), tmp_path / "w.pt")
    back = pl.load(tmp_path / "w.pt", net)
    np.testing.assert_allclose(back(x), module(torch.from_numpy(x)).detach(), 1e-5, 1e-5)
    with pytest.raises(SettingError, match="each has the sign of its input and output"):
        net.layers[0].raw_of(np.array([[-1.0], [1.0]]))


def test_a_neuron_is_shown_with_the_weights_it_has():
    net = drawn_anew(monotone_mlp([2, 4, 1], [1, -1], key=0), *BIG)
    x = np.random.default_rng(4).normal(size=(30, 2)).astype(np.float32)
    seen = pl.neuron(net, "layers[1].layers[0]", 1, x)
    np.testing.assert_allclose(seen.weight, net.layers[1].layers[0].weight[:, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: monotone_mlp([2], [1, 1], key=0), r"sizes of input and output, as in \[2, 16, 1\]"),
        (lambda: monotone_mlp([2, 4, 1], [1], key=0), r"1, -1 or 0 for each of 2 inputs, got \[1\]"),
        (lambda: monotone_mlp([2, 4, 1], [1, 2], key=0), "1, -1 or 0 for each of 2 inputs"),
        (lambda: monotone_mlp([2, 4, 1], [1, 1], key=0, activation="gelu"), "rises everywhere, and 'gelu' is none"),
        (lambda: monotone_mlp([2, 4, 1], [1, 1], key=0, init="he"), "no initializer 'he'"),
        (lambda: Monotone.create(2, 0, key=jax.random.key(0)), "at least one input and one output"),
        (
            lambda: Monotone.create(2, 1, key=jax.random.key(0), inputs="+x"),
            r"inputs with a letter \+, - or 0 for each",
        ),
        (lambda: Monotone.create(2, 1, key=jax.random.key(0), outputs="++"), "outputs with a letter"),
    ],
)
def test_what_cannot_be_built_is_refused(make, message):
    with pytest.raises(SettingError, match=message):
        make()


def test_without_hidden_layers_it_is_linear():
    net = monotone_mlp([2, 1], [1, -1], key=0)
    assert [type(layer) for layer in net.layers] == [Monotone]
