"""ATen's moving and gathering of numbers, and sums over axes, in the words of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import InteropError
from ._curves import dtype_of, in_type
from ._words import Size, Tensor, Writer

LAST = np.iinfo(np.int64).max
Sizes = Sequence[int | Size]


def as_it_is(w: Writer, x: Tensor, *_: Any, **__: Any) -> Any:
    return x


def converted(w: Writer, x: Tensor, *_: Any, **__: Any) -> Any:
    return w.cast(x, dtype_of(w))


def reshaped(w: Writer, x: Tensor, sizes: Sizes) -> Any:
    return w.add("Reshape", x, w.shape_of(list(sizes), free=True))


def flattened(w: Writer, x: Tensor, start: int = 0, end: int = -1) -> Any:
    start, end = start % max(x.rank, 1), end % max(x.rank, 1)
    if start == 1 and end == x.rank - 1:
        return w.add("Flatten", x, axis=1)
    lengths = [w.length(x, axis) for axis in (*range(start), *range(end + 1, x.rank))]
    if x.rank < 2 or start < end:
        return w.add("Reshape", x, w.shape_of([*lengths[:start], -1, *lengths[start:]]))
    return x


def unflattened(w: Writer, x: Tensor, dim: int, sizes: Sizes) -> Any:
    dim %= x.rank
    before = [w.length(x, axis) for axis in range(dim)]
    after = [w.length(x, axis) for axis in range(dim + 1, x.rank)]
    return reshaped(w, x, [*before, *sizes, *after])


def with_axis(w: Writer, x: Tensor, dim: int) -> Any:
    return w.add("Unsqueeze", x, w.constant([dim]))


def without_axes(w: Writer, x: Tensor, dim: int | Sequence[int] | None = None) -> Any:
    """Axes of length 1 are taken away; PyTorch leaves the others alone."""
    asked = range(x.rank) if dim is None else [dim] if isinstance(dim, int) else dim
    single = [axis % x.rank for axis in asked if x.rank and x.shape[axis] == 1]
    return w.add("Squeeze", x, w.constant(single)) if single else x


def permuted(w: Writer, x: Tensor, dims: Sequence[int]) -> Any:
    return w.add("Transpose", x, perm=[d % x.rank for d in dims])


def transposed(w: Writer, x: Tensor, first: int = 0, second: int = 1) -> Any:
    if x.rank < 2:
        return x
    order = list(range(x.rank))
    order[first], order[second] = order[second], order[first]
    return permuted(w, x, order)


def moved(w: Writer, x: Tensor, source: Any, destination: Any) -> Any:
    source, destination = ([a] if isinstance(a, int) else list(a) for a in (source, destination))
    order = [axis for axis in range(x.rank) if axis not in [a % x.rank for a in source]]
    for to, axis in sorted((d % x.rank, s % x.rank) for d, s in zip(destination, source, strict=True)):
        order.insert(to, axis)
    return permuted(w, x, order)


def expanded(w: Writer, x: Tensor, sizes: Sizes, implicit: bool = False) -> Any:
    return w.add("Expand", x, w.shape_of([1 if size == -1 else size for size in sizes]))


def expanded_as(w: Writer, x: Tensor, like: Tensor) -> Any:
    return w.add("Expand", x, w.add("Shape", like))


def repeated(w: Writer, x: Tensor, times: Sizes) -> Any:
    if len(times) > x.rank:
        x = w.add("Unsqueeze", x, w.constant(list(range(len(times) - x.rank))))
    return w.add("Tile", x, w.shape_of(list(times)))


def joined(w: Writer, tensors: Sequence[Tensor], dim: int = 0) -> Any:
    kept = [t for t in tensors if t.rank > 1 or t.shape != (0,)]  # PyTorch lets an empty tensor pass
    return w.add("Concat", *in_type(w, dtype_of(w), *kept), axis=dim)


def stacked(w: Writer, tensors: Sequence[Tensor], dim: int = 0) -> Any:
    axis = w.constant([dim])
    return w.add("Concat", *(w.add("Unsqueeze", t, axis) for t in in_type(w, dtype_of(w), *tensors)), axis=dim)


def split_sizes(w: Writer, x: Tensor, sizes: Sequence[int], dim: int = 0) -> Any:
    if any(isinstance(size, Size) for size in sizes):
        raise InteropError("it cuts parts whose length is not known beforehand")
    if len(sizes) == 1:
        return [x]
    return list(w.add("Split", x, w.constant(list(sizes)), outputs=len(sizes), axis=dim))


def split(w: Writer, x: Tensor, size: int | Sequence[int], dim: int = 0) -> Any:
    if not isinstance(size, int):
        return split_sizes(w, x, size, dim)
    n = x.shape[dim]
    if n is None:
        raise InteropError("it cuts an axis whose length is not known beforehand")
    return split_sizes(w, x, [min(size, n - at) for at in range(0, n, size)], dim)


def chunked(w: Writer, x: Tensor, chunks: int, dim: int = 0) -> Any:
    n = x.shape[dim]
    if n is None:
        raise InteropError("it cuts an axis whose length is not known beforehand")
    return split(w, x, -(-n // chunks), dim)


def unbound(w: Writer, x: Tensor, dim: int = 0) -> Any:
    n = x.shape[dim]
    if n is None:
        raise InteropError("it takes an axis apart whose length is not known beforehand")
    return [selected(w, x, dim, i) for i in range(n)]


def selected(w: Writer, x: Tensor, dim: int, index: int | Size) -> Any:
    if isinstance(index, Size):
        return w.add("Squeeze", w.add("Gather", x, index, axis=dim % x.rank), w.constant([dim % x.rank]))
    return w.add("Gather", x, w.constant(np.asarray(index, np.int64)), axis=dim % x.rank)


def sliced(w: Writer, x: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    start, end = 0 if start is None else start, LAST if end is None else end
    if start == 0 and end == LAST and step == 1:
        return x
    return w.add("Slice", x, w.shape_of([start]), w.shape_of([end]), w.constant([dim % x.rank]), w.constant([step]))


def slice_written(
    w: Writer, x: Tensor, part: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Any:
    """x with another part in the place of a slice, which begins and ends where the axis is whole."""
    start, end = 0 if start is None else start, LAST if end is None else end
    if step != 1 or not isinstance(start, int) or not isinstance(end, int):
        raise InteropError("writing into a slice with a step, or of a length not known beforehand, is not translated")
    axis, whole = w.constant([dim % x.rank]), x.shape[dim]
    parts = [part]
    if start:
        parts.insert(0, w.add("Slice", x, w.constant([0]), w.constant([start]), axis))
    if end < (LAST if whole is None else whole):
        parts.append(w.add("Slice", x, w.constant([end]), w.constant([LAST]), axis))
    return w.add("Concat", *parts, axis=dim % x.rank) if len(parts) > 1 else part


def place_written(w: Writer, x: Tensor, part: Tensor, dim: int, index: int) -> Any:
    """x with another part at one place of an axis."""
    if index < 0 and x.shape[dim] is not None:
        index %= x.shape[dim] or 1
    return slice_written(w, x, w.add("Unsqueeze", part, w.constant([dim % x.rank])), dim, index, index + 1 or LAST)


def mirrored(w: Writer, x: Tensor, dims: Sequence[int]) -> Any:
    n = len(dims)
    ends, axes = [np.iinfo(np.int64).min] * n, [d % x.rank for d in dims]
    return w.add("Slice", x, w.constant([-1] * n), w.constant(ends), w.constant(axes), w.constant([-1] * n))


def rolled(w: Writer, x: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Any:
    if not dims:
        raise InteropError("a roll over all numbers at once is not translated: name its dims")
    y: Any = x
    for shift, dim in zip(shifts, dims, strict=True):
        n = x.shape[dim]
        at = -shift % n if n else -shift
        axis = w.constant([dim % x.rank])
        tail = w.add("Slice", y, w.constant([at]), w.constant([LAST]), axis)
        y = w.add("Concat", tail, w.add("Slice", y, w.constant([0]), w.constant([at]), axis), axis=dim % x.rank)
    return y


def rows_at(w: Writer, weight: Tensor, indices: Tensor, *_: Any) -> Any:
    return w.add("Gather", weight, indices, axis=0)


def picked(w: Writer, x: Tensor, dim: int, index: Tensor) -> Any:
    return w.add("Gather", x, index, axis=dim % x.rank)


def gathered(w: Writer, x: Tensor, dim: int, index: Tensor, *_: Any) -> Any:
    return w.add("GatherElements", x, index, axis=dim % x.rank)


def indexed(w: Writer, x: Tensor, indices: Sequence[Tensor | None]) -> Any:
    """`x[:, i]` with one tensor of whole numbers."""
    given = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    if len(given) != 1 or given[0][1].dtype.kind != "i":
        raise InteropError("indexing with a mask, or with several tensors, is not translated")
    return picked(w, x, given[0][0], given[0][1])


def padded(w: Writer, x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """PyTorch counts from the last axis, (before, behind) for each; ONNX has all befores, then all behinds."""
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    pairs = [(0, 0)] * (x.rank - len(pairs)) + pairs
    widths = w.shape_of([before for before, _ in pairs] + [behind for _, behind in pairs])
    word = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    fill = w.number(value or 0, x) if mode == "constant" else None
    return w.add("Pad", x, widths, fill, mode=word)


def padded_with(w: Writer, x: Tensor, pad: Sequence[int], value: float = 0) -> Any:
    return padded(w, x, pad, "constant", value)


def padded_as(mode: str) -> Callable[..., Any]:
    return lambda w, x, pad: padded(w, x, pad, mode)


def triangle(upper: bool) -> Callable[..., Any]:
    def written(w: Writer, x: Tensor, diagonal: int = 0) -> Any:
        return w.add("Trilu", x, w.constant(np.asarray(diagonal, np.int64)), upper=int(upper))

    return written


def filled(value: float | None) -> Callable[..., Any]:
    """A tensor of one number: `full` where none is given here."""

    def written(w: Writer, sizes: Sizes, *rest: Any, **_: Any) -> Any:
        number = rest[0] if value is None else value
        return w.add("Expand", w.number(number, dtype_of(w)), w.shape_of(list(sizes)))

    return written


def filled_like(value: float | None) -> Callable[..., Any]:
    def written(w: Writer, x: Tensor, *rest: Any, **_: Any) -> Any:
        number = rest[0] if value is None else value
        return w.add("Expand", w.number(number, dtype_of(w)), w.shape_of([w.length(x, i) for i in range(x.rank)]))

    return written


def new_filled(value: float | None) -> Callable[..., Any]:
    return lambda w, x, sizes, *rest, **_: filled(value)(w, sizes, *rest)


def counted(w: Writer, *given: Any, **_: Any) -> Any:
    """`arange(end)`, `arange(start, end)` or `arange(start, end, step)`."""
    numbers = [g for g in given if isinstance(g, int | float | Size) and not isinstance(g, bool)]
    start, end, step = {1: (0, *numbers, 1), 2: (*numbers, 1), 3: tuple(numbers)}[len(numbers)]

    def scalar(value: Any) -> Any:
        if isinstance(value, Size):
            return w.add("Cast", w.add("Squeeze", value), to=7)
        return w.constant(np.asarray(value, np.int64 if dtype_of(w).kind == "i" else dtype_of(w)))

    if all(isinstance(n, int | float) for n in (start, end, step)):
        return w.constant(np.arange(start, end, step).astype(dtype_of(w)))
    return w.add("Range", scalar(start), scalar(end), scalar(step))


def over_axes(kind: str) -> Callable[..., Any]:
    """A reduction; without axes over all."""

    def written(w: Writer, x: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
        (y,) = in_type(w, dtype_of(w), x)
        axes = [dim] if isinstance(dim, int) else list(dim or [])
        return w.add(kind, y, w.constant([a % x.rank for a in axes]) if axes else None, keepdims=int(keepdim))

    return written


def over_all(kind: str) -> Callable[..., Any]:
    return lambda w, x, **_: over_axes(kind)(w, x)


def largest_along(kind: str, place: str) -> Callable[..., Any]:
    """`max(x, dim)`: the values and their places."""

    def written(w: Writer, x: Tensor, dim: int, keepdim: bool = False) -> Any:
        values = w.add(kind, x, w.constant([dim % x.rank]), keepdims=int(keepdim))
        return [values, w.add(place, x, axis=dim % x.rank, keepdims=int(keepdim))]

    return written


def place_of(kind: str) -> Callable[..., Any]:
    def written(w: Writer, x: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            x, dim = w.add("Reshape", x, w.constant([-1])), 0
        return w.add(kind, x, axis=dim, keepdims=int(keepdim))

    return written


def spread_of(root: bool) -> Callable[..., Any]:
    """The variance along axes, or its root."""

    def written(w: Writer, x: Tensor, dim: Any = None, *rest: Any, correction: Any = None, keepdim: Any = None) -> Any:
        if isinstance(dim, bool):  # the older form: var(x, unbiased)
            dim, rest = None, (dim,)
        less = (int(rest[0]) if rest else 1) if correction is None else correction
        keep = bool(rest[1] if len(rest) > 1 else keepdim)
        axes = list(range(x.rank)) if not dim and dim != 0 else [dim] if isinstance(dim, int) else list(dim)
        at = w.constant([a % x.rank for a in axes])
        lengths = [x.shape[a] for a in axes]
        if None in lengths:
            raise InteropError("a variance over an axis whose length is not known beforehand is not translated")
        n = int(np.prod([n for n in lengths if n is not None]))
        apart = w.add("Sub", x, w.add("ReduceMean", x, at, keepdims=1))
        squares = w.add("ReduceMean", w.add("Mul", apart, apart), at, keepdims=int(keep))
        variance = squares if less == 0 else w.add("Mul", squares, w.number(n / (n - less), x))
        return w.add("Sqrt", variance) if root else variance

    return written


def norm(w: Writer, x: Tensor, order: float = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
    if order not in (1, 2):
        raise InteropError(f"a norm of order {order} is not translated")
    return over_axes(f"ReduceL{int(order)}")(w, x, dim, keepdim)


def cosine(w: Writer, a: Tensor, b: Tensor, dim: int = 1, epsilon: float = 1e-8) -> Any:
    axis = w.constant([dim % a.rank])
    along = w.add("ReduceSum", w.add("Mul", a, b), axis, keepdims=0)
    least = w.number(epsilon, a)
    lengths = [w.add("Max", w.add("ReduceL2", x, axis, keepdims=0), least) for x in (a, b)]
    return w.add("Div", along, w.add("Mul", *lengths))


def largest_few(w: Writer, x: Tensor, k: int, dim: int = -1, largest: bool = True, ordered: bool = True) -> Any:
    return list(w.add("TopK", x, w.constant([k]), outputs=2, axis=dim, largest=int(largest), sorted=int(ordered)))


def running_sum(w: Writer, x: Tensor, dim: int, **_: Any) -> Any:
    return w.add("CumSum", *in_type(w, dtype_of(w), x), w.constant(np.asarray(dim, np.int64)))


def one_hot(w: Writer, x: Tensor, classes: int = -1) -> Any:
    if classes < 0:
        raise InteropError("one_hot without the number of classes is not translated")
    return w.add("OneHot", x, w.constant([classes]), w.constant([0, 1]))


SHAPES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("contiguous", "clone", "detach", "alias", "lift_fresh_copy", "lift_fresh"), as_it_is),
    **dict.fromkeys(("to", "_to_copy", "type_as"), converted),
    **dict.fromkeys(("view", "reshape", "_unsafe_view"), reshaped),
    "flatten": flattened, "unflatten": unflattened, "unsqueeze": with_axis, "squeeze": without_axes,
    "permute": permuted, "transpose": transposed, "swapaxes": transposed, "t": transposed, "movedim": moved,
    "numpy_T": lambda w, x: permuted(w, x, range(x.rank)[::-1]), "mT": lambda w, x: transposed(w, x, -2, -1),
    "expand": expanded, "expand_as": expanded_as, "broadcast_to": expanded, "repeat": repeated, "cat": joined,
    "concat": joined, "concatenate": joined, "stack": stacked, "split": split, "split_with_sizes": split_sizes,
    "chunk": chunked, "unbind": unbound, "select": selected, "slice": sliced, "slice_scatter": slice_written,
    "select_scatter": place_written, "flip": mirrored, "roll": rolled,
    "embedding": rows_at, "index_select": picked, "gather": gathered, "index": indexed, "pad": padded,
    "constant_pad_nd": padded_with,
    **dict.fromkeys(("reflection_pad1d", "reflection_pad2d", "reflection_pad3d"), padded_as("reflect")),
    **dict.fromkeys(("replication_pad1d", "replication_pad2d", "replication_pad3d"), padded_as("replicate")),
    "tril": triangle(False), "triu": triangle(True), "zeros": filled(0), "ones": filled(1), "full": filled(None),
    "zeros_like": filled_like(0), "ones_like": filled_like(1), "full_like": filled_like(None),
    "new_zeros": new_filled(0), "new_ones": new_filled(1), "new_full": new_filled(None), "arange": counted,
    "scalar_tensor": lambda w, value, **_: w.number(value, dtype_of(w)),
    "mean": over_axes("ReduceMean"), "mean.default": over_all("ReduceMean"),
    "sum": over_axes("ReduceSum"), "sum.default": over_all("ReduceSum"),
    "amax": over_axes("ReduceMax"), "amin": over_axes("ReduceMin"),
    "max.default": over_all("ReduceMax"), "min.default": over_all("ReduceMin"),
    "max.dim": largest_along("ReduceMax", "ArgMax"), "min.dim": largest_along("ReduceMin", "ArgMin"),
    "argmax": place_of("ArgMax"), "argmin": place_of("ArgMin"), "logsumexp": over_axes("ReduceLogSumExp"),
    "prod.dim_int": over_axes("ReduceProd"), "prod.default": over_all("ReduceProd"), "var": spread_of(False),
    "std": spread_of(True), "linalg_vector_norm": norm, "norm": norm, "cosine_similarity": cosine,
    "cumsum": running_sum, "topk": largest_few, "one_hot": one_hot,
}  # fmt: skip
