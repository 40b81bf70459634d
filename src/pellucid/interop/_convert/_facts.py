"""What is known of every value of a model before it runs: its shape, and its numbers where they depend on shapes alone.

A model may leave the length of an axis open. It is followed for two choices of all such lengths: what is the same for
both is fixed, and what differs depends on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import numpy as np

from ...errors import InteropError
from ...operators import OPERATORS, apply, freeze, full_kind
from .._model import Model, Operation, Port

Shape = tuple[int, ...]
MOST = 2**31  # numbers in one value
SMALL = 2**12  # numbers of a constant that are looked at, where its shape would do
GROWING = 2**24  # numbers that the inputs of an operator could be multiplied to, without a closer look
BATCHES = (2, 3)  # the two choices for an open first axis
STEPS = (6, 7)  # for an open axis of time
SIDES = ((64, 96), (96, 128), (32, 64))  # for open axes of pictures
SAME = {
    "Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "HardSigmoid", "HardSwish", "Softplus", "Softsign", "Sigmoid",
    "Tanh", "Softmax", "LogSoftmax", "Identity", "Erf", "Sqrt", "Exp", "Log", "Abs", "Neg", "Mish", "Swish",
}  # fmt: skip
RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
LOOPS = {"Loop", "Scan", "SequenceMap"}


@dataclass(frozen=True)
class Fact:
    """The shapes of a value for the two choices, its type, and for each choice its numbers, where they are known."""

    shapes: tuple[Shape, Shape]
    dtype: np.dtype
    values: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def rank(self) -> int:
        return len(self.shapes[0])

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The length of each axis, None where it is open."""
        return tuple(a if a == b else None for a, b in zip(*self.shapes, strict=True))

    @property
    def constant(self) -> np.ndarray | None:
        """The numbers, where they are the same for both choices."""
        if self.values is None or not same(*self.values):
            return None
        return self.values[0]


def fact_of(array: np.ndarray) -> Fact:
    """What is known of a constant; a large one is not kept, but read again from where it is."""
    values = (array, array) if array.size <= SMALL else None
    return Fact((array.shape, array.shape), array.dtype, values)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a is b or (a.shape == b.shape and a.dtype == b.dtype and bool((a == b).all()))


def facts_of(model: Model) -> tuple[dict[str, Fact], dict[str, np.ndarray]]:
    """What is known of each value, by name, and the constants that were computed on the way.

    A model that was fixed to one example at a time is followed for two of them as well, and where that comes out as
    two answers it is a model for any number.

    Raises: InteropError where a value would be too large.
    """
    fixed = [port.shape[0] == 1 for port in model.inputs if port.shape]
    if fixed and all(fixed) and len(fixed) == len(model.inputs):
        freed = tuple(Port(port.name, (None, *(port.shape or ())[1:]), port.dtype) for port in model.inputs)
        found = Following(model, freed, (1, 2)).all()
        if all(batched(found[0].get(port.name)) for port in model.outputs):
            return found
    return Following(model, model.inputs, BATCHES).all()


def batched(fact: Fact | None) -> bool:
    return fact is not None and [shape[:1] for shape in fact.shapes] == [(1,), (2,)]


