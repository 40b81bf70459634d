from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..language import phrase
from ..records import Record, unlisted
from ..train import Data, Evaluation, Preprocess, lengths_of, metrics, true_names
from ._judged import judged, learned

STEPS = 500
WORK, FEWEST = 5_000_000, 2_000  # inputs of all the rows a linear model is fitted to; but so many rows at least
PIXELS = 16  # an image is seen by a linear model as so many places each way
TOKENS = 2_000
RESAMPLES = 1000


@dataclass(frozen=True)
class Baseline(Record):
    """A simpler model fitted to the same inputs and judged on the same rows; metrics as in `Evaluation`."""

    name: str
    rows: int
    metrics: dict[str, float]
    note: str = ""
    prediction: np.ndarray = unlisted(default=None, repr=False)


@dataclass(frozen=True)
class Verdict(Record):
    """Whether the network is better than a baseline on the same rows: `gain` = its metric − the baseline's.

    `low` and `high` hold the gain in 95 of 100 resamplings of the rows (bootstrap); `answer` is "better" or "worse"
    where 0 lies outside of them, else "no clear difference".

    Source: Efron and Tibshirani 1993, An introduction to the bootstrap, section 13.3.
    """

    metric: str
    baseline: str
    gain: float
    low: float
    high: float
    answer: str


def baselines(data: Data) -> dict[str, Baseline]:
    """What always answering the most frequent class (or the mean) reaches, and what a linear model does.

    Both see the network's own inputs and targets, at most 20,000 training rows (fewer of many inputs), and are judged
    on the rows the network is judged on. Of a large image the linear model sees the means of patches, of a sequence
    each number's mean, deviation, ends and range and the length, or how often each token occurs.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.linear_model import LinearRegression, LogisticRegression

    if data.preprocess.target.classes:
        models = {
            "most frequent class": DummyClassifier(strategy="most_frequent"),
            "logistic regression": LogisticRegression(max_iter=STEPS),
        }
    else:
        models = {"mean": DummyRegressor(), "linear regression": LinearRegression()}
    learn, block = learned(data, max(FEWEST, WORK // data.sample.x[0].size)).block, judged(data).block
    found, classes = {}, data.preprocess.target.classes
    (x, seen), (others, _) = (linear_inputs(part.x, data.preprocess) for part in (learn, block))
    if seen:
        middle, scale = x.mean(0), x.std(0) + 1e-9
        x, others = (x - middle) / scale, (others - middle) / scale
    some = data.n_rows is not None and len(x) < data.n_rows
    few = phrase("learned from {n:,} rows only", n=len(x)) if some else ""
    for name, model in models.items():
        if name == "logistic regression" and len(np.unique(numbers(data.preprocess, learn.y))) < 2:
            continue  # these rows hold one class only: there is no line to draw
        note = fitted(model, x, numbers(data.preprocess, learn.y), learn.weights)
        truth, prediction, score = answers(model, data.preprocess, others, block.y)
        if name.endswith("regression"):
            note = together([said for said in (note, seen, few) if said])
        found[name] = Baseline(name, len(learn.x), metrics(truth, prediction, score, classes), note, prediction)
    return found


def together(notes: list[str]) -> str:
    """Notes one after the other."""
    said = ""
    for note in notes:
        said = phrase("{first}, {more}", first=said, more=note) if said else note
    return said


def fitted(model: Any, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> str:
    """Fit a scikit-learn model; the note says where it was stopped before it had converged."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y, sample_weight=weights)
    steps = int(np.max(getattr(model, "n_iter_", 0)))
    return phrase("stopped after {n} steps, before it had converged", n=STEPS) if steps >= STEPS else ""


def numbers(preprocess: Preprocess, y: np.ndarray) -> np.ndarray:
    """Targets as scikit-learn takes them: class numbers (n,), or numbers (n,) or (n, k)."""
    if preprocess.target.classes:
        return np.searchsorted(np.array(preprocess.target.classes), true_names(preprocess, y))
    return y.reshape(len(y), -1).squeeze(-1) if y[0].size == 1 else y.reshape(len(y), -1)


