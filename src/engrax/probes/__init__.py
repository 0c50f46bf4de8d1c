"""Measurements on arrays, weights and activations."""

from ._associative_capacity import associative_capacity, linear_memory
from ._chained_recall import chained_recall
from ._cka import cka, cka_matrix
from ._compiled_cost import CompiledCost, compiled_cost
from ._first_passage import FirstPassage, first_passage
from ._inverse_participation_ratio import inverse_participation_ratio
from ._linear_probe import LinearProbe, linear_probe
from ._phase import Phase, classify_phase
from ._pruning import pruning_curve, rank_units

__all__ = [
    "CompiledCost",
    "FirstPassage",
    "LinearProbe",
    "Phase",
    "associative_capacity",
    "chained_recall",
    "cka",
    "cka_matrix",
    "classify_phase",
    "compiled_cost",
    "first_passage",
    "inverse_participation_ratio",
    "linear_memory",
    "linear_probe",
    "pruning_curve",
    "rank_units",
]
