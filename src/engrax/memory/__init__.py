"""Associative memories of spins and their dynamics."""

from engrax.memory._dense import DenseAssociativeMemory
from engrax.memory._glauber import Glauber, glauber, retrieve
from engrax.memory._hopfield import HopfieldNetwork
from engrax.memory._network import SpinNetwork
from engrax.memory._redundant import RedundantMemory
from engrax.memory._symmetric import elementary_symmetric
from engrax.memory._tap import Tap, tap_magnetization
from engrax.memory._tensor import HebbianTensor

__all__ = [
    "DenseAssociativeMemory",
    "Glauber",
    "HebbianTensor",
    "HopfieldNetwork",
    "RedundantMemory",
    "SpinNetwork",
    "Tap",
    "elementary_symmetric",
    "glauber",
    "retrieve",
    "tap_magnetization",
]