class Following:
    """A model followed from its inputs to its outputs, for two choices of what is open."""

    def __init__(self, model: Model, inputs: Sequence[Port], batches: tuple[int, int]):
        self.model, self.batches = model, batches
        self.folded: dict[str, np.ndarray] = {}
        self.facts = {port.name: fact for port in inputs if (fact := self.of_port(port)) is not None}
        self.done: dict[Any, Any] = {}

    def of_port(self, port: Port) -> Fact | None:
        if port.shape is None or port.dtype is None:
            return None
        shapes = tuple(
            tuple(
                n if n is not None else self.choice(i, len(port.shape or ()))[which] for i, n in enumerate(port.shape)
            )
            for which in (0, 1)
        )
        return checked(port.name, Fact((shapes[0], shapes[1]), jax.dtypes.canonicalize_dtype(port.dtype)))

    def choice(self, axis: int, rank: int) -> tuple[int, int]:
        """Two lengths for an open axis: any two that suit what such an axis usually is."""
        if axis == 0:
            return self.batches
        picture = rank > 3 or (rank == 3 and axis == 2)
        return SIDES[(axis - 2) % 3] if picture and axis > 1 else STEPS

    def all(self) -> tuple[dict[str, Fact], dict[str, np.ndarray]]:
        for name in self.model.constants:
            self.facts[name] = fact_of(self.model.constants[name])
        for operation in self.model.operations:
            for name, fact in zip(operation.outputs, self.after(operation), strict=False):
                if name and fact is not None:
                    self.facts[name] = checked(name, fact)
                    if (constant := fact.constant) is not None:
                        self.folded[name] = constant
        return self.facts, self.folded

    def after(self, operation: Operation) -> Sequence[Fact | None]:
        """What is known of the outputs of an operation."""
        given = [self.facts.get(name) if name else None for name in operation.inputs]
        if any(fact is None and name for fact, name in zip(given, operation.inputs, strict=True)):
            return ()
        bodies = any(isinstance(value, Model) for value in operation.attributes.values())
        if bodies or operation.kind in LOOPS or full_kind(operation) not in OPERATORS:
            return ()
        if operation.kind in SAME and given[0] and not self.is_known(operation.inputs[0]):
            return (given[0],)
        known = [self.numbers(operation, given, which) for which in (0, 1)]
        made = [self.made(operation, given, which, known[which]) for which in (0, 1)]
        if made[0] is None or made[1] is None:
            return ()
        return [joined(a, b) for a, b in zip(*made, strict=True)]

    def numbers(self, operation: Operation, given: list[Fact | None], which: int) -> list[Any]:
        """The inputs: arrays where the operator needs the numbers, shapes where these will do."""
        row = OPERATORS[full_kind(operation)]
        whole = all(map(self.is_known, filter(None, operation.inputs))) and operation.kind not in RANDOM
        inputs = []
        for i, (name, fact) in enumerate(zip(operation.inputs, given, strict=True)):
            if fact is None:
                inputs.append(None)
            elif self.is_known(name) and (whole or i in row.known or prod(fact.shapes[which]) <= SMALL):
                inputs.append(self.model.constants[name] if fact.values is None else fact.values[which])
            else:
                inputs.append(jax.ShapeDtypeStruct(fact.shapes[which], jax.dtypes.canonicalize_dtype(fact.dtype)))
        if operation.kind == "Reshape" and which == 1 and given[0] and given[1]:
            inputs[1] = self.freed(given[0], inputs[1])
        return inputs

    def is_known(self, name: str) -> bool:
        """Whether the numbers of a value are known for both choices."""
        return name in self.model.constants or self.facts[name].values is not None

    def freed(self, given: Fact, target: Any) -> Any:
        """The shape that Reshape is given, for two examples where it says one."""
        one, two = given.shapes
        fixed = isinstance(target, np.ndarray) and target.shape and target[0] == 1 == self.batches[0]
        if fixed and one[:1] == (1,) and two[:1] == (2,) and -1 not in target and prod(two) == 2 * prod(target):
            return np.array([2, *target[1:]], target.dtype)
        if fixed and one[:1] == (1,) and two[:1] == (2,) and -1 in target:
            return np.array([2, *target[1:]], target.dtype)
        return target

    def made(self, operation: Operation, given: list[Fact | None], which: int, inputs: list[Any]) -> Any:
        """The outputs, as arrays or shapes; None where they cannot be known before the network runs."""
        key = self.key(operation, inputs)
        if key is None or key not in self.done:
            outputs = self.worked_out(operation, inputs)
            if key is None:
                return outputs
            self.done[key] = outputs
        return self.done[key]

    def key(self, operation: Operation, inputs: list[Any]) -> Any:
        """What the outcome depends on, where that can be said in few words."""
        if any(isinstance(a, np.ndarray) and (a.size > SMALL or a.dtype == object) for a in inputs):
            return None
        try:
            attributes = tuple(sorted((name, freeze(value)) for name, value in operation.attributes.items()))
        except InteropError:
            return None
        said = tuple(
            a if a is None else (a.shape, str(a.dtype), a.tobytes() if isinstance(a, np.ndarray) else None)
            for a in inputs
        )
        return full_kind(operation), attributes, said, len(operation.outputs)

    def worked_out(self, operation: Operation, inputs: list[Any]) -> Any:
        affordable(operation, inputs)
        options: dict[str, Any] = {"opset": self.model.opset, "outputs": wanted_outputs(operation)}
        open_places = [i for i, a in enumerate(inputs) if isinstance(a, jax.ShapeDtypeStruct)]

        def computed(*traced: Any) -> Any:
            whole = list(inputs)
            for i, a in zip(open_places, traced, strict=True):
                whole[i] = a
            return apply(full_kind(operation), whole, operation.attributes, **options)

        try:
            if operation.kind in RANDOM or open_places:
                known: list[Any] = []
                shapes = jax.eval_shape(lambda *a: apart(computed(*a), known), *(inputs[i] for i in open_places))
                outputs = [k if k is not None else shape for k, shape in zip(known, shapes, strict=True)]
            elif prod(a.size for a in inputs if a is not None) > GROWING and not self.fits(operation, inputs):
                return None
            else:
                outputs = list(as_tuple(computed()))
        except Exception:  # whatever it was, it will be said when the network runs
            return None
        return outputs if all(hasattr(a, "shape") for a in outputs) else None

    def fits(self, operation: Operation, inputs: list[np.ndarray | None]) -> bool:
        """Whether what comes of large constants is no larger than all of them together, or small."""
        known = OPERATORS[full_kind(operation)].known
        shapes = [
            a if a is None or i in known else jax.ShapeDtypeStruct(a.shape, jax.dtypes.canonicalize_dtype(a.dtype))
            for i, a in enumerate(inputs)
        ]
        made = self.worked_out(operation, shapes)
        given = sum(a.size for a in inputs if a is not None)
        return made is not None and sum(prod(a.shape) for a in made) <= max(GROWING, 4 * given)


