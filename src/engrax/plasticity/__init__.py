"""Local rules: how a weight moves, given what its two neurons do."""

from ._lateral import LateralState, OrthogonalLateralCircuit
from ._subspace import subspace_rule

__all__ = [
    "LateralState",
    "OrthogonalLateralCircuit",
    "subspace_rule",
]
