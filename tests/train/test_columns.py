import json

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.errors import DataError, StoreError
from pellucid.train._columns import Preprocess, recognise
from pellucid.train._files import table
from pellucid.train._forms import Form
from pellucid.train._target import Target

PEOPLE = pl.DataFrame(
    {
        "age": [31.0, 4.5, None, 60.0, 22.0, 35.0],
        "city": ["Rome", "Oslo", "Rome", None, "Oslo", "Rome"],
        "member": [True, False, True, True, None, False],
        "day": ["2024-01-01", "2024-02-29", "2024-01-05", None, "2023-12-31", "2024-07-01"],
        "id": ["a1", "a2", "a3", "a4", "a5", "a6"],
        "one": [1, 1, 1, 1, 1, 1],
        "none": [None] * 6,
    }
)
FARE = Target.of_column(pl.Series("fare", [7.5, 8.0, 71.3, 9.1, 8.05, 26.0]))


@pytest.fixture(scope="module")
def fitted():
    return Preprocess.fit(PEOPLE, FARE)


def rows_of(columns):
    """A table of random columns, each varying and with at least one cell."""
    number = st.floats(-1e6, 1e6, allow_subnormal=False)
    cell = {"n": number, "i": st.integers(-1000, 1000), "c": st.sampled_from("αβγ "), "b": st.booleans()}
    size = 8
    return st.fixed_dictionaries(
        {name: st.lists(st.none() | cell[name[0]], min_size=size, max_size=size) for name in columns}
    ).map(lambda rows: pl.DataFrame(rows, schema={name: TYPES[name[0]] for name in rows}))


TYPES = {"n": pl.Float64, "i": pl.Int64, "c": pl.String, "b": pl.Boolean}
tables = rows_of(["n1", "n2", "i1", "c1", "c2", "b1"])
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def fit_or_none(frame):
    try:
        return Preprocess.fit(frame, FARE)
    except DataError:
        assert all(recognise(cells).kind == "dropped" for cells in frame)
        return None


@quick
@given(tables, tables)
def test_what_is_stored_transforms_bit_for_bit_as_before(frame, later):
    made = fit_or_none(frame)
    if made is None:
        return
    again = Preprocess.from_state(json.loads(json.dumps(made.state(), allow_nan=False)))
    assert again == made
    for rows in (frame, later):
        np.testing.assert_array_equal(again.transform(rows), made.transform(rows), strict=True)


def test_a_value_far_outside_a_narrow_column_is_the_largest_number_there_is():
    made = fit_or_none(pl.DataFrame({"n": [0.0, 2e-38, 1e-38, 0.0]}))
    assert made is not None
    assert abs(made.transform({"n": [20.0, -20.0]})).ravel().tolist() == [np.finfo(np.float32).max] * 2


@quick
@given(tables, st.randoms())
def test_column_order_and_other_columns_do_not_matter(frame, random):
    made = fit_or_none(frame)
    if made is None:
        return
    names = random.sample(frame.columns, len(frame.columns))
    shuffled = frame.select(names).with_columns(extra=pl.lit("x"))
    np.testing.assert_array_equal(made.transform(shuffled), made.transform(frame))


@quick
@given(tables)
def test_inputs_are_finite_float32_with_a_name_each(frame):
    made = fit_or_none(frame)
    if made is not None:
        x = made.transform(frame)
        assert x.dtype == np.float32
        assert x.shape == (8, len(made.input_names)) == (8, len(made.input_columns))
        assert np.isfinite(x).all()


def by_hand(made, row):
    """The inputs of one row before scaling, from their names."""
    values = {}
    for column in made.columns:
        cell = row[column.name]
        values |= {f"{column.name} = {category}": float(cell == category) for category in column.categories}
        values[f"{column.name} is missing"] = float(cell is None)
        filled = (
            made.imputer.statistics_[made.input_columns.index(column.name)] if column.kind == "boolean" else column.mean
        )
        values[column.name] = filled if cell is None else cell
    return np.array([values[name] for name in made.input_names], float)


@quick
@given(tables)
def test_weights_in_original_units_give_the_same_pre_activation(frame):
    made = fit_or_none(frame)
    if made is None:
        return
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(len(made.input_names), 3)), rng.normal(size=3)
    raw = np.stack([by_hand(made, row) for row in frame.iter_rows(named=True)])
    own_weight, own_bias = made.original_units(weight, bias)
    scale = 1 + np.abs(raw) @ np.abs(own_weight) + np.abs(own_bias)
    assert (np.abs(raw @ own_weight + own_bias - (made.transform(frame) @ weight + bias)) < 1e-5 * scale).all()


