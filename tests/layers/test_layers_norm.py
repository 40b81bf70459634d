import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import pellucid as pl
from pellucid.errors import SettingError, ShapeError
from pellucid.layers import (
    Activation,
    BatchNorm,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    Dense,
    GroupNorm,
    LocallyConnected1d,
    Masking,
    Residual,
    Sequences,
    Sequential,
    fold_batchnorm,
)
from pellucid.module import walk

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
X = RNG.normal(size=(40, 3)).astype(np.float32) + 2
Y = (X @ [[1.0], [-2.0], [0.5]]).astype(np.float32)


def normal(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def batch_net():
    return Sequential(
        [
            Dense(normal(3, 4), None),
            BatchNorm(normal(4), normal(4), jnp.zeros(4), jnp.ones(4)),
            Activation("tanh"),
            Dense(normal(4, 1), normal(1)),
        ]
    )


def trained(net, x=X, y=Y, **settings):
    options = {"optimizer": "sgd", "learning_rate": 0.05, "epochs": 2, "batch_size": 16} | settings
    return pl.fit(net, (x, y), loss="mse", shuffle=False, validation=None, progress=False, **options)


def running_of(net):
    return net.layers[1].mean, net.layers[1].variance


def test_batchnorm_in_fit_is_pytorchs_fed_the_same_batches():
    net = batch_net()
    found = trained(net).net
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4, bias=False), torch.nn.BatchNorm1d(4), torch.nn.Tanh(), torch.nn.Linear(4, 1)
    )
    arrays = [net.layers[0].weight.T, net.layers[1].weight, net.layers[1].bias, net.layers[3].weight.T]
    with torch.no_grad():
        for parameter, array in zip(theirs.parameters(), [*arrays, net.layers[3].bias], strict=True):
            parameter.copy_(torch.from_numpy(np.array(array)))
    rule = torch.optim.SGD(theirs.parameters(), 0.05)
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    for _ in range(2):
        for start in (0, 16, 32):
            rows = torch.arange(start, start + 16) % 40  # the last batch is filled up with the first rows
            loss = ((theirs(x[rows]) - y[rows]) ** 2)[: 40 - start].mean()  # which the loss does not see
            rule.zero_grad()
            loss.backward()
            rule.step()
    norm = theirs[1]
    np.testing.assert_allclose(found.layers[1].mean, norm.running_mean.numpy(), 1e-5)
    np.testing.assert_allclose(found.layers[1].variance, norm.running_var.numpy(), 1e-5)
    np.testing.assert_allclose(found(X), theirs.eval()(x).detach().numpy(), 1e-4, 1e-5)


def test_weight_decay_and_the_optimizer_leave_running_statistics_alone():
    kept, decayed = (
        trained(batch_net_at(1), learning_rate=1e-9, optimizer="adam", weight_decay=decay).net for decay in (0.0, 0.5)
    )
    for a, b in zip(running_of(kept), running_of(decayed), strict=True):
        np.testing.assert_allclose(a, b, 1e-6)
        assert (np.abs(a - 1) > 1e-3).all()


def batch_net_at(seed):
    draw = np.random.default_rng(seed).normal
    return Sequential([Dense(jnp.asarray(draw(size=(3, 1)), jnp.float32), None), BatchNorm.create(1)])


def test_resumed_and_saved_networks_keep_their_running_statistics(tmp_path):
    net = batch_net_at(2)
    whole = trained(net, epochs=4).net
    half = trained(net, epochs=2, runs=tmp_path)
    rest = trained(net, epochs=4, runs=tmp_path, resume=half.id)
    again = pl.open_run(rest.id, tmp_path).net
    for wanted, a, b in zip(running_of(whole), running_of(rest.net), running_of(again), strict=True):
        assert (a == wanted).all()
        assert (b == wanted).all()
    assert (running_of(half.net)[0] != running_of(whole)[0]).all()


def test_running_statistics_are_no_parameters():
    assert list(pl.parameters(batch_net_at(0))) == ["layers[0].weight", "layers[1].weight", "layers[1].bias"]


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 1, 3)])
def test_one_value_per_channel_is_refused_in_training_and_fine_at_inference(shape):
    net = BatchNorm.create(3)
    with pytest.raises(ShapeError, match=r"more than one value for each channel in training, got x \(1, "):
        net.forward(jnp.ones(shape), key=KEY)
    np.testing.assert_allclose(net(jnp.ones(shape)), np.ones(shape), 1e-5)


def test_a_constant_channel_gives_its_bias_and_a_finite_blame():
    net = BatchNorm(normal(2), normal(2), jnp.zeros(2), jnp.ones(2))
    x = jnp.stack([jnp.full(6, 3.7), normal(6)], 1)
    y, saved = net.forward(x, key=KEY)
    dx, dnet = net.backward(saved, normal(6, 2))
    np.testing.assert_allclose(y[:, 0], np.full(6, net.bias[0]), atol=1e-3)
    assert np.isfinite(dx).all()
    np.testing.assert_allclose(dnet.variance[0], -0.1, 1e-6)


def test_single_precision_bears_a_mean_ten_thousand_times_the_deviation():
    x = (RNG.normal(size=(32, 14, 14, 4)) + 1e4).astype(np.float32)
    exact = x.astype(np.float64)
    wanted = (exact - exact.mean((0, 1, 2))) / exact.std((0, 1, 2))
    net = BatchNorm.create(4, momentum=1.0)
    y, (_, change) = jax.jit(lambda x: net.forward(x, key=KEY))(x)
    np.testing.assert_allclose(y, wanted, atol=5e-3)
    tested = BatchNorm(net.weight, net.bias, net.mean + change[0], net.variance + change[1])
    np.testing.assert_allclose(tested(x), wanted, atol=5e-3)


