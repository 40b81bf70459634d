"""A property from a VNN-LIB file: does an input of its box meet what it says is not to be?"""

from __future__ import annotations

import os

import numpy as np

from ..errors import CertifyError
from ..geometry import Network
from ..language import phrase
from ..module import Layer
from ._bounds import certified
from ._certificate import Certificate
from ._claim import Claim, Clause
from ._decide import SECONDS, decide
from ._program import Certified
from ._space import spaces_of
from ._vnnlib import Case, read_vnnlib


def property(
    net: Layer | Network,
    path: str | os.PathLike[str],
    *,
    arithmetic: str | None = None,
    shape: tuple[int, ...] | None = None,
    seconds: float | None = SECONDS,
    progress: bool | None = None,
) -> Certificate:
    """Whether no input meets the assertions of a VNN-LIB file: "proven" is its `unsat`, a counterexample its `sat`.

    Read are linear conditions on the outputs and a box of inputs, or several boxes, joined by `and` and `or`.

    Raises: CertifyError where the file cannot be read, does not fit the network, or says more than is supported.
    Source: https://www.vnnlib.org
    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> net = Sequential([Dense(np.array([[1.0, -1.0]]), None), Activation("relu"), Dense(np.ones((2, 1)), None)])
        >>> text = "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 -1))(assert (<= X_0 1))"
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open(f"{folder}/above.vnnlib", "w") as file:
        ...         _ = file.write(text + "(assert (>= Y_0 1.5))")
        ...     property(net, f"{folder}/above.vnnlib").verdict
        'proven'
    """
    it = certified(net, shape, arithmetic)
    if it.network.set_aside:
        raise CertifyError(f"The property is of what {it.network.set_aside} gives, which has no bound: leave it out.")
    cases = read_vnnlib(path, it.network.n_in, it.network.n_out)
    question = phrase("No input is as {file} says", file=os.path.basename(path))
    return decide(claims_of(it, cases), question, seconds, progress)


def claims_of(it: Certified, cases: list[Case]) -> list[Claim]:
    """One claim for each box, with the clauses of all cases in it; boxes without a point claim nothing."""
    boxes: dict[bytes, tuple[np.ndarray, list[Clause]]] = {}
    for box, rows, shift in cases:
        if (box[:, 0] <= box[:, 1]).all():
            boxes.setdefault(box.tobytes(), (box, []))[1].append(Clause(rows, shift))
    if not boxes:
        raise CertifyError("The property has no box with a point in it: it says nothing of the network.")
    return [Claim(it, spaces_of(box, it.network), tuple(clauses)) for box, clauses in boxes.values()]
