"""DSR: forward pass step by step, backward pass by hand."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.spiking import DSRLIF, LIF, rate_weights, weighted_rate

T, DT, TAU, ALPHA = 6, 0.05, 1.0, 0.3
NEURON = DSRLIF(T, DT, TAU, ALPHA)


def test_the_weighted_rate_is_a_mean_that_forgets():
    z = jr.normal(jr.key(0), (T, 3))
    weights = np.exp(-np.arange(T)[::-1] * DT / TAU)
    np.testing.assert_allclose(rate_weights(T), weights / weights.sum(), rtol=1e-6)
    np.testing.assert_allclose(
        weighted_rate(z), (weights[:, None] * np.asarray(z)).sum(0) / weights.sum(), atol=1e-6
    )


def test_forward_against_a_loop():
    currents = 3 * jr.normal(jr.key(1), (T, 2, 5)) + 2
    b, v = np.float32(np.exp(-DT / TAU)), np.float32(0.3)
    u, expected = np.zeros((2, 5), np.float32), []
    for current in np.asarray(currents):
        u = b * u + (1 - b) * current
        s = np.where(u >= ALPHA * v, v, 0)
        u = u - s
        expected.append(s / DT)
    assert 0 < np.mean(np.array(expected) > 0) < 1
    np.testing.assert_allclose(NEURON.run(currents), expected, rtol=1e-6)
    state, by_step = NEURON.init_state((2, 5)), []
    for current in currents:
        state, out = NEURON.step(state, current)
        by_step.append(out)
    np.testing.assert_allclose(jnp.stack(by_step), expected, rtol=1e-6)


def test_it_is_the_lif_of_the_catalogue():
    currents = 3 * jr.normal(jr.key(1), (T, 2, 5)) + 2
    b = np.exp(-DT / TAU)
    spikes = LIF(b, 1 - b, ALPHA * 0.3, spike_size=0.3).run(currents)
    np.testing.assert_allclose(NEURON.run(currents), spikes * 0.3 / DT, rtol=1e-6)


def test_backward_by_hand():
    """Three neurons: driven inside the range, silenced by a negative current, and saturated."""
    currents = jnp.tile(jnp.array([[2.0, -1.0, 9.0]]), (T, 1))
    error = jr.normal(jr.key(2), (T, 3))

    def loss(threshold, currents):
        return jnp.sum(error * DSRLIF(T, DT, TAU, ALPHA, threshold=threshold).run(currents))

    by_threshold, by_current = jax.grad(loss, (0, 1))(jnp.float32(0.3), currents)
    weights = np.exp(-np.arange(T)[::-1] * DT / TAU)
    g = T * (weights / weights.sum()) @ np.asarray(error)
    np.testing.assert_allclose(by_current, np.tile([g[0] / (TAU * T), 0, 0], (T, 1)), atol=1e-6)
    # The top of the range is V tau / dt = 6, so only the third neuron asks for more V.
    np.testing.assert_allclose(by_threshold, DT * g[2], rtol=1e-5)


def test_gradients_of_rates_are_those_of_the_run():
    """With alike errors at all steps, `rate` gives the sums over t of what `run` gives."""
    currents = 4 * jr.normal(jr.key(3), (T, 40)) + 2
    push = jr.normal(jr.key(4), (40,))

    def by_run(threshold, currents):
        return push @ DSRLIF(T, threshold=threshold).run(currents).mean(0)

    def by_rate(threshold, rate):
        neuron = DSRLIF(T, threshold=threshold)
        return push @ neuron.rate(neuron.run(currents).mean(0), rate)

    v = jnp.float32(0.3)
    for_run = jax.value_and_grad(by_run, (0, 1))(v, currents)
    for_rate = jax.value_and_grad(by_rate, (0, 1))(v, weighted_rate(currents))
    np.testing.assert_allclose(for_run[0], for_rate[0], rtol=1e-5)
    np.testing.assert_allclose(for_run[1][0], for_rate[1][0], rtol=1e-5)
    np.testing.assert_allclose(for_run[1][1].sum(0), for_rate[1][1], atol=1e-5)


def test_the_threshold_has_a_floor_that_it_can_leave():
    low = DSRLIF(T, threshold=-1.0)
    currents = jnp.full((T, 1), 2.0)
    np.testing.assert_array_equal(low.run(currents), DSRLIF(T, threshold=0.0005).run(currents))
    gradient = jax.grad(lambda v: -DSRLIF(T, threshold=v).run(currents).sum())(jnp.float32(-1.0))
    assert gradient < 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DSRLIF(0), "steps=0"),
        (lambda: DSRLIF(T, 1.0, 0.02), "same unit"),
        (lambda: DSRLIF(T, alpha=1.5), "alpha=1.5"),
        (lambda: NEURON.run(jnp.ones((4, 2))), "of 6 steps got currents of 4 steps"),
    ],
)
def test_bad_input_is_told_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
