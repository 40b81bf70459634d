"""The tensors of a file that `torch.save` wrote: a zip archive of numbers and one pickle that is never run."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InteropError
from ._pickled import Place, Storage, read_pickle

MAX_BYTES = 16 * 2**30
PICKLE_BYTES = 64 * 2**20
MOST_ENTRIES = 200_000
MOST_TENSORS = 200_000
DEPTH = 32  # of tables within tables


def read_pt(path: str | PathLike[str], *, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """The tensors in a `.pt` or `.pth` file by their names, tables within tables joined by dots; nothing else.

    The pickle inside is read opcode by opcode against a short list of what tables of tensors are made of, and never
    executed. Numbers of bfloat16 come as float32. The arrays are views of what was read, and cannot be written to.

    Raises: InteropError that says what in the file is refused.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise InteropError("there is no such file")
        if (size := path.stat().st_size) > max_bytes:
            raise InteropError(f"it has {size:,} bytes, more than the {max_bytes:,} allowed (max_bytes)")
        with zipfile.ZipFile(path) as archive:
            return Archive(archive, size).tensors()
    except InteropError as problem:
        raise InteropError(f"{path} cannot be read: {problem}.") from None
    except zipfile.BadZipFile as problem:
        hint = "not a zip archive, as PyTorch writes since version 1.6, or cut off; load and save it again with PyTorch"
        raise InteropError(f"{path} cannot be read: {hint} ({problem}).") from None
    except (OSError, ValueError, NotImplementedError, EOFError, RuntimeError) as problem:
        raise InteropError(f"{path} cannot be read: {problem}.") from problem


class Archive:
    """A zip archive whose entries have been found to lie apart and uncompressed."""

    def __init__(self, archive: zipfile.ZipFile, size: int):
        self.archive = archive
        self.entries = checked(archive.infolist(), size)
        pickles = [name for name in self.entries if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise InteropError(f"it holds {len(pickles)} tables of contents (data.pkl) in place of one")
        self.root = pickles[0].removesuffix("data.pkl")
        self.swapped = self.byte_order() == "big"
        self.read: dict[tuple[str, str], np.ndarray] = {}

    def byte_order(self) -> str:
        name = f"{self.root}byteorder"
        order = self.content(name, 16).decode("ascii", "replace") if name in self.entries else "little"
        if order not in ("little", "big"):
            raise InteropError(f"it says its bytes are in the order {order!r}: 'little' or 'big'")
        return order

    def content(self, name: str, most: int) -> bytes:
        if name not in self.entries:
            raise InteropError(f"the entry {name[:200]!r} is missing")
        if self.entries[name].file_size > most:
            raise InteropError(f"the entry {name[:200]!r} has {self.entries[name].file_size:,} bytes: at most {most:,}")
        return self.archive.read(self.entries[name])

    def tensors(self) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for name, place in places(read_pickle(self.content(f"{self.root}data.pkl", PICKLE_BYTES))):
            if name in found:
                raise InteropError(f"two tensors are called {name[:200]!r}")
            found[name] = self.tensor(name, place)
        return found

    def tensor(self, name: str, place: Place) -> np.ndarray:
        """A view of the numbers, once it is known to stay among them."""
        held = self.numbers(place.storage)
        count = prod(place.shape)
        last = place.offset + sum((n - 1) * s for n, s in zip(place.shape, place.strides, strict=True))
        if count and last >= len(held):
            raise InteropError(f"the tensor {name[:200]!r} reaches beyond its numbers ({last:,} of {len(held):,})")
        if count > max(len(held), 1):
            raise InteropError(f"the tensor {name[:200]!r} repeats its numbers: save it with .contiguous()")
        if not count:
            return np.empty(place.shape, held.dtype)
        strides = [s * held.itemsize if n > 1 else 0 for n, s in zip(place.shape, place.strides, strict=True)]
        return np.lib.stride_tricks.as_strided(held[place.offset :], place.shape, strides, writeable=False)

    def numbers(self, storage: Storage) -> np.ndarray:
        """All numbers of a storage, read once."""
        key = (storage.key, storage.kind)
        if key not in self.read:
            dtype = np.dtype("<u2" if storage.kind == "bfloat16" else storage.kind)
            name = f"{self.root}data/{storage.key}"
            if name in self.entries and self.entries[name].file_size != storage.numbers * dtype.itemsize:
                raise InteropError(
                    f"the entry {name[:200]!r} has {self.entries[name].file_size:,} bytes, and "
                    f"{storage.numbers:,} numbers of {dtype.itemsize} bytes are announced"
                )
            raw = np.frombuffer(self.content(name, MAX_BYTES), dtype.newbyteorder(">") if self.swapped else dtype)
            self.read[key] = decoded(raw.astype(dtype) if self.swapped else raw, storage.kind, name)
        return self.read[key]


def checked(entries: Sequence[zipfile.ZipInfo], size: int) -> dict[str, zipfile.ZipInfo]:
    """The entries by name: as many as there can be, none twice, none compressed, none over another.

    Raises: InteropError that says which is not so.
    """
    if len(entries) > MOST_ENTRIES:
        raise InteropError(f"it has {len(entries):,} entries: at most {MOST_ENTRIES:,}")
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = entry.filename[:200]
        if entry.filename in found:
            raise InteropError(f"the entry {name!r} stands in it twice")
        if entry.flag_bits & 1:
            raise InteropError(f"the entry {name!r} is encrypted")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise InteropError(f"the entry {name!r} is compressed, which PyTorch's are not")
        found[entry.filename] = entry
    end, before = 0, ""
    for entry in sorted(entries, key=lambda one: one.header_offset):
        if entry.header_offset < end:
            raise InteropError(f"the entry {entry.filename[:200]!r} lies over {before[:200]!r}")
        end, before = entry.header_offset + 30 + len(entry.filename.encode()) + entry.file_size, entry.filename
    if end > size:
        raise InteropError(f"the entry {before[:200]!r} goes beyond the end of the file")
    return found


def decoded(raw: np.ndarray, kind: str, name: str) -> np.ndarray:
    """bfloat16 is the upper half of float32; of a truth value only 0 and 1 are one."""
    if kind == "bfloat16":
        return (raw.astype(np.uint32) << 16).view(np.float32)
    if kind == "?" and raw.size and raw.view(np.uint8).max() > 1:
        raise InteropError(f"the entry {name[:200]!r} is boolean and holds other bytes than 0 and 1")
    return raw


def places(tree: Any) -> Iterator[tuple[str, Place]]:
    """The tensors of tables within tables, by their joined names."""
    waiting: list[tuple[str, Any, int]] = [("", tree, 0)]
    seen = 0
    while waiting:
        name, value, depth = waiting.pop()
        seen += 1
        if seen > MOST_TENSORS or depth > DEPTH:
            raise InteropError(f"its tables hold more than {MOST_TENSORS:,} values, or lie {DEPTH} deep")
        if isinstance(value, Place):
            yield name, value
        elif isinstance(value, dict | list | tuple) and not isinstance(value, Storage):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            inside = [(f"{name}.{key}".removeprefix("."), item, depth + 1) for key, item in items]
            if len(inside) + len(waiting) > MOST_TENSORS:
                raise InteropError(f"its tables hold more than {MOST_TENSORS:,} values")
            waiting += reversed(inside)
