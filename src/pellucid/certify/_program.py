"""A lowered network as flat arrays for compiled code, with what each step may be off by when it is computed.

A run rounds: each step gives `y + r` with `|r| ≤ ρ`, `ρ = rough · (|W| m + size) + grain`, m the largest magnitudes of
its input. That holds for sums in any order, with or without fused products (Higham 2002, section 3.1). What is proven
for every such r is so of exact arithmetic, of float64, and of the network as it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np

from ..affine import ROUNDING, Add, Bend, Join, Smooth, Sparse, Step, Windows
from ..errors import SettingError
from ..geometry import Network
from ..module import Layer
from ..smooth import KINDS

DENSE, ROWS, BEND, SMOOTH, ADD, JOIN = range(6)
EXTRA = 10  # roundings of a run beside those of the sum: weights made smaller, a mean and a deviation on the way
CURVE = 32  # roundings of a run's smooth curve, of its value and of x times a little more than its slope
OWN = 4  # how often bounds are rounded for each time a value is


class Format(NamedTuple):
    """The numbers that a network runs in: half their spacing at 1, what is lost near 0, and how large they get."""

    name: str
    unit: float
    least: float
    most: float


FORMATS = {
    "float16": Format("float16", 2.0**-11, 2.0**-24, 2.0**15),
    "bfloat16": Format("bfloat16", 2.0**-8, 2.0**-126, 2.0**127),
    "float32": Format("float32", 2.0**-24, 2.0**-126, 2.0**127),
    "float64": Format("float64", ROUNDING, 2.0**-1022, 2.0**900),
    "real": Format("real", 0.0, 0.0, 2.0**900),
}


class Program(NamedTuple):
    """The steps of a network; value 0 is the input, value i + 1 the output of step i.

    `inputs[first[i]:first[i + 1]]` are the values that step i reads. The units of all values lie side by side, those of
    value v from `start[v]`; those that go into curves also side by side, those of the curve of step i from `unit[i]`.
    `at` says where in `floats` and `ints` a step has its numbers. `exact` marks values that are one affine step
    from the input, whose interval is exact in a box. `uses` is how often a value is read. No number may be above
    `most`; those below `least` may be lost.
    """

    kind: np.ndarray
    first: np.ndarray
    inputs: np.ndarray
    width: np.ndarray
    start: np.ndarray
    unit: np.ndarray
    at: np.ndarray
    floats: np.ndarray
    ints: np.ndarray
    rough: np.ndarray
    grain: np.ndarray
    exact: np.ndarray
    uses: np.ndarray
    output: int
    most: float
    least: float


@dataclass(frozen=True, eq=False)
class Certified:
    """A network that something is to be proven of: lowered, and as a program for one format of numbers.

    `runs` is the network itself, from a batch of inputs in its own `dtype` to outputs before what was set aside.
    """

    network: Network
    format: Format
    runs: Callable[[np.ndarray], Any]
    dtype: np.dtype

    @cached_property
    def program(self) -> Program:
        return Writer(self.network, self.format).program()

    @property
    def arithmetic(self) -> str:
        """What the bounds hold for, in words."""
        if self.format.name == "real":
            return "exact arithmetic on the weights, in float64 with every rounding of the bound counted"
        return (
            f"exact arithmetic on the weights, and every {self.format.name} run of them whose sums are in any order "
            f"and whose smooth curves are within {CURVE} roundings; computed in float64 with every rounding counted"
        )

    def run(self, x: np.ndarray) -> np.ndarray:
        """What the network itself makes of one input, in its own numbers."""
        return np.asarray(self.runs(x.reshape(1, *self.network.shape).astype(self.dtype))).reshape(-1)

    def representable(self, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """The nearest input that the network's numbers can say, between low and high where one is."""
        near = x.astype(self.dtype)
        near = np.where(near > high, np.nextafter(near, -np.inf, dtype=self.dtype), near)
        near = np.where(near < low, np.nextafter(near, np.inf, dtype=self.dtype), near)
        return near.astype(float)


def format_of(net: Layer | Network, arithmetic: str | None) -> Format:
    """The format of a name, or the one that the network runs in.

    Raises: SettingError for another name.
    """
    if arithmetic is None:
        arithmetic = "float64" if isinstance(net, Network) else dtype_of(net)
    if arithmetic not in FORMATS:
        raise SettingError(f"arithmetic is one of {', '.join(FORMATS)}; got {arithmetic!r}.")
    return FORMATS[arithmetic]


def dtype_of(net: Layer) -> str:
    """The type of number that the network computes in: that of its arrays."""
    arrays = [a for a in jax.tree.leaves(net) if hasattr(a, "dtype") and jax.numpy.issubdtype(a.dtype, np.floating)]
    return str(jax.dtypes.canonicalize_dtype(jax.numpy.result_type(*arrays))) if arrays else "float32"


def gamma(terms: int, unit: float) -> float:
    """`γ_n = n u / (1 − n u)`: the relative error of a sum of n products, rounded up."""
    share = terms * unit
    return share / (1 - share) * (1 + 1e-12) if share < 0.5 else np.inf


