"""Learners behind scikit-learn's interface, for tables of one's own."""

from ._kan import KANClassifier, KANRegressor

__all__ = [
    "KANClassifier",
    "KANRegressor",
]
