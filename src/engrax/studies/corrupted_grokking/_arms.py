"""The runs of the study."""

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

from engrax.core import GradientLearner, System, observe, repeat, serial
from engrax.lab import Arm
from engrax.nn import EncoderTransformer, TwoLayerNet
from engrax.tasks import GroupStream, operation_table

from ._config import Config
from ._measures import (
    Accuracies,
    MeanSquaredError,
    Pruning,
    Spectra,
    embedding_ratio,
    trainable,
)

Measure = Callable[[Any], Mapping[str, Any]]


def arms(config: Config) -> dict[str, Arm]:
    """All arms, by name."""
    return _full_batch_arms(config) | _norm_arms(config) | _diagrams(config) | _deep_arms(config)


def _full_batch_arms(config: Config) -> dict[str, Arm]:
    """The net of Figs. 1, 4 and 6: without regularization, under decay, under dropout."""
    p, rate, steps, short = config.p, config.learning_rate, config.steps, config.decay_steps

    def arm(
        steps: int, stream: GroupStream, decay: float, dropout: float = 0.0, **more: Any
    ) -> Arm:
        net = _net(p, config.width, dropout=dropout)
        learner = _learner(net, rate, decay, config.block)
        return _arm(config, stream, learner, steps, Spectra(stream), **more)

    task = GroupStream(_addition(p), config.fraction, corrupt=config.corruption)
    clean = GroupStream(_addition(p), config.fraction)
    sparse = GroupStream(_addition(p), config.sparse_fraction, corrupt=config.corruption)
    pruning = Pruning(
        Spectra(task), _net(p, config.width), config.pruning_block, config.random_orders
    )
    none = _learner(_net(p, config.width), rate, 0.0, config.block)
    return {
        "none": _arm(config, task, none, steps, pruning, dims=_PRUNING_DIMS),
        "clean": arm(steps, clean, 0.0),
        "sparse": arm(steps, sparse, 0.0),
        "mild_decay": arm(short, task, config.mild_decay),
        "decay": arm(short, task, config.decay),
        "decay_clean": arm(short, clean, config.decay),
        "dropout": arm(config.dropout_steps, task, 0.0, config.dropout),
    }


def _norm_arms(config: Config) -> dict[str, Arm]:
    """The net of Fig. 5, in mini-batches: with batch normalization, and without."""

    def arm(norm: str | None) -> Arm:
        stream = GroupStream(
            _addition(config.p),
            config.norm_fraction,
            corrupt=config.norm_corruption,
            batch=config.norm_batch,
        )
        net = _net(config.p, config.width, norm=norm)
        learner = _learner(net, config.norm_learning_rate, 0.0, config.block)
        return _arm(config, stream, learner, config.norm_steps, Spectra(stream))

    return {"norm": arm("post_bn"), "mini_batch": arm(None)}


def _deep_arms(config: Config) -> dict[str, Arm]:
    """General architectures, each at several weight decays, and (paper) the widths of Fig. 32."""
    p = config.transformer_p
    stream = GroupStream(
        _addition(p), config.transformer_fraction, corrupt=config.transformer_corruption
    )
    d, heads = config.transformer_d, config.transformer_heads
    model = eqx.Partial(EncoderTransformer, p, 2, d, heads)
    learner = _learner(model, config.transformer_learning_rate, 1.0, config.block)
    grid = {"weight_decay": (_decay_of, np.asarray(config.transformer_decays, np.float32))}
    more: dict[str, Any] = {"grid": grid, "seeds": config.transformer_seeds}
    steps = config.transformer_steps
    found = {"transformer": _arm(config, stream, learner, steps, embedding_ratio, **more)}
    if config.mlp_steps:
        model = eqx.Partial(DeepNet, p, config.width)
        learner = _learner(model, config.transformer_learning_rate, 1.0, config.block)
        found["deep"] = _arm(config, stream, learner, config.mlp_steps, None, **more)
    for width in config.pruned_widths:
        task = GroupStream(_addition(config.p), config.fraction, corrupt=config.corruption)
        net = _net(config.p, width)
        pruning = Pruning(Spectra(task), net, config.pruning_block, 1)
        learner = _learner(net, config.learning_rate / 2, 1.0, config.block)
        options: dict[str, Any] = {"dims": _PRUNING_DIMS, "seeds": config.pruned_seeds}
        found[f"width_{width}"] = _arm(config, task, learner, config.steps, pruning, **options)
    return found


