"""C2: hyperplanes cut input space into regions, in each the network is linear; the boundary is made of flat pieces."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import DataError
from ..geometry import Complex, complex_of, enumerate_regions, slice_of, zaslavsky
from ..language import phrase
from ..layers import Activation, Dense, Sequential, mlp
from ..losses import loss
from ..module import Layer
from ..train import bundled
from ._evidence import Cut
from ._given import Given
from ._learn import learned
from ._record import Check, Found, at_most, equal, short

FAULTS = {
    "parallel": phrase("Two of the hyperplanes are parallel, so that they are not in general position."),
    "neighbours-map": phrase("Every region is given the linear map of another region."),
    "torn-boundary": phrase("One piece of the decision boundary is left out."),
}
CODE = (zaslavsky, Complex.map, Complex.boundary)
LINES, PLANES = 10, 7
ROUNDING = 1e-9  # of the largest output: what float64 leaves of the sums over all layers
MOST_MAPS = 400


def experiment(given: Given, fault: str | None = None) -> Found:
    """Regions counted beside Zaslavsky's formula, every map beside the network, every end of the boundary."""
    if given.own:
        net, x, y, axes, outputs = iris()
        name, cut = phrase("iris"), complex_of(net, box_of(x))
        counted, on = [lines(fault), planes(fault)], phrase("two arrangements, and a network trained on iris")
    else:
        name, on, axes, outputs = given.words, given.words, (), ()
        net, x, y, cut = sliced(given)
        counted = first_layer(net, cut, fault)
    boundary = cut.boundary()
    pieces = boundary.lines if fault != "torn-boundary" else torn(boundary.lines)
    off, loose = off_the_network(cut, net, fault), loose_ends(pieces, cut.box)
    checks = (
        *counted,
        at_most(phrase("{on}: the maps of the regions beside the network, relative", on=name), ROUNDING, off),
        equal(phrase("{on}: loose ends of the boundary inside the picture", on=name), 0, loose),
        at_most(phrase("{on}: how far the boundary's pieces are from a tie, relative", on=name), ROUNDING,
                off_a_tie(pieces, cut)),
    )  # fmt: skip
    measured = {
        "lines": told(counted[0]) if counted else "", "on": name, "regions": cut.count, "off": short(off),
        "pieces": sum(len(line) - 1 for line in pieces), "curves": len(pieces), "loose": loose,
    }  # fmt: skip
    return Found(on, checks, measured, Cut(cut, x, y, axes, outputs))


def told(check: Check) -> str:
    return phrase("{what}: {found:,.0f} were counted, and {expected:,.0f} are expected.", what=check.what,
                  found=check.found, expected=check.expected)  # fmt: skip


def lines(fault: str | None) -> Check:
    """Ten lines in the plane."""
    weight, bias = drawn(2, LINES, fault)
    found = complex_of(layer_of(weight, bias), around(weight, bias))
    return equal(phrase("Regions of {n} lines in 2 dimensions", n=LINES), zaslavsky(LINES, 2), found.count)


def planes(fault: str | None) -> Check:
    """Seven planes in space."""
    weight, bias = drawn(3, PLANES, fault)
    found = enumerate_regions(layer_of(weight, bias), around(weight, bias))
    return equal(phrase("Regions of {n} planes in 3 dimensions", n=PLANES), zaslavsky(PLANES, 3), found.count)


