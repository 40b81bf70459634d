"""The sections of the report in words and tables: what was learned, how good it is, from what, how to do it again."""

from __future__ import annotations

from ..insight import Story, Verdict
from . import _captions
from ._html import summary_table
from ._markup import Markup, bar, call, element, facts, join, small, table_of
from .words import LOWER_IS_BETTER, METRICS, cut, metric, number, seconds, share, signed

MOST_COLUMNS = 300
FIRST_COLUMNS, FIRST_NOTES = 10, 4


def hero(story: Story) -> Markup:
    """What was learned, in a sentence, and the numbers one asks for first."""
    run, known, values = story.run, story.facts, story.evaluation.metrics
    first = next(iter(values))
    where = "on rows held out" if story.held_out else "on the rows it learned from"
    tiles = {f"{METRICS[first]} {where}": metric(first, values[first])}
    if len(story.verdicts) > 1:
        tiles[f"{METRICS[first]} beside {story.verdicts[1].baseline}"] = gained(story.verdicts[1])
    tiles[f"rows learned from, {number(known.held_out)} held out"] = counted(known.rows)
    tiles["parameters"] = number(story.summary.parameters)
    tiles[f"for {len(run.history)} epochs"] = seconds(run.seconds)
    boxes = [element("div", element("b", value), element("span", what), class_="tile") for what, value in tiles.items()]
    parts = [
        element("p", f"Pellucid report · {story.evaluation.task} · {known.name}", class_="eyebrow"),
        element("h1", f"Predicting {story.title}"),
        element("p", story.sentence, class_="lead"),
    ]
    if run.problem:
        parts.append(call("bad", "Training broke off. ", run.problem.message))
    elif run.status == "interrupted":
        words = f"after {len(run.history)} of {run.settings.epochs} epochs; the network is the one of that moment."
        parts.append(call("warn", "Interrupted ", words))
    return element(
        "header", element("div", *parts, element("div", *boxes, class_="tiles"), class_="wrap"), class_="hero"
    )


def counted(n: int | None) -> str:
    return "unknown" if n is None else number(n)


def gained(verdict: Verdict) -> str:
    """A gain as a signed number: percentage points, or r²."""
    points = verdict.metric == "accuracy"
    return f"{signed(100 * verdict.gain, '.1f')} points" if points else signed(verdict.gain, ".3f")


def result(story: Story) -> Markup:
    """The verdict, and the table of models side by side."""
    own, regression = story.evaluation, story.evaluation.task == "regression"
    rows = [["this network", *cells(own.metrics)]]
    rows += [[called(name), *cells(b.metrics)] for name, b in story.baselines.items()]
    if story.held_out:
        rows.append(["this network, on rows it learned from", *cells(story.training.metrics)])
    head = ["", *(METRICS[name] + (" ↓" if name in LOWER_IS_BETTER else "") for name in own.metrics)]
    held = "which none of them learned from." if story.held_out else "the very ones they learned from."
    said = [f"All models are judged on the same {own.n:,} rows, {held}"]
    said += [f"Errors are in the units of {story.facts.target}."] if regression else []
    said += ["↓ lower is better.", *(f"{name} was {b.note}." for name, b in story.baselines.items() if b.note)]
    return join(
        [
            *(verdict_box(verdict) for verdict in story.verdicts[1:] or story.verdicts),
            "" if story.held_out else call("warn", "No rows were held out, ", _captions.NOTHING_HELD),
            table_of(head, rows, " " + "r" * len(own.metrics), own=0),
            small(" ".join(said)),
        ]
    )


def called(baseline: str) -> str:
    return f"always the {baseline}" if baseline in ("mean", "most frequent class") else baseline


def cells(values: dict[str, float]) -> list[Markup]:
    """The metrics of one model; those that 1 is the best of, with a bar."""
    barred = {name: "accuracy" in name or name == "r2" for name in values}
    return [join([metric(name, value), bar(value) if barred[name] else ""]) for name, value in values.items()]


def verdict_box(verdict: Verdict) -> Markup:
    """Better, worse or the same, by how much and how sure."""
    tones = {"better": ("good", "Better than"), "worse": ("bad", "Worse than")}
    tone, head = tones.get(verdict.answer, ("even", "No clear difference from"))
    points = verdict.metric == "accuracy"
    low, high = (signed(100 * v, ".1f") if points else signed(v, ".3f") for v in (verdict.low, verdict.high))
    words = f": {gained(verdict)}{'' if points else ' in r²'}. "
    words += f"In 95 of 100 redrawings of the rows the difference lies between {low} and {high}."
    return call(tone, f"{head} {verdict.baseline}", words)


def data(story: Story) -> Markup:
    """The columns as they were recognised, and what there is to know about the rows."""
    known, preprocess = story.facts, story.run.preprocess
    form = preprocess.form
    about = {
        "source": known.name,
        "rows": f"{counted(known.rows)} learned from, {number(known.held_out)} held out",
        "inputs": f"{known.inputs:,} from {known.columns:,} columns" if form is None else form.line(),
        "target": preprocess.target.line().partition("target; ")[2],
    }
    rows = []
    for column in preprocess.columns:
        gone = share(column.missing / max(column.rows, 1)) if column.missing else "none"
        rows.append([cut(column.name, 60), column.kind, cut(column.line().partition("; ")[2], 160), gone])
    head = ["column", "recognised as", "how it is used", "missing"]
    more, notes = rows[FIRST_COLUMNS:MOST_COLUMNS], [*known.notes, *story.run.notes]
    rest = f" (and {len(rows) - MOST_COLUMNS:,} that are not listed)" if len(rows) > MOST_COLUMNS else ""
    return join(
        [
            facts(about),
            table_of(head, rows[:FIRST_COLUMNS], "   r") if rows else "",
            folded(f"{len(more):,} more columns{rest}", table_of(head, more, "   r")) if more else "",
            bullets(notes[:FIRST_NOTES]),
            folded("more notes", bullets(notes[FIRST_NOTES:MOST_COLUMNS])) if len(notes) > FIRST_NOTES else "",
        ]
    )


def folded(title: str, content: Markup) -> Markup:
    return element("details", element("summary", title), content)


def bullets(notes: list[str]) -> Markup:
    return element("ul", *(element("li", note) for note in notes), class_="notes") if notes else Markup("")


def network(story: Story) -> Markup:
    words = f"{number(story.summary.parameters)} parameters, {number(story.summary.macs)} multiply-adds for one row."
    return join([element("p", words), summary_table(story.summary)])


def again(story: Story) -> Markup:
    """How to get the same once more."""
    found = story.reproduction
    parts = [element("h3", "In Python"), element("pre", element("code", found.python))]
    if found.command:
        parts += [element("h3", "On the command line"), element("pre", element("code", found.command))]
    settings = {name: value for name, value in found.settings.items() if value is not None}
    loss = settings.pop("loss")
    bound = [f"{name} {number(value)}" for name, value in loss.items() if name != "name"]
    about = {
        "run": story.run.id,
        "seed": found.seed,
        "data (SHA-256)": element("code", found.fingerprint, class_="long"),
        "loss": ", ".join([loss["name"], *bound]),
        "settings": ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items()),
        "versions": ", ".join(f"{name} {value}" for name, value in found.environment.items() if value is not None),
    }
    return join([*parts, facts({name: value for name, value in about.items() if value is not None})])
