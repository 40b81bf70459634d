import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.errors import DataError, SettingError
from pellucid.layers import (
    Activation,
    Dense,
    Embedding,
    Flatten,
    Graph,
    Masking,
    MultiHeadAttention,
    Residual,
    Sequences,
    Sequential,
    attention_weights,
)
from pellucid.layers._attention import rotated

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)


def normal(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def net_of(n=8, heads=2, **settings):
    return MultiHeadAttention.create(n, heads, key=KEY, **settings)


def test_an_attention_module_of_pytorch_is_this_layer():
    theirs = torch.nn.MultiheadAttention(8, 4, batch_first=True)
    torch.nn.init.normal_(theirs.in_proj_bias)
    first, last = theirs.in_proj_weight, theirs.out_proj
    arrays = [first.T, theirs.in_proj_bias, last.weight.T, last.bias]
    net = MultiHeadAttention(*(jnp.asarray(a.detach().numpy()) for a in arrays), heads=4, causal=True)
    x = RNG.normal(size=(3, 5, 8)).astype(np.float32)
    padding = np.arange(5) >= np.array([5, 3, 1])[:, None]
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    given = torch.from_numpy(x)
    wanted, weights = theirs(
        given, given, given, torch.from_numpy(padding), attn_mask=later, average_attn_weights=False
    )
    y, saved = net.forward(Sequences(jnp.asarray(x), jnp.array([5, 3, 1])))
    np.testing.assert_allclose(np.asarray(y.values)[~padding], wanted.detach().numpy()[~padding], 1e-4, 1e-5)
    shares = np.asarray(attention_weights(saved)).swapaxes(1, 2)[~padding]
    np.testing.assert_allclose(shares, weights.detach().numpy().swapaxes(1, 2)[~padding], 1e-4, 1e-6)


def test_padding_is_neither_seen_nor_touched():
    net = net_of(positions="rotary")
    values, lengths = normal(3, 4, 8), jnp.array([2, 4, 0])
    mask = np.arange(4) < np.array(lengths)[:, None]
    (one, saved), (two, _) = (
        net.forward(Sequences(v, lengths)) for v in (values, jnp.where(mask[..., None], values, 1e3))
    )
    dx, dnet = net.backward(saved, normal(3, 4, 8))
    assert (one.values == two.values).all()
    assert (one.values[~mask] == 0).all()
    assert (dx[~mask] == 0).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(dnet))
    np.testing.assert_allclose(one.values[:1, :2], net(values[:1, :2]), 1e-5, 1e-6)


def test_a_causal_step_knows_nothing_of_those_behind_it():
    net, x = net_of(causal=True), normal(2, 6, 8)
    assert (net(x)[:, :3] == net(x.at[:, 3:].set(100.0))[:, :3]).all()


def test_rotary_scores_depend_on_the_distance_alone_and_are_undone_by_the_inverse():
    with jax.enable_x64(True):
        q, k = (jnp.asarray(RNG.normal(size=(1, 1, 1, 6))) for _ in range(2))
        turned = [rotated(jnp.broadcast_to(a, (1, 40, 1, 6)), 1)[0, :, 0] for a in (q, k)]
        score = turned[0] @ turned[1].T
        np.testing.assert_allclose(score[20:, 20:], score[:20, :20], 1e-10, 1e-12)
        assert np.ptp(score[0]) > 0.1
        x = jnp.asarray(RNG.normal(size=(2, 40, 3, 6)))
        np.testing.assert_allclose(rotated(rotated(x, 1), -1), x, 1e-12, 1e-14)
        np.testing.assert_allclose((rotated(x, 1) ** 2).sum(-1), (x**2).sum(-1), 1e-12)


def test_without_positions_the_order_of_the_steps_says_nothing():
    net, x = net_of(), normal(1, 5, 8)
    np.testing.assert_allclose(net(x[:, ::-1]), net(x)[:, ::-1], 1e-5, 1e-6)
    turning = net_of(positions="rotary")
    assert np.abs(turning(x[:, ::-1]) - turning(x)[:, ::-1]).max() > 1e-3


def test_dropout_of_attention_keeps_the_expected_output():
    net, x = net_of(dropout=0.5), normal(1, 4, 8)
    outputs = jax.vmap(lambda key: net.forward(x, key=key)[0])(jax.random.split(KEY, 4000))
    np.testing.assert_allclose(outputs.mean(0), net(x), atol=0.06)
    assert outputs.std(0).min() > 0.05


def test_large_scores_do_not_overflow():
    net, x = net_of(), 1e4 * normal(1, 4, 8)
    y, saved = net.forward(x)
    dx, _ = net.backward(saved, jnp.ones_like(y))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"heads": 3}, "got 3 heads of 8"),
        ({"heads": 8, "positions": "rotary"}, "got 1 features in each head"),
        ({"heads": 2, "positions": "rotery"}, "did you mean 'rotary'"),
        ({"heads": 2, "dropout": 1.0}, "got p=1.0"),
    ],
)
def test_impossible_settings_are_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        MultiHeadAttention.create(8, key=KEY, **settings)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "bool", "float32"])
def test_an_embedding_takes_whole_numbers_of_any_type(dtype):
    net = Embedding.create(1000, 2, key=KEY)
    x = jnp.array([[0, 1], [1, 1]], dtype)
    y, saved = net.forward(x)
    assert (y == net.weight[np.array([[0, 1], [1, 1]])]).all()
    dx, dnet = net.backward(saved, jnp.ones((2, 2, 2)))
    assert dnet.weight[:3].tolist() == [[1, 1], [3, 3], [0, 0]]
    assert dx.shape == (2, 2)
    assert (dx == 0).all()


