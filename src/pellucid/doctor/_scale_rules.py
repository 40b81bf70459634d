"""Rules of scale: inputs and targets far from mean 0 and variance 1.

Whether a moderate scale harms one training is for a trial to say; sure here is what harms from any common start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..language import phrase
from ..layers import Embedding
from ._rows import SHOWN, as_seen, column, has, some_rows, table
from ._rule import Rule, Sign, mismatch

if TYPE_CHECKING:
    from ._patient import Patient

LARGE, LARGE_HINT = 50.0, 5.0  # root mean square of a column
SMALL, SMALL_HINT = 0.01, 0.05
OFFSET, OFFSET_HINT = 30.0, 10.0  # |mean| in standard deviations
UNEVEN, UNEVEN_HINT = 1000.0, 100.0  # the largest standard deviation in the smallest
TARGETS_LARGE, TARGETS_SMALL = 40.0, 0.003  # standard deviation
MANY_COLUMNS = 64
MOST_PLACES = 20_000  # of images and sequences
HELPS, HELPS_MUCH = 0.15, 0.75  # of the gap: by a scale that harms from any common start, and by one that need not
STRONG = 0.5  # what a scale that harms from any common start is held to explain, until a trial measures it

Look = Callable[["Patient"], Iterator[Sign]]


@dataclass(frozen=True)
class Scale:
    """The columns of some rows: means, standard deviations, root mean squares, minima and maxima.

    A `dense` column varies, takes more than two values and is not mostly one of them, so that its scale is one.
    """

    mean: np.ndarray
    spread: np.ndarray
    size: np.ndarray
    low: np.ndarray
    high: np.ndarray
    dense: np.ndarray

    def words(self, names: tuple[str, ...], at: int) -> str:
        return phrase(
            "{column} has mean {mean:.3g} and standard deviation {deviation:.2g}",
            column=column(names, at),
            mean=self.mean[at],
            deviation=self.spread[at],
        )

    def numbers(self, names: tuple[str, ...] = ()) -> dict[str, Any]:
        return {"mean": self.mean[:SHOWN], "spread": self.spread[:SHOWN], "names": names[:SHOWN]}


def scale_of(rows: np.ndarray) -> Scale | None:
    """The scale of the columns; the last axis of images and sequences holds theirs. None where there are no numbers."""
    points = rows.reshape(-1, rows.shape[-1]) if rows.ndim > 2 else table(rows)
    if len(points) > MOST_PLACES:  # drawn: at equal steps they would all be one corner of the images
        points = points[np.random.default_rng(0).integers(0, len(points), MOST_PLACES)]
    points = points[np.isfinite(points).all(1)].astype(np.float64)
    if not points.size:
        return None
    low, high = points.min(0), points.max(0)
    spread = np.where(low == high, 0, points.std(0))
    middle = np.median(points, axis=0)
    two = ((points == low) | (points == high)).all(0)
    dense = (spread > 0) & ~two & ((points == middle).mean(0) < 0.5)
    return Scale(points.mean(0), spread, np.sqrt(np.square(points).mean(0)), low, high, dense)


def inputs(patient: Patient) -> Scale | None:
    """The scale of the inputs; None for tokens, which are names and have none, and for bytes, which are divided."""
    if patient.x is None or not len(patient.x) or has(patient.net, Embedding):
        return None
    x = np.asarray(patient.x)
    return scale_of(as_seen(x[some_rows(len(x), patient.seed)]))


def is_pixels(patient: Patient, scale: Scale) -> bool:
    """Whether these are pixels from 0 to 255: many columns, none below 0, the most of them up to the same height."""
    many = np.ndim(patient.x) > 2 or len(scale.high) >= MANY_COLUMNS
    return many and scale.low.min() >= 0 and 200 <= scale.high.max() <= 255 and np.median(scale.high) > 100


def pixels(patient: Patient) -> Iterator[Sign]:
    """Images in numbers from 0 to 255."""
    scale = inputs(patient)
    if scale is not None and is_pixels(patient, scale):
        rms = np.sqrt(np.square(scale.size).mean())
        words = phrase(
            "the values reach from {low:.0f} to {high:.0f}, root mean square {rms:.0f}",
            low=scale.low.min(),
            high=scale.high.max(),
            rms=rms,
        )
        yield Sign("input", words, "likely", STRONG, scale.numbers(patient.names))


def large(patient: Patient) -> Iterator[Sign]:
    """A column whose values are far above 1."""
    scale = inputs(patient)
    if scale is None or is_pixels(patient, scale) or scale.size.max() <= LARGE_HINT:
        return
    at, least = int(scale.size.argmax()), int(scale.size.argmin())
    words, sure = scale.words(patient.names, at), scale.size[at] > LARGE
    if least != at:
        other = column(patient.names, least)
        words = phrase("{words}, {column} {deviation:.2g}", words=words, column=other, deviation=scale.spread[least])
    yield Sign(
        "input",
        words,
        "likely" if sure else "possible",
        STRONG if sure else 0.0,
        scale.numbers(patient.names),
    )


def offset(patient: Patient) -> Iterator[Sign]:
    """A column whose mean is many of its standard deviations away from 0."""
    scale = inputs(patient)
    if scale is None:
        return
    away = np.abs(scale.mean) / np.where(scale.spread > 0, scale.spread, np.inf)
    away = np.where((np.abs(scale.mean) > 1) & (scale.size <= LARGE), away, 0)
    at = int(away.argmax())
    if away[at] > OFFSET_HINT:
        sure = away[at] > OFFSET and abs(scale.mean[at]) > 10
        words = phrase(
            "{words}: it lies {n:.0f} standard deviations from 0", words=scale.words(patient.names, at), n=away[at]
        )
        yield Sign(
            "input", words, "likely" if sure else "possible", STRONG if sure else 0.0, scale.numbers(patient.names)
        )


def uneven(patient: Patient) -> Iterator[Sign]:
    """Columns of wildly different scale."""
    scale = inputs(patient)
    if scale is None or scale.dense.sum() < 2:
        return
    spread = np.where(scale.dense, scale.spread, np.nan)
    most, least = int(np.nanargmax(spread)), int(np.nanargmin(spread))
    ratio = spread[most] / spread[least]
    if ratio > UNEVEN_HINT:
        sure = ratio > UNEVEN and np.nanmedian(spread) < spread[most] / 10
        words = phrase(
            "{column} has standard deviation {large:.2g}, {other} {small:.2g}: {ratio:,.0f} times less",
            column=column(patient.names, most),
            large=spread[most],
            other=column(patient.names, least),
            small=spread[least],
            ratio=ratio,
        )
        yield Sign(
            "input", words, "likely" if sure else "possible", STRONG if sure else 0.0, scale.numbers(patient.names)
        )


def small(patient: Patient) -> Iterator[Sign]:
    """Every column far below 1."""
    scale = inputs(patient)
    if scale is None or not scale.dense.any():
        return
    size = float(scale.size[scale.spread > 0].max())
    if size < SMALL_HINT:
        sure = size < SMALL
        words = phrase("the largest root mean square of a column is {size:.2g}", size=size)
        yield Sign(
            "input", words, "likely" if sure else "possible", STRONG if sure else 0.0, scale.numbers(patient.names)
        )


def targets(patient: Patient) -> Iterator[Sign]:
    """Numbers to be met whose standard deviation or mean is far from those of a network's first outputs."""
    if not patient.has_rows or patient.task is None or patient.task.kind != "numbers":
        return
    if patient.criterion.row == "poisson":  # its outputs are logarithms
        return
    y = np.asarray(patient.y)
    scale = scale_of(table(y[some_rows(len(y), patient.seed)]))
    if scale is None or not scale.spread.any():
        return
    spread, mean = float(scale.spread.max()), float(np.abs(scale.mean).max())
    sure = spread > TARGETS_LARGE or spread < TARGETS_SMALL or mean > max(30.0, 10 * spread)
    if sure or spread > LARGE_HINT or spread < SMALL_HINT or mean > max(5.0, 5 * spread):
        at = int(scale.spread.argmax())
        words = phrase(
            "the targets have mean {mean:.3g} and standard deviation {deviation:.2g}",
            mean=scale.mean[at],
            deviation=scale.spread[at],
        )
        yield Sign("targets", words, "likely" if sure else "possible", STRONG if sure else 0.0, scale.numbers())


