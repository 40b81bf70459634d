"""Pages and figures in Chinese: nothing of the English is left, the English is as it was, what is kept is English."""

import dataclasses
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import doctor_cases
import pellucid
from chinese import HAN, Seen, english_in
from pellucid.cli import main
from pellucid.doctor import LIVE_RULES, Doctor, Finding, diagnose
from pellucid.layers import Dense, Sequential
from pellucid.losses import loss
from pellucid.report import diagnosis_page, film, html, page
from pellucid.report.words import cut, squeezed, width, wrapped
from pellucid.train import Epoch, LayerWatch, Settings


def live_findings():
    """One finding of every rule that watches a training, as it is said in English."""
    healthy = {"mean": 0.1, "variance": 1.0, "zero": 0.4, "saturated": 0.1, "blame_variance": 1e-2}
    cases = [
        ([1.0, 0.9, 0.8], None, {"zero": 1.0, "saturated": 1.0}),
        ([1.0, 0.9, 0.8], None, {"zero": 0.0, "saturated": 0.95}),
        ([1.0, 0.9, 0.8], None, {"blame_variance": 1e-20}),
        ([1.0, 2.0] * 6, None, {}),
        ([1.0, 0.1, 0.9, 1.5, 4.0], None, {}),
        ([1.0] * 6, None, {}),
        (np.geomspace(1, 0.01, 16), [1, 0.8, 0.6, 0.5, *np.linspace(0.6, 2, 12)], {}),
    ]
    found = []
    for losses, held, changes in cases:
        watch = {f"layers[{i}]": LayerWatch(**healthy, gradient_ratio=None) for i in range(3)}
        watch["layers[0]"] = LayerWatch(**{**healthy, **changes}, gradient_ratio=None)
        held = [None] * len(losses) if held is None else held
        epochs = [Epoch(i + 1, a, b, {}, 0.1, 0.0, watch) for i, (a, b) in enumerate(zip(losses, held, strict=True))]
        doctor = Doctor()
        found += [one for i in range(len(epochs)) for one in doctor.epoch(epochs[: i + 1], Settings(loss("huber")))]
    return tuple(found)


def read_back(finding):
    """A finding as a file of a run holds it."""
    return Finding(**json.loads(json.dumps(finding.to_json())))


@pytest.fixture(scope="module")
def watched():
    found = live_findings()
    assert {one.numbers["rule"] for one in found} == {rule.name.key for rule in LIVE_RULES}
    return found


NAMES = {
    "classified": ("<script>alert(1)</script>", "city & co", 'kind"<i>', "yes <b>"),
    "regressed": ("pixels.csv",),
    "planar": ("age <years>", "age <ye…", "years>"),
}


@pytest.mark.parametrize(("name", "kept"), [("classified", False), ("regressed", True), ("planar", False)])
def test_a_report_in_chinese_has_no_english_sentence_left(request, watched, name, kept):
    told = request.getfixturevalue(name)
    found = tuple(map(read_back, watched)) if kept else watched
    told = dataclasses.replace(told, run=dataclasses.replace(told.run, findings=found))
    text = page(told, lang="zh")
    seen = Seen(text).texts
    assert '<html lang="zh">' in text
    assert english_in(seen, *NAMES[name]) == []
    assert sum(bool(HAN.search(one)) for one in seen) > 150
    assert "%m" not in text
    assert not re.search(r"\{[a-z_]+[:}]", " ".join(seen))


def test_the_english_page_is_the_same_before_and_after_the_chinese_one(regressed):
    before = page(regressed)
    assert HAN.search(page(regressed, lang="zh"))
    assert page(regressed, lang="en") == before
    assert not HAN.search(before)


def test_a_diagnosis_in_chinese_has_no_english_sentence_left():
    weights = Dense(np.ones((2, 4), np.float32), np.zeros(4, np.float32)), Dense(np.ones((4, 1), np.float32), None)
    rng = np.random.default_rng(0)
    x = 1e3 * rng.normal(size=(60, 2)).astype(np.float32)
    found = diagnose(Sequential(weights), x, x[:, :1] ** 2, loss="mse", seconds=0.0)
    assert {"INIT_SYMMETRY", "DATA"} <= {one.code for one in found.findings}
    text = diagnosis_page(found, doctor_cases.CURE, lang="zh")
    text = re.sub(r"<details>.*?</details>", "", text, flags=re.S)  # the titles of papers are as they are
    assert english_in(Seen(text).texts) == []
    assert "<h1>诊断</h1>" in text


def test_films_and_tables_of_layers_are_in_chinese(planar, tmp_path):
    path = film(planar.growth.views, tmp_path / "film.html", lang="zh")
    assert english_in(Seen(path.read_text("utf-8")).texts, *NAMES["planar"]) == []
    assert "乘加次数" in html(planar.summary, lang="zh")


def test_a_kept_run_is_english_and_its_report_and_diagnosis_are_in_chinese(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = pellucid.fit([4], "iris", epochs=6, learning_rate=1e-9, runs="runs", progress=False)
    assert [one.code for one in run.findings] == ["UNDERFIT"]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file())
    assert not HAN.search(kept.decode("utf-8", "ignore"))
    said = CliRunner().invoke(main, ["report", "last", "--lang", "zh", "--out", "zh.html"])
    assert said.exit_code == 0, said.output
    assert not HAN.search(said.output)
    text = (tmp_path / "zh.html").read_text("utf-8")
    lengths = [f"{part} {side}" for part in ("petal", "sepal") for side in ("length", "width")]
    shortened = ("petal l", "petal w", "sepal l", "sepal w", "petal len", "sepal len", "petal wid", "sepal wid")
    assert english_in(Seen(text).texts, *lengths, *shortened) == []
    assert "没有进展" in text
    pellucid.write_report(run, "en.html")
    assert not HAN.search((tmp_path / "en.html").read_text("utf-8"))
    with pytest.raises(pellucid.errors.SettingError, match="no language 'fr'"):
        pellucid.write_report(run, "fr.html", lang="fr")


def test_the_doctor_writes_its_page_in_chinese_and_speaks_english(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ones = Dense(np.ones((2, 4), np.float32), np.zeros(4, np.float32)), Dense(np.ones((4, 1), np.float32), None)
    pellucid.save("tied.safetensors", Sequential(ones))
    said = CliRunner().invoke(main, ["doctor", "tied.safetensors", "--page", "zh.html", "--lang", "zh"])
    assert said.exit_code == 1, said.output
    assert not HAN.search(said.output)
    text = (tmp_path / "zh.html").read_text("utf-8")
    assert "tied.safetensors 的诊断" in text
    assert "神经元相同" in text


LETTERS = st.text(st.sampled_from("ab c层隐藏，（）。1"), max_size=40)


@given(LETTERS, st.integers(4, 30))
def test_a_shortened_text_is_at_most_so_wide(text, most):
    assert width(cut(text, most)) <= most
    assert width(squeezed(text, most)) <= most
    words = " ".join(text.split())
    if width(words) <= most:
        assert cut(text, most) == squeezed(text, most) == words


@given(LETTERS, st.integers(6, 30))
def test_a_text_in_lines_keeps_its_letters_and_is_at_most_so_wide(text, most):
    lines = wrapped(text, most)
    assert "".join("".join(lines).split()) == "".join(text.split())
    with_marks = 6  # a mark stays with the letter before it
    assert all(width(line) <= most + with_marks or not HAN.search(line) for line in lines)
