"""Glauber (heat-bath) dynamics of a network of spins."""

import functools
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Int8, Key, PyTree, Scalar

from engrax.core import System, named

from ._network import SpinNetwork

Schedule = Literal["sequential", "subset"]
Measure = Callable[[Int8[Array, " N"], Float[Array, " K"]], PyTree[Array]]


def glauber(
    key: Key[Array, ""],
    network: SpinNetwork,
    spins: Int8[Array, " N"],
    beta: Float[Array, ""] | Float[Array, " sweeps"] | float,
    sweeps: int,
    *,
    schedule: Schedule = "sequential",
    fraction: float = 0.05,
    measure: Measure | None = None,
) -> tuple[Int8[Array, " N"], PyTree[Array]]:
    """Heat-bath Monte Carlo: ``P(sigma_i = +1) = (1 + tanh(beta h_i)) / 2``.

    - ``schedule="sequential"`` is the reference: every spin once a sweep in random order, with the
      exact field; the running sums are recomputed at the start of each sweep, so float32 does not
      drift. O(N K) a sweep.
    - ``schedule="subset"`` updates a random `fraction` of the spins at once from the leading-order
      field of the same overlaps, ``1 / fraction`` times a sweep (first-order Plefka). Fast and
      approximate.

    `beta` is the inverse temperature, or one for each sweep (annealing); infinity relaxes at
    T = 0, where a spin without a field keeps its value. Returns the final spins, and what
    `measure(spins, overlaps)` makes of the state after every sweep, stacked: the overlaps
    ``(sweeps, K)`` where it is None.

    Raises ValueError for an unknown schedule, a negative number of sweeps, a fraction outside
    (0, 1], or another number of temperatures than of sweeps.
    """
    if schedule not in ("sequential", "subset"):
        raise ValueError(
            f"schedule={schedule!r} is unknown, expected 'sequential' or 'subset'; "
            "use 'sequential' for the exact sampler."
        )
    if sweeps < 0:
        raise ValueError(f"sweeps={sweeps} was given, expected 0 or more; pass a count of sweeps.")
    if not 0 < fraction <= 1:
        raise ValueError(
            f"fraction={fraction} was given, expected 0 < fraction <= 1; 0.05 is a good choice."
        )
    betas = jnp.asarray(beta, jnp.float32)
    if betas.shape not in ((), (sweeps,)):
        raise ValueError(
            f"beta has shape {betas.shape} for {sweeps} sweeps, expected one number or one for "
            f"each sweep; give shape () or ({sweeps},)."
        )
    if schedule == "sequential":
        sweep = functools.partial(_sequential_sweep, network, network.tables())
    else:
        sweep = functools.partial(_subset_sweep, network, fraction)

    def step(spins, drawn):
        beta, key = drawn
        spins, overlaps = sweep(beta, key, spins)
        return spins, overlaps if measure is None else measure(spins, overlaps)

    each = (jnp.broadcast_to(betas, (sweeps,)), jr.split(key, sweeps))
    return jax.lax.scan(step, spins, each)


