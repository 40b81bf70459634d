"""Pictures sampled between their places, and boxes in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
from jax import Array

from ._shape import listed
from ._table import Call, operator


@operator("AffineGrid", known=(1,))
def affine_grid(at: Call, theta: Any, size: Any, *, align_corners: int = 0) -> Any:
    """Where each place of a picture comes from, (batch, places..., axes), last axis first."""
    places = listed(size)[2:]
    lines = [np.linspace(-1, 1, n) if align_corners else (2 * np.arange(n) + 1) / n - 1 for n in places]
    grid = np.meshgrid(*lines, indexing="ij")[::-1]
    points = np.stack([*grid, np.ones(places)], -1).astype(theta.dtype)
    return at.xp.einsum("nij,...j->n...i", theta, points)


@dataclass(frozen=True)
class Side:
    """One axis of a picture: its places, where they end, and what lies beyond them."""

    at: Call
    places: int
    low: float
    high: float
    beyond: str

    def reflected(self, x: Array) -> Array:
        """x thrown back at both ends until it is between them."""
        span = self.high - self.low
        if span <= 0:
            return self.at.xp.zeros_like(x)
        away = self.at.xp.abs(x - self.low) % (2 * span)
        return self.low + self.at.xp.where(away > span, 2 * span - away, away)

    def held(self, x: Array) -> Array:
        """x, and what it stands for where it lies beyond an end."""
        if self.beyond == "zeros":
            return x
        inside = self.at.xp.clip(x, 0, self.places - 1) if self.beyond == "border" else self.reflected(x)
        return self.at.xp.where((x < self.low) | (x > self.high), inside, x)

    def taps(self, x: Array, mode: str) -> list[tuple[Array, Array]]:
        """The places that are looked at for x, and how much each counts."""
        if mode == "nearest":
            place = self.held(self.at.xp.round(x))
            return [(self.at.xp.trunc(place), self.at.xp.ones_like(place))]
        x = self.held(x)
        first = self.at.xp.floor(x)
        t = x - first
        if mode == "linear":
            return [(first, 1 - t), (first + 1, t)]
        return [(first + i - 1, share) for i, share in enumerate(cubic_shares(t))]

    def found(self, place: Array, share: Array) -> tuple[Array, Array]:
        """The place inside that stands for one, and how much it counts."""
        if self.beyond == "zeros":
            share = self.at.xp.where((place >= 0) & (place <= self.places - 1), share, 0)
        elif self.beyond == "reflection":
            place = self.at.xp.trunc(self.reflected(place))
        return self.at.xp.clip(place, 0, self.places - 1).astype(int), share


def cubic_shares(t: Array) -> list[Array]:
    """Keys's kernel with a = −0.75 at −1, 0, 1 and 2 places from the one before x."""
    a = -0.75

    def near(x: Array) -> Array:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Array) -> Array:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


@operator("GridSample")
def grid_sample(
    at: Call, x: Array, grid: Array, *, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros"
) -> Array:
    """x (batch, channels, places...) at points (batch, places..., axes) between −1 and 1, last axis first."""
    modes = {"bilinear": "linear", "linear": "linear", "nearest": "nearest", "bicubic": "cubic", "cubic": "cubic"}
    if mode not in modes or padding_mode not in ("zeros", "border", "reflection"):
        raise at.refuse(f"there is no mode {mode!r} with padding {padding_mode!r}")
    edge = 0.0 if align_corners else 0.5
    sides = [Side(at, n, -edge, n - 1 + edge, padding_mode) for n in x.shape[2:]]
    taps = []
    for axis, side in enumerate(sides):
        share = (grid[..., -1 - axis] + 1) / 2
        position = side.low + share * (side.high - side.low)
        taps.append([side.found(*tap) for tap in side.taps(position, modes[mode])])
    rows = np.arange(x.shape[0]).reshape(-1, *(1,) * (grid.ndim - 2))
    channels_last = at.xp.moveaxis(x, 1, -1)
    total: Any = 0
    for chosen in product(*taps):
        weight = reduce(at.xp.multiply, [share for _, share in chosen])
        total = total + channels_last[(rows, *(place for place, _ in chosen))] * weight[..., None]
    return at.xp.moveaxis(total, -1, 1).astype(x.dtype)


