"""Modules of PyTorch, opened, written, and watched while they are trained."""

from ._open import from_torch
from ._state import load_state
from ._watch import TorchWatch, watch_torch
from ._write import to_torch

__all__ = ["TorchWatch", "from_torch", "load_state", "to_torch", "watch_torch"]
