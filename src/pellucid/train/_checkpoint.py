"""Checkpoints: everything a training needs to go on bit for bit, in one file that is whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import StoreError
from ..module import path_of
from ..store import read_arrays, write_arrays

Tree = Any


def save_checkpoint(path: Path, trees: dict[str, Tree], about: dict[str, Any]) -> None:
    """Write trees of arrays under their names, with the JSON that says where the training stands."""
    write_arrays(path, {key: np.asarray(leaf) for key, leaf in named(trees).items()}, {"checkpoint": about})


def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the JSON of a checkpoint; `restored` puts the arrays back into trees."""
    arrays, about = read_arrays(path)
    if not isinstance(about, dict) or not isinstance(about.get("checkpoint"), dict):
        raise StoreError(f"{path} is not a checkpoint: it was written for something else.")
    return arrays, about["checkpoint"]


def restored(like: dict[str, Tree], arrays: dict[str, np.ndarray], path: Path) -> dict[str, Tree]:
    """The arrays in the structure of `like`, which must agree in every name, shape and type."""
    wanted = named(like)
    if wrong := sorted(set(wanted) ^ set(arrays)):
        raise StoreError(f"{path} belongs to another network or optimizer: {wrong[0]} is in only one of the two.")
    for key, leaf in wanted.items():
        if arrays[key].shape != leaf.shape or arrays[key].dtype != leaf.dtype:
            got = f"{arrays[key].dtype}{list(arrays[key].shape)}"
            raise StoreError(f"{path}: {key} is {got}, and this training has {leaf.dtype}{list(leaf.shape)}.")
    _, structure = jax.tree.flatten(like)
    return jax.tree.unflatten(structure, [jnp.asarray(arrays[key]) for key in wanted])


def named(trees: dict[str, Tree]) -> dict[str, Any]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(trees)
    return {path_of(keys): leaf for keys, leaf in leaves}
