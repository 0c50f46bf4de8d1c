"""The arms: chains and their controls on A and B, grids, continuous variants, 64 classes."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from engrax.core import AccuracyOn, Learner, System, observe, repeat, serial
from engrax.credit import NoProp
from engrax.lab import Arm, Reference, Tuning
from engrax.nn import DenoisingBlock, LabelEmbedding
from engrax.tasks import Batches, Scaling

from . import _cost, _distribution
from ._config import Config
from ._data import Images, factor_task, images_a, images_b
from ._learners import (
    BASELINES,
    EMBEDDINGS,
    backprop,
    baseline,
    chain,
    continuous,
    continuous_noprop,
    independent,
)
from ._measures import ChainJudged, DrawAccuracy, SpreadJudged, VotesJudged

Built = Callable[[], Arm | Reference]


def _training(
    images: Images, learner: Learner, batch: int, epochs: int, *, flat: bool = False
) -> System:
    """A run whose tick is `epochs` passes over the training images."""
    scaling = images.scaling
    if flat:
        scaling = Scaling(scaling.mean, scaling.std, shape=(images.features,))
    stream = Batches(images.split.train, batch, scaling=scaling)
    return repeat(serial(stream=stream, learner=learner), epochs * stream.per_epoch)


def _device(part: Any, most: int | None = None) -> tuple[Any, Any]:
    return jnp.asarray(part.x[:most]), jnp.asarray(part.y[:most])


def _blocks_arm(
    config: Config, images: Images, learner: Learner, epochs: int, every: int, **more: Any
) -> Arm:
    """An arm of a learner made of blocks, with the mean accuracy over starting noises."""
    if epochs % every:
        raise ValueError(f"{epochs} passes cannot be measured every {every}; use a divisor.")
    run = _training(images, learner, config.batch, every)
    probe = DrawAccuracy(*_device(images.split.test), config.draws)
    ticks = epochs // every
    return Arm(observe(run, probe), ticks, coords={"tick": every * (1 + np.arange(ticks))}, **more)


def _chain_arm(config: Config, kind: str, method: str, name: str) -> Arm:
    images = images_a(config) if kind == "a" else images_b(config)
    make = chain if method == "noprop" else backprop
    learner = make(config, images, kind, name)
    judged = ChainJudged(
        learner,
        _device(images.split.train, config.judged),
        _device(images.split.test, config.judged),
        images.scaling,
        jnp.float32(config.probe_l2),
        images.classes,
        config.draws,
    )
    epochs, every = getattr(config, f"{kind}_epochs"), getattr(config, f"{kind}_every")
    return _blocks_arm(
        config, images, learner, epochs, every, measure=judged,
        dims={"block_accuracy": ("block",), "probe_accuracy": ("block",)},
    )  # fmt: skip


def _independent_arm(config: Config, kind: str) -> Arm:
    images = images_a(config) if kind == "a" else images_b(config)
    learner = independent(config, images, kind)
    judged = VotesJudged(learner, _device(images.split.test), images.scaling)
    epochs, every = getattr(config, f"{kind}_epochs"), getattr(config, f"{kind}_every")
    # Votes do not depend on noise.
    once = dataclasses.replace(config, draws=1)
    return _blocks_arm(
        once, images, learner, epochs, every, measure=judged, dims={"block_accuracy": ("block",)}
    )


def last_validation_accuracy(records: Mapping[str, np.ndarray]) -> np.ndarray:
    """What learning rates are chosen by: (seed, value)."""
    return records["validation_accuracy"][..., -1]


def learning_rate(system: Any) -> Any:
    """The learning rate, or both of a pair."""
    learner = system["learner"]
    if hasattr(learner, "hyper"):
        return learner.hyper["learning_rate"]
    return learner.forward["learning_rate"], learner.feedback["learning_rate"]


def _baseline_arm(config: Config, name: str) -> Arm:
    """A rule without backpropagation on B, its rate chosen on the validation images."""
    images = images_b(config)
    learner = baseline(config, images, "b", name)
    run = _training(images, learner, config.batch, config.b_every, flat=True)
    for part in ("validation", "test"):
        probe = AccuracyOn(*_device(getattr(images.split, part)), f"{part}_accuracy")
        run = observe(run, probe)
    ticks = config.b_epochs // config.b_every
    rates = getattr(config, f"{name}_rates")
    arm = Arm(run, ticks, coords={"tick": config.b_every * (1 + np.arange(ticks))})
    if config.tune:
        tuning = Tuning(learning_rate, rates, last_validation_accuracy)
        return dataclasses.replace(arm, tuning=tuning)
    middle = jnp.float32(rates[len(rates) // 2])
    system = eqx.tree_at(learning_rate, arm.system, replace_fn=lambda _: middle)
    return dataclasses.replace(arm, system=system)


def _eta(system: Any) -> Any:
    return system["learner"].eta


def _step_size(system: Any) -> Any:
    return system["learner"].step_size


def _grid_arm(config: Config, name: str) -> Arm:
    """C4: every pair of a method's two knobs, on A."""
    images = images_a(config)
    if name == "noprop":
        learner = chain(config, images, "a")
        arm = _blocks_arm(config, images, learner, config.grid_epochs, config.grid_epochs)
        knobs = {"rate": (learning_rate, list(config.grid_rates)),
                 "eta": (_eta, list(config.grid_etas))}  # fmt: skip
        return dataclasses.replace(arm, grid=knobs)
    learner = baseline(config, images, "a", name)
    run = _training(images, learner, config.batch, config.grid_epochs, flat=True)
    knobs = {"rate": (learning_rate, list(config.grid_fwdtp_rates)),
             "step_size": (_step_size, list(config.grid_fwdtp_steps))}  # fmt: skip
    return Arm(observe(run, AccuracyOn(*_device(images.split.test))), 1, grid=knobs)


