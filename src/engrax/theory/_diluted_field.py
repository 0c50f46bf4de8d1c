"""One spin in the field of several diluted patterns, each known by noisy examples."""

import itertools
import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf
from jaxtyping import Array, Float

from ._expectation import gaussian_nodes
from ._moments import ExampleLaw, example_law

MOST_CONFIGURATIONS = 2**20

_Z, _Z_WEIGHT = gaussian_nodes(nodes=81)
_U = np.linspace(-16.0, 16.0, 161)
_U_WEIGHT = 1 / np.cosh(_U) ** 2 / np.sum(1 / np.cosh(_U) ** 2)


class Ensemble(NamedTuple):
    """Every configuration of one site, with its probability; configurations c of K patterns.

    A site and its mirror image are one configuration, since the equations are odd.
    """

    archetype: Float[Array, "c K"]  # xi: -1, 0 or +1
    stored: Float[Array, "c K"]  # center of etahat there
    weight: Float[Array, " c"]
    spread: Float[Array, ""]  # variance of etahat about its center, where xi is not blank
    activity: Float[Array, ""]  # 1 - d
    moment: Float[Array, ""]  # E etahat^2 = (1 - d)(1 + rho)


def ensemble(
    k: int, dilution: Float[Array, ""], entropy: Float[Array, ""], n_examples: int | None
) -> Ensemble:
    """All configurations of K patterns; examples by the normal law, or the binomial one of M.

    Raises ValueError where there are more than 2^20 of them.
    """
    law = ExampleLaw(*(a.astype(entropy.dtype) for a in example_law(entropy, n_examples)))
    signs, atoms = _configurations(k, len(law.center))
    kept = signs != 0
    one = jnp.where(kept, (1 - dilution) / 2 * law.weight[atoms], dilution)
    mirrored = jnp.asarray(np.where(kept.any(axis=1), 2.0, 1.0), entropy.dtype)
    archetype = jnp.asarray(signs, entropy.dtype)
    scale = jnp.sqrt(1 + entropy)
    return Ensemble(
        archetype=archetype,
        stored=archetype * law.center[atoms] * scale,
        weight=jnp.prod(one, axis=1) * mirrored,
        spread=law.spread * (1 + entropy),
        activity=1 - dilution,
        moment=(1 - dilution) * (1 + entropy),
    )


def _configurations(k: int, atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """Signs (c, K) and numbers of the law's atom (c, K); the first sign that is not 0 is +."""
    each = [(0, 0), *((sign, atom) for sign in (1, -1) for atom in range(atoms))]
    if len(each) ** k > MOST_CONFIGURATIONS:
        raise ValueError(
            f"{k} patterns of {len(each)} states have {len(each) ** k} configurations, expected at "
            f"most {MOST_CONFIGURATIONS}; take fewer patterns, or the normal law (no n_examples)."
        )
    table = np.array(list(itertools.product(each, repeat=k)))
    signs, atom = table[..., 0], table[..., 1]
    first = np.take_along_axis(signs, (signs != 0).argmax(axis=1)[:, None], axis=1)[:, 0]
    return signs[first >= 0], atom[first >= 0]


class SpinAverages(NamedTuple):
    """Averages over the field ``h = S + s z`` of a spin at temperature T, z standard normal."""

    mean: Float[Array, " c"]  # E tanh(h / T)
    response: Float[Array, " c"]  # d mean / d S = E (1 - tanh^2) / T
    log_cosh: Float[Array, " c"]  # T E ln 2 cosh(h / T)


def spin_averages(
    signal: Float[Array, " c"], width: Float[Array, " c"], temperature: Float[Array, ""]
) -> SpinAverages:
    """Averages of a spin in a noisy field, at any temperature, T = 0 included, to about 1e-10.

    Two quadratures, each where its integrand is smooth. Warmer than the noise (T > s): over z.
    Colder: a tanh is a step smeared by the logistic law, so ``E tanh(h / T) = E_u erf((S - T u) /
    (sqrt(2) s))`` with u of density ``sech^2(u) / 2``, which is the closed form at T = 0. Both take
    the same few nodes whatever T is, where nodes over z alone would have to grow as s / T.
    """
    warm, cold = _over_noise(signal, width, temperature), _over_step(signal, width, temperature)
    return SpinAverages(
        *(jnp.where(temperature > width, a, b) for a, b in zip(warm, cold, strict=True))
    )


def _over_noise(signal: Array, width: Array, temperature: Array) -> SpinAverages:
    z, weight = (jnp.asarray(a, signal.dtype) for a in (_Z, _Z_WEIGHT))
    unit = jnp.maximum(temperature, width)  # T wherever this branch counts, and never 0
    y = (signal[:, None] + width[:, None] * z[None, :]) / unit[:, None]
    t = jnp.tanh(y)
    return SpinAverages(
        t @ weight, ((1 - t**2) @ weight) / unit, unit * (jnp.logaddexp(y, -y) @ weight)
    )


def _over_step(signal: Array, width: Array, temperature: Array) -> SpinAverages:
    u, weight = (jnp.asarray(a, signal.dtype) for a in (_U, _U_WEIGHT))
    shifted = signal[:, None] - temperature * u[None, :]
    x = shifted / (math.sqrt(2) * width[:, None])
    bell = math.sqrt(2 / math.pi) * jnp.exp(-(x**2))
    step = erf(x)
    return SpinAverages(
        step @ weight,
        (bell @ weight) / width,
        (shifted * step + width[:, None] * bell) @ weight,
    )


def noiseless_averages(signal: Float[Array, " c"], temperature: Float[Array, ""]) -> SpinAverages:
    """The same without noise; at T = 0 a spin without a field has mean 0. No response is given.

    A field of the size of rounding counts as none at T = 0, or equal overlaps would not stay equal.
    """
    warm = temperature > 0
    unit = jnp.where(warm, temperature, 1.0)
    y = signal / unit
    rounding = 64 * jnp.finfo(signal.dtype).eps * jnp.max(jnp.abs(signal))
    return SpinAverages(
        jnp.where(warm, jnp.tanh(y), jnp.where(jnp.abs(signal) > rounding, jnp.sign(signal), 0.0)),
        jnp.zeros_like(signal),
        jnp.where(warm, unit * jnp.logaddexp(y, -y), jnp.abs(signal)),
    )
