"""What colour the faces of a complex have, and what is told of each where the pointer rests on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..geometry import Complex
from ..language import phrase
from ._answers import rgb
from ._colours import BLUE, MANY, ORANGE
from .words import cut, number, share

SMOOTH = 20_000  # faces, up to which every pixel is coloured by the map of its face; above, a face has one colour
PIXELS = 640  # along the longer side of a picture
MOST_SAID = 3  # outputs whose map is told
FAINT, STRONG = 0.07, 0.8
STRAIGHT = 1e-6  # the sine of an angle that nobody sees
Box = tuple[tuple[float, float], tuple[float, float]]
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def pixel_middles(box: Box, pixels: int = PIXELS) -> np.ndarray:
    """The middles of the pixels of a picture of the box, (high, wide, 2), the lowest row first."""
    (x0, x1), (y0, y1) = box
    high = int(np.clip(pixels * (y1 - y0) / (x1 - x0), pixels // 2, pixels))
    x = x0 + (np.arange(pixels) + 0.5) * (x1 - x0) / pixels
    y = y0 + (np.arange(high) + 0.5) * (y1 - y0) / high
    return np.stack(np.meshgrid(x, y), -1)


def faces_at(mesh: Any, box: Box, points: np.ndarray) -> np.ndarray:
    """The face of a mesh at each pixel, (high, wide)."""
    return mesh.locate(points.reshape(-1, 2), box).reshape(points.shape[:2])


def outputs_at(found: Complex, points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The outputs at each pixel, (high, wide, n_out): by the map of its face, or the mean of its corners."""
    if found.complete and found.count <= SMOOTH:
        maps = found.maps
        return np.stack([
            np.einsum("wi,wio->wo", at, maps.slopes[face]) + maps.offsets[face]
            for at, face in zip(points, faces, strict=True)
        ])  # fmt: skip
    return found.mesh.mean_of(found.values)[faces]


