"""Choosing the family of learned functions node by node: selectable Kolmogorov-Arnold networks.

Of the paper its abstract, its first paragraphs and the author's layers could be read, not its
tables nor the code of the selection: pool, weighted choice at each node, the three phases and
convolutions are the paper's; softmax gates, the score, the formulas and all numbers are choices
made here.
"""

from collections.abc import Callable
from typing import Any

from engrax.lab import Arm, Paper, Study

from . import _functions, _images, _planted
from ._claims import CLAIMS
from ._config import SCALES, Config
from ._plots import plots
from ._words import METHOD, NOTES

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title="Activation Space Selectable Kolmogorov-Arnold Networks",
    authors="Zhuoqin Yang, Jiansong Zhang, Xiaoling Luo, Zheng Lu, Linlin Shen",
    year=2024,
    venue="arXiv preprint",
    arxiv="2408.08338",
)


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Every arm by name, built only when a claim needs it."""
    made: dict[str, Callable[[], Any]] = {
        **_functions.arms(config),
        **_planted.arms(config),
        **_images.arms(config),
    }
    return made


STUDY = Study(
    name="skan",
    paper=PAPER,
    summary="Every edge of the net is a learned univariate function, and several families of "
    "functions are trained at once, weighed at every node. Then each node keeps the family that "
    "contributes most, and the rest is left out: the net ends with the cost of one family.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C2",
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
