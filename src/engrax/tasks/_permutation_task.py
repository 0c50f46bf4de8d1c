"""Learning a permutation of bits from one example a bit."""

import itertools
import math
from typing import NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key


class PermutationTask(NamedTuple):
    """The k one-hot inputs and what a permutation makes of them."""

    x: Float[Array, "k k"]
    """The identity: row i is the input whose bit i alone is set."""
    y: Float[Array, "k k"]
    """Row i is the target of input i: bit `permutation[i]` alone is set."""
    permutation: Int[Array, " k"]
    """Where each input bit goes."""

    def targets(self, bits: Bool[Array, "n k"]) -> Bool[Array, "n k"]:
        """What the permutation makes of any inputs."""
        return bits[:, jnp.argsort(self.permutation)]


def permutation_task(key: Key[Array, ""], k: int) -> PermutationTask:
    """A random permutation of k bits as a training set of k examples (arXiv 2502.16763).

    A linear map that is fitted to them by least squares is the permutation itself: it is a task to
    study networks on, not one that needs them. Raises ValueError for k below 1.
    """
    if k < 1:
        raise ValueError(f"permutation_task needs at least 1 bit, got k={k}.")
    permutation = jr.permutation(key, k).astype(jnp.int32)
    identity = jnp.eye(k, dtype=jnp.float32)
    return PermutationTask(identity, identity[permutation], permutation)


class BinaryInputs(NamedTuple):
    """Nonzero binary inputs."""

    bits: Bool[Array, "n k"]
    x: Float[Array, "n k"]
    """The bits divided by the root of their number, so that every input has length 1."""


def binary_inputs(
    k: int,
    n_ones: int | None = None,
    *,
    size: int | None = None,
    key: Key[Array, ""] | None = None,
) -> BinaryInputs:
    """All ``2^k - 1`` nonzero inputs of k bits, or `size` random ones with a `key`.

    With `n_ones`, only those with so many ones. All of them come in the order of the numbers that
    they spell, bit 0 the lowest. Random ones are uniform over what they are drawn from, with
    repetition.

    Raises ValueError for k below 1, a number of ones outside 1 .. k, more than 2^24 inputs to list,
    or a `size` without a `key`.
    """
    if k < 1 or (n_ones is not None and not 1 <= n_ones <= k):
        raise ValueError(
            f"binary_inputs was asked for {n_ones} ones of {k} bits; expected at least one bit, "
            "and between one and all of them ones."
        )
    if (size is None) != (key is None) or (size is not None and size < 1):
        raise ValueError(
            f"binary_inputs got size={size} and a key: {key is not None}; give both, with a size "
            "of at least 1, for random inputs, or neither for all of them."
        )
    if size is None or key is None:
        # In NumPy: every number of inputs would be a program of its own.
        bits = _listed(k, n_ones)
        x = bits / np.sqrt(bits.sum(1, keepdims=True))
        return BinaryInputs(jnp.asarray(bits), jnp.asarray(x, jnp.float32))
    if n_ones is None:
        return _unit(_fair(key, size, k))
    row = jnp.arange(k) < n_ones
    return _unit(jr.permutation(key, jnp.tile(row, (size, 1)), axis=1, independent=True))


def _listed(k: int, n_ones: int | None) -> np.ndarray:
    count = 2**k - 1 if n_ones is None else math.comb(k, n_ones)
    if count >= 2**24:
        raise ValueError(f"All {count} inputs are too many to list; draw some with a key.")
    if n_ones is None:
        return ((np.arange(1, 2**k)[:, None] >> np.arange(k)) & 1).astype(bool)
    places = np.array(list(itertools.combinations(range(k), n_ones)))
    bits = np.zeros((count, k), bool)
    np.put_along_axis(bits, places, True, axis=1)
    return bits[np.lexsort(bits.T)]


def _fair(key: Key[Array, ""], size: int, k: int) -> Bool[Array, "n k"]:
    """Uniform nonzero rows.

    The first one stands at place i with probability ``2^-(i+1)``, given
    that there is one, and what follows it is fair.
    """
    first_key, rest_key = jr.split(key)
    weight = -np.arange(k) * np.log(2.0)
    first = jr.categorical(first_key, jnp.asarray(weight, jnp.float32), shape=(size,))
    place, first = jnp.arange(k)[None, :], first[:, None]
    coins = jr.bernoulli(rest_key, 0.5, (size, k))
    return (place == first) | ((place > first) & coins)


def _unit(bits: Bool[Array, "n k"]) -> BinaryInputs:
    count = jnp.sum(bits, axis=1, keepdims=True).astype(jnp.float32)
    return BinaryInputs(bits, bits.astype(jnp.float32) / jnp.sqrt(count))
