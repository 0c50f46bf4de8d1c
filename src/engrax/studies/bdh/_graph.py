"""C4: the graph between neurons has communities and hubs that chance does not give."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np
import xarray as xr

from engrax.core import State
from engrax.lab import Arm, Claim, Part, at_least
from engrax.probes import (
    degree_statistics,
    excess_kurtosis,
    in_and_out_degrees,
    low_rank,
    modularity_curve,
    strongest,
)

from ._config import Config
from ._kept import Kept, Take, kept
from ._scaling import SIZES, family, probed

GRAPHS = {"x": "Dx E", "y": "Dy E"}
CURVES: tuple[str, ...] = ("graph", "untrained", "low_rank", "random", "shuffled", "rewired")
NULLS = CURVES[1:]
CLAIMED = 0.1
"""The share of all pairs that are edges, at which claims are read."""
DEGREES = ("cv", "max_over_mean", "excess_kurtosis", "exponent", "lognormal", "exponential")
_BINS = np.linspace(-8, 8, 129)
"""Of the histogram of entries, in standard deviations."""


class Graphs(eqx.Module):
    """Modularity, degrees and entries of the graphs of every head, each against its nulls."""

    kept: Kept
    fractions: tuple[float, ...] = eqx.field(static=True)
    searches: int = eqx.field(static=True)

    def __call__(self, state: State) -> Mapping[str, Any]:
        """Of one run."""
        model, before = (self.kept.model(state, "bdh", w) for w in ("trained", "untrained"))
        heads = range(model.enc.shape[0])
        table = [
            [
                self._head(*(np.asarray(m.neuron_graph(which, (h, h))) for m in (model, before)))
                for h in heads
            ]
            for which in GRAPHS
        ]
        names = table[0][0]
        return {name: np.array([[one[name] for one in heads] for heads in table]) for name in names}

    def _head(self, weights: np.ndarray, untrained: np.ndarray) -> dict[str, np.ndarray]:
        rank = min(self.kept.builds[0].keywords["d"], len(weights))
        others = {"untrained": untrained}
        curves = modularity_curve(
            weights, self.fractions, rank=rank, others=others, runs=self.searches
        )
        null = low_rank(len(weights), rank, np.random.default_rng(1))
        three = (weights, untrained, null)
        return {
            "modularity": np.stack([curves[name] for name in CURVES]),
            "kurtosis": np.array([excess_kurtosis(m) for m in three]),
            "degrees": np.stack([_degrees(m) for m in three]),
            "entries": np.stack([_histogram(m) for m in three]),
        }


def _degrees(weights: np.ndarray) -> np.ndarray:
    """(in and out, statistic) of the graph at the claimed fraction.

    An edge runs from the neuron j that pulls to the neuron i that is pulled, which is entry (i, j).
    """
    found = [degree_statistics(d) for d in in_and_out_degrees(strongest(weights.T, CLAIMED))]
    return np.array(
        [
            [*(getattr(f, name) for name in DEGREES[:4]), f.lognormal.log_ratio,
             f.exponential.log_ratio]
            for f in found
        ]
    )  # fmt: skip


def _histogram(weights: np.ndarray) -> np.ndarray:
    """Density of the entries over their standard deviation."""
    scaled = weights.ravel() / (weights.std() or 1.0)
    return np.histogram(np.clip(scaled, _BINS[0], _BINS[-1]), _BINS, density=True)[0]


def _arm(config: Config) -> Arm:
    held = kept(bdh=family(config, "bdh", SIZES.index("middle")))
    lead = ("graph", "head")
    return Arm(
        held,
        1,
        dims={
            "modularity": (*lead, "curve", "fraction"),
            "kurtosis": (*lead, "matrix"),
            "degrees": (*lead, "matrix", "direction", "statistic"),
            "entries": (*lead, "matrix", "entry"),
        },
        coords={
            "graph": list(GRAPHS),
            "curve": list(CURVES),
            "fraction": list(config.fractions),
            "matrix": ["trained", "untrained", "low_rank"],
            "direction": ["in", "out"],
            "statistic": list(DEGREES),
            "entry": (_BINS[1:] + _BINS[:-1]) / 2,
        },
        needs=(probed(config, "bdh"),),
        start=Take(("bdh",)),
        measure=Graphs(held, config.fractions, config.searches),
    )


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that builds the arm."""
    return {"graph": eqx.Partial(_arm, config)}


def lead_over_nulls(graph: str) -> Callable[[Any], xr.DataArray]:
    """Modularity less that of the best null of each head, meaned over heads."""

    def value(run: Any) -> xr.DataArray:
        found = run["graph"]["final"]["modularity"].sel(graph=graph, drop=True)
        found = found.sel(fraction=CLAIMED, drop=True)
        best = found.sel(curve=list(NULLS)).max("curve")
        return (found.sel(curve="graph", drop=True) - best).mean("head")

    return value


def kurtosis_gap(graph: str) -> Callable[[Any], xr.DataArray]:
    """Excess kurtosis of the entries less that of a random matrix of the same rank."""

    def value(run: Any) -> xr.DataArray:
        found = run["graph"]["final"]["kurtosis"].sel(graph=graph, drop=True).mean("head")
        return found.sel(matrix="trained", drop=True) - found.sel(matrix="low_rank", drop=True)

    return value


CLAIMS = (
    Claim(
        "C4",
        "The graph between neurons is more modular than every null, those of its rank and of its "
        "degrees included, and its weights have heavier tails than a random matrix of its rank.",
        arms=("graph",),
        parts={
            **{
                f"modularity of {name}, less the best null": Part(lead_over_nulls(g), at_least(0.0))
                for g, name in GRAPHS.items()
            },
            **{
                f"excess kurtosis of {name}, less low rank": Part(kurtosis_gap(g), at_least(0.0))
                for g, name in GRAPHS.items()
            },
        },
        paper="8192 neurons: modularity stays high beyond a million edges while G(n, m) and "
        "P1 P2^T go to 0; a heavy right tail in 3 of 4 encoder heads in all 5 seeds",
    ),
)
