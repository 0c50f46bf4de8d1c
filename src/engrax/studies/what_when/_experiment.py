"""Learning from the cached response of a reservoir, in many conditions at once."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from engrax.core import System, named
from engrax.plasticity import DeltaReadout, RecursiveLeastSquares
from engrax.tasks import MeetBlock, MeetTrials, event_bump, meet_blocks

from ._config import Config
from ._prediction import errors, peak_time, prediction, time_locked_amplitude
from ._trial import features, network, response, scored, time

Blocks = tuple[MeetBlock, ...]


class Experiment(System):
    """One tick is one trial, in every condition; all conditions share the run's reservoir.

    The cue alone drives the reservoir, so its response is simulated in the first tick and serves
    all trials. After each trial a test (the cue, no plasticity) is measured against p b of the
    block, never against the outcomes.

    **Fields:** `conditions`: the blocks of each; `when`: the on-line readout; `what`: the off-line
    one; `leak`: 1 - lambda, how fast recursive least squares forgets; `draw`: what the key of the
    outcomes is called.
    """

    config: Config = eqx.field(static=True)
    conditions: tuple[Blocks, ...] = eqx.field(static=True)
    when: DeltaReadout | RecursiveLeastSquares
    what: DeltaReadout
    leak: Float[Array, ""]
    draw: str = eqx.field(static=True, default="trials")

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        count, n, k = len(self.conditions), self.config.neurons, self.what.k
        blank = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf[None], (count, *leaf.shape)), self._fresh()
        )
        drawn = [
            meet_blocks(named(key, f"{self.draw} {i}"), blocks)
            for i, blocks in enumerate(self.conditions)
        ]
        return {
            "key": key,
            "rates": jnp.zeros((self.config.trial_ms, n)),
            "what": jnp.zeros((count, k, n)),
            "outcome": jnp.stack([trials.outcome for trials in drawn]),
            **blank,
        }

    def step(self, state: dict[str, Any], input: Array) -> tuple[dict[str, Any], dict[str, Array]]:
        rates = jax.lax.cond(
            input == 0,
            lambda: response(self.config, network(self.config, state["key"])),
            lambda: state["rates"],
        )
        trials = self._trials(state["outcome"], input)
        learned = {name: state[name] for name in self._fresh()}
        learned = jax.vmap(lambda mine, trial: self._learn(mine, rates, trial))(learned, trials)
        seen = features(self.config, rates)
        what = jax.vmap(lambda weight, outcome: self.what.update(weight, seen, outcome))(
            state["what"], trials.outcome
        )
        state = {**state, "rates": rates, "what": what, **learned}
        return state, self._measured(rates, seen, what, learned["when"], trials)

    def _fresh(self) -> dict[str, Array]:
        """The state of the on-line readout, by name."""
        if isinstance(self.when, DeltaReadout):
            return {"when": self.when.init()}
        state = self.when.init()
        return {"when": state["weight"], "inverse": state["inverse"]}

    def _trials(self, outcome: Array, tick: Array) -> MeetTrials:
        """The present trial in every condition; `block` is 1 where a block begins."""
        expected, probability, begins = [], [], []
        for blocks in self.conditions:
            index = [i for i, block in enumerate(blocks) for _ in range(block.trials)]
            expected.append([blocks[i].latency for i in index])
            odds = [(blocks[i].probability, 1 - blocks[i].probability) for i in index]
            probability.append(odds)
            before = [index[0], *index[:-1]]
            begins.append([int(a != b) for a, b in zip(index, before, strict=True)])
        latency = jnp.array(expected, jnp.float32)[:, tick]
        return MeetTrials(
            outcome=outcome[:, tick],
            latency=latency,
            expected=latency,
            probability=jnp.array(probability, jnp.float32)[:, tick],
            block=jnp.array(begins, jnp.int32)[:, tick],
        )

    def _learn(
        self, learned: dict[str, Array], rates: Float[Array, "time n"], trial: MeetTrials
    ) -> dict[str, Array]:
        at = time(self.config)
        target = event_bump(at, trial.latency, self.config.bump)
        happens = jnp.where(trial.outcome > 0, 1.0, 0.0)
        if isinstance(self.when, DeltaReadout):
            gates = self.when.gates(at, trial.outcome, trial.latency)
            target = target * happens[None]
            return {"when": self.when.epoch(learned["when"], rates, target, gates)}
        state = {"weight": learned["when"], "inverse": learned["inverse"]}
        readout = eqx.tree_at(lambda rls: rls.forgetting, self.when, 1 - self.leak)
        begun = readout.begin_block(state)
        state = jax.tree.map(lambda a, b: jnp.where(trial.block > 0, a, b), begun, state)
        part = slice(self.config.cue_on, None, self.config.rls_every)
        state = readout.epoch(state, rates[part], target[part], happens)
        return {"when": state["weight"], "inverse": state["inverse"]}

    def _measured(
        self,
        rates: Float[Array, "time n"],
        seen: Float[Array, " n"],
        what: Float[Array, "conditions k n"],
        when: Float[Array, "conditions k n"],
        trials: MeetTrials,
    ) -> dict[str, Array]:
        """A test in every condition."""
        part = scored(self.config)
        at = time(self.config)[part]
        z = jnp.einsum("tn,ckn->ctk", rates[part], when)
        y = what @ seen
        bumps = jax.vmap(lambda latency: event_bump(at, latency, self.config.bump))(trials.expected)
        truth = prediction(trials.probability, bumps)
        found = prediction(y, z)
        whole, merged = errors(found, truth), errors(z, truth)
        return {
            "error": whole.relative,
            "absolute_error": whole.absolute,
            "merged_error": merged.relative,
            "when_error": errors(z, bumps).relative,
            "what": y,
            "late": peak_time(found, at) - trials.expected,
            "height": time_locked_amplitude(found, at, trials.expected),
            "when_height": time_locked_amplitude(z, at, trials.expected),
        }


RECORD_DIMS = {
    **dict.fromkeys(("error", "absolute_error", "merged_error", "when_error"), ("condition",)),
    **dict.fromkeys(("what", "late", "height", "when_height"), ("condition", "channel")),
}
"""Names of the dimensions of an experiment's records."""


class Towards(System):
    """An experiment, and how far its weights are from where other conditions ended.

    The state's `goal_what` and `goal_when` are set by what starts it.
    """

    inner: Experiment

    def __getitem__(self, name: str) -> System:
        return self.inner[name]

    def init(self, *, key: Key[Array, ""]) -> dict[str, Any]:
        state = self.inner.init(key=key)
        return {**state, "goal_what": state["what"], "goal_when": state["when"]}

    def step(self, state: dict[str, Any], input: Array) -> tuple[dict[str, Any], dict[str, Array]]:
        goals = {name: state[name] for name in ("goal_what", "goal_when")}
        before = {
            f"{name}_distance": jnp.mean((state[name] - goals[f"goal_{name}"]) ** 2, axis=(1, 2))
            for name in ("what", "when")
        }
        inner = {name: leaf for name, leaf in state.items() if name not in goals}
        inner, record = self.inner.step(inner, input)
        return {**inner, **goals}, {**record, **before}
