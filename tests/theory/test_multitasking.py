"""Mean-field theory of the multitasking network: known limits, printed values, derivatives."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engrax.theory import (
    critical_dilution,
    learning_threshold,
    multitasking_mean_field,
    multitasking_step,
)
from engrax.theory._diluted_field import spin_averages


def solve(k, dilution, entropy, temperature, init="hierarchical", **options):
    with np.errstate(divide="ignore"):
        beta = 1 / np.asarray(temperature, float)
    return multitasking_mean_field(k, dilution, entropy, beta, init=init, **options)


def slow_step(n, dilution, entropy, temperature, nodes=4001):
    """The equations written down again: loops over configurations, many nodes over z."""
    z = np.linspace(-9, 9, nodes)
    weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()
    m, response = np.zeros(len(n)), np.zeros(len(n))
    for xi in itertools.product((-1, 0, 1), repeat=len(n)):
        xi = np.array(xi)
        p = np.prod(np.where(xi == 0, dilution, (1 - dilution) / 2))
        t = np.tanh((xi @ n + np.sqrt(entropy * (n**2 @ xi**2)) * z) / temperature)
        m += p * xi * (t @ weight)
        response += p * xi**2 * ((1 - t**2) @ weight) / temperature
    m, response = m / (1 - dilution), response / (1 - dilution)
    return m, (m + entropy * n * response) / (1 + entropy)


@pytest.mark.parametrize(
    ("dilution", "entropy", "temperature"), [(0.4, 0.3, 0.1), (0.8, 0.05, 0.7)]
)
def test_one_step_is_that_of_a_slow_loop(dilution, entropy, temperature):
    n = np.array([0.9, 0.35, 0.1])
    with jax.enable_x64(True):
        found = multitasking_step(jnp.asarray(n), dilution, entropy, 1 / temperature)
        m, moved = np.asarray(found.m), np.asarray(found.n)
    expected = slow_step(n, dilution, entropy, temperature)
    np.testing.assert_allclose(m, expected[0], atol=1e-9)
    np.testing.assert_allclose(moved, expected[1], atol=1e-9)


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.99, 1.01, 100.0])
def test_two_quadratures_meet_and_agree_with_many_nodes(ratio):
    # T / s on both sides of 1, where one hands over to the other.
    z = np.linspace(-9, 9, 200_001)
    weight = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    signal, width, temperature = np.array([0.0, 0.2, -1.5]), 0.4, 0.4 * ratio
    with jax.enable_x64(True):
        found = jax.jit(spin_averages)(
            jnp.asarray(signal), jnp.full(3, width), jnp.asarray(temperature)
        )
        found = [np.asarray(a) for a in found]
    h = signal[:, None] + width * z
    if temperature == 0:
        expected = np.sign(h), np.abs(h)
        tolerance = 1e-4  # the many nodes resolve a step only so far
    else:
        y = h / temperature
        expected = np.tanh(y), temperature * np.logaddexp(y, -y)
        response = ((1 - np.tanh(y) ** 2) / temperature) @ weight
        tolerance = 1e-9
        np.testing.assert_allclose(found[1], response, atol=1e-7)
    np.testing.assert_allclose(found[0], expected[0] @ weight, atol=tolerance)
    np.testing.assert_allclose(found[2], expected[1] @ weight, atol=tolerance)


@pytest.mark.parametrize(
    ("k", "dilution", "temperature", "m"),
    [
        (3, 0.25, 0.05, (1.0, 0.2499, 0.0445)),
        (3, 0.4, 0.05, (1.0, 0.4, 0.1595)),
        (3, 0.8, 0.05, (0.9797, 0.82, 0.6603)),
        (3, 0.9, 0.2, (0.9048, 0.9048, 0.9048)),
        (5, 0.45, 0.02, (1.0, 0.45, 0.2025, 0.0908, 0.0398)),
        (5, 0.8, 0.2, (0.8136, 0.8136, 0.7139, 0.579, 0.579)),
    ],
)
def test_known_overlaps_of_stored_patterns(k, dilution, temperature, m):
    np.testing.assert_allclose(solve(k, dilution, 0.0, temperature).m, m, atol=1e-4)


def test_known_overlaps_of_learned_patterns():
    found = solve(3, 0.9, np.array([0.1, 0.5, 1.0, 2.0]), 0.2)
    expected = [0.8964, 0.7465, 0.6104, 0.4698]
    np.testing.assert_allclose(found.m, np.repeat(expected, 3).reshape(4, 3), atol=2.5e-4)


def test_noise_at_low_temperature_joins_the_first_two_rungs():
    # 61 nodes over z gave 0.9381, 0.7625 and 0.5528 here (d = 0.4, T = 0.05); 4001 nodes, in the
    # loop above, leave these solutions where they are.
    for entropy, first in ((0.1, 0.93976), (0.2, 0.64881), (0.5, 0.50435)):
        found = solve(3, 0.4, entropy, 0.05)
        assert found.m[0] == pytest.approx(first, abs=1e-5)
        np.testing.assert_allclose(slow_step(found.n, 0.4, entropy, 0.05)[1], found.n, atol=1e-8)
        if entropy > 0.1:
            assert found.m[1] == pytest.approx(found.m[0], abs=1e-6)


def test_without_blanks_it_is_curie_weiss_and_mixtures_of_three():
    m = float(solve(3, 0.0, 0.0, 0.5, "pure").m[0])
    assert m == pytest.approx(math.tanh(2 * m), abs=1e-9)
    assert m > 0.9
    np.testing.assert_allclose(solve(3, 0.0, 0.0, 0.0, "symmetric").m, 0.5, atol=1e-9)


@pytest.mark.parametrize(
    ("k", "dilution", "entropy", "n_examples"),
    [(1, 0.0, 0.5, None), (3, 0.4, 0.2, None), (2, 0.8, 2.0, 3)],
)
def test_the_gain_at_no_overlap_is_beta(k, dilution, entropy, n_examples):
    with jax.enable_x64(True):
        gain = jax.jit(
            jax.jacfwd(
                lambda n: multitasking_step(n, dilution, entropy, 0.7, n_examples=n_examples).n
            )
        )(jnp.full(k, 1e-9))
        np.testing.assert_allclose(gain, 0.7 * np.eye(k), atol=1e-7)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_ladder_at_zero_temperature_ends_at_the_critical_dilution(k):
    end = critical_dilution(k)
    below = solve(k, end - 0.01, 0.0, 0.0).m
    np.testing.assert_allclose(below, (end - 0.01) ** np.arange(k), atol=1e-6)
    if k > 2:
        assert solve(k, end + 0.01, 0.0, 0.0).m[0] < 0.996


def test_above_the_critical_dilution_three_patterns_have_a_closed_form():
    d = 0.7
    lost = (1 - d) ** 2 / 2
    np.testing.assert_allclose(
        solve(3, d, 0.0, 0.0).m, [1 - lost, d + lost, d**2 + lost], atol=1e-9
    )


def test_the_symmetric_state_at_zero_temperature_has_a_closed_form():
    for d in (0.3, 0.7):
        np.testing.assert_allclose(solve(2, d, 0.0, 0.0, "symmetric").m, (1 + d) / 2, atol=1e-9)
        np.testing.assert_allclose(solve(3, d, 0.0, 0.0, "symmetric").m, (1 + d**2) / 2, atol=1e-9)


@pytest.mark.parametrize(
    ("k", "temperature", "dilution"), [(2, 0.2, 0.800), (3, 0.2, 0.842), (3, 0.4, 0.666)]
)
def test_all_overlaps_are_equal_above_a_dilution(k, temperature, dilution):
    found = solve(k, np.array([dilution - 0.01, dilution + 0.01]), 0.0, temperature)
    graded, equal = np.ptp(found.m, axis=1)
    assert graded > 0.02
    assert equal < 1e-6


def test_one_pattern_is_learned_as_the_error_function_says():
    rho = np.array([0.1, 0.25, 0.5, 1.0, 2.0])
    expected = [math.erf(1 / math.sqrt(2 * r)) for r in rho]
    np.testing.assert_allclose(solve(1, 0.3, rho, 0.0).m[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(learning_threshold(0.2), 24.0)  # rho = 1
    needed = learning_threshold(0.3, 0.9)
    reached = solve(1, 0.0, (1 - 0.09) / (needed * 0.09), 0.0).m
    np.testing.assert_allclose(reached, 0.9, atol=1e-6)


def test_the_free_energy_falls_and_is_stationary_at_the_end():
    with jax.enable_x64(True):
        settings = (0.5, 0.3, 5.0)
        n, energies = jnp.array([0.9, 0.5, 0.2]), []
        for _ in range(30):
            found = multitasking_step(n, *settings)
            energies.append(float(found.free_energy))
            n = 0.3 * n + 0.7 * found.n
        assert np.all(np.diff(energies) < 1e-13)
        fixed = jnp.asarray(solve(3, settings[0], settings[1], 1 / settings[2]).n)
        slope = jax.jit(jax.grad(lambda n: multitasking_step(n, *settings).free_energy))(fixed)
        np.testing.assert_allclose(slope, 0.0, atol=1e-10)
        assert multitasking_step(fixed, *settings).converged


def test_few_examples_follow_the_binomial_law_and_many_the_normal_one():
    normal = solve(2, 0.6, 0.4, 0.2).m
    gaps = [np.abs(solve(2, 0.6, 0.4, 0.2, n_examples=m).m - normal).max() for m in (4, 16, 64)]
    # The fourth cumulant of a binomial average falls as 1 / M.
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2]
    assert gaps[2] < 2e-3


def unsupervised(r, count, temperature, start):
    """The K M equations n_{mu,a} of one pattern, summed exactly over the 2^M examples of a bit."""
    eta = np.array(list(itertools.product((1.0, -1.0), repeat=count)))
    weight = np.prod(np.where(eta > 0, (1 + r) / 2, (1 - r) / 2), axis=1)
    rho = (1 - r**2) / (count * r**2)
    n = np.array(start, float)
    for _ in range(2000):
        t = np.tanh(eta @ n / (r * count) / temperature)
        n = 0.5 * n + 0.5 * (weight * t) @ eta / ((1 + rho) * r)
    return weight @ t, n, rho


@pytest.mark.parametrize(("r", "count", "temperature"), [(0.6, 4, 0.5), (0.2, 8, 0.5)])
def test_unsupervised_equations_have_the_supervised_solution(r, count, temperature):
    uneven = 0.9 + 0.05 * np.cos(np.arange(count))
    m, n, rho = unsupervised(r, count, temperature, uneven)
    theory = multitasking_mean_field(1, 0.0, rho, 1 / temperature, init="pure", n_examples=count)
    np.testing.assert_allclose(n, theory.n[0], atol=1e-6)
    assert m == pytest.approx(float(theory.m[0]), abs=1e-6)


def test_cold_networks_without_a_teacher_hold_an_example_instead_of_its_pattern():
    # The solution with all n_{mu,a} equal orders first, at T = 1, but it need not stay stable: with
    # four examples of quality 0.2 (rho = 6) at T = 0.2 an uneven start ends in one example, whose
    # overlap with the pattern is r. A teacher's network does better.
    m, n, rho = unsupervised(0.2, 4, 0.2, [0.9, 0.95, 1.0, 0.9])
    assert n.max() > 10 * np.median(n)
    assert m == pytest.approx(0.2, abs=1e-3)
    theory = multitasking_mean_field(1, 0.0, rho, 5.0, init="pure", n_examples=4)
    assert theory.m[0] > 0.28


@pytest.mark.parametrize(("name", "at"), [("dilution", 0.5), ("entropy", 0.2), ("beta", 5.0)])
def test_derivatives_are_those_of_finite_differences(name, at):
    def first(x):
        given = {"dilution": 0.5, "entropy": 0.2, "beta": 5.0} | {name: x}
        return multitasking_mean_field(3, **given, init="hierarchical").m[0]

    with jax.enable_x64(True):
        exact = float(jax.jit(jax.grad(first))(jnp.asarray(at)))
    step = 1e-5
    expected = (first(at + step) - first(at - step)) / (2 * step)
    assert exact == pytest.approx(float(expected), rel=1e-5)
    assert abs(exact) > 1e-3


def test_the_derivative_in_entropy_exists_where_nothing_is_noisy():
    def m(entropy):
        return multitasking_mean_field(1, 0.0, entropy, 1.5, init="pure").m[0]

    with jax.enable_x64(True):
        exact = float(jax.jit(jax.grad(m))(jnp.asarray(0.0)))
    assert exact == pytest.approx(float((m(1e-5) - m(0.0)) / 1e-5), rel=1e-3)


def test_jax_arrays_stay_jax_and_a_batch_is_its_points():
    beta = jnp.array([2.0, 20.0, jnp.inf])
    found = jax.jit(lambda b: multitasking_mean_field(3, 0.4, 0.0, b, init="lowest"))(beta)
    assert found.m.dtype == jnp.float32
    assert found.converged.all()
    host = solve(3, 0.4, 0.0, np.array([0.5, 0.05, 0.0]), "lowest")
    np.testing.assert_allclose(found.m, host.m, atol=2e-4)
    np.testing.assert_allclose(found.free_energy, host.free_energy, atol=1e-5)


def test_the_lowest_state_is_no_higher_than_any_start():
    lowest = solve(3, 0.7, 0.1, 0.2, "lowest").free_energy
    for init in ("hierarchical", "symmetric", "pure", np.array([0.2, 0.9, 0.8])):
        assert lowest <= solve(3, 0.7, 0.1, 0.2, init).free_energy + 1e-12


def test_a_fixed_point_that_is_not_reached_is_told():
    # Exactly at T_c the overlaps vanish as one over the root of the number of steps.
    with pytest.warns(RuntimeWarning, match=r"at 1 of 2 points \(the first: .*beta 1\)"):
        found = solve(2, 0.5, 0.0, np.array([1.0, 0.5]))
    np.testing.assert_array_equal(found.converged, [False, True])


def test_bad_numbers_are_refused():
    for settings in ((1.0, 0.0, 1.0), (0.5, -1.0, 1.0), (0.5, 0.0, 0.0), (0.5, 0.0, np.nan)):
        with pytest.raises(ValueError, match="out of range"):
            multitasking_mean_field(2, *settings, init="pure")
    with pytest.raises(ValueError, match="at least 1"):
        multitasking_mean_field(0, 0.5, 0.0, 1.0, init="pure")
    with pytest.raises((ValueError, TypeError)):
        multitasking_mean_field(2, 0.5, 0.0, 1.0, init="ladder")
    with pytest.raises(ValueError, match="one a pattern"):
        multitasking_mean_field(2, 0.5, 0.0, 1.0, init=np.ones(3))
    with pytest.raises(ValueError, match="fewer patterns"):
        multitasking_mean_field(4, 0.5, 0.1, 1.0, init="pure", n_examples=100)
    with pytest.raises(ValueError, match="at least 2 patterns"):
        critical_dilution(1)
    with pytest.raises(ValueError, match="confidence outside"):
        learning_threshold(0.5, 1.0)


def test_the_critical_dilution_of_few_and_of_many():
    assert critical_dilution(2) == 1.0
    assert critical_dilution(3) == pytest.approx((math.sqrt(5) - 1) / 2, abs=1e-12)
    assert critical_dilution(5) == pytest.approx(0.51879, abs=1e-5)
    assert critical_dilution(math.inf) == 0.5
    assert critical_dilution(200) == pytest.approx(0.5, abs=1e-9)
