"""Exact learning of permutations by averaged wide networks, its theory, and the linear baseline."""

from engrax.lab import Paper, Study

from ._arms import arms
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._plots import plots
from ._words import METHOD, NOTES

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title="Exact Learning of Permutations for Nonzero Binary Inputs with Logarithmic Training Size "
    "and Quadratic Ensemble Complexity",
    authors="George Giapitzakis, Artur Back de Luca, Kimon Fountoulakis",
    year=2025,
    arxiv="2502.16763",
)

STUDY = Study(
    name="exact_permutations",
    paper=PAPER,
    summary="Wide two-layer networks are trained on the k one-hot inputs of a permutation of k "
    "bits. Each network alone is noisy; the mean of enough of them, rounded, is right on all "
    "2^k - 1 nonzero inputs, and kernels say how many that are.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C3",
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
