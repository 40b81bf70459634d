"""Rules on the weights a network starts with: tied, far from the variance law, or held above 0."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ..language import phrase
from ._numbers import few
from ._patient import Patient
from ._rule import Rule, Sign, also, mismatch
from ._signal_rules import LINEAR
from ._structure import Part, Structure, structure

RISING = ("relu", "leaky_relu", "relu6", "elu", "selu", "softplus", "sigmoid", "tanh", "softsign", "exponential")
RISING += ("hard_sigmoid", "hard_tanh")
LAW = 10.0  # by which factor a layer's weights may be off the standard deviation that suits its curve


def tied_units(patient: Patient) -> Iterator[Sign]:
    """Hidden units with the same weights in and the same weights out: they stay the same for ever."""
    parts = [part for part in patient.structure.weighted if part.weight is not None]
    for part, after in pairwise(parts) if patient.start_known else ():
        tied = tied_share(part, after)
        if tied < 0.5:
            continue
        zero = not np.any(part.weight)
        units = 0 if part.weight is None else part.weight.shape[1]
        words = phrase(
            "{part:.0%} of its {units} units start with equal weights in and equal weights out", part=tied, units=units
        )
        if zero:
            words = phrase(
                "{part:.0%} of its {units} units start with all 0 weights in and equal weights out",
                part=tied,
                units=units,
            )
        later = still_tied(patient, part.path)
        if later is not None:
            words = also(words, phrase("{part:.0%} are still equal after the training", part=later))
        sure = "certain" if later is None or later > 0.5 else "possible"
        numbers = {} if zero else {"weights": corner(part.weight)}
        yield Sign(part.path, words, sure, 1.0 if sure == "certain" else 0.2, numbers)
        return


def tied_share(part: Part, after: Part) -> float:
    """The share of a layer's units that another unit equals, in what comes in and in what goes out."""
    weight, out = part.weight, after.weight
    assert weight is not None
    assert out is not None
    bias = np.asarray(
        getattr(part.layer, "bias", None)
        if getattr(part.layer, "bias", None) is not None
        else np.zeros(weight.shape[1])
    )
    columns = [weight.T, bias.reshape(-1, 1)] if bias.size == weight.shape[1] else [weight.T]
    if out.shape[0] == weight.shape[1] and after.kind == "Dense":
        columns.append(out)
    rows = np.concatenate(columns, 1)
    if weight.shape[1] < 2:
        return 0.0
    if not np.allclose(rows, rows[:1]) and len(np.unique(rows, axis=0)) == len(rows):
        return own_tied(weight, bias, out)
    _, number, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    return float((counts[number] > 1).mean())


def own_tied(weight: np.ndarray, bias: np.ndarray, out: np.ndarray) -> float:
    """1 where all incoming weights of a layer are one constant, though what goes out differs: nearly tied."""
    return 1.0 if weight.size > 1 and np.ptp(weight) == 0 and np.ptp(bias) == 0 else 0.0


def still_tied(patient: Patient, path: str) -> float | None:
    if patient.ended is None:
        return None
    part = next((p for p in structure(patient.ended).weighted if p.path == path), None)
    if part is None or part.weight is None:
        return None
    rows = part.weight.T
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    _, values, _ = np.linalg.svd(unit - unit.mean(0), full_matrices=False)
    if not len(values) or values[0] < 1e-4:
        return 1.0
    close = (
        np.isclose(unit[:, None], unit[None], atol=1e-4).all(-1).sum(1) > 1 if len(unit) <= 512 else np.zeros(len(unit))
    )
    return float(np.mean(close))


def corner(weight: np.ndarray | None) -> list[list[float]]:
    return np.asarray(weight)[:16, :16].tolist() if weight is not None else []


def off_the_law(patient: Patient) -> Iterator[Sign]:
    """Layers whose weights start far from the standard deviation that keeps the signal's variance."""
    worst = law_ratios(patient.structure)
    if not worst or not patient.start_known:
        return
    ratio, path = max(worst, key=lambda item: abs(np.log10(max(item[0], 1e-30))))
    if 1 / LAW < ratio < LAW:
        product = float(np.prod([r for r, _ in worst]))
        if 1e-3 < product < 1e3:
            return
    if not patient.sick:
        yield mismatch(patient, path, phrase("its weights are {ratio:.2g} times the size that suits it", ratio=ratio))
        return
    gain = patient.gain("fresh start")
    words = phrase("its weights are {ratio:.2g} times the size that keeps the signal's variance", ratio=ratio)
    numbers = {"ratios": [r for r, _ in worst], "paths": [p for _, p in worst]}
    if gain > 0.2:
        words = also(words, phrase("a start by the law closes {gain:.0%} of the gap", gain=gain))
        yield Sign(path, words, patient.likely, gain, numbers)
    else:
        extreme = ratio > 30 or ratio < 1 / 30 or float(np.prod([r for r, _ in worst])) < 1e-4
        yield Sign(path, words, patient.likely if extreme else "possible", 0.4 if extreme else 0.1, numbers)


