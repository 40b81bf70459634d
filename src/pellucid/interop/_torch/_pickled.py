"""The opcodes of a pickle, read and never executed: a closed list that makes numbers, texts, containers and tensors."""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...errors import InteropError

MOST_STEPS = 4_000_000
ADVICE = "save the weights alone, as by torch.save(module.state_dict(), path)"


class Name(NamedTuple):
    """A name that the pickle asks for; nothing is ever looked up by it."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Storage(NamedTuple):
    """Where the numbers of a tensor are: the entry of the archive, their type, and how many."""

    key: str
    kind: str
    numbers: int


class Place(NamedTuple):
    """A tensor before its numbers are read: its storage, and how it lies there."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Mark(NamedTuple):
    """Where a list of arguments begins on the stack."""


@dataclass
class Reader:
    """The stack and memory of the machine that pickles are written for."""

    stack: list[Any] = field(default_factory=list)
    memory: dict[int, Any] = field(default_factory=dict)

    def pop(self, kind: type | tuple[type, ...] = object) -> Any:
        if not self.stack:
            raise InteropError("its pickle takes from an empty stack")
        top = self.stack.pop()
        if not isinstance(top, kind):
            raise InteropError(f"its pickle uses a {type(top).__name__} where it cannot be")
        return top

    def since_mark(self) -> list[Any]:
        for at in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[at], Mark):
                taken = self.stack[at + 1 :]
                del self.stack[at:]
                return taken
        raise InteropError("its pickle has arguments without a beginning")

    def top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise InteropError(f"its pickle adds to something that is no {kind.__name__}")
        return self.stack[-1]


def read_pickle(data: bytes) -> Any:
    """What a pickle describes, with a `Place` for every tensor.

    Raises: InteropError naming the opcode or the name that is refused.
    """
    reader = Reader()
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(io.BytesIO(data))):
            if step > MOST_STEPS:
                raise InteropError(f"its pickle has more than {MOST_STEPS:,} steps")
            if opcode.name == "STOP":
                return reader.pop()
            if opcode.name not in OPCODES:
                raise InteropError(f"its pickle uses {opcode.name}, which no table of weights needs: {ADVICE}")
            OPCODES[opcode.name](reader, argument)
    except (ValueError, TypeError, UnicodeError, OverflowError, IndexError) as problem:
        if isinstance(problem, InteropError):
            raise
        raise InteropError(f"its pickle is broken ({problem})") from None
    raise InteropError("its pickle has no end")


def push(reader: Reader, argument: Any) -> None:
    reader.stack.append(argument)


def pushing(make: Callable[[], Any]) -> Callable[[Reader, Any], None]:
    return lambda reader, _: reader.stack.append(make())


def tuple_of(n: int) -> Callable[[Reader, Any], None]:
    def step(reader: Reader, _: Any) -> None:
        taken = [reader.pop() for _ in range(n)]
        reader.stack.append(tuple(reversed(taken)))

    return step


def marked_tuple(reader: Reader, _: Any) -> None:
    reader.stack.append(tuple(reader.since_mark()))


def append(reader: Reader, _: Any) -> None:
    item = reader.pop()
    reader.top(list).append(item)


def appends(reader: Reader, _: Any) -> None:
    items = reader.since_mark()
    reader.top(list).extend(items)


def set_item(reader: Reader, _: Any) -> None:
    value, key = reader.pop(), reader.pop((str, int, tuple))
    put(reader.top(dict), key, value)


