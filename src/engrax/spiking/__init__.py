"""Spiking neurons, their surrogate gradients, traces and encoders."""

from ._dsr import DSRLIF, rate_weights, weighted_rate
from ._encoders import bin_events, direct_encode, latency_encode, poisson_encode
from ._izhikevich import DimensionalIzhikevich, Izhikevich
from ._izhikevich_reservoir import IzhikevichReservoir
from ._lif import LIF, membrane_decay
from ._surrogate import (
    Surrogate,
    atan_surrogate,
    fast_sigmoid_surrogate,
    rectangular_surrogate,
    sigmoid_surrogate,
    triangular_surrogate,
)
from ._traces import double_exponential_trace, exponential_trace

__all__ = [
    "DSRLIF",
    "LIF",
    "DimensionalIzhikevich",
    "Izhikevich",
    "IzhikevichReservoir",
    "Surrogate",
    "atan_surrogate",
    "bin_events",
    "direct_encode",
    "double_exponential_trace",
    "exponential_trace",
    "fast_sigmoid_surrogate",
    "latency_encode",
    "membrane_decay",
    "poisson_encode",
    "rate_weights",
    "rectangular_surrogate",
    "sigmoid_surrogate",
    "triangular_surrogate",
    "weighted_rate",
]
