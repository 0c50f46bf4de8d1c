"""Local rules: how a weight moves, given what its two neurons do."""

from ._delta_readout import DeltaReadout
from ._recursive_least_squares import RecursiveLeastSquares

__all__ = ["DeltaReadout", "RecursiveLeastSquares"]
