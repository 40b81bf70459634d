"""The operations of a model that layers are made of, and who reads what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from .._model import Model, Operation
from .._onnx_in import read_by
from ._facts import Fact


class Steps:
    """Operations, and for each value who makes and who reads it."""

    def __init__(self, model: Model, operations: Iterable[Operation], facts: Mapping[str, Fact]):
        self.model, self.facts = model, facts
        self.operations = list(operations)
        self.maker = {name: operation for operation in self.operations for name in operation.outputs if name}
        self.place = {id(operation): i for i, operation in enumerate(self.operations)}
        told = [operation for operation in self.operations if not self.only_shapes(operation)]
        self.readers = Counter(name for operation in told for name in read_by(operation))
        self.readers.update(port.name for port in model.outputs)

    def only_shapes(self, operation: Operation) -> bool:
        """Whether what it makes depends on shapes alone, and on no weights that are known to be such."""
        facts = [self.facts.get(name) for name in operation.outputs if name]
        weights = self.model.exact and any(name in self.model.constants for name in operation.inputs)
        return not weights and all(fact is not None and fact.values is not None for fact in facts)

    def constant(self, name: str) -> np.ndarray | None:
        if name in self.model.constants:
            return self.model.constants[name]
        fact = self.facts.get(name)
        return None if fact is None else fact.constant

    def number(self, name: str) -> float | None:
        """A value that is one known number."""
        found = (
            self.constant(name)
            if name in self.facts and all(p == () or set(p) == {1} for p in self.facts[name].shapes)
            else None
        )
        return None if found is None or found.dtype == object else float(found.reshape(-1)[0])

    def made_by(self, name: str, *kinds: str) -> Operation | None:
        """The operation of one of these kinds that makes a value which nobody else reads."""
        operation = self.maker.get(name)
        return operation if operation and operation.kind in kinds and self.readers[name] == 1 else None

    def without(self, gone: list[Operation], new: Operation) -> Steps:
        """The operations with one in place of several, where the last of these was."""
        ids = {id(operation) for operation in gone[1:]}
        kept = [new if operation is gone[0] else operation for operation in self.operations if id(operation) not in ids]
        return Steps(self.model, kept, self.facts)
