"""What this machine has: cores, free memory, threads for matrix products."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int | None:
    """The bytes that can still be had, where the system says so."""
    try:
        with open("/proc/meminfo") as lines:
            found = next(line for line in lines if line.startswith("MemAvailable"))
        return int(found.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return None


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Matrix products stay on their caller's thread: what is worked on side by side is whole blocks."""
    with blas().limit(limits=1, user_api="blas"):
        yield


@cache
def blas() -> Any:
    """The libraries of matrix products, which are looked for once: NumPy's, and SciPy's, which compiled code calls."""
    import scipy.linalg.cython_blas  # noqa: F401, or it would be loaded later and keep its own threads
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
