"""What is drawn, told and filmed of regions is what the records say."""

import dataclasses
import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from pellucid.errors import SettingError
from pellucid.geometry import (
    along,
    complex_of,
    counts,
    explain,
    linear_models,
    nearest_flip,
    region,
    slice_of,
    surface_of,
    verify,
    what_if,
)
from pellucid.insight import nearest_change
from pellucid.layers import Activation, Dense, Sequential, mlp
from pellucid.report import figure, film, html, text
from pellucid.report._complex import MOST_TOLD
from pellucid.report._faces import Scale, faces_at, formula, outputs_at, pixel_middles, straight, told_apart
from pellucid.report._svg import svg_of

QUARTERS = Sequential([Dense(np.eye(2), None), Activation("relu"), Dense(np.array([[1.0], [-1.0]]), np.array([-0.25]))])
"""f = relu(x) − relu(y) − 1/4: four regions, with maps that can be read off."""


@pytest.fixture(scope="module")
def quarters():
    return complex_of(QUARTERS, [(-1, 1), (-1, 1)])


@pytest.fixture(scope="module")
def classes():
    return complex_of(mlp([2, 12, 12, 4], key=3), [(-3, 3), (-2, 2)])


def tips_of(made):
    """All texts at the pointer."""
    return [word for artist in made.findobj() if (gid := artist.get_gid()) and gid.startswith("tips:")
            for word in json.loads(gid[5:])]  # fmt: skip


def test_each_region_tells_its_map_and_its_share(quarters):
    said = tips_of(figure(quarters))
    maps = {"f = 1 x₁ − 0.25", "f = 1 x₁ − 1 x₂ − 0.25", "f = −0.25", "f = −1 x₂ − 0.25"}
    assert {word.splitlines()[1] for word in said} == maps
    assert all("25.0 % of the area" in word for word in said)


def test_the_names_of_axes_and_outputs_are_those_given(quarters):
    made = figure(quarters, names=["age (years)", "income"], outputs=["risk"])
    assert made.axes[0].get_xlabel() == "age (years)"
    assert any("risk = 1 age (years) − 1 income − 0.25" in word for word in tips_of(made))


def test_pixels_have_the_networks_own_outputs(classes):
    points = pixel_middles(classes.box)[::40, ::40]
    faces = faces_at(classes.mesh, classes.box, points)
    wanted = classes.network(points.reshape(-1, 2)).reshape(*points.shape[:2], -1)
    np.testing.assert_allclose(outputs_at(classes, points, faces), wanted, atol=1e-12)


def test_neighbours_differ_in_colour(classes):
    colour = told_apart(classes)
    sides = classes.sides[(classes.sides >= 0).all(1)]
    assert (colour[sides[:, 0]] != colour[sides[:, 1]]).all()


def test_colours_turn_at_the_level_and_at_the_boundary_between_classes():
    one = Scale(np.array([[-1.0], [2.0]]), 0.0, 1)
    below, above = one(np.array([[-0.1], [0.1]]))
    assert (below[:3] != above[:3]).any()
    assert one(np.array([2.0]))[3] > one(np.array([0.1]))[3]
    flat = Scale(np.array([[1.0], [2.0]]), 0.0, 1)  # the level is never met: one colour from low to high
    assert (flat(np.array([1.0]))[:3] == flat(np.array([2.0]))[:3]).all()


def test_a_net_that_is_the_same_everywhere_is_drawn():
    nothing = Sequential(
        [Dense(np.zeros((2, 3)), np.zeros(3)), Activation("relu"), Dense(np.zeros((3, 2)), np.zeros(2))]
    )
    found = complex_of(nothing)
    for kind in ("regions", "slope", "pattern", "layer"):
        assert "<svg" in svg_of(figure(found, kind=kind), "f", "words")
    assert "<svg" in svg_of(figure(found.boundary()), "f", "words")


def test_a_large_complex_is_a_small_picture():
    rng = np.random.default_rng(0)
    first, last = Dense(rng.normal(size=(2, 160)), rng.normal(size=160)), Dense(rng.normal(size=(160, 1)), None)
    found = complex_of(Sequential([first, Activation("relu"), last]))
    assert found.count > MOST_TOLD
    assert len(svg_of(figure(found, level=None), "f", "words")) < 1_500_000
    assert tips_of(figure(found, level=None)) == [f"{found.count:,} regions, {len(found.edges):,} edges"]


def test_an_incomplete_complex_says_so_and_has_no_slopes():
    found = complex_of(mlp([2, 30, 30, 1], key=0), limit=10)
    assert not found.complete
    assert "The first " in figure(found).axes[0].get_title(loc="left")
    assert "more than the limit" in text(found)
    with pytest.raises(Exception, match="more regions than the limit"):
        figure(found, kind="slope")


def test_marks_of_a_slice_are_named():
    made = figure(slice_of(mlp([5, 8, 3], key=0), np.eye(5)[:3]))
    words = [word.get_text() for word in made.axes[0].texts]
    assert words == ["point 1", "point 2", "point 3"]
    assert made.axes[0].get_xlabel() == "distance from point 1 towards point 2"


