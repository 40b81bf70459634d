"""Functions compiled by Numba, kept on disk, and compiled anew where any of them has changed.

Numba keeps compiled code by the file of each function alone, with whatever it calls from other files inside: where
one of those changes, as with a new version of this library, it would go on with the old code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

MARK = b"compiled import kernel"


def kernel(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`numba.njit` that lets go of the GIL and keeps what it compiled, until any compiled code of this library changes.

    Example:
        >>> @kernel
        ... def twice(x):
        ...     return 2 * x
        >>> twice(4)
        8
    """
    if function is None:
        return lambda function: kernel(function, **options)
    try:
        made: Any = numba.njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:  # there is no folder that could be written to
        return numba.njit(nogil=True, **options)(function)
    file = made._cache._cache_file
    file._source_stamp = file._source_stamp, stamp()
    return made


@cache
def stamp() -> str:
    """A hash of all files of this library with compiled code."""
    found = hashlib.sha256(numba.__version__.encode())
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        text = file.read_bytes()
        if MARK in text:
            found.update(text)
    return found.hexdigest()
