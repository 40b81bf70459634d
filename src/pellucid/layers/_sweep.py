"""The sweep over time that all recurrent layers share, forward and backward.

A step is one product of its input `[h, x, 1]` with the joined weights `[U; W; b]`, then the cell's own arithmetic. So
the blame of all weights is one product too, `[h, x, 1]ᵀ dz` over all steps at once, made after the sweep.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..errors import SettingError, ShapeError, unknown
from ..shapes import expect, words
from ._sequences import Sequences, like, values_of

OUTPUTS = ("sequence", "last")


class State(NamedTuple):
    """What goes from step to step: the output h, and for an LSTM the cell c; (batch, n_hidden) each."""

    h: Any
    c: Any = None


class Swept(NamedTuple):
    """What a sweep keeps, time first: the input [h, x, 1] of every step, and what the cell kept of it.

    `counts` (time, batch, 1) says which steps count, None for all; `mask` (batch, n_hidden) is the dropout on h.
    """

    inputs: Array
    kept: Any
    counts: Array | None
    mask: Array | None


class SweptBlame(NamedTuple):
    """The blame of x, of the joined weights, of the first state of one example, and of what `ahead` gave."""

    dx: Array
    djoined: Array
    dstart: State
    dahead: Any


class Cell(Protocol):
    """What the sweep asks of a recurrent layer."""

    @property
    def weight(self) -> Array: ...
    @property
    def recurrent(self) -> Array: ...
    @property
    def reverse(self) -> bool: ...
    @property
    def output(self) -> str: ...
    @property
    def truncate(self) -> int | None: ...
    @property
    def dropout_recurrent(self) -> float: ...

    def joined(self) -> Array:
        """The weights of [h, x, 1], (n_hidden + n_in + 1, gates · n_hidden)."""
        ...

    def start(self) -> State:
        """The first state of one example, (n_hidden,) each."""
        ...

    def ahead(self, inputs: Array) -> Any:
        """What depends on [x, 1] alone and cannot be part of the step's product, time first; or None."""
        ...

    def step(self, z: Array, state: State, ahead: Any) -> tuple[State, Any]:
        """The product z = [h, x, 1] [U; W; b] and the state before -> the new state, and what `step_back` needs."""
        ...

    def step_back(self, kept: Any, dstate: State) -> tuple[Array, State, Any]:
        """The blame of the new state -> dz, the blame of the state before other than through z, that of `ahead`."""
        ...


def sweep(cell: Cell, x: Any, key: Array | None) -> tuple[Any, Swept]:
    """The layer's forward pass: x, an array or Sequences -> the output at every step or the last, and what is kept."""
    values = values_of(x)
    expect(cell, values, ("batch", "time", cell.weight.shape[0]))
    counts = x.mask.T[..., None] if isinstance(x, Sequences) else None
    ones = jnp.ones((values.shape[0], 1), values.dtype)
    first = jax.tree.map(lambda a: ones * a, cell.start())
    mask = None
    if key is not None and cell.dropout_recurrent:
        stays = jax.random.bernoulli(key, 1 - cell.dropout_recurrent, first.h.shape)
        mask = stays.astype(values.dtype) / (1 - cell.dropout_recurrent)
    last, y, saved = swept(cell, values, first, counts, mask)
    return (last.h, saved) if cell.output == "last" else (like(x, y), saved)


def steps(cell: Cell, x: Array, state: State | None) -> tuple[Array, State]:
    """The output at every step and the last state, from a given first one; for a stream that comes in pieces."""
    expect(cell, x, ("batch", "time", cell.weight.shape[0]))
    wanted = (x.shape[0], cell.recurrent.shape[0])
    first = jax.tree.map(lambda a: jnp.broadcast_to(a, wanted), cell.start())
    begin = first if state is None else state
    if jax.tree.structure(begin) != jax.tree.structure(first):
        held = "h alone" if first.c is None else "h and c"
        raise SettingError(f"{type(cell).__name__} goes on from a State with {held}, got {begin!r}.")
    for name, array in zip(("state.h", "state.c"), jax.tree.leaves(begin), strict=False):
        expect(cell, array, wanted, name)
    last, y, _ = swept(cell, x, begin, None, None)
    return y, last


