"""How the regions of a network of two inputs came about: those of its snapshots, and where they ended up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import PellucidError
from ..language import message_of, phrase
from ..records import Record, unlisted
from ..train import Run, Snapshot
from ._piecewise import View, view

FRAMES = 10  # pictures of a film in a report
REGIONS = 6_000  # in all of them
NEAR = 0.1  # of the sides of the picture
GRID = 64  # points along a side, by which an area is measured
SURE = 2.0  # standard errors, beyond which more regions than elsewhere are not chance


@dataclass(frozen=True)
class Gathering(Record):
    """The share of the regions whose middle lies near the boundary, and that of the area that does.

    Near is within a tenth of the sides of the picture. `verdict` is 1 where the regions gather there, −1 where they
    keep away, and 0 where as many lie there as `regions` places drawn by chance might.
    """

    regions: int
    near: float
    area: float

    @property
    def verdict(self) -> int:
        error = np.sqrt(self.area * (1 - self.area) / self.regions)
        return int(np.sign(self.near - self.area)) if abs(self.near - self.area) > SURE * error else 0


@dataclass(frozen=True)
class Growth(Record):
    """The regions at the end of some epochs, the start (epoch 0) and the end included, in one box.

    `scores` are those of `metric` on the rows held out, None where it was not measured. `gathering` is that of the
    last, None where the network has no boundary. Where there are too many regions, `note` says so, and nothing else is
    told.
    """

    note: str
    epochs: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()
    metric: str = ""
    scores: tuple[float | None, ...] = ()
    gathering: Gathering | None = None
    views: tuple[View, ...] = unlisted(default=(), repr=False)


def growth(run: Run, seen: View | None, frames: int = FRAMES, regions: int = REGIONS) -> Growth | None:
    """The regions of a run's snapshots in the box of `seen`, the regions of its network.

    None where that is a slice, or the run has no snapshots but the end. There are at most so many `frames`, fewer
    where they would have more `regions` in all.
    """
    if seen is None or seen.complex.plane is not None or len(run.snapshots) < 2:
        return None
    chosen = spread(run.snapshots, min(frames, regions // seen.complex.count))
    try:
        views = [view(replace(run, net=each.net), box=seen.complex.box, limit=regions) for each in chosen[:-1]]
    except PellucidError as problem:  # the numbers may have run away
        return Growth(message_of(problem))
    whole = [(each, found) for each, found in zip(chosen, (*views, seen), strict=False) if found.complex.complete]
    if len(whole) < 2:
        return Growth(
            phrase(
                "There are too many regions to film them in a moment: `pellucid.report.film` does, of `run.snapshots`."
            )
        )
    metric = "accuracy" if run.preprocess.target.classes else "r2"
    known = {epoch.number: epoch.metrics.get(metric) for epoch in run.history}
    return Growth(
        note="",
        epochs=tuple(each.epoch for each, _ in whole),
        counts=tuple(found.complex.count for _, found in whole),
        metric=metric,
        scores=tuple(known.get(each.epoch) for each, _ in whole),
        gathering=gathering(seen),
        views=tuple(found for _, found in whole),
    )


def spread(snapshots: Sequence[Snapshot], most: int) -> list[Snapshot]:
    """At most so many of the snapshots, evenly spread, the first and the last among them; none where it is but one."""
    if most < 2:
        return []
    places = np.linspace(0, len(snapshots) - 1, min(most, len(snapshots))).round().astype(int)
    return [snapshots[i] for i in places]


def gathering(seen: View) -> Gathering | None:
    """Whether the regions gather at the boundary."""
    if seen.level is None:
        return None
    found = seen.complex
    lines = found.boundary(seen.level).lines
    if not lines:
        return None
    side = (np.arange(GRID) + 0.5) / GRID
    everywhere = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    low, high = np.array(found.box).T
    on = along([(line - low) / (high - low) for line in lines])
    middles = (found.centres - low) / (high - low)
    near, area = (float((distance(places, on) < NEAR).mean()) for places in (middles, everywhere))
    return Gathering(found.count, near, area)


def along(lines: Sequence[np.ndarray], step: float = NEAR / 20) -> np.ndarray:
    """Points (n, 2) along lines, no farther from each other than a step."""
    found = []
    for line in lines:
        long = np.linalg.norm(np.diff(line, axis=0), axis=1)
        at = np.r_[0, np.cumsum(long)]
        new = np.arange(0, at[-1] + step, step).clip(max=at[-1])
        found.append(np.column_stack([np.interp(new, at, line[:, axis]) for axis in (0, 1)]))
    return np.concatenate(found)


def distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each point (n, 2) to the nearest of the others (m, 2)."""
    from scipy.spatial import KDTree

    return KDTree(others).query(points)[0]
