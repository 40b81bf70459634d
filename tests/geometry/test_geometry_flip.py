"""The nearest change of the answer is the nearest: no sampled point is nearer, and every exact oracle agrees."""

import itertools

import jax
import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from pellucid.errors import GeometryError, SettingError
from pellucid.geometry import complex_of, lowered
from pellucid.geometry._closest import closest, length, to_half_space
from pellucid.geometry._closest_kernels import reach
from pellucid.geometry._flip import nearest_flip
from pellucid.geometry._relax import Ball, Relaxation, between
from pellucid.geometry._what_if import what_if
from pellucid.layers import Activation, Conv2d, Dense, Flatten, MaxPool, Residual, Sequential, Softmax

NORMS = [1, 2, np.inf]


def mlp(sizes, seed=0, activation="relu", bias=0.3):
    rng = np.random.default_rng(seed)
    layers = []
    for n, m in itertools.pairwise(sizes):
        layers += [Dense(rng.normal(size=(n, m)) / np.sqrt(n), bias * rng.normal(size=m)), Activation(activation)]
    return Sequential(layers[:-1])


def residual(n=2, seed=3):
    rng = np.random.default_rng(seed)
    body = Sequential([Dense(rng.normal(size=(n, n)), rng.normal(size=n)), Activation("relu")])
    return Sequential(
        [
            Residual(body),
            Dense(rng.normal(size=(n, 6)), rng.normal(size=6)),
            Activation("leaky_relu"),
            Dense(rng.normal(size=(6, 3)), np.zeros(3)),
        ]
    )


def doubled_and_dead(seed=5):
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(2, 4)), rng.normal(size=4)
    weight, bias = np.concatenate([weight, weight, np.zeros((2, 3))], 1), np.concatenate([bias, bias, [-1.0, 0.0, 1.0]])
    return Sequential(
        [Dense(weight, bias), Activation("relu"), Dense(rng.normal(size=(11, 3)), np.zeros(3)), Softmax()]
    )


def tiny_conv(seed=1, size=6):
    keys = jax.random.split(jax.random.key(seed), 2)
    conv = Conv2d.create(1, 3, 3, key=keys[0])
    side = (size - 2) // 2
    return Sequential(
        [conv, Activation("relu"), MaxPool(2, 2), Flatten(), Dense.create(3 * side * side, 3, key=keys[1])]
    )


NETS = {
    "relu": mlp([2, 8, 8, 3]),
    "zero bias": mlp([2, 8, 8, 3], 1, bias=0.0),
    "leaky": mlp([2, 8, 8, 3], 2, "leaky_relu"),
    "hard tanh": mlp([2, 8, 8, 3], 3, "hard_tanh"),
    "residual": residual(),
    "doubled and dead": doubled_and_dead(),
    "one output": mlp([2, 8, 8, 1], 4, bias=1.0),
}


def answers(net, points):
    y = lowered(net)(points)
    return y.argmax(1) if y.shape[1] > 1 else (y[:, 0] > 0).astype(int)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", NETS)
def test_no_point_of_a_dense_grid_flips_nearer_and_one_flips_hardly_farther(name, norm):
    net, n = NETS[name], 801
    for x in np.random.default_rng(0).uniform(-1, 1, (4, 2)):
        found = nearest_flip(net, x, norm, box=(-3, 3))
        side = np.linspace(-3, 3, n)
        grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
        flips = answers(net, grid) != found.answer
        if found.status == "none":
            assert not flips.any()
            continue
        assert found.status == "exact"
        far = length(grid[flips] - x, norm)
        assert far.min(initial=np.inf) >= found.lower * (1 - 1e-9)
        assert far.min(initial=np.inf) <= found.distance + 0.1  # a sliver may hold no point of the grid nearer
        assert found.margin == pytest.approx(0, abs=1e-7)
        assert length(found.point - x, norm) == found.distance
        assert found.distance * (1 - 2 * found.tolerance) <= found.lower <= found.distance


