"""The doctor during training: what the watch saw, read epoch by epoch, and what can be mended on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import jax
import numpy as np

from ..language import Phrase, phrase
from ..module import Layer
from ..train import Data, Epoch, Mended, Settings, everything
from ._diagnosis import static_findings
from ._finding import Finding
from ._numbers import MOST
from ._program import Program
from ._revive import revived

DEAD = 0.95  # of a layer's outputs that are exactly zero
History = Sequence[Epoch]
Evidence = tuple[str, str, dict[str, Any]]  # where, the numbers in words, and those for a picture


@dataclass(frozen=True)
class LiveRule:
    """One row: what to look for in the epochs so far, the mechanism behind it, the cure, and what mends it on the way.

    `mend` is "rate" (a tenth of the rate), "revive" (dead units drawn anew), or "" where nothing is done by itself.
    """

    code: str
    name: Phrase
    look: Callable[[History, Settings], Evidence | None]
    mechanism: Phrase
    cure: Phrase
    source: Phrase
    mend: str = ""


def dead_units(history: History, settings: Settings) -> Evidence | None:
    """All of a layer's activations are exactly zero, or nearly all in two looks running."""
    for path, seen, before in last_two_looks(history):
        if seen.saturated is not None and (seen.zero == 1 or (before and min(seen.zero, before.zero) > DEAD)):
            zero = {at: look.zero for at, look, _ in last_two_looks(history) if look.saturated is not None}
            numbers = {"dead": list(zero.values()), "paths": list(zero)}
            return path, phrase("{part:.0%} of its outputs are exactly zero", part=seen.zero), numbers
    return None


def saturated_units(history: History, settings: Settings) -> Evidence | None:
    """Most of a smooth activation's outputs sit where its slope is under a hundredth of the steepest."""
    for path, seen, before in last_two_looks(history):
        flat = seen.saturated or 0
        if before and seen.zero < 0.5 and min(flat, before.saturated or 0) > 0.8:
            shares = {at: look.saturated for at, look, _ in last_two_looks(history) if look.saturated is not None}
            words = phrase("{part:.0%} of its outputs are on the flat part of the curve", part=flat)
            return path, words, {"flat": shares}
    return None


def vanishing_blame(history: History, settings: Settings) -> Evidence | None:
    """The error signal at the first layer with weights is a millionth of that at the last; no layer is dead."""
    watch = history[-1].watch
    if len(watch) < 3 or any(seen.saturated is not None and seen.zero > DEAD for seen in watch.values()):
        return None
    layers = list(watch.items())
    first, low = next((item for item in layers if item[1].gradient_ratio is not None), layers[0])
    last, high = layers[-1]
    if low.blame_variance < 1e-12 * high.blame_variance:
        ratio = (low.blame_variance / high.blame_variance) ** 0.5
        words = phrase("the error signal is {ratio:.0e} of that at {layer}", ratio=ratio, layer=last)
        return first, words, depth(watch)
    return None


def no_progress(history: History, settings: Settings) -> Evidence | None:
    """The training loss is where it began after five epochs."""
    if len(history) < 5 or len(history) > 12:
        return None
    first, best = history[0].loss, min(epoch.loss for epoch in history[1:])
    if best <= 0.99 * first:
        return None
    words = phrase("the loss was {first:.4g} in the first epoch and never below {best:.4g}", first=first, best=best)
    return "training", words, losses_of(history)


def oscillating(history: History, settings: Settings) -> Evidence | None:
    """The training loss goes up and down by more than a quarter in most of the last eight epochs."""
    losses = [epoch.loss for epoch in history[-8:]]
    if len(losses) < 8:
        return None
    steps = [after - before for before, after in pairwise(losses)]
    turns = sum((before > 0) != (after > 0) for before, after in pairwise(steps))
    if turns < 5 or losses[-1] <= 0.5 * losses[0]:
        return None
    swing = float(np.median(np.abs(steps)) / max(np.median(losses), 1e-30))
    if swing > 0.25:
        words = phrase("the loss turned {n} times in eight epochs, by {swing:.0%} each time", n=turns, swing=swing)
        return "training", words, losses_of(history)
    return None


def diverging(history: History, settings: Settings) -> Evidence | None:
    """The training loss is ten times its lowest, and growing."""
    losses = [epoch.loss for epoch in history]
    if len(losses) >= 3 and losses[-1] > losses[-2] > losses[-3] and losses[-1] > 10 * min(losses) > 0:
        words = phrase("the loss grew from {low:.4g} to {now:.4g}", low=min(losses), now=losses[-1])
        return "training", words, losses_of(history)
    return None


def overfitting(history: History, settings: Settings) -> Evidence | None:
    """The validation loss has grown by a fifth and for five epochs while the training loss kept falling."""
    held = [epoch.validation_loss for epoch in history if epoch.validation_loss is not None]
    if len(held) < 8 or len(held) < len(history):
        return None
    best = held.index(min(held))
    grown = held[-1] > 1.2 * held[best] and min(held[-5:]) > 1.05 * held[best]
    if grown and len(held) - best > 5 and history[-1].loss < 0.9 * history[best].loss:
        words = phrase(
            "the validation loss was lowest, {low:.4g}, in epoch {epoch} and is {now:.4g} now",
            low=held[best],
            epoch=best + 1,
            now=held[-1],
        )
        return "training", words, {"held": held[-MOST:], "loss": [epoch.loss for epoch in history[-MOST:]]}
    return None


