"""Rules about what a table holds: values that are not numbers, columns and targets that say nothing or too much."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from ..language import Phrase, phrase
from ..layers import Masking
from ._rows import (
    SHOWN,
    column,
    fingerprints,
    finite,
    has,
    labels_of,
    listed,
    one_column,
    some_rows,
    table,
)
from ._rule import Rule, Sign, also
from ._task import flat

if TYPE_CHECKING:
    from ._patient import Patient

FEWEST = 50  # rows before a column is held to give the target away
EXACT = 1e-10  # 1 − r² of two columns that are one
FOLLOWS = 1e-4  # 1 − R² of a target read from its neighbours in one column
STRONG = 0.5  # what labels taken as numbers are held to explain, until a trial measures it
DRAWN = 200  # points in a picture
WIDE = 64  # columns: more are pixels or counts, of which some are always the same
RARE, RARE_HINT = 0.01, 0.1  # share of the smallest class; in even shares


def not_finite(patient: Patient) -> Iterator[Sign]:
    """NaN or infinity, apart from the padding of sequences."""
    pairs = [("x", patient.x, 1.0), ("y", patient.y, 1.0)]
    if patient.validation is not None:
        pairs += [("validation x", patient.validation[0], 0.0), ("validation y", patient.validation[1], 0.0)]
    for where, values, explains in pairs:
        if values is None or finite(values):
            continue
        bad = table(~np.isfinite(values) & ~padding(np.asarray(values), patient))
        rows, counts = np.flatnonzero(bad.any(1)), bad.sum(0)
        if not len(rows):
            continue
        worst = np.argsort(-counts, kind="stable")[: max(1, int((counts > 0).sum()))]
        names = patient.names if where.endswith("x") else ()
        known = {"rows": len(rows), "n": len(bad), "first": int(rows[0])}
        words = phrase("{rows:,} of {n:,} rows hold NaN or infinity, the first is row {first}", **known)
        if bad.shape[1] > 1:
            words = phrase(
                "{rows:,} of {n:,} rows hold NaN or infinity, the first is row {first}, in {columns}",
                **known,
                columns=listed(names, worst),
            )
        parts = {column(names, at): counts[at] / len(bad) for at in worst[:SHOWN].tolist()}
        of = phrase("Rows with NaN or infinity").key
        numbers = {"rows": rows[:SHOWN], "columns": worst[:SHOWN], "parts": parts, "of": of}
        yield Sign(where, words, "certain", explains, numbers)


def padding(values: np.ndarray, patient: Patient) -> np.ndarray:
    """Where NaN stands behind the end of a sequence, for a network that is told its length."""
    if values.ndim < 2 or not has(patient.net, Masking):
        return np.zeros(values.shape, bool)
    gone = np.isnan(values).reshape(*values.shape[:2], -1).all(2)
    behind = np.flip(np.logical_and.accumulate(np.flip(gone, 1), axis=1), 1)
    return np.broadcast_to(behind.reshape(*behind.shape, *[1] * (values.ndim - 2)), values.shape)


def columns_of(patient: Patient) -> np.ndarray | None:
    """The rows of a table of two rows or more, None for images, sequences and what is not finite."""
    if patient.x is None or np.ndim(patient.x) > 2 or len(patient.x) < 2 or not finite(patient.x):
        return None
    return table(patient.x)


def constant_columns(patient: Patient) -> Iterator[Sign]:
    """Columns with one value in all rows."""
    rows = columns_of(patient)
    if rows is None:
        return
    same = np.flatnonzero((rows == rows[0]).all(0))
    if len(same) == rows.shape[1]:
        words = phrase("all rows are the same: no output can differ from row to row")
        yield Sign("x", words, "certain", 1.0)
    elif len(same):
        words = phrase(
            "{same:,} of {n:,} columns have one value: {columns}",
            same=len(same),
            n=rows.shape[1],
            columns=listed(patient.names, same),
        )
        sure = "possible" if rows.shape[1] <= WIDE else "harmless"
        yield Sign("x", words, sure, numbers={"columns": same[:SHOWN]})


def duplicate_columns(patient: Patient) -> Iterator[Sign]:
    """Columns that are equal in all rows, found in some rows first."""
    rows = columns_of(patient)
    if rows is None or rows.shape[1] < 2:
        return
    part = rows[some_rows(len(rows), patient.seed)]
    varies = np.flatnonzero((part != part[0]).any(0))
    first: dict[int, int] = {}
    pairs = []
    for at, mark in zip(varies.tolist(), fingerprints(part.T[varies]).tolist(), strict=True):
        other = first.setdefault(mark, at)
        if other != at and (rows[:, at] == rows[:, other]).all():
            pairs.append((other, at))
    if pairs:
        shown = [
            phrase("{column} is {other}", column=column(patient.names, b), other=column(patient.names, a))
            for a, b in pairs[:3]
        ]
        words = phrase("{n:,} columns repeat another: {columns}", n=len(pairs), columns=reduce(also, shown))
        a, b = pairs[0]
        numbers = {"pairs": pairs[:SHOWN], **points(rows[:, a], rows[:, b], column(patient.names, a))}
        numbers["beside"] = column(patient.names, b)
        yield Sign("x", words, "possible" if rows.shape[1] <= WIDE else "harmless", numbers=numbers)


def target_among_inputs(patient: Patient) -> Iterator[Sign]:
    """Columns that are the target in other words: one value for each class, or one rising or falling curve.

    Where half of the columns or more are so, or there is only one, that is the task.
    """
    rows = columns_of(patient)
    if rows is None or rows.shape[1] < 2 or len(rows) < FEWEST or not patient.has_rows or not finite(patient.y):
        return
    labels, y = labels_of(patient), np.asarray(patient.y)
    part = some_rows(len(rows), patient.seed)
    if labels is not None:
        found = [at for at in range(rows.shape[1]) if renames(rows[part, at], labels[part])]
        found = [at for at in found if renames(rows[:, at], labels)]
        how = phrase("it has one value for each class, in all rows")
    elif one_column(y):
        target = flat(y).astype(np.float64)
        found = [at for at in range(rows.shape[1]) if follows(rows[part, at], target[part])]
        how = phrase(
            "half of the rows, read off the other half by that column alone, give R² above {r2}", r2=1 - FOLLOWS
        )
    else:
        return
    varied = int((rows[part] != rows[part[0]]).any(0).sum())
    if found and 2 * len(found) <= varied:
        named = listed(patient.names, np.array(found))
        words = phrase("{columns} gives the target away: {how}", columns=named, how=how)
        target = y if labels is None else labels
        numbers = points(rows[:, found[0]], flat(target), column(patient.names, found[0]))
        yield Sign("x", words, "likely", numbers={"columns": found[:SHOWN], "beside": "target", **numbers})


def points(x: np.ndarray, y: np.ndarray, name: str) -> dict[str, Any]:
    """What a picture of one column along another is drawn from."""
    some = np.linspace(0, len(x) - 1, min(len(x), DRAWN)).astype(int)
    return {"points": [x[some].tolist(), y[some].tolist()], "name": name}


def renames(values: np.ndarray, labels: np.ndarray) -> bool:
    """Whether values and labels are one and the same, by other names."""
    kinds, coded = np.unique(values, return_inverse=True)
    classes = int(labels.max()) + 1
    return len(kinds) == len(np.unique(labels)) > 1 and len(np.unique(coded.ravel() * classes + labels)) == len(kinds)


def follows(values: np.ndarray, target: np.ndarray) -> bool:
    """Whether the target rises or falls with the values alone, so closely that half of the rows tell the other half."""
    values = values.astype(np.float64)
    if min(len(np.unique(values)), len(np.unique(target))) < FEWEST / 2:
        return False
    if 1 - np.corrcoef(values, target)[0, 1] ** 2 < EXACT:
        return True
    order = np.argsort(values, kind="stable")
    turns = np.sign(np.diff(target[order]))[np.diff(values[order]) > 0]
    if not ((turns >= 0).all() or (turns <= 0).all()):
        return False
    known, asked = order[::2], order[1::2]
    error = np.interp(values[asked], values[known], target[known]) - target[asked]
    return bool(np.square(error).mean() < FOLLOWS * target.var())


def same_arrays(patient: Patient) -> Iterator[Sign]:
    """Inputs that are the targets, as for an autoencoder."""
    if patient.has_rows and len(patient.x) > 1 and np.array_equal(table(patient.x), table(patient.y)):
        words = phrase("the inputs are the targets in all {n:,} rows", n=len(patient.x))
        yield Sign("x and y", words, "possible")


def one_answer(patient: Patient) -> Iterator[Sign]:
    """Targets that are all the same, a single row, or fewer rows than classes."""
    if not patient.has_rows or patient.task is None or not finite(patient.y):
        return
    y, n = table(patient.y), len(patient.y)
    if n == 1:
        yield Sign("y", phrase("there is one row to learn from"), "possible")
    elif (y == y[0]).all():
        words = phrase("all {n:,} targets are the same value: any bias alone meets them", n=n)
        if patient.task.classification:
            words = phrase("all {n:,} targets are the same class: any bias alone meets them", n=n)
        yield Sign("y", words, "certain", 1.0)
    elif patient.task.classes > n:
        words = phrase("there are {n} rows for {classes} classes", n=n, classes=patient.task.classes)
        yield Sign("y", words, "likely", 0.0)


def mixed_one_hot(patient: Patient) -> Iterator[Sign]:
    """Rows of zeros and ones for one class out of several, some with no class or with two."""
    if not patient.has_rows or patient.task is None or patient.task.kind != "bits":
        return
    total = table(patient.y).astype(np.float64).sum(1)
    bad = np.flatnonzero(total != 1)
    if np.ndim(patient.y) != 2 or len(bad) > 0.2 * len(total):
        return
    none, more = int((total == 0).sum()), int((total > 1).sum())
    words = phrase(
        "{none:,} rows have no class and {several:,} several, of {n:,}; the first is row {first}",
        none=none,
        several=more,
        n=len(total),
        first=int(bad[0]),
    )
    sure = "certain" if patient.criterion.exclusive else "possible"
    parts = {phrase("no class").key: none / len(total), phrase("several").key: more / len(total)}
    of = phrase("Rows without one class").key
    numbers = {"rows": bad[:SHOWN], "sums": total[bad[:SHOWN]], "parts": parts, "of": of}
    yield Sign("y", words, sure, numbers=numbers)


def labels_as_numbers(patient: Patient) -> Iterator[Sign]:
    """Class numbers for a loss that takes a column for each class, or yes and no."""
    if not patient.has_rows or not one_column(patient.y) or not finite(patient.y):
        return
    kinds = np.unique(flat(np.asarray(patient.y)))
    classes = len(kinds)
    if not 2 < classes <= len(patient.y) / 3 or not np.array_equal(kinds, np.arange(classes) + kinds[0]):
        return
    row, outputs = patient.criterion.row or "", patient.n_outputs
    if row.startswith("binary_cross_entropy"):
        words = phrase(
            "the loss is for 0 and 1, and the targets are the {n} labels {first:g} to {last:g}",
            n=classes,
            first=kinds[0],
            last=kinds[-1],
        )
        yield Sign("y", words, "certain", STRONG)
    elif outputs == classes and row in ("squared_error", "absolute_error", "huber"):
        words = phrase(
            "{loss} compares each of {n} outputs with the label itself, {first:g} to {last:g}",
            loss=row,
            n=outputs,
            first=kinds[0],
            last=kinds[-1],
        )
        yield Sign("y", words, "certain", STRONG)


def no_validation(patient: Patient) -> Iterator[Sign]:
    if patient.has_rows and patient.validation is None:
        words = phrase("no rows are held out: what is learned by heart looks learned")
        yield Sign("validation", words, "harmless")


def imbalance(patient: Patient) -> Iterator[Sign]:
    """Classes with few rows, beside an even share; sure only where one class has nearly all rows."""
    labels = labels_of(patient)
    if labels is None or len(labels) < FEWEST:
        return
    counts = np.bincount(labels)
    share, most = counts.min() / len(labels), counts.max() / len(labels)
    if len(counts) < 2 or share * len(counts) >= RARE_HINT:
        return
    words = phrase(
        "the rarest of {classes} classes has {rarest:,} of {n:,} rows ({share:.2%}), the most frequent {most:.1%}, "
        "which is the accuracy of always naming it",
        classes=len(counts),
        rarest=int(counts.min()),
        n=len(labels),
        share=share,
        most=most,
    )
    weighted = patient.settings.class_weight is not None
    rare = share < RARE and most > 0.9
    sure = "harmless" if weighted else "likely" if rare else "possible"
    yield Sign("y", words, sure, numbers={"counts": counts[:SHOWN]})


def row(name: Phrase, look: Any, mechanism: Phrase, cure: Phrase, source: Phrase, *changes: str, code: str = "DATA",
        stands: bool = False) -> Rule:  # fmt: skip
    return Rule(code, name, "data", look, mechanism, cure, source, changes, stands)


TABLE_RULES: tuple[Rule, ...] = (
    row(
        phrase("not finite"), not_finite,
        phrase("NaN goes through every sum: one row makes the loss, and after one step every weight, NaN."),
        phrase("Leave out these rows, or fill them in; a column that is mostly empty is better left out."),
        phrase("IEEE 754; counted in all rows"),
        "drop rows", stands=True,
    ),
    row(
        phrase("constant columns"), constant_columns,
        phrase("A column with one value is a second bias, and tells no two rows apart."),
        phrase("Leave these columns out, and look why they are the same."),
        phrase("Compared in all rows"),
    ),
    row(
        phrase("duplicate columns"), duplicate_columns,
        phrase("Equal columns share one effect: the sum of their weights is learned, and none of them says what it "
               "weighs."),
        phrase("Keep one of them."),
        phrase("Compared in all rows"),
    ),
    row(
        phrase("target among the inputs"), target_among_inputs,
        phrase("A column made from the target is all that is learned, and it is missing when the answer is asked for."),
        phrase("Leave the column out, and all others that are known only after the target."),
        phrase("Kaufman, Rosset and Perlich 2012, Leakage in data mining; measured on held-out rows"),
        stands=True,
    ),
    row(
        phrase("inputs are the targets"), same_arrays,
        phrase("The network learns to copy: an autoencoder is meant to, anything else was given the wrong array."),
        phrase("Look at which arrays were passed, where it is not an autoencoder."),
        phrase("Compared in all rows"),
    ),
    row(
        phrase("one answer"), one_answer,
        phrase("Targets that do not vary leave nothing to learn from the inputs."),
        phrase("Look at how the targets were selected or coded."),
        phrase("Counted in all rows"),
    ),
    row(
        phrase("mixed one-hot rows"), mixed_one_hot,
        phrase("Cross-entropy takes each row as shares of one whole: a row of zeros teaches nothing, two ones half "
               "each."),
        phrase("Give each row one class; for several at once, binary_cross_entropy."),
        phrase("Row sums, in all rows"),
    ),
    row(
        phrase("labels as numbers"), labels_as_numbers,
        phrase("A label is a name: taken as a number, class 2 is twice class 1, and lies beyond what the loss is for."),
        phrase("Use cross_entropy, which takes the labels, or make one column of 0 and 1 for each class."),
        phrase("Bridle 1990 for the softmax; values counted in all rows"),
        "suited output",
    ),
    row(
        phrase("no validation"), no_validation,
        phrase("On the rows learned from, a network that generalizes and one that memorized look the same."),
        phrase("Hold some rows out: validation=0.2."),
        phrase("Stone 1974, Cross-validatory choice"),
    ),
    row(
        phrase("class imbalance"), imbalance,
        phrase("Every row pulls alike: the first thing learned is to name the frequent class, and few rows pull away "
               "from it."),
        phrase('class_weight="balanced"; judge by recall of each class, not by accuracy.'),
        phrase("He and Garcia 2009, Learning from imbalanced data; a tenth of an even share is a hint, 1 % likely"),
        code="DATA_IMBALANCE",
    ),
)  # fmt: skip
