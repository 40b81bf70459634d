"""Exact networks: comparison, sorting, powers, tables, trees and polygons, each against an oracle of its own."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from pellucid import construct
from pellucid.construct import _order, _power, _simplices
from pellucid.construct._chain import is_stored, layers_of
from pellucid.errors import DataError, SettingError
from pellucid.geometry import along, complex_of

whole = st.integers(-50, 50)


def exact(net, row):
    """What a network of Dense layers and ReLUs gives, in fractions."""
    x = [Fraction(float(v)) for v in row]
    for layer in net.layers:
        if hasattr(layer, "weight"):
            weight, bias = np.asarray(layer.weight, float), np.asarray(layer.bias, float)
            x = [sum((Fraction(w) * v for w, v in zip(column, x, strict=True)), Fraction(b))
                 for column, b in zip(weight.T.tolist(), bias.tolist(), strict=True)]  # fmt: skip
        else:
            x = [max(v, Fraction(0)) for v in x]
    return x


MADE = {
    "maximum": (construct.maximum(5), lambda x: [max(x)]),
    "minimum": (construct.minimum(3), lambda x: [min(x)]),
    "sort": (construct.sort(6), sorted),
    "median": (construct.median(5), lambda x: [sorted(x)[2]]),
    "median of 4": (construct.median(4), lambda x: [Fraction(sorted(x)[1] + sorted(x)[2], 2)]),
    "absolute": (construct.absolute(3), lambda x: [abs(v) for v in x]),
}


@settings(deadline=None, max_examples=60)
@given(st.data())
@pytest.mark.parametrize("name", MADE)
def test_comparisons_are_exact_for_every_input(name, data):
    made, truth = MADE[name]
    row = data.draw(st.lists(whole, min_size=len(made.box), max_size=len(made.box)))
    assert exact(made.net, row) == truth(row)


def test_the_depth_of_the_maximum_is_the_logarithm():
    assert [construct.maximum(n).depth for n in (2, 3, 4, 5, 8, 9)] == [1, 2, 2, 3, 3, 4]
    assert [_order.sorted_of(n).depth for n in (2, 4, 8)] == [1, 3, 6]
    assert construct.median(5).neurons < construct.sort(5).neurons


@pytest.mark.parametrize("depth", [1, 3, 8])
def test_the_pieces_of_a_sawtooth_double_with_every_layer(depth):
    made = construct.sawtooth(depth)
    found = along(made.net, [0.0], [1.0])
    assert found.linear_pieces == 2**depth
    assert np.array_equal(found.ends, np.arange(2**depth + 1) / 2**depth)
    assert np.array_equal(found.values[:, 0], np.arange(2**depth + 1) % 2)
    assert (made.neurons, made.error, made.residual) == (2 * depth, 0.0, 0.0)


@pytest.mark.parametrize(("interval", "error"), [((0, 1), 1e-2), ((-1, 1), 1e-4), ((0.3, 7), 1e-3), ((-5, -3), 1e-3)])
def test_the_square_keeps_its_error_exactly(interval, error):
    made = construct.square(interval, error=error)
    assert made.error <= error
    x = np.linspace(*interval, 40_001)
    found = along(made.net, interval[:1], interval[1:])
    y = np.interp((x - interval[0]) / (interval[1] - interval[0]), found.ends, found.values[:, 0])
    assert (y - x**2).min() >= -1e-12 * 50  # the line lies above the parabola
    assert (y - x**2).max() <= made.error * (1 + 1e-9)
    assert is_stored(_power.square_of(*map(float, interval), error)[0])
    deeper = construct.square(interval, error=error / 16)
    assert deeper.depth == made.depth + 2


@pytest.mark.parametrize("box", [((-1, 1), (-1, 1)), ((1, 3), (-2, 5)), ((-0.1, 0.7), (3, 3.5))])
def test_the_product_keeps_its_error_on_every_region(box):
    made = construct.product(box, error=5e-3)
    assert is_stored(_power.product_of(*[tuple(map(float, side)) for side in box], 5e-3)[0])
    found = complex_of(made.net, box)
    assert found.complete
    corners, middles = found.xy, (found.xy[found.edges[:, 0]] + found.xy[found.edges[:, 1]]) / 2
    for at in (corners, middles, found.centres):
        off = found.network(at)[:, 0] - at[:, 0] * at[:, 1]
        assert abs(off).max() <= made.error * (1 + 1e-9)
    assert made.error <= 5e-3


def test_the_product_with_nothing_is_nothing():
    made = construct.product(error=0.1)
    for v in (-1.0, -0.3, 0.0, 0.7):
        assert exact(made.net, [v, 0.0]) == exact(made.net, [0.0, v]) == [0]


@pytest.mark.parametrize(
    ("coefficients", "interval", "error"),
    [([1.0, 2.0], (0, 1), 0.1), ([0, -1, 0, 1], (-1, 1), 1e-2), ([0, -1, 0, 1], (-1, 1), 2e-5), ([2.5], (0, 1), 0.1),
     ([0.3, 0.1, -2, 0.7, 1.1], (-0.7, 1.3), 1e-3)],
)  # fmt: skip
def test_a_polynomial_keeps_its_error_by_the_cheaper_form(coefficients, interval, error):
    made = construct.polynomial(coefficients, interval, error=error)
    found = along(made.net, interval[:1], interval[1:])
    x = np.linspace(*interval, 20_001)
    y = np.interp((x - interval[0]) / (interval[1] - interval[0]), found.ends, found.values[:, 0])
    assert abs(y - np.polynomial.polynomial.polyval(x, coefficients)).max() <= made.error * (1 + 1e-6) + 1e-12
    assert made.error <= error
    assert made.depth == {2e-5: 18}.get(error, min(1, max(0, len(coefficients) - 2)))


def test_a_line_through_points_is_exact_with_a_neuron_for_each_kink():
    made = construct.piecewise_linear([-2, -1, 0, 2, 3], [1, 1, 3, -1, -1])
    assert (made.neurons, made.error) == (4 - 1, 0.0)  # flat at its ends: no neuron for a slope
    for x, y in ((-2, 1), (-0.5, 2), (1, 1), (2.5, -1)):
        assert exact(made.net, [x]) == [y]
    assert construct.piecewise_linear([0, 1, 2, 3], [0, 1, 2, 3]).neurons == 1  # no kink at all


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.floats(0.01, 3), st.floats(-5, 5)), min_size=2, max_size=9))
def test_any_line_stays_within_its_stated_error(steps):
    gaps, y = zip(*steps, strict=True)
    x = np.cumsum(gaps)
    made = construct.piecewise_linear(x, y)
    found = along(made.net, x[:1], x[-1:])
    at = np.union1d(x, x[0] + found.ends * (x[-1] - x[0]))
    there = np.interp((at - x[0]) / (x[-1] - x[0]), found.ends, found.values[:, 0])
    assert abs(there - np.interp(at, x, y)).max() <= made.error + 1e-9
    assert made.error <= 1e-4


def test_a_lattice_and_a_difference_are_what_they_say():
    rng = np.random.default_rng(0)
    weight, bias, groups = rng.normal(size=(3, 6)), rng.normal(size=6), [[0, 1, 2], [2, 3], [4, 5, 0]]
    made = construct.lattice(weight, bias, groups)
    x = rng.uniform(-1, 1, (500, 3)).astype(np.float32)
    truth = np.max([(x @ weight + bias)[:, group].min(1) for group in groups], axis=0)
    assert abs(np.asarray(made.net(x))[:, 0] - truth).max() <= made.error + made.residual + 1e-6
    parts = (rng.normal(size=(3, 4)), rng.normal(size=4)), (rng.normal(size=(3, 2)), rng.normal(size=2))
    made = construct.convex_difference(*parts)
    truth = (x @ parts[0][0] + parts[0][1]).max(1) - (x @ parts[1][0] + parts[1][1]).max(1)
    assert abs(np.asarray(made.net(x))[:, 0] - truth).max() <= made.error + made.residual + 1e-6


@pytest.mark.parametrize(("inner", "d"), [(0, 2), (5, 2), (18, 2), (2, 3)])
def test_a_triangulation_is_met_everywhere(inner, d):
    rng = np.random.default_rng(inner)
    corners = np.array(list(np.ndindex(*[2] * d)), float)
    points = np.vstack([corners, rng.uniform(size=(inner, d))])
    simplices, values = Delaunay(points).simplices, rng.normal(size=len(points))
    made = construct.triangulated(points, simplices, values)
    x = rng.uniform(size=(4000, d)).astype(np.float32)
    truth = LinearNDInterpolator(Delaunay(points), values)(x)
    assert abs(np.asarray(made.net(x))[:, 0] - truth).max() <= made.error + 50 * made.residual
    assert made.error < 1e-3


@pytest.mark.parametrize("form", [_simplices.hats, _simplices.lattice_form])
def test_both_forms_of_a_triangulation_keep_their_error_in_fractions(form):
    """Stars of one triangle and of two, so hats of unlike depth, of both signs."""
    points, values = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float), np.array([-1.25, 0.7, -0.4, 2.3])
    corners = np.array([[0, 1, 2], [1, 2, 3]])
    chain, off, _ = form(points, corners, values, ((0.0, 1.0), (0.0, 1.0)))
    net, shares = layers_of(chain), [Fraction(2, 8), Fraction(5, 8), Fraction(1, 8)]
    for corner in corners.tolist():
        at = [sum(s * Fraction(points[v][axis]) for s, v in zip(shares, corner, strict=True)) for axis in (0, 1)]
        wanted = sum(s * Fraction(float(values[v])) for s, v in zip(shares, corner, strict=True))
        assert abs(exact(net, at)[0] - wanted) <= Fraction(off)


def test_hats_are_taken_where_stars_are_convex():
    side = np.arange(4.0)
    points = np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
    simplices = [t for i in range(3) for j in range(3) for t in
                 ([4 * i + j, 4 * i + j + 4, 4 * i + j + 5], [4 * i + j, 4 * i + j + 1, 4 * i + j + 5])]  # fmt: skip
    made = construct.triangulated(points, simplices, [*[0] * 5, 8, *[0] * 10])
    assert made.error == 0
    assert "hats of 1 vert" in made.proof
    assert exact(made.net, [1, 1]) == [8]
    assert exact(made.net, [1, Fraction(5, 4)]) == [6]


@pytest.mark.parametrize("n", [1, 2])
def test_every_table_of_few_inputs_holds(n):
    rows = np.array(list(itertools.product([0, 1], repeat=n)))
    for outputs in itertools.product([0, 1], repeat=2**n):
        made = construct.logic(rows, outputs)
        assert [exact(made.net, row)[0] for row in rows] == list(outputs)
        assert made.neurons <= 2


def test_a_step_over_three_ones_is_exact_in_float32():
    """A third is no number of float32."""
    made = construct.logic([[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]], [1, 0, 1])
    assert [exact(made.net, row) for row in ([1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1])] == [[1], [0], [1]]
    either = construct.logic([[0, 0, 0, 1], [1, 1, 0, 0]], [[0, 0], [0, 1]])
    assert [exact(either.net, row) for row in ([0, 0, 0, 1], [1, 1, 0, 0])] == [[0, 0], [0, 1]]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_table_holds_on_all_of_its_rows(data):
    n = data.draw(st.integers(2, 5))
    rows = np.array(list(itertools.product([0, 1], repeat=n)))
    some = np.array(data.draw(st.lists(st.integers(0, 2**n - 1), min_size=1, max_size=2**n, unique=True)))
    outputs = np.array(data.draw(st.lists(st.integers(0, 1), min_size=2 * len(some), max_size=2 * len(some))))
    made = construct.logic(rows[some], outputs.reshape(-1, 2))
    assert [exact(made.net, row) for row in rows[some]] == outputs.reshape(-1, 2).tolist()


def test_tables_are_small_where_they_can_be():
    rows = np.array(list(itertools.product([0, 1], repeat=4)))
    a, b, c, d = rows.T
    assert construct.logic(rows, rows.sum(1) % 2).neurons == 4  # parity
    assert construct.logic(rows, a & b & c & d).neurons == 1
    assert construct.logic(rows, rows.sum(1) >= 2).neurons == 2  # a majority
    assert construct.logic(rows, (a & b) | (c & (1 - d))).neurons == 3  # two ands and an or


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4)).astype(np.float32)
    return x, (x[:, 0] > 0.3) + 2 * (x[:, 1] * x[:, 2] > 0), x[:, 0] ** 2 + np.sin(3 * x[:, 3])


def test_trees_and_forests_answer_alike_on_their_data(table):
    x, classes, y = table
    models = [
        DecisionTreeClassifier(random_state=0).fit(x, classes),
        DecisionTreeRegressor(max_depth=4, random_state=0).fit(x, y),
        RandomForestClassifier(7, random_state=0).fit(x, classes),
        ExtraTreesRegressor(3, max_depth=5, random_state=0).fit(x, y),
    ]
    for model in models:
        made = construct.tree(model, data=x)
        wanted = model.predict_proba(x) if hasattr(model, "classes_") else model.predict(x)[:, None]
        assert np.asarray(made.net(x)) == pytest.approx(wanted, abs=2e-6)
        assert made.measured <= made.error < 1e-6
        assert made.depth == 3


def test_a_tree_is_met_everywhere_but_in_its_collars(table):
    x, classes, _ = table
    model = DecisionTreeClassifier(random_state=0).fit(x, classes)
    made = construct.tree(model, margin=1e-3)
    rows = np.random.default_rng(1).normal(size=(3000, 4)).astype(np.float32)
    parts = model.tree_
    collar = np.zeros(len(rows), bool)
    for feature, threshold in zip(parts.feature, parts.threshold, strict=True):
        if feature >= 0:
            collar |= (rows[:, feature] > threshold) & (rows[:, feature] < threshold + 1.001e-3)
    assert collar.mean() < 0.02
    assert np.array_equal(np.asarray(made.net(rows))[~collar], model.predict_proba(rows)[~collar].astype(np.float32))


def test_a_forest_of_several_outputs_gives_them_all(table):
    x, _, y = table
    both = np.stack([y, -(y**2)], 1)
    model = ExtraTreesRegressor(2, max_depth=4, random_state=0).fit(x, both)
    made = construct.tree(model, data=x)
    assert np.asarray(made.net(x)) == pytest.approx(model.predict(x), abs=2e-6)


def test_a_tree_without_a_split_is_a_constant():
    model = DecisionTreeRegressor().fit([[0.0], [1.0]], [2.5, 2.5])
    made = construct.tree(model, margin=0.1)
    assert (made.neurons, np.asarray(made.net(np.zeros((1, 1), np.float32))).tolist()) == (0, [[2.5]])


POLYGONS = {
    "square": [[0, 0], [1, 0], [1, 1], [0, 1]],
    "clockwise": [[0, 1], [1, 1], [1, 0], [0, 0]],
    "arrow": [[0, 0], [4, 0], [4, 3], [2, 1], [0, 3]],
    "star": [[np.cos(t) * r, np.sin(t) * r] for t, r in zip(np.arange(10) * np.pi / 5, [1, 0.4] * 5, strict=True)],
    "on a side": [[0, 0], [1, 0], [2, 0], [2, 2]],
}


@pytest.mark.parametrize("name", POLYGONS)
def test_a_polygon_is_one_inside_and_nothing_beyond_its_collar(name):
    corners, collar = np.array(POLYGONS[name], float), 0.05
    made = construct.polygon(corners, collar=collar)
    rng = np.random.default_rng(0)
    x = rng.uniform(corners.min(0) - 0.3, corners.max(0) + 0.3, (6000, 2)).astype(np.float32)
    inside = Path(np.vstack([corners, corners[:1]])).contains_points(x)
    edges = np.linspace(corners, np.roll(corners, -1, 0), 400).reshape(-1, 2)
    far = np.sqrt(((x[:, None] - edges) ** 2).sum(2).min(1))
    y = np.asarray(made.net(x))[:, 0]
    assert (y[inside & (far > 1e-5)] >= 1 - 1e-4).all()
    assert abs(y[~inside & (far > collar + 0.01)]).max() == 0
    assert (y >= 0).all()
    assert (y <= 1 + 1e-5).all()
    assert made.measured == 0
    for corner in corners:
        assert exact(made.net, np.float32(corner))[0] >= 1 - Fraction(1, 10**5)


@pytest.mark.parametrize("seed", range(3))
def test_a_polytope_is_its_inequalities(seed):
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(12, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals, offsets = np.vstack([normals, np.eye(3), -np.eye(3)]), np.append(rng.uniform(0.4, 1, 12), np.ones(6))
    made = construct.polytope(normals, offsets, collar=0.1)
    x = rng.uniform(-1.3, 1.3, (4000, 3)).astype(np.float32)
    past = (x @ normals.T - offsets).max(1)
    y = np.asarray(made.net(x))[:, 0]
    assert (y[past <= -1e-5] >= 1 - 1e-4).all()
    assert abs(y[past >= 0.1001]).max() == 0
    assert 0 < made.neurons <= len(normals) + 1


def test_a_polytope_of_one_input_is_an_interval_and_of_corners_their_hull():
    made = construct.polytope([[2.0], [-1.0], [1.0]], [2.0, 1.0, 5.0], collar=0.25)
    assert [exact(made.net, [v])[0] for v in (-1, 0, 1)] == [1, 1, 1]
    assert [exact(made.net, [v])[0] for v in (-1.25, 1.25, 9)] == [0, 0, 0]
    corners = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
    cube = construct.polytope(corners=corners, collar=0.1)
    assert all(exact(cube.net, corner)[0] == 1 for corner in corners)
    assert exact(cube.net, [1.125, 0.5, 0.5, 0.5]) == [0]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: construct.maximum(1), SettingError, "2 or more"),
        (lambda: construct.sort(3.0), SettingError, "whole number"),
        (lambda: construct.maximum(10**5), SettingError, "at most 256"),
        (lambda: construct.median(3, box=[(0, 1)]), SettingError, "1 side"),
        (lambda: construct.sawtooth(0), SettingError, "1 or more"),
        (lambda: construct.sawtooth(40), SettingError, "at most 20"),
        (lambda: construct.square((1, 0), error=0.1), SettingError, "empty"),
        (lambda: construct.square((0, 1), error=1e-12), SettingError, "too small for float32"),
        (lambda: construct.square((1e6, 1e6 + 1), error=0.1), SettingError, "move the interval"),
        (lambda: construct.square((0, 1e30), error=1e55), SettingError, "beyond float32"),
        (lambda: construct.square((0, 1e-30), error=1e-64), SettingError, "rounded, reach"),
        (lambda: construct.product([(0, 1)], error=0.1), SettingError, "1 side"),
        (lambda: construct.polynomial([], error=0.1), DataError, "one number or more"),
        (lambda: construct.polynomial([1, np.nan], error=0.1), DataError, "NaN"),
        (lambda: construct.piecewise_linear([0, 0], [1, 2]), DataError, "must rise"),
        (lambda: construct.piecewise_linear([0], [1]), DataError, "two points"),
        (lambda: construct.piecewise_linear([0, 1], [0, 1e300]), SettingError, "beyond float32"),
        (lambda: construct.piecewise_linear(np.arange(9999), np.arange(9999) % 2), DataError, "9,997 kinks"),
        (lambda: construct.piecewise_linear(["a"], [1]), DataError, "wants numbers"),
        (lambda: construct.lattice([[1.0]], [0.0, 1.0], [[0]]), DataError, "do not fit"),
        (lambda: construct.lattice([[1.0]], [0.0], [[1]]), DataError, "names one piece"),
        (lambda: construct.lattice([[1.0]], [0.0], []), DataError, "one group"),
        (lambda: construct.lattice([[1.0]], [0.0], 3), DataError, "lists of pieces"),
        (lambda: construct.convex_difference(([[1.0]],), ([[1.0]], [0.0])), DataError, "are pairs"),
        (lambda: construct.triangulated([[0, 0], [1, 0], [2, 0]], [[0, 1, 2]], [0, 0, 0]), DataError, "flat"),
        (lambda: construct.triangulated([[0, 0], [1, 0], [0, 1]], [[0, 1, 3]], [0, 0, 0]), DataError, "names vertex 3"),
        (
            lambda: construct.triangulated(
                [[0, 0], [1, 0], [0, 1], [1, 1], [2, 2]], [[0, 1, 2], [1, 3, 4]], [0, 0, 0, 0, 0]
            ),
            DataError,
            "of their convex hull",
        ),
        (
            lambda: construct.triangulated([[0, 0], [1, 0], [0, 1], [1, 1]], [[0, 1, 2], [0, 1, 3]], [0, 0, 0, 0]),
            DataError,
            "overlap",
        ),
        (
            lambda: construct.triangulated(
                [[0, 0], [2, 0], [1, 0], [0, 2], [0, -2]], [[0, 1, 3], [0, 2, 4], [2, 1, 4]], [0] * 5
            ),
            DataError,
            "part of a larger one",
        ),
        (lambda: construct.triangulated([[0], [1]], [[0, 1]], [0, 0]), DataError, "two dimensions"),
        (lambda: construct.logic([[0, 1], [0, 1]], [0, 1]), DataError, "Rows 0 and 1 contradict"),
        (lambda: construct.logic([[0, 2]], [0]), DataError, "holds 0 and 1"),
        (lambda: construct.logic(np.zeros((1, 20)), [0]), DataError, "12 at most"),
        (lambda: construct.logic([[0, 1]], [0, 1]), DataError, "outputs for each row"),
        (lambda: construct.tree(DecisionTreeClassifier()), SettingError, "not fitted"),
        (lambda: construct.tree(GradientBoostingRegressor()), SettingError, "got a GradientBoostingRegressor"),
        (lambda: construct.tree(DecisionTreeRegressor().fit([[0.0], [1.0]], [0, 1])), SettingError, "cannot jump"),
        (
            lambda: construct.tree(DecisionTreeRegressor().fit([[0.0], [1.0]], [0, 1]), data=[[0.0, 1.0]]),
            DataError,
            "rows of 1 numbers",
        ),
        (
            lambda: construct.tree(DecisionTreeRegressor().fit([[0.0], [1.0]], [0, 1]), margin=1e-300),
            SettingError,
            "too thin for float32",
        ),
        (lambda: construct.polygon([[0, 0], [1, 1]], collar=0.1), DataError, "three corners"),
        (lambda: construct.polygon([[0, 0], [1, 1], [1, 0], [0, 1]], collar=0.1), DataError, "crosses itself"),
        (lambda: construct.polygon([[0, 0], [1, 0], [1, 1], [0, 0]], collar=0.1), DataError, "coincide"),
        (lambda: construct.polygon([[0, 0], [2, 0], [1, 0]], collar=0.1), DataError, "crosses itself"),
        (lambda: construct.polygon([[0, 0], [1, 0], [0, 1]], collar=0), SettingError, "above 0"),
        (lambda: construct.polygon(np.array([[0, 0], [1, 0], [0, 1]]) + 1e6, collar=0.01), SettingError, "too thin"),
        (lambda: construct.polytope(corners=[[0, 0], [3, 0], [0, 3], [1, 1]], collar=0.1), DataError, "not be convex"),
        (lambda: construct.polytope(np.eye(2), [1, 1], collar=0.1), DataError, "does not end"),
        (lambda: construct.polytope([[1.0], [-1.0]], [0, -1], collar=0.1), DataError, "no solution"),
        (lambda: construct.polytope(collar=0.1), DataError, "given by normals"),
    ],
)
def test_bad_input_is_told(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
