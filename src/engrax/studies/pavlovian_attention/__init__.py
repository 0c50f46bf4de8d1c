"""Attention as classical conditioning: what a linear memory holds, repeats, corrects and blocks."""

from engrax.lab import Paper, Study

from ._arms import arms
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._plots import plots
from ._words import METHOD, NOTES

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title="Understanding Transformers through the Lens of Pavlovian Conditioning",
    authors="Mu Qiao",
    year=2025,
    arxiv="2508.08289",
)

STUDY = Study(
    name="pavlovian_attention",
    paper=PAPER,
    summary="Linear attention writes an outcome under each cue, as an animal pairs a stimulus with "
    "what follows it. How many pairs it holds depends on who chooses them, and how well it learns "
    "on whether it corrects its errors.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C2",
    smoke=("C1", "C2", "C3", "C4", "C6"),
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
