"""Operations in an order in which they can be computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...errors import InteropError
from .._model import Model, Operation


def in_order(operations: list[Operation], known: Iterable[str], wanted: Iterable[str]) -> tuple[Operation, ...]:
    """The operations, each behind those it reads from; in the given order where that is one.

    Raises: InteropError where a value is made twice or by nobody, or operations wait for each other.
    """
    there = {"", *known}
    makers: dict[str, int] = {}
    for i, operation in enumerate(operations):
        for name in operation.outputs:
            if name and (name in makers or name in there):
                raise InteropError(f"the value {name!r} is made twice")
            makers[name] = i
    reads = [list(dict.fromkeys(read_by(operation))) for operation in operations]
    missing = {name for names in reads for name in names if name not in makers and name not in there}
    missing |= {name for name in wanted if name not in makers and name not in there}
    if missing:
        raise InteropError(f"nobody makes the values {', '.join(map(repr, sorted(missing)[:5]))}")
    waits = [{makers[name] for name in names if name in makers} for names in reads]
    readers: list[list[int]] = [[] for _ in operations]
    for i, before in enumerate(waits):
        for j in before:
            readers[j].append(i)
    return tuple(operations[i] for i in sorted_by(operations, waits, readers))


def sorted_by(operations: list[Operation], waits: list[set[int]], readers: list[list[int]]) -> list[int]:
    import heapq

    left = [len(before) for before in waits]
    ready = [i for i, n in enumerate(left) if not n]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        i = heapq.heappop(ready)
        order.append(i)
        for j in readers[i]:
            left[j] -= 1
            if not left[j]:
                heapq.heappush(ready, j)
    if len(order) < len(operations):
        stuck = [operations[i].name or operations[i].kind for i, n in enumerate(left) if n][:5]
        raise InteropError(f"operations wait for each other in a circle: {', '.join(stuck)}")
    return order


def read_by(operation: Operation) -> Iterator[str]:
    """The values an operation reads, those that its branches take from around them too."""
    yield from (name for name in operation.inputs if name)
    for value in operation.attributes.values():
        if isinstance(value, Model):
            yield from captured(value)


def captured(branch: Model) -> list[str]:
    """The values that a branch reads from the graph around it, in the order in which it reads them."""
    own = {*(port.name for port in branch.inputs), *branch.constants}
    found: dict[str, None] = {}
    for operation in branch.operations:
        found.update(dict.fromkeys(name for name in read_by(operation) if name not in own))
        own |= set(operation.outputs)
    found.update(dict.fromkeys(port.name for port in branch.outputs if port.name not in own))
    return list(found)
