"""What the benchmarks share: options, rounds, training in both libraries, fresh processes, the table of results."""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

NAMED = "pellucid"
HERE = Path(__file__).parent


def arguments(about: str | None, in_rounds: bool = True) -> argparse.ArgumentParser:
    """The options of a benchmark."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    if in_rounds:
        parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
        parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/RESULTS.md")
    return parser


def pinned(threads: int) -> None:
    """This process, and what it will start, on so many cores and threads; called before NumPy, JAX or PyTorch loads."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ["OMP_NUM_THREADS"] = str(threads)


def measure(contenders, rounds):
    """The seconds of interleaved rounds, every other one in reverse order, after one that does not count."""
    times = {name: [] for name in contenders}
    for i in range(rounds + 1):
        for name, run in sorted(contenders.items(), reverse=i % 2 == 1):
            time.sleep(0.3)  # threads of the one before go on spinning for a while
            seconds = run()
            if i:
                times[name].append(seconds)
    return times


def clocked(work, times=1):
    """The seconds of a call, the mean of so many."""
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times


def medians(rows):
    """The median of every column."""
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def our_step(net, x, y, batch, loss="cross_entropy", epochs=3, **settings):
    """Seconds per step of `pl.fit`, epochs as a user gets them; the first of these calls compiles."""
    import pellucid as pl

    def run():
        done = pl.fit(
            net, (x, y), epochs=epochs, batch_size=batch, validation=None, progress=False, loss=loss, **settings
        )
        return statistics.median(epoch.seconds for epoch in done.history) / (len(x) // batch)

    return run


def torch_epoch(loss_of, rule, xs, ys, batch):
    """One epoch of PyTorch in batches of shuffled rows."""
    import torch

    order = torch.randperm(len(xs), device=xs.device)
    for i in range(0, len(xs), batch):
        rows = order[i : i + batch]
        rule.zero_grad()
        loss_of(xs[rows], ys[rows]).backward()
        rule.step()


def torch_step(module, criterion, xs, ys, batch, compiled=False):
    """Seconds per step of the same in PyTorch, on a GPU where there is one, as JAX does."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    module, xs, ys = module.to(device), xs.to(device), ys.to(device)
    rule = torch.optim.Adam(module.parameters())

    def loss_of(bx, by):
        return criterion(module(bx), by)

    loss_of = torch.compile(loss_of) if compiled else loss_of

    def epoch():
        torch_epoch(loss_of, rule, xs, ys, batch)
        if device == "cuda":
            torch.cuda.synchronize()

    def run():
        return statistics.median(clocked(epoch) for _ in range(3)) / (len(xs) // batch)

    return run


def our_convnet(key, *, norm=False, dropout=False):
    """Two convolutions, pooling and two Dense layers, 1-32-64, 9216-128-10."""
    import jax

    from pellucid import layers
    from pellucid.initializers import he_uniform

    keys = jax.random.split(key, 4)
    return layers.Sequential(
        [
            layers.Conv2d.create(1, 32, 3, key=keys[0], init=he_uniform), *[layers.BatchNorm.create(32)] * norm,
            layers.Activation("relu"),
            layers.Conv2d.create(32, 64, 3, key=keys[1], init=he_uniform), *[layers.BatchNorm.create(64)] * norm,
            layers.Activation("relu"),
            layers.MaxPool(2), *[layers.Dropout(0.25)] * dropout, layers.Flatten(),
            layers.Dense.create(9216, 128, key=keys[2], init=he_uniform), layers.Activation("relu"),
            *[layers.Dropout(0.5)] * dropout,
            layers.Dense.create(128, 10, key=keys[3]),
        ]
    )  # fmt: skip


def torch_convnet(*, norm=False, dropout=False):
    """The same in PyTorch."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 32, 3), *[nn.BatchNorm2d(32)] * norm, nn.ReLU(),
        nn.Conv2d(32, 64, 3), *[nn.BatchNorm2d(64)] * norm, nn.ReLU(),
        nn.MaxPool2d(2), *[nn.Dropout(0.25)] * dropout, nn.Flatten(),
        nn.Linear(9216, 128), nn.ReLU(), *[nn.Dropout(0.5)] * dropout, nn.Linear(128, 10),
    )  # fmt: skip


def fresh(code: str, *given: object) -> list[float]:
    """The numbers that a program prints in a fresh process; the cores, the threads and this file are the same there."""
    command = [sys.executable, "-c", code, *map(str, given)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return [*map(float, done.stdout.split())]


def peak() -> float:
    """The most memory this process has held, MiB; `getrusage` may give that of the process that started it."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def table(columns: list[str], options: argparse.Namespace | None = None) -> list[str]:
    """The first lines of a table, below the threads and rounds of its measurement where it has some."""
    above = []
    if options:
        above = [f"### {options.threads} thread{'s' * (options.threads > 1)}, {options.rounds} rounds", ""]
    return [*above, f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]


def write(section: str, lines: list[str]) -> None:
    """Append a dated table to RESULTS.md, with the machine and the versions."""
    import jax

    path = HERE / "RESULTS.md"
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "",
    )
    devices = {d.device_kind for d in jax.devices() if d.platform != "cpu"}
    packages = ", ".join(f"{p} {version(p)}" for p in ("pellucid", "jax", "optax", "torch", "scikit-learn", "numpy"))
    parts = [
        cpu or platform.processor(),
        f"{os.cpu_count()} cores",
        *sorted(devices),
        f"Python {platform.python_version()}",
    ]
    machine = ", ".join(parts)
    head = f"## {section}, {date.today()}\n\n{machine}, {packages}.\n"
    before = path.read_text() if path.exists() else "# Measured\n"
    path.write_text("\n".join([before.rstrip(), "", head, *lines, ""]))
