"""Convolution, recurrence, normalization and attention beside PyTorch (eager and compiled), training and answering.

    python benchmarks/layers.py [--threads 1] [--rounds 6] [--only convnet] [--write]

The same network, batch and Adam; every contender takes its turn in every round; a figure is the median over the
rounds. Memory is the peak of a fresh process that trains the convnet.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from measuring import arguments, measure, pinned, write

NAMED = "pellucid"


@dataclass(frozen=True)
class Case:
    """A network in both libraries. `shape` is one example's; PyTorch sees its channels first where `image`."""

    ours: Callable[[Any, Any], Any]  # of pellucid.layers and a key
    torch: Callable[[Any], Any]  # of torch.nn
    shape: tuple[int, ...]
    batch: int = 64
    steps: int = 16
    image: bool = False


def our_convnet(layers, key, norm=False):
    import jax

    keys = jax.random.split(key, 4)
    between = (lambda n: [layers.BatchNorm.create(n)]) if norm else lambda n: []
    return layers.Sequential(
        [
            layers.Conv2d.create(1, 32, 3, key=keys[0]), *between(32), layers.Activation("relu"),
            layers.Conv2d.create(32, 64, 3, key=keys[1]), *between(64), layers.Activation("relu"),
            layers.MaxPool(2), layers.Flatten(),
            layers.Dense.create(9216, 128, key=keys[2]), layers.Activation("relu"),
            layers.Dense.create(128, 10, key=keys[3]),
        ]
    )  # fmt: skip


def torch_convnet(nn, norm=False):
    between = (lambda n: [nn.BatchNorm2d(n)]) if norm else lambda n: []
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), *between(32), nn.ReLU(), nn.Conv2d(32, 64, 3), *between(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


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
    "convnet 1-32-64, 9216-128-10": Case(our_convnet, torch_convnet, (28, 28, 1), image=True),
    "convnet with BatchNorm": Case(
        lambda la, k: our_convnet(la, k, True), lambda nn: torch_convnet(nn, True), (28, 28, 1), image=True
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


def ours(case: Case, x, y):
    """Seconds per step of `pl.fit`, epochs as a user gets them; the first of these calls compiles."""
    import pellucid as pl

    net = network(case)

    def run():
        done = pl.fit(
            net, (x, y), epochs=3, batch_size=case.batch, validation=None, progress=False, loss="cross_entropy"
        )
        return statistics.median(epoch.seconds for epoch in done.history) / case.steps

    return run


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


def torch_step(case: Case, x, y, *, compiled=False, last=False):
    import torch

    module = torch_module(case, last)
    criterion, rule = torch.nn.CrossEntropyLoss(), torch.optim.Adam(module.parameters())
    xs, ys = as_torch(case, x, last), torch.tensor(y)
    loss_of = (lambda bx, by: criterion(module(bx), by)) if not compiled else torch.compile(
        lambda bx, by: criterion(module(bx), by)
    )  # fmt: skip

    def run():
        times = []
        for _ in range(3):
            began = time.perf_counter()
            order = torch.randperm(len(xs))
            for i in range(0, len(xs), case.batch):
                rows = order[i : i + case.batch]
                rule.zero_grad()
                loss_of(xs[rows], ys[rows]).backward()
                rule.step()
            times.append((time.perf_counter() - began) / case.steps)
        return statistics.median(times)

    return run


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
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
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
import os, re, sys
from pathlib import Path
sys.path.insert(0, "benchmarks")
threads = int(sys.argv[2])
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
os.environ["OMP_NUM_THREADS"] = str(threads)
import numpy as np
from layers import CASES, ours, torch_step
def peak():  # not getrusage, whose figure a process inherits from the one that started it
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
case = CASES["convnet 1-32-64, 9216-128-10"]
x = np.zeros((case.batch * case.steps, *case.shape), np.float32)
y = np.arange(len(x)) % 10
if sys.argv[1] == "pellucid":
    import pellucid.train
else:
    import torch
before = peak()
ours(case, x, y)() if sys.argv[1] == "pellucid" else torch_step(case, x, y)()
print(before, peak())
"""


def memory(threads):
    found = {}
    for name in ("pellucid", "torch"):
        done = subprocess.run(
            [sys.executable, "-c", PEAK, name, str(threads)], capture_output=True, text=True, check=True
        )
        found[name] = tuple(map(float, done.stdout.split()))
    (a, b), (c, d) = found["pellucid"], found["torch"]
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

    lines = [f"### {options.threads} thread{'s' * (options.threads > 1)}, {options.rounds} rounds", ""]
    lines += ["| network | what | contender | ms | pellucid is faster by |", "|---|---|---|---|---|"]
    for title, case in CASES.items():
        if options.only not in title:
            continue
        rng = np.random.default_rng(0)
        x = rng.normal(size=(max(case.batch * case.steps, 256), *case.shape)).astype(np.float32)
        y = rng.integers(0, 10, len(x))
        rows = case.batch * case.steps
        both = {"case": case, "x": x[:rows], "y": y[:rows]}
        lines += rows_of(title, "step", {NAMED: ours(**both), **peers(torch_step, **both)}, options.rounds)
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
