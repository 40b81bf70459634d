"""The command line end to end, on tables small enough to train in a moment."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from pellucid import open_run, save
from pellucid._commands import _runs, _train
from pellucid.cli import main
from pellucid.layers import mlp
from pellucid.store import RunStore
from pellucid.train import BUNDLED, OPTIMIZERS, SCHEDULES

FIT = ["fit", "table.csv", "--target", "kind", "--hidden", "4", "--epochs", "12", "--learning-rate", "0.05"]
ASK = {
    "runs": ["runs"],
    "show": ["show", "last"],
    "evaluate": ["evaluate", "last"],
    "predict": ["predict", "last", "table.csv"],
    "blame": ["blame", "last", "--row", "3"],
    "summary": ["summary", "last"],
    "neuron": ["neuron", "last", "layers[0]", "1"],
    "report": ["report", "last", "--out", "again.html"],
}


def pellucid(*args, **options):
    return CliRunner().invoke(main, [str(arg) for arg in args], **options)


def started(*args):
    """The command in a process of its own, buffered as on any machine."""
    command = [sys.executable, "-m", "pellucid", *args]
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=plain)


def failure(result):
    """The one line a failed command says."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    line, end = result.stderr.split("\n")
    assert line.startswith("Error: ")
    assert end == ""
    return line


