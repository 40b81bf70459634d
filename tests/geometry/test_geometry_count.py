"""Numbers of regions and their bounds; a network along a segment; a complex checked again in fractions."""

import copy
import itertools
import json
from fractions import Fraction
from math import comb

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pl
from pellucid.errors import DataError, GeometryError, SettingError
from pellucid.geometry import _along, lowered
from pellucid.geometry._along import along
from pellucid.geometry._count import counts, montufar, serra, zaslavsky
from pellucid.geometry._enumerate import enumerate_regions
from pellucid.geometry._verify import verify
from pellucid.layers import Activation, Conv2d, Dense, Flatten, MaxPool, PReLU, Residual, Sequential

RELU = Activation("relu")


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


def dense(n_in, n_out, seed, bias=1.0):
    draw = np.random.default_rng(seed)
    return Dense(draw.normal(size=(n_in, n_out)), bias * draw.normal(size=n_out))


def tent(times):
    layers = []
    for _ in range(times):
        layers += [Dense(np.ones((1, 2)), np.array([0.0, -0.5])), RELU, Dense(np.array([[2.0], [-4.0]]), None)]
    return Sequential(layers)


def test_zaslavsky_obeys_deletion_and_restriction():
    for n, d in itertools.product(range(1, 9), range(1, 6)):
        assert zaslavsky(n, d) == zaslavsky(n - 1, d) + zaslavsky(n - 1, d - 1)
    assert zaslavsky(4, 9) == 16
    assert zaslavsky(0, 3) == 1


def test_serra_is_the_sum_over_all_dimensions_written_out():
    for widths, d in (([3, 4, 2], 2), ([5, 2, 3], 3), ([1, 1, 6], 2), ([4], 5), ([], 2)):
        total = 0
        for js in itertools.product(*(range(n + 1) for n in widths)):
            most, ways = d, 1
            for j, n in zip(js, widths, strict=True):
                ways *= comb(n, j) if j <= min(most, n) else 0
                most = min(most, n - j)
            total += ways
        assert serra(widths, d) == total


def test_bounds_stand_in_order():
    for widths, d in (([4], 2), ([4, 4], 2), ([6, 5, 4], 3), ([1, 3], 2), ([2, 2, 2, 2], 1)):
        assert montufar(widths, d) <= serra(widths, d)
    assert montufar([9], 3) == serra([9], 3) == zaslavsky(9, 3)
    assert montufar([2] * 5, 1) == 2**4 * 3


@settings(max_examples=15, deadline=None)
@given(widths=st.lists(st.integers(1, 5), min_size=1, max_size=3), d=st.integers(1, 3), seed=st.integers(0, 10**6))
def test_no_network_has_more_regions_than_the_bounds_say(widths, d, seed):
    layers = []
    for i, (a, b) in enumerate(itertools.pairwise([d, *widths])):
        layers += [dense(a, b, seed + i), RELU]
    net = Sequential(layers)
    found = counts(net, enumerate_regions(net, [(-50, 50)] * d).per_bend)
    for row in found.after:
        assert row.found <= row.most
        assert 0 < row.share <= 1
    assert found.most == serra(widths, d)


def test_other_bends_have_the_bound_of_all_their_hyperplanes():
    net = Sequential([dense(2, 3, 0), Activation("hard_tanh"), Residual(Sequential([dense(3, 3, 1), RELU]))])
    told = counts(net, enumerate_regions(net, [(-3, 3)] * 2).per_bend)
    assert [(row.lines, row.most_bound, row.some_reach) for row in told.after] == [
        (6, "Raghu et al. 2017", None), (3, "Raghu et al. 2017", None)
    ]  # fmt: skip
    assert told.most == zaslavsky(6, 2) * zaslavsky(3, 2)
    assert told.found <= told.most
    assert counts(net).found is None
    assert json.dumps(told.to_json())


def test_impossible_numbers_are_refused():
    with pytest.raises(SettingError, match="at least 0"):
        zaslavsky(-1, 2)
    with pytest.raises(SettingError, match="1 bends; there are 2"):
        counts(Sequential([dense(2, 3, 0), RELU]), [1, 2])


