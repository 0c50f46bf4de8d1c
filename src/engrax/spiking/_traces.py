"""Traces: what a synapse remembers of past spikes."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Decay = float | Float[Array, ""] | Float[Array, " n"]


def exponential_trace(
    spikes: Float[Array, "time *n"], decay: Decay, gain: float | Float[Array, ""] = 1.0
) -> Float[Array, "time *n"]:
    """a[t] = decay a[t-1] + gain s[t], from a = 0: `sum_k decay^(t-k) gain s[k]`.

    `decay` is per step; a time constant enters through `membrane_decay(tau, dt)`. OTTT's
    eligibility has decay 1 - 1/tau and gain 1; `gain=1 - decay` makes it a running mean.
    """

    def step(a: Array, s: Array) -> tuple[Array, Array]:
        a = jnp.broadcast_to(decay, s.shape).astype(s.dtype) * a + gain * s
        return a, a

    return lax.scan(step, jnp.zeros_like(spikes[0]), spikes)[1]


def double_exponential_trace(
    spikes: Float[Array, "time *n"], rise: Decay, decay: Decay
) -> Float[Array, "time *n"]:
    """A synapse that opens and closes: r[t] = decay r[t-1] + h[t-1], h[t] = rise h[t-1] + s[t].

    A single spike at step 0 makes r[t] = (decay^t - rise^t) / (decay - rise), the difference of
    two exponentials, zero at first. Both factors are per step; at the peak the difference
    quotient stays finite where they are equal: r[t] = t decay^(t-1).
    """

    def step(carry: tuple[Array, Array], s: Array) -> tuple[tuple[Array, Array], Array]:
        r, h = carry
        r = jnp.broadcast_to(decay, s.shape).astype(s.dtype) * r + h
        h = jnp.broadcast_to(rise, s.shape).astype(s.dtype) * h + s
        return (r, h), r

    rest = jnp.zeros_like(spikes[0])
    return lax.scan(step, (rest, rest), spikes)[1]
