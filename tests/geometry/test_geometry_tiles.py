"""Tiles: the same complex as of one piece, in every respect, and what narrowing to a tile leaves of a network."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.errors import GeometryError
from pellucid.geometry import _complex, _tiles, complex_of, lowered, slice_of, verify
from pellucid.geometry._alike import ZERO, numbering
from pellucid.geometry._foreseen import foreseen
from pellucid.geometry._join import Joining
from pellucid.geometry._lines import lines_of
from pellucid.geometry._plane import on_plane, plane_through
from pellucid.geometry._tile import Side
from pellucid.geometry._whole import Whole
from pellucid.layers import (
    Activation,
    Conv2d,
    Dense,
    Flatten,
    MaxPool,
    PReLU,
    Residual,
    Sequential,
)

SQUARE = [(-1.0, 1.0), (-1.0, 1.0)]


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(_complex, "LARGE", -1)
    monkeypatch.setattr(_tiles, "FEW", 8)
    monkeypatch.setattr(_tiles, "SOME", 30)
    monkeypatch.setattr(_tiles, "UNLED", 2)


def both(monkeypatch, find):
    """What is found in tiles, and in one piece."""
    tiles = find()
    with monkeypatch.context() as patch:
        patch.setattr(_complex, "LARGE", 10**9)
        whole = find()
    assert tiles.mesh.patterns is not None
    assert whole.mesh.patterns is None
    return tiles, whole


def patterns(found):
    return [part.tobytes() for part in np.concatenate(found.mesh.pieces(found.flat, np.arange(found.count)), 1)]


def assert_same(tiles, whole):
    """Counts, patterns, areas, neighbours, edges and vertices."""
    assert tiles.counts == whole.counts
    assert tiles.euler == whole.euler == 1
    assert tiles.residual < 1e-9
    assert len(tiles.xy) == len(whole.xy)
    assert len(tiles.values) == len(tiles.xy)
    areas = [dict(zip(patterns(found), found.areas, strict=True)) for found in (tiles, whole)]
    assert areas[0].keys() == areas[1].keys()
    assert len(areas[0]) == tiles.count
    for pattern, area in areas[0].items():
        assert area == pytest.approx(areas[1][pattern], rel=1e-6, abs=1e-12)
    lines, neighbours = [], []
    for found in (tiles, whole):
        names = [*patterns(found), b"outside"]
        lines.append(Counter(map(tuple, found.drawn.tolist())))
        neighbours.append(Counter(frozenset((names[a], names[b])) for a, b in found.sides.tolist()))
    assert lines[0] == lines[1]
    assert neighbours[0] == neighbours[1]


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


def pooling_net(seed, side=6):
    """Convolutions and max pooling twice, on pictures of one channel."""
    rng = np.random.default_rng(seed)
    last = 3 * (side // 4 + (side // 2) % 2) ** 2
    return Sequential(
        [
            Conv2d(rng.normal(size=(3, 3, 1, 2)), rng.normal(size=2) / 2, padding="same"), Activation("relu"),
            MaxPool(2), Conv2d(rng.normal(size=(3, 3, 2, 3)) / 3, rng.normal(size=3) / 2, padding="same"),
            Activation("relu"), MaxPool(2, padding=(side // 2) % 2), Flatten(),
            Dense(rng.normal(size=(last, 4)) / 2, rng.normal(size=4)), Activation("relu"),
            Dense(rng.normal(size=(4, 2)), None),
        ]
    )  # fmt: skip


def pictures(seed, side=6):
    """Three that are black at their margin, and where one alone or two of them are black."""
    rng = np.random.default_rng(seed)
    found = np.zeros((3, side, side, 1))
    for picture, (i, j) in zip(found, ((1, 1), (2, 2), (1, 3)), strict=True):
        picture[i : i + 2, j : j + 2, 0] = np.round(rng.uniform(0, 1, (2, 2)) * 4) / 4
        picture[i, j] = 1
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.usefixtures("small_tiles")
def test_tiles_of_a_dense_network_are_the_one_piece(monkeypatch, seed):
    net = random_net(seed, 2, 9, 8, 7, 2)
    assert_same(*both(monkeypatch, lambda: complex_of(net, SQUARE)))


@pytest.mark.parametrize("kind", ["leaky_relu", "abs", "hard_tanh", "hard_sigmoid", "relu6"])
@pytest.mark.usefixtures("small_tiles")
def test_tiles_of_every_kind_of_bend_are_the_one_piece(monkeypatch, kind):
    net = random_net(3, 2, 6, 5, 1, activation=kind)
    assert_same(*both(monkeypatch, lambda: complex_of(net, [(-6, 6), (-6, 6)])))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.usefixtures("small_tiles")
def test_tiles_of_a_pooling_network_are_the_one_piece(monkeypatch, seed):
    net, three = pooling_net(seed), pictures(seed)
    assert_same(*both(monkeypatch, lambda: slice_of(net, three, shape=(6, 6, 1))))


@pytest.mark.usefixtures("small_tiles")
def test_tiles_of_skips_and_slopes_of_their_own_are_the_one_piece(monkeypatch):
    rng = np.random.default_rng(5)
    inner = Sequential([Dense(rng.normal(size=(6, 6)) / 2, rng.normal(size=6) / 2), Activation("abs")])
    net = Sequential(
        [
            Dense(rng.normal(size=(2, 6)), rng.normal(size=6) / 2), PReLU(rng.uniform(0.1, 0.6, 6)), Residual(inner),
            Dense(rng.normal(size=(6, 5)), rng.normal(size=5)), Activation("relu"),
            Dense(rng.normal(size=(5, 3)), None),
        ]
    )  # fmt: skip
    assert_same(*both(monkeypatch, lambda: complex_of(net, SQUARE)))


def degenerate(seed):
    """Small integer weights, units twice: parallel, coincident, dead and concurrent lines, many along tiles' sides."""
    rng = np.random.default_rng(seed)
    sizes = [2, *rng.integers(2, 6, 3), 1]
    layers = [(rng.integers(-2, 3, (n, m)), rng.integers(-1, 2, m)) for n, m in pairwise(sizes)]
    twice = [*range(sizes[1]), 0]
    first, second = layers[:2]
    layers[:2] = [(first[0][:, twice], first[1][twice]), (second[0][twice], second[1])]
    return relu_net(*layers)


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tiles_of_degenerate_networks_are_the_one_piece(seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_complex, "LARGE", -1)
        patch.setattr(_tiles, "FEW", 2)
        patch.setattr(_tiles, "STUBBORN", 1)
        net = degenerate(seed)
        assert_same(*both(patch, lambda: complex_of(net, SQUARE, threads=1)))


