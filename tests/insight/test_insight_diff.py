"""Two networks side by side: what was changed is what is found, in numbers that NumPy and brute force agree on."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pl
from pellucid.cli import main
from pellucid.errors import DataError, SettingError
from pellucid.geometry import complex_of
from pellucid.insight import diff
from pellucid.layers import Activation, Dense, Residual, Sequential
from pellucid.module import with_parameters
from pellucid.train import bundled

X = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)


def moved(net, **changes):
    """The network with something added to some of its arrays, a path written as layers_0_weight."""
    paths = {path.replace("[", "_").replace("]", "").replace(".", "_"): path for path in pl.parameters(net)}
    arrays = {paths[name]: pl.parameters(net)[paths[name]] + change for name, change in changes.items()}
    return with_parameters(net, arrays)


def test_a_network_is_the_same_as_itself():
    net = pl.mlp([2, 6, 3], key=0)
    found = diff(net, net, (X, np.arange(40) % 3))
    assert found.same
    assert (found.answers.largest, len(found.answers.disagree)) == (0, 0)
    assert found.regions.lost == found.regions.gained == 0
    assert found.regions.kept == found.regions.before == complex_of(net, found.regions.box).count
    assert "the same network" in str(found)


def test_weights_are_compared_layer_by_layer():
    net = pl.mlp([2, 6, 4, 1], key=0)
    change = np.zeros((6, 4), np.float32)
    change[3, 1], change[0, 0] = -0.5, 0.25
    other = moved(net, layers_2_weight=change, layers_2_bias=0.1)
    (layer,) = diff(net, other).changed
    weight, bias = layer.arrays
    exact = [np.asarray(p, float) for p in (net.layers[2].weight, other.layers[2].weight)]
    assert (layer.path, layer.path_b, layer.kind, layer.change) == ("layers[2]", "layers[2]", "Dense", "weights")
    assert weight.change == np.linalg.norm(exact[1] - exact[0])
    assert (weight.at, weight.largest) == ((3, 1), pytest.approx(0.5))
    assert bias.change == pytest.approx(0.1 * 4**0.5)
    assert layer.moved == pytest.approx(np.hypot(weight.change, bias.change))
    assert layer.relative == pytest.approx(layer.moved / np.hypot(np.linalg.norm(exact[0]), bias.norm))


@given(st.lists(st.integers(2, 4), min_size=1, max_size=4), st.integers(0, 3), st.integers(5, 8))
@settings(max_examples=25, deadline=None)
def test_a_layer_that_was_put_in_is_found_wherever_it_is(sizes, place, extra):
    layers = [Dense(np.full((2, n), float(n)), np.zeros(n)) for n in sizes]
    place = min(place, len(layers))
    more = [*layers[:place], Dense(np.ones((extra, extra)), None), *layers[place:]]
    found = diff(Sequential(layers), Sequential(more))
    assert [(layer.path_b, layer.change) for layer in found.changed] == [(f"layers[{place}]", "only in b")]
    (back,) = diff(Sequential(more), Sequential(layers)).changed
    assert (back.path, back.change) == (f"layers[{place}]", "only in a")


def test_settings_shapes_and_kinds_are_told_apart():
    a = Sequential([Dense(np.ones((2, 3)), np.zeros(3)), Activation("relu"), Residual(Dense(np.eye(3), None))])
    b = Sequential([Dense(np.ones((2, 4)), np.zeros(4)), Activation("tanh"), Dense(np.eye(3), None)])
    found = {(layer.path, layer.path_b): layer for layer in diff(a, b).changed}
    assert found["layers[0]", "layers[0]"].note == "weight (2, 3), bias (3,) → weight (2, 4), bias (4,)"
    assert np.isnan(found["layers[0]", "layers[0]"].moved)
    assert found["layers[1]", "layers[1]"].note == "name: 'relu' → 'tanh'"
    assert found["layers[2]", ""].kind == "Residual"
    assert found["layers[2]", ""].change == "only in a"
    assert ("layers[2].layer", "layers[2]") not in found


def test_answers_are_compared_row_by_row():
    net = pl.mlp([2, 6, 3], key=0)
    other = moved(net, layers_2_bias=np.array([0.0, 0.5, 0.0], np.float32))
    y = np.arange(40) % 3
    found = diff(net, other, (X, y)).answers
    a, b = np.asarray(net(X), float), np.asarray(other(X), float)
    np.testing.assert_allclose(found.apart, np.abs(b - a).max(1))
    assert found.disagree.tolist() == np.flatnonzero(a.argmax(1) != b.argmax(1)).tolist()
    assert len(found.disagree)
    assert found.scores == ((a.argmax(1) == y).mean(), (b.argmax(1) == y).mean())
    assert found.mended.tolist() == np.flatnonzero((a.argmax(1) != y) & (b.argmax(1) == y)).tolist()
    assert found.broken.tolist() == np.flatnonzero((a.argmax(1) == y) & (b.argmax(1) != y)).tolist()
    one = pl.mlp([2, 6, 1], key=0)
    number = diff(one, moved(one, layers_2_bias=0.5), (X, np.asarray(one(X)))).answers
    assert number.scores == (0, pytest.approx(0.5))
    assert number.metric == "root mean square error"


def patterns(net, places):
    """Which hidden units are on at these places, by the network's own arithmetic."""
    found, h = [], places
    for layer in net.layers:
        h = h @ np.asarray(layer.weight, float) + np.asarray(layer.bias, float) if isinstance(layer, Dense) else h
        if isinstance(layer, Activation):
            found.append(h > 0)
            h = np.maximum(h, 0)
    return {tuple(row) for row in np.hstack(found).tolist()}


