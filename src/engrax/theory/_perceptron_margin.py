"""What the data of a perceptron ask of its order parameters: the energetic averages.

With ``s = sqrt(1 - qd)``, ``V = qd - q0`` and ``omega ~ N(0, q0)``, a replica sees the margin
``v = omega + sqrt(V) x``, ``x ~ N(0, 1)``, reweighted by ``Phi(v/s)^beta``. At large beta the
weight pulls x many standard deviations into the tail (20 of them and more), so x is integrated
around the mode of each omega, which lies where ``x = beta sqrt(V)/s k(v/s)``, ``k = phi/Phi``.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr
from jaxtyping import Array, Float

from ._expectation import gaussian_nodes

Scalar = Float[Array, ""]
LOG_ROOT_TWO_PI = float(np.log(2 * np.pi) / 2)

# The label is a step at omega = 0 for a good student, so omega needs many nodes there.
_Z, _WEIGHTS = gaussian_nodes("sinh", 1201, 9.0)
_Y = np.linspace(-9.0, 9.0, 161)
_NEWTON_STEPS = 15


class Margin(NamedTuple):
    """Energetic averages for one pattern a weight; times alpha they are the conjugates."""

    q0_hat: Scalar
    r_hat: Scalar
    qd_hat: Scalar
    log_evidence: Scalar  # E[T ln E_x Phi(v/s)^beta]


def margin_averages(q0: Scalar, r: Scalar, qd: Scalar, beta: Scalar) -> Margin:
    """The energetic averages at overlaps ``0 < q0 < qd < 1``, ``|r| < sqrt(q0)``."""
    s = jnp.sqrt(1 - qd)
    shift, spread = jnp.sqrt(q0) * _Z / s, jnp.sqrt(qd - q0) / s
    mode = jax.lax.stop_gradient(_mode(shift, spread, beta))
    x = mode[:, None] + _Y[None]
    u = shift[:, None] + spread * x
    log_phi = log_ndtr(u)
    k = jnp.exp(-(u**2) / 2 - LOG_ROOT_TWO_PI - log_phi)
    exponent = beta * log_phi - x**2 / 2
    top = jax.lax.stop_gradient(exponent.max(1, keepdims=True))
    weight = jnp.exp(exponent - top)
    total = weight.sum(1)

    def mean(values: Array) -> Array:
        return (weight * values).sum(1) / total

    k1, k2, ku = mean(k), mean(k**2), mean(k * u)
    g = beta * k1 / s
    second = beta**2 * k2 / s**2 - beta * (ku + k2) / s**2
    evidence = top[:, 0] + jnp.log(total * float(_Y[1] - _Y[0])) - LOG_ROOT_TWO_PI
    # The teacher's label, given omega: T, and its derivative in r omega / q0.
    slope = r / jnp.sqrt(q0)
    blur = jnp.sqrt(1 - slope**2)
    label = 2 * jnp.exp(log_ndtr(slope * _Z / blur))
    density = 2 * jnp.exp(-((slope * _Z / blur) ** 2) / 2 - LOG_ROOT_TWO_PI) / blur
    return Margin(
        q0_hat=jnp.dot(_WEIGHTS, label * g**2),
        r_hat=jnp.dot(_WEIGHTS, density * g),
        qd_hat=jnp.dot(_WEIGHTS, label * (second + beta * ku / s**2) / 2),
        log_evidence=jnp.dot(_WEIGHTS, label * evidence),
    )


def _mode(shift: Array, spread: Scalar, beta: Scalar) -> Array:
    """The x at which ``Phi(shift + spread x)^beta`` times the normal density is largest.

    Newton on ``u - shift = beta spread^2 k(u)``; the left side minus the right is increasing and
    concave, so from u = shift on the steps never pass the root.
    """
    pull = beta * spread**2

    def ratio(u: Array) -> Array:
        return jnp.exp(-(u**2) / 2 - LOG_ROOT_TWO_PI - log_ndtr(u))

    def step(_: Array | int, u: Array) -> Array:
        k = ratio(u)
        return u - (u - shift - pull * k) / (1 + pull * k * (k + u))

    u = jax.lax.fori_loop(0, _NEWTON_STEPS, step, shift)
    return beta * spread * ratio(u)
