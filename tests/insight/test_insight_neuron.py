"""A neuron is a half-space (C1): what is said of one, against the network itself, NumPy and PyTorch."""

import dataclasses
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
import torch

from pellucid import fit, save
from pellucid._api import load
from pellucid.errors import DataError, SettingError
from pellucid.insight import _looking as looking
from pellucid.insight import filters, neuron, neurons
from pellucid.layers import LSTM, Activation, Conv1d, Conv2d, Dense, Flatten, Graph, Masking, Sequential, mlp
from pellucid.report import html, text
from pellucid.train import bundled


@pytest.fixture(scope="module")
def iris():
    return fit([5], "iris", epochs=15, learning_rate=0.02, progress=False)


@pytest.fixture(scope="module")
def digits():
    return fit([6, 4], "digits", epochs=2, progress=False)


def raw_rows(run):
    """Every row a run was given, in the order of the rows in the file."""
    rows = pl.concat([run.data.train_rows, run.data.validation_rows])
    return rows[np.argsort(np.concatenate([run.data.train_index, run.data.validation_index]))]


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_a_unit_is_on_exactly_where_the_half_space_in_own_units_says(name, iris):
    run = iris if name == "iris" else fit([4], name, epochs=3, progress=False)
    rows = raw_rows(run)
    raw = rows.select(run.preprocess.input_names).to_numpy().astype(float)
    dense, relu, _ = run.net.layers
    on = np.asarray(relu(dense(run.preprocess.transform(rows)))) > 0
    for j in range(on.shape[1]):
        found = neuron(run, "layers[0]", j)
        assert ((raw @ found.weight > -found.bias) == on[:, j]).all()
        assert (found.margins.on, found.rows) == (on[:, j].sum(), len(raw))
        assert [one.row in np.flatnonzero(on[:, j]) for one in found.most] == [one.z > 0 for one in found.most]


def test_points_on_the_boundary_are_off_and_counted_apart():
    """C1: a = max(0, w·x + b) is on in the open half-space alone; whole numbers make z = 0 exact."""
    net = Sequential([Dense(jnp.array([[3.0], [-4.0]]), jnp.array([2.0])), Activation("relu")])
    x = np.array([[a, b] for a in range(-8, 9) for b in range(-8, 9)], np.float32)
    z = x @ [3, -4] + 2
    found = neuron(net, "layers[0]", 0, x)
    own = found.margins
    assert (own.on, own.off, own.zero) == ((z > 0).sum(), (z < 0).sum(), (z == 0).sum())
    assert own.zero > 0
    assert own.on == (np.asarray(net(x)) > 0).sum()
    assert own.norm == 5
    assert own.count[own.edges[:-1] >= 0].sum() == own.on
    assert own.margins[-1] * 5 == own.edges[-1] >= z.max()
    assert found.rule == "on where −4 · x[1] + 3 · x[0] > −2"


def test_rows_with_a_category_and_missing_cells_fall_where_the_network_puts_them(regression):
    run, x = regression, regression.preprocess.transform(raw_rows(regression))
    found = neuron(run, "layers[0]", 2)
    inputs = run.preprocess.original_inputs(x)
    assert ((inputs @ found.weight > -found.bias) == (np.asarray(run.net.layers[0](x))[:, 2] > 0)).all()
    assert any(term.unit == "where city = Rome" for term in found.terms)
    assert "[city = Rome]" in found.rule


def test_large_data_in_chunks_gives_what_all_rows_at_once_give(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 3)).astype(np.float32), rng.integers(0, 3, 300)
    net = mlp([3, 6, 2], key=1)
    whole = neuron(net, "layers[0]", 4, (x, y))
    monkeypatch.setattr("pellucid.train._evaluate.CHUNK", 64)
    parts = neuron(net, "layers[0]", 4, (x, y))
    z = np.asarray(net.layers[0](x))[:, 4]
    assert [one.row for one in parts.most] == [one.row for one in whole.most] == list(np.argsort(-z)[:5])
    assert [one.row for one in parts.least] == list(np.argsort(z)[:5])
    assert parts.margins.on == whole.margins.on
    assert (parts.margins.mean, parts.margins.deviation) == pytest.approx((z.mean(), z.std()), rel=1e-4)
    assert parts.margins.count.sum() == 300
    a = np.maximum(z, 0)
    assert parts.correlation == pytest.approx({str(c): np.corrcoef(a, y == c)[0, 1] for c in range(3)}, abs=1e-4)
    assert parts.effect == pytest.approx(a.std() * np.linalg.norm(net.layers[2].weight[4]), rel=1e-4)


