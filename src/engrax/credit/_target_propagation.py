"""Difference target propagation: hidden layers learn to hit targets sent down by a second net."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from engrax.core import draw_normal
from engrax.nn import MLP, uniform_fan_in

from ._layerwise import (
    ClassifierLearner,
    competing,
    hidden_widths,
    layerwise_gradient,
    output_error,
)


@final
class TargetPropagation(ClassifierLearner):
    """Each hidden layer minimizes ||h_l - tau_l||^2, its input held fixed.

    With feedback maps g_l(h) = tanh(h W_l) from level l to l - 1 (Lee et al. 2015),

        tau_{L-1} = h_{L-1} - step_size dCE/dh_{L-1},
        tau_l     = h_l + g_{l+1}(tau_{l+1}) - g_{l+1}(h_{l+1})

    The output layer learns from the exact error. With `learned=False` the maps stay as they were
    drawn (FW-DTP, Shibuya et al. 2023); with `learned=True` each descends the reconstruction error
    ||g_{l+1}(f_{l+1}(h_l + n)) - (h_l + n)||^2, n normal with deviation `noise` (DTP).

    **Fields:** those of `ClassifierLearner`; `step_size` of the output target; `feedback_rate` and
    `noise` (both for `learned` only) as arrays.

    dCE/dh is that of each example alone, so that a target does not depend on the batch size.
    """

    learned: bool = eqx.field(static=True, default=False, kw_only=True)
    step_size: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.1, kw_only=True)
    feedback_rate: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1e-3, kw_only=True)
    noise: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.1, kw_only=True)

    def draw_feedback(self, model: MLP, key: Key[Array, ""]) -> list[Array]:
        """W_l (d_l, d_{l-1}) for l = 2..L-1, with a variance that keeps the scale of signals."""
        widths = hidden_widths(model)
        keys = jax.random.split(key, max(len(widths) - 1, 1))
        return [
            uniform_fan_in(k, (above, below), above, gain=3**0.5)
            for k, above, below in zip(keys, widths[1:], widths[:-1], strict=False)
        ]

    def gradient(
        self,
        model: MLP,
        feedback: list[Array],
        x: Array,
        y: Array,
        mask: Bool[Array, "batch classes"] | None = None,
    ) -> tuple[MLP, Float[Array, "batch classes"]]:
        """Twice the distance to the target at each hidden level, the exact error on top."""
        activities = model.activities(x)
        hidden = activities[1:-1]
        logits = competing(activities[-1], mask)
        error = output_error(logits, y)
        below = error @ model.layers[-1].weight
        targets = [hidden[-1] - self.step_size * below]
        for weight, lower, upper in zip(
            reversed(feedback), reversed(hidden[:-1]), reversed(hidden[1:]), strict=True
        ):
            shift = jnp.tanh(targets[0] @ weight) - jnp.tanh(upper @ weight)
            targets.insert(0, lower + shift)
        signals = [2 * (h - t) for h, t in zip(hidden, targets, strict=True)]
        return layerwise_gradient(model, activities, [*signals, error]), logits

    def learn_feedback(
        self, model: MLP, feedback: list[Array], x: Array, key: Key[Array, ""]
    ) -> list[Array]:
        """One descent step of each map on its reconstruction error, if they are learned."""
        if not self.learned:
            return feedback
        hidden = model.activities(x)[1:-2]
        keys = jax.random.split(key, max(len(hidden), 1))
        new = []
        for k, layer, h, weight in zip(keys, model.layers[1:-1], hidden, feedback, strict=False):
            disturbed = h + self.noise * draw_normal(k, h.shape)
            above = layer(disturbed)

            def missed(w: Array, above: Array = above, disturbed: Array = disturbed) -> Array:
                return jnp.sum((jnp.tanh(above @ w) - disturbed) ** 2) / disturbed.shape[0]

            new.append(weight - self.feedback_rate * jax.grad(missed)(weight))
        return new
