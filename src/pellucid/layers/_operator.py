"""What has no layer of its own: one operation in the words of ONNX, and tuples of arrays between operations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..affine import Lowering, Value
from ..errors import SettingError, ShapeError
from ..language import phrase
from ..module import Layer, replaced, running, static
from ..operators import OPERATORS, Operation, apply, bound, freeze, lowered, thaw


class Operator(Layer):
    """One operation in the words of ONNX: `y = kind(x_1, x_2, …; attributes)`, with constants among its inputs.

    `given` are the positions of the inputs that `forward` is handed, a tuple where they are several; `constants` are
    arrays by position, and a position that is in neither is left out. Of the constants those at `learned` positions are
    weights, and `buffers` are arrays that do not learn; all others are settings, numbers that the compiler
    knows. Several `outputs` make a tuple, of which `Pick` takes one. The last inputs may be `captured`: what the body
    of a branch or loop reads under these names.

    Shapes: as ONNX says for the kind; a sequence of tensors is a list.
    Blame:  dx, dweights = vjp(dy) over the inputs that are not whole numbers; 0 for whole numbers.
    Raises: SettingError where positions are given twice; InteropError where there is no such kind, or it refuses.
    Source: https://onnx.ai/onnx/operators
    Example:
        >>> double = Operator("Mul", constants={1: np.array([2.0, 3.0], np.float32)}, learned=[1], opset=14)
        >>> double(jnp.ones((1, 2))).tolist(), double.weights[1].tolist()
        ([[2.0, 3.0]], [2.0, 3.0])
        >>> Operator("Transpose", attributes={"perm": [1, 0]}, opset=13)(jnp.ones((1, 2))).shape
        (2, 1)
    """

    weights: tuple[Array | None, ...]
    buffers: tuple[Array | None, ...] = running()
    kind: str = static()
    attributes: tuple[tuple[str, Any], ...] = static()
    settings: tuple[Any, ...] = static()
    given: tuple[int, ...] = static()
    opset: int = static()
    outputs: int = static()
    captured: tuple[str, ...] = static()

    def __init__(
        self,
        kind: str,
        *,
        opset: int,
        given: Collection[int] = (0,),
        constants: Mapping[int, Any] | None = None,
        learned: Collection[int] = (),
        buffers: Collection[int] = (),
        attributes: Mapping[str, Any] | None = None,
        outputs: int = 1,
        captured: Collection[str] = (),
    ):
        constants = dict(constants or {})
        if twice := sorted(set(given) & set(constants)) or sorted(set(learned) & set(buffers)):
            raise SettingError(f"Operator {kind}: input {twice[0]} is given twice.")
        if missing := sorted((set(learned) | set(buffers)) - set(constants)):
            raise SettingError(f"Operator {kind}: no constant for input {missing[0]}.")
        places = range(max([*given, *constants, -1]) + 1)
        self.kind = kind
        self.weights = tuple(jnp.asarray(constants[i]) if i in learned else None for i in places)
        self.buffers = tuple(jnp.asarray(constants[i]) if i in buffers else None for i in places)
        held = {*given, *learned, *buffers}
        self.settings = tuple(None if i in held else freeze(constants.get(i)) for i in places)
        self.given = tuple(given)
        self.attributes = tuple(sorted((name, freeze(value)) for name, value in (attributes or {}).items()))
        self.opset, self.outputs, self.captured = opset, outputs, tuple(captured)

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Any]:
        return self.of(self.weights, self.parts(x)), x

    def backward(self, saved: Any, dy: Any) -> tuple[Any, Operator]:
        parts = self.parts(saved)
        known = OPERATORS[self.kind].known
        moving = [has_slope(part) and i not in known for i, part in zip(self.given, parts, strict=True)]

        def smooth(weights: Any, moved: list[Any]) -> Any:
            rest = iter(moved)
            y = self.of(weights, [next(rest) if m else part for part, m in zip(parts, moving, strict=True)])
            return jax.tree.map(lambda leaf: leaf if has_slope(leaf) else None, y)

        moved = [jax.tree.map(jnp.asarray, part) for part, m in zip(parts, moving, strict=True) if m]
        y, vjp = jax.vjp(smooth, self.weights, moved)
        blame = jax.tree.map(lambda a, d: None if a is None else jnp.asarray(d, a.dtype), y, dy, is_leaf=is_none)
        dweights, dmoved = vjp(blame)
        rest = iter(dmoved)
        dparts = tuple(next(rest) if m else jax.tree.map(still, part) for part, m in zip(parts, moving, strict=True))
        unchanged = jax.tree.map(jnp.zeros_like, self.buffers)
        if not self.given:  # it still stands behind something in a Graph
            dparts = (jax.tree.map(still, saved),)
        return dparts[0] if len(dparts) == 1 else dparts, replaced(self, weights=dweights, buffers=unchanged)

    def lower(self, at: Lowering, x: Any) -> Any:
        inputs: list[Any] = [as_numpy(constant) for constant in self.constants(self.weights)]
        for i, part in zip(self.given, x if len(self.given) > 1 else (x,), strict=False):
            inputs[i] = part
        y = lowered(at, Operation(self.kind, tuple(inputs), self.words, self.opset, self.outputs))
        if y is None:
            raise at.refuse(self, phrase(", or mixes examples: it is {kind}", kind=self.kind))
        return y

    @property
    def words(self) -> dict[str, Any]:
        """The attributes by name."""
        return {name: thaw(value) for name, value in self.attributes}

    def constants(self, weights: tuple[Array | None, ...]) -> list[Any]:
        """The inputs that are constants at their positions, None at the others."""
        held = zip(weights, self.buffers, self.settings, strict=True)
        return [next((a for a in (w, b) if a is not None), thaw(setting)) for w, b, setting in held]

    def parts(self, x: Any) -> list[Any]:
        """The inputs that `forward` was handed, one by one."""
        if len(self.given) < 2:
            return [x][: len(self.given)]
        if not isinstance(x, tuple) or len(x) != len(self.given):
            got = f"a tuple of {len(x)}" if isinstance(x, tuple) else "one"
            raise ShapeError(f"Operator {self.kind}", f"a tuple of {len(self.given)} inputs", got)
        return list(x)

    def of(self, weights: tuple[Array | None, ...], parts: list[Any]) -> Any:
        """The output, from these weights and inputs."""
        inputs = self.constants(weights)
        for i, part in zip(self.given, parts, strict=True):
            inputs[i] = part
        own = len(inputs) - len(self.captured)
        scope = dict(zip(self.captured, inputs[own:], strict=True))
        words = {name: bound(value, scope) for name, value in self.words.items()}
        return apply(self.kind, inputs[:own], words, opset=self.opset, outputs=self.outputs)


class Pick(Layer):
    """One of a tuple of arrays: `y = x[index]`, for a Graph whose node has several outputs.

    Shapes: x, a tuple of arrays -> y, the one at `index`.
    Blame:  dx = dy for that one, 0 for the others.
    Raises: ShapeError where x is no tuple, or has no such part.
    Example:
        >>> Pick(1)((jnp.zeros(2), jnp.ones(1))).tolist()
        [1.0]
    """

    index: int = static()

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Any]:
        if not isinstance(x, tuple) or not 0 <= self.index < len(x):
            got = f"a tuple of {len(x)}" if isinstance(x, tuple) else f"one {type(x).__name__}"
            raise ShapeError("Pick", f"a tuple of at least {self.index + 1} arrays", got)
        return x[self.index], x

    def backward(self, saved: Any, dy: Any) -> tuple[Any, Pick]:
        return tuple(dy if i == self.index else jax.tree.map(still, part) for i, part in enumerate(saved)), self

    def lower(self, at: Lowering, x: Any) -> Value:
        return x[self.index]


class Collect(Layer):
    """Several arrays as they are, `y = (x_1, x_2, …)`: the output of a Graph that gives several.

    Shapes: x, a tuple of arrays -> y, the same.
    Blame:  dx = dy.
    """

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Any]:
        return (x if isinstance(x, tuple) else (x,)), None

    def backward(self, saved: Any, dy: Any) -> tuple[Any, Collect]:
        return (dy if len(dy) > 1 else dy[0]), self

    def lower(self, at: Lowering, x: Any) -> Any:
        return x if isinstance(x, tuple) and not isinstance(x, Value) else (x,)


def has_slope(x: Any) -> bool:
    """Whether blame can reach it: numbers that are not whole, or a sequence of such tensors."""
    leaves = jax.tree.leaves(x)
    return bool(leaves) and all(hasattr(a, "dtype") and jnp.issubdtype(a.dtype, jnp.inexact) for a in leaves)


def still(x: Any) -> Any:
    """The blame of an array that has none."""
    return jnp.zeros_like(x) if has_slope(x) else jnp.zeros(np.shape(x))


def is_none(x: Any) -> bool:
    return x is None


def as_numpy(x: Any) -> Any:
    return np.asarray(x) if isinstance(x, jax.Array) else x
