import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.spiking import bernoulli_product


def test_the_mean_of_coincidences_is_the_hebbian_write():
    y, x = jr.uniform(jr.key(0), (6,)), jr.uniform(jr.key(1), (5,))
    trials = 100_000
    mean = bernoulli_product(jr.key(2), y[:, None], x[None, :], trials)
    p = np.outer(y, x)
    # 4 standard errors; 30 entries exceed it with probability 2e-3, under one fixed key.
    assert (np.abs(mean - p) < 4 * np.sqrt(p * (1 - p) / trials)).all()


def test_certain_spikes_are_certain():
    sure = jnp.array([0.0, 1.0, 1.0])
    np.testing.assert_array_equal(bernoulli_product(jr.key(0), sure, sure, 3), sure)


def test_synapses_of_a_neuron_share_its_spike():
    out = bernoulli_product(jr.key(3), jnp.full((1, 1), 0.5), jnp.ones((1, 4)), 50)
    assert (out == out[0, 0]).all()


def test_no_repeats_say_so():
    with pytest.raises(ValueError, match="at least one repeat"):
        bernoulli_product(jr.key(0), jnp.ones(2), jnp.ones(2), 0)
