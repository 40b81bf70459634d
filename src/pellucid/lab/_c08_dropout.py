"""C8: inverted dropout keeps the expected output; without its scaling, testing gives 1 / (1 − p) times too much."""

from __future__ import annotations

import jax
import numpy as np

from ..backprop import chains, places
from ..errors import SettingError
from ..insight import DropoutScale, LayerScale, dropout_scale
from ..language import phrase
from ..layers import Dense, Dropout, Parallel, PlainDropout, Sequential
from ..module import Layer, map_layers, walk
from ..train import bundled
from ._given import Given
from ._record import Check, Found, equal

FAULTS = {"scaling-left-out": phrase("Inverted dropout does not divide by 1 − p what it leaves.")}
CODE = (Dropout, PlainDropout)
SHARES = (0.2, 0.5, 0.8)
LITTLE = 0.1
CHANCE = 4.5  # standard errors of a measured ratio: once in 150,000 measurements chance alone is farther off


def experiment(given: Given, fault: str | None = None) -> Found:
    """The ratio of the output in testing to the mean output in training, behind both kinds of dropout."""
    held = cases(given)
    found = [dropout_scale(with_fault(net, fault), x) for _, net, x in held]
    checks = [
        beside(name, layer, ratio, row, 0.0 if given.own else LITTLE)
        for (name, net, _), scale in zip(held, found, strict=True)
        for layer, ratio, row in zip(dropouts(net), expected(net), scale.layers, strict=True)
        if layer is not None
    ]
    net, first = held[0][1], found[0]
    measured = {
        "n": first.passes, "rows": first.examples, "inverted": ratios(net, first, Dropout),
        "plain": ratios(net, first, PlainDropout),
    }  # fmt: skip
    on = phrase("dropout of normal numbers, and of the digits") if given.own else given.words
    return Found(on, tuple(checks), measured, first)


def cases(given: Given) -> list[tuple[str, Layer, np.ndarray]]:
    """Networks of both kinds of dropout, and rows."""
    if not given.own:
        return [(given.words, net_of(given), given.inputs())]
    table, target = bundled("digits")
    ink = table.drop(target).to_numpy()[:200] / 16
    return [
        (phrase("normal numbers"), both_kinds(300), np.random.default_rng(0).normal(size=(40, 300))),
        (phrase("digits"), both_kinds(64), ink),
    ]


def net_of(given: Given) -> Layer:
    """The user's network, which must have dropout; or both kinds of it for their rows."""
    if given.net is None:
        return both_kinds(int(np.prod(given.inputs().shape[1:])) if given.rows is not None else 300)
    if not any(isinstance(layer, Dropout | PlainDropout) for _, layer in walk(given.net)):
        raise SettingError("C8 is about dropout, and this network has none.")
    return given.net


def both_kinds(n: int) -> Parallel:
    """Dropout of both kinds for several p, side by side, each read by a layer of its own."""
    read = Dense.create(n, 3, key=jax.random.key(0))
    return Parallel([Sequential([kind(p), read]) for kind in (Dropout, PlainDropout) for p in SHARES])


def with_fault(net: Layer, fault: str | None) -> Layer:
    """The network in which inverted dropout does not scale."""
    if fault is None:
        return net
    return map_layers(net, lambda _, layer: PlainDropout(layer.p) if isinstance(layer, Dropout) else layer)


def dropouts(net: Layer) -> list[Dropout | PlainDropout | None]:
    """For every layer in the order of the pass: itself where it is dropout, None where it is not."""
    return [place.layer if isinstance(place.layer, Dropout | PlainDropout) else None for place in places(net)]


def expected(net: Layer) -> list[float]:
    """The ratio behind every layer: 1, and 1 / (1 − p) more for each plain dropout that its chain went through."""
    layers, found = {place.at: place.layer for place in places(net)}, dict.fromkeys(layers_of(net), 1.0)
    for chain in chains(net):
        ratio = 1.0
        for at in chain:
            layer = layers[at]
            ratio /= 1 - layer.p if isinstance(layer, PlainDropout) else 1.0
            found[at] = ratio
    return [*found.values()]


def layers_of(net: Layer) -> list[str]:
    return [place.at for place in places(net)]


def beside(name: str, layer: Dropout | PlainDropout, ratio: float, row: LayerScale, little: float) -> Check:
    """One layer's ratio, within chance; `little` is what a bent curve before it may leave."""
    kind = phrase("inverted") if isinstance(layer, Dropout) else phrase("plain")
    what = phrase("{on}: output in testing over training, {kind} dropout of p = {p:g}", on=name, kind=kind,
                  p=layer.p)  # fmt: skip
    return equal(what, ratio, row.ratio, CHANCE * row.error + little * ratio)


def ratios(net: Layer, found: DropoutScale, kind: type) -> str:
    """The ratios behind one kind of dropout, as a list."""
    told = [f"{row.ratio:.2f}" for layer, row in zip(dropouts(net), found.layers, strict=True)
            if isinstance(layer, kind)]  # fmt: skip
    return ", ".join(told) or phrase("not there")
