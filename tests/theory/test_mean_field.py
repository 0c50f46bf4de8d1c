"""Replica-symmetric solver: the sheet of known values, limits, and stationarity."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engrax.theory import (
    at_line,
    dataset_entropy,
    dense_mean_field,
    hopfield_mean_field,
    interaction_kernel,
    retrieval_spinodal,
)
from engrax.theory._mean_field import Model, free_energy
from engrax.theory._moments import example_law, moments

# Known values are printed with 4 or 5 digits.
PRINTED = 1.5e-4


@pytest.mark.parametrize(
    ("order", "load", "m"),
    [(3, 0.37829, 0.8385), (4, 0.39572, 0.9179), (6, 0.47304, 0.9620), (8, 0.5588, 0.9764)],
)
def test_capacity_at_zero_temperature(order, load, m):
    end = retrieval_spinodal(order, 0.0)
    assert float(end.load) == pytest.approx(load, abs=1e-4)
    assert float(end.m) == pytest.approx(m, abs=PRINTED)


@pytest.mark.parametrize(
    ("order", "interactions", "alpha"),
    [(3, "distinct", 0.12610), (4, "distinct", 0.03298), (3, "all", 0.08406), (4, "all", 0.01319)],
)
def test_capacity_in_patterns_by_interactions(order, interactions, alpha):
    load = retrieval_spinodal(order, 0.0, 0.0, interactions).load
    assert 2 * float(load) / math.factorial(order) == pytest.approx(alpha, abs=1e-5)


def test_capacity_of_the_hopfield_network():
    # Amit, Gutfreund and Sompolinsky: 0.138 at T = 0; T -> 0 is continuous.
    assert float(retrieval_spinodal(2, 0.0).load) == pytest.approx(0.13791, abs=1e-5)
    assert float(retrieval_spinodal(2, 0.005).load) == pytest.approx(0.138, abs=1e-3)
    below = hopfield_mean_field(np.array([0.13, 0.145]), 0.0)
    assert below.m[0] > 0.97
    assert abs(below.m[1]) < 0.01


@pytest.mark.parametrize(
    ("order", "load", "m", "q"),
    [
        (3, 0.1, 0.9994, 0.9991),
        (3, 0.2, 0.9897, 0.9897),
        (3, 0.3, 0.9585, 0.9705),
        (4, 0.2, 0.9975, None),
        (4, 0.3, 0.9853, None),
        (4, 0.36, 0.9685, None),
    ],
)
def test_known_solutions_of_stored_patterns(order, load, m, q):
    found = dense_mean_field(order, load, 0.2)
    assert float(found.m) == pytest.approx(m, abs=PRINTED)
    if q is not None:
        assert float(found.q) == pytest.approx(q, abs=PRINTED)


@pytest.mark.parametrize(
    ("order", "load", "values"),
    [
        (3, 0.1, (0.9135, 0.8913, 0.9422)),
        (3, 0.2, (0.8446, 0.8464, 0.9158)),
        (4, 0.05, (0.9475,)),
        (4, 0.1, (0.9230,)),
        (4, 0.2, (0.8526,)),
    ],
)
def test_known_solutions_of_examples(order, load, values):
    found = dense_mean_field(order, load, 0.2, 0.2)
    np.testing.assert_allclose([found.m, found.n, found.q][: len(values)], values, atol=PRINTED)


@pytest.mark.parametrize(
    ("order", "loads"),
    [(3, (0.430, 0.362, 0.303, 0.252)), (4, (0.435, 0.314, 0.226, 0.169))],
)
def test_known_spinodals(order, loads):
    found = retrieval_spinodal(order, 0.2, np.array([0, 0.1, 0.3, 1])).load
    np.testing.assert_allclose(found, loads, atol=6e-4)


def test_interactions_with_repeated_indices_have_another_theory():
    found = [float(dense_mean_field(4, 0.15, 0.2, 0.0, i).m) for i in ("all", "distinct")]
    np.testing.assert_allclose(found, (0.957, 0.9994), atol=5e-4)


@settings(max_examples=10)
@given(st.integers(3, 6), st.floats(0.1, 0.3))
def test_without_load_one_scalar_equation_is_left(order, temperature):
    m = 1.0
    for _ in range(2000):
        m = np.tanh(order / 2 * m ** (order - 1) / temperature)
    found = dense_mean_field(order, 0.0, temperature)
    assert float(found.m) == pytest.approx(m, abs=1e-8)
    assert float(found.q) == pytest.approx(m**2, abs=1e-8)
    assert bool(found.at_stable)


@pytest.mark.parametrize(
    ("order", "load", "temperature", "entropy", "interactions"),
    [(3, 0.2, 0.2, 0.2, "distinct"), (4, 0.1, 0.3, 0.1, "all"), (5, 0.15, 0.1, 0.0, "distinct")],
)
def test_solutions_are_stationary_points_of_the_free_energy(
    order, load, temperature, entropy, interactions
):
    found = dense_mean_field(order, load, temperature, entropy, interactions)
    with jax.enable_x64(True):
        model = Model(order, interactions)
        numbers = [jnp.asarray(float(a)) for a in (load, temperature, entropy)]
        at = (jnp.asarray(found.n), jnp.asarray(found.q))
        slope = jax.grad(lambda n, q: free_energy(model, n, q, *numbers), (0, 1))(*at)
        value = free_energy(model, *at, *numbers)
    assert max(abs(float(s)) for s in slope) < 1e-9
    assert float(value) == pytest.approx(float(found.free_energy), abs=1e-12)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_free_energy_is_continuous_at_zero_temperature(order):
    solve = hopfield_mean_field if order == 2 else lambda *a: dense_mean_field(order, *a)
    cold, frozen = solve(0.08, 0.005, 0.1), solve(0.08, 0.0, 0.1)
    # f(T) - f(0) = -T s with an entropy s below 0.1 here.
    assert float(cold.free_energy) == pytest.approx(float(frozen.free_energy), abs=2e-3)
    assert float(cold.m) == pytest.approx(float(frozen.m), abs=2e-3)
    assert not frozen.at_stable


def test_overlap_with_the_average_by_stein_equals_direct_quadrature():
    entropy, signal, noise, temperature = 0.4, 1.2, 0.3, 0.25
    rng = np.polynomial.hermite_e.hermegauss(200)
    nodes, weights = rng[0], rng[1] / rng[1].sum()
    eta = (1 + np.sqrt(entropy) * nodes[:, None]) / np.sqrt(1 + entropy)
    y = signal * eta + np.sqrt(noise) * nodes[None]
    direct = weights @ (eta * np.tanh(y / temperature)) @ weights
    with jax.enable_x64(True):
        law = example_law(jnp.asarray(entropy), None)
        found = moments(
            jnp.asarray(signal), jnp.asarray(noise), jnp.asarray(temperature), law, 4001
        )
    # 200 Hermite nodes resolve tanh at this temperature to about 1e-6.
    assert float(found.n) == pytest.approx(direct, abs=1e-5)


def test_the_binomial_law_of_examples_tends_to_the_normal_one():
    quality, gaps = 0.3, []
    for count in (5, 50):
        entropy = float(dataset_entropy(quality, count))
        exact = dense_mean_field(3, 0.05, 0.2, entropy, n_examples=count)
        normal = dense_mean_field(3, 0.05, 0.2, entropy)
        gaps.append(
            max(abs(float(a) - float(b)) for a, b in zip(exact[:3], normal[:3], strict=True))
        )
    assert gaps[1] < 0.005
    assert gaps[1] < gaps[0]


def test_one_perfect_example_is_the_pattern():
    exact, stored = dense_mean_field(3, 0.1, 0.2, 0.0, n_examples=1), dense_mean_field(3, 0.1, 0.2)
    np.testing.assert_allclose(exact[:4], stored[:4], atol=1e-9)


@pytest.mark.parametrize("order", [3])
def test_solutions_end_at_the_spinodal_and_change_stability_at_the_at_line(order):
    end, broken = retrieval_spinodal(order, 0.2), at_line(order, 0.2)
    found = dense_mean_field(
        order,
        np.array([0.99 * end.load, 1.01 * end.load, 0.99 * broken.load, 1.01 * broken.load]),
        0.2,
    )
    assert found.m[0] > float(end.m) - 1e-3
    assert abs(found.m[1]) < 0.5
    assert found.at_stable.tolist()[2:] == [True, False]


def test_lines_where_there_is_nothing_to_find():
    assert float(retrieval_spinodal(3, 2.0).load) == 0  # T above retrieval
    # Next to the temperature where retrieval ends, the line goes to 0 and does not jump.
    end = retrieval_spinodal(6, np.array([0.90, 0.902, 0.905, 0.91, 0.92]), 0.1).load
    assert np.all(np.diff(end) <= 0)
    assert end[0] < 0.02
    assert np.all(retrieval_spinodal(6, np.array([0.915, 0.92, 0.93, 0.95]), 0.1).load == 0)
    assert np.isnan(at_line(3, 0.6).load)  # stable up to the spinodal
    assert float(at_line(3, 0.0).load) == 0


def test_kernels_of_the_noise():
    # C = P! q^P, and 6 q^3 + 9 q or 24 q^4 + 72 q^2 with repeated indices; D = C / (2 P!).
    assert interaction_kernel(3).coefficients == (0, 0, 0, 0.5)
    assert interaction_kernel(3, "all").coefficients == (0, 9 / 12, 0, 0.5)
    assert interaction_kernel(4, "all").coefficients == (0, 0, 72 / 48, 0, 0.5)
    kernel = interaction_kernel(4, "all")
    assert kernel.value(1.0) == pytest.approx(2)
    assert kernel.slope(1.0) == pytest.approx(5)
    assert kernel.curvature(1.0) == pytest.approx(9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dense_mean_field(2, 0.1, 0.2), "use hopfield_mean_field"),
        (lambda: dense_mean_field(3, -0.1, 0.2), "negative or non-finite load"),
        (lambda: retrieval_spinodal(3, -0.2), "negative or non-finite temperature"),
        (lambda: retrieval_spinodal(1, 0.2), "at least 2"),
    ],
)
def test_bad_numbers_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_did_not_converge_is_told():
    """At the end of the retrieval branch the iteration slows down without bound."""
    end = float(retrieval_spinodal(3, 0.2).load)
    loads = np.array([end / 2, end * (1 + 1e-7)])
    with pytest.warns(RuntimeWarning, match=r"dense_mean_field did not converge at 1 of 2 points"):
        found = dense_mean_field(3, loads, 0.2)
    np.testing.assert_array_equal(found.converged, [True, False])
