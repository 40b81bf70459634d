"""A level set in space as a mesh: closed forms, the network's own values, sampling and trimesh agree on it."""

import json
import sys
from fractions import Fraction
from itertools import pairwise

import jax
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pellucid as pl
from pellucid.errors import GeometryError, SettingError, StoreError
from pellucid.geometry._enclosure import Cells, Known, enclosed
from pellucid.geometry._exact import Exact, point_of
from pellucid.geometry._network import lowered
from pellucid.geometry._surface import surface_of
from pellucid.layers import Activation, Conv2d, Dense, Flatten, MaxPool, Residual, Sequential

trimesh = pytest.importorskip("trimesh")

BOX = [(-1, 1.2), (-1.1, 1), (-0.9, 1)]
RELU = Activation("relu")


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


def dense(weight, bias=None):
    weight = np.array(weight, float)
    return Dense(weight, np.zeros(weight.shape[1]) if bias is None else np.array(bias, float))


def random_net(*between, widths=(3, 12, 12), seed=0):
    """Dense layers with one of `between` behind each but the last."""
    rng = np.random.default_rng(seed)
    layers = []
    for layer, (a, b) in zip(between, pairwise(widths), strict=True):
        layers += [dense(rng.normal(size=(a, b)) / np.sqrt(a), rng.normal(size=b) / 3), layer]
    return centred(layers, rng.normal(size=(widths[-1], 1)))


def pooled():
    """A picture of 3 × 1 pixels, convolved and pooled."""
    rng = np.random.default_rng(5)
    layers = [Conv2d(rng.normal(size=(2, 1, 1, 8)), rng.normal(size=8) / 3), RELU, MaxPool((2, 1)), Flatten()]
    return centred(layers, rng.normal(size=(8, 1)))


def centred(layers, weight):
    """A last Dense layer with this weight; its bias puts the output at 0 in the middle of the box."""
    middle = np.median(value_of(Sequential([*layers, dense(weight)]), in_box(4000)))
    return Sequential([*layers, dense(weight, [-middle])])


def value_of(net, points):
    """The network's own forward pass."""
    pictures = isinstance(net.layers[0], Conv2d)
    return np.asarray(net(points.reshape(-1, 3, 1, 1) if pictures else points))


def told(net):
    return lowered(net, (3, 1, 1) if isinstance(net.layers[0], Conv2d) else (3,))


def in_box(n, seed=1):
    low, high = np.array(BOX).T
    return np.random.default_rng(seed).uniform(low, high, (n, 3))


def mesh_of(found):
    return trimesh.Trimesh(found.vertices, found.triangles(), process=False)


def octahedron(signs=False):
    """|x| + |y| + |z| − 1, in absolute values or in pairs of ReLUs whose kinks coincide."""
    if signs:
        return Sequential([dense(np.hstack([np.eye(3), -np.eye(3)])), RELU, dense(np.ones((6, 1)), [-1])])
    return Sequential([Activation("abs"), dense(np.ones((3, 1)), [-1])])


def cube():
    """max(|x|, |y|, |z|) − 1, by max(a, b) = b + max(0, a − b)."""
    first = np.array([[1, 0, 0], [-1, 1, 0], [0, 0, 1]])
    second = np.array([[1, 0], [1, 0], [0, 1]]) @ np.array([[1, 0], [-1, 1]])
    return Sequential([Activation("abs"), dense(first), RELU, dense(second), RELU, dense(np.ones((2, 1)), [-1])])


@pytest.mark.parametrize("signs", [False, True])
def test_an_octahedron_has_eight_faces_of_known_area_and_volume(signs):
    found = surface_of(octahedron(signs), [(-2, 2)] * 3)
    assert (found.count, len(found.vertices), len(found.edges), found.euler, found.sheets) == (8, 6, 12, 2, 1)
    assert found.watertight
    np.testing.assert_allclose(found.areas, np.sqrt(3) / 2, rtol=1e-14)
    assert found.volume == pytest.approx(4 / 3, rel=1e-14)
    assert sorted(map(tuple, found.gradient)) == sorted({(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)})
    assert sorted(map(tuple, found.vertices)) == sorted(map(tuple, np.vstack([np.eye(3), -np.eye(3)])))
    assert len(set(found.pattern.tolist())) == 8


def test_a_cube_has_the_area_and_volume_of_a_cube_and_is_open_only_at_the_box():
    whole = surface_of(cube(), [(-2, 2)] * 3)
    assert (whole.euler, whole.open_edges, whole.branching, whole.exact > 0) == (2, 0, 0, True)
    assert whole.area == pytest.approx(24, rel=1e-14)
    assert whole.volume == pytest.approx(8, rel=1e-14)
    part = surface_of(cube(), [(-0.5, 2)] * 3)
    assert part.watertight
    assert part.open_edges
    assert part.area == pytest.approx(3 * 1.5**2, rel=1e-14)
    assert part.volume == pytest.approx(1.5**3, rel=1e-14)


