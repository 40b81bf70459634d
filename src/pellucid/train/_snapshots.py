"""The networks of a few epochs, kept while a small network is trained: how it became what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from ..errors import StoreError
from ..module import Layer
from ..records import Record, unlisted
from ..store import read_arrays, write_arrays
from ._checkpoint import named, restored

MOST = 24  # snapshots of a training under way; its last network comes on top
BYTES = 2**20  # of all of them together, above which none are kept
Snapshots = tuple["Snapshot", ...]


@dataclass(frozen=True)
class Snapshot(Record):
    """The network at the end of an epoch; epoch 0 is the start.

    The last of a run is its own network, `run.net`; where training stopped within an epoch, it is of that epoch.
    """

    epoch: int
    net: Layer = unlisted(repr=False)


def are_kept(net: Layer) -> bool:
    """Whether the network is small enough for snapshots."""
    return (MOST + 1) * sum(leaf.nbytes for leaf in jax.tree.leaves(net)) <= BYTES


def with_next(kept: Snapshots, epoch: int, net: Layer) -> Snapshots:
    """The snapshots with that of one more epoch, evenly spread and at most `MOST`, whenever the training ends.

    Every epoch is kept at first; where they become too many, every other one is let go, and only every second, fourth,
    ... epoch is kept from then on. The distance of the first two says which. The arrays are the training's own, which
    it replaces and never changes: keeping them copies nothing.

    Example:
        >>> kept = ()
        >>> for epoch in range(101):
        ...     kept = with_next(kept, epoch, None)
        >>> [snapshot.epoch for snapshot in kept]
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96]
    """
    every = kept[1].epoch - kept[0].epoch if len(kept) > 1 else 1
    if kept and (epoch - kept[0].epoch) % every:
        return kept
    kept = (*kept, Snapshot(epoch, net))
    return kept if len(kept) <= MOST else kept[::2]


def until(kept: Snapshots, epoch: int, net: Layer) -> Snapshots:
    """The snapshots on the way to the network of an epoch, and that network as the last."""
    return (*(snapshot for snapshot in kept if snapshot.epoch < epoch), Snapshot(epoch, net)) if kept else ()


def epochs_of(kept: Snapshots) -> list[int]:
    return [snapshot.epoch for snapshot in kept]


def put_together(epochs: Sequence[int], nets: Sequence[Layer]) -> Snapshots:
    return tuple(Snapshot(epoch, net) for epoch, net in zip(epochs, nets, strict=True))


def write_snapshots(path: Path, kept: Snapshots, run: str) -> None:
    """Write the snapshots of the run with that id as one file, whole or not at all.

    Raises: StoreError where the disk refuses.
    """
    write_arrays(path, named({"nets": [s.net for s in kept]}), {"snapshots": {"run": run, "epochs": epochs_of(kept)}})


def read_snapshots(path: Path, net: Layer, run: str | None) -> Snapshots:
    """The snapshots that led to the network of a run; none where the file is another run's, or of another moment.

    Raises: StoreError where the file is damaged.
    """
    arrays, about = read_arrays(path)
    match about:
        case {"snapshots": {"run": str(own), "epochs": [*epochs]}} if all(type(epoch) is int for epoch in epochs):
            kept = restored({"nets": [net] * len(epochs)}, arrays, path)["nets"] if own == run else []
            return put_together(epochs, kept) if kept and same(kept[-1], net) else ()
    raise StoreError(f"{path} holds no snapshots of a run: remove it, and the run opens without them.")


def same(a: Layer, b: Layer) -> bool:
    return all(np.array_equal(p, q) for p, q in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
