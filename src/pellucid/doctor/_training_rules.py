"""Rules on how a network is trained: rate, rule, length, batch, decay, width, and the scale of what it is given."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..train import OPTIMIZERS
from ._measures import noise_scale, one_batch, sharpness, simple_scores
from ._numbers import rates_of
from ._patient import Patient
from ._rule import Rule, Sign
from ._structure import structure as structure

USUAL = 20.0  # a rate this many times above or below the optimizer's own is out of its range
MOST_PLAIN = 100.0
FEW_STEPS, VERY_FEW_STEPS = 500, 30
PLAIN = ("sgd", "momentum", "nesterov")  # one rate for all weights
HELPS = 0.25  # of the gap


def usual_rate(patient: Patient) -> float | None:
    rule = patient.settings.optimizer
    return OPTIMIZERS[rule][1] if isinstance(rule, str) else None


def is_plain(patient: Patient) -> bool:
    """Whether all weights share one rate, with or without momentum, as in "nesterov(0.9)"."""
    rule = patient.settings.optimizer
    return isinstance(rule, str) and rule.partition("(")[0] in PLAIN


def rate_too_low(patient: Patient) -> Iterator[Sign]:
    yield from rate_sign(patient, ("rate × 10", "rate × 100"), low=True)


def rate_too_high(patient: Patient) -> Iterator[Sign]:
    yield from rate_sign(patient, ("rate / 10", "rate / 100"), low=False)


def rate_sign(patient: Patient, names: tuple[str, ...], *, low: bool) -> Iterator[Sign]:
    usual = usual_rate(patient)
    if usual is None or patient.base is None or patient.outright:
        return
    rate = patient.settings.rate()
    most = MOST_PLAIN if is_plain(patient) else USUAL  # without Adam's division rates differ more
    far = rate / usual < 1 / most if low else rate / usual >= most
    if not patient.sick:
        return
    gain, name = max((patient.gain(name), name) for name in (*names, *(("default rate",) if far else ())))
    broken = not low and not patient.base.finite
    if gain < HELPS and not (broken and far):
        return
    rule = patient.settings.optimizer
    words = f"{rate:.2g}, where {usual:.2g} is usual for {rule}: {said(name)} closes {gain:.0%} of the gap"
    plain = is_plain(patient)
    if not low and plain and patient.at_start is not None and patient.at_start.finite:
        curved = sharpness(patient.net, patient.settings.loss, patient.some[0][:256], patient.some[1][:256])
        most = 2 / max(curved, 1e-9)
        words += f"; the largest curvature at the start is {curved:.3g}, which takes steps of at most {most:.2g}"
    odd = rate < usual / 3 or (rate <= 3 * usual and (few_steps(patient) or plain)) if low else rate > 3 * usual
    sure = "likely" if far or broken or (gain > 0.35 and patient.stuck and odd) else "possible"
    numbers = {"rate": rate, "usual": usual} | rates_of(patient)
    if broken and far:
        sure, gain = "certain", max(gain, 0.9)
    yield Sign("learning rate", words, sure, gain if far else 0.8 * gain, numbers)


def said(name: str) -> str:
    if name == "default rate":
        return "the usual rate"
    times, sign = name.split(" ")[2], name.split(" ")[1]
    return f"{times} times the rate" if sign == "×" else f"1/{times} of it"


def too_few_steps(patient: Patient) -> Iterator[Sign]:
    base = patient.base
    if base is None or not patient.sick or patient.outright or base.steps < patient.program.steps:
        return
    times = 5
    gain = patient.gain(times=times)
    if gain < HELPS and base.steps < 4000:
        times = 25
        gain = patient.gain(times=times)
    if gain < HELPS:
        return
    words = f"{base.steps} steps in all; with {times} times as many {gain:.0%} of the gap closes"
    hardly = patient.program.steps < VERY_FEW_STEPS
    sure = "likely" if few_steps(patient) and (patient.stuck or hardly) and patient.learns(times) else "possible"
    yield Sign("training", words, sure, 0.7 * gain, {"losses": base.losses.tolist()[:200]})


def few_steps(patient: Patient) -> bool:
    return patient.program.steps < FEW_STEPS or patient.settings.epochs <= 5


def unsuited_optimizer(patient: Patient) -> Iterator[Sign]:
    if not patient.sick or patient.outright or not is_plain(patient):
        return
    gain = patient.share("adam at 0.01")
    if gain > 0.5 and gain > 1.5 * max(patient.gain(n) for n in ("rate × 10", "rate × 100", "rate / 10")):
        words = f"with Adam at 0.01 the same steps close {gain:.0%} of the gap"
        yield Sign("optimizer", words, patient.likely, 0.5 * gain)


def decay(patient: Patient) -> Iterator[Sign]:
    settings = patient.settings
    if not settings.weight_decay and not settings.l1:
        return
    if patient.sick and (gain := patient.gain("no decay")) > HELPS:
        words = (
            f"weight_decay={settings.weight_decay:.2g}, l1={settings.l1:.2g}: without it {gain:.0%} of the gap closes"
        )
        yield Sign("weight decay", words, "likely", gain)


def dropped(patient: Patient) -> Iterator[Sign]:
    if patient.sick and not patient.outright and (gain := patient.gain("no dropout")) > 0.5:
        yield Sign("dropout", f"without dropout {gain:.0%} of the gap closes", patient.likely, 0.8 * gain)


def too_narrow(patient: Patient) -> Iterator[Sign]:
    """Hidden layers narrower than what has to go through them."""
    units = [part.weight.shape[1] for part in patient.structure.weighted[:-1] if part.weight is not None]
    if not units or not patient.sick:
        return
    narrow = min(units)
    path = patient.structure.weighted[units.index(narrow)].path
    if narrow > 8:
        return
    gain = patient.gain("wider")
    words = f"its {narrow} unit{'s' * (narrow > 1)} are all that goes through"
    if gain > 0.4:
        other = max(patient.gain("rate × 10"), patient.gain("rate × 100"), patient.gain(times=5))
        sure = patient.likely if narrow <= 2 and gain > other + 0.2 else "possible"
        yield Sign(path, f"{words}; with wider layers {gain:.0%} of the gap closes", sure, 0.6 * gain)
    elif narrow <= 1:
        yield Sign(path, words, "possible", 0.2)


def small_batch(patient: Patient) -> Iterator[Sign]:
    size = patient.settings.batch_size
    if not patient.sick or patient.outright or size >= 8 or patient.program.rows <= 64:
        return
    gain = patient.gain("batches of 32")
    if gain > 0.5:
        noise = noise_scale(patient.net, patient.settings.loss, patient.some[0][:256], patient.some[1][:256])
        words = f"batches of {size}; a gradient of {noise:.0f} rows is half noise; with 32 {gain:.0%} of the gap closes"
        yield Sign("batch", words, "possible", gain, {"noise": noise})


def overfitted(patient: Patient) -> Iterator[Sign]:
    """The held-out loss grew while the training loss fell."""
    held = [epoch.validation_loss for epoch in patient.history if epoch.validation_loss is not None]
    if len(held) < 8:
        return
    best = int(np.argmin(held))
    if held[-1] > 1.2 * held[best] and min(held[-3:]) > 1.05 * held[best] and len(held) - best > 3:
        words = (
            f"the validation loss was lowest, {held[best]:.4g}, in epoch {best + 1} and is {held[-1]:.4g} at the end"
        )
        numbers = {"held": held[:200], "loss": [epoch.loss for epoch in patient.history][:200]}
        yield Sign("training", words, "likely", 0.5, numbers)


def unlearned(patient: Patient) -> Iterator[Sign]:
    """Far less was learned than a plain network learns, or less than a model without any hidden unit."""
    if not patient.stuck or patient.task is None or patient.base is None:
        return
    simple = simple_scores(patient.sample, patient.task)
    batch = patient.run(one_batch(patient.sample), max(patient.base.steps, 300))
    told = [f"a plain network of two hidden layers reaches {patient.best:.3g}"]
    told += [f"{name} {score:.3g}" for name, score in simple.items()]
    words = f"{patient.task.words} {patient.reached:.3g}, where {', '.join(told)}"
    if batch is not None:
        words += f"; on one batch of 32 rows, over and over, it reaches {batch.score:.3g}"
    below = patient.above(simple.get("a linear model")) - patient.reached
    sure = "likely" if below > 0.3 * (1 - patient.trivial) else "possible"
    scores = {"reached": {"the training": patient.reached, "a plain network": patient.best} | simple}
    yield Sign("training", words, sure, 0.1, scores)


TRAINING_RULES: tuple[Rule, ...] = (
    Rule(
        "LR_HIGH", "learning rate too high", "probe", rate_too_high,
        "A step beyond 2 / (largest curvature) goes up the other side of the valley.",
        "Lower the learning rate, or learning_rate='find'.", "LeCun and others 1998, section 4.5; Smith 2017",
        ("rate / 10", "rate / 100", "rate / 3", "default rate"),
    ),
    Rule(
        "LR_LOW", "learning rate too low", "probe", rate_too_low,
        "The way gone is rate × steps × slope: with a tiny rate the weights stay near their start.",
        "Raise the learning rate, or learning_rate='find'.", "Smith 2017, section 3.3",
        ("rate × 10", "rate × 100", "rate × 3", "default rate"),
    ),
    Rule(
        "EPOCHS_LOW", "too few updates", "probe", too_few_steps,
        "The loss is still falling where the training ends.", "Train for more epochs, or with smaller batches.",
        "by going on, measured", ("epochs × 5", "epochs × 25"),
    ),
    Rule(
        "OPT", "unsuitable optimizer", "probe", unsuited_optimizer,
        "One rate for all weights is too small for some and too large for others; Adam divides by each one's own size.",
        "Use adam.", "Kingma and Ba 2015", ("adam", "adam at 0.01"),
    ),
    Rule(
        "REG", "too much weight decay", "probe", decay,
        "λ w pulls every weight to 0 in every step: where λ outweighs the blame, all that is left is the bias.",
        "Lower weight_decay.", "by leaving it out, measured", ("no decay",),
    ),
    Rule(
        "DROPOUT", "too much dropout", "probe", dropped,
        "A unit kept with probability p adds noise of variance (1 − p) / p, which a narrow layer cannot average out.",
        "Leave dropout out of narrow layers, or lower its rate.", "Srivastava and others 2014", ("no dropout",),
    ),
    Rule(
        "CAPACITY", "too narrow", "probe", too_narrow,
        "All that later layers know goes through the narrowest one.", "Use wider hidden layers.",
        "by widening, measured", ("wider",),
    ),
    Rule(
        "BATCH", "very small batches", "probe", small_batch,
        "The noise of a step falls with √rows.", "Use batches of 32 rows.", "Keskar and others 2017; measured",
        ("batches of 32",),
    ),
    Rule(
        "EPOCHS_HIGH", "overfitting", "probe", overfitted,
        "The network goes on fitting what is particular to its training rows, and gets worse on others.",
        "Use early_stop=5, dropout, weight_decay, or fewer units.", "Prechelt 1998, Early stopping, but when?",
        (), stands=True,
    ),
    Rule(
        "UNDERFIT", "less than a plain network learns", "probe", unlearned,
        "What can be learned from these rows was not.", "Ask .prescribe() to try changes.",
        "by a plain network, measured", ("suited output", "adam at 0.01", "standardise inputs"),
    ),
)  # fmt: skip