def test_regions_lost_and_gained_are_those_that_brute_force_finds():
    net = moved(pl.mlp([2, 4, 1], key=0), layers_0_bias=np.array([0.3, -0.2, 0.4, -0.3], np.float32))
    other = moved(net, layers_0_bias=np.array([0, 0.8, 0, 0], np.float32))
    found = diff(net, other, box=[(-2, 2), (-2, 2)]).regions
    side = np.linspace(-2, 2, 801)
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    a, b = patterns(net, grid), patterns(other, grid)
    assert (found.before, found.after) == (len(a), len(b))
    assert (found.kept, found.lost, found.gained) == (len(a & b), len(a - b), len(b - a))
    assert found.lost + found.gained > 0
    assert found.lost_area == pytest.approx(found.a.areas[found.only_a].sum() / 16)


def test_a_plane_through_rows_or_points_is_a_slice():
    net, other = pl.mlp([5, 6, 2], key=0), pl.mlp([5, 6, 2], key=1)
    x = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    by_rows, by_points = diff(net, other, x).regions, diff(net, other, points=np.eye(5)[:3]).regions
    for found in (by_rows, by_points):
        assert found.kept + found.lost == found.before
        assert found.kept + found.gained == found.after
        np.testing.assert_array_equal(found.a.plane.origin, found.b.plane.origin)
        np.testing.assert_array_equal(found.a.plane.directions, found.b.plane.directions)
    wider = diff(net, pl.mlp([5, 7, 2], key=0), x).regions
    assert (wider.kept, wider.lost_area) == (None, None)


def test_what_cannot_be_compared_is_said():
    curved = diff(pl.mlp([2, 4, 1], key=0, activation="tanh"), pl.mlp([2, 4, 2], key=0), X)
    assert curved.answers is curved.regions is None
    assert "1 output a row and b 2 outputs" in curved.notes[0]
    assert "tanh" in curved.notes[1]
    with pytest.raises(SettingError, match="give data="):
        curved.plot(kind="answers")
    with pytest.raises(DataError):
        diff(pl.mlp([2, 4, 1], key=0), pl.mlp([2, 4, 1], key=0), (X, np.zeros(3)))


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diff")
    settings = {"runs": folder / "runs", "progress": False, "learning_rate": 0.02}
    return folder, *(pl.fit([6], "iris", epochs=epochs, **settings) for epochs in (2, 12))


def test_runs_are_compared_in_their_users_terms(two_runs):
    _, before, after = two_runs
    found = pl.diff(before, after, names=("two epochs", "twelve"))
    rows, _ = bundled("iris")
    p = before.predict_proba(rows), after.predict_proba(rows)
    np.testing.assert_allclose(found.answers.apart, np.abs(p[1] - p[0]).max(1), atol=1e-6)
    assert found.answers.disagree.tolist() == np.flatnonzero(before.predict(rows) != after.predict(rows)).tolist()
    truth = rows["species"].to_numpy()
    assert found.answers.scores[1] == (after.predict(rows) == truth).mean() > 0.6
    assert found.answers.numbers.tolist() == list(range(150))
    assert "two epochs" in str(found)
    assert str(found.answers.disagree[0]) in str(found)


def test_classes_without_probabilities_are_compared_by_their_outputs():
    y = np.where(X[:, 0] > 0, "right", "left")
    run = pl.fit([4], (X, y), loss="hinge", epochs=2, validation=None, progress=False)
    found = pl.diff(run, replace(run, net=pl.mlp([2, 4, 1], key=5))).answers
    assert found.what == "output"
    assert set(found.before) | set(found.after) <= {"left", "right"}
    assert found.scores[0] == (found.before == y).mean()


def test_it_is_drawn_and_written(two_runs):
    _, before, after = two_runs
    found = pl.diff(before, after)
    for kind in ("layers", "answers", "regions"):
        assert found.plot(kind=kind).axes
    assert found._repr_html_().count("<svg") == 3
    kept = json.loads(json.dumps(found.to_json()))
    assert kept["regions"]["before"] == found.regions.before
    assert len(kept["answers"]["apart"]) == 150


def test_the_command_says_whether_they_differ(two_runs):
    folder, before, after = two_runs
    root = ["--runs", str(folder / "runs")]
    page = folder / "diff.html"
    told = CliRunner().invoke(main, ["diff", before.id, after.id, "--out", str(page), *root])
    assert told.exit_code == 1, told.output
    assert "layers[0]" in told.stdout
    assert "<svg" in page.read_text("utf-8")
    same = CliRunner().invoke(main, ["diff", before.id, before.id, "--data", "iris", "--json", *root])
    assert same.exit_code == 0, same.output
    assert json.loads(same.stdout)["answers"]["disagree"] == []
    wrong = CliRunner().invoke(main, ["diff", before.id, after.id, "--out", "diff.doc", *root])
    assert wrong.exit_code == 2
    assert ".html" in wrong.stderr
