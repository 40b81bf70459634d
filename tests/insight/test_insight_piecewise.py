"""The regions of a run, in the units of its data; what is too large or not piecewise linear is told."""

import numpy as np
import polars as pl
import pytest

from pellucid._api import fit
from pellucid.errors import SettingError
from pellucid.insight import explained, nearest_change, piecewise, view
from pellucid.layers import mlp

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def shop():
    """A run of two columns far from the scale the network sees, with two classes."""
    age, income = RNG.uniform(18, 80, 150), RNG.gamma(4, 12_000, 150)
    table = pl.DataFrame({"age": age, "income": income, "bought": np.where(age > 40 + income / 9000, "yes", "no")})
    return fit([6], table, target="bought", epochs=10, learning_rate=0.02, progress=False), table


def test_two_columns_are_seen_in_their_own_units(shop):
    run, table = shop
    seen = view(run)
    assert seen.names == ("age", "income")
    assert seen.outputs == ("yes",)
    assert seen.level == 0
    rows = table.select("age", "income").to_numpy()[:40]
    at = seen.complex.at(rows)
    maps = seen.complex.maps
    held = at >= 0
    values = np.einsum("fi,fio->fo", rows, maps.slopes[at]) + maps.offsets[at]
    np.testing.assert_allclose(values[held], run.output(table[:40])[held], atol=1e-3)


def test_targets_are_seen_in_their_own_unit():
    x = RNG.uniform(0, 9, (90, 2))
    table = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "price": 1000 * x[:, 0] - 300 * x[:, 1]})
    run = fit([6], table, target="price", epochs=10, learning_rate=0.02, progress=False)
    seen = view(run, box=[(1, 8), (1, 8)])
    assert seen.level is None
    points = seen.complex.centres[:5]
    said = run.predict(pl.DataFrame({"a": points[:, 0], "b": points[:, 1]}))
    np.testing.assert_allclose(seen.complex.mesh.mean_of(seen.complex.values)[:5, 0], said, rtol=1e-3, atol=1)


def test_a_slice_goes_through_a_row_of_each_class():
    run = fit([6], "iris", epochs=3, progress=False)
    seen = view(run)
    classes = [name.split(": ")[1] for name in seen.complex.plane.marks]
    assert sorted(classes) == ["setosa", "versicolor", "virginica"]
    row = int(next(iter(seen.complex.plane.marks)).split()[1].rstrip(":"))
    place = list(run.data.validation_index).index(row)
    np.testing.assert_allclose(seen.complex.plane.origin, run.data.validation.x[place])


def test_everything_is_told_of_images_in_bytes():
    x, y = RNG.integers(0, 255, (40, 6, 6, 1)).astype(np.uint8), RNG.integers(0, 2, 40)
    found = piecewise(fit([2], (x, y), epochs=1, progress=False))
    assert found.note == ""
    assert found.view.complex.complete
    assert found.models.rows == 8
    assert found.explanation.residual < 1e-9


def test_what_is_not_piecewise_linear_is_told_by_its_layer():
    x, y = RNG.normal(size=(40, 2)).astype("float32"), RNG.integers(0, 2, 40)
    found = piecewise(fit(mlp([2, 3, 1], key=0, activation="tanh"), (x, y), epochs=1, progress=False))
    assert "layers[1].Activation is not piecewise linear" in found.note
    assert found.view is found.models is found.explanation is None


def test_a_network_too_large_for_a_moment_is_told_so():
    x, y = RNG.normal(size=(40, 3)).astype("float32"), RNG.integers(0, 2, 40)
    found = piecewise(fit([3500], (x, y), epochs=1, progress=False))
    assert "bends in 3,500 places" in found.note


def test_rows_on_a_line_have_no_slice_but_a_reason():
    x = np.outer(np.arange(40.0), [1, 2, 3]).astype("float32")
    found = piecewise(fit([3], (x, RNG.integers(0, 2, 40)), epochs=1, progress=False))
    assert "lie on a line" in found.note


def test_the_nearest_change_is_on_the_boundary_and_keeps_categories():
    size, city = RNG.normal(size=80), RNG.choice(["Rome", "Oslo"], 80)
    table = pl.DataFrame({"size": size, "city": city, "kind": np.where(size + (city == "Rome") > 0.5, "a", "b")})
    run = fit([5], table, target="kind", epochs=15, learning_rate=0.05, progress=False)
    found = nearest_change(run, table[3:4])
    assert found.names == ("size",)
    moved = table[3:4].with_columns(size=pl.lit(found.after[0]))
    assert run.output(moved)[0, 0] == pytest.approx(0, abs=1e-4)
    assert found.flip.status == "exact"
    assert f"size from {found.before[0]:.4g}".replace("-", "−") in found.sentence


def test_an_input_that_decides_nothing_is_proven_to_change_nothing():
    net = mlp([2, 4, 1], key=0)
    weight = np.asarray(net.layers[0].weight).copy()
    weight[1] = 0
    from pellucid.layers import Activation, Dense, Sequential

    deaf = Sequential([Dense(weight, np.ones(4)), Activation("relu"), Dense(np.ones((4, 1)), np.ones(1))])
    found = nearest_change(deaf, [0.5, 0.5], ["x[1]"], seconds=2)
    assert found.flip.status != "exact"
    assert "x[1] alone" in found.sentence


def test_numbers_have_no_answer_to_flip_and_unknown_inputs_are_refused(shop):
    run, table = shop
    with pytest.raises(SettingError, match="no input 'agee'"):
        nearest_change(run, table[:1], ["agee"])
    x = RNG.normal(size=(40, 2)).astype("float32")
    numbers = fit([3], (x, x[:, 0]), epochs=1, progress=False)
    with pytest.raises(SettingError, match="is a number and no class"):
        nearest_change(numbers, x[:1])


def test_rows_that_are_not_there_and_networks_without_rows_are_refused(shop):
    run, _ = shop
    with pytest.raises(SettingError, match="three different rows"):
        view(run, rows=[1, 2])
    with pytest.raises(SettingError, match="Row 999 is not among"):
        view(run, rows=[1, 2, 999])
    with pytest.raises(SettingError, match="4 inputs"):
        view(mlp([4, 3, 1], key=0))


def test_explaining_with_fewer_half_spaces_sums_to_the_same(shop):
    run, table = shop
    found = explained(run, table[2:3])
    assert found.constant + found.contributions.sum() == pytest.approx(found.value)
    assert found.region.minimal