LINES = {
    "relu": (Sequential([dense(3, 16, 0), RELU, dense(16, 16, 1), RELU, dense(16, 3, 2)]), (3,)),
    "zero biases": (Sequential([dense(3, 8, 0, 0), RELU, dense(8, 8, 1, 0), RELU, dense(8, 1, 2, 0)]), (3,)),
    "hard_tanh": (Sequential([dense(3, 8, 0), Activation("hard_tanh"), dense(8, 4, 1), Activation("abs")]), (3,)),
    "prelu": (
        Sequential([dense(3, 5, 5), PReLU(np.linspace(-0.5, 0.5, 5)), dense(5, 4, 1), RELU, dense(4, 2, 0)]), (3,),
    ),
    "residual": (
        Sequential([dense(3, 4, 3), Residual(Sequential([dense(4, 4, 1), RELU])), RELU, dense(4, 2, 2)]), (3,),
    ),
    "picture": (
        Sequential([Conv2d.create(1, 3, 3, key=jax.random.key(0)), RELU, MaxPool(2), Flatten(), dense(12, 3, 0)]),
        (6, 6, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_every_breakpoint_is_found_and_every_slope_is_the_derivative(name):
    net, shape = LINES[name]
    network, n = lowered(net, shape), int(np.prod(shape))
    a, b = np.random.default_rng(3).normal(size=(2, n)) * 2
    found = along(network, a, b)
    t = np.linspace(0, 1, 50_001)
    changes = np.concatenate([np.diff(p, axis=0) for p in network.pieces(a + t[:, None] * (b - a))], 1) != 0
    assert len(found.breakpoints) == changes.sum()
    assert found.activation_pieces == 1 + changes.any(1).sum()
    here = np.array([at.t for at in found.breakpoints])
    seen = t[np.flatnonzero(changes.any(1))]
    assert all(((here >= at) & (here <= at + 2e-5)).any() for at in seen)
    middles = (found.ends[:-1] + found.ends[1:]) / 2
    _, slopes = jax.vmap(
        lambda t: jax.jvp(lambda t: net((a + t * (b - a)).reshape(1, *shape))[0], (t,), (1.0,))
    )(middles)  # fmt: skip
    np.testing.assert_allclose(found.slopes, slopes, atol=1e-10)
    np.testing.assert_allclose(found.values, network(a + found.ends[:, None] * (b - a)), atol=1e-11)
    np.testing.assert_allclose(found.variation, abs(np.diff(slopes, axis=0)).sum(0), atol=1e-9)
    assert found.residual < 1e-12


@pytest.mark.parametrize("name", LINES)
def test_the_answer_changes_where_a_fine_grid_says(name):
    net, shape = LINES[name]
    network, n = lowered(net, shape), int(np.prod(shape))
    a, b = np.random.default_rng(4).normal(size=(2, n)) * 2
    found = along(network, a, b)
    t = np.linspace(0, 1, 200_001)
    y = network(a + t[:, None] * (b - a))
    top = y.argmax(1) if network.n_out > 1 else (y[:, 0] > 0).astype(int)
    at = np.flatnonzero(np.diff(top))
    assert [(flip.before, flip.after) for flip in found.flips] == list(zip(top[at], top[at + 1], strict=True))
    assert all(t[i] <= flip.t <= t[i + 1] for i, flip in zip(at, found.flips, strict=True))


def test_tent_maps_double_exactly():
    for times in (1, 4, 8):
        found = along(tent(times), [0.0], [1.0])
        assert [Fraction(t) for t in found.ends.tolist()] == [Fraction(k, 2**times) for k in range(2**times + 1)]
        assert found.slopes[:, 0].tolist() == [2.0**times, -(2.0**times)] * 2 ** (times - 1)
        assert found.linear_pieces == 2**times
        assert found.variation[0] == 2 * 2.0**times * (2**times - 1)
        assert found.residual == found.undecided == 0


def test_a_unit_that_touches_its_kink_does_not_bend_and_equal_slopes_are_one_piece():
    touch = Sequential(
        [Dense(np.array([[1.0, -1.0]]), None), RELU, Dense(np.array([[1.0, 1.0], [1.0, -1.0]]), None), RELU]
    )
    found = along(touch, [-1.0], [1.0])  # |x| touches 0 where x bends
    assert {(at.bend, at.unit) for at in found.breakpoints} == {(0, 0), (0, 1), (1, 1)}
    assert [at.t for at in found.breakpoints] == [0.5] * 3
    same = along(
        Sequential([Dense(np.array([[1.0, -1.0]]), None), RELU, Dense(np.array([[1.0], [-1.0]]), None)]), [-1.0], [3.0]
    )
    assert (same.activation_pieces, same.linear_pieces) == (2, 1)
    assert same.variation[0] == 0
    assert [(flip.t, flip.before, flip.after) for flip in same.flips] == [(0.25, 0, 1)]


def test_a_segment_along_a_kink_and_one_from_a_kink():
    flat = Sequential([Dense(np.eye(2), None), RELU, Dense(np.ones((2, 1)), None)])
    assert along(flat, [0.0, 1.0], [0.0, 2.0]).activation_pieces == 1
    assert along(flat, [0.0, 1.0], [1.0, 2.0]).activation_pieces == 1
    assert along(flat, [0.0, 0.0], [1.0, -1.0]).slopes.tolist() == [[1.0]]


def test_a_segment_worked_on_in_parts_is_the_same(monkeypatch):
    net, _ = LINES["relu"]
    a, b = np.random.default_rng(0).normal(size=(2, 3)) * 5
    whole = along(net, a, b)
    monkeypatch.setattr(_along, "ROOM", 100)
    parts = along(net, a, b)
    assert parts.breakpoints == whole.breakpoints
    tents = along(tent(6), [0.0], [1.0])
    assert [at.t for at in tents.breakpoints if at.bend == 0] == [0.5]
    assert tents.activation_pieces == 64


def test_segments_that_are_none_are_refused():
    net = pl.mlp([2, 4, 1], key=0)
    with pytest.raises(SettingError, match="same input"):
        along(net, [1.0, 2.0], [1.0, 2.0])
    with pytest.raises(GeometryError, match="NaN"):
        along(net, [1.0, 2.0], [np.nan, 2.0])
    with pytest.raises(GeometryError, match="2 inputs"):
        along(net, [1.0], [2.0])


QUARTERS = Sequential([Dense(np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([-1.0, 0.0])), RELU, dense(2, 1, 0)])
THIRD = "1/3"
COMPLEX = {
    "box": [[0, 1], [-1, 1]],
    "vertices": [{"xy": list(at)} for at in itertools.product((0, THIRD, 1), (-1, 0, 1))],
    "faces": [
        {"vertices": [0, 3, 4, 1], "pattern": [[0, 0]]}, {"vertices": [1, 4, 5, 2], "pattern": [[0, 1]]},
        {"vertices": [3, 6, 7, 4], "pattern": [[1, 0]]}, {"vertices": [4, 7, 8, 5], "pattern": [[1, 1]]},
    ],
}  # fmt: skip


def test_a_right_complex_holds_and_a_third_is_not_a_float(tmp_path):
    file = tmp_path / "complex.json"
    file.write_text(json.dumps(COMPLEX))
    found = verify(file, QUARTERS)
    assert found.holds
    assert (found.faces, found.vertices, found.checked, found.area, found.box_area) == (4, 9, 4, "2", "2")
    assert verify(COMPLEX, QUARTERS, sample=2).checked == 2
    rounded = copy.deepcopy(COMPLEX)
    for vertex in rounded["vertices"]:
        vertex["xy"] = [float(Fraction(c)) for c in vertex["xy"]]
    assert not verify(rounded, QUARTERS).holds


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda c: c["faces"].pop(), "areas sum to 4/3"),
        (lambda c: c["faces"].append(c["faces"][0]), "Two faces have the pattern"),
        (lambda c: c["faces"][0].update(pattern=[[1, 0]]), "Two faces"),
        (lambda c: c["faces"][0]["vertices"].reverse(), "not convex and counterclockwise"),
        (lambda c: c["faces"][0].update(vertices=[0, 3, 1, 4]), "not convex"),
        (lambda c: c["faces"][0].update(vertices=[0, 3, 4, 1, 0, 3, 4, 1]), "corner twice"),
        (lambda c: c["vertices"][4].update(xy=["1/3", "1/1000000000000000000000"]), "at a corner"),
        (lambda c: c["vertices"][0].update(xy=["-1/9", -1]), "outside the box"),
        (lambda c: c["faces"][0].update(pattern=[[0, 1]]), "not on its piece at its middle"),
        (lambda c: c["faces"][0].update(vertices=[0, 3, 6, 7, 4, 1]), "not on its piece"),
    ],
)
def test_what_is_wrong_is_found(wrong, words):
    broken = copy.deepcopy(COMPLEX)
    wrong(broken)
    found = verify(broken, QUARTERS)
    assert not found.holds
    assert any(words in problem for problem in found.problems), found.problems


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda c: c.pop("box"), "KeyError"),
        (lambda c: c["vertices"][0].update(xy=["1/0", 0]), "ZeroDivision"),
        (lambda c: c["vertices"][0].update(xy=[None, 0]), "no coordinate"),
        (lambda c: c["vertices"][0].update(xy=[float("nan"), 0]), "ValueError"),
        (lambda c: c["faces"][0].update(vertices=[0, 1]), "at least 3 vertices"),
        (lambda c: c["faces"][0].update(vertices=[0, 1, 99]), "numbered from 0 to 8"),
        (lambda c: c["faces"][0].update(pattern=[[0]]), "each of the units of each bend: 2"),
        (lambda c: c["faces"][0].update(pattern=[[0, 2]]), "each of the units"),
        (lambda c: c.update(box=[[1, 0], [0, 1]]), "from a lower to a higher"),
    ],
)
def test_a_file_of_another_form_is_refused(wrong, words):
    broken = copy.deepcopy(COMPLEX)
    wrong(broken)
    with pytest.raises(DataError, match=words):
        verify(broken, QUARTERS)
    with pytest.raises(GeometryError, match="two inputs"):
        verify(COMPLEX, pl.mlp([3, 2, 1], key=0))
    with pytest.raises(DataError, match="cannot be read"):
        verify("no such file", QUARTERS)


