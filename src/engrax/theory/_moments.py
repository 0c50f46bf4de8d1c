"""One spin in a Gaussian field: what every mean-field equation here averages."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import erf, gammaln
from jaxtyping import Array, Float

from ._expectation import gaussian_nodes

TINY = 1e-300
"""Floor of a variance, so that a spin without noise is the limit of one with little noise."""


class ExampleLaw(NamedTuple):
    """Distribution of the learned average on a site where the archetype is +1.

    A mixture: with probability ``weight[j]`` it is normal with mean ``center[j]`` and variance
    `spread`, in units of its own root mean square.
    """

    center: Float[Array, " atoms"]
    weight: Float[Array, " atoms"]
    spread: Float[Array, ""]


def example_law(entropy: Float[Array, ""], n_examples: int | None) -> ExampleLaw:
    """The normal law of many examples, or the exact binomial law of `n_examples`."""
    if n_examples is None:
        center = 1 / jnp.sqrt(1 + entropy)
        return ExampleLaw(center[None], jnp.ones(1), entropy / (1 + entropy))
    quality = 1 / jnp.sqrt(1 + n_examples * entropy)  # rho = (1 - r^2) / (M r^2)
    right = jnp.arange(n_examples + 1, dtype=float)
    wrong = n_examples - right
    log_choose = gammaln(n_examples + 1.0) - gammaln(right + 1) - gammaln(wrong + 1)
    up, down = (1 + quality) / 2, (1 - quality) / 2
    # 0 log 0 = 0: at entropy 0 all examples are right.
    weight = jnp.exp(log_choose + right * jnp.log(up) + wrong * jnp.log(jnp.maximum(down, TINY)))
    scale = quality * jnp.sqrt(1 + entropy)
    return ExampleLaw((right - wrong) / n_examples / scale, weight, jnp.zeros(()))


class Moments(NamedTuple):
    """Averages over the field ``y = J etahat + sqrt(v) z`` of a spin with mean tanh(beta y)."""

    m: Float[Array, ""]  # E tanh: overlap with the archetype
    n: Float[Array, ""]  # E etahat tanh: overlap with the learned average
    q: Float[Array, ""]  # E tanh^2
    susceptibility: Float[Array, ""]  # beta (1 - q), finite at T = 0
    replicon: Float[Array, ""]  # beta^2 E (1 - tanh^2)^2; infinite at T = 0
    log_cosh: Float[Array, ""]  # E ln(2 cosh beta y) / beta; E |y| at T = 0


def moments(
    signal: Float[Array, ""],
    noise: Float[Array, ""],
    temperature: Float[Array, ""],
    law: ExampleLaw,
    nodes: int,
) -> Moments:
    """Moments at ``T > 0`` by quadrature; `signal` is J, `noise` the variance v."""
    z, weights = (jnp.asarray(a) for a in gaussian_nodes(nodes=nodes))
    beta = 1 / temperature
    width = jnp.sqrt(jnp.maximum(signal**2 * law.spread + noise, TINY))
    y = beta * (signal * law.center[:, None] + width * z[None, :])
    t = jnp.tanh(y)
    mean = t @ weights
    square = (t**2) @ weights
    response = beta * (1 - square)
    return Moments(
        m=law.weight @ mean,
        # Stein's identity for the normal part of etahat.
        n=law.weight @ (law.center * mean + signal * law.spread * response),
        q=law.weight @ square,
        susceptibility=law.weight @ response,
        replicon=beta**2 * (law.weight @ (((1 - t**2) ** 2) @ weights)),
        log_cosh=law.weight @ (jnp.logaddexp(y, -y) @ weights) / beta,
    )


def frozen_moments(signal: Float[Array, ""], noise: Float[Array, ""], law: ExampleLaw) -> Moments:
    """Moments at ``T = 0`` in closed form."""
    variance = jnp.maximum(signal**2 * law.spread + noise, TINY)
    ratio = signal * law.center / jnp.sqrt(2 * variance)
    mean = erf(ratio)
    response = jnp.sqrt(2 / (jnp.pi * variance)) * jnp.exp(-(ratio**2))
    return Moments(
        m=law.weight @ mean,
        n=law.weight @ (law.center * mean + signal * law.spread * response),
        q=jnp.ones(()),
        susceptibility=law.weight @ response,
        replicon=jnp.asarray(jnp.inf),
        log_cosh=law.weight @ (signal * law.center * mean + variance * response),
    )


def field_moments(
    signal: Float[Array, ""],
    noise: Float[Array, ""],
    temperature: Float[Array, ""],
    law: ExampleLaw,
    nodes: int,
    frozen: bool,
) -> Moments:
    """`frozen_moments` or `moments`; which of them is known before tracing."""
    if frozen:
        return frozen_moments(signal, noise, law)
    return moments(signal, noise, temperature, law, nodes)
