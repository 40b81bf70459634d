"""What every layer of a PyTorch module gives on a few examples, and the blame that reaches it: without hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...activations import curve
from ...train import LayerWatch
from ._open import examples, exported

if TYPE_CHECKING:
    import torch

CURVES = {
    "relu": "relu", "leaky_relu": "leaky_relu", "elu": "elu", "selu": "selu", "gelu": "gelu", "silu": "silu",
    "mish": "mish", "softplus": "softplus", "sigmoid": "sigmoid", "tanh": "tanh", "hardtanh": "hard_tanh",
    "hardsigmoid": "hard_sigmoid", "relu6": "relu6",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A node of the exported graph that is a layer: its input, what it is called, its curve if any, its parameters."""

    node: str
    source: str
    path: str
    curve: str | None
    parameters: tuple[str, ...]


class Probe:
    """A module's exported graph, run on the same examples again and again with the weights as they are."""

    def __init__(self, module: torch.nn.Module, example: Any, target: Any, loss: Callable[..., Any] | None):
        import torch

        self.module, self.loss = module, loss
        self.inputs = examples(module, example, double=False)
        device = self.inputs[0].device
        self.target = target if target is None else torch.as_tensor(np.asarray(target)).to(device)
        self.program = exported(module, self.inputs, type(module).__name__, plain=True)
        signature = self.program.graph_signature.input_specs
        self.names = {spec.arg.name: spec.target for spec in signature}
        self.steps = steps_of(self.program.graph, self.names)

    def look(self) -> dict[str, LayerWatch]:
        """Every layer's numbers, by its path; blame is that of the loss, or of a random change of the output."""
        import torch

        with torch.enable_grad():
            values = self.values()
            watched = [s for s in self.steps if values[s.node].requires_grad]
            total = self.total(values["output"])
            blames = torch.autograd.grad(total, [values[s.node] for s in watched], retain_graph=True, allow_unused=True)
        of = dict(zip([s.node for s in watched], blames, strict=True))
        return {step.path: seen(step, values, of.get(step.node), len(self.inputs[0])) for step in self.steps}

    def first_not_finite(self) -> str | None:
        """The first layer whose output is not finite."""
        import torch

        with torch.no_grad():
            values = self.values()
        return next((s.path for s in self.steps if not bool(torch.isfinite(values[s.node]).all())), None)

    def values(self) -> dict[str, Any]:
        """What every node gives, by name; "output" holds the outputs."""
        held = dict(self.module.named_parameters(remove_duplicate=False)) | dict(
            self.module.named_buffers(remove_duplicate=False)
        )
        given = iter(self.inputs)
        values: dict[str, Any] = {}
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                target = self.names[node.name]
                values[node.name] = next(given) if target is None else held.get(target, self.constant(target))
            elif node.op == "output":
                values["output"] = [values[arg.name] for arg in node.args[0] if hasattr(arg, "op")]
            else:
                args, kwargs = ground((node.args, node.kwargs), values)
                made = node.target(*args, **kwargs)
                values[node.name] = made
        for step in self.steps:
            made = values[step.node]
            values[step.node] = made[0] if isinstance(made, tuple | list) else made
        return values

    def constant(self, target: str) -> Any:
        return self.program.constants.get(target)

    def total(self, outputs: list[Any]) -> Any:
        """The loss whose blame is followed: the user's, or the output along a direction that is always the same."""
        import torch

        if self.loss is not None and self.target is not None:
            return self.loss(outputs[0] if len(outputs) == 1 else tuple(outputs), self.target)
        make = torch.Generator().manual_seed(0)
        floats = [y for y in outputs if y.is_floating_point()]
        ways = [torch.randn(y.shape, generator=make).to(y) for y in floats]
        return sum((y * way).sum() / max(len(y), 1) for y, way in zip(floats, ways, strict=True))


def ground(part: Any, values: Mapping[str, Any]) -> Any:
    """Arguments with the values in place of their nodes."""
    if isinstance(part, tuple | list):
        items = [ground(item, values) for item in part]
        return tuple(items) if isinstance(part, tuple) else items
    if isinstance(part, dict):
        return {name: ground(item, values) for name, item in part.items()}
    return values[part.name] if hasattr(part, "op") else part


def steps_of(graph: Any, names: Mapping[str, str | None]) -> list[Step]:
    """The nodes with weights, and the curves, by the paths of their modules."""
    found: list[Step] = []
    for node in graph.nodes:
        if node.op != "call_function" or not hasattr(node.target, "_schema"):
            continue
        kind = node.target._schema.name.removeprefix("aten::")
        own = tuple(str(names[arg.name]) for arg in flat(node.args) if names.get(arg.name) and arg.op == "placeholder")
        if not own and kind not in CURVES:
            continue
        path, _ = next(reversed(node.meta.get("nn_module_stack", {"": ("", None)}).values()))
        name = own[0].rpartition(".")[0] if own else path if is_single(graph, path) else f"{path}.{kind}"
        source = next(iter(flat(node.args[0])), node)
        step = Step(node.name, source.name, distinct(name.strip(".") or kind, found), CURVES.get(kind), own)
        found.append(step)
    return found


def is_single(graph: Any, path: str) -> bool:
    """Whether all operations of a module are of one kind."""
    kinds = set()
    for node in graph.nodes:
        stack = node.meta.get("nn_module_stack")
        if node.op == "call_function" and stack and next(reversed(stack.values()))[0] == path:
            kinds.add(node.target)
    return len(kinds) == 1 and path != ""


def distinct(name: str, found: list[Step]) -> str:
    taken = {step.path for step in found}
    return name if name not in taken else next(n for i in range(2, 10**6) if (n := f"{name}_{i}") not in taken)


def flat(part: Any) -> list[Any]:
    """The nodes among arguments."""
    if isinstance(part, tuple | list):
        return [node for item in part for node in flat(item)]
    return [part] if hasattr(part, "op") else []


def seen(step: Step, values: Mapping[str, Any], blame: Any, rows: int) -> LayerWatch:
    """A layer in numbers; the ratio of its gradient is known from the training alone."""
    import torch

    y = values[step.node].detach()
    y = y if y.is_floating_point() else y.double()
    variance = float(y.var(unbiased=False)) if y.numel() else 0.0
    flatness = None
    if step.curve is not None:
        slopes = slope_at(step, values)
        flatness = float(torch.as_tensor(curve(step.curve).flat(slopes)).double().mean())
    size = 0.0 if blame is None else float(blame.double().square().mean()) * rows**2
    return LayerWatch(float(y.mean()), variance, float((y == 0).double().mean()), flatness, size, None)


def slope_at(step: Step, values: Mapping[str, Any]) -> Any:
    """The slope of a curve at each number, which is the blame of the sum of what it gives."""
    import torch

    y = values[step.node]
    if not y.requires_grad:
        return torch.ones_like(y)
    (slopes,) = torch.autograd.grad(y.sum(), values[step.source], retain_graph=True)
    return slopes
