"""How far apart two posteriors over binary weights are."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


def bernoulli_kl(
    theta: Float[Array, "*shape"],
    reference: Float[Array, "*shape"],
    beta: Float[ArrayLike, ""] = 1.0,
) -> Float[Array, "*shape"]:
    """``KL(q_theta || q_reference)`` of each weight, in nats.

    A weight +-1 under ``q_theta(w) = exp(beta w theta) / (2 cosh(beta theta))`` has the mean ``mu =
    tanh(beta theta)``. With ``a = beta theta`` and ``b = beta reference`` the divergence
    ``(1 + mu)/2 ln((1 + mu)/(1 + mu_b)) + (1 - mu)/2 ln((1 - mu)/(1 - mu_b))`` is that of Bregman
    on ln cosh, ``ln cosh b - ln cosh a - mu (b - a)``, which no saturated weight can overflow.
    """
    a, b = theta * beta, reference * beta
    return _log_cosh(b) - _log_cosh(a) - jnp.tanh(a) * (b - a)


def bernoulli_kl_gradient(
    theta: Float[Array, "*shape"],
    reference: Float[Array, "*shape"],
    beta: Float[ArrayLike, ""] = 1.0,
) -> Float[Array, "*shape"]:
    """The gradient of `bernoulli_kl` in theta: ``beta^2 sigma2 (theta - reference)``, exactly.

    ``sigma2 = 1 - tanh(beta theta)^2`` is the weight's variance: certain weights are not pulled.
    """
    return jnp.square(beta) * bernoulli_variance(theta, beta) * (theta - reference)


def bernoulli_kl_quadratic(
    theta: Float[Array, "*shape"],
    reference: Float[Array, "*shape"],
    beta: Float[ArrayLike, ""] = 1.0,
) -> Float[Array, "*shape"]:
    """`bernoulli_kl` to second order, ``beta^2 sigma2 (theta - reference)^2 / 2``.

    The penalty of elastic weight consolidation whose Fisher information is ``beta^2 sigma2``.
    """
    return bernoulli_kl_gradient(theta, reference, beta) * (theta - reference) / 2


def bernoulli_variance(
    theta: Float[Array, "*shape"], beta: Float[ArrayLike, ""] = 1.0
) -> Float[Array, "*shape"]:
    """``sigma2 = 1 - tanh(beta theta)^2``, the variance of each weight."""
    return 1 - jnp.square(jnp.tanh(theta * beta))


def _log_cosh(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    magnitude = jnp.abs(x)
    return magnitude + jnp.log1p(jnp.exp(-2 * magnitude)) - jnp.log(2.0).astype(x.dtype)
