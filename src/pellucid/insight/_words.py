"""What was learned, in words for somebody who has never trained a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..language import phrase
from ..train import Evaluation
from ._baselines import Baseline, Verdict

if TYPE_CHECKING:
    from ._story import Facts


def title_of(facts: Facts) -> str:
    """What is predicted from what."""
    return phrase("{target} from {given}", target=facts.target, given=given_to(facts))


def given_to(facts: Facts) -> str:
    """What the network is given for each row."""
    if facts.shape and facts.kind == "image":
        high, wide, channels = facts.shape
        if channels == 3:
            return phrase("images of {high} × {wide} pixels in colour", high=high, wide=wide)
        return phrase("images of {high} × {wide} pixels", high=high, wide=wide)
    if facts.shape and facts.kind == "sequence":
        n = facts.shape[0]
        return phrase("sequences of up to 1 step") if n == 1 else phrase("sequences of up to {n:,} steps", n=n)
    n = facts.columns
    if facts.kind == "column":
        return phrase("1 column") if n == 1 else phrase("{n:,} columns", n=n)
    if facts.kind == "image":
        return phrase("1 image") if n == 1 else phrase("{n:,} images", n=n)
    return phrase("1 input") if n == 1 else phrase("{n:,} inputs", n=n)


def sentence(
    facts: Facts,
    evaluation: Evaluation,
    baselines: dict[str, Baseline],
    verdicts: tuple[Verdict, ...],
    held_out: bool,
) -> str:
    """One or two sentences: what the network does, how well, and whether something simpler would do."""
    simple, *linear = baselines.values()
    own, guess = evaluation.metrics, simple.metrics
    where = phrase("rows it had never seen") if held_out else phrase("rows it learned from")
    known = {"given": given_to(facts), "target": facts.target, "where": where}
    if evaluation.task == "classification":
        first = phrase(
            "Given {given}, the network tells which of {n} values {target} has, and is right for {right:.1f} of 100 "
            "{where}; always giving the most frequent answer would be right for {guess:.1f} of 100.",
            **known,
            n=len(evaluation.classes),
            right=100 * own["accuracy"],
            guess=100 * guess["accuracy"],
        )
    else:
        first = phrase(
            "Given {given}, the network predicts {target} and is off by {off:.3g} on average, on {where}; always "
            "giving the mean would be off by {guess:.3g}.",
            **known,
            off=own["mae"],
            guess=guess["mae"],
        )
    if not linear:
        return first
    return phrase("{first} {second}", first=first, second=against(verdicts[1], evaluation.n))


def against(verdict: Verdict, n: int) -> str:
    """How it stands beside the linear model."""
    points = verdict.metric == "accuracy"
    scale, close = (100, 3.0) if points else (1, 0.05)
    gain, reach = abs(verdict.gain) * scale, max(-verdict.low, verdict.high) * scale
    model = phrase("linear regression") if verdict.baseline == "linear regression" else phrase("logistic regression")
    if not np.isfinite(verdict.gain):
        return phrase(
            "It cannot be compared with a {model}, a simpler model, as its answers are not finite.", model=model
        )
    size = phrase("{gain:.1f} of 100 rows", gain=gain) if points else phrase("{gain:.3f} in r²", gain=gain)
    if verdict.answer == "better":
        return phrase("It is better than a {model}, a simpler model, by {size}.", model=model, size=size)
    if verdict.answer == "worse":
        return phrase(
            "It is worse than a {model}, a simpler model, by {size}: use that one, or train longer.",
            model=model,
            size=size,
        )
    if reach <= close:
        return phrase(
            "A {model}, a simpler model, does as well: the difference of {size} is within chance.",
            model=model,
            size=size,
        )
    known = {"model": model, "size": size, "n": n}
    if verdict.gain > 0:
        return phrase(
            "It is {size} ahead of a {model}, a simpler model, but {n:,} rows are too few to tell that from chance.",
            **known,
        )
    return phrase(
        "It is {size} behind a {model}, a simpler model, but {n:,} rows are too few to tell that from chance.", **known
    )
