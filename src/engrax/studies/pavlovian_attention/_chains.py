"""C3: depth, width and redundancy, in chains of associations."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key

from engrax.core import System
from engrax.lab import Arm
from engrax.probes import chained_recall
from engrax.tasks import ChainedAssociations

from ._config import Config


def retrieve(keys: Array, values: Array, queries: Array) -> Array:
    """What the linear memory of these pairs answers."""
    return (queries @ keys.T) @ values


class ChainSuccess(System):
    """A tick follows chains through every cell, and records the share that ends right.

    `success` (cell, depth) with and without clean-up, and `failure` (cell,), that of one retrieval,
    from draws of its own.
    """

    cells: tuple[tuple[int, int, int], ...] = eqx.field(static=True)
    """Heads, code features and pairs of each cell."""
    depths: tuple[int, ...] = eqx.field(static=True)
    chains: int = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> Key[Array, ""]:
        return key

    def step(self, state: Key[Array, ""], input: Array) -> tuple[Key[Array, ""], dict[str, Array]]:
        key = jr.fold_in(state, input)
        rows: dict[str, list[Array]] = {"cleaned": [], "raw": [], "failure": []}
        at = jnp.asarray(self.depths) - 1
        for i, cell in enumerate(self.cells):
            cleaned, raw = self._success(jr.fold_in(key, 2 * i), cell, max(self.depths))
            rows["cleaned"].append(cleaned[at])
            rows["raw"].append(raw[at])
            single, _ = self._success(jr.fold_in(key, 2 * i + 1), cell, 1)
            rows["failure"].append(1 - single[0])
        return state, {name: jnp.stack(values) for name, values in rows.items()}

    def _success(
        self, key: Key[Array, ""], cell: tuple[int, int, int], depth: int
    ) -> tuple[Array, Array]:
        """Shares of chains that are right after 1, 2, ... layers, with and without clean-up."""
        heads, features, pairs = cell
        task = ChainedAssociations(depth, pairs, features, heads)

        def draw(key: Key[Array, ""]) -> tuple[Array, Array]:
            chains = task.sample(key)
            cleaned, raw = (chained_recall(retrieve, *chains, cleanup=c) for c in (True, False))
            return cleaned.mean(1), raw.mean(1)

        draws = -(-self.chains // pairs)
        cleaned, raw = jax.lax.map(draw, jr.split(key, draws))
        return cleaned.mean(0), raw.mean(0)


def cells(config: Config) -> tuple[tuple[int, int, int], ...]:
    """Heads, features, pairs: the grid of C3."""
    return tuple(
        (h, d, round(load * d))
        for d in config.chain_d_keys
        for load in config.chain_loads
        for h in config.heads
    )


def arms(config: Config) -> dict[str, Any]:
    """The grid, and heads traded for features at one number of pairs."""

    def arm(cells: tuple[tuple[int, int, int], ...]) -> Arm:
        system = ChainSuccess(cells, config.depths, config.chains)
        names = [f"H {h}, d_key {d}, N {n}" for h, d, n in cells]
        dims = {"cleaned": ("cell", "depth"), "raw": ("cell", "depth"), "failure": ("cell",)}
        coords = {"cell": names, "depth": list(config.depths)}
        return Arm(system, 1, dims=dims, coords=coords)

    traded = tuple((h, d, config.budget_pairs) for h, d in config.budgets)
    return {"chains": arm(cells(config)), "budget": arm(traded)}
