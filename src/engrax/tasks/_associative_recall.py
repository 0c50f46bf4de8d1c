"""Prompts of pairs, and then questions for the values of some keys."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, Key

from engrax.core import Batch, Stream


@final
class AssociativeRecall(Stream):
    """Multi-query associative recall (Arora et al. 2024, arXiv 2312.04927, Sec. 3).

    A prompt holds `pairs` different keys, each with a random value, and then asks for the values
    of `queries` of these keys, in random order. A batch has `y` (batch, queries), the values.

    - `bound`: `x` (batch, pairs + queries, 2) has key and value at one position; the value of a
      question is `values`, the blank.
    - not bound: `x` (batch, 2 pairs + queries) has one token a position, key, value, key, ...;
      values are counted from `keys` on.

    State: `{"key"}`.

    **Raises:** `ValueError` where there are fewer keys than pairs, or pairs than questions.
    """

    keys: int = eqx.field(static=True)
    """Number of keys."""
    values: int = eqx.field(static=True)
    """Number of values."""
    pairs: int = eqx.field(static=True)
    """Pairs in a prompt."""
    batch: int = eqx.field(static=True)
    """Prompts in a batch."""
    bound: bool = eqx.field(static=True)
    """Whether key and value stand at one position."""
    queries: int = eqx.field(static=True)
    """Questions after the pairs."""

    def __init__(
        self,
        keys: int,
        values: int,
        pairs: int,
        *,
        batch: int,
        bound: bool = True,
        queries: int | None = None,
    ) -> None:
        self.keys, self.values, self.pairs, self.batch = keys, values, pairs, batch
        self.bound = bound
        self.queries = pairs if queries is None else queries
        if not 1 <= self.queries <= pairs <= keys:
            raise ValueError(
                "AssociativeRecall needs 1 <= queries <= pairs <= keys, got "
                f"{self.queries}, {pairs} and {keys}."
            )

    @property
    def length(self) -> int:
        """Positions of a prompt."""
        return (1 if self.bound else 2) * self.pairs + self.queries

    def init(self, *, key: Key[Array, ""]) -> dict[str, Key[Array, ""]]:
        return {"key": key}

    def step(
        self, state: dict[str, Key[Array, ""]], input: Array
    ) -> tuple[dict[str, Key[Array, ""]], Batch]:
        following, now = jr.split(state["key"])
        return {"key": following}, Batch(*jax.vmap(self._prompt)(jr.split(now, self.batch)))

    def view(self, state: dict[str, Key[Array, ""]], x: Array, task: Array | int = 0) -> Array:
        return x

    def sample(self, key: Key[Array, ""], prompts: int) -> Batch:
        """As many prompts as asked for, for a test set."""
        return Batch(*jax.vmap(self._prompt)(jr.split(key, prompts)))

    def _prompt(self, key: Key[Array, ""]) -> tuple[Int[Array, "..."], Int[Array, " queries"]]:
        first, second, third = jr.split(key, 3)
        keys = jr.permutation(first, jnp.arange(self.keys, dtype=jnp.int32))[: self.pairs]
        values = jr.randint(second, (self.pairs,), 0, self.values, jnp.int32)
        asked = jr.permutation(third, jnp.arange(self.pairs))[: self.queries]
        if self.bound:
            told = jnp.stack([keys, values], 1)
            blank = jnp.full(self.queries, self.values, jnp.int32)
            return jnp.concatenate([told, jnp.stack([keys[asked], blank], 1)]), values[asked]
        told = jnp.stack([keys, self.keys + values], 1).reshape(-1)
        return jnp.concatenate([told, keys[asked]]), values[asked]
