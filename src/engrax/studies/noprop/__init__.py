"""NoProp: blocks that learn to denoise a label, without back- or forward-propagation.

What the paper leaves open is chosen as in the docstrings of `engrax.credit` (the cosine schedule,
the vector field of the adjoint baseline, the first gates of the chain under backpropagation). All
blocks are trained at once; the read-out gets as many updates a batch as in the paper's order, one
for each block, and starts by naming the nearest class, in every arm. Every accuracy is the mean
over five starting noises.

C2f is no claim of the paper's but the control that it lacks: the same blocks, with the noisy label
taken away, as independent classifiers.
"""

from typing import Any

from matplotlib.figure import Figure

from engrax.lab import Paper, Study

from . import _plots
from ._arms import arms
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._words import METHOD, NOTES

PAPER = Paper(
    title="NoProp: Training Neural Networks without Back-propagation or Forward-propagation",
    authors="Qinyu Li, Yee Whye Teh, Razvan Pascanu",
    year=2025,
    arxiv="2503.24322",
)


def plots(run: Any) -> dict[str, Figure]:
    """The figures of what was run."""
    return _plots.plots(run)


STUDY = Study(
    name="noprop",
    paper=PAPER,
    summary="A chain of blocks, each of which sees the input and a noisy label and learns, by "
    "itself, to name the label; to classify, noise is carried through the chain. It is held "
    "against the same blocks under backpropagation, against other rules without it, and against "
    "the same blocks as independent classifiers.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C1",
    smoke=("C2", "C2f", "C5"),
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