NETS = {
    "relu": random_net(RELU, RELU),
    "deep": random_net(RELU, RELU, RELU, RELU, widths=(3, 8, 8, 8, 8), seed=1),
    "leaky": random_net(Activation("leaky_relu"), RELU, seed=2),
    "several kinks": random_net(Activation("hard_tanh"), Activation("relu6"), seed=3),
    "residual": random_net(RELU, Residual(Sequential([dense(np.eye(12)[::-1], np.full(12, 0.1)), RELU])), seed=4),
    "zero biases": jax.tree.map(
        lambda a: a if a.ndim > 1 or a.shape == (1,) else 0 * a, random_net(RELU, RELU, seed=6)
    ),
    "pooled": pooled(),
}


@pytest.fixture(scope="module")
def surfaces():
    with jax.enable_x64(True):
        return {name: surface_of(told(net), BOX) for name, net in NETS.items()}


@pytest.mark.parametrize("name", NETS)
def test_every_point_of_every_polygon_is_at_the_level(surfaces, name):
    found, net = surfaces[name], NETS[name]
    assert found.count > 50
    assert found.residual < 1e-12
    share = np.random.default_rng(0).exponential(size=len(found.corners))
    total = np.add.reduceat(share, found.ptr[:-1])
    points = np.add.reduceat(share[:, None] * found.vertices[found.corners], found.ptr[:-1]) / total[:, None]
    for places in (found.vertices, points):
        assert abs(value_of(net, places)).max() < 1e-9
    shape = (-1, *found.network.shape)
    slopes = jax.grad(lambda x: net(x.reshape(shape)).sum())(points)
    large = found.areas > 1e-8  # in a smaller one the point may be on a kink as far as floats can tell
    np.testing.assert_allclose(slopes[large], found.gradient[large], atol=1e-9)


@pytest.mark.parametrize("name", NETS)
def test_the_mesh_is_closed_but_for_the_box_and_all_its_polygons_face_the_same_way(surfaces, name):
    found = surfaces[name]
    assert found.watertight
    low, high = np.array(BOX).T
    times = np.bincount(found.sides, minlength=len(found.edges))
    ends = found.vertices[found.edges]
    at_box = ((ends == low).all(1) | (ends == high).all(1)).any(1)
    np.testing.assert_array_equal(times == 1, at_box)
    assert found.open_edges == at_box.sum()
    mesh = mesh_of(found)
    assert mesh.is_winding_consistent
    assert mesh.is_watertight == (not found.open_edges)
    assert mesh.euler_number == found.euler
    assert mesh.area == pytest.approx(found.area, rel=1e-9)
    assert found.volume_error < 1e-12


@pytest.mark.parametrize("name", NETS)
def test_no_crossing_of_a_line_with_the_level_is_missed(surfaces, name):
    """Along lines through the box the output changes its sign as often as the line meets a triangle."""
    found = surfaces[name]
    (x0, x1), (y0, y1), (z0, z1) = BOX
    side = np.linspace(0, 1, 14)[1:-1] + 0.003
    x, y = (a.ravel() for a in np.meshgrid(x0 + (x1 - x0) * side, y0 + (y1 - y0) * side))
    z = np.linspace(z0, z1, 2001)
    lines = np.stack([np.repeat(x, len(z)), np.repeat(y, len(z)), np.tile(z, len(x))], 1)
    heights = found.network(lines).reshape(len(x), len(z))
    seen = (np.diff(heights > 0, axis=1)).sum(1)
    a, b, c = (found.vertices[found.triangles()[:, i], :2][None] for i in range(3))
    p = np.stack([x, y], 1)[:, None]

    def turn(u, v):
        return (v - u)[..., 0] * (p - u)[..., 1] - (v - u)[..., 1] * (p - u)[..., 0]

    turns = np.stack([turn(a, b), turn(b, c), turn(c, a)])
    met = ((turns > 0).all(0) | (turns < 0).all(0)).sum(1)
    assert (met >= seen).all()
    assert (met != seen).mean() < 0.02  # two crossings between two samples
    assert ((met - seen) % 2 == 0).all()


@pytest.mark.parametrize("name", NETS)
def test_the_volume_is_that_of_sampled_points(surfaces, name):
    inside = (surfaces[name].network(in_box(200_000, 3)) <= 0).mean()
    assert surfaces[name].volume == pytest.approx(inside * np.prod(np.ptp(BOX, axis=1)), abs=0.02)


