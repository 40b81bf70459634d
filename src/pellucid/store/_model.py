"""A network in a file: its structure as JSON, its arrays by their paths, and never any code."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np

from .. import layers
from ..errors import StoreError, unknown
from ..module import Layer, joined, rebuild
from ._files import MAX_BYTES, read_arrays, reading, write_arrays

SUFFIX = ".safetensors"
MODEL = "model" + SUFFIX


def save(path: str | PathLike[str], net: Layer, *, about: Mapping[str, Any] | None = None) -> Path:
    """Write a network, and `about` it any JSON; the path it was written to.

    The name always ends in `.safetensors`: it is added where it is missing. In a folder it is `model.safetensors`.

    Raises: StoreError where the disk refuses, or the network holds what a file cannot: a function, an unusual number.
    """
    path = place(path)
    try:
        structure, arrays = pack(net)
    except StoreError as error:
        raise StoreError(f"{path} was not written: {error}.") from None
    return write_arrays(path, arrays, {"kind": "model", "structure": structure, "about": dict(about or {})})


def load(
    path: str | PathLike[str], *, types: Iterable[type[Layer]] = (), max_bytes: int = MAX_BYTES
) -> tuple[Layer, dict[str, Any]]:
    """The network and the `about` that `save` wrote; a folder stands for the `model.safetensors` in it.

    Layers are found by name among Pellucid's own and the `types` given: a file cannot ask for any other class.

    Raises: StoreError naming the file and what in it does not fit.
    Example:
        >>> import tempfile
        >>> from pellucid.layers import mlp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save(folder, mlp([2, 8, 1], key=0), about={"task": "regression"})
        ...     net, about = load(folder)
        >>> [type(layer).__name__ for layer in net.layers], about
        (['Dense', 'Activation', 'Dense'], {'task': 'regression'})
    """
    path = place(path)
    arrays, content = read_arrays(path, max_bytes=max_bytes)
    with reading(path):
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind != "model" or set(content) != {"kind", "structure", "about"} or not isinstance(content["about"], dict):
            raise StoreError(
                f"it holds {f'a {kind}' if isinstance(kind, str) else 'something else'}, not a whole model"
            )
        return unpack(content["structure"], arrays, types=types), content["about"]


def place(path: str | PathLike[str]) -> Path:
    """The file that a path stands for."""
    path = Path(path)
    if path.is_dir():
        return path / MODEL
    return path if path.name.endswith(SUFFIX) else path.with_name(path.name + SUFFIX)


def pack(net: Layer) -> tuple[Any, dict[str, Any]]:
    """A network as its structure, which is JSON, and its arrays by path, as in `module.parameters`.

    Raises: StoreError naming the path of what a file cannot hold.
    Example:
        >>> structure, arrays = pack(layers.Sequential([layers.Dense(jnp.ones((2, 1)), None)]))
        >>> structure["fields"]["layers"]["tuple"][0]["fields"]
        {'weight': {'array': 'layers[0].weight', 'shape': [2, 1], 'dtype': 'float32'}, 'bias': None}
    """
    if not isinstance(net, Layer):
        raise StoreError(f"a network is a Layer, got a {type(net).__name__}")
    arrays: dict[str, Any] = {}
    return _packed(net, "", arrays), arrays


def unpack(structure: Any, arrays: Mapping[str, np.ndarray], *, types: Iterable[type[Layer]] = ()) -> Layer:
    """The network that `pack` took apart, its arrays equal bit for bit.

    Raises: StoreError naming the path of what is unknown, missing, left over or of another shape.
    """
    left = dict(arrays)
    known = {kind.__name__: kind for kind in types} | _own()
    net = _unpacked(structure, "", left, known)
    if not isinstance(net, Layer):
        raise StoreError("its structure is no layer")
    if left:
        raise StoreError(f"its structure has no place for {', '.join(sorted(left)[:5])}")
    return net


def _own() -> dict[str, type[Layer]]:
    kinds = {name: getattr(layers, name) for name in layers.__all__}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Layer)}


def _packed(value: Any, path: str, arrays: dict[str, Any]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Layer):
        name = type(value).__name__
        if _own().get(name, type(value)) is not type(value):
            raise StoreError(f"{path or 'the network'} is a {name} of your own, and Pellucid has one: rename yours")
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {"type": name, "fields": {k: _packed(v, joined(path, k), arrays) for k, v in fields.items()}}
    if type(value) in (tuple, list):
        return {type(value).__name__: [_packed(item, f"{path}[{i}]", arrays) for i, item in enumerate(value)]}
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return {"dict": {key: _packed(item, joined(path, key), arrays) for key, item in value.items()}}
    if isinstance(value, jax.Array | np.ndarray):
        if path in arrays:
            raise StoreError(f"two arrays have the path {path}: rename a key with a dot or a bracket in it")
        arrays[path] = value
        return {"array": path, "shape": list(value.shape), "dtype": str(value.dtype)}
    if callable(value):
        raise StoreError(
            f"{path} is a function, and a file holds no code: save the rest, and put it back after loading"
        )
    raise StoreError(f"{path} is a {type(value).__name__}, which a file cannot hold")


def _unpacked(value: Any, path: str, arrays: dict[str, np.ndarray], known: dict[str, type[Layer]]) -> Any:
    """The value at a path; every array it takes is taken out of `arrays`."""

    def items(found: Any) -> list[Any]:
        return [_unpacked(item, f"{path}[{i}]", arrays, known) for i, item in enumerate(found)]

    match value:
        case None | bool() | int() | float() | str():
            return value
        case {"type": str(name), "fields": dict(fields), **rest} if not rest:
            return _layer(name, fields, path, arrays, known)
        case {"tuple": list(found), **rest} if not rest:
            return tuple(items(found))
        case {"list": list(found), **rest} if not rest:
            return items(found)
        case {"dict": dict(found), **rest} if not rest:
            return {key: _unpacked(item, joined(path, key), arrays, known) for key, item in found.items()}
        case {"array": str(name), "shape": list(shape), "dtype": str(dtype), **rest} if not rest and name == path:
            return _array(path, shape, dtype, arrays)
    raise StoreError(f"its structure is broken at {path or 'the top'}")


def _layer(name: str, fields: dict, path: str, arrays: dict[str, np.ndarray], known: dict[str, type[Layer]]) -> Layer:
    if name not in known:
        raise StoreError(
            f"{path or 'the network'}: {unknown('layer', name, known)} Hand a class of your own in `types`"
        )
    kind = known[name]
    where = joined(path, name)
    wanted = [f.name for f in dataclasses.fields(kind)]
    if extra := [field for field in fields if field not in wanted]:
        raise StoreError(f"{where}: {str(unknown('field', extra[0], wanted)).removesuffix('.')}")
    if missing := [field for field in wanted if field not in fields]:
        raise StoreError(f"{where} lacks {', '.join(missing)}")
    values = {field: _unpacked(fields[field], joined(path, field), arrays, known) for field in wanted}
    for field, hint in _hints(kind).items():
        if field in values and not _fits(values[field], hint):
            raise StoreError(f"{where}.{field} must be {hint}, got a {type(values[field]).__name__}")
    return rebuild(kind, values)


def _array(path: str, shape: list, dtype: str, arrays: dict[str, np.ndarray]) -> jax.Array:
    if path not in arrays:
        raise StoreError(f"the tensor {path} is missing")
    array = arrays.pop(path)
    if (list(array.shape), str(array.dtype)) != (shape, dtype):
        raise StoreError(f"{path} is {array.dtype} {array.shape}, and its structure says {dtype} {tuple(shape)}")
    loaded = jnp.asarray(array)
    if loaded.dtype != array.dtype:
        raise StoreError(f"{path} is {dtype}, which JAX would cut: load it inside `with jax.enable_x64(True):`")
    return loaded


def _hints(kind: type[Layer]) -> dict[str, Any]:
    try:
        return get_type_hints(kind)
    except NameError:  # a name imported for the type checker only
        return {}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the annotated type, as far as its outermost level says."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [get_origin(option) or option for option in options]
    if Any in kinds or not all(isinstance(kind, type) for kind in kinds):
        return True
    return isinstance(value, tuple(kinds)) or (float in kinds and type(value) is int)
