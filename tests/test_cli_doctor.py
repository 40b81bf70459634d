"""`pellucid doctor`, end to end."""

import json

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import pellucid
from pellucid.cli import main
from pellucid.doctor import RULES, Diagnosis, Prescription
from pellucid.layers import Activation, Dense, Sequential, mlp


def run(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with tables, a run that learned one of them, and networks alone."""
    folder = tmp_path_factory.mktemp("doctor")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    table = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": 3 + 4 * x[:, 0] * x[:, 1]})
    table.write_csv(folder / "numbers.csv")
    table.with_columns(city=pl.lit("Rome")).write_csv(folder / "words.csv")
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "kind": np.where(x[:, 0] > 0, "yes", "no")}).write_csv(
        folder / "easy.csv"
    )
    net = mlp([2, 6, 1], key=0)
    pellucid.save(folder / "squashed.safetensors", Sequential([*net.layers, Activation("sigmoid")]))
    ones = (np.ones((2, 4), np.float32), np.zeros(4, np.float32)), (np.ones((4, 1), np.float32), None)
    tied = Sequential([Dense(*ones[0]), Activation("tanh"), Dense(*ones[1])])
    pellucid.save(folder / "tied.safetensors", tied)
    pellucid.save(folder / "plain.safetensors", net)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        given = {"target": "kind", "epochs": 40, "learning_rate": 0.03, "progress": False}
        pellucid.fit([6], "easy.csv", runs="runs", **given)
    return folder


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


def test_a_run_that_learned_is_healthy_and_the_exit_code_says_so(here):
    result = run("doctor", "last", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["healthy"]
    assert said["metric"] == "accuracy"
    assert said["reached"] > 0.95 > said["trivial"]
    assert said["prescription"] is None


def test_a_network_alone_is_examined_on_the_rows_of_a_file(here):
    given = ("doctor", "squashed.safetensors", "--data", "numbers.csv", "--target", "y", "--seconds", "1")
    result = run(*given, "--page", "page.html")
    assert result.exit_code == 1, result.output
    assert "✗ certain: OUT_ACT_RANGE, targets out of reach, at layers[3]" in result.stdout
    assert "page  page.html" in result.stdout
    page = (here / "page.html").read_text("utf-8")
    assert "Diagnosis of squashed.safetensors" in page
    assert "of the targets are out of reach" in page


def test_a_network_without_rows_is_looked_at_as_it_stands(here):
    result = run("doctor", "tied.safetensors")
    assert result.exit_code == 1
    assert "✗ certain: INIT_SYMMETRY" in result.stdout
    assert "There is no data: only the network and its settings were looked at." in result.stdout
    plain = run("doctor", "plain.safetensors", "--prescribe")
    assert plain.exit_code == 0
    assert "No cure was tried" in plain.stdout


def test_a_prescription_says_what_it_tries_and_gives_what_worked(here, monkeypatch):
    monkeypatch.setattr("pellucid._commands._doctor.FOR_CURES", 12.0)
    given = ("doctor", "squashed.safetensors", "--data", "numbers.csv", "--target", "y", "--seconds", "1")
    result = run(*given, "--prescribe", "--json")
    assert result.exit_code == 1, result.output
    cure = json.loads(result.stdout)["prescription"]
    assert cure["metric"] == "R²"
    assert np.median(cure["after"]) > np.median(cure["before"]) + 0.3
    assert {"suited output", "free output"} & set(cure["changes"])


def test_where_no_cure_helps_that_is_said(here, monkeypatch):
    nothing = Prescription((), "nothing that was tried is better", "", {}, (0.9,), (0.9,), "R²", 7, 1.0)
    monkeypatch.setattr(Diagnosis, "prescribe", lambda *_: nothing)
    given = ("doctor", "squashed.safetensors", "--data", "numbers.csv", "--target", "y", "--seconds", "1")
    result = run(*given, "--prescribe")
    assert "No cure: nothing that was tried is better. 7 programs were tried" in result.stdout
    assert "No cure was tried" not in result.stdout


def test_the_rules_are_listed_without_a_run(here):
    result = run("doctor", "--rules")
    assert result.exit_code == 0
    for rule in RULES:
        assert any(line.startswith(rule.code) and rule.name in line for line in result.stdout.splitlines())
    assert [row["code"] for row in json.loads(run("doctor", "--rules", "--json").stdout)] == [r.code for r in RULES]


BAD = [
    (["doctor"], "Name a run or a file"),
    (["doctor", "net.h5"], "net.h5: .h5 files cannot be opened yet"),
    (["doctor", "none.safetensors"], "There is no file or folder none.safetensors"),
    (["doctor", "last", "--target", "kind"], "a run knows its own"),
    (["doctor", "last", "--page", "page.txt"], "--page wants a name that ends in .html"),
    (["doctor", "plain.safetensors", "--data", "numbers.csv"], "Name it: --target COLUMN"),
    (["doctor", "plain.safetensors", "--data", "numbers.csv", "--target", "yy"], "did you mean 'y'?"),
    (["doctor", "plain.safetensors", "--data", "words.csv", "--target", "y"], "columns that are not numbers (city)"),
    (["doctor", "plain.safetensors", "--data", "numbers.csv", "--target", "y", "--loss", "square"], "There is no loss"),
]


@pytest.mark.parametrize(("args", "words"), BAD, ids=[" ".join(args) for args, _ in BAD])
def test_what_cannot_be_done_is_said_in_one_line(here, args, words):
    result = run(*args)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert words in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