def test_a_histogram_that_grows_keeps_every_value_on_its_side():
    values = np.concatenate([[0.0, 1e-30, -1e-30], np.random.default_rng(0).normal(size=500) * 100])
    tally = looking.Tally()
    for part in (values[:3], values[3:10], values[10:]):
        tally.add(part, part, part > 1e9)
    edges, count = tally.bars()
    assert len(count) <= 48
    assert count.tolist() == [((values > a) & (values <= b)).sum() for a, b in pairwise(edges)]


def test_what_it_feeds_is_the_next_layers_row_and_the_shares_sum_to_one(iris):
    found = [neuron(iris, "layers[0]", j) for j in range(5)]
    weight = np.asarray(iris.net.layers[2].weight)
    assert [unit.feeds.weight.tolist() for unit in found] == weight.tolist()
    assert sum(unit.feeds.share for unit in found) == pytest.approx(1)
    assert found[0].feeds.names == ("setosa", "versicolor", "virginica")


def test_dead_constant_and_always_on_units_are_said_plainly():
    def said(bias, activation="relu", weight=1.0):
        net = Sequential([Dense(jnp.full((1, 1), weight), jnp.array([bias])), Activation(activation)])
        found = neuron(net, "layers[0]", 0, np.linspace(-1, 1, 20, dtype=np.float32)[:, None])
        return found.state.partition(":")[0], found.useless

    assert said(-3.0) == ("Never on", True)
    assert said(3.0) == ("Always on", False)
    assert said(0.0) == ("", False)
    assert said(9.0, "tanh") == ("Saturated", False)
    assert said(1.0, weight=0.0) == ("The same for every row", True)


def test_a_deeper_units_direction_is_its_mean_gradient(iris):
    x = iris.preprocess.transform(raw_rows(iris))
    weights = [torch.tensor(np.array(a)) for a in jax.tree.leaves(iris.net)]
    given = torch.tensor(x, requires_grad=True)
    (torch.relu(given @ weights[0] + weights[1]) @ weights[2] + weights[3])[:, 1].sum().backward()
    found = neuron(iris, "layers[2]", 1)
    wanted = given.grad.numpy().mean(0) / iris.preprocess.scaler.scale_
    assert found.direction == pytest.approx(wanted, rel=1e-4)
    assert {term.name for term in found.terms} <= {f"unit {i} of layers[0]" for i in range(5)}
    assert found.feeds is None


def test_pixels_make_pictures_in_ink(digits):
    found = neuron(digits, "layers[0]", 3)
    table, _ = bundled("digits")
    one = found.most[0]
    assert one.input[..., 0] == pytest.approx(np.reshape(table.drop("digit").row(one.row), (8, 8)), abs=1e-5)
    assert found.picture.shape == filters(digits, "layers[0]").weight.shape[1:3] == (8, 8)
    assert neuron(digits, "layers[2]", 0).direction.shape == (8, 8)


def test_a_recurrent_unit_shows_what_each_gate_weighs_and_skips_the_padding():
    layer = LSTM.create(2, 3, key=jax.random.key(0))
    net = Sequential([Masking(), layer])
    x = np.random.default_rng(0).normal(size=(7, 5, 2)).astype(np.float32)
    x[2, 3:] = np.nan
    x[5, 1:] = np.nan
    found = neuron(net, "layers[1]", 1, x)
    weight = np.asarray(layer.weight).reshape(2, 4, 3)
    assert found.gates == ("input", "forget", "candidate", "output")
    assert found.weight.tolist() == weight[:, :, 1].T.tolist()
    assert found.gate_bias.tolist() == [0, 1, 0, 0]
    assert found.margins.total == 7 * 5 - 2 - 4
    h = np.where(np.isnan(x).any(-1), -np.inf, np.asarray(net(x).values)[..., 1])
    best = found.most[0]
    assert (best.row, best.place[0]) == np.unravel_index(h.argmax(), h.shape)
    assert best.box == ((0, best.place[0] + 1), (0, 2))
    assert "‖weight of h‖" in text(found)


