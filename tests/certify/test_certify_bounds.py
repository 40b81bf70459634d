"""Bounds hold: for every point that can be drawn or found, in exact arithmetic and as the network runs."""

from fractions import Fraction
from itertools import pairwise, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import certify
from pellucid.certify._attack import attack
from pellucid.certify._bounds import METHODS, certified, enclose
from pellucid.certify._claim import Claim, Clause
from pellucid.certify._decide import decide
from pellucid.certify._program import FORMATS
from pellucid.certify._space import spaces_of
from pellucid.errors import CertifyError, GeometryError, SettingError
from pellucid.geometry import lowered
from pellucid.layers import (
    GRU,
    Activation,
    AvgPool,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Flatten,
    LocallyConnected2d,
    MaxPool,
    Parallel,
    PReLU,
    Residual,
    Sequential,
    Softmax,
)

CURVES = (
    "relu", "leaky_relu", "abs", "hard_tanh", "relu6", "hard_sigmoid", "tanh", "sigmoid", "softplus", "elu", "selu",
    "gelu", "gelu_tanh", "silu", "mish", "softsign", "exponential",
)  # fmt: skip


def dense(n_in, n_out, rng, scale=1.0):
    weight = scale * rng.normal(size=(n_in, n_out)) / np.sqrt(n_in)
    return Dense(jnp.float32(weight), jnp.float32(0.3 * rng.normal(size=n_out)))


def mlp(sizes, activation="relu", seed=0, scale=1.5):
    rng, layers = np.random.default_rng(seed), []
    for n, m in pairwise(sizes):
        layers += [dense(n, m, rng, scale), Activation(activation)]
    return Sequential(layers[:-1])


def pictures(activation="silu"):
    k = jax.random.split(jax.random.key(0), 6)
    norm = BatchNorm(
        jnp.float32([1.0, -2.0]), jnp.float32([9.0, 0.1]), jnp.float32([5.0, 0.0]), jnp.float32([0.2, 3.0]), 0.9, 1e-5
    )
    return Sequential(
        [
            Conv2d.create(1, 2, 3, key=k[0]), norm, Activation(activation), MaxPool(2),
            Residual(Sequential([Conv2d.create(2, 2, 3, padding="same", key=k[1]), Activation("relu")])),
            Parallel(
                [Conv2d.create(2, 2, 1, groups=2, key=k[2]), LocallyConnected2d.create(2, 2, (1, 1), (2, 2), key=k[3])]
            ),
            AvgPool(2), Flatten(), PReLU.create(), Dense.create(4, 3, key=k[4]),
        ]
    )  # fmt: skip


NETS = {name: (mlp([3, 7, 6, 2], name), (3,)) for name in CURVES} | {
    "pictures": (pictures(), (6, 6, 1)),
    "sequence": (
        Sequential([Conv1d.create(2, 3, 3, stride=2, key=jax.random.key(1)), Activation("tanh"), Flatten(),
                    Dense.create(6, 2, key=jax.random.key(2))]), (5, 2),
    ),
    "residual and twice": (
        Sequential([dense(3, 4, np.random.default_rng(3)), Residual(Residual(mlp([4, 5, 4], "relu", 4))),
                    Parallel([mlp([4, 2], seed=5), mlp([4, 3, 2], "tanh", 6)], join="sum")]), (3,),
    ),
}  # fmt: skip


def inside(net, shape, spaces, found, rng, points=300):
    """No point leaves the bounds: drawn ones, corners and those found downhill, in float64 and as the network runs."""
    network = lowered(net, shape, curves=True)
    z = [
        spaces.low[:, None]
        + rng.uniform(size=(len(spaces.low), points, network.n_in)) * (spaces.high - spaces.low)[:, None]
    ]
    z += [np.where(rng.random(z[0].shape) < 0.5, spaces.low[:, None], spaces.high[:, None])]
    it = certified(net, shape)
    clauses = tuple(Clause(s * row[None], np.zeros(1)) for row in np.eye(network.n_out) for s in (1.0, -1.0))
    for b in range(len(spaces.low)):
        x, _ = attack(Claim(it, spaces.part(slice(b, b + 1)), clauses), rng)
        z.append(np.broadcast_to(np.resize(x, (1, points, network.n_in)), z[0].shape).copy())
    z = spaces.inside(np.concatenate(z, 1))
    z = np.clip(np.float32(z).astype(float), spaces.low[:, None], spaces.high[:, None])
    exact = network(z.reshape(-1, network.n_in)).reshape(*z.shape[:2], -1)
    ran = np.asarray(net(np.float32(z).reshape(-1, *shape)), float).reshape(*z.shape[:2], -1)
    for y in (exact, ran):
        assert (found.low[:, None] <= y).all()
        assert (y <= found.high[:, None]).all()


