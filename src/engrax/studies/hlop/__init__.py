"""Learning one task beside another: Hebbian lateral circuits and orthogonal projection."""

from engrax.lab import Paper, Study

from ._arms import arms
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._plots import plots
from ._words import METHOD, NOTES

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title="Hebbian Learning based Orthogonal Projection for Continual Learning of Spiking Neural "
    "Networks",
    authors="Mingqing Xiao, Qingyan Meng, Zongpeng Zhang, Di He, Zhouchen Lin",
    year=2024,
    venue="ICLR 2024",
    arxiv="2402.11984",
)

STUDY = Study(
    name="hlop",
    paper=PAPER,
    summary="Lateral neurons beside each layer of a spiking net learn, by Hebbian and anti-Hebbian "
    "plasticity, where the layer's inputs live. On later tasks they take that subspace out of the "
    "presynaptic traces, so that what was learned before is not overwritten.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C1",
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
