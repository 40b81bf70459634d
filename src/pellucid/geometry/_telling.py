"""Telling people how far the cutting is: a bar on a terminal, lines where asked, and that a first call compiles."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Report = Callable[[int, int, int], None]  # so many bends, or per cent of the area, of how many; the faces so far


@contextmanager
def telling(show: bool | None, in_tiles: bool = False) -> Iterator[Report | None]:
    """What to call before each bend, or where it is done `in_tiles`, after each tile.

    `show` None is a bar on a terminal, True lines everywhere, False nothing.
    """
    if show is None and not sys.stderr.isatty():
        show = False
    if show is False:
        yield None
        return
    if first_time():
        print("Compiling the geometry, once: about half a minute.", file=sys.stderr)
    if show:
        yield lines(in_tiles)
        return
    from tqdm.auto import tqdm

    unit = "% of the area" if in_tiles else " bends"
    with tqdm(unit=unit, leave=False, file=sys.stderr, dynamic_ncols=True) as bar:

        def report(done: int, of: int, faces: int) -> None:
            bar.total, bar.n = of, done
            bar.set_postfix_str(f"{faces:,} regions")

        yield report


def lines(in_tiles: bool) -> Report:
    """A line for every bend, or for every per cent."""
    told = -1

    def report(done: int, of: int, faces: int) -> None:
        nonlocal told
        if done != told:
            told = done
            where = f"{done} % of the area" if in_tiles else f"bend {done + 1} of {of}"
            print(f"{where}: {faces:,} regions", file=sys.stderr)

    return report


def first_time() -> bool:
    """Whether the inner loops have not been compiled on this machine."""
    from . import _kernels

    stats: Any = _kernels.cut_faces.stats
    return not any(Path(stats.cache_path).glob("_kernels.cut_faces-*.nbi"))
