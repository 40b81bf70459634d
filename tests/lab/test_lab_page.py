"""The page of the lab: every claim on it, in both languages, and as a browser shows it."""

import contextlib
import dataclasses
import re
import shutil

import pytest

import pellucid as pl
from pellucid.lab import Lab
from pellucid.language import speaking
from pellucid.report import lab_page, text


@pytest.fixture(scope="module")
def lab():
    """Cheap claims: one that holds, one that fails, one that is not there yet."""
    found = [pl.lab.run("C6"), pl.lab.run("C8", fault="scaling-left-out"), pl.lab.run("C12")]
    return Lab(tuple(found), sum(result.seconds for result in found))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_holds_every_claim_with_its_verdict_figure_code_and_faults(lab, language):
    page = lab_page(lab, language)
    assert page.startswith(f'<!doctype html>\n<html lang="{language}">')
    for result in lab.results:
        said = pl.lab.claim(result.claim, language)
        assert f'<section id="{result.claim}">' in page
        assert said.title in page
        assert said.code.splitlines()[0] in page
    assert page.count("<svg") == 2  # what is not there yet has no figure
    assert "jax.nn.sigmoid(z) - y" in page  # the real lines
    assert "scaling-left-out" in page
    words = {"en": ["Holds.", "Fails.", "Not yet."], "zh": ["成立。", "不成立。", "尚未。"]}[language]
    assert all(word in page for word in words)
    assert not re.search(r"<script|https?://", page)


def test_no_english_sentence_is_left_on_the_chinese_page(lab):
    page = lab_page(lab, "zh")
    shown = re.sub(r"<(style|pre|svg)\b.*?</\1>|<code>.*?</code>|<[^>]*>", " ", page, flags=re.S)
    found = re.findall(r"[A-Za-z][a-z]+(?: [a-z]{2,}){2,}", shown)
    assert found == []


def test_a_claim_and_a_lab_are_written_as_text_in_both_languages(lab):
    lines = text(lab).splitlines()
    assert lines[0].split() == ["claim", "expected", "found", "residual", "verdict", "time"]
    assert lines[1].startswith("C6     A saturated sigmoid")
    assert "fails" in lines[2]
    assert lines[-1].startswith("C8: normal numbers: output in testing over training")
    with speaking("zh"):
        lines = text(lab).splitlines()
        assert "不成立" in lines[2]
        assert "结论" in lines[0]
        assert str(lab["C6"]).startswith("C6  饱和的 sigmoid 是懒惰的")
    assert "with the fault scaling-left-out" in str(lab["C8"])


def test_a_result_made_in_one_language_is_shown_in_the_other(lab):
    with speaking("zh"):
        made = pl.lab.run("C8", data="iris")
    assert made.on.startswith("实验室自己的网络")
    page = lab_page(Lab((made,), 0.0), "en")
    assert "a network of the lab, on iris" in page
    assert "实验室" not in page


def test_a_figure_in_chinese_warns_where_a_picture_would_leave_its_words_blank(lab, monkeypatch):
    monkeypatch.setattr("pellucid.report._fonts.chinese", lambda: None)
    with pytest.warns(UserWarning, match="No Chinese font is installed"):
        drawn = lab["C6"].plot(lang="zh")
    assert drawn.axes[0].get_title(loc="left") == "正确答案为 1 时的推动"
    assert lab["C6"].plot().axes[0].get_title(loc="left") == "The push where 1 is right"


def test_a_result_without_evidence_has_no_picture(lab):
    with pytest.raises(pl.errors.SettingError, match="C12 has no experiment yet"):
        lab["C12"].plot()


def test_a_record_of_the_lab_shows_itself_in_a_notebook(lab):
    assert "<svg" in lab["C6"]._repr_html_()
    assert dataclasses.asdict(lab["C12"])["claim"] == "C12"


QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    with (
        playwright.sync_playwright() as started,
        contextlib.closing(started.chromium.launch(executable_path=path, args=QUIET)) as opened,
    ):
        yield opened


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [390, 1200])
def test_a_browser_shows_the_page_without_errors_requests_or_overflow(lab, browser, tmp_path, language, width):
    place = tmp_path / "lab.html"
    place.write_text(lab_page(lab, language), "utf-8")
    page, errors, requests = browser.new_page(viewport={"width": width, "height": 900}), [], []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(place.as_uri())
    try:
        assert not errors
        assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        sizes = page.evaluate("[...document.querySelectorAll('figure svg')].map(e => e.getBoundingClientRect().width)")
        assert min(sizes) > 250
    finally:
        page.close()