@pytest.mark.usefixtures("small_tiles")
def test_tiles_of_lines_through_one_point_are_the_one_piece(monkeypatch):
    net = random_net(4, 2, 12, 6, 1, bias=False)
    assert_same(*both(monkeypatch, lambda: complex_of(net, [(-1, 1.25), (-1, 1)])))


@pytest.mark.usefixtures("small_tiles")
def test_a_kink_along_the_side_of_tiles_stays(monkeypatch):
    monkeypatch.setattr(_tiles, "FEW", 1)
    weight = np.array([[1, 0, 1, 1, 2], [0, 1, 1, -1, 0]])
    net = relu_net((weight, [0, 0, 0, 0, 0]), (np.ones((5, 1)), [-1]), (np.ones((1, 1)), [0]))
    tiles, whole = both(monkeypatch, lambda: complex_of(net, SQUARE))
    assert_same(tiles, whole)
    assert (0, 0) in set(map(tuple, tiles.drawn.tolist()))  # the first unit's line is where the square is halved


@pytest.mark.usefixtures("small_tiles")
def test_a_joined_complex_is_one_in_every_respect(monkeypatch, tmp_path):
    net = random_net(7, 2, 9, 8, 3)
    tiles, whole = both(monkeypatch, lambda: complex_of(net, SQUARE))
    assert tiles.linear_count == whole.linear_count
    assert (tiles.at(tiles.centres) == np.arange(tiles.count)).all()
    for f in (0, tiles.count // 2, tiles.count - 1):
        local, middle = tiles.map(f), tiles.centres[f]
        np.testing.assert_allclose(middle @ local.weight + local.bias, tiles.flat(middle[None])[0], atol=1e-9)
    one, other = tiles.boundary(), whole.boundary()
    assert one.length == pytest.approx(other.length)
    assert sorted(one.areas) == pytest.approx(sorted(other.areas))
    assert one.residual < 1e-12
    with np.load(tiles.to_npz(tmp_path / "c.npz")) as data:
        assert data["edges"].max() < len(data["xy"])
    assert verify(tiles.to_certificate(tmp_path / "c.json"), net).holds
    again = tiles.update(random_net(8, 2, 9, 8, 3))
    assert again.counts == complex_of(random_net(8, 2, 9, 8, 3), SQUARE).counts


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("small_tiles")
def test_threads_change_nothing_in_tiles(threads):
    found = complex_of(random_net(7, 2, 12, 12, 2), SQUARE, threads=threads)
    assert found.euler == 1
    assert found.counts == complex_of(random_net(7, 2, 12, 12, 2), SQUARE, threads=1).counts


@pytest.mark.usefixtures("small_tiles")
def test_a_limit_leaves_out_the_same_bends_in_all_tiles(monkeypatch):
    net = random_net(0, 2, 16, 16, 8, 1)
    tiles, whole = both(monkeypatch, lambda: complex_of(net, SQUARE, limit=100))
    assert not tiles.complete
    assert tiles.counts == whole.counts
    assert sorted(patterns(tiles)) == sorted(patterns(whole))
    with pytest.raises(GeometryError, match="after 2 of 3 bends"):
        tiles.boundary()


@pytest.mark.usefixtures("small_tiles")
def test_far_too_many_regions_are_foreseen(monkeypatch):
    monkeypatch.setattr(_tiles, "LONG", 0)
    net = random_net(0, 2, 16, 16, 8, 1)
    monkeypatch.setattr(_tiles, "WAYS", 200)
    found = complex_of(net, SQUARE)
    with pytest.raises(GeometryError, match=r"There are about .* the limit is 2, .* Take a box with sides") as told:
        complex_of(net, SQUARE, limit=2)
    about = float(str(told.value).split("about ")[1].split()[0].replace(",", ""))
    assert 0.7 * found.count < about < 1.5 * found.count
    monkeypatch.setattr(_tiles.Tiles, "check_memory", lambda _: None)
    monkeypatch.setattr(_tiles, "free_memory", lambda: 10_000)
    with pytest.raises(GeometryError, match=r"free memory holds about [\d,]+\. Take a box"):
        complex_of(net, SQUARE)


@pytest.mark.usefixtures("small_tiles")
def test_bends_behind_which_there_are_too_many_are_left_out_as_soon_as_that_is_foreseen(monkeypatch):
    monkeypatch.setattr(_tiles, "LONG", 0)
    net = random_net(0, 2, 16, 16, 8, 1)
    tiles, whole = both(monkeypatch, lambda: complex_of(net, SQUARE, limit=80))
    assert not tiles.complete
    assert tiles.counts == whole.counts


def test_the_mean_over_random_ways_is_the_whole():
    tree = [[[1.0, 5.0], 2.0], [[[3.0, 0.0], 7.0], 10.0]]
    mean, error = foreseen(lambda: tree, lambda part: part if isinstance(part, list) else np.array([part]), 4000)
    assert abs(mean[0] - 28) < 4 * error[0]
    assert error[0] < 1


@pytest.mark.usefixtures("small_tiles")
def test_progress_tells_how_much_of_the_area_is_done(capsys):
    found = complex_of(random_net(0, 2, 8, 8, 1), SQUARE, threads=1, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("100 % of the area: ")
    assert int(lines[-1].split(": ")[1].split()[0].replace(",", "")) >= found.count


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("small_tiles")
def test_an_interruption_stops_all_threads(monkeypatch, threads):
    cut, calls = _tiles.cut_tile, []

    def interrupted(*given):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return cut(*given)

    monkeypatch.setattr(_tiles, "cut_tile", interrupted)
    with pytest.raises(KeyboardInterrupt):
        complex_of(random_net(0, 2, 16, 16, 1), SQUARE, threads=threads)
    assert len(calls) <= 2 + threads


@pytest.mark.usefixtures("small_tiles")
def test_short_memory_is_told_with_how_far_it_came(monkeypatch):
    monkeypatch.setattr(_tiles, "free_memory", lambda: 1000)
    with pytest.raises(GeometryError, match=r"regions found in \d+% of the area hold .* smaller box"):
        complex_of(random_net(0, 2, 16, 16, 1), SQUARE)


@pytest.mark.usefixtures("small_tiles")
def test_tiles_that_do_not_fit_are_a_mistake_of_ours(monkeypatch):
    meet = Joining.meet

    def unequal(self, one, other):
        meet(self, Side(one.vertices[:-1], one.faces[:-1], one.edges[:-1]), other)

    monkeypatch.setattr(Joining, "meet", unequal)
    with pytest.raises(GeometryError, match="a mistake in Pellucid"):
        complex_of(random_net(0, 2, 16, 16, 1), SQUARE)


def values_of(network, points):
    values = {0: points}
    for step in network.steps:
        values[step.output] = step.operator(*(values[number] for number in step.inputs))
    return values


@pytest.mark.parametrize("seed", range(3))
def test_units_with_equal_numbers_are_equal(seed):
    network = on_plane(lowered(pooling_net(seed), (6, 6, 1)), plane_through(pictures(seed).reshape(3, -1)))
    values = values_of(network, np.random.default_rng(0).normal(size=(50, 2)))
    shared = 0
    for number, numbers in enumerate(numbering(network)):
        _, first, place = np.unique(numbers, return_index=True, return_inverse=True)
        np.testing.assert_allclose(values[number], values[number][:, first[place]], atol=1e-12)
        assert not values[number][:, numbers == ZERO].any()
        shared += len(numbers) - len(first)
    assert shared > 0


@given(st.integers(0, 10**6), st.integers(0, 5))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_a_narrowed_network_is_the_network_where_it_was_narrowed_to(seed, halvings):
    rng = np.random.default_rng(seed)
    network = on_plane(lowered(pooling_net(seed % 7), (6, 6, 1)), plane_through(pictures(seed % 5).reshape(3, -1)))
    whole = Whole(network)
    box = ((-1.0, 1.0), (-1.0, 1.0))
    narrow = whole.narrowed(whole.look(box))
    for i in range(halvings):
        low, high = box[i % 2]
        half = ((low, (low + high) / 2), ((low + high) / 2, high))[rng.integers(2)]
        box = (half, box[1]) if i % 2 == 0 else (box[0], half)
        narrow = whole.within(narrow, box)
    points = np.stack([rng.uniform(*side, 40) for side in box], 1)
    columns = narrow.affine[0] + points @ narrow.affine[1:]
    for b, (bend, mix) in enumerate(zip(narrow.bends, narrow.mixes, strict=True)):
        start, stop = narrow.starts[b : b + 2]
        columns[:, stop:] += bend(columns[:, start:stop]) @ mix
    values = values_of(network, points)
    wanted = [values[step.inputs[0]][:, units] for step, units in zip(network.bends, narrow.left, strict=True)]
    wanted = np.concatenate([*wanted, values[network.output.number]], 1)
    assert (abs(columns - wanted) <= narrow.error + 1e-12).all()
    known = whole.known(narrow, [np.full(len(units), -1) for units in narrow.left])
    for pieces, true in zip(known, network.pieces(points), strict=True):
        sure = pieces >= 0
        assert (true[:, sure] == pieces[sure]).all()


def test_what_sees_one_picture_alone_is_a_multiple_of_one_unit_beside_the_side_of_the_other_two():
    three = pictures(0)
    plane = plane_through(three.reshape(3, -1))
    network = on_plane(lowered(pooling_net(0), (6, 6, 1)), plane)
    lines = lines_of(network, plane)
    whole, corners = Whole(network, lines), plane.coordinates(three.reshape(3, -1))
    led = 0
    for line in lines:
        a, b = -line.g[0] * line.g[1:] / (line.g[1:] ** 2).sum(), np.array([-line.g[2], line.g[1]])
        on_line = a + np.linspace(-3, 3, 20)[:, None] * b / np.linalg.norm(b)
        values = values_of(network, on_line)
        for step, zero in zip(network.bends, line.zero, strict=True):
            np.testing.assert_allclose(values[step.inputs[0]][:, zero], 0, atol=1e-12)
        middle = a + (corners.mean(0) - a) @ b / (b @ b) * b
        looked = whole.look(tuple((float(m - 0.05), float(m + 0.05)) for m in middle))
        points = middle + np.random.default_rng(0).uniform(-0.05, 0.05, (50, 2))
        pieces = network.pieces(points)
        for group in looked.led:
            leads = pieces[group.leader[0]][:, group.leader[1]]
            assert (pieces[group.bend][:, group.units] == group.pieces[leads]).all()
            led += len(group.units)
    assert led > 0