def test_an_output_that_is_not_there_is_refused(classes):
    with pytest.raises(SettingError, match="4 outputs, numbered from 0; got output=4"):
        figure(classes, kind="slope", output=4)


def test_a_formula_reads_as_one_writes_it():
    assert formula(np.array([-0.5, 2.0]), 0.0, ["a", "b"]) == "f = −0.5 a + 2 b"
    assert formula(np.array([0.0, 0.0]), -3.0, ["a", "b"], "g") == "g = −3"


def test_the_text_of_a_complex_counts_by_layer_and_states_the_checks(classes):
    said = text(classes)
    assert said.startswith(f"{classes.count:,} regions in a rectangle")
    assert f"layers[1]: {classes.counts[0]:,} · layers[3]: {classes.counts[1]:,}" in said
    assert f"{classes.exact:,} of them by exact arithmetic" in said
    assert "V − E + F = 1" in said


def test_the_boundary_tells_its_length_and_its_pieces(quarters):
    found = quarters.boundary()
    said = text(found)
    assert f"separates {found.count} connected pieces" in said
    assert f"length  {found.length:.4g}" in said
    assert "length" in figure(found).axes[0].get_title(loc="left")


def test_an_explanation_is_told_and_drawn_with_every_contribution():
    found = explain(QUARTERS, [0.5, 0.125])
    said = text(found)
    assert found.sentences[0] in said
    assert re.search(r"sum +0\.125", said)
    assert "0.5 from x[0]" in " ".join(tips_of(figure(found)))
    with pytest.raises(SettingError, match="not places of a picture"):
        figure(found, kind="picture")


def test_the_other_records_are_told_in_lines_that_fit():
    net = mlp([3, 6, 6, 2], key=0)
    x = np.random.default_rng(0).normal(size=(40, 3))
    records = [
        linear_models(net, x), region(net, x[0]), along(net, x[0], x[1]), counts(net),
        surface_of(net, [(-1, 1)] * 3, 0.0, 0), nearest_flip(net, x[0]), nearest_change(net, x[0]),
        what_if(net, x[0], 1), what_if(net, x[0], [0, 2]),
    ]  # fmt: skip
    for record in records:
        said = text(record)
        assert not said.startswith(type(record).__name__ + "\n"), said
        assert 1 <= len(said.splitlines()) < 60
        assert max(map(len, said.splitlines())) < 160


def test_a_verified_certificate_says_that_it_holds(quarters, tmp_path):
    path = quarters.to_certificate(tmp_path / "c.json")
    assert text(verify(path, QUARTERS)).startswith("It holds")
    broken = json.loads(path.read_text())
    broken["faces"].pop()
    assert "It does NOT hold" in text(verify(broken, QUARTERS))


def test_a_page_of_one_record_needs_nothing_else(quarters):
    page = html(quarters, whole=True)
    assert page.startswith("<!doctype html>")
    assert "prefers-color-scheme:dark" in page
    assert "<script" not in page
    assert "f = −0.25" in page
    assert "<svg" in quarters._repr_html_()


@pytest.mark.parametrize("name", ["film.svg", "film.html"])
def test_a_film_is_one_file_with_a_picture_for_each_complex_and_no_script(tmp_path, quarters, name):
    other = complex_of(mlp([2, 4, 1], key=0), [(-1, 1), (-1, 1)])
    text = film(
        [quarters, other, quarters], tmp_path / name, seconds_per_frame=0.5, labels=["a", "b <c>", "d"]
    ).read_text()
    svg = text[text.index("<svg") : text.rindex("</svg>") + 6]
    root = ElementTree.fromstring(svg)
    turns = [child for child in root if child.get("class", "").startswith("turn")]
    assert ["".join(turn.itertext()).count("regions") for turn in turns] == [
        2,
        2,
        2,
    ]  # the title and the pointer's text
    assert [turn.get("class") for turn in turns] == ["turn", "turn", "turn last"]
    assert [re.findall(r"[-\d.]+s", turn.get("style")) for turn in turns] == [
        ["2.5s", "-2.5s"], ["2.5s", "-2s"], ["2.5s", "-1.5s"]
    ]  # half a second each, and one and a half for the last  # fmt: skip
    assert "prefers-reduced-motion" in text
    assert "b &lt;c&gt;: " in text
    assert "<script" not in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([\w-]+)\)", text)) <= set(ids)


def test_what_all_pictures_of_a_film_have_in_common_is_written_once(tmp_path, quarters):
    other = complex_of(mlp([2, 4, 1], key=0), [(-1, 1), (-1, 1)])
    text = film([quarters, other, quarters], tmp_path / "film.svg", names=["age", "income"]).read_text()
    assert text.count(">age</") == text.count(">income</") == 1
    assert text.count("base64") == 4  # three pictures and the key


