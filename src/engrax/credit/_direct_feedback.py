"""Direct feedback: every hidden layer hears from the output, none from its neighbor."""

from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from engrax.nn import MLP, uniform_fan_in

from ._layerwise import (
    ClassifierLearner,
    competing,
    hidden_widths,
    layerwise_gradient,
    output_error,
)


def _draw(model: MLP, key: Key[Array, ""]) -> list[Array]:
    classes = model.layers[-1].weight.shape[0]
    widths = hidden_widths(model)
    keys = jax.random.split(key, len(widths))
    return [
        uniform_fan_in(k, (classes, width), classes) for k, width in zip(keys, widths, strict=True)
    ]


@final
class DirectFeedbackAlignment(ClassifierLearner):
    """delta_l = ((softmax - one-hot) F_l) * slope, F_l random and fixed (Nokland 2016)."""

    def draw_feedback(self, model: MLP, key: Key[Array, ""]) -> list[Array]:
        """One matrix (classes, d_l) for each hidden layer."""
        return _draw(model, key)

    def gradient(
        self,
        model: MLP,
        feedback: list[Array],
        x: Array,
        y: Array,
        mask: Bool[Array, "batch classes"] | None = None,
    ) -> tuple[MLP, Float[Array, "batch classes"]]:
        """The output's error, projected to each hidden layer."""
        activities = model.activities(x)
        logits = competing(activities[-1], mask)
        error = output_error(logits, y)
        signals = [error @ f for f in feedback]
        return layerwise_gradient(model, activities, [*signals, error]), logits


@final
class DirectRandomTargetProjection(ClassifierLearner):
    """delta_l = (one-hot F_l) * slope, F_l random and fixed (Frenkel et al. 2021).

    Hidden layers hear the label, not an error, so they need not wait for the output; the output
    layer learns from the exact error.
    """

    def draw_feedback(self, model: MLP, key: Key[Array, ""]) -> list[Array]:
        """One matrix (classes, d_l) for each hidden layer."""
        return _draw(model, key)

    def gradient(
        self,
        model: MLP,
        feedback: list[Array],
        x: Array,
        y: Array,
        mask: Bool[Array, "batch classes"] | None = None,
    ) -> tuple[MLP, Float[Array, "batch classes"]]:
        """The label, projected to each hidden layer."""
        activities = model.activities(x)
        # Rows of F_l by label: the one-hot product without its zeros.
        signals = [jnp.take(f, y, axis=0) for f in feedback]
        logits = competing(activities[-1], mask)
        error = output_error(logits, y)
        return layerwise_gradient(model, activities, [*signals, error]), logits
