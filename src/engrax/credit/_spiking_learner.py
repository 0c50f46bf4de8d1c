"""What the ways to train a spiking classifier share."""

import abc
from collections.abc import Callable, Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from engrax.core import Batch, Learner, State, accuracy, in_parts, named, rebuild
from engrax.nn import SpikingNetwork, uniform_fan_in
from engrax.spiking import DSRLIF

Propagation = Literal["weights", "random", "sign"]
Projection = Callable[[Array], Array]
Projections = Sequence[Projection | None]


class SpikingLearner(Learner):
    """A `SpikingNetwork` classifier trained by gradient descent; subclasses say on what gradient.

    **Fields:**

    - `build`: `build(key=...) -> SpikingNetwork`, an `eqx.Partial` of the class.
    - `optimizer`, `hyper`: the Optax transform is `optimizer(**hyper)`; numbers as arrays.
    - `propagation`: what the error goes down through: the `"weights"` (BP); fixed `"random"`
      matrices, uniform in +- 1/sqrt(fan_in) like the weights (FA); or `"sign"`: the present signs
      of the weights, sign(W) / sqrt(fan_in) (SS; Xiao et al. 2024).
    - `static`: inputs are (batch, features), the same at every step; otherwise (batch, time,
      features).
    - `trainable`: `trainable(network) -> ` tree of booleans.
    - `part`: examples a forward pass takes at once in `predict`.

    Labels are integers (batch,). A continual learner calls `learn` in place of `step`: it puts
    a projection of the presynaptic trace into each layer's weight gradient, and gets back what
    the layers' inputs were.
    """

    build: Callable[..., SpikingNetwork]
    optimizer: Callable[..., optax.GradientTransformation]
    hyper: dict[str, Array]
    propagation: Propagation = eqx.field(static=True, default="weights", kw_only=True)
    static: bool = eqx.field(static=True, default=True, kw_only=True)
    trainable: Callable[[Any], PyTree] | None = eqx.field(default=None, kw_only=True)
    part: int = eqx.field(static=True, default=500, kw_only=True)

    @abc.abstractmethod
    def gradient(
        self,
        model: SpikingNetwork,
        down: Sequence[Array | None] | None,
        x: Array,
        y: Int[Array, " batch"],
        projections: Projections | None,
    ) -> tuple[Float[Array, ""], SpikingNetwork, Float[Array, "batch classes"], list[Array]]:
        """Loss, gradient, logits, and each layer's samples (times, rows, inputs).

        `down` is one matrix a layer, None for the weight itself. Inputs that are not static come
        as (time, batch, features).
        """

    @abc.abstractmethod
    def logits(self, model: SpikingNetwork, x: Array) -> Float[Array, "batch classes"]:
        """What the network says, read out as this method trains it."""

    def init(self, *, key: Key[Array, ""]) -> State:
        """Weights, feedback weights (fixed), and the optimizer's state."""
        model = self.build(key=named(key, "model"))
        feedback = []
        if self.propagation == "random":
            shapes = [layer.weight.shape for layer in model.layers[1:]]
            keys = jr.split(named(key, "feedback"), len(shapes))
            feedback = [uniform_fan_in(k, s, s[1]) for k, s in zip(keys, shapes, strict=True)]
        return {
            "model": eqx.filter(model, eqx.is_array),
            "feedback": feedback,
            "optimizer": self.optimizer(**self.hyper).init(self.trained(model)),
        }

    def model(self, state: State) -> SpikingNetwork:
        """The network with its present weights."""
        return rebuild(self.build, state["model"])

    def trained(self, model: SpikingNetwork) -> PyTree:
        """The network with None in the place of every leaf that is not trained."""
        return eqx.filter(model, (self.trainable or spiking_trainable)(model))

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """Learns from one batch; records its loss and accuracy."""
        state, record, _ = self.learn(state, input)
        return state, record

    def learn(
        self,
        state: State,
        batch: Batch,
        *,
        projections: Projections | None = None,
        scale: PyTree | None = None,
    ) -> tuple[State, dict[str, Array], list[Array]]:
        """One step, with hooks: the new state, the record, and each layer's samples.

        `projections` holds one function a layer, from presynaptic traces (..., n) to what stands
        for them in the weight gradient; outputs and errors do not see it. `scale` is a tree like
        `trained(model)` of numbers that multiply the updates: 0 freezes. Samples are (times, rows,
        n): what a circuit that learns the subspace of the layer's input is shown, one time after
        the other.
        """
        model = self.model(state)
        down = self.feedback(model, state["feedback"])
        x = input_of(batch.x, static=self.static)
        loss, gradient, logits, samples = self.gradient(model, down, x, batch.y, projections)
        new = self.updated(state, gradient, scale)
        return new, {"loss": loss, "accuracy": accuracy(logits, batch.y)}, samples

    def predict(self, state: State, x: Array) -> Array:
        """Logits, `part` examples at a time."""
        model = self.model(state)
        return in_parts(lambda x: self.logits(model, input_of(x, static=self.static)), x, self.part)

    def feedback(
        self, model: SpikingNetwork, drawn: list[Array]
    ) -> list[Float[Array, "out in"] | None] | None:
        """What the error goes down through, one a layer; None where it is the weights."""
        if self.propagation == "weights":
            return None
        if self.propagation == "random":
            return [None, *drawn]
        weights = [layer.weight for layer in model.layers[1:]]
        return [None, *(jnp.sign(w) / jnp.sqrt(jnp.float32(w.shape[1])) for w in weights)]

    def updated(self, state: State, gradient: SpikingNetwork, scale: PyTree | None = None) -> State:
        """The state after the optimizer's step on this gradient."""
        trainable = (self.trainable or spiking_trainable)(self.model(state))
        trained = self.trained(self.model(state))
        wanted: PyTree = eqx.filter(gradient, trainable)
        # Optax promotes types implicitly; under JAX's strict mode that is its own affair.
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer = self.optimizer(**self.hyper).update(
                wanted, state["optimizer"], trained
            )
        if scale is not None:
            updates = jax.tree.map(lambda u, s: u * jnp.asarray(s, u.dtype), updates, scale)
        moved = eqx.apply_updates(state["model"], updates)
        return {**state, "model": moved, "optimizer": optimizer}


