"""Spiking neurons, their surrogate gradients, traces and encoders."""

from ._dsr import DSRLIF, rate_weights, weighted_rate
from ._lif import LIF, membrane_decay
from ._surrogate import (
    Surrogate,
    atan_surrogate,
    fast_sigmoid_surrogate,
    rectangular_surrogate,
    sigmoid_surrogate,
    triangular_surrogate,
)

__all__ = [
    "DSRLIF",
    "LIF",
    "Surrogate",
    "atan_surrogate",
    "fast_sigmoid_surrogate",
    "membrane_decay",
    "rate_weights",
    "rectangular_surrogate",
    "sigmoid_surrogate",
    "triangular_surrogate",
    "weighted_rate",
]