@pytest.mark.parametrize("name", NETS)
def test_no_point_leaves_the_bounds(name):
    net, shape = NETS[name]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, int(np.prod(shape))))
    for radius in (0.0, 0.05, 1.0):
        spaces = certify.around(x, radius)
        found = {method: certify.bounds(net, spaces, method, shape=shape) for method in METHODS}
        for bounds in found.values():
            inside(net, shape, spaces, bounds, rng)
        for tighter, looser in (("crown", "interval"), ("alpha", "crown")):
            assert (found[tighter].low >= found[looser].low).all()
            assert (found[tighter].high <= found[looser].high).all()


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("name", ["relu", "gelu", "residual and twice"])
def test_no_point_of_a_ball_leaves_the_bounds_and_a_ball_is_in_its_cube(name, norm):
    net, shape = NETS[name]
    rng = np.random.default_rng(1)
    x = rng.uniform(size=(5, 3))
    for radius, within in ((0.3, None), (0.6, (0, 1))):
        balls = certify.around(x, radius, norm, within)
        cubes = certify.around(x, radius, np.inf, within)
        for method in METHODS:
            ball, cube = (certify.bounds(net, spaces, method, shape=shape) for spaces in (balls, cubes))
            inside(net, shape, balls, ball, rng)
            if method == "interval":
                assert (ball.low >= cube.low - 1e-6).all()


def test_in_a_plane_of_one_layer_the_bounds_are_the_range():
    net = Sequential([Dense(jnp.float32([[1.0, -2.0], [0.5, 1.0]]), jnp.float32([0.0, 1.0]))])
    found = certify.bounds(net, [(-1, 1), (0, 2)], arithmetic="real")
    np.testing.assert_allclose([found.low[0], found.high[0]], [[-1, -1], [2, 5]], atol=1e-12)


whole = st.integers(-3, 3)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_exact_values_of_networks_of_whole_numbers_lie_between_real_bounds(data):
    """Fractions, which round nothing, at corners and inner points of boxes, some of no width; units that are dead, that
    are twice there, and huge weights that cancel."""
    n, m = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 5))
    numbers = st.sampled_from([-3, -2, -1, 0, 0, 1, 2, 3, 2**40, -(2**40)])
    first = [[data.draw(numbers) for _ in range(m)] for _ in range(n)]
    bias = [data.draw(whole) for _ in range(m)]
    if m > 1 and data.draw(st.booleans()):  # a unit twice, or turned round so that both cancel
        sign = data.draw(st.sampled_from([1, -1]))
        for row in first:
            row[1] = sign * row[0]
        bias[1] = sign * bias[0]
    last = [[data.draw(numbers)] for _ in range(m)]
    curve = data.draw(st.sampled_from(["relu", "abs", "hard_tanh", "leaky_relu"]))
    slope = {"leaky_relu": {"slope": 0.5}}.get(curve, {})
    net = Sequential([Dense(np.array(first, float), np.array(bias, float)), Activation(curve, **slope),
                      Dense(np.array(last, float), np.zeros(1))])  # fmt: skip
    ends = [sorted((data.draw(whole), data.draw(whole))) for _ in range(n)]
    parts = [Fraction(0), Fraction(1, 3), Fraction(1)]
    for method in METHODS:
        found = certify.bounds(net, ends, method, arithmetic="real")
        low, high = Fraction(float(found.low[0, 0])), Fraction(float(found.high[0, 0]))
        for shares in product(parts, repeat=n):
            x = [Fraction(a) + share * (b - a) for (a, b), share in zip(ends, shares, strict=True)]
            y = exact(first, bias, last, curve, x)
            assert low <= y <= high


