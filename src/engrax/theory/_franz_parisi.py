"""The Franz-Parisi potential: a second task learned near what the first one left."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ._binary_perceptron import (
    INFORMED,
    PerceptronMeanField,
    conjugates_of,
    generalization_error,
    solve_overlaps,
)
from ._convergence import warn_of_points
from ._perceptron_site import Overlaps, mean_density, second_task_site
from ._precision import in_float64

Number = Float[np.ndarray, "*_"] | float | int
Values = Float[np.ndarray, "*shape"] | Float[Array, "*shape"]
Scalar = Float[Array, ""]


class FranzParisi(NamedTuple):
    """A solution for each load of the second task, in the shape of `alpha2`."""

    q0: Values  # overlap of the means of two replicas
    r: Values  # overlap of the means with the second teacher
    qd: Values  # overlap of the means with themselves
    q0_hat: Values
    r_hat: Values
    qd_hat: Values
    p1: Values  # overlap of the signs of the means with the first teacher
    p2: Values  # and with the second
    error1: Values  # arccos(p1) / pi, the generalization error on the first task
    error2: Values  # and on the second
    converged: Bool[np.ndarray, "*shape"] | Bool[Array, "*shape"]


def franz_parisi(
    task1: PerceptronMeanField,
    alpha2: Number,
    similarity: float,
    gamma: float,
    *,
    init: Literal["reference", "informed"] = "reference",
) -> FranzParisi:
    """The typical student of a second teacher that is kept near one of the first, in float64.

    The second energy is that of the second teacher's ``alpha2 N`` examples and ``gamma KL(m ||
    m1)``, with m1 drawn from the first task's measure, at the first task's inverse temperature.
    Both data sets are independent, so the first task enters by the density of its means alone.

    - `task1`: `binary_perceptron_mean_field` at one load.
    - `alpha2`: one load, or several, which are followed upward from one to the next.
    - `similarity`: r0, the mean overlap of the two teachers.
    - `init`: "reference" starts from what the first task alone would choose, "informed" from the
      perfect student of the second teacher; where both stay apart there are two solutions.

    Source: Li, Huang, Zou & Huang, PRE 108, 014309 (2023), section on the mean-field potential.
    Raises ValueError for a first task of several loads or one that did not converge, and for
    numbers out of range. Warns where the iteration has not converged; see `converged`.
    """
    _check(task1, alpha2, similarity, gamma, init)
    return _solved(task1, np.asarray(alpha2, float), similarity, gamma, init == "informed")


@in_float64
def _solved(
    task1: PerceptronMeanField,
    alpha2: np.ndarray,
    similarity: float,
    gamma: float,
    informed: bool,
) -> FranzParisi:
    beta = jnp.asarray(task1.beta, float)
    hats = [jnp.asarray(a, float) for a in (task1.q0_hat, task1.r_hat, task1.qd_hat)]
    density = _density(*hats, beta * jnp.asarray(task1.prior, float))
    near, weight = jnp.asarray(similarity, float), jnp.asarray(gamma, float)
    best = Overlaps(*map(jnp.asarray, INFORMED)) if informed else None
    rows: dict[int, FranzParisi] = {}
    flat = alpha2.ravel()
    for i in np.argsort(flat):
        if best is None:
            best = _unlearned(density, near, beta * weight)
        rows[i] = _solve(best, density, jnp.asarray(flat[i], float), beta, near, weight)
        if rows[i].converged:
            best = Overlaps(*map(jnp.asarray, (rows[i].q0, rows[i].r, rows[i].qd)))
    columns = [np.stack(c) for c in zip(*(rows[i] for i in range(len(flat))), strict=True)]
    found = FranzParisi(*columns)
    warn_of_points("franz_parisi", np.asarray(found.converged), ("alpha2",), (flat,))
    return FranzParisi(*(column.reshape(alpha2.shape) for column in columns))


_density = jax.jit(mean_density)


@jax.jit
def _unlearned(density: Array, similarity: Scalar, stiffness: Scalar) -> Overlaps:
    """What the penalty alone chooses, without an example of the second task."""
    none = jnp.zeros_like(stiffness)
    return second_task_site(density, none, none, none, similarity, stiffness)[0]


@jax.jit
def _solve(
    start: Overlaps,
    density: Array,
    alpha2: Scalar,
    beta: Scalar,
    similarity: Scalar,
    gamma: Scalar,
) -> FranzParisi:
    def site(overlaps: Overlaps) -> tuple[Overlaps, Scalar, Scalar]:
        hats = conjugates_of(overlaps, alpha2, beta)
        return second_task_site(density, *hats, similarity, beta * gamma)

    overlaps, converged = solve_overlaps(lambda old: site(old)[0], start)
    _, p1, p2 = site(overlaps)
    error1, error2 = generalization_error(p1), generalization_error(p2)
    hats = conjugates_of(overlaps, alpha2, beta)
    return FranzParisi(*overlaps, *hats, p1, p2, error1, error2, converged)


def _check(
    task1: PerceptronMeanField, alpha2: Number, similarity: float, gamma: float, init: str
) -> None:
    if np.ndim(task1.q0) or not task1.converged:
        raise ValueError(
            "franz_parisi needs the first task at one load, converged; solve it with a single "
            f"alpha (got shape {np.shape(task1.q0)}, converged={task1.converged})."
        )
    if np.size(alpha2) == 0 or np.any(~np.isfinite(alpha2)) or np.any(np.asarray(alpha2) < 0):
        raise ValueError(f"alpha2={alpha2} was given, expected loads of at least 0.")
    if not -1 <= similarity <= 1 or not (np.isfinite(gamma) and gamma >= 0):
        raise ValueError(
            f"similarity={similarity} and gamma={gamma} were given, expected -1 <= similarity <= 1 "
            "and gamma of at least 0; check the arguments' order."
        )
    if init not in ("reference", "informed"):
        raise ValueError(f"init is 'reference' or 'informed', got {init!r}")
