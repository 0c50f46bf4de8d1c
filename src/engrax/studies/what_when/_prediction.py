"""The prediction object: what comes, when, and how probably; and how wrong it is."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


def prediction(
    what: Float[Array, "*conditions k"], when: Float[Array, "*conditions time k"]
) -> Float[Array, "*conditions time k"]:
    """P_k(t) = y_k z_k(t): the height is a probability, the place a time."""
    return what[..., None, :] * when


class Errors(NamedTuple):
    """Root mean squares over time and channels: in the target's own, and absolute."""

    relative: Float[Array, "*conditions"]
    absolute: Float[Array, "*conditions"]


def errors(
    found: Float[Array, "*conditions time k"], target: Float[Array, "*conditions time k"]
) -> Errors:
    """How far a trace is from its target; E for P against p b, Ez for z against b."""
    absolute = jnp.sqrt(jnp.mean((found - target) ** 2, axis=(-2, -1)))
    return Errors(absolute / jnp.sqrt(jnp.mean(target**2, axis=(-2, -1))), absolute)


class Beta(NamedTuple):
    """Parameters of a Beta distribution over a probability."""

    alpha: Float[Array, "*k"]
    beta: Float[Array, "*k"]


def beta_confidence(what: Float[Array, "*k"], rate: float) -> Beta:
    """How sure the "what" readout may be: Beta(1 + n y, 1 + n (1 - y)), n = 1/rate.

    An exponential average over outcomes weighs about 1/rate of them. Outputs outside [0, 1] count
    as its ends.
    """
    y = jnp.clip(what, 0.0, 1.0)
    return Beta(1 + y / rate, 1 + (1 - y) / rate)


def peak_time(
    trace: Float[Array, "*conditions time k"], time: Float[Array, " time"]
) -> Float[Array, "*conditions k"]:
    """When each channel is highest, in the unit of `time`."""
    return time[trace.argmax(-2)]


def time_locked_amplitude(
    trace: Float[Array, "*conditions time k"],
    time: Float[Array, " time"],
    latency: Float[Array, "*conditions k"],
    margin: float = 100.0,
) -> Float[Array, "*conditions k"]:
    """The highest value of each channel within `margin` ms of its latency."""
    at = jnp.broadcast_to(time[:, None], trace.shape)
    near = jnp.abs(at - latency[..., None, :]) <= margin
    return jnp.where(near, trace, -jnp.inf).max(-2)
