"""Local rules: how a weight moves, given what its two neurons do."""

from ._bcm import bcm
from ._delta import delta_rule, normalized_delta_rule
from ._hebb import hebb
from ._oja import oja
from ._td import td_rule
from ._trace import trace_rule

__all__ = [
    "bcm",
    "delta_rule",
    "hebb",
    "normalized_delta_rule",
    "oja",
    "td_rule",
    "trace_rule",
]
