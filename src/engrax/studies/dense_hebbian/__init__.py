"""Dense Hebbian networks: replica-symmetric theory against Monte Carlo, storage, detection."""

from engrax.lab import Paper, Study

from ._arms import arms
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._plots import plots
from ._words import METHOD, NOTES

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title="Dense Hebbian neural networks: a replica symmetric picture of supervised learning",
    authors="Elena Agliari, Linda Albanese, Francesco Alemanno, Andrea Alessandrelli, Adriano "
    "Barra, Fosca Giannotti, Daniele Lotito, Dino Pedreschi",
    year=2023,
    venue="Physica A 626, 129076",
    arxiv="2212.00606",
)

STUDY = Study(
    name="dense_hebbian",
    paper=PAPER,
    summary="An associative memory whose spins interact in groups of P stores the averages of "
    "noisy examples that a teacher has sorted into classes. Statistical mechanics predicts how "
    "many classes it can hold, and how well, from load, temperature and one number for the data.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C1",
    smoke=("C1", "C2", "C3", "C4", "C6"),
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
