"""Retrieval from patterns stored under enormous noise (redundant representation)."""

import numpy as np
from jaxtyping import Float
from scipy.special import erf

Number = Float[np.ndarray, "*_"] | float | int


def detection_overlap(tau: Number, load: Number) -> Float[np.ndarray, "*batch"]:
    """Overlap after one T = 0 step from a pattern, order 4, storage noise ``omega = tau sqrt(N)``.

    ``m_1 = erf(1 / sqrt(tau^2 + alpha tau^4))`` at load ``alpha = K / N``, whatever N
    (`engrax.memory.RedundantMemory`); tau > 0. The setting is that of arXiv 1911.12689.
    """
    tau, load = np.asarray(tau, float), np.asarray(load, float)
    return np.asarray(erf(1 / np.sqrt(tau**2 + load * tau**4)))


def pairwise_detection_overlap(omega: Number, load: Number) -> Float[np.ndarray, "*batch"]:
    """The same for order 2: ``m_1 = erf(1 / sqrt(2 (omega^2 + alpha (1 + omega^2)^2)))``.

    With ``omega = tau sqrt(N)`` it vanishes as N grows.
    """
    omega, load = np.asarray(omega, float), np.asarray(load, float)
    return np.asarray(erf(1 / np.sqrt(2 * (omega**2 + load * (1 + omega**2) ** 2))))
