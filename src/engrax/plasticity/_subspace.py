"""Oja's subspace rule, as a Hebbian and an anti-Hebbian term."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def subspace_rule(
    weight: Float[Array, "k n"],
    x: Float[Array, "*batch n"],
    *,
    frozen: Bool[Array, " k"] | None = None,
) -> Float[Array, "k n"]:
    """`Y^T (X - Y H) / B` with the responses `Y = X H^T`: the change of `H` at rate 1.

    `Y^T X` is Hebbian. `Y H` is what the same synapses feed back to the presynaptic neurons, and
    `-Y^T Y H` is anti-Hebbian: the presynaptic neuron now shows the inhibited activity. Each
    synapse reads its own two neurons alone. The mean over the batch is `H C (I - H^T H)` with
    `C = X^T X / B`; its stable fixed points are the orthonormal bases of the top-k eigenspace of
    `C` (Oja 1989; Xiao et al. 2024, Sec. 4.2). With one row it is `oja`.

    **Arguments:** `frozen` (k,): rows that inhibit but do not learn; the others then find the
    leading subspace of what these leave over.
    """
    rows = x.reshape(-1, x.shape[-1])
    response = rows @ weight.T
    change = response.T @ (rows - response @ weight) / jnp.asarray(len(rows), rows.dtype)
    return change if frozen is None else jnp.where(frozen[:, None], 0, change)
