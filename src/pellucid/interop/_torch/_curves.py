"""ATen's arithmetic, number by number, in the words of ONNX. Functions take the arguments of ATen in its order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import InteropError
from ._words import Tensor, Writer


def promoted(w: Writer, *values: Any) -> list[Any]:
    """The operands in one type, as PyTorch promotes them."""
    import torch

    given = [value.known if isinstance(value, Tensor) else value for value in values]
    kind = torch.result_type(given[0], given[1]) if len(given) > 1 else w.known.dtype
    return in_type(w, np.dtype(str(kind).removeprefix("torch.")), *values)


def in_type(w: Writer, dtype: np.dtype, *values: Any) -> list[Any]:
    return [w.cast(value, dtype) if isinstance(value, Tensor) else w.number(value, dtype) for value in values]


def unary(kind: str) -> Callable[..., Any]:
    def written(w: Writer, x: Tensor, *_: Any) -> Any:
        return w.add(kind, *in_type(w, dtype_of(w), x))

    return written


def dtype_of(w: Writer) -> np.dtype:
    """The type of what the present call gives."""
    return Tensor("", w.known).dtype


def binary(kind: str) -> Callable[..., Any]:
    return lambda w, a, b, *_: w.add(kind, *promoted(w, a, b))


def of_truths(kind: str) -> Callable[..., Any]:
    def written(w: Writer, a: Tensor, b: Tensor) -> Any:
        if a.dtype != np.bool_ or b.dtype != np.bool_:
            raise InteropError("it is done bit by bit on numbers, which is not translated")
        return w.add(kind, a, b)

    return written


def not_equal(w: Writer, a: Any, b: Any) -> Any:
    return w.add("Not", w.add("Equal", *promoted(w, a, b)))


def negated(w: Writer, x: Tensor) -> Any:
    if x.dtype != np.bool_:
        raise InteropError("it is done bit by bit on numbers, which is not translated")
    return w.add("Not", x)


def scaled_sum(kind: str) -> Callable[..., Any]:
    """`a ± alpha b`."""

    def written(w: Writer, a: Any, b: Any, alpha: float = 1) -> Any:
        first, second = in_type(w, dtype_of(w), a, b)
        return w.add(kind, first, second if alpha == 1 else w.add("Mul", second, w.number(alpha, dtype_of(w))))

    return written


def reversed_difference(w: Writer, a: Any, b: Any, alpha: float = 1) -> Any:
    return scaled_sum("Sub")(w, b, a, alpha)


def quotient(w: Writer, a: Any, b: Any, rounding_mode: str | None = None) -> Any:
    first, second = in_type(w, dtype_of(w), a, b)
    if dtype_of(w).kind in "iu":
        raise InteropError("whole numbers are divided with rounding, which is not translated")
    whole = w.add("Div", first, second)
    if rounding_mode == "trunc":
        return w.add("Mul", w.add("Sign", whole), w.add("Floor", w.add("Abs", whole)))
    return w.add("Floor", whole) if rounding_mode == "floor" else whole


def quotient_by_mode(w: Writer, a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    return quotient(w, a, b, rounding_mode)


def power(w: Writer, a: Any, b: Any) -> Any:
    return w.add("Pow", *in_type(w, dtype_of(w), a, b))


def clamp(w: Writer, x: Tensor, low: Any = None, high: Any = None) -> Any:
    (y,) = in_type(w, dtype_of(w), x)
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        y = y if low is None else w.add("Max", y, *in_type(w, dtype_of(w), low))
        return y if high is None else w.add("Min", y, *in_type(w, dtype_of(w), high))
    bounds = [None if bound is None else w.number(bound, dtype_of(w)) for bound in (low, high)]
    return w.add("Clip", y, *bounds)


def clamp_max(w: Writer, x: Tensor, high: Any) -> Any:
    return clamp(w, x, None, high)


def relu6(w: Writer, x: Tensor) -> Any:
    return clamp(w, x, 0, 6)


def hard_tanh(w: Writer, x: Tensor, low: float = -1, high: float = 1) -> Any:
    return clamp(w, x, low, high)


def leaky_relu(w: Writer, x: Tensor, slope: float = 0.01) -> Any:
    return w.add("LeakyRelu", x, alpha=float(slope))


def random_leaky_relu(w: Writer, x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, *_: Any) -> Any:
    return leaky_relu(w, x, (lower + upper) / 2)


def elu(w: Writer, x: Tensor, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Any:
    if scale != 1 or input_scale != 1:
        raise InteropError("an ELU with scales is not translated")
    return w.add("Elu", x, alpha=float(alpha))


def celu(w: Writer, x: Tensor, alpha: float = 1.0) -> Any:
    if x.dtype == np.float32:
        return w.add("Celu", x, alpha=float(alpha))
    divided = w.add("Div", x, w.number(alpha, x))  # ONNX has it for single precision alone
    return w.add("Mul", w.add("Elu", divided, alpha=1.0), w.number(alpha, x))


def gelu(w: Writer, x: Tensor, approximate: str = "none") -> Any:
    return w.add("Gelu", x, approximate=approximate)


def silu(w: Writer, x: Tensor) -> Any:
    return w.add("Mul", x, w.add("Sigmoid", x))


def softplus(w: Writer, x: Tensor, beta: float = 1, threshold: float = 20) -> Any:
    if beta == 1:
        return w.add("Softplus", x)
    factor = w.number(beta, x)
    return w.add("Div", w.add("Softplus", w.add("Mul", x, factor)), factor)


def log_sigmoid(w: Writer, x: Tensor) -> Any:
    return w.add("Neg", w.add("Softplus", w.add("Neg", x)))


def hard_sigmoid(w: Writer, x: Tensor) -> Any:
    return w.add("HardSigmoid", x, alpha=1 / 6, beta=0.5)


def hard_shrink(w: Writer, x: Tensor, lambd: float = 0.5) -> Any:
    return w.add("Shrink", x, lambd=float(lambd), bias=0.0)


def soft_shrink(w: Writer, x: Tensor, lambd: float = 0.5) -> Any:
    return w.add("Shrink", x, lambd=float(lambd), bias=float(lambd))


def threshold(w: Writer, x: Tensor, at: float, value: float) -> Any:
    return w.add("Where", w.add("Greater", x, w.number(at, x)), x, w.number(value, x))


def glu(w: Writer, x: Tensor, dim: int = -1) -> Any:
    signal, gate = w.add("Split", x, outputs=2, axis=dim, num_outputs=2)
    return w.add("Mul", signal, w.add("Sigmoid", gate))


def prelu(w: Writer, x: Tensor, slope: Tensor) -> Any:
    """ONNX lines the slopes up with the last axes; here they belong to axis 1."""
    rank = max(x.rank, 2)
    return w.add("PRelu", x, w.derived("", lambda a: a.reshape(-1, *(1,) * (rank - 2)), slope))


def where(w: Writer, condition: Tensor, a: Any, b: Any) -> Any:
    return w.add("Where", condition, *in_type(w, dtype_of(w), a, b))


def masked_fill(w: Writer, x: Tensor, mask: Tensor, value: Any) -> Any:
    return w.add("Where", mask, *in_type(w, dtype_of(w), value, x))


def root_reciprocal(w: Writer, x: Tensor) -> Any:
    return w.add("Reciprocal", w.add("Sqrt", *in_type(w, dtype_of(w), x)))


def square(w: Writer, x: Tensor) -> Any:
    return w.add("Mul", x, x)


def log_in_base(base: float) -> Callable[..., Any]:
    return lambda w, x: w.add("Div", w.add("Log", x), w.number(np.log(base), x))


def log_of_more(w: Writer, x: Tensor) -> Any:
    return w.add("Log", w.add("Add", x, w.number(1, x)))


def exp_less_one(w: Writer, x: Tensor) -> Any:
    return w.add("Sub", w.add("Exp", x), w.number(1, x))


def two_to_the(w: Writer, x: Tensor) -> Any:
    return w.add("Pow", w.number(2, x), x)


def erf_from_one(w: Writer, x: Tensor) -> Any:
    return w.add("Sub", w.number(1, x), w.add("Erf", x))


def floor_quotient(w: Writer, a: Any, b: Any) -> Any:
    return quotient(w, a, b, "floor")


def remainder(w: Writer, a: Any, b: Any) -> Any:
    """`a − ⌊a / b⌋ b`, of the sign of b."""
    first, second = in_type(w, dtype_of(w), a, b)
    return w.add("Sub", first, w.add("Mul", w.add("Floor", w.add("Div", first, second)), second))


def linear_between(w: Writer, a: Tensor, b: Tensor, weight: Any) -> Any:
    share = weight if isinstance(weight, Tensor) else w.number(weight, a)
    return w.add("Add", a, w.add("Mul", share, w.add("Sub", b, a)))


def product_added(w: Writer, x: Tensor, a: Tensor, b: Tensor, value: float = 1) -> Any:
    product = w.add("Mul", a, b)
    return w.add("Add", x, product if value == 1 else w.add("Mul", product, w.number(value, x)))


CURVES: dict[str, Callable[..., Any]] = {
    **{name: unary(name.capitalize()) for name in (
        "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "exp", "floor", "log",
        "neg", "reciprocal", "relu", "round", "selu", "sigmoid", "sign", "sin", "sinh", "sqrt", "tan", "tanh", "mish",
    )},
    "hardswish": unary("HardSwish"), "logical_not": negated,
    "bitwise_not": negated, "isnan": lambda w, x: w.add("IsNaN", x),
    "mul": lambda w, a, b: w.add("Mul", *in_type(w, dtype_of(w), a, b)),
    "maximum": binary("Max"), "minimum": binary("Min"), "max.other": binary("Max"), "min.other": binary("Min"),
    "eq": binary("Equal"), "ne": not_equal, "lt": binary("Less"), "le": binary("LessOrEqual"), "gt": binary("Greater"),
    "ge": binary("GreaterOrEqual"), "logical_and": of_truths("And"), "logical_or": of_truths("Or"),
    "bitwise_and": of_truths("And"), "bitwise_or": of_truths("Or"),
    "add": scaled_sum("Add"), "sub": scaled_sum("Sub"), "rsub": reversed_difference, "div": quotient,
    "div.Tensor_mode": quotient_by_mode, "div.Scalar_mode": quotient_by_mode, "true_divide": quotient, "pow": power,
    "clamp": clamp, "clip": clamp, "clamp_min": clamp, "clamp_max": clamp_max, "relu6": relu6, "hardtanh": hard_tanh,
    "leaky_relu": leaky_relu, "rrelu": random_leaky_relu, "elu": elu, "celu": celu, "gelu": gelu, "silu": silu,
    "softplus": softplus, "log_sigmoid": log_sigmoid, "hardsigmoid": hard_sigmoid, "hardshrink": hard_shrink,
    "softshrink": soft_shrink, "threshold": threshold, "glu": glu, "prelu": prelu, "where": where,
    "masked_fill": masked_fill, "rsqrt": root_reciprocal, "square": square, "log2": log_in_base(2),
    "log10": log_in_base(10), "log1p": log_of_more, "expm1": exp_less_one, "lerp": linear_between,
    "addcmul": product_added,
    "exp2": two_to_the,
    "special_exp2": two_to_the,
    "erfc": erf_from_one,
    "floor_divide": floor_quotient,
    "remainder": remainder,
}  # fmt: skip
