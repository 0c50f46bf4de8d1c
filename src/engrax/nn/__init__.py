"""Layers and models: Equinox modules that know nothing of how they are trained."""

from engrax.nn._batch_norm import BatchNorm

__all__ = ["BatchNorm"]
