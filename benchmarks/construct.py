"""Networks that are built: error against neurons on sin, |x|, Runge's function and a bump of two variables.

    python benchmarks/construct.py [--picture construct.png] [--write]

The proven bound of every network stands beside what no other can be below: no hidden layer of as many neurons ("none is
below", as it has at most one straight piece more than neurons), and no continuous function of as many straight pieces
as the network has. "Lines apart" is found on its own, by code that shares nothing with the library: as many straight
lines as there are neurons and one more, that need not even meet. Of two variables the notes tell what the interpolation
on a grid would take. Seconds are processor time.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from measuring import arguments, pinned, table, write

NEURONS = (4, 8, 12, 16, 32, 64, 128)
ERRORS = (0.1, 0.03, 0.01, 0.003, 0.001)
PLACES = 400  # of each straight line, at which the lower bound is taken


def functions() -> dict[str, tuple[Any, Any]]:
    import jax.numpy as jnp

    return {
        "sin on [0, 2π]": (jnp.sin, (0.0, 6.283185307179586)),
        "Runge, 1 / (1 + 25 x²) on [−1, 1]": (lambda x: 1 / (1 + 25 * x * x), (-1.0, 1.0)),
        "abs(x) on [−1, 1]": (jnp.abs, (-1.0, 1.0)),
    }


def bump(x: Any) -> Any:
    import jax.numpy as jnp

    return jnp.exp(-(x[0] ** 2 + x[1] ** 2))


def built(name: str, *given: Any, **settings: Any) -> tuple[Any, float]:
    from pellucid import construct

    began = time.process_time()
    made = construct.approximate(*given, name=name, **settings)
    return made, time.process_time() - began


def one_variable() -> tuple[list[str], dict[str, Any]]:
    """Error against neurons for functions of one variable."""
    from pellucid import construct
    from pellucid.geometry import along

    columns = [
        "function",
        "neurons",
        "pieces",
        "proven",
        "found",
        "none is below",
        "lines apart",
        "ratio to these",
        "ratio by pieces",
        "seconds",
    ]
    lines, drawn = table(columns), {}
    for name, (function, box) in functions().items():
        sizes = (1, 2) if name.startswith("abs") else NEURONS
        made = [built(name, function, box, neurons=n) for n in sizes]
        for one, seconds in made:
            pieces = along(one.net, [box[0]], [box[1]]).linear_pieces
            least = float(one.notes[-1].split()[-1])
            free = lines_apart(function, box, one.neurons + 1, one.error)
            ratios = (ratio(one.error, one.best), ratio(one.error, free), ratio(one.error, least))
            lines.append(
                f"| {name} | {one.neurons} | {pieces} | {one.error:.6g} | {one.measured:.6g} | {one.best:.6g} | "
                f"{free:.6g} | {ratios[0]}, {ratios[1]} | {ratios[2]} | {seconds:.2f} |"
            )
            print(lines[-1], flush=True)
        if len(sizes) > 2:
            drawn[name] = construct.rate(function, box, neurons=sizes, name=name)
    return lines, drawn


def ratio(error: float, least: float) -> str:
    return f"{error / least:.3f}" if least > 1e-6 * error else "exact" if error < 1e-9 else "–"


def lines_apart(function: Any, box: tuple[float, float], count: int, error: float) -> float:
    """A lower bound of the error of so many straight lines, each on an interval of its own, at finitely many places.

    For a given error each goes on for as long as half the height of the convex hull of its points allows; by bisection.
    """
    import numpy as np

    x = np.linspace(*box, PLACES * count + 1)
    y = np.asarray(function(x), float)

    def enough(bound: float) -> bool:
        at = 0
        for _ in range(count):
            step = 2 * PLACES
            while at + step < len(x) and half_height(x[at : at + step], y[at : at + step]) <= bound:
                step *= 2
            low, high = 2, min(step, len(x) - at)  # how many places: two are always on a line
            while low < high:
                middle = (low + high + 1) // 2
                inside = half_height(x[at : at + middle], y[at : at + middle]) <= bound
                low, high = (middle, high) if inside else (low, middle - 1)
            at += low
            if at >= len(x) - 1:
                return True
        return False

    low, high = 0.0, error
    while high - low > 1e-3 * high and high > 1e-12:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return low


def half_height(x: Any, y: Any) -> float:
    """The least error of one straight line at these places: half of the largest height of their convex hull."""
    import numpy as np
    from scipy.spatial import ConvexHull, QhullError

    if len(x) < 3:
        return 0.0
    lean = y - np.interp(x, x[[0, -1]], y[[0, -1]])
    if np.ptp(lean) < 1e-13:
        return 0.0
    try:
        hull = ConvexHull(np.column_stack([(x - x[0]) / (x[-1] - x[0]), lean / np.ptp(lean)])).vertices
    except QhullError:
        return 0.0
    start, end = (int(np.flatnonzero(hull == k)[0]) for k in (0, len(x) - 1))
    turned = np.roll(hull, -start)  # counterclockwise from the left end: below until the right end, then above
    split = (end - start) % len(hull)
    below, above = turned[: split + 1], np.append(turned[split:], 0)[::-1]
    at = x[hull]
    return float((np.interp(at, x[above], y[above]) - np.interp(at, x[below], y[below])).max()) / 2


def two_variables() -> tuple[list[str], Any]:
    """Neurons against error for a bump of two variables."""
    from pellucid import construct

    lines = table(["function", "error asked", "proven", "found", "neurons", "depth", "form", "others", "seconds"])
    for error in ERRORS:
        one, seconds = built("a bump", bump, [(-2, 2), (-2, 2)], error=error)
        form = one.proof.split(",")[0]
        lines.append(
            f"| exp(−x² − y²) on [−2, 2]² | {error:g} | {one.error:.3g} | {one.measured:.3g} | {one.neurons:,} | "
            f"{one.depth} | {form} | {'; '.join(one.notes)} | {seconds:.2f} |"
        )
        print(lines[-1], flush=True)
    return lines, construct.rate(bump, [(-2, 2), (-2, 2)], errors=ERRORS[:4], name="a bump")


def smaller() -> list[str]:
    """What `simplify` leaves of trained networks."""
    import numpy as np

    import pellucid as pl
    from pellucid import construct

    lines = table(["network", "tolerance", "neurons", "parameters", "proven difference", "found", "seconds"])
    x = np.random.default_rng(0).uniform(-1, 1, (600, 2)).astype(np.float32)
    for name, y in (("two bumps", np.exp(-8 * ((x - 0.4) ** 2).sum(1)) - np.exp(-8 * ((x + 0.4) ** 2).sum(1))),
                    ("a ridge", np.maximum(x[:, 0] + x[:, 1], 0))):  # fmt: skip
        net = pl.fit([48, 48], (x, y[:, None]), epochs=200, learning_rate=0.003, progress=False, loss="mse").net
        for tolerance in (0.0, 0.02, 0.1):
            began = time.process_time()
            made = construct.simplify(net, (-2, 2), tolerance=tolerance)
            seconds = time.process_time() - began
            lines.append(
                f"| {name}, 2-48-48-1 | {tolerance:g} | {made.neurons[0]} → {made.neurons[1]} | {made.parameters[0]:,} "
                f"→ {made.parameters[1]:,} | {made.difference:.2g} | {made.measured:.2g} | {seconds:.1f} |"
            )
            print(lines[-1], flush=True)
    return lines


def picture(rates: dict[str, Any], path: Path) -> None:
    """All rates side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(rates), 3.8), layout="constrained")
    for axes, (name, found) in zip(figure.subplots(1, len(rates), squeeze=False)[0], rates.items(), strict=True):
        axes.plot(found.neurons, found.proven, "o-", color="#0f6fae", label="proven")
        axes.plot(found.neurons, found.measured, ".", color="#111111", markersize=4, label="found")
        for values, mark, colour, label in (
            (found.best, "_", "#1b8a5a", "none is below"), (found.limit, "--", "grey", "best, for many neurons"),
        ):  # fmt: skip
            if (values == values).any():
                axes.plot(found.neurons, values, mark, color=colour, markersize=11, label=label)
        axes.set(xscale="log", yscale="log", title=name, xlabel="neurons", ylabel="largest error")
        axes.set_xticks(found.neurons, [f"{n:,}" for n in found.neurons])
        axes.minorticks_off()
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = arguments(__doc__, in_rounds=False)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    pinned(options.threads)
    lines, rates = one_variable()
    more, rates["a bump of two variables"] = two_variables()
    lines += ["", *more, "", *smaller()]
    if options.picture:
        picture(rates, options.picture)
    if options.write:
        write("Networks that are built", lines)


if __name__ == "__main__":
    main()
