"""A dense layer whose backward pass can be told where its learning signals come from."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def dense(
    x: Float[Array, "*batch in"],
    weight: Float[Array, "out in"],
    bias: Float[Array, " out"] | None = None,
    *,
    trace: Float[Array, "*batch in"] | None = None,
    feedback: Float[Array, "out in"] | None = None,
) -> Float[Array, "*batch out"]:
    """`x W^T + b`, with two ways to change what differentiation sees.

    - `feedback`: the error goes down through this matrix, not through `weight`:
      `dx = dy @ feedback` (feedback alignment, Lillicrap et al. 2016, Eq. 2). The weight's own
      gradient is untouched.
    - `trace`: the weight gradient pairs the error with this instead of `x`: `dW = dy^T @ trace`
      (eligibility traces, projected inputs).

    Neither receives a gradient. Without them this is the plain matrix product.
    """
    if trace is None and feedback is None:
        y = x @ weight.T
    else:
        y = _rerouted(
            x, weight, x if trace is None else trace, weight if feedback is None else feedback
        )
    return y if bias is None else y + jnp.broadcast_to(bias, y.shape)


@jax.custom_vjp
def _rerouted(x: Array, weight: Array, trace: Array, feedback: Array) -> Array:
    return x @ weight.T


def _rerouted_forward(x: Array, weight: Array, trace: Array, feedback: Array):
    return x @ weight.T, (trace, feedback)


def _rerouted_backward(residuals: tuple[Array, Array], error: Array):
    trace, feedback = residuals
    rows = error.reshape(-1, error.shape[-1])
    weight_gradient = rows.T @ trace.reshape(-1, trace.shape[-1])
    return error @ feedback, weight_gradient, jnp.zeros_like(trace), jnp.zeros_like(feedback)


_rerouted.defvjp(_rerouted_forward, _rerouted_backward)
