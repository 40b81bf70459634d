"""The picture of a finding, drawn from its numbers alone: which numbers it holds says which picture it gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from ..doctor import Finding
from ..errors import SettingError
from ..language import phrase
from . import _finding_data, _finding_network, _finding_output, _finding_training

Numbers = dict[str, Any]


class Picture(NamedTuple):
    """The numbers it needs, how it is drawn, and how it is read."""

    needs: tuple[str, ...]
    draw: Callable[[Numbers, str], Figure]
    caption: str


# The first whose numbers are there is drawn.
PICTURES: tuple[Picture, ...] = (
    Picture(
        ("weights",),
        _finding_network.tied,
        phrase(
            "A column for each unit. Units with equal columns get equal blame and take equal steps: they stay equal."
        ),
    ),
    Picture(
        ("spread", "blame"),
        _finding_network.depth,
        phrase("The dashed line is a signal that keeps its size. A straight slope is the same factor in every layer."),
    ),
    Picture(
        ("dead",),
        _finding_network.dead,
        phrase("Left of 0 a ReLU is 0 and so is its slope: a unit with no row on the right learns nothing."),
    ),
    Picture(
        ("flat",),
        _finding_network.saturated,
        phrase(
            "The blame is multiplied by the slope. Where the dots lie on the shaded parts, next to nothing comes "
            "through."
        ),
    ),
    Picture(
        ("ratios",),
        _finding_network.law,
        phrase(
            "1 keeps the variance from layer to layer; what is outside the band shrinks or grows the signal tenfold."
        ),
    ),
    Picture(("constant",), _finding_output.constant, phrase("Whatever z is, softmax over one unit answers the same.")),
    Picture(
        ("low", "high", "targets"),
        _finding_output.reach,
        phrase("The band is what the output activation can give. No weights reach a target outside of it."),
    ),
    Picture(
        ("pair", "margins"),
        _finding_output.blame,
        phrase(
            "To the left an answer is wrong, and the further the surer. The marks are rows of this training: what lies "
            "between the lines is blame that they do not get."
        ),
    ),
    Picture(
        ("clipped", "loss"),
        _finding_output.clipped,
        phrase("What is not between 0 and 1 is no probability: it is cut off there, and the row teaches nothing."),
    ),
    Picture(
        ("rates",),
        _finding_training.rates,
        phrase("What short trainings from the same start reach at other learning rates."),
    ),
    Picture(("losses",), _finding_training.losses, phrase("The loss of one part of the training after another.")),
    Picture(
        ("held", "loss"),
        _finding_training.overfit,
        phrase("Where the two lines part, the network begins to learn its rows by heart."),
    ),
    Picture(
        ("tests",), _finding_data.tests, phrase("Each test asks in its own way. Chance too reaches as far as the line.")
    ),
    Picture(
        ("shift", "scores"), _finding_data.shifts, phrase("Neighbours are alike only where the targets are moved.")
    ),
    Picture(
        ("deviations",),
        _finding_data.columns,
        phrase("Networks start with weights for columns of deviation 1, the line. The axis is logarithmic."),
    ),
    Picture(
        ("mean", "spread"),
        _finding_data.scale,
        phrase("Networks start with weights for columns of mean 0 and deviation 1, the line. The axis is logarithmic."),
    ),
    Picture(
        ("mean", "deviation"),
        _finding_data.targets,
        phrase(
            "Bars reach one standard deviation to either side of the mean, the mark. The steps have to bridge the rest."
        ),
    ),
    Picture(("counts",), _finding_data.counts, phrase("Every row pulls alike, so the most frequent class pulls most.")),
    Picture(
        ("share", "chance"), _finding_data.shared, phrase("Rows held out that were learned from are answered by heart.")
    ),
    Picture(
        ("before", "after", "chance"),
        _finding_data.kept,
        phrase("The share of rows whose nearest other row has their own class: what is lost is lost to learning."),
    ),
    Picture(("parts", "of"), _finding_data.shares, phrase("What the rows hold says how far any network can come.")),
    Picture(
        ("points", "beside"), _finding_data.beside, phrase("Each dot is a row: one number can be read off the other.")
    ),
    Picture(("along", "values"), _finding_data.along, phrase("The network can only rise along this column.")),
    Picture(("reached",), _finding_training.reached, phrase("Short trainings from the same start and the same rows.")),
)


def found(record: Finding) -> Picture | None:
    """The picture that a finding's numbers make, None where they make none."""
    return next((picture for picture in PICTURES if record.numbers.keys() >= set(picture.needs)), None)


def picture(record: Finding) -> Figure:
    """The picture of a finding.

    Raises: SettingError where its numbers make none.
    """
    known = found(record)
    if known is None:
        raise SettingError(f"{record.code} at {record.where} has no picture: its evidence says all there is.")
    return known.draw(record.numbers, record.where)


def tried(record: Finding) -> Figure:
    """What was reached with and without its cures.

    Raises: SettingError where none was tried.
    """
    if "reached" not in record.numbers:
        raise SettingError(f"No cure of {record.code} was tried for this diagnosis: prescribe() tries them.")
    return _finding_training.reached(record.numbers, record.where)
