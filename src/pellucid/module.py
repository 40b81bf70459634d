"""What a layer is: a frozen dataclass whose arrays are the leaves of a tree. The only file that imports equinox."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import equinox
import jax
from jax import Array

if TYPE_CHECKING:
    from .affine import Lowering

# docs/decisions/precision.md
if jax.config.jax_default_matmul_precision is None:  # pyright: ignore[reportAttributeAccessIssue]
    jax.config.update("jax_default_matmul_precision", "highest")


def static(**settings: Any) -> Any:
    """A field that is a setting and not an array: it is part of the structure, never of the parameters."""
    return equinox.field(static=True, **settings)


def running(**settings: Any) -> Any:
    """A field of arrays that training follows and does not learn, such as the mean that a BatchNorm has seen.

    Its part of the blame that `backward` returns is not a gradient but its change, new − old: 0 without a key.
    """
    return equinox.field(metadata={"running": True}, **settings)


class Layer(equinox.Module):
    """A function with its chain rule: `forward` says what it does, `backward` who is to blame.

    Arrays first, then settings marked `static()`. A key means training; no key means inference.
    `backward` receives what `forward` saved and the blame of the output, and returns the blame of the
    input and, in the layer's own type, the blame of every parameter.

    A layer that `reads_lengths` is handed `Sequences` as they are; any other sees their values alone.
    """

    reads_lengths: ClassVar[bool] = False

    @abstractmethod
    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Any]:
        """`x -> (y, saved)`."""

    @abstractmethod
    def backward(self, saved: Any, dy: Any) -> tuple[Any, Any]:
        """`(saved, dL/dy) -> (dL/dx, dL/dlayer)`."""

    def lower(self, at: Lowering, x: Any) -> Any:
        """The layer at inference as a piecewise-affine map, written down with `at`; x and the result are a `Value`.

        Raises: GeometryError where the layer is not piecewise linear, as here unless it says what it is.
        """
        raise at.refuse(self)

    def __call__(self, x: Any) -> Any:
        """The output at inference."""
        return self.forward(x)[0]


def subkey(key: Array | None, index: int | Array) -> Array | None:
    """The key of one part, or of one step: it does not change when others are added behind it."""
    return None if key is None else jax.random.fold_in(key, index)


def path_of(keys: tuple[Any, ...]) -> str:
    """The dotted path of a leaf, as in `layers[2].weight` or `layers.gate.bias`."""
    parts = []
    for key in keys:
        match key:
            case jax.tree_util.SequenceKey(idx=index):
                parts.append(f"[{index}]")
            case jax.tree_util.DictKey(key=name):
                parts.append(f".{name}")
            case _:
                parts.append(f".{key.name}")
    return "".join(parts).removeprefix(".")


def parameters(net: Any) -> dict[str, Array]:
    """Every array of a network that is learned, by its path, in the order of the fields.

    Example:
        >>> from pellucid import mlp
        >>> {path: array.shape for path, array in parameters(mlp([3, 1], key=0)).items()}
        {'layers[0].weight': (3, 1), 'layers[0].bias': (1,)}
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(learned(net))
    return {path_of(keys): leaf for keys, leaf in leaves}


def has_weights(layer: Layer) -> bool:
    """Whether something that is learned has two axes or more."""
    return any(a.ndim >= 2 for a in parameters(layer).values())


def with_parameters(net: Layer, arrays: dict[str, Any]) -> Layer:
    """The network with other arrays at some of its paths."""
    return jax.tree_util.tree_map_with_path(lambda keys, old: arrays.get(path_of(keys), old), net)


def learned(net: Any) -> Any:
    """The network with None in place of its running statistics."""
    if not isinstance(net, Layer):
        return net
    fields = [f.name for f in dataclasses.fields(net) if f.metadata.get("running")]
    statistics = {name: jax.tree.map(lambda _: None, getattr(net, name)) for name in fields}
    return replaced(map_children(net, lambda _, child: learned(child)), **statistics)


def children(layer: Layer) -> dict[str, Layer]:
    """The layers directly inside a layer, by their path within it; empty for one that is not a container."""
    found: dict[str, Layer] = {}
    map_children(layer, found.setdefault)
    return found


def walk(net: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """Every layer with its path, a container before what it holds; the network itself has the path ''."""
    yield path, net
    for part, child in children(net).items():
        yield from walk(child, joined(path, part))


def joined(path: str, part: str) -> str:
    """The path of a part of what is at `path`; the network itself is at ''."""
    return f"{path}.{part}" if path else part


def map_children(layer: Layer, change: Callable[[str, Layer], Layer]) -> Layer:
    """The layer with each layer directly inside it replaced by `change(its path within, layer)`."""

    def changed(part: str, value: Any) -> Any:
        if isinstance(value, Layer):
            return change(part, value)
        if type(value) in (tuple, list):
            return type(value)(changed(f"{part}[{i}]", item) for i, item in enumerate(value))
        return {k: changed(f"{part}.{k}", item) for k, item in value.items()} if type(value) is dict else value

    return rebuild(type(layer), {f.name: changed(f.name, getattr(layer, f.name)) for f in dataclasses.fields(layer)})


def map_layers(net: Layer, change: Callable[[str, Layer], Layer], path: str = "") -> Layer:
    """The network with every layer that is not a container replaced by `change(path, layer)`."""
    if not children(net):
        return change(path, net)
    return map_children(net, lambda part, child: map_layers(child, change, joined(path, part)))


def replaced(layer: Layer, **fields: Any) -> Any:
    """The layer with other values of some fields, in its own type."""
    return rebuild(type(layer), {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer)} | fields)


def rebuild(kind: type[Layer], fields: dict[str, Any]) -> Layer:
    """A layer of `kind` from its fields, passing by its constructor's own conveniences."""
    layer = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(layer, name, value)
    return layer
