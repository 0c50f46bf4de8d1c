"""Counter-current learning: two networks that run against each other teach each other.

The settings are those of the authors' code where it differs from the paper: the `dot` loss on fully
connected nets is not normalized, there is no warm-up, the feedback network sees the C class rows.

C6 counts operations of programs that compute each product once. The paper's figure for FW-DTP, 7.6
times backpropagation, is that of its authors' code; the method itself needs, beside the forward
pass and the weight gradients, two passes through the hidden feedback maps.
"""

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from engrax.lab import Arm, Paper, Reference, Study

from . import _autoencoders, _cost, _dynamics, _figures, _image_figures, _images, _mlp
from ._config import SCALES, Config
from ._words import METHOD, NOTES

PAPER = Paper(
    title="Counter-Current Learning: A Biologically Plausible Dual Network Approach for Deep "
    "Learning",
    authors="Chia-Hsiang Kao, Bharath Hariharan",
    year=2024,
    venue="NeurIPS 2024",
    arxiv="2409.19841",
)


def arms(config: Config) -> dict[str, Callable[[], Arm | Reference]]:
    """Every arm by name, built only when a claim needs it: the headline needs no download."""
    return {
        **_mlp.arms(config),
        **_dynamics.arms(config),
        **_images.arms(config),
        **_autoencoders.arms(config),
        **_cost.arms(config),
    }


CLAIMS = (
    *_mlp.CLAIMS,
    *_dynamics.CLAIMS,
    *_images.CLAIMS,
    *_autoencoders.CLAIMS,
    *_cost.CLAIMS,
)


def plots(run: Any) -> dict[str, Figure]:
    """The figures of what was run."""
    return {**_figures.plots(run), **_image_figures.plots(run)}


STUDY = Study(
    name="counter_current",
    paper=PAPER,
    summary="A network from the input to the label learns side by side with a mirrored network "
    "from the label to the input, each level pulled towards its partner by a loss of its own. No "
    "error is sent back through the layers, yet it is held against backpropagation and the other "
    "rules that do without weight transport.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C1m",
    smoke=("C1m", "C1", "C2", "C3", "C4", "C6"),
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
