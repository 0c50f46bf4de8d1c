"""Independent classifiers that vote: what denoising has to beat."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Key

from engrax.core import Batch, State, named
from engrax.nn import DenoisingBlock

from ._block_learner import BlockLearner, Parts, batch_record, stack_blocks


@final
class LocalCrossEntropy(BlockLearner):
    """`blocks` denoising blocks, each trained by itself to classify the input alone.

    The label path gets zeros in the place of noisy labels, in training as in prediction; each block
    minimizes its own cross-entropy, and the votes (the blocks' class probabilities) are averaged.
    Whatever NoProp gains over this control with the same blocks is due to denoising, the rest to
    the number of classifiers. Scores are the log of the mean vote.

    Raises ValueError for less than one block.
    """

    blocks: int = eqx.field(static=True, default=10, kw_only=True)

    def __check_init__(self) -> None:
        if self.blocks < 1:
            raise ValueError(f"LocalCrossEntropy got blocks={self.blocks}; expected 1 or more.")

    def build(self, *, key: Key[Array, ""]) -> Parts:
        """Blocks that start as those of a `NoProp` of as many steps."""
        return {"blocks": stack_blocks(self.block, self.blocks, key=named(key, "blocks"))}

    def loss(
        self, parts: Parts, batch: Batch, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[DenoisingBlock, dict[str, Array]]]:
        """The sum of the blocks' mean cross-entropies."""

        def one(block: DenoisingBlock, number: Array) -> tuple[Array, Array, DenoisingBlock]:
            drop = named(jr.fold_in(key, number), "dropout")
            logits, moved = block.train(batch.x, jnp.zeros((len(batch.y), block.dim)), key=drop)
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y).mean()
            return loss, jax.nn.softmax(logits), moved

        losses, votes, moved = eqx.filter_vmap(one)(parts["blocks"], jnp.arange(self.blocks))
        return losses.sum(), (moved, batch_record(votes.mean(0), batch.y))

    def votes(
        self, state: State, x: Float[Array, "batch ..."]
    ) -> Float[Array, "blocks batch classes"]:
        """Each block's class probabilities, all examples at once."""
        return self._votes(self.model(state), x)

    def logits(self, parts: Parts, x: Array, key: Key[Array, ""]) -> Float[Array, "batch classes"]:
        """The log of the mean vote; there is no noise."""
        return jnp.log(self._votes(parts, x).mean(0))

    def draw_logits(
        self, parts: Parts, x: Float[Array, "batch ..."], keys: Key[Array, " draws"]
    ) -> Float[Array, "draws batch classes"]:
        """The same for every draw."""
        found = self.logits(parts, x, keys[0])
        return jnp.broadcast_to(found[None], (len(keys), *found.shape))

    def _votes(self, parts: Parts, x: Array) -> Array:
        def vote(block: DenoisingBlock) -> Array:
            return jax.nn.softmax(block(x, jnp.zeros((len(x), block.dim))))

        return eqx.filter_vmap(vote)(parts["blocks"])