def set_items(reader: Reader, _: Any) -> None:
    items = reader.since_mark()
    if len(items) % 2:
        raise InteropError("its pickle has a key without a value")
    held = reader.top(dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        put(held, key, value)


def put(held: dict[Any, Any], key: Any, value: Any) -> None:
    if not isinstance(key, str | int):
        raise InteropError(f"its pickle has a {type(key).__name__} for a key")
    if key in held:
        raise InteropError(f"the key {str(key)[:200]!r} stands in it twice")
    held[key] = value


def keep(reader: Reader, at: Any) -> None:
    if not reader.stack:
        raise InteropError("its pickle remembers something that is not there")
    reader.memory[len(reader.memory) if at is None else at] = reader.stack[-1]


def recall(reader: Reader, at: int) -> None:
    if at not in reader.memory:
        raise InteropError("its pickle recalls what it never remembered")
    reader.stack.append(reader.memory[at])


def name(reader: Reader, argument: str) -> None:
    """GLOBAL: the module and the name, parted by a space."""
    module, _, own = argument.partition(" ")
    reader.stack.append(known(Name(module, own)))


def name_from_stack(reader: Reader, _: Any) -> None:
    own, module = reader.pop(str), reader.pop(str)
    reader.stack.append(known(Name(module, own)))


def known(asked: Name) -> Name:
    if asked not in CALLS and asked not in STORAGES and not is_type(asked):
        raise InteropError(f"its pickle asks for {str(asked)[:200]}, which is no tensor and is not run: {ADVICE}")
    return asked


def is_type(asked: Name) -> bool:
    return asked.module == "torch" and asked.name in TYPES


def storage(reader: Reader, _: Any) -> None:
    """BINPERSID: `("storage", kind, key, device, count)`."""
    match reader.pop():
        case ("storage", Name() as kind, str(key), str(), int(count)) if kind in STORAGES and count >= 0:
            reader.stack.append(Storage(key, STORAGES[kind], count))
        case ("storage", Name() as kind, *_):
            raise InteropError(f"it keeps numbers as {kind}, which is not read")
        case _:
            raise InteropError("its pickle points to something other than numbers")


def call(reader: Reader, _: Any) -> None:
    """REDUCE: one of the few calls that are known, each of which only puts its arguments together."""
    arguments, what = reader.pop(tuple), reader.pop(Name)
    if what not in CALLS:
        raise InteropError(f"its pickle calls {what}, which is not run")
    reader.stack.append(CALLS[what](*arguments))


def build(reader: Reader, _: Any) -> None:
    """BUILD: attributes of a dictionary, as PyTorch's `_metadata`; they are left out."""
    reader.pop(dict)
    reader.top(dict)


def tensor(*arguments: Any) -> Place:
    match arguments:
        case (Storage() as held, int(offset), tuple(shape), tuple(strides), *_) if len(shape) == len(strides):
            numbers = (offset, *shape, *strides)
            if all(type(n) is int and 0 <= n < 2**63 for n in numbers) and len(shape) <= 32:
                return Place(held, offset, shape, strides)
    raise InteropError("a tensor has an impossible shape or place")


def parameter(*arguments: Any) -> Place:
    if not arguments or not isinstance(arguments[0], Place):
        raise InteropError("a parameter holds no tensor")
    return arguments[0]


def ordered(*arguments: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for pair in arguments[0] if arguments else ():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InteropError("a table is made of something other than pairs")
        put(found, *pair)
    return found


CALLS: dict[Name, Callable[..., Any]] = {
    Name("torch._utils", "_rebuild_tensor_v2"): tensor,
    Name("torch._utils", "_rebuild_tensor"): tensor,
    Name("torch._utils", "_rebuild_parameter"): parameter,
    Name("collections", "OrderedDict"): ordered,
    Name("torch", "Size"): lambda *a: tuple(a[0]) if a else (),
    Name("torch", "device"): lambda *a: None,
}
STORAGES: dict[Name, str] = {
    Name("torch", f"{kind}Storage"): code
    for kind, code in {
        "Float": "<f4", "Double": "<f8", "Half": "<f2", "BFloat16": "bfloat16", "Long": "<i8", "Int": "<i4",
        "Short": "<i2", "Char": "<i1", "Byte": "<u1", "Bool": "?",
    }.items()
}  # fmt: skip
TYPES = {
    "float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool", "strided",
    "contiguous_format",
}  # fmt: skip
OPCODES: dict[str, Callable[[Reader, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda reader, _: None),
    **dict.fromkeys((
        "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT",
        "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
    ), push),
    "NONE": pushing(lambda: None), "NEWTRUE": pushing(lambda: True), "NEWFALSE": pushing(lambda: False),
    "EMPTY_DICT": pushing(dict), "EMPTY_LIST": pushing(list), "EMPTY_TUPLE": pushing(tuple), "MARK": pushing(Mark),
    "TUPLE1": tuple_of(1), "TUPLE2": tuple_of(2), "TUPLE3": tuple_of(3), "TUPLE": marked_tuple, "APPEND": append,
    "APPENDS": appends, "SETITEM": set_item, "SETITEMS": set_items, "BINPUT": keep, "LONG_BINPUT": keep,
    "MEMOIZE": keep, "BINGET": recall, "LONG_BINGET": recall, "GLOBAL": name, "STACK_GLOBAL": name_from_stack,
    "BINPERSID": storage, "REDUCE": call, "BUILD": build,
}  # fmt: skip
