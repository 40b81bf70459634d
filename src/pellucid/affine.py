"""What a layer is as a piecewise-affine map: affine operators and bends, on float64 NumPy arrays.

A layer says it once, beside its `forward`, by its method `lower`: with a `Lowering` it writes down which operators lead
from its input to its output. Values are flat, (points, units); the units of a picture are in the order of its axes.
For bounds, smooth curves may stand where bends do; whoever asks for exact geometry does not allow them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, reduce
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .errors import CertifyError, GeometryError
from .language import phrase

Shape = tuple[int, ...]
ROUNDING = 2.0**-53
MOST = 2**22  # numbers in the windows that are laid out at a time


class Value(NamedTuple):
    """A value inside a lowered network: its number, and the shape that one example of it has."""

    number: int
    shape: Shape


@dataclass(frozen=True, eq=False)
class Windows:
    """One matrix product for each place: `y[p] = Σ_k x[index[p, k]] W[k] + b`; index −1 is a place that holds 0.

    Shapes: x (points, places_in · channels); index (places, taps); weight (taps, channels / groups, out), or
        (places, taps, channels / groups, out) where every place has its own; bias (out,) or (places, out).
    """

    index: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    places_in: int = 1
    groups: int = 1

    @property
    def width(self) -> int:
        return len(self.index) * self.weight.shape[-1]

    @property
    def terms(self) -> int:
        """How many products are summed for one unit."""
        return self.weight.shape[-3] * self.weight.shape[-2]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.product(x, self.weight) + self.shift

    @cached_property
    def shift(self) -> np.ndarray:
        """What is added to each unit, (units,)."""
        return np.broadcast_to(self.bias, (len(self.index), self.weight.shape[-1])).reshape(-1)

    def linear(self, x: np.ndarray) -> np.ndarray:
        """The operator without its bias, for directions."""
        return self.product(x, self.weight)

    def magnitude(self, x: np.ndarray) -> np.ndarray:
        """`Σ |W| x`, for bounds."""
        return self.product(x, abs(self.weight))

    def product(self, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        each, out = weight.shape[-2:]
        if self.index.shape == (1, 1) and self.groups == 1:
            return x @ weight.reshape(each, out)
        seen = x.reshape(len(x), x.shape[1] // (each * self.groups), each * self.groups)
        if (self.index < 0).any():
            seen = np.concatenate([seen, np.zeros_like(seen[:, :1])], 1)
        most = max(1, MOST // (self.index.size * each * self.groups))
        parts = [self.some(seen[i : i + most], weight) for i in range(0, len(x), most)]
        return np.concatenate(parts) if parts else np.zeros((0, self.width))

    def some(self, seen: np.ndarray, weight: np.ndarray) -> np.ndarray:
        places, (taps, each, out) = len(self.index), weight.shape[-3:]
        seen = seen.take(self.index, 1)  # (points, places, taps, channels)
        if self.groups > 1:
            parts = seen.reshape(len(seen), places, taps, self.groups, each)
            kernel = weight.reshape(*weight.shape[:-1], self.groups, out // self.groups)
            form = "npkgi,pkigo->npgo" if weight.ndim == 4 else "npkgi,kigo->npgo"
            return np.einsum(form, parts, kernel, optimize=True).reshape(len(seen), -1)
        seen = seen.reshape(len(seen), places, taps * each)
        if weight.ndim == 4:
            y = np.matmul(seen.swapaxes(0, 1), weight.reshape(places, taps * each, out)).swapaxes(0, 1)
        else:
            y = seen.reshape(-1, taps * each) @ weight.reshape(taps * each, out)
        return y.reshape(len(seen), -1)

    def transposed(self, dy: np.ndarray) -> np.ndarray:
        """`dx = Σ_k dy W[k]ᵀ`, put back where k saw x."""
        places, (taps, each, out) = len(self.index), self.weight.shape[-3:]
        if self.index.shape == (1, 1) and self.groups == 1:
            return dy @ self.weight.reshape(each, out).T
        if self.back is not None:
            return self.back.linear(dy)
        rows = dy.reshape(len(dy), places, self.groups, out // self.groups)
        kernel = self.weight.reshape(*self.weight.shape[:-1], self.groups, out // self.groups)
        form = "npgo,pigo->npgi" if self.weight.ndim == 4 else "npgo,igo->npgi"
        dx = np.zeros((len(dy), self.places_in, self.groups, each))
        for k in range(taps):
            here = self.index[:, k] >= 0
            part = np.einsum(
                form, rows[:, here], kernel[here, k] if self.weight.ndim == 4 else kernel[k], optimize=True
            )
            seen: Any = (slice(None), self.index[here, k])
            np.add.at(dx, seen, part)
        return dx.reshape(len(dy), -1)

    @cached_property
    def back(self) -> Windows | None:
        """The transposed operator as windows again, `dx[i] = Σ_k dy[p with index[p, k] = i] W[k]ᵀ`; None where weights
        are not shared, come in groups, or a tap sees a place twice."""
        if self.weight.ndim == 4 or self.groups > 1:
            return None
        places, taps = self.index.shape
        index = np.full((self.places_in, taps), -1)
        for k in range(taps):
            here = np.flatnonzero(self.index[:, k] >= 0)
            index[self.index[here, k], k] = here
            if (index[:, k] >= 0).sum() < len(here):
                return None
        weight = np.ascontiguousarray(self.weight.swapaxes(1, 2))
        return Windows(index, weight, np.zeros(weight.shape[-1]), places)

    def row(self, unit: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Which inputs one unit weighs, how much, and its bias."""
        each, out = self.weight.shape[-2:]
        place, channel = divmod(unit, out)
        first = channel // (out // self.groups) * each
        kernel = (self.weight[place] if self.weight.ndim == 4 else self.weight)[..., channel]
        here = self.index[place] >= 0
        inputs = self.index[place][here][:, None] * (each * self.groups) + first + np.arange(each)
        bias = np.broadcast_to(self.bias, (len(self.index), out))[place, channel]
        return inputs.reshape(-1), kernel[here].reshape(-1), float(bias)


