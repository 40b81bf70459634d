"""Convolution, recurrence, normalization and attention beside PyTorch (eager and compiled), training and answering.

    python benchmarks/layers.py [--threads 1] [--rounds 6] [--only convnet] [--write]

The same network, batch and Adam; every contender takes its turn in every round; a figure is the median over the
rounds. Memory is the peak of a fresh process that trains the convnet.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from measuring import (
    NAMED,
    arguments,
    clocked,
    fresh,
    measure,
    our_convnet,
    our_step,
    pinned,
    table,
    torch_convnet,
    torch_step,
    write,
)


@dataclass(frozen=True)
class Case:
    """A network in both libraries. `shape` is one example's; PyTorch sees its channels first where `image`."""

    ours: Callable[[Any, Any], Any]  # of pellucid.layers and a key
    torch: Callable[[Any], Any]  # of torch.nn
    shape: tuple[int, ...]
    batch: int = 64
    steps: int = 16
    image: bool = False


def our_head(layers, key, body, width):
    return layers.Sequential([*body, layers.Dense.create(width, 10, key=key)])


def torch_recurrent(kind):
    def build(nn):
        class Last(nn.Module):
            def __init__(self):
                super().__init__()
                self.body, self.head = getattr(nn, kind)(32, 128, batch_first=True), nn.Linear(128, 10)

            def forward(self, x):
                return self.head(self.body(x)[0][:, -1])

        return Last()

    return build


def torch_attention(nn):
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.MultiheadAttention(128, 8, batch_first=True), nn.Linear(128, 10)

        def forward(self, x):
            return self.head(self.body(x, x, x, need_weights=False)[0].mean(1))

    return Attending()