def test_what_has_no_row_is_nan_and_is_blamed_on_none():
    net = Embedding.create(3, 2, key=KEY)
    y, saved = net.forward(jnp.array([-1.0, 3.0, 0.5, np.nan, 1e12, 2.0]))
    assert np.isnan(y[:5]).all()
    assert np.isfinite(y[5]).all()
    _, dnet = net.backward(saved, jnp.ones((6, 2)))
    assert dnet.weight.tolist() == [[0, 0], [0, 0], [1, 1]]


def test_training_stops_at_a_number_without_a_row_and_names_the_embedding():
    net = Sequential([Embedding.create(4, 3, key=KEY), Flatten(), Dense.create(6, 1, key=KEY)])
    x = RNG.integers(0, 4, (40, 2)).astype(np.float32)
    x[[22, 30], [1, 0]] = 4, -0.5
    settings = {"loss": "mse", "epochs": 1, "batch_size": 32, "progress": False}
    run = pl.fit(net, (x, np.zeros((40, 1), np.float32)), **settings)
    assert run.problem.path == "layers[0]"
    assert {22, 30} <= {*run.data.train_index.tolist()}  # of the rows as they were given, some of which were held out
    assert len(run.data.train_index) == 32
    assert run.problem.message.startswith(
        "Training stopped in epoch 1, step 1: layers[0] has a row for each whole number from 0 to 3, and was given "
    )
    assert "4 in row 22" in run.problem.message
    assert "-0.5 in row 30" in run.problem.message
    assert "learning rate" not in run.problem.message


def reader():
    return Sequential([Masking(), Residual(net_of(causal=True)), Activation("tanh"), net_of(heads=4)])


def test_the_attention_read_out_is_what_forward_saved():
    x = np.array(normal(2, 5, 8))
    x[1, 3:] = np.nan
    net = reader()
    found = pl.attention(net, x)
    first, second = found.layers
    assert [first.path, second.path] == ["layers[1].layer", "layers[3]"]
    assert first.weights.shape == (2, 2, 5, 5)
    assert second.weights.shape == (2, 4, 5, 5)
    assert first.lengths.tolist() == [5, 3]
    _, saved = net.forward(jnp.asarray(x))
    np.testing.assert_allclose(first.weights, attention_weights(saved[1]), 1e-5, 1e-7)
    np.testing.assert_allclose(
        first.weights.sum(-1), np.broadcast_to((np.arange(5) < [[5], [3]])[:, None], (2, 2, 5)), 1e-6
    )
    assert (np.triu(first.weights[0, 0], 1) == 0).all()
    assert (second.weights[1, :, :, 3:] == 0).all()
    assert (second.entropy <= np.log(5)).all()


def test_entropy_and_distance_of_attention_that_is_spread_evenly():
    zero = jnp.zeros((4, 12)), None, jnp.zeros((4, 4)), None
    (found,) = pl.attention(MultiHeadAttention(*zero, heads=2), np.ones((1, 4, 4))).layers
    np.testing.assert_allclose(found.entropy, np.log(4), 1e-6)
    np.testing.assert_allclose(found.distance, 1.25)
    said = str(pl.attention(MultiHeadAttention(*zero, heads=2), np.ones((1, 4, 4)))).splitlines()
    assert said[1].split() == ["(the", "network)", "0", "4", "1.25"]


def test_a_shared_attention_layer_is_read_once_for_every_node():
    net = Graph({"look": net_of(4)}, [("a", "look", "input"), ("b", "look", "a")])
    found = pl.attention(net, normal(1, 3, 4))
    assert [layer.path for layer in found.layers] == ["layers.a", "layers.b"]
    assert np.abs(found.layers[0].weights - found.layers[1].weights).max() > 1e-4


def test_attention_is_read_only_where_there_is_some():
    with pytest.raises(SettingError, match="no MultiHeadAttention"):
        pl.attention(pl.mlp([2, 1], key=0), np.ones((1, 2)))
    with pytest.raises(DataError, match="there is none"):
        pl.attention(net_of(), np.ones((0, 3, 8)))


def test_the_picture_of_attention_shows_one_example_of_one_layer():
    x = np.array(normal(2, 5, 8))
    x[1, 3:] = np.nan
    found = pl.attention(reader(), x)
    panels = [axes for axes in found.plot(row=1).axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in panels] == ["head 0", "head 1"]
    assert panels[0].images[0].get_array().shape[:2] == (3, 3)
    assert len([axes for axes in found.plot(layer="layers[3]").axes if axes.axison]) == 4
    with pytest.raises(SettingError, match=r"did you mean 'layers\[3\]'"):
        found.plot(layer="layers[4]")
    with pytest.raises(SettingError, match="got row=2"):
        found.plot(row=2)
