"""The sections of the report in words and tables: what was learned, how good it is, from what, how to do it again."""

from __future__ import annotations

from typing import Any

from ..insight import Story, Verdict
from ..language import phrase, translated
from ..recall import recalled
from ._html import summary_table
from ._markup import Markup, bar, call, element, facts, join, small, table_of
from .words import LOWER_IS_BETTER, cut, enumerated, measure, metric, number, seconds, sentences, share, signed

MOST_COLUMNS = 300
FIRST_COLUMNS, FIRST_NOTES = 10, 4


def hero(story: Story) -> Markup:
    """What was learned, in a sentence, and the numbers one asks for first."""
    run, known = story.run, story.facts
    boxes = [
        element("div", element("b", value), element("span", what), class_="tile")
        for what, value in tiles(story).items()
    ]
    task = phrase("classification") if story.evaluation.task == "classification" else phrase("regression")
    parts = [
        element("p", phrase("Pellucid report · {task} · {name}", task=task, name=known.name), class_="eyebrow"),
        element("h1", phrase("Predicting {title}", title=story.title)),
        element("p", story.sentence, class_="lead"),
    ]
    if run.problem:
        parts.append(call("bad", phrase("Training broke off. "), recalled(run.problem.message)))
    elif run.status == "interrupted":
        words = phrase(
            "after {done} of {of} epochs; the network is the one of that moment.",
            done=len(run.history),
            of=run.settings.epochs,
        )
        parts.append(call("warn", phrase("Interrupted "), words))
    return element(
        "header", element("div", *parts, element("div", *boxes, class_="tiles"), class_="wrap"), class_="hero"
    )


def tiles(story: Story) -> dict[str, str]:
    """What stands in large letters, by what it is."""
    known, values = story.facts, story.evaluation.metrics
    first = next(iter(values))
    name = measure(first)
    where = phrase("{metric} on rows held out", metric=name)
    if not story.held_out:
        where = phrase("{metric} on the rows it learned from", metric=name)
    found: dict[str, str] = {where: metric(first, values[first])}
    if len(story.verdicts) > 1:
        beside = phrase("{metric} beside {baseline}", metric=name, baseline=called_alone(story.verdicts[1].baseline))
        found[beside] = gained(story.verdicts[1])
    found[phrase("rows learned from, {held} held out", held=number(known.held_out))] = counted(known.rows)
    found[phrase("parameters")] = number(story.summary.parameters)
    found[phrase("for {n} epochs", n=len(story.run.history))] = seconds(story.run.seconds)
    return found


def counted(n: int | None) -> str:
    return phrase("unknown") if n is None else number(n)


def gained(verdict: Verdict) -> str:
    """A gain as a signed number: percentage points, or r²."""
    if verdict.metric == "accuracy":
        return phrase("{gain} points", gain=signed(100 * verdict.gain, ".1f"))
    return signed(verdict.gain, ".3f")


def result(story: Story) -> Markup:
    """The verdict, and the table of models side by side."""
    own = story.evaluation
    rows = [[phrase("this network"), *cells(own.metrics)]]
    rows += [[called(name), *cells(b.metrics)] for name, b in story.baselines.items()]
    if story.held_out:
        rows.append([phrase("this network, on rows it learned from"), *cells(story.training.metrics)])
    head = ["", *(f"{measure(name)} ↓" if name in LOWER_IS_BETTER else measure(name) for name in own.metrics)]
    nothing_held = phrase("so every number here is on rows the network learned from, and says little about new ones.")
    return join(
        [
            *(verdict_box(verdict) for verdict in story.verdicts[1:] or story.verdicts),
            "" if story.held_out else call("warn", phrase("No rows were held out, "), nothing_held),
            table_of(head, rows, " " + "r" * len(own.metrics), own=0),
            small(sentences(judged_how(story))),
        ]
    )


def judged_how(story: Story) -> list[str]:
    """On what the models are judged, in which units, and what is to be known of each."""
    if story.held_out:
        said = [
            phrase(
                "All models are judged on the same {n:,} rows, which none of them learned from.", n=story.evaluation.n
            )
        ]
    else:
        said = [
            phrase(
                "All models are judged on the same {n:,} rows, the very ones they learned from.", n=story.evaluation.n
            )
        ]
    if story.evaluation.task == "regression":
        said.append(phrase("Errors are in the units of {target}.", target=story.facts.target))
    noted = [
        phrase("{model} was {note}.", model=called_alone(name), note=translated(b.note))
        for name, b in story.baselines.items()
        if b.note
    ]
    return [*said, phrase("↓ lower is better."), *noted]


def called_alone(baseline: str) -> str:
    """A simpler model by its name."""
    return translated(BASELINES[baseline])


BASELINES = {
    "most frequent class": phrase("most frequent class"),
    "logistic regression": phrase("logistic regression"),
    "mean": phrase("mean"),
    "linear regression": phrase("linear regression"),
}


def called(baseline: str) -> str:
    if baseline in ("mean", "most frequent class"):
        return phrase("always the {baseline}", baseline=called_alone(baseline))
    return called_alone(baseline)


def cells(values: dict[str, float]) -> list[Markup]:
    """The metrics of one model; those that 1 is the best of, with a bar."""
    barred = {name: "accuracy" in name or name == "r2" for name in values}
    return [join([metric(name, value), bar(value) if barred[name] else ""]) for name, value in values.items()]


