"""Operations that move, join, cut or pool axes: most of them change no number, and become a note of where axes lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...layers import AvgPool, Concat, GlobalAveragePool, GlobalMaxPool, MaxPool, Operator, Pad, Pick, Upsample
from .._model import Operation
from ._builder import WORDS, Axes, Builder, Lengths, can_reshape
from ._facts import wanted_outputs
from ._weights import put_channels_last

Group = tuple[list[int], list[int]]


def same(at: Builder, operation: Operation) -> bool:
    """An operation that gives what it gets: its output is where its input is."""
    x = operation.inputs[0]
    if x not in at.held or any(operation.outputs[1:]):
        return False
    at.held[operation.outputs[0]] = at.held[x]
    return True


def transpose(at: Builder, operation: Operation) -> bool:
    """Nothing moves: the axes are called by other numbers."""
    x = operation.inputs[0]
    rank = at.rank(x)
    if x not in at.held or rank is None or at.fact(operation.outputs[0]) is None:
        return False
    perm = list(operation.attributes.get("perm", range(rank)[::-1]))
    held = at.held[x]
    at.keep(operation.outputs[0], held.node, tuple(perm.index(a) for a in held.axes or ()))
    return True


def reshape(at: Builder, operation: Operation) -> bool:
    """Other axes for the same numbers, in the layout they have where that can be."""
    x, y = operation.inputs[0], operation.outputs[0]
    before, after = at.fact(x), at.fact(y)
    if x not in at.held or before is None or after is None or 0 in (*before.shapes[0], *after.shapes[0]):
        return False
    old, new = at.lengths(x, tuple(range(before.rank))), at.lengths(y, tuple(range(after.rank)))
    axes = at.held[x].axes or ()
    groups = grouped(old, new)
    where = None if groups is None else placed(axes, groups, old, new)
    if where is not None and can_reshape(at.lengths(x, axes), at.lengths(y, where)):
        node = at.reshaped(at.held[x].node, at.lengths(x, axes), at.lengths(y, where))
        at.keep(y, node, where)
        return True
    if not can_reshape(old, new):
        return False
    at.keep(y, at.reshaped(at.bring(x), old, new), None)
    return True


def grouped(old: Lengths, new: Lengths) -> list[Group] | None:
    """Which axes become which: the smallest groups of neighbours with the same number of places, for both choices."""
    groups: list[Group] = [([0], [0])] if old[:1] == new[:1] else []
    i = j = len(groups)
    while i < len(old) or j < len(new):
        mine, theirs = [], []
        a, b = [1, 1], [1, 1]
        while True:
            if a == b and (mine or theirs) and a != [1, 1]:
                break
            if a == b and i == len(old) and j == len(new):
                break
            # The smaller side takes its next axis; of equals the one that has axes left.
            if i < len(old) and (a <= b or j == len(new)):
                a = [n * m for n, m in zip(a, old[i], strict=True)]
                mine.append(i)
                i += 1
            elif j < len(new):
                b = [n * m for n, m in zip(b, new[j], strict=True)]
                theirs.append(j)
                j += 1
            else:
                return None
        groups.append((mine, theirs))
    return groups


def placed(axes: Axes, groups: list[Group], old: Lengths, new: Lengths) -> Axes | None:
    """The order of the new axes, where each group of old ones lies together and in its order; those of length 1 are
    left out, but for the first."""
    whole = tuple(a for a in axes if old[a] != (1, 1) or not a)
    first: list[tuple[int, list[int]]] = []
    for mine, theirs in groups:
        wanted = tuple(a for a in mine if a in whole)
        if not wanted:
            continue
        start = whole.index(wanted[0])
        if whole[start : start + len(wanted)] != wanted:
            return None
        first.append((start, [b for b in theirs if new[b] != (1, 1) or not b]))
    return tuple(b for _, theirs in sorted(first) for b in theirs)


def concat(at: Builder, operation: Operation) -> bool:
    fact = at.fact(operation.outputs[0])
    if fact is None or any(name not in at.held or at.fact(name) is None for name in operation.inputs):
        return False
    axis = int(operation.attributes.get("axis", 1)) % fact.rank
    largest = max(operation.inputs, key=lambda name: len(at.held[name].axes or ()))
    axes = at.held[largest].axes or ()
    needs = {
        a for name in operation.inputs for a, n in enumerate(at.lengths(name, tuple(range(fact.rank)))) if n != (1, 1)
    }
    if not needs | {axis} <= {*axes}:
        axes = tuple(range(fact.rank))
    sources = [at.bring(name, axes) for name in operation.inputs]
    if len(sources) == 1:
        return same(at, operation)
    last = axes.index(axis) == len(axes) - 1
    layer = Concat() if last else Operator(
        "Concat", given=range(len(sources)), attributes={"axis": axes.index(axis)}, opset=WORDS
    )  # fmt: skip
    at.keep(operation.outputs[0], at.put(at.name_of(operation), layer, sources), axes)
    return True


def split(at: Builder, operation: Operation) -> bool:
    """Parts along one axis, in the layout they are in."""
    x = operation.inputs[0]
    fact, parts = at.fact(x), [at.fact(name) for name in operation.outputs if name]
    if fact is None or x not in at.held or any(part is None for part in parts) or "" in operation.outputs:
        return False
    axis = int(operation.attributes.get("axis", 0)) % fact.rank
    axes = at.held[x].axes or ()
    sizes = [at.lengths(name, (axis,))[0] for name in operation.outputs]
    if axis not in axes or any(a != b for a, b in sizes):
        return False
    layer = Operator(
        "Split", constants={1: np.array([a for a, _ in sizes], np.int64)}, attributes={"axis": axes.index(axis)},
        outputs=len(sizes), opset=13,
    )  # fmt: skip
    node = at.put(at.name_of(operation), layer, (at.held[x].node,))
    for i, name in enumerate(operation.outputs):
        at.keep(name, at.put(f"{node}_{i}", Pick(i), (node,)) if len(sizes) > 1 else node, axes)
    return True


def reduction(at: Builder, operation: Operation) -> bool:
    """A sum, mean or extreme over some axes, in the layout they are in."""
    x, words = operation.inputs[0], operation.attributes
    before, after = at.fact(x), at.fact(operation.outputs[0])
    if before is None or after is None or x not in at.held:
        return False
    said = words.get("axes")
    if said is None and len(operation.inputs) > 1 and operation.inputs[1]:
        said = at.constant(operation.inputs[1])
        if said is None:
            return False
    chosen = [int(a) % before.rank for a in said] if said is not None else []
    if not chosen:
        if words.get("noop_with_empty_axes", 0):
            return False
        chosen = list(range(before.rank))
    axes = at.held[x].axes or ()
    if not set(chosen) <= set(axes):
        axes = tuple(range(before.rank))
    kept = tuple(a for a in axes if a not in chosen)
    left = kept if words.get("keepdims", 1) else tuple(a - sum(c < a for c in chosen) for a in kept)
    between = len(kept) == 2 and len(axes) > 2 and (axes[0], axes[-1]) == kept
    if between and operation.kind in POOLS:
        layer = POOLS[operation.kind]()
    else:
        places = np.array(sorted(axes.index(a) for a in chosen), np.int64)
        layer = Operator(operation.kind, constants={1: places}, attributes={"keepdims": 0}, opset=WORDS)
    at.keep(operation.outputs[0], at.put(at.name_of(operation), layer, (at.bring(x, axes),)), left)
    return True


POOLS = {"ReduceMean": GlobalAveragePool, "ReduceMax": GlobalMaxPool}
REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd", "ReduceL1", "ReduceL2")


def pool(at: Builder, operation: Operation) -> bool:
    """MaxPool and AveragePool with the same margin on both sides, every window full."""
    fact, words = at.fact(operation.inputs[0]), operation.attributes
    if (
        fact is None
        or fact.rank not in (3, 4, 5)
        or operation.inputs[0] not in at.held
        or wanted_outputs(operation) > 1
    ):
        return False
    n = fact.rank - 2
    size, strides = tuple(words["kernel_shape"]), tuple(words.get("strides", (1,) * n))
    pads = tuple(words.get("pads", (0,) * (2 * n)))
    pads = (0,) * (2 * n) if words.get("auto_pad", "NOTSET") == "VALID" else pads
    before, behind = pads[:n], pads[n:]
    if words.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or before != behind or min(pads, default=0) < 0:
        return False
    if any(d != 1 for d in words.get("dilations", ())) or any(2 * p > s for p, s in zip(before, size, strict=True)):
        return False
    rests = [
        (shape[i + 2] + 2 * before[i] - size[i]) % strides[i] for shape in fact.shapes for i in range(n)
    ]  # fmt: skip
    fits = all(shape[i + 2] + 2 * before[i] >= size[i] for shape in fact.shapes for i in range(n))
    if not fits or (words.get("ceil_mode", 0) and any(rests)):
        return False
    if operation.kind == "MaxPool":
        return put_channels_last(at, operation, MaxPool(size, strides, before))
    return put_channels_last(at, operation, AvgPool(size, strides, before, bool(words.get("count_include_pad", 0))))


def global_pool(at: Builder, operation: Operation) -> bool:
    rank = at.rank(operation.inputs[0])
    if not rank or rank < 3 or operation.inputs[0] not in at.held:
        return False
    layer = GlobalAveragePool() if operation.kind == "GlobalAveragePool" else GlobalMaxPool()
    return put_channels_last(at, operation, layer, (0, 1))


def pad(at: Builder, operation: Operation) -> bool:
    """A margin around pictures and sequences."""
    x, words = operation.inputs[0], operation.attributes
    rank = at.rank(x)
    arrays = [at.constant(name) if name else None for name in operation.inputs[1:]]
    unknown = any(a is None and name for a, name in zip(arrays, operation.inputs[1:], strict=True))
    if rank not in (3, 4, 5) or x not in at.held or unknown or len(arrays) > 2:
        return False
    pads = words.get("pads") if not arrays else None if arrays[0] is None else arrays[0].tolist()
    value = words.get("value", 0.0) if len(arrays) < 2 or arrays[1] is None else float(arrays[1].reshape(-1)[0])
    mode = words.get("mode", "constant")
    if pads is None or mode not in ("constant", "edge", "reflect") or min(pads) < 0:
        return False
    pairs = list(zip(pads[:rank], pads[rank:], strict=True))
    if any(map(any, pairs[:2])):
        return False
    return put_channels_last(at, operation, Pad(tuple((int(a), int(b)) for a, b in pairs[2:]), float(value), mode))


def resize(at: Builder, operation: Operation) -> bool:
    """A whole multiple of the places, each repeated or between the centres of two."""
    before, after, words = at.fact(operation.inputs[0]), at.fact(operation.outputs[0]), operation.attributes
    if before is None or after is None or before.rank not in (3, 4, 5) or operation.inputs[0] not in at.held:
        return False
    factors = {
        tuple(b / a for a, b in zip(*pair, strict=True)) for pair in zip(before.shapes, after.shapes, strict=True)
    }
    factor = factors.pop()
    if factors or factor[:2] != (1.0, 1.0) or any(f < 1 or f % 1 for f in factor):
        return False
    mode, old = words.get("mode", "nearest"), operation.kind == "Upsample" or at.model.opset < 11
    place = "asymmetric" if old else words.get("coordinate_transformation_mode", "half_pixel")
    nearest = "floor" if old else words.get("nearest_mode", "round_prefer_floor")
    copies = mode == "nearest" and place == "asymmetric" and nearest == "floor"
    between = mode == "linear" and place in ("half_pixel", "pytorch_half_pixel") and min(*before.shapes[0][2:], 2) > 1
    if not (copies or between) or words.get("antialias", 0):
        return False
    layer = Upsample(tuple(int(f) for f in factor[2:]), "nearest" if copies else "linear")
    return put_channels_last(at, operation, layer)


def expand(at: Builder, operation: Operation) -> bool:
    """An Expand to the shape that is there already."""
    before, after = at.fact(operation.inputs[0]), at.fact(operation.outputs[0])
    return before is not None and after is not None and before.shapes == after.shapes and same(at, operation)


def cast(at: Builder, operation: Operation) -> bool:
    """A Cast to the type that is there already."""
    before, after = at.fact(operation.inputs[0]), at.fact(operation.outputs[0])
    return before is not None and after is not None and before.dtype == after.dtype and same(at, operation)


RULES: dict[str, Any] = {
    "Identity": same,
    "Transpose": transpose,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), reshape),
    "Concat": concat,
    "Split": split,
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("MaxPool", "AveragePool"), pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), global_pool),
    "Pad": pad,
    **dict.fromkeys(("Resize", "Upsample"), resize),
    "Expand": expand,
    "Cast": cast,
}
