"""How many networks have to be averaged until a learned permutation is right."""

import functools
import math
from typing import Literal

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key
from scipy import special

from ._kernel_predictor import Kernel, KernelPredictor
from ._permutation_coefficients import permutation_coefficients
from ._relu_kernels import relu_nngp, relu_ntk

Threshold = Literal["zero", "midpoint"]

_JITTER = 1e-10
"""Added to the variances, as a share of the largest, so that a factor exists."""
_BLOCK = 500
"""Draws at a time: bounds the memory."""


def ensemble_size(
    k: int,
    delta: float,
    n_ones: int | Literal["all"],
    kernel: Kernel = relu_ntk,
    nngp: Kernel = relu_nngp,
    *,
    threshold: Threshold = "zero",
    draws: int = 4000,
    key: Key[Array, ""] | None = None,
) -> int:
    """Networks whose mean output, rounded, is right with probability ``1 - delta``.

    - `n_ones`: their number in the one input that has to be right: then the smallest N with
      ``Phi(w1 sqrt N / sd)^n Phi(-w0 sqrt N / sd)^(k - n) >= 1 - delta``. Or ``"all"``: all
      ``2^k - 1`` nonzero inputs at once, from `draws` samples of `required_sizes`; for k up to
      about 12.
    - `kernel`, `nngp`: as in `permutation_coefficients`.
    - `threshold`: ``"zero"``, or ``"midpoint"`` for ``(w0 + w1) / 2`` of the input's number of
      ones, which needs far fewer networks.
    - `key`: of the samples; ``jax.random.key(0)`` if None.

    It grows like ``k log(k / delta)``; the bound of arXiv 2502.16763 for all inputs is quadratic.
    Raises ValueError for a probability outside (0, 1) or an unknown threshold.
    """
    if not 0 < delta < 1:
        raise ValueError(
            f"ensemble_size was given delta={delta}, expected 0 < delta < 1: the chance of a "
            "wrong bit; check the arguments' order."
        )
    if n_ones == "all":
        key = jr.key(0) if key is None else key
        need = required_sizes(key, k, kernel, nngp, threshold=threshold, draws=draws)
        return max(1, math.ceil(np.quantile(need, (1 - delta) ** (1 / k))))
    one, zero = (float(m) for m in permutation_margins(k, n_ones, kernel, nngp, threshold))
    std = float(permutation_coefficients(k, n_ones, kernel, nngp).std)
    if std == 0:
        return 1

    def enough(size: int) -> bool:
        scale = math.sqrt(size) / std
        log = n_ones * special.log_ndtr(one * scale)
        # Without zeros their margin does not count.
        log += (k - n_ones) * special.log_ndtr(zero * scale) if k > n_ones else 0.0
        return bool(log >= math.log1p(-delta))

    high = 1
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def permutation_margins(
    k: int,
    n_ones: Int[np.ndarray, "*batch"] | int,
    kernel: Kernel = relu_ntk,
    nngp: Kernel = relu_nngp,
    threshold: Threshold = "zero",
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """How far the mean of a one-bit is above the threshold, and that of a zero-bit below it.

    Raises ValueError for an unknown threshold.
    """
    if threshold not in ("zero", "midpoint"):
        raise ValueError(f"threshold={threshold!r} is unknown, expected 'zero' or 'midpoint'.")
    w = permutation_coefficients(k, n_ones, kernel, nngp)
    one, zero = np.asarray(w.one), np.asarray(w.zero)
    level = np.zeros_like(one) if threshold == "zero" else (one + zero) / 2
    return np.asarray(one - level), np.asarray(level - zero)


def permutation_factor(
    bits: Bool[np.ndarray, "n k"], kernel: Kernel = relu_ntk, nngp: Kernel = relu_nngp
) -> Float[np.ndarray, "n n"]:
    """L with ``L L' = Sigma``, the covariance of an output between nonzero inputs `bits`.

    ``L z`` with standard normal z is a sample of how one network's output bit deviates from the
    mean of all, on all inputs at once; outputs are independent. Training inputs (a single one)
    have no deviation and must be left out. Raises ValueError where the inputs are not distinct.
    """
    k = bits.shape[1]
    x = bits / np.sqrt(bits.sum(1, keepdims=True))
    basis = np.eye(k)
    sigma = KernelPredictor(kernel, nngp, basis, basis).cov(x, x)
    try:
        return np.linalg.cholesky(sigma + _JITTER * sigma.diagonal().max() * np.eye(len(bits)))
    except np.linalg.LinAlgError:
        raise ValueError(
            "permutation_factor was given inputs without a covariance of full rank; "
            "leave out inputs with a single one, and repeated inputs."
        ) from None


def required_sizes(
    key: Key[Array, ""],
    k: int,
    kernel: Kernel = relu_ntk,
    nngp: Kernel = relu_nngp,
    *,
    threshold: Threshold = "zero",
    draws: int = 4000,
) -> Float[np.ndarray, " draws"]:
    """Samples of the ensemble size above which one output bit is right for all inputs at once.

    The mean of N networks deviates by ``g / sqrt(N)``, with g a sample of the Gaussian process, so
    the bit is right on an input where ``N`` is above ``(relu(-s g) / |w|)^2``: s = +-1 is the bit
    and w its margin. What is returned is the maximum over the ``2^k - 1`` nonzero inputs; the
    size for all k bits is its ``(1 - delta)^(1/k)`` quantile, since outputs are independent.
    """
    bits = nonzero_bits(k)
    bits = bits[bits.sum(1) > 1]
    factor = jnp.asarray(scaled_factor(bits, kernel, nngp, threshold), jnp.float32)
    found = []
    for start in range(0, draws, _BLOCK):
        noise_key = jr.fold_in(key, start)
        found.append(np.asarray(worst_deviation(noise_key, factor, min(_BLOCK, draws - start))))
    return np.concatenate(found).astype(float)


def scaled_factor(
    bits: Bool[np.ndarray, "n k"], kernel: Kernel, nngp: Kernel, threshold: Threshold
) -> Float[np.ndarray, "n n"]:
    """`permutation_factor` in units of the first bit's margin, towards the wrong side."""
    counts, which = np.unique(bits.sum(1), return_inverse=True)
    one, zero = permutation_margins(bits.shape[1], counts, kernel, nngp, threshold)
    unit = np.where(bits[:, 0], -1 / one[which], 1 / zero[which])
    return unit[:, None] * permutation_factor(bits, kernel, nngp)


@functools.partial(jax.jit, static_argnums=2)
def worst_deviation(
    key: Key[Array, ""], factor: Float[Array, "n m"], draws: int
) -> Float[Array, " draws"]:
    """Samples of the largest ``relu(L z)^2`` over the rows of L."""
    noise = jr.normal(key, (factor.shape[1], draws), factor.dtype)
    return jnp.max(jax.nn.relu(factor @ noise), axis=0) ** 2


def nonzero_bits(k: int) -> Bool[np.ndarray, "inputs k"]:
    """All ``2^k - 1`` nonzero inputs."""
    return (np.arange(1, 2**k)[:, None] >> np.arange(k) & 1).astype(bool)
