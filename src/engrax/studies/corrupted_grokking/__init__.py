"""Memorization and generalization side by side, on a modular addition with corrupted labels."""

from engrax.lab import Paper, Study

from ._arms import arms
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._plots import plots
from ._words import METHOD, NOTES

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title="To grok or not to grok: Disentangling generalization and memorization on corrupted "
    "algorithmic datasets",
    authors="Darshil Doshi, Aritra Das, Tianyu He, Andrey Gromov",
    year=2024,
    venue="ICLR 2024",
    arxiv="2310.13061",
)

STUDY = Study(
    name="corrupted_grokking",
    paper=PAPER,
    summary="A two-layer net learns to add modulo p although a share of its training labels is "
    "wrong. One number a unit, how periodic its weights are, tells the units that generalize from "
    "those that memorize.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C2",
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
