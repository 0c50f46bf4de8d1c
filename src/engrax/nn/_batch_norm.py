"""Batch normalization with explicit running statistics."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


class BatchNorm(eqx.Module):
    """Normalizes every channel, then scales and shifts it (Ioffe and Szegedy 2015, Alg. 1 and 2).

    While training, a channel is centered and divided by the standard deviation of the batch (the
    biased one), and the running statistics move a step towards the batch's. At evaluation the
    running statistics are used instead. A module is a value: `train` returns the normalized batch
    and *a new module*; who drops the module keeps the old statistics.

    As in PyTorch the running variance follows the *unbiased* batch variance, while the batch itself
    is divided by the biased one.

        y, norm = norm.train(x)      # x: (batch, size, ...)
        z = norm(x[0])               # one example: (size, ...)
    """

    weight: Float[Array, " size"]
    """Scale of each channel; 1 at the start."""
    bias: Float[Array, " size"]
    """Shift of each channel; 0 at the start."""
    mean: Float[Array, " size"]
    """Running mean; 0 at the start. A statistic, never trained."""
    var: Float[Array, " size"]
    """Running variance; 1 at the start. A statistic, never trained."""
    momentum: float = eqx.field(static=True)
    """Share of the running statistics that one step keeps (0.9 here is PyTorch's 0.1)."""
    eps: float = eqx.field(static=True)
    """Added to a variance before its root."""

    def __init__(self, size: int, *, momentum: float = 0.9, eps: float = 1e-5) -> None:
        """Start `size` channels at mean 0, variance 1, scale 1, shift 0."""
        if size < 1:
            raise ValueError(f"BatchNorm needs a size of at least 1, and was given {size}.")
        if not 0.0 <= momentum <= 1.0:
            raise ValueError(
                f"BatchNorm's momentum is the share that is kept, between 0 and 1, and was given "
                f"{momentum}."
            )
        self.weight = jnp.ones(size)
        self.bias = jnp.zeros(size)
        self.mean = jnp.zeros(size)
        self.var = jnp.ones(size)
        self.momentum = momentum
        self.eps = eps

    def train(
        self, x: Float[Array, "..."], *, channel: int = 1
    ) -> tuple[Float[Array, "..."], "BatchNorm"]:
        """Normalize a batch by its own statistics; also give the module with moved statistics.

        `x` is (batch, size, ...), or has its channels in the axis `channel`; all other axes are the
        batch. Gradients flow through the batch's statistics, and never into the running ones.

        Raises:
            ValueError: a channel has a single value in the batch, so that it has no variance; or
                the axis does not hold one entry a channel.
        """
        if x.shape[channel] != self.mean.size:
            raise ValueError(
                f"BatchNorm of {self.mean.size} channels got a batch of shape {x.shape}, whose"
                f" axis {channel} is not of that length."
            )
        axes = tuple(axis for axis in range(x.ndim) if axis != channel)
        count = x.size // x.shape[channel]
        if count < 2:
            raise ValueError(
                f"BatchNorm.train needs at least 2 values a channel, and a batch of shape {x.shape}"
                f" has {count}; use a larger batch, or evaluate with the running statistics."
            )
        mean = x.mean(axes)
        centered = x - _across(mean, axes)
        var = jnp.square(centered).mean(axes)
        y = self._affine(centered, var, axes)
        keep, unbiased = self.momentum, var * (count / (count - 1))
        moved = (
            keep * self.mean + (1 - keep) * lax.stop_gradient(mean),
            keep * self.var + (1 - keep) * lax.stop_gradient(unbiased),
        )
        return y, eqx.tree_at(lambda norm: (norm.mean, norm.var), self, moved)

    def __call__(self, x: Float[Array, " size *space"]) -> Float[Array, " size *space"]:
        """Normalize one example by the running statistics."""
        axes = tuple(range(1, x.ndim))
        return self._affine(x - _across(self.mean, axes), self.var, axes)

    def _affine(self, centered: jax.Array, var: jax.Array, axes: tuple[int, ...]) -> jax.Array:
        """Divide by the standard deviation, scale and shift; `axes` are all but the channel's."""
        gain = self.weight * lax.rsqrt(var + self.eps)
        return centered * _across(gain, axes) + _across(self.bias, axes)


def _across(channel: Float[Array, " size"], axes: tuple[int, ...]) -> jax.Array:
    """Give one value a channel the axes of length 1 with which it meets a batch or an example."""
    return jnp.expand_dims(channel, axes)