def _diagrams(config: Config) -> dict[str, Arm]:
    """Phase diagrams over data and corruption, each as one compiled grid."""
    p, width = config.phase_p, config.phase_width
    axes = {
        "fraction": (_fraction_of, np.asarray(config.phase_fractions, np.float32)),
        "corruption": (_corruption_of, np.asarray(config.phase_corruptions, np.float32)),
    }

    def arm(
        batch: int | None = None, dropout: float = 0.0, norm: str | None = None, grid: Any = axes
    ) -> Arm:
        stream = GroupStream(_addition(p), max(config.phase_fractions), batch=batch)
        small = 1.0 if batch is None else math.sqrt(min(batch, 256) / 256)
        times = 1 if batch is None else 256 // batch
        net = _net(p, width, dropout=dropout, norm=norm)
        learner = _learner(net, config.learning_rate * small, 0.0, config.block)
        system = serial(stream=stream, learner=learner)
        steps = config.phase_steps * times
        every = steps // min(config.measurements, _PHASE_MEASUREMENTS)
        return _observed(system, steps, every, grid=grid, seeds=config.phase_seeds)

    decays = {"weight_decay": (_decay_of, np.asarray(config.phase_decays, np.float32))}
    return (
        {"phases": arm(grid=axes | decays)}
        | {f"phases_dropout_{q:g}": arm(dropout=q) for q in config.phase_dropouts}
        | {f"phases_norm_{b}": arm(batch=b, norm="post_bn") for b in config.phase_norm_batches}
        | {f"phases_batch_{b}": arm(batch=b) for b in config.phase_batches}
    )


_PHASE_MEASUREMENTS = 10
"""A cell's trace only has to tell whether it ever generalized."""

_PRUNING_DIMS = {
    f"{order}_{measure}_{part}": ("pruned",)
    for order in ("lowest", "highest", "random", "magnitude", "loss")
    for measure in ("accuracy", "mse")
    for part in ("train", "test", "corrupt", "intact")
}


def _arm(
    config: Config,
    stream: GroupStream,
    learner: GradientLearner,
    steps: int,
    measure: Measure | None,
    dims: Mapping[str, tuple[str, ...]] | None = None,
    **more: Any,
) -> Arm:
    system = serial(stream=stream, learner=learner)
    dims = {"ipr": ("unit",), "gain": ("unit",), "embedding_ipr": ("feature",), **(dims or {})}
    if isinstance(measure, Pruning):
        points = len(range(0, measure.build.keywords["width"] + 1, measure.block))
        more["coords"] = {"pruned": np.linspace(0, 1, points)}
    every = steps // config.measurements
    return _observed(system, steps, every, measure=measure, dims=dims, **more)


def _observed(system: System, steps: int, every: int, **more: Any) -> Arm:
    """An arm that is measured each `every` steps; its ticks are labeled by optimizer steps."""
    ticks = steps // every
    coords = {"tick": every * (1 + np.arange(ticks)), **more.pop("coords", {})}
    return Arm(observe(repeat(system, every), Accuracies()), ticks, coords=coords, **more)


def _net(p: int, width: int, *, dropout: float = 0.0, norm: str | None = None) -> eqx.Partial:
    """Builds the quadratic net; all weights start with the deviation (16 N)^(-1/3)."""
    return eqx.Partial(
        TwoLayerNet,
        d_in=2 * p,
        width=width,
        d_out=p,
        activation=jnp.square,
        dropout=dropout,
        norm=norm,
        init=(16 * width) ** (-1 / 3),
    )


def _learner(build: eqx.Partial, rate: float, decay: float, block: int) -> GradientLearner:
    """AdamW whose decay is decoupled: a step shrinks every weight by rate x decay."""
    return GradientLearner(
        build=build,
        loss=MeanSquaredError(block),
        optimizer=eqx.Partial(optax.adamw, b1=0.9, b2=0.98, eps=1e-8),
        hyper={"learning_rate": jnp.float32(rate), "weight_decay": jnp.float32(decay)},
        trainable=trainable,
    )


def _addition(p: int) -> np.ndarray:
    return operation_table(p, np.add)


def _decay_of(system: Any) -> Any:
    return system["learner"].hyper["weight_decay"]


def _fraction_of(system: Any) -> Any:
    return system["stream"].fraction


def _corruption_of(system: Any) -> Any:
    return system["stream"].corrupt


class DeepNet(eqx.Module):
    """Three layers of ReLU units on two tokens, without biases (App. G); variance 2 / fan-in."""

    first: TwoLayerNet
    readout: Float[Array, "p width"]

    def __init__(self, p: int, width: int, *, key: Key[Array, ""]) -> None:
        """Two hidden layers of `width` units."""
        key_first, key_readout = jr.split(key)
        # A token input has two entries that are 1, so its variance is that of fan-in 2.
        first = TwoLayerNet(2 * p, width, width, init=math.sqrt(2 / width), key=key_first)
        self.first = eqx.tree_at(lambda net: net.weight, first, first.weight * math.sqrt(width / 2))
        self.readout = jr.normal(key_readout, (p, width)) * math.sqrt(2 / width)

    def __call__(self, x: Int[Array, " 2"]) -> Float[Array, " p"]:
        """Outputs for one pair of tokens."""
        return self.readout @ jax.nn.relu(self.first(x))
