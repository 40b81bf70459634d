"""C10: one hidden layer approximates any continuous function, given enough neurons; built, with a proven error."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..construct import approximate
from ..errors import DataError, SettingError
from ..language import phrase
from ..layers import Dense
from ..module import Layer, map_layers
from ..train import bundled
from ._evidence import Approximated
from ._given import Given
from ._record import Check, Found, at_most, equal, short

FAULTS = {
    "bound-too-tight": phrase("The network is said to be twice as near as was proven."),
    "neuron-lost": phrase("One of the neurons is left out of every network after it was built."),
}
CODE = (approximate,)
NEURONS = (8, 16, 32, 64)
GRID = 20_001
SMOOTH, BINS = 0.7, 16  # pixels over which ink is spread; nodes of the curve through a user's rows


class Curve(NamedTuple):
    """A function of one number on a box, written with jax.numpy so that its derivatives can be bounded."""

    name: str
    function: Callable[[Any], Any]
    box: tuple[float, float]


def experiment(given: Given, fault: str | None = None) -> Found:
    """Networks of more and more neurons: the proven error beside the one on a dense grid, and the rate of both."""
    found = [beside(curve, fault) for curve in curves(given)]
    checks = [check for curve, seen in zip(curves(given), found, strict=True) for check in checks_of(curve, seen)]
    if given.own:
        checks.append(constant_of_sine(found[0]))
    first = found[0]
    measured = {
        "neurons": int(first.neurons[-1]), "on": curves(given)[0].name, "proven": short(float(first.proven[-1])),
        "grid": GRID, "found": short(float(first.found[-1])),
        "rate": short(float(first.proven[-1] / first.proven[-2])),
    }  # fmt: skip
    on = phrase("a sine, and the ink along a row of a digit") if given.own else given.words
    return Found(on, tuple(checks), measured, first)


def beside(curve: Curve, fault: str | None) -> Approximated:
    """A network for each number of neurons, and its largest error on the grid, in double precision."""
    x = np.linspace(*curve.box, GRID)
    y = evaluated(curve.function, x)
    proven, told = [], []
    for n in NEURONS:
        made = approximate(curve.function, curve.box, neurons=n, name=str(curve.name))
        told.append(in_float64(without_one(made.net) if fault == "neuron-lost" else made.net, x))
        proven.append(made.error / 2 if fault == "bound-too-tight" else made.error)
    some = slice(None, None, GRID // 400)
    worst = [float(abs(z - y).max()) for z in told]
    return Approximated(x[some], y[some], told[0][some], np.array(NEURONS), np.array(proven), np.array(worst))


def checks_of(curve: Curve, seen: Approximated) -> list[Check]:
    """The bound holds on the grid for every network, and the error falls with the square of the number of pieces."""
    pieces = seen.neurons + 1
    rate = np.log(seen.proven[-1] / seen.proven[-2]) / np.log(pieces[-1] / pieces[-2])
    return [
        *(at_most(phrase("{on}, {n} neurons: largest error on the grid, and the error that was proven",
                         on=curve.name, n=int(n)), float(bound), float(worst))
          for n, bound, worst in zip(seen.neurons, seen.proven, seen.found, strict=True)),
        equal(phrase("{on}: power of the number of pieces by which the proven error falls", on=curve.name), -2.0,
              float(rate), 0.15),
    ]  # fmt: skip


def constant_of_sine(seen: Approximated) -> Check:
    """The error times the square of the pieces, beside what it tends to for the best knots: (∫ √|f''|)² / 16."""
    from scipy.integrate import quad

    wanted = quad(lambda t: np.sqrt(abs(np.sin(t))), 0, 2 * np.pi, points=[np.pi])[0] ** 2 / 16
    found = float(seen.proven[-1] * (seen.neurons[-1] + 1) ** 2)
    return equal(phrase("a sine: error · pieces², and the limit (∫ √|f''|)² / 16 for the best knots"), wanted, found,
                 0.03 * wanted)  # fmt: skip


def curves(given: Given) -> list[Curve]:
    """A sine and the ink along a row of a digit; or the user's function, or a curve through their rows.

    Raises: SettingError for a network, since C10 builds its own; DataError where the rows have not one input.
    """
    if given.net is not None:
        raise SettingError("C10 builds its networks: give it data alone, a function and its box, or rows (x, y).")
    if given.function is not None:
        return [Curve(phrase("your function"), *given.function)]
    if given.rows is not None:
        x, y = given.rows.x.reshape(len(given.rows.x), -1), given.rows.targets().reshape(-1)
        if x.shape[1] != 1 or len(y) != len(x):
            raise DataError(f"C10 follows a curve: give rows of one input and one target, got {x.shape[1]} inputs.")
        return [Curve(given.rows.name, *through(x[:, 0].astype(float), y.astype(float)))]
    return [Curve(phrase("a sine"), jnp.sin, (0.0, 2 * np.pi)), Curve(phrase("the ink of a digit"), ink, (0.0, 7.0))]


def ink(x: Any) -> Any:
    """The ink along the middle row of the first seven among the digits, every pixel spread a little."""
    return sum(weight * jnp.exp(-(((x - i) / SMOOTH) ** 2)) for i, weight in enumerate(row_of_a_digit()))


@cache
def row_of_a_digit() -> list[float]:
    table, target = bundled("digits")
    pixels = table.drop(target).to_numpy()[7].reshape(8, 8)
    return (pixels[3] / 16).tolist()


def through(x: np.ndarray, y: np.ndarray) -> tuple[Callable[[Any], Any], tuple[float, float]]:
    """A smooth curve through rows: the mean of y around every node, each spread over its neighbours."""
    order = np.argsort(x)
    nodes = [(float(x[part].mean()), float(y[part].mean())) for part in np.array_split(order, min(BINS, len(x)))]
    low, high = float(x.min()), float(x.max())
    if not low < high:
        raise DataError("C10 follows a curve: the inputs are all the same.")
    wide = (high - low) / len(nodes)

    def curve(t: Any) -> Any:
        weights = [jnp.exp(-(((t - at) / wide) ** 2)) for at, _ in nodes]
        return sum(w * value for w, (_, value) in zip(weights, nodes, strict=True))

    return curve, (low, high)


def evaluated(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(jax.vmap(function)(jnp.asarray(x)))


def in_float64(net: Layer, x: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        wide: Any = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), net)
        return np.asarray(wide(jnp.asarray(x)[:, None]))[:, 0]


def without_one(net: Layer) -> Layer:
    """The network with the last neuron of its last hidden layer unheard."""

    def unheard(_: str, layer: Layer) -> Layer:
        if not isinstance(layer, Dense) or layer.weight.shape[1] != 1 or layer.weight.shape[0] == 1:
            return layer
        return Dense(layer.weight.at[-1].set(0.0), layer.bias)

    return map_layers(net, unheard)
