"""How regions grew: the right networks, in the right box, and where the regions ended up."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

import pellucid as pl
from pellucid.geometry import complex_of
from pellucid.insight import growth, view
from pellucid.insight._growth import NEAR, Gathering, along, gathering, spread
from pellucid.layers import Activation, Dense, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 2)).astype(np.float32)
SETTINGS = {"epochs": 4, "learning_rate": 0.05, "progress": False}


@pytest.fixture(scope="module")
def run():
    return pl.fit([6], (X, (X[:, 0] * X[:, 1] > 0).astype(np.int32)), **SETTINGS)


def test_the_regions_are_those_of_the_snapshots_in_the_box_of_the_last(run):
    seen = view(run)
    found = growth(run, seen)
    assert found.epochs == (0, 1, 2, 3, 4)
    assert found.views[-1] is seen
    assert {each.complex.box for each in found.views} == {seen.complex.box}
    assert found.counts == tuple(complex_of(each.net, seen.complex.box).count for each in run.snapshots)
    assert found.scores == (None, *(epoch.metrics["accuracy"] for epoch in run.history))


def test_fewer_pictures_where_they_would_have_too_many_regions(run):
    seen = view(run)
    found = growth(run, seen, regions=2 * seen.complex.count)
    assert found.epochs == (0, 4)
    none = growth(run, seen, regions=2 * seen.complex.count - 1)
    assert none.views == ()
    assert "too many regions" in none.note


def test_there_is_none_without_snapshots_of_a_slice_or_of_a_network_that_is_not_piecewise_linear(run):
    seen = view(run)
    for epochs in ((), run.snapshots[-1:]):
        assert growth(dataclasses.replace(run, snapshots=epochs), seen) is None
    assert growth(run, None) is None
    more = pl.fit([4], (np.c_[X, X[:, :1] ** 2], X[:, 0]), **SETTINGS)
    assert growth(more, view(more)) is None


def test_a_regression_has_no_boundary_to_gather_at():
    run = pl.fit([4], (X, X[:, 0] ** 2), **SETTINGS)
    found = growth(run, view(run))
    assert found.gathering is None
    assert found.metric == "r2"


def test_the_share_near_the_boundary_is_that_of_distances_to_all_its_pieces(run):
    found = growth(run, view(run))
    seen = found.views[-1].complex
    low, high = np.array(seen.box).T

    def near(points):
        """Whether the nearest piece of the boundary is nearer than NEAR, one piece after the other."""
        best = np.full(len(points), np.inf)
        for line in seen.boundary(0.0).lines:
            corners = (line - low) / (high - low)
            for a, b in pairwise(corners):
                t = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
                best = np.minimum(best, np.linalg.norm(points - a - t[:, None] * (b - a), axis=1))
        return (best < NEAR).mean()

    middles = (np.array([seen.xy[seen.face(f)].mean(0) for f in range(seen.count)]) - low) / (high - low)
    np.testing.assert_allclose(found.gathering.near, near(middles), atol=1 / seen.count + 1e-9)
    np.testing.assert_allclose(found.gathering.area, near(RNG.uniform(size=(20_000, 2))), atol=0.02)


def test_lines_around_the_boundary_gather_there_and_lines_far_from_it_keep_away():
    """Sixty units that bend at x = b, and an answer that changes at x = 0."""
    verdicts = []
    for bends in (np.linspace(-0.09, 0.09, 60), np.linspace(0.6, 0.95, 60)):
        first = Dense(np.r_[np.ones((1, 60)), np.zeros((1, 60))], -bends)
        flat = Sequential([first, Activation("relu"), Dense(np.full((60, 1), 1e-9), None)])
        line = Sequential([Dense(np.array([[1.0, -1.0], [0.0, 0.0]]), None), Activation("relu"),
                           Dense(np.array([[1.0], [-1.0]]), None)])  # fmt: skip
        both = pl.layers.Parallel([line, flat])
        net = Sequential([both, Dense(np.ones((2, 1)), None)])
        verdicts.append(gathering(view(net)).verdict)
    assert verdicts == [1, -1]


def test_a_few_more_than_elsewhere_may_be_chance():
    assert [Gathering(n, 0.5, 0.4).verdict for n in (10, 1000)] == [0, 1]
    assert [Gathering(n, 0.3, 0.4).verdict for n in (10, 1000)] == [0, -1]
    assert Gathering(5, 1.0, 1.0).verdict == 0


def test_points_along_lines_are_on_them_and_close_together():
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.3]])
    found = along([corners], 0.01)
    assert (np.linalg.norm(np.diff(found, axis=0), axis=1) <= 0.01 + 1e-12).all()
    assert ((found[:, 1] == 0) | (found[:, 0] == 1)).all()
    np.testing.assert_array_equal(found[[0, -1]], corners[[0, -1]])


def test_what_is_chosen_is_spread_from_the_first_to_the_last():
    assert spread(list("abcdefghi"), 3) == ["a", "e", "i"]
    assert spread(list("abc"), 10) == ["a", "b", "c"]
    assert spread(list("abc"), 1) == []
