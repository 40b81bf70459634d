from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from ..errors import SettingError, unknown
from ..initializers import Initializer, glorot_uniform, orthogonal
from ..module import Layer, static
from ._sweep import State, Swept, check_settings, gathered, steps, sweep, sweep_back

BENDS = ("tanh", "relu")


class RNN(Layer):
    """The plain recurrent layer, each step bends a sum of input and memory: `h_t = tanh(x_t W + h_{t-1} U + b)`.

    `activation` is "tanh" or "relu". `reverse` takes the steps from the last to the first. `output` is "sequence", h at
    every step, or "last", h after each example's own last step. `truncate` cuts the blame every so many steps;
    `dropout_recurrent` leaves out a share of h where it enters h U, the same units at every step of an example.

    Shapes: x (batch, time, n_in), or Sequences -> y (batch, time, n_hidden) or (batch, n_hidden); weight
        (n_in, n_hidden); recurrent (n_hidden, n_hidden); bias (n_hidden,); h0 (n_hidden,), or None for zeros.
    Blame:  dz_t = (1 − h_t²)(dy_t + dz_{t+1} Uᵀ);  dx = dz Wᵀ;  dW = Σ_t x_tᵀ dz_t;  dU = Σ_t h_{t-1}ᵀ dz_t;
        db = Σ dz.
    Raises: ShapeError where x is not (batch, time, n_in) or has no step; SettingError for an impossible setting.
    Source: Elman 1990, Finding structure in time; Werbos 1990, Backpropagation through time; Gal and Ghahramani 2016,
        A theoretically grounded application of dropout in recurrent neural networks (one mask for all steps).
    Example:
        >>> RNN.create(3, 4, key=jax.random.key(0))(jnp.ones((2, 5, 3))).shape
        (2, 5, 4)
    """

    weight: Array
    recurrent: Array
    bias: Array
    h0: Array | None = None
    activation: str = static(default="tanh")
    reverse: bool = static(default=False)
    output: str = static(default="sequence")
    truncate: int | None = static(default=None)
    dropout_recurrent: float = static(default=0.0)

    reads_lengths: ClassVar[bool] = True

    def __check_init__(self):
        check_settings(self)
        if self.activation not in BENDS:
            raise unknown("activation of RNN", self.activation, BENDS)

    @classmethod
    def create(
        cls, n_in: int, n_hidden: int, *, key: Array, init: Initializer = glorot_uniform, **settings: Any
    ) -> RNN:
        return cls(*drawn(cls, n_in, n_hidden, 1, key, init), **settings)

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Swept]:
        return sweep(self, x, key)

    def backward(self, saved: Swept, dy: Array) -> tuple[Array, RNN]:
        dx, djoined, dstart, _ = sweep_back(self, saved, dy)
        return dx, RNN(*apart(djoined, self.recurrent), given(self.h0, dstart.h), *settings_of(self))

    def steps(self, x: Array, state: State | None = None) -> tuple[Array, State]:
        """The output at every step and the last state, going on from a given one."""
        return steps(self, x, state)

    def joined(self) -> Array:
        return jnp.concatenate([self.recurrent, self.weight, self.bias[None]])

    def start(self) -> State:
        return State(zeros_unless(self.h0, self.recurrent))

    def ahead(self, inputs: Array) -> None:
        return None

    def step(self, z: Array, state: State, ahead: None) -> tuple[State, Array]:
        h = jnp.tanh(z) if self.activation == "tanh" else jax.nn.relu(z)
        return State(h), h

    def step_back(self, kept: Array, dstate: State) -> tuple[Array, State, None]:
        slope = 1 - kept * kept if self.activation == "tanh" else kept > 0
        return dstate.h * slope, State(0.0), None


