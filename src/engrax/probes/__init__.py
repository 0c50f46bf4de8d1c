"""Measurements: functions of arrays, never of a model's class."""

from ._first_passage import FirstPassage, first_passage
from ._inverse_participation_ratio import inverse_participation_ratio
from ._phase import Phase, classify_phase
from ._pruning import pruning_curve, rank_units

__all__ = [
    "FirstPassage",
    "Phase",
    "classify_phase",
    "first_passage",
    "inverse_participation_ratio",
    "pruning_curve",
    "rank_units",
]
