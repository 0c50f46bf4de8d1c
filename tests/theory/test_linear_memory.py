"""Capacities and redundancy against limits, simulations and the binomial."""

import itertools

import numpy as np
import pytest
from scipy import stats

from engrax.theory import (
    chain_success,
    combined_failure,
    linear_memory_capacity,
    required_heads,
    sign_error,
)


def test_laws_of_uncorrelated_keys():
    d = np.array([32, 64, 128, 256, 512, 1024])
    adversarial = linear_memory_capacity(d, criterion="adversarial")
    np.testing.assert_allclose(adversarial, 1 + np.sqrt(np.pi * d / 2))
    np.testing.assert_allclose(adversarial, [8.1, 11.0, 15.2, 21.1, 29.4, 41.1], atol=0.06)
    bits = linear_memory_capacity(d, criterion="bit_error")
    np.testing.assert_allclose(bits, [6.9, 12.8, 24.7, 48.3, 95.6, 190.2], atol=0.06)
    # The error at that number of pairs is the one asked for.
    np.testing.assert_allclose(sign_error(d, bits), 0.01, rtol=1e-6)


def test_exact_recall_solves_its_equation():
    for d in (64, 4096):
        n = linear_memory_capacity(d, criterion="exact", d_value=32, error=0.05)
        assert float(n) == pytest.approx(d / (2 * np.log(n * 32 / 0.05)), rel=1e-6)
    assert linear_memory_capacity(2, criterion="exact") == 1


def test_correlated_keys_saturate():
    bits = linear_memory_capacity(np.array([1e3, 1e9]), criterion="bit_error", cosine=0.3)
    assert bits[1] == pytest.approx(1 + 1 / (stats.norm.isf(0.01) * 0.3) ** 2)
    coherent = linear_memory_capacity(
        np.array([1e3, 1e9]), criterion="adversarial", cosine=0.1, threshold=2.0
    )
    assert coherent[1] == pytest.approx(1 + 2 / 0.1)
    # As measured with NumPy at d_key 128 and N = 16.
    for mu, expected in ((0.1, 0.026), (0.3, 0.20), (0.5, 0.305)):
        found = stats.norm.sf(1 / np.sqrt(15 * (mu**2 + (1 - mu) ** 2 / 128)))
        assert found == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(("d", "n"), [(64, 16), (256, 64)])
def test_sign_errors_and_cross_talk_of_a_simulation(d, n):
    rng = np.random.default_rng(0)
    trials, slots = 400, 16
    errors = []
    for _ in range(trials):
        k = rng.normal(size=(n, d))
        k /= np.linalg.norm(k, axis=1, keepdims=True)
        v = rng.choice([-1, 1], (n, slots))
        errors.append(np.mean(k @ (k.T @ v) * v <= 0))
    error = np.std(errors, ddof=1) / np.sqrt(trials)
    # Three standard errors, and the overlaps' kurtosis, 3 - 6/(d + 2): a relative 1 % here.
    assert abs(np.mean(errors) - sign_error(d, n)) < 3 * error + 0.01 * sign_error(d, n)


def test_moments_of_the_overlap():
    rng = np.random.default_rng(1)
    d, pairs = 64, 100_000
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in rng.normal(size=(2, pairs, d)))
    c = np.sum(a * b, 1)
    for found, expected in (
        (c, 0.0),
        (c**2, 1 / d),
        # The first correction of a sphere's coordinate is 1 + 1/(4 d).
        (np.abs(c), np.sqrt(2 / (np.pi * d)) * (1 + 1 / (4 * d))),
    ):
        assert abs(found.mean() - expected) < 4 * found.std() / np.sqrt(pairs)


def test_heads_fail_as_the_binomial_says():
    p = 0.3
    for heads in (1, 2, 3, 4, 8):
        failures = np.array(list(itertools.product([0, 1], repeat=heads)))
        weight = np.prod(np.where(failures, p, 1 - p), 1)
        majority = weight[2 * failures.sum(1) >= heads].sum()
        assert combined_failure(p, heads, combine="majority") == pytest.approx(majority)
        assert combined_failure(p, heads, combine="any") == pytest.approx(weight[-1])


def test_chains_of_injected_failures():
    rng = np.random.default_rng(2)
    for p, depth in ((0.02, 8), (0.1, 16)):
        right = (rng.random((20_000, depth)) >= p).all(1)
        expected = chain_success(p, depth)
        assert abs(right.mean() - expected) < 3 * np.sqrt(expected * (1 - expected) / len(right))


def test_required_heads_grow_with_the_logarithm_of_depth():
    heads = required_heads(0.1, np.array([1, 10, 100]), 0.01)
    np.testing.assert_allclose(heads, [2, 3, 4])
    np.testing.assert_allclose(combined_failure(0.1, heads, combine="any") * [1, 10, 100], 0.01)
    assert required_heads(0.001, 1, 0.5) == 1


def test_questions_without_an_answer_are_refused():
    with pytest.raises(ValueError, match="cosine 0"):
        linear_memory_capacity(64, criterion="exact", cosine=0.1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        required_heads(0.0, 1, 0.1)
    # The type checker of the tests refuses another string before the function does.
    with pytest.raises(Exception, match="criterion"):
        linear_memory_capacity(64, criterion="mean")
    with pytest.raises(Exception, match="combine"):
        combined_failure(0.1, 2, combine="all")