def _flow_arm(config: Config, variant: str, name: str) -> Arm:
    """C3, C6: a continuous variant, or the adjoint baseline, on A."""
    images = images_a(config)
    learner = continuous(config, images, variant, name)
    kind = "adjoint" if variant == "adjoint" else "flow"
    epochs, every = getattr(config, f"{kind}_epochs"), getattr(config, f"{kind}_every")
    return _blocks_arm(config, images, learner, epochs, every)


FACTOR = {
    "factor_fm": ("fm", True, True),
    "factor_fm_onehot": ("fm", False, True),
    "factor_fm_collapse": ("fm", True, False),
    "factor_ct_onehot": ("ct", False, True),
}
"""Arm -> variant, whether the embedding is trained, whether the cross-entropy holds it apart."""


def factor_learner(config: Config, name: str, features: int, classes: int) -> NoProp:
    """A continuous variant for the task with 64 classes."""
    variant, trained, anchored = FACTOR[name]
    dim = config.dim if trained else classes
    timed = eqx.Partial(
        DenoisingBlock, (features,), dim, classes, image_path="dense",
        hidden=config.factor_hidden, norm=None, time=True,
    )  # fmt: skip
    rows = (
        eqx.Partial(LabelEmbedding, classes, dim, "orthogonal")
        if trained
        else eqx.Partial(LabelEmbedding, classes)
    )
    return continuous_noprop(config, timed, rows, variant, anchored=anchored)


def _factor_arm(config: Config, name: str) -> Arm:
    task = factor_task(config)
    classes = int(max(task.train.y.max(), task.test.y.max())) + 1
    learner = factor_learner(config, name, task.train.x.shape[1], classes)
    stream = Batches(task.train, config.batch)
    run = repeat(serial(stream=stream, learner=learner), config.factor_epochs * stream.per_epoch)
    probe = DrawAccuracy(*_device(task.test), config.draws)
    return Arm(observe(run, probe), 1, measure=SpreadJudged(learner))


def arms(config: Config) -> dict[str, Built]:
    """Every arm by name, built only when a claim needs it."""
    chains: dict[str, Built] = {
        f"{kind}_{method}_{name}": eqx.Partial(_chain_arm, config, kind, method, name)
        for kind in ("a", "b")
        for name in EMBEDDINGS
        for method in ("noprop", "bp")
    }
    return {
        **chains,
        "a_independent": eqx.Partial(_independent_arm, config, "a"),
        "b_independent": eqx.Partial(_independent_arm, config, "b"),
        **{f"b_{name}": eqx.Partial(_baseline_arm, config, name) for name in BASELINES},
        "ct": eqx.Partial(_flow_arm, config, "ct", "onehot"),
        "fm": eqx.Partial(_flow_arm, config, "fm", "onehot"),
        "adjoint": eqx.Partial(_flow_arm, config, "adjoint", "onehot"),
        "cost": eqx.Partial(_cost.reference, config),
        "grid_noprop": eqx.Partial(_grid_arm, config, "noprop"),
        "grid_fwdtp": eqx.Partial(_grid_arm, config, "fwdtp"),
        **{name: eqx.Partial(_factor_arm, config, name) for name in FACTOR},
        "distribution": eqx.Partial(_distribution.reference, config),
    }
