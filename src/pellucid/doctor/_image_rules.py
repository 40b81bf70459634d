"""Rules about images: their axes, and whether what is done to them in training leaves them what they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax
import numpy as np

from ..language import phrase
from ..layers import Conv2d, GaussianNoise, LocallyConnected2d, RandomFlip, RandomShift
from ..module import Layer
from ._rows import as_seen, finite, labels_of, nearest, some_rows, standard
from ._rule import Rule, Sign
from ._structure import Part

if TYPE_CHECKING:
    from ._patient import Patient

FEWEST, PER_CLASS = 100, 10
KEPT = 0.7  # of the agreement above chance: less is a lot
AUGMENTS = (RandomFlip, RandomShift, GaussianNoise)


def channels_first(patient: Patient) -> Iterator[Sign]:
    """Images as (rows, channels, height, width)."""
    if patient.x is None or np.ndim(patient.x) != 4:
        return
    _, channels, height, width = np.shape(patient.x)
    if channels not in (1, 3) or height < 8 or width < 8:
        return
    reads = any(isinstance(part.layer, Conv2d | LocallyConnected2d) for part in patient.structure.parts)
    words = phrase(
        "x has the shape {shape}: {high} high, {wide} wide, with {channels} channels",
        shape=np.shape(patient.x),
        high=channels,
        wide=height,
        channels=width,
    )
    yield Sign("input", words, "likely" if reads and height == width else "possible", 0.0)


def augmentation(patient: Patient) -> Iterator[Sign]:
    """Rows that, changed as in training, stand nearest to rows of other classes."""
    layers = first_augments(patient)
    labels = labels_of(patient)
    if not layers or labels is None or len(labels) < FEWEST or not finite(patient.x):
        return
    rows = some_rows(len(labels), patient.seed)
    x, part = as_seen(np.asarray(patient.x)[rows]).astype(np.float32), labels[rows]
    classes = np.bincount(part)
    chance = float(np.square(classes / len(part)).sum())
    if classes.max() == len(part) or len(part) < PER_CLASS * len(classes):
        return
    before = kept(x, x, part, patient.seed)
    for place in layers:
        changed, others = augmented(place.layer, x, patient.seed)
        moved = (changed != x).reshape(len(x), -1).any(1)
        if not moved.any() or before <= chance:
            continue
        after = kept(changed, others, part, patient.seed, moved)
        share = (after - chance) / (before - chance)
        if share < KEPT:
            words = phrase(
                "{layer}: of the rows it changes, {after:.0%} stand nearest to a row of their own class; of the rows "
                "as they are, {before:.0%}, by chance {chance:.0%}",
                layer=place.kind,
                after=after,
                before=before,
                chance=chance,
            )
            numbers = {"before": before, "after": after, "chance": chance}
            yield Sign(place.path, words, "likely", float(min(1 - share, 1.0)) / 2, numbers)


def first_augments(patient: Patient) -> list[Part]:
    """The random layers in front of the first weights."""
    found: list[Part] = []
    for part in patient.structure.parts:
        if part in patient.structure.weighted:
            break
        if isinstance(part.layer, AUGMENTS):
            found.append(part)
    return found


def augmented(layer: Layer, x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows as changed in training, and the rows to compare them with: of shifts, shifted ones too.

    A mirrored row is seen beside the others as they are; a shifted one is not, as pixels change places.
    """
    first, second = jax.random.split(jax.random.key(seed))
    changed = np.asarray(layer.forward(x, key=first)[0])
    shifted = isinstance(layer, RandomShift)
    return changed, np.concatenate([x, np.asarray(layer.forward(x, key=second)[0])]) if shifted else x


def kept(x: np.ndarray, others: np.ndarray, labels: np.ndarray, seed: int, asked: np.ndarray | None = None) -> float:
    """The share of the rows asked for whose nearest other row, itself apart, has their label."""
    n = len(x)
    points = standard(np.concatenate([x, others]), seed)
    skip = np.tile(np.eye(n, dtype=bool), len(others) // n)
    near = nearest(points[:n], points[n:], 1, skip)[:, 0] % n
    same = labels[near] == labels
    return float(same.mean() if asked is None else same[asked].mean())


IMAGE_RULES: tuple[Rule, ...] = (
    Rule(
        "PREP_X", phrase("channels first"), "data", channels_first,
        phrase("Networks here read (rows, height, width, channels): the kernels slide over colours, and add up "
               "columns."),
        phrase("x.transpose(0, 2, 3, 1)"),
        phrase("The shape: 1 or 3 in the second place, and 8 or more in the third and fourth"),
        (), True,
    ),
    Rule(
        "DATA_AUGMENT", phrase("augmentation"), "data", augmentation,
        phrase("Changed so far that it looks like another class, a row teaches the wrong label for what it shows."),
        phrase("Leave this change out, or make it smaller: no mirrored digits or letters."),
        phrase("Shorten and Khoshgoftaar 2019, A survey on image data augmentation; nearest neighbours keep less "
               "than 70 % of the agreement above chance"),
        ("no augmentation",),
    ),
)  # fmt: skip