def table(rows=60):
    rng = np.random.default_rng(0)
    size, city = rng.normal(size=rows), rng.choice(["Rome", "Oslo"], rows)
    kind = np.where(size + 0.1 * rng.normal(size=rows) > 0, "large", "small")
    return pl.DataFrame({"size": size, "city": city, "kind": kind})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a table, a run trained on it, and what `fit --json` said."""
    place = tmp_path_factory.mktemp("cli")
    before = Path.cwd()
    os.chdir(place)
    try:
        table().write_csv("table.csv")
        result = pellucid(*FIT, "--json")
        assert result.exit_code == 0, result.output
        return place, result
    finally:
        os.chdir(before)


@pytest.fixture
def here(trained, monkeypatch):
    monkeypatch.chdir(trained[0])
    return trained[0]


def test_fit_says_what_it_recognised_on_stderr_and_one_document_on_stdout(trained):
    place, result = trained
    said = json.loads(result.stdout)
    assert said["status"] == "finished"
    assert len(said["history"]) == 12
    assert set(said["baselines"]) == {"most frequent class", "logistic regression"}
    assert (place / said["report"]).read_text("utf-8").startswith("<!doctype html>")
    assert "city: category; one input each for 'Oslo', 'Rome'" in result.stderr
    assert "epoch 12/12" in result.stderr


def test_fit_in_words_shows_metrics_and_where_the_run_is(here):
    result = pellucid(*FIT, "--no-report", "--runs", "other")
    (folder,) = (here / "other").glob("*-table-csv-*")
    assert result.exit_code == 0
    assert "accuracy" in result.stdout
    assert str(folder.relative_to(here)) in result.stdout
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("command", ASK.values(), ids=ASK)
def test_every_question_is_answered_in_words_and_as_one_json_document(here, command):
    plain, document = pellucid(*command), pellucid(*command, "--json")
    assert plain.exit_code == document.exit_code == 0, plain.output + document.output
    assert len(plain.stdout.splitlines()) > 1
    assert json.loads(document.stdout)


def test_a_run_is_named_by_its_id_its_beginning_its_folder_or_its_file(here):
    (folder,) = (here / "runs").glob("*-table-csv-*")
    names = [folder.name, folder.name[:18], "last", folder, folder / "model.safetensors"]
    assert len({pellucid("evaluate", name, "--json").stdout for name in names}) == 1
    assert len({pellucid("show", name, "--json").stdout for name in names}) == 1


def test_predict_keeps_the_order_of_the_rows_and_the_columns_may_come_in_any(here):
    frame = table().select("city", "size")
    frame.write_csv("new.csv")
    lines = pellucid("predict", "last", "new.csv").stdout.splitlines()
    wanted = open_run("last").predict(frame)
    assert lines[0] == "prediction,p(large),p(small)"
    assert [line.split(",")[0] for line in lines[1:]] == wanted.tolist()
    probabilities = np.array([line.split(",")[1:] for line in lines[1:]], float)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "read"), [("o.csv", pl.read_csv), ("o.jsonl", pl.read_ndjson), ("o.parquet", pl.read_parquet)]
)
def test_predict_writes_files(here, name, read):
    result = pellucid("predict", "last", "table.csv", "--out", name)
    assert result.exit_code == 0
    rows = json.loads(pellucid("predict", "last", "table.csv", "--json").stdout)["rows"]
    assert read(name)["prediction"].to_list() == [row["prediction"] for row in rows]


def test_predict_notes_a_category_that_training_did_not_have(here):
    table().with_columns(city=pl.lit("Paris")).write_csv("paris.csv")
    result = pellucid("predict", "last", "paris.csv")
    assert result.exit_code == 0
    assert re.search("city: .*60 .*training did not have: 'Paris'", result.stderr)
    assert "Paris" not in result.stdout


def test_evaluate_says_no_where_one_answer_would_do_as_well(here):
    swapped = table().with_columns(kind=pl.col("kind").replace({"large": "small", "small": "large"}))
    swapped.write_csv("swapped.csv")
    assert pellucid("evaluate", "last", "table.csv").exit_code == 0
    result = pellucid("evaluate", "last", "swapped.csv")
    assert result.exit_code == 1
    assert "No: always giving the same answer" in result.stdout


def test_blame_gives_the_row_its_part_and_the_chain_of_the_weight_blamed_most(here):
    result = pellucid("blame", "last", "--row", "3")
    assert re.search(r"Row 3 \((learned from|held out)\): kind is \w+, the network says \w+\.", result.stdout)
    assert "dL/d" in result.stdout
    said = json.loads(pellucid("blame", "last", "--row", "3", "--json").stdout)
    most = max(said["gradients"], key=lambda path: np.abs(said["gradients"][path]).max())
    assert said["chain"]["parameter"] == most
    assert said["chain"]["gradient"] == pytest.approx(np.array(said["gradients"][most])[tuple(said["chain"]["index"])])
    assert sum(said["shares"].values()) == pytest.approx(1)


def test_blame_of_another_file_and_another_parameter(here):
    table().reverse().write_csv("reversed.csv")
    mine = json.loads(pellucid("blame", "last", "--row", "0", "--json").stdout)
    other = pellucid(
        "blame", "last", "--row", "59", "--data", "reversed.csv", "--parameter", "layers[0].bias", "--json"
    )
    assert json.loads(other.stdout)["loss"] == pytest.approx(mine["loss"])
    assert json.loads(other.stdout)["chain"]["parameter"] == "layers[0].bias"


def test_summary_of_a_model_alone_and_of_a_shape_that_does_not_fit(here):
    save("small.safetensors", mlp([4, 3, 2], key=0))
    assert json.loads(pellucid("summary", "small.safetensors", "--json").stdout)["parameters"] == 23
    result = pellucid("summary", "small.safetensors", "--shape", "1,5")
    assert result.exit_code == 1
    assert "layers[0].Dense expects x (batch, 4), got (1, 5)" in result.stdout


def test_a_run_that_never_ended_is_shown_and_cannot_be_asked(here):
    id = RunStore("unfinished").create("cut off")
    assert "running" in pellucid("show", "last", "--runs", "unfinished").stdout
    assert f"go on with resume={id}" in failure(pellucid("evaluate", "last", "--runs", "unfinished"))


def test_no_runs_yet_is_no_error(here):
    assert "There are no runs in nowhere yet" in pellucid("runs", "--runs", "nowhere").stdout
    assert json.loads(pellucid("runs", "--runs", "nowhere", "--json").stdout) == []


def test_data_that_is_gone_or_changed_is_said_to_be_so(here):
    table(40).write_csv("passing.csv")
    pellucid(
        "fit", "passing.csv", "--target", "kind", "--hidden", "2", "--epochs", "1", "--no-report", "--runs", "passing"
    )
    table(41).write_csv("passing.csv")
    assert "passing.csv has changed since" in failure(pellucid("evaluate", "last", "--runs", "passing"))
    (here / "passing.csv").unlink()
    assert "passing.csv, which is not there now" in failure(pellucid("report", "last", "--runs", "passing"))
    assert pellucid("report", "last", "--runs", "passing", "--data", "table.csv", "--out", "p.html").exit_code == 0


def test_training_that_explodes_names_the_layer_and_exits_with_1(here):
    result = pellucid(*FIT[:-1], "1e30", "--optimizer", "sgd", "--runs", "wild")
    assert result.exit_code == 1
    assert "Training stopped in epoch 1" in result.stdout
    assert pellucid("show", "last", "--runs", "wild").exit_code == 0


def test_arrays_are_learned_from_and_asked_too(here):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    np.savez("arrays.npz", x=x, y=x @ np.array([1.0, -2.0, 0.5], "float32"))
    fit = pellucid("fit", "arrays.npz", "--hidden", "4", "--epochs", "2", "--runs", "arrays", "--no-report")
    assert fit.exit_code == 0, fit.output
    lines = pellucid("predict", "last", "arrays.npz", "--runs", "arrays").stdout.splitlines()
    np.testing.assert_allclose(np.array(lines[1:], float), open_run("last", "arrays").predict(x), rtol=1e-5)
    assert "y is" in pellucid("blame", "last", "--row", "1", "--runs", "arrays").stdout


FILES = {
    "empty.csv": "",
    "header.csv": "a,b\n",
    "one.csv": "a,b\n1,2\n",
    "ragged.csv": "a,b\n1,2\n3\n4,5\n",
    "same.csv": "a,kind\n" + "".join(f"{i},x\n" for i in range(30)),
    "flat.csv": "a,b\n" + "".join(f"{i},1.5\n" for i in range(30)),
    "void.csv": "a,b\n" + "".join(f",{i}.5\n" for i in range(30)),
    "inf.csv": "a,b\n" + "".join(f"{i},{i}.5\n" for i in range(30)) + "inf,1.5\n",
    "notes.txt": "a,b\n1,2\n",
    "words.csv": "size,city\n" + "big,Rome\n" * 20,
    "narrow.csv": "city\nRome\n",
    "strange.csv": "size,city,kind\n1,Rome,huge\n",
}
BAD = [
    (["fit", "table.csv", "--target", "knd"], "did you mean 'kind'?"),
    (["fit", "table.csv"], "Which column is to be learned?"),
    (["fit", "tabel.csv", "--target", "kind"], "did you mean 'table.csv'?"),
    (["fit", "notes.txt", "--target", "b"], "save it as one of .csv"),
    (["fit", "empty.csv", "--target", "b"], "empty.csv is empty"),
    (["fit", "header.csv", "--target", "b"], "There are no rows"),
    (["fit", "one.csv", "--target", "b"], "There is one row"),
    (["fit", "ragged.csv", "--target", "b"], "ragged.csv, line 3 has 1 cells"),
    (["fit", "same.csv", "--target", "kind"], "always 'x'"),
    (["fit", "flat.csv", "--target", "b"], "always 1.5"),
    (["fit", "void.csv", "--target", "b"], "every value is missing"),
    (["fit", "inf.csv", "--target", "b"], "row 30"),
    (["fit", "iris", "--optimizer", "adamm"], "did you mean 'adam'?"),
    (["fit", "iris", "--schedule", "cosin"], "did you mean 'cosine'?"),
    (["fit", "iris", "--loss", "cross_entrpy"], "did you mean 'cross_entropy'?"),
    (["fit", "iris", "--loss", "squared_error", "--task", "clasification"], "did you mean 'classification'?"),
    (["fit", "iris", "--learning-rate", "-1"], "learning_rate is a number above 0, got -1.0"),
    (["fit", "iris", "--learning-rate", "fast"], "a number or 'find', got 'fast'"),
    (["fit", "iris", "--epochs", "-3"], "epochs is a whole number of at least 0"),
    (["fit", "iris", "--batch-size", "0"], "batch_size is a whole number of at least 1"),
    (["fit", "iris", "--validation", "1.5"], "not a share of the rows"),
    (["fit", "iris", "--hidden", "8,x"], "--hidden wants whole numbers"),
    (["fit", "iris", "--hidden=-8"], "whole numbers above 0"),
    (["fit", "iris", "--class-weight", "heavy"], "class_weight is 'balanced'"),
    (["fit", "diabetes", "--class-weight", "balanced"], "class_weight is for classification"),
    (["fit", "iris", "--epochs", "1", "--runs", "table.csv/runs"], "could not be written"),
    (["fit", "iris", "--epochs", "1", "--runs", "/proc/runs"], "could not be written"),
    (["fit", "iris", "--resume", "nothing"], "There is no run 'nothing'"),
    (["predict", "last", "words.csv"], "'big' is not a number"),
    (["predict", "last", "narrow.csv"], "There is no column 'size'"),
    (["predict", "last", "table.csv", "--out", "a.xls"], "a name that ends in .csv, .jsonl, .parquet"),
    (["predict", "last", "table.csv", "--out", "/proc/a.csv"], "could not be written"),
    (["evaluate", "last", "strange.csv"], "'huge' is none of the classes"),
    (["evaluate", "nothing"], "There is no run 'nothing'"),
    (["evaluate", "lost/model.safetensors"], "There is no file or folder lost/model.safetensors"),
    (["evaluate", "bare.safetensors"], "holds a network alone"),
    (["summary", "cut.safetensors"], "cut off"),
    (["summary", "table.csv"], "cannot be read"),
    (["summary", "last", "--shape", "1;2"], "--shape wants whole numbers"),
    (["blame", "last", "--row", "60"], "The rows are 0 to 59; got 60."),
    (["blame", "last", "--row", "-1"], "The rows are 0 to 59; got -1."),
    (["blame", "last", "--row", "0", "--parameter", "layers[0].wight"], "did you mean 'layers[0].weight'?"),
    (["show", "nothing"], "There is no run 'nothing'"),
]


@pytest.fixture(scope="module")
def spoiled(trained):
    place, result = trained
    for name, text in FILES.items():
        (place / name).write_text(text)
    whole = (place / json.loads(result.stdout)["folder"] / "model.safetensors").read_bytes()
    (place / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    save(place / "bare.safetensors", mlp([2, 1], key=0))


@pytest.mark.parametrize(("args", "words"), BAD, ids=[" ".join(args) for args, _ in BAD])
def test_what_cannot_be_done_is_said_in_one_line(here, spoiled, args, words):
    scratch = ["--runs", "scratch"] if args[0] == "fit" and "--runs" not in args else []
    assert words in failure(pellucid(*args, *scratch))


@pytest.mark.parametrize("args", [["fit"], ["nothing"], ["fit", "iris", "--epochs", "many"], ["blame", "last"]])
def test_a_command_typed_wrongly_exits_with_2(args):
    result = pellucid(*args)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


def test_a_mistake_of_ours_is_owned_and_its_traceback_can_be_had(monkeypatch, here):
    def broken(*args):
        raise KeyError("gone")

    monkeypatch.setattr(_runs, "score", broken)
    line = failure(pellucid("runs"))
    assert "KeyError: 'gone'. This is a mistake in Pellucid, not yours; PELLUCID_DEBUG=1 shows where it is." in line
    monkeypatch.setenv("PELLUCID_DEBUG", "1")
    assert isinstance(pellucid("runs").exception, KeyError)


def test_colour_is_for_terminals_and_not_where_no_color_is_set():
    assert "\x1b[31mError:" in pellucid("show", "x", "--runs", "nowhere", color=True).stderr
    assert "\x1b" not in pellucid("show", "x", "--runs", "nowhere").stderr
    assert "\x1b" not in pellucid("show", "x", "--runs", "nowhere", color=True, env={"NO_COLOR": "1"}).stderr


def test_a_reader_that_goes_away_is_no_error(here):
    table(20_000).write_csv("long.csv")
    with started("predict", "last", "long.csv") as process:
        assert process.stdout.readline() == "prediction,p(large),p(small)\n"
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == ("", 141)


def test_ctrl_c_keeps_the_run_and_resume_finishes_it(here):
    args = [*FIT[:5], "4", "--no-report", "--runs", "stopped"]
    with started(*args, "--epochs", "1000000") as process:
        next(line for line in process.stderr if line.startswith("epoch 3/"))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    assert process.returncode == 1
    row = json.loads(pellucid("show", "last", "--runs", "stopped", "--json").stdout)
    assert row["status"] == "interrupted"
    assert (
        f"pellucid {' '.join(args)} --epochs 1000000 --resume {row['id']}" not in out
    )  # the order is the command's own
    (again,) = re.findall(r"^  pellucid (fit .*)$", out, re.MULTILINE)
    assert f"--resume {row['id']}" in again
    done = len(row["history"])
    result = pellucid(*again.replace("1000000", str(done + 2)).split())
    assert result.exit_code == 0, result.output
    row = json.loads(pellucid("show", "last", "--runs", "stopped", "--json").stdout)
    assert (row["status"], len(row["history"])) == ("finished", done + 2)


def test_the_demo_writes_a_page_of_each_data_set(tmp_path):
    result = pellucid("demo", "--out", tmp_path / "demo", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    for name in ("digits", "diabetes"):
        page = (tmp_path / "demo" / f"report-{name}.html").read_text("utf-8")
        assert page.startswith("<!doctype html>")
        assert (tmp_path / "demo" / f"network-{name}.png").read_bytes().startswith(b"\x89PNG")
    assert said["digits"]["metrics"]["accuracy"] > 0.9
    assert said["diabetes"]["metrics"]["r2"] > 0.3


def test_the_demo_tells_in_words_what_happened_and_what_to_try(tmp_path, monkeypatch):
    monkeypatch.setattr(_train, "DEMO", {"iris": {"net": [4], "epochs": 2}})
    said = pellucid("demo", "--out", tmp_path).stdout
    assert "this network" in said
    assert "logistic regression" in said
    assert str(tmp_path / "report-iris.html") in said
    command = re.search(r"^  pellucid (blame .*)$", said, re.MULTILINE).group(1)
    assert pellucid(*command.split()).exit_code == 0


@pytest.mark.parametrize("name", sorted(main.commands))
def test_help_ends_with_examples_that_can_be_typed(name):
    text = pellucid(name, "--help").stdout
    examples = text.partition("Examples:\n")[2].strip().splitlines()
    assert examples
    for example in examples:
        program, command, *args = example.split()
        assert (program, command) == ("pellucid", name)
        main.commands[name].make_context(name, args)


def test_help_names_what_there_is():
    text = " ".join(pellucid("fit", "--help").stdout.split())
    assert all(re.search(rf"\b{name}\b", text) for name in (*OPTIMIZERS, *SCHEDULES, *BUNDLED))


def test_help_loads_nothing_heavy():
    code = "import sys, pellucid.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"jax", "numpy", "polars", "sklearn", "matplotlib"}.isdisjoint(done.stdout.split())
