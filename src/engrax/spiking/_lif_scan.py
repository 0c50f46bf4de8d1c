"""The leaky integrate-and-fire recurrence over time, with a backward pass of its own.

Reverse-mode differentiation of a scan stores every intermediate value of every step. Here the
forward pass keeps one array, the membrane potential before the reset; spikes, surrogate
derivatives and the reset follow from it. The backward recurrence is linear in the error, and
gradients of the neuron's own numbers are sums outside of it, which cost nothing if unused.
"""

from functools import partial
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ._surrogate import Surrogate

Reset = Literal["zero", "subtract"]


class Numbers(NamedTuple):
    """What a neuron's arithmetic needs, scalars or (n,)."""

    decay: Array
    gain: Array
    threshold: Array
    size: Array


class Rule(NamedTuple):
    """The variant of the recurrence; hashable."""

    reset: Reset
    delayed: bool
    detach_reset: bool
    surrogate: Surrogate
    """Without its arrays, which travel beside it."""


def like(number: Array, x: Array) -> Array:
    """A scalar or (n,) number in the shape of x (..., n)."""
    return jnp.broadcast_to(number, x.shape)


def charge(numbers: Numbers, rule: Rule, state: Array, current: Array) -> Array:
    """The membrane potential before the spike is taken off."""
    u = like(numbers.decay, state) * state + like(numbers.gain, current) * current
    if not rule.delayed:
        return u
    return u - like(numbers.size, state) * fired(numbers, state)


def fired(numbers: Numbers, u: Array) -> Array:
    """Spikes, 0 or 1."""
    return (u >= like(numbers.threshold, u)).astype(u.dtype)


def after(numbers: Numbers, rule: Rule, u: Array, spikes: Array) -> Array:
    """The state after the spikes; with a delayed reset the next `charge` takes them off."""
    if rule.delayed:
        return u
    if rule.reset == "zero":
        return u * (1 - spikes)
    return u - like(numbers.size, u) * spikes


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def unroll(
    rule: Rule, surrogate: Surrogate, numbers: Numbers, state: Array, currents: Array
) -> tuple[Array, Array]:
    """The last state, and the spikes of every step; `surrogate` holds the arrays of the rule's."""

    def step(state: Array, current: Array) -> tuple[Array, Array]:
        u = charge(numbers, rule, state, current)
        spikes = fired(numbers, u)
        return after(numbers, rule, u, spikes), spikes

    return lax.scan(step, state, currents)


def potentials(rule: Rule, numbers: Numbers, state: Array, currents: Array) -> tuple[Array, Array]:
    """The last state, and the potential before the reset at every step."""

    def step(state: Array, current: Array) -> tuple[Array, Array]:
        u = charge(numbers, rule, state, current)
        return after(numbers, rule, u, fired(numbers, u)), u

    return lax.scan(step, state, currents)


def _forward(rule: Rule, surrogate: Surrogate, numbers: Numbers, state: Array, currents: Array):
    last, u = potentials(rule, numbers, state, currents)
    return (last, fired(numbers, u)), (surrogate, numbers, state, currents, u)


def _backward(rule: Rule, residuals: tuple, errors: tuple[Array, Array]):
    surrogate, numbers, start, currents, u = residuals
    last_error, spike_errors = errors
    derivative = eqx.combine(surrogate, rule.surrogate).derivative

    def slope(u: Array) -> Array:
        return derivative(u - like(numbers.threshold, u))

    if rule.delayed and not rule.detach_reset:
        start_error, du = _delayed(numbers, slope, last_error, spike_errors, start, u)
    else:
        start_error, du = _immediate(numbers, rule, slope, last_error, spike_errors, u)
    moved = _numbers_error(numbers, rule, slope, last_error, spike_errors, start, currents, u, du)
    no_error = jax.tree.map(jnp.zeros_like, surrogate)
    return no_error, moved, start_error, like(numbers.gain, du) * du


unroll.defvjp(_forward, _backward)


def _kept(numbers: Numbers, rule: Rule, slope, u: Array) -> Array | None:
    """`d state / d u` at one step; None where it is 1."""
    if rule.reset == "zero":
        kept = 1 - fired(numbers, u)
        return kept if rule.detach_reset else kept - u * slope(u)
    if rule.detach_reset or rule.delayed:
        return None
    return 1 - like(numbers.size, u) * slope(u)


def _immediate(numbers: Numbers, rule: Rule, slope, last_error, spike_errors, u):
    def step(error: Array, seen: tuple[Array, Array]) -> tuple[Array, Array]:
        spike_error, u = seen
        kept = _kept(numbers, rule, slope, u)
        du = spike_error * slope(u) + (error if kept is None else kept * error)
        return like(numbers.decay, du) * du, du

    return lax.scan(step, last_error, (spike_errors, u), reverse=True)


def _delayed(numbers: Numbers, slope, last_error, spike_errors, start, u):
    """A delayed reset that is differentiated: a spike also moves the next step's potential."""

    def step(carry: tuple[Array, Array], seen: tuple[Array, Array]):
        error, later = carry
        spike_error, u = seen
        du = (spike_error - like(numbers.size, u) * later) * slope(u) + error
        return (like(numbers.decay, du) * du, du), du

    carry = (last_error, jnp.zeros_like(last_error))
    (error, first), du = lax.scan(step, carry, (spike_errors, u), reverse=True)
    return error - like(numbers.size, start) * slope(start) * first, du


def _numbers_error(
    numbers: Numbers, rule: Rule, slope, last_error, spike_errors, start, currents, u, du
) -> Numbers:
    """Gradients of decay, gain, threshold and spike size: sums over steps and examples."""
    spikes = fired(numbers, u)
    before = jnp.concatenate([start[None], after(numbers, rule, u, spikes)[:-1]])
    later = jnp.concatenate([du[1:], jnp.zeros_like(du[:1])])
    ends = jnp.concatenate([jnp.zeros_like(du[:-1]), last_error[None]])
    state_errors = like(numbers.decay, du) * later + ends
    # What taking the spike off costs: at once through the state, or through the next potential.
    taken = later if rule.delayed else state_errors
    by_reset = u if rule.reset == "zero" else like(numbers.size, u)
    through = spike_errors if rule.detach_reset else spike_errors - by_reset * taken
    size = jnp.zeros_like(u) if rule.reset == "zero" else -spikes * taken
    threshold = -through * slope(u)
    if rule.delayed:  # the spike that the first step takes off is the one of the state it got
        first = fired(numbers, start) * du[0]
        size = size.at[0].add(-first)
        if not rule.detach_reset:
            threshold = threshold.at[0].add(like(numbers.size, start) * slope(start) * du[0])
    return Numbers(
        _summed(du * before, numbers.decay),
        _summed(du * currents, numbers.gain),
        _summed(threshold, numbers.threshold),
        _summed(size, numbers.size),
    )


def _summed(values: Array, number: Array) -> Array:
    """Summed over what `like` spread the number over."""
    return values.reshape(-1, *number.shape[-1:]).sum(0) if number.ndim else values.sum()
