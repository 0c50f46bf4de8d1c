"""Associative memories and their dynamics."""

from ._associative_memory import Association, AssociativeMemory
from ._dense_associative import DenseAssociativeMemory, Interactions
from ._glauber import Glauber, glauber, retrieve
from ._hopfield import HopfieldNetwork
from ._linear_attention import Form, Rule, linear_attention
from ._network import SpinNetwork
from ._redundant import RedundantMemory
from ._rotary import rotary, rotary_frequencies, rotary_phases, rotate_halves
from ._symmetric import elementary_symmetric
from ._tap import Tap, tap_magnetization
from ._tensor import HebbianTensor

__all__ = [
    "Association",
    "AssociativeMemory",
    "DenseAssociativeMemory",
    "Form",
    "Glauber",
    "HebbianTensor",
    "HopfieldNetwork",
    "Interactions",
    "RedundantMemory",
    "Rule",
    "SpinNetwork",
    "Tap",
    "elementary_symmetric",
    "glauber",
    "linear_attention",
    "retrieve",
    "rotary",
    "rotary_frequencies",
    "rotary_phases",
    "rotate_halves",
    "tap_magnetization",
]
