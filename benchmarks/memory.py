"""Memory of training from a file that does not fit: one epoch of a 2 GB CSV, its peak beside that of a small file.

python benchmarks/memory.py [--gigabytes 2] [--write]
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from measuring import arguments, fresh, table, write

ROWS = 200_000  # written at a time
PROGRAM = """
import sys, time
import pellucid as p
from measuring import peak
began = time.perf_counter()
run = p.fit([64, 64], sys.argv[1], target="y", epochs=1, batch_size=1024, progress=False)
print(peak(), time.perf_counter() - began, run.history[0].validation_loss)
"""


def make(path: Path, size: float) -> int:
    """A table of twenty numbers, two categories and a target, of about `size` bytes; the number of its rows."""
    rng, rows = np.random.default_rng(0), 0
    with path.open("wb") as file:
        while file.tell() < size:
            x = rng.normal(size=(ROWS, 20))
            columns = {f"x{i}": x[:, i].round(6) for i in range(20)}
            columns |= {"city": rng.choice(["Oslo", "Rome", "Lima"], ROWS), "kind": rng.choice(list("abcdef"), ROWS)}
            columns["y"] = x[:, 0] * 2 - x[:, 1] + rng.normal(size=ROWS)
            pl.DataFrame(columns).write_csv(file, include_header=not rows)
            rows += ROWS
    return rows


def main() -> None:
    parser = arguments(__doc__, in_rounds=False)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    options = parser.parse_args()
    lines = table(["file", "rows", "peak memory, MiB", "seconds, importing left out", "validation loss"])
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for size in (2e6, options.gigabytes * 1e9):
            path = Path(folder, "table.csv")
            rows = make(path, size)
            began = time.perf_counter()
            peak, seconds, loss = fresh(PROGRAM, path)
            peaks.append(peak)
            lines.append(
                f"| {path.stat().st_size / 1e9:.2f} GB | {rows:,} | {peak:,.0f} | {seconds:.1f} | {loss:.3f} |"
            )
            print(lines[-1], f"{time.perf_counter() - began:.1f} s in all", flush=True)
    lines += ["", f"The large file takes {peaks[1] - peaks[0]:,.0f} MiB more than the small one (asked: under 1,024)."]
    print(lines[-1])
    if options.write:
        write("Memory", lines)


if __name__ == "__main__":
    main()