def torch_depthwise(nn):
    return nn.Sequential(
        nn.Conv2d(64, 64, 3, padding=1, groups=64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
    )


CASES = {
    "convnet 1-32-64, 9216-128-10": Case(
        lambda la, k: our_convnet(k), lambda nn: torch_convnet(), (28, 28, 1), image=True
    ),
    "convnet with BatchNorm": Case(
        lambda la, k: our_convnet(k, norm=True), lambda nn: torch_convnet(norm=True), (28, 28, 1), image=True
    ),
    "depthwise 3×3, 64 channels, 28×28": Case(
        lambda la, k: our_head(
            la, k, [la.Conv2d.create(64, 64, 3, key=k, padding="same", groups=64), la.GlobalAveragePool()], 64
        ),
        torch_depthwise,
        (28, 28, 64),
        image=True,
    ),
    "LSTM 32→128, 64 steps": Case(
        lambda la, k: our_head(la, k, [la.LSTM.create(32, 128, key=k, output="last")], 128),
        torch_recurrent("LSTM"),
        (64, 32),
    ),
    "GRU 32→128, 64 steps": Case(
        lambda la, k: our_head(la, k, [la.GRU.create(32, 128, key=k, output="last")], 128),
        torch_recurrent("GRU"),
        (64, 32),
    ),
    "attention, 8 heads, 128 wide, 128 long": Case(
        lambda la, k: our_head(la, k, [la.MultiHeadAttention.create(128, 8, key=k), la.GlobalAveragePool()], 128),
        torch_attention,
        (128, 128),
        batch=32,
    ),
}


def network(case: Case) -> Any:
    import jax

    from pellucid import layers

    return case.ours(layers, jax.random.key(0))


def our_training(case: Case, x, y):
    return our_step(network(case), x, y, case.batch)


def as_torch(case: Case, x, last: bool):
    import torch

    given = torch.tensor(x)
    if case.image:
        given = given.permute(0, 3, 1, 2)
        given = given.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    return given


def torch_module(case: Case, last: bool):
    import torch

    torch.manual_seed(0)
    module = case.torch(torch.nn)
    return module.to(memory_format=torch.channels_last) if last else module


def torch_training(case: Case, x, y, *, compiled=False, last=False):
    import torch

    xs, ys = as_torch(case, x, last), torch.tensor(y)
    return torch_step(torch_module(case, last), torch.nn.CrossEntropyLoss(), xs, ys, case.batch, compiled)


def our_answer(case: Case, x):
    """As `predict` answers."""
    from pellucid.train import outputs

    net = network(case)
    return timed(lambda: outputs(net, x))


def torch_answer(case: Case, x, *, compiled=False, last=False):
    import torch

    module = torch_module(case, last).eval()
    module = torch.compile(module) if compiled else module
    given = as_torch(case, x, last)

    def answer():
        with torch.inference_mode():
            return module(given)

    return timed(answer)


def timed(work):
    """The median seconds of a call, over about half a second."""

    def run():
        work()
        times, end = [], time.perf_counter() + 0.5
        while time.perf_counter() < end or len(times) < 3:
            times.append(clocked(work))
        return statistics.median(times)

    return run


def peers(make, **options):
    found = {"torch eager": make(**options), "torch compiled": make(**options, compiled=True)}
    if options["case"].image:
        found["torch eager, channels last"] = make(**options, last=True)
    return found


def rows_of(title, what, contenders, rounds):
    """Lines of a table: the median time of each, and how many times faster Pellucid is, round by round."""
    lines, times = [], measure(contenders, rounds)
    for name, seconds in times.items():
        ratio = statistics.median(b / a for a, b in zip(times[NAMED], seconds, strict=True))
        shown = "" if name == NAMED else f"{ratio:.2f}×"
        lines.append(f"| {title} | {what} | {name} | {statistics.median(seconds) * 1e3:,.3f} | {shown} |")
        print(lines[-1], flush=True)
    return lines


PEAK = """
import sys
from measuring import peak, pinned
pinned(int(sys.argv[2]))
import numpy as np
from layers import CASES, our_training, torch_training
case = CASES["convnet 1-32-64, 9216-128-10"]
x = np.zeros((case.batch * case.steps, *case.shape), np.float32)
y = np.arange(len(x)) % 10
if sys.argv[1] == "pellucid":
    import pellucid.train
else:
    import torch
before = peak()
(our_training if sys.argv[1] == "pellucid" else torch_training)(case, x, y)()
print(before, peak())
"""


def memory(threads):
    (a, b), (c, d) = (fresh(PEAK, name, threads) for name in ("pellucid", "torch"))
    return [
        f"- Memory of training the convnet, peak of the process: pellucid {b:,.0f} MiB ({b - a:,.0f} beyond importing),"
        f" torch eager {d:,.0f} MiB ({d - c:,.0f} beyond importing): {b / d:.2f}× (asked: at most 1.5×)."
    ]


def main():
    parser = arguments(__doc__)
    parser.add_argument("--only", default="", help="a word of the cases to run")
    options = parser.parse_args()
    pinned(options.threads)
    import numpy as np

    lines = table(["network", "what", "contender", "ms", "pellucid is faster by"], options)
    for title, case in CASES.items():
        if options.only not in title:
            continue
        rng = np.random.default_rng(0)
        x = rng.normal(size=(max(case.batch * case.steps, 256), *case.shape)).astype(np.float32)
        y = rng.integers(0, 10, len(x))
        rows = case.batch * case.steps
        both = {"case": case, "x": x[:rows], "y": y[:rows]}
        lines += rows_of(title, "step", {NAMED: our_training(**both), **peers(torch_training, **both)}, options.rounds)
        for n, what in ((1, "one answer"), (256, "256 answers")):
            some = {"case": case, "x": x[:n]}
            contenders = {NAMED: our_answer(**some), **peers(torch_answer, **some)}
            lines += rows_of(title, what, contenders, options.rounds)
    extra = memory(options.threads) if options.only in "convnet" else []
    print(*extra, sep="\n")
    if options.write:
        write("Layers", [*lines, "", *extra])


if __name__ == "__main__":
    main()
