"""Local rules against loops, closed forms and each other."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.plasticity import (
    bcm,
    delta_rule,
    hebb,
    normalized_delta_rule,
    oja,
    td_rule,
    trace_rule,
)

W = jr.normal(jr.key(0), (3, 5))
PRE, POST = jr.normal(jr.key(1), (4, 5)), jr.normal(jr.key(2), (4, 3))
# Sums of at most 20 float32 products of order 1.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.mark.parametrize("rule", [hebb, oja, bcm, delta_rule, normalized_delta_rule])
def test_leading_axes_are_averaged(rule):
    whole, _ = rule(W, PRE.reshape(2, 2, 5), POST.reshape(2, 2, 3), rate=0.3)
    single = [rule(W, x, y, rate=0.3)[0] for x, y in zip(PRE, POST, strict=True)]
    np.testing.assert_allclose(whole, sum(single) / 4, **CLOSE)


def test_delta_is_a_gradient_step():
    def energy(w):
        return 0.5 * jnp.sum((POST[0] - w @ PRE[0]) ** 2)

    found, _ = delta_rule(W, PRE[0], POST[0], rate=0.3)
    np.testing.assert_allclose(found, -0.3 * jax.grad(energy)(W), **CLOSE)


def test_oja_of_a_clamped_response_is_delta():
    clamped = hebb(W, PRE, POST)[0] - hebb(W, PRE, PRE @ W.T)[0]
    np.testing.assert_allclose(clamped, delta_rule(W, PRE, POST)[0], **CLOSE)


def test_td_without_a_future_is_delta():
    z = jr.normal(jr.key(3), (5,))
    following = jr.normal(jr.key(4), (5,))
    found, trace = td_rule(
        W, PRE[0], POST[0], z, rate=0.3, next_pre=following, discount=0.0, trace=0.0
    )
    np.testing.assert_allclose(found, delta_rule(W, PRE[0], POST[0], rate=0.3)[0], **CLOSE)
    np.testing.assert_array_equal(trace, PRE[0])


def test_td_learns_the_discounted_sum():
    # Three states in a row, the last of which pays 1: values 0.25, 0.5, 1 at discount 0.5.
    states = jnp.eye(3)
    w = jnp.zeros((1, 3))
    for _ in range(40):
        for t in range(3):
            coming = states[t + 1] if t < 2 else None
            us = jnp.array([float(t == 2)])
            w = w + td_rule(w, states[t], us, rate=0.5, next_pre=coming, discount=0.5)[0]
    np.testing.assert_allclose(w, [[0.25, 0.5, 1.0]], atol=1e-5)


def test_a_trace_bridges_a_gap():
    z = None
    for t in range(4):
        pre = PRE[0] if t == 0 else jnp.zeros(5)
        change, z = trace_rule(W, pre, POST[0], z, trace=0.5)
    np.testing.assert_allclose(change, 0.125 * jnp.outer(POST[0], PRE[0]), **CLOSE)


def test_oja_finds_the_first_principal_direction():
    spread = jnp.array([2.0, 1.0, 0.5])
    x = jr.normal(jr.key(5), (2000, 3)) * spread[None]
    w = jnp.array([[0.1, 0.5, 0.5]])

    def step(w, _):
        return w + oja(w, x, x @ w.T, rate=0.05)[0], None

    w, _ = jax.lax.scan(step, w, length=300)
    leading = np.linalg.eigh(np.cov(np.asarray(x).T, bias=True) + np.outer(x.mean(0), x.mean(0)))
    np.testing.assert_allclose(np.abs(w[0]), np.abs(leading[1][:, -1]), atol=1e-4)


def test_the_threshold_of_bcm_follows_the_power():
    theta = None
    for _ in range(200):
        change, theta = bcm(W, PRE[0], POST[0], theta, rate=1.0, horizon=10.0)
    # 0.9^200 is far below rounding.
    np.testing.assert_allclose(theta, POST[0] ** 2, rtol=1e-4)
    gap = POST[0] * (POST[0] - POST[0] ** 2)
    np.testing.assert_allclose(change, jnp.outer(gap, PRE[0]), rtol=1e-3, atol=1e-4)


def test_the_normalized_rule_learns_one_example_at_once():
    for scale in (0.1, 10.0):
        x = scale * PRE[0]
        w = W + normalized_delta_rule(W, x, POST[0])[0]
        # epsilon = 1e-6 against |x|^2 of some 0.03.
        np.testing.assert_allclose(w @ x, POST[0], rtol=1e-3, atol=1e-3)
