"""Functions of several variables that are sums of products of functions of one: cheaper than a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..errors import SettingError
from ._chain import Chain, affine, beside, is_stored, picked, then
from ._power import below, cover, product_of
from ._record import scattered
from ._separable import Form, line
from ._shallow import of_error
from ._target import Target, target_of

PLACES = {2: 65, 3: 17, 4: 9}  # along each axis, in so many dimensions, at which the terms are chosen; else at random
MOST_CELLS, MOST_RANK, TRIES = 60_000, 4, 4  # cells in the plane, with more inputs fewer
REST, PRODUCTS = 0.1, 0.15  # of the error: what the terms may leave, and what the products may be off by
LEAST = 2.0**-40  # of the largest: what is smaller is no pivot
FINE = 2.0**-20  # of the range of a part: its constant is a multiple of it, so that products of it are exact

Term = list[Target]  # a function of one variable for each axis


class Number(NamedTuple):
    """What a chain computes: what it lies between, and how far it is from what it stands for."""

    chain: Chain
    low: float
    high: float
    off: float

    @property
    def size(self) -> float:
        return max(abs(self.low), abs(self.high))


def multiplied(target: Target, error: float) -> Form:
    """`f ≈ Σ_k u_k(x) v_k(y)`, or in more variables one product: the parts in one hidden layer, then their products.

    The terms are a cross of the function's own lines, through the points where what is left is the largest; what they
    leave is bounded on boxes, which are halved until it is small enough.

    Raises: SettingError, with the reason, where that form does not reach the error.
    Source: Goreinov, Tyrtyshnikov and Zamarashkin 1997, A theory of pseudoskeleton approximations.
    """
    terms, rest = terms_of(target, error)
    room, off, found = error - rest, np.inf, []
    for tried in range(TRIES):
        if found and tried > 1:
            break
        numbers = [term_number(target.d, term, room, terms) for term in terms]
        off = rest + sum(number.off for number in numbers)
        lows = [below(number.low, number.high) for number in numbers]
        chain = then(beside([number.chain for number in numbers], lows), affine(np.ones((len(terms), 1))))
        if off <= error and is_stored(chain):
            found.append(Form(chain, off, words(terms)))
        room *= 0.98 * (error - rest) / (off - rest)
    if not found:
        raise SettingError(f"as {words(terms)} it reaches {off:.3g} with weights that float32 has")
    return min(found, key=lambda form: form.chain.neurons)


def words(terms: Sequence[Term]) -> str:
    if len(terms) == 1:
        return f"a product of {len(terms[0])} functions of one variable"
    return f"a sum of {len(terms)} products of functions of one variable"


def terms_of(target: Target, error: float) -> tuple[list[Term], float]:
    """As few terms as leave a tenth of the error, and how much they leave, proven.

    Raises: SettingError where even the most leave more.
    """
    x = scattered(target.box)
    if target.d in PLACES:
        axes = [np.linspace(low, high, PLACES[target.d]) for low, high in target.box]
        x = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, target.d)
    left = target.middle(x)
    pivots: list[np.ndarray] = []
    for _ in range(MOST_RANK if target.d == 2 else 1):
        pivots.append(x[int(abs(left).argmax())])
        terms, rest = crossed(target, np.array(pivots))
        left = rest.middle(x)
        if abs(left).max() <= REST * error:
            proven = largest(rest, REST * error)
            if proven is not None:
                return terms, proven
    raise SettingError(
        f"as a sum of {len(pivots)} products of functions of one variable it is off by {abs(left).max():.3g}"
    )


def crossed(target: Target, pivots: np.ndarray) -> tuple[list[Term], Target]:
    """The terms through some points, and what they leave as a function."""
    if target.d == 2:
        core = target.middle(np.stack(np.meshgrid(pivots[:, 0], pivots[:, 1], indexing="ij"), -1).reshape(-1, 2))
        core = core.reshape(len(pivots), -1)
        if np.linalg.cond(core) > 1 / LEAST:
            raise SettingError("as a sum of products of functions of one variable it is lost to rounding")
        inverse = np.linalg.inv(core)
        terms = [[line(target, 0, at), mixed(target, pivots[:, 0], inverse[k])] for k, at in enumerate(pivots)]
    else:
        at = pivots[0]
        value = float(target.middle(at[None])[0]) or 1.0  # of a function that is 0 everywhere the term is 0 as well
        terms = [[line(target, i, at, value if i else 1.0) for i in range(target.d)]]

    def left(x: Any) -> Any:
        products = [[part.function(x[i]) for i, part in enumerate(term)] for term in terms]
        return target.function(x) - sum(multiply(factors) for factors in products)

    return terms, target_of(left, target.box)


def multiply(factors: Sequence[Any]) -> Any:
    made = factors[0]
    for factor in factors[1:]:
        made = made * factor
    return made


def mixed(target: Target, places: np.ndarray, weights: np.ndarray) -> Target:
    """`Σ_l w_l f(x_l, y)` as a function of y."""

    def along(t: Any) -> Any:
        lines = [
            float(w) * target.function(jnp.stack([jnp.full_like(t, x), t]))
            for x, w in zip(places, weights, strict=True)
        ]
        return sum(lines[1:], lines[0])

    return target_of(along, (target.box[1],))


def largest(target: Target, enough: float) -> float | None:
    """A bound of `|f|` on the box that is at most `enough`; None where it is not found on so many boxes.

    On a box with middle m and half sides r, `|f| ≤ |f(m)| + Σ |∂_i f(m)| r_i + Σ max |∂_i ∂_j f| r_i r_j / 2`.
    """
    low, high = (np.array(side)[None] for side in zip(*target.box, strict=True))
    found, seen = 0.0, 0.0
    while len(low):
        seen += len(low) * target.d**2 / 4
        if seen > MOST_CELLS:
            return None
        middle, reach = (low + high) / 2, (high - low) / 2 * (1 + 1e-15)
        at, over = target.jets(middle, middle), target.jets(low, high)
        bound = at.value.most + (at.slope.most * reach).sum(1)
        bound = bound + np.einsum("bij,bi,bj->b", over.curve.most, reach, reach) / 2
        bound = np.minimum(bound * (1 + 1e-13), over.value.most)
        if (at.value.low > enough).any() or (-at.value.high > enough).any():
            return None
        found = max(found, float(bound[bound <= enough].max(initial=0.0)))
        open_ = bound > enough
        low, high, middle = low[open_], high[open_], middle[open_]
        axis = (over.slope.most[open_] * reach[open_]).argmax(1)
        one, other = high.copy(), low.copy()
        rows = np.arange(len(low))
        one[rows, axis] = other[rows, axis] = middle[rows, axis]
        low, high = np.concatenate([low, other]), np.concatenate([one, high])
    return found


def term_number(d: int, term: Term, room: float, terms: Sequence[Term]) -> Number:
    """A product of parts; every part may be off by what its share of the room is, over the sizes of the others."""
    sizes = [size_of(part) for part in term]
    share = (1 - PRODUCTS) * room / (len(terms) * d)
    parts = [
        part_number(d, i, part, share / max(float(np.prod(sizes[:i] + sizes[i + 1 :])), 1e-300))
        for i, part in enumerate(term)
    ]
    made, error = parts[0], PRODUCTS * room / (len(terms) * (d - 1))
    for part in parts[1:]:
        made = times(made, part, error)
    return made


def size_of(part: Target) -> float:
    return float(abs(part.middle(np.linspace(*part.box[0], 257)[:, None])).max())


def part_number(d: int, axis: int, part: Target, error: float) -> Number:
    """One part as a hidden layer; its constant is moved a little, to few binary places."""
    units = of_error(part, error, polish=False)[0]
    path = units.units.path(*part.box[0])
    _, half = cover(float(path.values.min()), float(np.nextafter(path.values.max(), np.inf)))
    shift = float(np.round(units.units.shift / (FINE * half)) * FINE * half)
    moved = shift - units.units.shift
    low, high = (float(end) + moved for end in (path.values.min() - path.slack, path.values.max() + path.slack))
    chain = then(picked(d, [axis]), units.units._replace(shift=shift).chain())
    return Number(chain, low, max(high, float(np.nextafter(low, np.inf))), units.error.proven + abs(moved))


def times(a: Number, b: Number, error: float) -> Number:
    """The product of two numbers."""
    chain, lost = product_of((a.low, a.high), (b.low, b.high), error)
    both = beside([a.chain, b.chain], [below(a.low, a.high), below(b.low, b.high)])
    ends = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    off = lost + a.size * b.off + b.size * a.off + a.off * b.off
    return Number(then(both, chain), min(ends) - lost, max(ends) + lost, off)
