"""Layers and models."""

from ._capture import capture, tag
from ._dense import dense
from ._initializers import uniform_fan_in
from ._mlp import MLP, DenseLayer

__all__ = ["MLP", "DenseLayer", "capture", "dense", "tag", "uniform_fan_in"]
