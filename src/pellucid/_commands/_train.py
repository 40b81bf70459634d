"""The commands that train: `fit` and `demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingError
from ._command import FOUND, GOOD, Answer, note, program, runs_option, typed_again

if TYPE_CHECKING:
    from ..insight import Story

DEMO: dict[str, dict[str, Any]] = {
    "digits": {"net": [128, 64], "epochs": 40, "optimizer": "adamw", "weight_decay": 0.3},
    "diabetes": {"net": [16], "epochs": 200, "learning_rate": 3e-3, "weight_decay": 0.03, "early_stop": 20},
}


@click.argument("file")
@click.option("--target", metavar="COLUMN", help="The column to predict.")
@click.option(
    "--hidden",
    metavar="N,N",
    help="The sizes of the hidden layers, 0 for none; 64,64 by default, 32,64,… channels for images, 64 for sequences.",
)
@click.option("--augment", metavar="NAME,NAME", help="Change every example a little in training: shift, flip, noise.")
@click.option(
    "--monotone",
    metavar="NAME=±1,…",
    help="The answer rises (+1) or falls (-1) with these columns, whatever the network learns: age=+1,price=-1.",
)
@click.option("--size", metavar="N|N,N", help="Bring images to this height and width; the most common one by default.")
@click.option("--epochs", type=int, default=20, show_default=True, help="Passes over the data.")
@click.option("--batch-size", type=int, default=32, show_default=True, help="Rows for each step.")
@click.option("--learning-rate", metavar="RATE", help="A number, or find; the optimizer's own by default.")
@click.option(
    "--optimizer",
    metavar="NAME",
    default="adam",
    show_default=True,
    help="sgd, momentum, nesterov, adam, adamw, rmsprop, adagrad, lion or lbfgs.",
)
@click.option(
    "--schedule",
    metavar="NAME",
    default="constant",
    show_default=True,
    help="constant, cosine, warmup, warmup_cosine, one_cycle or plateau.",
)
@click.option("--loss", metavar="NAME", help="Chosen from the target by default: cross_entropy, squared_error, …")
@click.option(
    "--validation",
    metavar="SHARE|FILE",
    default="0.2",
    show_default=True,
    help="Rows to judge by: a share of them, or a file.",
)
@click.option("--weights", metavar="COLUMN", help="The column with a weight for each row.")
@click.option("--class-weight", metavar="balanced", help="Count every class the same, however rare.")
@click.option("--weight-decay", type=float, default=0.0, help="Pull the weights towards 0.")
@click.option("--l1", type=float, default=0.0, help="Pull the weights to 0 itself.")
@click.option("--clip", type=float, help="The largest norm of the gradient.")
@click.option(
    "--early-stop",
    type=int,
    metavar="EPOCHS",
    help="Stop after so many epochs without a better one, and go back to the best.",
)
@click.option("--task", metavar="NAME", help="classification or regression, where the target leaves it open.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of the start, the order of rows and who is held out."
)
@runs_option
@click.option("--name", help="What to call the run; the file's name by default.")
@click.option(
    "--resume", metavar="RUN", help="Go on with an interrupted run, bit for bit: the same options, and its id or last."
)
@click.option("--report/--no-report", default=True, help="Write report.html into the run's folder.")
def fit(
    file: str,
    root: str,
    hidden: str | None,
    augment: str | None,
    monotone: str | None,
    size: str | None,
    learning_rate: str | None,
    validation: str,
    report: bool,
    **given: Any,
) -> Answer:
    """Train a network on FILE: CSV, TSV, Parquet, JSON lines, .npz, or a folder of images.

    An .npz file holds x and y: numbers, images (rows, height, width) with or without channels, or sequences (rows,
    steps, …) with their lengths. A folder holds a folder of PNG or JPEG images for each class. FILE may also be one of
    the bundled data sets: digits, diabetes, iris, wine or breast_cancer. Ctrl-C stops in good
    order: the run so far is kept and can be resumed. The exit code is 1 where training was stopped or something was
    found that keeps the network from learning.
    """
    from .._api import fit as train
    from ..insight import story
    from ..report import text

    share = number(validation)
    settings = {"learning_rate": rate_of(learning_rate), "validation": validation if share is None else share}
    settings |= {"augment": augment.split(",") if augment else (), "size": pixels(size)}
    settings |= {"monotone": directions(monotone)}
    run = train(None if hidden is None else sizes(hidden), full_name(file), runs=root, **settings, **given)
    folder, page, told = Path(root) / str(run.id), None, None
    lines = [text(run)]
    if report and run.history and run.status != "interrupted" and not run.preprocess.target.steps:
        told = story(run, file)
        page = write_page(folder / "report.html", told)
        lines += ["", *scores(told)]
    if run.status == "interrupted":
        lines += ["", "Go on where it stopped:", f"  {typed_again(resume=run.id)}"]
    lines += ["", f"run     {run.id}", f"folder  {folder}", *[f"report  {page}"] * bool(page)]
    document = {"id": run.id, "folder": folder, "report": page, **run.to_json()}
    document["baselines"] = told and told.baselines
    bad = run.findings or run.problem or run.status == "interrupted"
    return Answer("\n".join(lines), document, FOUND if bad else GOOD)


@click.option("--out", type=Path, default=Path("demo"), show_default=True, help="The folder for the reports and runs.")
def demo(out: Path) -> Answer:
    """Train on real data and write a report of it.

    Two networks: one tells handwritten digits apart, one predicts the course of diabetes over a year; both data sets
    come with scikit-learn. It takes less than a minute.
    """
    parts, document = [], {}
    for name in DEMO:
        lines, document[name] = demonstrate(name, out)
        parts.append("\n".join(lines))
    root, first = out / "runs", next(iter(document.values()))["id"]
    parts.append(
        "What to try next:\n"
        f"  {program()} blame {first} --runs {root} --row 12\n"
        f"  {program()} explain {first} --runs {root} --row 12\n"
        f"  {program()} show last --runs {root}\n"
        f"  {program()} fit data.csv --target COLUMN"
    )
    return Answer("\n\n".join(parts), document)


def demonstrate(name: str, out: Path) -> tuple[list[str], dict[str, Any]]:
    """Train on one data set, write its report, and say what happened."""
    from .._api import fit as train
    from ..insight import story

    settings = dict(DEMO[name])
    note(f"Training on {name}, which comes with scikit-learn …")
    progress = None if sys.stderr.isatty() else False
    run = train(settings.pop("net"), name, runs=out / "runs", progress=progress, **settings)
    told = story(run, name)
    page = write_page(out / f"report-{name}.html", told)
    lines = [
        click.style(f"{name}: {told.title}, learned from {told.facts.rows:,} rows in {run.seconds:.1f} s", bold=True),
        click.wrap_text(told.sentence, 100),
        *scores(told),
        *(
            [f"Found: {finding}" for finding in run.findings]
            or ["The doctor watched every epoch and found nothing wrong."]
        ),
        f"The whole story:         {page}",
        f"Blame, weight by weight: {draw(out / f'network-{name}.png', told)}",
    ]
    found = {"id": run.id, "report": page, "metrics": told.evaluation.metrics, "baselines": told.baselines}
    return lines, found | {"findings": run.findings, "seconds": run.seconds}


def scores(told: Story) -> list[str]:
    """The network beside the simpler models, on the same rows."""
    accuracy = told.evaluation.task == "classification"
    metric, words = ("accuracy", "share that is right") if accuracy else ("r2", "share of the variance explained (r²)")
    rows = {"this network": told.evaluation.metrics} | {name: model.metrics for name, model in told.baselines.items()}
    wide = max(map(len, rows))
    where = "that it did not learn from" if told.held_out else "that it learned from"
    head = f"On {told.evaluation.n:,} rows {where}, the {words}:"
    return [head, *(f"  {name:<{wide}}  {100 * found[metric]:5.1f} %" for name, found in rows.items())]


def draw(path: Path, told: Story) -> Path:
    """Write a picture of the network, its weights coloured by their blame for the loss."""
    preprocess = told.run.preprocess
    outputs = tuple(map(str, preprocess.target.classes)) or (preprocess.target.name,)
    figure = told.blame.plot(kind="network", names=preprocess.input_names, outputs=outputs)
    figure.savefig(path, dpi=120)
    return path


def write_page(path: Path, told: Story) -> Path:
    from ..report import page
    from ..store import write_text

    return write_text(path, page(told))


def full_name(file: str) -> str:
    """The file's place from wherever the run is opened later; the name of a bundled data set as it is."""
    from ..train import BUNDLED

    return file if file in BUNDLED and not Path(file).exists() else str(Path(file).absolute())


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def rate_of(text: str | None) -> float | str | None:
    rate = None if text is None else number(text)
    return text if rate is None else rate


def sizes(text: str) -> list[int]:
    """The sizes of the hidden layers."""
    found = wholes("--hidden", text, "64,64")
    return [] if found == [0] else found


def directions(text: str | None) -> dict[str, str] | None:
    """Columns and their directions; which there are, the data says.

    Raises: SettingError where one has no direction, or is named twice.
    """
    if text is None:
        return None
    found: dict[str, str] = {}
    for part in text.split(","):
        name, sign, direction = part.rpartition("=")
        if not sign or not name or name in found:
            raise SettingError(f"--monotone wants columns and directions, as in age=+1,price=falling; got {text!r}.")
        found[name] = direction
    return found


def pixels(text: str | None) -> int | list[int] | None:
    """The height and width of images, or one number for both."""
    found = [] if text is None else wholes("--size", text, "64 or 48,64")
    return found[0] if len(found) == 1 else found or None


def wholes(option: str, text: str, example: str) -> list[int]:
    """Raises: SettingError where they are not whole numbers."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise SettingError(
            f"{option} wants whole numbers with commas between them, as in {example}; got {text!r}."
        ) from None
