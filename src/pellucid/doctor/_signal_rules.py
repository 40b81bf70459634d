"""Rules on what goes through a network: the signal forward, the blame back, and the weights it starts with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from ..language import phrase
from ..train import OPTIMIZERS
from ._look import Look
from ._patient import Patient
from ._rule import Rule, Sign, mismatch
from ._structure import RECTIFIED, SQUASHING, Part, Structure

STEEPEST = {"sigmoid": 0.25, "hard_sigmoid": 1 / 6}
TINY_BLAME = 1e-3  # of the relative gradient of the last layer
TINY_SPREAD = 1e-2  # of an output's own size: less hardly depends on the input


def no_curve_between(patient: Patient) -> Iterator[Sign]:
    found = patient.structure
    bare = linear_pairs(found)
    if not bare:
        return
    whole = not found.hidden
    words = phrase("no activation between {a} and {b}", a=bare[0][0], b=bare[0][1])
    if len(bare) > 1:
        words = phrase("{words} and {n} more pairs", words=words, n=len(bare) - 1)
    if whole:
        words = phrase("{words}: the network is one linear map", words=words)
    gain = patient.gain("curves between") if patient.sick else 0.0
    if whole and gain > 0.2:
        words = phrase("{words}; with ReLUs between {gain:.0%} of the gap closes", words=words, gain=gain)
        yield Sign(bare[0][0], words, "likely", gain)
    elif whole and patient.sick and not patient.outright:
        yield Sign(bare[0][0], words, "possible", gain)
    else:
        yield mismatch(patient, bare[0][0], words)


def linear_pairs(found: Structure) -> list[tuple[str, str]]:
    """The layers with weights that follow each other without a curve between."""
    parts, places = found.parts, [found.parts.index(part) for part in found.weighted]
    return [
        (parts[i].path, parts[j].path)
        for i, j in pairwise(places)
        if not any(part.curve or part.kind not in KEEPING for part in parts[i + 1 : j])
        and parts[i].kind in LINEAR
        and parts[j].kind in LINEAR
    ]


LINEAR = ("Dense", "Conv1d", "Conv2d", "Conv3d", "LocallyConnected1d", "LocallyConnected2d")
KEEPING = ("Dropout", "PlainDropout", "Flatten", "BatchNorm", "LayerNorm", "AvgPool", "GlobalAveragePool")


def wrong_inside(patient: Patient) -> Iterator[Sign]:
    """Hidden activations that are not made for it: exponentials, which overflow, and softmax, which shares 1."""
    for curve, words in (
        ("exponential", phrase("exp(exp(…)) outgrows any number")),
        ("softmax", phrase("its units share 1 between them")),
    ):
        places = [part.path for part in patient.structure.hidden if part.curve == curve and not is_attention(part)]
        if not places:
            continue
        at = phrase("a hidden layer with {curve}: {words}", curve=curve, words=words)
        if len(places) > 1:
            at = phrase("{n} hidden layers with {curve}: {words}", n=len(places), curve=curve, words=words)
        failed = patient.base is not None and not patient.base.finite
        if failed:
            said = phrase("{words}, and numbers became infinite", words=at)
            yield Sign(places[0], said, "certain", 0.9)
        elif patient.sick and (gain := patient.gain("relu inside")) > 0.2:
            said = phrase("{words}; with ReLUs {gain:.0%} of the gap closes", words=at, gain=gain)
            yield Sign(places[0], said, "likely", gain)
        else:
            yield Sign(places[0], at, "possible") if patient.sick else mismatch(patient, places[0], at)


def is_attention(part: Part) -> bool:
    return "attention" in part.path


def not_finite(patient: Patient) -> Iterator[Sign]:
    """Numbers that outgrow float32, and the layer where they first do."""
    start = patient.at_start
    if patient.has_rows and not all(np.isfinite(a).all() for a in patient.some if a.dtype.kind == "f"):
        return  # the rows are the cause
    if start is not None and not start.finite:
        where = start.first_not_finite or "loss"
        yield Sign(where, phrase("the first pass gives numbers that are not finite"), "certain", 1.0, depth(start))
        return
    base = patient.base
    if patient.problem is not None or (base is not None and not base.finite):
        when = patient.problem.step if patient.problem else base.steps  # type: ignore[union-attr]
        where = patient.problem.path if patient.problem else grown_at(patient.at_start)
        symptom = rate_far_above(patient)  # then the rate is the cause
        words = phrase("numbers became infinite or NaN in step {step}", step=when)
        sure, explains = ("likely", 0.5) if symptom else ("certain", 0.95)
        yield Sign(where, words, sure, explains, depth(patient.at_start))
        return
    growth = growth_of(start)
    if start is not None and patient.sick and growth > 1e3:
        words = phrase("the signal grows by {growth:.0e} from the input to the output at the start", growth=growth)
        yield Sign(grown_at(start), words, "likely", 0.7, depth(start))


def rate_far_above(patient: Patient) -> bool:
    rule = patient.settings.optimizer
    return isinstance(rule, str) and patient.settings.rate() >= 20 * OPTIMIZERS[rule][1]


def growth_of(start: Look | None) -> float:
    spreads = [layer.size for layer in start.layers if layer.size > 0] if start else []
    return max(spreads) / spreads[0] if spreads else 0.0


def grown_at(start: Look | None) -> str:
    """The layer behind which the signal is largest."""
    return max(start.layers, key=lambda layer: layer.size).path if start and start.layers else "training"


def depth(found: Look | None) -> dict[str, Any]:
    """Signal and blame by depth, for the picture."""
    layers = found.layers[:200] if found else ()
    return {
        "paths": [layer.path for layer in layers],
        "spread": [layer.spread for layer in layers],
        "blame": [layer.blame for layer in layers],
    }


def vanishing(patient: Patient) -> Iterator[Sign]:
    """The relative gradient of the first layer beside the last, and whether the output depends on the input at all."""
    found = patient.structure
    if patient.at_start is None or not patient.at_start.finite or not patient.sick or len(found.hidden) < 2:
        return
    ratio = min(relative_blame(look) for look in (patient.at_start, patient.at_end) if look is not None and look.finite)
    seen = max(constant_share(look) for look in (patient.at_start, patient.at_end) if look is not None and look.finite)
    narrow = len(found.hidden) >= 4
    if ratio > TINY_BLAME and not (narrow and seen > 1 - TINY_SPREAD):
        return
    words = phrase("the first layer's gradient, beside its weights, is {ratio:.0e} of the last one's", ratio=ratio)
    if seen > 1 - TINY_SPREAD:
        words = phrase("{words} and the output is the same for every input", words=words)
    sure = "likely" if patient.stuck else "possible"
    first = patient.at_start.weighted[0].path if patient.at_start.weighted else ""
    yield Sign(first, words, sure, 0.9 if len(found.hidden) >= 4 else 0.6, depth(patient.at_start))


def relative_blame(found: Look) -> float:
    """‖g‖ / ‖w‖ of the first layer with weights, over the largest of the others."""
    parts = [layer for layer in found.weighted if layer.weight]
    if len(parts) < 2:
        return 1.0
    relative = [layer.gradient / max(layer.weight, 1e-30) for layer in parts]  # type: ignore[operator]
    largest = max(relative[1:])
    return relative[0] / largest if largest > 0 else 1.0


def constant_share(found: Look) -> float:
    """1 where the network's last numbers are the same for all rows, 0 where they vary as much as they are large."""
    z = np.asarray(found.outputs, float)
    last = found.weighted[-1] if found.weighted else None
    spread, size = (last.spread, last.size) if last else (z.std(0).mean(), abs(z).mean())
    return 1 - min(1.0, spread / size) if size > 0 else 1.0


