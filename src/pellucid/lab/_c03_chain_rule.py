"""C3: backpropagation hands every parameter its share of the error by the chain rule, from the end to the start."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..backprop import Chain, backpropagate, blame
from ..language import phrase
from ..layers import Activation, Dense, Sequential, mlp, run, values_of
from ..losses import Loss
from ..module import Layer, learned, map_layers, parameters, static
from ._evidence import Agreement
from ._given import Given, Rows, rows
from ._kinds import KEY, every_kind
from ._learn import learned as trained
from ._record import Check, Found, at_most, equal, short

FAULTS = {
    "no-slope": phrase("An activation hands the blame on as it is, without its slope: a wrong backward pass."),
    "mean-bias": phrase("A Dense layer blames its bias for the mean over the examples, and not for the sum."),
    "uphill": phrase("The step goes along the gradient in place of against it."),
}
CODE = (Dense.backward, Activation.backward, Sequential.backward, backpropagate)
EXACT, CLOSE = 1e-10, 1e-6  # relative: rounding of float64, and what a central difference leaves
H = 1e-6
RATE = 0.1
# A program that runs once is not worth the time of the compiler: plainer code, by the older way to write it.
QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


class Wrong(Layer):
    """A layer with one of the faults: its blame is not that of its forward pass."""

    layer: Layer
    fault: str = static()

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Any]:
        return self.layer.forward(x, key=key)

    def backward(self, saved: Any, dy: Any) -> tuple[Any, Wrong]:
        dx, dlayer = self.layer.backward(saved, dy)
        if self.fault == "no-slope":
            dx = dy
        elif self.fault == "mean-bias" and isinstance(dlayer, Dense) and dlayer.bias is not None:
            dlayer = Dense(dlayer.weight, dlayer.bias / len(dy))
        elif self.fault == "uphill":
            dlayer = jax.tree.map(jnp.negative, dlayer)
        return dx, Wrong(dlayer, self.fault)


def experiment(given: Given, fault: str | None = None) -> Found:
    """Every backward beside `jax.vjp` and central differences, a chain in numbers, and one step of descent."""
    held = named_layers(given, fault)
    automatic, differences = compared(held)
    worst = {"automatic": automatic.max(), "differences": differences.max()}
    net, seen = descended(given)
    chain, chain_check = chained(net, seen, given, fault)
    checks = (
        equal(phrase("Layers whose backward equals automatic differentiation and finite differences"),
              len(held), int(((automatic <= EXACT) & (differences <= CLOSE)).sum())),
        at_most(phrase("The largest difference from automatic differentiation, relative"), EXACT, worst["automatic"]),
        at_most(phrase("The largest difference from finite differences, relative"), CLOSE, worst["differences"]),
        chain_check,
        step_check(with_fault(net, fault), seen),
    )  # fmt: skip
    measured = {
        "what": phrase("every kind of layer") if given.net is None else phrase("your network"),
        "n": len(held), "same": int(checks[0].found), "automatic": short(worst["automatic"]),
        "differences": short(worst["differences"]), "product": in_factors(chain),
    }  # fmt: skip
    on = phrase("every kind of layer, a small network, and the diabetes data") if given.own else given.words
    return Found(on, checks, measured, Agreement(tuple(held), automatic, differences, chain))


def with_fault(net: Layer, fault: str | None) -> Layer:
    if fault is None:
        return net
    kind = Activation if fault == "no-slope" else Dense
    return map_layers(net, lambda _, layer: Wrong(layer, fault) if isinstance(layer, kind) else layer)


def named_layers(given: Given, fault: str | None) -> dict[str, tuple[Layer, Any]]:
    """Every kind of layer with an input; or the user's network with its rows, in double precision."""
    with jax.enable_x64(True):
        if given.net is None:
            return {name: (with_fault(layer, fault), x) for name, (layer, x) in every_kind().items()}
        net: Any = jax.tree.map(lambda a: np.asarray(a, np.float64), given.net)
        return {phrase("your network"): (with_fault(net, fault), given.inputs(8)[:8].astype(np.float64))}


