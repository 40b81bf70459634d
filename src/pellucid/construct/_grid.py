"""Interpolation on the simplices of a grid, by ReLU: for any function of several variables.

Every cell of the grid is cut into the d! simplices on which its coordinates keep their order (Freudenthal 1942, Kuhn
1960), and the function is linear on each. In two dimensions the sum of `max(0, x − i, y − j)` over the inner nodes and
of ridges along the three kinds of lines is every such function; in more it is a sum of hats.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import SettingError
from ._chain import Chain, lost
from ._target import Target

LEAST = 1 / 64  # of the most cells along an axis: how many there are along another
FINE = 2.0**-10  # of a cell: by how much the grid may reach beyond the box, so that all its nodes are exact
MOST_CELLS, MOST_NEURONS, MOST_NODES = 200_000, 20_000, 2500
MOST_BOXES = 4096  # in which a function is looked at before a form is chosen


class Grid(NamedTuple):
    """`z = x · scale + start` is 0 at the first node of each axis and `cells` at the last."""

    scale: np.ndarray
    start: np.ndarray
    cells: np.ndarray

    @property
    def step(self) -> np.ndarray:
        return 1 / self.scale

    def nodes(self, axis: int) -> np.ndarray:
        return (np.arange(self.cells[axis] + 1) - self.start[axis]) / self.scale[axis]


class Plan(NamedTuple):
    """A grid with the proven error of its interpolation, and how many neurons it takes."""

    grid: Grid
    error: float
    neurons: int


def planned(target: Target, error: float) -> Plan:
    """The coarsest grid whose error is proven to be small enough.

    The cells are the shorter along an axis the larger the second derivative along it is.

    Raises: SettingError where that takes too many cells, or nothing bounds the error.
    """
    shape, most = proportions(target), error
    low, high = 0.0, 1.0
    while (found := bound(target, grid_of(target, shape, high))) > most:
        low, high = high, 2 * high
        if count(grid_of(target, shape, high).cells) > MOST_CELLS:
            raise SettingError(
                f"An error of {error:g} takes a grid of more than {MOST_CELLS:,} cells, or is not bounded by what is "
                f"known of the function: {count(grid_of(target, shape, low).cells):,.0f} cells have {found:.3g}."
            )
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        inside = bound(target, grid_of(target, shape, middle)) <= most
        low, high = (low, middle) if inside else (middle, high)
    grid = grid_of(target, shape, high)
    return Plan(grid, bound(target, grid), neurons_of(grid.cells))


def count(cells: np.ndarray) -> float:
    return float(np.prod(cells.astype(float)))


def neurons_of(cells: np.ndarray) -> int:
    """How many ReLUs the network of a grid has."""
    m = [int(c) for c in cells]
    if len(m) == 2:
        return 2 + (m[0] - 1) + (m[1] - 1) + (m[0] + m[1] - 1) + (m[0] - 1) * (m[1] - 1) + 1
    nodes, total = np.prod([c + 1 for c in m]), 0
    for t in range(1, len(m)):
        total += 2 * int(np.prod([m[i] + m[t] + 1 for i in range(t)])) + len(m) - t
    return total + 3 * int(nodes)


def proportions(target: Target) -> np.ndarray:
    """How many cells along each axis, up to a factor: by the root of its second derivatives, in a few boxes."""
    sides = np.array(target.box)
    wide = sides[:, 1] - sides[:, 0]
    if target.operations is None:
        return wide / wide.max()
    low, high = boxes_of(sides, np.full(target.d, 8 if target.d == 2 else per_axis(target.d, 4)))
    bent = target.jets(low, high).curve.most @ wide / wide
    bent = np.where(np.isfinite(bent), bent, 1.0).max(0)
    shape = wide * np.sqrt(bent)
    return np.maximum(shape / max(shape.max(), 1e-300), LEAST)


def per_axis(d: int, wanted: int) -> int:
    """Cells along each of d axes: as wanted, or so few that they are not too many."""
    return max(1, min(wanted, int(MOST_BOXES ** (1 / d) + 1e-9)))


def boxes_of(sides: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cells of an even grid, (cells, d)."""
    edges = [np.linspace(low, high, n + 1) for (low, high), n in zip(sides, cells, strict=True)]
    low = np.stack(np.meshgrid(*(e[:-1] for e in edges), indexing="ij"), -1).reshape(-1, len(cells))
    high = np.stack(np.meshgrid(*(e[1:] for e in edges), indexing="ij"), -1).reshape(-1, len(cells))
    return low, high


