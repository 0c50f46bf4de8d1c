"""A linear readout that learns by a gated, normalized delta rule."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

MARGIN = 100.0
"""How long after an event the gate "window" stays open (ms)."""


class DeltaReadout(eqx.Module):
    """Weights (k, n) that move by error times trace, where a gate is open.

        dw_k = rate G_k (target_k - w_k . r) r / (eps + |r|^2)

    Three factors: what the neuron did, what this channel got wrong, and whether it attends.
    `when="step"` learns on line, once a step, with eps = 1; `when="trial"` learns once a trial
    from mean features, with eps = 0, so that under features that never change the output is
    exactly an exponential average of the targets.

    `gates` says when a channel attends: `"epoch"` from the cue to the end of the trial, on the
    channel whose event occurs; `"window"` on that channel until 100 ms after its event; `"none"`
    always, on all channels.

        readout = DeltaReadout(500, 2, 0.02)
        weight = readout.init()
        weight = readout.update(weight, rates, target, gate)

    **Raises:** `ValueError` where the sizes are below 1.
    """

    n: int = eqx.field(static=True)
    k: int = eqx.field(static=True)
    rate: Float[Array, ""]
    gate: Literal["epoch", "window", "none"] = eqx.field(static=True)
    when: Literal["step", "trial"] = eqx.field(static=True)

    def __init__(
        self,
        n: int,
        k: int,
        rate: float | Float[Array, ""],
        *,
        gate: Literal["epoch", "window", "none"] = "epoch",
        when: Literal["step", "trial"] = "step",
    ) -> None:
        """For `n` features and `k` channels, learning at `rate`."""
        if n < 1 or k < 1:
            raise ValueError(f"a readout needs features and channels, got n={n}, k={k}; give >= 1.")
        if gate not in ("epoch", "window", "none") or when not in ("step", "trial"):
            raise ValueError(
                f"gate={gate!r}, when={when!r}; gate is 'epoch', 'window' or 'none', when is "
                "'step' or 'trial'."
            )
        self.n, self.k, self.rate = n, k, jnp.asarray(rate, jnp.float32)
        self.gate, self.when = gate, when

    def init(self) -> Float[Array, "k n"]:
        """Weights of zero."""
        return jnp.zeros((self.k, self.n))

    def predict(
        self, weight: Float[Array, "k n"], features: Float[Array, "*batch n"]
    ) -> Float[Array, "*batch k"]:
        """The outputs for one vector of features, or for many."""
        return features @ weight.T

    def gates(
        self, time: Float[Array, " time"], occurs: Float[Array, " k"], latency: Float[Array, " k"]
    ) -> Float[Array, "time k"]:
        """How far each channel attends at each time.

        **Arguments:** `time` and `latency` in ms after the onset of the cue; `occurs`: 1 for the
        channel whose event occurs in this trial, else 0.
        """
        if self.gate == "none":
            return jnp.ones((time.shape[0], self.k))
        opened = jnp.broadcast_to((time >= 0)[:, None], (time.shape[0], self.k))
        if self.gate == "window":
            opened = opened & (time[:, None] <= latency[None] + MARGIN)
        return jnp.where(opened, occurs[None], 0.0)

    def update(
        self,
        weight: Float[Array, "k n"],
        features: Float[Array, " n"],
        target: Float[Array, " k"],
        gate: Float[Array, " k"] | None = None,
    ) -> Float[Array, "k n"]:
        """The weights after one step (or trial); every gate is open where none is given."""
        error = target - self.predict(weight, features)
        if gate is not None:
            error = error * gate
        norm = jnp.sum(features * features)
        # Without features there is nothing to learn from, and nothing to divide by.
        norm = norm + 1 if self.when == "step" else jnp.where(norm > 0, norm, 1.0)
        return weight + self.rate * error[:, None] * (features / norm)[None]

    def epoch(
        self,
        weight: Float[Array, "k n"],
        features: Float[Array, "time n"],
        targets: Float[Array, "time k"],
        gates: Float[Array, "time k"],
    ) -> Float[Array, "k n"]:
        """The weights after a whole trial of steps, one after another."""

        def one(weight: Array, row: tuple[Array, Array, Array]) -> tuple[Array, None]:
            return self.update(weight, *row), None

        return jax.lax.scan(one, weight, (features, targets, gates))[0]
