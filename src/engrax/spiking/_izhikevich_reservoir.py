"""A fixed recurrent network of Izhikevich neurons of many types."""

import math
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from engrax.core import named

from ._izhikevich import Izhikevich

SYNAPSE, TRACE, SCALE = 10.0, 30.0, 10.0
"""Time constants of synapses and of filtered rates (ms), and the scale of the latter."""
SHORTEST, LONGEST = 20.0, 800.0
"""The time constants of input currents lie between these (ms)."""


class Response(NamedTuple):
    """What a reservoir does: filtered `rates` and `spikes`, both (time, n)."""

    rates: Float[Array, "time n"]
    spikes: Bool[Array, "time n"]


class IzhikevichReservoir(eqx.Module):
    """Excitatory and inhibitory Izhikevich neurons with fixed weights that obey Dale's law.

        I = bias + A_cue q win + s + A_ev (W_ev e) + A_fb (Q z) + sigma xi
        s <- s exp(-dt/10) + g W f                 f: who spiked; 10 ms synapses
        q <- q + dt (cue sqrt(50/tau)/20 - q/tau)  tau log-uniform in 20 .. 800 ms, one a neuron
        r <- r exp(-dt/30) + 10/dt (1 - exp(-dt/30)) f    filtered rate, 30 ms

    A cue is held by inputs that fade at very different rates, and recurrence makes of them a
    trajectory that tells time. Weights are |N(0, 1)| with probability p, times -4 where the sender
    is inhibitory, over sqrt(p n), without autapses. The state is one array (5, n): v, u, s, q, r.

        reservoir = IzhikevichReservoir(500, key=jr.key(0))
        rates, spikes = reservoir.run(cue[:, None])        # one row a step of dt

    A response to the same input from the same state is the same every time, so where neither
    events, feedback nor noise come in, one `run` serves all trials.

    **Fields:** `outgoing[i, j]`, the weight from neuron i to neuron j; `recurrence`: "events" adds
    the rows of those who spiked, one by one (fast where few spike and one network is run at a
    time), "dense" multiplies the matrix (fast where many are run by `vmap`).
    """

    cell: Izhikevich
    outgoing: Float[Array, "n n"]
    bias: Float[Array, " n"]
    cue_weight: Float[Array, " n"]
    cue_tau: Float[Array, " n"]
    event_weight: Float[Array, "n k"]
    feedback_weight: Float[Array, "n k"]
    g: Float[Array, ""]
    cue_gain: Float[Array, ""]
    event_gain: Float[Array, ""]
    feedback_gain: Float[Array, ""]
    noise: Float[Array, ""]
    recurrence: Literal["events", "dense"] = eqx.field(static=True)

    def __init__(
        self,
        n: int,
        *,
        types: Izhikevich | None = None,
        g: float | Float[Array, ""] = 6.0,
        p: float = 0.1,
        dt: float = 1.0,
        excitatory: float = 0.8,
        channels: int = 2,
        cue_gain: float | Float[Array, ""] = 8.0,
        event_gain: float | Float[Array, ""] = 0.0,
        feedback_gain: float | Float[Array, ""] = 0.0,
        noise: float | Float[Array, ""] = 0.0,
        recurrence: Literal["events", "dense"] = "events",
        key: Key[Array, ""],
    ) -> None:
        """A network of `n` neurons.

        **Arguments:** `types`: the cells; heterogeneous ones if `None`. `g`, `*_gain`, `noise`:
        strength of recurrence, cue, events, feedback and current noise (at 1 ms). `p`: probability
        of a connection. `channels`: number of events, and of readouts that feed back.

        **Raises:** `ValueError` where n, p or the share of excitatory neurons make no sense.
        """
        if n < 2 or not 0 < p <= 1 or not 0 <= excitatory <= 1:
            raise ValueError(
                f"n={n}, p={p}, excitatory={excitatory} make no network; give n >= 2, p in (0, 1] "
                "and a share of excitatory neurons in [0, 1]."
            )
        positive = jnp.arange(n) < round(excitatory * n)
        self.cell = types or heterogeneous(positive, dt=dt, key=named(key, "types"))
        self.outgoing = _recurrent(positive, p, named(key, "recurrent"))
        self.bias = jr.uniform(named(key, "bias"), (n,), minval=1.0, maxval=3.5)
        sign = jnp.where(jr.bernoulli(named(key, "cue_sign"), 0.8, (n,)), 1.0, -1.0)
        self.cue_weight = jnp.abs(jr.normal(named(key, "cue_weight"), (n,))) * sign
        low, high = math.log(SHORTEST), math.log(LONGEST)
        self.cue_tau = jnp.exp(jr.uniform(named(key, "cue_tau"), (n,), minval=low, maxval=high))
        self.event_weight = jr.normal(named(key, "events"), (n, channels))
        self.feedback_weight = jr.uniform(named(key, "feedback"), (n, channels), minval=-1.0)
        gains = (g, cue_gain, event_gain, feedback_gain, noise)
        self.g, self.cue_gain, self.event_gain, self.feedback_gain, self.noise = (
            jnp.asarray(x, jnp.float32) for x in gains
        )
        self.recurrence = recurrence

    @property
    def weight(self) -> Float[Array, "n n"]:
        """The recurrent matrix as (to, from), without the gain g."""
        return self.outgoing.T

    def init_state(self) -> Float[Array, "5 n"]:
        """V = -65 mV, u = b v, and nothing else going on."""
        cell = self.cell.init_state(self.bias.shape)
        return jnp.concatenate([cell, jnp.zeros((3, self.bias.shape[0]))])

    def rates(self, state: Float[Array, "5 n"]) -> Float[Array, " n"]:
        """The filtered rates that readouts see."""
        return state[4]

    def step(
        self,
        state: Float[Array, "5 n"],
        cue: Float[Array, ""],
        *,
        events: Float[Array, " k"] | None = None,
        feedback: Float[Array, " k"] | None = None,
        noise: Float[Array, " n"] | None = None,
    ) -> tuple[Float[Array, "5 n"], Bool[Array, " n"]]:
        """One step of `cell.dt`: the new state, and who spiked.

        **Arguments:** `events` e, `feedback` z, `noise` xi (standard normal); none where `None`.
        """
        dt = self.cell.dt
        s, q, r = state[2:]
        current = self.bias + self.cue_gain * q * self.cue_weight + s
        if events is not None:
            current = current + self.event_gain * (self.event_weight @ events)
        if feedback is not None:
            current = current + self.feedback_gain * (self.feedback_weight @ feedback)
        if noise is not None:
            current = current + self.noise * noise / math.sqrt(dt)
        cell, spikes = self.cell.step(state[:2], current)
        # What fires together is found in the same order in every program, so bits agree.
        s = s * math.exp(-dt / SYNAPSE) + self.g * self._arriving(spikes)
        q = q + dt * (cue * jnp.sqrt(50 / self.cue_tau) / 20 - q / self.cue_tau)
        keep = math.exp(-dt / TRACE)
        r = r * keep + SCALE / dt * (1 - keep) * spikes.astype(r.dtype)
        return jnp.concatenate([cell, jnp.stack([s, q, r])]), spikes

    def run(
        self, inputs: Float[Array, "time inputs"], *, key: Key[Array, ""] | None = None
    ) -> Response:
        """The open-loop response from the initial state, one row of `inputs` a step of `cell.dt`.

        **Arguments:** `inputs`: the cue, then, if there are more columns, one for each event.
        `key`: for the current noise; without it there is none.

        **Raises:** `ValueError` where the columns are neither 1 nor 1 + channels.
        """
        time, columns = inputs.shape
        n, channels = self.event_weight.shape
        if columns not in (1, 1 + channels):
            raise ValueError(
                f"inputs have {columns} columns; give the cue alone (1), or the cue and "
                f"{channels} events ({1 + channels})."
            )

        def one(state: Array, xs: tuple[Array, Array]) -> tuple[Array, tuple]:
            row, tick = xs
            events = row[1:] if columns > 1 else None
            xi = None if key is None else jr.normal(jr.fold_in(key, tick), (n,))
            state, spikes = self.step(state, row[0], events=events, noise=xi)
            return state, (self.rates(state), spikes)

        ticks = jnp.arange(time, dtype=jnp.int32)
        return Response(*jax.lax.scan(one, self.init_state(), (inputs, ticks))[1])

    def _arriving(self, spikes: Bool[Array, " n"]) -> Float[Array, " n"]:
        if self.recurrence == "dense":
            return spikes.astype(self.outgoing.dtype) @ self.outgoing

        def add(carry: tuple[Array, Array]) -> tuple[Array, Array]:
            left, total = carry
            first = jnp.argmax(left)
            return left.at[first].set(False), total + self.outgoing[first]

        none = jnp.zeros_like(self.bias)
        return jax.lax.while_loop(lambda carry: carry[0].any(), add, (spikes, none))[1]


