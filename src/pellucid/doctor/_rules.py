from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..train import Epoch, Settings
from ._finding import Finding

History = Sequence[Epoch]
Evidence = tuple[str, str]  # where, and the numbers in words


@dataclass(frozen=True)
class Rule:
    """One row: what to look for in the epochs so far, the mechanism behind it, and the cure."""

    code: str
    look: Callable[[History, Settings], Evidence | None]
    mechanism: str
    cure: str
    source: str


def dead_units(history: History, settings: Settings) -> Evidence | None:
    """Nearly all of a layer's activations are exactly zero, in two looks running."""
    for path, seen, before in last_two_looks(history):
        if seen.saturated is not None and min(seen.zero, before.zero) > 0.95:
            return path, f"{seen.zero:.0%} of its outputs are exactly zero"
    return None


def saturated_units(history: History, settings: Settings) -> Evidence | None:
    """Most of a smooth activation's outputs sit where its slope is under a hundredth of the steepest."""
    for path, seen, before in last_two_looks(history):
        flat, flat_before = seen.saturated or 0, before.saturated or 0
        if seen.zero < 0.5 and min(flat, flat_before) > 0.8:
            return path, f"{flat:.0%} of its outputs are on the flat part of the curve"
    return None


def vanishing_blame(history: History, settings: Settings) -> Evidence | None:
    """The error signal at the first layer with weights is a millionth of that at the last, or less."""
    watched = [epoch.watch for epoch in history if epoch.watch]
    if not watched or len(watched[-1]) < 3:
        return None
    layers = list(watched[-1].items())
    first, low = next((item for item in layers if item[1].gradient_ratio is not None), layers[0])
    last, high = layers[-1]
    if low.blame_variance < 1e-12 * high.blame_variance:
        ratio = (low.blame_variance / high.blame_variance) ** 0.5
        return first, f"the error signal is {ratio:.0e} of that at {last}"
    return None


def no_progress(history: History, settings: Settings) -> Evidence | None:
    """The training loss is where it began after five epochs."""
    if len(history) < 5 or len(history) > 12:
        return None
    first, best = history[0].loss, min(epoch.loss for epoch in history[1:])
    return (
        ("training", f"the loss was {first:.4g} in the first epoch and never below {best:.4g}")
        if best > 0.99 * first
        else None
    )


def overfitting(history: History, settings: Settings) -> Evidence | None:
    """The validation loss has grown by a fifth and for five epochs while the training loss kept falling."""
    held = [epoch.validation_loss for epoch in history if epoch.validation_loss is not None]
    if len(held) < 8 or len(held) < len(history):
        return None
    best = held.index(min(held))
    grown = held[-1] > 1.2 * held[best] and min(held[-5:]) > 1.05 * held[best]
    if grown and len(held) - best > 5 and history[-1].loss < 0.9 * history[best].loss:
        return (
            "training",
            f"the validation loss was lowest, {held[best]:.4g}, in epoch {best + 1} and is {held[-1]:.4g} now",
        )
    return None


RULES: tuple[Rule, ...] = (
    Rule(
        "dead units",
        dead_units,
        "Where z < 0 for every row, max(0, z) and its slope are 0: no blame comes through and the unit stays as it is.",
        "Lower the learning rate, or use leaky_relu or He initialization.",
        "Lu et al. 2020, Dying ReLU and initialization",
    ),
    Rule(
        "saturated units",
        saturated_units,
        "On the flat part of the curve f'(z) ≈ 0, and the chain rule multiplies the blame by it.",
        "Scale the inputs, start with smaller weights (Glorot), or use a ReLU.",
        "Glorot and Bengio 2010, Understanding the difficulty of training deep networks, section 3",
    ),
    Rule(
        "vanishing blame",
        vanishing_blame,
        "Every layer multiplies the error signal by its weights and slopes; factors below one leave nothing.",
        "Use the initialization that suits the activation, Residual layers, or fewer layers.",
        "Glorot and Bengio 2010, section 4",
    ),
    Rule(
        "no progress",
        no_progress,
        "The steps do not lower the loss: they are too small, too large, or the blame does not reach the weights.",
        "Try learning_rate='find', and standardise the inputs.",
        "Smith 2017, Cyclical learning rates, section 3.3",
    ),
    Rule(
        "overfitting",
        overfitting,
        "The network goes on fitting what is particular to its training rows, and gets worse on others.",
        "Use early_stop=5, dropout, weight_decay, or fewer units.",
        "Prechelt 1998, Early stopping, but when?",
    ),
)


@dataclass
class Doctor:
    """Watches a training epoch by epoch; says each thing once."""

    said: set[str] = field(default_factory=set)

    def epoch(self, history: History, settings: Settings) -> list[Finding]:
        found = []
        for rule in RULES:
            if rule.code in self.said or not (seen := rule.look(history, settings)):
                continue
            self.said.add(rule.code)
            found.append(Finding(rule.code, seen[0], history[-1].number, seen[1], rule.mechanism, rule.cure))
        return found


def last_two_looks(history: History):
    """(path, last look, look before) of every layer."""
    watched = [epoch.watch for epoch in history if epoch.watch]
    return [(path, seen, watched[-2][path]) for path, seen in watched[-1].items()] if len(watched) > 1 else []
