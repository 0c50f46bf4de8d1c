"""Associative memories and their dynamics."""

from ._dense_associative import DenseAssociativeMemory, Interactions
from ._glauber import Glauber, glauber, retrieve
from ._hopfield import HopfieldNetwork
from ._network import SpinNetwork
from ._redundant import RedundantMemory
from ._rotary import rotary, rotary_frequencies, rotary_phases, rotate_halves
from ._symmetric import elementary_symmetric
from ._tap import Tap, tap_magnetization
from ._tensor import HebbianTensor

__all__ = [
    "DenseAssociativeMemory",
    "Glauber",
    "HebbianTensor",
    "HopfieldNetwork",
    "Interactions",
    "RedundantMemory",
    "SpinNetwork",
    "Tap",
    "elementary_symmetric",
    "glauber",
    "retrieve",
    "rotary",
    "rotary_frequencies",
    "rotary_phases",
    "rotate_halves",
    "tap_magnetization",
]
