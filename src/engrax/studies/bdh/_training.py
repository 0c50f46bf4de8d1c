"""What all language models of the study share: loss, optimizer, the training run, its rates."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from engrax.core import State, Stream, System, observe, repeat, serial
from engrax.lab import Arm, Tuning
from engrax.nn import TruncatedBPTT, parameter_count
from engrax.probes import activation_sparsity
from engrax.tasks import ByteSequences

from . import _data
from ._config import Config

Score = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""Of a run's records: (seed, value), higher is better."""


def scheduled(
    learning_rate: Array, weight_decay: Array, *, clip: float, steps: int, warmup: int
) -> optax.GradientTransformation:
    """AdamW with a clipped gradient, whose rate rises to `learning_rate` and falls to a tenth.

    The learning rate stands in the optimizer's state, where another arm may take it from.
    """
    shape = optax.schedules.warmup_constant_schedule(0.0, 1.0, warmup)
    fall = optax.schedules.linear_schedule(1.0, 0.1, steps - warmup, warmup)
    return optax.chain(
        optax.clip_by_global_norm(clip),
        optax.scale_by_adam(),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_schedule(lambda count: shape(count) * fall(count)),
        optax.inject_hyperparams(optax.scale_by_learning_rate)(learning_rate=learning_rate),
    )


def learner(config: Config, build: eqx.Partial, steps: int, batch: int) -> TruncatedBPTT:
    """Backpropagation through one batch of texts, under the study's optimizer."""
    return TruncatedBPTT(
        build=build,
        optimizer=eqx.Partial(scheduled, clip=config.clip, steps=steps, warmup=config.warmup),
        hyper={
            "learning_rate": jnp.float32(config.rates[-1]),
            "weight_decay": jnp.float32(config.weight_decay),
        },
        batch=batch,
        carried=config.carried,
        part=config.part,
    )


def nats(
    model: Any, x: Int[Array, "windows length"], y: Int[Array, "windows length"]
) -> Float[Array, "windows length"]:
    """Cross-entropy of each byte y, each window read from an empty state."""

    def one(pair: tuple[Array, Array]) -> Array:
        return optax.softmax_cross_entropy_with_integer_labels(model(pair[0]), pair[1])

    return jax.lax.map(one, (x, y), batch_size=_TOGETHER)


_TOGETHER = 8
"""Windows read at once in evaluation: bounds the memory."""


class HeldOut(eqx.Module):
    """A probe: loss on held-out windows, and the share of active neurons where there are any."""

    x: Int[Array, "windows length"]
    y: Int[Array, "windows length"]
    activity: bool = eqx.field(static=True)
    """Whether the model has neurons to look at."""

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """The record of one measurement."""
        model = system["learner"].model(state["learner"])
        record = {"validation_loss": nats(model, self.x, self.y).mean()}
        return record | (active(model, self.x[:_LOOKED_AT]) if self.activity else {})


_LOOKED_AT = 4
"""Windows whose activity is recorded during training."""


def active(model: Any, x: Int[Array, "windows length"]) -> dict[str, Float[Array, " layers"]]:
    """The mean share of positive x and y in each layer of a BDH."""

    def one(tokens: Array) -> dict[str, Array]:
        seen = model.activations(tokens)
        return {
            f"{name}_active": activation_sparsity(seen[name]).mean((1, 2)) for name in ("x", "y")
        }

    return jax.tree.map(lambda shares: shares.mean(0), jax.lax.map(one, x))


class Final(eqx.Module):
    """What is measured of a trained model, on the host: its test loss, and its activity."""

    learner: Any
    x: Int[Array, "windows length"]
    y: Int[Array, "windows length"]
    activity: bool = eqx.field(static=True)

    def __call__(self, state: State) -> Mapping[str, Any]:
        """Of the final state of one run."""
        model = self.learner.model(state["learner"])
        record: dict[str, Any] = {
            "test_loss": mean_nats(model, self.x, self.y),
            "parameters": np.float64(_core_parameters(model)),
        }
        return record | (_active(model, self.x[: 4 * _LOOKED_AT]) if self.activity else {})


@eqx.filter_jit
def mean_nats(model: Any, x: Array, y: Array) -> Float[Array, ""]:
    """Nats a byte over all windows."""
    return nats(model, x, y).mean()


_active = eqx.filter_jit(active)


def _core_parameters(model: Any) -> int:
    """Trained numbers but for those that read a byte in and out: both are as many in each model."""
    return parameter_count(model) - model.embedding.size - model.head.size


def text_arm(
    config: Config,
    build: eqx.Partial,
    text: _data.Part,
    *,
    activity: bool = False,
    steps: int | None = None,
    batch: int | None = None,
    length: int | None = None,
    **more: Any,
) -> Arm:
    """A model trained on a text, its held-out loss recorded on the way."""
    steps, batch = steps or config.steps, batch or config.batch
    length = length or config.length
    starts = _data.starts(config, text.train)
    stream = ByteSequences(text.train, batch, length, carried=config.carried, starts=starts)
    trainer = learner(config, build, steps, batch)
    held_out = (text.validation, text.test)
    validation, test = (_data.windows(config, part, length) for part in held_out)
    every = steps // config.measurements or 1
    system = recorded(stream, trainer, every, HeldOut(*validation, activity))
    coords = {"tick": every * (1 + np.arange(steps // every))}
    final = Final(trainer, *test, activity)
    dims = {"x_active": ("layer",), "y_active": ("layer",)}
    return Arm(system, steps // every, dims=dims, coords=coords, measure=final, **more)


def recorded(stream: Stream, trainer: TruncatedBPTT, every: int, probe: Any) -> System:
    """A training run that is measured each `every` steps."""
    return observe(repeat(serial(stream=stream, learner=trainer), every), probe)


def last_validation_loss(records: Mapping[str, np.ndarray]) -> np.ndarray:
    """What learning rates are chosen by: (seed, value), higher is better."""
    return -records["validation_loss"][..., -1]


def tuned(config: Config, arm: Arm, score: Score = last_validation_loss) -> Arm:
    """The arm with its learning rate to be chosen; at scales without tuning, the last one."""
    if not config.tune:
        return arm
    return dataclasses.replace(arm, tuning=Tuning(rate, config.rates, score))


def rate(system: Any) -> Any:
    """The learning rate of an arm."""
    return system["learner"].hyper["learning_rate"]


def same_rate(fresh: State, tuned: State) -> State:
    """A fresh run at the learning rate that another arm was given."""
    return eqx.tree_at(_chosen_rate, fresh, _chosen_rate(tuned))


def clone(fresh: State, trained: State) -> State:
    """The weights and the rate of a trained arm, under a fresh optimizer."""
    started = same_rate(fresh, trained)
    return eqx.tree_at(_weights, started, _weights(trained))


def _chosen_rate(state: State) -> Any:
    return state["learner"]["optimizer"][-1].hyperparams["learning_rate"]


def _weights(state: State) -> Any:
    return state["learner"]["model"]
