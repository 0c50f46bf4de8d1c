"""Feedback alignment: the error goes down through fixed random weights."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from engrax.nn import MLP, uniform_fan_in

from ._layerwise import ClassifierLearner, competing, output_error


@final
class FeedbackAlignment(ClassifierLearner):
    """delta_l = (delta_{l+1} F_{l+1}) * slope, with F random and fixed (Lillicrap et al. 2016).

    F_l has the shape of the forward weight and is drawn like it, but from a key of its own. With
    `sign_symmetric` F takes over the present signs of the weights and keeps its own magnitudes
    (Liao et al. 2016, fixed random magnitudes).
    """

    sign_symmetric: bool = eqx.field(static=True, default=False, kw_only=True)

    def draw_feedback(self, model: MLP, key: Key[Array, ""]) -> list[Array]:
        """One matrix for each layer above the first, (d_l, d_{l-1}), l = 2..L."""
        shapes = [layer.weight.shape for layer in model.layers[1:]]
        keys = jax.random.split(key, len(shapes))
        return [uniform_fan_in(k, shape, shape[1]) for k, shape in zip(keys, shapes, strict=True)]

    def gradient(
        self,
        model: MLP,
        feedback: list[Array],
        x: Array,
        y: Array,
        mask: Bool[Array, "batch classes"] | None = None,
    ) -> tuple[MLP, Float[Array, "batch classes"]]:
        """The chain rule with F in the place of each weight's transpose."""
        if self.sign_symmetric:
            feedback = [
                jnp.abs(f) * jnp.sign(layer.weight)
                for f, layer in zip(feedback, model.layers[1:], strict=True)
            ]
        outputs, pull = jax.vjp(lambda m: m.activities(x, [None, *feedback])[-1], model)
        logits = competing(outputs, mask)
        return pull(output_error(logits, y) / x.shape[0])[0], logits
