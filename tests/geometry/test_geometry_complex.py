"""Planar complexes: exact counts, maps equal to the network, degenerate networks, boundaries, files."""

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pl
from pellucid.errors import GeometryError, SettingError
from pellucid.geometry import complex_of, lowered, slice_of
from pellucid.geometry._exact import Exact, point_of
from pellucid.layers import (
    Activation,
    AvgPool,
    Conv2d,
    Dense,
    Flatten,
    MaxPool,
    Parallel,
    PReLU,
    Residual,
    Sequential,
    Softmax,
)

DATA = Path(__file__).parents[3] / "shared" / "data" / "geometry"
SQUARE = [(-1.0, 1.0), (-1.0, 1.0)]
KNOWN = {
    "mlp_16": (93, 391, 851),
    "mlp_64": (1410, 4636, 9974),
    "mlp_16_zerobias": (32, 60, 98),
    "mlp_64_zerobias": (128, 244, 352),
    "tent_3": (4, 16, 64),
}


def relu_net(*weights):
    layers = []
    for weight, bias in weights:
        layers += [Dense(np.asarray(weight, float), np.asarray(bias, float)), Activation("relu")]
    return Sequential(layers[:-1])


def random_net(seed, *sizes, activation="relu", bias=True):
    rng = np.random.default_rng(seed)
    layers = []
    for n, m in pairwise(sizes):
        layers += [Dense(rng.normal(size=(n, m)) / np.sqrt(n), rng.normal(size=m) / 2 * bias), Activation(activation)]
    return Sequential(layers[:-1])


def patterns_on_a_grid(net, n=512):
    """The patterns at a grid of points whose binary fractions are short: with integer weights nothing is rounded."""
    network = lowered(net, (2,))
    side = (2 * np.arange(n) + 1) / n - 1
    points = np.stack(np.meshgrid(side + 3 * 2.0**-17, side - 5 * 2.0**-16), -1).reshape(-1, 2)
    return {tuple(row) for row in np.concatenate(network.pieces(points), 1).tolist()}


def assert_sound(found):
    assert found.complete
    assert found.euler == 1
    assert found.area_error < 1e-12
    assert found.residual < 1e-9
    assert (found.areas > 0).all()
    inside = (found.sides >= 0).all(1)
    assert (found.drawn[~inside, 0] == -1).all()


@pytest.mark.skipif(not DATA.exists(), reason="the networks with known counts are not here")
@pytest.mark.parametrize("name", KNOWN)
def test_the_counts_are_those_of_rational_arithmetic(name):
    data = np.load(DATA / f"{name}.npz")
    net = relu_net(*[(data[f"W{i}"].T, data[f"b{i}"]) for i in range(1, 9) if f"W{i}" in data])
    found = complex_of(net, SQUARE)
    assert found.counts == KNOWN[name]
    assert_sound(found)


def test_lines_in_general_position_make_as_many_regions_as_zaslavsky_says():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, 9)
    net = relu_net((np.stack([np.cos(angle), np.sin(angle)]), rng.uniform(-0.3, 0.3, 9)), (np.ones((9, 1)), [0]))
    assert complex_of(net, [(-1e3, 1e3), (-1e3, 1e3)]).count == 1 + 9 + 9 * 8 // 2


def test_a_tent_of_tents_has_a_region_for_each_fold():
    # |x| by max(0, x) + max(0, −x), folded again and again: 2^k pieces along each axis, integer weights.
    fold = ([[1, -1, 0, 0], [0, 0, 1, -1]], [0, 0, 0, 0])
    back = np.array([[2, 0], [2, 0], [0, 2], [0, 2]], float)
    again = (back @ np.array(fold[0]), np.array([-1, 1, -1, 1]))
    last = (back[:, :1] + back[:, 1:], [0])
    found = complex_of(relu_net(fold, again, again, last), SQUARE)
    assert found.counts == (4, 16, 64)
    assert_sound(found)