@pytest.mark.parametrize("form", ["residual", "hard_tanh", "prelu", "deep"])
def test_every_kind_of_layer_is_checked_as_it_computes(form):
    nets = {
        "residual": Sequential(
            [Dense(np.eye(2), None), Residual(Sequential([Dense(np.array([[0.0, 1], [1, 0]]), None), RELU]))]
        ),
        "hard_tanh": Sequential([Dense(np.array([[2.0], [0.0]]), np.array([0.5])), Activation("hard_tanh")]),
        "prelu": Sequential([Dense(np.eye(2), None), PReLU(np.array([0.25, -0.5]))]),
        "deep": Sequential([Dense(np.eye(2), None), RELU, Dense(np.array([[1.0], [1.0]]), np.array([-1.0])), RELU]),
    }  # fmt: skip
    network = lowered(nets[form], (2,))
    found = enumerate_regions(network, [(-2, 2)] * 2)
    points, faces = [], []
    for i in range(found.count):
        corners = found.corners(i)
        order = np.argsort(np.arctan2(*(corners - corners.mean(0)).T[::-1]))
        faces.append({"vertices": list(range(len(points), len(points) + len(corners))),
                      "pattern": [piece.tolist() for piece in found.pieces(i)]})  # fmt: skip
        points += [{"xy": corner} for corner in corners[order].tolist()]
    told = verify({"box": [[-2, 2], [-2, 2]], "vertices": points, "faces": faces}, network)
    assert told.holds, told.problems
    assert told.faces == found.count > 2
