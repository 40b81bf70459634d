"""Arrays and JSON in one safetensors file: written whole or not at all, and never trusted when read.

A file is an 8-byte length, a JSON header (name -> dtype, shape, place of the bytes) and the bytes. The header's
metadata holds one text, "pellucid", which is JSON: `{"format": 1, "about": ...}`.
"""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import StoreError

FORMAT = 1
DEPTH = 200  # of nested JSON: far below Python's own limit of recursion, far above any network
HEADER_BYTES = 100_000_000  # the limit of the safetensors format itself
MAX_BYTES = 16 * 2**30
DTYPES = {"BOOL": "?", "F16": "<f2", "F32": "<f4", "F64": "<f8"} | {
    f"{sign.upper()}{8 * size}": f"<{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8)
}
BRAIN = "BF16"  # which NumPy has no type for: the upper half of a float32
STORABLE = {np.dtype(code) for code in DTYPES.values()}


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Any], about: Any) -> Path:
    """Write named arrays and what is to be said about them as one file, whole or not at all.

    `about` is JSON; its floats come back exactly, NaN and infinities too, and tuples come back as lists.

    Raises: StoreError where the disk refuses, or an array or `about` cannot be stored; a file already there stays.
    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_arrays(f"{folder}/a.safetensors", {"w": np.ones(2, "f4")}, {"epoch": 3})
        ...     read_arrays(path)
        ({'w': array([1., 1.], dtype=float32)}, {'epoch': 3})
    """
    import safetensors
    from safetensors.numpy import save

    path = Path(path)
    try:
        stored = {name: _storable(name, array) for name, array in arrays.items()}
        data = save(stored, {"pellucid": to_json({"format": FORMAT, "about": about})})
        if int.from_bytes(data[:8], "little") > HEADER_BYTES:
            raise StoreError(f"names and about take more than {HEADER_BYTES:,} bytes; put what is long into arrays")
    except (StoreError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise StoreError(f"{path} was not written: {error}.") from error
    return write_bytes(path, data)


def read_arrays(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays and the `about` of a file that `write_arrays` wrote.

    Nothing in the file is executed, and nothing it declares is believed before it is checked against its real size.

    Raises: StoreError naming the file and what is wrong with it.
    """
    path = Path(path)
    with opened(path) as file:
        header, size = _header(file, max_bytes)
        about = _about(header.pop("__metadata__", None))
        places = _places(header, size)
        return {name: _array(file, name, dtype, shape) for name, (dtype, shape) in places.items()}, about


def read_tensors(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file that anyone wrote, what else it says left aside; bfloat16 comes as float32.

    It is held to the same rules as one of ours: no name twice, no bytes that overlap, are missing or left over.

    Raises: StoreError naming the file and what is wrong with it.
    """
    path = Path(path)
    with opened(path) as file:
        header, size = _header(file, max_bytes)
        if not isinstance(header.pop("__metadata__", {}), dict):
            raise StoreError("its metadata is not a table of texts")
        places = _places(header, size, DTYPES | {BRAIN: "<u2"})
        arrays = {name: _array(file, name, dtype, shape) for name, (dtype, shape) in places.items()}
        halves = [name for name, entry in header.items() if entry["dtype"] == BRAIN]
        return arrays | {name: (arrays[name].astype("<u4") << 16).view("<f4") for name in halves}


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file to read from, its name in whatever is wrong with it."""
    with reading(path):
        if not path.exists():
            raise StoreError("there is no such file")
        if not path.is_file():
            raise StoreError("it is not a file")
        with open(path, "rb") as file:
            yield file


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write a text as UTF-8, whole or not at all; what Unicode has no character for is written as `\\udcff`.

    Raises: StoreError where the disk refuses; a file already there stays.
    """
    return write_bytes(Path(path), text.encode(errors="backslashreplace"))


def write_bytes(path: Path, data: bytes) -> Path:
    """Write beside the place, then rename onto it: whoever reads sees the old file or the new one, never a part.

    Folders on the way are made. Several processes may write the same name: one of them wins, whole.
    """
    temporary = path.parent / f".pellucid-{secrets.token_hex(8)}.tmp"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    return path


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what the disk refused, and what to do about it."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise refused(path, error.errno, error.strerror or str(error)) from error


def refused(path: Path, code: int | None, words: str) -> StoreError:
    match code:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            advice = "free some space, or choose another disk"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            advice = "choose a folder you may write to"
        case errno.EISDIR | errno.ENOTDIR | errno.EEXIST:
            advice = "something else of that name is in the way; choose another name"
        case errno.EAGAIN:
            advice = "another process keeps it to itself; try again"
        case errno.EIO:
            advice = "look whether the disk is full or failing, or choose another"
        case _:
            advice = "choose another place"
    return StoreError(f"{path} could not be written ({words}): {advice}.")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Add the name of the file to whatever is wrong in it."""
    try:
        yield
    except StoreError as error:
        raise StoreError(f"{path} cannot be read: {error}.") from None
    except (OSError, ValueError, OverflowError) as error:
        raise StoreError(f"{path} cannot be read: {error}.") from error


def to_json(value: Any, **options: Any) -> str:
    """A value as JSON that comes back equal, or an error that says which part of it would not."""
    return json.dumps(_jsonable(value, "", DEPTH), **options)


def from_json(text: str) -> Any:
    """JSON without the liberties of `json.loads`: no key twice, no absurd depth."""
    try:
        value = json.loads(text, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        raise StoreError(f"its JSON is broken ({error})") from None
    except RecursionError:
        raise StoreError(f"its JSON is nested deeper than {DEPTH} levels") from None
    return _jsonable(value, "", DEPTH)


def _jsonable(value: Any, where: str, depth: int) -> Any:
    if depth < 0:
        raise StoreError(f"its JSON is nested deeper than {DEPTH} levels, at {where[:60]}…")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise StoreError(f"{where} has the key {odd[0]!r}; the keys of JSON are texts: write {str(odd[0])!r}")
        return {key: _jsonable(item, f"{where}.{key}".removeprefix("."), depth - 1) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_jsonable(item, f"{where}[{i}]", depth - 1) for i, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise StoreError(f"{where} is a {type(value).__name__}, which JSON cannot hold: make it numbers, texts or lists")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise StoreError(f"the key {twice[:200]!r} stands in it twice")
    return found


def _storable(name: str, array: Any) -> np.ndarray:
    if name == "__metadata__":
        raise StoreError("the format keeps the name '__metadata__' for itself; rename that array")
    try:
        stored = np.asarray(array, order="C")
    except TypeError:  # a typed random key is not an array of numbers
        stored = np.asarray(None)
    if stored.dtype.newbyteorder("<") not in STORABLE:
        kind = getattr(array, "dtype", type(array).__name__)
        raise StoreError(
            f"{name} is of dtype {kind}: convert it to one of {', '.join(DTYPES)} (a key by jax.random.key_data)"
        )
    return stored


def _header(file: BinaryIO, max_bytes: int) -> tuple[dict[str, Any], int]:
    """The header, and how many bytes follow it."""
    size = os.fstat(file.fileno()).st_size
    if size > max_bytes:
        raise StoreError(f"it has {size:,} bytes, more than the {max_bytes:,} allowed (max_bytes)")
    if size < 10:
        raise StoreError(f"it has {size} bytes, too few for a safetensors file")
    length = int.from_bytes(file.read(8), "little")
    if length > min(size - 8, HEADER_BYTES):
        raise StoreError(f"it declares a header of {length:,} bytes in a file of {size:,}: not safetensors, or cut off")
    raw = file.read(length)
    if raw[:1] != b"{":
        raise StoreError("its header is not a JSON object: not a safetensors file")
    return from_json(raw.decode()), size - 8 - length


def _about(metadata: Any) -> Any:
    ours = metadata.get("pellucid") if isinstance(metadata, dict) else None
    if not isinstance(ours, str):
        raise StoreError("Pellucid did not write it (no 'pellucid' in its metadata)")
    content = from_json(ours)
    version = content.get("format") if isinstance(content, dict) else None
    if type(version) is not int or version < 1 or "about" not in content:
        raise StoreError("its 'pellucid' metadata has no valid format and about")
    if version > FORMAT:
        raise StoreError(f"a newer Pellucid wrote it (format {version}, this one reads {FORMAT}): upgrade pellucid")
    return content["about"]


def _places(
    header: dict[str, Any], size: int, dtypes: Mapping[str, str] = DTYPES
) -> dict[str, tuple[np.dtype, list[int]]]:
    """Each tensor's dtype and shape, in the order of their bytes, which must fill the file without gap or overlap."""
    spans = {name: (*_declared(name, entry, dtypes), name) for name, entry in header.items()}
    at = 0
    for start, end, name in sorted(spans.values()):
        if start != at:
            raise StoreError(f"the bytes of tensor {name!r} begin at {start}, where {at} was due: a gap or an overlap")
        at = end
    if at != size:
        raise StoreError(f"its tensors take {at:,} bytes and it holds {size:,}: cut off, or something was added")
    order = [name for _, _, name in sorted(spans.values())]
    return {name: (np.dtype(dtypes[header[name]["dtype"]]), header[name]["shape"]) for name in order}


def _declared(name: str, entry: Any, dtypes: Mapping[str, str]) -> tuple[int, int]:
    """Where a tensor's bytes begin and end, once its entry is found consistent."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise StoreError(f"tensor {name!r} must have dtype, shape and data_offsets, and nothing else")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in dtypes:
        raise StoreError(f"tensor {name!r} has the unknown dtype {str(dtype)[:50]!r}; known: {', '.join(dtypes)}")
    if not (_naturals(shape) and len(shape) <= 32 and _naturals(offsets) and len(offsets) == 2):
        raise StoreError(f"tensor {name!r} has an impossible shape or place")
    start, end = offsets
    wanted = math.prod(shape) * np.dtype(dtypes[dtype]).itemsize
    if end - start != wanted:
        raise StoreError(f"tensor {name!r} of shape {tuple(shape)} takes {wanted} bytes; its place has {end - start}")
    return start, end


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)


def _array(file: BinaryIO, name: str, dtype: np.dtype, shape: list[int]) -> np.ndarray:
    array = np.fromfile(file, dtype, math.prod(shape)).reshape(shape)
    if dtype.kind == "b" and array.size and array.view(np.uint8).max() > 1:
        raise StoreError(f"tensor {name!r} is boolean and holds other bytes than 0 and 1")
    return array


def _sync_folder(folder: Path) -> None:
    """Make the rename itself reach the disk; Windows and some network folders cannot be asked to."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove what processes killed in the middle of writing left behind; younger files may still be in work."""
    for leftover in folder.glob(".pellucid-*.tmp"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > 3600:
                leftover.unlink()
