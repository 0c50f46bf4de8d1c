"""The same chain of blocks, trained end to end."""

from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Key

from engrax.core import Batch, State, draw_normal, named
from engrax.nn import DenoisingBlock, LabelEmbedding

from ._block_learner import (
    BlockLearner,
    Parts,
    Readout,
    batch_record,
    block_at,
    checked_sizes,
    stack_blocks,
)
from ._noprop import Trace
from ._noprop_losses import embedded_guess


class Gates(eqx.Module):
    """How far each block moves the state: tanh(weight)."""

    weight: Float[Array, " blocks"]


@final
class BackpropChain(BlockLearner):
    """The blocks of NoProp as one residual network, by backpropagation (Li et al. 2025, Sec. 5).

        z_0 ~ N(0, I),   z_t = (1 - alpha_t) z_{t-1} + alpha_t guess_t(z_{t-1}, x)

    with trained alpha_t = tanh(w_t) (0.46 at the start, which the paper leaves open), a linear
    read-out of z_T, and the cross-entropy at the end. NoProp's baseline: same blocks, same number
    of parameters but for the gates.

    **Fields** beyond those of `BlockLearner`: `embedding(key=...) -> LabelEmbedding`; `steps`, the
    number of blocks; `unroll`, how many of them one turn of the compiled loop takes.

    Raises ValueError for less than one block, and (in `init`) blocks that do not fit.
    """

    embedding: Callable[..., LabelEmbedding]
    steps: int = eqx.field(static=True)
    unroll: int = eqx.field(static=True, default=1, kw_only=True)

    def __check_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"BackpropChain got steps={self.steps}; expected a block or more.")

    def build(self, *, key: Key[Array, ""]) -> Parts:
        """Blocks, embedding, gates and read-out; those that NoProp has too start as they do."""
        embedding = self.embedding(key=named(key, "embedding"))
        blocks = stack_blocks(self.block, self.steps, key=named(key, "blocks"))
        checked_sizes("BackpropChain", block_at(blocks, 0), embedding)
        return {
            "blocks": blocks,
            "embedding": embedding,
            "gates": Gates(jnp.full(self.steps, 0.5, jnp.float32)),
            "readout": Readout(embedding),
        }

    def loss(
        self, parts: Parts, batch: Batch, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[DenoisingBlock, dict[str, Array]]]:
        """Cross-entropy at the end of the chain."""
        x, embedding = batch.x, parts["embedding"]
        keys = jr.split(named(key, "dropout"), self.steps)

        def features_of(block: DenoisingBlock, key: Array) -> tuple[Array, DenoisingBlock]:
            return block.train_features(x, key=named(key, "x"))

        # They do not depend on the state, so that only the rest runs block after block.
        features, blocks = eqx.filter_vmap(features_of)(parts["blocks"], keys)
        arrays, static = eqx.partition(blocks, eqx.is_array)

        def move(z: Array, now: tuple) -> tuple[Array, DenoisingBlock]:
            arrays, features, gate, key = now
            block = eqx.combine(arrays, static)
            logits, moved = block.train_decide(features, z, key=named(key, "z"))
            new = (1 - gate) * z + gate * embedded_guess(logits, embedding)
            return new, eqx.filter(moved, eqx.is_array)

        start = draw_normal(named(key, "start"), (len(x), embedding.weight.shape[1]))
        gates = jnp.tanh(parts["gates"].weight)
        end, moved = jax.lax.scan(move, start, (arrays, features, gates, keys), unroll=self.unroll)
        logits = parts["readout"](end)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y).mean()
        return loss, (eqx.combine(moved, static), batch_record(logits, batch.y))

    def logits(self, parts: Parts, x: Array, key: Key[Array, ""]) -> Float[Array, "batch classes"]:
        """The read-out of one chain from noise."""
        return self.draw_logits(parts, x, key[None])[0]

    def draw_logits(
        self, parts: Parts, x: Float[Array, "batch ..."], keys: Key[Array, " draws"]
    ) -> Float[Array, "draws batch classes"]:
        """`logits` from each key, over one computation of the image features."""

        def read(key: Key[Array, ""]) -> Array:
            return parts["readout"](self._run(parts, features, key)[0])

        features = self._features(parts, x)
        return jax.vmap(read)(keys)

    def trace(self, state: State, x: Float[Array, "batch ..."]) -> Trace:
        """What every block sees and says along one chain, all examples at once."""
        parts = self.model(state)
        _, trace = self._run(parts, self._features(parts, x), state["draw"])
        return trace

    def _features(self, parts: Parts, x: Array) -> Float[Array, "blocks batch hidden"]:
        return eqx.filter_vmap(lambda block: block.image_features(x))(parts["blocks"])

    def _run(self, parts: Parts, features: Array, key: Key[Array, ""]) -> tuple[Array, Trace]:
        embedding = parts["embedding"]
        arrays, static = eqx.partition(parts["blocks"], eqx.is_array)

        def move(z: Array, now: tuple) -> tuple[Array, Trace]:
            arrays, features, gate = now
            logits, hidden = eqx.combine(arrays, static).decide(features, z)
            guess = embedded_guess(logits, embedding)
            return (1 - gate) * z + gate * guess, Trace(z, guess, logits, hidden)

        shape = (features.shape[1], embedding.weight.shape[1])
        start = draw_normal(named(key, "start"), shape)
        gates = jnp.tanh(parts["gates"].weight)
        return jax.lax.scan(move, start, (arrays, features, gates))
