"""Online training through time: eligibility traces in the place of a backward pass over time."""

from collections.abc import Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from engrax.core import Batch, State, accuracy
from engrax.nn import SpikingNetwork
from engrax.spiking import LIF, exponential_trace

from ._spiking_learner import Projections, SpikingLearner, input_of, project


@final
class OnlineTraceLearner(SpikingLearner):
    """OTTT (Xiao et al., NeurIPS 2022): each synapse keeps a trace a[t] = decay a[t-1] + s[t] of
    its input, and its gradient at step t is (instantaneous error) x (trace).

    The membrane is detached between steps, so nothing is propagated back in time. The loss is the
    mean over steps of the cross-entropy of that step's output; the prediction is the sum of all
    outputs. The first layer's trace of a static input is the input itself. Traces decay with the
    membranes they drive; the readout's with those that drive it.

    With `online` the weights are updated at every step of time; otherwise the gradient is summed
    over the steps, which needs no loop and is computed for all steps at once.

    Samples of a layer are, at each step of time, spikes and traces in one lot of 2 batch rows.
    """

    online: bool = eqx.field(static=True, default=False, kw_only=True)

    def gradient(
        self,
        model: SpikingNetwork,
        down: Sequence[Array | None] | None,
        x: Array,
        y: Int[Array, " batch"],
        projections: Projections | None,
    ) -> tuple[Float[Array, ""], SpikingNetwork, Float[Array, "batch classes"], list[Array]]:
        """The sum over time of the online gradients."""
        _check(model)

        def loss(model: SpikingNetwork) -> tuple[Array, tuple[Array, list[Array]]]:
            outputs, samples = self._forward(model, down, x, projections)
            labels = jnp.broadcast_to(y, outputs.shape[:2])
            value = optax.softmax_cross_entropy_with_integer_labels(outputs, labels).mean()
            return value, (outputs.sum(0), samples)

        (value, (logits, samples)), gradient = eqx.filter_value_and_grad(loss, has_aux=True)(model)
        return value, gradient, logits, samples

    def _forward(
        self,
        model: SpikingNetwork,
        down: Sequence[Array | None] | None,
        x: Array,
        projections: Projections | None,
    ) -> tuple[Array, list[Array]]:
        spikes, samples = x, []
        for level, layer in enumerate(model.layers):
            still = self.static and level == 0
            trace = jax.lax.stop_gradient(
                spikes if still else exponential_trace(spikes, _decay(model, level))
            )
            lot = jnp.concatenate([spikes, trace], -2)
            lots = jnp.broadcast_to(lot, (model.steps, *lot.shape)) if still else lot
            samples.append(jax.lax.stop_gradient(lots))
            current = layer.currents(
                spikes,
                trace=project(projections, level, trace),
                feedback=None if down is None else down[level],
            )
            if still:
                current = jnp.broadcast_to(current, (model.steps, *current.shape))
            spikes = current if layer.neuron is None else layer.neuron.instantaneous(current)
        return spikes, samples

    def logits(self, model: SpikingNetwork, x: Array) -> Float[Array, "batch classes"]:
        """The outputs' sum over time."""
        _check(model)
        return model.activities(x, static=self.static)[-1].sum(0)

    def learn(
        self,
        state: State,
        batch: Batch,
        *,
        projections: Projections | None = None,
        scale: PyTree | None = None,
    ) -> tuple[State, dict[str, Array], list[Array]]:
        """One step on a batch; with `online`, one update at every step of time."""
        if not self.online:
            return super().learn(state, batch, projections=projections, scale=scale)
        model = self.model(state)
        _check(model)
        x = input_of(batch.x, static=self.static)
        x = jnp.broadcast_to(x, (model.steps, *x.shape)) if self.static else x

        def tick(carry: tuple[State, list[Any]], now: Array):
            state, memory = carry
            model = self.model(state)
            down = self.feedback(model, state["feedback"])

            def loss(model: SpikingNetwork) -> tuple[Array, tuple]:
                output, memory_after, samples = self._tick(model, down, memory, now, projections)
                value = optax.softmax_cross_entropy_with_integer_labels(output, batch.y).mean()
                return value / x.shape[0], (output, memory_after, samples)

            (value, aux), gradient = eqx.filter_value_and_grad(loss, has_aux=True)(model)
            output, memory, samples = aux
            return (self.updated(state, gradient, scale), memory), (value, output, samples)

        carry = (state, self._rest(model, x.shape[1]))
        (state, _), (values, outputs, samples) = jax.lax.scan(tick, carry, x)
        record = {"loss": values.sum(), "accuracy": accuracy(outputs.sum(0), batch.y)}
        return state, record, samples

    @staticmethod
    def _rest(model: SpikingNetwork, batch: int) -> list[Any]:
        """For each layer its membranes and its input's trace."""
        return [
            (layer.init_state((batch,)), jnp.zeros((batch, layer.weight.shape[1])))
            for layer in model.layers
        ]

    def _tick(
        self,
        model: SpikingNetwork,
        down: Sequence[Array | None] | None,
        memory: list[Any],
        spikes: Array,
        projections: Projections | None,
    ) -> tuple[Array, list[Any], list[Array]]:
        """One step of time for the whole network; what is remembered has no gradient."""
        after, samples = [], []
        for level, (layer, (membrane, trace)) in enumerate(zip(model.layers, memory, strict=True)):
            still = self.static and level == 0
            decayed = spikes if still else jax.lax.stop_gradient(spikes)
            if not still:
                decay = _decay(model, level)
                decayed = jnp.broadcast_to(decay, trace.shape) * trace + decayed
            samples.append(jax.lax.stop_gradient(jnp.concatenate([spikes, decayed])))
            current = layer.currents(
                spikes,
                trace=project(projections, level, decayed),
                feedback=None if down is None else down[level],
            )
            if layer.neuron is None:
                spikes = current
            else:
                membrane, spikes = layer.neuron.step(membrane, current)
            after.append(jax.lax.stop_gradient((membrane, decayed)))
        return spikes, after, samples


def _decay(model: SpikingNetwork, level: int) -> Array:
    """The decay of the traces of a layer's input."""
    neuron = model.layers[level].neuron or model.layers[level - 1].neuron
    return jax.lax.stop_gradient(neuron.decay)


def _check(model: SpikingNetwork) -> None:
    for layer in model.layers:
        if layer.recurrent is not None:
            raise ValueError("OnlineTraceLearner takes feed-forward layers; use BPTTLearner.")
    hidden = [layer.neuron for layer in model.layers]
    hidden = hidden[:-1] if hidden[-1] is None else hidden
    if not hidden or not all(isinstance(neuron, LIF) for neuron in hidden):
        raise ValueError(
            "OnlineTraceLearner trains layers of LIF neurons, with or without a linear readout."
        )
    if not all(neuron.decay.ndim == 0 for neuron in hidden):
        raise ValueError(
            "OnlineTraceLearner needs one decay a layer: a trace belongs to an input, which "
            "drives neurons of all decays."
        )