class Writer:
    """What a program is written with."""

    def __init__(self, network: Network, format: Format):
        self.network, self.format = network, format
        self.floats: list[np.ndarray] = []
        self.ints: list[np.ndarray] = []
        self.sizes = [0, 0]

    def program(self) -> Program:
        network, steps = self.network, self.network.steps
        width = np.array([network.n_in, *(step.width for step in steps)])
        inputs = [number for step in steps for number in step.inputs]
        curved = [step.width if isinstance(step.operator, Bend | Smooth) else 0 for step in steps]
        rows = [self.step(step) for step in steps]
        at = np.full((len(steps), 8), -1)
        for i, (_, places, _, _) in enumerate(rows):
            at[i, : len(places)] = places
        return Program(
            np.array([row[0] for row in rows], int),
            np.cumsum([0, *(len(step.inputs) for step in steps)]),
            np.array(inputs, int),
            width,
            np.cumsum([0, *width]),
            np.cumsum([0, *curved]),
            at,
            np.concatenate([*self.floats, np.zeros(1)]),
            np.concatenate([*self.ints, np.zeros(1, int)]),
            np.array([row[2] for row in rows], float),
            np.array([row[3] for row in rows], float),
            self.exact(),
            np.bincount([*inputs, network.output.number], minlength=len(width)),
            network.output.number,
            self.format.most,
            self.format.least / self.format.unit if self.format.unit else 0.0,
        )

    def put(self, array: Any) -> int:
        """Where these numbers stand among those of their kind."""
        array = np.ascontiguousarray(array).reshape(-1)
        whole = array.dtype.kind in "iu"
        (self.ints if whole else self.floats).append(array.astype(int if whole else float))
        place = self.sizes[whole]
        self.sizes[whole] += len(array)
        return place

    def exact(self) -> np.ndarray:
        """Whether the interval of a value is exact: the input, one affine step from it, or parts of such."""
        found, moved = [True], [True]
        for step in self.network.steps:
            match step.operator:
                case Windows() | Sparse():
                    found.append(moved[step.inputs[0]])
                    moved.append(found[-1] and isinstance(step.operator, Sparse) and step.operator.terms <= 1)
                case Join():
                    found.append(all(found[n] for n in step.inputs))
                    moved.append(all(moved[n] for n in step.inputs))
                case _:
                    found.append(False)
                    moved.append(False)
        return np.array(found)

    def step(self, step: Step) -> tuple[int, tuple[int, ...], float, float]:
        """The kind of a step, where its numbers stand, `rough` and `grain`."""
        n_in, operator = self.network.width(step.inputs[0]), step.operator
        grain = 64 * n_in * self.format.least + 2.0**-1000
        match operator:
            case Bend():
                kinks = self.put(operator.kinks)
                tables = [
                    self.put(np.broadcast_to(t.reshape(len(t), -1), (len(t), step.width)))
                    for t in (operator.slopes, operator.offsets)
                ]
                relu = int(operator.is_relu)
                rough = 0.0 if relu else gamma(EXTRA, self.format.unit)
                return BEND, (kinks, len(operator.kinks), *tables, relu), rough, grain
            case Smooth():
                places = (KINDS[operator.kind], self.put(np.array([operator.a, operator.b])))
                return SMOOTH, places, gamma(CURVE, self.format.unit), grain
            case Add():
                return ADD, (), self.rough(len(step.inputs) + 1, step.width), grain
            case Join():
                return JOIN, (), 0.0, 0.0
            case Windows() if operator.index.shape == (1, 1) and operator.groups == 1:
                weight = operator.weight.reshape(operator.terms, step.width).T
                places = (self.put(weight), self.put(operator.shift), self.put(abs(operator.shift)))
                return DENSE, places, self.rough(operator.terms, step.width), grain
            case _:
                matrix = operator.matrix if isinstance(operator, Sparse) else as_rows(operator, n_in)
                size = abs(operator.shift)
                if isinstance(operator, Sparse) and operator.size is not None:
                    size = np.maximum(size, operator.size)
                still = isinstance(operator, Sparse) and operator.terms <= 1 and bool((matrix.data == 1).all())
                rough = self.rough(operator.terms, step.width, moved=still)
                places = [self.put(a) for a in (matrix.indptr, matrix.indices, matrix.data, operator.shift, size)]
                return ROWS, tuple(places), rough, grain

    def rough(self, terms: int, width: int, moved: bool = False) -> float:
        """How much of the magnitudes a step may be off by: the run, and this program's own sums there and back.

        What a run only moves it does not round."""
        run = 0.0 if moved else gamma(terms + EXTRA, self.format.unit)
        return run + OWN * gamma(max(terms, width) + EXTRA, ROUNDING)


def as_rows(windows: Windows, n_in: int) -> Any:
    """The operator as a sparse matrix (units, units in)."""
    from scipy.sparse import coo_array

    places, (taps, each, out) = len(windows.index), windows.weight.shape[-3:]
    per_group = out // windows.groups
    channel = np.arange(out)
    first = channel // per_group * each
    inside = windows.index >= 0
    columns = windows.index[:, :, None, None] * (each * windows.groups) + first + np.arange(each)[:, None]
    rows = (np.arange(places) * out)[:, None, None, None] + channel
    weight = np.broadcast_to(windows.weight, (places, taps, each, out))
    keep = np.broadcast_to(inside[:, :, None, None], weight.shape)
    rows, columns = (np.broadcast_to(a, weight.shape)[keep] for a in (rows, columns))
    return coo_array((weight[keep], (rows, columns)), shape=(places * out, n_in)).tocsr()
