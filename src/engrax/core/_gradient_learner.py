"""Backpropagation through any differentiable model, as a learner."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from ._mesh import spread
from ._system import Batch, Learner, State, named


def rebuild(build: Callable[..., PyTree], arrays: PyTree) -> PyTree:
    """The model of `build` with these arrays in it: a state holds arrays only, so the rest
    (activations, sizes) is built again, as shapes, while a program is traced.
    """
    skeleton = eqx.filter_eval_shape(build, key=jr.key(0))
    rest = eqx.filter(skeleton, lambda leaf: not isinstance(leaf, jax.ShapeDtypeStruct))
    return eqx.combine(arrays, rest)


class Differentiated(NamedTuple):
    """What `GradientLearner.differentiate` finds; a wrapper may change the gradient.

    **Fields:** `trained`, the leaves that learn, as they were; `gradient`, of the same structure;
    `statistics`, the other leaves as the loss moved them; `key`, the next one; `record`.
    """

    trained: PyTree
    gradient: PyTree
    statistics: PyTree
    key: Key[Array, ""]
    record: dict[str, Array]


@final
class GradientLearner(Learner):
    """Backpropagation: one optimizer step a batch, on the gradient of one loss.

    **Fields:**

    - `build`: `build(key=...) -> model`, an `eqx.Partial` of a model's class, so that an equal
      learner built again reuses the compiled program.
    - `loss`: `loss(model, batch, key) -> (scalar, (model, record))`. The model it returns carries
      moved running statistics: leaves that are not trained are taken from it.
    - `optimizer`: builds an Optax transform, as `optimizer(**hyper)`.
    - `hyper`: the optimizer's numbers as float arrays, so that they can be swept in one program.
    - `trainable`: `trainable(model) -> ` tree of booleans; all floating-point arrays if `None`.
    - `apply`: `apply(model, x) -> ` outputs, over a batch (examples, ...); `jax.vmap(model)` if
      `None`.
    - `part`: examples a forward pass takes at once in `predict`; bounds the memory.
    """

    build: Callable[..., PyTree]
    loss: Callable[[Any, Batch, Key[Array, ""]], tuple[Array, tuple[Any, dict[str, Array]]]]
    optimizer: Callable[..., optax.GradientTransformation]
    hyper: dict[str, Array]
    trainable: Callable[[Any], PyTree] | None = None
    apply: Callable[[Any, Array], Array] | None = None
    part: int = eqx.field(static=True, default=500)

    def init(self, *, key: Key[Array, ""]) -> State:
        model = self.build(key=named(key, "model"))
        trained, _ = eqx.partition(model, self.trained(model))
        return {
            "model": eqx.filter(model, eqx.is_array),
            "optimizer": self.optimizer(**self.hyper).init(trained),
            "key": named(key, "loss"),
        }

    def model(self, state: State) -> Any:
        """The model with its present weights."""
        return rebuild(self.build, state["model"])

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        found = self.differentiate(state, input)
        return self.advance(state, found), found.record

    def differentiate(self, state: State, input: Batch) -> Differentiated:
        """The loss and its gradient on a batch, of which nothing has been learned yet."""
        model, input = self.model(state), spread(input)
        key, now = jr.split(state["key"])
        trained, fixed = eqx.partition(model, self.trained(model))

        def value(trained: PyTree) -> tuple[Array, tuple[Any, dict[str, Array]]]:
            return self.loss(eqx.combine(trained, fixed), input, now)

        (loss, (moved, record)), gradient = jax.value_and_grad(value, has_aux=True)(trained)
        _, statistics = eqx.partition(moved, self.trained(moved))
        return Differentiated(trained, gradient, statistics, key, {"loss": loss, **record})

    def advance(self, state: State, found: Differentiated) -> State:
        """The state after the optimizer's step along what `differentiate` found."""
        # Optax promotes types implicitly; under JAX's strict mode that is its own affair.
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer = self.optimizer(**self.hyper).update(
                found.gradient, state["optimizer"], found.trained
            )
        model = eqx.combine(optax.apply_updates(found.trained, updates), found.statistics)
        return {"model": eqx.filter(model, eqx.is_array), "optimizer": optimizer, "key": found.key}

    def predict(self, state: State, x: Array) -> Array:
        apply = self.apply or (lambda model, batch: jax.vmap(model)(batch))
        return in_parts(lambda batch: apply(self.model(state), batch), x, self.part)

    def trained(self, model: Any) -> PyTree:
        """Which leaves of a model learn: a tree of booleans."""
        if self.trainable is not None:
            return self.trainable(model)
        return jax.tree.map(eqx.is_inexact_array, model)


def in_parts(function: Callable[[Array], Array], x: Array, part: int) -> Array:
    """`function` over the examples (examples, ...), `part` at a time, so that memory is bounded."""
    whole = x.shape[0] // part * part
    parts = x[:whole].reshape(-1, part, *x.shape[1:])
    if whole == 0:
        return function(x)
    done = jax.lax.map(function, parts)
    done = done.reshape(whole, *done.shape[2:])
    return done if whole == x.shape[0] else jnp.concatenate([done, function(x[whole:])])


def correct(outputs: Float[Array, "*n classes"], labels: Int[Array, "*n"]) -> Bool[Array, "*n"]:
    """Whether each example's largest output is its label's; a tie or a NaN counts as wrong."""
    right = jnp.take_along_axis(outputs, labels[..., None], -1)[..., 0]
    others = jnp.where(
        jax.nn.one_hot(labels, outputs.shape[-1], dtype=jnp.bool_), -jnp.inf, outputs
    )
    return right > others.max(-1)


def accuracy(outputs: Float[Array, "*n classes"], labels: Int[Array, "*n"]) -> Float[Array, ""]:
    """The share of examples whose largest output is their label's; ties and NaN are wrong."""
    return correct(outputs, labels).mean()


def cross_entropy(
    model: Any, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, ""], tuple[Any, dict[str, Array]]]:
    """Mean softmax cross-entropy over the batch, for a classifier with integer labels (batch,)."""
    logits = jax.vmap(model)(batch.x)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y).mean()
    return loss, (model, {"accuracy": accuracy(logits, batch.y)})


@final
class AccuracyOn(eqx.Module):
    """A probe: the accuracy of the part called `learner` on fixed examples.

    **Fields:** `x` (examples, ...) raw inputs, which the part called `stream` turns into what the
    learner sees; `y` (examples,) labels; `name`: what the record is called.
    """

    x: Array
    y: Int[Array, " examples"]
    name: str = eqx.field(static=True, default="test_accuracy")

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """The record of one tick."""
        stream, learner = system["stream"], system["learner"]

        def outputs(x: Array) -> Array:
            return learner.predict(state["learner"], stream.view(state["stream"], x))

        # In parts, since the raw bytes grow fourfold when they are seen.
        return {self.name: accuracy(in_parts(outputs, self.x, 1000), self.y)}
