import dataclasses
import re
from html.parser import HTMLParser

import pytest

from pellucid.report import page
from pellucid.report._page import SECTIONS
from pellucid.train import NonFinite

VOID = {"meta", "link", "br", "img", "path", "use", "rect", "image"}


class Read(HTMLParser):
    """The tags of a page, that each is closed, its addresses, ids and words."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.addresses, self.ids, self.words = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        self.addresses += [v for k, v in attrs if k in ("src", "href", "xlink:href", "action") and v]
        self.ids += [given["id"]] if "id" in given else []
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def texts(pages):
    return {path.stem: path.read_text("utf-8") for path in sorted(pages.glob("*.html"))}


@pytest.fixture(scope="module")
def read(texts):
    return {name: Read(text) for name, text in texts.items()}


def test_every_tag_is_closed_and_every_section_is_there(read):
    for found in read.values():
        assert not found.open
        ids = [given.get("id") for tag, given in found.tags if tag == "section"]
        assert ids == list(SECTIONS)


def test_nothing_is_loaded_from_anywhere(texts, read):
    for name, found in read.items():
        assert all(address.startswith(("#", "data:")) for address in found.addresses)
        assert "@import" not in texts[name]
        assert not re.search(r"url\((?!#)", texts[name])
        assert not [tag for tag, _ in found.tags if tag in ("script", "iframe", "object")]


def test_what_the_user_named_is_escaped(texts, read):
    assert "<script" not in texts["classified"]
    assert "A<b>" not in texts["classified"]
    words = " ".join(read["classified"].words)
    assert "<script>alert(1)</script>" in words
    assert 'kind"<i>' in words
    assert "97% of <all> outputs are zero" in words


def test_ids_are_unique_and_every_reference_has_its_target(texts, read):
    for name, found in read.items():
        assert len(found.ids) == len(set(found.ids))
        used = set(re.findall(r"url\(#([\w-]+)\)", texts[name]))
        used |= {address[1:] for address in found.addresses if address.startswith("#")}
        assert used <= set(found.ids)


def test_colours_are_given_for_light_dark_and_paper(texts):
    for text in texts.values():
        assert "@media screen and (prefers-color-scheme:dark)" in text
        assert text.count("--pl-ink:") == 2
        assert "@media print" in text
        assert "var(--pl-blue, #0f6fae)" in text


def test_every_figure_has_a_description_and_tooltips(texts):
    for text in texts.values():
        figures = re.findall(r"<figure>.*?</figure>", text, re.S)
        assert len(figures) >= 7
        for figure in figures:
            assert re.search(r'role="img"[^>]*aria-label="[^"]{20,}', figure)
            assert "<title>" in figure


def test_the_verdict_the_metrics_and_the_way_back_are_on_it(classified, read):
    words = " ".join(" ".join(read["classified"].words).split())
    assert classified.sentence in words
    assert "logistic regression" in words
    assert classified.reproduction.fingerprint in words
    assert f"jax {classified.reproduction.environment['jax']}" in words
    assert "pl.fit([5], table, " in words


def test_a_finding_comes_with_its_evidence_and_without_any_it_says_what_was_looked_for(classified, texts):
    assert "What to do: " in texts["classified"]
    said = page(dataclasses.replace(classified, run=dataclasses.replace(classified.run, findings=())))
    assert "Nothing found." in said
    assert "Looked for after every epoch: dead units" in said


def test_a_page_is_the_same_every_time_and_small(classified, texts):
    assert page(classified) == texts["classified"]
    assert all(len(text.encode()) < 600_000 for text in texts.values())


def test_a_run_that_broke_off_says_where(classified):
    problem = NonFinite("layers[0]", "forward", 1, 3, "Training stopped in epoch 1, step 3: <numbers> ran away.")
    said = page(dataclasses.replace(classified, run=dataclasses.replace(classified.run, problem=problem, history=())))
    assert "Training broke off. " in said
    assert "&lt;numbers&gt; ran away." in said
    assert "No epoch came to its end." in said


def test_without_rows_held_out_the_page_warns(classified):
    assert "No rows were held out, " in page(dataclasses.replace(classified, held_out=False))
