"""Glauber sweeps of the dense associative memory, in spin updates a second, against NumPy.

Interactions of four different spins each, +-1 patterns, sequential updates in random order with the
exact field. The NumPy side keeps the same running sums and moves all chains at once: one array
operation over (chains, patterns) for each of the N updates of a sweep.
"""

import math
from collections.abc import Iterator

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from engrax.core import simulate
from engrax.memory import DenseAssociativeMemory, Glauber
from engrax.memory._glauber import site_order

from ._report import Comparison
from ._run import measure
from ._timer import alternate

ORDER, CHAINS = 4, 16
CASES = ((500, 100, 100), (1000, 1000, 20))
"""Spins, patterns, sweeps."""
BETA = 2.0
TOGETHER = "vmap"  # all chains of a core in one loop: one update alone is too little work


class Peer:
    """The same chains in NumPy, all at once."""

    def __init__(self, patterns: np.ndarray, spins: np.ndarray) -> None:
        self.rows = np.ascontiguousarray(patterns.T.astype(np.float32))
        self.start = np.tile(spins.astype(np.float32), (CHAINS, 1))
        n = len(spins)
        self.scale = np.float32(n / (2 * math.comb(n, ORDER)))

    def sweep(self, spins: np.ndarray, sites: np.ndarray, uniform: np.ndarray) -> None:
        """Every spin of every chain once, in place; sites and uniforms are (chains, N)."""
        n, every = spins.shape[1], np.arange(len(spins))
        sums = spins @ self.rows
        for k in range(n):
            site = sites[:, k]
            eta, spin = self.rows[site], spins[every, site]
            without = sums - spin[:, None] * eta
            # e_3 of the other spins by Newton's identities: p_1 = p_3 = without, p_2 = n - 1.
            rest = without * (without * without - np.float32(3 * (n - 1) - 2)) / np.float32(6)
            field = self.scale * np.einsum("ck,ck->c", eta, rest)
            up = uniform[:, k] < 1 / (1 + np.exp(np.float32(-2 * BETA) * field))
            new = np.where(up, np.float32(1), np.float32(-1))
            spins[every, site] = new
            sums = without + new[:, None] * eta

    def run(self, sweeps: int) -> np.ndarray:
        """Overlaps with all patterns after each sweep, with draws of its own."""
        rng = np.random.default_rng(0)
        spins, overlaps = self.start.copy(), []
        for _ in range(sweeps):
            sites = rng.permuted(np.tile(np.arange(spins.shape[1]), (CHAINS, 1)), axis=1)
            self.sweep(spins, sites, rng.random(spins.shape, np.float32))
            overlaps.append(spins @ self.rows / spins.shape[1])
        return np.stack(overlaps)


def agreement(system: Glauber, peer: Peer) -> float:
    """Share of the spins that are equal after one sweep with the same draws."""
    state = simulate(system, 1, key=jr.key(0), seeds=CHAINS, placement=TOGETHER).state
    n, sites, uniform = len(system.spins), [], []
    for chain in range(CHAINS):
        key = system.init(key=jr.fold_in(jr.key(0), chain))["key"]
        order_key, noise_key = jr.split(jr.split(jr.fold_in(key, 0), 1)[0])
        sites.append(np.asarray(site_order(order_key, n)))
        uniform.append(np.asarray(jr.uniform(noise_key, (n,))))
    spins = peer.start.copy()
    peer.sweep(spins, np.stack(sites), np.stack(uniform))
    return float((spins == np.asarray(state["spins"])).mean())


def comparisons() -> Iterator[Comparison]:
    """A small network and one at a higher load."""
    for n, k, sweeps in CASES:
        patterns = jr.rademacher(jr.key(1), (k, n), jnp.int8)
        noisy = jr.bernoulli(jr.key(2), 0.2, (n,))
        spins = jnp.where(noisy, -patterns[0], patterns[0])
        network = DenseAssociativeMemory(patterns, ORDER)
        system = Glauber(network, spins, jnp.float32(BETA))
        peer = Peer(np.asarray(patterns), np.asarray(spins))
        equal = agreement(system, peer)
        # A uniform draw within rounding of its threshold may fall on either side, and one spin
        # that differs can change later ones of its chain.
        if not equal > 0.999:
            raise RuntimeError(f"after one sweep only {equal:.2%} of the spins are equal")
        timed = alternate(
            lambda system=system, sweeps=sweeps: simulate(
                system, sweeps, key=jr.key(0), seeds=CHAINS, chunk=sweeps, placement=TOGETHER
            ),
            lambda peer=peer, sweeps=sweeps: peer.run(sweeps),
        )
        updates = CHAINS * n * sweeps
        yield Comparison(
            case=f"N = {n}, {k} patterns, P = {ORDER}, {CHAINS} chains, {sweeps} sweeps",
            peer="NumPy, all chains at once",
            gate=f"after one sweep with the same draws {equal:.2%} of the spins are equal",
            aim=5.0,
            alternation=timed,
            rates={
                "Engrax": f"{updates / min(timed.ours.rounds) / 1e6:.3g} million updates/s",
                "NumPy": f"{updates / min(timed.peer.rounds) / 1e6:.3g} million updates/s",
            },
        )


if __name__ == "__main__":
    measure("glauber", comparisons)
