"""Chains of associations: what one layer retrieves is what the next is asked."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key


class Chains(NamedTuple):
    """Codes of every item in every layer, and which item follows which."""

    codes: Float[Array, "heads layers N dk"]
    """Unit vectors, `depth + 1` layers of them."""
    order: Int[Array, "depth N"]
    """`order[l, i]` is the item of layer l + 1 with which item i of layer l is paired."""


@dataclasses.dataclass(frozen=True)
class ChainedAssociations:
    """`depth` layers of `pairs` associations: second-order conditioning, in a chain.

    Codes are random unit vectors, independent between items, layers and heads; the order of each
    layer is a random permutation. `engrax.probes.chained_recall` follows the chains.
    """

    depth: int
    """Layers of associations."""
    pairs: int
    """Items of a layer, and so associations."""
    d_key: int
    """Features of a code."""
    heads: int = 1
    """Independent copies of the codes."""

    def __post_init__(self) -> None:
        if min(self.depth, self.pairs, self.d_key, self.heads) < 1:
            raise ValueError(f"Depth, pairs, features and heads are at least 1, got {self}.")

    def sample(self, key: Key[Array, ""]) -> Chains:
        """One set of codes and permutations."""
        first, second = jr.split(key)
        codes = jr.normal(first, (self.heads, self.depth + 1, self.pairs, self.d_key))
        codes = codes / jnp.linalg.norm(codes, axis=-1, keepdims=True)
        items = jnp.arange(self.pairs, dtype=jnp.int32)
        order = jax.vmap(lambda k: jr.permutation(k, items))(jr.split(second, self.depth))
        return Chains(codes, order)
