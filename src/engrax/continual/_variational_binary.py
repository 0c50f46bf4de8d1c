"""Variational continual learning of binary weights: the posterior of yesterday is today's prior."""

from collections.abc import Callable
from typing import Any, Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, ArrayLike, Float, Int, Key, PyTree

from engrax.core import Batch, State, named, rebuild
from engrax.nn import MeanFieldBinaryMLP
from engrax.theory import (
    bernoulli_kl,
    bernoulli_kl_gradient,
    bernoulli_kl_quadratic,
    bernoulli_variance,
)

from ._learner import ContinualLearner
from ._sequence import masked_cross_entropy

Model = Any


def tanh_anneal(
    step: Float[ArrayLike, ""] | Int[ArrayLike, ""],
    total: Float[ArrayLike, ""] | Int[ArrayLike, ""],
    *,
    rate: Float[ArrayLike, ""] = 1.0,
    maximum: Float[ArrayLike, ""] = 10.0,
    offset: Float[ArrayLike, ""] = 0.1,
) -> Float[Array, ""]:
    """The inverse temperature ``maximum tanh(offset + rate step / total)``.

    It grows over the whole run, never back at a task's start, and so makes weights certain. The
    paper counts epochs from 1 and has rate 2 for permuted images, 1 for a pair of data sets.
    """
    step, total, rate, maximum, offset = (
        jnp.asarray(a, jnp.float32) for a in (step, total, rate, maximum, offset)
    )
    return maximum * jnp.tanh(offset + rate * step / total)


