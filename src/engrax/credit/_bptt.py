"""Backpropagation through time with surrogate gradients, as a learner."""

from collections.abc import Sequence
from typing import final

import equinox as eqx
import optax
from jaxtyping import Array, Float, Int

from engrax.nn import SpikingNetwork

from ._spiking_learner import Projections, SpikingLearner, samples_of


@final
class BPTTLearner(SpikingLearner):
    """Surrogate gradients through time (Neftci et al. 2019); logits are the mean over time.

    Samples of a layer are the spikes of all steps and examples, as one lot.
    """

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
            activities = model.activities(
                x, static=self.static, feedback=down, projections=projections
            )
            logits = activities[-1].mean(0)
            value = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
            return value, (logits, [samples_of(a) for a in activities[:-1]])

        (value, (logits, samples)), gradient = eqx.filter_value_and_grad(loss, has_aux=True)(model)
        return value, gradient, logits, samples

    def logits(self, model: SpikingNetwork, x: Array) -> Float[Array, "batch classes"]:
        """The outputs' mean over time."""
        return model.activities(x, static=self.static)[-1].mean(0)
