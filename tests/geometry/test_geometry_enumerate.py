"""All regions in a box of any dimension: none missing, none twice, none wrong."""

import json
from fractions import Fraction
from itertools import product
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import HalfspaceIntersection

import pellucid as pl
from pellucid.errors import GeometryError, SettingError
from pellucid.geometry import lowered
from pellucid.geometry._blocks import Plan, first_block, work
from pellucid.geometry._count import zaslavsky
from pellucid.geometry._enumerate import enumerate_regions, memory_foreseen
from pellucid.layers import Activation, Conv2d, Dense, Flatten, MaxPool, PReLU, Residual, Sequential

SHARED = Path(__file__).parents[3] / "shared" / "data"
RELU = Activation("relu")


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def dense(n_in, n_out, seed, bias=1.0):
    return Dense(normal(n_in, n_out, seed=seed), bias * normal(n_out, seed=seed + 100))


def tent(times):
    layers = []
    for _ in range(times):
        layers += [Dense(np.ones((1, 2)), np.array([0.0, -0.5])), RELU, Dense(np.array([[2.0], [-4.0]]), None)]
    return Sequential(layers)


TWICE = Sequential(  # a unit twice, one turned round, one that is always off and one always on its kink
    [Dense(np.array([[1.0, 1.0, -1.0, 0.0, 0.0], [2.0, 2.0, -2.0, 0.0, 0.0]]), np.array([0.1, 0.1, -0.1, -3.0, 0.0])),
     RELU, dense(5, 4, 1), RELU, dense(4, 1, 2)]
)  # fmt: skip
NETS = {
    "relu": (Sequential([dense(3, 6, 0), RELU, dense(6, 5, 1), RELU, dense(5, 2, 2)]), 3),
    "zero biases": (Sequential([dense(3, 5, 0, 0), RELU, dense(5, 5, 1, 0), RELU, dense(5, 1, 2)]), 3),
    "leaky_relu and hard_tanh": (
        Sequential([dense(3, 5, 0), Activation("leaky_relu"), dense(5, 4, 1), Activation("hard_tanh")]), 3,
    ),
    "residual and abs": (
        Sequential([dense(3, 4, 3), Residual(Sequential([dense(4, 4, 1), RELU])), Activation("abs"), dense(4, 2, 2)]),
        3,
    ),
    "prelu": (Sequential([dense(2, 5, 0), PReLU(np.linspace(-0.5, 0.5, 5)), dense(5, 4, 1), RELU]), 2),
    "duplicated and dead units": (TWICE, 2),
    "relu6 of one input": (Sequential([Dense(np.array([[9.0, -7.0]]), None), Activation("relu6"), dense(2, 3, 1)]), 1),
}  # fmt: skip


def patterns(found):
    return [tuple(row) for row in np.concatenate(found.pieces(), 1).tolist()]


def grid(d, n, low=-2.0, high=2.0):
    line = np.linspace(low, high, n)
    return np.stack(np.meshgrid(*[line] * d), -1).reshape(-1, d) + 1e-4 * normal(n**d, d)


@pytest.mark.parametrize("name", NETS)
def test_every_pattern_of_a_fine_grid_is_found_and_the_volumes_fill_the_box(name):
    net, d = NETS[name]
    network = lowered(net, (d,))
    found = enumerate_regions(net, [(-2, 2)] * d)
    seen = patterns(found)
    assert found.complete
    assert found.mismatched == 0
    assert len(set(seen)) == found.count == found.per_bend[-1] == len(seen)
    points = np.clip(grid(d, {1: 4001, 2: 401, 3: 61}[d]), -2, 2)
    brute = np.unique(np.concatenate(network.pieces(points), 1), axis=0)
    assert {tuple(row) for row in brute.tolist()} <= set(seen)
    assert sum(found.volume(i) for i in range(found.count)) == pytest.approx(4**d, rel=1e-12)
    assert found.residual < 1e-13


@pytest.mark.parametrize("name", ["relu", "leaky_relu and hard_tanh", "residual and abs", "prelu"])
def test_the_map_of_a_region_is_the_networks_derivative_inside_it(name):
    net, d = NETS[name]
    found = enumerate_regions(net, [(-2, 2)] * d)
    draw = np.random.default_rng(0)
    for i in draw.choice(found.count, 5, replace=False).tolist():
        weights = draw.dirichlet(np.ones(len(found.corners(i))))
        x = 0.9 * weights @ found.corners(i) + 0.1 * found.interior[i]
        weight, bias = found.local(i)
        jacobian = jax.jacobian(lambda x: net(x[None])[0])(x)
        np.testing.assert_allclose(weight.T, jacobian, atol=1e-11)
        np.testing.assert_allclose(x @ weight + bias, net(x[None])[0], atol=1e-11)


