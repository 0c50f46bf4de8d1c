"""Permutations of bits, and binary inputs."""

import math

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import stats

from engrax.tasks import binary_inputs, permutation_task


def test_targets_move_every_bit_where_the_permutation_says():
    task = permutation_task(jr.key(0), 6)
    assert sorted(task.permutation.tolist()) == list(range(6))
    bits = binary_inputs(6).bits
    slow = np.zeros((63, 6), bool)
    for row, target in zip(np.asarray(bits), slow, strict=True):
        for i, to in enumerate(task.permutation.tolist()):
            target[to] = row[i]
    np.testing.assert_array_equal(task.targets(bits), slow)
    np.testing.assert_array_equal(task.targets(task.x > 0), task.y > 0)


@pytest.mark.parametrize(("k", "n_ones"), [(5, None), (6, 2), (4, 4)])
def test_all_inputs_are_listed_once_and_in_order(k, n_ones):
    found = binary_inputs(k, n_ones)
    bits = np.asarray(found.bits)
    numbers = bits @ 2 ** np.arange(k)
    assert len(bits) == (2**k - 1 if n_ones is None else math.comb(k, n_ones))
    assert np.all(np.diff(numbers) > 0)
    assert n_ones is None or np.all(bits.sum(1) == n_ones)
    np.testing.assert_allclose(jnp.linalg.norm(found.x, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(found.x > 0, bits)


def test_random_inputs_are_uniform():
    found = np.asarray(binary_inputs(3, size=7000, key=jr.key(0)).bits)
    counts = np.bincount(found @ np.array([1, 2, 4]), minlength=8)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:]).pvalue > 1e-4
    pairs = np.asarray(binary_inputs(4, 2, size=6000, key=jr.key(1)).bits)
    assert np.all(pairs.sum(1) == 2)
    counts = np.unique(pairs @ 2 ** np.arange(4), return_counts=True)[1]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-4


def test_bad_input():
    with pytest.raises(ValueError, match="at least 1 bit"):
        permutation_task(jr.key(0), 0)
    with pytest.raises(ValueError, match="7 ones of 5 bits"):
        binary_inputs(5, 7)
    with pytest.raises(ValueError, match="too many to list"):
        binary_inputs(40)
    with pytest.raises(ValueError, match="give both"):
        binary_inputs(5, size=3)
