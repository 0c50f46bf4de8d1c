"""Sampling of the Gaussian process that wide trained networks are, instead of training them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from engrax.core import System
from engrax.theory import (
    permutation_factor,
    permutation_margins,
    relu_nngp,
    relu_ntk,
)

KERNELS = {"ntk": relu_ntk, "readout": relu_nngp}
"""What is trained -> the kernel."""


class Process(eqx.Module):
    """The process on some inputs, in units of the margins of their bits."""

    factor: Float[Array, "n n"]
    """L with covariance L L'."""
    bits: Bool[Array, "n k"]
    one: Float[Array, " n"]
    """Margin of the one-bits."""
    zero: Float[Array, " n"]
    """Margin of the zero-bits."""

    def needed(self, key: Key[Array, ""], draws: int) -> Float[Array, "draws n"]:
        """Networks needed for all bits of an input to be right, in samples of the process."""
        n, k = self.bits.shape
        noise = jr.normal(key, (n, k * draws))
        outputs = (self.factor @ noise).reshape(n, k, draws)
        wrong = jnp.where(self.bits, -1 / self.one[:, None], 1 / self.zero[:, None])
        return jnp.max(jax.nn.relu(wrong[:, :, None] * outputs), axis=1).T ** 2

    def worst(self, key: Key[Array, ""], draws: int) -> Float[Array, " draws"]:
        """Networks needed for the first bit to be right on all inputs."""
        unit = jnp.where(self.bits[:, 0], -1 / self.one, 1 / self.zero)
        noise = jr.normal(key, (len(self.bits), draws))
        return jnp.max(jax.nn.relu(unit[:, None] * (self.factor @ noise)), axis=0) ** 2


def process(bits: np.ndarray, kind: str) -> Process:
    """The process on inputs with two ones or more."""
    kernel = KERNELS[kind]
    counts, which = np.unique(bits.sum(1), return_inverse=True)
    one, zero = permutation_margins(bits.shape[1], counts, kernel)
    arrays = permutation_factor(bits, kernel), one[which], zero[which]
    factor, one, zero = (jnp.asarray(a, jnp.float32) for a in arrays)
    return Process(factor, jnp.asarray(bits), one, zero)


class SingleInputs(System):
    """Tick t: networks for a share of right inputs, all with two ones, at the t-th k.

    `size` is that of a fixed number of networks, over many samples of ensembles; `first` the number
    at which one growing ensemble first reaches the share, as it is counted for real networks.
    """

    processes: tuple[Process, ...]
    share: float = eqx.field(static=True)
    samples: int = eqx.field(static=True)
    """Inputs of ensembles that are sampled at each k."""
    patience: tuple[int, ...] = eqx.field(static=True)
    """Networks after which a growing ensemble is given up, for each k; 0 does not grow one."""

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Networks at the k of this tick."""
        key = jr.fold_in(state["key"], input)
        branches = [lambda key, i=i: self._sizes(i, key) for i in range(len(self.processes))]
        return state, jax.lax.switch(input, branches, key)

    def _sizes(self, i: int, key: Key[Array, ""]) -> dict[str, Array]:
        at, first_key = self.processes[i], jr.fold_in(key, 1)
        need = at.needed(jr.fold_in(key, 0), -(-self.samples // len(at.bits)))
        size = jnp.maximum(jnp.ceil(jnp.quantile(need, self.share)), 1.0)
        most = self.patience[i]
        first = self._first(at, first_key, most) if most else jnp.zeros(())
        return {"size": size, "first": first}

    def _first(self, at: Process, key: Key[Array, ""], most: int) -> Float[Array, ""]:
        n, k = at.bits.shape
        low = jnp.where(at.bits, -at.one[:, None], -jnp.inf)
        high = jnp.where(at.bits, jnp.inf, at.zero[:, None])

        def short(carry: tuple[Array, Array, Array]) -> Array:
            return (carry[0] < most) & ~carry[2]

        def add(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            count, total, _ = carry
            noise = jr.normal(jr.fold_in(key, count), (n, k))
            total, count = total + at.factor @ noise, count + 1
            mean = total / count.astype(jnp.float32)
            right = jnp.all((mean > low) & (mean <= high), axis=1)
            return count, total, jnp.mean(right.astype(jnp.float32)) >= self.share

        count, _, done = jax.lax.while_loop(
            short, add, (jnp.int32(0), jnp.zeros((n, k)), jnp.bool_(False))
        )
        return jnp.where(done, count.astype(jnp.float32), 0.0)


class AllInputs(System):
    """Tick t: networks for all nonzero inputs to be right at once, at the t-th k."""

    processes: tuple[Process, ...]
    delta: float = eqx.field(static=True)
    draws: int = eqx.field(static=True)
    block: int = eqx.field(static=True, default=500)
    """Draws at a time: bounds the memory."""

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Networks at the k of this tick."""
        key = jr.fold_in(state["key"], input)
        branches = [lambda key, i=i: self._size(i, key) for i in range(len(self.processes))]
        return state, jax.lax.switch(input, branches, key)

    def _size(self, i: int, key: Key[Array, ""]) -> dict[str, Array]:
        at, block = self.processes[i], min(self.block, self.draws)
        keys = jr.split(key, -(-self.draws // block))
        need = jax.lax.map(lambda key: at.worst(key, block), keys).reshape(-1)
        level = (1 - self.delta) ** (1 / at.bits.shape[1])
        return {"size": jnp.maximum(jnp.ceil(jnp.quantile(need, level)), 1.0)}