def test_corners_are_those_that_qhull_finds_from_the_half_spaces():
    net, d = NETS["relu"]
    network, found = lowered(net), enumerate_regions(net, [(-2, 2)] * d)
    for i in range(0, found.count, 7):
        planes = network.hyperplanes(found.interior[i])
        side = -np.sign(planes.value)[:, None]
        walls = np.column_stack([np.concatenate([np.eye(d), -np.eye(d)]), np.full(2 * d, -2)])
        rows = np.concatenate([side * np.column_stack([planes.normal, planes.offset]), walls])
        rows = rows[np.linalg.norm(rows[:, :-1], axis=1) > 0]
        corners = HalfspaceIntersection(rows, found.interior[i]).intersections
        corners = corners[np.lexsort(np.round(corners, 8).T)]
        corners = corners[np.append(True, abs(np.diff(corners, axis=0)).max(1) > 1e-7)]
        mine = found.corners(i)
        assert len(mine) == len(corners)
        np.testing.assert_allclose(mine[np.lexsort(np.round(mine, 8).T)], corners, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(d=st.integers(1, 4), n=st.integers(0, 7), seed=st.integers(0, 10**6))
def test_one_layer_in_general_position_cuts_as_zaslavsky_says(d, n, seed):
    x = np.random.default_rng(seed).normal(size=(n, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    bias = np.random.default_rng(seed + 1).uniform(0.1, 0.5, n)
    far = 1e4  # a box that holds all crossings but for planes that are almost parallel
    found = enumerate_regions(Sequential([Dense(x.T, bias), RELU]), [(-far, far)] * d)
    crossings = [np.linalg.lstsq(x[list(rows)], -bias[list(rows)])[0] for rows in product(range(n), repeat=d)
                 if len(set(rows)) == d and abs(np.linalg.det(x[list(rows)])) > 1e-12]  # fmt: skip
    if not crossings or abs(np.array(crossings)).max() < far:
        assert found.count == zaslavsky(n, d)


def test_tent_maps_have_the_regions_that_closed_form_says():
    for times in (1, 3, 5):
        found = enumerate_regions(tent(times), [(0, 1)])
        ends = sorted({Fraction(x) for i in range(found.count) for x in found.corners(i)[:, 0].tolist()})
        assert ends == [Fraction(k, 2**times) for k in range(2**times + 1)]
        assert (found.lowest[0].value, found.highest[0].value) == (0.0, 1.0)


def test_zero_biases_in_many_dimensions_give_the_orthants():
    for d in (2, 4, 6):
        net = Sequential([Dense(np.eye(d), None), RELU, Dense(np.ones((d, 1)), None)])
        found = enumerate_regions(net, [(-1, 1)] * d)
        assert found.count == 2**d
        assert found.undecided == 0
        assert (found.highest[0].value, found.highest[0].at) == (d, (1.0,) * d)


def test_extremes_bound_what_random_points_reach_and_are_reached():
    net, d = NETS["relu"]
    found = enumerate_regions(net, [(-2, 2)] * d)
    network = lowered(net)
    y = network(np.random.default_rng(0).uniform(-2, 2, (20_000, d)))
    for extremes, of, sign in ((found.lowest, y.min(0), 1), (found.highest, y.max(0), -1)):
        for extreme in extremes:
            assert network(np.array([extreme.at]))[0, extreme.output] == pytest.approx(extreme.value, abs=1e-12)
            assert sign * extreme.value <= sign * of[extreme.output]


def test_parts_cut_apart_and_threads_change_nothing():
    net, d = NETS["relu"]
    network, box = lowered(net), [(-2.0, 2.0)] * d
    whole = enumerate_regions(net, box)
    plan, blocks, patterns_of_parts, counts = Plan(network, 1e-11), [first_block(box)], [], 0
    while blocks:
        worked = work(plan, blocks.pop(), 9)
        blocks += worked.blocks
        counts = counts + worked.counts
        if worked.done is not None:
            patterns_of_parts += [tuple(row) for row in worked.done.block.past.tolist()]
    assert sorted(patterns_of_parts) == sorted(tuple(row) for row in whole.above.tolist())
    assert tuple(counts) == whole.per_bend
    two = enumerate_regions(net, box, threads=2)
    assert sorted(patterns(two)) == sorted(patterns(whole))
    assert two.per_bend == whole.per_bend
    assert sum(two.volume(i) for i in range(two.count)) == pytest.approx(64)


def test_a_picture_of_four_pixels_through_convolution_and_pooling():
    kernel = Conv2d.create(1, 3, 2, key=jax.random.key(0), padding="same")
    net = Sequential([kernel, RELU, MaxPool(2), Flatten(), dense(3, 2, 0)])
    network = lowered(net, (2, 2, 1))
    found = enumerate_regions(network, [(-1, 1)] * 4)
    points = np.random.default_rng(0).uniform(-1, 1, (50_000, 4))
    brute = np.unique(np.concatenate(network.pieces(points), 1), axis=0)
    assert {tuple(row) for row in brute.tolist()} <= set(patterns(found))
    assert sum(found.volume(i) for i in range(found.count)) == pytest.approx(16)


def test_many_inputs_are_walked_through():
    weight = np.eye(14)[:, :5] + 0.01 * normal(14, 5)
    net = Sequential([Dense(weight, np.zeros(5)), RELU, dense(5, 3, 1), RELU])
    found = enumerate_regions(net, [(-1, 1)] * 14)
    points = np.random.default_rng(0).uniform(-1, 1, (20_000, 14))
    brute = np.unique(np.concatenate(lowered(net).pieces(points), 1), axis=0)
    assert {tuple(row) for row in brute.tolist()} <= set(patterns(found))
    assert found.complete
    assert found.per_bend[0] == 32
    assert found.residual < 1e-12
    part = enumerate_regions(net, [(-1, 1)] * 14, limit=7)
    assert (part.count, part.complete, part.stopped) == (7, False, "limit")


def test_a_limit_gives_true_regions_and_says_that_there_are_more():
    net, d = NETS["relu"]
    told = []
    part = enumerate_regions(net, [(-2, 2)] * d, limit=10, progress=told.append)
    assert (part.count, part.complete, part.stopped, told) == (10, False, "limit", [10])
    assert len(part.interior) == 10
    assert set(patterns(part)) <= set(patterns(enumerate_regions(net, [(-2, 2)] * d)))
    whole = enumerate_regions(net, [(-2, 2)] * d)
    assert enumerate_regions(net, [(-2, 2)] * d, limit=whole.count).complete
    assert json.loads(json.dumps(part.to_json()))["stopped"] == "limit"


def test_little_memory_gives_a_part_and_says_so():
    net = Sequential([dense(3, 40, 0), RELU, dense(40, 1, 1)])
    part = enumerate_regions(net, [(-2, 2)] * 3, memory=5000, threads=2)
    assert (part.complete, part.stopped) == (False, "memory")
    assert part.count > 0
    with pytest.raises(GeometryError, match="8 corners of the box alone"):
        enumerate_regions(net, [(-2, 2)] * 3, memory=1000)
    whole = enumerate_regions(net, [(-2, 2)] * 3)
    assert whole.memory / 2 < memory_foreseen(lowered(net), whole.count) < 2 * whole.memory


def test_a_sliver_thinner_than_the_tolerance_is_told():
    thin = Sequential([Dense(np.array([[1.0, 1.0]]), np.array([0.0, 1e-13])), RELU])
    found = enumerate_regions(thin, [(-1, 1)])
    assert (found.count, found.undecided) == (2, 1)
    assert enumerate_regions(thin, [(-1, 1)], tolerance=1e-15).count == 3


def test_a_network_without_bends_is_one_region():
    found = enumerate_regions(dense(2, 1, 0), [(0, 1)] * 2)
    assert (found.count, found.per_bend, found.pieces(0)) == (1, (), [])
    assert len(found.corners(0)) == 4


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([(0, 1)] * 2, "2 sides"),
        ([(0, 1), (0, np.inf), (0, 1)], "side 1"),
        ([(0, 1), (1, 1), (0, 1)], "empty"),
        ([], "no sides"),
        (3, "pair"),
        ([(0, np.nan)] * 3, "must end"),
    ],
)
def test_a_box_that_is_none_is_refused(box, words):
    with pytest.raises((SettingError, GeometryError), match=words):
        enumerate_regions(pl.mlp([3, 4, 1], key=0), box)


def test_what_is_not_piecewise_linear_and_impossible_settings_are_refused():
    with pytest.raises(GeometryError, match="not piecewise linear"):
        enumerate_regions(pl.mlp([2, 4, 1], key=0, activation="tanh"), [(0, 1)] * 2)
    with pytest.raises(SettingError, match="limit"):
        enumerate_regions(pl.mlp([2, 4, 1], key=0), [(0, 1)] * 2, limit=0)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared networks are not here")
@pytest.mark.parametrize(
    ("name", "counts"),
    [("mlp_16", (93, 391, 851)), ("mlp_64", (1410, 4636, 9974)), ("mlp_64_zerobias", 352), ("tent_3", 64)],
)
def test_planar_networks_have_the_regions_that_exact_arithmetic_counted(name, counts):
    arrays = np.load(SHARED / "geometry" / f"{name}.npz")
    layers = []
    for k in range(1, 1 + len(arrays.files) // 2):
        layers += [Dense(arrays[f"W{k}"].astype(float).T, arrays[f"b{k}"].astype(float)), RELU]
    found = enumerate_regions(Sequential(layers[:-1]), [(-1, 1)] * 2)
    assert (found.per_bend if isinstance(counts, tuple) else found.count) == counts
