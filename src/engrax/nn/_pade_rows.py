"""Row operators of quotients of polynomials."""

import math
from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from .bases import pade


@final
class PadeRows(eqx.Module):
    """`KANRowOperator` with a safe Padé unit of its own for every pair (Maity et al. 2025, Tab. 6).

    Phi_pq(x) = (a_0 + .. + a_5 x^5) / (1 + |b_1 x + .. + b_4 x^4|), all coefficients learned. Each
    pair has features of its own, so memory grows with rows x rank x tokens; a `KANRowOperator` with
    the basis "pade" has one denominator for all pairs instead. Denominators start from N(0, 1) as
    in the paper, numerators from N(0, 1 / (6 N)), W uniform within r^(-1/2).

    Raises:
        ValueError: sizes below 1.
    """

    numerator: Float[Array, "powers rank tokens"]
    """From the constant on."""
    denominator: Float[Array, "powers rank tokens"]
    """From the slope on."""
    mix: Float[Array, "tokens rank"]
    """W."""

    def __init__(
        self,
        n_tokens: int,
        rank: int = 12,
        degrees: tuple[int, int] = (5, 4),
        *,
        key: Key[Array, ""],
    ) -> None:
        """Build the operator of one head; `degrees` of numerator and denominator."""
        top, bottom = degrees
        if min(n_tokens, rank, top + 1, bottom) < 1:
            raise ValueError(
                f"PadeRows got n_tokens={n_tokens}, rank={rank} and degrees={degrees}; expected at "
                "least 1 each, and 0 for the numerator's degree."
            )
        first, second, third = jr.split(key, 3)
        scale = 1 / math.sqrt(n_tokens * (top + 1))
        self.numerator = scale * jr.normal(first, (top + 1, rank, n_tokens))
        self.denominator = jr.normal(second, (bottom, rank, n_tokens))
        self.mix = jr.uniform(third, (n_tokens, rank), minval=-1) / math.sqrt(rank)

    def features(self, logits: Float[Array, "*lead rows tokens"]) -> Float[Array, "*lead rows r"]:
        """F: the sums of functions, before W.

        Raises:
            ValueError: another number of keys than the operator was built for.
        """
        if logits.shape[-1] != self.mix.shape[0]:
            raise ValueError(
                f"PadeRows got logits of {logits.shape[-1]} keys; expected {self.mix.shape[0]}: "
                "its functions belong to positions, so the number of tokens is fixed."
            )
        lead = (1,) * (logits.ndim - 1)
        top, bottom = (
            jnp.moveaxis(c, 0, -1).reshape(*lead, *c.shape[1:], -1)
            for c in (self.numerator, self.denominator)
        )
        return pade(logits[..., None, :], top, bottom).sum(-1)

    def apply(
        self, logits: Float[Array, "*lead rows tokens"], values: Float[Array, "*lead tokens d"]
    ) -> Float[Array, "*lead rows d"]:
        """S V, as F (W^T V)."""
        return self.features(logits) @ (self.mix.T @ values)

    def matrix(
        self, logits: Float[Array, "*lead rows tokens"]
    ) -> Float[Array, "*lead rows tokens"]:
        """S, what stands in the place of softmax(A)."""
        return self.features(logits) @ self.mix.T
