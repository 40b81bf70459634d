"""`pellucid regions` and `pellucid explain`, end to end."""

import json
import re

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import pellucid
from cli_cases import failure
from pellucid.cli import main
from pellucid.geometry import complex_of, verify
from pellucid.layers import mlp


def run(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run of two columns, one of iris, one of numbers, and networks alone."""
    folder = tmp_path_factory.mktemp("geometry")
    rng = np.random.default_rng(0)
    age, income = rng.uniform(18, 80, 150), rng.gamma(4, 12, 150)
    table = pl.DataFrame({"age": age, "income": income, "bought": np.where(age + income > 95, "yes", "no")})
    table.write_csv(folder / "shop.csv")
    table.select("age", income=pl.col("income") * 2, spent=pl.col("income") * 3).write_csv(folder / "spent.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for data, target, name in (
            ("shop.csv", "bought", "shop"),
            ("iris", None, "iris"),
            ("spent.csv", "spent", "spent"),
        ):
            pellucid.fit([6], data, target=target, epochs=15, learning_rate=0.02, runs=f"{name}-runs", progress=False)
    pellucid.save(folder / "two.safetensors", mlp([2, 6, 1], key=0))
    pellucid.save(folder / "four.safetensors", mlp([4, 6, 3], key=0))
    pellucid.save(folder / "curved.safetensors", mlp([2, 6, 1], key=0, activation="tanh"))
    return folder


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


def test_regions_of_two_columns_are_in_their_units(here):
    result = run("regions", "last", "--runs", "shop-runs", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    table = pl.read_csv("shop.csv")
    (low, high), _ = said["complex"]["box"]
    assert said["names"] == ["age", "income"]
    assert low < 25 < 70 < high < table["age"].max() + 5
    assert said["complex"]["complete"]
    assert said["complex"]["residual"] < 1e-9
    assert "regions in a rectangle" in run("regions", "last", "--runs", "shop-runs").stdout


def test_regions_of_more_columns_are_a_slice_through_three_classes(here):
    said = json.loads(run("regions", "last", "--runs", "iris-runs", "--json").stdout)
    rows = [int(row) for row in re.findall(r"row (\d+)", " ".join(said["names"]))]
    assert sorted(row // 50 for row in rows) == [0, 1, 2]
    own = json.loads(run("regions", "last", "--runs", "iris-runs", "--rows", "3,70,120", "--json").stdout)
    assert own["names"] == ["from row 3 towards row 70", "at right angles, to row 120"]
    assert "principal" in run("regions", "last", "--runs", "iris-runs", "--pca").stdout


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.pdf", "a.html", "a.npz", "a.geojson"])
def test_regions_are_written_as_pictures_and_as_data(here, name):
    result = run("regions", "last", "--runs", "shop-runs", "--out", name)
    assert result.exit_code == 0, result.output
    assert f"written  {name}" in result.stdout
    assert (here / name).stat().st_size > 1000
    if name == "a.html":
        assert "1,000" not in (page := (here / name).read_text("utf-8"))
        assert " age" in page
        assert "<title>region 0 of" in page
    if name == "a.geojson":
        assert len(json.loads((here / name).read_text())["features"]) > 5


def test_a_certificate_of_a_run_holds_for_its_network(here):
    assert run("regions", "last", "--runs", "shop-runs", "--out", "c.json").exit_code == 0
    assert verify("c.json", pellucid.open_run("last", "shop-runs").net).holds


def test_a_network_alone_is_drawn_in_the_box_it_is_given(here):
    said = json.loads(run("regions", "two.safetensors", "--box=-2,1,0,3", "--json").stdout)
    assert said["complex"]["box"] == [[-2, 1], [0, 3]]
    assert said["complex"]["count"] == complex_of(mlp([2, 6, 1], key=0), [(-2, 1), (0, 3)]).count
    assert run("regions", "four.safetensors", "--data", "iris").exit_code == 0


def test_explain_tells_the_row_its_answer_the_terms_and_the_nearest_change(here):
    result = run("explain", "last", "--runs", "shop-runs", "--row", "3")
    assert result.exit_code == 0, result.output
    assert re.match(r"Row 3 \((learned from|held out)\): bought is \w+, the network says \w+\.", result.stdout)
    assert "Within this region the logit of yes" in result.stdout
    assert "The nearest change to " in result.stdout
    assert "With age alone" in result.stdout or "With income alone" in result.stdout


def test_explain_as_json_sums_to_the_output_and_its_flip_is_one(here):
    said = json.loads(run("explain", "last", "--runs", "shop-runs", "--row", "3", "--json").stdout)
    assert sum(said["contributions"]) + said["constant"] == pytest.approx(said["value"], abs=1e-9)
    trained = pellucid.open_run("last", "shop-runs")
    (change,) = [one for one in said["changes"] if not one["asked"]]
    row = dict(pl.read_csv("shop.csv").select("age", "income").row(3, named=True))
    moved = row | dict(zip(change["names"], change["after"], strict=True))
    assert change["flip"]["status"] == "exact"
    assert trained.output([moved])[0, 0] == pytest.approx(0, abs=1e-3)


def test_explain_of_other_rows_and_another_output(here):
    pl.DataFrame({"sepal length (cm)": [5.0], "sepal width (cm)": [3.0], "petal length (cm)": [2.0],
                  "petal width (cm)": [0.5]}).write_csv("new.csv")  # fmt: skip
    args = ("explain", "last", "--runs", "iris-runs", "--row", "0", "--data", "new.csv", "--seconds", "0")
    result = run(*args, "--output", "setosa")
    assert result.exit_code == 0, result.output
    assert "The logit of setosa is" in result.stdout
    assert result.stdout.startswith("Row 0: the network says ")
    assert "nearest change" not in result.stdout


def test_explain_of_a_number_has_no_flip_and_can_be_drawn(here):
    result = run("explain", "last", "--runs", "spent-runs", "--row", "1", "--out", "why.html")
    assert result.exit_code == 0, result.output
    assert "spent is" in result.stdout
    assert "nearest change" not in result.stdout
    assert "<svg" in (here / "why.html").read_text("utf-8")


def test_explain_of_a_network_alone(here):
    result = run("explain", "four.safetensors", "--row", "2", "--data", "iris", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["row"] == 2


BAD = [
    (["regions", "last", "--rows", "1,2"], "three numbers of rows"),
    (["regions", "last", "--rows", "1,1,2"], "three different rows"),
    (["regions", "last", "--rows", "1,2,999"], "Row 999 is not among"),
    (["regions", "last", "--box=1,2,3"], "--box wants four numbers"),
    (["regions", "last", "--box=2,1,0,1"], "The box is empty"),
    (["regions", "last", "--kind", "slop"], "did you mean 'slope'?"),
    (["regions", "last", "--out", "a.txt"], "--out wants a name that ends in .png"),
    (["regions", "last", "--out", "a.json"], "this is a slice through more"),
    (["regions", "last", "--limit", "0"], "limit is how many regions"),
    (["regions", "four.safetensors"], "The network has 4 inputs"),
    (["regions", "curved.safetensors"], "is not piecewise linear"),
    (["explain", "last", "--row", "150"], "The rows are 0 to 149; got 150."),
    (["explain", "last", "--row", "0", "--output", "setsa"], "did you mean 'setosa'?"),
    (["explain", "last", "--row", "0", "--output", "7"], "got 7"),
    (["explain", "last", "--row", "0", "--out", "a.npz"], "--out wants a name that ends in .png"),
    (["explain", "two.safetensors", "--row", "0"], "--data FILE gives them"),
    (["explain", "two.safetensors", "--row", "0", "--data", "iris"], "4 columns of numbers, and the network 2 inputs"),
    (["explain", "four.safetensors", "--row", "-1", "--data", "iris"], "The rows are 0 to 149; got -1."),
]


@pytest.mark.parametrize(("args", "words"), BAD, ids=[" ".join(args) for args, _ in BAD])
def test_what_cannot_be_done_is_said_in_one_line(here, args, words):
    line = failure(run(*args, "--runs", "iris-runs"))
    assert words in line
    assert line.startswith("Error: ")
    assert line.count("\n") == 1


def test_nothing_is_written_where_something_is_wrong(here):
    run("regions", "last", "--runs", "iris-runs", "--out", "never.json")
    assert not (here / "never.json").exists()