class LSTM(Layer):
    """Long short-term memory, a cell that gates fill, keep and show: `c_t = f ⊙ c_{t-1} + i ⊙ g; h_t = o ⊙ tanh(c_t)`.

    The gates i, f, o = σ(·) and the candidate g = tanh(·) are the four parts of `z_t = x_t W + h_{t-1} U + b`, in the
    order i, f, g, o. While f is near 1, c and its blame pass through unchanged: so it remembers. Settings as in RNN.

    Shapes: x (batch, time, n_in), or Sequences -> y (batch, time, n_hidden) or (batch, n_hidden); weight
        (n_in, 4 n_hidden); recurrent (n_hidden, 4 n_hidden); bias (4 n_hidden,); h0, c0 (n_hidden,), or None for zeros.
    Blame:  dc_t = dh_t o (1 − tanh²c_t) + f_{t+1} dc_{t+1};  dz_t = [dc g i(1−i), dc c_{t-1} f(1−f), dc i (1−g²),
        dh tanh(c) o(1−o)];  dh_{t-1} = dy_{t-1} + dz_t Uᵀ;  dx, dW, dU, db as in RNN.
    Raises: ShapeError where x is not (batch, time, n_in) or has no step; SettingError for an impossible setting.
    Source: Hochreiter and Schmidhuber 1997, Long short-term memory; Gers et al. 2000, Learning to forget; Jozefowicz
        et al. 2015, An empirical exploration of recurrent network architectures (the bias of f starts at 1).
    Example:
        >>> LSTM.create(3, 4, key=jax.random.key(0), output="last")(jnp.ones((2, 5, 3))).shape
        (2, 4)
    """

    weight: Array
    recurrent: Array
    bias: Array
    h0: Array | None = None
    c0: Array | None = None
    reverse: bool = static(default=False)
    output: str = static(default="sequence")
    truncate: int | None = static(default=None)
    dropout_recurrent: float = static(default=0.0)

    reads_lengths: ClassVar[bool] = True
    gates: ClassVar[dict[str, int]] = {"input": 0, "forget": 1, "output": 3}  # which part of z each one is
    keeper: ClassVar[str] = "forget"  # the gate whose opening is the share that stays from step to step

    def __check_init__(self):
        check_settings(self)

    @classmethod
    def create(
        cls,
        n_in: int,
        n_hidden: int,
        *,
        key: Array,
        init: Initializer = glorot_uniform,
        forget: float = 1.0,
        **settings: Any,
    ) -> LSTM:
        """`forget` is where the bias of the forget gate starts: at 1 it is open and the cell keeps what it has."""
        weight, recurrent, bias = drawn(cls, n_in, n_hidden, 4, key, init)
        return cls(weight, recurrent, bias.at[n_hidden : 2 * n_hidden].set(forget), **settings)

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Swept]:
        return sweep(self, x, key)

    def backward(self, saved: Swept, dy: Array) -> tuple[Array, LSTM]:
        dx, djoined, dstart, _ = sweep_back(self, saved, dy)
        dstates = given(self.h0, dstart.h), given(self.c0, dstart.c)
        return dx, LSTM(*apart(djoined, self.recurrent), *dstates, *settings_of(self))

    def steps(self, x: Array, state: State | None = None) -> tuple[Array, State]:
        """The output at every step and the last state, going on from a given one."""
        return steps(self, x, state)

    def openings(self, saved: Swept) -> dict[str, Array]:
        """The opening of each gate at each step, (batch, time, n_hidden)."""
        return {name: by_example(saved.kept[i]) for name, i in self.gates.items()}

    def joined(self) -> Array:
        return jnp.concatenate([self.recurrent, self.weight, self.bias[None]])

    def start(self) -> State:
        return State(zeros_unless(self.h0, self.recurrent), zeros_unless(self.c0, self.recurrent))

    def ahead(self, inputs: Array) -> None:
        return None

    def step(self, z: Array, state: State, ahead: None) -> tuple[State, tuple[Array, ...]]:
        i, f, g, o = jnp.split(z, 4, axis=-1)
        i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
        c = f * state.c + i * g
        bent = jnp.tanh(c)
        return State(o * bent, c), (i, f, g, o, state.c, bent)

    def step_back(self, kept: tuple[Array, ...], dstate: State) -> tuple[Array, State, None]:
        i, f, g, o, before, bent = kept
        dc = dstate.c + dstate.h * o * (1 - bent * bent)
        di, df, dg, do = dc * g, dc * before, dc * i, dstate.h * bent
        dz = [di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o)]
        return jnp.concatenate(dz, axis=-1), State(0.0, dc * f), None


