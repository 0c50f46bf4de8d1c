"""Hopfield networks of few diluted patterns: spin updates a second, and a whole phase diagram.

Against NumPy that moves all chains at once and keeps the couplings as factors too, in both
samplers; and, where it is installed, against the package `hopfieldnetwork`, which holds the N x N
matrix of couplings and updates one spin at a time. A case of 100,000 spins shows the cost where a
matrix of couplings would take 40 GB.
"""

import contextlib
import dataclasses
import importlib.util
import io
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from engrax.core import System, simulate
from engrax.memory import HopfieldNetwork, block_gibbs, glauber, pattern_overlaps
from engrax.memory._glauber import site_order
from engrax.tasks import diluted_patterns

from ._report import Comparison
from ._run import measure
from ._timer import alternate, best_seconds

K, DILUTION, BETA = 5, 0.45, 10.0
SPINS, CHAINS, SWEEPS = 4000, 10, 400
SEQUENTIAL_SWEEPS = 20
LARGE = 100_000
GRID, GRID_SPINS, GRID_SEEDS, GRID_SWEEPS, GRID_K = 12, 1000, 4, 200, 3


class Chain(System):
    """One tick: a chain of some sweeps from the ladder, in patterns of the seed's own."""

    size: int = eqx.field(static=True)
    patterns: int = eqx.field(static=True)
    sweeps: int = eqx.field(static=True)
    parallel: bool = eqx.field(static=True)
    dilution: Float[Array, ""]
    beta: Float[Array, ""]

    def init(self, *, key: Array) -> dict[str, Array]:
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        pattern_key, chain_key = jr.split(jr.fold_in(state["key"], input))
        patterns = diluted_patterns(pattern_key, self.patterns, self.size, self.dilution)
        network = HopfieldNetwork.from_patterns(patterns)
        sampler = block_gibbs if self.parallel else glauber
        spins, _ = sampler(
            chain_key, network, filled(patterns), self.beta, self.sweeps, measure=lambda *_: ()
        )
        return state, {"m": pattern_overlaps(patterns, spins)}


def filled(patterns: Array) -> Array:
    """The ladder; sites that no pattern wants are up."""
    spins = jnp.ones(patterns.shape[1:], jnp.int8)
    for pattern in reversed(list(patterns)):
        spins = jnp.where(pattern == 0, spins, pattern)
    return spins


class Peer:
    """All chains at once in NumPy, each with patterns of its own, in float32."""

    def __init__(
        self, seed: int, chains: int, size: int, count: int, dilution: Any, beta: Any
    ) -> None:
        self.rng = np.random.default_rng(seed)
        spread = self.rng.uniform(-1, 1, (chains, count, size)).astype(np.float32)
        d = np.broadcast_to(np.asarray(dilution, np.float32), chains)[:, None, None]
        self.f = np.where(np.abs(spread) < d, np.float32(0), np.sign(spread))
        self.beta = np.broadcast_to(np.asarray(beta, np.float32), chains)[:, None]
        self.scale = 1 / np.mean(self.f**2, axis=(1, 2), dtype=np.float32)[:, None]
        self.spins = np.ones((chains, size), np.float32)
        for mu in reversed(range(count)):
            self.spins = np.where(self.f[:, mu] == 0, self.spins, self.f[:, mu])

    def block(self, hidden: np.ndarray, uniform: np.ndarray) -> None:
        """A sweep of block Gibbs."""
        size = self.spins.shape[1]
        width = np.sqrt(self.scale / (size * self.beta))
        overlaps = np.matmul(self.f, self.spins[:, :, None])[:, :, 0] / np.float32(size)
        weights = self.scale * overlaps + width * hidden
        field = np.matmul(weights[:, None], self.f)[:, 0]
        up = uniform < 1 / (1 + np.exp(-2 * self.beta * field))
        self.spins = np.where(up, np.float32(1), np.float32(-1))

    def sequential(self, sites: np.ndarray, uniform: np.ndarray) -> None:
        """A sweep of Glauber: every spin of every chain once."""
        chains, size = self.spins.shape
        every, rows = np.arange(chains), np.ascontiguousarray(self.f.transpose(0, 2, 1))
        sums = np.matmul(self.f, self.spins[:, :, None])[:, :, 0]
        beta, scale = self.beta[:, 0], self.scale[:, 0] / np.float32(size)
        for k in range(size):
            site = sites[:, k]
            own, spin = rows[every, site], self.spins[every, site]
            without = sums - spin[:, None] * own
            field = scale * np.einsum("ck,ck->c", own, without)
            up = uniform[:, k] < 1 / (1 + np.exp(-2 * beta * field))
            new = np.where(up, np.float32(1), np.float32(-1))
            self.spins[every, site] = new
            sums = without + new[:, None] * own

    def run(self, sweeps: int, *, parallel: bool) -> np.ndarray:
        """Overlaps at the end (chain, pattern), with draws of its own."""
        (chains, count, size), rng = self.f.shape, self.rng
        for _ in range(sweeps):
            uniform = rng.random((chains, size), np.float32)
            if parallel:
                self.block(rng.standard_normal((chains, count), np.float32), uniform)
            else:
                self.sequential(
                    rng.permuted(np.tile(np.arange(size), (chains, 1)), axis=1), uniform
                )
        found = np.matmul(self.f, self.spins[:, :, None])[:, :, 0]
        return found / np.maximum(np.abs(self.f).sum(2), 1)


