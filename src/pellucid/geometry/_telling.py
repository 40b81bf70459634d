"""Telling people how far the cutting is: a bar on a terminal, lines where asked, and that a first call compiles."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def telling(show: bool | None) -> Iterator[Callable[[int, int, int], None] | None]:
    """What to call before each bend; `show` None is a bar on a terminal, True lines everywhere, False nothing."""
    if show is None and not sys.stderr.isatty():
        show = False
    if show is False:
        yield None
        return
    if first_time():
        print("Compiling the geometry, once: about half a minute.", file=sys.stderr)
    if show:
        yield lambda bend, bends, faces: print(f"bend {bend + 1} of {bends}: {faces:,} regions", file=sys.stderr)
        return
    from tqdm.auto import tqdm

    with tqdm(unit=" bends", leave=False, file=sys.stderr, dynamic_ncols=True) as bar:

        def report(bend: int, bends: int, faces: int) -> None:
            bar.total, bar.n = bends, bend
            bar.set_postfix_str(f"{faces:,} regions")

        yield report


def first_time() -> bool:
    """Whether the inner loops have not been compiled on this machine."""
    from . import _kernels

    stats: Any = _kernels.cut_faces.stats
    return not any(Path(stats.cache_path).glob("_kernels.cut_faces-*.nbi"))
