"""The runs of the study: one tick is one phase; a new task comes and old ones come back."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from engrax.continual import (
    L2Anchor,
    LearningWithoutForgetting,
    NeedProcess,
    OnlineEWC,
    PermutedTasks,
    RehearsalStream,
    SynapticIntelligence,
    TaskSequence,
    ValidationAccuracy,
    own_classes,
    rehearsal_table,
    task_cross_entropy,
)
from engrax.core import GradientLearner, Learner, Observe, named, observe
from engrax.lab import Arm, Tuning
from engrax.nn import MLP
from engrax.tasks import Examples, Scaling, Split, load, pool2, subset

from ._config import Config
from ._measures import FreshNet, rehearsed, validation_score

MEAN, DEVIATION = 0.1307, 0.3081
"""Of MNIST's pixels, as shares of full intensity; every data set is scaled by them."""

SCHEDULES: dict[str, tuple[Any, ...]] = {
    "none": ("none", None),
    "recent": ("recent", None),
    "oldest": ("oldest", None),
    "exp": ("exp", "mean_lag"),
    "exp_lag1": ("exp", "lag1"),
    "power": ("power", None),
    "uniform": ("uniform", None),
}
"""Arm without its share -> kind of rehearsal, and what an exponential law has in common with the
power law."""

SIZES = ("small", "large")
"""What arms call `Config.shares`."""

PLAIN, ANCHORED = ("power", "none"), ("ewc",)


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that loads the images and builds the arm."""
    found: dict[str, Callable[[], Arm]] = {}
    for size in range(2):
        for name in SCHEDULES:
            found[f"{name}_{SIZES[size]}"] = eqx.Partial(_schedule, config, name, size)
    found["power_shallow"] = eqx.Partial(_power, config, 0)
    found["power_steep"] = eqx.Partial(_power, config, 1)
    found["fresh"] = eqx.Partial(_fresh, config)
    found["unmatched"] = eqx.Partial(_unmatched, config)
    found["joint"] = eqx.Partial(_joint, config)
    for method in STRENGTHS:
        found[method] = eqx.Partial(_regularized, config, method, "none")
    for method in ("ewc", "lwf"):
        found[f"power_{method}"] = eqx.Partial(_regularized, config, method, "power")
    if config.robust_tasks:
        for name, cell in cells(config).items():
            found[name] = eqx.Partial(_robust, config, *cell)
    found["need"] = eqx.Partial(_need, config)
    return found


def cells(config: Config) -> dict[str, tuple[str, float, str]]:
    """Arms of C5: name -> (method, share, width). Power law and EWC everywhere; without either at
    the middle of both.
    """
    middle = config.robust_shares[len(config.robust_shares) // 2]
    places = [(share, "middle") for share in config.robust_shares]
    places += [(middle, "narrow"), (middle, "wide")]
    found = {
        cell_name(method, share, width): (method, share, width)
        for method in ("power", "ewc")
        for share, width in places
    }
    return found | {cell_name("none", middle, "middle"): ("none", middle, "middle")}


def cell_name(method: str, share: float, width: str) -> str:
    """`power_middle_10` for the power law at the middle width and a share of 10 %."""
    return f"{method}_{width}_{100 * share:g}"


@functools.lru_cache(maxsize=2)
def images(config: Config) -> Split:
    """The study's training, validation and test images."""
    # One split for the whole study: no seed's validation images are another's training images.
    key = named(jr.key(0), "power_law_rehearsal/split")
    split = subset(load(config.data), config.train, config.validation, config.test, key)
    if not config.pooled:
        return split
    return Split(*(Examples(pool2(part.x), part.y) for part in split))


def stream(
    config: Config, split: Split, share: float, schedule: str, tasks: int, b: float | None = None
) -> RehearsalStream:
    """The tasks with old ones among them."""
    bright = 16.0 if config.data == "digits" else 255.0
    scaling = Scaling(MEAN * bright, DEVIATION * bright, shape=(int(split.train.x[0].size),))
    source = PermutedTasks(split, tasks, first_identity=True, batch=config.batch, scaling=scaling)
    kind, match = SCHEDULES[schedule]
    table = rehearsal_table(kind, tasks, config.b if b is None else b, match=match or "mean_lag")
    budget = round(share * len(split.train.y))
    return RehearsalStream(source, jnp.asarray(table, jnp.float32), budget, order="mixed")


def net(config: Config, split: Split, width: int | None = None) -> GradientLearner:
    """Two hidden layers under Adam."""
    width = config.width if width is None else width
    rate = config.wide_rate if width == config.wide else config.learning_rate
    classes = int(split.train.y.max()) + 1
    return GradientLearner(
        eqx.Partial(MLP, (int(split.train.x[0].size), width, width, classes)),
        task_cross_entropy,
        optax.adam,
        {"learning_rate": jnp.float32(rate)},
    )


def log_probabilities(model: Any, x: jax.Array) -> jax.Array:
    """Of one image."""
    return jax.nn.log_softmax(model(x))


