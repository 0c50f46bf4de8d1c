"""What learners made of denoising blocks share."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Key, PyTree

from engrax.core import Batch, Learner, State, accuracy, named, rebuild
from engrax.nn import DenoisingBlock, LabelEmbedding, without_statistics

Parts = dict[str, Any]


class Readout(eqx.Module):
    """Logits z W^T + b of a state z (..., dim).

    It starts by naming the nearest class: W at the embedding's rows u_c over their mean square, b
    at -|u_c|^2 / 2 over the same. The paper says nothing of it. From random weights a chain under
    backpropagation lets several classes share the vertex that a random read-out favors, and stays
    there for thousands of steps; so all learners with a read-out start from this one.
    """

    weight: Float[Array, "classes dim"]
    bias: Float[Array, " classes"]

    def __init__(self, embedding: LabelEmbedding):
        square = jnp.square(embedding.weight).sum(1)
        self.weight = embedding.weight / square.mean()
        self.bias = -0.5 * square / square.mean()

    def __call__(self, z: Float[Array, "batch dim"]) -> Float[Array, "batch classes"]:
        """Logits of the rows."""
        return z @ self.weight.T + self.bias[None]


class BlockLearner(Learner):
    """A classifier made of `DenoisingBlock`s; subclasses say how many, and what they minimize.

    **Fields:**

    - `block`: `block(key=...) -> DenoisingBlock`, an `eqx.Partial` of the class.
    - `optimizer`, `hyper`: the Optax transform is `optimizer(**hyper)`; numbers as arrays. Every
      part (and of a stack of blocks every block) has an optimizer of its own, so that nothing that
      goes over a whole gradient, such as a norm, joins them.
    - `draws`: starting noises over which `predict` takes the mean.
    - `part`: examples a forward pass takes at once in `predict`.

    What is trained is a dict of parts, `"blocks"` among them. Predictions start from noise that is
    drawn once for each run: the same question gets the same answer.
    """

    block: Callable[..., DenoisingBlock]
    optimizer: Callable[..., optax.GradientTransformation]
    hyper: dict[str, Array]
    draws: int = eqx.field(static=True, default=1, kw_only=True)
    part: int = eqx.field(static=True, default=500, kw_only=True)

    @abc.abstractmethod
    def build(self, *, key: Key[Array, ""]) -> Parts:
        """Fresh parts."""

    @abc.abstractmethod
    def loss(
        self, parts: Parts, batch: Batch, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[DenoisingBlock, dict[str, Array]]]:
        """What is minimized; the blocks with their statistics moved, and a record."""

    @abc.abstractmethod
    def logits(self, parts: Parts, x: Array, key: Key[Array, ""]) -> Float[Array, "batch classes"]:
        """The class scores of inputs, from one draw of noise."""

    def stacked(self) -> bool:
        """Whether the leaves of `blocks` have a leading axis, one entry a block."""
        return True

    def init(self, *, key: Key[Array, ""]) -> State:
        """Parts, their optimizers, and the keys of training and prediction."""
        parts = self.build(key=named(key, "model"))
        optimizers = {
            name: self._start(name, part) for name, part in self._trained(parts)[0].items()
        }
        return {
            "model": eqx.filter(parts, eqx.is_array),
            "optimizer": optimizers,
            "key": named(key, "noise"),
            "draw": named(key, "draw"),
        }

    def model(self, state: State) -> Parts:
        """The parts with their present weights."""
        return rebuild(lambda key: self.build(key=key), state["model"])

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """Learns from one batch; records the loss and what the subclass adds."""
        parts = self.model(state)
        key, now = jr.split(state["key"])
        trained, fixed = self._trained(parts)

        def value(trained: Parts) -> tuple[Array, tuple[PyTree, dict[str, Array]]]:
            found, (moved, record) = self.loss(eqx.combine(trained, fixed), input, now)
            return found, (eqx.filter(moved, eqx.is_array), record)

        (loss, (moved, record)), gradient = jax.value_and_grad(value, has_aux=True)(trained)
        new, optimizers = {}, {}
        for name, part in trained.items():
            new[name], optimizers[name] = self._moved(
                name, part, gradient[name], state["optimizer"][name]
            )
        rest = eqx.filter(self._trained({**fixed, "blocks": moved})[1], eqx.is_array)
        model = eqx.combine(new, rest)
        state = {**state, "model": model, "optimizer": optimizers, "key": key}
        return state, {"loss": loss, **record}

    def outputs(
        self, state: State, x: Float[Array, "examples ..."], *, draws: int | None = None
    ) -> Float[Array, "draws examples classes"]:
        """The class scores from each of several draws of noise, `part` examples at a time."""
        parts = self.model(state)
        keys = jr.split(state["draw"], self.draws if draws is None else draws)

        def scores(x: Array, number: Array) -> Array:
            return self.draw_logits(parts, x, jax.vmap(jr.fold_in, (0, None))(keys, number))

        count = len(x) // self.part
        whole = count * self.part
        if not count:
            return scores(x, jnp.int32(0))
        split = x[:whole].reshape(count, self.part, *x.shape[1:])
        done = jax.lax.map(lambda at: scores(*at), (split, jnp.arange(count)))
        done = jnp.moveaxis(done, 0, 1).reshape(len(keys), whole, -1)
        if whole == len(x):
            return done
        return jnp.concatenate([done, scores(x[whole:], jnp.int32(count))], 1)

    def draw_logits(
        self, parts: Parts, x: Float[Array, "batch ..."], keys: Key[Array, " draws"]
    ) -> Float[Array, "draws batch classes"]:
        """`logits` from each key; a subclass shares what does not depend on the noise."""
        return jax.vmap(lambda key: self.logits(parts, x, key))(keys)

    def predict(self, state: State, x: Array) -> Array:
        """Class scores (examples, classes), the mean over `draws`."""
        return self.outputs(state, x).mean(0)

    def trainable(self, parts: Parts) -> PyTree:
        """What is trained: all but running statistics, and embeddings that are fixed."""
        mask = without_statistics(parts)
        for name, part in parts.items():
            if isinstance(part, LabelEmbedding) and not part.trained:
                mask[name] = jax.tree.map(lambda _: False, part)
        return mask

    def _trained(self, parts: Parts) -> tuple[Parts, Parts]:
        return eqx.partition(parts, self.trainable(parts))

    def _start(self, name: str, part: PyTree) -> PyTree:
        if not jax.tree.leaves(part):
            return ()
        begin = self.optimizer(**self.hyper).init
        return jax.vmap(begin)(part) if name == "blocks" and self.stacked() else begin(part)

    def _moved(
        self, name: str, part: PyTree, gradient: PyTree, optimizer: PyTree
    ) -> tuple[PyTree, PyTree]:
        """A part, or a stack of them, after its optimizer's step."""
        many = name == "blocks" and self.stacked()
        # A lambda, since a bound method of a Module is unhashable.
        move = lambda *now: self._moved_one(*now)
        return (jax.vmap(move) if many else move)(part, gradient, optimizer)

    def _moved_one(
        self, part: PyTree, gradient: PyTree, optimizer: PyTree
    ) -> tuple[PyTree, PyTree]:
        if not jax.tree.leaves(part):
            return part, optimizer
        # Optax promotes types implicitly; under JAX's strict mode that is its own affair.
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer = self.optimizer(**self.hyper).update(gradient, optimizer, part)
            return optax.apply_updates(part, updates), optimizer


