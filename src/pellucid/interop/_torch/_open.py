"""A module of PyTorch becomes a network: exported as a graph of ATen's operations, translated, converted."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InteropError
from ...module import Layer
from .._model import Model, Port
from ._words import Size, Tensor, Writer, numpy_type

if TYPE_CHECKING:
    import torch

SIZES = {operator.mul: "Mul", operator.add: "Add", operator.sub: "Sub", operator.floordiv: "Div"}  # of lengths


def from_torch(module: torch.nn.Module, example: Any) -> Layer:
    """The network of a PyTorch module, with its weights: the same arrays in, the same arrays out, and every layer open.

    `example` is an input as the module takes it, an array or tensor, or a tuple of them where it takes several; the
    length of its first axis is free. The module is exported as it computes at inference (`torch.export`), so
    functions, reused and inline activations are seen as what they are; dropout and batch statistics come back in
    training. Layers are named as the module names them.

    Raises: InteropError naming every operation that cannot be translated, or what stopped the export.
    Example:
        >>> import torch
        >>> module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
        >>> net = from_torch(module, np.ones((4, 3)))
        >>> net(np.ones((5, 3), np.float32)).shape
        (5, 2)
    """
    from .._convert import network_of

    return network_of(model_of(module, example))


def model_of(module: torch.nn.Module, example: Any) -> Model:
    """The module's operations in the words of ONNX.

    Raises: InteropError as `from_torch`.
    """
    torch = pytorch()
    if not isinstance(module, torch.nn.Module):
        raise InteropError(f"from_torch opens a torch.nn.Module; got a {type(module).__name__}.")
    name = type(module).__name__
    program = exported(module, examples(module, example), name)
    writer, values = beginning(program)
    if any(port.shape and port.shape[0] is not None for port in writer.inputs):
        # What the module takes for a constant is a length of the example itself, and not of one that was doubled.
        program = exported(module, examples(module, example, double=False), name)
        writer, values = beginning(program)
        first = ", ".join(f"{port.name} {port.shape}" for port in writer.inputs)
        warnings.warn(
            f"{name} takes the length of the first axis for a constant, as by len(x) or int(n), so that the network is "
            f"for inputs of one shape alone: {first}. x.shape[0] leaves it free.",
            stacklevel=3,
        )
    outputs, problems = translated(program, writer, values)
    if problems:
        listed = "\n".join(f"  {place}: {why}" for place, why in problems.items())
        raise InteropError(f"{name} cannot be opened, for {len(problems)} of its operations:\n{listed}")
    if torn := writer.torn():
        warnings.warn(
            f"{name}: {', '.join(torn)} is used in two forms and becomes two arrays, which training would move apart.",
            stacklevel=3,
        )
    return writer.model(outputs, name)


def pytorch() -> Any:
    """The library, which Pellucid does without elsewhere.

    Raises: InteropError where it is not installed.
    """
    try:
        import torch
    except ImportError:
        raise InteropError("PyTorch is not installed: pip install torch.") from None
    return torch


def examples(module: torch.nn.Module, example: Any, double: bool = True) -> tuple[torch.Tensor, ...]:
    """The inputs as tensors; a batch of one is doubled, since PyTorch takes a length of 1 for a constant."""
    import torch

    found = [*module.parameters(), *module.buffers()]
    own = next((t for t in found if t.is_floating_point()), torch.zeros(0))

    def tensor(array: Any) -> torch.Tensor:
        given = array.detach() if isinstance(array, torch.Tensor) else torch.from_numpy(np.array(array))
        return given.to(own.device, own.dtype if given.is_floating_point() else given.dtype)

    try:
        tensors = tuple(map(tensor, example)) if isinstance(example, tuple | list) else (tensor(example),)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise InteropError(f"The example is an array, or a tuple of arrays: {problem}") from None
    if double and all(t.ndim and len(t) == 1 for t in tensors):
        return tuple(torch.cat([t, t]) for t in tensors)
    return tensors


def exported(module: torch.nn.Module, tensors: tuple[torch.Tensor, ...], name: str, plain: bool = False) -> Any:
    """The module's program at inference, without operations that change what others see; `plain`: that change any.

    Raises: InteropError with PyTorch's own words.
    """
    import torch

    free = tuple({0: torch.export.Dim.AUTO} if t.ndim else None for t in tensors)
    with at_inference(module), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # PyTorch's own, about its own buffers
        try:
            program = torch.export.export(module, tensors, dynamic_shapes=(free,) if takes_any(module) else free)
            return program.run_decompositions({}) if plain or has_views_written_to(program.graph) else program
        except Exception as problem:  # torch.export documents no base of what it raises
            words = str(problem).strip().splitlines() or [type(problem).__name__]
            raise InteropError(f"torch.export does not get through {name}: {words[0]}") from problem


def takes_any(module: torch.nn.Module) -> bool:
    """Whether forward takes `*args`, whose shapes are then told together."""
    import inspect

    kinds = [p.kind for p in inspect.signature(module.forward).parameters.values()]
    return inspect.Parameter.VAR_POSITIONAL in kinds


@contextmanager
def at_inference(module: torch.nn.Module) -> Iterator[None]:
    """The module in evaluation mode, and afterwards every part as it was."""
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, was in training.items():
            part.training = was


def has_views_written_to(graph: Any) -> bool:
    """Whether a tensor is changed in place that is part of another, or of which another is part."""

    def is_view(node: Any) -> bool:
        returns = getattr(getattr(node.target, "_schema", None), "returns", ())
        return any(r.alias_info is not None and not r.alias_info.is_write for r in returns)

    for node in graph.nodes:
        if writes(node):
            changed = node.args[0]
            if changed.op == "placeholder" or is_view(changed) or any(map(is_view, changed.users)):
                return True
    return False


def writes(node: Any) -> bool:
    return bool(getattr(getattr(node.target, "_schema", None), "is_mutable", False))


def beginning(program: Any) -> tuple[Writer, dict[str, Any]]:
    """A writer that knows the parameters, and the values that the graph begins with, by the names of its nodes."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    held = {**program.constants, **program.state_dict}
    arrays, values, ports, first, buffers = {}, {}, [], {}, set()
    for spec in program.graph_signature.input_specs:
        node = nodes[spec.arg.name]
        known = node.meta.get("val")
        if spec.target is None:
            port = Tensor(node.name, known)
            ports.append(Port(node.name, port.shape, port.dtype))
        else:
            tensor = held[spec.target]
            name = first.setdefault(id(tensor), spec.target)  # tied weights are one parameter
            if name not in arrays:
                arrays[name] = tensor.detach().cpu().numpy().copy()
                buffers |= {name} if spec.kind.name != "PARAMETER" else set()
            port = Tensor(name, known)
        values[node.name] = port
    wide = {
        values[node.args[1].name].name
        for node in program.graph.nodes
        if str(node.target) == "aten.linear.default" and node.args[1].name in values
        if node.args[0].meta["val"].ndim != 2
    }
    return Writer(arrays, tuple(ports), frozenset(buffers), frozenset(wide)), values


