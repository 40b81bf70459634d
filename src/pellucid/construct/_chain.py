"""Networks as they are put together: affine maps with a ReLU between them, in float64, before they become layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..errors import SettingError
from ..layers import Activation, Dense, Sequential

TINY = float(np.finfo(np.float32).tiny)  # a processor may take smaller ones for 0


@dataclass(frozen=True, eq=False)
class Chain:
    """`y = (… relu(x W_1 + b_1) …) W_n + b_n`; `maps` are the pairs (W, b), W (in, out), b (out,).

    What is built of sums, differences and powers of two stays exact: float64 has room for it.
    """

    maps: tuple[tuple[np.ndarray, np.ndarray], ...]

    @property
    def n_in(self) -> int:
        return len(self.maps[0][0])

    @property
    def n_out(self) -> int:
        return len(self.maps[-1][1])

    @property
    def depth(self) -> int:
        """How many layers of ReLU there are."""
        return len(self.maps) - 1

    @property
    def neurons(self) -> int:
        return sum(len(bias) for _, bias in self.maps[:-1])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The outputs (points, n_out) in float64."""
        for weight, bias in self.maps[:-1]:
            x = np.maximum(x @ weight + bias, 0)
        return x @ self.maps[-1][0] + self.maps[-1][1]


def affine(weight: Any, bias: Any = None) -> Chain:
    """The map `x W + b` alone."""
    weight = np.asarray(weight, float)
    return Chain(((weight, np.zeros(weight.shape[1]) if bias is None else np.asarray(bias, float)),))


def identity(n: int) -> Chain:
    return affine(np.eye(n))


def picked(n: int, columns: Sequence[int]) -> Chain:
    """Some of n inputs."""
    return affine(np.eye(n)[:, list(columns)])


def hidden(weight: Any, bias: Any, out: Any, shift: Any = None) -> Chain:
    """One layer of ReLU: `relu(x W + b) V + c`."""
    return Chain((*affine(weight, bias).maps, *affine(out, shift).maps))


def then(*chains: Chain) -> Chain:
    """One chain behind the other: the last map of each and the first of the next become one."""
    first, *rest = chains
    for chain in rest:
        (w, b), (v, c) = first.maps[-1], chain.maps[0]
        first = Chain((*first.maps[:-1], (w @ v, b @ v + c), *chain.maps[1:]))
    return first


def deeper(chain: Chain, depth: int, low: Any = None) -> Chain:
    """The same function in `depth` layers of ReLU: the outputs are handed on.

    A number that is known to be at least `low` needs one unit, `relu(y − low) + low`, any other two,
    `relu(y) − relu(−y)`.
    """
    if chain.depth >= depth:
        return chain
    n = chain.n_out
    if low is None:
        both = np.hstack([np.eye(n), -np.eye(n)])
        return deeper(then(chain, hidden(both, np.zeros(2 * n), both.T)), depth)
    low = np.broadcast_to(np.asarray(low, float), n)
    return deeper(then(chain, hidden(np.eye(n), -low, np.eye(n), low)), depth, low)


def beside(chains: Iterable[Chain], lows: Sequence[Any] | None = None) -> Chain:
    """Chains that read the same inputs, their outputs side by side; shorter ones are made as deep as the deepest.

    `lows` are lower bounds of the outputs of each, where they are known.
    """
    chains = list(chains)
    depth = max(chain.depth for chain in chains)
    chains = [deeper(chain, depth, None if lows is None else lows[i]) for i, chain in enumerate(chains)]
    maps = []
    for layer in range(depth + 1):
        weights, biases = zip(*(chain.maps[layer] for chain in chains), strict=True)
        maps.append((np.hstack(weights) if layer == 0 else diagonal(weights), np.concatenate(biases)))
    return Chain(tuple(maps))


def apart(chains: Iterable[Chain], lows: Sequence[Any] | None = None) -> Chain:
    """Chains that read inputs of their own, one block of columns after the other."""
    chains = list(chains)
    columns = np.split(np.arange(sum(c.n_in for c in chains)), np.cumsum([c.n_in for c in chains])[:-1])
    n = sum(len(c) for c in columns)
    return beside([then(picked(n, own.tolist()), c) for own, c in zip(columns, chains, strict=True)], lows)


def diagonal(blocks: Sequence[np.ndarray]) -> np.ndarray:
    rows, columns = (sum(block.shape[axis] for block in blocks) for axis in (0, 1))
    made, i, j = np.zeros((rows, columns)), 0, 0
    for block in blocks:
        made[i : i + len(block), j : j + block.shape[1]] = block
        i, j = i + len(block), j + block.shape[1]
    return made


def stored(chain: Chain) -> Chain:
    """The chain with the weights that float32 can hold."""
    return Chain(tuple((single(weight), single(bias)) for weight, bias in chain.maps))


def single(x: Any) -> np.ndarray:
    """The nearest numbers that float32 has, in float64; 0 for those that it has only with fewer places.

    Raises: SettingError where one is too large for float32.
    """
    with np.errstate(over="ignore"):
        near = np.asarray(x, float).astype(np.float32).astype(float)
    if not np.isfinite(near).all():
        raise SettingError(
            f"A weight of {np.nanmax(abs(np.asarray(x, float))):.3g} is beyond float32: take other units for the "
            "inputs or the outputs."
        )
    return np.where(abs(near) < TINY, 0.0, near)


def is_stored(chain: Chain) -> bool:
    """Whether float32 holds every weight exactly."""
    both = zip(chain.maps, stored(chain).maps, strict=True)
    return all(np.array_equal(a, b) for own, kept in both for a, b in zip(own, kept, strict=True))


def lost(chain: Chain, box: Any) -> float:
    """How far the outputs move at most when the weights become those of float32; 0 where it holds them exactly.

    Bounds of the units, and of what has moved, are handed on from layer to layer.
    """
    low, high = np.array(box, float).T
    off = np.zeros(len(low))
    for i, (weight, bias) in enumerate(chain.maps):
        near, shift = single(weight), single(bias)
        reach = np.maximum(abs(low), abs(high))
        off = abs(near).T @ off + abs(near - weight).T @ reach + abs(shift - bias)
        middle, half = (low + high) / 2, (high - low) / 2
        centre, wide = middle @ weight + bias, half @ abs(weight)
        low, high = centre - wide, centre + wide
        if i < chain.depth:
            low, high = np.maximum(low, 0), np.maximum(high, 0)
    return float(off.max()) * (1 + 1e-9)  # for the rounding of these sums themselves


def layers_of(chain: Chain) -> Sequential:
    """The chain as Dense layers and ReLUs, in float32."""
    layers: list[Any] = []
    for weight, bias in chain.maps:
        layers += [Dense(*(jnp.asarray(single(a), jnp.float32) for a in (weight, bias))), Activation("relu")]
    return Sequential(layers[:-1])
