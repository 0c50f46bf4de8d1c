"""How many associations a linear memory holds, by what is asked of it."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import special

Number = Float[np.ndarray, "*_"] | Int[np.ndarray, "*_"] | float | int


def linear_memory_capacity(
    d_key: Number,
    *,
    criterion: Literal["adversarial", "bit_error", "exact"],
    cosine: Number = 0.0,
    error: float = 0.01,
    threshold: float = 1.0,
    d_value: int = 1,
) -> Float[np.ndarray, "*batch"]:
    """Number N of pairs in `S = sum v k^T`, with random unit keys of mean cosine `cosine`.

    The read-out of a stored key is its value and cross-talk, `v_j + sum_i v_i (k_i . k_j)`, whose
    overlaps have mean mu = `cosine` and variance `(1 - mu)^2 / d_key` about it.

    - `adversarial`: values are chosen against the probed key, so that the cross-talk of all keys
      has one sign; it reaches `threshold` times the signal at `1 + threshold / E|k.k'|`, which is
      `1 + threshold sqrt(pi d_key / 2)` at mu = 0 and `1 + threshold / mu` for large keys.
    - `bit_error`: random +-1 values, of which a share `error` is read with the wrong sign:
      `1 + 1 / (z^2 (mu^2 + (1 - mu)^2 / d_key))`, with z the Gaussian quantile of `error`.
    - `exact`: all `N d_value` signs are right with probability `1 - error`:
      `N = d_key / (2 ln(N d_value / error))`, at mu = 0.

    So the exponent of d_key is 1/2 or 1, by the question. Arrays broadcast.

    **Raises:** `ValueError` for another criterion, or where `exact` is asked of correlated keys.
    """
    d, mu = (np.asarray(x, float) for x in (d_key, cosine))
    if criterion == "adversarial":
        return np.asarray(1 + threshold / _mean_size(mu, np.asarray((1 - mu) / np.sqrt(d))))
    if criterion == "bit_error":
        z = -special.ndtri(error)
        return np.asarray(1 + 1 / (z**2 * (mu**2 + (1 - mu) ** 2 / d)))
    if criterion != "exact":
        raise ValueError(
            f"The criterion is 'adversarial', 'bit_error' or 'exact', got {criterion!r}."
        )
    if np.any(mu != 0):
        raise ValueError("The capacity for exact recall is known for cosine 0 only.")
    return np.vectorize(lambda one: _exact(one, error, d_value), otypes=[float])(d)


def sign_error(d_key: Number, pairs: Number, *, heads: Number = 1) -> Float[np.ndarray, "*batch"]:
    """Share of +-1 values read with the wrong sign, `Q(sqrt(heads d_key / (pairs - 1)))`.

    With `heads` memories of independent keys whose responses are added.
    """
    d, n, h = (np.asarray(x, float) for x in (d_key, pairs, heads))
    return np.asarray(special.ndtr(-np.sqrt(h * d / (n - 1))))


def _mean_size(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """E|x| of a normal x."""
    ratio = mean / deviation
    around = deviation * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2)
    return np.asarray(around + mean * (1 - 2 * special.ndtr(-ratio)))


def _exact(d_key: float, error: float, d_value: int) -> float:
    """The root in N; the right side falls in N, so there is one. At least 1."""
    from scipy.optimize import brentq  # 0.1 s, and only here

    def excess(log_n: float) -> float:
        return 2 * np.exp(log_n) * (log_n + np.log(d_value / error)) - d_key

    if excess(0.0) >= 0:
        return 1.0
    return float(np.exp(np.asarray(brentq(excess, 0.0, float(np.log(d_key))))))