@jax.jit  # so that a call outside a compiled program compiles once, and not every time
def swept(cell: Cell, x: Array, first: State, counts: Array | None, mask: Array | None) -> tuple[State, Array, Swept]:
    """The sweep itself: the last state, the output at every step (batch, time, n_hidden), and what is kept."""
    if x.shape[1] == 0:
        raise ShapeError(type(cell).__name__, "at least one step of time", words(x.shape))
    x = jnp.swapaxes(x, 0, 1)
    x = jnp.concatenate([x, jnp.ones((*x.shape[:2], 1), x.dtype)], axis=-1)
    joined = cell.joined()

    def body(state: State, given: Any) -> tuple[State, Any]:
        i, x, ahead, counts = given
        state = cut(cell, i, state, lax.stop_gradient)
        h = state.h if mask is None else state.h * mask
        inputs = jnp.concatenate([h, x], axis=-1)
        new, kept = cell.step(inputs @ joined, state, ahead)
        y = new.h
        if counts is not None:
            y = jnp.where(counts, y, 0)
            new = jax.tree.map(lambda new, old: jnp.where(counts, new, old), new, state)
        return new, (inputs, kept, y)

    given = (order(cell, len(x)), x, cell.ahead(x), counts)
    last, (inputs, kept, y) = lax.scan(body, first, given, reverse=cell.reverse)
    return last, jnp.swapaxes(y, 0, 1), Swept(inputs, kept, counts, mask)


@jax.jit
def sweep_back(cell: Cell, saved: Swept, dy: Array) -> SweptBlame:
    """Backpropagation through time: the blame of the state goes back step by step, that of the weights is gathered.

    `dh_{t-1} = dz_t Uᵀ` and what the cell hands on by itself.
    """
    inputs, kept, counts, mask = saved
    times, n_hidden = len(inputs), cell.recurrent.shape[0]
    last = cell.output == "last"
    none = jnp.zeros((inputs.shape[1], n_hidden), dy.dtype)
    dlast = State(dy if last else none, None if cell.start().c is None else none)

    def body(dafter: State, given: Any) -> tuple[State, Any]:
        i, kept, dy, counts = given
        dstate = dafter
        if dy is not None:
            dstate = dafter._replace(h=dafter.h + dy)
        dz, dstate, dahead = cell.step_back(kept, dstate)
        if counts is not None:
            dz, dahead = jax.tree.map(lambda d: jnp.where(counts, d, 0), (dz, dahead))
        dh = dz @ cell.recurrent.T
        dstate = dstate._replace(h=dstate.h + (dh if mask is None else dh * mask))
        if counts is not None:
            dstate = jax.tree.map(lambda new, old: jnp.where(counts, new, old), dstate, dafter)
        return cut(cell, i, dstate, jnp.zeros_like), (dz, dahead)

    given = (order(cell, times), kept, None if last else jnp.swapaxes(dy, 0, 1), counts)
    dfirst, (dz, dahead) = lax.scan(body, dlast, given, reverse=not cell.reverse)
    joined = cell.joined()[n_hidden:-1]
    dx = jnp.swapaxes(dz @ joined.T, 0, 1)
    return SweptBlame(dx, gathered(inputs, dz), jax.tree.map(lambda d: d.sum(0), dfirst), dahead)


def gathered(inputs: Array, dz: Array) -> Array:
    """The blame of weights that every step uses: one product over all steps and examples."""
    return inputs.reshape(-1, inputs.shape[-1]).T @ dz.reshape(-1, dz.shape[-1])


def order(cell: Cell, times: int) -> Array | None:
    """The number of each step as the sweep takes them, where it is asked for."""
    if cell.truncate is None:
        return None
    return jnp.arange(times)[::-1] if cell.reverse else jnp.arange(times)


def cut(cell: Cell, i: Array | None, state: State, change: Any) -> State:
    """The state as it enters step i, changed at every `truncate`-th step: there the blame goes no further back."""
    if i is None or cell.truncate is None:
        return state
    here = (i > 0) & (i % cell.truncate == 0)
    return jax.tree.map(lambda a: jnp.where(here, change(a), a), state)


def check_settings(cell: Cell) -> None:
    """Raises: SettingError for an output there is no such, a step count below 1, or a share that is not in [0, 1)."""
    who = type(cell).__name__
    if cell.output not in OUTPUTS:
        raise unknown(f"output of {who}", cell.output, OUTPUTS)
    if cell.truncate is not None and cell.truncate < 1:
        raise SettingError(f"{who}: truncate is after how many steps the blame is cut, 1 or more; got {cell.truncate}.")
    if not 0 <= cell.dropout_recurrent < 1:
        raise SettingError(f"{who}: dropout_recurrent is a share in [0, 1), got {cell.dropout_recurrent}.")
