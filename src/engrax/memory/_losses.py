"""How far a state is from patterns: the losses that a Hebbian energy is made of."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int8


class PatternLosses(NamedTuple):
    """Squared distances of a state from each pattern and from its negative, over 2 N."""

    plus: Float[Array, " K"]  # L+ = |f - sigma|^2 / (2 N)
    minus: Float[Array, " K"]  # L- = |f + sigma|^2 / (2 N)

    @property
    def product(self) -> Float[Array, " K"]:
        """``L+ L-``, which is 0 at a +-1 pattern and at its negative."""
        return self.plus * self.minus


def pattern_losses(
    patterns: Int8[Array, "K N"] | Float[Array, "K N"], spins: Int8[Array, " N"]
) -> PatternLosses:
    """``L+-_mu = |f_mu -+ sigma|^2 / (2 N)`` of each pattern; blanks count with their spin's 1.

    With ``s_mu = |f_mu|^2 / N`` and ``x_mu = f_mu . sigma / N``,
    ``L+ L- = ((1 + s_mu) / 2)^2 - x_mu^2``, so the energy of a Hebbian network is a sum of these
    products and a constant (`HopfieldNetwork`): what lowers one lowers the other.

    Raises ValueError where the two disagree on N.
    """
    if patterns.shape[-1] != spins.shape[-1]:
        raise ValueError(
            f"patterns of {patterns.shape[-1]} sites met a state of {spins.shape[-1]} spins, "
            "expected as many; give both over the same sites."
        )
    size = spins.shape[-1]
    f, sigma = patterns.astype(jnp.float32), spins.astype(jnp.float32)
    square, overlap = jnp.sum(f**2, axis=1) / size, f @ sigma / size
    return PatternLosses((1 + square) / 2 - overlap, (1 + square) / 2 + overlap)


def pattern_overlaps(
    patterns: Int8[Array, "K N"], spins: Int8[Array, "*batch N"] | Float[Array, "*batch N"]
) -> Float[Array, "*batch K"]:
    """Overlap ``m_mu`` of states, or of mean states, over the sites where a pattern is not blank.

    1 where all of a pattern is there, 0 for a pattern without any site.
    """
    xi = patterns.astype(jnp.float32)
    support = jnp.sum(jnp.abs(xi), axis=1)
    found = spins.astype(jnp.float32) @ xi.T
    return found / jnp.maximum(support, 1.0).reshape((1,) * (found.ndim - 1) + (-1,))
