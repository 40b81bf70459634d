"""Rows as an estimator is given them, made ready to learn from."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError
from ..train import Block

FEW = 1024  # rows, above which to work on up to twice as many takes longer than to compile


def weighed(x: np.ndarray, y: np.ndarray, weights: Any) -> Block:
    """Rows with their weights, those of weight 0 left out.

    Raises: DataError where a weight is below 0, or all are 0.
    """
    if weights is None:
        return Block(x, y)
    from sklearn.utils.validation import _check_sample_weight

    weights = np.asarray(_check_sample_weight(weights, x, dtype=np.float64))
    if (weights < 0).any():
        raise DataError(f"sample_weight holds {weights.min():g}: a weight is a number of 0 or more.")
    if not weights.any():
        raise DataError("All weights in sample_weight are zero: there is no row to learn from.")
    return Block(x, y, weights).take(weights > 0)


def one_batch(rows: Block, numbers: np.ndarray) -> Block:
    """Rows that are learned from all at once: equal ones as one that has their weight, in an order of their own.

    So a weight and a repetition are the same to the last bit, and the order of the rows does not matter. Few rows are
    filled up to a power of two with rows of weight 0, so that few shapes are ever compiled. `numbers` are the targets
    as numbers.
    """
    both = np.column_stack([rows.x, numbers])
    _, first, which = np.unique(both, axis=0, return_index=True, return_inverse=True)
    size = 1 << (len(first) - 1).bit_length() if len(first) <= FEW else len(first)
    weights = np.zeros(size)
    weights[: len(first)] = np.bincount(which.reshape(-1), rows.weights)
    return rows.take(np.resize(first, size))._replace(weights=weights)
