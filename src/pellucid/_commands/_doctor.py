"""The command that asks why a network does not learn: `doctor`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DataError, SettingError, StoreError, unknown
from ._command import FOUND, GOOD, Answer, lang_option, note, runs_option
from ._geometry import opened
from ._places import read_rows, shown

if TYPE_CHECKING:
    import numpy as np

    from ..doctor import Diagnosis, Prescription

NOT_YET = (".pt", ".pth", ".h5", ".keras")
FOR_CURES = 60.0  # seconds


@click.argument("run", metavar="RUN|FILE", required=False)
@click.option("--data", metavar="FILE", help="The rows: another file than the one RUN was trained on.")
@click.option("--target", metavar="COLUMN", help="The column to predict, for a network alone.")
@click.option("--loss", metavar="NAME", help="The loss of a network alone; chosen from the target by default.")
@click.option(
    "--seconds", type=float, default=5.0, show_default=True, help="For short trainings; compiling them comes on top."
)
@click.option("--prescribe", is_flag=True, help=f"Try cures for {FOR_CURES:.0f} seconds; give the smallest that works.")
@click.option("--page", type=Path, metavar="FILE", help="Write an .html page with a picture of each finding.")
@lang_option
@click.option("--rules", is_flag=True, help="List all rules, and look at nothing.")
@runs_option
def doctor(
    run: str | None, data: str | None, target: str | None, loss: str | None, seconds: float, prescribe: bool,
    page: Path | None, lang: str, rules: bool, root: str,
) -> Answer:  # fmt: skip
    """Why does RUN not learn what it could, and what to change?

    Looks at the network and its settings, at the data, and at short trainings with one thing changed each: what is
    wrong, where, how sure that is, and what it costs. FILE is a network saved by pl.save, or an .onnx file, examined as
    the start of a training; without --data only what is static is looked at. The exit code is 1 where something
    certain or likely was found.
    """
    from ..report import text

    if rules:
        return all_rules()
    if run is None:
        raise SettingError("Name a run or a file with a network, such as `pellucid doctor last`, or ask for --rules.")
    if page and page.suffix.lower() != ".html":
        raise SettingError(f"--page wants a name that ends in .html; got {page.name!r}.")
    if sys.stderr.isatty():
        note(f"Trying short trainings: {seconds:g} s, and the time to compile them.")
    found, name = examined(run, root, data, target, loss, seconds)
    cure = found.prescribe(FOR_CURES) if prescribe and found.reached is not None else None
    parts = [text(found), *([text(cure)] if cure is not None else [])]
    if prescribe and cure is None:
        parts.append("No cure was tried: that takes rows that the network can be trained on.")
    if page:
        parts.append(f"page  {write_page(page, found, cure, name, lang)}")
    document = {**found.to_json(), "healthy": found.healthy, "prescription": cure}
    return Answer("\n\n".join(parts), document, GOOD if found.healthy else FOUND)


def examined(
    run: str, root: str, data: str | None, target: str | None, loss: str | None, seconds: float
) -> tuple[Diagnosis, str]:
    """The diagnosis of a run with its data, or of a network alone with the rows of a file, or without; and its name.

    Raises: StoreError for a file that cannot be opened, SettingError for what only a network alone takes.
    """
    from .._api import with_data
    from ..doctor import diagnose
    from ..train import Run

    kind = Path(run).suffix.lower()
    if kind in NOT_YET:
        raise StoreError(f"{run}: {kind} files cannot be opened yet; save the network with pl.save.")
    net = opened(run, root)
    if isinstance(net, Run):
        if target or loss:
            raise SettingError("--target and --loss are for a network alone: a run knows its own.")
        return diagnose(with_data(net, data), seconds=seconds), net.id or run
    if data is None:
        return diagnose(net, loss=loss, seconds=seconds), run
    x, y, names = rows_of(data, target)
    return diagnose(net, x, y, loss=loss, seconds=seconds, names=names), run


def rows_of(data: str, target: str | None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The inputs and targets of a file as a network alone takes them, with the names of the columns.

    Raises: DataError where a column is not one of numbers, SettingError where the target is not named or not there.
    """
    import numpy as np

    from .._api import named

    rows = read_rows(data, None)
    if rows.y is not None:
        return np.asarray(rows.x), np.asarray(rows.y), ()
    target = target or named(data, None)[1]
    if target is None:
        raise SettingError(f"Which column of {shown(data)} is to be predicted? Name it: --target COLUMN.")
    if target not in rows.x.columns:
        raise unknown(f"column of {shown(data)}", target, rows.x.columns)
    inputs = rows.x.drop(target)
    words = [name for name, kind in inputs.schema.items() if not kind.is_numeric()]
    if words:
        raise DataError(
            f"{shown(data)} has columns that are not numbers ({', '.join(words[:4])}): a network alone takes numbers. "
            "Encode them, or train with `pellucid fit`, which does."
        )
    return inputs.to_numpy(), rows.x[target].to_numpy(), tuple(inputs.columns)


def all_rules() -> Answer:
    """The table of rules."""
    from ..doctor import RULES
    from ..report.words import table

    rows = [[rule.code, rule.kind, rule.name, rule.source] for rule in RULES]
    head = ["code", "kind", "name", "source"]
    return Answer(table(head, rows), [dict(zip(head, row, strict=True)) for row in rows])


def write_page(page: Path, found: Diagnosis, cure: Prescription | None, name: str, lang: str) -> Any:
    from ..language import phrase
    from ..report import diagnosis_page
    from ..store import write_text

    return write_text(page, diagnosis_page(found, cure, phrase("Diagnosis of {name}", name=name), lang=lang))
