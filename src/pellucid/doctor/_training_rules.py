"""Rules on how a network is trained: rate, rule, length, batch, decay, width, and the scale of what it is given."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..language import phrase
from ..train import OPTIMIZERS
from ._measures import LINEAR, MODELS, noise_scale, one_batch, sharpness, simple_scores
from ._numbers import rates_of, scale_of
from ._patient import Patient
from ._rows import in_a_row
from ._rule import Rule, Sign, also
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
    words = phrase(
        "{rate:.2g}, where {usual:.2g} is usual for {optimizer}: {change} closes {gain:.0%} of the gap",
        rate=rate,
        usual=usual,
        optimizer=rule,
        change=said(name),
        gain=gain,
    )
    plain = is_plain(patient)
    if not low and plain and patient.at_start is not None and patient.at_start.finite:
        curved = sharpness(patient.net, patient.settings.loss, patient.some[0][:256], patient.some[1][:256])
        most = 2 / max(curved, 1e-9)
        more = phrase(
            "the largest curvature at the start is {curvature:.3g}, which takes steps of at most {most:.2g}",
            curvature=curved,
            most=most,
        )
        words = also(words, more)
    odd = rate < usual / 3 or (rate <= 3 * usual and (few_steps(patient) or plain)) if low else rate > 3 * usual
    sure = "likely" if far or broken or (gain > 0.35 and patient.stuck and odd) else "possible"
    numbers = {"rate": rate, "usual": usual} | rates_of(patient)
    if broken and far:
        sure, gain = "certain", max(gain, 0.9)
    yield Sign("learning rate", words, sure, gain if far else 0.8 * gain, numbers)


def said(name: str) -> str:
    if name == "default rate":
        return phrase("the usual rate")
    times, sign = name.split(" ")[2], name.split(" ")[1]
    return phrase("{n} times the rate", n=times) if sign == "×" else phrase("1/{n} of it", n=times)


def too_few_steps(patient: Patient) -> Iterator[Sign]:
    base = patient.base
    if base is None or not patient.sick or patient.outright or base.steps < patient.program.steps:
        return
    times = 5
    gain = patient.gain(f"epochs × {times}")
    if gain < HELPS and base.steps < 4000:
        times = 25
        gain = patient.gain(f"epochs × {times}")
    if gain < HELPS:
        return
    words = phrase(
        "{steps} steps in all; with {times} times as many {gain:.0%} of the gap closes",
        steps=base.steps,
        times=times,
        gain=gain,
    )
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
        words = phrase("with Adam at 0.01 the same steps close {gain:.0%} of the gap", gain=gain)
        yield Sign("optimizer", words, patient.likely, 0.5 * gain)


def decay(patient: Patient) -> Iterator[Sign]:
    settings = patient.settings
    if not settings.weight_decay and not settings.l1:
        return
    if patient.sick and (gain := patient.gain("no decay")) > HELPS:
        words = phrase(
            "weight_decay={decay:.2g}, l1={l1:.2g}: without it {gain:.0%} of the gap closes",
            decay=settings.weight_decay,
            l1=settings.l1,
            gain=gain,
        )
        yield Sign("weight decay", words, "likely", gain)


def dropped(patient: Patient) -> Iterator[Sign]:
    if patient.sick and not patient.outright and (gain := patient.gain("no dropout")) > 0.5:
        words = phrase("without dropout {gain:.0%} of the gap closes", gain=gain)
        yield Sign("dropout", words, patient.likely, 0.8 * gain)


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
    words = phrase("its {n} units are all that goes through", n=narrow)
    if narrow == 1:
        words = phrase("its 1 unit are all that goes through")
    if gain > 0.4:
        other = max(patient.gain("rate × 10"), patient.gain("rate × 100"), patient.gain("epochs × 5"))
        sure = patient.likely if narrow <= 2 and gain > other + 0.2 else "possible"
        words = also(words, phrase("with wider layers {gain:.0%} of the gap closes", gain=gain))
        yield Sign(path, words, sure, 0.6 * gain)
    elif narrow <= 1:
        yield Sign(path, words, "possible", 0.2)


def small_batch(patient: Patient) -> Iterator[Sign]:
    size = patient.settings.batch_size
    if not patient.sick or patient.outright or size >= 8 or patient.program.rows <= 64:
        return
    gain = patient.gain("batches of 32")
    if gain > 0.5:
        noise = noise_scale(patient.net, patient.settings.loss, patient.some[0][:256], patient.some[1][:256])
        words = phrase(
            "batches of {size}; a gradient of {noise:.0f} rows is half noise; with 32 {gain:.0%} of the gap closes",
            size=size,
            noise=noise,
            gain=gain,
        )
        yield Sign("batch", words, "possible", gain, {"noise": noise})


def overfitted(patient: Patient) -> Iterator[Sign]:
    """The held-out loss grew while the training loss fell."""
    held = [epoch.validation_loss for epoch in patient.history if epoch.validation_loss is not None]
    if len(held) < 8:
        return
    best = int(np.argmin(held))
    if held[-1] > 1.2 * held[best] and min(held[-3:]) > 1.05 * held[best] and len(held) - best > 3:
        words = phrase(
            "the validation loss was lowest, {low:.4g}, in epoch {epoch} and is {now:.4g} at the end",
            low=held[best],
            epoch=best + 1,
            now=held[-1],
        )
        numbers = {"held": held[:200], "loss": [epoch.loss for epoch in patient.history][:200]}
        yield Sign("training", words, "likely", 0.5, numbers)


def unlearned(patient: Patient) -> Iterator[Sign]:
    """Far less was learned than a plain network learns, or less than a model without any hidden unit."""
    if not patient.stuck or patient.task is None or patient.base is None:
        return
    simple = simple_scores(patient.sample, patient.task)
    batch = patient.run(one_batch(patient.sample), max(patient.steps, 300))
    told = [phrase("a plain network of two hidden layers reaches {score:.3g}", score=patient.best)]
    told += [phrase("{model} {score:.3g}", model=MODELS[name], score=score) for name, score in simple.items()]
    words = phrase(
        "{metric} {score:.3g}, where {others}",
        metric=phrase("accuracy") if patient.task.classification else "R²",
        score=patient.reached,
        others=in_a_row(told),
    )
    if batch is not None:
        more = phrase("on one batch of 32 rows, over and over, it reaches {score:.3g}", score=batch.score)
        words = also(words, more)
    below = patient.above(simple.get(LINEAR)) - patient.reached
    sure = "likely" if below > 0.3 * (1 - patient.trivial) else "possible"
    own = {phrase("the training").key: patient.reached, phrase("a plain network").key: patient.best}
    yield Sign("training", words, sure, 0.1, {"reached": own | simple} | scale_of(patient))


TRAINING_RULES: tuple[Rule, ...] = (
    Rule(
        "LR_HIGH", phrase("learning rate too high"), "probe", rate_too_high,
        phrase("A step beyond 2 / (largest curvature) goes up the other side of the valley."),
        phrase("Lower the learning rate, or learning_rate='find'."),
        phrase("LeCun and others 1998, section 4.5; Smith 2017"),
        ("rate / 10", "rate / 100", "rate / 3", "default rate"),
    ),
    Rule(
        "LR_LOW", phrase("learning rate too low"), "probe", rate_too_low,
        phrase("The way gone is rate × steps × slope: with a tiny rate the weights stay near their start."),
        phrase("Raise the learning rate, or learning_rate='find'."),
        phrase("Smith 2017, section 3.3"),
        ("rate × 10", "rate × 100", "rate × 3", "default rate"),
    ),
    Rule(
        "EPOCHS_LOW", phrase("too few updates"), "probe", too_few_steps,
        phrase("The loss is still falling where the training ends."),
        phrase("Train for more epochs, or with smaller batches."),
        phrase("by going on, measured"),
        ("epochs × 5", "epochs × 25"),
    ),
    Rule(
        "OPT", phrase("unsuitable optimizer"), "probe", unsuited_optimizer,
        phrase("One rate for all weights is too small for some and too large for others; Adam divides by each one's "
               "own size."),
        phrase("Use adam."),
        phrase("Kingma and Ba 2015"),
        ("adam", "adam at 0.01"),
    ),
    Rule(
        "REG", phrase("too much weight decay"), "probe", decay,
        phrase("λ w pulls every weight to 0 in every step: where λ outweighs the blame, all that is left is the bias."),
        phrase("Lower weight_decay."),
        phrase("by leaving it out, measured"),
        ("no decay",),
    ),
    Rule(
        "DROPOUT", phrase("too much dropout"), "probe", dropped,
        phrase("A unit kept with probability p adds noise of variance (1 − p) / p, which a narrow layer cannot "
               "average out."),
        phrase("Leave dropout out of narrow layers, or lower its rate."),
        phrase("Srivastava and others 2014"),
        ("no dropout",),
    ),
    Rule(
        "CAPACITY", phrase("too narrow"), "probe", too_narrow,
        phrase("All that later layers know goes through the narrowest one."),
        phrase("Use wider hidden layers."),
        phrase("by widening, measured"),
        ("wider",),
    ),
    Rule(
        "BATCH", phrase("very small batches"), "probe", small_batch,
        phrase("The noise of a step falls with √rows."),
        phrase("Use batches of 32 rows."),
        phrase("Keskar and others 2017; measured"),
        ("batches of 32",),
    ),
    Rule(
        "EPOCHS_HIGH", phrase("overfitting"), "probe", overfitted,
        phrase("The network goes on fitting what is particular to its training rows, and gets worse on others."),
        phrase("Use early_stop=5, dropout, weight_decay, or fewer units."),
        phrase("Prechelt 1998, Early stopping, but when?"),
        (), stands=True,
    ),
    Rule(
        "UNDERFIT", phrase("less than a plain network learns"), "probe", unlearned,
        phrase("What can be learned from these rows was not."),
        phrase("Ask .prescribe() to try changes."),
        phrase("by a plain network, measured"),
    ),
)  # fmt: skip
