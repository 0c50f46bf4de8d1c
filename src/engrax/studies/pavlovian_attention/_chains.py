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

    heads: Array
    """Numbers of heads of each group of cells, (groups, numbers)."""
    sizes: tuple[tuple[int, int], ...] = eqx.field(static=True)
    """Code features and pairs of each group."""
    most: int = eqx.field(static=True)
    """Heads that are drawn, of which a cell uses the first."""
    depths: tuple[int, ...] = eqx.field(static=True)
    chains: int = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> Key[Array, ""]:
        return key

    def step(self, state: Key[Array, ""], input: Array) -> tuple[Key[Array, ""], dict[str, Array]]:
        key = jr.fold_in(state, input)
        rows = []
        for i, size in enumerate(self.sizes):
            mine = jr.split(jr.fold_in(key, i), self.heads.shape[1])

            def cell(now: tuple[Array, Array], size: tuple[int, int] = size) -> dict[str, Array]:
                heads, key = now
                # A second set of chains of its own measures single retrievals.
                cleaned, raw = jax.lax.map(lambda k: self._success(k, heads, size), jr.split(key))
                at = jnp.asarray(self.depths) - 1
                failure = 1 - cleaned[1, 0]
                return {"cleaned": cleaned[0, at], "raw": raw[0, at], "failure": failure}

            rows.append(jax.lax.map(cell, (self.heads[i], mine)))
        return state, jax.tree.map(lambda *a: jnp.concatenate(a), *rows)

    def _success(
        self, key: Key[Array, ""], heads: Array, size: tuple[int, int]
    ) -> tuple[Array, Array]:
        """Shares of chains that are right after 1, 2, ... layers, with and without clean-up."""
        features, pairs = size
        task = ChainedAssociations(max(self.depths), pairs, features, self.most)
        used = (jnp.arange(self.most) < heads)[:, None, None, None]

        def draw(key: Key[Array, ""]) -> tuple[Array, Array]:
            codes, order = task.sample(key)
            codes = jnp.where(used, codes, 0.0)
            cleaned, raw = (
                chained_recall(retrieve, codes, order, cleanup=c) for c in (True, False)
            )
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

    def arm(groups: dict[tuple[int, int], tuple[int, ...]]) -> Arm:
        heads = jnp.asarray(list(groups.values()))
        most = max(max(numbers) for numbers in groups.values())
        system = ChainSuccess(heads, tuple(groups), most, config.depths, config.chains)
        names = [f"H {h}, d_key {d}, N {n}" for (d, n), numbers in groups.items() for h in numbers]
        dims = {"cleaned": ("cell", "depth"), "raw": ("cell", "depth"), "failure": ("cell",)}
        coords = {"cell": names, "depth": list(config.depths)}
        return Arm(system, 1, dims=dims, coords=coords)

    grid = {(d, n): config.heads for _, d, n in cells(config)}
    traded = {(d, config.budget_pairs): (h,) for h, d in config.budgets}
    return {"chains": arm(grid), "budget": arm(traded)}
