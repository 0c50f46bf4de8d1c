"""Noise schedules: the identities that the method rests on."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engrax.credit import (
    CosineVariancePreserving,
    LearnableVariancePreserving,
    posterior_coefficients,
    prior_divergence,
)
from engrax.credit._noprop_losses import stratified_times

LENGTHS = pytest.mark.parametrize("steps", [1, 2, 10, 60])


def test_the_levels_of_ten_steps():
    """The sheet's figures, to the digits it gives."""
    schedule = CosineVariancePreserving(10)
    snr = [0, 0.02, 0.085, 0.205, 0.405, 0.734, 1.30, 2.34, 4.58, 10.8, 41.7]
    np.testing.assert_allclose(schedule.snr(jnp.arange(11)), snr, rtol=0.01, atol=2e-3)
    a, b, c = schedule.step_coefficients(jnp.arange(1, 11))
    np.testing.assert_allclose(
        a, [0.14, 0.21, 0.24, 0.27, 0.29, 0.33, 0.37, 0.44, 0.55, 0.73], atol=6e-3
    )
    np.testing.assert_allclose(
        b, [0.02, 0.48, 0.61, 0.66, 0.67, 0.65, 0.62, 0.55, 0.45, 0.27], atol=6e-3
    )
    np.testing.assert_allclose(
        c, [0.98, 0.70, 0.49, 0.35, 0.26, 0.19, 0.13, 0.09, 0.05, 0.017], atol=6e-3
    )


@LENGTHS
def test_a_perfect_guess_keeps_the_marginals(steps):
    """a + b sqrt(abar) = sqrt(abar') and b^2 (1 - abar) + c = 1 - abar'."""
    schedule = CosineVariancePreserving(steps)
    before, after = schedule.levels[:-1], schedule.levels[1:]
    a, b, c = schedule.coefficients
    # Sums of a few rounded float32 numbers below 1.
    np.testing.assert_allclose(a + b * jnp.sqrt(before), jnp.sqrt(after), atol=2e-6)
    np.testing.assert_allclose(b**2 * (1 - before) + c, 1 - after, atol=2e-6)


@LENGTHS
def test_signal_to_noise_rises_and_stays_finite(steps):
    schedule = CosineVariancePreserving(steps)
    t = jnp.arange(1, steps + 1)
    rise = schedule.dsnr(t)
    assert (rise > 0).all()
    assert schedule.levels[-1] < 1
    assert schedule.levels[0] == np.float32(1e-5)
    ends = schedule.snr(jnp.array([0, steps]))
    np.testing.assert_allclose(rise.sum(), ends[1] - ends[0], rtol=1e-5)
    assert all((values >= 0).all() for values in schedule.coefficients)


@LENGTHS
def test_the_divergence_of_a_step_is_half_the_rise_of_signal_to_noise(steps):
    """KL(q(z_t | z_{t-1}, y) || p(z_t | z_{t-1}, x)) = (SNR(t) - SNR(t-1)) / 2 |guess - u|^2."""
    with jax.enable_x64(True):
        levels = jnp.asarray(np.asarray(CosineVariancePreserving(steps).levels, np.float64))
        before, after = levels[:-1], levels[1:]
        a, b, c = posterior_coefficients(before, after)
        rng = np.random.default_rng(0)
        u, guess, z = rng.normal(size=(3, 5))
        means = [a[:, None] * v[None] + b[:, None] * z[None] for v in (u, guess)]
        # Two normal distributions of one variance.
        divergence = np.square(means[0] - means[1]).sum(1) / (2 * c)
        snr = levels / (1 - levels)
        expected = 0.5 * (snr[1:] - snr[:-1]) * np.square(guess - u).sum()
        np.testing.assert_allclose(divergence, expected, rtol=1e-6)


@pytest.mark.parametrize("abar", [0.02, 0.5, 0.9])
def test_the_divergence_of_the_noisy_end_against_samples(abar):
    u = jnp.array([0.6, -1.2, 0.3])
    found = prior_divergence(u, jnp.float32(abar))
    z = np.sqrt(abar) * np.asarray(u) + np.sqrt(1 - abar) * np.asarray(
        jr.normal(jr.key(0), (200_000, 3))
    )
    log_q = -0.5 * np.square(z - np.sqrt(abar) * np.asarray(u)).sum(1) / (1 - abar)
    terms = log_q - 1.5 * np.log(1 - abar) + 0.5 * np.square(z).sum(1)
    # Five standard errors of the mean of the terms.
    assert abs(float(found) - terms.mean()) < 5 * terms.std() / np.sqrt(len(z))


def test_the_divergence_vanishes_with_the_signal():
    """Half of abar |u|^2, to first order."""
    found = prior_divergence(jnp.ones(10), jnp.float32(1e-5))
    np.testing.assert_allclose(found, 5e-5, rtol=1e-3)


