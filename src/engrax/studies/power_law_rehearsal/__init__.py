"""Old tasks that come back by a power law of the time since they were met."""

from engrax.lab import Paper, Study

from ._arms import arms
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._plots import plots
from ._words import METHOD, NOTES

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title="Catastrophic Interference is Mitigated in Naturalistic Power-Law Learning Environments",
    authors="Atith Gandhi, Raj Sanjay Shah, Vijay Marupudi, Sashank Varma",
    year=2024,
    arxiv="2401.10393",
)

STUDY = Study(
    name="power_law_rehearsal",
    paper=PAPER,
    summary="A plain net learns one permutation of digits after another, while old ones come back, "
    "the more rarely the longer ago they were met, as a power law has it in people's lives. The "
    "environment, not the learner, is held against regularizers and against other laws of "
    "rehearsal with as many examples.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C1",
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
