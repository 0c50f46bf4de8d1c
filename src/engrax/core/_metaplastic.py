"""Updates that spare weights which have grown large."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import ArrayLike, Float


def metaplastic(meta: Float[ArrayLike, ""]) -> optax.GradientTransformation:
    """Scales each update that would shrink ``|w|`` by ``1 - tanh(meta |w|)^2``.

    To stand after Adam, whose first moment gives an update its sign:
    ``optax.chain(optax.adam(rate), optax.masked(metaplastic(1.35), weights))``. For latent weights
    of a binarized net, whose size says how long a binary weight has been needed (Laborieux et al.
    2021, Nat. Commun. 12, 2549, Eq. 3); biases and norms are left out by a mask. `meta` = 0 changes
    nothing; it may be an array, so that it can be swept.

    The update function **raises** `ValueError` where it is not given the weights.
    """

    def init(params: optax.Params) -> optax.EmptyState:
        del params
        return optax.EmptyState()

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        if params is None:
            raise ValueError("metaplastic needs the weights; call update(updates, state, params)")

        def spare(update: jax.Array, weight: jax.Array) -> jax.Array:
            kept = 1 - jnp.square(jnp.tanh(jnp.asarray(meta, weight.dtype) * jnp.abs(weight)))
            return jnp.where(update * weight < 0, kept * update, update)

        return jax.tree.map(spare, updates, params), state

    return optax.GradientTransformation(init, update)
