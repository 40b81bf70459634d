"""What a search for the largest slope leaves behind as proof: as much of its tree as its bound needs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._certificate import Proof
from ._lipschitz_search import Known, Steepest
from ._monotone_proof import tree_of
from ._monotone_search import CLOSED, PROGRAM, SPLIT
from ._monotone_sheet import NAMES

KIND = "lipschitz"


def proof_of(search: Steepest, high: float, said: float) -> Proof:
    """The proof that nowhere the norm is above `high`, a share above what is `said` of it."""
    network, asked = search.network, search.asked
    about = {
        "shape": list(network.shape), "format": asked.it.format.name, "norm": str(search.norm), "high": high,
        "share": high / said - 1 if said else 0.0,
        "names": list(NAMES), "choices": [],
    }  # fmt: skip
    kept, entries = pruned(search.tree, high)
    arrays = {
        "low": asked.low, "high": asked.high, "rows": search.rows,
        "about": np.array([node.row for node in kept], np.int64),
        "weights": np.array([np.zeros(network.n_in) if node.weights is None else node.weights for node in kept]),
    }  # fmt: skip
    return Proof(KIND, about, arrays | tree_of(asked, entries))


def pruned(tree: list[Known], high: float) -> tuple[list[Known], list[list[Any]]]:
    """The nodes from the whole down to where a bound is not above `high`, and what a proof says of each."""
    kept, entries = [tree[0]], []
    for node in kept:
        if node.most <= high or (node.cut is None and not node.told):
            entries.append([CLOSED])
        elif node.program <= high:
            entries.append([PROGRAM, *node.told])
        else:
            assert node.cut is not None
            entries.append([SPLIT, *node.cut, len(kept)])
            kept += tree[node.first : node.first + 2]
    return kept, entries
