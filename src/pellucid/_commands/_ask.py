"""The commands that ask a trained network: `predict`, `evaluate`, `blame`, `summary`, `neuron` and `report`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DataError, SettingError
from ._command import FOUND, GOOD, Answer, lang_option, note, runs_option
from ._places import read_rows, shown

if TYPE_CHECKING:
    import polars

    from ..backprop import Blame, Summary
    from ..module import Layer
    from ..train import Evaluation, Run

PICTURES = (".png", ".svg", ".pdf")
SHORT = 10  # rows of a table on a terminal


@click.argument("run")
@click.argument("file")
@click.option("--out", type=Path, metavar="FILE", help="Write all rows to a .csv, .jsonl or .parquet file.")
@runs_option
def predict(run: str, file: str, out: Path | None, root: str) -> Answer:
    """The answers of RUN for every row of FILE, in its order; or for an image, or every image of a folder.

    Classes come with their probabilities. On a terminal the first rows are shown; a pipe gets all of them as CSV.
    What the network had not seen in training is noted on stderr.
    """
    from .._api import open_run

    trained = open_run(run, root)
    preprocess = trained.preprocess
    rows = read_rows(file, preprocess, targets=False)
    x, unseen = (preprocess.kept(rows.x), ()) if preprocess.form else preprocess.transform_noted(rows.x)
    for line in unseen:
        note(line)
    table = answers(trained, x, rows.files)
    if out:
        write_table(out, table)
        return Answer(f"{table.height:,} rows: {out}", {"rows": table.height, "out": out})
    document = {"target": trained.preprocess.target.name, "rows": table.to_dicts()}
    if not sys.stdout.isatty():
        return Answer(table.write_csv().rstrip("\n"), document)
    more = f"\n… {table.height - SHORT:,} more rows: --out FILE writes them all." if table.height > SHORT else ""
    return Answer(aligned(table[:SHORT]) + more, document)


def answers(trained: Run, x: Any, files: Sequence[str] = ()) -> polars.DataFrame:
    """A row for each row: its file, the prediction, and for classes the probability of each."""
    import jax.numpy as jnp
    import numpy as np
    import polars

    from ..train import outputs, probabilities

    loss, target = trained.settings.loss, trained.preprocess.target
    answer = np.asarray(loss.predict(jnp.asarray(outputs(trained.net, x))))
    named = trained.preprocess.names(answer)
    columns = {"prediction": named} if named.ndim == 1 else {f"prediction {i}": p for i, p in enumerate(named.T)}
    score = probabilities(loss, answer) if target.classes and not target.steps else None
    if score is not None:
        columns |= {f"p({name})": score[:, i] for i, name in enumerate(target.classes)}
    return polars.DataFrame(({"file": files} if files else {}) | columns)


def write_table(path: Path, table: polars.DataFrame) -> None:
    """Raises: SettingError for a kind of file that is not written."""
    import io

    from ..store import write_bytes

    kinds = {".csv": "write_csv", ".jsonl": "write_ndjson", ".parquet": "write_parquet"}
    if path.suffix.lower() not in kinds:
        raise SettingError(f"--out wants a name that ends in {', '.join(kinds)}; got {path.name!r}.")
    buffer = io.BytesIO()
    getattr(table, kinds[path.suffix.lower()])(buffer)
    write_bytes(path, buffer.getvalue())


def aligned(table: polars.DataFrame) -> str:
    from ..report.words import number
    from ..report.words import table as drawn

    rows = [
        [str(i), *(str(number(v, 3)) if isinstance(v, float) else str(v) for v in row)]
        for i, row in enumerate(table.rows())
    ]
    return drawn(["row", *table.columns], rows, "r" * (1 + table.width))


@click.argument("run")
@click.argument("file", required=False)
@runs_option
def evaluate(run: str, file: str | None, root: str) -> Answer:
    """How good RUN is on FILE, or on the rows that it held out.

    The exit code is 1 where always giving the same answer would be as good.
    """
    from .._api import open_run, with_data
    from ..report import text

    trained = open_run(run, root)
    if file is None:
        found = with_data(trained).evaluate()
    else:
        rows = read_rows(file, trained.preprocess)
        found = trained.evaluate(rows.x, rows.y)
    useless = no_better_than_one_answer(found)
    no = "\n\nNo: always giving the same answer would be as good." if useless else ""
    return Answer(text(found) + no, found, FOUND if useless else GOOD)


def no_better_than_one_answer(found: Evaluation) -> bool:
    """Whether the most frequent class, or the mean, of these rows would do as well; False where all rows are alike."""
    if found.task == "regression":
        return found.metrics["r2"] <= 0
    most = max(int((found.truth == name).sum()) for name in found.classes)
    return most < found.n and found.metrics["accuracy"] <= most / found.n


@click.argument("run")
@click.option("--row", type=int, required=True, metavar="N", help="The row of the file; the first is 0.")
@click.option("--data", metavar="FILE", help="Another file than the one RUN was trained on.")
@click.option("--parameter", metavar="PATH", help="Whose chain rule to show, such as layers[0].weight.")
@runs_option
def blame(run: str, row: int, data: str | None, parameter: str | None, root: str) -> Answer:
    """Who is to blame for the loss of one row.

    The loss of the row, every parameter's share, the error signal layer by layer, and the chain rule of the weight
    that is blamed most, factor by factor.
    """
    import numpy as np

    from .._api import open_run, with_data
    from ..backprop import blame as blamed
    from ..report import text
    from ..report.words import number
    from ..train import at_every_step

    trained = open_run(run, root)
    if not data:
        trained = with_data(trained)
    preprocess = trained.preprocess
    one = read_rows(data or trained.source["path"], preprocess).row(row)
    numbered = np.array([row])
    x, y = preprocess.transform(one.x, numbered), one.targets
    y = preprocess.targets(at_every_step(y, x) if preprocess.target.steps else y, numbered)
    net, x = as_seen(trained, x)
    y = y[:, : x.shape[1]] if preprocess.target.steps else y
    found = blamed(net, x, y, loss=trained.settings.loss)
    chain = found.chain(parameter or most_blamed(found))
    evaluation = trained.evaluate(one.x, one.y)
    truth, prediction = (a[0] if len(a) == 1 else a.tolist() for a in (evaluation.truth, evaluation.prediction))
    known = "".join(f", {file}" for file in one.files) + part_of(trained, row)
    said = number(prediction) if isinstance(prediction, float | np.floating) else prediction
    head = f"Row {row}{known}: {preprocess.target.name} is {truth}, the network says {said}."
    body = f"{head}\n\n{text(found)}\n\nThe chain rule of the weight blamed most:\n{chain}"
    document = {"row": row, "truth": truth, "prediction": prediction, **found.to_json(), "chain": chain}
    return Answer(body, document)


def as_seen(trained: Run, x: Any) -> tuple[Layer, Any]:
    """The network and one row as it sees it: a sequence without its padding, so that no layer needs its length.

    Raises: DataError where the sequence has no step.
    """
    from ..layers import Activation, Masking
    from ..module import map_layers
    from ..train import lengths_of

    form = trained.preprocess.form
    if form is None or form.name != "sequences":
        return trained.net, x
    steps = int(lengths_of(x)[0])
    if not steps:
        raise DataError("The row has no step: there is nothing to be blamed.")
    plain = Activation("identity")
    return map_layers(trained.net, lambda _, layer: plain if isinstance(layer, Masking) else layer), x[:, :steps]


def most_blamed(found: Blame) -> str:
    return max(found.gradients, key=lambda path: float(abs(found.gradients[path]).max()))


def part_of(trained: Run, row: int) -> str:
    """Whether the network learned from a row, as far as that is known."""
    data = trained.data
    for index, words in ((data.train_index, "learned from"), (data.validation_index, "held out")) if data else ():
        if index is not None and row in index:
            return f" ({words})"
    return ""


@click.argument("run", metavar="RUN|MODEL")
@click.option(
    "--shape", metavar="N,N", help="The shape of the input, such as 1,64, where the first layer leaves it open."
)
@runs_option
def summary(run: str, shape: str | None, root: str) -> Answer:
    """Every layer of a network in a table.

    Its formula, the shape of its output, its parameters and what it costs. MODEL is a network saved by pl.save, or an
    .onnx file. The exit code is 1 where a layer does not fit the one before it.
    """
    from .._api import load, locate
    from ..report import text

    path = locate(run, root)
    found = table_of(load(path), path, shape)
    return Answer(text(found), found, FOUND if found.error else GOOD)


def table_of(held: Layer | Run, path: Path, shape: str | None) -> Summary:
    """The table of layers, for an input of this shape, of the run's own, or that the file says."""
    import numpy as np

    from ..backprop import summary as table
    from ..train import Run

    x: Any = None
    if isinstance(held, Run):
        x = np.zeros((1, *(held.preprocess.shape or [len(held.preprocess.input_names)])), np.float32)
        held = held.net
    elif path.suffix.lower() == ".onnx":
        from ..interop import input_shape

        x = input_shape(path)
    return table(held, sizes_of(shape) if shape else x)


