"""ONNX files opened as networks."""

from __future__ import annotations

from os import PathLike

from ..module import Layer
from ._convert import network_of
from ._onnx_in import MAX_BYTES, read_onnx


def from_onnx(path: str | PathLike[str], *, fold_batchnorm: bool = False, max_bytes: int = MAX_BYTES) -> Layer:
    """The network of an ONNX file, made of Pellucid's layers, with the names of its author.

    It takes and gives the arrays that the file says, its axes in that order: pictures are (batch, channels, height,
    width) for a file that has them so. What has no layer becomes an `Operator`, through which blame flows as through
    any other. A file of several inputs takes a tuple of them, and one of several outputs gives a tuple; one that was
    fixed to a single example takes any number, where nothing in it mixes them.

    With `fold_batchnorm` each BatchNorm becomes part of the weights before it.

    Raises: InteropError where the file is damaged or not to be trusted, and for all operations at once that there are
        neither layers nor operators for.
    """
    return network_of(read_onnx(path, max_bytes=max_bytes), fold_batchnorm=fold_batchnorm)


def input_shape(path: str | PathLike[str]) -> tuple[int, ...] | None:
    """The shape of one example and its batch of 1 that an ONNX file says; None where it leaves another axis open."""
    ports = read_onnx(path).inputs
    shape = ports[0].shape if len(ports) == 1 else None
    if not shape or any(n is None for n in shape[1:]):
        return None
    return 1, *(n for n in shape[1:] if n is not None)
