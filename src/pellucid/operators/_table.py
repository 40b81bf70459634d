"""A row of the table: an operator of ONNX as a pure function, and how it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..errors import InteropError
from ..shapes import words

OPERATORS: dict[str, Row] = {}
HINTS = frozenset({"consumed_inputs"})  # of the first opsets, which memory may be used again
# What NumPy and JAX raise for inputs that an operator cannot take.
MISFITS = (TypeError, ValueError, LookupError, ArithmeticError, NotImplementedError, AssertionError, StopIteration)


@dataclass(frozen=True)
class Call:
    """What an operator may ask about its call: the opset whose words it is said in, how many outputs are wanted, and
    `xp`, which is NumPy where all inputs are NumPy arrays, so that shapes stay numbers while a network is compiled."""

    kind: str
    opset: int
    outputs: int
    xp: ModuleType

    def type(self, dtype: Any) -> np.dtype:
        """A type as it is here: JAX has none of 64 bits unless it is told to."""
        return np.dtype(dtype) if self.xp is np else jax.dtypes.canonicalize_dtype(dtype)

    def refuse(self, why: str) -> InteropError:
        """The error for what this operator cannot do."""
        return InteropError(f"{self.kind} (opset {self.opset}): {why}.")


@dataclass(frozen=True)
class Row:
    """One operator: `function(call, *inputs, **attributes)`, an input left out being None.

    `known` are the positions of inputs whose values must be known, as the shape that Reshape is given. What is
    written for JAX alone (`in_jax`) still gives NumPy arrays for NumPy arrays, computed at once.
    """

    kind: str
    function: Callable[..., Any]
    known: tuple[int, ...] = ()
    in_jax: bool = False

    @cached_property
    def attributes(self) -> frozenset[str]:
        """The names of the attributes it has."""
        parameters = inspect.signature(self.function).parameters.values()
        return HINTS | {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}

    def __call__(self, inputs: Sequence[Any], attributes: Mapping[str, Any], opset: int, outputs: int = 1) -> Any:
        """The output; a tuple of them where several are wanted.

        Raises: InteropError where the operator has no such attribute, or cannot take such inputs.
        """
        inputs = [np.asarray(x) if i in self.known and settled(x) else x for i, x in enumerate(inputs)]
        in_jax = any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(inputs))
        call = Call(self.kind, opset, outputs, jnp if in_jax else np)
        if extra := set(attributes) - self.attributes:
            raise call.refuse(f"the attribute {', '.join(sorted(extra))} is not supported")
        if unknown := [i for i in self.known if i < len(inputs) and traced(inputs[i])]:
            raise call.refuse(f"input {unknown[0]} must be a constant, and it depends on the input of the network")
        try:
            y = self.value(call, inputs, {name: value for name, value in attributes.items() if name not in HINTS})
        except MISFITS as error:
            if isinstance(error, InteropError):
                raise
            raise call.refuse(f"it does not take {shapes(inputs)}: {first_line(error)}") from error
        made = tuple(np.asarray(a) if isinstance(a, np.generic) else a for a in (y if isinstance(y, tuple) else (y,)))
        if len(made) < outputs:
            raise call.refuse(f"{outputs} outputs are wanted, and {len(made)} are supported")
        return made[:outputs] if outputs > 1 else made[0]

    def value(self, call: Call, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
        if call.xp is np and self.in_jax:
            with jax.ensure_compile_time_eval(), jax.enable_x64(True):
                return jax.tree.map(np.asarray, self.function(call, *inputs, **attributes))
        with np.errstate(all="ignore"):
            return self.function(call, *inputs, **attributes)


def operator(kind: str, *, known: tuple[int, ...] = (), in_jax: bool = False) -> Callable[..., Any]:
    """Put a function into the table under this name."""

    def put(function: Callable[..., Any]) -> Callable[..., Any]:
        OPERATORS[kind] = Row(kind, function, known, in_jax)
        return function

    return put


def apply(
    kind: str, inputs: Sequence[Any], attributes: Mapping[str, Any] | None = None, *, opset: int, outputs: int = 1
) -> Any:
    """The output of one operator; a tuple where several outputs are wanted. A sequence of tensors is a list.

    Raises: InteropError where there is no such operator, or it cannot do this.
    Example:
        >>> apply("Add", [np.array([1, 2]), np.array([3])], opset=14).tolist()
        [4, 5]
        >>> [part.tolist() for part in apply("Split", [np.arange(4)], opset=11, outputs=2)]
        [[0, 1], [2, 3]]
    """
    if kind not in OPERATORS:
        raise InteropError(f"There is no operator {kind} in the table.")
    return OPERATORS[kind](inputs, attributes or {}, opset, outputs)


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].removesuffix(".")


def traced(x: Any) -> bool:
    """Whether its numbers are not known yet, because a network is being compiled or its blame followed."""
    return isinstance(x, Tracer)


def settled(x: Any) -> bool:
    """Whether it is a JAX array whose numbers are known."""
    return isinstance(x, jax.Array) and not traced(x)


def shapes(inputs: Sequence[Any]) -> str:
    """The inputs in words, for an error."""
    return ", ".join(f"{x.dtype} {words(x.shape)}" if hasattr(x, "shape") else type(x).__name__ for x in inputs)
