"""Thermal means without sampling."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.memory import DenseAssociativeMemory, glauber, tap_magnetization
from engrax.tasks import random_patterns


def test_tap_means_equal_sampled_ones_spin_by_spin():
    size, order, beta = 150, 3, 2.0
    patterns = random_patterns(jr.key(0), 120, size)
    net = DenseAssociativeMemory(patterns, order)
    start = patterns[0].astype(jnp.float32)

    def sweep(spins, key):
        spins, _ = glauber(key, net, spins, beta, 1)
        return spins, spins.astype(jnp.float32)

    sampled = jax.lax.scan(sweep, patterns[0], jr.split(jr.key(1), 1100))[1][100:].mean(0)
    errors = []
    for second_order in (True, False):
        found = tap_magnetization(net, start, beta, second_order=second_order)
        assert bool(found.converged)
        errors.append(float(jnp.sqrt(jnp.mean((found.magnetization - sampled) ** 2))))
    # Sampling error of 1000 correlated sweeps is 0.015 at most on a mean spin of 0.9.
    assert errors[0] < 0.03


def test_a_lone_pattern_gives_the_scalar_equation():
    # gamma -> 0, rho = 0: m = tanh(beta (P/2) m^(P-1)), up to 1/N.
    size, order, beta = 400, 3, 1.5
    pattern = random_patterns(jr.key(0), 1, size)
    found = tap_magnetization(
        DenseAssociativeMemory(pattern, order), pattern[0].astype(jnp.float32), beta
    )
    m = 1.0
    for _ in range(500):
        m = np.tanh(beta * order / 2 * m ** (order - 1))
    # 1/N corrections: e_2 of N - 1 sites is (N-1)(N-2)/2, and the reaction of one pattern.
    assert np.mean(np.asarray(found.magnetization) * np.asarray(pattern[0])) == pytest.approx(
        m, abs=0.01
    )


def test_other_interactions_are_refused():
    pattern = random_patterns(jr.key(0), 1, 10)
    net = DenseAssociativeMemory(pattern, 3, "all")
    with pytest.raises(ValueError, match="expected 'distinct'"):
        tap_magnetization(net, jnp.ones(10), 1.0)
