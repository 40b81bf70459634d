"""Models in the words of others made into networks of layers."""

from ._network import network_of

__all__ = ["network_of"]
