"""What published sets of rules say of the same programs: each rule again in a few lines, with its own constants.

The sources: Amazon SageMaker Debugger's list of built-in rules; AutoTrainer (Zhang and others 2021) and its monitor;
DeepDiagnosis (Wardat and others 2022) and its callback; UMLAUT (Schoop and others 2021) and its heuristics. What needs
held-out rows, or looks for words in a script, has nothing to look at in the catalogue and is left out; AutoTrainer's
rules on gradients are asked whatever the accuracy, as regressions have none. "Five simple rules" are what a careful
user would look at first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import jax
import numpy as np
from faults import Case, program_of, spec_of, trained

from pellucid.backprop import backpropagate, tapped, traces, untapped
from pellucid.doctor._criterion import ON_PROBABILITIES, Criterion, criterion_of
from pellucid.doctor._output_rules import PROBABILITIES
from pellucid.doctor._program import Program
from pellucid.doctor._structure import RANGES, Structure, last_units, structure
from pellucid.doctor._task import Task, score
from pellucid.doctor._trials import task_for, threshold_of
from pellucid.module import Layer, learned, parameters
from pellucid.train import Run, outputs

ROWS = 512
SAVED = 500  # steps from one that SageMaker Debugger saves to the next
CLASSES = ("cross_entropy_of_probabilities", "cross_entropy")
INF = float("inf")


@dataclass(frozen=True)
class Moment:
    """One pass of the first batch of rows at one time of the training: values, gradients and weights."""

    curves: list[tuple[str, np.ndarray, np.ndarray]]  # name, inputs, outputs
    layers: list[np.ndarray]  # what every layer gives
    gradients: list[np.ndarray]  # of every array that is learned
    weights: list[np.ndarray]
    output: np.ndarray

    @property
    def matrices(self) -> list[np.ndarray]:
        """The gradients of weights, those of biases apart."""
        return [gradient for gradient in self.gradients if gradient.ndim > 1]


@dataclass(frozen=True)
class Seen:
    """A program, its training from start to end, and its network at some of the epochs between."""

    program: Program
    run: Run

    @cached_property
    def structure(self) -> Structure:
        return structure(self.program.net)

    @cached_property
    def units(self) -> int:
        return self.moments[0].output.shape[-1]

    @cached_property
    def criterion(self) -> Criterion:
        return criterion_of(self.program.loss, self.units, self.program.y)

    @cached_property
    def task(self) -> Task:
        return task_for(self.program, last_units(self.structure))

    @cached_property
    def losses(self) -> np.ndarray:
        return np.array([epoch.loss for epoch in self.run.history] or [np.nan])

    @cached_property
    def x(self) -> np.ndarray:
        return np.asarray(self.program.x)

    @cached_property
    def nets(self) -> list[Layer]:
        """At the start, at the end and, where the network is small, at some epochs between."""
        return [snapshot.net for snapshot in self.run.snapshots] or [self.program.net, self.run.net]

    @cached_property
    def moments(self) -> list[Moment]:
        first = slice(self.program.settings.batch_size)
        x, y = self.x[first], np.asarray(self.program.y)[first]
        once = jax.jit(backpropagate, static_argnums=1)
        found = []
        for net in self.nets:
            result = once(tapped(net), self.program.loss, x, y)
            seen = traces(result.dnet)
            curves = [
                (part.curve, np.asarray(seen[at].x), np.asarray(seen[at].y))
                for part, at in zip(self.structure.parts, seen, strict=True)
                if part.curve
            ]
            gradients = jax.tree.leaves(learned(untapped(result.dnet, net)))
            found.append(
                Moment(
                    curves,
                    [np.asarray(trace.y) for trace in seen.values()],
                    [np.asarray(gradient) for gradient in gradients],
                    [np.asarray(weight) for weight in parameters(net).values()],
                    np.asarray(result.output),
                )
            )
        return found

    @property
    def end(self) -> Moment:
        return self.moments[-1]

    @cached_property
    def scores(self) -> np.ndarray:
        """Accuracy or R² on some of the rows."""
        some = np.linspace(0, self.program.rows - 1, min(self.program.rows, ROWS)).astype(int)
        x, y = self.x[some], np.asarray(self.program.y)[some]
        threshold = threshold_of(self.program, last_units(self.structure))
        return np.array([score(self.task, outputs(net, x), y, threshold) for net in self.nets])

    @cached_property
    def update_ratios(self) -> np.ndarray:
        """‖ΔW‖ / ‖W‖ of every array of weights between one look and the next."""
        with np.errstate(all="ignore"):
            return np.array(
                [
                    np.abs(b - a).mean() / max(np.abs(a).mean(), 1e-30)
                    for before, after in zip(self.moments, self.moments[1:], strict=False)
                    for a, b in zip(before.weights, after.weights, strict=True)
                    if a.ndim > 1
                ]
            )

    @cached_property
    def step_ratios(self) -> np.ndarray:
        """rate × ‖dL/dW‖ / ‖W‖ of every layer with weights, in every epoch."""
        rate = self.program.settings.rate()
        ratios = [w.gradient_ratio for epoch in self.run.history for w in epoch.watch.values()]
        return np.array([rate * ratio for ratio in ratios if ratio is not None])


def finite(seen: Seen) -> bool:
    """Whether all stayed numbers."""
    return seen.run.status != "not finite" and bool(
        np.isfinite(seen.losses).all() and np.isfinite(seen.end.output).all()
    )


def curves(moment: Moment, *names: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Inputs and outputs of the activations with these names, as (rows, units)."""
    for name, x, y in moment.curves:
        if name in names:
            yield x.reshape(len(x), -1), y.reshape(len(y), -1)


