"""The commands that show a network as the linear pieces it is made of: `regions` and `explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DataError, SettingError, unknown
from ._ask import PICTURES, part_of
from ._command import Answer, runs_option
from ._places import Rows, read_rows

if TYPE_CHECKING:
    import numpy as np

    from ..geometry import Complex, Explanation
    from ..insight import NearestChange, View
    from ..module import Layer
    from ..records import Record
    from ..train import Run

KINDS = ("regions", "slope", "pattern", "layer")
STRONGEST = 2  # inputs that are asked what they alone can do
FILES = (".html", ".json", ".geojson", ".npz")


@click.argument("run", metavar="RUN|FILE")
@click.option("--data", metavar="FILE", help="Another file than the one RUN was trained on.")
@click.option("--box", metavar="X0,X1,Y0,Y1", help="The rectangle; by default that of the data, and some room.")
@click.option(
    "--rows", metavar="A,B,C", help="The three rows a slice goes through; three of different classes by default."
)
@click.option("--pca", is_flag=True, help="A slice along the two principal directions of the data.")
@click.option("--kind", default="regions", show_default=True, help=f"What the colours tell: {', '.join(KINDS)}.")
@click.option("--limit", type=int, default=1_000_000, show_default=True, help="The most regions there may be.")
@click.option("--out", type=Path, metavar="FILE", help=f"Write it: {', '.join(PICTURES)}, or {', '.join(FILES)}.")
@runs_option
def regions(
    run: str, data: str | None, box: str | None, rows: str | None, pca: bool, kind: str, limit: int, out: Path | None,
    root: str,
) -> Answer:  # fmt: skip
    """Every region in which RUN is one linear formula, exactly.

    Of a network of two inputs in the rectangle of its data, in the data's own units; of any other in a slice through
    three rows of its data. FILE is a network saved by pl.save, or an .onnx file. A picture says more: --out
    regions.html tells the formula of each region where the pointer rests on it. A .json is a certificate that `verify`
    checks again, and is of networks of two inputs, in the inputs as the network takes them.
    """
    from ..insight import view
    from ..report import text

    suffix = kind_of_file(out, (*PICTURES, *FILES))
    if kind not in KINDS:
        raise unknown("kind of picture", kind, KINDS)
    net, x = network_and_rows(run, root, data)
    found = view(net, x, rows=three(rows), pca=pca, box=sides(box), limit=limit)
    if out:
        written(out, suffix, net, found, kind)
    return Answer(text(found) + (f"\n\nwritten  {out}" if out else ""), found)


@click.argument("run", metavar="RUN|FILE")
@click.option("--row", type=int, required=True, metavar="N", help="The row of the file; the first is 0.")
@click.option("--data", metavar="FILE", help="Another file than the one RUN was trained on.")
@click.option("--output", metavar="NAME", help="Which output, by its name or number; that of the answer by default.")
@click.option(
    "--seconds", type=float, default=5.0, show_default=True, help="For the nearest change of the answer; 0: none."
)
@click.option("--out", type=Path, metavar="FILE", help=f"Draw it: {', '.join(PICTURES)} or .html.")
@runs_option
def explain(
    run: str, row: int, data: str | None, output: str | None, seconds: float, out: Path | None, root: str
) -> Answer:
    """Why RUN answers one row as it does, in words and numbers that sum to the answer.

    Around each row the network is one linear formula: what each input contributed to the output, by how much it moves
    it, and how far that formula holds. Then the nearest change of the row that changes the answer: of all inputs, and
    of each of the strongest alone. FILE is a network saved by pl.save, or an .onnx file; it wants --data.
    """
    from ..insight import explained
    from ..report import text

    suffix = kind_of_file(out, (*PICTURES, ".html"))
    net, one, head = one_row(run, root, data, row)
    found = explained(net, one, int(output) if output and output.isdigit() else output)
    if out:
        draw(out, suffix, found)
    changes = flips(net, one, found, seconds)
    body = "\n\n".join(part for part in (head, text(found), "\n".join(text(change) for change in changes)) if part)
    document = {"row": row, "sentences": found.sentences, **found.to_json(), "changes": changes}
    return Answer(body + (f"\n\npicture  {out}" if out else ""), document)


def flips(net: Layer | Run, x: Any, found: Explanation, seconds: float) -> list[NearestChange]:
    """The nearest change of the answer, and that by each of the strongest inputs alone, in about so many seconds."""
    from ..insight import nearest_change, strongest
    from ..train import Run

    if not seconds > 0 or (isinstance(net, Run) and not net.preprocess.target.classes):
        return []
    alone = strongest(found, STRONGEST)
    each = seconds / (2 * max(len(alone), 1))
    return [
        nearest_change(net, x, seconds=seconds / 2),
        *(nearest_change(net, x, [name], seconds=each) for name in alone),
    ]


def one_row(run: str, root: str, data: str | None, row: int) -> tuple[Layer | Run, Any, str]:
    """The network, one row as it takes it, and what is known of that row."""
    from ..train import Run

    net = opened(run, root)
    if not isinstance(net, Run):
        x = inputs_of(net, data)
        if not 0 <= row < len(x):
            raise SettingError(f"The rows are 0 to {len(x) - 1}; got {row}.")
        return net, x[row : row + 1], ""
    import numpy as np

    from .._api import with_data
    from ..report.words import number

    trained = net if data else with_data(net)
    rows = read_rows(data or trained.source["path"], trained.preprocess, targets=False)
    one, target = rows.row(row), trained.preprocess.target.name
    known = "".join(f", {file}" for file in one.files) + ("" if data else part_of(trained, row))
    says: Any = trained.predict(one.x)[0]
    says = number(says) if isinstance(says, float | np.floating) else says
    truth = truth_of(one, target)
    real = "" if truth is None else f"{target} is {truth}, "
    return trained, one.x, f"Row {row}{known}: {real}the network says {says}."


def truth_of(one: Rows, target: str) -> Any:
    """The target of one row, where the file has it."""
    if one.y is not None:
        return one.y[0]
    columns = getattr(one.x, "columns", ())
    return one.x[target][0] if target in columns else None


def network_and_rows(run: str, root: str, data: str | None) -> tuple[Layer | Run, Any]:
    """A run with its data; or a network alone, and its rows where a file of them is given."""
    from ..train import Run

    net = opened(run, root)
    if isinstance(net, Run):
        from .._api import with_data

        return with_data(net, data), None
    return net, None if data is None else inputs_of(net, data)


def opened(run: str, root: str) -> Layer | Run:
    from .._api import load, locate

    return load(locate(run, root))


def inputs_of(net: Layer, data: str | None) -> np.ndarray:
    """The rows of a file for a network alone: arrays as they are, of a table the columns of numbers.

    Raises: DataError where there is no file, or its rows do not fit.
    """
    import numpy as np

    from ..geometry import lowered

    if data is None:
        raise DataError("A network alone knows no rows: --data FILE gives them.")
    x = read_rows(data, None, targets=False).x
    if not hasattr(x, "columns"):
        return np.asarray(x, float)
    numbers = x.select(name for name, kind in x.schema.items() if kind.is_numeric())
    wanted = lowered(net).n_in
    if numbers.width != wanted:
        raise DataError(
            f"{data} has {numbers.width} columns of numbers, and the network {wanted} inputs: give a file with one "
            "column for each input, in their order."
        )
    return numbers.to_numpy().astype(float)


def three(text: str | None) -> list[int] | None:
    """Raises: SettingError where they are not three numbers of rows."""
    if text is None:
        return None
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != 3:
        raise SettingError(
            f"--rows wants three numbers of rows with commas between them, as in 3,70,120; got {text!r}."
        )
    return found


def sides(text: str | None) -> list[tuple[float, float]] | None:
    """Raises: SettingError where they are not four numbers."""
    if text is None:
        return None
    try:
        x0, x1, y0, y1 = (float(part) for part in text.split(","))
    except ValueError:
        raise SettingError(
            f"--box wants four numbers with commas between them, as in --box=-1,1,0,5; got {text!r}."
        ) from None
    return [(x0, x1), (y0, y1)]


def kind_of_file(out: Path | None, known: tuple[str, ...]) -> str:
    """How a file's name ends.

    Raises: SettingError for a kind that is not written.
    """
    suffix = out.suffix.lower() if out else ""
    if out and suffix not in known:
        raise SettingError(f"--out wants a name that ends in {', '.join(known)}; got {out.name!r}.")
    return suffix


def written(out: Path, suffix: str, net: Layer | Run, found: View, kind: str) -> None:
    """The regions as a picture, a page, or data for other programs."""
    if suffix == ".npz":
        found.complex.to_npz(out)
    elif suffix == ".geojson":
        found.complex.to_geojson(out)
    elif suffix == ".json":
        in_own_inputs(net, found.complex).to_certificate(out)
    else:
        draw(out, suffix, found, kind=kind)


def draw(out: Path, suffix: str, record: Record, **options: Any) -> None:
    from ..report import html
    from ..store import write_text

    if suffix == ".html":
        write_text(out, html(record, whole=True, **options))
    else:
        import io

        from ..store import write_bytes

        buffer = io.BytesIO()
        record.plot(**options).savefig(buffer, format=suffix[1:], dpi=200)
        write_bytes(out, buffer.getvalue())


def in_own_inputs(net: Layer | Run, found: Complex) -> Complex:
    """The regions of a run in the inputs that its network takes: a certificate is of the network as it is saved."""
    import numpy as np

    from ..geometry import complex_of
    from ..train import Run

    if not isinstance(net, Run) or found.plane is not None:
        return found
    mean = net.preprocess.original_inputs(np.zeros(2))
    scale = net.preprocess.original_inputs(np.ones(2)) - mean
    box = [tuple((np.array(side) - m) / s) for side, m, s in zip(found.box, mean, scale, strict=True)]
    return complex_of(net.net, box)
