import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrax.probes import inverse_participation_ratio

P = 97


@given(st.integers(0, 2**31 - 1), st.sampled_from([2, 13, 16, 97]))
def test_against_a_slow_transform_and_its_bounds(seed, p):
    x = np.random.default_rng(seed).standard_normal(p).astype(np.float32)
    basis = np.exp(-2j * np.pi / p * np.outer(np.arange(p // 2 + 1), np.arange(p)))
    power = np.abs(basis @ x) ** 2
    value = float(inverse_participation_ratio(jnp.asarray(x)))
    # Float32 sums of up to 97 terms.
    np.testing.assert_allclose(value, (power**2).sum() / power.sum() ** 2, rtol=1e-4)
    assert 1 / (p // 2 + 1) - 1e-6 <= value <= 1 + 1e-6


@given(st.integers(0, 2**31 - 1), st.floats(1e-6, 1e6), st.integers(0, P - 1))
def test_neither_scale_nor_a_cyclic_shift_matters(seed, scale, shift):
    x = jr.normal(jr.key(seed), (P,))
    value = inverse_participation_ratio(x)
    np.testing.assert_allclose(inverse_participation_ratio(x * scale), value, rtol=1e-4)
    np.testing.assert_allclose(inverse_participation_ratio(jnp.roll(x, shift)), value, rtol=1e-4)


def test_parseval_of_the_transform_it_uses():
    x = jr.normal(jr.key(0), (P,))
    power = jnp.square(jnp.abs(jnp.fft.rfft(x)))
    # p is odd: every bin but the constant one stands for two frequencies.
    total = (power[0] + 2 * power[1:].sum()) / P
    np.testing.assert_allclose(total, jnp.square(x).sum(), rtol=1e-5)


@pytest.mark.parametrize("sigma", [1, 7, 48])
def test_a_cosine_is_one_bin_or_two(sigma):
    angle = 2 * np.pi * ((sigma * np.arange(P)) % P) / P + 0.3
    x = jnp.asarray(np.cos(angle), jnp.float32)
    np.testing.assert_allclose(inverse_participation_ratio(x), 1.0, rtol=1e-4)
    np.testing.assert_allclose(inverse_participation_ratio(x, one_sided=False), 0.5, rtol=1e-4)


def test_a_spike_is_spread_over_all_bins():
    spike = jnp.zeros(P).at[5].set(3.0)
    np.testing.assert_allclose(inverse_participation_ratio(spike), 1 / 49, rtol=1e-5)
    np.testing.assert_allclose(
        inverse_participation_ratio(spike, one_sided=False), 1 / P, rtol=1e-5
    )


def test_noise_and_silence():
    noise = inverse_participation_ratio(jr.normal(jr.key(0), (4000, P)))
    # Independent exponential powers give about 2/49; the sheet's run: .0403.
    np.testing.assert_allclose(noise.mean(), 0.0403, atol=5e-4)
    assert float(inverse_participation_ratio(jnp.zeros(P))) == 0
    tiny = inverse_participation_ratio(1e-12 * jr.normal(jr.key(0), (4000, P)))
    np.testing.assert_allclose(tiny, noise, rtol=1e-3)