def law_ratios(found: Structure) -> list[tuple[float, str]]:
    """Of every layer with weights: its standard deviation over that of Glorot's law, `√(2 / (n_in + n_out))`."""
    ratios = []
    for part in found.weighted:
        if part.weight is None or part.kind not in LINEAR:
            continue
        if not np.any(part.weight) or not np.isfinite(part.weight).all():
            continue
        n_in, n_out = part.weight.shape
        ratios.append((float(np.sqrt(np.square(part.weight).mean()) / np.sqrt(2 / (n_in + n_out))), part.path))
    return ratios


def monotone_only(patient: Patient) -> Iterator[Sign]:
    """Non-negative weights throughout, rising curves, and a target that falls in an input."""
    net = patient.ended if patient.ended is not None else patient.net
    parts = [part for part in structure(net).weighted if part.weight is not None]
    rising = all(part.curve in RISING for part in patient.structure.hidden)
    if len(parts) < 2 or not rising or not all((part.weight >= 0).all() for part in parts):  # type: ignore[operator]
        return
    fall = falling(patient)
    if fall is None:
        return
    column, share = fall
    name = patient.names[column] if column < len(patient.names) else phrase("column {i}", i=column)
    words = phrase(
        "all weights are ≥ 0, so the output rises with every input; the target falls along {name} in {part:.0%} of the "
        "pairs of rows",
        name=name,
        part=share,
    )
    numbers = {"along": few(patient.some[0][:, column]), "values": few(patient.some[1]), "name": name, "share": share}
    yield Sign(parts[0].path, words, "certain", 1.0, numbers)


def falling(patient: Patient) -> tuple[int, float] | None:
    """The input column along which the target falls most surely, and in what share of pairs of rows it does."""
    if not patient.has_rows:
        return None
    x, y = patient.some
    y = np.asarray(y, float).reshape(len(y), -1)[:, 0]
    if x.ndim != 2 or len(x) < 3 or np.std(y) == 0:
        return None
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, len(x), (2, 2000))
    found = []
    for column in range(min(x.shape[1], 64)):
        step, change = x[b, column] - x[a, column], y[b] - y[a]
        some = (step != 0) & (change != 0)
        if some.any():
            found.append(((np.sign(step) != np.sign(change))[some].mean(), column))
    if not found:
        return None
    share, column = max(found)
    return (column, float(share)) if share > 0.6 else None


START_RULES: tuple[Rule, ...] = (
    Rule(
        "INIT_SYMMETRY", phrase("tied units"), "static", tied_units,
        phrase("Units with equal weights in and out get equal blame, hence equal steps: a layer of n of them is one "
               "unit."),
        phrase("Start with random weights (glorot_uniform, he_normal)."),
        phrase("Rumelhart, Hinton and Williams 1986, symmetry breaking"),
        ("fresh start",), stands=True,
    ),
    Rule(
        "INIT", phrase("weights off the variance law"), "static", off_the_law,
        phrase("Var(y) = n_in Var(W) Var(x): far from Var(W) = 2 / (n_in + n_out) signal and blame shrink or grow by "
               "layer."),
        phrase("Use the initializer that suits the activation: he_normal for relu, glorot_uniform for tanh and "
               "sigmoid."),
        phrase("Glorot and Bengio 2010, equation 16; He and others 2015"),
        ("fresh start",),
    ),
    Rule(
        "EXPRESSIBILITY_MONOTONE", phrase("weights that only rise"), "static", monotone_only,
        phrase("With weights ≥ 0 and rising curves f(x) ≤ f(x') wherever x ≤ x': no weights give a falling target."),
        phrase("Leave the constraint out, or turn the sign of that column."),
        phrase("by the theorem; Sill 1998, Monotonic networks"),
        ("free weights",), stands=True,
    ),
)  # fmt: skip
