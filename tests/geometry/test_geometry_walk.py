"""A walk comes to every region once, nearest first where asked, with maps that are updated and not made anew."""

import itertools

import jax
import numpy as np
import pytest
from scipy.optimize import minimize

import pellucid as pl
from pellucid.errors import GeometryError, SettingError
from pellucid.geometry import lowered
from pellucid.geometry._corners import distance_to
from pellucid.geometry._enumerate import enumerate_regions
from pellucid.geometry._neighbour import Maps
from pellucid.geometry._walk import Walker, walk
from pellucid.layers import Activation, Conv2d, Dense, Flatten, MaxPool, PReLU, Residual, Sequential

RELU = Activation("relu")


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


def dense(n_in, n_out, seed, bias=1.0):
    draw = np.random.default_rng(seed)
    return Dense(draw.normal(size=(n_in, n_out)), bias * draw.normal(size=n_out))


NETS = {
    "relu": Sequential([dense(3, 6, 0), RELU, dense(6, 5, 1), RELU, dense(5, 2, 2)]),
    "zero biases": Sequential([dense(3, 5, 0, 0), RELU, dense(5, 5, 1, 0), RELU, dense(5, 1, 2)]),
    "kinks at several places": Sequential(
        [dense(3, 5, 0), Activation("leaky_relu"), dense(5, 4, 1), Activation("hard_tanh")]
    ),
    "residual": Sequential(
        [dense(3, 4, 3), Residual(Sequential([dense(4, 4, 1), RELU])), Activation("abs"), dense(4, 2, 2)]
    ),
    "prelu": Sequential([dense(3, 4, 5), PReLU(np.linspace(-0.5, 0.5, 4)), dense(4, 4, 1), RELU]),
    "halves of a box": Sequential([Dense(np.array([[0.0, 2], [0, 1], [0, 0]]), None), Activation("leaky_relu")]),
    "twice the same unit": Sequential(
        [Dense(np.array([[1.0, 1, -1, 0], [2.0, 2, -2, 0], [1.0, 1, -1, 0]]), np.array([0.1, 0.1, -0.1, 0])), RELU,
         Dense(np.array([[1.0, -1], [1, 2], [-3, 1], [1, 1]]), None), RELU, dense(2, 3, 3), RELU]
    ),
}  # fmt: skip
BOX = [(-2, 2)] * 3


def pattern(seen):
    return tuple(np.concatenate(seen.pieces()).tolist())


def all_patterns(net):
    found = enumerate_regions(net, BOX)
    return {tuple(row) for row in np.concatenate(found.pieces(), 1).tolist()}


@pytest.mark.parametrize("order", ["breadth", "distance"])
@pytest.mark.parametrize("name", NETS)
def test_a_walk_comes_to_every_region_in_the_box_once(name, order):
    net = NETS[name]
    seen = list(walk(net, np.zeros(3), BOX, order))
    assert len({pattern(region) for region in seen}) == len(seen)
    assert {pattern(region) for region in seen} == all_patterns(net)
    network = lowered(net)
    for region in seen:
        inside = np.concatenate(network.pieces(region.interior[None]), 1)[0]
        off = [u for u, (a, b) in enumerate(zip(inside, pattern(region), strict=True)) if a != b]
        assert not off or name in (
            "twice the same unit",
            "zero biases",
            "halves of a box",
        )  # units that are on their kink all over it
        assert region.radius > 0


@pytest.mark.parametrize("name", NETS)
def test_nearest_first(name):
    x = np.array([0.3, -0.2, 0.4])
    seen = list(walk(NETS[name], x, BOX, "distance"))
    distances = [region.distance for region in seen]
    assert distances[0] == 0
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(distances))
    assert all(region.distance <= np.linalg.norm(region.interior - x) for region in seen)
    found = enumerate_regions(NETS[name], BOX)
    corners = {tuple(np.concatenate(found.pieces(i)).tolist()): found.corners(i) for i in range(found.count)}
    for region in seen[1::9]:  # a convex program over the corners says the same
        hull = corners[pattern(region)]
        n = len(hull)
        best = minimize(
            lambda w, hull=hull: np.square(w @ hull - x).sum(), np.full(n, 1 / n), bounds=[(0, 1)] * n,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, tol=1e-14, options={"maxiter": 500},
        )  # fmt: skip
        assert region.distance == pytest.approx(np.sqrt(best.fun), abs=2e-4)


def test_breadth_first_counts_the_facets_on_the_shortest_way():
    net = NETS["relu"]
    seen = list(walk(net, [0.3, -0.2, 0.4], BOX))
    depths = {pattern(region): region.depth for region in seen}
    ordered = [region.depth for region in seen]
    assert ordered == sorted(ordered)
    for a, b in itertools.combinations(depths, 2):
        if (
            sum(p != q for p, q in zip(a, b, strict=True)) == 1
        ):  # one unit apart, so neighbours, or never nearer than that
            assert abs(depths[a] - depths[b]) <= 1
    for region in seen[1:]:
        before = seen[region.came_from]
        assert region.depth == before.depth + 1
        differ = np.flatnonzero(np.array(pattern(region)) != np.array(pattern(before)))
        assert len(differ) == 1
        bend, unit = (0, int(differ[0])) if differ[0] < 6 else (1, int(differ[0]) - 6)
        assert region.entered == f"layers[{2 * bend + 1}][{unit}]"


