"""Kolmogorov-Arnold attention: learned functions in the place of the softmax, and controls.

The controls that the paper lacks are part of the claims: pooling that sees no logits, a linear map
of the logits, a softmax with learned position biases, and a softmax model of as many parameters.

The softmax, the learned functions and the controls of C2 (const and linear) have their rates tuned
on one grid; other arms train at the middle of it. In C4 a quotient of polynomials has one learned
denominator an operator, not one for each pair.
"""

from engrax.lab import Paper, Study

from ._arms import arms
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._plots import plots
from ._words import METHOD, NOTES

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title="Kolmogorov-Arnold Attention: Is Learnable Attention Better For Vision Transformers?",
    authors="Subhajit Maity, Killian Hitsman, Xin Li, Aritra Dutta",
    year=2025,
    arxiv="2503.10632",
)

STUDY = Study(
    name="karat",
    paper=PAPER,
    summary="The softmax of a vision transformer gives way to learned functions: every logit goes "
    "through a function of its own, and a low-rank map sums them into a new row. Controls without "
    "token interaction tell what of the gain comes from learned functions, and what from pooling "
    "by position.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C1",
    smoke=("C1", "C2", "C6"),
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
