"""The command that sets two networks side by side: `diff`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DataError, SettingError
from ._command import FOUND, GOOD, Answer, note, runs_option
from ._places import read_rows

if TYPE_CHECKING:
    from ..insight import Difference
    from ..module import Layer
    from ..train import Run

PICTURES, PAGE = (".png", ".svg", ".pdf"), ".html"


@click.argument("a", metavar="RUN|MODEL")
@click.argument("b", metavar="RUN|MODEL")
@click.option("--data", metavar="FILE", help="Rows to compare the answers to; by default those of the first run.")
@click.option("--out", type=Path, metavar="FILE", help="Draw it: a .png, .svg or .pdf file, or a page as .html.")
@runs_option
def diff(a: str, b: str, data: str | None, out: Path | None, root: str) -> Answer:
    """What sets the second network apart from the first.

    Layers that were added or left out, how far the weights of each have moved, rows whose answers differ, and regions
    lost and gained on a slice, where both are piecewise linear. MODEL is a network saved by pl.save, or an .onnx file.
    The exit code is 1 where they differ.
    """
    from ..insight import diff as compared
    from ..report import text

    if out and out.suffix.lower() not in (*PICTURES, PAGE):
        raise SettingError(f"--out wants a name that ends in {', '.join(PICTURES)} or {PAGE}; got {out.name!r}.")
    first, second = opened(a, root), opened(b, root)
    rows = None
    if data is None:
        first = with_own_rows(first)
    else:
        rows = rows_of(data, first, second)
    found = compared(first, second, rows, names=(a, b))
    drawn = f"\n\npicture  {written(found, out)}" if out else ""
    return Answer(text(found) + drawn, found, GOOD if found.same else FOUND)


def opened(name: str, root: str) -> Layer | Run:
    from .._api import load, locate

    return load(locate(name, root))


def with_own_rows(found: Layer | Run) -> Layer | Run:
    """A run with its data, where that is still there."""
    from .._api import with_data
    from ..train import Run

    if not isinstance(found, Run):
        return found
    try:
        return with_data(found)
    except DataError as why:
        note(f"The answers are not compared: {why}")
        return found


def rows_of(data: str, first: Layer | Run, second: Layer | Run) -> Any:
    """The rows of a file: raw ones for runs, else x, or x and y."""
    from ..train import Run

    known = next((net.preprocess for net in (first, second) if isinstance(net, Run)), None)
    rows = read_rows(data, known)
    return rows.x if rows.y is None else (rows.x, rows.y)


def written(found: Difference, out: Path) -> Path:
    from ..report import html
    from ..store import write_text

    if out.suffix.lower() == PAGE:
        return write_text(out, html(found, whole=True))
    found.plot().savefig(out, dpi=150)
    return out