def test_pictures_that_are_made_flat_are_drawn_as_pictures():
    x = np.random.default_rng(0).normal(size=(9, 4, 4, 1)).astype(np.float32)
    net = Sequential([Flatten(), *mlp([16, 3, 2], key=0).layers])
    found = neuron(net, "layers[1]", 0, x)
    assert found.picture.shape == (4, 4, 1)
    assert found.most[0].input.shape == (4, 4, 1)


def test_a_kernels_place_and_patch_are_where_the_row_excites_it_most():
    x = np.random.default_rng(0).normal(size=(6, 9, 8, 2)).astype(np.float32)
    first = Conv2d.create(2, 4, (3, 2), stride=(2, 1), key=jax.random.key(0))
    net = Sequential([first, Activation("relu"), Flatten(), Dense.create(4 * 4 * 7, 3, key=jax.random.key(1))])
    found = neuron(net, "layers[0]", 1, x)
    z = np.asarray(first(x))[..., 1]
    best = found.most[0]
    row, i, j = np.unravel_index(z.argmax(), z.shape)
    assert (best.row, best.place, best.z) == (row, (i, j), pytest.approx(z.max()))
    assert best.patch.tolist() == x[row, 2 * i : 2 * i + 3, j : j + 2].tolist()
    assert (best.patch * found.weight).sum() + found.bias == pytest.approx(z.max(), rel=1e-4)
    assert (found.margins.total, found.margins.on) == (z.size, (z > 0).sum())
    a = np.maximum(z, 0)
    weight = np.asarray(net.layers[3].weight).reshape(4, 7, 4, 3)
    assert np.abs(found.feeds.weight) == pytest.approx(np.linalg.norm(weight[:, :, 1], axis=(0, 1)), rel=1e-4)
    effect = np.sqrt((a.var(0)[..., None] * weight[:, :, 1] ** 2).sum())
    assert found.effect == pytest.approx(effect, rel=1e-4)
    shares = [neuron(net, "layers[0]", c, x).feeds.share for c in range(4)]
    assert sum(shares) == pytest.approx(1)


def test_a_deeper_kernels_patch_is_the_part_of_the_input_that_moves_it():
    x = np.random.default_rng(0).normal(size=(3, 12, 4)).astype(np.float32)
    keys = jax.random.split(jax.random.key(0), 2)
    net = Sequential([Conv1d.create(4, 6, 3, groups=2, key=keys[0]), Conv1d.create(6, 4, 4, groups=2, key=keys[1])])
    best = neuron(net, "layers[1]", 3, x).most[0]
    assert best.box == ((best.place[0], best.place[0] + 6), (0, 4))
    fed = neuron(net, "layers[0]", 4, x)
    assert fed.weight.tolist() == np.asarray(net.layers[0].weight)[:, :, 4].tolist()
    own = np.asarray(net.layers[1].weight)[:, 1]
    assert np.abs(fed.feeds.weight) == pytest.approx([0, 0, *np.linalg.norm(own, axis=0)[2:]])
    assert filters(net, "layers[0]").weight.shape == (6, 3, 2)
    names = neuron(net, "layers[1]", 3, x).terms
    assert all(term.name.partition(" of ")[0] in {"unit 3", "unit 4", "unit 5"} for term in names)