def test_without_a_box_a_walk_comes_at_least_as_far():
    net = NETS["relu"]
    assert all_patterns(net) <= {pattern(region) for region in walk(net, np.zeros(3))}


def test_the_plane_is_parted_by_one_layer_as_by_its_lines_without_any_box():
    net = Sequential([Dense(np.array([[1.0, 0, 1], [0, 1.0, 1]]), np.array([0.0, 0, -1])), RELU, dense(3, 1, 0)])
    seen = list(walk(net, [5.0, 5.0], order="distance"))
    assert len(seen) == 7
    assert seen[-1].distance == pytest.approx(5 * np.sqrt(2))


def test_the_map_is_the_networks_derivative():
    net = NETS["residual"]
    for region in itertools.islice(walk(net, [0.3, -0.2, 0.4], BOX), 0, 40, 8):
        weight, bias = region.local()
        jacobian = jax.jacobian(lambda x: net(x[None])[0])(region.interior)
        np.testing.assert_allclose(weight.T, jacobian, atol=1e-11)
        np.testing.assert_allclose(region.interior @ weight + bias, net(region.interior[None])[0], atol=1e-11)


def test_updated_maps_are_those_made_anew():
    kernel = Conv2d.create(1, 3, 2, key=jax.random.key(0), padding="same")
    picture = Sequential([kernel, RELU, MaxPool(2), Flatten(), dense(3, 4, 0), Activation("hard_tanh"), dense(4, 2, 1)])
    networks = [lowered(net) for net in NETS.values()] + [lowered(picture, (2, 2, 1))]
    for network in networks:
        maps, most = Maps(network), 0
        walker = Walker(network, np.full(network.n_in, 0.1), np.tile([-9.0, 9.0], (network.n_in, 1)), False, None)
        for region in itertools.islice(walker.run(), 30):
            most = max(most, region.updated)
        assert most > 0
        for held in walker.held:
            for a, b in zip(held.maps, maps.anew(held.pieces), strict=True):
                np.testing.assert_allclose(a, b, atol=1e-11)


def test_many_inputs_and_a_picture():
    kernel = Conv2d.create(1, 2, 3, key=jax.random.key(0), padding="same")
    net = Sequential([kernel, RELU, MaxPool(2), Flatten(), dense(18, 4, 0), RELU, dense(4, 2, 1)])
    x = np.random.default_rng(0).normal(size=(6, 6, 1))
    network = lowered(net, (6, 6, 1))
    seen = list(walk(net, x, order="distance", limit=8))
    assert len(seen) == 8
    assert [region.distance for region in seen] == sorted(region.distance for region in seen)
    for region in seen:
        inside = np.concatenate(network.pieces(region.interior[None]), 1)[0]
        assert tuple(inside.tolist()) == pattern(region)
    planes = network.hyperplanes(x.reshape(-1))  # nothing changes nearer than the nearest kink
    length = np.linalg.norm(planes.normal, axis=1)
    nearest = (abs(planes.value[length > 0]) / length[length > 0]).min()
    assert seen[1].distance == pytest.approx(nearest)


def test_the_distance_to_a_corner_an_edge_and_a_face():
    octant = -np.eye(3), np.array([-1.0, -1.0, -1.0])
    assert distance_to(*octant) == pytest.approx(np.sqrt(3))
    assert distance_to(octant[0], np.array([-3.0, -4.0, 1.0])) == pytest.approx(5)
    assert distance_to(octant[0], np.array([1.0, -2.0, 1.0])) == pytest.approx(2)
    assert distance_to(octant[0], np.ones(3)) == 0


def test_a_limit_ends_a_walk():
    assert [region.number for region in walk(NETS["relu"], np.zeros(3), limit=3)] == [0, 1, 2]


def test_bad_starts_boxes_and_orders_are_refused():
    net = pl.mlp([2, 4, 1], key=0)
    with pytest.raises(SettingError, match="did you mean 'breadth'"):
        walk(net, [0.0, 0.0], order="bredth")
    with pytest.raises(GeometryError, match="outside the box"):
        walk(net, [3.0, 0.0], [(-1, 1)] * 2)
    with pytest.raises(GeometryError, match="has 2 inputs"):
        walk(net, [0.0])
    with pytest.raises(GeometryError, match="NaN"):
        walk(net, [np.nan, 0.0])
    with pytest.raises(SettingError, match="empty"):
        walk(net, [0.0, 0.0], [(-1, 1), (2, 2)])
    with pytest.raises(SettingError, match="limit"):
        walk(net, [0.0, 0.0], limit=0)
