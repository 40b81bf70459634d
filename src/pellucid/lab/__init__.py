"""The claims of the foundation, each an experiment with a number and a picture."""

from __future__ import annotations

__all__ = []
