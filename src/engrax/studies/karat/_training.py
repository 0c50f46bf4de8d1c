"""What all arms on images share: images, loss, optimizer, and the run."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float, Key, PyTree

from engrax.core import (
    Batch,
    GradientLearner,
    Learner,
    State,
    System,
    accuracy,
    in_parts,
    named,
    observe,
    repeat,
    serial,
)
from engrax.tasks import Batches, Scaling, Split, load, subset

from ._config import Config
from ._models import image_shape


@lru_cache(maxsize=2)
def images(config: Config) -> Split:
    """Training, validation and test images."""
    key = named(jr.key(0), "karat/split")  # one split for the whole study
    return subset(load(config.data), config.train, config.validation, config.test, key)


def scaling(config: Config) -> Scaling:
    """Normalized pixels, channels first."""
    return Scaling(255 * config.mean, 255 * config.std, shape=image_shape(config))


def smoothed_cross_entropy(
    model: Any, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, ""], tuple[Any, dict[str, Array]]]:
    """Mean cross-entropy with 10 % of the label spread over all classes."""
    return plain_loss(jax.vmap(model)(batch.x), batch.y), (model, {})


def plain_loss(logits: Array, y: Array, smoothing: float = 0.1) -> Float[Array, ""]:
    """The loss of logits (batch, classes)."""
    wanted = optax.smooth_labels(jax.nn.one_hot(y, logits.shape[-1]), smoothing)
    return optax.softmax_cross_entropy(logits, wanted).mean()


def optimizer(
    learning_rate: Array,
    weight_decay: Array,
    clip: Array,
    warmup: Array,
    steps: Array,
    floor: Array,
    functions: Array,
    mix: Array,
    bias: Array,
) -> optax.GradientTransformation:
    """AdamW with a clipped gradient, a linear warm-up and half a cosine down to `floor`.

    `functions`, `mix` and `bias` are 1, or 0 to hold the coefficients of the operators, their W, or
    the biases of softmax rows where they started.
    """
    factors = {"coefficients": functions, "mix": mix, "bias": bias}

    def rate(step: ArrayLike) -> Array:
        now = jnp.asarray(step, jnp.float32)
        left = jnp.clip((now - warmup) / jnp.maximum(steps - warmup, 1), 0, 1)
        down = floor + (learning_rate - floor) * (1 + jnp.cos(jnp.pi * left)) / 2
        return jnp.where(now < warmup, learning_rate * (now + 1) / jnp.maximum(warmup, 1), down)

    def held(updates: PyTree, params: PyTree = None) -> PyTree:
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: leaf * factors.get(_operator_part(path), 1.0), updates
        )

    hold = optax.stateless(held)
    # All weights in one row: compiled once, not once a matrix.
    step = optax.flatten(
        optax.chain(optax.clip_by_global_norm(clip), optax.adamw(rate, weight_decay=weight_decay))
    )
    return optax.chain(hold, step, hold)


def _operator_part(path: Any) -> str:
    """The name of a leaf inside an operator; nothing for other leaves."""
    names = [getattr(step, "name", "") for step in path]
    return names[-1] if "operator" in names else ""


def learner(
    config: Config,
    build: Callable[..., Any],
    *,
    epochs: int,
    per_epoch: int,
    rate: float | None = None,
    warmup: float | None = None,
    trainable: Callable[[Any], PyTree] | None = None,
    functions: bool = True,
    mix: bool = True,
    bias: bool = False,
) -> GradientLearner:
    """Training by backpropagation, with the settings of the study."""
    numbers = {
        "learning_rate": rate or config.rate,
        "weight_decay": config.weight_decay,
        "clip": config.clip,
        "warmup": per_epoch * (config.warmup if warmup is None else warmup),
        "steps": per_epoch * epochs,
        "floor": config.floor,
        "functions": functions,
        "mix": mix,
        "bias": bias,
    }
    hyper = {name: jnp.float32(value) for name, value in numbers.items()}
    return GradientLearner(build, smoothed_cross_entropy, optimizer, hyper, trainable=trainable)


@final
class Snapshots(System):
    """The inner system, its model saved after each tick. State: `{"inner", "saved", ...}`.

    The parts of the inner state are the state's own, so that later arms find them as in other runs.
    """

    inner: System
    count: int = eqx.field(static=True)

    def __getitem__(self, name: str) -> System:
        return self.inner[name]

    def init(self, *, key: Key[Array, ""]) -> State:
        state = self.inner.init(key=key)
        flat = weights(state)
        return {**state, "saved": jnp.zeros((self.count, flat.size), flat.dtype)}

    def step(self, state: State, input: Array) -> tuple[State, dict[str, Array]]:
        parts = {name: part for name, part in state.items() if name != "saved"}
        parts, record = self.inner.step(parts, input)
        # Later ones of a longer run are not kept.
        saved = state["saved"].at[input].set(weights(parts), mode="drop")
        return {**parts, "saved": saved}, record


def weights(state: State) -> Float[Array, " weights"]:
    """All weights of a run's model in one row."""
    floats = eqx.filter(state["learner"]["model"], eqx.is_inexact_array)
    return ravel_pytree(floats)[0]