@pytest.mark.parametrize("kind", ["leaky_relu", "abs", "hard_tanh", "hard_sigmoid", "relu6"])
def test_every_kind_of_bend_is_cut(kind):
    net = random_net(3, 2, 6, 5, 1, activation=kind)
    found = complex_of(net, SQUARE)
    assert_sound(found)
    assert len(patterns_on_a_grid(net)) <= found.count


def test_a_fine_grid_sees_no_region_that_is_not_there():
    net = random_net(1, 2, 8, 8, 1)
    found = complex_of(net, SQUARE)
    assert_sound(found)
    seen = patterns_on_a_grid(net)
    have = {tuple(np.concatenate(found.pattern(f)).tolist()) for f in range(found.count)}
    assert seen <= have
    assert len(have) == found.count
    missed = sum(found.areas[f] for f in range(found.count) if tuple(np.concatenate(found.pattern(f))) not in seen)
    assert missed < 0.01


def degenerate(seed):
    """Small integer weights: parallel, coincident, dead and concurrent lines in every layer."""
    rng = np.random.default_rng(seed)
    sizes = [2, *rng.integers(2, 6, 3), 1]
    return relu_net(*[(rng.integers(-2, 3, (n, m)), rng.integers(-1, 2, m)) for n, m in pairwise(sizes)])


def exact_patterns(found, net):
    """The pattern at an exact point inside every face, each unit on its line, below or above it."""
    exact = Exact(lowered(net, (2,)))
    network = exact.network
    points = []
    for f in range(found.count):
        corners = [[Fraction(float(c)) for c in found.xy[v]] for v in found.face(f)]
        middle = [sum(c[i] for c in corners) / len(corners) for i in range(2)]
        q = middle[0].denominator * middle[1].denominator
        points.append((int(middle[0] * q), int(middle[1] * q), q))
    return [
        tuple(exact.sign(p, b, u, 0) for b, step in enumerate(network.bends) for u in range(step.width)) for p in points
    ]


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_degenerate_networks_are_cut_exactly(seed):
    net = degenerate(seed)
    found = complex_of(net, SQUARE, threads=1)
    assert_sound(found)
    signs = exact_patterns(found, net)
    for f, pattern in enumerate(signs):  # the stated pattern is the exact one at an inner point
        assert tuple(int(s > 0) for s in pattern) == tuple(np.concatenate(found.pattern(f)).tolist())
    assert len(set(signs)) == found.count  # and no two faces have the same: nothing was cut for nothing
    assert {tuple(int(s > 0) for s in p) for p in signs} >= patterns_on_a_grid(net, 64)


@given(st.integers(0, 10**6), st.floats(0, 6.28), st.floats(0.1, 100), st.tuples(st.floats(-5, 5), st.floats(-5, 5)))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_turning_moving_and_scaling_the_plane_changes_no_count_of_one_layer_of_a_disc(seed, angle, size, shift):
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(2, 6)), 0.1 * rng.normal(size=6)
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    second = rng.normal(size=(6, 1)), [0.0]
    far = 1e4
    before = complex_of(relu_net((weight, bias), second), [(-far, far)] * 2)
    moved = np.linalg.inv(turn) @ weight, bias - np.asarray(shift) @ np.linalg.inv(turn) @ weight
    after = complex_of(relu_net(moved, second), [(-far * size, far * size)] * 2)
    assert_sound(after)
    assert after.count == before.count


def many_layers():
    rng = np.random.default_rng(5)

    def dense(n, m):
        return Dense(rng.normal(size=(n, m)) / 2, rng.normal(size=m) / 3)

    return Sequential(
        [
            Conv2d(rng.normal(size=(2, 2, 1, 3)), rng.normal(size=3), padding="same"), Activation("relu"), MaxPool(2),
            AvgPool(2), Flatten(), dense(3, 6), PReLU.create(6), Residual(Sequential([dense(6, 6), Activation("abs")])),
            Parallel([dense(6, 2), Sequential([dense(6, 3), Activation("relu")])]), dense(5, 3), Softmax(),
        ]
    )  # fmt: skip


