"""A whole network in a rectangle of the plane: which units may bend there, and the narrow network of those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import pairwise
from typing import Any

import numpy as np

from ..affine import ROUNDING, Add, Bend, Join, Sparse, Windows
from ._alike import ZERO, Forms, numbering
from ._exact import firsts
from ._lines import Crossing, Joined, Led, Line, joined
from ._narrow import Narrow
from ._network import Network
from ._tile_bounds import Bent, Box, Enclosed, Middle, bent, some

FULL = 64  # where a row holds more than one in so many units, a dense product is faster than a sparse one


@dataclass(frozen=True, eq=False)
class Looked:
    """What every bend can do in a rectangle; the affine values before all bends; and what follows where lines cross."""

    box: Box
    bents: list[Bent]
    straight: dict[int, np.ndarray]
    rounded: list[np.ndarray]  # how much of what the bends get, and of the outputs, may be rounding
    joined: list[Joined]

    @property
    def size(self) -> int:
        """How many units may bend; of those that are the same all are counted, of those that follow none."""
        followers = sum(len(led.units) for joined in self.joined for led in joined.led)
        return sum(int(part.open.sum()) for part in self.bents) - followers

    @property
    def led(self) -> tuple[Led, ...]:
        return tuple(led for joined in self.joined for led in joined.led)


class Whole:
    """A network of two inputs, and which of its units are the same everywhere."""

    def __init__(self, network: Network, lines: Sequence[Line] = ()):
        self.network, self.lines = network, lines
        self.numbers = numbers = numbering(network)
        self.zero = [numbers[step.inputs[0]] == ZERO for step in network.bends]
        # Of units that are the same the first one speaks for all.
        self.speaks = [firsts(numbers[step.inputs[0]]) for step in network.bends]
        self.first = [speaks == np.arange(len(speaks)) for speaks in self.speaks]
        self.bend_of = {step.output: b for b, step in enumerate(network.bends)}

    @cached_property
    def rounded(self) -> list[float]:
        """Of every value, how much of the magnitudes that are summed for it may be rounding, there and back."""
        terms, straight = [8], {0}
        for step in self.network.steps:
            if not isinstance(step.operator, Bend) and straight.issuperset(step.inputs):
                straight.add(step.output)
            more = terms_of(step.operator, back=step.output not in straight)
            terms.append(max(terms[number] for number in step.inputs) + more)
        return [2 * ROUNDING * n for n in terms]

    def look(self, box: Box) -> Looked:
        """Forward: bounds of all units in a rectangle."""
        middle = Middle.of(box)
        values = {0: Enclosed(np.eye(3)[:, 1:], np.zeros(2), middle.most, np.zeros(2, bool))}
        found = Looked(box, [], {0: values[0].g}, [], [])
        crossings = self.crossings(box)
        pieces: dict[int, np.ndarray] = {}
        forms = Forms(self.network, self.numbers, pieces)
        for i, step in enumerate(self.network.steps):
            given = [values[number] for number in step.inputs]
            b = self.bend_of.get(step.output, -1)
            if b >= 0:
                units = np.arange(step.width)
                part = bent(step.bend, middle.range(given[0], self.rounded[step.inputs[0]]))
                part.on(step.bend, self.zero[b], int(step.bend.piece(np.zeros(1))[0]))
                self.zeros(b, part, units, forms)
                pieces[step.output] = np.where(part.open, -1, part.first)
                found.bents.append(part)
                found.rounded.append(self.rounding(given[0], step.inputs[0]))
                made = part.of(given[0])
            else:
                part, made = None, self.straight(step.operator, given)
                if all(number in found.straight for number in step.inputs):
                    found.straight[step.output] = made.g
            for crossing in crossings:
                crossing.step(step, b, part)
                if b >= 0 and crossing.found and crossing.found[-1].bend == b:
                    units = crossing.found[-1].units
                    made.size[units] += 4 * given[0].size[units] * abs(step.bend.slopes).max()
                    made.pure[units] = False
            values[step.output] = made
            self.network.forget(values, i)
        out = self.network.output.number
        found.rounded.append(self.rounding(values[out], out))
        found.joined.extend(filter(None, (joined(crossing, self.speaks) for crossing in crossings)))
        return found

    def crossings(self, box: Box) -> list[Crossing]:
        """The lines of many kinks that cross a rectangle."""
        corners = [(line, line.crosses(box)) for line in self.lines]
        return [Crossing.of(line, ends, self.rounded, self.numbers) for line, ends in corners if ends is not None]

    def crossed(self, box: Box) -> list[Line]:
        return [line for line in self.lines if line.crosses(box) is not None]

    def straight(self, operator: Any, given: list[Enclosed]) -> Enclosed:
        """What an operator makes of its inputs."""
        match operator:
            case Add():
                g, loose, size = (reduce(np.add, parts) for parts in list(zip(*given, strict=True))[:3])
                return Enclosed(g, loose, size, np.logical_and.reduce([z.pure for z in given]))
            case Join():
                return Enclosed(*(np.concatenate(parts, -1) for parts in zip(*given, strict=True)))
        g = operator.linear(given[0].g)
        g[0] += operator.shift
        loose, size = operator.magnitude(np.stack(given[0][1:3]))
        size = size + abs(operator.shift)
        return Enclosed(g, loose, size, self.pure(operator, given[0].pure, size))

    def rounding(self, z: Enclosed, number: int) -> np.ndarray:
        return np.where(z.pure, 0, self.rounded[number] * z.size)

    @staticmethod
    def pure(operator: Windows | Sparse, given: np.ndarray, size: np.ndarray) -> np.ndarray:
        """The units that are sums and differences of such ones, or of nothing."""
        nothing = size == 0
        if isinstance(operator, Sparse) and (abs(operator.matrix.data) == 1).all():
            return nothing | (operator.bias == 0) & (operator.magnitude((~given[None]).astype(float))[0] == 0)
        return nothing

    def within(self, narrow: Narrow, box: Box, careful: bool = False) -> Narrow:
        """A narrow network in a part of its rectangle; `careful` where a leader was found to be 0 on a whole face."""
        middle = Middle.of(box)
        bents = narrow.look(middle)
        known = self.known(narrow, [np.where(part.open, -1, part.first) for part in bents])
        forms = Forms(self.network, self.numbers, {s.output: p for s, p in zip(self.network.bends, known, strict=True)})
        led = []
        for b, (part, units) in enumerate(zip(bents, narrow.left, strict=True)):
            self.zeros(b, part, units, forms)
            led += self.one_sided(b, bents, narrow, forms, careful)
        return narrow.taken(box, middle, bents, led)

    def known(self, narrow: Narrow, of_left: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The pieces of all units, where those left are on these; −1 is any."""
        found = []
        for pieces, units, here, speaks in zip(narrow.pieces, narrow.left, of_left, self.speaks, strict=True):
            whole = pieces.copy()
            whole[units] = here
            found.append(whole[speaks])
        return found

    def zeros(self, b: int, part: Bent, units: np.ndarray, forms: Forms) -> None:
        """Units that are 0 everywhere but for rounding bend no more."""
        bend = self.network.bends[b].bend
        for i in part.tiny.tolist():
            if part.open[i] and forms.zero(b, int(units[i])):
                part.on(some(bend, units), i, int(bend.piece(np.zeros(1))[0]))

    def one_sided(self, b: int, bents: list[Bent], narrow: Narrow, forms: Forms, careful: bool) -> list[Led]:
        """Units never below 0, or never above, as `max(a, b) − a`: whether it is 0 says the unit that compared."""
        bend, part, units, found = self.network.bends[b].bend, bents[b], narrow.left[b], []
        if bend.kinks.tolist() != [0]:
            return found
        here = some(bend, units)
        for i in np.flatnonzero(part.open).tolist():
            side = forms.side(b, int(units[i]))
            if side < 0:
                part.on(here, i, 0)
            leader = self.leader(b, i, narrow, forms, careful) if side > 0 else None
            if leader is not None and bents[leader[0]].open[leader[1]]:
                e, place, same, strict = leader
                pieces = np.array([[0], [1]] if same else [[1], [0]], np.int8)
                part.on(here, i, 1)
                found.append(Led(b, units[[i]], (e, int(narrow.left[e][place])), pieces, strict))
        return found

    def leader(self, b: int, i: int, narrow: Narrow, forms: Forms, careful: bool) -> tuple[int, int, bool, bool] | None:
        """Of `max(a, b) − a` the unit that compared the two: its bend and place there; whether it is above 0 where that
        is; and whether this holds but where it is 0 on a whole face."""
        unit = int(narrow.left[b][i])
        for e, place in narrow.adding(b, i):
            same = forms.compares((e, int(narrow.left[e][place])), b, unit)
            strict = same < 0 and not narrow.free[narrow.starts[e] + place]
            if same and not (strict and careful):
                return e, place, same > 0, strict
        one = narrow.on_one(b, i)
        if one is not None:
            e, place = one
            other = int(narrow.left[e][place])
            if any(line.zero[b][unit] and line.zero[e][other] for line in self.crossed(narrow.box)):
                return e, place, False, False
        return None

    def narrowed(self, looked: Looked) -> Narrow:
        """Backward: the units left and the outputs, as rows over the affine values and the units left before them."""
        network = self.network
        left, pieces = self.left(looked)
        starts = np.cumsum([0, *map(len, left)])
        columns = int(starts[-1]) + network.n_out
        affine = np.zeros((columns, 3))
        mixes = [np.zeros((len(units), columns)) for units in left]
        blames: dict[int, Any] = {network.output.number: placed(int(starts[-1]), np.arange(network.n_out), columns,
                                                                network.n_out)}  # fmt: skip
        for step in reversed(network.steps):
            d = blames.pop(step.output, None)
            bend_number = self.bend_of.get(step.output)
            if d is None and bend_number is None:
                continue
            if step.output in looked.straight:
                affine += d @ looked.straight[step.output].T
                continue
            match step.operator:
                case Bend():
                    b = self.bend_of[step.output]
                    own = placed(int(starts[b]), left[b], columns, step.width)
                    parts = [own]
                    if d is not None:
                        mix, back, constant = self.through(b, d, looked.bents[b], left[b])
                        mixes[b] += mix
                        affine[:, 0] += constant
                        parts = [back + own]
                    for j in looked.joined:
                        self.follow(j, b, d, affine, mixes, left)
                case Add():
                    parts = [d] * len(step.inputs)
                case Join():
                    stops = np.cumsum([0, *(network.width(number) for number in step.inputs)])
                    parts = [d[:, a:b] for a, b in pairwise(stops)] if d is not None else []
                case operator:
                    affine[:, 0] += d @ operator.shift
                    parts = [back_through(operator, d)]
            for number, part in zip(step.inputs, parts, strict=True):
                blames[number] = blames[number] + part if number in blames else part
        if 0 in blames:
            affine += blames[0] @ looked.straight[0].T
        chosen = zip(looked.rounded, [*left, slice(None)], strict=True)
        bends = [step.bend for step in network.bends]
        return Narrow(
            looked.box, tuple(some(bend, units) for bend, units in zip(bends, left, strict=True)), tuple(left),
            tuple(pieces), np.ascontiguousarray(affine.T),
            tuple(np.ascontiguousarray(mix[:, stop:]) for mix, stop in zip(mixes, starts[1:], strict=True)),
            np.concatenate([rounded[units] for rounded, units in chosen]), looked.led,
        )  # fmt: skip

    def left(self, looked: Looked) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The units left of each bend, and the pieces of all; those that follow are on none."""
        pieces = [part.first.copy() for part in looked.bents]
        follow = [np.zeros(len(part), bool) for part in pieces]
        for led in looked.led:
            follow[led.bend][led.units] = True
            pieces[led.bend][led.units] = -1
        parts = zip(looked.bents, self.first, follow, strict=True)
        return [np.flatnonzero(part.open & first & ~led) for part, first, led in parts], pieces

    def follow(self, joined: Joined, b: int, d: Any, affine: np.ndarray, mixes: list[np.ndarray], left: Any) -> None:
        """Put what follows a leader into rows: a constant, a multiple of the line's form, and a share of the leader."""
        if d is None or b not in joined.of_bend:
            return
        units, constant, slant, share = joined.of_bend[b]
        part = d[:, units]
        affine[:, 0] += part @ constant
        affine += (part @ slant)[:, None] * joined.line.g
        bend, unit = joined.leader
        mixes[bend][int(np.searchsorted(left[bend], unit))] += part @ share

    def through(self, b: int, d: Any, part: Bent, units: np.ndarray) -> tuple[np.ndarray, Any, np.ndarray]:
        """Back through a bend: what rows have of its units left, of its input through units that are decided, and a
        constant."""
        from scipy.sparse import csr_array

        place = np.full(d.shape[1], -1)
        place[units] = np.arange(len(units))
        place = np.where(part.open, place[self.speaks[b]], -1)  # −1 also for units that follow
        row = np.repeat(np.arange(d.shape[0]), np.diff(d.indptr))
        at = place[d.indices]
        here = at >= 0
        mix = np.zeros((len(units), d.shape[0]))
        np.add.at(mix, (at[here], row[here]), d.data[here])
        slope, offset = (np.where(part.open, 0, table) for table in (part.slope, part.offset))
        back = csr_array((d.data * slope[d.indices], d.indices, d.indptr), shape=d.shape, copy=True)
        back.eliminate_zeros()
        return mix, back, d @ offset


