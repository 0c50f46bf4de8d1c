"""Exact parallel sampling of a pairwise network through Gaussian hidden units."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.core import Tracer
from jaxtyping import Array, Float, Int8, Key, PyTree

from ._glauber import Measure, heat_bath
from ._hopfield import HopfieldNetwork


def block_gibbs(
    key: Key[Array, ""],
    network: HopfieldNetwork,
    spins: Int8[Array, " N"],
    beta: Float[Array, ""] | Float[Array, " sweeps"] | float,
    sweeps: int,
    *,
    measure: Measure | None = None,
) -> tuple[Int8[Array, " N"], PyTree[Array]]:
    """Monte Carlo of a Hopfield network that moves all spins at once, and is exact.

    The network is a Boltzmann machine with R Gaussian hidden units: with
    ``W = f sqrt(beta scale / N)``, a sweep draws ``z ~ Normal(W sigma, 1)``, then every spin with
    ``P(sigma_i = +1) = sigmoid(2 (W^T z)_i)``. The self-interaction this contains is a constant of
    the energy, so the stationary law is that of sequential `glauber`: ``exp(-beta E)``. A sweep is
    two products of R x N. (Drawing all spins at once from their fields, without hidden units, is
    another model.)

    `beta` is the inverse temperature, or one for each sweep. Infinity is the limit T = 0, where a
    spin without a field keeps its value; a state that a step leaves alone there need not be stable
    to a single flip at high load, see `retrieve`. Returns the final spins, and what
    `measure(spins, overlaps)` makes of the state after every sweep, stacked: the overlaps
    ``(sweeps, R)`` with what is stored where it is None.

    Raises ValueError for a network of other than pairs, a negative scale where it is known, spins
    of another number, a negative number of sweeps, or another number of temperatures than sweeps.
    """
    if not isinstance(network, HopfieldNetwork):
        raise ValueError(
            f"block_gibbs was given a {type(network).__name__}, expected a HopfieldNetwork; only "
            "pairwise energies have Gaussian hidden units, use glauber."
        )
    if not isinstance(network.scale, Tracer) and not float(network.scale) >= 0:
        raise ValueError(
            f"the network's scale is {float(network.scale)}, expected at least 0; use glauber for "
            "couplings of the other sign."
        )
    if spins.shape != (network.size,):
        raise ValueError(
            f"spins have shape {spins.shape}, expected ({network.size},); use vmap for batches."
        )
    if sweeps < 0:
        raise ValueError(f"sweeps={sweeps} was given, expected 0 or more; pass a count of sweeps.")
    betas = jnp.asarray(beta, jnp.float32)
    if betas.shape not in ((), (sweeps,)):
        raise ValueError(
            f"beta has shape {betas.shape} for {sweeps} sweeps, expected one number or one for "
            f"each sweep; give shape () or ({sweeps},)."
        )

    def sweep(spins: Array, drawn: tuple[Array, Array]) -> tuple[Array, PyTree[Array]]:
        beta, key = drawn
        hidden_key, noise_key = jr.split(key)
        width = jnp.sqrt(network.scale / (network.size * beta))
        hidden = jr.normal(hidden_key, network.factor.shape[:1], network.factor.dtype)
        weights = network.scale * network.overlaps(spins) + width * hidden
        uniform = jr.uniform(noise_key, spins.shape)
        spins = heat_bath(weights @ network.factor, spins, uniform, beta)
        overlaps = network.overlaps(spins)
        return spins, overlaps if measure is None else measure(spins, overlaps)

    each = (jnp.broadcast_to(betas, (sweeps,)), jr.split(key, sweeps))
    return jax.lax.scan(sweep, spins, each)