@dataclass(frozen=True, eq=False)
class Sparse:
    """A matrix with few entries: `y = x Mᵀ + b`; M (units, units in) is a scipy CSR array, bias (units,).

    `size` is the sum of the magnitudes that a run adds up for the bias, where that is more than the bias itself.
    """

    matrix: Any
    bias: np.ndarray
    size: np.ndarray | None = None

    @property
    def width(self) -> int:
        return self.matrix.shape[0]

    @property
    def terms(self) -> int:
        return int(np.diff(self.matrix.indptr).max(initial=1))

    @cached_property
    def simple(self) -> bool:
        """Whether each unit is one number, or the difference of two."""
        return self.terms <= 2 and bool((abs(self.matrix.data) == 1).all()) and not self.bias.any()

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.linear(x) + self.bias

    @property
    def shift(self) -> np.ndarray:
        """What is added to each unit, (units,)."""
        return self.bias

    def linear(self, x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray((self.matrix @ x.T).T)

    def magnitude(self, x: np.ndarray) -> np.ndarray:
        return (abs(self.matrix) @ x.T).T

    def transposed(self, dy: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray((self.matrix.T @ dy.T).T)

    def row(self, unit: int) -> tuple[np.ndarray, np.ndarray, float]:
        part = slice(*self.matrix.indptr[unit : unit + 2])
        return self.matrix.indices[part], self.matrix.data[part], float(self.bias[unit])


@dataclass(frozen=True, eq=False)
class Bend:
    """A curve of straight pieces for every unit: on piece i, between `kinks[i − 1]` and `kinks[i]`, `y = a_i x + c_i`.

    Shapes: kinks (n,), rising; slopes and offsets (n + 1,), or (n + 1, units) where units differ.
    """

    kinks: np.ndarray
    slopes: np.ndarray
    offsets: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        if self.is_relu:
            return np.maximum(x, 0)
        return self.by_piece(x, self.piece(x))

    def by_piece(self, x: np.ndarray, piece: np.ndarray) -> np.ndarray:
        return self.of_piece(self.slopes, piece) * x + self.of_piece(self.offsets, piece)

    def slope(self, piece: np.ndarray) -> np.ndarray:
        return self.of_piece(self.slopes, piece)

    def offset(self, piece: np.ndarray) -> np.ndarray:
        return self.of_piece(self.offsets, piece)

    def piece(self, x: np.ndarray) -> np.ndarray:
        """The number of the piece that x falls on; a kink belongs to the piece before it."""
        return (x[..., None] > self.kinks).sum(-1, dtype=np.int8)

    def slope_range(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest slope between low and high, (points, units)."""
        first, last = self.piece(low), self.piece(high)
        least, most = np.array(self.slope(first)), np.array(self.slope(first))
        for k in range(len(self.kinks) + 1):
            slope = self.slope(np.full_like(first, k))
            here = (first <= k) & (k <= last)
            least, most = np.where(here, np.minimum(least, slope), least), np.where(here, np.maximum(most, slope), most)
        return least, most

    @staticmethod
    def of_piece(table: np.ndarray, piece: np.ndarray) -> np.ndarray:
        if table.ndim == 1:
            return table[piece]
        return np.take_along_axis(table if piece.ndim == 1 else table[:, None], piece[None], 0)[0]

    @cached_property
    def is_relu(self) -> bool:
        return self.kinks.tolist() == [0] and self.slopes.tolist() == [0, 1] and not self.offsets.any()


@dataclass(frozen=True, eq=False)
class Smooth:
    """A curve without straight pieces, the same for every unit: `y = b f(x; a)`, f a row of `smooth.KINDS`."""

    kind: str
    a: float = 1.0
    b: float = 1.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        from . import smooth

        return smooth.values(smooth.KINDS[self.kind], self.a, self.b, x)

    def slope_range(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers that the slope is not below and not above between low and high, (points, units)."""
        from . import smooth

        return smooth.slope_range(smooth.KINDS[self.kind], self.a, self.b, low, high)


@dataclass(frozen=True, eq=False)
class Add:
    """The sum of several values."""

    def __call__(self, *parts: np.ndarray) -> np.ndarray:
        return reduce(np.add, parts)


@dataclass(frozen=True, eq=False)
class Join:
    """Several values side by side, (points, Σ units)."""

    def __call__(self, *parts: np.ndarray) -> np.ndarray:
        return np.concatenate(parts, 1)


@dataclass(frozen=True, eq=False)
class Step:
    """One operator of a lowered network: from the values `inputs` it makes the value `output`, with `width` units.

    `path` is the layer it comes from, and `shape` that of one example of its output. In a network that was lowered for
    bounds the operator may be `Smooth`, which its type leaves out: whoever reads geometry meets none.
    """

    operator: Windows | Sparse | Bend | Add | Join
    inputs: tuple[int, ...]
    output: int
    width: int
    path: str
    shape: Shape

    @property
    def bend(self) -> Bend:
        """The operator of a step that is known to bend."""
        assert isinstance(self.operator, Bend)
        return self.operator


class Lowering:
    """What a network writes itself down with: every method adds a step and gives the value it makes.

    With `curves` smooth curves are allowed, for bounds.
    """

    def __init__(self, shape: Shape, curves: bool = False):
        self.curves = curves
        self.steps: list[Step] = []
        self.parts: list[str] = []
        self.input = Value(0, shape)

    @contextmanager
    def inside(self, part: str) -> Iterator[None]:
        """The steps written here belong to a part of the layer that is being written down."""
        self.parts.append(part)
        try:
            yield
        finally:
            self.parts.pop()

    @property
    def path(self) -> str:
        return ".".join(part for part in self.parts if part)

    def step(self, operator: Any, inputs: Sequence[Value], shape: Shape) -> Value:
        value = Value(len(self.steps) + 1, tuple(shape))
        numbers = tuple(x.number for x in inputs)
        self.steps.append(Step(operator, numbers, value.number, prod(shape), self.path, value.shape))
        return value

    def matrix(self, x: Value, weight: Any, bias: Any) -> Value:
        """`y = x W + b` at every place of x; weight (in, out)."""
        if x.shape[-1:] != weight.shape[:1]:
            raise GeometryError(
                f"{self.path or 'The layer'} weighs {weight.shape[0]} inputs, and an example of its input is of shape "
                f"{x.shape}: give another shape=."
            )
        places = prod(x.shape[:-1])
        index = np.arange(places)[:, None]
        return self.windows(x, index, as_float(weight)[None], bias, x.shape[:-1])

    def windows(self, x: Value, index: np.ndarray, weight: Any, bias: Any, places: Shape, groups: int = 1) -> Value:
        """A matrix product at every place of the output; see `Windows`."""
        weight = as_float(weight)
        bias = np.zeros(weight.shape[-1]) if bias is None else as_float(bias)
        operator = Windows(np.asarray(index), weight, bias, prod(x.shape[:-1]), groups)
        return self.step(operator, [x], (*places, weight.shape[-1]))

    def sparse(self, x: Value, matrix: Any, bias: Any, shape: Shape, size: Any = None) -> Value:
        """A sparse matrix (units, units of x); `size` as in `Sparse`."""
        from scipy.sparse import csr_array

        found: Any = csr_array(matrix)
        found.sum_duplicates()
        shift = np.zeros(found.shape[0]) if bias is None else np.broadcast_to(as_float(bias), found.shape[0])
        return self.step(Sparse(found.astype(float), shift, None if size is None else as_float(size)), [x], shape)

    def select(self, x: Value, index: np.ndarray, shape: Shape, fill: float = 0.0) -> Value:
        """The units of x at these places; −1 is a unit that holds `fill`."""
        from scipy.sparse import coo_array

        index = np.asarray(index).reshape(-1)
        here = index >= 0
        ones = np.ones(int(here.sum()))
        matrix = coo_array((ones, (np.flatnonzero(here), index[here])), shape=(len(index), prod(x.shape)))
        return self.sparse(x, matrix, np.where(here, 0.0, fill), shape)

    def scale(self, x: Value, scale: Any, shift: Any, size: Any = None) -> Value:
        """`y = scale · x + shift`, both as long as the last axis of x; `size` as in `Sparse`."""
        from scipy.sparse import diags_array

        scale, shift, size = (None if a is None else np.tile(a, prod(x.shape[:-1])) for a in (scale, shift, size))
        return self.sparse(x, diags_array(as_float(scale)), shift, x.shape, size)

    def along(self, x: Value, matrices: Sequence[np.ndarray]) -> Value:
        """For each axis before the channels a matrix (places out, places in), the same for all channels."""
        from scipy.sparse import csr_array, eye_array, kron

        whole = reduce(kron, [csr_array(m) for m in matrices] + [eye_array(x.shape[-1])])
        return self.sparse(x, whole, None, (*(len(m) for m in matrices), x.shape[-1]))

    def bend(self, x: Value, kinks: Any, pieces: Sequence[tuple[Any, Any]]) -> Value:
        """A curve of straight pieces, each a slope and an offset: a number, or one for each unit."""
        slopes, offsets = (np.array(np.broadcast_arrays(*map(as_float, part))) for part in zip(*pieces, strict=True))
        return self.step(Bend(as_float(kinks).reshape(-1), slopes, offsets), [x], x.shape)

    def smooth(self, x: Value, kind: str, a: float = 1.0, b: float = 1.0) -> Value:
        """A smooth curve, where those are allowed."""
        return self.step(Smooth(kind, float(a), float(b)), [x], x.shape)

    def reshape(self, x: Value, shape: Shape) -> Value:
        """The same units under another shape; no step."""
        return Value(x.number, tuple(shape))

    def add(self, parts: Sequence[Value]) -> Value:
        return self.step(Add(), parts, parts[0].shape)

    def join(self, parts: Sequence[Value]) -> Value:
        """Side by side along the last axis."""
        places = prod(parts[0].shape[:-1])
        widths = [part.shape[-1] for part in parts]
        joined = self.step(Join(), parts, (places * sum(widths),))
        shape = (*parts[0].shape[:-1], sum(widths))
        if places == 1:
            return self.reshape(joined, shape)
        starts = np.cumsum([0, *(places * n for n in widths[:-1])])
        index = [start + np.arange(places * n).reshape(places, n) for start, n in zip(starts, widths, strict=True)]
        return self.select(joined, np.concatenate(index, 1), shape)

    def largest(self, x: Value, index: np.ndarray, shape: Shape) -> Value:
        """The largest unit of each row of `index` (units, several), −1 being none.

        In rounds, each of pairs: `max(a, b) = b + max(0, a − b)`.
        """
        from scipy.sparse import coo_array

        index = np.array([sorted(set(row) - {-1}) + [-1] * (len(row) - len(set(row) - {-1})) for row in index.tolist()])
        while index.shape[1] > 1:
            index = np.pad(index, ((0, 0), (0, index.shape[1] % 2)), constant_values=-1)
            first, second = index[:, 0::2].reshape(-1), index[:, 1::2].reshape(-1)
            there = first >= 0
            pairs = np.flatnonzero(second >= 0)
            n, width = len(pairs), prod(x.shape)
            rows = np.tile(np.arange(n), 2)
            columns = np.concatenate([first[pairs], second[pairs]])
            ahead = self.sparse(
                x, coo_array((np.repeat([1.0, -1.0], n), (rows, columns)), shape=(n, width)), None, (n,)
            )
            ahead = self.bend(ahead, [0.0], [(0.0, 0.0), (1.0, 0.0)])
            kept = np.where(second >= 0, second, first)
            base = self.select(x, kept[there], (int(there.sum()),))
            place = np.full(len(first), -1)
            place[there] = np.arange(there.sum())
            spread = coo_array((np.ones(n), (place[pairs], np.arange(n))), shape=(int(there.sum()), n))
            x = self.add([base, self.sparse(ahead, spread, None, (int(there.sum()),))])
            index = place.reshape(index.shape[0], -1)
        return self.select(x, index[:, 0], shape)

    def refuse(self, layer: object, why: str = "") -> GeometryError | CertifyError:
        """The error for a layer that is not piecewise linear, or has no bound."""
        who = ".".join(part for part in (self.path, type(layer).__name__) if part)
        if self.curves:
            return CertifyError(
                f"{who} has no bound{why}. There are bounds for Dense, convolution, pooling, BatchNorm, sums and every "
                "activation by its name; certify the part of the network without it, or train with one of these in "
                "its place."
            )
        return GeometryError(
            phrase(
                "{who} is not piecewise linear{why}: its regions have no exact geometry. Piecewise linear are Dense, "
                "convolution, pooling, BatchNorm, relu, leaky_relu, abs, hard_tanh, hard_sigmoid and relu6; train with "
                "one of these in its place.",
                who=who,
                why=why,
            )
        )


def as_float(array: Any) -> np.ndarray:
    return np.asarray(array, np.float64)
