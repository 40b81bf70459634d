"""Rules about targets that are not those of their rows: out of step, shuffled, or some of them wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..language import phrase
from ..layers import GRU, LSTM, RNN, Bidirectional, Embedding, Masking
from ._relation import NEIGHBOURS, by_column, by_forest, by_neighbours, by_ridge, codes, spectrum, with_itself_skipped
from ._rows import SHOWN, as_seen, finite, has, in_a_row, labels_of, one_hot, some_rows, standard, table
from ._rule import Rule, Sign

if TYPE_CHECKING:
    from ._patient import Patient

FEWEST, ENOUGH = 100, 200  # rows: with fewer than enough, a weak relation is missed
CHANCE, SILENT = 2.25, 4.0  # standard deviations: below, one of four tests would be by chance in twenty times
RESTORED = 8.0  # standard deviations that a shift of the targets must reach
SHIFTS = (-3, -2, -1, 1, 2, 3)
ROUNDS = 3
LEARNED = 0.6  # of what is above the trivial score: less may be learned by heart
SUSPECTS, UNANIMOUS, APART = 0.03, 0.95, 0.85
ALONE, ALONE_INSIDE = 1.5, 0.55  # rows alone among others, to one whose neighbours are mixed
AROUND, KIN, DEEPEST = 8, 3, 0.3  # neighbours above suspicion, those of the own class, the share of rows that is deep
INSIDE, INSIDE_HINT = 0.06, 0.04  # of the deepest rows that have another label,
AS_OFTEN, AS_OFTEN_HINT = 0.75, 0.6  # and that to all that have
ORDERED = (Embedding, Masking, RNN, LSTM, GRU, Bidirectional)


def relates(patient: Patient) -> bool:
    """Whether a relation of whole rows to targets can be asked for: both are there, finite, many enough, and vary."""
    if not patient.has_rows or len(patient.x) < FEWEST or not finite(patient.x, patient.y):
        return False
    if has(patient.net, Embedding) or (np.ndim(patient.y) > 1 and patient.criterion.exclusive and not_rows(patient)):
        return False
    return not (table(patient.y) == table(patient.y)[0]).all()


def not_rows(patient: Patient) -> bool:
    return labels_of(patient) is None


def coded(patient: Patient) -> np.ndarray:
    """The targets of all rows as columns."""
    labels = labels_of(patient)
    return one_hot(labels) if labels is not None else table(patient.y).astype(np.float64)


def no_relation(patient: Patient) -> Iterator[Sign]:
    """Targets that no test tells from permuted ones, and the shift of the rows that restores them."""
    if not relates(patient) or learned(patient):
        return
    x, y = as_seen(patient.x), coded(patient)
    rows, rng = some_rows(len(x), patient.seed), np.random.default_rng(patient.seed)
    points, wanted = standard(x[rows], patient.seed), codes(y[rows])
    if not points.shape[1] or not wanted.shape[1]:
        return
    near = with_itself_skipped(points)
    alike = by_neighbours(near, wanted, rng)
    if abs(alike) < SILENT and (found := restored(near, rows, y, rng)):
        yield found
        return
    if abs(alike) > CHANCE:  # neighbours that differ are a relation too
        return
    tests = {phrase("nearest neighbours").key: alike}
    for name, test in ((phrase("one column").key, by_column), (phrase("ridge regression").key, by_ridge)):
        tests[name] = test(points, wanted, rng)
        if tests[name] > CHANCE:
            return
    views = {phrase("a forest").key: points}
    if x.ndim > 2:
        views[phrase("a forest of frequencies").key] = spectrum(x[rows], patient.seed)
    for name, view in views.items():
        tests[name] = by_forest(view, wanted, patient.seed)
        if tests[name] > CHANCE:
            return
    words = phrase(
        "no relation between inputs and targets is visible in {n:,} rows{agreement}; standard deviations above "
        "chance: {tests}",
        n=len(rows),
        agreement=agreement(near, patient, rows),
        tests=in_a_row([tested(name, value) for name, value in tests.items()]),
    )
    bits = bool(((points == points.min(0)) | (points == points.max(0))).all())
    # parity of bits, or what lies in an order, is seen by none of the tests
    hint = bits or x.ndim == 3 or len(rows) < ENOUGH or has(patient.net, *ORDERED)
    yield Sign("targets", words, "possible" if hint else "likely", 0.0 if hint else 1.0, {"tests": tests})


def tested(name: str, value: float) -> str:
    """A test and how far above chance it lies."""
    said = {
        "nearest neighbours": phrase("nearest neighbours"), "one column": phrase("one column"),
        "ridge regression": phrase("ridge regression"), "a forest": phrase("a forest"),
        "a forest of frequencies": phrase("a forest of frequencies"),
    }[name]  # fmt: skip
    return phrase("{test} {value:+.1f}", test=said, value=value)


def learned(patient: Patient) -> bool:
    """Whether the trained network itself shows a relation."""
    score = patient.score
    return score is not None and score - patient.trivial > LEARNED * (1 - patient.trivial)


def agreement(near: np.ndarray, patient: Patient, rows: np.ndarray) -> str:
    """How often neighbours have the same label, in words."""
    labels = labels_of(patient)
    if labels is None:
        return ""
    part = labels[rows]
    same, chance = (part[near] == part[:, None]).mean(), np.square(np.bincount(part) / len(part)).sum()
    return phrase(
        " (neighbours share their class in {same:.1%} of pairs, by chance in {chance:.1%})", same=same, chance=chance
    )


def restored(near: np.ndarray, rows: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Sign | None:
    """The shift or the reversal of the targets that makes neighbours alike, where one does."""
    orders = {s: (rows + s) % len(y) for s in SHIFTS}
    orders[0] = len(y) - 1 - rows
    scores = {shift: by_neighbours(near, codes(y[order]), rng) for shift, order in orders.items()}
    best = max(scores, key=scores.__getitem__)
    if scores[best] < RESTORED:
        return None
    words = phrase(
        "the targets have nothing to do with their own rows, and {how} they do: neighbours are alike by {n:.0f} "
        "standard deviations above chance",
        how=phrase("moved by {n:+d} rows", n=best) if best else phrase("in reverse order"),
        n=scores[best],
    )
    return Sign("targets", words, "likely", 1.0, {"shift": best, "reversed": best == 0, "scores": scores})


def label_noise(patient: Patient) -> Iterator[Sign]:
    """Rows deep inside another class: a wrong label strikes there as often as anywhere, overlap near edges only."""
    labels = labels_of(patient)
    if labels is None or not relates(patient):
        return
    rows = some_rows(len(labels), patient.seed)
    part, points = labels[rows], standard(np.asarray(patient.x)[rows], patient.seed)
    if not points.shape[1] or len(rows) < FEWEST or labels.max() == 0:
        return
    suspects = alone(points, part)
    share = float(suspects.mean())
    if share < SUSPECTS or len(rows) - suspects.sum() <= AROUND:
        return
    around, depth = classes_around(points, part, suspects)
    deep = depth >= np.quantile(depth, 1 - DEEPEST)
    inner = float((part != around)[deep].mean())
    rest = part[~suspects]
    differs = rest[with_itself_skipped(points[~suspects])] != rest[:, None]
    clean, mixed = float(1 - differs.mean()), float(differs.any(1).mean())
    apart = clean > UNANIMOUS and share > ALONE * mixed and inner > share / 2
    if not apart and (clean < APART or inner < max(INSIDE_HINT, AS_OFTEN_HINT * share)):
        return
    words = phrase(
        "{share:.1%} of {n:,} rows looked at stand among neighbours of one other class, and {inner:.1%} of those "
        "deepest inside a class; without them neighbours share their class in {clean:.1%} of pairs",
        share=share,
        n=len(rows),
        inner=inner,
        clean=clean,
    )
    sure = apart or (inner > max(INSIDE, AS_OFTEN * share) and share > ALONE_INSIDE * mixed)
    found = rows[suspects]
    yield Sign(
        "targets", words, "likely" if sure else "possible", share if sure else 0.0,
        {"rows": np.sort(found)[:SHOWN], "share": share, "clean": clean,
         "of": phrase("Rows that stand in another class").key,
         "parts": {phrase("deepest inside a class").key: inner, phrase("anywhere").key: share}},
    )  # fmt: skip


def classes_around(points: np.ndarray, labels: np.ndarray, suspects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class around each row, and how deep it lies: how far another class is, in distances to that one."""
    good = np.flatnonzero(~suspects)
    distance = np.square(points).sum(1)[:, None] + np.square(points[good]).sum(1) - 2 * points @ points[good].T
    distance = np.sqrt(np.maximum(distance, 0))
    distance[good, np.arange(len(good))] = np.inf
    near = labels[good][np.argpartition(distance, AROUND - 1, axis=1)[:, :AROUND]]
    around = np.array([np.bincount(row).argmax() for row in near])
    kin = labels[good] == around[:, None]
    others = np.where(kin, np.inf, distance).min(1)
    theirs = np.sort(np.where(kin, distance, np.inf), 1)[:, :KIN].mean(1)
    return around, others / np.maximum(theirs, 1e-12)


