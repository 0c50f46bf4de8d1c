"""The Dragon Hatchling (BDH): a language model whose working memory is a Hebbian state.

Readings of ours, since the paper leaves them open: BDH' (`gated`), see `engrax.nn.BDH`; spiking
(C8), see `_spiking`; and at `paper`, where a text is carried from batch to batch, a decay for each
head. Without one, what is never forgotten piles up over a long text until every read is nearly the
same, and only which byte follows which is learned; the state itself is carried right, as chunks and
steps that give what one pass gives show.

At `cpu` every sequence begins with a sentence, the text speaks of few words, weights start larger
than in the released code, and the GPT has rotary positions: otherwise neither model translates in
the steps that there is time for, and the GPT ends far above BDH. BDH and GPT at the sizes that are
compared (C1) are trained as long as each other; C2 to C6 and C8 look into models of the middle size
that were trained for longer.
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
from ._words import METHOD, NOTES

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
    smoke=("C1", "C1p", "C2", "C3", "C8"),
    plots=plots,
    method=METHOD,
    notes=NOTES,
)
