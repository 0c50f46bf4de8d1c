"""A lateral circuit that learns a subspace of its inputs, and takes it out of later ones."""

from typing import NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, ArrayLike, Float, Int, Key


class LateralState(NamedTuple):
    """What of an `OrthogonalLateralCircuit` changes.

    **Fields:** `rows` (k_max, n) the synapses H, zero where no neuron is yet; `momentum`
    (block, n) of the rows that learn; `frozen`, `used`: how many rows, from the first, are frozen
    and are there at all.
    """

    rows: Float[Array, "k_max n"]
    momentum: Float[Array, "block n"]
    frozen: Int[Array, ""]
    used: Int[Array, ""]


@final
class OrthogonalLateralCircuit(eqx.Module):
    """Lateral neurons whose synapses come to span the principal subspace of a layer's inputs.

    The circuit of Hebbian learning based orthogonal projection (Xiao et al. 2024, Sec. 4): `grow`
    adds neurons, `update` lets them learn by Hebbian and anti-Hebbian plasticity, `freeze` fixes
    them, and `project` takes the frozen subspace out of a presynaptic trace. New neurons learn
    what the frozen ones leave over. Shapes never change: rows that are not there yet are zero.

    **Fields:**

    - `n`, `k_max`: inputs, and rows there will be at most.
    - `block`: rows that learn at the same time at most (`k_max` unless told). The work of an
      update grows with it, and not with `k_max`.
    - `rate`: learning rate of the rows.
    - `momentum`: keep-rate of the running mean of the changes.
    - `clip`: bound on each entry of a change.
    - `iterations`: steps on each batch.
    - `burst_levels`: spikes in a burst, T_l. A lateral neuron then answers
      `S round(T_l clip(y, -S, S) / S) / T_l`, with S = `burst_range`; without it, `y`.
    - `reorthonormalize`: make the new rows orthonormal, among themselves and to the old ones, when
      they are frozen (the paper does not).

    **Raises:** `ValueError` for sizes or numbers out of range.
    """

    n: int = eqx.field(static=True)
    k_max: int = eqx.field(static=True)
    block: int = eqx.field(static=True)
    iterations: int = eqx.field(static=True)
    reorthonormalize: bool = eqx.field(static=True)
    rate: Float[Array, ""]
    momentum: Float[Array, ""]
    clip: Float[Array, ""]
    burst_levels: Float[Array, ""] | None
    burst_range: Float[Array, ""]

    def __init__(
        self,
        n: int,
        k_max: int,
        *,
        rate: ArrayLike = 0.01,
        momentum: ArrayLike = 0.9,
        iterations: int = 5,
        clip: ArrayLike = 10.0,
        burst_levels: ArrayLike | None = None,
        burst_range: ArrayLike = 20.0,
        reorthonormalize: bool = False,
        block: int | None = None,
    ) -> None:
        block = k_max if block is None else block
        if not 1 <= block <= min(k_max, n) or iterations < 1:
            raise ValueError(
                f"a lateral circuit on n={n} inputs got k_max={k_max}, block={block} and "
                f"iterations={iterations}; give 1 <= block <= k_max, block <= n and iterations >= 1"
            )
        if reorthonormalize and k_max > n:
            raise ValueError(
                f"{k_max} rows cannot be orthonormal in {n} dimensions; give k_max <= n or leave "
                "reorthonormalize off"
            )
        if burst_levels is not None and not jnp.all(jnp.asarray(burst_levels) > 0):
            raise ValueError(f"burst_levels must be positive, got {burst_levels}")
        self.n, self.k_max, self.block = n, k_max, block
        self.iterations, self.reorthonormalize = iterations, reorthonormalize
        self.rate, self.momentum, self.clip = (
            jnp.asarray(number, jnp.float32) for number in (rate, momentum, clip)
        )
        self.burst_levels = None if burst_levels is None else jnp.asarray(burst_levels, jnp.float32)
        self.burst_range = jnp.asarray(burst_range, jnp.float32)

    def init(self) -> LateralState:
        """A circuit without neurons."""
        none = jnp.int32(0)
        return LateralState(
            jnp.zeros((self.k_max, self.n)), jnp.zeros((self.block, self.n)), none, none
        )

    def grow(
        self, state: LateralState, count: int | Int[Array, ""], *, key: Key[Array, ""]
    ) -> LateralState:
        """`count` new neurons that will learn: orthonormal among themselves, at rest.

        **Raises:** `ValueError` for a count that does not fit; a traced count is cut to the rows
        that are left.
        """
        if isinstance(count, int) and not 0 <= count <= self.block:
            raise ValueError(
                f"{count} new rows do not fit a circuit that learns at most {self.block} at once; "
                f"give a count from 0 to {self.block}, or a larger block"
            )
        # Rows of the block behind those that are there; the clamp is `dynamic_slice`'s own.
        begin = self._begin(state)
        last = jnp.minimum(state.used + count, jnp.minimum(state.frozen + self.block, self.k_max))
        drawn = jnp.linalg.qr(jr.normal(key, (self.n, self.block)))[0].T
        index = begin + jnp.arange(self.block)
        fresh = (index >= state.used) & (index < last)
        # The r-th new row takes the r-th drawn one.
        drawn = jnp.roll(drawn, state.used - begin, axis=0)
        rows = jnp.where(fresh[:, None], drawn, self._block(state, begin))
        momentum = jnp.where(fresh[:, None], 0, state.momentum)
        return LateralState(
            jax.lax.dynamic_update_slice_in_dim(state.rows, rows, begin, 0),
            momentum,
            state.frozen,
            last.astype(jnp.int32),
        )

    def update(self, state: LateralState, x: Float[Array, "*batch n"]) -> LateralState:
        """`iterations` Hebbian and anti-Hebbian steps of the rows that learn, on one batch.

        All rows inhibit; rows that are frozen keep their bits. The frozen rows' share of the
        inhibition does not change on the way and is taken out once.
        """
        self._check(x)
        x = x.reshape(-1, self.n)
        left = self.project(state, x)
        begin = self._begin(state)
        index = begin + jnp.arange(self.block)
        learns = ((index >= state.frozen) & (index < state.used))[:, None]
        mine = self._block(state, begin)

        def iterate(_: int | Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            rows, momentum = carry
            response = self._response(x, rows)
            change = response.T @ (left - response @ rows) / jnp.float32(len(x))
            change = jnp.clip(change, -self.clip, self.clip)
            momentum = self.momentum * momentum + (1 - self.momentum) * change
            momentum = jnp.where(learns, momentum, 0)
            return rows + self.rate * momentum, momentum

        start = jnp.where(learns, mine, 0), state.momentum
        rows, momentum = jax.lax.fori_loop(0, self.iterations, iterate, start)
        rows = jax.lax.dynamic_update_slice_in_dim(
            state.rows, jnp.where(learns, rows, mine), begin, 0
        )
        return state._replace(rows=rows, momentum=momentum)

    def project(self, state: LateralState, x: Float[Array, "*batch n"]) -> Float[Array, "*batch n"]:
        """`x - H^T q(H x)` over the frozen rows, q the burst code or the identity."""
        self._check(x)
        frozen = self.frozen_rows(state)
        return x - self._response(x, frozen) @ frozen

    def project_gradient(
        self, state: LateralState, gradient: Float[Array, "m n"]
    ) -> Float[Array, "m n"]:
        """`G - (G H^T) H`: what projecting every linear trace does to the weight's gradient."""
        self._check(gradient)
        frozen = self.frozen_rows(state)
        return gradient - (gradient @ frozen.T) @ frozen

    def freeze(self, state: LateralState) -> LateralState:
        """All rows frozen, from here on part of what `project` takes out."""
        rows = state.rows
        if self.reorthonormalize:
            # Column by column, so that the first k columns of Q span those of H, for every k.
            ortho, triangle = jnp.linalg.qr(rows.T)
            signs = jnp.where(jnp.diagonal(triangle) < 0, -1.0, 1.0)
            index = jnp.arange(self.k_max)
            new = ((index >= state.frozen) & (index < state.used))[:, None]
            rows = jnp.where(new, (ortho * signs[None]).T, rows)
        return LateralState(rows, jnp.zeros_like(state.momentum), state.used, state.used)

    def frozen_rows(self, state: LateralState) -> Float[Array, "k_max n"]:
        """H with the rows that are not frozen set to zero."""
        return jnp.where(jnp.arange(self.k_max)[:, None] < state.frozen, state.rows, 0)

    def _begin(self, state: LateralState) -> Array:
        """Where the block of rows that learn begins."""
        return jnp.minimum(state.frozen, self.k_max - self.block)

    def _block(self, state: LateralState, begin: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(state.rows, begin, self.block, 0)

    def _response(self, x: Array, rows: Array) -> Array:
        y = x @ rows.T
        return y if self.burst_levels is None else burst(y, self.burst_levels, self.burst_range)

    def _check(self, x: Array) -> None:
        if x.shape[-1] != self.n:
            raise ValueError(
                f"a lateral circuit on {self.n} inputs got an array of shape {x.shape}; its last "
                f"axis must have length {self.n}"
            )


def burst(
    y: Float[Array, "..."], levels: Float[Array, ""], limit: Float[Array, ""]
) -> Float[Array, "..."]:
    """A signed response as a burst of at most `levels` spikes, each worth `limit / levels`."""
    return limit * jnp.round(levels * jnp.clip(y, -limit, limit) / limit) / levels
