"""Associative memories and their dynamics."""

from ._associative_memory import Association, AssociativeMemory
from ._dense_associative import DenseAssociativeMemory, Interactions
from ._glauber import Glauber, glauber, retrieve
from ._hopfield import HopfieldNetwork
from ._linear_attention import linear_attention
from ._network import SpinNetwork
from ._redundant import RedundantMemory
from ._symmetric import elementary_symmetric
from ._tap import Tap, tap_magnetization
from ._tensor import HebbianTensor

__all__ = [
    "Association",
    "AssociativeMemory",
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
    "linear_attention",
    "retrieve",
    "tap_magnetization",
]
