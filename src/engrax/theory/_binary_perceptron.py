"""Replica-symmetric theory of a binary perceptron under the mean-field posterior of its weights."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ._convergence import warn_of_points
from ._perceptron_margin import margin_averages
from ._perceptron_site import Overlaps, first_task_site
from ._precision import in_float64

Number = Float[np.ndarray, "*_"] | float | int
Values = Float[np.ndarray, "*shape"] | Float[Array, "*shape"]
Scalar = Float[Array, ""]

DAMP = 0.2
TOLERANCE = 1e-8
MOST_STEPS = 1000

UNINFORMED = (0.05, 0.03, 0.4)
INFORMED = (0.975, 0.987, 0.976)
"""Where q0, r and qd start: at ignorance, at perfection."""


class PerceptronMeanField(NamedTuple):
    """A solution for each load, in the shape of `alpha`."""

    alpha: Values  # patterns a weight
    beta: Values  # inverse temperature on the energy
    prior: Values  # weight of KL(m || 0) in the energy
    q0: Values  # overlap of the means of two replicas
    r: Values  # overlap of the means with the teacher
    qd: Values  # overlap of the means with themselves
    q0_hat: Values
    r_hat: Values
    qd_hat: Values
    p: Values  # overlap of the signs of the means with the teacher
    error: Values  # arccos(p) / pi, the generalization error of the signs
    free_entropy: Values  # per weight; of two solutions the larger one dominates
    converged: Bool[np.ndarray, "*shape"] | Bool[Array, "*shape"]


def binary_perceptron_mean_field(
    alpha: Number,
    beta: float = 20.0,
    *,
    init: Literal["uninformed", "informed"] = "uninformed",
    prior: float = 0.0,
) -> PerceptronMeanField:
    """The typical student of a binary teacher, in float64.

    The student holds means ``m_i`` in [-1, 1] of binary weights, with the energy ``-sum ln
    Phi(y m.x / sqrt(sum 1 - m^2))`` at inverse temperature beta, on ``P = alpha N`` random
    examples. The replica-symmetric equations are solved by damped iteration; from alpha = 1.5 on
    they have two solutions for beta = 20, a poor student and a nearly perfect one.

    - `alpha`: one load, or several, which are then followed from one to the next.
    - `init`: "uninformed" starts from a student that knows nothing and follows the loads upward;
      "informed" starts from the perfect one and follows them downward. Where a branch has ended,
      either finds the other one.
    - `prior`: gamma of an additional ``gamma KL(m || 0)`` in the energy.

    Source: Li, Huang, Zou & Huang, PRE 108, 014309 (2023), in compact form.
    Raises ValueError for a negative load or prior, or a beta that is not positive. Warns where the
    iteration has not converged; see the field `converged`.
    """
    _check(alpha, beta, prior, init)

    return _solved(np.asarray(alpha, float), beta, prior, init == "informed")


def solve_overlaps(
    update: Callable[[Overlaps], Overlaps], start: Overlaps
) -> tuple[Overlaps, Bool[Array, ""]]:
    """The fixed point of a map of overlaps by damped iteration, and whether it was reached."""

    def unfinished(carry: tuple[Overlaps, Scalar, Array]) -> Bool[Array, ""]:
        return (carry[1] > TOLERANCE) & (carry[2] < MOST_STEPS)

    def body(carry: tuple[Overlaps, Scalar, Array]) -> tuple[Overlaps, Scalar, Array]:
        old, _, count = carry
        new = update(old)
        moved = jnp.stack([jnp.abs(a - b) for a, b in zip(new, old, strict=True)])
        mixed = Overlaps(*(DAMP * a + (1 - DAMP) * b for a, b in zip(old, new, strict=True)))
        return admissible(mixed), moved.max(), count + 1

    begin = (admissible(start), jnp.asarray(jnp.inf), jnp.asarray(0))
    overlaps, residual, _ = jax.lax.while_loop(unfinished, body, begin)
    return overlaps, residual <= TOLERANCE


def admissible(overlaps: Overlaps) -> Overlaps:
    """The nearest overlaps inside ``0 < q0 < qd < 1`` and ``|r| < sqrt(q0)``."""
    tight = 1 - 1e-10
    qd = jnp.clip(overlaps.qd, 1e-9, tight)
    q0 = jnp.clip(overlaps.q0, 1e-12, qd * tight)
    return Overlaps(q0, jnp.clip(overlaps.r, -jnp.sqrt(q0) * tight, jnp.sqrt(q0) * tight), qd)


def free_entropy(
    overlaps: Overlaps,
    conjugates: Overlaps,
    alpha: Scalar | float,
    beta: Scalar | float,
    prior: Scalar | float = 0.0,
) -> Scalar:
    """The free entropy per weight as a function of overlaps and conjugates.

    Its stationary points are the solutions. To be called in float64.
    """
    (q0, r, qd), (q0_hat, r_hat, qd_hat) = overlaps, conjugates
    alpha, beta, prior = (jnp.asarray(a, float) for a in (alpha, beta, prior))
    log_z = first_task_site(q0_hat, r_hat, qd_hat, beta * prior)[2]
    energy = alpha * margin_averages(q0, r, qd, beta).log_evidence
    return -qd_hat * qd + q0_hat * q0 / 2 - r_hat * r + log_z + energy


def generalization_error(p: Scalar) -> Scalar:
    """``arccos(p) / pi``; a perfect overlap may be above 1 by rounding."""
    return jnp.arccos(jnp.clip(p, -1.0, 1.0)) / jnp.pi


def conjugates_of(overlaps: Overlaps, alpha: Scalar, beta: Scalar) -> Overlaps:
    """What the data ask at these overlaps: the conjugates, in the overlaps' places."""
    found = margin_averages(*overlaps, beta)
    return Overlaps(alpha * found.q0_hat, alpha * found.r_hat, alpha * found.qd_hat)