def agreement(*, parallel: bool) -> float:
    """Share of the spins that are equal after one sweep with the same patterns and draws."""
    chains, size, equal = 3, 500, []
    for chain in range(chains):
        peer = Peer(chain, 1, size, K, DILUTION, BETA)
        network = HopfieldNetwork.from_patterns(jnp.asarray(peer.f[0], jnp.int8))
        key, sampler = jr.key(chain), block_gibbs if parallel else glauber
        spins, _ = sampler(key, network, jnp.asarray(peer.spins[0], jnp.int8), BETA, 1)
        first, noise = jr.split(jr.split(key, 1)[0])
        uniform = np.asarray(jr.uniform(noise, (size,)))[None]
        if parallel:
            peer.block(np.asarray(jr.normal(first, (K,)))[None], uniform)
        else:
            peer.sequential(np.asarray(site_order(first, size))[None], uniform)
        equal.append(np.mean(np.asarray(spins) == peer.spins[0]))
    # A uniform draw within rounding of its threshold may fall on either side.
    if not np.mean(equal) > 0.999:
        raise RuntimeError(f"after one sweep only {np.mean(equal):.2%} of the spins are equal")
    return float(np.mean(equal))


def sampler_case(size: int, chains: int, sweeps: int, *, parallel: bool, aim: float) -> Comparison:
    """One setting, many chains, each in patterns of its own."""
    equal = agreement(parallel=parallel)
    beta = jnp.float32(BETA)
    system = Chain(size, K, sweeps, parallel, jnp.float32(DILUTION), beta)
    ours = lambda: simulate(system, 1, key=jr.key(0), seeds=chains)
    peer = lambda: Peer(0, chains, size, K, DILUTION, BETA).run(sweeps, parallel=parallel)
    ranked = [np.sort(np.abs(m)).mean(0) for m in (ours().records["m"][:, 0], peer())]
    gap = float(np.abs(ranked[0] - ranked[1]).max())
    if not gap < 0.05:
        raise RuntimeError(f"the mean overlaps at the end are {gap:.3f} apart")
    timed = alternate(ours, peer)
    updates, name = chains * size * sweeps, "block Gibbs" if parallel else "sequential Glauber"
    return Comparison(
        case=f"{name}, N = {size}, {K} patterns, {chains} chains, {sweeps} sweeps",
        peer="NumPy, all chains at once, the same sampler",
        gate=f"after one sweep with the same draws {equal:.2%} of the spins are equal; mean "
        f"overlaps at the end within {gap:.2g}",
        aim=aim,
        alternation=timed,
        rates=rates(updates, min(timed.ours.rounds), min(timed.peer.rounds), "NumPy"),
    )


def rates(updates: int, ours: float, peer: float, name: str) -> dict[str, str]:
    """Million spin updates a second of both sides."""
    return {
        "Engrax": f"{updates / ours / 1e6:.3g} million updates/s",
        name: f"{updates / peer / 1e6:.3g} million updates/s",
    }


