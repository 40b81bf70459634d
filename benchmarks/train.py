"""Training speed beside PyTorch (eager and compiled) and scikit-learn: the same batches, the same Adam, one run.

    python benchmarks/train.py [--threads 1] [--rounds 8] [--write]

Every contender takes its turn in every round; a figure is the median over the rounds. `--write` puts the tables into
benchmarks/RESULTS.md.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import warnings
from itertools import pairwise

from measuring import NAMED, arguments, clocked, fresh, measure, medians, our_step, pinned, table, torch_step, write

CASES = {  # sizes, batch size, steps in an epoch, the ratios asked for
    "2-16-16-1, batch 32": ([2, 16, 16, 1], 32, 2048, {"torch eager": 20.0}),
    "64-128-128-10, batch 64": (
        [64, 128, 128, 10],
        64,
        512,
        {"torch eager": 4.0, "torch compiled": 4.0, "sklearn": 5.0},
    ),
    "784-1024-1024-10, batch 256": ([784, 1024, 1024, 10], 256, 24, {"torch eager": 1.25}),
}


def loss_of(sizes):
    return "binary_cross_entropy" if sizes[-1] == 1 else "cross_entropy"


def our_training(sizes, batch, x, y, watch=64):
    import pellucid as pl

    return our_step(pl.mlp(sizes, key=0), x, y, batch, loss_of(sizes), epochs=5, watch_every=watch)


def torch_training(sizes, batch, x, y, compiled):
    import torch

    layers = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        layers += [torch.nn.Linear(a, b), *[torch.nn.ReLU()] * (i < len(sizes) - 2)]
    criterion = torch.nn.BCEWithLogitsLoss() if sizes[-1] == 1 else torch.nn.CrossEntropyLoss()
    ys = torch.tensor(y, dtype=torch.float32 if sizes[-1] == 1 else torch.long)
    return torch_step(torch.nn.Sequential(*layers), criterion, torch.tensor(x), ys, batch, compiled)


def sklearn_step(sizes, batch, x, y):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    def run():
        net = MLPClassifier(
            sizes[1:-1], batch_size=batch, alpha=0.0, max_iter=3, tol=0.0, n_iter_no_change=1000, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return clocked(lambda: net.fit(x, y.ravel())) / 3 / (len(x) // batch)

    return run


def products_alone(sizes, batch):
    """The machine's own seconds for the matrix products of one step, by NumPy and by XLA: the better ones."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    shapes = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        shapes += [(batch, a, b), (a, batch, b), *[(batch, b, a)] * (i > 0)]
    rng = np.random.default_rng(0)
    pairs = [
        (rng.normal(size=(m, k)).astype(np.float32), rng.normal(size=(k, n)).astype(np.float32)) for m, k, n in shapes
    ]
    device = [(jnp.asarray(a), jnp.asarray(b)) for a, b in pairs]
    products = jax.jit(lambda pairs: [a @ b for a, b in pairs])

    def run():
        seconds = []
        for work in (lambda: [a @ b for a, b in pairs], lambda: jax.block_until_ready(products(device))):
            work()
            seconds.append(clocked(work, times=5))
        return min(seconds)

    return run


def first_epoch(sizes, batch, x, y):
    """Seconds to the end of the first epoch in a fresh process: importing, and then compiling and training."""
    code = (
        "import time; t = time.perf_counter()\nimport numpy as np, pellucid as pl\n"
        f"x = np.zeros({x.shape}, np.float32); y = np.arange({len(x)}) % 2\n"
        f"net = pl.mlp({sizes}, key=0); n = time.perf_counter()\n"
        f"r = pl.fit(net, (x, y), epochs=2, batch_size={batch}, validation=None, progress=False, "
        f"loss={loss_of(sizes)!r})\n"
        "a, b = r.history; print(n - t, time.perf_counter() - n, a.seconds - b.seconds)"
    )
    return medians([fresh(code) for _ in range(3)])


def startup(rounds):
    """Milliseconds of a command beyond those of Python doing nothing, medians of interleaved rounds."""
    commands = {
        "nothing": ["-c", "pass"],
        "import pellucid": ["-c", "import pellucid"],
        "pellucid --help": ["-m", "pellucid.cli", "--help"],
    }

    def timed(rest):
        return lambda: clocked(lambda: subprocess.run([sys.executable, *rest], capture_output=True, check=True))

    return measure({name: timed(rest) for name, rest in commands.items()}, max(rounds, 11))


def main():
    options = arguments(__doc__).parse_args()
    pinned(options.threads)
    import numpy as np

    lines = table(["network", "contender", "µs per step", "pellucid is faster by", "asked"], options)
    extra = []
    for title, (sizes, batch, steps, asked) in CASES.items():
        rng = np.random.default_rng(0)
        x = rng.normal(size=(batch * steps, sizes[0])).astype(np.float32)
        y = rng.integers(0, max(2, sizes[-1]), (len(x), 1) if sizes[-1] == 1 else len(x))
        contenders = {
            NAMED: our_training(sizes, batch, x, y),
            "pellucid, watch off": our_training(sizes, batch, x, y, watch=0),
            "torch eager": torch_training(sizes, batch, x, y, False),
            "torch compiled": torch_training(sizes, batch, x, y, True),
        }
        if sizes[-1] > 1:
            contenders["sklearn"] = sklearn_step(sizes, batch, x, y)
        if sizes[0] > 500:
            contenders["matrix products alone"] = products_alone(sizes, batch)
        times = measure(contenders, options.rounds)
        found = {name: statistics.median(seconds) for name, seconds in times.items()}
        for name, seconds in found.items():
            ratio = "" if name == NAMED else f"{seconds / found[NAMED]:.2f}×"
            want = f"{asked[name]:g}×" if name in asked else ""
            lines.append(f"| {title} | {name} | {seconds * 1e6:,.1f} | {ratio} | {want} |")
            print(lines[-1], flush=True)
        watch = statistics.median(a / b for a, b in zip(times[NAMED], times["pellucid, watch off"], strict=True)) - 1
        extra.append(f"- {title}: the watch costs {watch:+.1%}, round by round (asked: at most 5 %).")
        print(extra[-1], flush=True)
        if "matrix products alone" in found:
            share = found["matrix products alone"] / found[NAMED]
            extra.append(f"- {title}: {share:.0%} of the machine's own matrix-product rate (asked: 80 %).")
        loading, fitting, compiling = first_epoch(sizes, batch, x, y)
        extra.append(
            f"- {title}: in a fresh process, importing takes {loading:.2f} s, `fit` of two epochs {fitting:.2f} s,"
            f" of which compiling the epoch {compiling:.2f} s (asked: under 2 s)."
        )
        print(extra[-1], flush=True)
    times = {name: statistics.median(seconds) for name, seconds in startup(options.rounds).items()}
    for name, seconds in times.items():
        if name != "nothing":
            asked_ms = 50 if "import" in name else 150
            alone = seconds - times["nothing"] if "import" in name else seconds
            extra.append(f"- `{name}`: {alone * 1e3:.0f} ms (asked: under {asked_ms} ms).")
            print(extra[-1])
    if options.write:
        write("Training", [*lines, "", *extra])


if __name__ == "__main__":
    main()
