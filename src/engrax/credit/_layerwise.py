"""Learners that send each hidden layer a teaching signal of its own."""

import abc
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from engrax.core import Batch, Learner, State, accuracy, in_parts, named, rebuild
from engrax.nn import MLP


class ClassifierLearner(Learner):
    """What the alternatives to backpropagation share: an `MLP` classifier trained by stochastic
    gradient descent on a substitute for the gradient.

    **Fields:**

    - `build`: `build(key=...) -> MLP`, an `eqx.Partial` of the class.
    - `optimizer`, `hyper`: the Optax transform is `optimizer(**hyper)`; numbers as arrays.
    - `part`: examples a forward pass takes at once in `predict`.

    Subclasses say how feedback weights are drawn and what takes the gradient's place. Batches hold
    inputs (batch, features), integer labels (batch,), and where not all outputs compete, the mask
    (batch, classes) of those that do: the softmax at the output is theirs alone.
    """

    build: Callable[..., MLP]
    optimizer: Callable[..., optax.GradientTransformation]
    hyper: dict[str, Array]
    part: int = eqx.field(static=True, default=500, kw_only=True)

    @abc.abstractmethod
    def draw_feedback(self, model: MLP, key: Key[Array, ""]) -> PyTree[Array]:
        """Feedback weights for a fresh model."""

    @abc.abstractmethod
    def gradient(
        self,
        model: MLP,
        feedback: PyTree[Array],
        x: Array,
        y: Array,
        mask: Bool[Array, "batch classes"] | None = None,
    ) -> tuple[MLP, Float[Array, "batch classes"]]:
        """What takes the gradient's place (an `MLP` of updates), and the logits, -inf off the
        mask.
        """

    def learn_feedback(
        self, model: MLP, feedback: PyTree[Array], x: Array, key: Key[Array, ""]
    ) -> PyTree[Array]:
        """Feedback weights after this batch; fixed unless a subclass trains them."""
        return feedback

    def init(self, *, key: Key[Array, ""]) -> State:
        """Weights, feedback weights, the optimizer's state and a key."""
        model = self.build(key=named(key, "model"))
        return {
            "model": eqx.filter(model, eqx.is_array),
            "feedback": self.draw_feedback(model, named(key, "feedback")),
            "optimizer": self.optimizer(**self.hyper).init(eqx.filter(model, eqx.is_array)),
            "key": named(key, "noise"),
        }

    def model(self, state: State) -> MLP:
        """The model with its present weights."""
        return rebuild(self.build, state["model"])

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """Learns from one batch; records its cross-entropy and accuracy."""
        model, (key, now) = self.model(state), jax.random.split(state["key"])
        gradient, logits = self.gradient(model, state["feedback"], input.x, input.y, input.mask)
        # Optax promotes types implicitly; under JAX's strict mode that is its own affair.
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer = self.optimizer(**self.hyper).update(
                eqx.filter(gradient, eqx.is_array), state["optimizer"], state["model"]
            )
        new = {
            "model": optax.apply_updates(state["model"], updates),
            "feedback": self.learn_feedback(model, state["feedback"], input.x, now),
            "optimizer": optimizer,
            "key": key,
        }
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, input.y).mean()
        return new, {"loss": loss, "accuracy": accuracy(logits, input.y)}

    def predict(self, state: State, x: Array) -> Array:
        """Logits, `part` examples at a time."""
        return in_parts(self.model(state), x, self.part)


def output_error(
    logits: Float[Array, "batch classes"], y: Int[Array, " batch"]
) -> Float[Array, "batch classes"]:
    """Softmax - one-hot: each example's cross-entropy gradient at the logits."""
    return jax.nn.softmax(logits) - jax.nn.one_hot(y, logits.shape[1], dtype=logits.dtype)


def competing(
    logits: Float[Array, "batch classes"], mask: Bool[Array, "batch classes"] | None
) -> Float[Array, "batch classes"]:
    """The logits, -inf where the mask is False."""
    return logits if mask is None else jnp.where(mask, logits, -jnp.inf)


def layerwise_gradient(
    model: MLP,
    activities: list[Float[Array, "batch _"]],
    signals: Sequence[Float[Array, "batch _"]],
) -> MLP:
    """The gradient in which layer l sees only its own input and its teaching signal.

    `signals[l - 1]` (batch, d_l) stands where each example's loss gradient at a_l would stand; the
    result is the mean over the batch of post-signal x slope x pre. No signal passes a layer.
    """
    count = activities[0].shape[0]
    moved = []
    for layer, pre, signal in zip(model.layers, activities[:-1], signals, strict=True):
        _, pull = jax.vjp(lambda layer, pre=pre: layer(pre), layer)
        moved.append(pull(signal / count)[0])
    return eqx.tree_at(lambda m: m.layers, model, tuple(moved))


def hidden_widths(model: MLP) -> list[int]:
    """d_1 .. d_{L-1}."""
    return [layer.weight.shape[0] for layer in model.layers[:-1]]


def as_rows(x: Array) -> Float[Array, "batch features"]:
    """One row an example."""
    return jnp.reshape(x, (x.shape[0], -1))
