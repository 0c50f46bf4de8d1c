"""How unequal the degrees of a graph are, and which law their tail follows."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Num


class Comparison(NamedTuple):
    """A power law against another law, on one tail."""

    log_ratio: float
    """Log-likelihood ratio per square root of its variance; above 0 favors the power law."""
    p_value: float
    """Of the sign of the ratio being chance (Vuong's test)."""


class DegreeStatistics(NamedTuple):
    """The degrees of one graph, in one direction."""

    mean: float
    cv: float
    """Standard deviation over mean."""
    max_over_mean: float
    excess_kurtosis: float
    """Fourth standardized moment - 3: 0 for a normal law."""
    exponent: float
    """Of the power law that fits the tail best; NaN where there is no tail to fit."""
    tail_from: float
    """The degree from which the tail is fitted, chosen by the Kolmogorov-Smirnov distance."""
    lognormal: Comparison
    exponential: Comparison


def degree_statistics(degrees: Num[np.ndarray, " nodes"]) -> DegreeStatistics:
    """Spread and tail of node degrees (Clauset, Shalizi and Newman 2009, by `powerlaw`).

    Take the in-degrees of an adjacency matrix as `graph.sum(0)`, the out-degrees as
    `graph.sum(1)`. Nodes without edges count for the spread and not for the tail.

    Raises:
        ValueError: no node, or a negative degree.
    """
    degrees = np.asarray(degrees, np.float64)
    if not degrees.size or degrees.min() < 0:
        raise ValueError("degree_statistics needs degrees of at least 0 for one node or more.")
    mean, spread = degrees.mean(), degrees.std()
    exponent, tail_from, *laws = _tail(degrees[degrees > 0])
    return DegreeStatistics(
        mean=float(mean),
        cv=float(spread / mean) if mean else 0.0,
        max_over_mean=float(degrees.max() / mean) if mean else 0.0,
        excess_kurtosis=excess_kurtosis(degrees),
        exponent=exponent,
        tail_from=tail_from,
        lognormal=laws[0],
        exponential=laws[1],
    )


def excess_kurtosis(values: Num[np.ndarray, "*shape"]) -> float:
    """Fourth standardized moment - 3 over all entries; 0 where they are all the same."""
    from scipy import stats  # 0.3 s, and only here

    values = np.ravel(np.asarray(values, np.float64))
    return float(stats.kurtosis(values)) if np.ptp(values) > 0 else 0.0


def in_and_out_degrees(
    graph: Bool[np.ndarray, "n n"],
) -> tuple[Num[np.ndarray, " n"], Num[np.ndarray, " n"]]:
    """The degrees of a graph whose entry [i, j] is the edge from i to j."""
    return graph.sum(0), graph.sum(1)


_FEWEST = 10
"""Distinct degrees below which no law is fitted."""


def _tail(degrees: np.ndarray) -> tuple[float, float, Comparison, Comparison]:
    nothing = Comparison(float("nan"), float("nan"))
    if len(np.unique(degrees)) < _FEWEST:
        return float("nan"), float("nan"), nothing, nothing
    import powerlaw  # half a second to import, and nobody else needs it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a search that meets the edge of its range
        fit: Any = powerlaw.Fit(degrees, discrete=True, verbose=False)
        lognormal, exponential = (
            Comparison(
                *np.asarray(
                    fit.distribution_compare("power_law", law, normalized_ratio=True), float
                ).tolist()
            )
            for law in ("lognormal", "exponential")
        )
        return float(fit.power_law.alpha), float(fit.xmin), lognormal, exponential
