"""Measurements on arrays, weights and activations."""

from ._cka import cka
from ._compiled_cost import CompiledCost, compiled_cost
from ._first_passage import FirstPassage, first_passage
from ._inverse_participation_ratio import inverse_participation_ratio
from ._phase import Phase, classify_phase
from ._pruning import pruning_curve, rank_units

__all__ = [
    "CompiledCost",
    "FirstPassage",
    "Phase",
    "cka",
    "classify_phase",
    "compiled_cost",
    "first_passage",
    "inverse_participation_ratio",
    "pruning_curve",
    "rank_units",
]