def test_a_film_of_one_picture_stands_still(tmp_path, quarters):
    root = ElementTree.fromstring(film([quarters], tmp_path / "film.svg").read_text())
    (turn,) = (child for child in root if child.get("class", "").startswith("turn"))
    assert not len(turn)
    assert "1 of 1: 4 regions" in "".join(root.itertext())


def test_lines_that_go_on_straight_are_drawn_as_one(classes):
    first = complex_of(mlp([2, 7, 1], key=0), [(-1, 1), (-2, 1)])
    for found in (classes, first):
        for bend in range(len(found.flat.bends)):
            mine = found.drawn[:, 0] == bend
            lines, edges = found.xy[straight(found, mine)], found.xy[found.edges[mine]]
            length, wanted = (np.linalg.norm(np.diff(a, axis=1)[:, 0], axis=1).sum() for a in (lines, edges))
            np.testing.assert_allclose(length, wanted, rtol=1e-12)
            for end in edges.reshape(-1, 2):  # every corner of an edge lies on a line
                along, to = np.diff(lines, axis=1)[:, 0], end - lines[:, 0]
                t = np.clip((along * to).sum(1) / (along**2).sum(1), 0, 1)
                assert np.linalg.norm(to - t[:, None] * along, axis=1).min() < 1e-9
    units = {tuple(row) for row in first.drawn[first.drawn[:, 0] == 0]}
    assert len(straight(first, first.drawn[:, 0] == 0)) == len(units)  # a unit of the first layer bends along one line


def test_a_gif_turns_through_all_pictures_and_rests_on_the_last(tmp_path, quarters):
    image = pytest.importorskip("PIL.Image")
    other = complex_of(mlp([2, 4, 1], key=0), [(-1, 1), (-1, 1)])
    path = film([quarters, other], tmp_path / "film.gif", seconds_per_frame=0.3, kind="pattern")
    with image.open(path) as opened:
        times = []
        for frame in range(opened.n_frames):
            opened.seek(frame)
            times.append(opened.info["duration"])
    assert times == [300, 900]


def test_a_film_that_cannot_be_made_says_why(tmp_path, quarters):
    with pytest.raises(SettingError, match=r"ends in .svg, .html, .gif; got 'film.mp4'"):
        film([quarters], tmp_path / "film.mp4")
    with pytest.raises(SettingError, match="one complex or more"):
        film([], tmp_path / "film.svg")
    with pytest.raises(SettingError, match="1 complexes and 2 labels"):
        film([quarters], tmp_path / "film.svg", labels=["a", "b"])


def test_the_report_shows_regions_models_and_one_row_in_words(classified, regressed, planar, pages):
    for name, told in (("classified", classified), ("regressed", regressed), ("planar", planar)):
        page = (pages / f"{name}.html").read_text("utf-8")
        section = page[page.index('id="regions"') : page.index('id="importance"')]
        assert f"{told.pieces.view.complex.count:,} regions in" in section
        assert f"Row {told.pieces.row} in words" in section
        assert (
            f"of {told.pieces.models.rows:,} rows" in section or f"{told.pieces.models.rows:,} rows lie in" in section
        )


def test_a_network_without_regions_gets_one_sentence(classified):
    from pellucid.insight import Piecewise
    from pellucid.report import page

    without = dataclasses.replace(classified, pieces=Piecewise("layers[1].Activation is not piecewise linear."))
    said = page(without)
    section = said[said.index('id="regions"') : said.index('id="importance"')]
    assert "is not piecewise linear" in section
    assert "<figure" not in section


def test_the_report_of_two_inputs_films_the_regions_from_the_start_to_the_end(planar, pages):
    page = (pages / "planar.html").read_text("utf-8")
    film = page[page.index('class="pl-figure film"') :]
    film = film[: film.index("</figure>")]
    titles = re.findall(r">((?:at the start|epoch \d)[^<:]*: [\d,]+ regions)<", film)
    scores = [f", accuracy {100 * epoch.metrics['accuracy']:.1f} %" for epoch in planar.run.history]
    said = ["at the start", *(f"epoch {epoch}{score}" for epoch, score in enumerate(scores, start=1))]
    assert titles == [f"{words}: {count} regions" for words, count in zip(said, planar.growth.counts, strict=True)]
    first, last = planar.growth.counts[0], planar.pieces.view.complex.count
    assert f" from {first} at the start to {last} in epoch 5." in film
    assert f"{100 * planar.growth.gathering.near:.1f} % of them lie within a tenth of the picture" in film


def test_a_film_that_broke_off_or_would_be_too_long_says_so(planar):
    from pellucid.insight import Growth
    from pellucid.report import page

    run = dataclasses.replace(planar.run, history=planar.run.history[:4])
    assert "in epoch 5, where it broke off." in page(dataclasses.replace(planar, run=run))
    long = page(dataclasses.replace(planar, growth=Growth("There are too many regions to film them.")))
    assert "There are too many regions to film them." in long
    for without in (long, page(dataclasses.replace(planar, growth=None))):
        assert 'class="pl-figure film"' not in without
