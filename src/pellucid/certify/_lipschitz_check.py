"""A proof of how steep a network is, verified again, by code that shares nothing with what found it.

In every leaf the Jacobian lies between bounds that are worked out here, or the multipliers of a leaf prove a bound of
`w · g`, g being one of its rows; then `‖g‖ ≤ w · g + Σ max(‖g_i‖ − w_i g_i)`, in the norm 2 of the squares.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..geometry import Network, lowered
from ..module import Layer
from ._certificate import Proof
from ._monotone_check import Given, Proves, Tree
from ._monotone_check_leaf import OFF, Leaf, WrongError
from ._recheck_bounds import State


def check_lipschitz(proof: Proof, net: Layer | Network, shape: Any) -> tuple[int, list[str]]:
    """Verify a proof of kind "lipschitz": how many leaves it has, and what is wrong with it."""
    network = lowered(net, tuple(proof.about["shape"]) if shape is None else shape, curves=True)
    try:
        return Tree(network, proof, proof.arrays, gentle(network, proof)).run(), []
    except (WrongError, KeyError, IndexError) as wrong:
        return 0, [f"{wrong}"]


def gentle(network: Network, proof: Proof) -> Proves:
    """What a leaf is to prove: that the norm of the Jacobian is nowhere above what is said."""
    norm, high, rows = proof.about["norm"], float(proof.about["high"]), np.asarray(proof.arrays["rows"], float)
    if norm not in ("1.0", "2.0", "inf") or not np.isfinite(high):
        raise WrongError("it names no norm, or no number.")
    if rows.ndim != 2 or rows.shape[1] != network.n_out or not len(rows):
        raise WrongError("it is about other outputs.")
    free = np.asarray(proof.arrays["low"]) < np.asarray(proof.arrays["high"])

    def proves(state: State, node: int, given: Given) -> bool:
        weights, k = proof.arrays["weights"][node] * free, int(proof.arrays["about"][node])
        leaves = [Leaf(network, state, -weights, row, given if i == k else {}, []) for i, row in enumerate(rows)]
        low, high_ = (np.stack(side) * free for side in zip(*(leaf.at_input for leaf in leaves), strict=True))
        if largest(low, high_, norm) <= high:
            return True
        return bool(weights.any()) and by_row(low, high_, norm, leaves[k], k) <= high

    return proves


def largest(low: np.ndarray, high: np.ndarray, norm: str) -> float:
    """The largest norm of a matrix between these, (rows, n_in)."""
    size = np.maximum(abs(low), abs(high))
    if norm == "1.0":
        return float(size.sum(0).max()) * (1 + OFF)
    if norm == "inf":
        return float(size.sum(1).max()) * (1 + OFF)
    middle, half = low / 2 + high / 2, (high - low) / 2
    found = float(np.linalg.norm(middle, 2) + np.linalg.norm(half) + OFF * np.linalg.norm(size))
    return min(found, float(np.linalg.norm(size)) * (1 + OFF))


def by_row(low: np.ndarray, high: np.ndarray, norm: str, leaf: Leaf, k: int) -> float:
    """A bound of the norm where `w · g` of row k is bounded by the leaf's multipliers, w being minus its weights."""
    w, size = -leaf.weights, np.maximum(abs(low), abs(high))
    ends = np.stack([low[k], high[k]])
    most = -leaf.proven()
    if norm == "2.0" and len(low) == 1:
        beyond = (ends**2 - w * ends).max(0)
        return float(np.sqrt(max(most + beyond.sum() + OFF * (size**2).sum(), 0.0))) * (1 + OFF)
    beyond = (abs(ends) - w * ends).max(0)
    if norm == "inf":
        own = most + beyond.sum() + OFF * size[k].sum()
        return max(own, float(np.delete(size.sum(1), k).max(initial=0.0)) * (1 + OFF))
    if norm == "1.0" and len(low) == 1 and np.count_nonzero(w) <= 1:
        i = int(abs(w).argmax())
        return max(most + beyond[i] + OFF * size[k, i], float(np.delete(size[0], i).max(initial=0.0)))
    return np.inf
