"""Classical controls of forgetting, without any old example."""

from engrax.lab import Paper, Study

from ._arms import arms
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._plots import plots
from ._words import METHOD, NOTES

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title="A Closer Look at Rehearsal-Free Continual Learning",
    authors="James Seale Smith, Junjiao Tian, Shaunak Halbe, Yen-Chang Hsu, Zsolt Kira",
    year=2023,
    venue="CVPR Workshops",
    arxiv="2203.17269",
)

STUDY = Study(
    name="rehearsal_free",
    paper=PAPER,
    summary="A classifier learns new classes, a few at a time, and may keep no old image. What an "
    "old copy of the net says of the new images, and a pull of its weights to earlier ones, are "
    "held against one another from scratch and after pre-training.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C3",
    smoke=("C2", "C3", "C6", "C7"),
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
