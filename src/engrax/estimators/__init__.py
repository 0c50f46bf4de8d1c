"""Learners behind scikit-learn's interface, for tables of one's own."""

from ._associative_memory import AssociativeMemory
from ._capacity import CapacityAdvice, CapacityWarning
from ._kan import KANClassifier, KANRegressor
from ._mlp import MLPClassifier

__all__ = [
    "AssociativeMemory",
    "CapacityAdvice",
    "CapacityWarning",
    "KANClassifier",
    "KANRegressor",
    "MLPClassifier",
]
