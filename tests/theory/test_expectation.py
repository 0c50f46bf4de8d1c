"""Quadrature against closed forms and an independent integrator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from engrax.theory import dataset_entropy, gaussian_expectation, in_float64


@pytest.mark.parametrize("grid", ["uniform", "sinh"])
def test_moments_of_the_normal_law(grid):
    with jax.enable_x64(True):
        for power, moment in ((0, 1), (1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
            found = gaussian_expectation(lambda z, p=power: z**p, grid=grid)
            # What lies beyond 9 standard deviations is below 1e-12, even times z^6.
            assert float(found) == pytest.approx(moment, abs=1e-11)


@given(st.floats(1, 40), st.floats(-1, 1), st.floats(0.1, 1))
def test_steep_functions_have_no_false_plateaus(beta, mean, width):
    def integrand(z):
        return np.tanh(beta * (mean + width * z)) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    corner = np.clip(-mean / width, -8, 8)
    expected = quad(integrand, -9, corner, epsabs=1e-12, limit=400)[0]
    expected += quad(integrand, corner, 9, epsabs=1e-12, limit=400)[0]
    with jax.enable_x64(True):
        for grid, nodes in (("uniform", 4001), ("sinh", 4001)):
            found = gaussian_expectation(
                lambda z: jnp.tanh(beta * (mean + width * z)), grid=grid, nodes=nodes
            )
            # Trapezoid error exp(-2 pi d / h), d >= pi / 2 / 40, h <= 0.018 (sinh at 9 widths).
            assert float(found) == pytest.approx(expected, abs=1e-5 if grid == "sinh" else 1e-9)


def test_bad_grids_are_refused():
    with pytest.raises(ValueError, match="at least 3 nodes"):
        gaussian_expectation(lambda z: z, nodes=2)


def test_float64_is_local_and_comes_back_as_numpy():
    @in_float64
    def third():
        return {"x": jnp.asarray(1.0) / 3}

    found = third()["x"]
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float64
    assert jnp.asarray(1.0).dtype == jnp.float32


def test_dataset_entropy_is_the_excess_of_the_second_moment():
    r, m = 0.5, 15
    assert float(dataset_entropy(r, m)) == pytest.approx(0.2)
    second_moment = r**2 + (1 - r**2) / m
    assert second_moment == pytest.approx(r**2 * (1 + float(dataset_entropy(r, m))))
    with pytest.raises(ValueError, match="0 < quality <= 1"):
        dataset_entropy(15, 0.5)