def heterogeneous(
    excitatory: Bool[Array, " n"], *, dt: float = 1.0, key: Key[Array, ""]
) -> Izhikevich:
    """One cell type a neuron, from r ~ U(0, 1) (Izhikevich 2003, Fig. 3).

    Excitatory cells lie between regular spiking and chattering, inhibitory ones between low
    threshold and fast spiking.
    """
    r = jr.uniform(key, excitatory.shape)
    a = jnp.where(excitatory, 0.02, 0.02 + 0.08 * r)
    b = jnp.where(excitatory, 0.2, 0.25 - 0.05 * r)
    c = jnp.where(excitatory, -65 + 15 * r**2, -65.0)
    d = jnp.where(excitatory, 8 - 6 * r**2, 2.0)
    return Izhikevich(a, b, c, d, dt=dt)


def _recurrent(excitatory: Bool[Array, " n"], p: float, key: Key[Array, ""]) -> Float[Array, "n n"]:
    """Weights (from, to)."""
    n = excitatory.shape[0]
    size_key, there_key = jr.split(key)
    size = jnp.abs(jr.normal(size_key, (n, n))) / math.sqrt(p * n)
    there = jr.bernoulli(there_key, p, (n, n)) & ~jnp.eye(n, dtype=bool)
    sign = jnp.where(excitatory, 1.0, -4.0)[:, None]
    return jnp.where(there, size * sign, 0.0)