def regularized(config: Config, method: str, learner: GradientLearner) -> Learner:
    """The net with one of the regularizers; its strength is tuned."""
    strength = jnp.float32(getattr(config, STRENGTHS[method][0])[1])
    if method == "ewc":
        return OnlineEWC(learner, strength, log_probabilities)
    if method == "si":
        return SynapticIntelligence(learner, strength, jnp.float32(0.1))
    if method == "l2":
        return L2Anchor(learner, strength)
    temperature = jnp.float32(config.temperature)
    return LearningWithoutForgetting(learner, temperature, strength, shared=False)


def _strength(system: Any) -> Any:
    return system["learner"].strength


def _weight(system: Any) -> Any:
    return system["learner"].weight


STRENGTHS = {
    "l2": ("l2_strengths", _strength),
    "ewc": ("ewc_strengths", _strength),
    "si": ("si_strengths", _strength),
    "lwf": ("lwf_weights", _weight),
}
"""Regularizer -> its grid's name in the configuration, and the field that is tuned."""


def _system(config: Config, tasks: RehearsalStream, learner: Learner, **more: Any) -> Observe:
    """Phases one after another; the head is shared, so all classes compete whatever the rule."""
    steps = config.steps(len(tasks.y), tasks.budget)
    system = TaskSequence(
        learner, tasks, steps, candidates=own_classes,
        **{"reset_optimizer": True, "examples": config.fisher_images, **more},
    )  # fmt: skip
    return observe(system, rehearsed)


def _arm(system: Observe, tasks: int, **more: Any) -> Arm:
    labels = np.arange(1, tasks + 1)
    dims = {"accuracy": ("tested",), "own_accuracy": ("tested",), "rehearsed": ("tested",),
            "trace": ("point",)}  # fmt: skip
    return Arm(system, tasks, dims=dims, coords={"tested": labels}, chunk=tasks, **more)


def _schedule(config: Config, name: str, size: int) -> Arm:
    split = images(config)
    tasks = stream(config, split, config.shares[size], name, config.tasks)
    traced = {"trace": config.trace} if size == 0 and name in PLAIN else {}
    return _arm(_system(config, tasks, net(config, split), **traced), config.tasks)


def _power(config: Config, which: int) -> Arm:
    split = images(config)
    b = config.other_exponents[which]
    tasks = stream(config, split, config.shares[0], "power", config.tasks, b)
    return _arm(_system(config, tasks, net(config, split)), config.tasks)


def _fresh(config: Config) -> Arm:
    """A new net for every task: what the task takes by itself."""
    split = images(config)
    tasks = stream(config, split, config.shares[0], "none", config.tasks)
    learner = FreshNet(net(config, split))
    return _arm(_system(config, tasks, learner, trace=config.trace), config.tasks)


def _unmatched(config: Config) -> Arm:
    """Nothing comes back, and phases are shorter by what would have."""
    split = images(config)
    tasks = stream(config, split, 0.0, "none", config.tasks)
    return _arm(_system(config, tasks, net(config, split)), config.tasks)


def _joint(config: Config) -> Arm:
    """All tasks at once, in as many steps: a ceiling."""
    split = images(config)
    tasks = stream(config, split, config.shares[0], "none", config.tasks)
    more = {"mixed": True, "reset_optimizer": False}
    return _arm(_system(config, tasks, net(config, split), **more), config.tasks)


def _regularized(config: Config, method: str, schedule: str) -> Arm:
    split = images(config)
    tasks = stream(config, split, config.shares[0], schedule, config.tasks)
    system = _system(config, tasks, regularized(config, method, net(config, split)))
    return _tuned(config, split, _arm(system, config.tasks), method, config.tasks)


def _robust(config: Config, method: str, share: float, width: str) -> Arm:
    split = images(config)
    count = max(config.robust_tasks)
    size = {"narrow": config.narrow, "middle": config.width, "wide": config.wide}[width]
    learner: Learner = net(config, split, size)
    if method in ANCHORED:
        learner = regularized(config, method, net(config, split, size))
    schedule = "none" if method in ANCHORED else method
    system = _system(config, stream(config, split, share, schedule, count), learner)
    arm = _arm(system, count, seeds=config.robust_seeds)
    if method in ANCHORED:
        return _tuned(config, split, arm, method, config.robust_tuning_tasks)
    return arm


def _tuned(config: Config, split: Split, arm: Arm, method: str, tasks: int) -> Arm:
    """The arm with its strength to be chosen by validation images after so many tasks."""
    probe = ValidationAccuracy(
        jnp.asarray(split.validation.x), jnp.asarray(split.validation.y), tasks - 1
    )
    arm = dataclasses.replace(arm, system=observe(arm.system, probe))
    if not config.tuning_seeds:
        return arm
    grid, where = STRENGTHS[method]
    tuning = Tuning(
        where, getattr(config, grid), validation_score, seeds=config.tuning_seeds, ticks=tasks
    )
    return dataclasses.replace(arm, tuning=tuning)


def _need(config: Config) -> Arm:
    """The environment that draws tasks by the time since they were last performed."""
    every = config.need_steps // config.tasks
    process = NeedProcess(
        config.tasks, jnp.float32(config.b), jnp.float32(0),
        intro=config.need_intro, every=every,
    )  # fmt: skip
    return Arm(process, config.need_steps)
