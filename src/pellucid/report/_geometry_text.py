"""The records of the geometry in plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..geometry import (
    Boundary,
    Complex,
    Counts,
    Explanation,
    LinearModels,
    NearestFlip,
    Pieces,
    Region,
    Regions,
    Surface,
    Verification,
    WhatIf,
)
from ..insight import NearestChange, Piecewise, View
from .words import cut, listed, number, seconds, share, table

MOST_ROWS, MOST_MODELS, MOST_INPUTS, MOST_OUTPUTS, WIDE = 20, 8, 6, 3, 100


def complex_text(record: Complex) -> str:
    """How many regions, of which layer, how exactly, and the boundary where it is at hand."""
    (x0, x1), (y0, y1) = record.box
    where = "a slice of" if record.plane is not None else "a rectangle of"
    head = f"{record.count:,} regions in {where} the input space"
    if not record.complete:
        done = len(record.counts)
        head = (f"The first {record.count:,} regions: there were more than the limit after {done} of "
                f"{len(record.flat.bends)} bends, and the network is not linear in these")  # fmt: skip
    facts = {"box": f"{span(x0, x1)} × {span(y0, y1)}", "layer by layer": by_layer(record)}
    if record.complete:
        facts["linear regions"] = f"{record.linear_count:,}, neighbours with the same map taken together"
    here = len(np.unique(record.drawn[record.drawn[:, 0] >= 0], axis=0))
    facts |= {
        "lines": f"{record.kinks:,} kinks, {here:,} of them here",
        "decisions": f"{record.signs:,} signs, {record.exact:,} of them by exact arithmetic",
        "check": f"V − E + F = {record.euler}, areas to {small(record.area_error)}"
        + (f", map − network ≤ {small(record.residual)}" if record.complete else ""),
        "time": seconds(record.seconds),
    }
    return f"{head}\n{listed(facts)}"


def by_layer(record: Complex) -> str:
    """The regions behind every layer that bends."""
    last: dict[str, int] = {}
    for step, count in zip(record.flat.bends, record.counts, strict=False):
        last[step.path or "the network"] = count
    said = [f"{path}: {count:,}" for path, count in last.items()]
    return " · ".join(said if len(said) <= 8 else [*said[:4], "…", *said[-3:]]) or "nothing bends"


def boundary_text(record: Boundary, outputs: Sequence[str] = ()) -> str:
    total, closed = float(record.areas.sum()), sum(record.closed)
    straight = sum(len(line) - 1 for line in record.lines)
    facts = {
        "lines": f"{len(record.lines):,}, {closed:,} of them closed, of {straight:,} straight pieces",
        "length": number(record.length),
        "check": f"the two answers differ on it by ≤ {small(record.residual)} of the largest output",
    }
    order = np.argsort(-record.areas, kind="stable")
    rows = [[called(record, outputs, i), share(float(record.areas[i]) / total)] for i in order[:MOST_ROWS]]
    rows += [[f"… {record.count - MOST_ROWS:,} smaller", ""]] * (record.count > MOST_ROWS)
    head = f"The boundary separates {record.count:,} connected piece{'s' * (record.count != 1)}"
    return "\n".join([head, listed(facts), "", table(["answer", "of the area"], rows, " r")])


def called(record: Boundary, outputs: Sequence[str], i: int) -> str:
    answer = int(record.answers[i])
    if len(outputs) > answer:
        return cut(outputs[answer], 30)
    return str(answer)


def explanation_text(record: Explanation) -> str:
    """The sentences, then the table they are taken from."""
    parts = record.parts[:MOST_ROWS]
    rows = [["constant", "", "", plain(record.constant), ""]]
    rows += [[cut(p.name, 36), plain(p.value), plain(p.weight), plain(p.contribution), range_of(p)] for p in parts]
    left = record.parts[MOST_ROWS:]
    if left:
        rows.append([f"… {len(left):,} more", "", "", plain(sum(p.contribution for p in left)), ""])
    rows.append(["sum", "", "", plain(record.value), ""])
    head = ["input", "value", "× weight", "= contribution", "the map holds"]
    region = record.region
    kept = "facets" if region.minimal else "half-spaces, more than bound it"
    kept = kept if region.complete else "half-spaces, the nearest and those that end an input's range"
    size = ("largest ball inside", region.radius) if region.complete else ("nearest", region.facets[0].distance)
    facts = {
        "region": f"{len(region.facets):,} {kept}, of {region.hyperplanes:,} hyperplanes"
        + (f"; {region.touching} pass through this input" if region.touching else ""),
        size[0]: number(size[1]) if np.isfinite(size[1]) else "without end",
        "check": f"the sum misses the network by {small(record.residual)} of its largest term",
    }
    return "\n".join([*wrapped(record.sentences), "", table(head, rows, " rrr"), "", listed(facts)])


def change_text(record: NearestChange) -> str:
    return "\n".join(wrapped([record.sentence]))


def flip_text(record: NearestFlip) -> str:
    """The nearest point of another answer, or what is known of it."""
    nearest = number(record.distance) if np.isfinite(record.distance) else "none found"
    known = {
        "exact": "exact",
        "none": "there is none in the box",
        "bounds": f"not below {number(record.lower)}; time was up",
    }
    facts = {"distance": f"{nearest} in the norm {record.norm:g}: {known[record.status]}"}
    if record.to is not None:
        facts |= {"answer": f"{record.answer}, there {record.to}"}
    if record.point is not None:
        moved = record.point - record.x
        most = np.argsort(-abs(moved), kind="stable")[:MOST_INPUTS]
        steps = ", ".join(
            f"input {i} {'+' if moved[i] > 0 else ''}{plain(float(moved[i]), 3)}" for i in most if moved[i]
        )
        facts |= {"by": steps or "nothing: it is on the boundary"}
        facts |= {"check": f"the network is {small(abs(record.margin or 0))} from a tie there"}
    facts |= {"time": f"{seconds(record.seconds)}, {record.subsets:,} parts bounded"}
    return f"The nearest change of the answer\n{listed(facts)}"


def what_if_text(record: WhatIf) -> str:
    """The smallest change of a few inputs, either way where it is one."""
    facts = {"status": record.status}
    if record.change is not None:
        steps = zip(record.names, record.change, record.scale, strict=True)
        facts |= {
            name: f"{plain(float(step))}, {plain(float(abs(step) / unit), 3)} of its scale"
            for name, step, unit in steps
        }
    if len(record.features) == 1:
        facts |= {"down": way(record.down), "up": way(record.up)}
    return "\n".join([*wrapped([record.sentence]), listed(facts | {"time": seconds(record.seconds)})])


def way(change: float | None) -> str:
    return "no change does it" if change is None else plain(change)


def wrapped(sentences: Sequence[str]) -> list[str]:
    return [line for sentence in sentences for line in textwrap.wrap(sentence, WIDE) or [""]]


def range_of(part: Any) -> str:
    """Between which values of one input, alone, the map holds."""
    low, high = np.isfinite(part.low), np.isfinite(part.high)
    if low and high:
        return f"{plain(part.low)} to {plain(part.high)}"
    return f"from {plain(part.low)}" if low else f"up to {plain(part.high)}" if high else "everywhere"


def models_text(record: LinearModels) -> str:
    """How many linear models the rows are answered by, and the ones with most rows."""
    n, most = len(record.models), record.largest
    alone = record.rows - record.sharing
    said = [
        f"{record.rows:,} rows lie in {record.regions:,} regions and are answered by {n:,} linear "
        f"model{'s' * (n != 1)}; the largest region holds {most:,}, and {alone:,} row{'s' * (alone != 1)} "
        f"{'have' if alone != 1 else 'has'} one alone."
    ]
    inputs, outputs = strongest(record), record.outputs[:MOST_OUTPUTS]
    rows = []
    for model in record.models[:MOST_MODELS]:
        for o, output in enumerate(outputs):
            first = [f"{len(model.rows):,}", f"{model.regions:,}"] if o == 0 else ["", ""]
            rows.append([*first, cut(output, 16), *(plain(model.weight[i, o]) for i in inputs), plain(model.bias[o])])
    more = f" ({record.link})" if record.link else ""
    head = ["rows", "regions", f"output{more}", *(cut(record.names[i], 16) for i in inputs), "constant"]
    notes = [f"… {n - MOST_MODELS:,} more models"] * (n > MOST_MODELS)
    hidden = len(record.names) - len(inputs), len(record.outputs) - len(outputs)
    notes += [f"{hidden[0]:,} more inputs are not shown: `models[i].weight` has all."] * (hidden[0] > 0)
    notes += [f"{hidden[1]:,} more outputs are not shown: ask for one by output=."] * (hidden[1] > 0)
    check = f"Every map meets the network on its rows to {small(record.residual)} of its largest term."
    return "\n".join([*wrapped(said), "", table(head, rows, "rr " + "r" * (len(inputs) + 1)), *notes, "", check])


def strongest(record: LinearModels, most: int = MOST_INPUTS) -> list[int]:
    """The inputs whose weight varies or is largest over the rows, in their own order."""
    if len(record.names) <= most:
        return list(range(len(record.names)))
    size = sum(len(model.rows) * np.abs(model.weight).sum(1) for model in record.models)
    return sorted(np.argsort(-size, kind="stable")[:most].tolist())


def region_text(record: Region) -> str:
    """One region: its facets in the order of their distance, with who bends there."""
    facts = {
        "facets": f"{len(record.facets):,}, of {record.hyperplanes:,} hyperplanes; {record.dead:,} do not bend here",
        "largest ball": number(record.radius) if np.isfinite(record.radius) else "without end",
    }
    facts |= {"on a kink": f"{record.touching} hyperplanes pass through x"} if record.touching else {}
    rows = [[plain(facet.distance), cut(facet.name, 70)] for facet in record.facets[:MOST_ROWS]]
    rows += [[f"… {len(record.facets) - MOST_ROWS:,} more", ""]] * (len(record.facets) > MOST_ROWS)
    head = f"The region of an input in {len(record.x):,} dimension{'s' * (len(record.x) != 1)}"
    return "\n".join([head, listed(facts), "", table(["distance", "what ends it"], rows, "r ")])


def pieces_text(record: Pieces) -> str:
    facts = {
        "linear pieces": f"{record.linear_pieces:,}",
        "patterns": f"{record.activation_pieces:,}, at {len(record.breakpoints):,} breakpoints",
        "variation of the slope": ", ".join(number(float(v), 3) for v in record.variation[:6])
        + (f", … {len(record.variation) - 6} more" if len(record.variation) > 6 else ""),
        "decisions": f"{record.decisions:,} signs, {record.undecided:,} within the tolerance",
        "check": f"slopes meet the values to {small(record.residual)} of the largest output",
    }
    flips = [f"  at t = {number(flip.t)} the answer goes from {flip.before} to {flip.after}" for flip in record.flips]
    more = [f"  … and {len(flips) - MOST_ROWS:,} more changes"] * (len(flips) > MOST_ROWS)
    return "\n".join(["Along the segment between two inputs", listed(facts), *flips[:MOST_ROWS], *more])


def surface_text(record: Surface) -> str:
    seal = "watertight" if record.watertight else f"not closed: {record.open_edges:,} open edges"
    facts = {
        "mesh": f"{record.count:,} polygons, {len(record.edges):,} edges, {len(record.vertices):,} vertices",
        "closed": f"{seal}; {record.sheets:,} part{'s' * (record.sheets != 1)}, V − E + F = {record.euler}",
        "area": number(record.area),
        "volume inside": number(record.volume),
        "decisions": f"{record.signs:,} signs, {record.exact:,} of them by exact arithmetic",
        "check": f"|f − level| ≤ {small(record.residual)} at the vertices; volumes to {small(record.volume_error)}",
        "time": seconds(record.seconds),
    }
    note = textwrap.wrap(record.note, WIDE) if record.note else []
    return "\n".join([f"The surface where the output is {number(record.level)}", listed(facts), *note])


def counts_text(record: Counts) -> str:
    rows = [
        [row.bend or "the network", f"{row.units:,}", "" if row.found is None else f"{row.found:,}", large(row.most),
         row.most_bound, "" if row.some_reach is None else large(row.some_reach)]
        for row in record.after
    ]  # fmt: skip
    head = ["behind", "units", "found", "at most", "by", "some reach"]
    return f"Regions in {record.dimension} dimensions\n{table(head, rows, ' rrr r')}"


def regions_text(record: Regions) -> str:
    """All regions of a box."""
    per = [f"{bend}: {count:,}" for bend, count in zip(record.bends, record.per_bend, strict=False)]
    how = "" if record.complete else f", before it stopped: {record.stopped}"
    facts = {
        "box": " × ".join(span(*side) for side in record.box[:6]) + (" × …" if len(record.box) > 6 else ""),
        "layer by layer": " · ".join(per if len(per) <= 8 else [*per[:4], "…", *per[-3:]]) or "nothing bends",
        "decisions": f"{record.decisions:,} signs, {record.undecided:,} undecided",
        "check": f"{record.mismatched:,} patterns differ from the network's; values to {small(record.residual)}",
    }
    rows = [[f"output {low.output}", plain(low.value), plain(high.value)]
            for low, high in zip(record.lowest[:10], record.highest[:10], strict=True)]  # fmt: skip
    head = f"{record.count:,} regions in {len(record.box)} dimensions{how}"
    return "\n".join([head, listed(facts), "", table(["", "least", "largest"], rows, " rr")])


def verification_text(record: Verification) -> str:
    if record.holds:
        head = "It holds: checked again in exact arithmetic"
    else:
        head = f"It does NOT hold: {record.failures:,} failure{'s' * (record.failures != 1)}"
    facts = {
        "faces": f"{record.checked:,} of {record.faces:,} checked",
        "vertices": f"{record.vertices:,}",
        "half-spaces": f"{record.half_spaces:,} held against vertices",
        "area": f"{cut(record.area, 40)}, the box {cut(record.box_area, 40)}",
    }
    return "\n".join([head, listed(facts), *(f"  - {problem}" for problem in record.problems)])


def view_text(record: View) -> str:
    """The regions, and of which plane."""
    of = f"the {record.link} of {', '.join(record.outputs[:12])}" if record.link else ", ".join(record.outputs[:12])
    more = f" and {len(record.outputs) - 12} more" if len(record.outputs) > 12 else ""
    axes, coloured = "axes".ljust(14), "output".ljust(14)
    return f"{complex_text(record.complex)}\n  {axes}  {' × '.join(record.names)}\n  {coloured}  {of}{more}"


def piecewise_text(record: Piecewise) -> str:
    parts = [record.note] if record.note else []
    parts += [view_text(record.view)] if record.view else []
    parts += [models_text(record.models)] if record.models else []
    if record.explanation:
        parts += [f"Row {record.row}\n{explanation_text(record.explanation)}"]
    return "\n\n".join(parts)


def span(low: float, high: float) -> str:
    return f"[{plain(low, 4)}, {plain(high, 4)}]"


def plain(value: float, digits: int = 4) -> str:
    return number(float(value), digits).replace("-", "−")


def small(value: float) -> str:
    """A residual: "0" or a power of ten with one digit."""
    return "0" if value == 0 else f"{value:.0e}" if np.isfinite(value) else "unknown"


def large(value: int) -> str:
    """A count that may have hundreds of digits."""
    return f"{value:,}" if value < 10**12 else f"10^{len(str(value)) - 1}"


TEXTS = {
    Boundary: boundary_text,
    Complex: complex_text,
    Counts: counts_text,
    NearestChange: change_text,
    Explanation: explanation_text,
    NearestFlip: flip_text,
    LinearModels: models_text,
    Pieces: pieces_text,
    Region: region_text,
    Regions: regions_text,
    Surface: surface_text,
    Verification: verification_text,
    WhatIf: what_if_text,
    View: view_text,
    Piecewise: piecewise_text,
}
