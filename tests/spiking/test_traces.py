"""Traces against their sums."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.spiking import double_exponential_trace, exponential_trace

T = 30
SPIKES = jr.bernoulli(jr.key(0), 0.3, (T, 2, 3)).astype(jnp.float32)


def convolved(spikes, kernel):
    lags = np.arange(T)[:, None] - np.arange(T)
    weights = np.where(lags >= 0, kernel(np.maximum(lags, 0)), 0)
    return np.tensordot(weights, np.asarray(spikes), 1)


@pytest.mark.parametrize("tau", [2.0, 5.0])
def test_the_trace_of_ottt_is_its_sum(tau):
    decay = 1 - 1 / tau
    expected = convolved(SPIKES, lambda lag: decay**lag)
    np.testing.assert_allclose(exponential_trace(SPIKES, decay), expected, rtol=1e-5, atol=1e-6)


def test_a_gain_and_a_decay_for_each_neuron():
    decay = jnp.array([0.2, 0.5, 0.9])
    trace = exponential_trace(SPIKES, decay, 0.25)
    for i, d in enumerate(decay):
        np.testing.assert_allclose(
            trace[..., i], 0.25 * exponential_trace(SPIKES[..., i], d), atol=1e-6
        )


def test_two_exponentials_are_their_difference():
    rise, decay = 0.4, 0.8
    expected = convolved(SPIKES, lambda lag: (decay**lag - rise**lag) / (decay - rise))
    trace = double_exponential_trace(SPIKES, rise, decay)
    np.testing.assert_allclose(trace, expected, rtol=1e-5, atol=1e-5)


def test_two_equal_exponentials_are_their_limit():
    expected = convolved(SPIKES, lambda lag: lag * 0.7 ** np.maximum(lag - 1, 0))
    trace = double_exponential_trace(SPIKES, 0.7, 0.7)
    np.testing.assert_allclose(trace, expected, rtol=1e-5, atol=1e-5)