def drawn(d: int, n: int, fault: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Hyperplanes at random, which are in general position; with the fault, two of them parallel."""
    rng = np.random.default_rng(3)
    weight, bias = rng.normal(size=(d, n)), rng.normal(size=n)
    if fault == "parallel":
        weight[:, 1] = weight[:, 0]
    return weight, bias


def layer_of(weight: np.ndarray, bias: np.ndarray) -> Sequential:
    return Sequential([Dense(jnp.asarray(weight, jnp.float32), jnp.asarray(bias, jnp.float32)), Activation("relu")])


def corners(weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Where as many hyperplanes meet as there are dimensions."""
    d, n = weight.shape
    sets = np.array(list(combinations(range(n), d)))
    normals = weight.T[sets]
    kept = abs(np.linalg.det(normals)) > 1e-9
    return np.linalg.solve(normals[kept], -bias[sets[kept]][..., None])[..., 0]


def around(weight: np.ndarray, bias: np.ndarray) -> list[tuple[float, float]]:
    """A box that all regions reach into: it holds every corner, and some room."""
    met = corners(weight, bias)
    low, high = met.min(0), met.max(0)
    room = 0.1 * (high - low) + 1
    return list(zip((low - room).tolist(), (high + room).tolist(), strict=True))


def first_layer(net: Layer, cut: Complex, fault: str | None) -> list[Check]:
    """The hyperplanes of the network's own first layer; none where it is no Dense layer with ReLU in general position.

    A user's network is looked at in the plane of the cut.
    """
    layers = list(getattr(net, "layers", ()))[:2]
    if len(layers) < 2 or not isinstance(layers[0], Dense) or getattr(layers[1], "name", "") != "relu":
        return []
    weight = np.asarray(layers[0].weight, float)
    bias = np.zeros(weight.shape[1]) if layers[0].bias is None else np.asarray(layers[0].bias, float)
    if cut.plane is not None:
        bias, weight = bias + cut.plane.origin @ weight, cut.plane.directions @ weight
    met = corners(weight, bias)
    n = weight.shape[1]
    apart = len(np.unique(np.round(met, 9), axis=0))
    if n < 2 or apart < n * (n - 1) // 2:  # some are parallel, or three meet in a point
        return []
    if fault == "parallel":
        weight[:, 1] = weight[:, 0]
    found = complex_of(layer_of(weight, bias), around(weight, bias))
    return [equal(phrase("Regions of the first layer's {n} lines in this plane", n=n), zaslavsky(n, 2), found.count)]


def iris() -> tuple[Layer, np.ndarray, np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """A network for the kinds of iris by the length and width of their petals, its rows, and all their names."""
    table, target = bundled("iris")
    columns = table.columns[2:4]
    x = table.select(columns).to_numpy().astype(np.float32)
    names, y = np.unique(table[target].to_numpy(), return_inverse=True)
    net = learned(mlp([2, 16, 16, 3], key=0), x, y.astype(np.int32), loss("cross_entropy"), 1000).net
    return net, x, y, tuple(columns), tuple(map(str, names))


def box_of(x: np.ndarray) -> list[tuple[float, float]]:
    low, high = x.min(0), x.max(0)
    room = 0.15 * (high - low) + 1e-6
    return list(zip((low - room).tolist(), (high + room).tolist(), strict=True))


def sliced(given: Given) -> tuple[Layer, np.ndarray, np.ndarray, Complex]:
    """The user's network in the plane of its two inputs, or in the principal plane of its rows."""
    x = given.inputs()
    x = x.reshape(len(x), -1)
    classes = np.zeros(len(x), int) if given.rows is None or not given.rows.classes else np.asarray(given.rows.y)
    net = given.net
    if net is None:
        assert given.rows is not None
        n_out = given.rows.outputs if given.rows.y is not None else 1
        net = mlp([x.shape[1], 16, 16, n_out], key=0)
        if given.rows.y is not None:
            net = learned(net, x, given.rows.fitted(n_out), given.rows.loss(n_out), 600).net
    if x.shape[1] == 2:
        return net, x, classes, complex_of(net, box_of(x))
    if given.rows is None:
        raise DataError(f"The network has {x.shape[1]} inputs: it is looked at in a plane through rows: give data.")
    cut = slice_of(net, pca=given.rows.x)
    return net, cut.plane.coordinates(x), classes, cut  # pyright: ignore[reportOptionalMemberAccess]


def off_the_network(cut: Complex, net: Layer, fault: str | None) -> float:
    """The largest difference between a region's own map and the network in its middle, relative to the outputs."""
    some = np.random.default_rng(0).permutation(cut.count)[:MOST_MAPS]
    at = cut.centres[some]
    x = at if cut.plane is None else cut.plane.points(at)
    wrong = fault == "neighbours-map"
    maps = [cut.map(int(f if not wrong else (f + 1) % cut.count)) for f in some]
    told = np.array([row @ one.weight + one.bias for row, one in zip(x, maps, strict=True)])
    truth = cut.network(x) if cut.network.set_aside else in_float64(net, x.reshape(len(x), *cut.network.shape))
    return float(abs(told - truth).max() / max(abs(truth).max(), 1e-300))


def in_float64(net: Layer, x: np.ndarray) -> np.ndarray:
    """The network's own outputs, by its layers and not by their geometry."""
    with jax.enable_x64(True):
        wide: Any = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), net)
        return np.asarray(wide(jnp.asarray(x, jnp.float64))).reshape(len(x), -1)


def torn(pieces: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """The boundary without one straight piece of its longest line."""
    longest = max(range(len(pieces)), key=lambda i: len(pieces[i]))
    line, middle = pieces[longest], len(pieces[longest]) // 2
    halves = [part for part in (line[:middle], line[middle:]) if len(part) > 1]
    return (*pieces[:longest], *halves, *pieces[longest + 1 :])


def loose_ends(pieces: tuple[np.ndarray, ...], box: Any) -> int:
    """Ends of lines that lie inside the box, and at which no other line ends: gaps in the boundary."""
    ends = Counter(tuple(end) for line in pieces if (line[0] != line[-1]).any() for end in (line[0], line[-1]))
    (x0, x1), (y0, y1) = box
    return sum(n == 1 and not (x in (x0, x1) or y in (y0, y1)) for (x, y), n in ends.items())


def off_a_tie(pieces: tuple[np.ndarray, ...], cut: Complex) -> float:
    """The largest difference of the two largest outputs (of a single output: from 0) along the pieces."""
    if not pieces:
        return 0.0
    middles = np.concatenate([(line[:-1] + line[1:]) / 2 for line in pieces])
    z = cut.flat(middles)
    apart = abs(z[:, 0]) if z.shape[1] == 1 else np.diff(np.sort(z, 1)[:, -2:], axis=1)[:, 0]
    return float(apart.max() / max(abs(cut.values).max(), 1e-300))
