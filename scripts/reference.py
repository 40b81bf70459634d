"""Write docs/reference/ from the tables and docstrings in the code; a test says when it is out of date."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pellucid import activations, doctor, initializers, layers, losses
from pellucid.cli import main as command_line

FOLDER = Path(__file__).parent.parent / "docs" / "reference"


def pages() -> dict[str, str]:
    """The text of every page by its file's name."""
    return {
        "activations.md": activations_page(),
        "command-line.md": commands_page(),
        "doctor.md": doctor_page(),
        "initializers.md": initializers_page(),
        "layers.md": layers_page(),
        "losses.md": losses_page(),
    }


def activations_page() -> str:
    head = ["name", "formula", "settings", "kinks", "steepest slope", "piecewise linear", "source"]
    rows = [
        [row.name, code(row.formula), settings(row.settings), ", ".join(f"{k:g}" for k in row.kinks),
         f"{row.lipschitz(**row.settings):.6g}", "yes" if row.piecewise_linear else "no", row.source]
        for row in activations.ROWS
    ]  # fmt: skip
    return page(
        "Activations",
        "Each is a layer, `Activation(name)`; `softmax` and `log_softmax` are layers of their own.",
        table(head, rows),
    )


def losses_page() -> str:
    head = ["name", "formula, for one output z and target y", "settings", "link", "targets", "source"]
    rows = [
        [row.name, code(row.formula), settings(dict(row.settings)), row.link, row.targets, row.source]
        for row in losses.ROWS
    ]
    text = (
        "Losses take logits, but those of probabilities, for a network that ends in a softmax or sigmoid; the link "
        "turns outputs into what `predict_proba` gives. `loss=` takes a name, `pl.losses.loss(name, setting=…)`, or a "
        "function of your own, which gives one number for the outputs and targets of a batch (`pl.losses.own`)."
    )
    return page("Losses", text, table(head, rows))


def initializers_page() -> str:
    followed: dict[Any, list[str]] = {}
    for activation, function in initializers.FOLLOWED_BY.items():
        followed.setdefault(function, []).append(activation)
    head = ["name", "law", "settings", "the default before", "source"]
    rows = [
        [row.name, code(row.law), settings(keywords(row.function)),
         "" if row.needs_data else ", ".join(followed.get(row.function, [])), row.source]
        for row in initializers.ROWS
    ]  # fmt: skip
    text = (
        "`fan_in` and `fan_out` are the numbers of inputs and outputs of a weight. The default is chosen from the "
        "activation that follows."
    )
    return page("Initializers", text, table(head, rows))


def layers_page() -> str:
    parts = []
    for name in layers.__all__:
        kind = getattr(layers, name)
        parts.append(f"## {name}\n\n`{signature(kind, name)}`\n\n{described(inspect.getdoc(kind) or '')}")
    return page(
        "Layers",
        "Every layer has `forward(x, *, key=None) -> (y, saved)` and `backward(saved, dy) -> (dx, dlayer)`.",
        "\n\n".join(parts),
    )


def doctor_page() -> str:
    looks = {"static": "network", "data": "data", "probe": "trials"}
    rows = [
        [code(row.code), row.name, looks[row.kind], row.mechanism, row.cure, sentence(row.source)]
        for row in doctor.RULES
    ]
    live = [
        [code(row.code), row.name, inspect.getdoc(row.look) or "", row.cure, sentence(row.source)]
        for row in doctor.LIVE_RULES
    ]
    whole = table(["code", "name", "looks at", "mechanism", "cure", "source"], rows)
    during = table(["code", "name", "seen in the epochs", "cure", "source"], live)
    text = "What [the doctor](../doctor.md) looks for. A rule suspects; short trainings decide whether it matters."
    return page("Rules of the doctor", text, f"{whole}\n\n## During training\n\n{during}")


def sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def commands_page() -> str:
    context = command_line.make_context("pellucid", [], resilient_parsing=True, terminal_width=80)
    helps = [("pellucid", command_line.get_help(context))]
    for name, command in command_line.commands.items():
        helps.append(
            (f"pellucid {name}", command.get_help(command.make_context(name, [], context, resilient_parsing=True)))
        )
    return page("Commands", "", "\n\n".join(f"## {name}\n\n```text\n{text}\n```" for name, text in helps))


def signature(kind: Any, name: str) -> str:
    """How it is called, without the annotations."""
    found = inspect.signature(kind)
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in found.parameters.values()]
    return f"{name}{found.replace(parameters=bare, return_annotation=inspect.Signature.empty)}"


def described(docstring: str) -> str:
    """A docstring as Markdown: its headings bold, its examples a block of Python."""
    text, _, example = docstring.partition("Example:\n")
    out = re.sub(r"\n+(Shapes|Blame|Units|Raises|Source): *", r"\n\n**\1:** ", text.strip())
    return out + (f"\n\n```pycon\n{inspect.cleandoc(example)}\n```" if example else "")


def keywords(function: Any) -> Mapping[str, Any]:
    return getattr(function, "__kwdefaults__", None) or {}


def settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def code(formula: str) -> str:
    return f"`{formula}`"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def page(title: str, text: str, body: str) -> str:
    return "\n\n".join(part for part in (f"# {title}", text, body) if part) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
