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

    **Fields:** `conditions`: the blocks of each; `draws`: what the key of each condition's outcomes
    is called, so that two of one name see the same outcomes; `when`: the on-line readout, where it
    is local one for each condition, which may differ in their gates; `what`: the off-line one;
    `leak`: 1 - lambda, how fast recursive least squares forgets.
    """

    config: Config = eqx.field(static=True)
    conditions: tuple[Blocks, ...] = eqx.field(static=True)
    draws: tuple[str, ...] = eqx.field(static=True)
    when: tuple[DeltaReadout, ...] | RecursiveLeastSquares
    what: DeltaReadout
    leak: Float[Array, ""]

    def init(self, *, key: Key[Array, ""]) -> dict[str, Any]:
        count, n, k = len(self.conditions), self.config.neurons, self.what.k
        blank = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf[None], (count, *leaf.shape)), self._fresh()
        )
        drawn = [
            meet_blocks(named(key, name), blocks)
            for name, blocks in zip(self.draws, self.conditions, strict=True)
        ]
        return {
            "reservoir": network(self.config, key),
            "rates": jnp.zeros((self.config.trial_ms, n)),
            "what": jnp.zeros((count, k, n)),
            "outcome": jnp.stack([trials.outcome for trials in drawn]),
            **blank,
        }

    def step(self, state: dict[str, Any], input: Array) -> tuple[dict[str, Any], dict[str, Array]]:
        rates = jax.lax.cond(
            input == 0,
            lambda: response(self.config, state["reservoir"]),
            lambda: state["rates"],
        )
        trials = self._trials(state["outcome"], input)
        when = self.when
        if isinstance(when, tuple):
            learned = {"when": self._local(when, state["when"], rates, trials)}
        else:
            learned = {name: state[name] for name in self._fresh()}
            learned = jax.vmap(lambda mine, trial: self._least_squares(when, mine, rates, trial))(
                learned, trials
            )
        seen = features(self.config, rates)
        what = jax.vmap(lambda weight, outcome: self.what.update(weight, seen, outcome))(
            state["what"], trials.outcome
        )
        state = {**state, "rates": rates, "what": what, **learned}
        return state, self._measured(rates, seen, what, learned["when"], trials)

    def _fresh(self) -> dict[str, Array]:
        """The state of the on-line readout, by name."""
        if isinstance(self.when, tuple):
            return {"when": self.when[0].init()}
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

    def _local(
        self,
        readouts: tuple[DeltaReadout, ...],
        when: Float[Array, "conditions k n"],
        rates: Float[Array, "time n"],
        trials: MeetTrials,
    ) -> Float[Array, "conditions k n"]:
        """All conditions in one matrix: channels do not see each other, whosesoever they are."""
        at = time(self.config)
        bumps = jax.vmap(lambda latency: event_bump(at, latency, self.config.bump))(trials.latency)
        target = bumps * jnp.where(trials.outcome > 0, 1.0, 0.0)[:, None]
        gates = jnp.stack(
            [
                readout.gates(at, occurs, latency)
                for readout, occurs, latency in zip(
                    readouts, trials.outcome, trials.latency, strict=True
                )
            ]
        )
        readout = readouts[0]
        target, gates = (x.swapaxes(0, 1).reshape(len(at), -1) for x in (target, gates))
        every = DeltaReadout(readout.n, target.shape[1], readout.rate, when=readout.when)
        flat = when.reshape(-1, readout.n)
        return every.epoch(flat, rates, target, gates).reshape(when.shape)

    def _least_squares(
        self,
        readout: RecursiveLeastSquares,
        learned: dict[str, Array],
        rates: Float[Array, "time n"],
        trial: MeetTrials,
    ) -> dict[str, Array]:
        target = event_bump(time(self.config), trial.latency, self.config.bump)
        state = {"weight": learned["when"], "inverse": learned["inverse"]}
        readout = eqx.tree_at(lambda rls: rls.forgetting, readout, 1 - self.leak)
        begun = readout.begin_block(state)
        state = jax.tree.map(lambda a, b: jnp.where(trial.block > 0, a, b), begun, state)
        part = slice(self.config.cue_on, None, self.config.rls_every)
        happens = jnp.where(trial.outcome > 0, 1.0, 0.0)
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