def test_a_slice_through_a_network_of_many_layers_equals_the_network():
    rng = np.random.default_rng(6)
    pictures = rng.normal(size=(3, 4, 4, 1))
    found = slice_of(many_layers(), pictures, shape=(4, 4, 1))
    assert_sound(found)
    assert found.network.set_aside == "Softmax"
    assert list(found.plane.marks) == ["point 1", "point 2", "point 3"]
    np.testing.assert_allclose(found.plane.points(found.plane.marks["point 2"]), pictures[1].ravel(), atol=1e-12)
    for f in rng.integers(0, found.count, 20):
        local, middle = found.map(f), found.centres[f]
        x = found.plane.points(middle)
        np.testing.assert_allclose(x @ local.weight + local.bias, found.flat(middle[None])[0], atol=1e-9)
        np.testing.assert_allclose(
            middle @ found.maps.slopes[f] + found.maps.offsets[f], found.flat(middle[None])[0], atol=1e-9
        )
    at = found.at(found.centres)
    assert (at == np.arange(found.count)).all()
    assert found.at([[1e6, 0.0]]).tolist() == [-1]


def test_pooling_of_equal_and_dead_units_cuts_nothing():
    net = Sequential([Activation("relu"), MaxPool(2), Flatten(), Dense(np.ones((1, 1)), None)])
    found = slice_of(net, origin=np.zeros(4), directions=np.array([[1.0, 1, 0, 0], [0, 0, 1, -1.0]]), shape=(2, 2, 1))
    assert_sound(found)
    assert found.linear_count <= found.count
    # max(s, |t|, 0): three maps, the one of |t| in two halves
    assert found.linear_count == 3


def test_linear_regions_join_neighbours_with_the_same_map():
    # The second unit is used by nobody; the third and fourth cancel each other.
    net = relu_net(([[1, 0, 1, 1], [0, 1, 1, 1]], [0, 0, 0.5, 0.5]), ([[1], [0], [1], [-1]], [0]))
    found = complex_of(net, SQUARE)
    assert found.count == 7
    assert found.linear_count == 2
    assert found.maps.size.sum() == 7


def test_the_boundary_is_where_the_answer_changes():
    net = random_net(2, 2, 8, 8, 3)
    found = complex_of(net, SQUARE)
    line = found.boundary()
    assert line.residual < 1e-12
    answers = line.answer_of[line.mesh.locate(points := np.random.default_rng(0).uniform(-1, 1, (2000, 2)), SQUARE)]
    assert (answers == found.flat(points).argmax(1)).mean() > 0.999
    assert line.areas.sum() == pytest.approx(4)
    corners = np.concatenate(line.lines)
    inner = abs(corners).max(1) < 1 - 1e-9
    two = np.sort(found.flat(corners[inner]), 1)[:, -2:]
    np.testing.assert_allclose(two[:, 0], two[:, 1], atol=1e-12)


def test_a_level_set_in_closed_form():
    diamond = relu_net(([[1, -1, 0, 0], [0, 0, 1, -1]], [0] * 4), (np.ones((4, 1)), [-0.5]))
    line = complex_of(diamond, SQUARE).boundary()
    assert len(line.lines) == 1
    assert line.closed == (True,)
    assert line.length == pytest.approx(4 * np.sqrt(0.5))
    assert sorted(zip(line.answers.tolist(), line.areas.round(9).tolist(), strict=True)) == [(0, 0.5), (1, 3.5)]
    outer = complex_of(diamond, SQUARE).boundary(level=10.0)
    assert outer.lines == ()
    assert outer.answers.tolist() == [0]


def test_a_network_without_a_bend_is_one_region():
    found = complex_of(Dense(np.ones((2, 1)), np.array([0.25])), SQUARE)
    assert found.count == 1
    assert found.boundary().length == pytest.approx(np.hypot(1.75, 1.75))


