"""The weights of a PyTorch module, from its file, put into a network of the same build."""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InteropError, unknown
from ...layers import GRU, LSTM, RNN
from ...module import Layer, map_layers, walk
from ...store import read_tensors
from ._names import COUNTS, NAMES, tensors_of, with_tensors
from ._pt import read_pt

READERS = {".safetensors": read_tensors, ".pt": read_pt, ".pth": read_pt, ".bin": read_pt}
STEPPED = re.compile(r"(.*?)((?:weight|bias)_(?:ih|hh))_l(\d+)(_reverse)?")


def load_state(
    net: Layer, source: str | PathLike[str] | Mapping[str, Any], names: Mapping[str, str] | None = None
) -> Layer:
    """The network with the weights of a PyTorch module: from a `.safetensors`, `.pt` or `.pth` file, or a state dict.

    Tensors go by name: "features.0.weight" to the layer `features_0` of a Graph, "2.bias" to `layers[2]`, as
    `from_torch` and `to_torch` name them; a prefix that all have in common ("module.", "model.") is looked through.
    Where the network calls a layer otherwise, `names` says so: `{"fc1": "layers[0]"}`. Axes are turned as the layers
    want them.

    Raises: InteropError naming every tensor that is missing, left over, or of another shape; StoreError or
        InteropError where the file cannot be trusted.
    Example:
        >>> from pellucid.layers import mlp
        >>> there = {"0.weight": np.ones((1, 2)), "0.bias": np.zeros(1)}
        >>> load_state(mlp([2, 1], key=0), there).layers[0].weight.tolist()
        [[1.0], [1.0]]
    """
    what = "The state dict" if isinstance(source, Mapping) else str(source)
    if isinstance(source, Mapping):
        given = {name: as_array(name, array) for name, array in source.items()}
    else:
        given = read_state(source)
    wanted = slots(net)
    try:
        matched = match(wanted, stepped(given), dict(names or {}))
        return map_layers(net, lambda path, layer: filled(layer, path, matched))
    except InteropError as problem:
        raise InteropError(f"{what} does not fit the network: {problem}.") from None


def filled(layer: Layer, path: str, matched: Mapping[str, Mapping[str, np.ndarray]]) -> Layer:
    return with_tensors(layer, matched[path], path or "the network") if path in matched else layer


