"""What comes, when, and how probably: one spiking population, two readouts, local rules."""

from engrax.lab import Paper, Study

from ._arms import arms
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._plots import plots
from ._words import METHOD, NOTES

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title='Joint encoding of "what" and "when" predictions through error-modulated plasticity in '
    "biologically-plausible spiking networks",
    authors="Yohei Yamada, Zenas C. Chao",
    year=2026,
    venue="Communications Biology, doi 10.1038/s42003-026-10836-2",
    arxiv="2510.14382",
)

STUDY = Study(
    name="what_when",
    paper=PAPER,
    summary="One population of spiking neurons with fixed recurrent weights predicts which event "
    "follows a cue, when, and how probably. Two linear readouts of the same neurons learn by local "
    "rules, what once a trial and when every millisecond; their product is the prediction.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C1",
    smoke=("C1", "C2", "C3", "C4", "C6", "C7"),
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