def tried(look: Look, change: str) -> Look:
    """A rule of scale whose signs are judged by a training on standardised rows, where there is one."""

    def looked(patient: Patient) -> Iterator[Sign]:
        for sign in look(patient):
            yield judged(patient, sign, change)

    return looked


def judged(patient: Patient, sign: Sign, change: str) -> Sign:
    """An alarm where standardised rows close a part of the gap; harmless where there is none."""
    if patient.base is None:
        return sign
    if not patient.sick:
        return mismatch(patient, sign.where, sign.evidence, sign.numbers)
    both = patient.gain("standardise inputs", "standardise targets")
    gain = max(patient.gain(change), added(patient, change), 0.6 * both if change == "standardise targets" else 0.0)
    sure = sign.confidence == "likely"
    if gain > (HELPS if sure else HELPS_MUCH):
        words = phrase("{words}; standardised, {gain:.0%} of the gap closes", words=sign.evidence, gain=gain)
        return replace(sign, evidence=words, confidence="likely", explains=gain)
    return replace(sign, explains=STRONG / 2 if sure else gain)


def added(patient: Patient, change: str) -> float:
    """What a change adds where the targets are standardised too."""
    if patient.base is None or patient.longer is None or patient.task is None or patient.task.classification:
        return 0.0
    both, one = patient.trial(change, "standardise targets"), patient.trial("standardise targets")
    if change == "standardise targets" or both is None or one is None:
        return 0.0
    before = max(patient.above(one.score), patient.above(patient.longer.score))
    missed = patient.best - patient.above(patient.longer.score)
    return (patient.above(both.score) - before) / max(missed, 1e-9)