def placed(first: int, units: np.ndarray, rows: int, width: int) -> Any:
    """A sparse matrix (rows, width) whose rows from `first` on pick these units."""
    from scipy.sparse import csr_array

    ones = np.ones(len(units))
    return csr_array((ones, (first + np.arange(len(units)), units)), shape=(rows, width))


def back_through(operator: Windows | Sparse, d: Any) -> Any:
    """Rows over an operator's output as rows over its input, `d W`; sparse ones stay sparse."""
    from scipy.sparse import csr_array, vstack

    if isinstance(operator, Sparse):
        return d @ operator.matrix
    out = operator.weight.shape[-1]
    if operator.index.shape == (1, 1) and operator.groups == 1:
        return csr_array(d @ operator.weight.reshape(-1, out).T)
    full = np.diff(d.indptr) * FULL > operator.width
    if not full.any():
        return laid_out(operator, d)
    order = np.argsort(full, kind="stable")
    few = int((~full).sum())
    dense = csr_array(operator.transposed(d[order[few:]].toarray()))
    both = vstack([laid_out(operator, d[order[:few]]), dense]).tocsr()
    return both[np.argsort(order, kind="stable")]


def laid_out(operator: Windows, d: Any) -> Any:
    """`d W`, entry by entry: each one is as many as its unit has inputs."""
    from scipy.sparse import csr_array

    each, out = operator.weight.shape[-2:]
    row = np.repeat(np.arange(d.shape[0]), np.diff(d.indptr))
    place, channel = np.divmod(d.indices, out)
    first = channel // (out // operator.groups) * each
    seen = operator.index[place]
    if operator.weight.ndim == 4:
        weight = operator.weight[place, :, :, channel]
    else:
        weight = operator.weight.transpose(2, 0, 1)[channel]
    columns = seen[:, :, None] * (each * operator.groups) + first[:, None, None] + np.arange(each)
    data = d.data[:, None, None] * weight
    rows = np.broadcast_to(row[:, None, None], columns.shape)
    here = np.broadcast_to(seen[:, :, None] >= 0, columns.shape) & (data != 0)
    width = operator.places_in * each * operator.groups
    return csr_array((data[here], (rows[here], columns[here])), shape=(d.shape[0], width))


def terms_of(operator: Any, back: bool) -> int:
    """How many numbers are summed at most where an operator is applied, or is taken back."""
    if not isinstance(operator, Windows | Sparse):
        return 4
    most = operator.terms
    if back and isinstance(operator, Sparse):
        most = max(most, int(np.bincount(operator.matrix.indices).max(initial=1)))
    elif back and isinstance(operator, Windows):
        seen = operator.index[operator.index >= 0]
        most = max(most, int(np.bincount(seen).max(initial=1)) * operator.weight.shape[-1])
    return most + 2
