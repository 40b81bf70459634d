"""Pellucid: neural networks you can see through. Everything loads on first use: `import pellucid` is instant."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import (
        activations,
        certify,
        construct,
        doctor,
        errors,
        geometry,
        initializers,
        lab,
        layers,
        losses,
        sklearn,
    )
    from ._api import fit, load, open_run, runs, save, with_data, write_report
    from .backprop import blame, summary, unit_variance
    from .doctor import diagnose
    from .geometry import explain
    from .insight import attention, diff, dropout_scale, filters, gates, neuron, signal
    from .interop import from_sklearn, from_torch, to_onnx, to_torch, watch_torch
    from .layers import mlp
    from .module import parameters

_HOMES = {
    "_api": ("fit", "load", "open_run", "runs", "save", "with_data", "write_report"),
    "backprop": ("blame", "summary", "unit_variance"),
    "doctor": ("diagnose",),
    "geometry": ("explain",),
    "insight": ("attention", "diff", "dropout_scale", "filters", "gates", "neuron", "signal"),
    "interop": ("from_sklearn", "from_torch", "to_onnx", "to_torch", "watch_torch"),
    "layers": ("mlp",),
    "module": ("parameters",),
}
_MODULES = (
    "activations",
    "certify",
    "construct",
    "doctor",
    "errors",
    "geometry",
    "initializers",
    "lab",
    "layers",
    "losses",
    "sklearn",
)

__version__ = "0.1.0"
__all__ = [
    "activations",
    "attention",
    "blame",
    "certify",
    "construct",
    "diagnose",
    "diff",
    "doctor",
    "dropout_scale",
    "errors",
    "explain",
    "filters",
    "fit",
    "from_sklearn",
    "from_torch",
    "gates",
    "geometry",
    "initializers",
    "lab",
    "layers",
    "load",
    "losses",
    "mlp",
    "neuron",
    "open_run",
    "parameters",
    "runs",
    "save",
    "signal",
    "sklearn",
    "summary",
    "to_onnx",
    "to_torch",
    "unit_variance",
    "watch_torch",
    "with_data",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{home}", __name__), name)
    raise AttributeError(f"module 'pellucid' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
