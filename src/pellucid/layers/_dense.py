from __future__ import annotations

from jax import Array

from ..affine import Lowering, Value
from ..errors import SettingError
from ..initializers import Initializer, glorot_uniform, zeros
from ..module import Layer
from ..shapes import expect


class Dense(Layer):
    """Every output weighs every input: `y = x W + b`.

    Each column of W is one neuron's point of view; its hyperplane is `x · W[:, j] + b[j] = 0`.

    Shapes: x (batch, n_in) -> y (batch, n_out); weight (n_in, n_out); bias (n_out,), or None for none. With axes
        between, as in (batch, time, n_in), every step is weighed alike.
    Blame:  dx = dy Wᵀ;  dW = xᵀ dy;  db = Σ_batch dy.
    Raises: ShapeError where x is not (batch, n_in) or (batch, ..., n_in).
    Example:
        >>> import jax
        >>> Dense.create(3, 2, key=jax.random.key(0))(jax.numpy.ones((5, 3))).shape
        (5, 2)
    """

    weight: Array
    bias: Array | None

    @classmethod
    def create(
        cls, n_in: int, n_out: int, *, key: Array, init: Initializer = glorot_uniform, bias: bool = True
    ) -> Dense:
        if n_in < 1 or n_out < 1:
            raise SettingError(f"Dense wants at least one input and one output, got n_in={n_in}, n_out={n_out}.")
        return cls(init(key, (n_in, n_out)), zeros(key, (n_out,)) if bias else None)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        n_in = self.weight.shape[0]
        if getattr(x, "ndim", 0) < 3 or x.shape[-1] != n_in:
            expect(self, x, ("batch", n_in))
        y = x @ self.weight
        return y if self.bias is None else y + self.bias, x

    def backward(self, saved: Array, dy: Array) -> tuple[Array, Dense]:
        x, rows = saved.reshape(-1, saved.shape[-1]), dy.reshape(-1, dy.shape[-1])
        return dy @ self.weight.T, Dense(x.T @ rows, None if self.bias is None else rows.sum(0))

    def lower(self, at: Lowering, x: Value) -> Value:
        return at.matrix(x, self.weight, self.bias)
