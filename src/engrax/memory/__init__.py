"""Associative memories and their dynamics."""

from ._associative_memory import Association, AssociativeMemory
from ._block_gibbs import block_gibbs
from ._dense_associative import DenseAssociativeMemory, Interactions
from ._glauber import Glauber, align, glauber, retrieve
from ._hopfield import HopfieldNetwork
from ._linear_attention import Form, Rule, linear_attention
from ._losses import PatternLosses, pattern_losses, pattern_overlaps
from ._network import SpinNetwork, Tables
from ._recall import Recalled, recall
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
    "PatternLosses",
    "Recalled",
    "RedundantMemory",
    "Rule",
    "SpinNetwork",
    "Tables",
    "Tap",
    "align",
    "block_gibbs",
    "elementary_symmetric",
    "glauber",
    "linear_attention",
    "pattern_losses",
    "pattern_overlaps",
    "recall",
    "retrieve",
    "rotary",
    "rotary_frequencies",
    "rotary_phases",
    "rotate_halves",
    "tap_magnetization",
]