def by_patterns(weight, bias, out, shift, x, norm):
    """The nearest flip of one hidden layer by scipy: a program for each of its 2^n patterns."""
    n, m = weight.shape
    best = np.inf
    for signs in itertools.product([0.0, 1.0], repeat=m):
        on = np.array(signs)
        side = 2 * on - 1
        local, offset = (weight * on) @ out, (bias * on) @ out + shift
        a = np.concatenate([local[None], (weight * side).T])
        c = np.concatenate([[offset], bias * side]) + a @ x
        best = min(best, by_scipy(a, c, norm, np.full(n, -np.inf), np.full(n, np.inf)))
    return best


def by_scipy(a, c, norm, low, high):
    n = a.shape[1]
    sides = [*zip(low, high, strict=True)]
    if norm == 2:
        start = linprog(np.zeros(n), -a, c, bounds=sides)
        if start.status:
            return np.inf
        rows = {"type": "ineq", "fun": lambda d: a @ d + c, "jac": lambda d: a}
        found = minimize(
            lambda d: d @ d / 2, start.x, jac=lambda d: d, bounds=sides, constraints=rows, method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 500},
        )  # fmt: skip
        return float(np.sqrt(found.x @ found.x))
    width = np.eye(n) if norm == 1 else np.ones((n, 1))
    k = width.shape[1]
    matrix = np.block([[-a, np.zeros((len(a), k))], [np.eye(n), -width], [-np.eye(n), -width]])
    limits = np.concatenate([c, np.zeros(2 * n)])
    found = linprog(np.append(np.zeros(n), np.ones(k)), matrix, limits, bounds=[*sides, *[(0, None)] * k])
    return np.inf if found.status else found.fun


@pytest.mark.parametrize("norm", NORMS)
def test_it_is_the_least_over_all_patterns_of_one_layer(norm):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        weight, bias, out = rng.normal(size=(4, 5)), rng.normal(size=5), rng.normal(size=5)
        net = Sequential([Dense(weight, bias), Activation("relu"), Dense(out[:, None], np.array([0.3]))])
        x = rng.normal(size=4)
        f = float(lowered(net)(x[None])[0, 0])
        sign = -1.0 if f > 0.1 else 1.0
        wanted = by_patterns(weight, bias, sign * out, sign * 0.2, x, norm)
        found = nearest_flip(net, x, norm, level=0.1)
        assert found.status == "exact"
        assert found.distance == pytest.approx(wanted, rel=1e-5)
        assert (found.answer, found.to) == ((1, 0) if f > 0.1 else (0, 1))


@pytest.mark.parametrize("name", ["relu", "residual", "one output"])
def test_it_lies_as_far_as_the_boundary_of_the_exact_complex(name):
    net = NETS[name]
    found = complex_of(net, box=[(-2, 2), (-2, 2)])
    for x in np.random.default_rng(1).uniform(-0.7, 0.7, (3, 2)):
        flip = nearest_flip(net, x, box=(-2, 2))
        assert flip.distance == pytest.approx(to_lines(found.boundary().lines, x), rel=1e-6)


def to_lines(lines, x):
    """The distance from x to the nearest of these lines; that nearest boundary is one of the answer at x."""
    best = np.inf
    for line in lines:
        a, b = line[:-1], line[1:]
        t = ((x - a) * (b - a)).sum(1) / np.maximum(((b - a) ** 2).sum(1), 1e-300)
        best = min(best, length(x - a - np.clip(t, 0, 1)[:, None] * (b - a), 2).min(initial=np.inf))
    return best


def test_random_search_never_finds_a_nearer_flip():
    net, rng = mlp([12, 16, 16, 5], 7), np.random.default_rng(2)
    network = lowered(net)
    for norm in NORMS:
        x = rng.normal(size=12)
        found = nearest_flip(net, x, norm)
        assert found.status == "exact"
        ray = rng.normal(size=(20000, 12))
        toward = (found.point - x)[None] + 0.3 * found.distance * rng.normal(size=(20000, 12))
        for way in (ray, toward):
            inside = x + way / length(way, norm)[:, None] * found.lower * rng.uniform(0.9, 1 - 1e-6, (len(way), 1))
            assert (network(inside).argmax(1) == found.answer).all()
        assert all(len(p) == step.width for p, step in zip(found.pattern, network.bends, strict=True))


