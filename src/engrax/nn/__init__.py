"""Layers and models."""

from ._dense import dense
from ._initializers import uniform_fan_in

__all__ = ["dense", "uniform_fan_in"]
