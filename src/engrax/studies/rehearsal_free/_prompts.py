"""Transformers: tuning what makes queries, keys and values, against prompts."""

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from engrax.continual import TaskSequence, classes_seen
from engrax.core import (
    GradientLearner,
    State,
    System,
    cross_entropy,
    observe,
    repeat,
    serial,
)
from engrax.lab import Arm, Tuning
from engrax.tasks import Batches, Scaling

from ._config import Config
from ._data import letter_stream, letters, other_letters
from ._measures import PrefixAccuracy, validation_score
from ._prompts_learners import learner_of, trained_parameters, transformer

METHODS = {
    "vit_l2": "QKV, L2",
    "vit_ewc": "QKV, EWC",
    "vit_free": "QKV, free",
    "vit_frozen": "frozen, head alone",
    "vit_l2p": "L2P",
    "vit_dual": "DualPrompt",
    "vit_coda": "CODA-Prompt",
    "vit_ft": "FT",
    "vit_ft_masked": "FT++",
}
"""Arm -> what figures and claims call it."""
PROMPTS = ("vit_l2p", "vit_dual", "vit_coda")


def prompt_arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that builds the arm; all start from the run's own `vit_pretrained`."""
    streams = {name: eqx.Partial(_arm, config, name.removeprefix("vit_")) for name in METHODS}
    return {"vit_pretrained": eqx.Partial(_pretraining, config), **streams}


@final
class Numbered(System):
    """A system with several numbers chosen together: row `setting` (from 1) of a table.

    `where` leads from the inner system to the fields that the columns are for.
    """

    inner: System
    setting: Float[Array, ""]
    rows: Float[Array, "settings fields"]
    where: Callable[[Any], Any] = eqx.field(static=True)

    def __getitem__(self, name: str) -> System:
        return self.chosen()[name]

    def chosen(self) -> System:
        """The inner system with its numbers."""
        row = self.rows[jnp.round(self.setting).astype(jnp.int32) - 1]
        return eqx.tree_at(self.where, self.inner, tuple(row))

    def init(self, *, key: Key[Array, ""]) -> State:
        """The inner system's."""
        return self.chosen().init(key=key)

    def step(self, state: State, input: Int[Array, ""]) -> tuple[State, Any]:
        """The inner system's."""
        return self.chosen().step(state, input)


def pretraining_rate(learning_rate: Array, steps: Array) -> optax.GradientTransformation:
    """Adam whose rate falls to zero along half a cosine."""

    def rate(step: Any) -> Array:
        share = jnp.asarray(step, jnp.float32) / steps
        return -learning_rate * (1 + jnp.cos(jnp.pi * jnp.minimum(share, 1))) / 2

    return optax.flatten(optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(rate)))


def _pretraining(config: Config) -> Arm:
    """A tick is an epoch over letters that never come in the stream."""
    own, data = config.prompts, other_letters(config)
    scaling = Scaling(shape=(1, config.size, config.size))
    stream = Batches(data, own.pretrain_batch, scaling=scaling)
    hyper = {
        "learning_rate": jnp.float32(own.pretrain_rate),
        "steps": jnp.float32(own.pretrain_epochs * stream.per_epoch),
    }
    build = eqx.Partial(transformer, config, config.pretrain_classes)
    backprop = GradientLearner(build, cross_entropy, pretraining_rate, hyper)
    system = repeat(serial(stream=stream, learner=backprop), stream.per_epoch)
    return Arm(system, own.pretrain_epochs)


def _arm(config: Config, name: str) -> Arm:
    own = config.prompts
    learner = learner_of(config, name)
    split = letters(config)
    system: System = TaskSequence(
        learner,
        letter_stream(config),
        own.epochs * (config.train_each * config.classes_per_task // config.batch),
        candidates=classes_seen,
        reset_optimizer=True,
        examples=config.train_each * config.classes_per_task,
        known=True,
    )
    validation = split.validation
    probe = PrefixAccuracy(
        jnp.asarray(validation.x), jnp.asarray(validation.y), tasks=config.prefix
    )
    system, count = _numbered(config, name, observe(system, probe))
    tuning = Tuning(
        _setting, tuple(float(i) for i in range(1, count + 1)), validation_score,
        seeds=config.tuning_seeds, extensions=0, ticks=config.prefix,
    )  # fmt: skip
    return Arm(
        system,
        config.tasks,
        dims=dict.fromkeys(("accuracy", "own_accuracy", "known_accuracy"), ("tested",)),
        coords={"tested": np.arange(1, config.tasks + 1)},
        needs=("vit_pretrained",),
        start=_pretrained,
        chunk=config.tasks,
        measure=eqx.Partial(_counted, trained_parameters(learner)),
        tuning=tuning if config.tuning_seeds else None,
    )


def _numbered(config: Config, name: str, system: System) -> tuple[Numbered, int]:
    """All pairs of a learning rate and the method's second number: as many for every method."""
    own = config.prompts
    if name in ("l2", "ewc"):
        where, second = _rate_and_strength, own.l2 if name == "l2" else own.ewc
    else:
        where, second = _rate_and_factor, own.factors
    rates = own.rates
    if name == "frozen":
        # Nothing but the head: as many rates as others have pairs, over the same range.
        rates = np.geomspace(rates[0], rates[-1], len(rates) * len(second)).tolist()
        second = (1.0,)
    rows = np.array([(rate, value) for rate in rates for value in second], np.float32)
    middle = jnp.float32(1 + len(rows) // 2)
    return Numbered(system, middle, jnp.asarray(rows), where), len(rows)


def _inner(system: Any) -> Any:
    learner = system["learner"]
    return getattr(learner, "learner", learner)


def _rate_and_factor(system: Any) -> Any:
    hyper = _inner(system).hyper
    return hyper["learning_rate"], hyper["factor"]


def _rate_and_strength(system: Any) -> Any:
    return _inner(system).hyper["learning_rate"], system["learner"].strength


def _setting(system: Any) -> Any:
    return system.setting


def _counted(parameters: int, state: State) -> dict[str, Any]:
    del state
    return {"trainable": np.float64(parameters)}


def _pretrained(fresh: State, final: State) -> State:
    """The fresh state with the weights that were trained before, and a head of its own."""
    source = final["learner"]["model"]

    def body(model: Any) -> Any:
        net = getattr(model, "net", model)
        return net.embedding, net.token, net.position, net.stack, net.norm

    def started(learner: State) -> State:
        if "model" not in learner:
            return {**learner, "learner": started(learner["learner"])}
        return {**learner, "model": eqx.tree_at(body, learner["model"], body(source))}

    return {**fresh, "learner": started(fresh["learner"])}
