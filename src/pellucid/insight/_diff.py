from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import GeometryError
from ..module import Layer
from ..records import Record
from ..train import Run, true_names
from ._diff_answers import AnswerChange, answered, compared
from ._diff_layers import LayerChange, layer_changes
from ._diff_regions import RegionChange, region_change
from ._subject import subject_of


@dataclass(frozen=True)
class Difference(Record):
    """What sets network b apart from network a: layers, weights, answers to rows, regions on a slice.

    `answers` and `regions` are None where there were no rows or no slice, or the networks cannot be compared there;
    `notes` say why.
    """

    names: tuple[str, str]
    layers: tuple[LayerChange, ...]
    answers: AnswerChange | None
    regions: RegionChange | None
    notes: tuple[str, ...]

    @property
    def changed(self) -> tuple[LayerChange, ...]:
        """The layers in which something differs."""
        return tuple(layer for layer in self.layers if layer.change != "same")

    @property
    def same(self) -> bool:
        """Whether the networks are the same, layer by layer and bit for bit."""
        return not self.changed


def diff(
    a: Layer | Run,
    b: Layer | Run,
    data: Any = None,
    *,
    points: Any = None,
    box: Sequence[Sequence[float]] | None = None,
    names: tuple[str, str] = ("a", "b"),
) -> Difference:
    """How network b differs from network a, as after more training, pruning, or a new start.

    Layers are set beside each other by kind, shape and order, and their arrays compared in float64: `‖b − a‖`. With
    `data`, rows x or (x, y) as both networks take them, or raw rows for runs (by default those run a learned from), the
    answers are compared row by row. Regions are compared on a slice, where both are piecewise linear: all of the input
    space where it has two axes, else the plane through three `points`, or along the principal directions of the rows.
    `box` bounds the slice, in its own coordinates. A region is known by the pieces its units are on.

    Raises: DataError for rows that the networks cannot take.
    Example:
        >>> import pellucid as pl
        >>> net = pl.mlp([2, 8, 1], key=0)
        >>> found = diff(net, pl.mlp([2, 8, 1], key=1), box=[(-1, 1), (-1, 1)])
        >>> [layer.path for layer in found.changed], found.regions.before, found.regions.kept
        (['layers[0]', 'layers[2]'], 16, 2)
    """
    data, numbers = (data, None) if data is not None or not isinstance(a, Run) else own_rows(a)
    first, second = (net.net if isinstance(net, Run) else net for net in (a, b))
    notes: list[str] = []
    answers, seen = None, None
    if data is not None:
        one, other = (next(subject_of(net, data).batches()) for net in (a, b))
        answers = compared(answered(a, one), answered(b, other), numbers, notes)
        seen = np.asarray(one.block.x), np.asarray(other.block.x)
    regions = regions_of(first, second, seen, points, box, notes)
    return Difference(names, layer_changes(first, second), answers, regions, tuple(notes))


def own_rows(run: Run) -> tuple[Any, np.ndarray | None]:
    """The raw rows a run was given, and their numbers there; None for one read back without its data."""
    data = run.data
    if data is None or not data.in_memory:
        return None, None
    block = next(iter(data.blocks(0)))
    blocks = [block] if data.validation is None else [block, data.validation]
    indices = [np.arange(len(blocks[0].x)) if data.train_index is None else data.train_index]
    indices += [] if data.validation_index is None else [data.validation_index]
    numbers = np.concatenate(indices)
    if len(numbers) != sum(len(part.x) for part in blocks):
        blocks, numbers = blocks[:1], indices[0]  # what was held out came from another place
    order = np.argsort(numbers, kind="stable")
    if run.preprocess.shape is None:
        import polars

        frames = [frame for frame in (data.train_rows, data.validation_rows) if frame is not None]
        return polars.concat(frames[: len(blocks)])[order], numbers[order]
    x, y = (np.concatenate(parts)[order] for parts in ([block.x for block in blocks], [block.y for block in blocks]))
    y = true_names(run.preprocess, y) if run.preprocess.target.kind in ("label", "sign") else y
    return (x, y), numbers[order]


def regions_of(
    a: Layer, b: Layer, seen: tuple[np.ndarray, np.ndarray] | None, points: Any, box: Any, notes: list[str]
) -> RegionChange | None:
    """The regions of both on one slice; None, and a note, where there is none or it says nothing."""
    if seen is None and points is None and box is None:
        return None
    if seen is not None and (seen[0].shape != seen[1].shape or not np.allclose(seen[0], seen[1], equal_nan=True)):
        notes.append("Regions: the two prepare their rows in different ways, and so have no plane in common.")
        return None
    try:
        return region_change(a, b, None if seen is None else seen[0], points, box)
    except GeometryError as why:
        notes.append(f"Regions: {why}")
        return None
