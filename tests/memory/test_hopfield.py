"""The Hopfield network as the pairwise case."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.memory import DenseAssociativeMemory, HopfieldNetwork
from engrax.tasks import random_patterns

SIZE, COUNT = 30, 7


def pair():
    patterns = random_patterns(jr.key(0), COUNT, SIZE)
    spins = random_patterns(jr.key(1), 1, SIZE)[0]
    return patterns, spins


def test_energy_and_field_equal_those_of_the_coupling_matrix():
    patterns, spins = pair()
    xi, s = np.asarray(patterns, float), np.asarray(spins, float)
    couplings = xi.T @ xi / SIZE
    np.fill_diagonal(couplings, 0)
    net = HopfieldNetwork.from_patterns(patterns)
    assert float(net.energy(spins)) == pytest.approx(-s @ couplings @ s / 2, rel=1e-5)
    np.testing.assert_allclose(net.local_field(spins), couplings @ s, rtol=1e-4, atol=1e-5)
    tables, sums = net.tables(), net.sums(spins)
    field, without, own = net.cavity(tables, sums, jnp.int32(4), spins[4].astype(jnp.float32))
    assert float(field) == pytest.approx(couplings[4] @ s, rel=1e-4)
    np.testing.assert_allclose(without + s[4] * own, sums)


def test_dense_memory_of_order_two_is_hopfield_at_another_temperature():
    # beta_dense = beta (N - 1) / N: the energies are in that ratio for every state.
    patterns, spins = pair()
    hopfield = HopfieldNetwork.from_patterns(patterns)
    dense = DenseAssociativeMemory(patterns, 2)
    ratio = (SIZE - 1) / SIZE
    assert float(dense.energy(spins)) * ratio == pytest.approx(float(hopfield.energy(spins)), 1e-5)
    np.testing.assert_allclose(
        dense.local_field(spins) * ratio, hopfield.local_field(spins), rtol=1e-4, atol=1e-5
    )


def test_a_factor_that_is_no_matrix_is_refused():
    with pytest.raises((ValueError, TypeError)):
        HopfieldNetwork(jnp.ones(8), jnp.float32(1.0))