def compared(held: dict[str, tuple[Layer, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """The relative difference of each layer's backward from `jax.vjp`, and from differences along one direction."""

    def whole(held: Any, ways: Any) -> Any:
        return {name: beside(layer, x, ways[name]) for name, (layer, x) in held.items()}

    with jax.enable_x64(True):
        ways = {name: direction(layer, x) for name, (layer, x) in held.items()}
        found = jax.jit(whole, compiler_options=dict(QUICK))(held, ways)
    automatic, differences = (np.array([float(found[name][i]) for name in held]) for i in (0, 1))
    return automatic, differences


def direction(layer: Layer, x: Any) -> Any:
    """A random direction for the parameters and the input; 0 for an input of whole numbers, which does not move."""
    rng = np.random.default_rng(1)
    way, along = jax.tree.map(lambda a: rng.normal(size=np.shape(a)), (learned(layer), x))
    still = all(np.all(np.asarray(a) % 1 == 0) for a in jax.tree.leaves(x))
    return way, jax.tree.map(np.zeros_like, along) if still else along


def beside(layer: Layer, x: Any, way: Any) -> tuple[Array, Array]:
    """One layer's blame beside both oracles."""

    def out(layer: Layer, x: Any) -> Any:
        return values_of(run(layer, x, KEY)[0])

    y, vjp = jax.vjp(out, layer, x)
    dy = jax.tree.map(lambda a: jnp.cos(jnp.arange(a.size, dtype=a.dtype)).reshape(a.shape), y)
    dx, dlayer = layer.backward(run(layer, x, KEY)[1], dy)
    by_jax, dx_by_jax = vjp(dy)
    got, truth = (learned(dlayer), dx), (learned(by_jax), dx_by_jax)
    slope = inner(got, way)
    ahead, behind = jax.vmap(lambda h: inner(out(*moved((layer, x), way, h)), dy))(jnp.array([H, -H]))
    return apart(got, truth), abs(slope - (ahead - behind) / (2 * H)) / jnp.maximum(abs(slope), 1.0)


def moved(at: Any, way: Any, h: Array) -> Any:
    return jax.tree.map(lambda a, d: a if d is None else a + h * d, at, way, is_leaf=lambda a: a is None)


def inner(a: Any, b: Any) -> Array:
    return sum((jnp.vdot(p, q) for p, q in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)), jnp.zeros(()))


def apart(got: Any, truth: Any) -> Array:
    """The largest difference of all numbers, relative to the largest of them."""
    pairs = list(zip(jax.tree.leaves(got), jax.tree.leaves(truth), strict=True))
    size = jnp.stack([abs(t).max() for _, t in pairs]).max()
    return jnp.stack([abs(g - t).max() for g, t in pairs]).max() / jnp.maximum(size, 1e-300)


def chained(net: Layer, seen: Rows, given: Given, fault: str | None) -> tuple[Chain, Check]:
    """A chain in numbers: of a network of one unit to a layer, whose gradient is the product of its factors alone; of
    a user's network, in which the heaviest of all paths is followed, with the sums over all of them."""
    if given.net is None:
        net = Sequential([Dense(jnp.array([[0.5], [-0.8]]), jnp.array([0.1])), Activation("tanh"),
                          Dense(jnp.array([[1.2]]), jnp.array([-0.3]))])  # fmt: skip
        x, y = np.array([[1.0, 2.0]], np.float32), np.array([[1.0]], np.float32)
        found = blame(with_fault(net, fault), x, y, loss="binary_cross_entropy")
        chain = found.chain(next(path for path in found.gradients if path.endswith("weight")), (0, 0))
        what = phrase("The product of the chain's factors, beside the gradient that was handed back")
        return chain, equal(what, chain.product, chain.gradient, 1e-5)
    n_out = outputs_of(net, seen.x)
    found = blame(with_fault(net, fault), seen.x[:4], seen.fitted(n_out)[:4], loss=seen.loss(n_out))
    chain = found.chain(next(path for path, a in found.gradients.items() if a.ndim > 1))
    what = phrase("The sums over the paths of a chain, beside the gradient that was handed back, relative")
    return chain, at_most(what, 1e-3, chain.residual / max(abs(chain.gradient), 1e-12))


def outputs_of(net: Layer, x: np.ndarray) -> int:
    return values_of(jax.eval_shape(lambda net, x: net(x), net, x[:1])).shape[-1]


def in_factors(chain: Chain) -> str:
    factors = " · ".join(f"{step.symbol} ({step.factor:.4g})" for step in chain.steps)
    return f"dL/dw = {factors} = {chain.product:.4g}"


def descended(given: Given) -> tuple[Layer, Rows]:
    """The network and the rows on which one step is taken."""
    seen = given.rows if given.rows is not None and given.rows.y is not None else rows("diabetes")
    net = given.net
    if net is None or (given.rows is None or given.rows.y is None):
        net = mlp([int(np.prod(seen.x.shape[1:])), 8, seen.outputs], key=0, activation="tanh")
        seen = seen._replace(x=seen.x.reshape(len(seen.x), -1))
    return net, seen


def step_check(net: Layer, seen: Rows) -> Check:
    """One step of `pl.fit`'s own program on all rows, beside θ − η ∇L by automatic differentiation."""
    n_out = outputs_of(net, seen.x)
    criterion, y = seen.loss(n_out), seen.fitted(n_out)
    x, y = seen.x[:256], y[:256]
    after = parameters(trained(net, x, y, criterion, 1, rate=RATE, batch=len(x), optimizer="sgd", shuffle=False).net)
    value = partial(loss_of, criterion, jnp.asarray(x), jnp.asarray(y))
    gradient = jax.jit(jax.grad(value))(net)
    slopes = {path: np.asarray(g) for path, g in parameters(gradient).items()}
    start = {path: np.asarray(a) for path, a in parameters(net).items()}
    off = max(float(abs(after[path] - (start[path] - RATE * slopes[path])).max()) for path in after)
    size = max(float(abs(RATE * slope).max()) for slope in slopes.values())
    what = phrase("One step of training beside θ − η ∇L by automatic differentiation, relative to the step")
    return at_most(what, 1e-3, off / size)


def loss_of(criterion: Loss, x: Any, y: Any, net: Layer) -> Array:
    return criterion.evaluate(values_of(net(x)), y)[0]
