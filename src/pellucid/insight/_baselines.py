from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..records import Record, unlisted
from ..train import Data, Evaluation, Preprocess, metrics, true_names
from ._judged import judged, learned

STEPS = 500
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

    Both see the network's own inputs and targets, at most 20,000 training rows, and are judged on the rows the network
    is judged on (at most as many).
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
    learn, block = learned(data).block, judged(data).block
    found, classes = {}, data.preprocess.target.classes
    for name, model in models.items():
        if name == "logistic regression" and len(np.unique(numbers(data.preprocess, learn.y))) < 2:
            continue  # these rows hold one class only: there is no line to draw
        note = fitted(model, flat(learn.x), numbers(data.preprocess, learn.y), learn.weights)
        truth, prediction, score = answers(model, data.preprocess, flat(block.x), block.y)
        found[name] = Baseline(name, len(learn.x), metrics(truth, prediction, score, classes), note, prediction)
    return found


def fitted(model: Any, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> str:
    """Fit a scikit-learn model; the note says where it was stopped before it had converged."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y, sample_weight=weights)
    steps = int(np.max(getattr(model, "n_iter_", 0)))
    return f"stopped after {STEPS} steps, before it had converged" if steps >= STEPS else ""


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


def flat(x: np.ndarray) -> np.ndarray:
    return np.asarray(x).reshape(len(x), -1)


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