def bent(schedule):
    """The schedule after training, as it were: other weights everywhere."""
    leaves, tree = jax.tree.flatten(schedule)
    keys = jr.split(jr.key(3), len(leaves))
    moved = [v + 0.7 * jr.normal(k, v.shape) for k, v in zip(keys, leaves, strict=True)]
    return tree.unflatten(moved)


SCHEDULES = [
    LearnableVariancePreserving(8),
    bent(LearnableVariancePreserving(8)),
    bent(LearnableVariancePreserving(3, -2.0, 1.0)),
]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_learned_schedule_goes_from_end_to_end_and_never_back(schedule):
    t = jnp.linspace(0.0, 1.0, 501)
    gamma = schedule.gamma(t)
    gap = 0.5 + jax.nn.softplus(schedule.gap)
    np.testing.assert_allclose(gamma[0], schedule.end + gap, rtol=1e-5)
    np.testing.assert_allclose(gamma[-1], schedule.end, rtol=1e-5)
    assert (schedule.dsnr(t) >= 0).all()
    assert (jnp.diff(gamma) <= 1e-6).all()
    np.testing.assert_allclose(
        schedule.abar(t) / (1 - schedule.abar(t)), schedule.snr(t), rtol=1e-3
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_rate_of_signal_to_noise_is_its_difference_quotient(schedule):
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda v: jnp.asarray(np.asarray(v, np.float64)), schedule)
        t, step = jnp.linspace(0.05, 0.95, 19), 1e-5
        quotient = (wide.snr(t + step) - wide.snr(t - step)) / (2 * step)
        # Of second order in the step; third derivatives reach some 1e4 times the first.
        np.testing.assert_allclose(wide.dsnr(t), quotient, rtol=1e-5)


def test_what_depends_on_signal_to_noise_alone_does_not_see_the_schedule():
    """The integral of SNR'(t) g(SNR(t)) depends on the ends only."""
    with jax.enable_x64(True):
        one = jax.tree.map(lambda v: jnp.asarray(np.asarray(v, np.float64)), SCHEDULES[0])
        other = jax.tree.map(lambda v: jnp.asarray(np.asarray(v, np.float64)), SCHEDULES[1])
        # Another way between the same ends.
        other = eqx.tree_at(lambda s: (s.end, s.gap), other, (one.end, one.gap))
        t = jnp.linspace(0.0, 1.0, 20_001)

        def integral(schedule):
            snr = schedule.snr(t)
            return jnp.trapezoid(schedule.dsnr(t) / (1 + snr) ** 1.5, t)

        found = integral(one)
        # The trapezoid rule on 20,000 cells of a smooth function.
        np.testing.assert_allclose(found, integral(other), rtol=1e-5)
        low, high = (one.snr(jnp.float64(v)) for v in (0.0, 1.0))
        np.testing.assert_allclose(found, 2 * ((1 + low) ** -0.5 - (1 + high) ** -0.5), rtol=1e-5)


def test_a_long_chain_has_the_loss_of_continuous_time():
    """T / 2 sum dSNR e -> 1/2 integral SNR' e, for an error e that depends on the noise level.

    Both are weights of the same error: T times a step's rise against the rate, at equal levels.
    """
    schedule = LearnableVariancePreserving(8)
    error = lambda snr: 1 / (1 + snr)
    t = jnp.linspace(0.0, 1.0, 2001)
    snr = schedule.snr(t)
    discrete = 0.5 * jnp.sum(jnp.diff(snr) * error(snr[:-1]))
    times = stratified_times(jr.key(0), 2000)
    continuous = 0.5 * jnp.mean(schedule.dsnr(times) * error(schedule.snr(times)))
    # A left sum over 2,000 cells is off by half a cell's change of the error.
    np.testing.assert_allclose(discrete, continuous, rtol=5e-3)


@settings(max_examples=10)
@given(st.integers(0, 1000), st.integers(1, 40))
def test_times_are_stratified(seed, count):
    t = np.asarray(stratified_times(jr.key(seed), count))
    np.testing.assert_array_equal(np.floor(t * count + 1e-4).astype(int) % count, np.arange(count))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: CosineVariancePreserving(0), "steps=0"),
        (lambda: CosineVariancePreserving(3, -0.1), "s=-0.1"),
        (lambda: LearnableVariancePreserving(0), "hidden=0"),
        (lambda: LearnableVariancePreserving(4, 1.0, 1.2), "gamma_1=1.2"),
    ],
)
def test_what_makes_no_schedule_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_coefficients_of_both_schedules_agree():
    cosine, learned = CosineVariancePreserving(5), LearnableVariancePreserving(8)
    found = posterior_coefficients(cosine.levels[:-1], cosine.levels[1:])
    for one, other in zip(found, cosine.coefficients, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5)
    t = jnp.linspace(0.0, 1.0, 6)
    expected = posterior_coefficients(learned.abar(t[:-1]), learned.abar(t[1:]))
    for one, other in zip(learned.step_coefficients(t[:-1], t[1:]), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
