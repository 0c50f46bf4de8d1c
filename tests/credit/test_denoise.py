"""Samplers, on denoisers that are known in closed form."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from engrax.credit import CosineVariancePreserving, LearnableVariancePreserving, denoise

U = jnp.array([1.0, 0.0, -0.5])


def known(k, t, z):
    """A perfect guess."""
    return jnp.broadcast_to(U, z.shape)


def test_a_perfect_guess_reproduces_every_marginal():
    """q(z_t | y) = N(sqrt(abar_t) u, 1 - abar_t), by Monte Carlo."""
    schedule, n = CosineVariancePreserving(6), 20_000
    start = jnp.sqrt(schedule.levels[0]) * U[None] + jnp.sqrt(1 - schedule.levels[0]) * jr.normal(
        jr.key(0), (n, 3)
    )
    path = denoise(known, schedule, start, key=jr.key(1))
    states = np.concatenate([path.states, path.end[None]])
    levels = np.asarray(schedule.levels)
    # Six standard errors of a mean and of a variance of n normal numbers.
    mean, var = states.mean(1), states.var(1)
    wanted = np.sqrt(levels)[:, None] * np.asarray(U)[None]
    assert (np.abs(mean - wanted) < 6 * np.sqrt((1 - levels) / n)[:, None]).all()
    assert (np.abs(var / (1 - levels)[:, None] - 1) < 6 * np.sqrt(2 / n)).all()


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [(CosineVariancePreserving(8), None), (LearnableVariancePreserving(8), 8)],
)
def test_both_samplers_agree_in_the_mean_for_a_linear_guess(schedule, steps):
    """The best guess of a normal label, mean U and variance s: linear in z. Without noise given
    the start, the deterministic sampler has no variance.
    """
    s, n = 0.3, 20_000
    levels = schedule.abar(jnp.arange(9)) if steps is None else schedule.abar(jnp.arange(9.0) / 8)

    def guess(k, t, z):
        level = levels[k]
        gain = s * jnp.sqrt(level) / (s * level + 1 - level)
        return U[None] + gain * (z - jnp.sqrt(level) * U[None])

    noise = jr.normal(jr.key(0), (n, 3))
    start = jnp.sqrt(levels[0]) * U[None] + jnp.sqrt(s * levels[0] + 1 - levels[0]) * noise
    ends = {
        sampler: denoise(guess, schedule, start, key=jr.key(1), steps=steps, sampler=sampler).end
        for sampler in ("ancestral", "ode")
    }
    expected = np.asarray(jnp.sqrt(levels[-1]) * U)
    for end in ends.values():
        # Six standard errors; the end's variance is below 1.
        np.testing.assert_allclose(end.mean(0), expected, atol=6 / np.sqrt(n))
    again = denoise(guess, schedule, start, key=jr.key(2), steps=steps, sampler="ode").end
    np.testing.assert_array_equal(again, ends["ode"])


def test_the_best_denoiser_reaches_each_class_as_often_as_it_is_likely():
    """guess = sum_c p(c | z, x) u_c, p(c | z, x) ~ p(c | x) N(z; sqrt(abar) u_c, 1 - abar)."""
    schedule, n = CosineVariancePreserving(200), 20_000
    prior = jnp.array([0.55, 0.3, 0.15])
    w = jnp.eye(3)

    def guess(k, t, z):
        level = schedule.levels[k]
        square = jnp.square(z[:, None] - jnp.sqrt(level) * w[None]).sum(-1)
        return jax.nn.softmax(jnp.log(prior)[None] - square / (2 * (1 - level))) @ w

    end = denoise(guess, schedule, jr.normal(jr.key(0), (n, 3)), key=jr.key(1)).end
    share = np.bincount(np.argmax(end, 1), minlength=3) / n
    np.testing.assert_allclose(share, prior, atol=0.02)


def test_flow_with_the_exact_velocity_ends_at_the_label():
    start = jr.normal(jr.key(0), (50, 3))

    def velocity(k, t, z):
        return (U[None] - z) / (1 - t)

    path = denoise(velocity, None, start, key=jr.key(1), steps=40, sampler="euler")
    # Float32; the velocity is constant along a path.
    np.testing.assert_allclose(path.end, np.broadcast_to(U, (50, 3)), atol=2e-6)
    times = jnp.arange(40) / 40
    ahead = path.states + (1 - times)[:, None, None] * path.guesses
    np.testing.assert_allclose(ahead, np.broadcast_to(U, ahead.shape), atol=2e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"schedule": CosineVariancePreserving(3), "sampler": "heun"}, "'heun'"),
        ({"schedule": CosineVariancePreserving(3), "steps": 4}, "chain of 3 blocks"),
        ({"schedule": None, "steps": 4}, "needs a schedule"),
        ({"schedule": None, "sampler": "euler"}, "steps=None"),
        ({"schedule": LearnableVariancePreserving(3), "steps": 0}, "steps=0"),
    ],
)
def test_what_cannot_be_sampled_is_refused(arguments, sentence):
    with pytest.raises((ValueError, TypeCheckError), match=sentence):
        denoise(known, start=jnp.zeros((2, 3)), key=jr.key(0), **arguments)
