"""Measurements on arrays, weights and activations."""

from ._associative_capacity import associative_capacity, linear_memory
from ._captured_energy import captured_energy
from ._chained_recall import chained_recall
from ._cka import cka, cka_matrix
from ._compiled_cost import CompiledCost, compiled_cost
from ._degree_statistics import (
    Comparison,
    DegreeStatistics,
    degree_statistics,
    excess_kurtosis,
    in_and_out_degrees,
)
from ._first_passage import FirstPassage, first_passage
from ._graph_nulls import low_rank, random_graph, rewired, shuffled
from ._inverse_participation_ratio import inverse_participation_ratio
from ._linear_probe import LinearProbe, linear_probe
from ._loss_plane import LossPlane, loss_plane, spectrum
from ._modularity import communities, modularity, modularity_curve, strongest
from ._phase import Phase, classify_phase
from ._pruning import pruning_curve, rank_units
from ._ranking import ranking_auc
from ._subspaces import Components, principal_angles, uncentered_pca
from ._synapses import Synapse, activation_sparsity, find_synapse, rank_biserial, synaptic_state

__all__ = [
    "Comparison",
    "CompiledCost",
    "Components",
    "DegreeStatistics",
    "FirstPassage",
    "LinearProbe",
    "LossPlane",
    "Phase",
    "Synapse",
    "activation_sparsity",
    "associative_capacity",
    "captured_energy",
    "chained_recall",
    "cka",
    "cka_matrix",
    "classify_phase",
    "communities",
    "compiled_cost",
    "degree_statistics",
    "excess_kurtosis",
    "find_synapse",
    "first_passage",
    "in_and_out_degrees",
    "inverse_participation_ratio",
    "linear_memory",
    "linear_probe",
    "loss_plane",
    "low_rank",
    "modularity",
    "modularity_curve",
    "principal_angles",
    "pruning_curve",
    "random_graph",
    "rank_biserial",
    "rank_units",
    "ranking_auc",
    "rewired",
    "shuffled",
    "spectrum",
    "strongest",
    "synaptic_state",
    "uncentered_pca",
]
