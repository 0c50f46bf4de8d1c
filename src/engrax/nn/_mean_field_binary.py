"""Layers whose weights are coins: binary weights under a mean-field posterior."""

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, ArrayLike, Float, Key

from engrax.core import draw_normal, draw_uniform, named

Mode = Literal["gaussian", "sample", "sign"]

_FLOOR = 1e-30  # of the variance: a unit without input has a derivative of 0, not of 0 / 0


class MeanFieldBinaryLinear(eqx.Module):
    """A linear layer over binary weights, ``q(w) = exp(beta w theta) / (2 cosh(beta theta))``.

    The mean of a weight is ``mu = tanh(beta theta)``, its variance ``sigma2 = 1 - mu^2``. Outputs
    are divided by the root of the fan-in; there is no bias. Three ways to compute them:

    - "gaussian": ``z = mu a / sqrt(n) + v eps`` with ``v^2 = sigma2 a^2 / n`` and one standard
      normal eps for each unit *and* example (the local reparameterization);
    - "sample": one draw of all binary weights, shared by the batch;
    - "sign": the most probable weights, ``sign(theta)``; needs no key.

    Source: Li, Huang, Zou & Huang, PRE 108, 014309 (2023), where sigma2 is written as a square.
    """

    theta: Float[Array, "out in"]

    def __init__(self, n_in: int, n_out: int, *, key: Key[Array, ""]) -> None:
        """Draw theta from a standard normal. Raises ValueError for sizes below 1."""
        if min(n_in, n_out) < 1:
            raise ValueError(
                f"MeanFieldBinaryLinear needs sizes of at least 1, got n_in={n_in}, n_out={n_out}."
            )
        self.theta = draw_normal(key, (n_out, n_in))

    def __call__(
        self,
        a: Float[Array, "*batch in"],
        beta: Float[ArrayLike, ""],
        key: Key[Array, ""] | None = None,
        mode: Mode = "gaussian",
    ) -> Float[Array, "*batch out"]:
        """The layer's output. Raises ValueError for a random mode without a key."""
        root = math.sqrt(self.theta.shape[1])
        if mode == "sign":
            return a @ jnp.where(self.theta < 0, -1.0, 1.0).T / root
        if key is None:
            raise ValueError(f"mode={mode!r} is random; pass a key, or use mode='sign'.")
        mu = jnp.tanh(self.theta * beta)
        if mode == "sample":
            # +1 with probability (1 + mu) / 2
            drawn = draw_uniform(key, self.theta.shape, -1.0, 1.0)
            return a @ jnp.where(drawn < mu, 1.0, -1.0).T / root
        if mode != "gaussian":
            raise ValueError(f"mode is 'gaussian', 'sample' or 'sign', got {mode!r}.")
        mean = a @ mu.T / root
        variance = jnp.square(a) @ (1 - jnp.square(mu)).T / self.theta.shape[1]
        return mean + jnp.sqrt(variance + _FLOOR) * draw_normal(key, mean.shape)


class MeanFieldBinaryMLP(eqx.Module):
    """`MeanFieldBinaryLinear` layers in a row, with ReLU between them.

    `widths` are (d_0, ..., d_L). Raises ValueError for fewer than two widths, or widths below 1.
    """

    layers: tuple[MeanFieldBinaryLinear, ...]

    def __init__(self, widths: Sequence[int], *, key: Key[Array, ""]) -> None:
        if len(widths) < 2:
            raise ValueError(
                f"MeanFieldBinaryMLP got widths={tuple(widths)}; give input and output widths."
            )
        self.layers = tuple(
            MeanFieldBinaryLinear(n_in, n_out, key=named(key, f"layer{level}"))
            for level, (n_in, n_out) in enumerate(itertools.pairwise(widths), start=1)
        )

    def __call__(
        self,
        x: Float[Array, "*batch in"],
        beta: Float[ArrayLike, ""],
        key: Key[Array, ""] | None = None,
        mode: Mode = "gaussian",
    ) -> Float[Array, "*batch out"]:
        """Logits, under noise of their own in each layer."""
        for level, layer in enumerate(self.layers):
            x = x if level == 0 else jax.nn.relu(x)
            x = layer(x, beta, None if key is None else jr.fold_in(key, level), mode)
        return x
