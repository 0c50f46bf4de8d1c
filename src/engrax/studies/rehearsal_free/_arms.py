"""The runs of the study: one tick is one task."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from engrax.continual import (
    TaskSequence,
    TaskStream,
    WrappedLearner,
    classes_seen,
    part_of,
    with_part,
)
from engrax.core import State, observe, repeat, serial
from engrax.lab import Arm, Reference, Tuning

from ._config import Config
from ._data import Setting, setting
from ._gates import gates
from ._measures import Drift, KeptFirst, PrefixAccuracy, validation_score
from ._nets import METHODS, before, imagenet_body, joint, method
from ._prompts import prompt_arms

STARTS = ("scratch", "pretrained")
DRIFTING = ("kd", "kd_l2", "kd_ewc")
"""Methods whose layers are watched."""
FIRST = {
    "scratch": tuple(name for name in METHODS if name != "kd_frozen"),
    "pretrained": ("softmax", "softmax_kd", "kd", "kd_l2", "kd_ewc", "kd_feat", "kd_frozen"),
}
"""Start -> methods that see the stream of letters."""
SECOND = ("softmax", "kd", "kd_l2", "kd_ewc", "kd_feat")
"""Methods that see the stream of clothes."""
LAYERS = ("features", "logits")


def arms(config: Config) -> dict[str, Callable[[], Arm | Reference]]:
    """Name -> a call that makes the images and builds the arm."""
    found: dict[str, Callable[[], Arm | Reference]] = {}
    for stream in config.streams:
        if stream == "clothes" or not config.weights:
            found[f"{stream}_before"] = eqx.Partial(_before, config, stream)
        found[f"{stream}_gates"] = eqx.Partial(_gates, config, stream)
        for start in STARTS:
            for name in SECOND if stream == "clothes" else FIRST[start]:
                found[f"{stream}_{start}_{name}"] = eqx.Partial(_arm, config, stream, start, name)
        found[f"{stream}_scratch_joint"] = eqx.Partial(_joint, config, stream)
    found["letters_scratch_rehearsal"] = eqx.Partial(_rehearsal, config)
    return {**found, **prompt_arms(config)}


def _before(config: Config, stream: str) -> Arm:
    """The net learns other classes: one tick is one pass over them."""
    chosen = setting(config, stream)
    batches = chosen.batches_before()
    body = serial(stream=batches, learner=before(config, chosen))
    return Arm(repeat(body, batches.per_epoch), chosen.pretrain_epochs)


def _arm(config: Config, stream: str, start: str, name: str) -> Arm:
    chosen = setting(config, stream)
    learner = method(config, chosen, name)
    if name in DRIFTING:
        learner = KeptFirst(learner)
    arm = _sequence(config, chosen, stream, start, learner, chosen.stream(), drift=name in DRIFTING)
    return _tuned(config, chosen, arm, METHODS[name][1])


def _joint(config: Config, stream: str) -> Arm:
    """All tasks at once: a ceiling."""
    chosen = setting(config, stream)
    learner = joint(config, chosen)
    steps = config.joint_epochs * (chosen.images // config.batch)
    return _sequence(
        config, chosen, stream, "scratch", learner, chosen.stream(), steps=steps, mixed=True
    )


def _gates(config: Config, stream: str) -> Reference:
    """Whether the stream asks for features."""
    chosen = setting(config, stream)
    before = None if chosen.weights else _before(config, stream)
    return Reference(eqx.Partial(gates, chosen, before, _joint(config, stream)))


def _rehearsal(config: Config) -> Arm:
    """From scratch, with a store of old images."""
    chosen = setting(config, "letters")
    tasks = chosen.rehearsed(config.memory)
    learner = method(config, chosen, "kd")
    steps = chosen.epochs * ((chosen.images + config.memory) // config.batch)
    return _sequence(config, chosen, "letters", "scratch", learner, tasks, steps=steps)


def _sequence(
    config: Config,
    chosen: Setting,
    stream: str,
    start: str,
    learner: WrappedLearner,
    tasks: TaskStream,
    *,
    steps: int | None = None,
    mixed: bool = False,
    drift: bool = False,
) -> Arm:
    system = TaskSequence(
        learner, tasks, chosen.steps if steps is None else steps,
        candidates=classes_seen, reset_optimizer=not mixed, mixed=mixed, examples=chosen.images,
        known=True,
    )  # fmt: skip
    if drift:
        system = observe(system, Drift())
    dims = {
        **dict.fromkeys(("accuracy", "own_accuracy", "known_accuracy"), ("tested",)),
        **dict.fromkeys(("cka", "linear_cka"), ("layer",)),
    }
    kind, count = ("convolution", len(config.channels)) if chosen.net == "conv" else ("block", 8)
    layers = [*(f"{kind} {i + 1}" for i in range(count)), *LAYERS]
    arm = Arm(
        system, chosen.tasks, dims=dims,
        coords={"tested": 1 + np.arange(chosen.tasks), "layer": layers}, chunk=chosen.tasks,
    )  # fmt: skip
    if start == "scratch":
        return arm
    if chosen.weights:
        return dataclasses.replace(arm, start=eqx.Partial(_with_weights, chosen.weights))
    return dataclasses.replace(arm, needs=(f"{stream}_before",), start=_with_body)


def _with_weights(name: str, fresh: State) -> State:
    """A run's state with the body of a file."""
    return _bodied(fresh, eqx.filter(imagenet_body(name), eqx.is_array))


def _with_body(fresh: State, final: State) -> State:
    """A run's state with the body of the net that learned other classes."""
    return _bodied(fresh, part_of(final["learner"], "model").body)


def _bodied(fresh: State, body: Any) -> State:
    learner = fresh["learner"]
    model = eqx.tree_at(lambda net: net.body, part_of(learner, "model"), body)
    return {**fresh, "learner": with_part(learner, "model", model)}


def _tuned(config: Config, chosen: Setting, arm: Arm, held: str) -> Arm:
    """The arm with its strength to be chosen by validation images of the first tasks."""
    if held not in STRENGTHS or not config.tuning_seeds:
        return arm
    grid, where = STRENGTHS[held]
    validation = chosen.split.validation
    probe = PrefixAccuracy(jnp.asarray(validation.x), jnp.asarray(validation.y), config.prefix)
    arm = dataclasses.replace(arm, system=observe(arm.system, probe))
    tuning = Tuning(
        where, grid(config), validation_score, seeds=config.tuning_seeds, ticks=config.prefix
    )
    return dataclasses.replace(arm, tuning=tuning)


def _inside(system: Any) -> Any:
    learner = system["learner"]
    return learner.learner if isinstance(learner, KeptFirst) else learner


def _strength(system: Any) -> Any:
    return _inside(system).strength


def _feature_weight(system: Any) -> Any:
    return _inside(system).learner.loss.feature_weight


STRENGTHS: dict[str, tuple[Callable[[Config], tuple[float, ...]], Callable[[Any], Any]]] = {
    "l2": (lambda config: tuple(2 * s for s in config.l2_strengths), _strength),
    "ewc": (lambda config: config.ewc_strengths, _strength),
    "ewc_start": (lambda config: config.ewc_strengths, _strength),
    "feat": (lambda config: config.feature_weights, _feature_weight),
}
"""What holds the features -> its grid, and the field that is tuned. The pull of L2 is
epsilon |d|^2, an anchor's strength / 2 |d|^2."""