class Glauber(System):
    """Glauber dynamics as a system: one tick is one sweep, the output the overlaps after it.

    - `network`: the spins' interactions.
    - `spins`: the state at time 0, ``(N,)``.
    - `beta`: inverse temperature, an array so that it can be swept.
    """

    network: SpinNetwork
    spins: Int8[Array, " N"]
    beta: Float[Array, ""]

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The starting spins, and the key of the chain."""
        return {"spins": self.spins, "key": named(key, "glauber")}

    def step(self, state: dict[str, Array], input: Scalar) -> tuple[dict, dict]:
        """One sequential sweep at tick `input`."""
        key = jr.fold_in(state["key"], input)
        spins, overlaps = glauber(key, self.network, state["spins"], self.beta, 1)
        return {**state, "spins": spins}, {"overlaps": overlaps[0]}


def retrieve(
    network: SpinNetwork, cues: Int8[Array, "*batch N"], *, steps: int = 60
) -> Int8[Array, "*batch N"]:
    """Relax cues at T = 0, all spins at once, until nothing moves or `steps` are done.

    Uses the leading-order field, two matrix products a step for a whole batch of cues. Where the
    energy of the overlaps is convex (pairs of spins, and every even order) each step lowers it, so
    there are no cycles. For odd orders parallel updates can end in a cycle of period 2. At high
    load the self-interaction that this field contains holds states that a single spin would leave:
    use `glauber` with ``beta = inf`` there. `recall` offers all of these and tells what settled.
    """

    def moving(carry):
        step, previous, current = carry
        return (step < steps) & jnp.any(previous != current)

    def move(carry):
        step, _, current = carry
        return step + 1, current, align(network.mean_field(current), current)

    start = (jnp.int32(0), jnp.zeros_like(cues), cues)
    return jax.lax.while_loop(moving, move, start)[2]


def align(
    field: Float[Array, "*batch N"], spins: Int8[Array, "*batch N"]
) -> Int8[Array, "*batch N"]:
    """Spins along their field; a spin without a field stays."""
    return jnp.where(field == 0, spins, jnp.sign(field).astype(spins.dtype))


def heat_bath(
    field: Float[Array, "*N"],
    spin: Float[Array, "*N"] | Int8[Array, "*N"],
    uniform: Float[Array, "*N"],
    beta: Float[Array, ""],
) -> Float[Array, "*N"] | Int8[Array, "*N"]:
    """New spins from fields; at T = 0 a zero field keeps the spin."""
    up = uniform < jax.nn.sigmoid(2 * beta * field)
    drawn = jnp.where(up, 1.0, -1.0).astype(spin.dtype)
    return jnp.where((field == 0) & jnp.isinf(beta), spin, drawn)


def site_order(key: Key[Array, ""], size: int) -> Int[Array, " N"]:
    """All sites in a random order, by one sort of numbers that carry their site in the low bits.

    XLA on CPU sorts plain integers 13 times as fast as `jax.random.permutation`, which would take
    most of a sweep. Equal high bits leave a few pairs of sites in ascending order; detailed balance
    holds at every site, so the stationary law does not depend on the order's.
    """
    low = max(size - 1, 1).bit_length()
    mask = jnp.uint32((1 << low) - 1)
    tagged = (jr.bits(key, (size,)) & ~mask) | jnp.arange(size, dtype=jnp.uint32)
    return (jnp.sort(tagged) & mask).astype(jnp.int32)


def _sequential_sweep(network, tables, beta, key, spins):
    """Every spin once, in random order, each with the exact field of the state it meets.

    Rows and spins are put in that order before the loop, and spins back after it: a gather and a
    scatter for each update would take most of the time.
    """
    order_key, noise_key = jr.split(key)
    sites = site_order(order_key, spins.shape[0])
    noise = jr.uniform(noise_key, (spins.shape[0],))
    ordered = tables._replace(rows=tables.rows[sites])

    def update(sums, drawn):
        row, uniform, spin = drawn
        field, without, contribution = network.cavity(ordered, sums, row, spin)
        spin = heat_bath(field, spin, uniform, beta)
        return without + spin * contribution, spin

    visits = (jnp.arange(spins.shape[0]), noise, spins[sites].astype(jnp.float32))
    sums, moved = jax.lax.scan(update, network.sums(spins), visits)
    return spins.at[sites].set(moved.astype(spins.dtype)), sums[0] / spins.shape[0]


def _subset_sweep(network, fraction, beta, key, spins):
    """``round(1 / fraction)`` parallel updates of a random subset of the spins."""

    def update(spins, key):
        choice_key, noise_key = jr.split(key)
        chosen = jr.uniform(choice_key, spins.shape) < fraction
        noise = jr.uniform(noise_key, spins.shape)
        moved = heat_bath(network.mean_field(spins), spins, noise, beta)
        return jnp.where(chosen, moved, spins), None

    moved = jax.lax.scan(update, spins, jr.split(key, round(1 / fraction)))[0]
    return moved, network.overlaps(moved)