def read_state(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors of a file by name.

    Raises: InteropError for another kind of file.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in READERS:
        raise InteropError(f"{path} is no file of weights: its name ends in one of {', '.join(READERS)}.")
    return READERS[suffix](path)


def as_array(name: str, value: Any) -> np.ndarray:
    value = value.detach().cpu() if hasattr(value, "detach") else value
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as problem:
        raise InteropError(f"{name} is no array: {problem}.") from None


def slots(net: Layer) -> dict[str, Layer]:
    """The layers that take tensors, by path."""
    return {path: layer for path, layer in walk(net) if type(layer) in NAMES and tensors_of(layer)}


def plain(name: str) -> str:
    """A name of PyTorch's without its dots."""
    parts = [part for part in re.split(r"\W+", name) if part]
    return "_".join(parts)


def path_in_words(path: str) -> str:
    """The path of a layer as PyTorch would name it: without the fields that containers keep their layers in.

    Example:
        >>> path_in_words("layers[2].layer.layers.conv_1"), plain("2.layer.conv.1")
        ('2_layer_conv_1', '2_layer_conv_1')
    """
    return plain(re.sub(r"(^|\.)layers(?=[.\[])", r"\1", path))


def stepped(given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of stacked recurrent modules as those of layers one above the other, each direction by itself."""
    both = {m[1] for name in given if (m := STEPPED.fullmatch(name)) and m[4]}
    found = {}
    for name, array in given.items():
        if (m := STEPPED.fullmatch(name)) and (m[4] or int(m[3]) or m[1] in both):
            base = m[1].removesuffix(".") + (f"_{int(m[3]) + 1}" if int(m[3]) else "")
            way = ("backwards." if m[4] else "forwards.") if m[1] in both else ""
            name = f"{base}.{way}{m[2]}_l0"
        found[name] = array
    return found


def match(
    wanted: Mapping[str, Layer], given: Mapping[str, np.ndarray], names: dict[str, str]
) -> dict[str, dict[str, np.ndarray]]:
    """For each layer its tensors by PyTorch's names within it."""
    for path in names.values():
        if path not in wanted:
            raise InteropError(str(unknown("layer with weights called", path, wanted)).removesuffix("."))
    ours = {plain(theirs): path for theirs, path in names.items()}
    ours |= {path_in_words(path): path for path in wanted if path not in names.values()}
    places = {spelled(words, own): (path, own) for words, path in ours.items() for own in tensors_of_kind(wanted[path])}
    prefix = common_prefix(wanted, ours, given)
    found: dict[str, dict[str, np.ndarray]] = {path: {} for path in wanted}
    left = []
    for name, array in given.items():
        words = plain(name)
        if not words.startswith(prefix):
            continue
        if words[len(prefix) :] in places:
            path, own = places[words[len(prefix) :]]
            found[path][own] = array
        elif not name.endswith(COUNTS):
            left.append(name)
    missing = [f"{path}.{own}" for path, own in needed(wanted) if own not in found[path]]
    if missing or left:
        empty = {path: layer for path, layer in wanted.items() if not found[path]}
        raise InteropError(unmatched(missing, left, in_order(empty, {name: given[name] for name in left})))
    return found


def unmatched(missing: list[str], left: list[str], likely: dict[str, str]) -> str:
    said = []
    if missing:
        said.append(f"there is no tensor for {listed(missing)}")
    if left:
        said.append(f"it has no place for {listed(left)}")
    names, sure = (likely, "in this order all shapes fit") if likely else ({"theirs": "ours"}, "")
    return "; ".join(said) + f"; where layers go by other names, say so with names={names}" + (sure and f" ({sure})")


def in_order(empty: Mapping[str, Layer], left: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Which module without a place is which layer without tensors, where one after the other has the same shapes."""
    modules: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, array in left.items():
        module, _, own = name.rpartition(".")
        modules.setdefault(module, {})[own] = array.shape
    shapes = [{own: array.shape for own, array in tensors_of(layer).items()} for layer in empty.values()]
    return dict(zip(modules, empty, strict=True)) if [*modules.values()] == shapes and all(modules) else {}


def listed(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def needed(wanted: Mapping[str, Layer]) -> list[tuple[str, str]]:
    """Every layer and tensor that must be there; a recurrent module may have no biases."""
    return [
        (path, own)
        for path, layer in wanted.items()
        for own in tensors_of(layer)
        if not (isinstance(layer, RNN | LSTM | GRU) and own.startswith("bias"))
    ]


def spelled(words: str, own: str) -> str:
    """The plain name of a tensor of a layer."""
    return f"{words}_{plain(own)}".removeprefix("_")


def tensors_of_kind(layer: Layer) -> list[str]:
    more = ["bias_ih_l0", "bias_hh_l0"] if isinstance(layer, RNN | LSTM | GRU) else []
    return [*NAMES[type(layer)], *more]


def common_prefix(wanted: Mapping[str, Layer], ours: Mapping[str, str], given: Mapping[str, np.ndarray]) -> str:
    """What all names have before them in a checkpoint: the one under which everything wanted is found, else nothing."""
    words = {path: w for w, path in ours.items()}
    complete = {spelled(words[path], own) for path, own in needed(wanted)}
    there = {plain(name) for name in given}
    if not complete or complete <= there:
        return ""
    first = min(complete)
    prefixes = {name.removesuffix(first) for name in there if name.endswith(f"_{first}")}
    fits = [prefix for prefix in prefixes if {prefix + name for name in complete} <= there]
    if len(fits) > 1:
        raise InteropError(
            f"its weights are in it {len(fits)} times, under {', '.join(sorted(fits))}: give one of them"
        )
    return fits[0] if fits else ""
