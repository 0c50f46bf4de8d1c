"""The runs of the study: one tick is one task."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from engrax.continual import PermutedTasks, TaskSequence, ValidationAccuracy, own_classes
from engrax.core import Learner, System, named, observe
from engrax.lab import Arm, Tuning
from engrax.tasks import Scaling, Split, load, subset

from ._config import Config
from ._learners import (
    Samples,
    bursting,
    consolidation,
    gradient_projection,
    projected,
    rehearsing,
    rule,
)
from ._measures import (
    Interference,
    Subspaces,
    everything,
    last_validation_accuracy,
)

MEAN, DEVIATION = 0.1307, 0.3081
"""Of MNIST's pixels, as shares of full intensity; every data set is scaled by them."""

_LAYERS = ("layer",)
_DIMS = {
    "accuracy": ("tested",),
    "own_accuracy": ("tested",),
    "energy": _LAYERS,
    "best_energy": _LAYERS,
    "alignment": _LAYERS,
    "components": _LAYERS,
    "cosine": ("layer", "component"),
    "interference": ("step", "layer"),
    "random_interference": ("step", "layer"),
    "step_energy": ("step", "layer"),
}


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that loads the images and builds the arm."""
    others = [name for name in config.rules if name != "dsr"]
    return {
        "sequential": eqx.Partial(_sequential, config, "dsr"),
        "hlop": eqx.Partial(_hlop, config, "dsr"),
        "joint": eqx.Partial(_joint, config),
        "interference": eqx.Partial(_interference, config),
        "burst": eqx.Partial(_burst, config),
        "gpm": eqx.Partial(_gpm, config),
        "ewc": eqx.Partial(_ewc, config),
        "replay": eqx.Partial(_replay, config),
        "hlop_replay": eqx.Partial(_hlop_replay, config),
        **{f"sequential_{name}": eqx.Partial(_sequential, config, name) for name in others},
        **{f"hlop_{name}": eqx.Partial(_hlop, config, name) for name in others},
    }


def images(config: Config) -> Split:
    """The study's training, validation and test images."""
    # One split for the whole study: no seed's validation images are another's training images.
    key = named(jr.key(0), "hlop/split")
    return subset(load(config.data), config.train, config.validation, config.test, key)


def widths(config: Config, split: Split) -> tuple[int, ...]:
    """Pixels, hidden neurons, classes."""
    pixels, classes = int(split.train.x[0].size), int(split.train.y.max()) + 1
    return (pixels, *config.hidden, classes)


def _stream(config: Config, split: Split) -> PermutedTasks:
    bright = 16.0 if config.data == "digits" else 255.0
    scaling = Scaling(MEAN * bright, DEVIATION * bright, shape=(int(split.train.x[0].size),))
    return PermutedTasks(
        split, config.tasks, first_identity=False, batch=config.batch, scaling=scaling
    )


def _system(config: Config, split: Split, learner: Learner, **more: Any) -> TaskSequence:
    """The tasks in a row; one head for all, so every output competes in every task."""
    return TaskSequence(
        learner,
        _stream(config, split),
        config.steps,
        candidates=own_classes,
        **{"reset_optimizer": True, **more},
    )


def _arm(config: Config, system: System, **more: Any) -> Arm:
    tasks = np.arange(1, config.tasks + 1)
    coords = {"tested": tasks, "layer": [f"layer {i + 1}" for i in range(len(config.hidden) + 1)]}
    return Arm(system, config.tasks, dims=_DIMS, coords=coords, **more)


def _setup(config: Config) -> tuple[Split, tuple[int, ...]]:
    split = images(config)
    return split, widths(config, split)


def _sequential(config: Config, name: str) -> Arm:
    split, sizes = _setup(config)
    return _arm(config, _system(config, split, rule(config, name, sizes)))


def _hlop(config: Config, name: str) -> Arm:
    split, sizes = _setup(config)
    inner = rule(config, name, sizes)
    # One trace an image is fewer rows than a layer has outputs; one an image and step is more.
    learner = projected(config, inner, sizes, traces=name in ("dsr", "fa", "ss"))
    system: System = _system(config, split, learner)
    if name == "dsr":
        system = observe(system, Subspaces(Samples(inner), config.rows))
    return _arm(config, system)


def _joint(config: Config) -> Arm:
    """All tasks at once, in as many steps: what forgetting nothing could reach."""
    split, sizes = _setup(config)
    learner = rule(config, "dsr", sizes)
    return _arm(config, _system(config, split, learner, mixed=True, reset_optimizer=False))


def _interference(config: Config) -> Arm:
    """HLOP through the first two tasks, with every step recorded."""
    split, sizes = _setup(config)
    inner = rule(config, "dsr", sizes)
    learner = Interference(
        projected(config, inner, sizes, traces=False),
        Samples(inner),
        images=config.probe_images,
        directions=config.first_rows,
    )
    system = _system(config, split, learner, examples=config.probe_images, reduce=everything)
    return dataclasses.replace(_arm(config, system), ticks=2)


def _burst(config: Config) -> Arm:
    """HLOP with lateral neurons that spike, at several lengths of a burst in one program."""
    split, sizes = _setup(config)
    system = _system(config, split, bursting(config, sizes))
    levels = np.asarray(config.burst_levels, np.float32)
    return _arm(config, system, grid={"burst_levels": (_levels, levels)})


def _gpm(config: Config) -> Arm:
    split, sizes = _setup(config)
    learner = gradient_projection(config, sizes)
    return _arm(config, _system(config, split, learner, examples=config.gpm_images))


def _ewc(config: Config) -> Arm:
    split, sizes = _setup(config)
    system = _system(config, split, consolidation(config, sizes), examples=config.fisher_images)
    return _tuned(config, split, system, _strength, config.ewc_strengths)


def _replay(config: Config) -> Arm:
    split, sizes = _setup(config)
    inner = rule(config, "dsr", sizes)
    learner = rehearsing(config, inner, sizes, freeze_vectors=False)
    system = _system(config, split, learner, examples=_enough(config, split))
    return _tuned(config, split, system, _replay_rate, config.replay_rates)


def _hlop_replay(config: Config) -> Arm:
    split, sizes = _setup(config)
    inner = projected(config, rule(config, "dsr", sizes), sizes, traces=True)
    learner = rehearsing(config, inner, sizes, freeze_vectors=True)
    system = _system(config, split, learner, examples=_enough(config, split))
    return _tuned(config, split, system, _replay_rate, config.replay_rates)


def _enough(config: Config, split: Split) -> int:
    """Images that hold `replay_per_class` of every class, but for a rare accident."""
    classes = int(split.train.y.max()) + 1
    return min(len(split.train.y), 2 * config.replay_per_class * classes)


def _tuned(
    config: Config,
    split: Split,
    system: TaskSequence,
    where: Callable[[Any], Any],
    values: tuple[float, ...],
) -> Arm:
    """The arm with one number to be chosen on validation images of spare seeds."""
    validation = ValidationAccuracy(
        jnp.asarray(split.validation.x), jnp.asarray(split.validation.y)
    )
    arm = _arm(config, observe(system, validation))
    if not config.tuning_seeds:
        return arm
    tuning = Tuning(where, values, last_validation_accuracy, seeds=config.tuning_seeds)
    return dataclasses.replace(arm, tuning=tuning)


def _strength(system: Any) -> Any:
    return system["learner"].strength


def _replay_rate(system: Any) -> Any:
    return system["learner"].rehearsal.hyper["learning_rate"]


def _levels(system: Any) -> Any:
    return tuple(circuit.burst_levels for circuit in system["learner"].circuits)