@operator("RoiAlign", known=(1, 2))
def roi_align(
    at: Call, x: Any, boxes: Any, batch: Any, *,
    coordinate_transformation_mode: str | None = None, mode: str = "avg", output_height: int = 1,
    output_width: int = 1, sampling_ratio: int = 0, spatial_scale: float = 1.0,
) -> Any:  # fmt: skip
    """Each box (x1, y1, x2, y2) cut into cells; in each, the mean or the largest of points between places."""
    half = (coordinate_transformation_mode or ("half_pixel" if at.opset >= 16 else "output_half_pixel")) == "half_pixel"
    found = []
    for box, example in zip(boxes, batch, strict=True):
        left, top, right, bottom = box.astype(np.float64) * spatial_scale - 0.5 * half
        sides = []
        for start, end, cells, n in ((top, bottom, output_height, x.shape[2]), (left, right, output_width, x.shape[3])):
            side = (end - start if half else max(end - start, 1.0)) / cells
            sides.append(points(start, side, cells, sampling_ratio or int(np.ceil(side)), n))
        (rows, down), (columns, across) = sides
        parts = [
            x[int(example)][:, rows[i]][:, :, columns[j]] * (down[i][:, None] * across[j]).astype(x.dtype)
            for i in (0, 1)
            for j in (0, 1)
        ]
        seen: Any = sum(parts) if mode == "avg" else at.xp.max(at.xp.stack(parts), axis=0)
        cells = seen.reshape(x.shape[1], output_height, -1, output_width, seen.shape[2] // output_width)
        found.append(cells.mean((2, 4)) if mode == "avg" else cells.max((2, 4)))
    if not found:
        return at.xp.zeros((0, x.shape[1], output_height, output_width), x.dtype)
    return at.xp.stack(found).astype(x.dtype)


def points(start: float, side: float, cells: int, each: int, n: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The two places around each point along an axis, and their shares; none where it lies outside."""
    place = start + (np.arange(cells * each) + 0.5) * side / each
    out = (place < -1) | (place > n)
    place = np.clip(place, 0, n - 1)
    low = np.minimum(np.floor(place).astype(int), n - 1)
    share = place - low
    inside = np.where(out, 0.0, 1.0)
    return [low, np.minimum(low + 1, n - 1)], [(1 - share) * inside, share * inside]


@operator("NonMaxSuppression", known=(0, 1, 2, 3, 4))
def non_max_suppression(
    at: Call, boxes: Any, scores: Any, most: Any = None, overlap: Any = None, least: Any = None, *,
    center_point_box: int = 0,
) -> Any:  # fmt: skip
    """Of each class the best boxes that do not overlap a better one: (batch, class, box) of each."""
    limit = 0 if most is None else max(0, listed(most)[0])
    threshold = 0.0 if overlap is None else float(np.asarray(overlap).reshape(-1)[0])
    kept = []
    for example, (corners, rows) in enumerate(zip(boxes, scores, strict=True)):
        low, high = corner_pairs(corners.astype(np.float64), bool(center_point_box))
        for label, row in enumerate(rows):
            order = [b for b in np.argsort(-row, kind="stable") if least is None or row[b] > np.reshape(least, -1)[0]]
            chosen: list[int] = []
            for box in order:
                if len(chosen) == limit:
                    break
                if not chosen or (overlaps(low[box], high[box], low[chosen], high[chosen]) <= threshold).all():
                    chosen.append(int(box))
            kept += [(example, label, box) for box in chosen]
    return np.array(kept, np.int64).reshape(-1, 3)


def corner_pairs(boxes: np.ndarray, centred: bool) -> tuple[np.ndarray, np.ndarray]:
    """The lower and the upper corner of each box."""
    first, second = boxes[:, :2], boxes[:, 2:]
    if centred:
        return first - second / 2, first + second / 2
    return np.minimum(first, second), np.maximum(first, second)


def overlaps(low: np.ndarray, high: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    """The area that a box shares with each of others, over the area of both."""
    sides = np.maximum(0, np.minimum(high, highs) - np.maximum(low, lows))
    shared = sides.prod(-1)
    union = (high - low).prod() + (highs - lows).prod(-1) - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0)
