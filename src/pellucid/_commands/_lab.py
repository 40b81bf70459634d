"""The command that puts the claims of the foundation to the test: `lab`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingError
from ..language import LANGUAGES, speaking
from ._command import FOUND, GOOD, Answer, runs_option
from ._geometry import opened

if TYPE_CHECKING:
    from ..lab import Lab

PAGE = "lab.html"


@click.argument("claims", metavar="[C1..C13]...", nargs=-1)
@click.option("--fault", metavar="NAME", help="Switch a deliberate fault into the one claim named; it must fail.")
@click.option("--faults", "listed", is_flag=True, help="List the faults of the claims, and run nothing.")
@click.option("--net", metavar="RUN|FILE", help="Put the claims to this network: a run, a saved one, an .onnx file.")
@click.option("--data", metavar="FILE", help="Put them to these rows: a file, or a bundled data set such as iris.")
@click.option("--target", metavar="COLUMN", help="The column of --data to predict.")
@click.option("--page", type=Path, metavar="FILE", help=f"Where to write the page; {PAGE} for all claims together.")
@click.option("--lang", type=click.Choice(list(LANGUAGES)), default="en", show_default=True, help="Of all texts.")
@runs_option
def lab(
    claims: tuple[str, ...], fault: str | None, listed: bool, net: str | None, data: str | None, target: str | None,
    page: Path | None, lang: str, root: str,
) -> Answer:  # fmt: skip
    """Put the claims of the foundation to the test: a number expected, a number found, and a verdict for each.

    All of them by default, which takes a minute or two, on networks and data of the lab's own; or on yours, where a
    claim can be put to them. The page shows each with its idea, its figure, and the code that does it. The exit code
    is 1 where a claim fails.
    """
    from ..lab import run
    from ..report import text

    if page and page.suffix.lower() != ".html":
        raise SettingError(f"--page wants a name that ends in .html; got {page.name!r}.")
    with speaking(lang):
        if listed:
            return all_faults(claims)
        given: dict[str, Any] = {"net": opened(net, root) if net else None, "data": data, "target": target}
        found: Lab = run(claims or None, fault=fault, **given)
        parts = [text(found.results[0]) if len(found.results) == 1 else text(found)]
        page = page or (None if claims else Path(PAGE))
        if page:
            parts.append(f"page  {found.to_page(page)}")
        return Answer("\n\n".join(parts), found, FOUND if found.failed else GOOD)


def all_faults(claims: tuple[str, ...]) -> Answer:
    """The deliberate faults of these claims, of all by default."""
    from ..lab import faults
    from ..lab._texts import CODES
    from ..report.words import table

    codes = [code.upper() for code in claims] or list(CODES)
    rows = [[code, name, words] for code in codes for name, words in faults(code).items()]
    head = ["claim", "fault", "what it does wrong"]
    return Answer(table(head, rows), [dict(zip(("claim", "fault", "words"), row, strict=True)) for row in rows])
