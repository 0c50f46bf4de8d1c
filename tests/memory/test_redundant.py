"""Patterns behind enormous noise."""

import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.memory import RedundantMemory
from engrax.tasks import random_patterns
from engrax.theory import detection_overlap, pairwise_detection_overlap


@pytest.mark.parametrize("order", [2, 4, 6])
def test_field_is_half_the_energy_of_a_flip(order):
    size = 6
    net = RedundantMemory.store(jr.key(0), random_patterns(jr.key(1), 3, size), 0.7, order)
    assert net.order == order
    spins = np.array(random_patterns(jr.key(2), 1, size)[0])
    field = net.local_field(jnp.asarray(spins))
    for site in range(size):
        up, down = spins.copy(), spins.copy()
        up[site], down[site] = 1, -1
        flip = net.energy(jnp.asarray(down)) - net.energy(jnp.asarray(up))
        assert float(field[site]) == pytest.approx(float(flip) / 2, rel=1e-3, abs=1e-4)


def test_repeated_indices_are_empty_and_the_others_carry_the_pattern():
    xi = random_patterns(jr.key(1), 2, 4)
    net = RedundantMemory.store(jr.key(0), xi, 0.0, 6)
    for i, j, k in itertools.product(range(4), repeat=3):
        expected = xi[:, i] * xi[:, j] * xi[:, k] if len({i, j, k}) == 3 else jnp.zeros(2)
        np.testing.assert_array_equal(net.representations[:, i, j, k], expected)


@pytest.mark.parametrize(("order", "tau"), [(4, 0.5), (4, 1.0), (2, 0.1)])
def test_one_step_from_a_pattern_gives_the_overlap_of_the_theory(order, tau):
    size, load = 128, 0.1
    noise = tau * size**0.5
    patterns = random_patterns(jr.key(1), round(load * size), size)
    net = RedundantMemory.store(jr.key(0), patterns, noise, order)
    m = np.mean(np.asarray(jax.vmap(net.one_step)(patterns)) * np.asarray(patterns))
    if order == 4:
        expected = float(detection_overlap(tau, load))
    else:
        expected = float(pairwise_detection_overlap(noise, load))
    # 13 x 128 spins: a standard error of at most 0.025; 1 / N corrections of about 0.01.
    assert m == pytest.approx(expected, abs=0.06)


def test_relaxing_stops_in_a_fixed_point():
    patterns = random_patterns(jr.key(1), 3, 64)
    net = RedundantMemory.store(jr.key(0), patterns, 0.5)
    end = net.relax(patterns[0])
    np.testing.assert_array_equal(net.one_step(end), end)
    np.testing.assert_array_equal(end, patterns[0])


def test_bad_shapes_and_odd_orders_are_refused():
    patterns = random_patterns(jr.key(1), 2, 5)
    with pytest.raises(ValueError, match="expected an even number"):
        RedundantMemory.store(jr.key(0), patterns, 1.0, 3)
    with pytest.raises(ValueError, match=r"expected \(K, N, ..., N\)"):
        RedundantMemory(jnp.ones((2, 5, 4)))
