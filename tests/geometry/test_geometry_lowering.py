"""Every layer says what it is as a piecewise-affine map, and that is what its forward computes."""

from math import prod

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.activations import CURVES
from pellucid.affine import Bend, Lowering
from pellucid.errors import GeometryError
from pellucid.geometry import Network, lowered
from pellucid.layers import (
    Activation,
    BatchNorm,
    Conv2d,
    Dense,
    Flatten,
    GaussianNoise,
    Graph,
    MaxPool,
    RandomShift,
    Residual,
    Sequential,
    Softmax,
    values_of,
)
from test_every_layer import CASES

CURVED = {
    *("Softmax", "LogSoftmax", "Masking", "Function", "Gate", "GatedLinear", "RNN", "LSTM", "GRU", "Bidirectional"),
    *("Embedding", "MultiHeadAttention", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm"),
}


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


def written_down(layer, x) -> Network:
    """The layer as a network; a pair of inputs is one input, cut in two."""
    if not isinstance(x, tuple):
        return lowered(layer, x.shape[1:])
    shape = x[0].shape[1:]
    n = prod(shape)
    at = Lowering((2 * n,))
    halves = tuple(at.select(at.input, np.arange(n) + i * n, shape) for i in range(2))
    output = layer.lower(at, halves)
    return Network((2 * n,), tuple(at.steps), output, "")


def rows(x) -> np.ndarray:
    if isinstance(x, tuple):
        return np.concatenate([rows(part) for part in x], 1)
    return np.asarray(x, float).reshape(len(x), -1)


def bent_straight(layer) -> bool:
    """Whether all parts of a layer are made of straight pieces."""
    from pellucid.module import walk

    for _, part in walk(layer):
        if type(part).__name__ in CURVED or getattr(part, "kind", None) in CURVED:
            return False
        if isinstance(part, Activation) and not CURVES[part.name].piecewise_linear:
            return False
    return True


@pytest.mark.parametrize("name", CASES)
def test_a_layer_is_what_it_says_it_is(name):
    case = CASES[name]
    for x in (case.away(), case.at_kinks()):
        if not bent_straight(case.layer):
            if not isinstance(case.layer, Softmax) and hasattr(x, "shape"):
                with pytest.raises(GeometryError, match=r"not piecewise linear"):
                    case.layer.lower(Lowering(x.shape[1:]), Lowering(x.shape[1:]).input)
            continue
        if isinstance(case.layer(x), tuple):
            if not isinstance(x, tuple):
                with pytest.raises(GeometryError, match=r"gives 2 arrays: put Pick"):
                    written_down(case.layer, x)
            continue
        network = written_down(case.layer, x)
        wanted = np.asarray(values_of(case.layer(x)))
        np.testing.assert_allclose(network(rows(x)).reshape(wanted.shape), wanted, rtol=1e-12, atol=1e-12)
        local = network.local(rows(x)[0])
        np.testing.assert_allclose(rows(x)[0] @ local.weight + local.bias, rows(wanted)[0], rtol=1e-10, atol=1e-10)


def deep():
    rng = np.random.default_rng(0)

    def dense(n, m):
        return Dense(rng.normal(size=(n, m)), rng.normal(size=m))

    norm = BatchNorm(rng.normal(size=3), rng.normal(size=3), rng.normal(size=3), rng.uniform(0.5, 2, 3))
    return Sequential(
        [
            Conv2d(rng.normal(size=(2, 2, 1, 3)), rng.normal(size=3), padding="same"), norm, RandomShift(1),
            Activation("leaky_relu"), MaxPool(2), Flatten(), dense(12, 5),
            Residual(Sequential([dense(5, 5), Activation("hard_tanh"), GaussianNoise(0.1), dense(5, 5)])),
            Graph({"a": Activation("relu"), "b": dense(5, 2)}, [("one", "a", "input"), ("two", "b", "one")]), Softmax(),
        ]
    )  # fmt: skip


def test_the_local_map_is_the_derivative():
    net, x = deep(), np.random.default_rng(1).normal(size=(3, 4, 4, 1))
    network = lowered(net, (4, 4, 1))
    assert network.set_aside == "Softmax"
    plain = Sequential(net.layers[:-1])
    for one in x:
        local = network.local(one)
        slope = jax.jacobian(lambda v: plain(v.reshape(1, 4, 4, 1))[0])(jnp.asarray(one.ravel()))
        np.testing.assert_allclose(local.weight.T, slope, atol=1e-10)
        np.testing.assert_allclose(one.ravel() @ local.weight + local.bias, plain(one[None])[0], atol=1e-10)


def test_hyperplanes_are_the_kinks_seen_from_the_input():
    network = lowered(deep(), (4, 4, 1))
    x = np.random.default_rng(2).normal(size=16)
    planes = network.hyperplanes(x)
    assert len(planes.value) == network.kinks
    np.testing.assert_allclose(planes.normal @ x + planes.offset, planes.value, atol=1e-10)
    near = x + 1e-7 * np.random.default_rng(3).normal(size=16)  # still in the region
    np.testing.assert_allclose(network.hyperplanes(near).value, planes.normal @ near + planes.offset, atol=1e-9)
    assert network.name(0, 5).startswith("layers[3][")


def test_a_directed_step_is_a_step_of_the_hyperplanes():
    network = lowered(deep(), (4, 4, 1))
    x, along = np.random.default_rng(2).normal(size=16), np.random.default_rng(4).normal(size=(2, 16))
    planes, stepped = network.hyperplanes(x), network.hyperplanes(x, along)
    np.testing.assert_allclose(stepped.normal, planes.normal @ along.T, atol=1e-10)


def test_the_bends_of_max_pooling_compare_two_values_at_a_time():
    network = lowered(MaxPool(2), (4, 4, 1))
    assert [step.width for step in network.bends] == [8, 4]
    assert all(isinstance(step.operator, Bend) for step in network.bends)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lowered(Sequential([Dense(np.ones((2, 2)), None), Activation("gelu"), Dense(np.ones((2, 1)), None)])),
         r"layers\[1\]\.Activation is not piecewise linear with gelu"),
        (lambda: lowered(Dense(np.array([[1.0], [np.nan]]), None)), "NaN or infinite"),
        (lambda: lowered(Conv2d(np.ones((2, 2, 1, 1)), None)), r"give shape=, such as \(28, 28, 1\)"),
        (lambda: lowered(Dense(np.ones((2, 1)), None))(np.ones((3, 4))), "2 inputs; the points have 4"),
    ],
)  # fmt: skip
def test_what_has_no_geometry_is_refused(make, words):
    with pytest.raises(GeometryError, match=words):
        make()


def test_a_network_of_windows_takes_no_points_at_all():
    network = lowered(Sequential([Conv2d(np.ones((2, 2, 1, 3)), None), Activation("relu")]), (4, 4, 1))
    assert network(np.zeros((0, 16))).shape == (0, 27)