@pytest.mark.parametrize(
    ("path", "index", "said"),
    [
        ("layers[9]", 0, "Known: layers[0], layers[2]"),
        (
            "layers[1]",
            0,
            "layers[1] is an Activation, which has no units of its own: the units",
        ),
        ("", 0, "holds layers: ask one of them"),
        ("layers[0]", 3, "has the units 0 to 2; got 3"),
        ("layers[0]", -1, "has the units 0 to 2; got -1"),
        ("layers[0]", True, "got True"),
    ],
)
def test_a_layer_or_unit_that_is_not_there_is_told(path, index, said):
    with pytest.raises(SettingError) as caught:
        neuron(mlp([2, 3, 1], key=0), path, index, np.zeros((4, 2)))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "give data=x"),
        (np.zeros((0, 2)), "no rows"),
        (np.array([[1.0, 2.0], [np.nan, 1.0]]), "Row 1 of the data holds NaN"),
        (np.array([[1.0, 2.0], [np.inf, 1.0]]), "Row 1 of the data holds NaN or an infinite"),
        ((np.zeros((4, 2)), np.zeros(3)), "4 rows of inputs and 3 of y"),
        (np.zeros(4), "a row for each example"),
        (np.array([["a", "b"]]), "array of numbers"),
    ],
)
def test_data_that_cannot_be_looked_at_is_told(data, said):
    with pytest.raises(DataError) as caught:
        neuron(mlp([2, 3, 1], key=0), "layers[0]", 0, data)
    assert said in str(caught.value)


def test_a_broken_network_is_not_blamed_on_the_rows():
    net = Sequential([Dense(jnp.full((2, 1), jnp.nan), None)])
    with pytest.raises(DataError, match="the network itself is broken"):
        neuron(net, "layers[0]", 0, np.ones((3, 2)))


def test_a_layer_that_several_nodes_share_has_to_be_told_apart():
    net = Graph({"a": Dense(jnp.eye(2), None)}, [("one", "a", "input"), ("two", "a", "one")])
    with pytest.raises(SettingError, match="unshared"):
        neuron(net, "layers.a", 0, np.ones((3, 2)))
    assert neuron(net.unshared(), "layers.two", 0, np.ones((3, 2))).rows == 3


def test_a_run_read_back_looks_at_rows_it_is_given(iris, tmp_path):
    again = load(save(tmp_path / "iris", iris))
    with pytest.raises(DataError, match="read back"):
        neuron(again, "layers[0]", 0)
    table, _ = bundled("iris")
    found = neuron(again, "layers[0]", 0, table)
    own = neuron(iris, "layers[0]", 0)
    assert found.margins.on == own.margins.on
    assert found.correlation == pytest.approx(own.correlation, abs=1e-6)
    assert neuron(again, "layers[0]", 0, table.drop("species")).correlation == {}


def test_the_first_neurons_of_a_report_are_the_same_records(iris):
    found = neurons(iris, most=2)
    assert [unit.index for unit in found.units] == sorted(
        range(5), key=lambda j: -next(u.effect for u in neurons(iris, most=5).units if u.index == j)
    )[:2]
    one = found.units[0]
    assert dataclasses.replace(one, rows=0).weight.tolist() == neuron(iris, "layers[0]", one.index).weight.tolist()


def test_filters_say_what_they_need():
    with pytest.raises(SettingError, match="give their shape as a picture"):
        filters(mlp([16, 3, 1], key=0), "layers[0]")
    with pytest.raises(SettingError, match=r"got shape=\(3, 3\)"):
        filters(mlp([16, 3, 1], key=0), "layers[0]", shape=(3, 3))
    with pytest.raises(SettingError, match="no pictures"):
        filters(Sequential([LSTM.create(2, 3, key=jax.random.key(0))]), "layers[0]")


def test_text_and_page_of_a_neuron(iris, digits):
    said = text(neuron(iris, "layers[0]", 0))
    lines = said.splitlines()
    assert lines[0] == "layers[0], unit 0 (Dense, relu)"
    assert "on where" in lines[1]
    assert "It feeds layers[2]" in said
    assert max(map(len, lines)) < 200
    for found in (neuron(digits, "layers[0]", 0), neuron(digits, "layers[2]", 0)):
        assert "<svg" in html(found)
