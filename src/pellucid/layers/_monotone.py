from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..affine import Lowering, Value
from ..errors import SettingError
from ..initializers import Initializer, initializer, lecun_normal, zeros
from ..module import Layer, static
from ..shapes import expect
from ._activation import Activation
from ._containers import Parallel, Sequential

SIGNS = {"+": 1, "-": -1, "0": 0}
RISING = (
    "identity", "relu", "leaky_relu", "relu6", "hard_tanh", "hard_sigmoid", "elu", "selu", "softplus", "softsign",
    "sigmoid", "tanh", "exponential",
)  # fmt: skip
SMALL = 0.1  # deviation of the linear part's start: it cannot be taken back by the others, which have its sign


class Monotone(Layer):
    """A Dense layer whose weights cannot change their sign: `y = x W + b`, where `W[i, j] = s_i t_j V[i, j]²`.

    `inputs` holds s and `outputs` t, a letter for each unit: + for 1, - for −1, and 0. Seen from the network's input, a
    unit of + rises and one of - falls; a unit of 0 is free. Rising and falling units see each other through squares,
    whose sign is such that each stays what it is; what is free they weigh freely, `W = V`; and a free unit sees only
    what is free, `W = 0` elsewhere. With all signs +, as they are by default, no weight is below 0.

    Where a falling unit passes a ReLU, it gives −relu(−z) to the units behind, which bends the other way: without any,
    a ReLU network is convex. The sign holds for the numbers computed as well, since rounding never turns an order.

    Shapes: x (batch, n_in) -> y (batch, n_out), or with axes between; raw (n_in, n_out) is V; bias (n_out,) or None.
    Blame:  dx = dy Wᵀ;  dV = 2 s t V dW where W is a square, dW = xᵀ dy where it is free, else 0;  db = Σ_batch dy.
    Raises: ShapeError where x is not (batch, n_in) or (batch, ..., n_in).
    Source: Sill 1998, Monotonic networks; Runje and Shankaranarayana 2023, Constrained monotonic neural networks.
    Example:
        >>> layer = Monotone(jnp.array([[2.0], [3.0], [-4.0]]), None, inputs="+-0", outputs="+")
        >>> layer.weight.ravel().tolist()
        [4.0, -9.0, -4.0]
    """

    raw: Array
    bias: Array | None
    inputs: str = static()
    outputs: str = static()

    @classmethod
    def create(
        cls,
        n_in: int,
        n_out: int,
        *,
        key: Array,
        inputs: str | None = None,
        outputs: str | None = None,
        init: Initializer = lecun_normal,
        bias: bool = True,
    ) -> Monotone:
        """Raises: SettingError where there is no input or output, or not one sign for each."""
        if n_in < 1 or n_out < 1:
            raise SettingError(f"Monotone wants at least one input and one output, got n_in={n_in}, n_out={n_out}.")
        signs = "+" * n_in if inputs is None else inputs, "+" * n_out if outputs is None else outputs
        for name, given, n in zip(("inputs", "outputs"), signs, (n_in, n_out), strict=True):
            if len(given) != n or not set(given) <= set(SIGNS):
                raise SettingError(f"Monotone wants {name} with a letter +, - or 0 for each of {n}, got {given!r}.")
        return cls(init(key, (n_in, n_out)), zeros(key, (n_out,)) if bias else None, *signs)

    @property
    def signs(self) -> np.ndarray:
        """s_i t_j of every weight, (n_in, n_out): 0 where it is free or shut."""
        inputs, outputs = ([SIGNS[letter] for letter in letters] for letters in (self.inputs, self.outputs))
        return np.outer(inputs, outputs)

    @property
    def free(self) -> np.ndarray:
        """Which weights may have any sign, (n_in, n_out)."""
        return np.broadcast_to(np.equal([*self.inputs], "0")[:, None], self.raw.shape)

    @property
    def weight(self) -> Array:
        """W, (n_in, n_out)."""
        signs = jnp.asarray(self.signs, self.raw.dtype)
        return jnp.where(self.free, self.raw, signs * (self.raw * self.raw))

    def raw_of(self, weight: np.ndarray) -> np.ndarray:
        """The V that gives these weights, the opposite of `weight`.

        Raises: SettingError where one of them has a sign that it cannot have here.
        """
        signs = np.where(self.free, np.sign(weight), self.signs)
        if (weight != signs * abs(weight)).any():
            raise SettingError(
                "Monotone cannot have these weights: each has the sign of its input and output, and is 0 between what "
                "rises or falls and a free unit."
            )
        return np.where(self.free, weight, np.sqrt(abs(weight))).astype(weight.dtype)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        n_in = self.raw.shape[0]
        if getattr(x, "ndim", 0) < 3 or x.shape[-1] != n_in:
            expect(self, x, ("batch", n_in))
        y = x @ self.weight
        return y if self.bias is None else y + self.bias, x

    def backward(self, saved: Array, dy: Array) -> tuple[Array, Monotone]:
        x, rows = saved.reshape(-1, saved.shape[-1]), dy.reshape(-1, dy.shape[-1])
        slope = jnp.where(self.free, jnp.ones_like(self.raw), 2 * jnp.asarray(self.signs, self.raw.dtype) * self.raw)
        bias = None if self.bias is None else rows.sum(0)
        return dy @ self.weight.T, Monotone(slope * (x.T @ rows), bias, self.inputs, self.outputs)

    def lower(self, at: Lowering, x: Value) -> Value:
        return at.matrix(x, self.weight, self.bias)


