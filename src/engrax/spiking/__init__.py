"""Neurons that spike, and networks of them."""

from ._izhikevich import DimensionalIzhikevich, Izhikevich
from ._izhikevich_reservoir import IzhikevichReservoir

__all__ = ["DimensionalIzhikevich", "Izhikevich", "IzhikevichReservoir"]
