"""Branches and loops. Their bodies are functions of arrays that give a tuple of arrays; see `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._shape import listed
from ._table import Call, operator, traced

Body = Callable[..., tuple[Any, ...]]


def truth(at: Call, condition: Any) -> bool:
    if traced(condition):
        raise at.refuse("how often it goes round depends on the input of the network")
    return bool(np.asarray(condition).reshape(()))


@operator("If")
def if_else(at: Call, condition: Any, *, then_branch: Body, else_branch: Body) -> tuple[Any, ...]:
    """One branch; where it is not known beforehand which, both are computed and one is chosen."""
    if not traced(condition):
        return (then_branch if truth(at, condition) else else_branch)()
    pairs = list(zip(then_branch(), else_branch(), strict=True))
    if any(np.shape(a) != np.shape(b) for a, b in pairs):
        raise at.refuse("which branch is taken depends on the input, and their outputs differ in shape")
    return tuple(at.xp.where(condition.reshape(()), a, b) for a, b in pairs)


@operator("Loop", known=(0,))
def loop(at: Call, most: Any, going: Any, *state: Any, body: Body) -> tuple[Any, ...]:
    """`(going, *state, *outputs) = body(i, going, *state)` while it goes on; the outputs of all rounds are stacked."""
    rounds, found = 0, []
    going = np.array(True) if going is None else going
    while truth(at, going) and (most is None or rounds < listed(most)[0]):
        going, *made = body(np.array(rounds, np.int64), going, *state)
        state = tuple(made[: len(state)])
        found.append(made[len(state) :])
        rounds += 1
    if not found and at.outputs > len(state):
        raise at.refuse("it does not go round once, and the shape of its outputs is not known")
    return *state, *(at.xp.stack(parts) for parts in zip(*found, strict=True))


@operator("Scan")
def scan(
    at: Call, *inputs: Any, body: Body, num_scan_inputs: int, directions: Sequence[int] | None = None,
    scan_input_axes: Sequence[int] | None = None, scan_input_directions: Sequence[int] | None = None,
    scan_output_axes: Sequence[int] | None = None, scan_output_directions: Sequence[int] | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """`(*state, *outputs) = body(*state, *slices)` for each slice of the inputs, in turn."""
    if at.opset < 9:  # a batch of scans; the first input would be their lengths
        if inputs[0] is not None:
            raise at.refuse("sequences of different lengths are not supported")
        later = Call(at.kind, 9, at.outputs, at.xp)
        each = [
            scan(later, *(x[i] for x in inputs[1:]), body=body, num_scan_inputs=num_scan_inputs,
                 scan_input_directions=directions)
            for i in range(len(inputs[1]))
        ]  # fmt: skip
        return tuple(at.xp.stack(parts) for parts in zip(*each, strict=True))
    n = len(inputs) - num_scan_inputs
    state, slices = inputs[:n], inputs[n:]
    axes, ways = scan_input_axes or [0] * len(slices), scan_input_directions or [0] * len(slices)
    slices = [at.xp.moveaxis(x, axis, 0) for x, axis in zip(slices, axes, strict=True)]
    slices = [at.xp.flip(x, 0) if back else x for x, back in zip(slices, ways, strict=True)]
    found = []
    for now in zip(*slices, strict=True):
        made = body(*state, *now)
        state = made[:n]
        found.append(made[n:])
    if not found:
        raise at.refuse("it has nothing to go over")
    outputs = [at.xp.stack(parts) for parts in zip(*found, strict=True)]
    axes, ways = scan_output_axes or [0] * len(outputs), scan_output_directions or [0] * len(outputs)
    outputs = [at.xp.flip(y, 0) if back else y for y, back in zip(outputs, ways, strict=True)]
    return *state, *(at.xp.moveaxis(y, 0, axis) for y, axis in zip(outputs, axes, strict=True))


@operator("SequenceMap")
def sequence_map(at: Call, parts: list[Any], *others: Any, body: Body) -> tuple[list[Any], ...]:
    """The body of each part; of other sequences it gets the part at the same place, of tensors the whole."""
    rows = [body(x, *(o[i] if isinstance(o, list) else o for o in others)) for i, x in enumerate(parts)]
    return tuple(map(list, zip(*rows, strict=True))) if rows else ([],) * at.outputs
