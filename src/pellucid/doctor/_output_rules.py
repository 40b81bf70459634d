"""Rules on the end of a network: output activation, loss and targets must speak of the same thing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..language import phrase
from ._numbers import answers_of
from ._patient import Patient
from ._rule import Rule, Sign, mismatch
from ._structure import RECTIFIED, last_units
from ._task import flat

PROBABILITIES = ("sigmoid", "softmax", "hard_sigmoid")
UNREACHABLE = 0.02  # of the targets' variance: less is a rounding of the range


def softmax_of_one(patient: Patient) -> Iterator[Sign]:
    found = patient.structure
    if found.output_curve == "softmax" and last_units(found) == 1:
        words = phrase("exp(z) / exp(z) = 1 for its one unit, whatever z is")
        yield Sign(found.output_path, words, "certain", 1.0, {"constant": 1.0})


def outputs_against_classes(patient: Patient) -> Iterator[Sign]:
    task, units = patient.task, patient.n_outputs
    if task is None or not units:
        return
    where = patient.structure.weighted[-1].path if patient.structure.weighted else ""
    if task.kind in ("labels", "one-hot", "bits") and task.classes > 2 and units < task.classes:
        words = phrase("{n} outputs for {classes} classes", n=units, classes=task.classes)
        if units == 1:
            words = phrase("1 output for {classes} classes", classes=task.classes)
        yield Sign(where, words, "certain", 1.0, {"outputs": units, "classes": task.classes})
    elif task.kind == "numbers":
        y = flat(np.asarray(patient.y))
        columns = y.shape[-1] if y.ndim >= len(patient.output_shape or ()) and y.ndim > 1 else 1
        if columns != units and patient.criterion.row != "gaussian_nll":
            words = phrase("{n} outputs for {targets} targets a row", n=units, targets=columns)
            if columns == 1:
                words = phrase("{n} outputs for 1 target a row", n=units)
            yield Sign(where, words, "certain", 1.0, {"outputs": units, "classes": columns})


def unreachable_targets(patient: Patient) -> Iterator[Sign]:
    """The part of the targets' variance that lies outside the range of the output activation."""
    task, found = patient.task, patient.structure
    low, high = found.output_range
    if task is None or not patient.has_rows or not (np.isfinite(low) or np.isfinite(high)):
        return
    y = np.asarray(patient.y, float)
    numbers = {"low": low, "high": high, "targets": spread_out(y)}
    if task.kind == "numbers":
        share = beyond(y, low, high, found.output_curve == "softmax" and y.ndim > 1 and y.shape[-1] > 1)
        if share > UNREACHABLE:
            known = {
                "curve": found.output_curve, "range": interval(low, high), "targets": interval(y.min(), y.max())
            }  # fmt: skip
            words = phrase(
                "{curve} gives {range}, the targets lie in {targets}: no R² above {r2:.2f} by any weights",
                **known,
                r2=1 - share,
            )
            if share <= 1:
                words = phrase(
                    "{curve} gives {range}, the targets lie in {targets}: {part:.0%} of their variance cannot be "
                    "reached by any weights",
                    **known,
                    part=share,
                )
            yield Sign(found.output_path, words, "certain", min(1.0, share), numbers | {"share": share})
            return
    if found.output_curve in RECTIFIED and patient.sick and not patient.criterion.exclusive:
        silent = flat_rows(patient)
        if silent > 0.05:
            words = phrase(
                "{curve} of the output is 0 with slope 0 on {part:.0%} of the rows, which teach nothing",
                curve=found.output_curve,
                part=silent,
            )
            yield Sign(found.output_path, words, "likely", max(silent, patient.gain("free output")), numbers)
        elif (gain := patient.gain("suited output")) > 0.3:
            words = phrase(
                "without {curve} behind it the output closes {gain:.0%} of the gap", curve=found.output_curve, gain=gain
            )
            yield Sign(found.output_path, words, "likely", gain, numbers)


def beyond(y: np.ndarray, low: float, high: float, simplex: bool) -> float:
    """`Σ (y − nearest reachable)² / Σ (y − ȳ)²`."""
    spread = np.square(y - y.mean(0)).sum()
    missed = np.square(y - np.clip(y, low, high)).sum()
    if simplex:  # the outputs sum to 1: the sum of the targets is missed by at least this
        missed = max(missed, float((np.square(y.sum(-1) - 1) / y.shape[-1]).sum()))
    return float(missed / spread) if spread else 0.0


