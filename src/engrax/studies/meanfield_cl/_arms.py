"""The arms: students of teachers and their theory, deep networks and their baselines."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Key

from engrax.continual import EpochAnneal, PermutedTasks, SplitTasks, TaskSequence, own_classes
from engrax.core import Learner, System, named, observe
from engrax.lab import Arm, Reference, Tuning
from engrax.tasks import Examples, Scaling, Split, load, subset
from engrax.theory import bernoulli_kl, bernoulli_kl_gradient

from ._config import Config
from ._deep import (
    ANNEALED,
    PAIR_ANNEALED,
    binarized,
    consolidated,
    metaplastic_table,
    real,
    variational,
)
from ._measures import (
    EpochMedians,
    Modes,
    Plasticity,
    ValidationAccuracy,
    last_validation_accuracy,
)
from ._perceptron_arms import Lazy, perceptron_arms

_TESTED = ("accuracy", "own_accuracy", "accuracy_sample", "accuracy_sign")
_Dims = dict[str, tuple[str, ...]]
_BY_TASK: _Dims = dict.fromkeys(_TESTED, ("tested",))
_BY_EPOCH: _Dims = dict.fromkeys(("loss", "variance", "kl", "kl_error"), ("epoch",))


def arms(config: Config) -> Lazy:
    """All arms, each built when a claim needs it."""
    every = perceptron_arms(config) | _deep_arms(config) | _pair_arms(config)
    left_out = set(Config().beside) - set(config.beside)
    return {name: build for name, build in every.items() if name not in left_out}


def images(config: Config) -> Split:
    """Training, validation and test images of the permuted tasks."""
    return subset(load(config.data), config.train, config.validation, config.test, _split_key())


def pair_images(config: Config) -> Split:
    """Images of both data sets in a row; the labels of the second come after those of the first."""
    parts = [
        subset(load(name), config.pair_train, 0, config.pair_test, named(_split_key(), name))
        for name in (config.data, config.other)
    ]
    return Split(*(_joined([part[i] for part in parts]) for i in range(3)))


def _split_key() -> Key[Array, ""]:
    """One split for the whole study: no seed's validation images are another's training images."""
    return named(jr.key(0), "meanfield_cl/split")


def _joined(parts: list[Examples]) -> Examples:
    labels = [part.y + np.int32(10 * i) for i, part in enumerate(parts)]
    return Examples(np.concatenate([part.x for part in parts]), np.concatenate(labels))


def _scaling(config: Config, split: Split) -> Scaling:
    bright = 16.0 if config.data == "digits" else 255.0
    return Scaling(0.0, bright, shape=(int(split.train.x[0].size),))


def _deep_arms(config: Config) -> Lazy:
    c = config
    whole = c.tasks * c.epochs

    def annealed() -> EpochAnneal:
        return EpochAnneal(c.per_epoch, whole, rate=ANNEALED)

    def warm() -> EpochAnneal:
        return EpochAnneal.fixed(1.0, c.per_epoch, whole)

    def mean_field(schedule: Callable[[], EpochAnneal], weight: float, **more: Any) -> Arm:
        split = images(c)
        learner = variational(_widths(c, split), schedule(), c.rate, weight, **more)
        return _permuted(c, split, learner)

    return {
        "variational": lambda: mean_field(annealed, 1.0, watch=True),
        "no_prior": lambda: mean_field(annealed, 0.0, watch=True),
        "no_prior_fixed": lambda: mean_field(warm, 0.0, watch=True),
        "fixed": lambda: mean_field(warm, 1.0, watch=True),
        "previous_task": lambda: mean_field(
            warm, 1 / c.per_epoch, watch=True, reference="previous_task"
        ),
        "identity": lambda: Reference(gradient_identity),
        "metaplastic": lambda: _binarized(c, per_task=False),
        "metaplastic_per_task": lambda: _binarized(c, per_task=True),
        "ewc": lambda: _consolidated(c),
        "sgd": lambda: _real(c),
    }


def _widths(config: Config, split: Split, hidden: tuple[int, ...] | None = None) -> tuple[int, ...]:
    return (int(split.train.x[0].size), *(hidden or config.hidden), 10)


def _permuted(config: Config, split: Split, learner: Learner) -> Arm:
    tasks = PermutedTasks(
        split,
        config.tasks,
        first_identity=False,
        batch=config.batch,
        scaling=_scaling(config, split),
    )
    sequence = TaskSequence(
        learner,
        tasks,
        config.epochs * config.per_epoch,
        candidates=own_classes,
        reset_optimizer=False,
        reduce=EpochMedians(config.per_epoch),
    )
    system = Plasticity(observe(sequence, Modes()))
    return _arm(config, system, dims=_BY_TASK | _BY_EPOCH)


def _arm(
    config: Config,
    system: System,
    dims: _Dims = _BY_TASK,
    **more: Any,
) -> Arm:
    tasks = np.arange(1, config.tasks + 1)
    return Arm(system, config.tasks, dims=dims, coords={"tested": tasks}, **more)


def _baseline(
    config: Config, split: Split, learner: Learner, epochs: int, batch: int, **more: Any
) -> TaskSequence:
    """The same tasks for a learner that starts each with a fresh state of its optimizer."""
    tasks = PermutedTasks(
        split, config.tasks, first_identity=False, batch=batch, scaling=_scaling(config, split)
    )
    steps = epochs * (config.train // batch)
    return TaskSequence(learner, tasks, steps, candidates=own_classes, reset_optimizer=True, **more)


def _binarized(config: Config, *, per_task: bool) -> Arm:
    split = images(config)
    learner = binarized(config, _widths(config, split, config.meta_hidden), per_task=per_task)
    epochs, batch = config.meta_epochs or config.epochs, config.meta_batch or config.batch
    system = _baseline(config, split, learner, epochs, batch)
    cells = tuple(float(i + 1) for i in range(len(metaplastic_table(config))))
    # The cells are places in a table, not numbers with a scale: there is no grid to extend.
    return _tuned(config, split, system, _choice, cells, extensions=0)


def _choice(system: Any) -> Any:
    learner = system["learner"]
    return getattr(learner, "learner", learner).hyper["choice"]


def _consolidated(config: Config) -> Arm:
    split = images(config)
    learner = consolidated(config, _widths(config, split))
    system = _baseline(
        config, split, learner, config.epochs, config.batch, examples=config.fisher_images
    )
    return _tuned(config, split, system, _strength, config.ewc_strengths)


def _strength(system: Any) -> Any:
    return system["learner"].strength


def _real(config: Config) -> Arm:
    split = images(config)
    learner = real(config, _widths(config, split))
    return _arm(config, _baseline(config, split, learner, config.epochs, config.batch))


def _tuned(
    config: Config,
    split: Split,
    system: TaskSequence,
    where: Callable[[Any], Any],
    values: tuple[float, ...],
    **more: Any,
) -> Arm:
    """The arm with one number to be chosen on validation images of spare seeds."""
    validation = ValidationAccuracy(
        jnp.asarray(split.validation.x), jnp.asarray(split.validation.y)
    )
    tuning = None
    if config.tuning_seeds:
        seeds = config.tuning_seeds
        tuning = Tuning(where, values, last_validation_accuracy, seeds=seeds, **more)
    return _arm(config, observe(system, validation), tuning=tuning)


def _pair_arms(config: Config) -> Lazy:
    """One data set after another, on the same ten outputs."""
    c = config
    per_epoch = c.pair_train // c.batch

    def mean_field(weight: float, *, anneal: bool) -> Arm:
        split = pair_images(c)
        tasks = SplitTasks(
            split, 10, order=range(20), heads="shared", batch=c.batch, scaling=_scaling(c, split)
        )
        schedule = (
            EpochAnneal(per_epoch, 2 * c.pair_epochs, rate=PAIR_ANNEALED)
            if anneal
            else EpochAnneal.fixed(1.0, per_epoch, 2 * c.pair_epochs)
        )
        learner = variational(_widths(c, split), schedule, c.pair_rate, weight)
        sequence = TaskSequence(
            learner,
            tasks,
            c.pair_epochs * per_epoch,
            candidates=own_classes,
            reset_optimizer=False,
            reduce=EpochMedians(per_epoch),
        )
        coords = {"tested": [c.data, c.other]}
        return Arm(observe(sequence, Modes()), 2, dims=_BY_TASK | _BY_EPOCH, coords=coords)

    return {
        "pair_variational": lambda: mean_field(1.0, anneal=True),
        "pair_no_prior": lambda: mean_field(0.0, anneal=True),
        "pair_no_prior_fixed": lambda: mean_field(0.0, anneal=False),
    }


def gradient_identity(weights: int = 1000) -> xr.Dataset:
    """How far ``beta^2 sigma2 (theta - reference)`` is from the gradient of the divergence by
    automatic differentiation, in float64: `deviation`, the largest one over the largest gradient.
    """
    with jax.enable_x64(True):
        keys = jr.split(named(jr.key(0), "identity"), 3)
        theta, reference = (jr.normal(k, (weights,), jnp.float64) for k in keys[:2])
        beta = jr.uniform(keys[2], (weights,), jnp.float64, 0.5, 10.0)
        exact = jax.jit(jax.vmap(jax.grad(bernoulli_kl)))(theta, reference, beta)
        formula = jax.jit(jax.vmap(bernoulli_kl_gradient))(theta, reference, beta)
        deviation = jnp.max(jnp.abs(exact - formula)) / jnp.max(jnp.abs(formula))
        return xr.Dataset({"deviation": float(deviation)})