def monotone_mlp(
    sizes: Sequence[int],
    directions: Sequence[int],
    *,
    key: int | Array,
    activation: str = "relu",
    init: str | Initializer = "lecun_normal",
) -> Layer:
    """A multilayer perceptron that rises in the inputs of direction 1, falls in those of −1, whatever its weights.

    `Monotone` layers and activations in turn, and beside them a linear part whose output is added. An input of
    direction 0 is free: as large a share of the hidden units as of the inputs, half of them at most, sees the free
    inputs alone and may do anything with them; of the others every second one rises and every second one falls.

    Raises: SettingError where there are fewer than two sizes, not one direction for each input, or an activation that
        does not rise everywhere.
    Source: Runje and Shankaranarayana 2023, sections 3 and 4, whose convex and concave units these are.
    Example:
        >>> net = monotone_mlp([2, 16, 16, 1], [1, -1], key=0)
        >>> low, high = net(jnp.array([[0.0, 1.0], [0.5, 0.2]])).ravel().tolist()
        >>> low <= high
        True
    """
    if len(sizes) < 2:
        raise SettingError(f"monotone_mlp wants the sizes of input and output, as in [2, 16, 1]; got {list(sizes)}.")
    if activation not in RISING:
        raise SettingError(
            f"monotone_mlp wants an activation that rises everywhere, and {activation!r} is none. Known: "
            f"{', '.join(RISING)}."
        )
    if len(directions) != sizes[0] or not set(directions) <= {1, -1, 0}:
        raise SettingError(f"monotone_mlp wants 1, -1 or 0 for each of {sizes[0]} inputs, got {list(directions)}.")
    given = "".join("0+-"[d] for d in directions)
    signs = [given, *(hidden_signs(n, given) for n in sizes[1:-1]), "+" * sizes[-1]]
    keys = jax.random.split(key if isinstance(key, Array) else jax.random.key(key), len(signs))
    start = initializer(init)

    def layer(s: str, t: str, **how: Any) -> Monotone:
        return Monotone.create(len(s), len(t), inputs=s, outputs=t, **how)

    layers: list[Layer] = []
    for i, (s, t) in enumerate(pairwise(signs)):
        layers += [*[Activation(activation)] * bool(i), layer(s, t, key=keys[i], init=start)]
    chain = Sequential(layers)
    if len(sizes) == 2:
        return chain
    linear = layer(signs[0], signs[-1], key=keys[-1], init=initializer("normal", std=SMALL), bias=False)
    return Parallel([linear, chain], join="sum")


def hidden_signs(n: int, directions: str) -> str:
    """What n hidden units are: rising and falling in turn, then the free ones."""
    free = directions.count("0")
    free = n if free == len(directions) else min(n * free // len(directions), n // 2)
    return ("+-" * n)[: n - free] + "0" * free
