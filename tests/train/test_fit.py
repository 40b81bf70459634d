import os
import signal
import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

import pellucid as pl
from pellucid.backprop import backpropagate
from pellucid.errors import DataError, SettingError, ShapeError
from pellucid.layers import Dense, Embedding, Function, Sequential
from pellucid.losses import loss
from pellucid.train import Settings
from pellucid.train._locate import first_not_finite

RNG = np.random.default_rng(0)
X = RNG.normal(size=(44, 3)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5] > 0).astype(np.int32)
QUIET = {"progress": False, "batch_size": 8}


def net(key=0):
    return pl.mlp([3, 4, 2], key=key, activation="tanh")


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_an_epoch_is_pytorchs_loop_over_the_same_batches_the_last_smaller_one_included():
    ours = pl.fit(net(), (X, Y), epochs=2, validation=None, shuffle=False, **QUIET)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    start = net()
    with torch.no_grad():
        for place, layer in ((0, start.layers[0]), (2, start.layers[2])):
            theirs[place].weight.copy_(torch.tensor(np.asarray(layer.weight).T))
            theirs[place].bias.copy_(torch.tensor(np.asarray(layer.bias)))
    rule = torch.optim.Adam(theirs.parameters(), lr=1e-3)
    for _ in range(2):
        total = 0.0
        for i in range(0, 44, 8):
            x, y = torch.tensor(X[i : i + 8]), torch.tensor(Y[i : i + 8], dtype=torch.long)
            rule.zero_grad()
            value = torch.nn.functional.cross_entropy(theirs(x), y)
            value.backward()
            rule.step()
            total += value.item() * len(x)
    np.testing.assert_allclose(ours.net.layers[0].weight, theirs[0].weight.detach().T, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.net.layers[2].bias, theirs[2].bias.detach(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.history[-1].loss, total / 44, rtol=1e-5)


def test_every_row_is_seen_once_an_epoch_whatever_the_order():
    """With plain gradient steps of rate 0 nothing moves, so the epoch's loss is the mean over all rows."""
    still = {"optimizer": optax.sgd(0.0), "validation": None, **QUIET}
    z = net()(X)
    wanted = float(loss("cross_entropy").evaluate(z, jnp.asarray(Y))[0])
    for seed in (0, 1):
        run = pl.fit(net(), (X, Y), epochs=1, seed=seed, **still)
        np.testing.assert_allclose(run.history[0].loss, wanted, rtol=1e-5)


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    one, two, other = (pl.fit(net(), (X, Y), epochs=2, seed=seed, **QUIET).net for seed in (3, 3, 4))
    assert same(one, two)
    assert not same(one, other)


def test_weights_count_rows_as_often_as_they_say():
    weights = np.ones(44, np.float32)
    weights[:20] = 0
    still = {"optimizer": optax.sgd(0.0), "validation": None, "epochs": 1, **QUIET}
    run = pl.fit(net(), (X, Y, weights), **still)
    wanted = float(loss("cross_entropy").evaluate(net()(X[20:]), jnp.asarray(Y[20:]))[0])
    np.testing.assert_allclose(run.history[0].loss, wanted, rtol=1e-5)


def test_balanced_class_weights_give_each_class_the_same_say():
    rare = np.where(np.arange(44) < 40, 0, 1).astype(np.int32)
    still = {"optimizer": optax.sgd(0.0), "validation": None, "epochs": 1, "class_weight": "balanced", **QUIET}
    run = pl.fit(net(), (X, rare), **still)
    each = np.asarray(loss("cross_entropy").per_example(net()(X), jnp.asarray(rare)))
    np.testing.assert_allclose(run.history[0].loss, (each[:40].mean() + each[40:].mean()) / 2, rtol=1e-4)


def test_early_stopping_gives_back_the_best_network():
    noise = RNG.integers(0, 2, 44).astype(np.int32)
    run = pl.fit(net(), (X, noise), epochs=200, early_stop=3, learning_rate=0.1, **QUIET)
    assert run.status == "stopped early"
    assert len(run.history) == run.best_epoch + 3
    held = [epoch.validation_loss for epoch in run.history]
    assert min(held) == held[run.best_epoch - 1]
    np.testing.assert_allclose(run.evaluate().loss, min(held), rtol=1e-6)


def test_the_plateau_schedule_halves_the_rate_after_five_epochs_without_a_better_one():
    run = pl.fit(net(), (X, Y), epochs=8, schedule="plateau", optimizer="sgd", learning_rate=1e-12, **QUIET)
    assert run.history[-1].learning_rate in (1e-12, 5e-13)
    worse = pl.fit(net(), (X, 1 - Y), epochs=9, schedule="plateau", learning_rate=0.5, validation=(X, Y), **QUIET)
    assert worse.history[-1].learning_rate == 0.25


def test_lbfgs_reaches_a_lower_loss_than_adam_in_as_many_epochs():
    settings = {"epochs": 15, "validation": None, **QUIET}
    quasi_newton = pl.fit(net(), (X, Y), optimizer="lbfgs", **settings)
    assert quasi_newton.history[-1].loss < 0.5 * pl.fit(net(), (X, Y), **settings).history[-1].loss


def test_the_range_test_suggests_a_rate_that_learns():
    run = pl.fit(net(), (X, Y), epochs=10, learning_rate="find", validation=None, **QUIET)
    test = run.range_test
    assert 1e-5 < test.suggested < 5
    assert len(test.rates) == len(test.losses)
    assert run.history[-1].loss < 0.8 * test.losses[0]


def test_the_watch_sees_what_the_pass_shows():
    start = net()
    run = pl.fit(start, (X, Y), epochs=1, shuffle=False, validation=None, watch_every=100, **QUIET)
    seen = run.history[0].watch
    x, y = jnp.asarray(X[:8]), jnp.asarray(Y[:8])
    z1 = start.layers[0](x)
    a1 = jnp.tanh(z1)
    result = backpropagate(start, loss("cross_entropy"), x, y)
    dz2 = loss("cross_entropy").evaluate(result.output, y)[1]
    da1 = dz2 @ start.layers[2].weight.T
    np.testing.assert_allclose(seen["layers[0]"].mean, z1.mean(), rtol=1e-5)
    np.testing.assert_allclose(seen["layers[0]"].variance, z1.var(), rtol=1e-5)
    np.testing.assert_allclose(seen["layers[1]"].blame_variance, jnp.square(8 * da1).mean(), rtol=1e-5)
    np.testing.assert_allclose(seen["layers[1]"].saturated, (1 - a1**2 < 0.01).mean(), atol=1e-6)
    g, w = result.dnet.layers[2], start.layers[2]
    ratio = jnp.sqrt((jnp.square(g.weight).sum() + jnp.square(g.bias).sum()) / jnp.square(w.weight).sum())
    np.testing.assert_allclose(seen["layers[2]"].gradient_ratio, ratio, rtol=1e-5)
    assert seen["layers[0]"].saturated is None
    assert seen["layers[1]"].gradient_ratio is None


def test_watching_changes_nothing():
    watched, unwatched = (pl.fit(net(), (X, Y), epochs=2, watch_every=n, **QUIET) for n in (4, 0))
    np.testing.assert_allclose(watched.net.layers[0].weight, unwatched.net.layers[0].weight, rtol=1e-6)
    assert not unwatched.history[0].watch


def test_too_large_a_step_stops_at_the_last_good_network_and_names_the_layer():
    run = pl.fit(net(), (X, Y), epochs=5, optimizer="sgd", learning_rate=1e38, clip=1e30, validation=None, **QUIET)
    assert run.status == "not finite"
    assert all(np.isfinite(a).all() for a in jax.tree.leaves(run.net))
    assert run.problem.path == "loss" or run.problem.path.startswith("layers[")
    assert "learning rate" in run.problem.message


def test_a_layer_that_makes_nan_is_named_forward_and_backward():
    flat = Dense(jnp.zeros((3, 2)), jnp.zeros(2))
    for function, pass_ in ((jnp.log, "forward"), (jnp.sqrt, "backward")):  # log 0 = −∞, and √x is vertical at 0
        run = pl.fit(Sequential([flat, Function(function)]), (X, Y), epochs=1, validation=None, **QUIET)
        assert run.status == "not finite"
        assert (run.problem.path, run.problem.pass_, run.problem.step) == ("layers[1]", pass_, 1)


def test_numbers_without_a_row_are_named_once_and_not_all():
    table = Embedding(jnp.zeros((4, 1)))
    x = jnp.array([[9, 9], [4, 5], [1, 6], [7, 8]])
    found = first_not_finite(table, loss("mse"), x, jnp.zeros((4, 2, 1)), None, None)
    assert found.sentence.endswith("from 0 to 3, and was given 9, 4, 5, 6, 7 and 1 more")
    found = first_not_finite(table, loss("mse"), x[:2], jnp.zeros((2, 2, 1)), None, None, np.array([12, 3]))
    assert found.sentence.endswith("9 in row 12, 4 in row 3, 5 in row 3 (the first row is 0)")


def test_ctrl_c_returns_the_run_so_far():
    before = signal.getsignal(signal.SIGINT)
    timer = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
    pl.fit(net(), (X, Y), epochs=2, **QUIET)  # compiled before the clock runs
    timer.start()
    run = pl.fit(net(), (X, Y), epochs=10**7, **QUIET)
    timer.cancel()
    assert run.status == "interrupted"
    assert 0 < len(run.history) < 10**7
    assert signal.getsignal(signal.SIGINT) is before


def test_batches_from_an_iterator_train_as_the_same_rows_in_memory():
    def batches():
        for i in range(0, 44, 11):
            yield X[i : i + 11], Y[i : i + 11]

    settings = {"epochs": 2, "shuffle": False, "validation": None, "loss": "cross_entropy", **QUIET}
    streamed, whole = pl.fit(net(), batches, **settings), pl.fit(net(), (X, Y), **settings)
    np.testing.assert_allclose(streamed.net.layers[0].weight, whole.net.layers[0].weight, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(streamed.history[1].loss, whole.history[1].loss, rtol=1e-5)


def test_parts_smaller_than_the_data_change_no_row(monkeypatch):
    whole = pl.fit(net(), (X, Y), epochs=2, **QUIET)
    monkeypatch.setattr("pellucid.train._feed.GATHERED_BYTES", 16 * X[:1].nbytes)
    parted = pl.fit(net(), (X, Y), epochs=2, **QUIET)
    np.testing.assert_allclose(whole.net.layers[0].weight, parted.net.layers[0].weight, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": -1}, "epochs is a whole number"),
        ({"batch_size": 0}, "batch_size"),
        ({"learning_rate": -0.1}, "learning_rate is a number above 0"),
        ({"learning_rate": "fnd"}, "'find'"),
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"loss": "cross_entrop"}, "did you mean 'cross_entropy'"),
        ({"optimizer": optax.sgd(0.1), "learning_rate": 0.1}, "brings its own"),
        ({"class_weight": {"0": 1.0}}, "class_weight names the classes"),
        ({"early_stop": 0}, "early_stop"),
        ({"validation": 1.5}, "validation"),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(change, words):
    with pytest.raises(SettingError, match=words):
        pl.fit(net(), (X, Y), **{**QUIET, **change})


def test_data_that_does_not_fit_the_network_is_refused_in_words():
    with pytest.raises(ShapeError, match=r"layers\[0\].Dense expects x \(batch, 3\), got \(1, 2\)"):
        pl.fit(net(), (X[:, :2], Y), **QUIET)
    with pytest.raises(DataError, match=r"labels 0\.\.1; row \d+ has 2"):
        pl.fit(net(), (X, np.arange(44) % 3), loss="cross_entropy", **QUIET)
    with pytest.raises(DataError, match="one row"):
        pl.fit(net(), (X[:1], Y[:1]), **QUIET)


def test_a_batch_larger_than_the_data_is_one_batch_and_said_so():
    run = pl.fit(net(), (X, Y), epochs=1, batch_size=1000, validation=None, progress=False)
    assert run.settings.batch_size == 44
    assert "1000 is more than the 44 rows" in run.notes[0]


def test_lines_are_printed_where_there_is_no_terminal(capsys):
    pl.fit(net(), (X, Y), epochs=2, batch_size=8)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines[-2:]] == ["epoch 1/2", "epoch 2/2"]
    pl.fit(net(), (X, Y), epochs=1, **QUIET)
    assert not capsys.readouterr().err


