"""Closed forms of the multitasking network: how many blanks, and how many examples."""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import erfinv

Number = Float[np.ndarray, "*_"] | float | int


ONE_SIGMA = math.erf(math.sqrt(0.5))
"""Probability of a normal variable within one standard deviation, 0.683."""


def critical_dilution(k: int | float) -> float:
    """Largest dilution at which K patterns form the ladder ``m_mu = d^(mu-1)`` at T = 0.

    The first pattern keeps its sites while it outweighs all others together: the root of ``1 =
    d + d^2 + ... + d^(K-1)``. 1 for two patterns, 0.618 (the golden ratio) for three, 1/2 for
    infinitely many (``k=math.inf``). Raises ValueError for fewer than two patterns.
    """
    from scipy.optimize import brentq  # 0.1 s, and only here

    if not k >= 2 or (math.isfinite(k) and k != int(k)):
        raise ValueError(
            f"k={k} was given, expected a whole number of at least 2 patterns (or math.inf); one "
            "pattern has nobody to outweigh."
        )
    if math.isinf(k):
        return 0.5
    powers = np.arange(1, int(k))
    root = brentq(lambda d: np.sum(d**powers) - 1.0, 0.4, 1.0, xtol=1e-15)
    return float(np.asarray(root))


def learning_threshold(
    quality: Number, confidence: Number = ONE_SIGMA
) -> Float[np.ndarray, "*batch"]:
    """Examples M from which a pattern is known to an overlap of `confidence`, at T = 0 and K = 1.

    ``m = erf(1 / sqrt(2 rho))``, so with ``erf(Theta) = confidence`` it takes ``M = 2 Theta^2
    (1 - r^2) / r^2`` examples of quality r. The default, one standard deviation, is rho = 1.
    With several patterns the lower rungs are noise to the higher ones and it takes more: see
    `multitasking_mean_field`. Raises ValueError for numbers outside (0, 1].
    """
    r, wanted = np.asarray(quality, float), np.asarray(confidence, float)
    if np.any((r <= 0) | (r > 1)) or np.any((wanted <= 0) | (wanted >= 1)):
        raise ValueError(
            "learning_threshold was given a quality outside (0, 1] or a confidence outside (0, 1), "
            "expected both as shares; check the arguments' order."
        )
    return np.asarray(2 * erfinv(wanted) ** 2 * (1 - r**2) / r**2)
