"""Local rules: how a weight moves, given what its two neurons do."""

from ._bcm import bcm
from ._delta import delta_rule, normalized_delta_rule
from ._hebb import hebb
from ._lateral import LateralState, OrthogonalLateralCircuit
from ._oja import oja
from ._subspace import subspace_rule
from ._td import td_rule
from ._trace import trace_rule

__all__ = [
    "LateralState",
    "OrthogonalLateralCircuit",
    "bcm",
    "delta_rule",
    "hebb",
    "normalized_delta_rule",
    "oja",
    "subspace_rule",
    "td_rule",
    "trace_rule",
]
