"""Telling people what is tried: a line for each training."""

from __future__ import annotations

import sys
from collections.abc import Callable

Tell = Callable[[str], None]


def telling(show: bool | None) -> Tell:
    """What to call with each line; `show` None is lines on a terminal, True everywhere, False nothing."""
    if show or (show is None and sys.stderr.isatty()):
        return lambda words: print(words, file=sys.stderr)
    return silent


def silent(words: str) -> None:
    """Say nothing."""