@in_float64
def _solved(
    alpha: np.ndarray,
    beta: float,
    prior: float,
    informed: bool,
) -> PerceptronMeanField:
    flat = alpha.ravel()
    order = np.argsort(flat)[::-1] if informed else np.argsort(flat)
    rows: dict[int, PerceptronMeanField] = {}
    best = Overlaps(*map(jnp.asarray, INFORMED if informed else UNINFORMED))
    for i in order:
        given = (jnp.asarray(a, float) for a in (flat[i], beta, prior))
        rows[i] = _solve(best, *given)
        if rows[i].converged:
            best = Overlaps(*map(jnp.asarray, (rows[i].q0, rows[i].r, rows[i].qd)))
    columns = [np.stack(c) for c in zip(*(rows[i] for i in range(len(flat))), strict=True)]
    found = PerceptronMeanField(*columns)
    converged = np.asarray(found.converged)
    warn_of_points("binary_perceptron_mean_field", converged, ("alpha",), (flat,))
    return PerceptronMeanField(*(column.reshape(alpha.shape) for column in columns))


@jax.jit
def _solve(start: Overlaps, alpha: Scalar, beta: Scalar, prior: Scalar) -> PerceptronMeanField:
    def update(overlaps: Overlaps) -> Overlaps:
        return first_task_site(*conjugates_of(overlaps, alpha, beta), beta * prior)[0]

    overlaps, converged = solve_overlaps(update, start)
    conjugates = conjugates_of(overlaps, alpha, beta)
    p = first_task_site(*conjugates, beta * prior)[1]
    return PerceptronMeanField(
        alpha, beta, prior, *overlaps, *conjugates, p, generalization_error(p),
        free_entropy(overlaps, conjugates, alpha, beta, prior), converged,
    )  # fmt: skip


def _check(alpha: Number, beta: float, prior: float, init: str) -> None:
    if np.size(alpha) == 0 or np.any(~np.isfinite(alpha)) or np.any(np.asarray(alpha) < 0):
        raise ValueError(f"alpha={alpha} was given, expected loads of at least 0; check its sign.")
    if not (np.isfinite(beta) and beta > 0) or not (np.isfinite(prior) and prior >= 0):
        raise ValueError(
            f"beta={beta} and prior={prior} were given, expected a positive inverse temperature "
            "and a prior of at least 0; check the arguments' order."
        )
    if init not in ("uninformed", "informed"):
        raise ValueError(f"init is 'uninformed' or 'informed', got {init!r}")