class EpochAnneal(eqx.Module):
    """`tanh_anneal` by epochs: the inverse temperature of a step, constant within an epoch."""

    rate: Float[Array, ""]
    maximum: Float[Array, ""]
    offset: Float[Array, ""]
    per_epoch: int = eqx.field(static=True)
    epochs: int = eqx.field(static=True)

    def __init__(
        self,
        per_epoch: int,
        epochs: int,
        *,
        rate: float = 2.0,
        maximum: float = 10.0,
        offset: float = 0.1,
    ) -> None:
        """Steps an epoch and epochs of the whole run. Raises ValueError where either is below 1."""
        if min(per_epoch, epochs) < 1:
            raise ValueError(f"an annealing needs steps, got {per_epoch=} and {epochs=}.")
        self.rate, self.maximum, self.offset = map(jnp.float32, (rate, maximum, offset))
        self.per_epoch, self.epochs = per_epoch, epochs

    @classmethod
    def fixed(cls, beta: float, per_epoch: int, epochs: int) -> "EpochAnneal":
        """The same inverse temperature throughout, in the program of the annealing."""
        return cls(per_epoch, epochs, rate=0.0, maximum=beta, offset=float("inf"))

    def __call__(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """Beta at a step, counted from 0."""
        return tanh_anneal(
            step // self.per_epoch + 1,
            self.epochs,
            rate=self.rate,
            maximum=self.maximum,
            offset=self.offset,
        )


@final
class VariationalBinary(ContinualLearner):
    """Gradient descent on the fields of binary weights, toward data and away from no certainty.

    Each step follows ``d/dtheta [ sum over the batch of the cross-entropy + weight KL(q || q_ref)
    ]``; the first is a SUM over the batch, for the divergence counts each weight once. The gradient
    of the second is ``beta^2 sigma2 (theta - theta_ref)``, exactly. Which posterior is q_ref:

    - "previous_step": the one before the last step. The gradient that moving away from it costs is
      stored after a step and added to the next step's: Bayes online over mini-batches, which knows
      of no task. The method of Li et al. (2023) for deep networks, `weight` 1.
    - "previous_task": the one at the end of the task before, at the inverse temperature it had then
      (nothing in the first task), as their perceptron has it. `weight` is 1 over the number of
      mini-batches, else nothing is learned.

    **Fields:**

    - `build`: `build(key=...) -> MeanFieldBinaryMLP`, as an `eqx.Partial`.
    - `schedule`: step -> beta.
    - `optimizer`, `hyper`: `optimizer(**hyper)`, an Optax transform.
    - `weight`: of the divergence; 0 turns it off.
    - `mode`: how `predict` computes outputs: "gaussian" (noise of each unit and example), "sample"
      (one draw of binary weights) or "sign" (the most probable weights).
    - `watch`: also record `kl`, that of the step just made, and `kl_error`, by how much its second
      order is off, relatively.

    State: `{"model", "optimizer", "key", "step", "beta"}` and `"pull"` or `"anchor"`. Records
    `loss`, the mean cross-entropy, and `variance`, the mean sigma2 over all weights.
    """

    build: Callable[..., MeanFieldBinaryMLP]
    schedule: Callable[[Int[Array, ""]], Float[Array, ""]]
    optimizer: Callable[..., optax.GradientTransformation]
    hyper: dict[str, Array]
    weight: Float[Array, ""]
    reference: Literal["previous_step", "previous_task"] = eqx.field(
        static=True, default="previous_step"
    )
    mode: Literal["gaussian", "sample", "sign"] = eqx.field(static=True, default="gaussian")
    watch: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.reference not in ("previous_step", "previous_task"):
            raise ValueError(
                f"reference is 'previous_step' or 'previous_task', got {self.reference!r}"
            )

    def init(self, *, key: Key[Array, ""]) -> State:
        model = self.build(key=named(key, "model"))
        theta = eqx.filter(model, eqx.is_inexact_array)
        none = jax.tree.map(jnp.zeros_like, theta)
        # Of the anchor's fields times its beta; `held` is 0 as long as there is no anchor.
        kept = (
            {"pull": none}
            if self.reference == "previous_step"
            else {"anchor": none, "held": jnp.float32(0)}
        )
        return {
            "model": eqx.filter(model, eqx.is_array),
            "optimizer": self.optimizer(**self.hyper).init(theta),
            "key": named(key, "noise"),
            "step": jnp.int32(0),
            "beta": self.schedule(jnp.int32(0)),
            **kept,
        }

    def model(self, state: State) -> Model:
        """The network with its present fields."""
        return rebuild(self.build, state["model"])

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        key, now = jr.split(state["key"])
        beta = self.schedule(state["step"])
        model = self.model(state)

        def data_loss(model: Model) -> Array:
            logits = model(input.x, beta, now)
            return masked_cross_entropy(logits, input.y, input.mask) * len(input.y)

        loss, gradient = eqx.filter_value_and_grad(data_loss)(model)
        pull = self._pull(state, model, beta)
        gradient = jax.tree.map(lambda g, p: g + self.weight * p, gradient, pull)
        # Optax promotes types implicitly; under JAX's strict mode that is its own affair.
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer = self.optimizer(**self.hyper).update(
                gradient, state["optimizer"], model
            )
        moved = eqx.apply_updates(model, updates)
        new = {
            **state,
            "model": eqx.filter(moved, eqx.is_array),
            "optimizer": optimizer,
            "key": key,
            "step": state["step"] + 1,
            "beta": beta,
        }
        if self.reference == "previous_step":
            new["pull"] = jax.tree.map(lambda a, b: bernoulli_kl_gradient(a, b, beta), moved, model)
        return new, self._record(loss / len(input.y), model, moved, beta)

    def predict(self, state: State, x: Array) -> Array:
        """Logits; random modes draw the same noise again as long as no step was made."""
        key = None if self.mode == "sign" else named(state["key"], "predict")
        return self.model(state)(x, state["beta"], key, self.mode)

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """Keeps the posterior as the next task's prior, where the reference is a task."""
        if self.reference == "previous_step":
            return state
        anchor = jax.tree.map(lambda theta: state["beta"] * theta, self.model(state))
        return {**state, "anchor": anchor, "held": jnp.float32(1)}

    def _pull(self, state: State, model: Model, beta: Array) -> PyTree:
        """The gradient of the divergence from the reference."""
        if self.reference == "previous_step":
            return state["pull"]

        def toward(theta: Array, anchor: Array) -> Array:
            # At another beta the fields that count are beta theta: of those it is the gradient.
            return state["held"] * bernoulli_kl_gradient(theta, anchor / beta, beta)

        return jax.tree.map(toward, model, state["anchor"])

    def _record(self, loss: Array, old: Model, new: Model, beta: Array) -> dict[str, Array]:
        fields = list(zip(jax.tree.leaves(new), jax.tree.leaves(old), strict=True))
        count = sum(a.size for a, _ in fields)
        variance = sum(jnp.sum(bernoulli_variance(a, beta)) for a, _ in fields) / count
        record = {"loss": loss, "variance": variance}
        if self.watch:
            exact, quadratic = (
                sum(jnp.sum(measure(a, b, beta)) for a, b in fields)
                for measure in (bernoulli_kl, bernoulli_kl_quadratic)
            )
            record |= {"kl": exact, "kl_error": jnp.abs(quadratic - exact) / exact}
        return record
