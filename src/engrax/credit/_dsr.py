"""Differentiation on spike representation, as a learner."""

from collections.abc import Sequence
from typing import Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from engrax.nn import SpikingNetwork
from engrax.spiking import DSRLIF, rate_weights, weighted_rate

from ._spiking_learner import Projections, SpikingLearner, project, samples_of


@final
class DSRLearner(SpikingLearner):
    """A network of `DSRLIF` layers trained on its weighted firing rates (Meng et al., CVPR 2022).

    Logits are the weighted rate of the readout. The backward pass of `DSRLIF` sends the same
    error to every step, so a layer's gradient is one product of that error with the summed input:
    the gradient costs 1/T of the forward pass. `DSRLIF.run` under plain differentiation gives the
    same gradient, T times as dearly.

    Samples of a layer are the weighted rates of its inputs, a row an example. `project` says
    what a projection is given: mean `"rates"`, which for a linear one is the same as every
    `"steps"` and T times cheaper.
    """

    project: Literal["rates", "steps"] = eqx.field(static=True, default="rates", kw_only=True)

    def gradient(
        self,
        model: SpikingNetwork,
        down: Sequence[Array | None] | None,
        x: Array,
        y: Int[Array, " batch"],
        projections: Projections | None,
    ) -> tuple[Float[Array, ""], SpikingNetwork, Float[Array, "batch classes"], list[Array]]:
        """The gradient of the mean cross-entropy."""

        def loss(model: SpikingNetwork) -> tuple[Array, tuple[Array, list[Array]]]:
            logits, samples = self._forward(model, down, x, projections)
            value = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
            return value, (logits, samples)

        (value, (logits, samples)), gradient = eqx.filter_value_and_grad(loss, has_aux=True)(model)
        return value, gradient, logits, samples

    def logits(self, model: SpikingNetwork, x: Array) -> Float[Array, "batch classes"]:
        """The outputs' weighted rate."""
        return self._forward(model, None, x, None)[0]

    def _forward(
        self,
        model: SpikingNetwork,
        down: Sequence[Array | None] | None,
        x: Array,
        projections: Projections | None,
    ) -> tuple[Array, list[Array]]:
        neuron = self._neuron(model)
        weights = rate_weights(model.steps, neuron.dt, neuron.tau)
        even = jnp.full_like(weights, 1 / model.steps)
        down = [None] * len(model.layers) if down is None else down
        samples = []
        below = x  # what really goes up, step by step; its gradient goes through the rate
        rate = x if self.static else weighted_rate(x, dt=neuron.dt, tau=neuron.tau)
        for level, layer in enumerate(model.layers[:-1]):
            samples.append(samples_of(rate))
            trace = self._trace(projections, level, below, even)
            current = layer.currents(rate, trace=trace, feedback=down[level])
            if self.static and level == 0:
                currents = jnp.broadcast_to(current, (model.steps, *current.shape))
            else:
                currents = layer.currents(below)
            below = layer.neuron.run(jax.lax.stop_gradient(currents))
            rate = layer.neuron.rate(weighted_rate(below, dt=neuron.dt, tau=neuron.tau), current)
        # dL/do[t] = w_t error at the last hidden layer, and g = T sum_t w_t dL/do[t].
        factor = model.steps * jnp.sum(weights**2)
        rate = rate + (factor - 1) * (rate - jax.lax.stop_gradient(rate))
        samples.append(samples_of(rate))
        trace = self._trace(projections, len(model.layers) - 1, below, weights)
        return model.layers[-1].currents(rate, trace=trace, feedback=down[-1]), samples

    def _trace(
        self, projections: Projections | None, level: int, below: Array, weights: Array
    ) -> Array:
        """The mean over time, in these weights, that errors are paired with."""
        if self.static and level == 0:
            return project(projections, level, below)
        if self.project == "steps":
            return jnp.tensordot(weights, project(projections, level, below), axes=1)
        return project(projections, level, jnp.tensordot(weights, below, axes=1))

    @staticmethod
    def _neuron(model: SpikingNetwork) -> DSRLIF:
        neurons = [layer.neuron for layer in model.layers]
        if len(neurons) < 2 or neurons[-1] is not None:
            raise ValueError("DSRLearner needs hidden layers and a linear readout above them.")
        if not all(isinstance(neuron, DSRLIF) for neuron in neurons[:-1]):
            kinds = {type(neuron).__name__ for neuron in neurons[:-1]}
            raise ValueError(f"DSRLearner trains layers of DSRLIF and got {', '.join(kinds)}.")
        return neurons[0]