ADDS = phrase(
    "The step of every weight is the sum of blame × input: a column of large numbers rules the sum and the step."
)
STANDARDISE = phrase("Give every column mean 0 and variance 1, with the numbers of the training rows.")
LECUN = phrase("LeCun, Bottou, Orr and Müller 1998, Efficient BackProp, section 4.3")

SCALE_RULES: tuple[Rule, ...] = (
    Rule(
        "PREP_X", phrase("pixels 0 to 255"), "probe", tried(pixels, "standardise inputs"),
        phrase("{adds} All pixels are positive, so that all weights of a unit move the same way.", adds=ADDS),
        phrase("Divide by 255, or give uint8 images as they are, which are divided."),
        phrase("{lecun}; a maximum of 200 to 255 over 64 columns or more, none below 0", lecun=LECUN),
        ("standardise inputs",),
    ),
    Rule(
        "PREP_X", phrase("unscaled inputs"), "probe", tried(large, "standardise inputs"),
        ADDS,
        STANDARDISE,
        phrase("{lecun}; root mean square of a column above {large:.0f} (a hint above {hint:.0f})", lecun=LECUN,
               large=LARGE, hint=LARGE_HINT),
        ("standardise inputs",),
    ),
    Rule(
        "PREP_X", phrase("offset inputs"), "probe", tried(offset, "standardise inputs"),
        phrase("A constant offset acts as one more bias, far larger than what varies, and the loss becomes a narrow "
               "valley."),
        STANDARDISE,
        phrase("{lecun}; a mean beyond {offset:.0f} standard deviations (a hint beyond {hint:.0f})", lecun=LECUN,
               offset=OFFSET, hint=OFFSET_HINT),
        ("standardise inputs",),
    ),
    Rule(
        "PREP_X", phrase("uneven columns"), "probe", tried(uneven, "standardise inputs"),
        phrase("The slowest direction of the loss takes as many times the steps of the fastest as the square of this "
               "ratio."),
        STANDARDISE,
        phrase("{lecun}, the spread of eigenvalues; a ratio above {uneven:,.0f} (a hint above {hint:.0f})", lecun=LECUN,
               uneven=UNEVEN, hint=UNEVEN_HINT),
        ("standardise inputs",),
    ),
    Rule(
        "PREP_X", phrase("inputs too small"), "probe", tried(small, "standardise inputs"),
        phrase("Weights of the usual size make next to nothing of such inputs, and the gradient of a weight is blame "
               "× input."),
        phrase("Standardise the inputs once: they look divided twice."),
        phrase("Glorot and Bengio 2010, section 4.2 asks for variance 1; all columns below {small} (a hint: {hint})",
               small=SMALL, hint=SMALL_HINT),
        ("standardise inputs",),
    ),
    Rule(
        "PREP_Y", phrase("unscaled targets"), "probe", tried(targets, "standardise targets"),
        phrase("A network starts with outputs near 0 of size 1; the error, and every step, has the size of the "
               "targets."),
        phrase("Give the targets mean 0 and variance 1, and turn the predictions back."),
        phrase("LeCun and others 1998, section 4.5; standard deviation above {large:.0f} or below {small}",
               large=TARGETS_LARGE, small=TARGETS_SMALL),
        ("standardise targets",),
    ),
)  # fmt: skip