def diagram_case(*, parallel: bool, aim: float) -> Comparison:
    """Dilutions x temperatures x seeds, in one program; NumPy does all cells and seeds at once.

    The peer samples one spin of every chain at a time, as simulations of Hopfield networks do, or,
    where `parallel`, by the same block Gibbs as ours.
    """
    dilution = np.linspace(0.1, 0.95, GRID, dtype=np.float32)
    beta = 1 / np.linspace(0.1, 1.2, GRID, dtype=np.float32)
    system = Chain(GRID_SPINS, GRID_K, GRID_SWEEPS, True, jnp.float32(DILUTION), jnp.float32(BETA))
    grid = {
        "dilution": (lambda s: s.dilution, dilution),
        "beta": (lambda s: s.beta, beta),
    }
    cells = np.repeat(dilution, GRID), np.tile(beta, GRID)
    columns = [np.tile(c, GRID_SEEDS) for c in cells]
    ours = lambda: simulate(system, 1, key=jr.key(0), seeds=GRID_SEEDS, grid=grid)
    peer = lambda: Peer(0, len(columns[0]), GRID_SPINS, GRID_K, *columns).run(
        GRID_SWEEPS, parallel=parallel
    )
    mine = np.abs(ours().records["m"][..., 0, :]).mean((0, -1))
    theirs = np.abs(peer()).reshape(GRID_SEEDS, GRID, GRID, GRID_K).mean((0, -1))
    gap = float(np.median(np.abs(mine - theirs)))
    if not gap < 0.03:
        raise RuntimeError(f"the two diagrams are {gap:.3f} apart in their median cell")
    timed = alternate(ours, peer)
    updates = len(columns[0]) * GRID_SPINS * GRID_SWEEPS
    return Comparison(
        case=f"phase diagram, {GRID} x {GRID} cells, {GRID_SEEDS} seeds, N = {GRID_SPINS}, "
        f"{GRID_SWEEPS} sweeps",
        peer="NumPy, all cells and seeds at once, "
        + ("the same sampler" if parallel else "one spin at a time"),
        gate=f"mean overlaps within {gap:.2g} in the median cell",
        aim=aim,
        alternation=timed,
        rates=rates(updates, min(timed.ours.rounds), min(timed.peer.rounds), "NumPy"),
    )


def package_case() -> Comparison:
    """Recall of damaged patterns at T = 0 by a package that spells the couplings out."""
    from hopfieldnetwork import HopfieldNetwork as Spelled

    size, count, cues, sweeps = 1000, 10, 8, 5
    patterns = diluted_patterns(jr.key(0), count, size, 0.0)
    flipped = jr.bernoulli(jr.key(1), 0.1, (cues, size))
    damaged = jnp.where(flipped, -patterns[:cues], patterns[:cues])
    states = np.asarray(damaged)

    @jax.jit
    def recalled(patterns: Array, keys: Array) -> Array:
        network = HopfieldNetwork.from_patterns(patterns)
        run = lambda k, s: glauber(k, network, s, jnp.inf, sweeps, measure=lambda *_: ())[0]
        return jax.vmap(run)(keys, damaged)

    def peer() -> np.ndarray:
        with contextlib.redirect_stdout(io.StringIO()):
            network = Spelled(N=size)
            network.train_pattern(np.asarray(patterns, int).T)
            found = []
            for state in states:
                network.set_initial_neurons_state(np.array(state, int))
                network.update_neurons(sweeps, "async")
                found.append(np.array(network.S))
        return np.stack(found)

    ours = lambda: np.asarray(recalled(patterns, jr.split(jr.key(2), cues)))
    for name, found in (("Engrax", ours()), ("the package", peer())):
        right = np.mean(found.reshape(cues, size) == np.asarray(patterns[:cues]))
        if not right > 0.98:
            raise RuntimeError(f"{name} recalls only {right:.2%} of the bits")
    timed = alternate(ours, peer)
    updates = cues * size * sweeps
    return Comparison(
        case=f"recall at T = 0, N = {size}, {count} patterns, {cues} cues, {sweeps} sweeps",
        peer="hopfieldnetwork 1.0, N x N couplings, one spin at a time",
        gate="both recall more than 98% of the bits, from cues with 10% flipped",
        aim=10.0,
        alternation=timed,
        rates=rates(updates, min(timed.ours.rounds), min(timed.peer.rounds), "hopfieldnetwork"),
    )


def growth() -> dict[str, str]:
    """Nanoseconds of a spin update as N grows, by block Gibbs, one chain a core."""
    found = {}
    for size in (1000, 10_000, LARGE):
        system = Chain(size, K, 100, True, jnp.float32(DILUTION), jnp.float32(BETA))
        took = best_seconds(lambda s=system: simulate(s, 1, key=jr.key(0), seeds=2))
        found[f"an update at N = {size}"] = f"{1e9 * took / (2 * size * 100):.3g} ns"
    return found


def comparisons() -> Iterator[Comparison]:
    """Both samplers, a large network, a phase diagram, and a package if it is there."""
    yield sampler_case(SPINS, CHAINS, SEQUENTIAL_SWEEPS, parallel=False, aim=10.0)
    yield sampler_case(SPINS, CHAINS, SWEEPS, parallel=True, aim=1.0)
    large = sampler_case(LARGE, 2, 100, parallel=True, aim=1.0)
    yield dataclasses.replace(large, rates={**large.rates, **growth()})
    yield diagram_case(parallel=False, aim=10.0)
    yield diagram_case(parallel=True, aim=1.0)
    if importlib.util.find_spec("hopfieldnetwork"):
        yield package_case()
    else:
        print("hopfieldnetwork is not installed, so the case against it is left out")


if __name__ == "__main__":
    measure("hopfield", comparisons)
