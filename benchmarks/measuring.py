"""What the benchmarks share: their options, interleaved rounds, and the table of results."""

from __future__ import annotations

import argparse
import os
import platform
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path


def arguments(about: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--write", action="store_true")
    return parser


def pinned(threads: int) -> None:
    """This process, and what it will start, on so many cores and threads."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)


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


def write(section: str, lines: list[str]) -> None:
    """Append a dated table to RESULTS.md, with the machine and the versions."""
    path = Path(__file__).with_name("RESULTS.md")
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "",
    )
    packages = ", ".join(f"{p} {version(p)}" for p in ("pellucid", "jax", "optax", "torch", "scikit-learn", "numpy"))
    machine = f"{cpu or platform.processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    head = f"## {section}, {date.today()}\n\n{machine}, {packages}.\n"
    before = path.read_text() if path.exists() else "# Measured\n"
    path.write_text("\n".join([before.rstrip(), "", head, *lines, ""]))