def test_every_column_is_shown_in_one_line(fitted):
    lines = fitted.describe().splitlines()
    assert lines[0].startswith("age: number; standardised: mean 30.5, deviation")
    assert lines[1] == "city: category; one input each for 'Oslo', 'Rome'; 1 of 6 missing"
    assert lines[2].startswith("member: boolean;")
    assert lines[3].startswith(
        "day: date; days since 1970-01-01 and place in the year, week, standardised; from 2023-12-31"
    )
    assert lines[4].startswith("id: dropped; every value is different")
    assert lines[5] == "one: dropped; constant: always 1"
    assert lines[6] == "none: dropped; every value is missing"
    assert lines[7].startswith("fare: target; numbers; standardised inside")


def test_dates_become_days_and_places_on_circles(fitted):
    x = fitted.transform({"age": 0, "city": "Rome", "member": True, "day": "2024-02-29"})
    own = dict(zip(fitted.input_names, x[0] * 1.0, strict=True))
    at = fitted.input_names.index("day (days since 1970-01-01)")
    assert own["day is missing"] == 0
    days = own["day (days since 1970-01-01)"] * fitted.scaler.scale_[at] + fitted.scaler.mean_[at]
    assert days == pytest.approx(19782)
    turn = 2 * np.pi * 19782 / 7
    at = fitted.input_names.index("day (sine of week)")
    assert own["day (sine of week)"] * fitted.scaler.scale_[at] + fitted.scaler.mean_[at] == pytest.approx(
        np.sin(turn), abs=1e-6
    )


def test_a_time_of_day_is_a_circle_too():
    hours = pl.Series("at", ["2024-01-01 06:00", "2024-01-01T18:30:00", "2024-01-02T00:00:00Z"])
    made = Preprocess.fit(hours.to_frame(), FARE)
    assert made.input_names[-2:] == ("at (sine of day)", "at (cosine of day)")


@pytest.mark.parametrize(
    "rows",
    [
        {"age": [31], "city": ["Rome"], "member": [True], "day": ["2024-01-01"]},
        {"age": 31, "city": "Rome", "member": True, "day": "2024-01-01"},
        [{"day": "2024-01-01", "age": 31, "city": "Rome", "member": True}],
        {"age": ["31"], "city": ["Rome"], "member": ["true"], "day": [__import__("datetime").date(2024, 1, 1)]},
    ],
    ids=["columns", "one row", "rows", "texts"],
)
def test_raw_rows_come_in_any_form(fitted, rows):
    np.testing.assert_array_equal(fitted.transform(rows), fitted.transform(PEOPLE[:1]))


def test_no_rows_give_no_inputs(fitted):
    assert fitted.transform(PEOPLE[:0]).shape == (0, len(fitted.input_names))


def test_a_new_category_is_all_zeros_and_counted(fitted):
    x, notes = fitted.transform_noted(
        PEOPLE.with_columns(city=pl.Series(["Bonn", "Bonn", "Ulm", None, "Oslo", "Rome"]))
    )
    cities = [name.startswith("city") for name in fitted.input_names]
    assert x[:3, cities].sum() == 0
    assert (x[3:, cities].sum(1) == 1).all()
    assert notes == ("city: 3 of 6 rows hold what training did not have: 'Bonn', 'Ulm'.",)


def test_of_many_categories_the_rarer_share_an_input():
    cells = [f"c{i:03}" for i in range(80) for _ in range(1 + (i < 50))]
    made = Preprocess.fit(pl.DataFrame({"c": cells}), FARE)
    assert len(made.input_names) == 51
    assert made.input_names[-1] == "c is another value"
    x = made.transform({"c": ["c000", "c070", "new", None]})
    np.testing.assert_array_equal(x.argmax(1)[:3], [0, 50, 50])
    np.testing.assert_array_equal(x.sum(1), [1, 1, 1, 0])


def test_a_category_named_like_another_input_is_kept_apart():
    made = Preprocess.fit(pl.DataFrame({"c": ["is missing", "is missing", None, "x"]}), FARE)
    assert len(set(made.input_names)) == 3


def test_whole_numbers_of_few_values_are_numbers():
    assert recognise(pl.Series("n", [0, 1, 1, 0, 2])).kind == "number"