def verdict_box(verdict: Verdict) -> Markup:
    """Better, worse or the same, by how much and how sure."""
    baseline = called_alone(verdict.baseline)
    tone, head = {
        "better": ("good", phrase("Better than {baseline}", baseline=baseline)),
        "worse": ("bad", phrase("Worse than {baseline}", baseline=baseline)),
    }.get(verdict.answer, ("even", phrase("No clear difference from {baseline}", baseline=baseline)))
    points = verdict.metric == "accuracy"
    low, high = (signed(100 * v, ".1f") if points else signed(v, ".3f") for v in (verdict.low, verdict.high))
    size = phrase(": {gain}.", gain=gained(verdict)) if points else phrase(": {gain} in r².", gain=gained(verdict))
    sure = phrase(
        "In 95 of 100 redrawings of the rows the difference lies between {low} and {high}.", low=low, high=high
    )
    return call(tone, head, sentences([size, sure]))


def data(story: Story) -> Markup:
    """The columns as they were recognised, and what there is to know about the rows."""
    known, preprocess = story.facts, story.run.preprocess
    form, held = preprocess.form, number(known.held_out)
    inputs = phrase("{inputs:,} from {columns:,} columns", inputs=known.inputs, columns=known.columns)
    about: dict[str, Any] = {
        phrase("source"): known.name,
        phrase("rows"): phrase("{rows} learned from, {held} held out", rows=counted(known.rows), held=held),
        phrase("inputs"): inputs if form is None else form.line(),
        phrase("target"): preprocess.target.told(),
    }
    rows = []
    for column in preprocess.columns:
        gone = share(column.missing / max(column.rows, 1)) if column.missing else phrase("none")
        rows.append([cut(column.name, 60), KINDS[column.kind], cut(column.told(), 160), gone])
    head = [phrase("column"), phrase("recognised as"), phrase("how it is used"), phrase("missing")]
    more, notes = rows[FIRST_COLUMNS:MOST_COLUMNS], [recalled(note) for note in (*known.notes, *story.run.notes)]
    title = phrase("{more:,} more columns", more=len(more))
    if len(rows) > MOST_COLUMNS:
        hidden = len(rows) - MOST_COLUMNS
        title = phrase("{more:,} more columns (and {hidden:,} that are not listed)", more=len(more), hidden=hidden)
    rest = bullets(notes[FIRST_NOTES:MOST_COLUMNS])
    return join(
        [
            facts(about),
            table_of(head, rows[:FIRST_COLUMNS], "   r") if rows else "",
            folded(title, table_of(head, more, "   r")) if more else "",
            bullets(notes[:FIRST_NOTES]),
            folded(phrase("more notes"), rest) if len(notes) > FIRST_NOTES else "",
        ]
    )


KINDS = {
    "number": phrase("number"), "boolean": phrase("boolean"), "date": phrase("date"), "category": phrase("category"),
    "dropped": phrase("dropped"),
}  # fmt: skip


def folded(title: str, content: Markup) -> Markup:
    return element("details", element("summary", title), content)


def bullets(notes: list[str]) -> Markup:
    return element("ul", *(element("li", note) for note in notes), class_="notes") if notes else Markup("")


def network(story: Story) -> Markup:
    found = story.summary
    words = phrase(
        "{parameters} parameters, {macs} multiply-adds for one row.",
        parameters=number(found.parameters),
        macs=number(found.macs),
    )
    return join([element("p", words), summary_table(found)])


def again(story: Story) -> Markup:
    """How to get the same once more."""
    found = story.reproduction
    parts = [element("h3", phrase("In Python")), element("pre", element("code", found.python))]
    if found.command:
        parts += [element("h3", phrase("On the command line")), element("pre", element("code", found.command))]
    settings = {name: value for name, value in found.settings.items() if value is not None}
    loss = settings.pop("loss")
    bound = [f"{name} {number(value)}" for name, value in loss.items() if name != "name"]
    about: dict[str, Any] = {
        phrase("run"): story.run.id,
        phrase("seed"): found.seed,
        phrase("data (SHA-256)"): element("code", found.fingerprint, class_="long"),
        phrase("loss"): enumerated([loss["name"], *bound]),
        phrase("settings"): enumerated(f"{setting(name)} {value}" for name, value in settings.items()),
        phrase("versions"): enumerated(
            f"{setting(name)} {value}" for name, value in found.environment.items() if value is not None
        ),
    }
    return join([*parts, facts({name: value for name, value in about.items() if value is not None})])


def setting(name: str) -> str:
    """What a setting of the training, or a part of the environment, is called."""
    return translated(SETTINGS.get(name, name.replace("_", " ")))


SETTINGS = {
    "optimizer": phrase("optimizer"),
    "learning_rate": phrase("learning rate"),
    "schedule": phrase("schedule"),
    "epochs": phrase("epochs"),
    "batch_size": phrase("batch size"),
    "weight_decay": phrase("weight decay"),
    "clip": phrase("clip"),
    "class_weight": phrase("class weight"),
    "early_stop": phrase("early stop"),
    "shuffle": phrase("shuffle"),
    "seed": phrase("seed"),
    "watch_every": phrase("watch every"),
    "tolerance": phrase("tolerance"),
    "platform": phrase("platform"),
    "processors": phrase("processors"),
}
