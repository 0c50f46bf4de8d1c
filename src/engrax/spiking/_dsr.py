"""Differentiation on spike representation: gradients of firing rates, not of spikes."""

import math
from functools import partial
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from . import _lif_scan as scan
from ._lif_scan import Numbers, Rule
from ._surrogate import sigmoid_surrogate

# The recurrence has a backward pass of its own here, so the rule's surrogate plays no part.
_RULE = Rule("subtract", False, True, sigmoid_surrogate())


def rate_weights(steps: int, dt: float = 0.05, tau: float = 1.0) -> Float[Array, " steps"]:
    """w_i proportional to exp(-(T - i) dt / tau), i = 1..T, with sum 1."""
    weights = jnp.exp(-dt / tau * jnp.arange(steps - 1, -1, -1, dtype=jnp.float32))
    return weights / weights.sum()


def weighted_rate(
    z: Float[Array, "time *n"], *, dt: float = 0.05, tau: float = 1.0
) -> Float[Array, "*n"]:
    """sum_i w_i z[i]: the rate that the membrane of a leaky neuron sees (Meng et al. 2022)."""
    return jnp.tensordot(rate_weights(z.shape[0], dt, tau).astype(z.dtype), z, axes=1)


@final
class DSRLIF(eqx.Module):
    """A LIF layer trained through its weighted firing rate (DSR, Meng et al., CVPR 2022).

    With b = exp(-dt / tau) and threshold V (one trainable number a layer):

        u = b u + (1 - b) I[t];   s = V if u >= alpha V else 0;   u = u - s;   o[t] = s / dt

    The rate of o is nearly that of I, clipped to [0, V tau / dt], and this is what the backward
    pass differentiates: with g = T weighted_rate(dL/do),

        dL/dI[t] = g / (tau T) where 0 < weighted_rate(I) < V tau / dt, the same for every t
        dL/dV    = dt sum(g where weighted_rate(I) > V tau / dt)

    **Fields:** `threshold` V, used as at least `floor` (the gradient is straight through);
    `steps` T; `dt`, `tau`: time step and time constant, in the same unit; `alpha`.
    Raises ValueError for times that are not positive, dt > tau, alpha outside (0, 1], steps < 1.
    """

    threshold: Float[Array, ""]
    steps: int = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    tau: float = eqx.field(static=True)
    alpha: float = eqx.field(static=True)
    floor: float = eqx.field(static=True)

    def __init__(
        self,
        steps: int = 20,
        dt: float = 0.05,
        tau: float = 1.0,
        alpha: float = 0.3,
        *,
        threshold: float | Float[Array, ""] = 0.3,
        floor: float = 0.0005,
    ):
        if steps < 1:
            raise ValueError(f"DSRLIF got steps={steps}; expected 1 or more steps of time.")
        if not 0 < dt <= tau:
            raise ValueError(
                f"DSRLIF got dt={dt} and tau={tau}; expected 0 < dt <= tau, both in the same unit "
                "(milliseconds or seconds)."
            )
        if not 0 < alpha <= 1:
            raise ValueError(f"DSRLIF got alpha={alpha}; expected a share of V in (0, 1].")
        self.threshold = jnp.asarray(threshold, jnp.float32)
        self.steps, self.dt, self.tau = steps, dt, tau
        self.alpha, self.floor = alpha, floor

    def init_state(self, shape: tuple[int, ...]) -> Float[Array, "*n"]:
        """Membranes at rest."""
        return jnp.zeros(shape)

    def step(
        self, state: Float[Array, "*n"], current: Float[Array, "*n"]
    ) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
        """One step of time: the next state, and the output o, 0 or V / dt. Not differentiable."""
        numbers = self._numbers(self.threshold)
        u = scan.charge(numbers, _RULE, state, current)
        spikes = scan.fired(numbers, u)
        state = scan.after(numbers, _RULE, u, spikes)
        return jax.lax.stop_gradient((state, spikes * numbers.size / self.dt))

    def run(self, currents: Float[Array, "time *n"]) -> Float[Array, "time *n"]:
        """The output o of all `steps` steps, from rest, with the backward pass above.

        Raises ValueError if the currents do not have `steps` steps.
        """
        if currents.shape[0] != self.steps:
            raise ValueError(
                f"DSRLIF of {self.steps} steps got currents of {currents.shape[0]} steps; the "
                "leading axis is time, in steps."
            )
        arrays, plain = eqx.partition(self, eqx.is_array)
        return _run(plain, arrays.threshold, currents)

    def rate(self, value: Float[Array, "*n"], currents: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """`value`, with the backward pass above between rates: the fast way to train a network.

        All dL/dI[t] are alike, so a network's gradient needs one matrix product a layer where
        differentiating `run` needs T. `value` is a rate of the outputs o, `currents` the weighted
        rate of the currents that made them. An error g that arrives here is T times the weighted
        rate of dL/do; what leaves is the sum over t of dL/dI[t].
        """
        plain = eqx.filter(self, eqx.is_array, inverse=True)
        return _rate(plain, self.threshold, jax.lax.stop_gradient(value), currents)

    def _numbers(self, threshold: Array) -> Numbers:
        kept = math.exp(-self.dt / self.tau)
        v = jnp.maximum(threshold, self.floor)
        return Numbers(jnp.float32(kept), jnp.float32(1 - kept), self.alpha * v, v)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(neuron: DSRLIF, threshold: Array, currents: Array) -> Array:
    numbers = neuron._numbers(threshold)
    start = neuron.init_state(currents.shape[1:])
    _, u = scan.potentials(_RULE, numbers, start, currents)
    return scan.fired(numbers, u) * (numbers.size / neuron.dt)


def _run_forward(neuron: DSRLIF, threshold: Array, currents: Array):
    rate = weighted_rate(currents, dt=neuron.dt, tau=neuron.tau)
    return _run(neuron, threshold, currents), (threshold, rate)


def _run_backward(neuron: DSRLIF, residuals: tuple[Array, Array], error: Array):
    threshold, rate = residuals
    g = neuron.steps * weighted_rate(error, dt=neuron.dt, tau=neuron.tau)
    threshold_error, rate_error = _clipped(neuron, threshold, rate, g)
    rows = jnp.broadcast_to(rate_error / neuron.steps, error.shape)
    return threshold_error, rows


_run.defvjp(_run_forward, _run_backward)


def _clipped(neuron: DSRLIF, threshold: Array, rate: Array, g: Array) -> tuple[Array, Array]:
    """Errors of V and of the current's rate for an error g of the output's rate."""
    top = jnp.maximum(threshold, neuron.floor) * (neuron.tau / neuron.dt)
    inside = (rate > 0) & (rate < top)
    threshold_error = neuron.dt * jnp.where(rate > top, g, 0).sum()
    return threshold_error, jnp.where(inside, g / neuron.tau, 0)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _rate(neuron: DSRLIF, threshold: Array, value: Array, currents: Array) -> Array:
    return value


def _rate_forward(neuron: DSRLIF, threshold: Array, value: Array, currents: Array):
    return value, (threshold, currents)


def _rate_backward(neuron: DSRLIF, residuals: tuple[Array, Array], error: Array):
    threshold_error, rate_error = _clipped(neuron, *residuals, error)
    return threshold_error, jnp.zeros_like(error), rate_error


_rate.defvjp(_rate_forward, _rate_backward)