class Scale:
    """From outputs to colours: of one output above and below the level, of several the largest and its margin."""

    def __init__(self, values: np.ndarray, level: float | None, n_out: int):
        self.n_out, self.level = n_out, level
        if n_out == 1:
            low, high = float(values.min()), float(values.max())
            self.sided = level is not None and low < level < high
            self.middle = float(level or 0.0) if self.sided else low
            self.low, self.high = (low, high) if self.sided else (low, max(high, low + 1e-300))
            self.far = max(high - self.middle, self.middle - low) or 1.0
        else:
            top = np.sort(values, 1)[:, -2:]
            self.far = float(np.quantile(top[:, 1] - top[:, 0], 0.95)) or 1.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Outputs (..., n_out) -> red, green, blue and strength (..., 4)."""
        if self.n_out == 1:
            part = (values[..., 0] - self.middle) / self.far
            base = np.where(part[..., None] >= 0, rgb(BLUE), rgb(ORANGE))
            strength = FAINT + (STRONG - FAINT) * np.clip(abs(part), 0, 1)
        else:
            answer = values.argmax(-1)
            base = np.array([rgb(MANY[i % len(MANY)]) for i in range(self.n_out)])[answer]
            two = np.partition(values, self.n_out - 2, -1)[..., -2:]
            part = np.clip((two[..., 1] - two[..., 0]) / self.far, 0, 1)
            strength = 0.16 + (STRONG - 0.16) * np.sqrt(part)
        return np.concatenate([base, strength[..., None]], -1)


def by_direction(slopes: np.ndarray, most: float) -> np.ndarray:
    """Slopes (..., 2) as colours: the hue is the direction that leads uphill, the strength how steep it is."""
    from matplotlib.colors import hsv_to_rgb

    hue = (np.arctan2(slopes[..., 1], slopes[..., 0]) / (2 * np.pi)) % 1
    steep = np.linalg.norm(slopes, axis=-1)
    base = hsv_to_rgb(np.stack([hue, np.full_like(hue, 0.78), np.full_like(hue, 0.78)], -1))
    return np.concatenate([base, (FAINT + (0.9 - FAINT) * np.clip(steep / most, 0, 1))[..., None]], -1)


def leading_slopes(found: Complex, output: int | None) -> np.ndarray:
    """The slopes (faces, 2) of one output; of several, by default, of how far the largest is ahead of the next."""
    slopes = found.maps.slopes
    if output is not None:
        return slopes[..., output]
    if slopes.shape[2] == 1:
        return slopes[..., 0]
    order = np.argsort(found.mesh.mean_of(found.values), 1)
    each = np.arange(found.count)
    return slopes[each, :, order[:, -1]] - slopes[each, :, order[:, -2]]


def told_apart(found: Complex, colours: int = 7, most: int = 10) -> np.ndarray:
    """A colour number for each face such that neighbours differ, one face after the other.

    A face with neighbours in all `colours` takes another, up to `most`; should these be used up too, it has that of a
    neighbour.
    """
    from scipy.sparse import coo_array

    sides = found.sides[(found.sides >= 0).all(1)]
    pairs = np.concatenate([sides, sides[:, ::-1]])
    near = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(found.count,) * 2).tocsr()
    start, other = np.asarray(near.indptr).tolist(), np.asarray(near.indices).tolist()
    chosen = [-1] * found.count
    for f in range(found.count):
        taken = {chosen[g] for g in other[start[f] : start[f + 1]]}
        first = (f * 5) % colours  # all colours are used about as often
        order = [*((first + i) % colours for i in range(colours)), *range(colours, most)]
        chosen[f] = next((colour for colour in order if colour not in taken), first)
    return np.array(chosen)


def said_of_faces(found: Complex, names: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """Of every face its share of the area and its map, in words."""
    total = found.areas.sum()
    maps, middle = found.maps, found.mesh.mean_of(found.values)
    said = []
    for f in range(found.count):
        part = share(found.areas[f] / total)
        lines: list[str] = [phrase("region {f} of {n:,}, {part} of the area", f=f, n=found.count, part=part)]
        for o in np.argsort(-middle[f], kind="stable")[:MOST_SAID]:
            lines.append(
                formula(maps.slopes[f, :, o], maps.offsets[f, o], names, called(outputs, int(o), found.flat.n_out))
            )
        said.append("\n".join(lines))
    return said


def called(outputs: Sequence[str], o: int, n_out: int) -> str:
    """The name of an output: f where there is one and it has none."""
    if len(outputs) == n_out:
        return cut(outputs[o], 24)
    return "f" if n_out == 1 else f"f{o}".translate(SUBSCRIPTS)


def formula(slopes: np.ndarray, offset: float, names: Sequence[str], name: str = "f", digits: int = 3) -> str:
    """An affine map as it is written.

    Example:
        >>> formula(np.array([0.31, -1.2]), 0.4, ["x₁", "x₂"])
        'f = 0.31 x₁ − 1.2 x₂ + 0.4'
        >>> formula(np.array([0.0, 0.0]), 0.0, ["x₁", "x₂"])
        'f = 0'
    """
    terms = [(float(v), f" {n}") for v, n in zip(slopes, names, strict=True)] + [(float(offset), "")]
    parts: list[str] = []
    for value, unit in terms:
        if value == 0 or (unit == "" and parts and abs(value) < 1e-14):
            continue
        size = number(abs(value), digits)
        sign = ("− " if value < 0 else "+ ") if parts else ("−" if value < 0 else "")
        parts.append(f"{sign}{size}{unit}")
    return f"{name} = {' '.join(parts) or '0'}"


def path_of(lines: Sequence[np.ndarray]) -> Any:
    """Many lines as one path, which SVG writes as one element."""
    from matplotlib.path import Path

    codes = [np.r_[Path.MOVETO, np.full(len(line) - 1, Path.LINETO)] for line in lines]
    return Path(np.concatenate(lines), np.concatenate(codes).astype(Path.code_type))


def straight(found: Complex, mine: np.ndarray) -> np.ndarray:
    """Some edges (a mask) as lines from vertex to vertex, (lines, 2), each as far as it goes straight.

    A unit's line is cut by every other that crosses it, so that it takes a third of the numbers to write it whole.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends, drawn, n = found.edges[mine], found.drawn[mine], int(mine.sum())
    here, there, edge = ends.T.ravel(), ends[:, ::-1].T.ravel(), np.tile(np.arange(n), 2)
    order = np.lexsort((here, *np.tile(drawn, (2, 1)).T))
    here, there, edge, unit = here[order], there[order], edge[order], drawn[edge[order]]
    meet = (here[1:] == here[:-1]) & (unit[1:] == unit[:-1]).all(1)
    away = found.xy[there] - found.xy[here]
    one, other = away[1:], away[:-1]
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    bend = abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])
    meet &= (bend <= STRAIGHT * size) & ((one * other).sum(1) < 0)
    free = np.ones(2 * n, bool)
    free[1:] &= ~meet
    free[:-1] &= ~meet
    pairs = edge[1:][meet], edge[:-1][meet]
    line = connected_components(coo_array((np.ones(len(pairs[0])), pairs), shape=(n, n)), directed=False)[1]
    last, at = here[free], line[edge[free]]
    return last[np.argsort(at, kind="stable")].reshape(-1, 2)


def path_of_edges(xy: np.ndarray, ends: np.ndarray) -> Any:
    from matplotlib.path import Path

    codes = np.tile(np.array([Path.MOVETO, Path.LINETO], Path.code_type), len(ends))
    return Path(xy[ends].reshape(-1, 2), codes)