def test_on_the_boundary_the_distance_is_0():
    net = Sequential(
        [Dense(np.array([[1.0, -1.0]]), np.zeros(2)), Activation("relu"), Dense(np.array([[1.0], [-1.0]]), np.zeros(1))]
    )
    found = nearest_flip(net, [0.0])
    assert (found.status, found.distance, found.lower, found.margin) == ("exact", 0.0, 0.0, 0.0)
    assert what_if(net, [0.0], 0).distance == 0
    twin = Dense(np.array([[1.0, 1.0]]), np.zeros(2))  # two classes that are always equal
    assert nearest_flip(twin, [3.0]).distance == 0


def test_without_a_flip_in_the_box_it_says_so_and_without_a_box_how_far_it_looked():
    net = Sequential(
        [Dense(np.array([[1.0, -1.0]]), np.zeros(2)), Activation("relu"), Dense(np.ones((2, 1)), np.ones(1))]
    )
    found = nearest_flip(net, [0.5], box=(-4, 4))
    assert (found.status, found.distance, found.lower, found.point) == ("none", np.inf, np.inf, None)
    far = nearest_flip(net, [0.5], seconds=5)
    assert far.status == "bounds"
    assert far.distance == np.inf
    assert far.lower >= 1e8
    assert nearest_flip(net, [0.5], level=3.0, box=(-1.5, 1.5)).status == "none"
    exact = nearest_flip(net, [0.5], level=3.0, box=(-2.5, 2.5))
    assert (exact.status, exact.point[0], exact.to) == ("exact", pytest.approx(2.0), 1)
    assert nearest_flip(net, [0.5], box=(0.5, 0.5)).status == "none"


def test_a_target_class_and_a_box_can_only_be_farther():
    net, x = mlp([5, 12, 12, 4], 9), np.full(5, 0.2)
    free = nearest_flip(net, x)
    targets = [nearest_flip(net, x, target=k) for k in range(4) if k != free.answer]
    assert min(t.distance for t in targets) == pytest.approx(free.distance, rel=1e-6)
    boxed = nearest_flip(net, x, box=[(0.1, 0.9)] * 5)
    assert boxed.distance >= free.distance * (1 - 1e-6)
    if boxed.point is not None:
        assert (boxed.point >= 0.1).all()
        assert (boxed.point <= 0.9).all()


def test_when_the_time_is_up_the_bounds_hold():
    net = mlp([20, 40, 40, 40, 5], 11)
    x = np.random.default_rng(0).normal(size=20)
    short = nearest_flip(net, x, seconds=0.3)
    long = nearest_flip(net, x, seconds=3)
    assert 0 < short.lower <= long.distance * (1 + 1e-9)
    assert 0 < long.lower <= short.distance * (1 + 1e-9)


def test_a_convnet_with_pooling_is_bounded_or_solved_and_no_sample_is_nearer():
    net, rng = tiny_conv(), np.random.default_rng(4)
    x = rng.uniform(size=(6, 6, 1))
    network = lowered(net, (6, 6, 1))
    for norm in NORMS:
        found = nearest_flip(net, x, norm, shape=(6, 6, 1), box=(0, 1), seconds=2)
        assert 0 < found.lower <= found.distance
        way = rng.normal(size=(5000, 36))
        inside = np.clip(x.reshape(1, -1) + way / length(way, norm)[:, None] * found.lower * 0.999999, 0, 1)
        assert (network(inside).argmax(1) == found.answer).all()


@pytest.mark.parametrize("name", NETS)
def test_the_change_of_one_feature_is_the_first_that_flips_on_a_fine_line(name):
    net = NETS[name]
    for x in np.random.default_rng(3).uniform(-1, 1, (3, 2)):
        found = what_if(net, x, 1, box=(-3, 3), scale=2.0)
        t = np.linspace(-3, 3, 60001) - x[1]
        line = np.repeat(x[None], len(t), 0)
        line[:, 1] += t
        flips = answers(net, line) != found.answer
        for change, side in ((found.up, t > 0), (found.down, t < 0)):
            wanted = abs(t[flips & side]).min(initial=np.inf)
            assert (change is None) == np.isinf(wanted)
            assert change is None or abs(change) == pytest.approx(wanted, abs=2e-4)
        known = [abs(d) for d in (found.up, found.down) if d is not None]
        assert found.status == ("exact" if known else "none")
        assert found.distance == pytest.approx(min(known, default=np.inf) / 2)
        assert found.change is None or found.margin == pytest.approx(0, abs=1e-9)


