"""The lab on the command line."""

import json

import pytest
from click.testing import CliRunner

from pellucid.cli import main


def call(*words, cwd=None):
    return CliRunner().invoke(main, ["lab", *map(str, words)])


def test_a_claim_is_put_to_the_test_and_its_page_written(tmp_path):
    page = tmp_path / "found.html"
    result = call("c6", "--page", page)
    assert result.exit_code == 0, result.output
    assert result.output.startswith(
        "C6  A saturated sigmoid is lazy; cross-entropy wakes it: holds\n  dL/dz = σ(z) − y"
    )
    assert f"page  {page}" in result.output
    assert "<svg" in page.read_text("utf-8")


def test_several_claims_give_a_line_each_and_in_chinese(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("C8", "C12", "--lang", "zh")
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.output.splitlines()] == ["论断", "C8", "C12"]
    assert "尚未" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_claim_that_fails_is_exit_code_1_and_json_has_its_numbers():
    result = call("C6", "--fault", "factor-kept", "--json")
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)["results"]
    assert (found["claim"], found["verdict"], found["fault"]) == ("C6", "fails", "factor-kept")
    assert found["expected"] == pytest.approx(-0.9997, abs=1e-4)
    assert not found["checks"][0]["holds"]


def test_the_faults_are_listed():
    result = call("C6", "C7", "--faults")
    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.output.splitlines()] == [
        ["claim", "fault"], ["C6", "factor-kept"], ["C6", "not-saturated"], ["C7", "shared-by-rows"],
        ["C7", "nothing-shared"],
    ]  # fmt: skip


def test_a_network_and_rows_of_ones_own(tmp_path):
    import pellucid as pl

    path = pl.save(tmp_path / "net.safetensors", pl.mlp([4, 6, 3], key=0))
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b,c,d,kind\n" + "\n".join(f"{i},{i * i % 7},{i % 3},{-i},{'xy'[i % 2]}" for i in range(40)))
    result = call("C1", "--net", path, "--data", rows, "--target", "kind")
    assert result.exit_code == 0, result.output
    assert "your network, on rows.csv: points × units" in result.output


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["C99"], "There is no claim 'C99'"),
        (["C6", "--fault", "nothing"], "There is no fault of C6 'nothing'"),
        (["C6", "--page", "lab.txt"], "--page wants a name that ends in .html; got 'lab.txt'."),
        (["C6", "--lang", "de"], "is not one of 'en', 'zh'"),
        (["C8", "--net", "nowhere.safetensors"], "There is no file or folder nowhere.safetensors"),
    ],
)
def test_what_cannot_be_done_is_exit_code_2(words, error):
    result = call(*words)
    assert result.exit_code == 2
    assert error in result.output
