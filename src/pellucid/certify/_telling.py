"""How far a long proof is: a bar on a terminal, lines where they are asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

PATIENCE = 1.0  # seconds before anything is shown
Told = Callable[[float, int], None]  # the share that is proven, and how many boxes were bounded


@contextmanager
def telling(show: bool | None, what: str) -> Iterator[Told | None]:
    """What to call with the share proven; `show` None is a bar on a terminal, True lines everywhere, False nothing."""
    if show is False or (show is None and not sys.stderr.isatty()):
        yield None
        return
    if show:
        yield lines(what)
        return
    from tqdm.auto import tqdm

    with tqdm(total=100, unit="%", desc=what, leave=False, file=sys.stderr, dynamic_ncols=True, delay=PATIENCE) as bar:

        def told(share: float, boxes: int) -> None:
            bar.n = round(100 * share, 1)
            bar.set_postfix_str(f"{boxes:,} boxes")

        yield told


def lines(what: str) -> Told:
    """A line every second."""
    last = perf_counter()

    def told(share: float, boxes: int) -> None:
        nonlocal last
        if perf_counter() - last > PATIENCE:
            last = perf_counter()
            print(f"{what}: {share:.1%} proven, {boxes:,} boxes", file=sys.stderr)

    return told
