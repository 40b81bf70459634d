"""A neuron in plain text."""

from __future__ import annotations

import numpy as np

from ..insight import Excited, Neuron
from ._neuron import columns, largest, line
from .words import cut, number, share, signed, table


def text(record: Neuron) -> str:
    """A neuron for a terminal."""
    found = record.margins
    head = f"{record.path or 'the network'}, unit {record.index} ({record.kind}, {record.activation})"
    parts = [head, *[line for line in (record.rule, record.state) if line], "", weighed(record), "", sides(record)]
    if record.most:
        where = ["place"] * bool(record.most[0].place)
        names = ["row", "distance" if found.norm > 0 else "h", *where, *columns(record)]
        rows = [told(one, record) for one in (*record.most, *record.least)]
        rows.insert(len(record.most), ["…"] + [""] * (len(names) - 1))
        parts += ["", "The rows that excite it most and least", table(names, rows, "r" * len(names))]
    if record.feeds is not None:
        fed = largest(zip(record.feeds.names, record.feeds.weight, strict=True))
        title = f"It feeds {record.feeds.path}, and is {share(record.feeds.share)} of what moves it"
        parts += ["", title, table(["unit", "weight"], [[name, signed(value)] for name, value in fed], " r")]
    if record.correlation:
        pairs = [[name, signed(value, ".2f")] for name, value in largest(record.correlation.items())]
        parts += ["", table(["its output with", "correlation"], pairs, " r")]
    return "\n".join(parts)


def weighed(record: Neuron) -> str:
    """The strongest terms, in a table; of a unit with gates the size of what each weighs."""
    if record.gates and record.gate_bias is not None and record.recurrent is not None:
        sizes = (np.linalg.norm(record.weight, axis=1), np.linalg.norm(record.recurrent, axis=1), record.gate_bias)
        rows = [
            [gate, number(sizes[0][g], 3), number(sizes[1][g], 3), signed(float(sizes[2][g]))]
            for g, gate in enumerate(record.gates)
        ]
        return table(["gate", "‖weight of x‖", "‖weight of h‖", "bias"], rows, " rrr")
    rows = [[cut(term.name), signed(term.weight), number(term.pull, 3)] for term in record.terms]
    more = record.inputs - len(rows)
    rows += [[f"… {more:,} weaker inputs", "", ""]] * (more > 0) + [["bias", signed(record.bias), ""]]
    return table(["input", "weight", "weight × deviation"], rows, " rr")


def sides(record: Neuron) -> str:
    """The shares on each side, and how far they reach."""
    found, (on, off) = record.margins, record.sides
    what = f"{found.total:,} values" if found.total != record.rows else f"{found.total:,} rows"
    rows = [[on, share(found.positive)], [off, share(1 - found.positive)]]
    rows += [["exactly at 0", share(found.zero / found.total)]] * bool(found.zero)
    scale = found.norm if found.norm > 0 else 1.0
    reach = f"{signed(found.low / scale)} to {signed(found.high / scale)}"
    return table([what, ""], [*rows, ["distance from it" if found.norm > 0 else "its output", reach]], " r")


def told(one: Excited, record: Neuron) -> list[str]:
    """A row, with the place where it has several."""
    row, size, *values = line(one, record)
    return [row, size, *[str(list(one.place))] * bool(one.place), *values]
