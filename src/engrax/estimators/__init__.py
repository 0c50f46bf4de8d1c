"""Learners behind scikit-learn's interface, for tables of one's own."""

from ._kan import KANClassifier, KANRegressor
from ._mlp import MLPClassifier

__all__ = [
    "KANClassifier",
    "KANRegressor",
    "MLPClassifier",
]
