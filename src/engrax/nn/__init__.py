"""Layers and models: modules that know nothing of how they are trained."""

from ._batch_norm import BatchNorm

__all__ = ["BatchNorm"]