def alone(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The rows whose nearest neighbours, all but one at most, have one other label; those found leave before the next
    round, since a wrong label beside it hides another."""
    found = np.zeros(len(labels), bool)
    for _ in range(ROUNDS):
        left = np.flatnonzero(~found)
        if len(left) < FEWEST / 2:
            break
        beside = labels[left][with_itself_skipped(points[left])]
        middle = np.sort(beside, 1)[:, NEIGHBOURS // 2]
        agree = (beside == middle[:, None]).sum(1) >= NEIGHBOURS - 1
        found[left[agree & (middle != labels[left])]] = True
    return found


LABEL_RULES: tuple[Rule, ...] = (
    Rule(
        "DATA_LABELS", phrase("no relation"), "data", no_relation,
        phrase("Targets that belong to other rows can only be learned by heart: held out, the score stays that of a "
               "constant."),
        phrase("Look where inputs and targets are sorted, shuffled, filtered or joined apart from each other."),
        phrase("Moran 1950 and a permutation test; ridge, forest (Breiman 2001); all below {chance} standard "
               "deviations; a shift counts above {restored:.0f}", chance=CHANCE, restored=RESTORED),
        (),
    ),
    Rule(
        "DATA_LABELS", phrase("label noise"), "data", label_noise,
        phrase("A wrong label pulls against all right ones beside it, and a network with room for it learns it by "
               "heart."),
        phrase("Look at the rows named; leave out those that are wrong, or train with label_smoothing."),
        phrase("Wilson 1972, edited nearest neighbours; Frénay and Verleysen 2014; 6 % of the deepest rows, on 20 "
               "data sets"),
        (), True,
    ),
)  # fmt: skip
