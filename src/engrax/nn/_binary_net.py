"""A binarized network: signs of latent weights, signs as activations, batch norms between."""

import itertools
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from engrax.core import draw_uniform, named, straight_through

_EPS = 1e-5


def binarize_weight(weight: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The sign of each latent weight, +1 for 0, with the gradient of the identity."""
    return straight_through(jnp.where(weight < 0, -1.0, 1.0), weight)


def binary_activation(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The sign, with the gradient of clip(x, -1, 1) (Courbariaux et al. 2016)."""
    return straight_through(jnp.where(x < 0, -1.0, 1.0), jnp.clip(x, -1.0, 1.0))


class BinaryNet(eqx.Module):
    """`sign(norm(sign(W) x))` layer by layer, the last one without the sign; no biases.

    Every norm is over the batch, in training and in use: there are no running statistics, so a
    batch of tests has to come from one task. Scales and shifts may differ between tasks.

    `widths` are (d_0, ..., d_L), `tasks` the number of sets of scales and shifts. Latent weights
    start uniform in +- `spread` / 2, scales uniform in [0, 1), as in the code of Laborieux et al.
    (2021). Raises ValueError for fewer than two widths, sizes below 1 or no task.
    """

    weights: tuple[Float[Array, "out in"], ...]
    scales: tuple[Float[Array, "tasks out"], ...]
    shifts: tuple[Float[Array, "tasks out"], ...]

    def __init__(
        self,
        widths: Sequence[int],
        *,
        tasks: int = 1,
        spread: float = 0.1,
        key: Key[Array, ""],
    ) -> None:
        if len(widths) < 2 or min(*widths, tasks) < 1:
            raise ValueError(
                f"BinaryNet got widths={tuple(widths)} and tasks={tasks}; expected input and "
                "output widths, all positive, and at least one task."
            )
        pairs = list(enumerate(itertools.pairwise(widths), start=1))
        self.weights = tuple(
            draw_uniform(named(key, f"layer{level}"), (n_out, n_in), -spread / 2, spread / 2)
            for level, (n_in, n_out) in pairs
        )
        drawn = [draw_uniform(named(key, f"scale{level}"), (n_out,)) for level, (_, n_out) in pairs]
        self.scales = tuple(jnp.broadcast_to(scale, (tasks, scale.size)) for scale in drawn)
        self.shifts = tuple(jnp.zeros((tasks, scale.size)) for scale in drawn)

    def __call__(
        self, x: Float[Array, "batch in"], task: Int[Array, ""] | int = 0
    ) -> Float[Array, "batch out"]:
        """Logits of a batch, which is normalized by its own statistics."""
        last = len(self.weights) - 1
        for level, weight in enumerate(self.weights):
            x = x @ binarize_weight(weight).T
            x = x - x.mean(0, keepdims=True)
            x = x * jax.lax.rsqrt(jnp.square(x).mean(0, keepdims=True) + _EPS)
            x = x * self.scales[level][task][None] + self.shifts[level][task][None]
            x = x if level == last else binary_activation(x)
        return x