def grid_of(target: Target, shape: np.ndarray, size: float) -> Grid:
    """A grid over the box, with nodes that float32 arithmetic meets exactly; it may reach a little beyond the box."""
    made = []
    for (low, high), share in zip(target.box, shape, strict=True):
        n = max(1, int(np.ceil(share * size)))
        scale = float(np.float32(n / (high - low)))
        start = -low * scale
        if scale * (high - low) != n or start != np.round(start / FINE) * FINE:
            scale = float(np.float32((n - 2 * FINE) / (high - low) * (1 - 2.0**-20)))
            start = float(np.ceil(-low * scale / FINE) * FINE)
        made.append((scale, start, n))
    scale, start, cells = (np.array(column) for column in zip(*made, strict=True))
    if abs(start).max() > 2**12:
        raise SettingError("Float32 has no room for so fine a grid so far from 0: move the box nearer to it.")
    return Grid(scale, start, cells)


def bound(target: Target, grid: Grid) -> float:
    """The largest error of the interpolation that what is known of the function allows.

    At a place in a cell the corners of its simplex, weighted as they are there, have a variance of at most `h² / 4`
    along each axis. So the error is at most `Σ |∂²f / ∂x_i ∂x_j| h_i h_j / 8`, and `Σ |∂f / ∂x_i| h_i / 2`; with the
    curvature along a direction bounded by M, `M |h|² / 8`, and with the Lipschitz constant L, `L |h| / 2`.
    """
    h, choices = grid.step, []
    if target.curvature is not None:
        choices.append(np.array([target.curvature * (h @ h) / 8]))
    if target.lipschitz is not None:
        choices.append(np.array([target.lipschitz * np.sqrt(h @ h) / 2]))
    if target.operations is not None and count(grid.cells) <= MOST_CELLS:
        sides = np.stack([grid.nodes(i)[[0, -1]] for i in range(target.d)])
        low, high = boxes_of(sides, grid.cells)
        found = target.jets(np.nextafter(low, -np.inf), np.nextafter(high, np.inf))
        choices.append(np.einsum("bij,i,j->b", found.curve.most, h, h) / 8)
        choices.append(found.slope.most @ h / 2)
    return float(np.minimum.reduce(np.broadcast_arrays(*choices)).max()) * (1 + 1e-9) if choices else np.inf


def values_at(target: Target, grid: Grid) -> tuple[np.ndarray, float]:
    """The function at all nodes, and how far rounding may move it."""
    at = np.stack(np.meshgrid(*(grid.nodes(i) for i in range(target.d)), indexing="ij"), -1)
    x = at.reshape(-1, target.d)
    if target.operations is None:
        return target.middle(x).reshape(at.shape[:-1]), 0.0
    around = [np.nextafter(x, -np.inf), np.nextafter(x, np.inf)]
    found = target.ranges(*around)
    return ((found.low + found.high) / 2).reshape(at.shape[:-1]), float((found.high - found.low).max())


def interpolation(target: Target, plan: Plan) -> tuple[Chain, float]:
    """The chain, and its proven error with all that float32 takes away.

    Raises: SettingError where it would be too large a network.
    """
    if plan.neurons > MOST_NEURONS or (target.d > 2 and np.prod(plan.grid.cells + 1) > MOST_NODES):
        raise SettingError(f"The grid takes {plan.neurons:,} neurons: that is too many, so allow a larger error.")
    values, rounding = values_at(target, plan.grid)
    chain = plane(plan.grid, values) if target.d == 2 else hats(plan.grid, values)
    sums = 2.0**-49 * float(abs(values).max()) * chain.neurons * int(plan.grid.cells.max())  # float64's, in the weights
    return chain, plan.error + rounding + sums + lost(chain, target.box)


def plane(grid: Grid, values: np.ndarray) -> Chain:
    """The interpolation in two dimensions, by `max(0, z_1 − i, z_2 − j)` at inner nodes and ridges.

    Across an edge of the triangulation the slope jumps. The jump along `z_2 = j` falls by the coefficient of node
    (i, j) from its left to its right, because that node's function has its kink on its left alone; so with the other
    lines. The jumps at the end of a line are those of its ridge.
    """
    m, n = (int(c) for c in grid.cells)
    across = values[1:, 1:] - values[:-1, :-1]  # both up
    right, up = np.diff(values, axis=0), np.diff(values, axis=1)
    # jump along z_2 = j, on the edge from node i − 1 to i: the slope up at (i, j), less that at (i − 1, j − 1)
    level = up[1:, 1:] - up[:-1, :-1]
    upright = right[1:, 1:] - right[:-1, :-1]
    slant = diagonal_jumps(values, across)
    inner = np.zeros((m + 1, n + 1))
    inner[1:m, 1:n] = level[: m - 1] - level[1:]
    ridges_y, ridges_x = level[m - 1], upright[:, n - 1]  # along z_2 = 1 … n − 1 and z_1 = 1 … m − 1
    first = [slant[max(0, k), max(0, -k)] for k in range(1 - n, m)]  # where each diagonal enters the grid
    return assembled(grid, values, inner, np.array(ridges_x), np.array(ridges_y), np.array(first))