def apart(outputs: Any, known: list[Any]) -> list[Any]:
    """The outputs for the compiler to see; those that are NumPy arrays stay what they are, in `known`."""
    parts = as_tuple(outputs)
    known.extend(part if isinstance(part, np.ndarray | np.generic) else None for part in parts)
    return [0 if isinstance(part, np.ndarray | np.generic) else part for part in parts]


def joined(a: Any, b: Any) -> Fact:
    """What is known of a value from the two choices."""
    both = isinstance(a, np.ndarray | np.generic) and isinstance(b, np.ndarray | np.generic)
    values = (np.asarray(a), np.asarray(b)) if both else None
    return Fact((tuple(a.shape), tuple(b.shape)), np.dtype(a.dtype), values)


def as_tuple(outputs: Any) -> tuple[Any, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def wanted_outputs(operation: Operation) -> int:
    """How many outputs have a name, up to the last that has one."""
    return max((i + 1 for i, name in enumerate(operation.outputs) if name), default=1)


def checked(name: str, fact: Fact) -> Fact:
    """Raises: InteropError for a value that no memory holds."""
    if any(prod(shape) > MOST for shape in fact.shapes):
        raise InteropError(f"The value {name!r} would hold {max(map(prod, fact.shapes)):,} numbers: at most {MOST:,}.")
    return fact


def affordable(operation: Operation, inputs: list[Any]) -> None:
    """Raises: InteropError where an operator makes more numbers out of few than there is room for."""
    if operation.kind not in SIZES:
        return
    try:
        asked = abs(int(SIZES[operation.kind](operation.attributes, *inputs)))
    except (TypeError, ValueError, IndexError, KeyError, OverflowError, ZeroDivisionError, AttributeError):
        return  # it is not known yet, or cannot be worked out at all
    if asked > MOST:
        name = operation.name or operation.outputs[0]
        raise InteropError(f"{operation.kind} {name!r} would make {asked:,} numbers: at most {MOST:,}.")


def numbers_in(shape: Any) -> int:
    return prod(int(n) for n in np.asarray(shape).reshape(-1).tolist())


# How many numbers the operators make that take a size from the numbers they are given.
SIZES: Mapping[str, Any] = {
    "ConstantOfShape": lambda attributes, shape: numbers_in(shape),
    "Expand": lambda attributes, x, shape: numbers_in(np.broadcast_shapes(x.shape, tuple(shape.tolist()))),
    "Tile": lambda attributes, x, repeats, *rest: prod(x.shape) * numbers_in(repeats),
    "Range": lambda attributes, start, limit, delta: (float(limit) - float(start)) / float(delta),
    "OneHot": lambda attributes, x, depth, values: prod(x.shape) * int(np.asarray(depth).reshape(-1)[0]),
    "Pad": lambda attributes, x, pads, *rest: prod(
        n + int(a) + int(b) for n, a, b in zip(x.shape, pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True)
    ),
    "Resize": lambda attributes, x, roi, scales, sizes=None: (
        numbers_in(sizes) if sizes is not None else prod(x.shape) * float(np.prod(np.asarray(scales, float)))
    ),
    "Upsample": lambda attributes, x, scales: prod(x.shape) * float(np.prod(np.asarray(scales, float))),
    "RandomNormal": lambda attributes: numbers_in(attributes["shape"]),
    "RandomUniform": lambda attributes: numbers_in(attributes["shape"]),
}