def spiking_trainable(model: SpikingNetwork) -> PyTree:
    """True for weights, biases, recurrent weights and the thresholds of `DSRLIF` layers."""
    none = jax.tree.map(lambda _: False, model)

    def wanted(network: SpikingNetwork) -> list[Any]:
        return [
            part
            for layer in network.layers
            for part in (
                layer.weight,
                layer.bias,
                layer.recurrent,
                layer.neuron.threshold if isinstance(layer.neuron, DSRLIF) else None,
            )
            if part is not None
        ]

    return eqx.tree_at(wanted, none, replace_fn=lambda _: True)


def input_of(x: Array, *, static: bool) -> Array:
    """Rows as a network takes them: floats, and time in front where there is time."""
    wanted = 2 if static else 3
    if x.ndim != wanted:
        form = "(batch, features)" if static else "(batch, time, features)"
        raise ValueError(
            f"a spiking learner with static={static} got inputs of shape {x.shape}; expected "
            f"{form}, flattened by the stream."
        )
    return x if static else jnp.moveaxis(x, 1, 0)


def samples_of(x: Array) -> Float[Array, "times rows n"]:
    """Rows of all steps as one lot."""
    return jax.lax.stop_gradient(x.reshape(1, -1, x.shape[-1]))


def project(projections: Projections | None, level: int, trace: Array) -> Array:
    """The trace as the weight gradient of this layer is to see it, without a gradient."""
    function = None if projections is None else projections[level]
    return jax.lax.stop_gradient(trace if function is None else function(trace))