def interval(low: float, high: float) -> str:
    left = "(−∞" if np.isinf(low) else f"[{low:.4g}"
    right = "∞)" if np.isinf(high) else f"{high:.4g}]"
    return f"{left}, {right}"


def spread_out(y: np.ndarray) -> list[float]:
    """At most 200 of the targets, from the smallest to the largest."""
    ordered = np.sort(np.ravel(y))
    return ordered[np.linspace(0, len(ordered) - 1, min(len(ordered), 200)).astype(int)].tolist()


def flat_rows(patient: Patient) -> float:
    """The share of rows on which a rectified output is 0 in every unit, at the end of the training."""
    if patient.at_end is None:
        return 0.0
    z = patient.at_end.outputs
    return float((z <= 0).reshape(len(z), -1).all(1).mean())


def output_against_loss(patient: Patient) -> Iterator[Sign]:
    """The pairs of output activation and loss that do not fit."""
    task, found, criterion = patient.task, patient.structure, patient.criterion
    if task is None or criterion.row is None:
        return
    curve, where = found.output_curve, found.output_path
    several = patient.n_outputs > 1
    words, sure = "", False
    if task.classification and criterion.wants == "probabilities" and curve not in PROBABILITIES:
        sure = True
        words = phrase(
            "the loss takes probabilities and clips what is outside (0, 1); {curve} gives {range}",
            curve=curve,
            range=interval(*found.output_range),
        )
    elif task.classification and criterion.wants == "logits" and curve in (*PROBABILITIES, "log_softmax"):
        words = phrase(
            "the loss applies its own {link} to what {curve} has squashed already",
            link=criterion_link(criterion),
            curve=curve,
        )
    elif task.classification and criterion.exclusive and several and curve in ("sigmoid", "hard_sigmoid"):
        words = phrase(
            "{curve} judges every class by itself, and the loss wants them to share 1 between them", curve=curve
        )
    elif task.kind == "bits" and curve == "softmax":
        words = phrase("softmax shares 1 between the outputs, and several targets of a row are 1 at once")
    elif task.kind in ("one-hot", "labels") and several and curve == "sigmoid" and not criterion.exclusive:
        words = phrase(
            "{n} sigmoids with {loss}, for classes of which only one is right", n=patient.n_outputs, loss=criterion.row
        )
    elif task.classification and criterion.wants == "numbers" and curve in ("identity", *RECTIFIED):
        words = phrase(
            "{curve} outputs are drawn to 0 and 1 by {loss}, and nothing keeps them between",
            curve=curve,
            loss=criterion.row,
        )
    if words:
        yield judged(patient, where, words, "suited output", sure)


def criterion_link(criterion) -> str:
    return "softmax" if criterion.exclusive else "sigmoid"


def judged(patient: Patient, where: str, words: str, change: str, sure: bool = False) -> Sign:
    """A mismatch: an alarm where the training is sick and the mismatch alone costs enough for that, else harmless."""
    if sure and patient.base is None:
        return Sign(where, words, "certain", 0.9)
    numbers = answers_of(patient)
    if not patient.sick:
        return mismatch(patient, where, words, numbers)
    gain = patient.gain(change) if sure else patient.share(change)
    if sure:
        return Sign(where, words, "certain", max(gain, 0.9), numbers)
    if patient.costs(gain):
        closes = phrase("{words}; without it {gain:.0%} of the gap closes", words=words, gain=gain)
        return Sign(where, closes, "likely", gain, numbers)
    return Sign(where, words, patient.likely, 0.3 if patient.stuck else gain, numbers)


def loss_against_task(patient: Patient) -> Iterator[Sign]:
    task, criterion = patient.task, patient.criterion
    if task is None or criterion.row is None:
        return
    if task.kind == "numbers" and criterion.classifies:
        y = np.asarray(patient.y, float)
        inside = y.min() >= 0 and y.max() <= 1
        words = phrase(
            "{loss} is for classes, the targets are numbers in {range}",
            loss=criterion.row,
            range=interval(y.min(), y.max()),
        )
        if inside:
            yield judged(patient, "loss", words, "suited output")
        else:
            yield Sign("loss", words, "certain", 0.95)
    elif task.classification and criterion.wants == "numbers":
        words = phrase(
            "{loss} on classes: a wrong answer given surely teaches little, for σ is flat there", loss=criterion.row
        )
        yield judged(patient, "loss", words, "suited output")
    elif task.kind in ("one-hot", "labels") and patient.n_outputs > 1 and criterion.row and "binary" in criterion.row:
        words = phrase("{loss} for classes of which only one is right", loss=criterion.row)
        yield judged(patient, "loss", words, "suited output")


