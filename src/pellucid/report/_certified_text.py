"""What was proven about networks, in plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from ..certify import Bounds, Certificate, Lipschitz, Monotonicity, OutputRange, Recheck, Robustness, Trend
from .words import cut, listed, number, seconds, share, table

MOST_ROWS, WIDE = 40, 100


def certificate(record: Certificate) -> str:
    """The answer, what the margin lies between, and of a counterexample the input and what the network gives there."""
    facts = {
        "margin": f"{number(record.bounds[0])} is proven" if np.isfinite(record.bounds[0]) else "nothing is proven"
    }
    facts["margin"] += f"; the least met is {number(record.bounds[1])}" if np.isfinite(record.bounds[1]) else ""
    example = record.counterexample
    if example is not None:
        facts |= {"input": numbers(example.input), "outputs there": numbers(example.output)}
    facts |= {"parts": number(record.boxes), "time": seconds(record.seconds)}
    return f"{record.sentence}\n{listed(facts)}\n{holds_for(record)}"


def monotonicity(record: Monotonicity) -> str:
    """A line for each feature: which way the output goes, what its derivative lies between, and what was met."""
    what = f"probability of {record.output}" if record.unit not in ("", "value") else record.output
    head = [what, "with", "slope, proven", "slope, met", "shown by"]
    rows = [[t.answer, t.feature, span(t.slope), span(t.met), shown(t)] for t in record.trends]
    counts = {answer: [t.answer for t in record.trends].count(answer) for answer in {t.answer for t in record.trends}}
    said = ", ".join(f"{count} {answer}" for answer, count in sorted(counts.items(), key=lambda item: -item[1]))
    of = f" of the {record.unit}" if record.unit not in ("", "value") else ""
    end = f"Slopes are{of} for one more of the feature, everywhere in the box."
    parts = [f"{said}, in {seconds(record.seconds)}", "", table(head, rows, "  rr"), "", *record.notes, end]
    return "\n".join([*parts, holds_for(record)])


def shown(trend: Trend) -> str:
    """The two inputs that show a rise or a fall where the answer is that it does not go one way."""
    if trend.answer in ("rising", "falling", "constant"):
        return ""
    found = (("rises", trend.rise), ("falls", trend.fall))
    return "; ".join(
        f"{way} from {number(line.values[0])} at {number(line.ends[0])} to {number(line.values[1])} at "
        f"{number(line.ends[1])}"
        for way, line in found
        if line is not None
    )


def output_range(record: OutputRange) -> str:
    """A line for each output: the proven ends, and what is reached."""
    rows = [
        [record.names[k] if record.names else f"output {k}", number(a), number(b), number(c), number(d)]
        for k, (a, b, c, d) in enumerate(zip(record.low, record.lowest, record.highest, record.high, strict=True))
    ]
    body = table(["", "never below", "reached", "reached", "never above"], rows[:MOST_ROWS], " rrrr")
    more = f"\n… and {len(rows) - MOST_ROWS} more." if len(rows) > MOST_ROWS else ""
    facts = {"parts": number(record.boxes), "time": seconds(record.seconds)}
    advice = [record.advice] if record.advice else []
    return "\n".join([body + more, *advice, "", listed(facts), holds_for(record)])


def robustness(record: Robustness) -> str:
    """The proven share of the rows, the refuted, and the rows that are refuted or unknown."""
    n = len(record.verdicts)
    norm = "∞" if np.isinf(record.norm) else number(record.norm)
    head = f"{share(record.share)} of {n:,} rows keep their answer within {number(record.radius)} in the norm {norm}"
    count = {verdict: record.verdicts.count(verdict) for verdict in ("proven", "counterexample", "unknown")}
    facts = {"proven": number(count["proven"]), "refuted, with an input": number(count["counterexample"]),
             "unknown": number(count["unknown"]),
             "time": f"{seconds(record.seconds)}, {seconds(record.slowest)} for the slowest row"}  # fmt: skip
    rows = [
        [number(i), str(record.labels[i]), verdict, *(number(end, 3) for end in record.margins[i])]
        for i, verdict in enumerate(record.verdicts)
        if verdict != "proven"
    ]
    said = f"{head}\n{listed(facts)}\n{holds_for(record)}"
    if not rows:
        return said
    body = table(["row", "answer", "", "lead, proven", "lead, met"], rows[:MOST_ROWS], "rr rr")
    more = f"\n… and {len(rows) - MOST_ROWS} more." if len(rows) > MOST_ROWS else ""
    return f"{said}\n\n{body}{more}"


def lipschitz(record: Lipschitz) -> str:
    """The constant, or what it lies between, and where it is met."""
    norm = "∞" if np.isinf(record.norm) else number(record.norm)
    value = number(record.high) if record.exact else f"between {number(record.low)} and {number(record.high)}"
    facts = {"met at": numbers(record.at), "by": f"{record.method}, {record.parts:,} of them"}
    facts |= {"time": seconds(record.seconds)}
    head = f"Lipschitz constant in the norm {norm}: {value}{' (exact)' if record.exact else ''}"
    return f"{head}\n{listed(facts)}\n{holds_for(record)}"


def bounds(record: Bounds) -> str:
    """What the outputs of each box lie between."""
    rows = [
        [number(i), *(span(pair) for pair in zip(low, high, strict=True))]
        for i, (low, high) in enumerate(zip(record.low[:MOST_ROWS], record.high[:MOST_ROWS], strict=True))
    ]
    head = ["box", *(f"output {k}" for k in range(record.low.shape[1]))]
    facts = {"method": record.method, "time": seconds(record.seconds)}
    return f"{table(head, rows, 'r' * len(head))}\n\n{listed(facts)}\n{holds_for(record)}"


def recheck(record: Recheck) -> str:
    """Whether a proof holds, and what is wrong with it."""
    said = "The proof holds" if record.holds else "The proof does not hold"
    return "\n".join([f"{said}: {record.leaves:,} parts verified in {seconds(record.seconds)}.", *record.problems])


def holds_for(record: Any) -> str:
    """For which arithmetic what is proven holds."""
    return textwrap.fill(f"Holds for {record.arithmetic}.", WIDE)


def span(pair: Any) -> str:
    """Two ends.

    Example:
        >>> span((0.5, 2.0)), span((-np.inf, 1.0))
        ('0.5 … 2', '−∞ … 1')
    """
    low, high = (("−∞" if end < 0 else "∞") if not np.isfinite(end) else number(end, 3) for end in pair)
    return f"{low} … {high}"


def numbers(values: Any) -> str:
    """The numbers of an input or an output, the first of them where there are many."""
    flat = np.ravel(values)
    return cut(", ".join(number(float(v)) for v in flat[:12]) + (f", … ({len(flat)})" if len(flat) > 12 else ""), 120)


TEXTS: dict[type, Callable[[Any], str]] = {
    Certificate: certificate,
    Monotonicity: monotonicity,
    OutputRange: output_range,
    Robustness: robustness,
    Lipschitz: lipschitz,
    Bounds: bounds,
    Recheck: recheck,
}
