"""Measurements: functions of arrays, never of a model's class."""

from engrax.probes._first_passage import FirstPassage, first_passage
from engrax.probes._inverse_participation_ratio import inverse_participation_ratio
from engrax.probes._phase import Phase, classify_phase
from engrax.probes._pruning import pruning_curve, rank_units

__all__ = [
    "FirstPassage",
    "Phase",
    "classify_phase",
    "first_passage",
    "inverse_participation_ratio",
    "pruning_curve",
    "rank_units",
]