def test_lists_and_durations():
    frame = pl.DataFrame({"l": [[1], [2]], "d": pl.Series([1, 3], dtype=pl.Duration("ms"))})
    made = Preprocess.fit(frame, FARE)
    assert [column.kind for column in made.columns] == ["dropped", "number"]
    assert made.columns[1].mean == 0.002


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"age": ["31", "x", "?", "60", "22", "35"]}, ["'age'", "row 1", "'x'", "not a number"]),
        ({"age": [1.0, np.inf, 2, 3, 4, 5]}, ["'age'", "row 1", "inf"]),
        ({"age": [1.0, 2, 3, 4, 5, 1e200]}, ["'age'", "row 5", "1e+200"]),
        ({"member": ["yes", "no", "perhaps", "no", "no", "no"]}, ["'member'", "row 2", "'perhaps'"]),
        ({"day": ["2024-01-01", "soon", None, None, None, None]}, ["'day'", "row 1", "'soon'", "2024-02-29"]),
        ({"age": [[1]] * 6}, ["'age'", "List(Int64)", "numbers"]),
    ],
    ids=["text", "inf", "huge", "boolean", "date", "kind"],
)
def test_a_cell_of_another_kind_is_named(fitted, change, words):
    with pytest.raises(DataError) as error:
        fitted.transform(PEOPLE.with_columns(**{name: pl.Series(cells) for name, cells in change.items()}))
    assert all(word in str(error.value) for word in words), str(error.value)


def test_the_row_in_a_message_is_the_users_own(fitted):
    with pytest.raises(DataError, match="row 105"):
        fitted.transform(PEOPLE.with_columns(age=pl.Series([1.0, 2, 3, 4, 5, np.inf])), np.arange(100, 106))


def test_a_missing_column_is_named_with_the_nearest(fitted):
    with pytest.raises(DataError, match="There is no column 'city': did you mean 'cite'"):
        fitted.transform(PEOPLE.rename({"city": "cite"}))


def test_rows_that_are_no_table_are_refused(fitted):
    with pytest.raises(DataError, match="not a table"):
        fitted.transform(3)
    with pytest.raises(DataError, match="do not make a table"):
        fitted.transform({"age": [1, 2], "city": ["Rome"]})


def test_no_usable_column_is_an_error():
    with pytest.raises(DataError, match="constant: always 1"):
        Preprocess.fit(PEOPLE.select("id", "one", "none"), FARE)


def target_of(cells, **how):
    return Target.of_column(pl.Series("y", cells), **how)


def test_targets_are_recognised():
    assert target_of(["b", "a", "b"]).classes == ("a", "b")
    assert target_of([True, False, None]).classes == (False, True)
    assert target_of([3, 5, 3, 5]).classes == (3, 5)
    assert target_of([3.0, 5.0, None, 3.0, 5.0]).classes == (3, 5)
    assert target_of([3, 5, 3, 5], task="regression").kind == "number"
    assert target_of([1, 2, 3, 4]).kind == "number"
    assert target_of([1, 2, 3, 4], task="classification").classes == (1, 2, 3, 4)
    assert target_of([0.5, 1.5, 0.5, 1.5]).kind == "number"
    assert target_of([3, 5, 3, 5], loss_targets="real").kind == "number"
    assert target_of([3, 5, 3, 5], loss_targets="counts").kind == "value"
    assert target_of([3, 5, 3, 5], loss_targets="signs").kind == "sign"


def test_how_to_override_the_task_is_said():
    assert "task='regression'" in target_of([3, 5, 3, 5]).line()
    assert "task='classification'" in target_of([1, 2, 3, 4]).line()


def test_class_numbers_come_from_any_type_and_go_back_to_names():
    target = target_of([3, 5, 7, 3, 5, 7])
    for cells in ([7, 3], [7.0, 3.0], ["7", " 3"]):
        np.testing.assert_array_equal(target.encode(pl.Series("y", cells)), np.array([2, 0], np.int32), strict=True)
    np.testing.assert_array_equal(target.decode(np.array([[0.1, 0.2, 0.7], [0.8, 0.1, 0.1]])), [7, 3])


def test_one_output_for_two_classes_is_the_probability_of_the_second():
    target = target_of(["no", "yes", "no"])
    np.testing.assert_array_equal(target.decode(np.array([[0.2], [0.9]])), ["no", "yes"])
    np.testing.assert_array_equal(target.decode(np.array([0.2, 0.9])), ["no", "yes"])


def test_booleans_go_back_to_booleans():
    target = target_of([True, False, True])
    np.testing.assert_array_equal(target.decode(np.array([[0.2, 0.8]])), [True], strict=True)


def test_signs_go_there_and_back():
    target = target_of(["no", "yes", "no"], loss_targets="signs")
    y = target.encode(pl.Series("y", ["yes", "no"]))
    np.testing.assert_array_equal(y, np.array([[1], [-1]], np.float32), strict=True)
    np.testing.assert_array_equal(target.decode(y), ["yes", "no"])


