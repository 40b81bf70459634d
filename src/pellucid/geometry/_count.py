"""How many regions there can be: formulas and bounds, and a found number set beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, prod

from ..affine import Bend
from ..errors import SettingError
from ..module import Layer
from ..records import Record
from ._network import Network, lowered


@dataclass(frozen=True)
class CountAfter(Record):
    """The regions after one bend, and how many any network of these widths can have there.

    `lines` is the number of its hyperplanes, `found` None where it was not counted. `most_bound` is the name of the
    upper bound, `some_reach` a number that some network of these widths reaches (None where none is known).
    """

    bend: str
    units: int
    lines: int
    found: int | None
    most: int
    most_bound: str
    some_reach: int | None

    @property
    def share(self) -> float | None:
        """The found number as a share of the upper bound."""
        return None if self.found is None else self.found / self.most


@dataclass(frozen=True)
class Counts(Record):
    """The number of regions of a network by depth, beside the bounds; `dimension` is that of the box or the slice."""

    dimension: int
    after: tuple[CountAfter, ...]

    @property
    def found(self) -> int | None:
        return self.after[-1].found if self.after else 1

    @property
    def most(self) -> int:
        return self.after[-1].most if self.after else 1


def zaslavsky(n: int, d: int) -> int:
    """The regions that n hyperplanes in general position cut d dimensions into: `Σ_{j ≤ d} C(n, j)`.

    Other positions give fewer.

    Raises: SettingError for a negative number.
    Source: Zaslavsky 1975; Schläfli 1901.
    Example:
        >>> zaslavsky(3, 2), zaslavsky(5, 1), zaslavsky(2, 7)
        (7, 6, 4)
    """
    checked([n], d)
    return sum(comb(n, j) for j in range(d + 1))


def montufar(widths: Sequence[int], d: int) -> int:
    """A number of linear regions that some ReLU network has: `Π_{l < L} ⌊n_l / d⌋^d · Σ_{j ≤ d} C(n_L, j)`.

    Of as many of the d inputs as makes it largest; all layers must have as many units as that.

    Raises: SettingError for a negative number.
    Source: Montúfar, Pascanu, Cho and Bengio 2014, theorem 4.
    Example:
        >>> montufar([4, 4], 2), montufar([8], 2)
        (44, 37)
    """
    checked(widths, d)
    *before, last = widths or [0]
    dimensions = range(1, min([d, *before]) + 1)
    return max((prod((n // k) ** k for n in before) * zaslavsky(last, k) for k in dimensions), default=1)


def serra(widths: Sequence[int], d: int) -> int:
    """An upper bound of the regions of a ReLU network: `Σ_J Π_l C(n_l, j_l)`, over all j that the dimensions leave.

    Where j_l of the units of a layer are off, what leaves it has `n_l − j_l` dimensions at most:
    `j_l ≤ min(d, n_1 − j_1, …, n_{l−1} − j_{l−1}, n_l)`.

    Raises: SettingError for a negative number.
    Source: Serra, Tjandraatmadja and Ramalingam 2018, theorem 1.
    Example:
        >>> serra([8], 2), serra([4, 4], 2), serra([1, 8], 2)
        (37, 121, 10)
    """
    checked(widths, d)
    ways = Counter({d: 1})  # of so many dimensions that are left
    for n in widths:
        further: Counter[int] = Counter()
        for dimension, count in ways.items():
            for j in range(min(dimension, n) + 1):
                further[min(dimension, n - j)] += count * comb(n, j)
        ways = further
    return sum(ways.values())


def checked(widths: Sequence[int], d: int) -> None:
    if d < 0 or any(n < 0 for n in widths):
        raise SettingError(f"Widths and dimensions are at least 0, got {list(widths)} and {d}.")


def counts(net: Layer | Network, found: Sequence[int] | None = None, dimension: int | None = None) -> Counts:
    """The number of regions after each bend beside its bounds; `found` are those counted, such as `Regions.per_bend`.

    The bounds are for `dimension` inputs, by default all. For layers of ReLU one behind the other they are those of
    `serra` and `montufar`; otherwise every region before a bend is cut by no more than all its hyperplanes,
    `Π_l Σ_{j ≤ d} C(lines_l, j)`.

    Raises: SettingError where `found` has not a number for each bend.
    Source: Raghu et al. 2017, theorem 1, for the last.
    Example:
        >>> import pellucid as pl
        >>> told = counts(pl.mlp([2, 8, 8, 1], key=0), [37, 80])
        >>> [(row.bend, row.found, row.most) for row in told.after]
        [('layers[1]', 37, 37), ('layers[3]', 80, 1369)]
    """
    network = lowered(net)
    d = network.n_in if dimension is None else dimension
    if found is not None and len(found) != len(network.bends):
        raise SettingError(f"The network has {len(network.bends)} bends; there are {len(found)} numbers of regions.")
    in_a_row, relu, widths, loose, rows = True, True, [], 1, []
    bends = iter(range(len(network.bends)))
    for step in network.steps:
        in_a_row = in_a_row and step.inputs == (step.output - 1,)
        if not isinstance(step.operator, Bend):
            continue
        i, lines = next(bends), step.width * len(step.bend.kinks)
        widths.append(step.width)
        loose *= zaslavsky(lines, d)
        relu = relu and in_a_row and step.operator.is_relu
        bound, name = (serra(widths, d), "Serra et al. 2018") if relu else (loose, "Raghu et al. 2017")
        reach = montufar(widths, d) if relu else None
        rows.append(
            CountAfter(step.path, step.width, lines, None if found is None else int(found[i]), bound, name, reach)
        )
    return Counts(d, tuple(rows))
