"""Networks that are built: error against neurons on sin, |x|, Runge's function and a bump of two variables.

    python benchmarks/construct.py [--picture construct.png] [--write]

The proven bound of every network stands beside what no other can be below: no hidden layer of as many neurons ("none is
below", as it has at most one straight piece more than neurons), and no continuous function of as many straight pieces
as the network has. Of two variables it stands beside the interpolation on a grid. Seconds are processor time.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from measuring import arguments, pinned, table, write

NEURONS = (4, 8, 12, 16, 32, 64, 128)
ERRORS = (0.1, 0.03, 0.01, 0.003, 0.001)


def functions() -> dict[str, tuple[Any, Any]]:
    import jax.numpy as jnp

    return {
        "sin on [0, 2π]": (jnp.sin, (0.0, 6.283185307179586)),
        "Runge, 1 / (1 + 25 x²) on [−1, 1]": (lambda x: 1 / (1 + 25 * x * x), (-1.0, 1.0)),
        "|x| on [−1, 1]": (jnp.abs, (-1.0, 1.0)),
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
        "ratio",
        "ratio by pieces",
        "seconds",
    ]
    lines, drawn = table(columns), {}
    for name, (function, box) in functions().items():
        sizes = (2,) if name.startswith("|") else NEURONS
        made = [built(name, function, box, neurons=n) for n in sizes]
        for one, seconds in made:
            pieces = along(one.net, [box[0]], [box[1]]).linear_pieces
            least = float(one.notes[-1].split()[-1])
            ratios = (ratio(one.error, one.best), ratio(one.error, least))
            lines.append(
                f"| {name} | {one.neurons} | {pieces} | {one.error:.3g} | {one.measured:.3g} | {one.best:.3g} | "
                f"{ratios[0]} | {ratios[1]} | {seconds:.2f} |"
            )
            print(lines[-1], flush=True)
        if len(sizes) > 2:
            drawn[name] = construct.rate(function, box, neurons=sizes, name=name)
    return lines, drawn


def ratio(error: float, least: float) -> str:
    return f"{error / least:.3f}" if least > 1e-9 else "exact" if error < 1e-9 else ""


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

    figure = Figure(figsize=(4.2 * len(rates), 3.6), layout="constrained")
    for axes, (name, found) in zip(figure.subplots(1, len(rates), squeeze=False)[0], rates.items(), strict=True):
        axes.loglog(found.neurons, found.proven, "o-", label="proven")
        axes.loglog(found.neurons, found.best, "_", markersize=10, label="no hidden layer is nearer")
        axes.loglog(found.neurons, found.limit, "--", color="grey", label="best, for many neurons")
        axes.set(title=name, xlabel="neurons", ylabel="error")
        axes.legend()
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
