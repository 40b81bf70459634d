"""Truth tables as networks: exact on {0, 1}^n."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError
from ._chain import Chain, affine, beside, hidden, then
from ._lattice import numbers
from ._record import Construction, built

MOST = 12  # inputs: the implicants of more are too many
Cube = tuple[int, int]  # the values of the inputs that are fixed, and which are free, as bits


def logic(inputs: Any, outputs: Any) -> Construction:
    """A table of truth values: `outputs` for rows of `inputs`, all 0 or 1; rows that are not there may give anything.

    Of each output the cheapest of these is built: a function of the number of ones, as one line with its kinks (parity
    of n inputs by n neurons); the or of as few ands as are found (Quine and McCluskey), with a neuron for each and,
    where two of them may hold together, one more; or the same of what is false.

    Shapes: inputs (rows, n); outputs (rows,) or (rows, m).

    Raises: DataError where a value is not 0 or 1, two rows say different things of the same inputs, or there are more
        than 12 inputs.
    Source: McCluskey 1956, Minimization of Boolean functions.
    Example:
        >>> xor = logic([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
        >>> xor.neurons, xor.net(np.array([[0, 1], [1, 1]], np.float32)).tolist()
        (2, [[1.0], [0.0]])
    """
    x = bits("inputs", numbers("inputs", inputs, 2))
    y = np.asarray(outputs)
    y = bits("outputs", numbers("outputs", y if y.ndim > 1 else y[:, None] if y.ndim else y, 2))
    if len(x) != len(y) or not x.size or not y.size:
        raise DataError(f"A table has outputs for each row of inputs; got {x.shape} and {y.shape}.")
    n = x.shape[1]
    if n > MOST:
        raise DataError(f"A table of {n} inputs has too many implicants: {MOST} at most.")
    place = x @ (1 << np.arange(n))
    for i, code in enumerate(place.tolist()):
        first = int(np.flatnonzero(place == code)[0])
        if (y[first] != y[i]).any():
            raise DataError(
                f"Rows {first} and {i} contradict each other: the inputs {x[i].tolist()} give different outputs."
            )
    chains = [cheapest(x, column) for column in y.T]
    chain = beside(chains, [0.0] * len(chains))
    table = dict(zip(place.tolist(), y.astype(float), strict=True))

    def truth(at: np.ndarray) -> np.ndarray:
        return np.array([table.get(code, np.full(y.shape[1], np.nan)) for code in (at @ (1 << np.arange(n))).tolist()])

    return built(
        chain, ((0.0, 1.0),) * n, truth, f"a logic table of {len(x):,} rows", 0.0,
        "on inputs of 0 and 1 every neuron is a whole number, so every row of the table holds exactly",
        points=(x.astype(float), f"all {len(x):,} rows"),
    )  # fmt: skip


def bits(name: str, values: np.ndarray) -> np.ndarray:
    wrong = np.argwhere((values != 0) & (values != 1))
    if len(wrong):
        raise DataError(f"A table holds 0 and 1; {name}{wrong[0].tolist()} is {values[tuple(wrong[0])]:g}.")
    return values.astype(int)


def cheapest(x: np.ndarray, y: np.ndarray) -> Chain:
    """The chain with the fewest neurons for one output."""
    n = x.shape[1]
    if (y == y[0]).all():
        return affine(np.zeros((n, 1)), [y[0]])
    choices = [*counted(x, y), either(x, y), then(either(x, 1 - y), affine([[-1]], [1]))]
    return min(choices, key=lambda chain: (chain.neurons, chain.depth))


def counted(x: np.ndarray, y: np.ndarray) -> list[Chain]:
    """A function of a sum of inputs, some of them negated: the line through its values, a neuron for each kink."""
    found, n = [], x.shape[1]
    for signs in np.array(list(np.ndindex(*[2] * n))) * 2 - 1 if n <= 8 else np.array([[1] * n, [-1] * n]):
        total = x @ signs
        sums, first = np.unique(total, return_index=True)
        if signs[0] > 0 and (y == y[first][np.searchsorted(sums, total)]).all():
            found += [line(*stepped(sums, y[first], late), signs) for late in (True, False)]
    return found


def stepped(sums: np.ndarray, y: np.ndarray, late: bool) -> tuple[np.ndarray, np.ndarray]:
    """Points between which all slopes are 0 or one by a power of two, so that float32 has them.

    Between two sums the line may go as it likes: where a step is not a power of two wide, it is made late or early.
    """
    x, height = [int(sums[0])], [int(y[0])]
    for i in range(1, len(sums)):
        gap = int(sums[i] - sums[i - 1])
        width = 1 << gap.bit_length() - 1
        if width < gap and y[i] != y[i - 1]:
            x.append(int(sums[i]) - width if late else int(sums[i - 1]) + width)
            height.append(int(y[i - 1] if late else y[i]))
        x.append(int(sums[i]))
        height.append(int(y[i]))
    return np.array(x), np.array(height)


def line(sums: np.ndarray, y: np.ndarray, signs: np.ndarray) -> Chain:
    """The line through whole-number points, a neuron for each kink, and one for its first slope where it has one."""
    slopes = np.diff(y) / np.diff(sums)
    jumps = np.diff(slopes)
    at = np.flatnonzero(jumps)
    lean = [slopes[0]] if slopes[0] else []
    knots = np.concatenate([sums[:1][: len(lean)], sums[1:-1][at]])
    weight = np.concatenate([lean, jumps[at]])
    return hidden(np.outer(signs, np.ones(len(knots))), -knots, weight[:, None], [y[0]])


def either(x: np.ndarray, y: np.ndarray) -> Chain:
    """An or of ands: `relu(Σ literals − (their number − 1))` is 1 where all hold, and else 0."""
    n = x.shape[1]
    cubes = cover(x, y)
    weight, bias = np.zeros((n, len(cubes))), np.zeros(len(cubes))
    for k, (value, free) in enumerate(cubes):
        fixed = [i for i in range(n) if not free >> i & 1]
        for i in fixed:
            weight[i, k] = 1 if value >> i & 1 else -1
        bias[k] = 1 - sum(value >> i & 1 for i in fixed)
    ands = hidden(weight, bias, np.ones((len(cubes), 1)))
    together = (np.maximum(x @ weight + bias, 0).sum(1) > 1).any()
    return then(ands, hidden([[-1]], [1], [[-1]], [1])) if together else ands


def cover(x: np.ndarray, y: np.ndarray) -> list[Cube]:
    """Few prime implicants that hold in all true rows and in no false one: those that are needed, then the widest."""
    n = x.shape[1]
    codes = x @ (1 << np.arange(n))
    true, false = set(codes[y == 1].tolist()), set(codes[y == 0].tolist())
    primes, open_, chosen = prime_implicants(true, set(range(1 << n)) - false, n), set(true), []
    held = {prime: {code for code in true if inside(code, prime)} for prime in primes}
    for code in sorted(true):
        only = [prime for prime in primes if code in held[prime]]
        if len(only) == 1 and only[0] not in chosen:
            chosen.append(only[0])
            open_ -= held[only[0]]
    while open_:
        best = max(primes, key=lambda prime: (len(held[prime] & open_), prime[1].bit_count(), -prime[0]))
        chosen.append(best)
        open_ -= held[best]
    return chosen


def prime_implicants(true: set[int], allowed: set[int], n: int) -> list[Cube]:
    """Cubes of allowed rows that hold a true one and can be made no wider."""
    level: set[Cube] = {(code, 0) for code in allowed}
    primes: set[Cube] = set()
    while level:
        wider, merged = set(), set()
        for value, free in level:
            for i in range(n):
                other = (value ^ (1 << i), free)
                if not free >> i & 1 and other in level:
                    wider.add((value & ~(1 << i), free | 1 << i))
                    merged |= {(value, free), other}
        primes |= {cube for cube in level - merged if any(inside(code, cube) for code in true)}
        level = wider
    return sorted(primes)


def inside(code: int, cube: Cube) -> bool:
    return code & ~cube[1] == cube[0]
