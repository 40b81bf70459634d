"""ATen's layers in the words of ONNX: weights, windows, normalization, attention and recurrence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import InteropError
from ._curves import dtype_of
from ._shapes import transposed
from ._words import Size, Tensor, Writer

Ints = int | Sequence[int]


def linear(w: Writer, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    """A Gemm where x is a table; else a product and a sum, the weight turned round."""
    if x.rank == 2 and weight.name not in w.wide:
        return w.add("Gemm", x, weight, bias, transB=1)
    if weight.name in w.parameters:
        turned = w.derived("_T", np.transpose, weight)
    else:
        turned = w.add("Transpose", weight, perm=[1, 0])
    product = w.add("MatMul", x, turned)
    return product if bias is None else w.add("Add", product, bias)


def product(w: Writer, a: Tensor, b: Tensor) -> Any:
    return w.add("MatMul", a, b)


def product_plus(w: Writer, x: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Any:
    if a.rank == 2:
        return w.add("Gemm", a, b, x, alpha=float(alpha), beta=float(beta))
    scaled = w.add("Mul", w.add("MatMul", a, b), w.number(alpha, x))
    return w.add("Add", w.add("Mul", x, w.number(beta, x)), scaled)


def outer(w: Writer, a: Tensor, b: Tensor) -> Any:
    return w.add("Mul", w.add("Unsqueeze", a, w.constant([1])), b)


def weight_norm(w: Writer, direction: Tensor, length: Tensor, dim: int = 0) -> Any:
    """`g v / ‖v‖`, the norm over all axes but one."""
    axes = w.constant([axis for axis in range(direction.rank) if axis != dim % direction.rank])
    return w.add("Mul", direction, w.add("Div", length, w.add("ReduceL2", direction, axes, keepdims=1)))


def einsum(w: Writer, equation: str, tensors: Sequence[Tensor], *_: Any) -> Any:
    return w.add("Einsum", *tensors, equation=equation)


def convolution(rank: int) -> Callable[..., Any]:
    def written(
        w: Writer, x: Tensor, weight: Tensor, bias: Any = None, stride: Ints = 1, padding: Any = 0, dilation: Ints = 1,
        groups: int = 1,
    ) -> Any:  # fmt: skip
        batched(x, rank)
        size, spread = list(weight.shape[2:]), each(dilation, rank)
        pads = sides(padding, size, spread)
        return w.add("Conv", x, weight, bias, kernel_shape=size, strides=each(stride, rank), pads=pads,
                     dilations=spread, group=groups)  # fmt: skip

    return written


def transposed_convolution(rank: int) -> Callable[..., Any]:
    def written(
        w: Writer, x: Tensor, weight: Tensor, bias: Any = None, stride: Ints = 1, padding: Ints = 0,
        output_padding: Ints = 0, groups: int = 1, dilation: Ints = 1,
    ) -> Any:  # fmt: skip
        batched(x, rank)
        return w.add("ConvTranspose", x, weight, bias, kernel_shape=list(weight.shape[2:]), strides=each(stride, rank),
                     pads=each(padding, rank) * 2, output_padding=each(output_padding, rank),
                     dilations=each(dilation, rank), group=groups)  # fmt: skip

    return written


def sides(padding: Any, size: Sequence[int | None], dilation: Sequence[int]) -> list[int]:
    """The zeros before each axis, then those behind it; "same" has an odd one behind."""
    if padding == "valid":
        return [0] * (2 * len(size))
    if padding == "same":
        total = [d * ((k or 1) - 1) for k, d in zip(size, dilation, strict=True)]
        return [n // 2 for n in total] + [n - n // 2 for n in total]
    return each(padding, len(size)) * 2


def each(setting: Ints, rank: int) -> list[int]:
    many = [setting] if isinstance(setting, int) else list(setting)
    return many * rank if len(many) == 1 else many


def batched(x: Tensor, rank: int) -> None:
    if x.rank != rank + 2:
        raise InteropError(f"it is given {x.rank} axes; with a batch and channels before it would have {rank + 2}")


def largest(rank: int, places: bool = False) -> Callable[..., Any]:
    def written(
        w: Writer, x: Tensor, size: Ints, stride: Ints = (), padding: Ints = 0, dilation: Ints = 1, ceil: bool = False
    ) -> Any:
        batched(x, rank)
        y = w.add("MaxPool", x, kernel_shape=each(size, rank), strides=each(stride or size, rank),
                  pads=each(padding, rank) * 2, dilations=each(dilation, rank), ceil_mode=int(ceil))  # fmt: skip
        return [y, None] if places else y

    return written


def mean_of_windows(rank: int) -> Callable[..., Any]:
    def written(
        w: Writer, x: Tensor, size: Ints, stride: Ints = (), padding: Ints = 0, ceil: bool = False,
        count_padding: bool = True, divisor: int | None = None,
    ) -> Any:  # fmt: skip
        batched(x, rank)
        size = each(size, rank)
        y = w.add("AveragePool", x, kernel_shape=size, strides=each(stride or size, rank), pads=each(padding, rank) * 2,
                  ceil_mode=int(ceil), count_include_pad=int(count_padding or divisor is not None))  # fmt: skip
        return y if divisor is None else w.add("Mul", y, w.number(float(np.prod(size)) / divisor, x))

    return written


def adaptive_mean(rank: int) -> Callable[..., Any]:
    """Windows where they are of one size, else a product with the matrix of means along each axis."""

    def written(w: Writer, x: Tensor, size: Any) -> Any:
        batched(x, rank)
        lengths, wanted = adapted(x, size, rank)
        if set(wanted) == {1}:
            return w.add("GlobalAveragePool", x)
        if not any(n % m for n, m in zip(lengths, wanted, strict=True)):
            steps = [n // m for n, m in zip(lengths, wanted, strict=True)]
            return w.add("AveragePool", x, kernel_shape=steps, strides=steps)
        y: Any = x
        for axis, (n, m) in enumerate(zip(lengths, wanted, strict=True), 2):
            order = [*(a for a in range(x.rank) if a != axis), axis]
            last = w.add("MatMul", w.add("Transpose", y, perm=order), w.constant(means(n, m).astype(x.dtype)))
            y = w.add("Transpose", last, perm=np.argsort(order).tolist())
        return y

    return written


def adaptive_largest(rank: int) -> Callable[..., Any]:
    def written(w: Writer, x: Tensor, size: Any) -> Any:
        batched(x, rank)
        lengths, wanted = adapted(x, size, rank)
        if set(wanted) == {1}:
            return [w.add("GlobalMaxPool", x), None]
        if any(n % m for n, m in zip(lengths, wanted, strict=True)):
            raise InteropError(f"{wanted} windows over {lengths} places differ in size, which is not translated")
        steps = [n // m for n, m in zip(lengths, wanted, strict=True)]
        return [w.add("MaxPool", x, kernel_shape=steps, strides=steps), None]

    return written


def adapted(x: Tensor, size: Any, rank: int) -> tuple[list[int], list[int]]:
    """The lengths of the axes, and how many windows each is to have."""
    lengths = list(x.shape[2:])
    many = [size] * rank if size is None or isinstance(size, int) else list(size)
    wanted = [n if m is None else m for n, m in zip(lengths, many, strict=True)]
    if set(wanted) == {1}:
        return [1] * rank, [1] * rank
    if None in lengths:
        raise InteropError("its windows depend on a length that is not known beforehand")
    return [n or 0 for n in lengths], [m or 0 for m in wanted]


def means(n: int, m: int) -> np.ndarray:
    """The means of m parts of an axis of length n, as PyTorch cuts it, (n, m)."""
    matrix = np.zeros((n, m))
    for i in range(m):
        start, end = i * n // m, -(-(i + 1) * n // m)
        matrix[start:end, i] = 1 / (end - start)
    return matrix


def batch_norm(
    w: Writer, x: Tensor, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, momentum: float,
    epsilon: float, *_: Any,
) -> Any:  # fmt: skip
    if training or mean is None:
        raise InteropError("it keeps no running statistics (track_running_stats=False)")
    n = mean.shape[0] or 0
    scale = np.ones(n, x.dtype) if weight is None else weight
    shift = np.zeros(n, x.dtype) if bias is None else bias
    return w.add("BatchNormalization", x, scale, shift, mean, variance, epsilon=epsilon, momentum=1 - momentum)


def batch_norm_at_inference(w: Writer, x: Tensor, *rest: Any) -> Any:
    weight, bias, mean, variance, momentum, epsilon = rest
    return [batch_norm(w, x, weight, bias, mean, variance, False, momentum, epsilon), None, None]


def layer_norm(
    w: Writer, x: Tensor, shape: Sequence[int], weight: Any = None, bias: Any = None, epsilon: float = 1e-5, *_: Any
) -> Any:
    scale = np.ones(shape, x.dtype) if weight is None else weight
    return w.add("LayerNormalization", x, scale, bias, axis=-len(shape), epsilon=epsilon)


def group_norm(
    w: Writer, x: Tensor, groups: int, weight: Any = None, bias: Any = None, epsilon: float = 1e-5, *_: Any
) -> Any:
    n = x.shape[1] or 0
    scale = np.ones(n, x.dtype) if weight is None else weight
    shift = np.zeros(n, x.dtype) if bias is None else bias
    return w.add("GroupNormalization", x, scale, shift, num_groups=groups, epsilon=epsilon)


def instance_norm(
    w: Writer, x: Tensor, weight: Any, bias: Any, mean: Any, variance: Any, of_input: bool, momentum: float,
    epsilon: float, *_: Any,
) -> Any:  # fmt: skip
    if not of_input:
        return batch_norm(w, x, weight, bias, mean, variance, False, momentum, epsilon)
    n = x.shape[1] or 0
    scale = np.ones(n, x.dtype) if weight is None else weight
    shift = np.zeros(n, x.dtype) if bias is None else bias
    return w.add("InstanceNormalization", x, scale, shift, epsilon=epsilon)


def rms_norm(w: Writer, x: Tensor, shape: Sequence[int], weight: Any = None, epsilon: float | None = None) -> Any:
    scale = np.ones(shape, x.dtype) if weight is None else weight
    epsilon = float(np.finfo(x.dtype).eps) if epsilon is None else epsilon
    return w.add("RMSNormalization", x, scale, axis=-len(shape), epsilon=epsilon)


def softmax(kind: str) -> Callable[..., Any]:
    return lambda w, x, dim, *_: w.add(kind, w.cast(x, dtype_of(w)), axis=dim)


def dropout(w: Writer, x: Tensor, p: float, *_: Any) -> Any:
    return w.add("Dropout", x, w.constant(np.asarray(p, np.float32)))


def attention(
    w: Writer, q: Tensor, k: Tensor, v: Tensor, mask: Any = None, p: float = 0.0, causal: bool = False, *,
    scale: float | None = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """softmax(q kᵀ / √d + mask) v."""
    if enable_gqa:
        raise InteropError("attention with fewer heads of keys than of queries (enable_gqa) is not translated")
    scale = float(scale or 1 / np.sqrt(q.shape[-1] or 1))
    score = w.add("Mul", w.add("MatMul", q, transposed(w, k, -2, -1)), w.number(scale, q))
    if causal:
        if q.shape[-2] is None or k.shape[-2] is None:
            raise InteropError("causal attention over a length that is not known beforehand is not translated")
        mask = np.where(np.tri(q.shape[-2], k.shape[-2], dtype=bool), 0, -np.inf).astype(q.dtype)
    elif mask is not None and mask.dtype == np.bool_:
        mask = w.add("Where", mask, w.number(0, q), w.number(-np.inf, q))
    score = score if mask is None else w.add("Add", score, mask)
    return w.add("MatMul", w.add("Softmax", score, axis=-1), v)


def upsampled(mode: str, rank: int) -> Callable[..., Any]:
    def written(w: Writer, x: Tensor, size: Any, *rest: Any) -> Any:
        align = bool(rest[0]) if mode == "linear" and rest else False
        factors: Any = rest[-1] if rest else None
        if size is not None:
            if any(isinstance(n, Size) for n in size):
                raise InteropError("it is resized to a length that is not known beforehand")
            lengths = [w.length(x, 0), w.length(x, 1), *size]
            given = (None, None, w.shape_of(lengths))
        else:
            given = (None, np.array([1, 1, *each(factors, rank)], np.float32))
        way = "asymmetric" if mode == "nearest" else "align_corners" if align else "pytorch_half_pixel"
        return w.add("Resize", x, *given, mode=mode, coordinate_transformation_mode=way, nearest_mode="floor")

    return written


def depth_to_space(w: Writer, x: Tensor, factor: int) -> Any:
    return w.add("DepthToSpace", x, blocksize=factor, mode="CRD")


LAYERS: dict[str, Callable[..., Any]] = {
    "linear": linear, "_weight_norm": weight_norm, "mv": product, "dot": product, "outer": outer,
    "matmul": product, "mm": product, "bmm": product, "addmm": product_plus,
    "baddbmm": product_plus, "einsum": einsum, "dropout": dropout, "feature_dropout": dropout,
    "alpha_dropout": dropout, "feature_alpha_dropout": dropout,
    **{f"conv{n}d": convolution(n) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": transposed_convolution(n) for n in (1, 2, 3)},
    **{f"max_pool{n}d": largest(n) for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": largest(n, places=True) for n in (1, 2, 3)},
    **{f"avg_pool{n}d": mean_of_windows(n) for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d": adaptive_mean(n) for n in (1, 2, 3)},
    **{f"_adaptive_avg_pool{n}d": adaptive_mean(n) for n in (2, 3)},
    **{f"adaptive_max_pool{n}d": adaptive_largest(n) for n in (1, 2, 3)},
    "batch_norm": batch_norm, "_native_batch_norm_legit_no_training": batch_norm_at_inference,
    "layer_norm": layer_norm, "group_norm": group_norm, "instance_norm": instance_norm, "rms_norm": rms_norm,
    "softmax": softmax("Softmax"), "log_softmax": softmax("LogSoftmax"), "_softmax": softmax("Softmax"),
    "_log_softmax": softmax("LogSoftmax"), "scaled_dot_product_attention": attention, "pixel_shuffle": depth_to_space,
    **{f"upsample_nearest{n}d.vec": upsampled("nearest", n) for n in (1, 2, 3)},
    "upsample_linear1d.vec": upsampled("linear", 1), "upsample_bilinear2d.vec": upsampled("linear", 2),
    "upsample_trilinear3d.vec": upsampled("linear", 3),
}  # fmt: skip
