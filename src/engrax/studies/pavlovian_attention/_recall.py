"""C5 and C6: memories that are trained to recall, and then conditioned."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from engrax.core import Batch, GradientLearner, State, System, correct, named, observe, repeat
from engrax.lab import Arm, Tuning
from engrax.nn import LinearAttention
from engrax.tasks import AssociativeRecall

from ._config import Config

RULES: dict[str, dict[str, Any] | None] = {
    "hebb": {"rule": "hebb"},
    "decay": {"rule": "hebb", "learned_decay": True},
    "delta": {"rule": "delta"},
    "gated_delta": {"rule": "delta", "learned_decay": True},
    "softmax": None,
}
"""Arm -> options of the layer; softmax attention is the ceiling."""


def _held_out_key() -> Key[Array, ""]:
    """One validation set and one test set for the whole study."""
    return named(jr.key(0), "pavlovian_attention/held_out")


class SoftmaxMemory(eqx.Module):
    """Causal softmax attention with the projections of `LinearAttention`."""

    query: Float[Array, "dk d"]
    key: Float[Array, "dk d"]
    value: Float[Array, "d d"]
    output: Float[Array, "d d"]

    def __init__(self, d_model: int, d_key: int, *, key: Key[Array, ""]) -> None:
        keys = jr.split(key, 4)
        shapes = (d_key, d_model), (d_key, d_model), (d_model, d_model), (d_model, d_model)
        weights = [jr.normal(k, s) / math.sqrt(s[1]) for k, s in zip(keys, shapes, strict=True)]
        self.query, self.key, self.value, self.output = weights

    def __call__(self, x: Float[Array, "time d"]) -> Float[Array, "time d"]:
        """What each token reads of itself and the tokens before."""
        scores = (x @ self.query.T) @ (x @ self.key.T).T / math.sqrt(self.key.shape[0])
        seen = jnp.tril(jnp.ones(scores.shape, bool))
        scores = jnp.where(seen, scores, -jnp.inf)
        return jax.nn.softmax(scores) @ (x @ self.value.T) @ self.output.T


class RecallModel(eqx.Module):
    """Tokens of a key and a value (or none), one memory, and a readout of values."""

    keys: Float[Array, "keys d"]
    values: Float[Array, "values+1 d"]
    """The last is the blank."""
    memory: Callable[[Array], Array]
    readout: Float[Array, "values d"]

    def __init__(self, config: Config, memory: Callable[..., Any], *, key: Key[Array, ""]) -> None:
        first, second, third, fourth = jr.split(key, 4)
        d = config.d_model
        self.keys = jr.normal(first, (config.keys, d))
        self.values = jr.normal(second, (config.values + 1, d))
        self.memory = memory(key=third)
        self.readout = jr.normal(fourth, (config.values, d)) / math.sqrt(d)

    def __call__(self, x: Int[Array, "time 2"]) -> Float[Array, "queries values"]:
        """Logits of the questions, which are the latter half of a prompt."""
        found = self.memory(self.keys[x[:, 0]] + self.values[x[:, 1]])
        return found[x.shape[0] // 2 :] @ self.readout.T

    def respond(self, tokens: Float[Array, "time d"]) -> Float[Array, " values"]:
        """Logits of the last of any tokens."""
        return self.memory(tokens)[-1] @ self.readout.T


def recall_loss(
    model: RecallModel, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, ""], tuple[RecallModel, dict[str, Array]]]:
    """Mean cross-entropy over all questions."""
    logits = jax.vmap(model)(batch.x)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y)
    return loss.mean(), (model, {})


class Course(System):
    """A tick trains one model for each number of pairs, one step each, at one learning rate."""

    tasks: tuple[AssociativeRecall, ...]
    learner: GradientLearner

    def __getitem__(self, name: str) -> System:
        return {"learner": self.learner}[name]

    def init(self, *, key: Key[Array, ""]) -> State:
        return [
            {
                "stream": task.init(key=named(key, f"stream/{task.pairs}")),
                "learner": self.learner.init(key=named(key, "learner")),
            }
            for task in self.tasks
        ]

    def step(self, state: State, input: Array) -> tuple[State, dict[str, Array]]:
        new, losses = [], []
        for task, mine in zip(self.tasks, state, strict=True):
            stream, batch = task.step(mine["stream"], input)
            learner, record = self.learner.step(mine["learner"], batch)
            new.append({"stream": stream, "learner": learner})
            losses.append(record["loss"])
        return new, {"loss": jnp.stack(losses)}


class Recalled(eqx.Module):
    """A probe: the shares of right answers on held-out prompts, for each number of pairs.

    The first half of the prompts chooses the learning rate, the second is the test set.
    """

    prompts: tuple[Batch, ...]

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """The record of one tick: `validation` and `test` (pairs,)."""
        learner = system["learner"]
        found = []
        for mine, prompts in zip(state, self.prompts, strict=True):
            right = correct(learner.predict(mine["learner"], prompts.x), prompts.y)
            found.append(right.reshape(2, -1).mean(1))
        validation, test = jnp.stack(found, 1)
        return {"validation": validation, "test": test}


class Blocking(eqx.Module):
    """A measure of trained models: the response to B after A+ and AB+, over that after C+ and AB+.

    A response is the logit of the value that followed, less the mean logit. A compound is the sum
    of two keys' embeddings at one position. The stimulus C takes A's place in the control, so that
    both prompts are equally long and pair the value with two stimuli.
    """

    learner: GradientLearner
    prompts: int = eqx.field(static=True)
    trials: int = eqx.field(static=True)

    def __call__(self, state: State) -> dict[str, np.ndarray]:
        """`blocked` and `control`, mean responses, and `ratio`, one for each number of pairs."""
        models = [self.learner.model(jax.tree.map(_on_device, mine["learner"])) for mine in state]
        keys = jr.split(_held_out_key(), self.prompts)
        found = np.stack(
            [np.asarray(_responses(model, keys, self.trials)).mean(0) for model in models]
        )
        blocked, control = found.T
        return {"blocked": blocked, "control": control, "ratio": blocked / control}


@eqx.filter_jit
def _responses(
    model: RecallModel, keys: Key[Array, " prompts"], trials: int
) -> Float[Array, "prompts 2"]:
    return jax.vmap(lambda key: _prompt(model, key, trials))(keys)


def _prompt(model: RecallModel, key: Key[Array, ""], trials: int) -> Float[Array, " 2"]:
    """Responses to B with A first, and with C first."""
    first, second = jr.split(key)
    count, values = model.keys.shape[0], model.readout.shape[0]
    a, b, c = model.keys[jr.permutation(first, jnp.arange(count))[:3]]
    us = jr.randint(second, (), 0, values)
    together = jnp.tile((a + b + model.values[us])[None], (trials, 1))

    def response(before: Array) -> Array:
        pretrained = jnp.tile((before + model.values[us])[None], (trials, 1))
        question = (b + model.values[-1])[None]
        logits = model.respond(jnp.concatenate([pretrained, together, question]))
        return logits[us] - logits.mean()

    return jnp.stack([response(a), response(c)])


def _on_device(leaf: Any) -> Any:
    return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf


def rate(system: Any) -> Any:
    """The learning rate of all models of a course."""
    return system["learner"].hyper["learning_rate"]


def validation_accuracy(records: Mapping[str, np.ndarray]) -> np.ndarray:
    """What the rate is chosen by: (seed, value), the mean over numbers of pairs at the end."""
    return records["validation"][..., -1, :].mean(-1)


def arms(config: Config) -> dict[str, Any]:
    """One arm a write rule, its learning rate chosen on validation prompts."""
    return {f"trained_{name}": eqx.Partial(_arm, config, name) for name in RULES}


def _arm(config: Config, name: str) -> Arm:
    options = RULES[name]
    if options is None:
        memory = eqx.Partial(SoftmaxMemory, config.d_model, config.d_key)
    else:
        memory = eqx.Partial(
            LinearAttention,
            config.d_model,
            config.d_key,
            normalize_keys=True,
            learned_write=True,
            **options,
        )
    middle = config.rates[len(config.rates) // 2]
    learner = GradientLearner(
        eqx.Partial(RecallModel, config, memory),
        recall_loss,
        optax.adam,
        {"learning_rate": jnp.float32(middle)},
    )
    tasks = tuple(
        AssociativeRecall(config.keys, config.values, n, batch=config.batch) for n in config.pairs
    )
    every = config.steps // config.measurements
    system: System = repeat(Course(tasks, learner), every)
    prompts = tuple(task.sample(_held_out_key(), 2 * config.test_prompts) for task in tasks)
    system = observe(system, Recalled(prompts))
    arm = Arm(
        system,
        config.measurements,
        dims=dict.fromkeys(
            ("loss", "validation", "test", "blocked", "control", "ratio"), ("pairs",)
        ),
        coords={"pairs": list(config.pairs), "tick": every * np.arange(1, config.measurements + 1)},
        measure=Blocking(learner, config.prompts, config.prompt_trials),
        seeds=config.trained_seeds,
    )
    if not config.tune:
        return arm
    return dataclasses.replace(arm, tuning=Tuning(rate, config.rates, validation_accuracy))