def stack_blocks(
    block: Callable[..., DenoisingBlock], count: int, *, key: Key[Array, ""]
) -> DenoisingBlock:
    """`count` fresh blocks as one, with a leading axis on every array."""
    return eqx.filter_vmap(lambda key: block(key=key))(jr.split(key, count))


def block_at(blocks: Any, index: Any) -> Any:
    """One entry of a stack: of the blocks, or of what belongs to each, such as its optimizer."""
    return jax.tree.map(lambda leaf: leaf[index] if eqx.is_array(leaf) else leaf, blocks)


def checked_sizes(learner: str, block: DenoisingBlock, embedding: LabelEmbedding) -> None:
    """Refuses a block that does not fit the embedding.

    Raises:
        ValueError: the block has another number of classes, or dimensions, than the embedding.
    """
    mine, wanted = (len(block.bias), block.dim), embedding.weight.shape
    if mine[0] > wanted[0]:
        raise ValueError(
            f"{learner} got blocks for {mine[0]} classes and an embedding of {wanted[0]} rows; "
            "expected one row for each class."
        )
    if mine != wanted:
        raise ValueError(
            f"{learner} got blocks for {mine[0]} classes in {mine[1]} dimensions and an embedding "
            f"of shape {wanted}; make them agree."
        )


def batch_record(logits: Float[Array, "batch classes"], y: Array) -> dict[str, Array]:
    """What classifiers record of a batch."""
    return {"accuracy": accuracy(logits, y)}