def reduction(patient: Patient) -> Iterator[Sign]:
    criterion = patient.criterion
    if criterion.reduction == "sum" and criterion.times > 1.5:
        gain = patient.gain("plain mean")
        words = phrase(
            "it is {times:.4g} times the mean of its terms: every step grows with the batch", times=criterion.times
        )
        yield Sign("loss", words, "certain", max(gain, 0.6)) if patient.sick else mismatch(patient, "loss", words)
    elif criterion.times < 0:
        words = phrase("it is {times:.3g} times {loss}: its sign is turned", times=criterion.times, loss=criterion.row)
        yield Sign("loss", words, "certain", 1.0)


def broadcasting(patient: Patient) -> Iterator[Sign]:
    if patient.criterion.reduction == "broadcast":
        n = patient.settings.batch_size
        words = phrase(
            "outputs ({n}, 1) beside targets ({n},) are ({n}, {n}): every answer is held to all rows' targets", n=n
        )
        yield Sign("loss", words, "certain", 1.0)


OUTPUT_RULES: tuple[Rule, ...] = (
    Rule(
        "OUT_SOFTMAX1", phrase("softmax over one unit"), "static", softmax_of_one,
        phrase("softmax(z)_i = exp(z_i) / Σ exp(z_j): with one unit it is 1, its slope is 0, and no blame comes "
               "through."),
        phrase("Use a sigmoid there (or none, with binary_cross_entropy on the logit); for numbers, no activation."),
        phrase("Bridle 1990; by the formula"),
        ("suited output",),
    ),
    Rule(
        "OUT_UNITS", phrase("outputs against targets"), "static", outputs_against_classes,
        phrase("Each class, and each target of a row, needs an output of its own; one too few cannot tell them apart."),
        phrase("Give the last layer as many units as there are classes (or targets in a row)."),
        phrase("by counting"),
        ("suited output",),
    ),
    Rule(
        "OUT_ACT_RANGE", phrase("targets out of reach"), "static", unreachable_targets,
        phrase("The output is f(z): no weights reach a target outside f's range, and the loss is at least Σ (y − "
               "clip(y))²."),
        phrase("Leave the last activation out for numbers, or scale the targets into its range."),
        phrase("by the range of f; Goodfellow, Bengio and Courville 2016, section 6.2.2"),
        ("suited output", "free output"),
    ),
    Rule(
        "OUT_ACT_LOSS", phrase("output activation against loss"), "static", output_against_loss,
        phrase("A loss is made for one kind of output: its blame is p − y where p is the link that it was made for."),
        phrase("Let the last layer give its own numbers and use the loss on logits: cross_entropy or "
               "binary_cross_entropy."),
        phrase("Bishop 2006, section 4.3.6 (canonical links)"),
        ("suited output",),
    ),
    Rule(
        "LOSS", phrase("loss against task"), "static", loss_against_task,
        phrase("With squared error on σ(z) the blame is 2 (σ − y) σ', and σ' is 0 where σ is surely wrong; "
               "cross-entropy divides it out. For numbers a cross-entropy has no minimum at y."),
        phrase("Use cross_entropy or binary_cross_entropy for classes, squared_error (or huber) for numbers."),
        phrase("Bishop 2006, sections 5.2 and 4.3.2"),
        ("suited output",),
    ),
    Rule(
        "LOSS_REDUCTION", phrase("sum in place of mean"), "static", reduction,
        phrase("The blame of a sum over n rows is n times that of the mean, and so is every step."),
        phrase("Take the mean over the rows."),
        phrase("by the ratio to the table's own loss, measured"),
        ("plain mean",),
    ),
    Rule(
        "LOSS_BROADCAST", phrase("targets broadcast against outputs"), "static", broadcasting,
        phrase("(n, 1) − (n,) is (n, n): the mean over it is least where every output is the mean of all targets."),
        phrase("Give targets the shape of the outputs: y[:, None]."),
        phrase("by the ratio to the loss of every pair, measured"),
        ("plain mean",), stands=True,
    ),
)  # fmt: skip
