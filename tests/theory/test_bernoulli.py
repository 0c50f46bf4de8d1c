"""The divergence of two mean-field posteriors over binary weights."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engrax.theory import (
    bernoulli_kl,
    bernoulli_kl_gradient,
    bernoulli_kl_quadratic,
    bernoulli_variance,
)

fields = st.floats(-3, 3)
betas = st.floats(0.1, 4)


def slow(theta, reference, beta):
    """Sum over w = +-1 of q ln(q / q_ref), each normalized by summing."""
    total = 0.0
    for w in (1, -1):
        q, p = (
            np.exp(beta * w * t) / (np.exp(beta * t) + np.exp(-beta * t))
            for t in (theta, reference)
        )
        total += q * np.log(q / p)
    return total


@given(fields, fields, betas)
def test_it_is_the_sum_over_both_values(theta, reference, beta):
    with jax.enable_x64(True):
        found = float(bernoulli_kl(jnp.asarray(theta), jnp.asarray(reference), beta))
    # Differences of numbers up to 12 in float64.
    np.testing.assert_allclose(found, slow(theta, reference, beta), rtol=1e-9, atol=1e-13)


@given(fields, fields, betas)
def test_the_gradient_is_beta_squared_variance_times_the_difference(theta, reference, beta):
    with jax.enable_x64(True):
        theta, reference = jnp.asarray(theta), jnp.asarray(reference)
        exact = float(jax.grad(bernoulli_kl)(theta, reference, beta))
        formula = float(bernoulli_kl_gradient(theta, reference, beta))
        variance = float(bernoulli_variance(theta, beta))
    np.testing.assert_allclose(formula, exact, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(formula, beta**2 * variance * float(theta - reference), rtol=1e-6)


def test_it_is_zero_only_for_equal_fields():
    theta = jnp.linspace(-2.0, 2.0, 9)
    np.testing.assert_array_equal(bernoulli_kl(theta, theta, 1.5), 0)
    apart = bernoulli_kl(*jnp.meshgrid(theta, theta), 1.5)
    assert (np.asarray(apart)[~np.eye(9, dtype=bool)] > 1e-3).all()


def test_saturated_weights_are_finite():
    """A certain weight that turns its sign costs 2 beta |theta|, and no gradient is NaN."""
    theta, reference = jnp.array([40.0, -40.0]), jnp.array([-40.0, -40.0])
    np.testing.assert_allclose(bernoulli_kl(theta, reference, 10.0), [800.0, 0.0])
    assert np.isfinite(jax.jacobian(bernoulli_kl)(theta, reference, 10.0)).all()


def test_second_order_is_off_by_third_order():
    with jax.enable_x64(True):
        theta = jnp.linspace(-1.0, 1.0, 7)
        errors = [
            np.abs(bernoulli_kl_quadratic(theta, theta - d) - bernoulli_kl(theta, theta - d)).max()
            for d in (0.02, 0.01)
        ]
    assert 7 < errors[0] / errors[1] < 9  # 2^3, up to the fourth order
