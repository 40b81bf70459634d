"""Two networks layer by layer: which belong together, and by how much their arrays differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import jax
import numpy as np

from ..module import Layer, map_children, path_of, walk
from ..records import Record
from ..shapes import words


@dataclass(frozen=True)
class ArrayChange(Record):
    """One array of a layer: `change` is ‖b − a‖, `norm` ‖a‖, `largest` the largest |b − a|, and `at` where that is.

    Shapes: those in a and in b; the numbers are NaN where they differ.
    """

    name: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    norm: float
    change: float
    largest: float
    at: tuple[int, ...]


@dataclass(frozen=True)
class LayerChange(Record):
    """A layer of a beside that of b; one of the paths is empty where the other network has none like it.

    `change` says what differs: "same", "weights", "settings", "shape", "only in a" or "only in b". `norm` and `moved`
    are ‖a‖ and ‖b − a‖ over all arrays of the layer, without those it holds; NaN where they cannot be compared.
    """

    path: str
    path_b: str
    kind: str
    change: str
    note: str
    norm: float
    moved: float
    arrays: tuple[ArrayChange, ...]

    @property
    def relative(self) -> float:
        """‖b − a‖ / ‖a‖."""
        return self.moved / self.norm if self.norm else float("inf") if self.moved else 0.0


class Part(NamedTuple):
    """One layer: its path, its kind, its settings and its own arrays, those of the layers in it left out."""

    path: str
    kind: str
    settings: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def form(self) -> tuple[Any, ...]:
        return self.kind, repr(self.settings), tuple((name, a.shape) for name, a in self.arrays.items())


def layer_changes(a: Layer, b: Layer) -> tuple[LayerChange, ...]:
    """Every layer of the two, those that belong together side by side, in the order of the pass."""
    return tuple(change_of(*pair) for pair in paired(parts_of(a), parts_of(b), lambda part: part.form))


def parts_of(net: Layer) -> list[Part]:
    return [part_of(path, layer) for path, layer in walk(net)]


def part_of(path: str, layer: Layer) -> Part:
    alone = map_children(layer, lambda _, child: None)  # pyright: ignore[reportArgumentType]
    leaves, _ = jax.tree_util.tree_flatten_with_path(alone)
    arrays = {path_of(keys): np.asarray(leaf) for keys, leaf in leaves}
    fields = [f.name for f in dataclasses.fields(layer) if f.metadata.get("static")]
    return Part(path, type(layer).__name__, {name: getattr(layer, name) for name in fields}, arrays)


def paired(a: list[Part], b: list[Part], by: Any) -> Iterator[tuple[Part | None, Part | None]]:
    """Those alike in the same order side by side; between these, those of one kind."""
    matched = SequenceMatcher(None, [by(part) for part in a], [by(part) for part in b], autojunk=False)
    for what, i, j, k, m in matched.get_opcodes():
        if what == "equal":
            yield from zip(a[i:j], b[k:m], strict=True)
        elif what == "replace" and by(a[i]) != a[i].kind:
            yield from paired(a[i:j], b[k:m], lambda part: part.kind)
        else:
            yield from ((part, None) for part in a[i:j])
            yield from ((None, part) for part in b[k:m])


def change_of(a: Part | None, b: Part | None) -> LayerChange:
    nan = float("nan")
    if a is None or b is None:
        part, where = (a, "a") if a is not None else (b, "b")
        assert part is not None  # a pair holds one at least
        norm = np.sqrt(sum(np.square(v, dtype=float).sum() for v in part.arrays.values()))
        paths = (part.path, "") if where == "a" else ("", part.path)
        return LayerChange(*paths, part.kind, f"only in {where}", sizes(part), float(norm), nan, ())
    names = [name for name in a.arrays if name in b.arrays]
    arrays = tuple(array_change(name, a.arrays[name], b.arrays[name]) for name in names)
    norm, moved = (float(np.sqrt(sum(getattr(row, f) ** 2 for row in arrays))) for f in ("norm", "change"))
    change, note = "same", ""
    if a.arrays.keys() != b.arrays.keys() or any(row.shapes[0] != row.shapes[1] for row in arrays):
        change, note = "shape", f"{sizes(a)} → {sizes(b)}"
    elif repr(a.settings) != repr(b.settings):
        differ = [name for name in a.settings if repr(a.settings[name]) != repr(b.settings[name])]
        change = "settings"
        note = "; ".join(f"{name}: {a.settings[name]!r} → {b.settings[name]!r}" for name in differ)
    elif any(not np.array_equal(a.arrays[name], b.arrays[name], equal_nan=True) for name in names):
        change = "weights"
    return LayerChange(a.path, b.path, a.kind, change, note, norm, moved, arrays)


def sizes(part: Part) -> str:
    return ", ".join(f"{name} {words(a.shape)}" for name, a in part.arrays.items())


def array_change(name: str, a: np.ndarray, b: np.ndarray) -> ArrayChange:
    shapes, norm = (a.shape, b.shape), float(np.linalg.norm(np.asarray(a, float)))
    if a.shape != b.shape:
        nan = float("nan")
        return ArrayChange(name, shapes, norm, nan, nan, ())
    apart = np.abs(np.asarray(b, float) - np.asarray(a, float))
    if not apart.size:
        return ArrayChange(name, shapes, 0.0, 0.0, 0.0, ())
    at = np.unravel_index(int(apart.argmax()), apart.shape)
    return ArrayChange(name, shapes, norm, float(np.linalg.norm(apart)), float(apart.max()), tuple(map(int, at)))