def test_numbers_are_standardised_and_go_back_to_their_units():
    cells = pl.Series("fare", [10.0, 20.0, 60.0])
    target = Target.of_column(cells)
    y = target.encode(cells)
    assert y.dtype == np.float32
    assert y.shape == (3, 1)
    assert y.mean() == pytest.approx(0, abs=1e-6)
    assert y.std() == pytest.approx(1)
    np.testing.assert_allclose(target.decode(y), cells.to_numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["a", "a", None], "always 'a'"),
        ([2.5, 2.5], "always 2.5"),
        ([f"id{i}" for i in range(30)], "a different class in every row"),
        ([1.0, np.inf], "infinite"),
    ],
)
def test_a_target_with_nothing_to_learn_is_an_error(cells, words):
    with pytest.raises(DataError, match=words):
        target_of(cells)


def test_a_class_that_training_did_not_have_is_named():
    with pytest.raises(DataError, match=r"'y', row 1 .*'c' is none of the classes 'a', 'b'"):
        target_of(["a", "b"]).encode(pl.Series("y", ["a", "c"]))
    with pytest.raises(DataError, match=r"row 0 .*4 is none of the classes 3, 5"):
        target_of([3, 5, 3, 5]).encode(pl.Series("y", [4]))


def test_targets_come_from_the_table_or_alone(fitted):
    rows = PEOPLE.with_columns(fare=pl.Series([7.5, 8.0, 71.3, 9.1, 8.05, 26.0]))
    np.testing.assert_array_equal(fitted.targets(rows), fitted.targets(rows["fare"].to_numpy()))
    np.testing.assert_allclose(fitted.names(fitted.targets(rows)), rows["fare"].to_numpy(), rtol=1e-6)
    with pytest.raises(DataError, match="no column 'fare'"):
        fitted.targets(PEOPLE)


def test_arrays_are_taken_as_they_are():
    made = Preprocess((), Target.of_array(np.array([0, 1])), form=Form("numbers", (2, 2)))
    x = np.arange(8).reshape(2, 2, 2)
    np.testing.assert_array_equal(made.transform(x), x.astype(np.float32), strict=True)
    assert made.input_names == ("x[0, 0]", "x[0, 1]", "x[1, 0]", "x[1, 1]")
    assert Preprocess.from_state(json.loads(json.dumps(made.state()))) == made
    with pytest.raises(DataError, match=r"\(rows, 3\), and the network was trained on \(rows, 2, 2\)"):
        made.transform(np.zeros((5, 3)))


def without(state, key):
    return {name: value for name, value in state.items() if name != key}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: without(s, "scaler"),
        lambda s: s | {"more": 1},
        lambda s: s | {"scaler": s["scaler"] | {"type": "Pipeline"}},
        lambda s: s | {"scaler": without(s["scaler"], "mean")},
        lambda s: s | {"scaler": s["scaler"] | {"mean": [1.0]}},
        lambda s: s | {"scaler": s["scaler"] | {"scale": [float("nan")] * len(s["scaler"]["scale"])}},
        lambda s: s | {"scaler": None},
        lambda s: s | {"imputer": None},
        lambda s: s | {"imputer": s["imputer"] | {"gaps": []}},
        lambda s: s | {"imputer": s["imputer"] | {"gaps": [1e9]}},
        lambda s: s | {"encoder": s["encoder"] | {"levels": [10**12]}},
        lambda s: s | {"encoder": None},
        lambda s: s | {"columns": [c | {"kind": "magic"} for c in s["columns"]]},
        lambda s: s | {"columns": [without(c, "name") for c in s["columns"]]},
        lambda s: s | {"columns": [c | {"name": 3} for c in s["columns"]]},
        lambda s: s | {"columns": [c | {"mean": "3"} for c in s["columns"]]},
        lambda s: s | {"columns": [c | {"categories": ["a", "a"]} for c in s["columns"]]},
        lambda s: s | {"columns": "age"},
        lambda s: s | {"target": s["target"] | {"kind": "magic"}},
        lambda s: s | {"target": s["target"] | {"scale": 0}},
        lambda s: s | {"target": s["target"] | {"kind": "label"}},
        lambda s: s | {"target": without(s["target"], "kind")},
        lambda s: [s],
        lambda s: None,
    ],
)
def test_a_changed_state_is_refused(fitted, spoil):
    with pytest.raises(StoreError):
        Preprocess.from_state(spoil(fitted.state()))


def test_tables_in_python_objects_keep_their_kinds():
    frame = table({"a": [1, None, 2.5], "b": ["x", float("nan"), "y"], "c": [1, "2", None], "d": np.array([1, 2, 3])})
    assert frame.schema == {"a": pl.Float64, "b": pl.String, "c": pl.Int64, "d": pl.Int64}
    assert frame["b"].to_list() == ["x", None, "y"]
