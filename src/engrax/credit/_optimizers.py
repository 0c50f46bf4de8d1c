"""The plain optimizer that the credit learners of this package are run with."""

from typing import Literal

import jax.numpy as jnp
import optax
from jaxtyping import Array, ArrayLike, Float

Number = float | Float[Array, ""]


def network_sgd(
    learning_rate: Number,
    *,
    momentum: Number | None = None,
    weight_decay: Number | None = None,
    clip: Number | None = None,
    clip_by: Literal["network", "layer"] = "network",
    centralize: bool = False,
    warmup: int = 0,
    decay: int = 0,
    floor: float = 0.0,
    epoch: int = 1,
) -> optax.GradientTransformation:
    """Stochastic gradient descent as in the code of Kao & Hariharan (2024), for one network.

    In order: warm-up, gradient centralization, norm clipping, coupled weight decay, momentum,
    learning rate. What is None, False or 0 takes no part.

    - `clip` bounds the L2 norm of the whole network's gradient, or of each layer's (`clip_by`):
      the latter keeps learning strictly local. By layer, the gradient is a list or tuple with one
      entry a layer.
    - `centralize` takes from each weight gradient its mean over the unit's inputs.
    - `warmup` steps scale the gradient by (i + 1) / warmup, i the step within the epoch (it
      restarts with each epoch of `epoch` steps, as the authors' does).
    - `decay` epochs lower the rate along a half cosine to `floor` times `learning_rate`.

    All numbers but the counts may be arrays, so that they can be swept.
    """
    steps: list[optax.GradientTransformation] = []
    if warmup:
        steps.append(optax.scale_by_schedule(_warmup(warmup, epoch)))
    if centralize:
        steps.append(optax.centralize())
    if clip is not None:
        steps.append(_clip_layers(clip) if clip_by == "layer" else optax.clip_by_global_norm(clip))
    if weight_decay is not None:
        steps.append(optax.add_decayed_weights(weight_decay))
    if momentum is not None:
        steps.append(optax.trace(momentum))
    if decay:
        steps.append(optax.scale_by_schedule(_half_cosine(decay, floor, epoch)))
    return optax.chain(*steps, optax.scale(-learning_rate))


def _warmup(steps: int, epoch: int) -> optax.Schedule:
    def factor(count: ArrayLike) -> Array:
        count = jnp.asarray(count)
        ramp = (count % epoch + 1) / steps
        return jnp.where(count < steps, jnp.minimum(ramp, 1.0), 1.0)

    return factor


def _half_cosine(epochs: int, floor: float, epoch: int) -> optax.Schedule:
    def factor(count: ArrayLike) -> Array:
        count = jnp.asarray(count)
        done = jnp.minimum(count // epoch, epochs) / epochs
        return floor + (1 - floor) * (1 + jnp.cos(jnp.pi * done)) / 2

    return factor


def _clip_layers(max_norm: Number) -> optax.GradientTransformation:
    whole = optax.clip_by_global_norm(max_norm)

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        if not isinstance(updates, list | tuple):
            raise TypeError(
                f"clipping by layer got a {type(updates).__name__}; expected a list or tuple of "
                "gradients, one entry a layer."
            )
        return type(updates)(whole.update(layer, state)[0] for layer in updates), state

    return optax.GradientTransformation(whole.init, update)
