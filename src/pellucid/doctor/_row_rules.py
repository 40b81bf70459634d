"""Rules about rows that are equal: held out and learned from at once, or with targets that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..language import phrase
from ._rows import SHOWN, fingerprints, finite, labels_of, table
from ._rule import Rule, Sign

if TYPE_CHECKING:
    from ._patient import Patient

FEWEST = 20  # rows held out
SHARED = 0.02  # of the rows held out, beyond chance
DEVIATIONS = 4.0
CONTRADICTED = 0.01


def leak(patient: Patient) -> Iterator[Sign]:
    """Rows held out that were learned from, beyond what rows repeat each other among those learned from."""
    if patient.x is None or patient.validation is None:
        return
    held = np.asarray(patient.validation[0])
    x = np.asarray(patient.x)
    if len(held) < FEWEST or len(x) < FEWEST or held.shape[1:] != x.shape[1:] or not table(x).size:
        return
    both = np.result_type(x, held)
    known, counts = np.unique(fingerprints(x.astype(both, copy=False)), return_counts=True)
    copied = np.flatnonzero(np.isin(fingerprints(held.astype(both, copy=False)), known))
    share, chance = len(copied) / len(held), counts[counts > 1].sum() / len(x)
    if len(known) == 1 or share <= chance / 2:
        return
    beyond = (share - chance) / max(np.sqrt(chance * (1 - chance) / len(held)), 1 / len(held))
    sure = share > chance + SHARED and beyond > DEVIATIONS and share > 2 * chance
    if sure or share > SHARED:
        words = phrase(
            "{copied:,} of {n:,} rows held out ({share:.1%}) are among those learned from; {chance:.1%} of these have "
            "a copy among themselves",
            copied=len(copied),
            n=len(held),
            share=share,
            chance=chance,
        )
        numbers = {"rows": copied[:SHOWN], "share": share, "chance": chance}
        yield Sign("validation", words, "certain" if sure else "possible", 0.0, numbers)


def contradictions(patient: Patient) -> Iterator[Sign]:
    """Equal inputs with different targets, and the best score that leaves."""
    if not patient.has_rows or len(patient.x) < FEWEST or not finite(patient.x, patient.y) or not table(patient.x).size:
        return
    _, group, counts = np.unique(fingerprints(patient.x), return_inverse=True, return_counts=True)
    group = group.ravel()
    if len(counts) == len(group) or len(counts) == 1:
        return
    labels = labels_of(patient)
    if labels is not None:
        ceiling, rows, what = best_accuracy(group, labels), contradicted(group, labels[:, None]), "accuracy"
        worst = np.bincount(labels).max() / len(labels)
    else:
        y = table(patient.y).astype(np.float64)
        ceiling, rows, what, worst = best_fit(group, counts, y), contradicted(group, y), "R²", 0.0
    if len(rows) <= CONTRADICTED * len(group) or worst == 1:
        return
    lost = (1 - ceiling) / (1 - worst)
    words = phrase(
        "{rows:,} of {n:,} rows have another row with the same inputs and another target: no function of these inputs "
        "has {metric} above {ceiling:.3f}",
        rows=len(rows),
        n=len(group),
        metric=phrase("accuracy") if labels is not None else "R²",
        ceiling=ceiling,
    )
    sure = "likely" if lost > 0.5 else "possible"
    parts = {
        phrase("as one row always answers").key: worst,
        phrase("at most, of these inputs").key: ceiling,
        phrase("of inputs that tell all").key: 1.0,
    }
    of = phrase("What can be reached").key
    numbers = {"rows": rows[:SHOWN], "ceiling": ceiling, "parts": parts, "of": of, "axis": what}
    yield Sign("y", words, sure, lost, numbers)


def contradicted(group: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The rows whose group holds different targets."""
    first = np.unique(group, return_index=True)[1]
    differs = (y != y[first][group]).any(1)
    return np.flatnonzero(np.isin(group, group[differs]))


def best_accuracy(group: np.ndarray, labels: np.ndarray) -> float:
    """The share of rows right where every group is given its most frequent label."""
    pairs, counts = np.unique(group * (int(labels.max()) + 1) + labels, return_counts=True)
    best = np.zeros(int(group.max()) + 1, int)
    np.maximum.at(best, pairs // (int(labels.max()) + 1), counts)
    return float(best.sum() / len(group))


def best_fit(group: np.ndarray, counts: np.ndarray, y: np.ndarray) -> float:
    """R² where every group is given its mean."""
    means = np.stack([np.bincount(group, column) for column in y.T], 1) / counts[:, None]
    spread = np.square(y - y.mean(0)).sum()
    return float(1 - np.square(y - means[group]).sum() / spread) if spread else 1.0


ROW_RULES: tuple[Rule, ...] = (
    Rule(
        "DATA", phrase("rows on both sides of the split"), "data", leak,
        phrase("A row that was learned from is answered by heart, so that the score held out says nothing about new "
               "rows."),
        phrase("Drop repeated rows before the split, and split by whatever the rows share (a person, a day)."),
        phrase("Kaufman, Rosset and Perlich 2012, Leakage in data mining; Barz and Denzler 2020, CIFAR's "
               "near-duplicates"),
        stands=True,
    ),
    Rule(
        "DATA", phrase("contradicting targets"), "data", contradictions,
        phrase("One input has one output: where its targets differ, the best is the most frequent of them, or their "
               "mean."),
        phrase("Look for a column that was left out or rounded, or for rows joined wrongly."),
        phrase("The Bayes error of the rows themselves, counted in all of them"),
        stands=True,
    ),
)  # fmt: skip
