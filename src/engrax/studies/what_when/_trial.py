"""One trial: its stimulus, and what a reservoir and an on-line readout make of it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from engrax.core import named
from engrax.plasticity import DeltaReadout
from engrax.spiking import IzhikevichReservoir
from engrax.tasks import event_bump

from ._config import Config


def time(config: Config) -> Float[Array, " time"]:
    """Each ms of a trial, in ms after the onset of the cue."""
    return jnp.arange(config.trial_ms, dtype=jnp.float32) - config.cue_on


def cue(config: Config) -> Float[Array, " time"]:
    """The cue at each ms: 1 while it is on."""
    ms = np.arange(config.trial_ms)
    return jnp.asarray(((ms >= config.cue_on) & (ms < config.cue_off)).astype(np.float32))


def scored(config: Config) -> slice:
    """The part of a trial that counts: from the onset of the cue to the end."""
    return slice(config.cue_on, config.trial_ms)


def features(config: Config, rates: Float[Array, "time n"]) -> Float[Array, " n"]:
    """What the "what" readout sees: mean rates in a window after the cue."""
    return rates[config.cue_off : config.cue_off + config.what_ms].mean(0)


def network(config: Config, key: Key[Array, ""]) -> IzhikevichReservoir:
    """The reservoir of a run; all arms of a seed have the same one."""
    return IzhikevichReservoir(
        config.neurons, g=config.g, cue_gain=config.cue_gain, dt=config.dt,
        key=named(key, "reservoir"),
    )  # fmt: skip


class Trial(NamedTuple):
    """What a trial leaves behind, one row a ms.

    **Fields:** weights `when` after the trial; its outputs `z` before each update; filtered
    `rates`; number of `spikes` in each ms; potentials `v` (mV).
    """

    when: Float[Array, "k n"]
    z: Float[Array, "time k"]
    rates: Float[Array, "time n"]
    spikes: Float[Array, "time n"]
    v: Float[Array, "time n"]


def present(
    config: Config,
    reservoir: IzhikevichReservoir,
    readout: DeltaReadout,
    when: Float[Array, "k n"],
    *,
    occurs: Float[Array, " k"],
    latency: Float[Array, " k"],
    learn: Bool[Array, ""] | bool,
    noise: Key[Array, ""] | None = None,
) -> Trial:
    """One trial with everything in the loop, each ms: simulate, read out, learn.

    Feedback is the output of the ms before. `occurs` all 0 is a test: a cue, and no event.
    """
    at = time(config)
    target = event_bump(at, latency, config.bump)
    gates = readout.gates(at, occurs, latency) * jnp.float32(learn)
    events = occurs[None] * (
        (at[:, None] >= latency[None]) & (at[:, None] < latency[None] + config.event_ms)
    ).astype(jnp.float32)
    steps, n = round(1 / config.dt), config.neurons

    def one(carry: tuple, xs: tuple) -> tuple[tuple, tuple]:
        state, when, z = carry
        on, event, goal, gate, ms = xs
        fired = jnp.zeros(n)
        for i in range(steps):
            xi = None if noise is None else jr.normal(jr.fold_in(noise, ms * steps + i), (n,))
            state, spikes = reservoir.step(state, on, events=event, feedback=z, noise=xi)
            fired = fired + spikes.astype(fired.dtype)
        rates = reservoir.rates(state)
        z = readout.predict(when, rates)
        when = readout.update(when, rates, goal, gate)
        return (state, when, z), (z, rates, fired, state[0])

    ms = jnp.arange(config.trial_ms, dtype=jnp.int32)
    rows = (cue(config), events, target * jnp.where(occurs > 0, 1.0, 0.0)[None], gates, ms)
    start = (reservoir.init_state(), when, jnp.zeros(readout.k))
    (_, when, _), (z, rates, fired, v) = jax.lax.scan(one, start, rows)
    return Trial(when, z, rates, fired, v)


def response(config: Config, reservoir: IzhikevichReservoir) -> Float[Array, "time n"]:
    """Rates at each ms of the cue-only response, which is the same in every trial."""
    steps = round(1 / config.dt)
    inputs = jnp.repeat(cue(config), steps)[:, None]
    return reservoir.run(inputs).rates[steps - 1 :: steps]
