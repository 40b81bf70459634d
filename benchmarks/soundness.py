"""Bounds under attack: millions of points, at random, in corners and found by gradients, must lie inside every bound.

    python benchmarks/soundness.py [--networks 10] [--write]

Each network is drawn anew, of ReLU and of smooth curves, with weights of very different sizes, and asked over boxes of
very different sizes by every method. Points are run in float32, as the network runs, and in float64. A bound that one
of them leaves is counted; there must be none.
"""

from __future__ import annotations

import time

from measuring import arguments, pinned, table, write

SIZES = ((2, 8, 8, 3), (5, 16, 16, 2), (16, 32, 32, 4))
CURVES = ("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "softplus", "silu", "mish")
METHODS = ("interval", "crown", "alpha")
BOXES, POINTS, CLIMBED, STEPS = 4, 4096, 64, 20


def drawn(sizes, curve, rng):
    """A network with weights of a scale of its own."""
    from itertools import pairwise

    import jax.numpy as jnp

    from pellucid.layers import Activation, Dense, Sequential

    scale, layers = 10.0 ** rng.uniform(-1, 1), []
    for n, m in pairwise(sizes):
        weight, bias = scale * rng.normal(size=(n, m)) / n**0.5, scale * rng.normal(size=m)
        layers += [Dense(jnp.float32(weight), jnp.float32(bias)), Activation(curve)]
    return Sequential(layers[:-1])


def steps_up(net, x, low, high, sign, output):
    """Points moved along the gradient of an output, up or down, within the box."""
    import jax
    import jax.numpy as jnp

    slope = jax.grad(lambda x: sign * net(x)[:, output].sum())

    def step(k, x):
        return jnp.clip(x + (high - low) * 0.3 * 0.8**k * jnp.sign(slope(x)), low, high)

    return jax.lax.fori_loop(0, STEPS, step, x)


def attacked(net, exact, box, climb, rng):
    """The least and the largest output at every kind of point, in both arithmetics, and how many points these were."""
    import numpy as np

    low, high = (np.float32(side) for side in box.T)
    inside = np.nextafter(low, np.float32(np.inf)) <= high
    x = np.float32(low + rng.random((POINTS, len(low))) * (high - low))
    corners = np.where(rng.random((POINTS, len(low))) < 0.5, low, high)
    starts = x[:CLIMBED]
    outputs = np.asarray(net(starts[:1])).shape[1]
    found = [np.asarray(climb(net, starts, low, high, s, k)) for s in (1.0, -1.0) for k in range(outputs)]
    points = np.concatenate([np.clip(x, low, high), corners, *found])
    points = np.where(inside, points, low)
    y = np.concatenate([np.asarray(net(points), float), exact(points.astype(float))])
    return np.nanmin(y, 0), np.nanmax(y, 0), len(points)


def main() -> None:
    parser = arguments(__doc__, in_rounds=False)
    parser.add_argument("--networks", type=int, default=10, help="of each shape and curve")
    options = parser.parse_args()
    pinned(2)
    import jax
    import numpy as np

    from pellucid import certify
    from pellucid.geometry import lowered

    rng, climb, began = np.random.default_rng(0), jax.jit(steps_up, static_argnums=5), time.perf_counter()
    lines = table(["curve", "networks", "boxes", "points", "beyond a bound", "nearest to a bound, of the width"])
    for curve in CURVES:
        points = beyond = 0
        near = dict.fromkeys(METHODS, np.inf)
        for sizes in SIZES:
            for _ in range(options.networks):
                net = drawn(sizes, curve, rng)
                exact = lowered(net, curves=True)
                centre = rng.normal(size=(BOXES, sizes[0])) * 10.0 ** rng.uniform(-2, 1, (BOXES, 1))
                half = 10.0 ** rng.uniform(-4, 0.5, (BOXES, 1))
                boxes = np.float32(np.stack([centre - half, centre + half], -1)).astype(float)
                bounds = {method: certify.bounds(net, boxes, method=method) for method in METHODS}
                for i, box in enumerate(boxes):
                    least, most, count = attacked(net, exact, box, climb, rng)
                    points += count
                    for method, found in bounds.items():
                        room = np.minimum(least - found.low[i], found.high[i] - most)
                        beyond += int((room < 0).sum())
                        near[method] = min(near[method], float((room / (found.high[i] - found.low[i])).min()))
        told = ", ".join(f"{method} {value:.1e}" for method, value in near.items())
        count = options.networks * len(SIZES)
        lines.append(f"| {curve} | {count} | {count * BOXES} | {points:,} | {beyond} | {told} |")
        print(lines[-1], flush=True)
    lines += ["", f"All in {time.perf_counter() - began:.0f} s. Points beyond a bound: none asked for."]
    if options.write:
        write("Bounds under attack", lines)


if __name__ == "__main__":
    main()
