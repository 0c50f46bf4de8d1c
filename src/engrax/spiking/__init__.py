"""Spikes: random and encoded."""

from ._bernoulli_product import bernoulli_product
from ._izhikevich import DimensionalIzhikevich, Izhikevich
from ._izhikevich_reservoir import IzhikevichReservoir

__all__ = [
    "DimensionalIzhikevich",
    "Izhikevich",
    "IzhikevichReservoir",
    "bernoulli_product",
]
