"""Networks that compare: the absolute value, maximum and minimum, sorting and the median, all exact."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import SettingError
from ._chain import Chain, affine, apart, hidden, identity, then
from ._record import Construction, built, checked_box, whole

MOST = 256  # inputs: the weights are stored whole, with all that are 0
EVERYWHERE = "max(a, b) = b + relu(a − b), with weights −1, 0 and 1 alone: equal for all inputs"


def absolute(n: int = 1, *, box: Any = (-1, 1)) -> Construction:
    """`|x|` of every input: `|x| = relu(x) + relu(−x)`, two neurons each.

    Raises: SettingError for an impossible n or box.
    Example:
        >>> made = absolute()
        >>> made.neurons, made.error, made.net(np.array([[-2.0], [3.0]], np.float32)).tolist()
        (2, 0.0, [[2.0], [3.0]])
    """
    n = inputs(n, 1)
    chain = hidden(np.hstack([np.eye(n), -np.eye(n)]), np.zeros(2 * n), np.vstack([np.eye(n)] * 2))
    proof = "|x| = relu(x) + relu(−x) for all inputs"
    return built(chain, checked_box(box, n), np.abs, f"the absolute value of {n}", 0.0, proof)


def maximum(n: int, *, box: Any = (-1, 1)) -> Construction:
    """The largest of n inputs: `max(a, b) = b + relu(a − b)`, in a tree of depth ⌈log2 n⌉.

    Raises: SettingError for an impossible n or box.
    Source: Arora, Basu, Mianjy and Mukherjee 2018, Understanding deep neural networks with rectified linear units.
    Example:
        >>> made = maximum(4)
        >>> made.depth, made.error, made.net(np.array([[1.0, 4.0, 2.0, 3.0]], np.float32)).tolist()
        (2, 0.0, [[4.0]])
    """
    n = inputs(n, 2)
    return built(
        largest_of(n), checked_box(box, n), lambda x: x.max(1, keepdims=True), f"the largest of {n}", 0.0, EVERYWHERE
    )


def minimum(n: int, *, box: Any = (-1, 1)) -> Construction:
    """The smallest of n inputs, `min(x) = −max(−x)`.

    Raises: SettingError for an impossible n or box.
    Example:
        >>> minimum(3).net(np.array([[2.0, 0.5, 1.0]], np.float32)).tolist()
        [[0.5]]
    """
    n = inputs(n, 2)
    return built(
        smallest_of(n), checked_box(box, n), lambda x: x.min(1, keepdims=True), f"the smallest of {n}", 0.0, EVERYWHERE
    )


def sort(n: int, *, box: Any = (-1, 1)) -> Construction:
    """n inputs from the smallest to the largest, by Batcher's odd-even mergesort.

    Each of its comparators gives `min = a − relu(a − b)` and `max = b + relu(a − b)`; there are about
    n log2² n / 4 of them, in log2 n (log2 n + 1) / 2 layers.

    Raises: SettingError for an impossible n or box.
    Source: Batcher 1968, Sorting networks and their applications.
    Example:
        >>> sort(4).net(np.array([[3.0, 1.0, 2.0, 0.0]], np.float32)).tolist()
        [[0.0, 1.0, 2.0, 3.0]]
    """
    n = inputs(n, 2)
    return built(sorted_of(n), checked_box(box, n), lambda x: np.sort(x, 1), f"{n} inputs sorted", 0.0, EVERYWHERE)


def median(n: int, *, box: Any = (-1, 1)) -> Construction:
    """The median of n inputs: the middle of them sorted, or the mean of the two in the middle.

    Of the sorting network only the comparators on which the middle depends are built.

    Raises: SettingError for an impossible n or box.
    Example:
        >>> made = median(3)
        >>> made.error, made.net(np.array([[5.0, -1.0, 2.0]], np.float32)).tolist()
        (0.0, [[2.0]])
    """
    n = inputs(n, 2)
    middle = [(n - 1) // 2, n // 2]
    out = np.zeros((n, 1))
    np.add.at(out, middle, 0.5)
    chain = then(sorted_of(n, set(middle)), affine(out))
    return built(
        chain, checked_box(box, n), lambda x: np.median(x, axis=1, keepdims=True), f"the median of {n}", 0.0, EVERYWHERE
    )


def inputs(n: Any, least: int) -> int:
    """How many inputs.

    Raises: SettingError where that is no whole number, too few or too many.
    """
    n = whole("n", n, least)
    if n > MOST:
        raise SettingError(f"n is at most {MOST}, got {n:,}: put networks of fewer inputs together.")
    return n


def largest_of(n: int) -> Chain:
    """The largest of n, `max(a, b) = b + relu(a − b)` with b as two ReLUs; an odd one out waits a round."""
    if n == 1:
        return identity(1)
    pair = hidden([[1, 0, 0], [-1, 1, -1]], np.zeros(3), [[1], [1], [-1]])
    once = apart([pair] * (n // 2) + [identity(1)] * (n % 2))
    return then(once, largest_of(n // 2 + n % 2))


def smallest_of(n: int) -> Chain:
    return then(affine(-np.eye(n)), largest_of(n), affine([[-1]]))


def sorted_of(n: int, wanted: set[int] | None = None) -> Chain:
    """A sorting network, of which the outputs in `wanted` are right."""
    rounds = needed(rounds_of(n), wanted) if wanted is not None else rounds_of(n)
    return then(identity(n), *(comparing(n, pairs) for pairs in rounds if pairs))


def comparing(n: int, pairs: list[tuple[int, int]]) -> Chain:
    """The smaller of each pair to its first place, the larger to its second, in one layer of ReLU.

    All numbers go through as `relu(x) − relu(−x)`, and of each pair `relu(a − b)` is taken from a and given to b.
    """
    differ = np.zeros((n, len(pairs)))
    for k, (i, j) in enumerate(pairs):
        differ[i, k], differ[j, k] = 1, -1
    weight = np.hstack([np.eye(n), -np.eye(n), differ])
    return hidden(weight, np.zeros(weight.shape[1]), np.vstack([np.eye(n), -np.eye(n), -differ.T]))


def rounds_of(n: int) -> list[list[tuple[int, int]]]:
    """Batcher's odd-even mergesort: rounds of pairs that are compared side by side."""
    rounds, p = [], 1
    while p < n:
        k = p
        while k >= 1:
            rounds.append(
                [
                    (i + j, i + j + k)
                    for j in range(k % p, n - k, 2 * k)
                    for i in range(min(k, n - j - k))
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p)
                ]
            )
            k //= 2
        p *= 2
    return rounds


def needed(rounds: list[list[tuple[int, int]]], wanted: set[int]) -> list[list[tuple[int, int]]]:
    """The comparators on which some outputs depend, found from the end."""
    wanted, kept = set(wanted), []
    for pairs in reversed(rounds):
        here = [pair for pair in pairs if wanted & set(pair)]
        wanted |= {place for pair in here for place in pair}
        kept.append(here)
    return kept[::-1]
