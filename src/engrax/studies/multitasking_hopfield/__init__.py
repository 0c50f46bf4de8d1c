"""Multitasking Hopfield networks: several diluted patterns at once, learned from examples."""

from engrax.lab import Paper, Study

from ._arms import arms
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._plots import plots
from ._words import METHOD, NOTES

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title="Parallel Learning by Multitasking Neural Networks",
    authors="Elena Agliari, Andrea Alessandrelli, Adriano Barra, Federico Ricci-Tersenghi",
    year=2023,
    venue="J. Stat. Mech. 113401",
    arxiv="2308.04106",
)

STUDY = Study(
    name="multitasking_hopfield",
    paper=PAPER,
    summary="A Hopfield network whose patterns have blanks fills the blanks of one pattern with "
    "the next, and so retrieves several at once. It learns them from noisy examples, and the "
    "examples' quality and number count through one number, with a teacher or without.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C1",
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
