"""Measurements on arrays, weights and activations."""

from ._cka import cka
from ._compiled_cost import CompiledCost, compiled_cost

__all__ = ["CompiledCost", "cka", "compiled_cost"]