def test_a_second_run_with_other_rates_compiles_nothing_anew():
    from pellucid.train._epoch import advance

    pl.fit(net(), (X, Y), epochs=1, **QUIET)
    compiled = advance._cache_size()
    pl.fit(net(1), (X, Y), epochs=2, learning_rate=0.3, schedule="cosine", seed=5, **QUIET)
    assert advance._cache_size() == compiled


def test_sizes_alone_make_a_network_that_suits_the_data():
    run = pl.fit([5], (X, Y), epochs=1, **QUIET)
    assert [layer.weight.shape for layer in run.net.layers if isinstance(layer, Dense)] == [(3, 5), (5, 1)]
    run = pl.fit([5], (X, X @ np.ones((3, 2), np.float32)), epochs=1, **QUIET)
    assert run.settings.loss.name == "squared_error"
    assert run.predict(X[:4]).shape == (4, 2)


def test_the_watch_looks_every_64_steps_or_four_times_in_a_long_epoch_and_a_short_training_or_as_asked():
    given = loss("squared_error")
    assert [Settings(given).watched(n) for n in (None, 15, 256, 2048)] == [64, 64, 64, 512]
    assert [Settings(given, epochs=n).watched(4) for n in (0, 1, 20, 1000)] == [1, 1, 20, 64]
    assert [Settings(given, watch_every=n).watched(2048) for n in (0, 1, 65)] == [0, 1, 65]
