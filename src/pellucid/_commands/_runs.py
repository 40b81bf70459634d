"""The commands that look at kept runs, without loading a network: `runs` and `show`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ._command import Answer, runs_option

EPOCHS = 12  # that `show` prints of a long history


@runs_option
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Show so many at most.")
def runs(root: str, limit: int) -> Answer:
    """The kept runs, the newest first."""
    from ..report.words import table
    from ..store import RunStore

    found = RunStore(root).list(limit)
    if not found:
        return Answer(f"There are no runs in {root} yet: `pellucid fit iris` makes one.", found)
    rows = [
        [row["id"], row["status"] or "", score(row["metrics"]), str(len(row["findings"] or [])), age(row["created"])]
        for row in found
    ]
    return Answer(table(["run", "status", "score", "findings", "age"], rows, "   r"), found)


@click.argument("run")
@runs_option
def show(run: str, root: str) -> Answer:
    """How a run was trained, how it went, and where it is."""
    from ..report.words import listed
    from ..store import RunStore

    path = Path(run).absolute()
    path = path.parent if path.is_file() else path
    if (path / "run.json").exists():
        root, run = str(path.parent), path.name
    store = RunStore(root)
    row = store.get(run)
    folder, history = store.folder(row["id"]), store.history(row["id"])
    files = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    facts = facts_of(row) | {"folder": str(folder), "files": ", ".join(files)}
    said = [f"Found: {f['code']} at {f['where']}: {f['evidence']}. {f['cure']}" for f in row["findings"] or []]
    text = "\n".join([listed(facts), "", epochs(history), *[""] * bool(said), *said])
    return Answer(text, row | {"folder": folder, "files": files, "history": history})


def facts_of(row: dict[str, Any]) -> dict[str, str]:
    """A run's row of the index in words."""
    settings = dict(row["settings"] or {})
    data, loss = settings.pop("data", None) or {}, settings.pop("loss", None) or {}
    return {
        "run": row["id"],
        "status": row["status"] or "unknown",
        "created": row["created"],
        "data": f"{data.get('path') or 'given in Python'} (SHA-256 {(row['fingerprint'] or '')[:12]}…)",
        "learns": f"{data.get('target') or 'y'}: {row['task']}, loss {loss.get('name')}",
        "settings": ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None),
        "score": score(row["metrics"]) or "none yet",
    }


def epochs(history: list[dict[str, Any]]) -> str:
    """The history as a table; of a long one, some epochs from all over it, the first and the last among them."""
    from ..report.words import number, table

    if not history:
        return "No epoch has ended yet."
    some = {round(i * (len(history) - 1) / (EPOCHS - 1)) for i in range(EPOCHS)}
    rows = []
    for epoch in (history[i] for i in sorted(some)):
        held = epoch.get("validation_loss")
        loss = [str(epoch["epoch"]), number(epoch.get("loss")), "" if held is None else number(held)]
        rows.append([*loss, score(epoch.get("metrics"))])
    return table(["epoch", "loss", "validation", "score"], rows, "rrr")


def score(metrics: dict[str, Any] | None) -> str:
    """The one number that is looked at first."""
    from ..report.words import METRICS, metric

    for name in ("accuracy", "r2"):
        if (value := (metrics or {}).get(name)) is not None:
            return f"{METRICS[name]} {metric(name, value)}"
    return ""


def age(created: str) -> str:
    """How long ago, in the largest unit that makes one."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            n = int(seconds // size)
            return f"{n} {unit}{'s' * (n > 1)} ago"
    return "now"