def translated(program: Any, writer: Writer, values: dict[str, Any]) -> tuple[list[Tensor], dict[str, str]]:
    """The outputs, once all nodes are written; and what could not be, by its place."""
    problems: dict[str, str] = {}
    for node in program.graph.nodes:
        if node.op == "output":
            made = [values.get(getattr(arg, "name", "")) for arg in node.args[0] if arg is not None]
            outputs = [value for value in made if isinstance(value, Tensor)]
            if len(outputs) < len(made) and not problems:
                problems["output"] = "it gives numbers that are no arrays"
            return outputs, problems
        if node.op != "call_function":
            if node.op != "placeholder":
                problems[node.name] = f"{node.op} is not translated"
            continue
        path, _ = next(reversed(node.meta.get("nn_module_stack", {"": ("", None)}).values()))
        writer.origin = "" if path.startswith("_empty_nn_module_stack") else path
        if any(name not in values for name in names_of((node.args, node.kwargs))):
            continue  # something before it could not be written: that is listed
        place = f"{writer.origin or 'the module itself'} ({node.target})"
        try:
            values[node.name] = one(writer, node, values)
        except InteropError as problem:
            problems[place] = str(problem)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as problem:
            problems[place] = f"in this form it is not translated ({problem})"
    raise InteropError("The exported graph has no output.")


