"""What was learned, in words for somebody who has never trained a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..train import Evaluation
from ._baselines import Baseline, Verdict

if TYPE_CHECKING:
    from ._story import Facts


def title_of(facts: Facts) -> str:
    """What is predicted from what."""
    return f"{facts.target} from {given_to(facts)}"


def given_to(facts: Facts) -> str:
    """What the network is given for each row."""
    if facts.shape and facts.kind == "image":
        high, wide, channels = facts.shape
        return f"images of {high} × {wide} pixels" + (" in colour" if channels == 3 else "")
    if facts.shape and facts.kind == "sequence":
        return f"sequences of up to {counted(facts.shape[0], 'step')}"
    return counted(facts.columns, facts.kind)


def sentence(
    facts: Facts,
    evaluation: Evaluation,
    baselines: dict[str, Baseline],
    verdicts: tuple[Verdict, ...],
    held_out: bool,
) -> str:
    """One or two sentences: what the network does, how well, and whether something simpler would do."""
    where = "rows it had never seen" if held_out else "rows it learned from"
    simple, *linear = baselines.values()
    given, own = f"Given {given_to(facts)}, the network", evaluation.metrics
    if evaluation.task == "classification":
        right, guess = (f"{100 * values['accuracy']:.1f} of 100" for values in (own, simple.metrics))
        what = f"tells which of {len(evaluation.classes)} values {facts.target} has, and is right for {right} {where}"
        first = f"{given} {what}; always giving the most frequent answer would be right for {guess}."
    else:
        off, guess = (f"{values['mae']:.3g}" for values in (own, simple.metrics))
        what = f"predicts {facts.target} and is off by {off} on average, on {where}"
        first = f"{given} {what}; always giving the mean would be off by {guess}."
    return f"{first} {against(verdicts[1], evaluation.n) if linear else ''}".strip()


def against(verdict: Verdict, n: int) -> str:
    """How it stands beside the linear model."""
    points = verdict.metric == "accuracy"
    scale, unit, close = (100, " of 100 rows", 3.0) if points else (1, " in r²", 0.05)
    gain, reach = abs(verdict.gain) * scale, max(-verdict.low, verdict.high) * scale
    model, size = f"a {verdict.baseline}, a simpler model,", f"{gain:.{1 if points else 3}f}{unit}"
    if not np.isfinite(verdict.gain):
        return f"It cannot be compared with {model} as its answers are not finite."
    if verdict.answer == "better":
        return f"It is better than {model} by {size}."
    if verdict.answer == "worse":
        return f"It is worse than {model} by {size}: use that one, or train longer."
    if reach <= close:
        return f"{model.capitalize()} does as well: the difference of {size} is within chance."
    side = "ahead of" if verdict.gain > 0 else "behind"
    return f"It is {size} {side} {model} but {n:,} rows are too few to tell that from chance."


def counted(n: int, what: str) -> str:
    return f"{n:,} {what}" + ("" if n == 1 else "s")
