"""How training goes downhill, and what is measured on the side."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, ArrayLike, Float, Int, UInt8

from engrax.core import State

WINDOWS = 32
"""Windows of the validation part that a report measures."""


def optimizer(
    learning_rate: Float[Array, ""],
    weight_decay: Float[Array, ""],
    warmup: Float[Array, ""],
    steps: Float[Array, ""],
) -> optax.GradientTransformation:
    """AdamW on clipped gradients; the rate rises for `warmup` steps, then falls to a tenth."""

    def rate(count: ArrayLike) -> Array:
        now = jnp.asarray(count, jnp.float32)
        rise = jnp.minimum(1.0, (now + 1) / warmup)
        fall = jnp.clip((now - warmup) / jnp.maximum(1.0, steps - warmup), 0.0, 1.0)
        return learning_rate * rise * (0.1 + 0.45 * (1 + jnp.cos(jnp.pi * fall)))

    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=weight_decay))


@final
class ValidationLoss(eqx.Module):
    """A probe: cross-entropy, in nats, on fixed windows of a text that is not trained on.

    **Fields:** `x`, `y` (windows, length) int32.
    """

    x: Int[Array, "windows length"]
    y: Int[Array, "windows length"]

    @classmethod
    def on(cls, data: UInt8[np.ndarray, " bytes"], length: int) -> "ValidationLoss":
        """Windows of `length` bytes spread evenly over `data`, which is longer than one."""
        count = min(WINDOWS, (len(data) - 1) // length)
        begin = np.linspace(0, len(data) - 1 - length, count).astype(np.int64)
        read = data[begin[:, None] + np.arange(length + 1)].astype(np.int32)
        return cls(jnp.asarray(read[:, :-1]), jnp.asarray(read[:, 1:]))

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """The record of one tick."""
        model = system["learner"].model(state["learner"])

        def loss(window: tuple[Array, Array]) -> Array:
            x, y = window
            return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()

        losses = jax.lax.map(loss, (self.x, self.y), batch_size=min(8, len(self.x)))
        return {"validation_loss": losses.mean()}