def dead(patient: Patient) -> Iterator[Sign]:
    """Hidden ReLU layers in which no unit answers to any row, or so few that one or two carry all there is."""
    if not patient.sick:
        return
    for when, found in ((phrase("at the start"), patient.at_start), (phrase("after the training"), patient.at_end)):
        layers = [layer for layer in found.curves if rectified(patient, layer.path)] if found and found.finite else []
        if not found or not layers:
            continue
        worst = max(layers, key=lambda layer: (layer.dead or 0.0, -layer.units))
        share, live = worst.dead or 0.0, round(worst.units * (1 - (worst.dead or 0.0)))
        numbers = {
            "dead": [layer.dead for layer in layers],
            "paths": [layer.path for layer in layers],
            "margins": worst.margins,
        }
        if share == 1:
            words = phrase(
                "none of its {units} units answers to any row {when}: no blame goes through them",
                units=worst.units,
                when=when,
            )
            sure = "certain" if constant_share(found) > 1 - 1e-6 else patient.likely
            yield Sign(worst.path, words, sure, 0.85, numbers)
            return
        if share >= 0.9 or (share > 0.5 and live <= 2):
            words = phrase(
                "{part:.0%} of its units are 0 on every row {when}: all that goes through is {live} of {units}",
                part=share,
                when=when,
                live=live,
                units=worst.units,
            )
            yield Sign(worst.path, words, "likely", 0.7, numbers)
            return
        total = float(np.mean([layer.dead or 0.0 for layer in layers]))
        if total > 0.5:
            words = phrase("{part:.0%} of all ReLU units are dead {when}", part=total, when=when)
            yield Sign(worst.path, words, patient.likely, 0.6, numbers)
            return


def rectified(patient: Patient, path: str) -> bool:
    return any(part.path == path and part.curve in RECTIFIED for part in patient.structure.hidden)


