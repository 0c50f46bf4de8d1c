"""The full path: every trial is simulated, with feedback, events and noise."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from engrax.core import System, named
from engrax.plasticity import DeltaReadout
from engrax.tasks import MeetBlock, event_bump, meet_blocks

from ._config import Config
from ._prediction import errors, prediction
from ._trial import Trial, features, network, present, scored, time


class Gains(eqx.Module):
    """What drives a reservoir besides its cue, and how strongly it recurs."""

    g: Float[Array, ""]
    noise: Float[Array, ""]
    feedback_gain: Float[Array, ""]
    event_gain: Float[Array, ""]


class ClosedLoop(System):
    """One tick is one trial with everything simulated, then one test with noise of its own."""

    config: Config = eqx.field(static=True)
    block: MeetBlock = eqx.field(static=True)
    gains: Gains
    when: DeltaReadout
    what: DeltaReadout

    def init(self, *, key: Key[Array, ""]) -> dict[str, Any]:
        # The same outcomes as the first condition of the cached experiments.
        outcome = meet_blocks(named(key, "trials 0"), [self.block]).outcome
        return {
            "noise": named(key, "noise"),
            "reservoir": network(self.config, key),
            "outcome": outcome,
            "when": self.when.init(),
            "what": self.what.init(),
        }

    def step(self, state: dict[str, Any], input: Array) -> tuple[dict[str, Any], dict[str, Array]]:
        gains = vars(self.gains)
        reservoir = eqx.tree_at(
            lambda net: [getattr(net, name) for name in gains],
            state["reservoir"],
            [*gains.values()],
        )
        latency = jnp.array(self.block.latency, jnp.float32)
        occurs = state["outcome"][input]
        noise = jr.fold_in(state["noise"], input)

        def trial(occurs: Array, learn: bool, when: Array, noise: Array) -> Trial:
            return present(
                self.config, reservoir, self.when, when,
                occurs=occurs, latency=latency, learn=learn, noise=noise,
            )  # fmt: skip

        taught = trial(occurs, True, state["when"], jr.fold_in(noise, 0))
        seen = features(self.config, taught.rates)
        what = self.what.update(state["what"], seen, occurs)
        test = trial(jnp.zeros_like(occurs), False, taught.when, jr.fold_in(noise, 1))
        part = scored(self.config)
        bumps = event_bump(time(self.config)[part], latency, self.config.bump)
        p = jnp.array([self.block.probability, 1 - self.block.probability], jnp.float32)
        z = test.z[part]
        y = self.what.predict(what, features(self.config, test.rates))
        record = {
            "error": errors(prediction(y, z), prediction(p, bumps)).relative,
            "when_error": errors(z, bumps).relative,
            "what": y,
            "spikes": test.spikes.sum().astype(jnp.int32),
        }
        return {**state, "when": taught.when, "what": what}, record


class Recording(System):
    """One cue-only trial, kept whole: what raster and membrane traces are drawn from."""

    config: Config = eqx.field(static=True)
    shown: int = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> dict[str, Any]:
        shape = (self.config.trial_ms, self.config.neurons)
        return {
            "reservoir": network(self.config, key),
            "spikes": jnp.zeros(shape, jnp.uint8),
            "v": jnp.zeros(shape),
        }

    def step(self, state: dict[str, Any], input: Array) -> tuple[dict[str, Any], dict[str, Array]]:
        readout = DeltaReadout(self.config.neurons, 2, 0.0)
        found = present(
            self.config, state["reservoir"], readout, readout.init(),
            occurs=jnp.zeros(2), latency=jnp.ones(2), learn=False,
        )  # fmt: skip
        counts = found.spikes.sum(0).astype(jnp.int32)
        state = {**state, "spikes": found.spikes.astype(jnp.uint8), "v": found.v}
        return state, {"spike_count": counts}

    def measure(self, state: dict[str, Any]) -> dict[str, Any]:
        """Spikes and potentials of some neurons, four in five of them excitatory."""
        n = self.config.neurons
        first = round(0.8 * n)
        excitatory = round(0.8 * self.shown)
        some = [*range(excitatory), *range(first, min(n, first + self.shown - excitatory))]
        return {"spikes": state["spikes"][:, some], "v": state["v"][:, some[:: len(some) // 5]]}


def swept(system: Any) -> Any:
    """Where the gains of a `ClosedLoop` are, for a grid."""
    gains = system.gains
    return gains.g, gains.noise, gains.feedback_gain, gains.event_gain


def cells(config: Config) -> list[tuple[str, tuple[float, float, float, float]]]:
    """What each cell of the sweep is called, and its g, noise, A_fb and A_ev."""
    g = config.g
    return [
        *((f"g = {x:g}", (x, 0.0, 0.0, 0.0)) for x in config.limit_g),
        *((f"noise {x:g}", (g, x, 0.0, 0.0)) for x in config.limit_noise),
        *((f"feedback {x:g}", (g, 0.0, x, 0.0)) for x in config.limit_feedback),
        *((f"events {x:g}", (g, 0.0, 0.0, x)) for x in config.limit_events),
    ]
