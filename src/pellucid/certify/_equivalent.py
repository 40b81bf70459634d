"""Are two networks the same on a box, up to a tolerance?"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..affine import Lowering, Step, Value
from ..errors import CertifyError, SettingError
from ..geometry import Network
from ..language import phrase
from ..module import Layer
from ._bounds import certified
from ._certificate import Certificate
from ._claim import Claim, Clause
from ._decide import SECONDS, decide, is_number
from ._program import Certified, Format
from ._space import spaces_of


def equivalent(
    a: Layer | Network,
    b: Layer | Network,
    box: Any,
    tolerance: float = 1e-3,
    *,
    arithmetic: str | None = None,
    shape: tuple[int, ...] | None = None,
    seconds: float | None = SECONDS,
    progress: bool | None = None,
) -> Certificate:
    """Whether `|a(x) − b(x)| < tolerance` for every output and every x of one box or ball.

    The two are joined in one network whose outputs are the differences; what both do alike from the input on is in it
    once. The least margin of the certificate is the tolerance less the largest difference.

    Raises: CertifyError where the networks take or give different things, or a part has no bound; SettingError for a
        tolerance not above 0.
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> def net(factor):
        ...     first, last = np.array([[1.0, -1.0]]), np.array([[1.0], [factor]])
        ...     return Sequential([Dense(first, None), Activation("relu"), Dense(last, None)])
        >>> equivalent(net(1.0), net(1.01), [(-1, 1)], tolerance=0.02).verdict
        'proven'
        >>> equivalent(net(1.0), net(1.01), [(-1, 1)], tolerance=0.005).verdict
        'counterexample'
    """
    if not (is_number(tolerance) and 0 < tolerance < np.inf):
        raise SettingError(f"tolerance is how far outputs may lie apart, above 0; got {tolerance!r}.")
    both = certified(a, shape, arithmetic), certified(b, shape, arithmetic)
    it = joined(*both)
    space = spaces_of(box, it.network)
    if len(space.low) != 1:
        raise CertifyError(f"equivalent is of one box or ball, got {len(space.low)}.")
    n = it.network.n_out
    clauses = [Clause(sign * row[None], np.array([tolerance])) for row in np.eye(n) for sign in (-1.0, 1.0)]
    question = phrase("The networks differ by less than {tolerance:g}", tolerance=tolerance)
    return decide([Claim(it, space, tuple(clauses))], question, seconds, progress)


def joined(a: Certified, b: Certified) -> Certified:
    """The difference of two networks as one."""
    if a.network.n_in != b.network.n_in or a.network.n_out != b.network.n_out:
        raise CertifyError(
            f"The networks are of different form: {a.network.n_in} inputs and {a.network.n_out} outputs, and "
            f"{b.network.n_in} inputs and {b.network.n_out} outputs."
        )
    if a.network.set_aside != b.network.set_aside:
        raise CertifyError(
            f"One network ends in {a.network.set_aside or 'no softmax'}, the other in {b.network.set_aside or 'none'}, "
            "which has no bound: leave it out of both."
        )
    at = Lowering(a.network.shape, curves=True)
    known: dict[int, list[Step]] = {}
    ends = [copied(at, part.network, known) for part in (a, b)]
    n = a.network.n_out
    pair = at.join([at.reshape(end, (n,)) for end in ends])
    output = at.sparse(pair, np.concatenate([np.eye(n), -np.eye(n)], 1), None, (n,))
    network = Network(a.network.shape, tuple(at.steps), output, a.network.set_aside)
    coarse: Format = max(a.format, b.format, key=lambda f: f.unit)

    def runs(x: np.ndarray) -> np.ndarray:
        one, other = (p.runs(x.reshape(-1, *p.network.shape).astype(p.dtype)) for p in (a, b))
        return np.asarray(one, float).reshape(len(x), -1) - np.asarray(other, float).reshape(len(x), -1)

    return Certified(network, coarse, runs, min(a.dtype, b.dtype, key=lambda d: d.itemsize))


def copied(at: Lowering, network: Network, known: dict[int, list[Step]]) -> Value:
    """Write down a network's steps; those that are there already are taken as they are."""
    values = {0: at.input}
    for step in network.steps:
        inputs = tuple(values[n].number for n in step.inputs)
        old = next(
            (s for s in known.get(step.width, []) if s.inputs == inputs and same(s.operator, step.operator)), None
        )
        if old is None:
            value = at.step(step.operator, [values[n] for n in step.inputs], step.shape)
            known.setdefault(step.width, []).append(at.steps[-1])
        else:
            value = Value(old.output, step.shape)
        values[step.output] = value
    return Value(values[network.output.number].number, (prod(network.output.shape),))


def same(a: Any, b: Any) -> bool:
    """Whether two operators are of one kind and hold the same numbers."""
    return type(a) is type(b) and all(alike(getattr(a, name), getattr(b, name)) for name in type(a).__annotations__)


def alike(a: Any, b: Any) -> bool:
    if hasattr(a, "indptr") and hasattr(b, "indptr"):
        return a.shape == b.shape and all(
            np.array_equal(getattr(a, k), getattr(b, k)) for k in ("indptr", "indices", "data")
        )
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return a == b