def test_the_change_of_two_features_is_the_nearest_in_their_plane_in_units_of_their_scale():
    net, scale = mlp([4, 10, 10, 3], 13), np.array([1.0, 0.25])
    x = np.array([0.3, -0.2, 0.5, 0.1])
    found = what_if(net, x, (0, 2), scale=scale, box=(-2, 2))
    side = np.linspace(-2, 2, 1001)
    grid = np.repeat(x[None], len(side) ** 2, 0)
    grid[:, [0, 2]] = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    far = length((grid - x)[:, [0, 2]] / scale, 2)
    wanted = far[answers(net, grid) != found.answer].min()
    assert found.status == "exact"
    assert found.lower * (1 - 1e-9) <= wanted <= found.distance + 0.05
    assert (found.point[[1, 3]] == x[[1, 3]]).all()
    alone = min(what_if(net, x, i, scale=s, box=(-2, 2)).distance for i, s in zip((0, 2), scale, strict=True))
    assert found.distance <= alone * (1 + 1e-6)


def test_without_a_box_a_line_is_followed_far():
    net = Sequential(
        [
            Dense(np.array([[1.0, 1.0]]), np.array([0.0, -1e6])),
            Activation("relu"),
            Dense(np.array([[1.0], [-2.0]]), np.array([1.0])),
        ]
    )
    found = what_if(net, [0.0], 0)
    assert found.up == pytest.approx(2e6 + 1)
    assert found.down is None
    assert found.status == "exact"
    assert "rises" in found.sentence


def test_the_words_say_what_flips():
    net = Dense(np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros(2))
    assert nearest_flip(net, [2.0, 1.0], np.inf).sentence == (
        "The answer flips from 0 to 1 at a largest change of 0.5, the nearest possible."
    )
    assert what_if(net, [2.0, 1.0], 0, names=["age", "fare"]).sentence == (
        "The answer flips from 0 to 1 if age falls by 1, to 1."
    )
    assert what_if(net, [2.0, 1.0], 0, box=[(1.5, 3), (0, 2)], names=["age", "fare"]).sentence == (
        "No change of age alone within the box flips the answer."
    )


