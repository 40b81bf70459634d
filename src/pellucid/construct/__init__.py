"""Networks that are built, not trained, each with a proven error."""

from __future__ import annotations

__all__ = []
