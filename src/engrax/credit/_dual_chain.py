"""A fully connected pair for counter-current learning."""

import itertools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Float, Key, PyTree

from engrax.core import named
from engrax.nn import dense, uniform_fan_in

from ._dual import DualNetwork


class DualChain(DualNetwork):
    """Fully connected layers and their mirror, without biases.

    With weights U_l `(d_l, d_{l-1})` and V_l `(d_{l-1}, d_l)`, activation s and sg the
    stop-gradient (Kao & Hariharan 2024, Sec. 3),

        a_0 = x,          a_l = s(sg(a_{l-1}) U_l^T),      a_L = sg(a_{L-1}) U_L^T
        b_L = target,     b_{l-1} = s(sg(b_l) V_l^T),      b_0 = sg(b_1) V_1^T

    V is drawn by itself: it is neither the transpose of U nor shares a number with it.

    Raises ValueError for fewer than three widths, or widths below 1.
    """

    forward_weights: tuple[Float[Array, "out in"], ...]
    feedback_weights: tuple[Float[Array, "in out"], ...]
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        widths: tuple[int, ...],
        activation: Callable[[Array], Array] = jax.nn.elu,
        *,
        key: Key[Array, ""],
    ):
        """`widths` are (d_0, ..., d_L): features, hidden widths, classes."""
        if len(widths) < 3 or min(widths) < 1:
            raise ValueError(
                f"DualChain got widths={widths}; expected features, at least one hidden width "
                "and classes, all positive."
            )
        shapes = list(enumerate(itertools.pairwise(widths), start=1))
        # The names are those of `MLP`: with one key, both start from the same forward weights.
        self.forward_weights = tuple(
            uniform_fan_in(named(key, f"layer{level}"), (d_out, d_in), d_in)
            for level, (d_in, d_out) in shapes
        )
        self.feedback_weights = tuple(
            uniform_fan_in(named(key, f"feedback{level}"), (d_in, d_out), d_out)
            for level, (d_in, d_out) in shapes
        )
        self.activation = activation

    def forward(self, x: Float[Array, "batch ..."]) -> list[Array]:
        """Activities a_0..a_L, each `(batch, d_l)`; an image is flattened."""
        activities = [x.reshape(x.shape[0], -1)]
        for weight in self.forward_weights[:-1]:
            activities.append(self.activation(dense(stop_gradient(activities[-1]), weight)))
        activities.append(dense(stop_gradient(activities[-1]), self.forward_weights[-1]))
        return activities

    def feedback(self, target: Float[Array, "rows classes"]) -> list[Array]:
        """Signals b_0..b_L, each `(rows, d_l)`."""
        signals = [jnp.asarray(target)]
        for weight in self.feedback_weights[:0:-1]:
            signals.append(self.activation(dense(stop_gradient(signals[-1]), weight)))
        signals.append(dense(stop_gradient(signals[-1]), self.feedback_weights[0]))
        return signals[::-1]

    def forward_layers(self) -> list[PyTree]:
        """U_1..U_L."""
        return list(self.forward_weights)

    def feedback_layers(self) -> list[PyTree]:
        """V_1..V_L."""
        return list(self.feedback_weights)
