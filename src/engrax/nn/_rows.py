"""What else may stand in the place of attention's softmax: the softmax, and controls."""

import math
from typing import Any, Protocol, final, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from .bases import Basis


@runtime_checkable
class RowOperator(Protocol):
    """From the logits of one head (rows, tokens) to weights of the values."""

    def apply(self, logits: Array, values: Array, /) -> Array:
        """`matrix(logits) @ values`, by the cheaper way where there is one."""
        ...

    def matrix(self, logits: Array, /) -> Array:
        """The weights (rows, tokens)."""
        ...


@final
class SoftmaxRows(eqx.Module):
    """The usual softmax over keys; with `n_tokens`, of logits plus a learned (N, N) bias.

    The bias starts at 0, so that both are the same map at first.
    """

    bias: Float[Array, "tokens tokens"] | None

    def __init__(self, n_tokens: int | None = None, *, key: Key[Array, ""] | None = None) -> None:
        """Build it; the key is not used."""
        del key
        self.bias = None if n_tokens is None else jnp.zeros((n_tokens, n_tokens))

    def matrix(self, logits: Float[Array, "rows tokens"]) -> Float[Array, "rows tokens"]:
        """Positive rows that sum to 1. Fewer rows than tokens are the last ones."""
        if self.bias is not None:
            if logits.shape[-1] != self.bias.shape[-1]:
                raise ValueError(
                    f"SoftmaxRows got logits of {logits.shape[-1]} keys; expected "
                    f"{self.bias.shape[-1]}: its biases belong to positions."
                )
            logits = logits + self.bias[-logits.shape[0] :]
        return jax.nn.softmax(logits, axis=-1)

    def apply(
        self, logits: Float[Array, "rows tokens"], values: Float[Array, "tokens d"]
    ) -> Float[Array, "rows d"]:
        """Means of the values."""
        return self.matrix(logits) @ values


@final
class ConstantRows(eqx.Module):
    """A control: an operator that is shown logits of 0, so that all rows are one learned pooling.

    Tokens are mixed by weights that depend on their positions alone.
    """

    operator: Any

    def __init__(self, operator: Any, *, key: Key[Array, ""]) -> None:
        """`operator(key=...)` builds what is shown the zeros."""
        self.operator = operator(key=key)

    def matrix(self, logits: Float[Array, "rows tokens"]) -> Float[Array, "rows tokens"]:
        """The same row, as often as there are rows."""
        one = self.operator.matrix(jnp.zeros_like(logits[:1]))
        return jnp.broadcast_to(one, logits.shape)

    def apply(
        self, logits: Float[Array, "rows tokens"], values: Float[Array, "tokens d"]
    ) -> Float[Array, "rows d"]:
        """The same pooled value, as often as there are rows."""
        one = self.operator.apply(jnp.zeros_like(logits[:1]), values)
        return jnp.broadcast_to(one, (logits.shape[0], values.shape[-1]))


@final
class SimplexRows(eqx.Module):
    """An operator whose rows are projected onto the simplex (Maity et al. 2025, Alg. 1)."""

    operator: Any

    def __init__(self, operator: Any, *, key: Key[Array, ""]) -> None:
        """`operator(key=...)` builds what is projected."""
        self.operator = operator(key=key)

    def matrix(self, logits: Float[Array, "rows tokens"]) -> Float[Array, "rows tokens"]:
        """Rows that are not negative and sum to 1."""
        return project_simplex(self.operator.matrix(logits))

    def apply(
        self, logits: Float[Array, "rows tokens"], values: Float[Array, "tokens d"]
    ) -> Float[Array, "rows d"]:
        """Means of the values."""
        return self.matrix(logits) @ values


@final
class MixedFirstRows(eqx.Module):
    """The other order, S_kq = sum_p phi_qp((A W^T)_kp): first down to r numbers, then functions.

    The paper's text finds it far worse than `KANRowOperator`. Coefficients start from
    N(0, 1 / (r M)) for M functions, W (r, N) uniform within N^(-1/2).
    """

    coefficients: Float[Array, "functions tokens rank"]
    mix: Float[Array, "rank tokens"]
    basis: Basis

    def __init__(self, n_tokens: int, rank: int, basis: Basis, *, key: Key[Array, ""]) -> None:
        """Build the operator of one head."""
        if min(n_tokens, rank) < 1:
            raise ValueError(
                f"MixedFirstRows got n_tokens={n_tokens} and rank={rank}; expected at least 1 each."
            )
        first, second = jr.split(key)
        scale = 1 / math.sqrt(rank * basis.size)
        self.coefficients = scale * jr.normal(first, (basis.size, n_tokens, rank))
        limit = 1 / math.sqrt(n_tokens)
        self.mix = jr.uniform(second, (rank, n_tokens), minval=-limit, maxval=limit)
        self.basis = basis

    def matrix(self, logits: Float[Array, "rows tokens"]) -> Float[Array, "rows tokens"]:
        """S.

        Raises:
            ValueError: another number of keys than the operator was built for.
        """
        if logits.shape[-1] != self.mix.shape[-1]:
            raise ValueError(
                f"MixedFirstRows got logits of {logits.shape[-1]} keys; expected "
                f"{self.mix.shape[-1]}: its functions belong to positions."
            )
        values = self.basis(logits @ self.mix.T, -2)
        return jnp.einsum("kmp,mqp->kq", values, self.coefficients)

    def apply(
        self, logits: Float[Array, "rows tokens"], values: Float[Array, "tokens d"]
    ) -> Float[Array, "rows d"]:
        """S V."""
        return self.matrix(logits) @ values


def project_simplex(rows: Float[Array, "*lead n"]) -> Float[Array, "*lead n"]:
    """The nearest point, to each row, whose entries are not negative and sum to 1.

    This is sparsemax (Martins and Astudillo 2016). Its derivative on the support S is
    I_S - 1 1^T / |S|, and 0 elsewhere.
    """
    falling = jnp.flip(jnp.sort(rows, axis=-1), -1)
    excess = jnp.cumsum(falling, axis=-1) - 1
    count = jnp.arange(1, rows.shape[-1] + 1, dtype=rows.dtype)
    count = jnp.broadcast_to(count, rows.shape)
    last = (falling * count > excess).sum(-1, keepdims=True) - 1
    threshold = jnp.take_along_axis(excess, last, -1) / (last + 1).astype(rows.dtype)
    return jnp.maximum(rows - threshold, 0)
