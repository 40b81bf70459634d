"""Functions of a model put in at the places that call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from ...errors import InteropError

MOST = 200_000  # nodes of a graph when all functions are put in


class HasFunctions(Protocol):
    @property
    def functions(self) -> Mapping[tuple[str, str, str], Any]: ...
    @property
    def opset(self) -> int: ...


def inlined(nodes: Iterable[Any], reading: HasFunctions) -> list[Any]:
    """The nodes of a graph, with the nodes of a function in place of each call.

    Raises: InteropError where a function calls itself, or all of them together become too many.
    """
    if not reading.functions:
        return list(nodes)
    return Inlining(reading).of(nodes, ())


class Inlining:
    def __init__(self, reading: HasFunctions):
        self.functions, self.opset = reading.functions, reading.opset
        self.sizes: dict[Any, int] = {}
        self.calls = 0

    def of(self, nodes: Iterable[Any], inside: tuple[Any, ...]) -> list[Any]:
        nodes = list(nodes)
        if self.size(nodes, inside) > MOST:  # before any is made: each function may call another twice
            raise InteropError(f"its functions make more than {MOST:,} operations")
        return self.made(nodes)

    def made(self, nodes: Iterable[Any]) -> list[Any]:
        found: list[Any] = []
        for node in nodes:
            function = self.functions.get(key_of(node))
            found += [node] if function is None else self.made(self.body(node, function))
        return found

    def size(self, nodes: Iterable[Any], inside: tuple[Any, ...]) -> int:
        """How many nodes these become; `inside` are the functions they are part of, the outermost first."""
        total = 0
        for node in nodes:
            key = key_of(node)
            if key in inside:
                raise InteropError(f"the function {node.op_type!r} calls itself")
            if key in self.functions and key not in self.sizes:
                self.sizes[key] = self.size(self.functions[key].node, (*inside, key))
            total += self.sizes.get(key, 1)
        return total

    def body(self, call: Any, function: Any) -> list[Any]:
        """The nodes of a function for one call, its values under names of their own."""
        for entry in function.opset_import:
            if entry.domain in ("", "ai.onnx") and entry.version != self.opset:
                raise InteropError(
                    f"the function {function.name!r} is in the words of opset {entry.version}, the model in those of "
                    f"{self.opset}: convert it with onnx.version_converter"
                )
        self.calls += 1
        names = dict(zip(function.input, call.input, strict=False))
        names |= dict.fromkeys(function.input[len(call.input) :], "")
        names |= dict(zip(function.output, call.output, strict=False))
        given = {a.name: a for a in call.attribute}
        given = {a.name: a for a in function.attribute_proto} | given
        return [
            self.renamed(node, names, given, f"{call.name or function.name}/{self.calls}/") for node in function.node
        ]

    def renamed(self, node: Any, names: dict[str, str], given: Mapping[str, Any], prefix: str) -> Any:
        copy = type(node)()
        copy.CopyFrom(node)
        copy.name = prefix + node.name
        for values in (copy.input, copy.output):
            for i, name in enumerate(values):
                values[i] = names.setdefault(name, prefix + name) if name else ""
        self.fill_in(copy, names, given, prefix)
        return copy

    def fill_in(self, node: Any, names: dict[str, str], given: Mapping[str, Any], prefix: str) -> None:
        """The call's attributes where the function refers to them, and new names in the graphs inside."""
        kept = []
        for attribute in node.attribute:
            if attribute.ref_attr_name:
                if attribute.ref_attr_name not in given:
                    continue
                filled = type(attribute)()
                filled.CopyFrom(given[attribute.ref_attr_name])
                filled.name = attribute.name
                attribute = filled
            if attribute.HasField("g"):
                own = {*(v.name for v in attribute.g.input), *(t.name for t in attribute.g.initializer)}
                outside = {old: new for old, new in names.items() if old not in own}
                for inner in attribute.g.node:
                    for i, name in enumerate(inner.input):
                        inner.input[i] = outside.get(name, name)
                    for name in inner.output:
                        outside.pop(name, None)
                    self.fill_in(inner, outside, given, prefix)
            kept.append(attribute)
        copies = [type(a)() for a in kept]
        for copy, attribute in zip(copies, kept, strict=True):
            copy.CopyFrom(attribute)
        del node.attribute[:]
        node.attribute.extend(copies)


def key_of(node: Any) -> tuple[str, str, str]:
    return node.domain, node.op_type, getattr(node, "overload", "")
