"""Throw changed files at a reader of files, guided by what each change reaches: every one is read, or refused clearly.

    python scripts/fuzz.py READER FOLDER [libFuzzer options, such as -max_total_time=600 -max_len=4096]

READER is one of those below; FOLDER holds files to begin with, and keeps what reached something new. Needs `atheris`.
What is worth keeping goes into tests/interop/seeds: python scripts/fuzz.py READER --keep FOLDER.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEEDS = Path(__file__).parents[1] / "tests" / "interop" / "seeds"
MOST_KEPT, LARGEST = 200, 4096  # files, and bytes of one
EPOCH = (1980, 1, 1, 0, 0, 0)  # so that the same seeds are the same archive


def as_file(read: Callable[[Path], Any]) -> Callable[[bytes], Any]:
    """A reader of paths as one of bytes."""
    memory = Path("/dev/shm")
    place = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None)) / f"{os.getpid()}.bin"

    def read_bytes(data: bytes) -> Any:
        place.write_bytes(data)
        return read(place)

    return read_bytes


def readers() -> dict[str, Callable[[], Callable[[bytes], Any]]]:
    """By name what makes each reader."""
    from pellucid.interop._convert import network_of
    from pellucid.interop._onnx_in import read_onnx
    from pellucid.interop._torch._pickled import read_pickle
    from pellucid.interop._torch._pt import read_pt
    from pellucid.store import read_arrays, read_tensors

    return {
        "onnx": lambda: as_file(lambda path: network_of(read_onnx(path))),
        "pickle": lambda: read_pickle,
        "pt": lambda: as_file(read_pt),
        "safetensors": lambda: as_file(read_tensors),
        "model": lambda: as_file(read_arrays),
    }


def keep(name: str, folder: Path) -> Path:
    """The smaller files of a folder as one archive, in which equal folders make equal bytes."""
    found = sorted((p.read_bytes() for p in folder.iterdir() if p.stat().st_size <= LARGEST), key=lambda d: (len(d), d))
    step = max(1, -(-len(found) // MOST_KEPT))
    SEEDS.mkdir(exist_ok=True)
    with zipfile.ZipFile(SEEDS / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, data in enumerate(found[::step]):
            archive.writestr(zipfile.ZipInfo(f"{number:03}", EPOCH), data, zipfile.ZIP_DEFLATED)
    return SEEDS / f"{name}.zip"


def fuzz(name: str, arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["pellucid.interop", "pellucid.store", "zipfile", "pickletools"]):
        read = readers()[name]()
    from pellucid.errors import PellucidError

    def once(data: bytes) -> None:
        with contextlib.suppress(PellucidError):
            read(data)

    atheris.Setup([sys.argv[0], *arguments], once)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    reader, *rest = sys.argv[1:]
    if rest[0] == "--keep":
        print(keep(reader, Path(rest[1])))
    else:
        fuzz(reader, rest)
