"""What all arms on images share: the split, the scaling, the training run and what it records."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from engrax.core import AccuracyOn, Learner, System, named, observe, repeat, serial
from engrax.lab import Arm, Tuning
from engrax.tasks import Batches, Scaling, Split, load, subset

from ._config import Config


def cut(name: str, train: int | None, validation: int, test: int | None) -> Split:
    """The study's training, validation and test images of a data set."""
    # One split for the whole study: no seed's validation images are another's training images.
    key = named(jr.key(0), "counter_current/split")
    return subset(load(name), train, validation, test, key)


def standardized(images: np.ndarray, shape: tuple[int, ...] | None = None) -> Scaling:
    """Zero mean and unit variance over all pixels of the training images; an image becomes one row
    unless told its shape.
    """
    shape = shape or (int(np.prod(images.shape[1:])),)
    return Scaling(images.mean(dtype=np.float64), images.std(dtype=np.float64), shape=shape)


def training(
    split: Split, learner: Learner, batch: int, scaling: Scaling | None = None
) -> tuple[System, int]:
    """A run whose tick is one epoch, with both accuracies after it; and the steps of an epoch."""
    stream = Batches(split.train, batch, scaling=scaling or standardized(split.train.x))
    run = repeat(serial(stream=stream, learner=learner), stream.per_epoch)
    for name, part in (("validation", split.validation), ("test", split.test)):
        run = observe(run, AccuracyOn(jnp.asarray(part.x), jnp.asarray(part.y), f"{name}_accuracy"))
    return run, stream.per_epoch


def tuned(
    config: Config,
    arm: Arm,
    where: Callable[[Any], Any],
    rates: tuple[float, ...],
    score: Callable[[Mapping[str, np.ndarray]], np.ndarray],
) -> Arm:
    """The arm with its learning rate to be chosen; at scales without tuning, the middle one."""
    if config.tune:
        return dataclasses.replace(arm, tuning=Tuning(where, rates, score))
    middle = jnp.float32(rates[len(rates) // 2])
    system = eqx.tree_at(where, arm.system, replace_fn=lambda _: middle)
    return dataclasses.replace(arm, system=system)


def last_validation_accuracy(records: Mapping[str, np.ndarray]) -> np.ndarray:
    """What learning rates are chosen by: (seed, value)."""
    return records["validation_accuracy"][..., -1]


def final_test_accuracy(arm: Any) -> Any:
    """Test accuracy after the last epoch: (seed, ...)."""
    return arm["test_accuracy"].isel(tick=-1)
