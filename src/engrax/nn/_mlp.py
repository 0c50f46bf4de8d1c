"""A multilayer perceptron whose layers can be taken one at a time."""

import itertools
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from engrax.core import named

from ._capture import tag
from ._dense import dense
from ._initializers import uniform_fan_in


class DenseLayer(eqx.Module):
    """`activation(x W^T + b)`; without an activation where it is None."""

    weight: Float[Array, "out in"]
    bias: Float[Array, " out"] | None
    activation: Callable[[Array], Array] | None = eqx.field(static=True)

    def __call__(
        self, x: Float[Array, "*batch in"], feedback: Float[Array, "out in"] | None = None
    ) -> Float[Array, "*batch out"]:
        """The layer's output; the error goes down through `feedback` if it is given."""
        y = dense(x, self.weight, self.bias, feedback=feedback)
        return y if self.activation is None else self.activation(y)


class MLP(eqx.Module):
    """Dense layers in a row; the last one is linear.

    `widths` are (d_0, ..., d_L). Weights come from `init(key, shape, fan_in)`, by default uniform
    in +- 1/sqrt(fan_in), biases start at zero. Every activity is tagged for `capture` as
    "layer1" .. "layerL".

    Raises ValueError for fewer than two widths, or widths below 1.
    """

    layers: tuple[DenseLayer, ...]

    def __init__(
        self,
        widths: Sequence[int],
        activation: Callable[[Array], Array] = jax.nn.relu,
        *,
        bias: bool = True,
        init: Callable[[Key[Array, ""], tuple[int, ...], int], Array] = uniform_fan_in,
        key: Key[Array, ""],
    ):
        if len(widths) < 2 or min(widths) < 1:
            raise ValueError(
                f"MLP got widths={tuple(widths)}; expected input and output widths and any "
                "hidden ones between them, all positive."
            )
        depth = len(widths) - 1
        self.layers = tuple(
            DenseLayer(
                init(named(key, f"layer{level}"), (d_out, d_in), d_in),
                jnp.zeros(d_out) if bias else None,
                activation if level < depth else None,
            )
            for level, (d_in, d_out) in enumerate(itertools.pairwise(widths), start=1)
        )

    def activities(
        self,
        x: Float[Array, "*batch in"],
        feedback: Sequence[Float[Array, "_ _"] | None] | None = None,
    ) -> list[Array]:
        """Activities of levels 0..L, each `(*batch, d_l)`; `feedback` holds one matrix a layer."""
        activities = [x]
        for level, layer in enumerate(self.layers, start=1):
            down = None if feedback is None else feedback[level - 1]
            activities.append(tag(layer(activities[-1], down), f"layer{level}"))
        return activities

    def __call__(self, x: Float[Array, "*batch in"]) -> Float[Array, "*batch out"]:
        """The output of the last layer."""
        return self.activities(x)[-1]
