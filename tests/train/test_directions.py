"""`fit(..., monotone=...)`: columns by name, their directions, and the networks that come of them."""

import numpy as np
import polars as pl
import pytest

import pellucid
from pellucid.errors import SettingError
from pellucid.insight import story
from pellucid.layers import Parallel, mlp

QUICK = {"epochs": 3, "progress": False, "batch_size": 16}


def people(rows=80):
    rng = np.random.default_rng(0)
    age, income = rng.uniform(20, 60, rows), rng.lognormal(10, 0.5, rows)
    frame = {
        "age": [None if i % 11 == 0 else a for i, a in enumerate(age.tolist())],
        "city": rng.choice(["Rome", "Oslo"], rows).tolist(),
        "day": [f"2024-01-{1 + i % 28:02}" for i in range(rows)],
        "member": rng.choice([True, False], rows).tolist(),
        "income": income.tolist(),
        "one": [1] * rows,
        "paid": (np.log(income) * 5 - age + rng.normal(size=rows)).tolist(),
        "buys": np.where(income > 22000, "yes", "no").tolist(),
        "kind": rng.choice(["a", "b", "c"], rows).tolist(),
    }
    return pl.DataFrame(frame)


def inputs(name):
    return people().drop([n for n in ("paid", "buys", "kind") if n != name])


def answers(run, column, values):
    """What the run says of the first row with other values of one column."""
    rows = people().head(1).select(pl.all().repeat_by(len(values)).explode())
    return run.output(rows.with_columns(pl.Series(column, values)))[:, 0]


@pytest.fixture(scope="module")
def run():
    directions = {"age": -1, "income": "rising", "member": "+1"}
    return pellucid.fit([8], inputs("paid"), target="paid", monotone=directions, **QUICK)


def test_the_answer_goes_the_way_each_column_was_told(run):
    ahead = np.linspace(0, 200, 50)
    assert (np.diff(answers(run, "age", ahead)) <= 0).all()
    assert (np.diff(answers(run, "income", 1000 * ahead)) >= 0).all()
    assert np.diff(answers(run, "member", [False, True])) >= 0
    assert run.source["monotone"] == {"age": -1, "income": 1, "member": 1}


def test_an_input_for_missing_cells_a_date_and_a_category_are_free(run):
    names = run.preprocess.input_names
    held = dict(zip(names, run.net.layers[0].inputs, strict=True))
    assert {name: sign for name, sign in held.items() if sign != "0"} == {"age": "-", "income": "+", "member": "+"}
    assert {"age is missing", "city = Oslo"} <= set(names)


def test_of_two_classes_it_is_the_second_that_becomes_more_probable():
    run = pellucid.fit([4], inputs("buys"), target="buys", monotone={"income": 1}, **QUICK)
    assert run.preprocess.target.classes == ("no", "yes")
    rows = people().head(1).select(pl.all().repeat_by(20).explode())
    rows = rows.with_columns(pl.Series("income", np.linspace(0, 1e5, 20)))
    assert (np.diff(run.predict_proba(rows)[:, 0]) >= 0).all()


def test_columns_of_an_array_are_named_by_number():
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    y = x[:, :1] - x[:, 2:]
    run = pellucid.fit([4], (x, y), monotone={0: 1, np.int64(2): -1}, **QUICK)
    assert run.net.layers[0].inputs == "+0-"
    assert run.source["monotone"] == {"x[0]": 1, "x[2]": -1}


def test_one_hidden_layer_more_is_usual():
    run = pellucid.fit(None, "diabetes", monotone={"bmi": 1}, epochs=0, progress=False)
    assert run.source["hidden"] == [64, 64, 64]
    assert isinstance(run.net, Parallel)


def test_it_is_kept_told_again_and_gone_on_with(tmp_path):
    about = {"target": "paid", "monotone": {"age": -1}, "runs": tmp_path, **QUICK}
    place = tmp_path / "people.csv"
    inputs("paid").write_csv(place)
    whole = pellucid.fit([8], str(place), **about | {"epochs": 4})
    first = pellucid.fit([8], str(place), **about | {"epochs": 2, "name": "half"})
    again = pellucid.fit([8], str(place), **about | {"epochs": 4, "resume": first.id})
    np.testing.assert_array_equal(again.net.layers[0].raw, whole.net.layers[0].raw)
    assert pellucid.open_run(whole.id, tmp_path).source["monotone"] == {"age": -1}
    told = story(whole, "people").reproduction
    assert "monotone={'age': -1}" in told.python
    assert "--hidden 8 " in told.command
    assert "--monotone age=-1" in told.command
    with pytest.raises(SettingError, match=r"begun with monotone=\{'age': -1\}, not \{'age': 1\}: resume with"):
        pellucid.fit([8], str(place), **about | {"monotone": {"age": 1}, "resume": first.id})
    with pytest.raises(SettingError, match=r"begun with monotone=\{'age': -1\}, not None"):
        pellucid.fit([8], str(place), **about | {"monotone": None, "resume": first.id})


@pytest.mark.parametrize(
    ("monotone", "message"),
    [
        ({"agee": 1}, "no feature 'agee': did you mean 'age'"),
        ({9: 1}, "no feature 9: they are numbered from 0 to 5"),
        ({"age": 2}, r"no direction \(of age\) 2"),
        ({"age": "risng"}, r"no direction \(of age\) 'risng': did you mean 'rising'"),
        ({"age": True}, r"no direction \(of age\) True"),
        ({"age": [1]}, r"no direction \(of age\) \[1\]"),
        ({"city": 1}, "city cannot rise or fall: it is a category, which has no order"),
        ({"day": 1}, "day cannot rise or fall: it is a date"),
        ({"one": 1}, "one cannot rise or fall: nothing was learned from it"),
        ({"age": 1, 0: -1}, "names 'age' twice"),
        ({}, "monotone names features and directions"),
        (["age"], "monotone names features and directions"),
    ],
)
def test_what_has_no_direction_is_refused(monotone, message):
    with pytest.raises(SettingError, match=message):
        pellucid.fit([4], inputs("paid"), target="paid", monotone=monotone, **QUICK)


@pytest.mark.parametrize(
    ("net", "data", "settings", "message"),
    [
        (mlp([2, 1], key=0), (np.zeros((4, 2)), np.arange(4.0)), {}, "make your own of layers.Monotone"),
        ([4], inputs("kind"), {"target": "kind", "monotone": {"age": 1}}, "a number or two classes, and there are 3"),
        ([4], inputs("buys"), {"target": "buys", "monotone": {"age": 1}, "loss": "cross_entropy"}, "'binary_cross_"),
        ([4], (np.zeros((4, 2)), np.random.default_rng(0).normal(size=(4, 2))), {}, "this network gives 2"),
        ([4], (np.zeros((9, 8, 8), np.uint8), np.arange(9.0)), {}, "a pixel or a step has no direction"),
    ],
)  # fmt: skip
def test_networks_that_cannot_be_made_monotone_are_refused(net, data, settings, message):
    with pytest.raises(SettingError, match=message):
        pellucid.fit(net, data, **{"monotone": {0: 1}, **QUICK, **settings})