def diagonal_jumps(values: np.ndarray, across: np.ndarray) -> np.ndarray:
    """The jump of the slope along z_1 across the diagonal of every cell: below it, less above it."""
    below = values[1:, :-1] - values[:-1, :-1]
    return below - (across - (values[:-1, 1:] - values[:-1, :-1]))


def assembled(
    grid: Grid, values: np.ndarray, inner: np.ndarray, x: np.ndarray, y: np.ndarray, slant: np.ndarray
) -> Chain:
    """Two layers: z_1, z_2 and the ridges; then the inner nodes, and one unit that hands on all the rest."""
    m, n = (int(c) for c in grid.cells)
    (a, b), (s, t) = grid.scale, grid.start
    diagonals = np.arange(1 - n, m)
    one = np.column_stack([
        [a, 0], [0, b], *([[a, 0]] * (m - 1)), *([[0, b]] * (n - 1)), *([[a, -b]] * len(diagonals)),
    ]).astype(float)  # fmt: skip
    shift = np.concatenate([[s, t], s - np.arange(1, m), t - np.arange(1, n), s - t - diagonals])
    i, j = (k.reshape(-1) for k in np.meshgrid(np.arange(1, m), np.arange(1, n), indexing="ij"))
    start = m + n  # where the diagonals begin
    two = np.zeros((len(shift), len(i) + 1))
    two[1, :-1] = 1
    two[start + (i - j) - (1 - n), np.arange(len(i))] = 1

    def ridges(z: np.ndarray) -> np.ndarray:
        parts = [np.maximum(z[:, :1] - np.arange(1, m), 0) @ x, np.maximum(z[:, 1:] - np.arange(1, n), 0) @ y]
        return parts[0] + parts[1] + np.maximum(z[:, :1] - z[:, 1:] - diagonals, 0) @ slant

    corner = np.array([[0, 0], [1, 1], [0, 1]], float)
    rest = values[[0, 1, 0], [0, 1, 1]] - ridges(corner)
    slope = np.array([rest[1] - rest[2], rest[2] - rest[0]])
    carry = np.concatenate([slope, x, y, slant])
    high = np.concatenate([[m, n], m - np.arange(1, m), n - np.arange(1, n), np.maximum(m - diagonals, 0)])
    low = float(rest[0] + np.minimum(carry, 0) @ high - 1e-6 * (abs(carry) @ high + abs(rest[0])))
    low = float(np.float32(low))
    two[:, -1] = carry
    bias = np.append(-j.astype(float), rest[0] - low)
    out = np.append(inner[i, j], 1.0)[:, None]
    used = np.append(np.flatnonzero(out[:-1, 0]), len(i))  # a node at which nothing bends needs no unit
    read = two[:, used].any(1)
    return Chain(((one[:, read], shift[read]), (two[read][:, used], bias[used]), (out[used], np.array([low]))))


def hats(grid: Grid, values: np.ndarray) -> Chain:
    """The interpolation in more dimensions, `Σ f(v) relu(1 − max(0, z − v) − max(0, v − z))`.

    `max(z_1 − v_1, …, z_t − v_t) = z_t − v_t + U_(t−1)`, with `U_t = relu(max of the first t, less z_(t+1) − v_(t+1))`
    the same for all nodes whose first coordinates differ alike: those are built once, for z and for −z.
    """
    d = len(grid.cells)
    nodes = np.array(list(np.ndindex(*(int(c) + 1 for c in grid.cells))))
    read, weight, bias, maps = np.eye(d), np.diag(grid.scale), grid.start.astype(float), []
    before: dict[tuple[int, ...], int] = {}
    for t in range(1, d + 1):
        keys = np.unique(nodes[:, :t] - nodes[:, t : t + 1], axis=0) if t < d else nodes
        columns, shifts = [], []
        for sign in (1.0, -1.0):
            for key in keys.tolist():
                last = key[t - 1]
                column = sign * (read[t - 1] - (read[t] if t < d else 0))
                if t > 1:
                    column = column + unit(len(column), before[(*(k - last for k in key[:-1]), int(sign))])
                columns.append(column)
                shifts.append(-sign * last)
        made = np.column_stack([*columns, *read[t:]])
        maps.append((weight @ made, bias @ made + np.array([*shifts, *[0.0] * (d - t)])))
        before = {
            (*key, sign): i + (0 if sign > 0 else len(keys)) for sign in (1, -1) for i, key in enumerate(keys.tolist())
        }
        weight, bias = np.eye(made.shape[1]), np.zeros(made.shape[1])
        read = np.vstack([np.zeros((t, made.shape[1])), np.eye(made.shape[1])[len(columns) :]])
    n = len(nodes)
    maps += [(-np.vstack([np.eye(n), np.eye(n)]), np.ones(n)), (values.reshape(-1, 1), np.zeros(1))]
    return Chain(tuple(maps))


def unit(n: int, place: int) -> np.ndarray:
    found = np.zeros(n)
    found[place] = 1
    return found
