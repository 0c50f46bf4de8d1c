"""Learners behind scikit-learn's interface, for tables of one's own."""

from ._continual import ContinualClassifier
from ._continual_report import ForgettingReport
from ._kan import KANClassifier, KANRegressor
from ._mlp import MLPClassifier

__all__ = [
    "ContinualClassifier",
    "ForgettingReport",
    "KANClassifier",
    "KANRegressor",
    "MLPClassifier",
]