def whole(record: Array) -> Array:
    """A record as it is, step by step."""
    return record


@final
class InParts(eqx.Module):
    """The means of a record over so many parts of its steps."""

    count: int = eqx.field(static=True)

    def __call__(self, record: Array) -> Array:
        """Steps (steps, ...) to (count, ...)."""
        return record.reshape(self.count, -1, *record.shape[1:]).mean(1)


@final
class Accuracies(eqx.Module):
    """A probe: the accuracies on validation and on test examples, in one pass over both."""

    x: Array
    y: Array
    validation: int = eqx.field(static=True)
    """How many of them are for validation; they come first."""

    def __init__(self, validation: Any, test: Any) -> None:
        """Both have `x` and `y`."""
        self.x, self.y = (
            jnp.concatenate([jnp.asarray(part) for part in parts])
            for parts in ((validation.x, test.x), (validation.y, test.y))
        )
        self.validation = len(validation.y)

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """The record of one tick."""
        stream, learner = system["stream"], system["learner"]

        def outputs(x: Array) -> Array:
            return learner.predict(state["learner"], stream.view(state["stream"], x))

        found = in_parts(outputs, self.x, learner.part)
        cut = self.validation
        return {
            "validation_accuracy": accuracy(found[:cut], self.y[:cut]),
            "test_accuracy": accuracy(found[cut:], self.y[cut:]),
        }


def run(config: Config, learner: Learner, *, snapshots: bool = False) -> System:
    """A run whose tick is a third of `epochs`, with the accuracies after it and losses along it."""
    split = images(config)
    stream = Batches(split.train, config.batch, scaling=scaling(config))
    tick, parts = per_tick(config, stream.per_epoch), config.snapshots // 3
    system: System = serial(stream=stream, learner=learner)
    if snapshots or config.save_all:
        saved = Snapshots(repeat(system, tick // parts), config.snapshots)
        system = repeat(saved, parts, reduce=whole)
    else:
        system = repeat(system, tick, reduce=InParts(parts))
    return observe(system, Accuracies(split.validation, split.test))


def per_tick(config: Config, per_epoch: int) -> int:
    """Steps of a tick.

    Raises:
        ValueError: epochs that have no third, or snapshots that do not divide it.
    """
    steps, rest = divmod(config.epochs * per_epoch, 3)
    if config.epochs % 3 or rest or config.snapshots % 3 or steps % (config.snapshots // 3):
        raise ValueError(
            f"{config.epochs} epochs of {per_epoch} steps have no thirds that {config.snapshots} "
            "snapshots divide; choose multiples of 3."
        )
    return steps


def ticks(config: Config, epochs: int) -> int:
    """Ticks of so many epochs."""
    return 3 * epochs // config.epochs


def rate(system: Any) -> Any:
    """The peak learning rate of an arm."""
    return system["learner"].hyper["learning_rate"]


def last_validation_accuracy(records: Mapping[str, np.ndarray]) -> np.ndarray:
    """What rates are chosen by: (seed, value)."""
    return records["validation_accuracy"][..., -1]
