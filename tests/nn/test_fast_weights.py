"""The memory that forgets slot by slot, against the sum that defines it."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import head_decays
from engrax.nn._fast_weights import LOG_FORGOTTEN, Reading, read_and_write

HEADS, SIZE, D = 2, 6, 3


def text(time, paces, strongest):
    keys = jr.split(jr.key(time), 4)
    log_keep = strongest * jr.uniform(keys[3], (paces, time, D)) ** 3
    return Reading(
        jr.normal(keys[0], (HEADS, time, SIZE)),
        jr.normal(keys[1], (HEADS, time, SIZE)),
        jr.normal(keys[2], (time, D)),
        log_keep,
    )


def slow(it, rho):
    """Token by token, in float64."""
    q, k, v, log_keep = (np.asarray(z, np.float64) for z in it[:4])
    keep = np.exp(np.broadcast_to(log_keep, (HEADS, *v.shape)))
    rho, read = np.asarray(rho, np.float64), []
    for t in range(len(v)):
        read.append(np.einsum("hn,hnd->hd", q[:, t], rho))
        rho = keep[:, t, None] * rho + k[:, t, :, None] * v[t]
    return np.stack(read, 1), rho


@pytest.mark.parametrize("paces", [1, HEADS])
@pytest.mark.parametrize("time", [1, 2, 8, 9, 37])
@pytest.mark.parametrize("strongest", [-0.1, LOG_FORGOTTEN])
def test_every_slot_forgets_at_its_own_pace(time, paces, strongest):
    it = text(time, paces, strongest)
    start = jr.normal(jr.key(1), (HEADS, SIZE, D))
    read, rho = read_and_write(it, start, piece=64)
    expected, after = slow(it, start)
    # Float32: exponents up to 64 have errors of 64 x 6e-8, sums of 37 terms of size about 3.
    np.testing.assert_allclose(read, expected, atol=5e-4)
    np.testing.assert_allclose(rho, after, atol=5e-4)


def test_the_gradient_is_finite_where_all_is_forgotten():
    it = text(37, 1, LOG_FORGOTTEN)
    it = it._replace(log_keep=jnp.full_like(it.log_keep, LOG_FORGOTTEN))
    total = lambda log_keep, v: read_and_write(it._replace(log_keep=log_keep, v=v), piece=64)[
        0
    ].sum()
    for gradient in jax.grad(total, (0, 1))(it.log_keep, it.v):
        assert jnp.isfinite(gradient).all()


def test_heads_forget_within_a_sixteenth_to_the_whole_of_the_memory():
    slowest, *_, fastest = spans = [-1 / np.log(d) for d in head_decays(4, 100.0)]
    np.testing.assert_allclose([slowest, fastest], [100, 100 / 16], rtol=1e-9)
    np.testing.assert_allclose(np.divide(spans[1:], spans[:-1]), 16 ** (-1 / 3), rtol=1e-9)
    assert head_decays(1, 100.0) == (float(np.exp(-0.01)),)
