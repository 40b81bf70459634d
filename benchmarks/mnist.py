"""Real digits to 98.5 %: the same convnet, batches and Adam in Pellucid and PyTorch, accuracy against wall time.

    python benchmarks/mnist.py DIGITS.npz [--threads 1] [--rounds 3] [--epochs 12] [--write]

DIGITS.npz holds x (10000, 28, 28) uint8 and y, such as MNIST's test images: the first 8,000 are learned from, the last
2,000 are judged. Time counts from the call to the end of each epoch: compiling and judging are in it.
"""

from __future__ import annotations

import statistics
import time

from measuring import NAMED, arguments, measure, medians, our_convnet, pinned, table, torch_convnet, torch_epoch, write

BATCH, RATE, WANTED, TRAINED = 64, 1e-3, 0.985, 8000


def ours(x, y, epochs):
    """(seconds since the call, accuracy) after every epoch."""
    import jax
    import numpy as np

    import pellucid as pl

    net = our_convnet(jax.random.key(0), dropout=True)
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

    images, labels = torch.tensor(x[:, None] / 255, dtype=torch.float32), torch.tensor(y, dtype=torch.long)

    def run():
        began = time.perf_counter()
        torch.manual_seed(0)
        net = torch_convnet(dropout=True)
        criterion, rule = torch.nn.CrossEntropyLoss(), torch.optim.Adam(net.parameters(), lr=RATE)
        curve = []
        for _ in range(epochs):
            net.train()
            torch_epoch(lambda bx, by: criterion(net(bx), by), rule, images[:TRAINED], labels[:TRAINED], BATCH)
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
    contenders = {NAMED: ours(x, y, options.epochs), "torch eager": torch_peer(x, y, options.epochs)}
    curves = measure(contenders, options.rounds)
    lines = table(["epoch", *(column for name in curves for column in (f"{name}: seconds", "accuracy"))], options)
    for epoch in range(options.epochs):
        cells = []
        for found in curves.values():
            seconds, accuracy = medians(curve[epoch] for curve in found)
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