# --- SageMaker Debugger -----------------------------------------------------------------------------------------------


def not_finite(seen: Seen) -> bool:
    """ExplodingTensor: a tensor with NaN or infinity."""
    return not finite(seen)


def tiny_gradient(seen: Seen) -> bool:
    """VanishingGradient: the mean of |g| of a tensor below 1e-7."""
    return any(np.abs(g).mean() < 1e-7 for moment in seen.moments for g in moment.matrices)


def idle_relus(seen: Seen) -> bool:
    """DeadRelu: over half of a layer's units active on less than 1 % of the rows."""
    return any(((y > 0).mean(0) < 0.01).mean() > 0.5 for m in seen.moments for _, y in curves(m, "relu"))


def saturated(seen: Seen) -> bool:
    """SaturatedActivation: over half of the units beyond ±9.5 (tanh), or −23 … 17 (sigmoid), on 99 % of rows."""
    bounds = {"tanh": (-9.4999, 9.4999), "sigmoid": (-23.0, 16.99999)}
    return any(
        (((z < low) | (z > high)).mean(0) > 0.99).mean() > 0.5
        for m in seen.moments
        for name, (low, high) in bounds.items()
        for z, _ in curves(m, name)
    )


def update_ratio(seen: Seen) -> bool:
    """WeightUpdateRatio: outside 1e-8 and 10, from one saved step to the next."""
    return bool(((seen.update_ratios < 1e-8) | ~(seen.update_ratios <= 10)).any())


def all_zero(seen: Seen) -> bool:
    """AllZero: a tensor of weights or gradients that holds only zeros."""
    return any(not np.any(a) for m in seen.moments for a in (*m.matrices, *(w for w in m.weights if w.ndim > 1)))


def unchanged(seen: Seen) -> bool:
    """UnchangedTensor: weights the same, to 1e-5 of themselves, at three looks running."""
    looks = [moment.weights for moment in seen.moments]
    return any(
        all(np.allclose(a, b, rtol=1e-5, atol=1e-8) for a, b in ((first, second), (second, third)))
        for three in zip(looks, looks[1:], looks[2:], strict=False)
        for first, second, third in zip(*three, strict=True)
        if first.ndim > 1
    )


