"""Coefficients and sizes of ensembles that learn a permutation: closed form, tables, sampling."""

import math

import jax.random as jr
import numpy as np
import pytest
from jaxtyping import TypeCheckError
from scipy import stats

from engrax.tasks import binary_inputs
from engrax.theory import (
    KernelPredictor,
    ensemble_size,
    permutation_coefficients,
    permutation_factor,
    permutation_margins,
    relu_nngp,
    relu_ntk,
    required_sizes,
)

TABLE = """
5 2 .56063 -.01464 .11504 .60166 -.03954 .11348
10 2 .56542 -.00985 .08074 .61794 -.02326 .07926
10 3 .42156 -.02155 .09564 .46161 -.04210 .09420
10 5 .28373 -.04071 .11183 .30325 -.07229 .11051
30 2 .57101 -.00427 .04626 .63241 -.00879 .04525
30 3 .43377 -.00933 .05403 .48781 -.01590 .05297
30 5 .30681 -.01764 .06126 .34823 -.02731 .06018
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]
READOUT_90 = (
    1, 12, 21, 28, 34, 40, 46, 52, 58, 64, 70, 76, 83, 89, 95, 102, 108, 115, 121, 128, 135, 141,
    148, 155, 162, 169, 176, 183, 190,
)  # fmt: skip
NTK_90 = {2: 1, 5: 205, 10: 333, 15: 454, 20: 579, 25: 708, 30: 840}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"k{row[0]}n{row[1]}")
def test_coefficients_are_those_of_the_table(row):
    k, n = int(row[0]), int(row[1])
    found = [*permutation_coefficients(k, n), *permutation_coefficients(k, n, relu_nngp)]
    # Five decimals; at k = 30, n = 5 the table's -.01764 was cut, not rounded, from -.017635.
    np.testing.assert_allclose([float(v) for v in found], np.array(row[2:], float), atol=5.3e-6)


@pytest.mark.parametrize("kernel", [relu_ntk, relu_nngp])
@pytest.mark.parametrize("k", [2, 7])
def test_coefficients_solve_the_kernel_system(k, kernel):
    bits = np.asarray(binary_inputs(k).bits)
    x = bits / np.sqrt(bits.sum(1, keepdims=True))
    model = KernelPredictor(kernel, relu_nngp, np.eye(k), np.eye(k))
    w = permutation_coefficients(k, bits.sum(1), kernel)
    expected = np.where(bits, np.asarray(w.one)[:, None], np.asarray(w.zero)[:, None])
    np.testing.assert_allclose(model.mean(x), expected, atol=1e-12)
    np.testing.assert_allclose(np.asarray(w.std) ** 2, model.cov(x, x).diagonal(), atol=1e-12)
    assert [float(v[0]) for v in w] == [1.0, 0.0, 0.0]


def test_coefficients_as_printed():
    k, n = 9, np.arange(2, 10)
    t = np.sqrt(1 - 1 / n) + 2 / np.sqrt(n) * (np.pi - np.arccos(1 / np.sqrt(n)))
    a = 2 * np.pi - 1
    zero = (a - n * (t - 1)) / (a * (a + k))
    w = permutation_coefficients(k, n)
    np.testing.assert_allclose(w.zero, zero, atol=1e-14)
    np.testing.assert_allclose(w.one, zero + (t - 1) / a, atol=1e-14)
    assert np.all(w.zero < 0)
    assert np.all(w.one > 0)


def test_sizes_are_those_of_the_table():
    found = [ensemble_size(k, 0.1, 2, relu_nngp) for k in range(2, 31)]
    np.testing.assert_allclose(found, READOUT_90, atol=1)
    for k, expected in NTK_90.items():
        assert abs(ensemble_size(k, 0.1, 2) - expected) <= 1


@pytest.mark.parametrize("ones", [3, 8])
def test_the_size_is_the_smallest_that_is_enough(ones):
    k, delta = 8, 0.05
    size = ensemble_size(k, delta, ones)
    w = permutation_coefficients(k, ones)

    def right(n):
        scale = math.sqrt(n) / float(w.std)
        one, zero = float(w.one) * scale, -float(w.zero) * scale
        return stats.norm.cdf(one) ** ones * stats.norm.cdf(zero) ** (k - ones)

    assert right(size) >= 1 - delta > right(size - 1)


def test_a_training_input_needs_one_network():
    assert ensemble_size(8, 0.05, 1) == 1


def test_all_inputs_at_once():
    # The table was sampled, too: the standard error of a quantile of 4,000 values is 2 to 3 %.
    for kernel, table in ((relu_ntk, (218, 349, 451)), (relu_nngp, (24, 43, 61))):
        found = [ensemble_size(k, 0.1, "all", kernel) for k in (3, 4, 5)]
        np.testing.assert_allclose(found, table, rtol=0.08)
    half_way = [ensemble_size(k, 0.1, "all", threshold="midpoint") for k in (3, 5)]
    np.testing.assert_allclose(half_way, (3, 7), atol=1)


def test_sampled_sizes_agree_with_the_formula():
    k, bits = 4, np.asarray(binary_inputs(4, 2).bits)
    w = permutation_coefficients(k, 2)
    rng = np.random.default_rng(0)
    factor = permutation_factor(bits)
    outputs = factor[:1] @ rng.standard_normal((len(bits), 20_000 * k))
    unit = np.where(bits[0], -1 / float(w.one), -1 / float(w.zero))
    need = np.maximum(-np.abs(unit)[:, None] * outputs.reshape(k, -1), 0).max(0) ** 2
    size = ensemble_size(k, 0.1, 2)
    # 20,000 samples: the share has a standard error of 0.2 %.
    assert np.mean(need <= size) == pytest.approx(0.9, abs=0.01)


def test_the_factor_gives_the_covariance():
    bits = np.asarray(binary_inputs(5).bits)
    bits = bits[bits.sum(1) > 1]
    x = bits / np.sqrt(bits.sum(1, keepdims=True))
    sigma = KernelPredictor(relu_ntk, relu_nngp, np.eye(5), np.eye(5)).cov(x, x)
    factor = permutation_factor(bits)
    np.testing.assert_allclose(factor @ factor.T, sigma, atol=1e-10)


def test_margins():
    one, zero = permutation_margins(10, np.array([2, 3]))
    w = permutation_coefficients(10, np.array([2, 3]))
    np.testing.assert_allclose((one, zero), (w.one, -np.asarray(w.zero)))
    one, zero = permutation_margins(10, 2, threshold="midpoint")
    assert float(one) == pytest.approx(float(zero))


def test_seeds_decide_the_samples():
    same, again, other = (required_sizes(jr.key(s), 3, draws=700) for s in (0, 0, 1))
    assert same.shape == (700,)
    np.testing.assert_array_equal(same, again)
    assert not np.array_equal(same, other)


def test_bad_input():
    with pytest.raises(ValueError, match="0 ones of 5 bits"):
        permutation_coefficients(5, 0)
    with pytest.raises(ValueError, match=r"delta=1\.5"):
        ensemble_size(5, 1.5, 2)
    with pytest.raises((ValueError, TypeCheckError), match="threshold"):
        ensemble_size(5, 0.1, 2, threshold="half")
    with pytest.raises(ValueError, match="full rank"):
        permutation_factor(np.eye(4, dtype=bool))
