"""Izhikevich neurons: two variables, and most firing patterns of the cortex."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num

PEAK = 30.0
"""Where a dimensionless neuron has spiked (mV)."""


class Izhikevich(eqx.Module):
    """The dimensionless form (Izhikevich 2003, "Simple model of spiking neurons").

        v' = 0.04 v^2 + 5 v + 140 - u + I        u' = a (b v - u)
        where v >= 30:  v <- c,  u <- u + d

    Within a step of `dt` ms, v moves in `substeps` Euler steps and is kept within [-100, 40] mV,
    then u moves once, then spikes are found: the scheme of the paper's own program (1 ms, two
    halves). The state is one array (2, *shape): v and u.

        cell = Izhikevich.regular_spiking()
        spikes = cell.run(jnp.full((1000, 1), 10.0))       # 1 s at I = 10

    **Fields:** `a` (1/ms), `b`, `c` (mV), `d`: numbers, or one for each neuron.

    **Raises:** `ValueError` where a substep is not in (0, 0.5] ms: beyond, the quadratic blows up.
    """

    a: Float[Array, " *n"]
    b: Float[Array, " *n"]
    c: Float[Array, " *n"]
    d: Float[Array, " *n"]
    dt: float = eqx.field(static=True)
    substeps: int = eqx.field(static=True)

    def __init__(
        self,
        a: Num[Array, " *n"] | float,
        b: Num[Array, " *n"] | float,
        c: Num[Array, " *n"] | float,
        d: Num[Array, " *n"] | float,
        *,
        dt: float = 1.0,
        substeps: int = 2,
    ) -> None:
        """Parameters by the paper's letters; `dt` in ms."""
        if substeps < 1 or not 0 < dt / substeps <= 0.5:
            raise ValueError(
                f"dt={dt} ms in {substeps} substeps is unstable; a substep has to be in "
                "(0, 0.5] ms: give dt in milliseconds, or more substeps."
            )
        self.a, self.b, self.c, self.d = (jnp.asarray(x, jnp.float32) for x in (a, b, c, d))
        self.dt, self.substeps = dt, substeps

    @classmethod
    def regular_spiking(cls, *, dt: float = 1.0, substeps: int = 2) -> "Izhikevich":
        """RS: excitatory, adapts to a slow regular rate."""
        return cls(0.02, 0.2, -65.0, 8.0, dt=dt, substeps=substeps)

    @classmethod
    def fast_spiking(cls, *, dt: float = 1.0, substeps: int = 2) -> "Izhikevich":
        """FS: inhibitory, fires fast and hardly adapts."""
        return cls(0.1, 0.2, -65.0, 2.0, dt=dt, substeps=substeps)

    @classmethod
    def chattering(cls, *, dt: float = 1.0, substeps: int = 2) -> "Izhikevich":
        """CH: excitatory, fires in bursts."""
        return cls(0.02, 0.2, -50.0, 2.0, dt=dt, substeps=substeps)

    @classmethod
    def low_threshold(cls, *, dt: float = 1.0, substeps: int = 2) -> "Izhikevich":
        """LTS: inhibitory, fires at weaker currents, and adapts."""
        return cls(0.02, 0.25, -65.0, 2.0, dt=dt, substeps=substeps)

    def init_state(self, shape: tuple[int, ...] = ()) -> Float[Array, "2 *shape"]:
        """At v = -65 mV, u = b v."""
        v = jnp.full(shape, -65.0)
        return jnp.stack([v, self.b * v])

    def step(
        self, state: Float[Array, "2 *n"], current: Float[Array, "*n"]
    ) -> tuple[Float[Array, "2 *n"], Bool[Array, "*n"]]:
        """One step of `dt`: the new state, and who spiked."""
        v, u = state
        h = self.dt / self.substeps
        for _ in range(self.substeps):
            v = jnp.clip(v + h * (0.04 * v * v + 5 * v + 140 - u + current), -100.0, 40.0)
        u = u + self.dt * self.a * (self.b * v - u)
        spikes = v >= PEAK
        v, u = jnp.where(spikes, self.c, v), jnp.where(spikes, u + self.d, u)
        return jnp.stack([v, u]), spikes

    def run(self, currents: Float[Array, "time *n"]) -> Bool[Array, "time *n"]:
        """Spikes under a current for each step, from the initial state."""
        state = self.init_state(currents.shape[1:])
        return jax.lax.scan(lambda s, i: self.step(s, i), state, currents)[1]


class DimensionalIzhikevich(eqx.Module):
    """The form with units (Izhikevich 2007), as in Nicola and Clopath (2017).

        C v' = k (v - v_rest)(v - v_threshold) - u + I      u' = a (b (v - v_rest) - u)
        where v >= v_peak:  v <- v_reset,  u <- u + d

    Forward Euler with step `dt`. The defaults are those of the FORCE-trained networks, whose
    threshold without adaptation is a current near 1000 pA; the state is one array (2, *shape).

    **Fields:** capacitance `c` (pF), `k` (nS/mV), voltages (mV), `a` (1/ms), `b` (nS), `d` (pA).

    **Raises:** `ValueError` where `dt` is not in (0, 0.1] ms.
    """

    c: float = eqx.field(default=250.0, static=True)
    k: float = eqx.field(default=2.5, static=True)
    v_rest: float = eqx.field(default=-60.0, static=True)
    v_threshold: float = eqx.field(default=-40.0, static=True)
    v_peak: float = eqx.field(default=30.0, static=True)
    v_reset: float = eqx.field(default=-65.0, static=True)
    a: float = eqx.field(default=0.002, static=True)
    b: float = eqx.field(default=0.0, static=True)
    d: float = eqx.field(default=100.0, static=True)
    dt: float = eqx.field(default=0.04, static=True)

    def __check_init__(self) -> None:
        if not 0 < self.dt <= 0.1:
            raise ValueError(
                f"dt={self.dt} ms is unstable for the dimensional form; give a step in (0, 0.1] ms."
            )

    def init_state(self, shape: tuple[int, ...] = ()) -> Float[Array, "2 *shape"]:
        """At rest: v = v_rest, u = 0."""
        return jnp.stack([jnp.full(shape, self.v_rest), jnp.zeros(shape)])

    def step(
        self, state: Float[Array, "2 *n"], current: Float[Array, "*n"]
    ) -> tuple[Float[Array, "2 *n"], Bool[Array, "*n"]]:
        """One step of `dt`: the new state, and who spiked."""
        v, u = state
        slope = self.k * (v - self.v_rest) * (v - self.v_threshold) - u + current
        u = u + self.dt * self.a * (self.b * (v - self.v_rest) - u)
        v = v + self.dt * slope / self.c
        spikes = v >= self.v_peak
        v, u = jnp.where(spikes, self.v_reset, v), jnp.where(spikes, u + self.d, u)
        return jnp.stack([v, u]), spikes

    def run(self, currents: Float[Array, "time *n"]) -> Bool[Array, "time *n"]:
        """Spikes under a current for each step, from rest."""
        state = self.init_state(currents.shape[1:])
        return jax.lax.scan(lambda s, i: self.step(s, i), state, currents)[1]
