"""Encoders keep what they promise about times and counts."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.spiking import bin_events, direct_encode, latency_encode, poisson_encode

X = jnp.array([[0.0, 0.25, 0.5, 1.0]])


def test_direct_is_the_same_at_every_step():
    np.testing.assert_array_equal(direct_encode(X, 3), np.stack([X] * 3))


def test_poisson_fires_as_often_as_it_should():
    spikes = poisson_encode(X, 20_000, key=jr.key(0))
    assert set(np.unique(spikes)) == {0.0, 1.0}
    # Four standard errors of a fraction over 20,000 draws are at most 0.0142.
    np.testing.assert_allclose(spikes.mean(0), X, atol=0.0142)


def test_latency_is_one_spike_and_the_strongest_comes_first():
    spikes = np.asarray(latency_encode(X, 9))
    np.testing.assert_array_equal(spikes.sum(0), [[0, 1, 1, 1]])
    np.testing.assert_array_equal(spikes.argmax(0)[:, 1:], [[6, 4, 0]])


@pytest.mark.parametrize("reduce", ["or", "count"])
def test_events_fall_into_their_bins(reduce):
    times = jnp.array([0.0, 0.9, 0.95, 2.5, 2.6, -1.0, 3.0, 1.5])
    channels = jnp.array([0, 1, 1, 2, 2, 0, 1, 7])
    expected = np.zeros((3, 3))
    expected[0, 0] = 1
    expected[0, 1] = expected[2, 2] = 1 if reduce == "or" else 2
    binned = bin_events(times, channels, bins=3, width=1.0, n=3, reduce=reduce)
    np.testing.assert_array_equal(binned, expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: poisson_encode(X, 0, key=jr.key(0)), "poisson_encode got steps=0"),
        (lambda: latency_encode(X, -1), "steps=-1"),
        (lambda: bin_events(X[0], jnp.zeros(4, int), bins=2, width=0.0, n=3), "width=0.0"),
    ],
)
def test_bad_input_is_told_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