def answers(
    model: Any, preprocess: Preprocess, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Truth and prediction in the user's terms, and for classes the probabilities."""
    if not preprocess.target.classes:
        return preprocess.names(y), preprocess.names(model.predict(x).reshape(y.shape)), None
    score = np.zeros((len(x), len(preprocess.target.classes)))
    score[:, model.classes_] = model.predict_proba(x)
    return true_names(preprocess, y), np.array(preprocess.target.classes)[score.argmax(1)], score


def linear_inputs(x: np.ndarray, preprocess: Preprocess) -> tuple[np.ndarray, str]:
    """Rows as a linear model sees them, (n, inputs), and in what way where they are not as they come."""
    form = preprocess.form
    if form and form.name == "sequences":
        if form.tokens:
            return token_counts(x, form.tokens), phrase("shown how often each token occurs")
        return sequence_numbers(x), phrase("shown the mean, deviation, ends and range of each number")
    if x.ndim == 4 and max(x.shape[1:3]) > 2 * PIXELS:
        high, wide = (np.linspace(0, n, min(n, PIXELS) + 1).astype(int)[:-1] for n in x.shape[1:3])
        area = np.diff([*high, x.shape[1]])[:, None, None] * np.diff([*wide, x.shape[2]])[:, None]
        x = np.add.reduceat(np.add.reduceat(x, high, 1), wide, 2) / area
        said = phrase("shown the image as {high} × {wide} patches", high=len(high), wide=len(wide))
        return x.reshape(len(x), -1), said
    return x.reshape(len(x), -1), ""


def token_counts(x: np.ndarray, tokens: int) -> np.ndarray:
    """log(1 + how often each token occurs in a row), of the first 2,000 tokens."""
    counts = np.zeros((len(x), min(tokens, TOKENS)), np.float32)
    row, step = np.nonzero(x < counts.shape[1])  # NaN is not
    np.add.at(counts, (row, x[row, step].astype(int)), 1)
    return np.log1p(counts)


def sequence_numbers(x: np.ndarray) -> np.ndarray:
    """What a sequence is without its order: each feature's mean, deviation, first, last, least, largest; its length."""
    lengths = lengths_of(x)
    there = (np.arange(x.shape[1]) < lengths[:, None])[..., None]
    x, n = np.where(there, x.reshape(*x.shape[:2], -1), 0), np.maximum(lengths, 1)[:, None]
    mean = x.sum(1) / n
    deviation = np.sqrt(np.where(there, np.square(x - mean[:, None]), 0).sum(1) / n)
    ends = x[:, 0], x[np.arange(len(x)), n[:, 0] - 1]
    ranges = (bend(np.where(there, x, -s * np.inf), 1) for s, bend in ((1, np.max), (-1, np.min)))
    parts = [mean, deviation, *ends, *(np.where(lengths[:, None] > 0, part, 0) for part in ranges), lengths[:, None]]
    return np.concatenate(parts, 1)


def verdict(evaluation: Evaluation, baseline: Baseline, seed: int = 0) -> Verdict:
    """Whether the network beats the baseline in accuracy or r2, by how much, and how sure that is."""
    truth, own, other = (
        a[: len(baseline.prediction)] for a in (evaluation.truth, evaluation.prediction, baseline.prediction)
    )
    n = len(truth)
    if evaluation.task == "classification":
        metric, spread = "accuracy", np.ones(n)
        better = (own == truth).astype(float) - (other == truth)
    else:
        metric = "r2"
        truth, own, other = (np.asarray(a, float).reshape(n, -1) for a in (truth, own, other))
        spread = np.square(truth - truth.mean(0)).sum(1)
        better = np.square(other - truth).sum(1) - np.square(own - truth).sum(1)
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(0, n, n) for _ in range(RESAMPLES))
    gains = [better[rows].sum() / max(spread[rows].sum(), 1e-30) for rows in drawn]
    gain, (low, high) = better.sum() / max(spread.sum(), 1e-30), np.quantile(gains, [0.025, 0.975])
    answer = "better" if low > 0 else "worse" if high < 0 else "no clear difference"
    return Verdict(metric, baseline.name, float(gain), float(low), float(high), answer)