class GRU(Layer):
    """The gated recurrent unit, one gate shares h between memory and news: `h_t = u ⊙ h_{t-1} + (1 − u) ⊙ n`.

    r, u = σ(x W_ru + h U_ru + b_ru) are the first two parts of the weights, and the third the candidate
    n = tanh(x W_n + b_n + r ⊙ (h U_n + c_n)), c_n being `recurrent_bias`; u is the z of PyTorch. Settings as in RNN.

    Shapes: x (batch, time, n_in), or Sequences -> y (batch, time, n_hidden) or (batch, n_hidden); weight
        (n_in, 3 n_hidden); recurrent (n_hidden, 3 n_hidden); bias (3 n_hidden,); recurrent_bias (n_hidden,); h0
        (n_hidden,), or None for zeros.
    Blame:  dn = dh (1 − u)(1 − n²);  dz = [dn (h U_n + c_n) r(1 − r), dh (h_{t-1} − n) u(1 − u), dn r];
        dh_{t-1} = dy_{t-1} + dh u + dz Uᵀ;  dx, dW, dU, db as in RNN, W_n and b_n from dn.
    Raises: ShapeError where x is not (batch, time, n_in) or has no step; SettingError for an impossible setting.
    Source: Cho et al. 2014, Learning phrase representations using RNN encoder-decoder; r is applied behind U_n as in
        PyTorch and cuDNN.
    Example:
        >>> GRU.create(3, 4, key=jax.random.key(0))(jnp.ones((2, 5, 3))).shape
        (2, 5, 4)
    """

    weight: Array
    recurrent: Array
    bias: Array
    recurrent_bias: Array
    h0: Array | None = None
    reverse: bool = static(default=False)
    output: str = static(default="sequence")
    truncate: int | None = static(default=None)
    dropout_recurrent: float = static(default=0.0)

    reads_lengths: ClassVar[bool] = True
    gates: ClassVar[dict[str, int]] = {"reset": 0, "update": 1}
    keeper: ClassVar[str] = "update"

    def __check_init__(self):
        check_settings(self)

    @classmethod
    def create(
        cls, n_in: int, n_hidden: int, *, key: Array, init: Initializer = glorot_uniform, **settings: Any
    ) -> GRU:
        return cls(*drawn(cls, n_in, n_hidden, 3, key, init), jnp.zeros(n_hidden), **settings)

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Swept]:
        return sweep(self, x, key)

    def backward(self, saved: Swept, dy: Array) -> tuple[Array, GRU]:
        n = self.recurrent.shape[0]
        dx, djoined, dstart, dn = sweep_back(self, saved, dy)
        dweight, drecurrent, dbias = apart(djoined, self.recurrent)
        dnew = gathered(saved.inputs[..., n:], dn)
        dx = dx + by_example(dn @ self.weight[:, 2 * n :].T)
        dweight = jnp.concatenate([dweight[:, : 2 * n], dnew[:-1]], axis=1)
        both = jnp.concatenate([dbias[: 2 * n], dnew[-1]])
        return dx, GRU(dweight, drecurrent, both, dbias[2 * n :], given(self.h0, dstart.h), *settings_of(self))

    def steps(self, x: Array, state: State | None = None) -> tuple[Array, State]:
        """The output at every step and the last state, going on from a given one."""
        return steps(self, x, state)

    def openings(self, saved: Swept) -> dict[str, Array]:
        """The opening of each gate at each step, (batch, time, n_hidden)."""
        return {name: by_example(saved.kept[i]) for name, i in self.gates.items()}

    def joined(self) -> Array:
        """[U; W; b] with nothing for the input in n, which r must not touch, and c_n as its bias."""
        n = self.recurrent.shape[0]
        weight = self.weight.at[:, 2 * n :].set(0)
        bias = jnp.concatenate([self.bias[: 2 * n], self.recurrent_bias])
        return jnp.concatenate([self.recurrent, weight, bias[None]])

    def start(self) -> State:
        return State(zeros_unless(self.h0, self.recurrent))

    def ahead(self, inputs: Array) -> Array:
        """x W_n + b_n of all steps."""
        n = self.recurrent.shape[0]
        return inputs @ jnp.concatenate([self.weight[:, 2 * n :], self.bias[None, 2 * n :]])

    def step(self, z: Array, state: State, ahead: Array) -> tuple[State, tuple[Array, ...]]:
        r, u, memory = jnp.split(z, 3, axis=-1)
        r, u = jax.nn.sigmoid(r), jax.nn.sigmoid(u)
        n = jnp.tanh(ahead + r * memory)
        return State(n + u * (state.h - n)), (r, u, n, memory, state.h)

    def step_back(self, kept: tuple[Array, ...], dstate: State) -> tuple[Array, State, Array]:
        r, u, n, memory, before = kept
        dh = dstate.h
        dn = dh * (1 - u) * (1 - n * n)
        dz = jnp.concatenate([dn * memory * r * (1 - r), dh * (before - n) * u * (1 - u), dn * r], axis=-1)
        return dz, State(dh * u), dn


def drawn(
    kind: type[Layer], n_in: int, n_hidden: int, gates: int, key: Array, init: Initializer
) -> tuple[Array, Array, Array]:
    """Weight, recurrent weight and bias, gate by gate: `init`, orthogonal so that h U is as long as h, and zeros."""
    if n_in < 1 or n_hidden < 1:
        name = kind.__name__
        raise SettingError(f"{name} wants at least one input and one unit, got n_in={n_in}, n_hidden={n_hidden}.")
    weights = [init(jax.random.fold_in(key, 2 * gate), (n_in, n_hidden)) for gate in range(gates)]
    recurrents = [orthogonal(jax.random.fold_in(key, 2 * gate + 1), (n_hidden, n_hidden)) for gate in range(gates)]
    return jnp.concatenate(weights, axis=1), jnp.concatenate(recurrents, axis=1), jnp.zeros(gates * n_hidden)


def apart(joined: Array, recurrent: Array) -> tuple[Array, Array, Array]:
    """[U; W; b] -> W, U, b."""
    n = recurrent.shape[0]
    return joined[n:-1], joined[:n], joined[-1]


def given(parameter: Array | None, blame: Array) -> Array | None:
    return None if parameter is None else blame


def zeros_unless(parameter: Array | None, recurrent: Array) -> Array:
    return jnp.zeros(recurrent.shape[0], recurrent.dtype) if parameter is None else parameter


def by_example(a: Array) -> Array:
    """(time, batch, ...) -> (batch, time, ...)."""
    return jnp.swapaxes(a, 0, 1)


def settings_of(layer: RNN | LSTM | GRU) -> tuple[Any, ...]:
    own = (layer.activation,) if isinstance(layer, RNN) else ()
    return *own, layer.reverse, layer.output, layer.truncate, layer.dropout_recurrent
