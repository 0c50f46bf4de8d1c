"""The Dragon Hatchling (BDH): a language model whose working memory is a Hebbian state.

Three readings are ours, since the paper leaves them open. BDH' (`gated`) is our reading of its
gated variant, see `engrax.nn.BDH`. Spiking (C8) samples activities, see `_spiking`. A text is read
in fresh windows at scale `cpu`, and carried from batch to batch at `paper`.
"""

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from engrax.lab import Arm, Paper, Reference, Study

from . import (
    _figures,
    _graph,
    _graph_figures,
    _local,
    _memory,
    _merging,
    _scaling,
    _sparsity,
    _spiking,
    _synapse_figures,
    _synapses,
)
from ._config import SCALES, Config

__all__ = ["CLAIMS", "PAPER", "SCALES", "STUDY", "Config", "arms", "plots"]

PAPER = Paper(
    title="The Dragon Hatchling: The Missing Link between the Transformer and Models of the Brain",
    authors="Adrian Kosowski, Przemyslaw Uznanski, Jan Chorowski, Zuzanna Stamirowska, "
    "Michal Bartoszkiewicz",
    year=2025,
    arxiv="2509.26507",
)

_PARTS = (_scaling, _memory, _synapses, _graph, _sparsity, _merging, _local, _spiking)


def arms(config: Config) -> dict[str, Callable[[], Arm | Reference]]:
    """Every arm by name, built only when a claim needs it."""
    return {name: arm for part in _PARTS for name, arm in part.arms(config).items()}


CLAIMS = tuple(claim for part in _PARTS for claim in part.CLAIMS)


def plots(run: Any) -> dict[str, Figure]:
    """The figures of what was run."""
    return _figures.plots(run) | _synapse_figures.plots(run) | _graph_figures.plots(run)


STUDY = Study(
    name="bdh",
    paper=PAPER,
    summary="A language model of many non-negative neurons whose only memory of the text is a "
    "Hebbian synaptic state, held against a GPT of as many parameters on the same bytes. Its "
    "synapses, its graph and its activity are then looked into, and models are merged by laying "
    "their neurons side by side.",
    config=Config,
    scales=SCALES,
    arms=arms,
    claims=CLAIMS,
    headline="C1",
    plots=plots,
)