@pytest.mark.parametrize("norm", NORMS)
def test_the_nearest_point_of_a_polyhedron_is_scipys(norm):
    rng = np.random.default_rng(6)
    for trial in range(40):
        n, m = rng.integers(1, 7), rng.integers(1, 9)
        a, c = rng.normal(size=(m, n)), rng.normal(size=m) - 0.3
        if trial % 3 == 0:
            a, c = np.round(a), np.round(c)
        low, high = -rng.uniform(0, 2, n), rng.uniform(0, 2, n) * (rng.random(n) < 0.8)
        if trial % 2:
            low, high = np.full(n, -np.inf), np.full(n, np.inf)
        found, wanted = closest(a, c, norm, low, high, 3.0), by_scipy(a, c, norm, low, high)
        if wanted > 3:
            assert found.distance > 3 * (1 - 1e-9) or found.distance == pytest.approx(wanted)
            continue
        assert found.distance == pytest.approx(wanted, rel=1e-5, abs=1e-6)
        assert (a @ found.point + c >= -1e-6).all()
        assert length(found.point, norm) == pytest.approx(wanted, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_reached_in_a_ball_a_box_and_a_half_space_is_no_less_than_any_sample(norm):
    rng = np.random.default_rng(8)
    for _ in range(20):
        a, h, k = rng.normal(size=(1, 2, 3)), rng.normal(size=(1, 3)), -rng.uniform(0, 1, 1)
        low, high = -rng.uniform(0, 1, 3) * (rng.random(3) < 0.8), rng.uniform(0, 1, 3)
        points = rng.uniform(low, high, (20000, 3))
        points = points[(length(points, norm) <= 1) & (points @ h[0] + k[0] >= 0)]
        bound = reach(a, h, k, low, high, 1.0, float(norm))[0]
        free = Ball(float(norm), 1.0, np.full(3, -np.inf), np.full(3, np.inf)).largest(a, h, k)[0]
        most = (points @ a[0].T).max(0, initial=-np.inf)
        assert (bound >= most - 1e-12).all()
        assert (free >= most - 1e-12).all()


@pytest.mark.parametrize("name", [*NETS, "conv"])
def test_bounds_and_lines_hold_at_every_sample(name):
    net = tiny_conv() if name == "conv" else NETS[name]
    network = lowered(net, (6, 6, 1)) if name == "conv" else lowered(net)
    rng = np.random.default_rng(9)
    x = rng.uniform(-1, 1, network.n_in)
    relax = Relaxation(network, x)
    free = np.full(len(x), np.inf)
    low, high = relax.interval(Ball(np.inf, 0.5, -free, free))
    delta = rng.uniform(-0.5, 0.5, (500, len(x)))
    values = {0: x + delta}
    for step in network.steps:
        values[step.output] = step.operator(*(values[i] for i in step.inputs))
    for k, step in enumerate(network.bends):
        z = values[step.inputs[0]]
        assert (z >= low[:, relax.part(k)] - 1e-12).all()
        assert (z <= high[:, relax.part(k)] + 1e-12).all()
    lines = [between(b, low[:, relax.part(k)], high[:, relax.part(k)]) for k, b in enumerate(relax.bends)]
    d = rng.normal(size=(1, 4, network.n_out))
    above, _ = relax.above(network.output.number, d, lines)
    assert (delta @ above.a[0].T + above.c[0] >= values[network.output.number] @ d[0].T - 1e-9).all()


def test_the_half_space_is_reached_along_what_helps_most():
    a, c = np.array([[3.0, 4.0]]), np.array([-5.0])
    free = np.full((1, 2), np.inf)
    assert [float(to_half_space(a, c, norm, -free, free)[0][0]) for norm in NORMS] == pytest.approx([5 / 4, 1, 5 / 7])
    tight = np.array([[np.inf, 0.5]])
    assert [float(to_half_space(a, c, norm, -free, tight)[0][0]) for norm in NORMS] == pytest.approx(
        [1.5, np.sqrt(1.25), 1]
    )


@pytest.mark.parametrize(
    ("x", "settings", "error", "words"),
    [
        ([1.0, 2.0, 3.0], {}, GeometryError, "one input of 2"),
        ([np.nan, 0.0], {}, GeometryError, "not a finite"),
        ([0.0, 0.0], {"norm": 3}, SettingError, "1, 2 or inf"),
        ([0.0, 0.0], {"target": 7}, SettingError, "no class 7"),
        ([0.0, 0.0], {"output": 5}, SettingError, "no output 5"),
        ([0.0, 0.0], {"output": 0, "target": 1}, SettingError, "leave it out"),
        ([0.0, 0.0], {"output": 0, "level": np.inf}, SettingError, "finite number"),
        ([0.0, 0.0], {"box": (1, -1)}, GeometryError, "empty"),
        ([0.0, 0.0], {"box": [(0, 1)] * 3}, GeometryError, "one for each of the 2"),
        ([5.0, 0.0], {"box": (-1, 1)}, GeometryError, "outside the box in input 0"),
        ([0.0, 0.0], {"seconds": 0}, SettingError, "seconds must be"),
    ],
)
def test_bad_input_is_told_apart(x, settings, error, words):
    with pytest.raises(error, match=words):
        nearest_flip(NETS["relu"], x, **settings)


@pytest.mark.parametrize(
    ("features", "settings", "words"),
    [
        (9, {}, "no input 9"),
        ((0, 0), {}, "two different"),
        ((), {}, "one input or two"),
        (0, {"scale": 0.0}, "above 0"),
        ((0, 1), {"scale": [1.0, 2.0, 3.0]}, "each of the 2"),
    ],
)
def test_bad_features_are_told_apart(features, settings, words):
    with pytest.raises(SettingError, match=words):
        what_if(NETS["relu"], [0.0, 0.0], features, **settings)


def test_the_answer_is_no_target():
    found = nearest_flip(NETS["relu"], [0.1, 0.2])
    with pytest.raises(SettingError, match="already"):
        nearest_flip(NETS["relu"], [0.1, 0.2], target=found.answer)
