"""Continual learning of binary weights: a variational principle and its mean-field theory."""

from engrax.lab import Paper, Study

from ._arms import arms
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._plots import plots
from ._words import METHOD, NOTES

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title="Statistical mechanics of continual learning: variational principle and mean-field "
    "potential",
    authors="Chan Li, Zhenye Huang, Wenxuan Zou, Haiping Huang",
    year=2023,
    venue="Physical Review E 108, 014309",
    arxiv="2212.02846",
)

STUDY = Study(
    name="meanfield_cl",
    paper=PAPER,
    summary="Binary weights are trained through the fields of a mean-field posterior, and what was "
    "known before a step is the prior of that step: certain weights are protected. For a "
    "perceptron with two teachers, the replica method foretells what is remembered.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C2",
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
