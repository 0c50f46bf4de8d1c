"""The leaky integrate-and-fire neuron, in the variants that the field uses."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from . import _lif_scan as scan
from ._lif_scan import Numbers, Reset, Rule
from ._surrogate import Surrogate, sigmoid_surrogate

Number = float | Float[Array, ""] | Float[Array, " n"]


@final
class LIF(eqx.Module):
    """A layer of leaky integrate-and-fire neurons; each step takes one current, gives one spike.

        u[t] = decay v[t-1] + input_gain I[t],   s[t] = 1 if u[t] >= threshold else 0
        v[t] = u[t] (1 - s[t])  (reset "zero")   or   u[t] - spike_size s[t]  (reset "subtract")

    All numbers are per step: a membrane time constant enters as `decay`, for example through
    `membrane_decay`. The papers' variants: `LIF(1 - 1/tau)` (OTTT; BPTT); `LIF(1 - 1/tau, 1/tau,
    0.5, reset="zero")` (decaying input); `LIF(b, 1 - b, alpha V, spike_size=V)` (forward pass of
    DSR). SpikingJelly's node with `decay_input=False` is the first, and snnTorch's `Leaky(beta)`
    is `LIF(beta, delayed=True, detach_reset=True)`. At a tie, u = threshold, these neurons fire;
    snnTorch's do not.

    **Fields:** `decay`, `input_gain`, `threshold`, `spike_size`: scalars or one number a neuron,
    as float32 arrays. `spike_size` is what "subtract" takes off, the threshold if None.
    `surrogate`: the derivative of a spike. `detach_reset`: differentiation does not see that
    spikes reset. `delayed`: "subtract" takes the spike off one step later, after the leak:
    `u[t] = decay u[t-1] + input_gain I[t] - spike_size s[t-1]`; the state is then u. With "zero"
    this changes nothing.

    Raises ValueError for a decay outside [0, 1] or a threshold that is not positive, where these
    are plain numbers.
    """

    decay: Array
    input_gain: Array
    threshold: Array
    spike_size: Array | None
    surrogate: Surrogate
    reset: Reset = eqx.field(static=True)
    detach_reset: bool = eqx.field(static=True)
    delayed: bool = eqx.field(static=True)

    def __init__(
        self,
        decay: Number,
        input_gain: Number = 1.0,
        threshold: Number = 1.0,
        *,
        reset: Reset = "subtract",
        spike_size: Number | None = None,
        surrogate: Surrogate | None = None,
        detach_reset: bool = False,
        delayed: bool = False,
    ):
        if reset not in ("zero", "subtract"):
            raise ValueError(f'LIF got reset={reset!r}; expected "zero" or "subtract".')
        if isinstance(decay, int | float) and not 0 <= decay <= 1:
            raise ValueError(
                f"LIF got decay={decay}, which is what is left of the potential after one step "
                "and lies in [0, 1]; from a time constant and a time step take membrane_decay."
            )
        if isinstance(threshold, int | float) and not threshold > 0:
            raise ValueError(f"LIF got threshold={threshold}; expected a positive number.")
        self.decay, self.input_gain, self.threshold = (
            jnp.asarray(number, jnp.float32) for number in (decay, input_gain, threshold)
        )
        self.spike_size = None if spike_size is None else jnp.asarray(spike_size, jnp.float32)
        self.surrogate = sigmoid_surrogate() if surrogate is None else surrogate
        self.reset = reset
        self.detach_reset = detach_reset
        self.delayed = delayed

    def init_state(self, shape: tuple[int, ...]) -> Float[Array, "*n"]:
        """Membranes at rest."""
        return jnp.zeros(shape)

    def step(
        self, state: Float[Array, "*n"], current: Float[Array, "*n"]
    ) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
        """One step of time: the next state, and the spikes."""
        self._check(current.shape)
        size = scan.like(self._numbers.size, state)
        threshold = scan.like(self.threshold, state)

        def taken(u: Array) -> Array:
            spikes = self.surrogate(u - threshold)
            return jax.lax.stop_gradient(spikes) if self.detach_reset else spikes

        u = scan.like(self.decay, state) * state + scan.like(self.input_gain, current) * current
        if self._rule.delayed:
            u = u - size * taken(state)
            return u, self.surrogate(u - threshold)
        reset = u * (1 - taken(u)) if self.reset == "zero" else u - size * taken(u)
        return reset, self.surrogate(u - threshold)

    def run(self, currents: Float[Array, "time *n"]) -> Float[Array, "time *n"]:
        """The spikes of a whole stretch of time, from rest."""
        return self.unroll(self.init_state(currents.shape[1:]), currents)[1]

    def unroll(
        self, state: Float[Array, "*n"], currents: Float[Array, "time *n"]
    ) -> tuple[Float[Array, "*n"], Float[Array, "time *n"]]:
        """As many steps as there are currents: the last state, and all spikes.

        Equal to `step` in a scan, values and gradients, and much faster to differentiate.
        """
        self._check(currents.shape)
        arrays, _ = eqx.partition(self.surrogate, eqx.is_array)
        return scan.unroll(self._rule, arrays, self._numbers, state, currents)

    def potentials(self, currents: Float[Array, "time *n"]) -> Float[Array, "time *n"]:
        """Membrane potentials u, before the reset, from rest; for plots and for local rules."""
        self._check(currents.shape)
        start = self.init_state(currents.shape[1:])
        return scan.potentials(self._rule, self._numbers, start, currents)[1]

    def instantaneous(self, currents: Float[Array, "time *n"]) -> Float[Array, "time *n"]:
        """`run`, but differentiation sees each spike depend on the current of its own step only.

        The membrane is detached between steps, as online rules ask for (OTTT, Xiao et al. 2022,
        Eq. 5): `ds[t]/dI[t] = input_gain surrogate'(u[t] - threshold)`, and nothing across time.
        """
        u = jax.lax.stop_gradient(self.potentials(jax.lax.stop_gradient(currents)))
        gain = scan.like(self.input_gain, currents)
        u = u + gain * (currents - jax.lax.stop_gradient(currents))
        return self.surrogate(u - scan.like(self.threshold, u))

    @property
    def _numbers(self) -> Numbers:
        size = self.threshold if self.spike_size is None else self.spike_size
        return Numbers(self.decay, self.input_gain, self.threshold, size)

    @property
    def _rule(self) -> Rule:
        _, plain = eqx.partition(self.surrogate, eqx.is_array)
        delayed = self.delayed and self.reset == "subtract"
        return Rule(self.reset, delayed, self.detach_reset, plain)

    def _check(self, shape: tuple[int, ...]) -> None:
        for number in self._numbers:
            if number.ndim and number.shape != shape[-1:]:
                raise ValueError(
                    f"a LIF layer of {number.shape[0]} neurons got currents of shape {shape}; "
                    "the last axis must be the neurons."
                )


def membrane_decay(tau: Number, dt: Number) -> Array:
    """exp(-dt / tau): what is left after a step of `dt`; both in the same unit of time.

    Raises ValueError if either is not positive, or if dt > tau: the potential would then forget
    its input within a step, which mostly means that the units differ (milliseconds, seconds).
    """
    for name, value in (("tau", tau), ("dt", dt)):
        if isinstance(value, int | float) and not value > 0:
            raise ValueError(f"membrane_decay got {name}={value}; expected a positive time.")
    if isinstance(tau, int | float) and isinstance(dt, int | float) and dt > tau:
        raise ValueError(
            f"membrane_decay got a step of dt={dt} above the time constant tau={tau}; give both in "
            "the same unit (milliseconds or seconds), with dt the smaller."
        )
    return jnp.exp(-jnp.asarray(dt, jnp.float32) / jnp.asarray(tau, jnp.float32))