def test_padding_is_neither_seen_nor_touched():
    net = BatchNorm(normal(2), normal(2), normal(2), jnp.ones(2))
    values, lengths = normal(3, 4, 2), jnp.array([2, 4, 0])
    mask = np.arange(4) < np.array(lengths)[:, None]
    other = jnp.where(mask[..., None], values, 1e6)
    for key in (None, KEY):
        (one, saved), (two, _) = (net.forward(Sequences(v, lengths), key=key) for v in (values, other))
        dx, _ = net.backward(saved, jnp.ones((3, 4, 2)))
        assert (one.values == two.values).all()
        assert (one.values[~mask] == 0).all()
        assert (dx[~mask] == 0).all()
    alone, _ = net.forward(values[mask], key=KEY)
    np.testing.assert_allclose(one.values[mask], alone, 1e-5, 1e-6)


def test_a_batch_without_a_step_that_counts_changes_nothing():
    net = BatchNorm(normal(2), normal(2), normal(2), jnp.ones(2))
    y, saved = net.forward(Sequences(normal(2, 3, 2), jnp.zeros(2, int)), key=KEY)
    _, dnet = net.backward(saved, jnp.ones((2, 3, 2)))
    assert (y.values == 0).all()
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(dnet))


def test_sequences_without_a_channel_axis_are_refused():
    with pytest.raises(ShapeError, match=r"layers\[1\].BatchNorm expects x \(batch, time, \.\.\., 3\), got \(2, 3\)"):
        Sequential([Masking(), BatchNorm.create(3)])(jnp.ones((2, 3)))


def test_settings_that_fit_no_channels_are_refused():
    with pytest.raises(SettingError, match="got 3 groups of 4 channels"):
        GroupNorm.create(4, 3)
    with pytest.raises(SettingError, match=r"at least one channel, got \(0,\)"):
        BatchNorm.create(0)


def test_a_group_of_all_channels_is_a_layer_norm_over_all_axes_but_the_batch():
    x = normal(2, 3, 3, 4)
    wanted = torch.nn.functional.layer_norm(torch.from_numpy(np.array(x)), (3, 3, 4)).numpy()
    np.testing.assert_allclose(GroupNorm.create(4, 1)(x), wanted, 1e-4, 1e-5)


def norm_of(n, affine=True):
    weights = (RNG.normal(size=n), RNG.normal(size=n)) if affine else (None, None)
    return BatchNorm(*weights, RNG.normal(size=n), RNG.uniform(0.5, 2, n))


def dense(n_in, n_out, bias=True):
    return Dense(RNG.normal(size=(n_in, n_out)), RNG.normal(size=n_out) if bias else None)


def kernel(kind, *shape, bias=True, **settings):
    return kind(RNG.normal(size=shape), RNG.normal(size=shape[-1]) if bias else None, **settings)


FOLDED = {  # the layers, the input's shape, how many layers are left, and how many BatchNorms of these
    "behind": ([dense(3, 4), norm_of(4), Activation("tanh"), dense(4, 2)], (5, 3), 3, 0),
    "behind a layer without bias": ([dense(3, 4, bias=False), norm_of(4, affine=False)], (5, 3), 1, 0),
    "before": ([norm_of(3), dense(3, 4, bias=False)], (5, 3), 1, 0),
    "between": ([norm_of(3), dense(3, 4), norm_of(4), norm_of(4)], (5, 3), 1, 0),
    "several before": ([norm_of(3), norm_of(3), dense(3, 4)], (5, 3), 1, 0),
    "inside": ([Residual(Sequential([dense(3, 3), norm_of(3)])), Sequential([norm_of(3), dense(3, 2)])], (5, 3), 2, 0),
    "behind a curve": ([dense(3, 4), Activation("relu"), norm_of(4), Activation("tanh")], (5, 3), 4, 1),
    "behind a convolution": (
        [kernel(Conv2d, 3, 2, 2, 4, bias=False, padding="same", stride=2), norm_of(4)],
        (2, 5, 4, 2),
        1,
        0,
    ),
    "before a convolution of groups": ([norm_of(4), kernel(Conv1d, 3, 2, 6, groups=2, dilation=2)], (2, 8, 4), 1, 0),
    "before a convolution that pads": ([norm_of(2), kernel(Conv1d, 3, 2, 4, padding="same")], (2, 8, 2), 2, 1),
    "before a convolution that pads one side": (
        [norm_of(2), kernel(Conv1d, 3, 2, 4, padding=[(0, 2)])],
        (2, 8, 2),
        2,
        1,
    ),
    "on both sides of an unshared one": (
        [norm_of(2), kernel(LocallyConnected1d, 6, 3, 2, 4, bias=False), norm_of(4)],
        (2, 8, 2),
        1,
        0,
    ),
    "behind an unshared one": ([kernel(LocallyConnected1d, 6, 3, 2, 4, bias=False), norm_of(4)], (2, 8, 2), 1, 0),
    "behind a transposed convolution": (
        [kernel(ConvTranspose2d, 2, 2, 1, 4, groups=2, stride=2), norm_of(4)],
        (2, 3, 3, 2),
        1,
        0,
    ),
}


@pytest.mark.parametrize("name", FOLDED)
def test_folded_is_the_same_function_with_fewer_layers(name):
    layers, shape, left, norms = FOLDED[name]
    with jax.enable_x64(True):
        net = Sequential(layers)
        x = jnp.asarray(RNG.normal(size=shape))
        folded = fold_batchnorm(net)
        np.testing.assert_allclose(folded(x), net(x), 1e-12, 1e-12)
        assert len(folded.layers) == left
        assert sum(isinstance(layer, BatchNorm) for _, layer in walk(folded)) == norms
