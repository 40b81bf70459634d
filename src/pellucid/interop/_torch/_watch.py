"""The doctor beside a training loop of PyTorch, which stays as it is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ... import losses
from ...doctor import Doctor, Finding
from ...errors import InteropError, SettingError
from ...train import Epoch, LayerWatch, NonFinite, Settings
from ._open import pytorch
from ._probe import Probe

if TYPE_CHECKING:
    import torch


LEAST = 0.01  # of a weight: a gradient that moves it by more than the rounding, at any usual rate


def watch_torch(
    module: torch.nn.Module,
    example: Any = None,
    *,
    target: Any = None,
    loss: Callable[..., Any] | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    every: int = 16,
) -> TorchWatch:
    """Let the doctor watch a PyTorch training loop: two calls in the loop, and no hooks.

    `watch.step(loss)` comes behind `loss.backward()`, and `watch.epoch()` at the end of an epoch; it gives what the
    doctor found new, as `Finding`s. With `example`, some inputs as the module takes them (a batch will do), the doctor
    sees inside: dead and saturated units, and blame that vanishes on its way down. It is that of `loss(output, target)`
    where both are given, and else of a fixed random change of the output. Without `example` it sees the loss alone, and
    the gradients. `every` is the number of steps between two looks at the gradients.

    Raises: InteropError where the module cannot be exported, or is none; SettingError for `every` below 1.
    Example:
        >>> import torch
        >>> module, x = torch.nn.Linear(1, 1), torch.ones(8, 1)
        >>> optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        >>> watch = watch_torch(module, x)
        >>> for _ in range(3):
        ...     optimizer.zero_grad()
        ...     loss = (module(x) - 2).square().mean()
        ...     loss.backward()
        ...     watch.step(loss)
        ...     optimizer.step()
        ...     for finding in watch.epoch():
        ...         print(finding)
        >>> len(watch.history), watch.findings
        (3, [])
    """
    if not isinstance(module, pytorch().nn.Module):
        raise InteropError(f"watch_torch watches a torch.nn.Module; got a {type(module).__name__}.")
    if type(every) is not int or every < 1:
        raise SettingError(f"every is a number of steps, 1 or more; got {every!r}.")
    if (target is None) != (loss is None) or (loss is not None and example is None):
        raise SettingError("target and loss go together, with the example they belong to.")
    probe = None if example is None else Probe(module, example, target, loss)
    return TorchWatch(module, probe, optimizer, every)


@dataclass
class TorchWatch:
    """A training loop under watch: its epochs so far, what was found, and where numbers stopped being finite."""

    module: torch.nn.Module
    probe: Probe | None
    optimizer: torch.optim.Optimizer | None
    every: int
    history: list[Epoch] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    problem: NonFinite | None = None
    doctor: Doctor = field(default_factory=Doctor, repr=False)
    now: Seen = field(default_factory=lambda: Seen(), repr=False)
    before: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False)
    steps: int = 0

    def __post_init__(self) -> None:
        self.before = prints(self.module)

    def step(self, loss: Any) -> None:
        """One step of the loop has its loss and its gradients; called before they are set to zero again."""
        value = float(loss.detach() if hasattr(loss, "detach") else loss)
        self.steps += 1
        self.now.losses += value
        self.now.count += 1
        self.now.training |= self.module.training
        if not math.isfinite(value) and self.problem is None:
            self.problem = self.located()
        if (self.now.count - 1) % self.every == 0:
            self.now.look(self.module)

    def epoch(self, validation_loss: Any = None) -> list[Finding]:
        """The epoch is over: what the doctor finds in it that it has not said before.

        Raises: SettingError where there was no step in it.
        """
        if not self.now.count:
            raise SettingError("watch.step(loss) comes behind every loss.backward(), and before watch.epoch().")
        looks = self.looks() if self.problem is None else {}
        self.history.append(
            Epoch(
                number=len(self.history) + 1,
                loss=self.now.losses / self.now.count,
                validation_loss=None if validation_loss is None else float(validation_loss),
                metrics={},
                learning_rate=float(self.optimizer.param_groups[0]["lr"]) if self.optimizer else math.nan,
                seconds=time.perf_counter() - self.now.began,
                watch=looks,
            )
        )
        found = [*self.misused(), *self.doctor.epoch(self.history, SETTINGS)]
        self.findings += found
        self.now, self.before = Seen(), prints(self.module)
        return found

    def looks(self) -> dict[str, LayerWatch]:
        """What the probe sees, and the gradients of the loop beside it."""
        if self.probe is None:
            return {}
        paths = {step.path: step.parameters for step in self.probe.steps}
        return {
            path: replace(seen, gradient_ratio=self.now.ratio(paths[path])) for path, seen in self.probe.look().items()
        }

    def misused(self) -> list[Finding]:
        """What is certain about the loop itself, said once."""
        after = prints(self.module)
        learned = {name for name, p in self.module.named_parameters() if p.requires_grad}
        still = sorted(name for name in learned & set(after) if after[name] == self.before.get(name))
        without = sorted(learned - self.now.reached)
        moving = sorted(set(still) & self.now.moving)
        return [
            Finding(code, where, len(self.history), evidence, mechanism, cure, "certain", numbers={"rule": name})
            for name, code, where, evidence, mechanism, cure in (
                *([unreached(without, learned)] if without else []),
                *([unmoved(moving, learned)] if moving else []),
                *([not_training(self.module)] if not self.now.training and has_modes(self.module) else []),
            )
            if name not in self.doctor.said and not self.doctor.said.add(name)
        ]

    def located(self) -> NonFinite:
        """Where a number stopped being finite: in a weight, in a layer on the way forwards, or in the loss alone."""
        import torch

        epoch, step = len(self.history) + 1, self.steps
        bad = next((n for n, p in self.module.named_parameters() if not bool(torch.isfinite(p).all())), None)
        if bad is not None:
            said = f"In epoch {epoch}, by step {step}, the weights {bad} are not finite."
            return NonFinite(bad, "step", epoch, step, f"{said} Take a smaller learning rate, or clip the gradient.")
        path = None if self.probe is None else self.probe.first_not_finite()
        if path is not None:
            said = f"In epoch {epoch}, step {step}, the output of {path} is not finite."
            return NonFinite(path, "forward", epoch, step, f"{said} Look at the scale of what comes into it.")
        said = f"In epoch {epoch}, step {step}, the loss is not finite, and no weight is to blame yet."
        return NonFinite("loss", "loss", epoch, step, f"{said} Look at the inputs, the targets and the loss.")


@dataclass
class Seen:
    """What an epoch has shown so far."""

    began: float = field(default_factory=time.perf_counter)
    losses: float = 0.0
    count: int = 0
    training: bool = False
    ratios: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    moving: set[str] = field(default_factory=set)

    def look(self, module: torch.nn.Module) -> None:
        """The squares of every gradient and weight."""
        for name, parameter in module.named_parameters():
            if parameter.grad is None:
                continue
            gradient = float(parameter.grad.double().square().sum())
            size = float(parameter.detach().double().square().sum())
            self.reached.add(name)
            self.moving |= {name} if gradient > LEAST**2 * size else set()
            self.ratios.setdefault(name, []).append((gradient, size))

    def ratio(self, names: tuple[str, ...]) -> float | None:
        """‖dL/dW‖ / ‖W‖ of a layer, averaged over the looks; None where it has no weights, or none was seen."""
        looks = [self.ratios[name] for name in names if name in self.ratios]
        if not looks:
            return None
        sums = [[sum(part) for part in zip(*at, strict=True)] for at in zip(*looks, strict=False)]
        return sum((g / max(w, 1e-30)) ** 0.5 for g, w in sums) / len(sums)


def prints(module: torch.nn.Module) -> dict[str, tuple[float, float]]:
    """Two numbers of every parameter that change as it does."""
    sums = {}
    for name, parameter in module.named_parameters():
        numbers = parameter.detach().double()
        sums[name] = (float(numbers.sum()), float(numbers.square().sum()))
    return sums


def has_modes(module: torch.nn.Module) -> bool:
    """Whether training and evaluation differ."""
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.modules.dropout import _DropoutNd

    return any(isinstance(part, _BatchNorm | _DropoutNd) for part in module.modules())


Said = tuple[str, str, str, str, str, str]  # the rule, the code, where, the numbers, the mechanism, the cure


def unreached(names: list[str], learned: set[str]) -> Said:
    every = len(names) == len(learned)
    return (
        "no gradient", "API", "the loop" if every else shortened(names),
        "no parameter had a gradient at watch.step" if every else f"{len(names)} of {len(learned)} had no gradient",
        "A parameter without a gradient stays as it was drawn.",
        "Call watch.step(loss) behind loss.backward() and before zero_grad()." if every else
        "Use the layer in forward, or take it out; look for .detach(), .data and no_grad() on the way.",
    )  # fmt: skip


def unmoved(names: list[str], learned: set[str]) -> Said:
    every = len(names) == len(learned)
    return (
        "no step", "API", "the loop" if every else shortened(names),
        f"{'all' if every else len(names)} of {len(learned)} parameters have a gradient and did not move in the epoch",
        "Only the parameters that the optimizer was given are changed, and only by optimizer.step().",
        "Give the optimizer module.parameters() of this module, and call optimizer.step().",
    )  # fmt: skip


def not_training(module: torch.nn.Module) -> Said:
    return (
        "not in training", "BN_MODE", type(module).__name__, "every step of the epoch was in evaluation mode",
        "In evaluation mode dropout is off, and batch normalization uses statistics that do not follow the data.",
        "Call module.train() before the training steps, and module.eval() before the validation.",
    )  # fmt: skip


def shortened(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def of_the_loop(outputs: Any, targets: Any) -> Any:
    """In place of the loss of a loop that is PyTorch's own.

    Raises: SettingError: it is not known here.
    """
    raise SettingError("The loss of this training is in its own loop, and is not known here.")


SETTINGS = Settings(losses.own(of_the_loop, "the loop's own"))
