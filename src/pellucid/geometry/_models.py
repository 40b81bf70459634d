"""The linear models that a network really uses on a data set, one for each region that its rows occupy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from ..errors import DataError, GeometryError
from ..language import phrase
from ..module import Layer
from ..records import Record
from ..train import Run
from ._explain import REFUSED
from ._given import Given, given
from ._network import Network
from ._polytope import merged

CHUNK = 2**22  # numbers in the patterns of the rows that are looked at together
MOST = 2**26  # numbers in all maps


@dataclass(frozen=True)
class LinearModel(Record):
    """One affine map and the rows it answers: weight (n_in, outputs) and bias (outputs,), in the users' own units.

    `regions` is how many regions have this map. `residual` is the largest distance of the map from the network on these
    rows, relative to the largest of its terms there.
    """

    rows: np.ndarray
    regions: int
    weight: np.ndarray
    bias: np.ndarray
    residual: float


@dataclass(frozen=True)
class LinearModels(Record):
    """The regions and the linear models of a data set.

    `region` numbers the region of each row, the one with most rows being 0, and `sizes` counts the rows of each;
    `sharing` rows are not alone in theirs. `models` are the different maps, those with most rows first.
    """

    rows: int
    regions: int
    sizes: np.ndarray
    sharing: int
    region: np.ndarray
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    link: str
    models: tuple[LinearModel, ...]
    residual: float

    @property
    def largest(self) -> int:
        """The rows of the region that holds most."""
        return int(self.sizes[0])


def linear_models(net: Layer | Network | Run, rows: Any, output: Any = None) -> LinearModels:
    """How many regions these rows occupy, how many rows share one, and the different linear models that answer them.

    Rows are inputs (n, ...), or for a run raw rows. `output` is a number or a name; by default all outputs. Regions
    with the same map are one model: to 1e-9 of the steepest weight.

    Raises: DataError where there are no rows; GeometryError where a layer is not piecewise linear, the maps would not
        fit into memory, or one misses the network by more than 1e-6; SettingError where there is no such output.
    Example:
        >>> from pellucid.layers import Activation
        >>> found = linear_models(Activation("abs"), np.array([[1.0], [2.0], [-3.0]]))
        >>> found.regions, found.largest, [model.weight.tolist() for model in found.models]
        (2, 2, [[[1.0]], [[-1.0]]])
    """
    found = given(net, rows, single=False)
    network, points = found.network, found.points
    if not len(points):
        raise DataError("There are no rows to look at: the data is empty.")
    outputs = list(range(network.n_out)) if output is None else [found.chosen(output, np.zeros(network.n_out))]
    region, firsts = regions_of(network, points)
    width = (network.n_in + 1) * len(outputs)
    if len(firsts) * width > MOST:
        raise GeometryError(
            phrase(
                "The rows lie in {n:,} regions, and their maps would take {size:.1f} GB: give one output=, or fewer "
                "rows.",
                n=len(firsts),
                size=len(firsts) * width * 8 / 2**30,
            )
        )
    maps = [network.local(points[i], outputs) for i in firsts]
    table = np.array([np.append(one.weight, one.bias) for one in maps])
    table /= max(float(np.abs(table).max(initial=0.0)), 1e-300)
    groups = merged(table, np.zeros(len(table)), 0.0)
    members = np.argsort(region, kind="stable")
    ends = np.cumsum(np.bincount(region))[:-1]
    by_region = np.split(members, ends)
    models = [model_of(found, outputs, maps[group[0]], [by_region[i] for i in group]) for group in groups]
    models.sort(key=lambda model: -len(model.rows))
    sizes = np.bincount(region)
    return LinearModels(
        len(points), len(firsts), sizes, int(sizes[sizes > 1].sum()), region, found.names,
        tuple(found.outputs[k] for k in outputs), found.link, tuple(models), max(model.residual for model in models),
    )  # fmt: skip


def regions_of(network: Network, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each row's region, by how many rows it has, and the first row of each region."""
    seen: dict[bytes, int] = {}
    codes = np.array([seen.setdefault(key, len(seen)) for key in patterns(network, points)])
    sizes = np.bincount(codes)
    _, firsts = np.unique(codes, return_index=True)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[codes], firsts[order]


def patterns(network: Network, points: np.ndarray) -> Iterator[bytes]:
    """A short name for the pattern of each row: 128 bits of a hash."""
    units = sum(step.width for step in network.bends)
    size = max(1, CHUNK // max(units, network.n_in))
    for i in range(0, len(points), size):
        some = points[i : i + size]
        pieces = network.pieces(some)
        rows = np.concatenate(pieces, 1) if pieces else np.zeros((len(some), 1), np.int8)
        yield from (blake2b(row.tobytes(), digest_size=16).digest() for row in rows)


def model_of(found: Given, outputs: list[int], local: Any, regions: list[np.ndarray]) -> LinearModel:
    """The record of one map, held against the network on all of its rows."""
    rows = np.sort(np.concatenate(regions))
    points = found.points[rows]
    said = points @ local.weight + local.bias
    terms = np.maximum(np.abs(points) @ np.abs(local.weight), np.abs(local.bias)) + 1e-300
    missed = float((np.abs(said - found.network(points)[:, outputs]) / terms).max())
    if not missed <= REFUSED:
        raise GeometryError(
            phrase(
                "A map misses the network by {part:.1e} of its terms: its numbers are too large for float64.",
                part=missed,
            )
        )
    weight, bias = found.original(local.weight, local.bias, outputs)
    return LinearModel(rows, len(regions), weight, bias, missed)
