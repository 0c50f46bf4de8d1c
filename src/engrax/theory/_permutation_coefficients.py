"""Wide ReLU networks that learn a permutation from its basis vectors: what they say, exactly.

The training set is ``e_i -> P e_i``, i = 1 .. k; a test input has n ones and is divided by
``sqrt(n)``. By symmetry only n matters. Source: arXiv 2502.16763, with the coefficients spelled
out for any kernel.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ._kernel_predictor import Kernel
from ._precision import in_float64
from ._relu_kernels import relu_nngp, relu_ntk

Counts = Int[np.ndarray, "*_"] | Int[Array, "*_"] | int


class PermutationCoefficients(NamedTuple):
    """What a trained network says about an input, with the shape of its number of ones."""

    one: Float[np.ndarray, "*batch"] | Float[Array, "*batch"]
    """Mean of the output bits that should be 1 (w1)."""
    zero: Float[np.ndarray, "*batch"] | Float[Array, "*batch"]
    """Mean of the output bits that should be 0 (w0), negative where n > 1."""
    std: Float[np.ndarray, "*batch"] | Float[Array, "*batch"]
    """Standard deviation of an output bit between networks."""


@in_float64
def permutation_coefficients(
    k: int, n_ones: Counts, kernel: Kernel = relu_ntk, nngp: Kernel = relu_nngp
) -> PermutationCoefficients:
    """Mean and spread of the outputs after training, for an input with `n_ones` ones.

    The kernel matrix of the k training inputs is ``a 1 + b 11'``, so its inverse is known (Sherman
    and Morrison): with s the kernel between the test input and a training input on one of its ones,
    ``w0 = b/a - b S / (a (a + k b))``, ``S = n s + (k - n) b``, and ``w1 = w0 + (s - b) / a``.

    - `kernel`: `relu_ntk` where both layers are trained, `relu_nngp` where the readout alone is.
      A network in the standard parametrization with one learning rate is of the second kind.
    - `nngp`: the covariance of untrained outputs.

    For `relu_ntk` and n = 1 it is (1, 0, 0) exactly: a training input.
    Raises ValueError for k below 2 or a number of ones outside 1 .. k.
    """
    n = jnp.asarray(n_ones)
    if k < 2 or bool(jnp.any((n < 1) | (n > k))):
        raise ValueError(
            f"permutation_coefficients was given {n_ones} ones of {k} bits; expected at least 2 "
            "bits and between 1 and all of them ones; check the arguments' order."
        )
    return _solved(kernel, nngp, jnp.float64(k), n.astype(jnp.float64))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _solved(kernel: Kernel, nngp: Kernel, k: Array, n: Array) -> PermutationCoefficients:
    cosine = 1 / jnp.sqrt(n)
    same, apart = jnp.ones(()), jnp.zeros(())
    b, s = kernel(apart, k), kernel(cosine, k)
    a = kernel(same, k) - b
    total = n * s + (k - n) * b
    zero = b / a - b * total / (a * (a + k * b))
    one = zero + (s - b) / a
    whole, other, seen = nngp(same, k), nngp(apart, k), nngp(cosine, k)
    across = n * one * seen + (k - n) * zero * other
    sums = n * one + (k - n) * zero
    squares = n * one**2 + (k - n) * zero**2
    within = (whole - other) * squares + other * sums**2
    variance = whole - 2 * across + within
    # A training input has variance 0, known to rounding.
    variance = jnp.where(variance > 1e-12 * whole, variance, 0.0)
    exact = n == 1
    return PermutationCoefficients(
        jnp.where(exact, 1.0, one), jnp.where(exact, 0.0, zero), jnp.sqrt(variance)
    )
