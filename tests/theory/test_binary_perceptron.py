"""Replica theory of the binary perceptron: known values, limits, stationarity, slow integrals."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import log_ndtr

from engrax.theory import binary_perceptron_mean_field, franz_parisi
from engrax.theory._binary_perceptron import free_entropy
from engrax.theory._perceptron_margin import margin_averages
from engrax.theory._perceptron_site import Overlaps, site_averages, site_table

LOADS = np.array([0.2, 0.5, 1.0, 1.2, 1.4, 1.6])
DIGITS = 1e-3


@functools.cache
def low():
    return binary_perceptron_mean_field(LOADS)


@functools.cache
def high():
    return binary_perceptron_mean_field(np.array([1.6, 1.8, 2.0]), init="informed")


@functools.cache
def reference():
    return binary_perceptron_mean_field(2.0, init="informed")


def at(solution, i):
    """Overlaps and conjugates of one load."""
    overlaps = [a[i] for a in (solution.q0, solution.r, solution.qd)]
    hats = [a[i] for a in (solution.q0_hat, solution.r_hat, solution.qd_hat)]
    return Overlaps(*map(jnp.asarray, overlaps)), Overlaps(*map(jnp.asarray, hats))


def test_the_table_of_known_solutions():
    found = low()
    assert found.converged.all()
    p, error = found.p[:5], found.error[:5]
    np.testing.assert_allclose(p, [0.2281, 0.4387, 0.6307, 0.6795, 0.7203], atol=DIGITS)
    np.testing.assert_allclose(error, [0.4268, 0.3554, 0.2828, 0.2622, 0.2440], atol=DIGITS)
    order = np.stack([found.q0, found.r, found.qd], 1)
    np.testing.assert_allclose(order[1], [0.5395, 0.3790, 0.6798], atol=DIGITS)
    np.testing.assert_allclose(order[2], [0.8491, 0.6054, 0.9118], atol=DIGITS)


def test_the_nearly_perfect_branch():
    found = high()
    assert found.converged.all()
    np.testing.assert_allclose(found.p, [0.9985, 0.99989, 0.99999], atol=1e-4)
    np.testing.assert_allclose(found.qd[1:], [0.9708, 0.9784], atol=DIGITS)
    np.testing.assert_allclose(found.free_entropy[0], -5.183, atol=DIGITS)


def test_two_solutions_coexist_and_one_dominates():
    """At load 1.6 the poor student has the larger free entropy. Its overlap is 0.7564: the 0.7626
    that is also reported comes from x on a fixed range of 14 standard deviations, which the weight
    at beta = 20 leaves (see the slow integral below for what is right).
    """
    poor = low()
    np.testing.assert_allclose([poor.p[5], poor.free_entropy[5]], [0.7564, -5.0693], atol=2e-4)
    assert poor.free_entropy[5] > high().free_entropy[0]


@pytest.mark.parametrize("omega", [-5.0, -1.0, 0.5])
def test_the_margin_is_that_of_a_slow_integral(omega):
    """The averages over x at one omega of the poor student at load 1.6, by adaptive quadrature
    over 60 standard deviations.
    """
    q0, qd, beta = 0.96491, 0.98262, 20.0
    s, spread = np.sqrt(1 - qd), np.sqrt(qd - q0)

    def weight(x, top=0.0):
        return np.exp(-(x**2) / 2 + beta * log_ndtr((omega + spread * x) / s) - top)

    grid = np.linspace(-60, 60, 120_001)
    exponent = -(grid**2) / 2 + beta * log_ndtr((omega + spread * grid) / s)
    best, top = grid[exponent.argmax()], exponent.max()
    whole = integrate.quad(weight, best - 12, best + 12, args=(top,), points=[best])[0]

    def ratio(x):
        u = (omega + spread * x) / s
        return np.exp(stats.norm.logpdf(u) - log_ndtr(u)) * weight(x, top)

    mean = integrate.quad(ratio, best - 12, best + 12, points=[best])[0] / whole
    # The same mean as a derivative of the evidence: k / s = d/domega ln E Phi^beta / beta.
    h = 1e-4
    sides = []
    for shifted in (omega - h, omega + h):
        e = -(grid**2) / 2 + beta * log_ndtr((shifted + spread * grid) / s)
        sides.append(np.log(np.exp(e - e.max()).sum()) + e.max())
    np.testing.assert_allclose(beta * mean / s, (sides[1] - sides[0]) / (2 * h), rtol=1e-5)
    if omega == -5.0:  # a range of 14 would cut the integrand off at its mode
        assert best > 14


def test_conjugates_are_derivatives_of_the_evidence():
    q0, r, qd, beta, h = 0.54, 0.38, 0.68, 20.0, 1e-5

    solver = jax.jit(margin_averages)

    def averages(*overlaps):
        with jax.enable_x64(True):
            return [float(a) for a in solver(*map(jnp.float64, (*overlaps, beta)))]

    def evidence(*overlaps):
        return averages(*overlaps)[-1]

    found = averages(q0, r, qd)
    slopes = [
        (evidence(q0 + h, r, qd) - evidence(q0 - h, r, qd)) / (2 * h),
        (evidence(q0, r + h, qd) - evidence(q0, r - h, qd)) / (2 * h),
        (evidence(q0, r, qd + h) - evidence(q0, r, qd - h)) / (2 * h),
    ]
    # dF/dq0 = 0 gives q0_hat = -2 alpha dG/dq0, and so on; central differences leave 1e-6.
    np.testing.assert_allclose(found[:3], [-2 * slopes[0], slopes[1], slopes[2]], rtol=1e-5)


def test_a_solution_is_stationary():
    with jax.enable_x64(True):
        overlaps, hats = at(low(), 1)
        slope = jax.jit(jax.grad(free_entropy, argnums=(0, 1)))(overlaps, hats, LOADS[1], 20.0)
    np.testing.assert_allclose(np.asarray(jax.tree.leaves(slope)), 0, atol=1e-5)


def test_without_examples_means_are_uniform():
    none = binary_perceptron_mean_field(0.0)
    assert none.converged
    np.testing.assert_allclose([none.q0, none.r, none.qd], [0, 0, 1 / 3], atol=1e-5)


def test_a_prior_draws_means_to_zero():
    held = binary_perceptron_mean_field(0.5, prior=0.5)
    assert held.converged
    assert held.qd < low().qd[1]
    assert held.r < low().r[1]


def test_site_averages_are_those_of_sums():
    m = np.linspace(-1, 1, 400_001)
    for curvature, stiffness, h in ((0.5, 0.0, 0.3), (-3.0, 20.0, -25.0), (40.0, 2.0, 1.0)):
        p = (1 + m[1:-1]) / 2
        entropy = -p * np.log(p) - (1 - p) * np.log(1 - p)
        exponent = curvature * m[1:-1] ** 2 + stiffness * entropy + h * m[1:-1]
        w = np.exp(exponent - exponent.max())
        expected = [np.sum(w * f) / w.sum() for f in (m[1:-1], m[1:-1] ** 2, np.sign(m[1:-1]))]
        expected.append(np.log(w.sum() * (m[1] - m[0])) + exponent.max())
        with jax.enable_x64(True):
            table = jax.jit(site_table)(*map(jnp.float64, (curvature, stiffness, 40.0)))
            found = np.asarray(jax.jit(site_averages)(table, jnp.float64(h)))
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


TABLE = [
    (1.0, 0.0, [1.0, 2.0, 4.0], [0.151, 0.233, 0.375], [0.469, 0.420, 0.288]),
    (0.1, 0.0, [1.0, 2.0], [0.414, 0.500], [0.325, 0.0025]),
    (1.0, -0.5, [1.0], [0.176], [0.617]),
    (1.0, 0.5, [1.0], [0.114], [0.313]),
]


@pytest.mark.parametrize(("gamma", "similarity", "loads", "first", "second"), TABLE)
def test_the_potential_of_a_second_task(gamma, similarity, loads, first, second):
    found = franz_parisi(reference(), np.array(loads), similarity, gamma)
    assert found.converged.all()
    np.testing.assert_allclose(found.error1, first, atol=DIGITS)
    np.testing.assert_allclose(found.error2, second, atol=DIGITS)


def test_without_a_prior_the_first_task_is_forgotten():
    found = franz_parisi(reference(), LOADS[1:2], 0.5, 0.0)
    np.testing.assert_allclose(found.error2, low().error[1:2], atol=1e-5)
    np.testing.assert_allclose(found.p1, 0.5 * found.p2, atol=1e-9)


def test_a_strong_prior_keeps_the_first_task():
    gaps = []
    for gamma in (10.0, 100.0):
        found = franz_parisi(reference(), 0.01, 0.5, gamma)
        assert found.converged
        np.testing.assert_allclose(found.p1, reference().p, atol=1e-5)
        np.testing.assert_allclose(found.p2, 0.5 * found.p1, atol=1e-5)
        gaps.append(float(reference().qd - found.qd))
    # Means fluctuate around those of before, the less the larger gamma is.
    assert 0 < gaps[1] < 0.003
    assert gaps[0] > 4 * gaps[1]


def test_without_examples_the_first_task_stays_but_for_fluctuations():
    found = franz_parisi(reference(), 0.0, 1.0, 1.0)
    gap = float(reference().p - found.p1)
    assert 1e-6 < gap < 1e-3
    assert found.p2 == pytest.approx(float(found.p1), abs=1e-12)  # the teachers are one


def test_a_perfect_student_has_an_error():
    """Its overlap is 1 up to rounding, on either side."""
    found = franz_parisi(reference(), np.array([3.0, 4.0]), 0.5, 0.1, init="informed")
    assert found.converged.all()
    np.testing.assert_allclose(found.error2, 0, atol=1e-5)
    np.testing.assert_allclose(found.error1, 1 / 3, atol=1e-5)


def test_both_starts_of_the_potential_meet_where_there_is_one_solution():
    informed = franz_parisi(reference(), 1.0, 0.0, 1.0, init="informed")
    np.testing.assert_allclose(informed.error1, 0.1507, atol=2e-4)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: binary_perceptron_mean_field(-1.0), "at least 0"),
        (lambda: binary_perceptron_mean_field(1.0, 0.0), "positive inverse temperature"),
        (lambda: binary_perceptron_mean_field(1.0, init="good"), "uninformed"),
        (lambda: franz_parisi(low(), 1.0, 0.0, 1.0), "at one load"),
        (lambda: franz_parisi(reference(), -1.0, 0.0, 1.0), "at least 0"),
        (lambda: franz_parisi(reference(), 1.0, 2.0, 1.0), "similarity"),
        (lambda: franz_parisi(reference(), 1.0, 0.0, 1.0, init="x"), "reference"),
    ],
)
def test_bad_numbers_are_refused(call, said):
    # Of an unknown start the type checker of the tests speaks first.
    with pytest.raises((ValueError, TypeError), match=said):
        call()


def test_a_solver_that_gives_up_says_so(monkeypatch):
    monkeypatch.setattr("engrax.theory._binary_perceptron.MOST_STEPS", 3)
    jax.clear_caches()
    with pytest.warns(RuntimeWarning, match="did not converge at 1 of 1 points"):
        assert not binary_perceptron_mean_field(0.77).converged
    jax.clear_caches()
