"""The kinks around one input of a large network, whose normals do not fit into memory: swept a few inputs at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ._network import Hyperplanes, Network

NUMBERS = 2**24  # in the part of the normals that is there at a time
NEAREST = 64  # kinks that are listed beside those that end an input's range


def listed(network: Network, x: np.ndarray, alive: float) -> tuple[Hyperplanes, int]:
    """The nearest kinks, and those that end the range of an input alone; and how many of all are dead.

    `alive` is the share of its bend's steepest normal below which a kink does not depend on the input.
    """
    whole = next(columns(network, x, 1))[1]
    length = np.sqrt(sum(np.square(planes.normal).sum(1) for _, planes in columns(network, x)))
    steepest = np.zeros(len(network.bends))
    np.maximum.at(steepest, whole.bend, length)
    living = length > alive * steepest[whole.bend]
    distance = np.where(living, np.abs(whole.value) / np.where(living, length, 1.0), np.inf)
    kept = set(np.argpartition(distance, NEAREST)[:NEAREST].tolist())
    inward = np.where(whole.value > 0, -1.0, 1.0)[:, None]
    for _, planes in columns(network, x):
        pace = inward * np.where(living[:, None], planes.normal, 0.0) / np.where(living, length, 1.0)[:, None]
        for sign in (-1.0, 1.0):
            with np.errstate(divide="ignore"):
                far = np.where(sign * pace > 1e-12, distance[:, None] / (sign * pace), np.inf)
            kept |= set(far.argmin(0)[np.isfinite(far.min(0))].tolist())
    rows = np.sort(np.fromiter((row for row in kept if living[row]), int))
    normal = np.empty((len(rows), network.n_in))
    for part, planes in columns(network, x):
        normal[:, part] = planes.normal[rows]
    value, owner = whole.value[rows], (field[rows] for field in (whole.bend, whole.unit, whole.kink))
    return Hyperplanes(normal, value - normal @ x, value, *owner), int((~living).sum())


def columns(network: Network, x: np.ndarray, most: int | None = None) -> Iterator[tuple[slice, Hyperplanes]]:
    """The kinks as functions of some inputs at a time: which, and `normal` with a column for each."""
    width = most or max(1, NUMBERS // max(network.kinks, 1))
    for first in range(0, network.n_in, width):
        part = slice(first, min(first + width, network.n_in))
        directions = np.zeros((part.stop - first, network.n_in))
        directions[np.arange(part.stop - first), np.arange(first, part.stop)] = 1.0
        yield part, network.hyperplanes(x, directions)
