"""A neural ordinary differential equation that classifies, trained by the adjoint method."""

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, PyTree

from engrax.core import Batch, draw_normal, named
from engrax.nn import DenoisingBlock, LabelEmbedding

from ._block_learner import BlockLearner, Parts, Readout, batch_record, checked_sizes
from ._noprop_losses import embedded_guess

Field = Callable[[PyTree, Float[Array, ""], Float[Array, "..."]], Float[Array, "..."]]


def adjoint_ode(
    field: Field, parameters: PyTree[Array], start: Float[Array, "..."], steps: int
) -> Float[Array, "..."]:
    """z(1) of dz/dt = field(parameters, t, z), z(0) = start, by `steps` Euler steps.

    Differentiated by the adjoint method (Chen et al. 2018, Alg. 1): nothing is stored on the way;
    the backward pass carries state, adjoint and parameter gradient back from time 1, by as many
    Euler steps. Memory does not grow with `steps`; gradients are exact in the limit of many.
    `field` must not close over anything that is differentiated; `parameters` hold floats only.

    Raises ValueError for less than one step.
    """
    if steps < 1:
        raise ValueError(f"adjoint_ode got steps={steps}; expected a number of at least 1.")
    size, times = 1.0 / steps, jnp.arange(steps + 1, dtype=start.dtype) / steps

    @jax.custom_vjp
    def solve(parameters: PyTree, start: Array) -> Array:
        move = lambda z, t: (z + size * field(parameters, t, z), None)
        return jax.lax.scan(move, start, times[:-1])[0]

    def forward(parameters: PyTree, start: Array) -> tuple[Array, Any]:
        end = solve(parameters, start)
        return end, (parameters, end)

    def backward(kept: Any, error: Array) -> tuple[PyTree, Array]:
        parameters, end = kept

        def move(carried: Any, t: Array) -> tuple[Any, None]:
            z, adjoint, gradient = carried
            velocity, pull = jax.vjp(lambda p, z: field(p, t, z), parameters, z)
            more, push = pull(adjoint)
            gradient = jax.tree.map(lambda a, b: a + size * b, gradient, more)
            return (z - size * velocity, adjoint + size * push, gradient), None

        begin = (end, error, jax.tree.map(jnp.zeros_like, parameters))
        # From each step's end, where the state is known, to its beginning.
        (_, adjoint, gradient), _ = jax.lax.scan(move, begin, times[:0:-1])
        return gradient, adjoint

    solve.defvjp(forward, backward)
    return solve(parameters, start)


@final
class AdjointODEClassifier(BlockLearner):
    """dz/dt = guess(z, x, t) - z from noise, read linearly at time 1 (Li et al. 2025, Sec. 5).

    The guess is that of one `DenoisingBlock` with time, softmax(logits) W. The paper does not write
    its vector field; this one has the class embeddings as fixed points. Gradients of the
    cross-entropy by `adjoint_ode`. The image features are computed once: they do not change along
    the path, and the adjoint method treats them as parameters.

    **Fields** beyond those of `BlockLearner`: `embedding(key=...) -> LabelEmbedding`; `steps` of
    the Euler method, in training and prediction.

    Raises ValueError for less than one step, and (in `init`) a block without time or of another
    size than the embedding. `norm="batch"` is impossible for a block with time.
    """

    embedding: Callable[..., LabelEmbedding]
    steps: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"AdjointODEClassifier got steps={self.steps}; expected 1 or more.")

    def stacked(self) -> bool:
        """False: there is one block."""
        return False

    def build(self, *, key: Key[Array, ""]) -> Parts:
        """Block, embedding and read-out, named as those of NoProp."""
        embedding = self.embedding(key=named(key, "embedding"))
        block = self.block(key=named(key, "blocks"))
        checked_sizes("AdjointODEClassifier", block, embedding)
        if block.clock is None:
            raise ValueError(
                "AdjointODEClassifier got a block without time; build it with time=True."
            )
        return {"blocks": block, "embedding": embedding, "readout": Readout(embedding)}

    def loss(
        self, parts: Parts, batch: Batch, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[DenoisingBlock, dict[str, Array]]]:
        """Cross-entropy at time 1."""
        features, moved = parts["blocks"].train_features(batch.x, key=named(key, "dropout"))
        logits = self._read(parts, features, named(key, "start"))
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y).mean()
        return loss, (moved, batch_record(logits, batch.y))

    def logits(self, parts: Parts, x: Array, key: Key[Array, ""]) -> Float[Array, "batch classes"]:
        """The read-out at the end of one path from noise."""
        return self._read(parts, parts["blocks"].image_features(x), named(key, "start"))

    def draw_logits(
        self, parts: Parts, x: Float[Array, "batch ..."], keys: Key[Array, " draws"]
    ) -> Float[Array, "draws batch classes"]:
        """`logits` from each key, over one computation of the image features."""
        features = parts["blocks"].image_features(x)
        return jax.vmap(lambda key: self._read(parts, features, named(key, "start")))(keys)

    def _read(self, parts: Parts, features: Array, key: Key[Array, ""]) -> Array:
        embedding = parts["embedding"]
        # Without the image path, whose work is done: it would only carry gradients of zero.
        block = eqx.tree_at(lambda b: b.image, parts["blocks"], None)
        floats, rest = eqx.partition((block, embedding, features), eqx.is_inexact_array)

        def field(floats: PyTree, t: Array, z: Array) -> Array:
            block, embedding, features = eqx.combine(floats, rest)
            logits = block.decide(features, z, jnp.full(len(z), t))[0]
            return embedded_guess(logits, embedding) - z

        start = draw_normal(key, (len(features), embedding.weight.shape[1]))
        return parts["readout"](adjoint_ode(field, floats, start, self.steps))
