"""`pellucid certify`, end to end."""

import json

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import pellucid
from cli_cases import failure
from pellucid.cli import main
from pellucid.layers import Activation, Dense, Sequential

HEAD = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)"
BOX = "(assert (>= X_0 -1))(assert (<= X_0 1))(assert (>= X_1 -1))(assert (<= X_1 1))"


def run(*args):
    return CliRunner().invoke(main, ["certify", *map(str, args)])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with runs of numbers, of monotone layers and of three classes, and the network |x₀| + |x₁| alone."""
    folder = tmp_path_factory.mktemp("certify")
    rng = np.random.default_rng(0)
    age, income = rng.uniform(18, 80, 120), rng.gamma(4, 12, 120)
    pl.DataFrame({"age": age, "income": income, "spent": income - age / 4}).write_csv(folder / "spent.csv")
    settings = {"epochs": 6, "learning_rate": 0.02, "progress": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pellucid.fit([4], "spent.csv", target="spent", runs="spent-runs", **settings)
        ways = {"income": 1, "age": -1}
        pellucid.fit([4], "spent.csv", target="spent", monotone=ways, runs="ways-runs", **settings)
        pellucid.fit([6], "iris", runs="iris-runs", **settings)
    sides = np.float32([[1, -1, 0, 0], [0, 0, 1, -1]])
    folded = Sequential([Dense(sides, None), Activation("relu"), Dense(np.ones((4, 1), np.float32), None)])
    pellucid.save(folder / "folded.safetensors", folded)
    pellucid.save(folder / "steep.safetensors", Sequential([Dense(np.float32([[3], [3]]), None)]))
    (folder / "below.vnnlib").write_text(HEAD + BOX + "(assert (>= Y_0 2.5))")
    (folder / "reached.vnnlib").write_text(HEAD + BOX + "(assert (>= Y_0 1.5))")
    pl.DataFrame({"a": [0.5, -0.25, 1.0], "b": [-1.0, 1.0, 0.5]}).write_csv(folder / "rows.csv")
    return folder


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


def test_by_default_the_answer_along_each_feature(here):
    result = run("last", "--runs", "ways-runs")
    assert result.exit_code == 0, result.output
    lines = {line.split()[1]: line.split()[0] for line in result.output.splitlines() if line.startswith(("ris", "fal"))}
    assert lines == {"income": "rising", "age": "falling"}
    assert "Holds for exact arithmetic" in result.output


def test_a_direction_that_is_refuted_is_exit_code_1_with_two_inputs_that_show_it(here):
    result = run("last", "--runs", "ways-runs", "--monotone", "age", "--direction", "rising", "--json")
    assert result.exit_code == 1, result.output
    (trend,) = json.loads(result.stdout)["trends"]
    assert (trend["feature"], trend["answer"]) == ("age", "not rising")
    (before, after), (high, low) = trend["fall"]["ends"], trend["fall"]["values"]
    assert before < after
    assert high > low
    assert run("last", "--runs", "ways-runs", "--monotone", "age", "--direction", "falling").exit_code == 0


def test_of_several_classes_the_rows_that_keep_their_answer(here):
    result = run("last", "--runs", "iris-runs", "--rows", "5", "--json")
    found = json.loads(result.stdout)
    assert len(found["verdicts"]) == 5
    assert result.exit_code == (0 if found["share"] == 1 else 1)
    assert run("last", "--runs", "iris-runs", "--robust", "0", "--rows", "5").exit_code == 0
    assert "--output, one of setosa, versicolor, virginica" in failure(
        run("last", "--runs", "iris-runs", "--monotone", "all")
    )


def test_ranges_are_in_the_units_of_the_target_and_hold_every_row(here):
    found = json.loads(run("last", "--runs", "spent-runs", "--range", "--json").stdout)
    answers = pellucid.with_data(pellucid.open_run("last", "spent-runs")).predict(pl.read_csv("spent.csv"))
    assert found["names"] == ["spent"]
    assert found["low"][0] <= found["lowest"][0] <= answers.min() + 1e-4
    assert answers.max() - 1e-4 <= found["highest"][0] <= found["high"][0]


def test_a_network_alone_over_a_box_or_the_range_of_rows(here):
    assert json.loads(run("folded.safetensors", "--range", "--box=-1,3", "--json").stdout)["highest"] == [6]
    assert json.loads(run("folded.safetensors", "--range", "--box=-1,0,0,3", "--json").stdout)["highest"] == [4]
    steep = json.loads(run("folded.safetensors", "--lipschitz", "--data", "rows.csv", "--json").stdout)
    assert steep["high"] == pytest.approx(2)  # ‖(1, 1)‖₁, the dual of the norm ∞
    assert "--data FILE, or --box=LOW,HIGH" in failure(run("folded.safetensors", "--range"))
    assert "two numbers for all inputs" in failure(run("folded.safetensors", "--range", "--box=1,2,3"))


def test_a_property_is_proven_kept_and_verified_again(here, tmp_path):
    kept = tmp_path / "below.certificate"
    result = run("folded.safetensors", "--property", "below.vnnlib", "--out", kept)
    assert result.exit_code == 0, result.output
    assert "No input is as below.vnnlib says: proven." in result.output
    assert "The proof holds" in run("folded.safetensors", "--recheck", kept).output
    steep = run("steep.safetensors", "--recheck", kept)
    assert (steep.exit_code, "The proof does not hold" in steep.output) == (1, True)


def test_a_property_that_is_refuted_shows_the_input(here):
    result = run("folded.safetensors", "--property", "reached.vnnlib", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert np.abs(found["counterexample"]["input"]).sum() >= 1.5


def test_two_networks_that_are_the_same_and_two_that_are_not(here):
    assert run("folded.safetensors", "--equivalent", "folded.safetensors", "--box=-1,1").exit_code == 0
    assert run("folded.safetensors", "--equivalent", "steep.safetensors", "--box=-1,1").exit_code == 1


def test_every_answer_is_drawn(here, tmp_path):
    asked = (["--monotone", "all"], ["--range"], ["--lipschitz"], ["--property", "below.vnnlib"])
    for number, words in enumerate(asked):
        page = tmp_path / f"{number}.html"
        result = run("folded.safetensors", "--box=-1,1", *words, "--out", page)
        assert f"written  {page}" in result.output
        assert "<svg" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--monotone", "all", "--range"], "One question at a time: of --monotone, --range give one."),
        (["--monotone", "wealth"], "no feature 'wealth'"),
        (["--robust", "0.1"], "the answers of this run are numbers"),
        (["--robust", "-1"], "numbers"),
        (["--out", "x.gif"], "ends in .png"),
        (["--range", "--out", "x.certificate"], "is kept of --property and --equivalent"),
        (["--property", "nowhere.vnnlib"], "nowhere.vnnlib cannot be read"),
        (["--recheck", "spent.csv"], "spent.csv"),
        (["--range", "--seconds", "-1"], "seconds"),
    ],
)
def test_what_cannot_be_asked_is_said(here, words, said):
    assert said in failure(run("last", "--runs", "spent-runs", *words))