def test_float32_weights_are_read_as_the_fractions_they_are():
    net = pl.mlp([2, 8, 8, 1], key=0)
    found = complex_of(net, SQUARE)
    assert_sound(found)
    exact = Exact(found.flat)
    n, d = exact.value(point_of((0.1, 0.2)), found.flat.output.number, 0)
    assert n / d == pytest.approx(float(found.flat(np.array([[0.1, 0.2]]))[0, 0]), rel=1e-12)


def test_a_limit_gives_a_part_that_says_so():
    found = complex_of(random_net(0, 2, 32, 32, 1), SQUARE, limit=100)
    assert not found.complete
    assert len(found.counts) == 1
    assert found.euler == 1
    with pytest.raises(GeometryError, match="after 1 of 2 bends"):
        found.boundary()


def test_an_update_is_the_complex_of_the_new_network():
    before, after = random_net(0, 2, 6, 6, 1), random_net(1, 2, 6, 6, 1)
    found, wanted = complex_of(before, SQUARE).update(after), complex_of(after, SQUARE)
    assert found.counts == wanted.counts
    np.testing.assert_array_equal(found.xy, wanted.xy)


def test_files_hold_the_complex(tmp_path):
    found = complex_of(random_net(0, 2, 5, 4, 1), SQUARE)
    with np.load(found.to_npz(tmp_path / "c.npz")) as data:
        np.testing.assert_array_equal(data["xy"], found.xy)
    features = json.loads(found.to_geojson(tmp_path / "c.geojson").read_text())["features"]
    assert len(features) == found.count
    assert features[0]["geometry"]["coordinates"][0][0] == features[0]["geometry"]["coordinates"][0][-1]
    held = json.loads(found.to_certificate(tmp_path / "c.json").read_text())
    assert len(held["faces"]) == found.count
    corner = [Fraction(c) for c in held["vertices"][-1]["xy"]]
    np.testing.assert_allclose([float(c) for c in corner], found.xy[-1], atol=1e-12)
    assert {"count", "exact", "euler", "residual"} <= set(found.to_json())


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_nothing(threads):
    found = complex_of(random_net(7, 2, 40, 40, 2), SQUARE, threads=threads)
    assert_sound(found)
    assert found.counts == complex_of(random_net(7, 2, 40, 40, 2), SQUARE, threads=1).counts


NET = random_net(0, 2, 4, 1)
WIDE = random_net(0, 5, 4, 1)


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: complex_of(NET, [(0, 1)]), SettingError, "a side for each of two axes, got 1"),
        (lambda: complex_of(NET, [(0, np.inf), (0, 1)]), SettingError, "must end somewhere"),
        (lambda: complex_of(NET, [(1, 0), (0, 1)]), SettingError, "empty: a side from 1.0 to 0.0"),
        (lambda: complex_of(NET, "square"), SettingError, r"as in \[\(-1, 1\), \(-1, 1\)\]"),
        (lambda: complex_of(NET, limit=0), SettingError, "1 or more; got 0"),
        (lambda: complex_of(WIDE), GeometryError, "two inputs, got 5: take slice_of"),
        (lambda: slice_of(WIDE, np.eye(5)[:2]), GeometryError, "3 rows of 5 numbers, got 2 of 5"),
        (lambda: slice_of(WIDE, [np.zeros(5), np.ones(5), 2 * np.ones(5)]), GeometryError, "lie on a line"),
        (lambda: slice_of(WIDE, np.full((3, 5), np.nan)), GeometryError, "NaN or infinite"),
        (lambda: slice_of(WIDE, origin=np.zeros(5), directions=np.ones((2, 5))), GeometryError, "parallel"),
        (lambda: slice_of(WIDE, pca=np.ones((9, 5))), GeometryError, "no second principal direction"),
        (lambda: slice_of(WIDE), SettingError, "three points, or an origin and two directions"),
        (lambda: complex_of(random_net(0, 2, 4, 1, activation="tanh")), GeometryError, "linear with tanh"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_words(make, kind, words):
    with pytest.raises(kind, match=words):
        make()
