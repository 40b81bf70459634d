"""Which units of a network are the same function of its input: max pooling of pictures compares thousands of those."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..affine import Add, Bend, Join, Sparse, Windows
from ._network import Network

ZERO = 0  # the number of the function that is 0 everywhere
WIDE = 16  # a unit of a sparse matrix with more inputs than this is taken for one of its own
LARGE = 2**24  # and so are the columns of a weight that holds more numbers


def numbering(network: Network, given: dict[int, np.ndarray] | None = None) -> list[np.ndarray]:
    """For every value of a network a number for each unit, (units,): units with equal numbers are equal everywhere.

    Values of which the numbers are `given` are taken for such: so on a line they may be more often equal.

    That is so where an operator does the same to inputs with equal numbers; no number is rounded on the way.

    Source: J. Cocke, Global common subexpression elimination, 1970 (value numbering).
    """
    fixed = given or {}
    fresh = Fresh(max([ZERO, *(int(numbers.max()) for numbers in fixed.values())]) + 1)
    found = [fresh.of(np.arange(network.n_in))]
    for step in network.steps:
        if step.output in fixed:
            found.append(fixed[step.output])
            continue
        inputs = [found[i] for i in step.inputs]
        match step.operator:
            case Windows() as windows:
                found.append(of_windows(windows, inputs[0], fresh))
            case Sparse() as sparse:
                found.append(of_sparse(sparse, inputs[0], fresh))
            case Bend() as bend:
                found.append(of_bend(bend, inputs[0], fresh))
            case Add():
                found.append(of_sum(np.stack(inputs), fresh))
            case Join():
                found.append(np.concatenate(inputs))
    return found


class Fresh:
    """Numbers that no function has had."""

    def __init__(self, least: int) -> None:
        self.least = least

    def of(self, kinds: np.ndarray) -> np.ndarray:
        """New numbers, equal for equal kinds, which are numbers from 0 on."""
        found = kinds + self.least
        self.least += int(kinds.max(initial=-1)) + 1
        return found


def kinds_of(rows: np.ndarray) -> np.ndarray:
    """A number for each row, equal for equal rows."""
    return np.unique(np.ascontiguousarray(rows), axis=0, return_inverse=True)[1].reshape(-1)


def of_windows(windows: Windows, given: np.ndarray, fresh: Fresh) -> np.ndarray:
    places, out = len(windows.index), windows.weight.shape[-1]
    if windows.weight.ndim == 4:
        return fresh.of(np.arange(places * out))
    seen = np.concatenate([given.reshape(windows.places_in, -1), np.full((1, len(given) // windows.places_in), ZERO)])
    seen = seen[windows.index].reshape(places, -1)
    weight = windows.weight.reshape(-1, out)
    bias = np.broadcast_to(windows.bias, (places, out))
    same_bias = windows.bias.ndim == 1
    where = kinds_of(seen) if same_bias else np.arange(places)
    columns = np.concatenate([weight, bias[:1]]).T
    group = np.arange(out) // (out // windows.groups)
    which = kinds_of(np.column_stack([columns, group])) if weight.size <= LARGE else np.arange(out)
    found = fresh.of((where[:, None] * out + which).reshape(-1))
    nothing = (seen == ZERO).all(1)[:, None] | ~weight.any(0)
    found[(nothing & (bias == 0)).reshape(-1)] = ZERO
    return found


def of_sparse(sparse: Sparse, given: np.ndarray, fresh: Fresh) -> np.ndarray:
    matrix = sparse.matrix
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    number, weight = given[matrix.indices], matrix.data
    kept = (number != ZERO) & (weight != 0)
    row, number, weight = row[kept], number[kept], weight[kept]
    order = np.lexsort((weight, number, row))
    row, number, weight = row[order], number[order], weight[order]
    row, number, weight = without_opposites(row, number, weight)
    terms = np.bincount(row, minlength=matrix.shape[0])
    first = np.concatenate([[0], np.cumsum(terms)])[:-1]
    most = min(int(terms.max(initial=0)), WIDE)
    keys = np.zeros((len(terms), 1 + 2 * most), np.int64)
    keys[:, 0] = as_bits(sparse.bias)
    place = np.arange(len(row)) - first[row]
    few = place < most
    keys[row[few], 1 + 2 * place[few]] = number[few]
    keys[row[few], 2 + 2 * place[few]] = as_bits(weight[few])
    kinds = kinds_of(keys)
    wide = terms > WIDE
    kinds[wide] = len(kinds) + np.arange(wide.sum())
    found = fresh.of(kinds)
    plain = sparse.bias == 0
    found[plain & (terms == 0)] = ZERO
    copies = np.flatnonzero(plain & (terms == 1))
    copies = copies[weight[first[copies]] == 1]
    found[copies] = number[first[copies]]
    return found


def without_opposites(*sorted_: np.ndarray) -> tuple[np.ndarray, ...]:
    """Entries (row, number, weight) without the pairs of the same row and number whose weights are w and −w."""
    row, number, weight = sorted_
    same = (row[1:] == row[:-1]) & (number[1:] == number[:-1])
    starts = np.flatnonzero(np.concatenate([[True], ~same])) if len(row) else np.zeros(0, int)
    sizes = np.diff(np.append(starts, len(row)))
    pairs = starts[sizes == 2]
    pairs = pairs[weight[pairs] == -weight[pairs + 1]]
    gone = np.zeros(len(row), bool)
    gone[pairs] = gone[pairs + 1] = True
    return row[~gone], number[~gone], weight[~gone]


def of_bend(bend: Bend, given: np.ndarray, fresh: Fresh) -> np.ndarray:
    tables = [as_bits(table) for part in (bend.slopes, bend.offsets) if part.ndim == 2 for table in part]
    found = fresh.of(kinds_of(np.column_stack([given, *tables])))
    at_zero = bend(np.zeros((1, len(given))))[0]
    found[(given == ZERO) & (at_zero == 0)] = ZERO
    return found


def of_sum(given: np.ndarray, fresh: Fresh) -> np.ndarray:
    parts = np.sort(given, 0)
    found = fresh.of(kinds_of(parts.T))
    alone = (parts[:-1] == ZERO).all(0)
    found[alone] = parts[-1, alone]
    return found


def as_bits(numbers: Any) -> np.ndarray:
    """float64 numbers as whole ones that are equal where they are."""
    return (np.ascontiguousarray(numbers, float) + 0.0).view(np.int64)


Form = Any  # equal for units that are equal: a number of `numbering`, or a sum, a difference or a bend of such


class Forms:
    """What units are where others are known to be on these pieces, −1 being any: as sums of units that are not known.

    `pieces` are those behind each bend, by the number of the value it makes.

    There the largest of two, `b + max(0, a − b)`, is a or b, and differences of such that are 0 can be told as they are
    written: in floats they would be 0 up to rounding.
    """

    def __init__(self, network: Network, numbers: list[np.ndarray], pieces: dict[int, np.ndarray]):
        self.network, self.numbers, self.pieces = network, numbers, pieces
        self.known: dict[tuple[int, int], Form] = {}

    def given(self, bend: int, unit: int) -> Form:
        """What a unit is given before its bend."""
        return self.of(self.network.bends[bend].inputs[0], unit)

    def zero(self, bend: int, unit: int) -> bool:
        """Whether what a bend is given is 0 there."""
        return self.given(bend, unit) == ZERO

    def side(self, bend: int, unit: int) -> int:
        """1 where what a bend is given is never below 0, −1 where it is never above, 0 where that is not known."""
        form = self.given(bend, unit)
        parts = apart(form)
        if parts is None:
            return -int(never_above(form))
        less, more = map(largest_of, parts)
        return -1 if more <= less else int(less <= more)

    def compares(self, other: tuple[int, int], bend: int, unit: int) -> int:
        """Where a unit is given `max(a, b) − a`: 1 if another one is given b − a, −1 if it is given a − b, else 0."""
        one, two = apart(self.given(*other)), apart(self.given(bend, unit))
        if one is None or two is None:
            return 0
        (minus, plus), (less, more) = map(largest_of, one), map(largest_of, two)
        return int(minus == less) - int(plus == less) if minus | plus == more else 0

    def of(self, number: int, unit: int) -> Form:
        key = number, unit
        if key not in self.known:
            self.known[key] = self.made(number, unit)
        return self.known[key]

    def made(self, number: int, unit: int) -> Form:
        same = int(self.numbers[number][unit])
        if number == 0 or same == ZERO:
            return same
        step = self.network.steps[number - 1]
        match step.operator:
            case Sparse() as sparse if sparse.simple:
                inputs, weights, _ = sparse.row(unit)
                return difference([(self.of(step.inputs[0], int(i)), w) for i, w in zip(inputs, weights, strict=True)])
            case Bend() as bend:
                return self.bent(bend, self.of(step.inputs[0], unit), int(self.pieces[number][unit]), unit)
            case Add():
                return total([self.of(i, unit) for i in step.inputs])
        return same

    def bent(self, bend: Bend, given: Form, piece: int, unit: int) -> Form:
        slopes, offsets = ((t if t.ndim == 1 else t[:, unit]).tolist() for t in (bend.slopes, bend.offsets))
        if piece >= 0 and offsets[piece] == 0 and slopes[piece] in (0, 1):
            return given if slopes[piece] else ZERO
        if slopes[0] == 0 and not offsets[0] and bend.kinks[0] == 0 and never_above(given):
            return ZERO
        return "bend", tuple(slopes), tuple(offsets), tuple(bend.kinks.tolist()), piece, given


def difference(terms: list[tuple[Form, float]]) -> Form:
    """± one unit, or ± one ± another."""
    terms = [(form, weight) for form, weight in terms if form != ZERO]
    if len(terms) == 2 and terms[0][0] == terms[1][0] and terms[0][1] == -terms[1][1]:
        return ZERO
    if not terms:
        return ZERO
    if len(terms) == 1 and terms[0][1] == 1:
        return terms[0][0]
    return "sum", *sorted(terms, key=lambda term: term[1])


def total(forms: list[Form]) -> Form:
    """A sum, in which `b + (a − b)` is a."""
    forms = [form for form in forms if form != ZERO]
    if not forms:
        return ZERO
    if len(forms) == 1:
        return forms[0]
    if len(forms) == 2:
        for one, other in (forms, forms[::-1]):
            less, more = apart(other) or (None, None)
            if less == one:
                return more
            less, more = (isinstance(other, tuple) and other[:5] == RELU and apart(other[5])) or (None, None)
            if less == one:
                return "largest", largest_of(one) | largest_of(more)
    return "total", *forms


def apart(form: Form) -> tuple[Form, Form] | None:
    """Of a difference what is taken away, and from what; None of other forms."""
    if not isinstance(form, tuple) or form[0] != "sum" or [weight for _, weight in form[1:]] != [-1, 1]:
        return None
    return form[1][0], form[2][0]


def never_above(form: Form) -> bool:
    """Whether a form is a bent ReLU taken away from nothing."""
    return (
        isinstance(form, tuple)
        and form[0] == "sum"
        and len(form) == 2
        and form[1][1] == -1
        and (isinstance(form[1][0], tuple) and form[1][0][:5] == RELU)
    )


RELU = ("bend", (0.0, 1.0), (0.0, 0.0), (0.0,), -1)


def largest_of(form: Form) -> frozenset[Form]:
    """Of which units a form is the largest."""
    return form[1] if isinstance(form, tuple) and form[0] == "largest" else frozenset([form])