def losses_of(history: History) -> dict[str, Any]:
    return {"losses": [epoch.loss for epoch in history[-MOST:]]}


def depth(watch: Mapping[str, Any]) -> dict[str, Any]:
    """Signal and blame by depth, as standard deviations."""
    return {
        "paths": list(watch)[:MOST],
        "spread": [max(seen.variance, 0.0) ** 0.5 for seen in watch.values()][:MOST],
        "blame": [max(seen.blame_variance, 0.0) ** 0.5 for seen in watch.values()][:MOST],
    }


LIVE_RULES: tuple[LiveRule, ...] = (
    LiveRule(
        "DEAD_RELU", phrase("dead units"), dead_units,
        phrase("Where z < 0 for every row, max(0, z) and its slope are 0: no blame comes through and the unit stays "
               "as it is."),
        phrase("Lower the learning rate, use leaky_relu or He initialization, scale the inputs."),
        phrase("Lu and others 2020, Dying ReLU and initialization"),
        "revive",
    ),
    LiveRule(
        "HID_ACT_SAT", phrase("saturated units"), saturated_units,
        phrase("On the flat part of the curve f'(z) ≈ 0, and the chain rule multiplies the blame by it."),
        phrase("Scale the inputs, start with smaller weights (Glorot), or use a ReLU."),
        phrase("Glorot and Bengio 2010, Understanding the difficulty of training deep networks, section 3"),
    ),
    LiveRule(
        "VANISH", phrase("vanishing blame"), vanishing_blame,
        phrase("Every layer multiplies the error signal by its weights and slopes; factors below one leave nothing."),
        phrase("Use the initialization that suits the activation, Residual layers, or fewer layers."),
        phrase("Glorot and Bengio 2010, section 4"),
    ),
    LiveRule(
        "LR_HIGH", phrase("oscillation"), oscillating,
        phrase("A step beyond 2 / (largest curvature) goes up the other side of the valley, and back in the next."),
        phrase("Lower the learning rate, or use learning_rate='find'."),
        phrase("LeCun and others 1998, section 4.5"),
        "rate",
    ),
    LiveRule(
        "LR_HIGH", phrase("divergence"), diverging,
        phrase("Every step goes further up than the one before."),
        phrase("Lower the learning rate, clip the gradient (clip=1.0)."),
        phrase("LeCun and others 1998, section 4.5"),
        "rate",
    ),
    LiveRule(
        "UNDERFIT", phrase("no progress"), no_progress,
        phrase("The steps do not lower the loss: they are too small, too large, or the blame does not reach the "
               "weights."),
        phrase("Try learning_rate='find', and standardise the inputs; pl.diagnose(run) says which."),
        phrase("Smith 2017, Cyclical learning rates, section 3.3"),
    ),
    LiveRule(
        "EPOCHS_HIGH", phrase("overfitting"), overfitting,
        phrase("The network goes on fitting what is particular to its training rows, and gets worse on others."),
        phrase("Use early_stop=5, dropout, weight_decay, or fewer units."),
        phrase("Prechelt 1998, Early stopping, but when?"),
    ),
)  # fmt: skip


@dataclass
class Doctor:
    """Watches a training: looks at it before the first step, then epoch by epoch; says each thing once."""

    said: set[str] = field(default_factory=set)
    revivals: int = 0

    def start(self, net: Layer, data: Data, settings: Settings) -> list[Finding]:
        """What is certain before the first step."""
        block = everything(data)
        program = Program(net, settings, np.asarray(block.x), np.asarray(block.y))
        found = [finding for finding in static_findings(program) if finding.confidence == "certain"]
        self.said |= {finding.code for finding in found}
        return found

    def epoch(self, history: History, settings: Settings) -> list[Finding]:
        """What the last epoch shows that was not said before."""
        found = []
        for rule in LIVE_RULES:
            if rule.name.key in self.said or rule.code in self.said or not (seen := rule.look(history, settings)):
                continue
            self.said.add(rule.name.key)
            found.append(
                Finding(
                    rule.code,
                    seen[0],
                    history[-1].number,
                    seen[1],
                    rule.mechanism,
                    rule.cure,
                    numbers=seen[2] | {"rule": rule.name.key},
                )
            )
        return found

    def mend(self, finding: Any, net: Layer, x: np.ndarray, seed: int) -> Mended | None:
        """What can be done about a finding while the training goes on; None where nothing can."""
        rule = next((rule for rule in LIVE_RULES if rule.name.key == finding.numbers.get("rule")), None)
        if rule is None or not rule.mend:
            return None
        self.said.discard(rule.name.key)  # it may come again
        if rule.mend == "rate":
            return Mended(net, 0.1, phrase("a tenth of the learning rate"))
        new, count = revived(net, x, jax.random.key(seed))
        if not count:
            return None
        self.revivals += 1
        if self.revivals == 1:
            return Mended(new, 1.0, phrase("{n} dead units drawn anew", n=count))
        return Mended(
            new, 0.1, phrase("{n} dead units drawn anew once more, and a tenth of the learning rate", n=count)
        )


def last_two_looks(history: History) -> list[tuple[str, Any, Any]]:
    """(path, look, look before, None where there is none) of every layer; none where the last epoch had no look."""
    before = next((epoch.watch for epoch in reversed(history[:-1]) if epoch.watch), {})
    return [(path, seen, before.get(path)) for path, seen in history[-1].watch.items()]
