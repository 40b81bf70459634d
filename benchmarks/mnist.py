"""Real digits to 98.5 %: the same convnet, batches and Adam in Pellucid and PyTorch, accuracy against wall time.

    python benchmarks/mnist.py DIGITS.npz [--threads 1] [--rounds 3] [--epochs 12] [--write]

DIGITS.npz holds x (10000, 28, 28) uint8 and y, such as MNIST's test images: the first 8,000 are learned from, the last
2,000 are judged. Time counts from the call to the end of each epoch: compiling and judging are in it.
"""

from __future__ import annotations

import statistics
import time

from measuring import arguments, measure, pinned, write

BATCH, RATE, WANTED, TRAINED = 64, 1e-3, 0.985, 8000


def ours(x, y, epochs):
    """(seconds since the call, accuracy) after every epoch."""
    import jax
    import numpy as np

    import pellucid as pl
    from pellucid import layers

    keys = jax.random.split(jax.random.key(0), 4)
    he = pl.initializers.he_uniform
    net = layers.Sequential(
        [
            layers.Conv2d.create(1, 32, 3, key=keys[0], init=he), layers.Activation("relu"),
            layers.Conv2d.create(32, 64, 3, key=keys[1], init=he), layers.Activation("relu"),
            layers.MaxPool(2), layers.Dropout(0.25), layers.Flatten(),
            layers.Dense.create(9216, 128, key=keys[2], init=he), layers.Activation("relu"), layers.Dropout(0.5),
            layers.Dense.create(128, 10, key=keys[3]),
        ]
    )  # fmt: skip
    images = np.float32(x[..., None] / 255)

    def run():
        jax.clear_caches()
        began = time.perf_counter()
        done = pl.fit(
            net, (images[:TRAINED], y[:TRAINED]), validation=(images[TRAINED:], y[TRAINED:]), epochs=epochs,
            batch_size=BATCH, learning_rate=RATE, loss="cross_entropy", progress=False, watch_every=0,
        )  # fmt: skip
        start = time.perf_counter() - began - sum(epoch.seconds for epoch in done.history)
        curve, at = [], start
        for epoch in done.history:
            at += epoch.seconds
            curve.append((at, epoch.metrics["accuracy"]))
        return curve

    return run


def torch_peer(x, y, epochs):
    import torch
    from torch import nn

    images, labels = torch.tensor(x[:, None] / 255, dtype=torch.float32), torch.tensor(y, dtype=torch.long)

    def run():
        began = time.perf_counter()
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
            nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10),
        )  # fmt: skip
        criterion, rule = nn.CrossEntropyLoss(), torch.optim.Adam(net.parameters(), lr=RATE)
        curve = []
        for _ in range(epochs):
            net.train()
            order = torch.randperm(TRAINED)
            for i in range(0, TRAINED, BATCH):
                rule.zero_grad()
                rows = order[i : i + BATCH]
                criterion(net(images[rows]), labels[rows]).backward()
                rule.step()
            net.eval()
            with torch.inference_mode():
                hits = (net(images[TRAINED:]).argmax(1) == labels[TRAINED:]).float().mean()
            curve.append((time.perf_counter() - began, float(hits)))
        return curve

    return run


def reached(curve):
    return next((seconds for seconds, accuracy in curve if accuracy >= WANTED), None)


def main():
    parser = arguments(__doc__)
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    pinned(options.threads)
    import numpy as np

    with np.load(options.data) as held:
        x, y = held["x"], held["y"].astype(int)
    contenders = {"pellucid": ours(x, y, options.epochs), "torch eager": torch_peer(x, y, options.epochs)}
    curves = measure(contenders, options.rounds)
    lines = [f"### {options.threads} thread{'s' * (options.threads > 1)}, {options.rounds} rounds", ""]
    lines += [f"| epoch | {' | '.join(f'{name}: seconds | accuracy' for name in curves)} |"]
    lines += ["|---|" + "---|---|" * len(curves)]
    for epoch in range(options.epochs):
        cells = []
        for found in curves.values():
            seconds, accuracy = (statistics.median(part) for part in zip(*(c[epoch] for c in found), strict=True))
            cells.append(f"{seconds:.1f} | {accuracy:.2%}")
        lines.append(f"| {epoch + 1} | {' | '.join(cells)} |")
    lines.append("")
    for name, found in curves.items():
        times = [reached(curve) for curve in found]
        got = [seconds for seconds in times if seconds is not None]
        when = f"after {statistics.median(got):.1f} s (median)" if got else "never"
        lines.append(f"- {name}: {WANTED:.1%} reached in {len(got)} of {len(times)} rounds, {when}.")
    print(*lines, sep="\n")
    if options.write:
        write("Real digits", lines)


if __name__ == "__main__":
    main()
