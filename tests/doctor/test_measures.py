import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neighbors import KNeighborsRegressor

import pellucid as pl
from pellucid.doctor import Program
from pellucid.doctor._measures import noise_scale, one_batch, sharpness, simple_scores
from pellucid.doctor._task import score, task_of
from pellucid.losses import loss
from pellucid.module import learned
from pellucid.train import Settings

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)).astype(np.float32)
Y = (X @ np.array([[1.0], [2], [-1]]) + 0.3 * RNG.normal(size=(120, 1))).astype(np.float32)
SQUARED = loss("squared_error")


def test_sharpness_is_the_largest_eigenvalue_of_the_hessian():
    net = pl.mlp([3, 4, 1], key=0, activation="tanh")
    flat, back = ravel_pytree(learned(net))

    def value(weights):
        return jnp.square(back(weights)(X) - Y).mean()

    wanted = np.linalg.eigvalsh(np.asarray(jax.hessian(value)(flat))).max()
    assert sharpness(net, SQUARED, X, Y) == pytest.approx(wanted, rel=0.05)


def test_noise_grows_with_the_noise_of_the_targets():
    net = pl.mlp([3, 1], key=0)
    quiet = noise_scale(net, SQUARED, X, 5 * Y)
    loud = noise_scale(net, SQUARED, X, 5 * Y + 50 * RNG.normal(size=Y.shape).astype(np.float32))
    assert 0 < quiet < loud
    assert np.isnan(noise_scale(net, SQUARED, X[:8], Y[:8]))


def test_one_batch_has_the_shape_of_all_rows():
    program = Program(pl.mlp([3, 1], key=0), Settings(SQUARED), X, Y)
    small = one_batch(program)
    assert small.x.shape == X.shape
    assert len(np.unique(small.x, axis=0)) == 32


def test_simple_models_reach_what_scikit_learn_says():
    program = Program(pl.mlp([3, 1], key=0), Settings(SQUARED), X, Y)
    task = task_of(Y, labels=False, classifying=False)
    found = simple_scores(program, task)
    assert found["a linear model"] == pytest.approx(LinearRegression().fit(X, Y).score(X, Y), abs=1e-4)
    x = (X - X.mean(0)) / X.std(0)
    near = KNeighborsRegressor(6).fit(x, Y).kneighbors(x, return_distance=False)[:, 1:]
    assert found["the five nearest neighbours"] == pytest.approx(r2_score(Y[:, 0], Y[near].mean(1)[:, 0]), abs=1e-4)


def test_scores_are_those_of_scikit_learn():
    z = RNG.normal(size=(50, 2))
    y = RNG.normal(size=(50, 2))
    assert score(task_of(y, labels=False, classifying=False), z, y, 0.5) <= 1
    labels = RNG.integers(0, 2, 50)
    assert score(task_of(labels, labels=False, classifying=True), z[:, :1], labels, 0.0) == pytest.approx(
        accuracy_score(labels, z[:, 0] > 0)
    )
    assert score(task_of(y[:, 0], labels=False, classifying=False), z[:, :1], y[:, 0], 0.5) == pytest.approx(
        r2_score(y[:, 0], z[:, 0])
    )
    three = RNG.integers(0, 3, 60)
    logits = RNG.normal(size=(60, 3))
    for given in (three, np.eye(3)[three]):
        task = task_of(given, labels=True, classifying=True)
        assert score(task, logits, given, 0.0) == pytest.approx(accuracy_score(three, logits.argmax(1)))
