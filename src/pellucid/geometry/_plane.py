"""Planes through the input space of a network, and what is set before or behind a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..affine import Lowering, Step, Value, Windows
from ..errors import GeometryError
from ..language import phrase
from ._network import Network


@dataclass(frozen=True, eq=False)
class Plane:
    """The points `origin + s · directions[0] + t · directions[1]`; `marks` are points on it that have a name.

    Of a plane through three points `sides` leads from the first to the others, and `[s, t] turn` are the coordinates
    along these: where two pictures are 0 at a place, so is the third side of their triangle, without rounding.

    Shapes: origin (n_in,); directions and sides (2, n_in); turn (2, 2); marks: (s, t) by name.
    """

    origin: np.ndarray
    directions: np.ndarray
    marks: dict[str, tuple[float, float]]
    sides: np.ndarray | None = None
    turn: np.ndarray | None = None

    def points(self, at: np.ndarray) -> np.ndarray:
        """The points of the input space at these coordinates (..., 2)."""
        if self.sides is not None and self.turn is not None:
            return self.origin + np.asarray(at, float) @ self.turn @ self.sides
        return self.origin + np.asarray(at, float) @ self.directions

    def coordinates(self, points: np.ndarray) -> np.ndarray:
        """The coordinates (points, 2) of the places of the plane nearest to these points."""
        return np.linalg.lstsq(self.directions.T, (np.atleast_2d(points) - self.origin).T, rcond=None)[0].T


def plane_through(points: np.ndarray) -> Plane:
    """The plane through three points; its directions are perpendicular and of length 1, the first towards the second.

    Raises: GeometryError where the three lie on a line.
    """
    a, b, c = (np.asarray(p, float).ravel() for p in points)
    along, other = b - a, c - a
    length = np.linalg.norm(along)
    first = along / length if length else along
    across = other - (other @ first) * first
    across = across - (across @ first) * first
    apart = np.linalg.norm(across)
    if not length or not apart > 1e-9 * max(length, np.linalg.norm(other)):
        words = phrase("The three points lie on a line, so there is no one plane through them: move one of them.")
        raise GeometryError(words)
    beside = float(other @ first)
    turn = np.array([[1 / length, 0.0], [-beside / (length * apart), 1 / apart]])
    plane = Plane(a, np.stack([first, across / apart]), {}, np.stack([along, other]), turn)
    names = {f"point {i + 1}": tuple(p) for i, p in enumerate(plane.coordinates(np.stack([a, b, c])).tolist())}
    return replace(plane, marks=names)


def principal_plane(x: np.ndarray) -> Plane:
    """The plane through the mean of the rows along their two principal directions."""
    x = np.asarray(x, float).reshape(len(x), -1)
    if len(x) < 3:
        raise GeometryError(phrase("Principal directions need at least three rows of data, got {n}.", n=len(x)))
    mean = x.mean(0)
    _, strength, directions = np.linalg.svd(x - mean, full_matrices=False)
    if len(strength) < 2 or not strength[1] > 1e-12 * max(strength[0], 1e-300):
        raise GeometryError(phrase("The rows of data lie on a line: they have no second principal direction."))
    return Plane(mean, directions[:2], {})


def on_plane(network: Network, plane: Plane) -> Network:
    """The network as a function of the two coordinates of a plane."""
    turns = [] if plane.turn is None else [Windows(np.zeros((1, 1), int), plane.turn[None], np.zeros(2))]
    spans = plane.directions if plane.sides is None else plane.sides
    turns.append(Windows(np.zeros((1, 1), int), spans[None], plane.origin))
    steps = tuple(Step(turn, (i,), i + 1, turn.width, "", (turn.width,)) for i, turn in enumerate(turns))
    return joined(Network((2,), steps, Value(len(steps), network.shape), ""), network)


def joined(first: Network, second: Network) -> Network:
    """The network that does the second behind the first."""
    shift, output = len(first.steps), first.output.number

    def moved(number: int) -> int:
        return number + shift if number else output

    steps = [replace(step, inputs=tuple(map(moved, step.inputs)), output=step.output + shift) for step in second.steps]
    last = Value(moved(second.output.number), second.output.shape)
    return Network(first.shape, (*first.steps, *steps), last, second.set_aside)


def decision(n_out: int, level: float) -> Network:
    """What tells the answers apart, behind a network's outputs: is the only one above the level, which is the largest?

    Its outputs are the largest (or the bent one), then the outputs themselves.
    """
    at = Lowering((n_out,))
    if n_out == 1:
        found: Any = at.bend(at.input, [level], [(0.0, level), (1.0, 0.0)])
    else:
        found = at.largest(at.input, np.arange(n_out)[None], (1,))
    output = at.join([found, at.input])
    return Network((n_out,), tuple(at.steps), output, "")