def exact(first, bias, last, curve, x):
    bends = {
        "relu": lambda z: max(z, 0), "abs": abs, "hard_tanh": lambda z: min(max(z, -1), 1),
        "leaky_relu": lambda z: z if z > 0 else z / 2,
    }  # fmt: skip
    z = [
        sum(w * v for w, v in zip(column, x, strict=True)) + b
        for column, b in zip(zip(*first, strict=True), bias, strict=True)
    ]
    return sum(w * bends[curve](v) for (w,), v in zip(last, z, strict=True))


def swallowing(big=2.0**24):
    """In exact arithmetic `y = x`; in float32 x is lost beside the large number, and y is 0."""
    one = jnp.float32([[1.0]])
    return Sequential([Dense(one, jnp.float32([big])), Activation("relu"), Dense(one, jnp.float32([-big]))])


def test_what_rounding_makes_wrong_is_not_proven():
    """A float32 network that computes 0 where exact arithmetic gives x (after Jia and Rinard 2021)."""
    net = swallowing()
    ran = float(np.asarray(net(np.float32([[0.4]])))[0, 0])
    assert ran == 0.0
    real = certify.bounds(net, [(0.3, 0.6)], arithmetic="real")
    assert real.low[0, 0] > 0.29
    run = certify.bounds(net, [(0.3, 0.6)])
    assert run.low[0, 0] <= ran
    clause = Clause(np.array([[1.0]]), np.array([-0.2]))  # refuted where y ≤ 0.2
    for arithmetic, verdict in (("real", "proven"), (None, "unknown")):
        it = certified(net, arithmetic=arithmetic)
        answer = decide([Claim(it, spaces_of([(0.3, 0.6)], it.network), (clause,))], "y > 0.2", seconds=5)
        assert answer.verdict == verdict
    assert "rounding" in answer.advice


def test_sums_in_another_order_are_within_the_bounds_too():
    """Weights that cancel: every order of the sum, in float32, gives another number."""
    rng = np.random.default_rng(0)
    weight = np.float32(rng.normal(size=(64, 1)) * 10.0 ** rng.integers(0, 7, (64, 1)))
    net, x = Sequential([Dense(jnp.asarray(weight), None)]), np.float32(rng.normal(size=64))
    found = certify.bounds(net, certify.around(x, 0))
    sums = []
    for seed in range(200):
        total = np.float32(0)
        for i in np.random.default_rng(seed).permutation(64):
            total = np.float32(total + np.float32(x[i] * weight[i, 0]))
        sums.append(float(total))
    assert len(set(sums)) > 3
    assert found.low[0, 0] <= min(sums)
    assert max(sums) <= found.high[0, 0]


def test_too_large_numbers_are_not_bounded():
    net = Sequential([Dense(jnp.float32([[1e30]]), None), Activation("relu"), Dense(jnp.float32([[1e30]]), None)])
    found = certify.bounds(net, [(0, 1)])
    assert found.low[0, 0] == -np.inf
    assert found.high[0, 0] == np.inf
    assert certify.bounds(net, [(0, 1)], arithmetic="float64").high[0, 0] < 1e61


def test_what_is_given_of_units_narrows_and_may_contradict():
    net = mlp([2, 4, 1])
    it = certified(net)
    spaces, rows = certify.around([[0.2, 0.1]], 1.0), np.eye(1)
    free = enclose(it, spaces, rows)
    low, high = np.full((1, 4), -np.inf), np.full((1, 4), np.inf)
    high[0, 0] = min(0.0, free.high[0, 0])
    narrow = enclose(it, spaces, rows, given=(low, high))
    assert narrow.high[0, 0] <= 0
    assert narrow.top[0, 0] <= free.top[0, 0]
    low[0, 0] = free.high[0, 0] + 1
    assert enclose(it, spaces, rows, given=(low, np.full((1, 4), np.inf))).top[0, 0] == -np.inf