@pytest.mark.parametrize("name", ["relu", "several kinks", "residual", "pooled"])
def test_the_unit_drawn_along_an_edge_bends_there(surfaces, name):
    found = surfaces[name]
    for e in range(0, len(found.edges), 37):
        bend, line = found.drawn[e]
        middle = found.vertices[found.edges[e]].mean(0)
        if bend < 0:
            assert found.unit(e) == "the box"
            continue
        near = found.network.hyperplanes(middle)
        width = found.network.bends[bend].width
        here = (near.bend == bend) & (near.unit == line % width) & (near.kink == line // width)
        assert abs(near.value[here]) < 1e-12
        assert found.unit(e) == found.network.name(bend, line % width)


def test_twice_the_same_units_change_nothing():
    net = random_net(RELU, RELU, seed=8)
    a, _, b, _, c = net.layers
    doubled = [
        dense(np.hstack([a.weight, a.weight]), np.hstack([a.bias, a.bias])),
        RELU,
        dense(np.hstack([b.weight] * 2)[np.tile(np.arange(12), 2)] / 2, np.hstack([b.bias, b.bias])),
        RELU,
        dense(np.vstack([c.weight, c.weight]) / 2, c.bias),
    ]
    one, two = surface_of(net, BOX), surface_of(Sequential(doubled), BOX)
    assert (one.count, one.euler, one.watertight) == (two.count, two.euler, two.watertight)
    assert two.area == pytest.approx(one.area, rel=1e-12)
    assert two.volume == pytest.approx(one.volume, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    level=st.integers(-2, 2),
    curves=st.tuples(*[st.sampled_from(["relu", "abs", "hard_tanh", "relu6"])] * 2),
)
@example(seed=0, level=0, curves=("relu", "hard_tanh"))
def test_networks_of_small_whole_numbers_full_of_ties_still_close(seed, level, curves):
    rng = np.random.default_rng(seed)

    def some(*shape):
        return rng.integers(-2, 3, shape)

    one, two = map(Activation, curves)
    net = Sequential([dense(some(3, 6), some(6)), one, dense(some(6, 6), some(6)), two, dense(some(6, 1), some(1))])
    found = surface_of(net, [(-1, 1)] * 3, level=level)
    assert found.watertight
    assert found.residual < 1e-12
    assert found.volume_error < 1e-12
    points = rng.uniform(-1, 1, (20_000, 3))
    assert found.volume == pytest.approx(8 * (found.network(points) <= level).mean(), abs=0.15)


def test_a_curve_whose_slope_has_no_float_does_not_jump_at_its_kink_in_exact_arithmetic():
    network = lowered(Sequential([dense(np.eye(3)), Activation("hard_sigmoid")]))
    exact = Exact(network)
    values = [Fraction(*exact.value(point_of([x, 0, 0]), network.output.number, 0)) for x in (-4, -3, 3, 4)]
    assert values == [0, 0, 6 * Fraction(1 / 6), 6 * Fraction(1 / 6)]
    rng = np.random.default_rng(5)

    def some(*shape):
        return rng.integers(-2, 3, shape)

    net = Sequential([dense(4 * some(3, 8), some(8)), Activation("hard_sigmoid"), dense(some(8, 1))])
    for level in (-1, 0, 1):
        assert surface_of(net, [(-1, 1)] * 3, level=level).watertight


def test_where_sheets_meet_an_edge_belongs_to_four_polygons():
    found = surface_of(Sequential([Activation("abs"), dense([[1], [-1], [0]])]), [(-1, 1)] * 3)  # |x| = |y|
    assert (found.count, found.branching, found.watertight) == (8, 2, True)
    assert found.area == pytest.approx(4 * 2 * np.sqrt(2))


def test_a_level_that_is_only_touched_or_held_throughout_is_said_so():
    touched = surface_of(Sequential([Activation("abs"), dense([[1], [0], [0]])]), [(-1, 1)] * 3)  # |x| = 0
    assert (touched.count, touched.touching) == (0, 4)
    assert "comes to the level and turns back" in touched.note
    held = surface_of(Sequential([RELU, dense([[1], [0], [0]])]), [(-1, 1)] * 3)  # max(0, x) = 0
    assert (held.flat, held.area, held.volume) == (4, 4.0, 4.0)
    assert "at the level throughout 4 regions" in held.note


def test_a_network_without_bends_has_one_polygon():
    found = surface_of(dense([[1], [1], [1]]), [(-1, 1)] * 3)
    assert (found.count, len(found.corners), found.volume) == (1, 6, pytest.approx(4))


def test_a_level_out_of_reach_gives_an_empty_surface_that_says_so():
    found = surface_of(NETS["relu"], BOX, level=1e3)
    assert (found.count, found.area, found.euler, found.sheets, found.residual) == (0, 0, 0, 0, 0)
    assert found.volume == pytest.approx(np.prod(np.ptp(BOX, axis=1)))
    assert "level 1000 is not crossed" in found.note
    with pytest.raises(GeometryError, match="no polygon to write"):
        found.to_ply("nowhere.ply")


def test_one_of_several_outputs_is_chosen_and_a_last_sigmoid_is_told():
    net = Sequential([*octahedron().layers[:-1], dense(np.ones((3, 2)) * [1, 2], [-1, -1]), Activation("sigmoid")])
    found = surface_of(net, [(-2, 2)] * 3, output=1)
    assert found.volume == pytest.approx(4 / 3 / 8)
    assert "before the sigmoid" in found.note
    with pytest.raises(SettingError, match="from output=0 to 1"):
        surface_of(net, [(-2, 2)] * 3)
    with pytest.raises(SettingError, match="output is a whole number from 0 to 1, got 2"):
        surface_of(net, [(-2, 2)] * 3, output=2)


def test_what_cannot_have_a_surface_is_refused():
    net = octahedron()
    with pytest.raises(GeometryError, match="got 2 and 3"):
        surface_of(pl.mlp([2, 4, 1], key=0), [(-1, 1)] * 3)
    with pytest.raises(GeometryError, match="got 3 and 2"):
        surface_of(net, [(-1, 1)] * 2)
    for box, word in (((-1, np.inf), "must end"), ((1, 1), "empty"), ((np.nan, 1), "must end"), ((2, 1), "empty")):
        with pytest.raises(SettingError, match=word):
            surface_of(net, [(-1, 1), (-1, 1), box])
    for level in (np.nan, np.inf, "high"):
        with pytest.raises(SettingError, match="level is a finite number"):
            surface_of(net, [(-1, 1)] * 3, level=level)
    with pytest.raises(GeometryError, match="NaN"):
        surface_of(Sequential([dense([[np.nan]] * 3)]), [(-1, 1)] * 3)
    with pytest.raises(GeometryError, match="not piecewise linear"):
        surface_of(pl.mlp([3, 4, 1], key=0, activation="gelu"), [(-1, 1)] * 3)


@pytest.mark.parametrize("kind", ["ply", "obj", "glb"])
def test_a_file_holds_the_same_surface(surfaces, tmp_path, kind):
    found = surfaces["deep"]
    path = getattr(found, f"to_{kind}")(tmp_path / "new" / f"mesh.{kind}")
    read = trimesh.load(path)
    mesh = read.geometry["surface"] if kind == "glb" else read
    assert mesh.area == pytest.approx(found.area, rel=1e-6 if kind == "glb" else 1e-12)
    assert len(mesh.faces) == len(found.triangles())
    if kind == "glb":
        assert "bends" in read.geometry
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_file_that_cannot_be_written_leaves_nothing(surfaces, tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreError):
        surfaces["deep"].to_obj(tmp_path / "taken")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_without_trimesh_the_error_says_how_to_get_it(surfaces, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(SettingError, match=r'pip install "pellucid\[surfaces\]"'):
        surfaces["deep"].to_glb(tmp_path / "mesh.glb")
    assert surfaces["deep"].to_ply(tmp_path / "mesh.ply").exists()


def test_the_record_is_plain_json(surfaces):
    said = json.loads(json.dumps(surfaces["deep"].to_json()))
    assert len(said["vertices"]) == len(surfaces["deep"].vertices)
    assert said["watertight"] is True


@pytest.mark.parametrize("name", NETS)
def test_the_bounds_over_a_cell_hold_at_its_points(name):
    network, rng = told(NETS[name]), np.random.default_rng(2)
    n, k = 60, 7
    points = in_box(n).repeat(k, 0) + rng.normal(size=(n * k, 3)) * np.logspace(-3, 0, n).repeat(k)[:, None]
    cells = Cells(np.arange(n + 1) * k, np.arange(n * k), points)
    low, high = enclosed(network, 0, cells, Known(0, {0: np.eye(4, 3, -1)[None]}), np.zeros(n, int))
    share = rng.dirichlet(np.full(k, 0.3), (n, 500))
    heights = network(np.einsum("cpk,cki->cpi", share, points.reshape(n, k, 3)).reshape(-1, 3)).reshape(n, -1)
    assert (low <= heights.min(1) + 1e-12).all()
    assert (high >= heights.max(1) - 1e-12).all()
    pieces = np.concatenate(network.pieces(points), 1).reshape(n, k, -1)
    linear = (pieces == pieces[:, :1]).all((1, 2))
    at = network(points).reshape(n, k)
    assert linear.sum() > 5
    np.testing.assert_allclose(low[linear], at.min(1)[linear], atol=1e-12)
    np.testing.assert_allclose(high[linear], at.max(1)[linear], atol=1e-12)
