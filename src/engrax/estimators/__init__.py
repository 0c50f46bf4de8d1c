"""Learners behind scikit-learn's interface, for tables of one's own."""

from ._mlp import MLPClassifier

__all__ = [
    "MLPClassifier",
]
