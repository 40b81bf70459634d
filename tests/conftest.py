"""What all tests share: room for the compiler."""

import gc
from itertools import count
from pathlib import Path

import jax
import pytest

MAPS, EVERY = 25_000, 25  # memory maps of a process, of 65,530 that Linux allows; tests between two looks
DONE = count(1)


@pytest.fixture(autouse=True)
def room_for_the_compiler():
    """Every compiled program holds memory maps, and a process that has no more of them is aborted: let them go."""
    yield
    maps = Path("/proc/self/maps")
    if next(DONE) % EVERY == 0 and maps.exists() and maps.read_bytes().count(b"\n") > MAPS:
        jax.clear_caches()
        gc.collect()
