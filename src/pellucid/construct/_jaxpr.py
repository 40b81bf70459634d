"""Bounds of a user's function on boxes, from the operations that JAX finds in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jax
import numpy as np

from ..errors import SettingError
from . import _interval as iv
from . import _jet as jet
from ._interval import Interval, about, exactly
from ._jet import Jet
from ._jet_curves import CURVES, elementwise, real_power

BITS = ("and", "or", "not", "div", "pow")  # what means something else for whole numbers
LONGEST = 1000  # steps of a loop that are gone through


def traced(function: Callable[[Any], Any], shape: tuple[int, ...]) -> Any:
    """The operations of a function of one input of this shape, in float64; None where JAX cannot see into it.

    Raises: SettingError where it gives something else than one number.
    """
    with jax.enable_x64(True):
        try:
            found = jax.make_jaxpr(function)(np.zeros(shape))
        except Exception:  # whatever it does with what is no number yet
            return None
    given = [value.aval for value in found.jaxpr.outvars]
    if [value.shape for value in given] not in ([()], [(1,)]) or np.issubdtype(given[0].dtype, np.complexfloating):
        got = " and ".join(f"an array of {value.dtype}, shape {value.shape}," for value in given) or "nothing"
        raise SettingError(f"The function gives {got.rstrip(',')} for one input; wanted is one number.")
    return found


def bounds(found: Any, low: np.ndarray, high: np.ndarray, slopes: bool = True) -> Jet:
    """A traced function on boxes (boxes, d): its value (boxes,), slope (boxes, d) and curve (boxes, d, d).

    Without `slopes`, which take most of the time, these two have no directions.

    Raises: SettingError naming an operation for which there are no bounds.
    """
    boxes, d = low.shape
    x = jet.inputs(low, high, slopes)
    if not found.jaxpr.invars[0].aval.shape:
        x = jet.each(x, lambda end, lead: end[..., 0])
    with np.errstate(all="ignore"):
        (y,) = run(found.jaxpr, [jet.constant(c) for c in found.consts], [x])
    d *= slopes
    shapes = (boxes,), (boxes, d), (boxes, d, d)
    return Jet(*(
        Interval(*(np.broadcast_to(end.reshape(end.shape[: len(shape)]), shape) for end in part))
        for part, shape in zip(y, shapes, strict=True)
    ))  # fmt: skip


def run(jaxpr: Any, constants: Sequence[Jet], given: Sequence[Jet]) -> list[Jet]:
    """Go through the operations, in order."""
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *given], strict=True))

    def read(atom: Any) -> Jet:
        return jet.constant(atom.val) if hasattr(atom, "val") else known[atom]

    for equation in jaxpr.eqns:
        name, dtype = equation.primitive.name, equation.outvars[0].aval.dtype
        args = [read(atom) for atom in equation.invars]
        if np.issubdtype(dtype, np.complexfloating) or (name in BITS and np.issubdtype(dtype, np.integer)):
            raise SettingError(f"The function uses {name!r} on {dtype}, for which there are no bounds here.")
        if name in CURVES:
            made = elementwise(name, args[0])
        elif name in RULES:
            made = RULES[name](args, equation)
        else:
            raise SettingError(
                f"The function uses {name!r}, for which there are no bounds here: say what is known of the function, "
                "as lipschitz=, curvature= or convex=, or write it another way."
            )
        known |= dict(zip(equation.outvars, made if isinstance(made, list) else [made], strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def same(args: Sequence[Jet], _: Any) -> Jet:
    return args[0]


def inside(name: str) -> Any:
    """An operation that holds others."""

    def rule(args: Sequence[Jet], equation: Any) -> list[Jet]:
        held = equation.params[name]
        constants = [jet.constant(c) for c in getattr(held, "consts", [])]
        return run(getattr(held, "jaxpr", held), constants, args)

    return rule


def scan(args: Sequence[Jet], equation: Any) -> list[Jet]:
    """A loop, step by step, without outputs of every step."""
    settings = equation.params
    held, steps, fixed, carried = (settings[name] for name in ("jaxpr", "length", "num_consts", "num_carry"))
    if steps > LONGEST or len(equation.outvars) != carried:
        raise SettingError(
            f"The function loops over {steps:,} steps and keeps what each gives: give its bounds yourself."
        )
    constants, carry, rows = args[:fixed], list(args[fixed : fixed + carried]), args[fixed + carried :]
    order = range(steps)
    for i in reversed(order) if settings["reverse"] else order:
        row = [jet.each(part, lambda end, lead, i=i: end.take(i, lead)) for part in rows]
        carry = run(held.jaxpr, [jet.constant(c) for c in held.consts], [*constants, *carry, *row])
    return carry


def compared(answer: Callable[[Interval, Interval], tuple[np.ndarray, np.ndarray]]) -> Any:
    """A comparison: 1 where it surely holds, 0 where it surely does not, else anything between."""

    def rule(args: Sequence[Jet], equation: Any) -> Jet:
        a, b = jet.aligned(*args)
        surely, maybe = answer(a.value, b.value)
        if equation.invars[0] is equation.invars[1]:  # x ≠ x asks whether x is NaN, and no value here is
            surely = maybe = np.full(surely.shape, equation.primitive.name in ("eq", "ge", "le"))
        value = Interval(surely.astype(float), maybe.astype(float))
        nothing = jet.constant(np.zeros((1,) * a.rank))
        return Jet(value, nothing.slope, nothing.curve)

    return rule


def logical(function: Any) -> Any:
    """`and`, `or`, of numbers from 0 to 1."""
    return lambda args, _: Jet(
        Interval(*(function(*ends) for ends in zip(args[0].value, args[1].value, strict=True))), *args[0][1:]
    )


def flipped(args: Sequence[Jet], _: Any) -> Jet:
    return Jet(iv.subtract(exactly(1.0), args[0].value), *args[0][1:])


def broadcast(args: Sequence[Jet], equation: Any) -> Jet:
    shape, dims = equation.params["shape"], equation.params["broadcast_dimensions"]

    def change(end: np.ndarray, lead: int) -> np.ndarray:
        sizes = [1] * len(shape)
        for axis, dim in enumerate(dims):
            sizes[dim] = end.shape[lead + axis]
        return np.broadcast_to(end.reshape(*end.shape[:lead], *sizes), (*end.shape[:lead], *shape))

    return jet.each(args[0], change)


def reshape(args: Sequence[Jet], equation: Any) -> Jet:
    shape = equation.outvars[0].aval.shape
    return jet.each(args[0], lambda end, lead: end.reshape(*end.shape[:lead], *shape))


def sliced(args: Sequence[Jet], equation: Any) -> Jet:
    starts, ends, steps = (equation.params[name] for name in ("start_indices", "limit_indices", "strides"))
    cut = tuple(map(slice, starts, ends, steps or [1] * len(starts)))
    return jet.each(args[0], lambda end, lead: end[(*[slice(None)] * lead, *cut)])


def transposed(args: Sequence[Jet], equation: Any) -> Jet:
    order = equation.params["permutation"]
    return jet.each(args[0], lambda end, lead: end.transpose(*range(lead), *(lead + i for i in order)))


def turned(args: Sequence[Jet], equation: Any) -> Jet:
    axes = equation.params["dimensions"]
    return jet.each(args[0], lambda end, lead: np.flip(end, tuple(lead + i for i in axes)))


def joined(args: Sequence[Jet], equation: Any) -> Jet:
    return side_by_side(args, equation.params["dimension"])


def side_by_side(args: Sequence[Jet], axis: int) -> Jet:
    parts = []
    for lead, part in enumerate(zip(*args, strict=True), 1):
        wide = np.broadcast_shapes(*(p.low.shape[:lead] for p in part))
        ends = zip(*((np.broadcast_to(e, (*wide, *e.shape[lead:])) for e in p) for p in part), strict=True)
        parts.append(Interval(*(np.concatenate(end, lead + axis) for end in ends)))
    return Jet(*parts)


def stacked(args: Sequence[Jet], equation: Any) -> Jet:
    axis = equation.params["axis"]
    return side_by_side([jet.each(arg, lambda end, lead: np.expand_dims(end, lead + axis)) for arg in args], axis)


def split(args: Sequence[Jet], equation: Any) -> list[Jet]:
    axis, places = equation.params["axis"], np.cumsum(equation.params["sizes"])[:-1]
    parts = [[np.split(end, places, lead + axis) for end in part] for lead, part in enumerate(args[0], 1)]
    return [Jet(*(Interval(low[i], high[i]) for low, high in parts)) for i in range(len(places) + 1)]


def folding(function: Callable[[Jet, Jet], Jet]) -> Any:
    """A sum or a maximum over axes, one number after the other."""

    def rule(args: Sequence[Jet], equation: Any) -> Jet:
        found = args[0]
        for axis in sorted(equation.params["axes"], reverse=True):
            found = fold(function, found, axis)
        return found

    return rule


def fold(function: Callable[[Jet, Jet], Jet], x: Jet, axis: int) -> Jet:
    parts = (jet.each(x, lambda end, lead, i=i: end.take(i, lead + axis)) for i in range(x.value.low.shape[1 + axis]))
    return reduce(function, parts)


def dot(args: Sequence[Jet], equation: Any) -> Jet:
    """A product of matrices or vectors, as products and their sum."""
    (over_a, over_b), batch = equation.params["dimension_numbers"]
    if any(batch) or len(over_a) != 1:
        raise SettingError("The function uses a product of stacked matrices, for which there are no bounds here.")
    a = jet.each(args[0], lambda end, lead: np.moveaxis(end, lead + over_a[0], lead))
    b = jet.each(args[1], lambda end, lead: np.moveaxis(end, lead + over_b[0], lead))
    rest = b.rank - 1
    a = jet.each(a, lambda end, lead: end.reshape(*end.shape, *[1] * rest))
    b = jet.each(
        b, lambda end, lead: end.reshape(*end.shape[: lead + 1], *[1] * (a.rank - 1 - rest), *end.shape[lead + 1 :])
    )
    return fold(jet.add, jet.multiply(a, b), 0)


def converted(args: Sequence[Jet], equation: Any) -> Jet:
    """Another type: whole numbers only of constants, and float32 as real numbers are."""
    if not np.issubdtype(equation.params["new_dtype"], np.integer):
        return args[0]
    if (args[0].value.low != args[0].value.high).any():
        raise SettingError("The function rounds its input to whole numbers, for which there are no bounds here.")
    return Jet(exactly(np.trunc(args[0].value.low)), *args[0][1:])


def counted(args: Sequence[Jet], equation: Any) -> Jet:
    shape, axis = equation.params["shape"], equation.params["dimension"]
    return jet.constant(np.indices(shape)[axis])


def clamped(args: Sequence[Jet], _: Any) -> Jet:
    low, x, high = args
    return smaller([jet.maximum(low, x), high], _)


def smaller(args: Sequence[Jet], _: Any) -> Jet:
    return jet.negative(jet.maximum(jet.negative(args[0]), jet.negative(args[1])))


def chosen(args: Sequence[Jet], _: Any) -> Jet:
    if len(args) != 3:
        raise SettingError("The function chooses among more than two cases, for which there are no bounds here.")
    return jet.selected(args[0].value, list(args[1:]))


def always(args: Sequence[Jet], _: Any) -> Jet:
    """1: a value here is finite, or the function has none."""
    return jet.constant(np.ones((1,) * args[0].rank))


LOG2 = Jet(about(np.log([2.0]), np.log([2.0])), *jet.constant(0.0)[1:])
RULES: dict[str, Any] = {
    "add": lambda args, _: jet.add(*args),
    "add_any": lambda args, _: jet.add(*args),
    "sub": lambda args, _: jet.add(args[0], jet.negative(args[1])),
    "neg": lambda args, _: jet.negative(args[0]),
    "mul": lambda args, equation: jet.multiply(
        args[0], args[0] if equation.invars[0] is equation.invars[1] else args[1]
    ),
    "div": lambda args, _: jet.divide(*args),
    "square": lambda args, _: jet.power(args[0], 2),
    "integer_pow": lambda args, equation: jet.power(args[0], equation.params["y"]),
    "pow": lambda args, _: real_power(*args),
    "exp2": lambda args, _: elementwise("exp", jet.multiply(args[0], LOG2)),
    "max": lambda args, _: jet.maximum(*args),
    "min": smaller,
    "clamp": clamped,
    "gt": compared(lambda a, b: (a.low > b.high, a.high > b.low)),
    "ge": compared(lambda a, b: (a.low >= b.high, a.high >= b.low)),
    "lt": compared(lambda a, b: (a.high < b.low, a.low < b.high)),
    "le": compared(lambda a, b: (a.high <= b.low, a.low <= b.high)),
    "eq": compared(lambda a, b: ((a.low == b.high) & (a.high == b.low), (a.low <= b.high) & (b.low <= a.high))),
    "ne": compared(lambda a, b: ((a.low > b.high) | (b.low > a.high), ~((a.low == b.high) & (a.high == b.low)))),
    "and": logical(np.minimum),
    "or": logical(np.maximum),
    "not": flipped,
    "select_n": chosen,
    "broadcast_in_dim": broadcast,
    "reshape": reshape,
    "squeeze": reshape,
    "expand_dims": reshape,
    "slice": sliced,
    "transpose": transposed,
    "rev": turned,
    "concatenate": joined,
    "stack": stacked,
    "split": split,
    "reduce_sum": folding(jet.add),
    "reduce_max": folding(jet.maximum),
    "reduce_min": folding(lambda a, b: smaller([a, b], None)),
    "reduce_prod": folding(jet.multiply),
    "is_finite": always,
    "dot_general": dot,
    "convert_element_type": converted,
    "iota": counted,
    "copy": same,
    "stop_gradient": same,
    "jit": inside("jaxpr"),
    "pjit": inside("jaxpr"),
    "closed_call": inside("call_jaxpr"),
    "custom_jvp_call": inside("call_jaxpr"),
    "custom_vjp_call": inside("call_jaxpr"),
    "checkpoint": inside("jaxpr"),
    "scan": scan,
}
