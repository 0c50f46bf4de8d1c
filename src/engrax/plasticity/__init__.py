"""Local rules: how a weight moves, given what its two neurons do."""

from ._bcm import bcm
from ._delta import delta_rule, normalized_delta_rule
from ._delta_readout import DeltaReadout
from ._hebb import hebb
from ._lateral import LateralState, OrthogonalLateralCircuit
from ._oja import oja
from ._recursive_least_squares import RecursiveLeastSquares
from ._subspace import subspace_rule
from ._td import td_rule
from ._trace import trace_rule

__all__ = [
    "DeltaReadout",
    "LateralState",
    "OrthogonalLateralCircuit",
    "RecursiveLeastSquares",
    "bcm",
    "delta_rule",
    "hebb",
    "normalized_delta_rule",
    "oja",
    "subspace_rule",
    "td_rule",
    "trace_rule",
]
