"""Whether targets have anything to do with inputs: four tests, each a number of standard deviations above chance.

Nearest neighbours see any smooth relation in few columns, the best single column a weak one in few rows, a ridge
regression linear and quadratic ones in many columns, a forest steps and interactions. What none of them sees may
still be there: parity of bits is.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from ._rows import nearest, standard

NEIGHBOURS, PERMUTATIONS, FOLDS, TREES = 5, 60, 5, 60
PAIRED = 16  # columns: as many have their products taken too
MOST_TARGETS = 32


def codes(y: np.ndarray) -> np.ndarray:
    """Targets as columns of mean 0 and variance 1: numbers by their ranks, so that no row weighs more than others."""
    y = y[:, :MOST_TARGETS]
    if len(y) and not ((y == 0) | (y == 1)).all():
        y = np.stack([np.unique(column, return_inverse=True)[1].ravel() for column in y.T], 1)
    y = y - y.mean(0)
    spread = y.std(0)
    return y[:, spread > 0] / spread[spread > 0]


def likeness(near: np.ndarray, y: np.ndarray) -> float:
    """The mean product of the targets of neighbours, `Σ y_i · y_j / n`: 1 where they are equal, 0 at chance."""
    return float((y * y[near].mean(1)).mean())


def by_neighbours(near: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """Likeness in standard deviations above that of permuted targets (Moran 1950, with a permutation test)."""
    drawn = [likeness(near, y[rng.permutation(len(y))]) for _ in range(PERMUTATIONS)]
    return (likeness(near, y) - float(np.mean(drawn))) / max(float(np.std(drawn)), 1e-12)


def by_column(points: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """The largest correlation of a column with a target, as the normal deviate that is as rare (Šidák 1967)."""
    a = points / np.where(points.std(0) > 0, points.std(0), 1)
    largest = float(np.abs((a - a.mean(0)).T @ y / len(y)).max())
    alone = 2 * ndtr(-largest * len(y) ** 0.5)
    return float(-ndtri(-np.expm1(a.shape[1] * y.shape[1] * np.log1p(-min(alone, 1 - 1e-12)))))


def by_ridge(points: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """A ridge regression on columns, squares and, where they are few, products; held-out in five folds."""
    features = [points, np.square(points)]
    if points.shape[1] <= PAIRED:
        left, right = np.triu_indices(points.shape[1], 1)
        features.append(points[:, left] * points[:, right])
    a = np.concatenate(features, 1).astype(np.float64)
    a = a - a.mean(0)
    a = a / np.where(a.std(0) > 0, a.std(0), 1)
    fold = rng.permutation(len(a)) % FOLDS
    told = np.zeros_like(y)
    for held in range(FOLDS):
        out, rest = fold == held, fold != held
        mean = y[rest].mean(0)
        gram = a[rest].T @ a[rest] + a.shape[1] * np.eye(a.shape[1])
        told[out] = a[out] @ np.linalg.solve(gram, a[rest].T @ (y[rest] - mean))
    return deviations(told, y)


def by_forest(points: np.ndarray, y: np.ndarray, seed: int) -> float:
    """The out-of-bag answers of a forest of regression trees (Breiman 2001)."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(
        TREES, min_samples_leaf=3, max_features=0.5, max_samples=0.5, oob_score=True, random_state=seed
    )
    forest.fit(points, y if y.shape[1] > 1 else y[:, 0])
    return deviations(forest.oob_prediction_.reshape(y.shape), y)


def deviations(told: np.ndarray, y: np.ndarray) -> float:
    """The sum over rows of told · wanted, beside its standard deviation where one has nothing to do with the other."""
    product = ((told - told.mean(0)) * (y - y.mean(0))).sum(1)
    return float(product.sum() / max(np.sqrt(np.square(product).sum()), 1e-12))


def with_itself_skipped(points: np.ndarray) -> np.ndarray:
    """The nearest rows of each row, itself apart."""
    return nearest(points, points, min(NEIGHBOURS, len(points) - 1), np.eye(len(points), dtype=bool))


def spectrum(x: np.ndarray, seed: int) -> np.ndarray:
    """How strong each frequency is along the axes of images or sequences, wherever the pattern stands."""
    axes = (1, 2) if x.ndim > 3 or (x.ndim == 3 and x.shape[2] > 8) else (1,)
    return standard(np.abs(np.fft.fftn(x, axes=axes)).reshape(len(x), -1), seed)
