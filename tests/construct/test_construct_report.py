"""Constructions as text and as pictures, in both languages."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from pellucid import construct
from pellucid.language import speaking
from pellucid.report import html

RECORDS = {
    "curve": lambda: construct.approximate(jnp.sin, (0, 3), neurons=6),
    "plane": lambda: construct.polygon([[0, 0], [2, 0], [1, 1]], collar=0.1),
    "many inputs": lambda: construct.median(3),
    "rate": lambda: construct.rate(np.square, (-1, 1), neurons=[2, 4, 8]),
    "smaller": lambda: construct.simplify(pl.mlp([2, 6, 1], key=0), (-1, 1), tolerance=0.2),
    "nothing": lambda: construct.simplify(pl.mlp([2, 3, 1], key=3), (-1, 1)),
}


@pytest.fixture(scope="module")
def records():
    return {name: make() for name, make in RECORDS.items()}


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_record_is_drawn_and_written(records, name, language):
    with speaking(language), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a machine without a Chinese font
        figure = records[name].plot()
        figure.canvas.draw()
        assert any(axes.get_title(loc="left") for axes in figure.axes)
        assert "svg" in html(records[name])


def test_the_picture_of_a_curve_shows_the_proven_bound(records):
    made = records["curve"]
    lower = made.plot().axes[1]
    heights = sorted({float(np.ravel(line.get_ydata())[0]) for line in lower.lines if len(set(line.get_ydata())) == 1})
    assert heights == pytest.approx([-made.error, made.error])
    drawn = max(lower.lines, key=lambda line: len(line.get_xdata()))
    assert abs(drawn.get_ydata()).max() <= made.error


def test_the_texts_say_the_numbers(records):
    assert "6 neurons, 1 hidden layer of at most 6; 19 parameters" in str(records["curve"])
    assert "proven" in str(records["plane"])
    assert "(3 inputs)" not in str(records["many inputs"])
    assert "none is below" in str(records["rate"])
    before, after = records["smaller"].neurons
    assert f"{before} before, {after} now" in str(records["smaller"])
    assert "Nothing was found" in str(records["nothing"]) or records["nothing"].removed
