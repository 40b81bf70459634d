"""What a network can and cannot do: sound bounds, and answers that are proven, refuted, or said to be unknown."""

from __future__ import annotations

__all__ = []