@click.argument("run")
@click.argument("path")
@click.argument("index", type=int)
@click.option("--data", metavar="FILE", help="Another file than the one RUN was trained on.")
@click.option("--out", type=Path, metavar="FILE", help="Draw it: a .png, .svg or .pdf file.")
@runs_option
def neuron(run: str, path: str, index: int, data: str | None, out: Path | None, root: str) -> Answer:
    """One unit of a layer of RUN, such as unit 3 of layers[0].

    What it weighs, in the units of the columns where it sees them; on which side of its hyperplane the rows fall; the
    rows that excite it most and least; what it feeds. The exit code is 1 where it tells no row from another.
    """
    from .._api import open_run, with_data
    from ..insight import neuron as asked
    from ..report import text

    if out and out.suffix.lower() not in PICTURES:
        raise SettingError(f"--out wants a name that ends in {', '.join(PICTURES)}; got {out.name!r}.")
    found = asked(with_data(open_run(run, root), data), path, index)
    if out:
        found.plot().savefig(out, dpi=150)
    drawn = f"\n\npicture  {out}" if out else ""
    return Answer(text(found) + drawn, found, FOUND if found.useless else GOOD)


def sizes_of(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise SettingError(f"--shape wants whole numbers with commas between them, as in 1,64; got {text!r}.") from None


@click.argument("run", metavar="RUN|MODEL")
@click.option("--data", metavar="FILE", help="Another file than the one RUN was trained on.")
@click.option("--out", type=Path, metavar="PATH", help="Where to write it; report.html in the run's folder by default.")
@lang_option
@runs_option
def report(run: str, data: str | None, out: Path | None, lang: str, root: str) -> Answer:
    """Write what RUN learned, and how well, as one HTML page; of a network alone, such as an .onnx file, its layers."""
    from .._api import REPORT, load, locate, open_run, with_data
    from ..insight import story
    from ..report import html, page
    from ..store import write_text
    from ..train import Run

    place = locate(run, root)
    if place.suffix.lower() == ".onnx" or not isinstance(load(place), Run):
        found = table_of(load(place), place, None)
        path = write_text(out or place.with_suffix(".html"), html(found, whole=True, lang=lang))
        return Answer(f"report  {path}", {"report": path})
    trained = with_data(open_run(run, root), data)
    told = story(trained, shown(data or trained.source["path"]))
    path = write_text(out or locate(run, root).parent / REPORT, page(told, lang=lang))
    return Answer(f"{told.sentence}\n\nreport  {path}", {"report": path, "sentence": told.sentence})