def loss_not_decreasing(seen: Seen) -> bool:
    """LossNotDecreasing: at the end the loss is not 0.1 % below that of ten saved steps before, one saved in 500."""
    back = -(-10 * SAVED // seen.program.steps_per_epoch) + 1
    before = seen.losses[-min(back, len(seen.losses))]
    return len(seen.losses) > 1 and not seen.losses[-1] < before - 0.001 * abs(before)


# --- AutoTrainer ------------------------------------------------------------------------------------------------------


def vanished(seen: Seen) -> bool:
    """Vanishing gradient: ‖g₁‖ / ‖g_L‖ < 1e-3 and ‖g₁‖ < 1e-4."""
    norms = [[np.linalg.norm(g) for g in m.matrices] for m in seen.moments]
    return any(n[0] < 1e-3 * max(n[-1], 1e-30) and n[0] < 1e-4 for n in norms if n)


def exploded(seen: Seen) -> bool:
    """Exploding gradient: NaN, or ‖g₁‖ / ‖g_L‖ > 70."""
    norms = [[np.linalg.norm(g) for g in m.matrices] for m in seen.moments]
    return not finite(seen) or any(n[0] > 70 * n[-1] for n in norms if n)


def dying(seen: Seen) -> bool:
    """Dying ReLU: 70 % of all gradients are exactly 0."""
    shares = [np.mean(np.concatenate([np.ravel(g) for g in m.gradients]) == 0) for m in seen.moments]
    return "relu" in hidden(seen) and max(shares) >= 0.7


def oscillating(seen: Seen) -> bool:
    """Oscillating loss: accuracy falls by 0.03 from a peak to the next valley in a fifth of the looks."""
    a = seen.scores
    inner = np.arange(1, len(a) - 1)
    tops = a[inner[(a[inner] >= a[inner - 1]) & (a[inner] >= a[inner + 1])]]
    dips = a[inner[(a[inner] <= a[inner - 1]) & (a[inner] <= a[inner + 1])]]
    n = min(len(tops), len(dips))
    return seen.task.classification and n > 0 and bool((tops[:n] - dips[:n] >= 0.03).sum() >= 0.2 * len(a))


def slow(seen: Seen) -> bool:
    """Slow convergence: accuracy never rises by 0.01 from one look to the next."""
    return seen.task.classification and len(seen.scores) > 1 and bool(np.diff(seen.scores).max() < 0.01)


def improper(seen: Seen) -> bool:
    """Improper activation: a softmax over one unit, or an output for classes that gives no probabilities."""
    curve = seen.structure.output_curve
    return (curve == "softmax" and seen.units == 1) or (seen.criterion.classifies and curve not in PROBABILITIES)


# --- DeepDiagnosis ----------------------------------------------------------------------------------------------------


def numerical(seen: Seen) -> bool:
    """A number that is none, or a layer whose mean output is exactly 0."""
    return not finite(seen) or any(y.mean() == 0 for m in seen.moments for y in m.layers)


def dead_nodes(seen: Seen) -> bool:
    """70 % of a layer's ReLU outputs at 0, at the end."""
    return any((y <= 0).mean() >= 0.7 for _, y in curves(seen.end, "relu", "exponential"))


def beyond_five(seen: Seen) -> bool:
    """Over half of the inputs of a tanh or sigmoid beyond ±5."""
    return any((np.abs(z) >= 5).mean() > 0.5 for m in seen.moments[1:] for z, _ in curves(m, "tanh", "sigmoid"))


def same_means(seen: Seen) -> bool:
    """The mean output of a layer, or the loss, exactly the same in five looks; accuracy in twenty, or 0."""
    still = [[m.layers[i].mean() for m in seen.moments[1:6]] for i in range(len(seen.moments[0].layers) - 1)]
    known = seen.task.classification
    return (
        any(len(means) == 5 and len(set(means)) == 1 for means in still)
        or runs_flat(seen.losses, 5)
        or (known and (runs_flat(seen.scores, 20) or bool((seen.scores[1:] == 0).any())))
    )


def runs_flat(values: np.ndarray, length: int) -> bool:
    return any(np.ptp(values[i : i + length]) == 0 for i in range(0, len(values) - length + 1, length))


def out_of_range(seen: Seen) -> bool:
    """Targets outside the range of the output; an output without a bound for classes, or far wider than the targets."""
    curve, y = seen.structure.output_curve, np.asarray(seen.program.y)
    wide = curve == "identity" and np.ptp(seen.moments[0].output) > 10 * np.ptp(y)
    unbounded = curve in ("identity", "relu") and seen.criterion.row in CLASSES
    low, high = RANGES.get(curve, (-INF, INF))
    return curve != "softmax" and bool(wide or unbounded or y.min() < low or y.max() > high)


def beyond_one(seen: Seen) -> bool:
    """Inputs outside [−1, 1]."""
    return bool(seen.x.min() < -1 or seen.x.max() > 1)


def rate_by_ratio(seen: Seen) -> bool:
    """rate × ‖g‖ / ‖W‖ a hundred times above or below 1e-3."""
    return bool(((seen.step_ratios > 0.1) | (seen.step_ratios < 1e-5)).any())


# --- UMLAUT -----------------------------------------------------------------------------------------------------------


def rate_of_range(seen: Seen) -> bool:
    """A rate above 0.01 or below 1e-7."""
    return not 1e-7 <= seen.program.settings.rate() <= 0.01


def no_link(seen: Seen) -> bool:
    """Cross-entropy without its softmax (or sigmoid) in front."""
    wanted = {"cross_entropy_of_probabilities": "softmax", "binary_cross_entropy_of_probabilities": "sigmoid"}
    row = seen.criterion.row or ""
    return row in wanted and seen.structure.output_curve != wanted[row]


def final_curve(seen: Seen) -> bool:
    """An activation behind the last layer where the loss is not for classes."""
    return not seen.criterion.classifies and seen.structure.output_curve not in ("identity", "softmax")


def hidden(seen: Seen) -> list[str]:
    return [part.curve or "" for part in seen.structure.hidden]


def no_hidden_curve(seen: Seen) -> bool:
    """Fewer activations inside than layers that want one."""
    return len(hidden(seen)) < len(seen.structure.weighted) - 1


def much_dropout(seen: Seen) -> bool:
    """A dropout rate above a half."""
    return any(getattr(part.layer, "p", 0) > 0.5 for part in seen.structure.parts)


def wrong_shape(seen: Seen) -> bool:
    """Images whose height and width differ: channels in the wrong place."""
    return seen.x.ndim == 4 and seen.x.shape[1] != seen.x.shape[2]


# --- five simple rules ------------------------------------------------------------------------------------------------


def mispaired(seen: Seen) -> bool:
    """Output, loss and targets that do not belong together."""
    task, curve, row = seen.task, seen.structure.output_curve, seen.criterion.row
    low, high = RANGES.get(curve, (-INF, INF))
    y = np.asarray(seen.program.y)
    return (
        (curve == "softmax" and seen.units == 1)
        or (row in ON_PROBABILITIES and curve not in PROBABILITIES)
        or (task.kind in ("labels", "one-hot") and seen.units < task.classes)
        or (task.kind == "numbers" and (bool(y.min() < low or y.max() > high) or seen.criterion.classifies))
        or (task.classification and curve == "relu")
    )


def far_inputs(seen: Seen) -> bool:
    """An input column ten times as large as one of variance 1."""
    return bool(np.sqrt(np.square(seen.x.reshape(len(seen.x), -1)).mean(0)).max() > 10)


def no_progress(seen: Seen) -> bool:
    """The loss fell by less than a tenth."""
    losses = seen.losses
    return len(losses) > 1 and not losses[-1] < losses[0] - 0.1 * abs(losses[0])


def constant_output(seen: Seen) -> bool:
    """At the end, the same answer to all rows."""
    z = seen.end.output
    return bool(np.std(z, axis=0).max() <= 1e-4 * max(1e-30, float(np.abs(z).max())))


Set = tuple[Callable[[Seen], bool], ...]
SETS: dict[str, Set] = {
    "SageMaker Debugger": (
        not_finite, tiny_gradient, idle_relus, saturated, update_ratio, all_zero, unchanged, loss_not_decreasing,
    ),
    "AutoTrainer": (vanished, exploded, dying, oscillating, slow, improper),
    "DeepDiagnosis": (
        numerical, dead_nodes, beyond_five, same_means, tiny_gradient, out_of_range, beyond_one, rate_by_ratio,
    ),
    "UMLAUT": (
        beyond_one, not_finite, no_link, final_curve, no_hidden_curve, rate_of_range, much_dropout, wrong_shape,
    ),
    "five simple rules": (mispaired, far_inputs, not_finite, no_progress, constant_output),
}  # fmt: skip


def fired(seen: Seen) -> dict[str, list[str]]:
    """The rules of each set that flag a training."""
    with np.errstate(all="ignore"):
        return {name: [rule.__name__ for rule in rules if rule(seen)] for name, rules in SETS.items()}


def group(case: Case, fixed: bool) -> str:
    """For which total a program counts: "faulty" (its harm confirmed), "healthy" (or mended), or none."""
    if case["kind"] == "healthy":
        return "healthy"
    confirmed = case["kind"] == "faulty" and case["verified"].get("status") == "confirmed"
    return ("healthy" if fixed else "faulty") if confirmed else ""


def others(cases: list[Case], seeds: int, seconds: float) -> list[str]:
    """A line for each program with the rules that flag it, and the totals of every set."""
    totals: dict[str, list[dict[str, list[str]]]] = {"faulty": [], "healthy": []}
    for seed in range(seeds):
        known: dict[str, dict[str, list[str]]] = {}
        for case in cases:
            for fixed in (False, True):
                if not (counts := group(case, fixed)) or (fixed and not case.get("fixed_spec")):
                    continue
                alike = repr((spec_of(case, fixed), case["data"], fixed and case.get("fixed_gen"), case["verified"]))
                if alike not in known:
                    began = time.process_time()
                    program = program_of(case, fixed, seed)
                    known[alike] = fired(Seen(program, trained(program, watch_every=program.steps_per_epoch)))
                    told = "; ".join(f"{name}: {' '.join(rules) or '-'}" for name, rules in known[alike].items())
                    print(f"{case['id']:<44.44}{counts:<8} {told}  {time.process_time() - began:.1f} s", flush=True)
                totals[counts].append(known[alike])
            jax.clear_caches()
    return summed(totals)


def summed(totals: dict[str, list[dict[str, list[str]]]]) -> list[str]:
    def share(name: str, counts: str) -> str:
        rows = totals[counts]
        hits = sum(bool(row[name]) for row in rows)
        return f"{hits} of {len(rows)} ({hits / max(len(rows), 1):.0%})"

    return [
        f"- {name}: flags {share(name, 'faulty')} of the confirmed faults, and {share(name, 'healthy')} of the healthy "
        "and mended programs."
        for name in SETS
    ]
