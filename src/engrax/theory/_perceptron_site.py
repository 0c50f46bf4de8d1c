"""What one binary weight does in a field: the entropic averages of the perceptron.

The mean m of a weight has the density ``exp(curvature m^2 + stiffness S2(m) + h m)`` on [-1, 1],
where S2 is the binary entropy. A penalty ``c KL(m || m1)`` is ``-c S2(m) - c atanh(m1) m`` up to
what does not depend on m, so the mean m1 of an earlier posterior is no more than a field: all
averages of both tasks are averages of functions of h alone.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._expectation import gaussian_nodes

Scalar = Float[Array, ""]

# m = tanh(u), so that m -> 1 is resolved; u = 0, where sign(m) jumps, is a node exactly.
_HALF = np.linspace(0.0, 14.0, 201)
U = np.concatenate([-_HALF[:0:-1], _HALF])
M = np.tanh(U)
_LOG_COSH = np.logaddexp(U, -U) - np.log(2.0)
LOG_MEASURE = -2 * _LOG_COSH + np.log(_HALF[1])
_ENTROPY = np.log(2.0) + _LOG_COSH - U * M
_FUNCTIONS = np.stack([np.ones_like(M), M, M**2, M**3, np.sign(M), np.abs(M)], 1)
_FIELDS = 601

Z, Z_WEIGHTS = gaussian_nodes("uniform", 2001, 9.0)
_X, _X_WEIGHTS = gaussian_nodes("uniform", 241, 9.0)
_EVERY = 2  # every second u for m1, whose density is smooth


class Overlaps(NamedTuple):
    """Order parameters: of two replicas, with the teacher, of one with itself."""

    q0: Scalar
    r: Scalar
    qd: Scalar


class SiteTable(NamedTuple):
    """Averages over m on a grid of fields ``h = sinh(step i)``, and their derivatives in h."""

    step: Scalar
    h: Float[Array, " fields"]
    values: Float[Array, "fields 4"]  # <m>, <m^2>, <sign m>, ln Z
    slopes: Float[Array, "fields 4"]


def site_table(curvature: Scalar, stiffness: Scalar, largest: Scalar) -> SiteTable:
    """All averages for fields up to `largest`; a field's sign only flips m."""
    # Where the nodes stand makes no difference, so no derivative goes that way.
    step = jax.lax.stop_gradient(jnp.arcsinh(largest) / (_FIELDS - 1))
    h = jnp.sinh(step * jnp.arange(_FIELDS, dtype=float))
    exponent = _exponent(curvature, stiffness, h)
    top = jax.lax.stop_gradient(exponent.max(1, keepdims=True))
    moments = jnp.exp(exponent - top) @ _FUNCTIONS
    total = moments[:, 0]
    m, m2, m3, sign, size = (moments[:, 1:] / total[:, None]).T
    values = jnp.stack([m, m2, sign, top[:, 0] + jnp.log(total)], 1)
    slopes = jnp.stack([m2 - m**2, m3 - m2 * m, size - sign * m, m], 1)
    return SiteTable(step, h, values, slopes)


def _exponent(
    curvature: Scalar, stiffness: Scalar, h: Float[Array, " fields"]
) -> Float[Array, "fields u"]:
    """The logarithm of the density of u, for each field."""
    alone = curvature * M**2 + stiffness * _ENTROPY + LOG_MEASURE
    return alone[None] + h[:, None] * M[None]


def site_averages(
    table: SiteTable, h: Float[Array, "*shape"]
) -> tuple[
    Float[Array, "*shape"], Float[Array, "*shape"], Float[Array, "*shape"], Float[Array, "*shape"]
]:
    """``<m>, <m^2>, <sign m>, ln Z`` in the field h, by cubic Hermite interpolation."""
    size, sign = jnp.abs(h), jnp.sign(h)
    i = jnp.clip((jnp.arcsinh(size) / table.step).astype(jnp.int32), 0, _FIELDS - 2)
    left = table.h[i]
    width = table.h[i + 1] - left
    t = ((size - left) / width)[..., None]
    values = table.values[i] * (1 + 2 * t) * (1 - t) ** 2 + table.values[i + 1] * t**2 * (3 - 2 * t)
    slopes = table.slopes[i] * t * (1 - t) ** 2 - table.slopes[i + 1] * t**2 * (1 - t)
    found = values + width[..., None] * slopes
    return found[..., 0] * sign, found[..., 1], found[..., 2] * sign, found[..., 3]


def first_task_site(
    q0_hat: Scalar, r_hat: Scalar, qd_hat: Scalar, stiffness: Scalar
) -> tuple[Overlaps, Scalar, Scalar]:
    """Overlaps, ``p = E <sign m>`` and ``E ln Z`` in the field ``sqrt(q0_hat) z + r_hat``."""
    spread = jnp.sqrt(q0_hat)
    table = site_table(qd_hat - q0_hat / 2, stiffness, 9 * spread + jnp.abs(r_hat) + 1)
    m, m2, sign, log_z = site_averages(table, spread * Z + r_hat)
    q0, r, qd, p, evidence = (jnp.dot(Z_WEIGHTS, f) for f in (m**2, m, m2, sign, log_z))
    return Overlaps(q0, r, qd), p, evidence


def mean_density(
    q0_hat: Scalar, r_hat: Scalar, qd_hat: Scalar, stiffness: Scalar
) -> Float[Array, " u"]:
    """The weights, which sum to 1, with which a weight's mean is tanh(u) after the first task."""
    h = jnp.sqrt(q0_hat) * Z + r_hat
    exponent = _exponent(qd_hat - q0_hat / 2, stiffness, h)
    weight = jnp.exp(exponent - exponent.max(1, keepdims=True))
    found = jnp.dot(Z_WEIGHTS, weight / weight.sum(1, keepdims=True))
    # Trapezoid on every second node; both ends, where nothing lies, are among them.
    return found[::_EVERY] / found[::_EVERY].sum()


def second_task_site(
    density: Float[Array, " u"],
    q0_hat: Scalar,
    r_hat: Scalar,
    qd_hat: Scalar,
    similarity: Scalar,
    stiffness: Scalar,
) -> tuple[Overlaps, Scalar, Scalar]:
    """Overlaps with the second teacher, and ``p`` with the first and with the second teacher.

    In the gauge of the first teacher the second one is B = +-1, +1 with (1 + similarity)/2.
    """
    spread, u = jnp.sqrt(q0_hat), U[::_EVERY]
    largest = 9 * spread + jnp.abs(r_hat) + stiffness * U[-1] + 1
    table = site_table(qd_hat - q0_hat / 2, stiffness, largest)
    b = np.array([1.0, -1.0])
    h = spread * _X[:, None, None] + r_hat * b[None, :, None] + stiffness * u[None, None, :]
    m, m2, sign, _ = site_averages(table, h)
    likely = (1 + similarity * b) / 2

    def mean(values: Array, teacher: np.ndarray | float = 1.0) -> Scalar:
        return jnp.einsum("xbu,x,b,u->", values, _X_WEIGHTS, likely * teacher, density)

    return Overlaps(mean(m**2), mean(m, b), mean(m2)), mean(sign), mean(sign, b)