def saturating(patient: Patient) -> Iterator[Sign]:
    """Hidden sigmoids and tanh on their flat parts, or so many of them that little blame comes through."""
    hidden = [part for part in patient.structure.hidden if part.curve in SQUASHING]
    if not hidden or not patient.sick:
        return
    flat = {layer.path: layer.flat or 0.0 for layer in (patient.at_start.curves if patient.at_start else ())}
    path, share = max(((part.path, flat.get(part.path, 0.0)) for part in hidden), key=lambda item: item[1])
    stack = float(np.prod([STEEPEST.get(part.curve or "", 1.0) for part in hidden]))
    other = "relu inside" if hidden[0].curve == "tanh" else "tanh inside"
    if share > 0.3:
        words = phrase(
            "{part:.0%} of its outputs are on the flat part of {curve} at the start", part=share, curve=hidden[0].curve
        )
        yield Sign(path, words, patient.likely, max(patient.gain(other), 0.5), inputs_of(patient, path, flat))
    elif stack < 0.05 or len(hidden) >= 4:
        gain = patient.gain(other)
        weak = patient.at_start is not None and patient.stuck and relative_blame(patient.at_start) < 0.05
        if gain > 0.2 or stack < 1e-3 or weak:
            most = STEEPEST.get(hidden[0].curve or "", 1.0)
            words = phrase(
                "{n} layers of {curve}, each of which passes on at most {most:.2g} of the blame",
                n=len(hidden),
                curve=hidden[0].curve,
                most=most,
            )
            yield Sign(hidden[0].path, words, patient.likely, max(gain, 0.6), inputs_of(patient, hidden[0].path, flat))


def inputs_of(patient: Patient, path: str, flat: dict[str, float]) -> dict[str, Any]:
    """Where the units of a layer lie on their curve at the start, for the picture."""
    curve = next(part.curve for part in patient.structure.hidden if part.path == path)
    seen = patient.at_start.curves if patient.at_start else ()
    z = next((layer.z for layer in seen if layer.path == path), ())
    return {"flat": flat} | ({"z": z, "curve": curve} if z else {})


SIGNAL_RULES: tuple[Rule, ...] = (
    Rule(
        "HID_ACT_MISSING", phrase("no curve between layers"), "static", no_curve_between,
        phrase("(x W₁ + b₁) W₂ + b₂ = x (W₁ W₂) + …: layers without a curve between them are one linear layer."),
        phrase("Put a ReLU behind every hidden layer."),
        phrase("by the formula"),
        ("curves between",),
    ),
    Rule(
        "HID_ACT_WRONG", phrase("unsuitable hidden activation"), "static", wrong_inside,
        phrase("exp has no bound on its slope, so signal and blame grow by a power tower; a hidden softmax ties its "
               "units."),
        phrase("Use relu or tanh in the hidden layers."),
        phrase("Zhang and others 2021, AutoTrainer, section 3"),
        ("relu inside", "tanh inside"),
    ),
    Rule(
        "EXPLODE", phrase("exploding signal"), "probe", not_finite,
        phrase("Each layer multiplies signal and blame; factors above one compound until float32 ends at 3e38."),
        phrase("Lower the learning rate, clip the gradient, use bounded activations and a start that keeps the "
               "variance."),
        phrase("Pascanu, Mikolov and Bengio 2013"),
        ("relu inside", "rate / 10", "fresh start", "standardise inputs"),
    ),
    Rule(
        "VANISH", phrase("vanishing blame"), "probe", vanishing,
        phrase("δ₀ = δ_L Π W f'(z): factors below one in every layer leave nothing for the first."),
        phrase("Use fewer layers, a ReLU or tanh with the initializer that suits it, Residual layers or "
               "normalization."),
        phrase("Glorot and Bengio 2010, section 4; He and others 2015"),
        ("tanh inside", "relu inside", "fresh start"),
    ),
    Rule(
        "DEAD_RELU", phrase("dead units"), "probe", dead,
        phrase("Where z < 0 for every row, max(0, z) and its slope are 0: no blame comes through and the unit stays "
               "as it is."),
        phrase("Lower the learning rate, use leaky_relu or He initialization, scale the inputs."),
        phrase("Lu and others 2020, Dying ReLU and initialization"),
        ("fresh start", "rate / 10", "tanh inside"),
    ),
    Rule(
        "HID_ACT_SAT", phrase("saturating hidden units"), "probe", saturating,
        phrase("σ' ≤ 1/4 and tanh' → 0 away from 0: the blame shrinks in every such layer."),
        phrase("Scale the inputs, start with smaller weights (Glorot), or use a ReLU."),
        phrase("Glorot and Bengio 2010, section 3"),
        ("tanh inside", "relu inside", "standardise inputs"),
    ),
)  # fmt: skip