def one(w: Writer, node: Any, values: dict[str, Any]) -> Any:
    """What one call gives: a Tensor, a length, or a list of these."""
    args, kwargs = (reread(part, values) for part in (node.args, node.kwargs))
    known, target = node.meta.get("val"), node.target
    if target is operator.getitem:
        if args[0][args[1]] is None and node.users:
            raise InteropError(f"output {args[1]} of {node.args[0].target} is not translated")
        return args[0][args[1]]
    if target in SIZES:
        return Size(w.add(SIZES[target], *(a if isinstance(a, Size) else np.array([a], np.int64) for a in args)))
    schema = getattr(target, "_schema", None)
    if schema is None:
        return checked_away(target)
    base = schema.name.removeprefix("aten::")
    if not schema.returns:
        return checked_away(target)
    if base == "sym_size":
        return w.length(*args)
    w.known = known[0] if isinstance(known, tuple | list) else known
    if w.known is not None:
        numpy_type(w.known.dtype)  # refused here where NumPy has no such type
    made = row_of(base, target)(w, *args, **kwargs_for(kwargs))
    if writes(node):
        values[node.args[0].name] = given(made, known, target)
    return given(made, known, target)


def row_of(base: str, target: Any) -> Any:
    """The function that translates an operation: of this overload, or of all."""
    table = rows()
    plain = ALIASES.get(base) or (base if base in table else base.removesuffix("_"))
    overload = getattr(target, "_overloadname", "")
    for name in (f"{plain}.{overload}", plain):
        if name in table:
            return table[name]
    raise InteropError("there is no translation of it")


ALIASES = {"__and__": "bitwise_and", "__or__": "bitwise_or"}


def rows() -> Mapping[str, Any]:
    from ._curves import CURVES
    from ._layers import LAYERS
    from ._recurrent import RECURRENT
    from ._shapes import SHAPES

    return {**CURVES, **SHAPES, **LAYERS, **RECURRENT}


def checked_away(target: Any) -> None:
    """Assertions that the export puts in compute nothing.

    Raises: InteropError for any other function.
    """
    if "assert" in str(target) or "constrain" in str(target):
        return
    raise InteropError("there is no translation of it")


PLACEMENT = ("dtype", "layout", "device", "pin_memory", "memory_format", "generator", "non_blocking", "copy")


def kwargs_for(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name, without those that say where and in what type numbers are kept: the result knows that."""
    return {name: value for name, value in kwargs.items() if name not in PLACEMENT}


def given(made: Any, known: Any, target: Any) -> Any:
    """What was written, as values of the graph."""
    if isinstance(made, list):
        many = known if isinstance(known, tuple | list) else [known]
        return [None if name is None else given(name, k, target) for name, k in zip(made, many, strict=True)]
    if made is None or isinstance(made, Size | int):
        return made
    zero = str(target).startswith(("aten.zeros.", "aten.zeros_like.", "aten.new_zeros."))
    name = made.name if isinstance(made, Tensor) else made
    return Tensor(name, known, zero)


def reread(part: Any, values: Mapping[str, Any]) -> Any:
    """Arguments with the values that nodes stand for."""
    if isinstance(part, tuple | list):
        return [reread(item, values) for item in part]
    if isinstance(part, dict):
        return {name: reread(item, values) for name, item in part.items()}
    return values[part.name] if hasattr(part, "op") else part


def names_of(part: Any) -> set[str]:
    """The nodes that arguments stand for."""
    if isinstance(part, tuple | list | dict):
        items = part.values() if isinstance(part, dict) else part
        return reduce(set.union, map(names_of, items), set())
    return {part.name} if hasattr(part, "op") else set()
