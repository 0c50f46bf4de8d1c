"""Measurements on arrays, weights and activations."""

from ._captured_energy import captured_energy
from ._cka import cka, cka_matrix
from ._compiled_cost import CompiledCost, compiled_cost
from ._first_passage import FirstPassage, first_passage
from ._inverse_participation_ratio import inverse_participation_ratio
from ._linear_probe import LinearProbe, linear_probe
from ._phase import Phase, classify_phase
from ._pruning import pruning_curve, rank_units
from ._subspaces import Components, principal_angles, uncentered_pca

__all__ = [
    "CompiledCost",
    "Components",
    "FirstPassage",
    "LinearProbe",
    "Phase",
    "captured_energy",
    "cka",
    "cka_matrix",
    "classify_phase",
    "compiled_cost",
    "first_passage",
    "inverse_participation_ratio",
    "linear_probe",
    "principal_angles",
    "pruning_curve",
    "rank_units",
    "uncentered_pca",
]