@pytest.mark.parametrize("name", CURVES)
def test_a_box_without_width_has_the_value_itself_at_kinks_too(name):
    net = Sequential([Dense(np.eye(7), None), Activation(name), Dense(np.eye(7), None)])
    x = np.array([[-3.0, -1.0, 0.0, 1.0, 3.0, 6.0, 0.5]])
    y = lowered(net, curves=True)(x)
    for method in METHODS:
        found = certify.bounds(net, certify.around(x, 0), method, arithmetic="real")
        np.testing.assert_allclose(found.low, y, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(found.high, y, rtol=1e-11, atol=1e-11)


def test_many_boxes_at_a_time_are_as_one_by_one():
    net, x = mlp([3, 8, 8, 2], "tanh"), np.random.default_rng(0).normal(size=(37, 3))
    together = certify.bounds(net, certify.around(x, 0.1), threads=2)
    alone = [certify.bounds(net, certify.around(row, 0.1), threads=1) for row in x]
    np.testing.assert_array_equal(together.low, np.concatenate([b.low for b in alone]))
    assert np.array_equal(certify.bounds(net, np.stack([x - 0.1, x + 0.1], -1)).high.shape, together.high.shape)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([(0, 1)], "3 inputs; the box has 1 sides"),
        ([(0, 1), (1, 0), (0, 1)], "empty: side 1 goes from 1 down to 0"),
        ([(0, 1), (np.nan, 1), (0, 1)], "side 1 of row 0 is nan"),
        ([(0, 1), (0, np.inf), (0, 1)], "side 1 of row 0 is inf"),
        ([[0, 1, 2]] * 3, "a pair"),
        ("all", "a pair"),
    ],
)
def test_a_box_that_is_none_is_named(box, words):
    with pytest.raises(CertifyError, match=words):
        certify.bounds(mlp([3, 2]), box)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda net: certify.bounds(net, [(0, 1)] * 3, "crowned"), SettingError, "did you mean 'crown'"),
        (lambda net: certify.bounds(net, [(0, 1)] * 3, arithmetic="float8"), SettingError, "float32"),
        (lambda net: certify.bounds(net, [(0, 1)] * 3, threads=0), SettingError, "threads"),
        (lambda net: certify.around([[0, 0, 0]], -1), SettingError, "radius"),
        (lambda net: certify.around([[0, 0, 0]], 1, 3), SettingError, "norm is 1, 2 or inf"),
        (lambda net: certify.around([[0, 2, 0]], 1, within=(0, 1)), CertifyError, "Input 1 of row 0 is 2"),
        (lambda net: certify.bounds(net, certify.around([0.0, 1.0], 1)), CertifyError, "3 inputs; the points have 2"),
    ],
)
def test_an_impossible_setting_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call(mlp([3, 2]))


def test_a_part_without_a_bound_is_named_and_geometry_says_what_it_said():
    net = Sequential([GRU.create(2, 3, key=jax.random.key(0))])
    with pytest.raises(CertifyError, match=r"layers\[0\].GRU has no bound"):
        certify.bounds(net, np.zeros((8, 2)), shape=(4, 2))
    curved = mlp([2, 3, 1], "tanh")
    with pytest.raises(GeometryError, match=r"layers\[1\].Activation is not piecewise linear with tanh"):
        lowered(curved)
    with pytest.raises(CertifyError, match=r"layers\[1\].Softmax has no bound"):
        certify.bounds(Sequential([*mlp([2, 3]).layers, Softmax(), *mlp([3, 1]).layers]), [(0, 1)] * 2)


def test_a_last_softmax_is_set_aside_and_said():
    net = Sequential([*mlp([2, 3]).layers, Softmax()])
    found = certify.bounds(net, [(0, 1)] * 2)
    assert found.set_aside == "Softmax"
    assert found.low.shape == (1, 3)
    assert "float32" in found.arithmetic


def test_every_format_is_looser_than_exact_arithmetic():
    net, box = mlp([2, 8, 8, 1]), [(-1, 1)] * 2
    wide = {name: certify.bounds(net, box, arithmetic=name) for name in FORMATS}
    order = [float(np.ptp([wide[n].low, wide[n].high])) for n in ("real", "float64", "float32", "float16", "bfloat16")]
    assert order == sorted(order)
