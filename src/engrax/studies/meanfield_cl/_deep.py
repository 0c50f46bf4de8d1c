"""The deep networks: binary weights with a posterior, binarized ones, and real ones."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from engrax.continual import (
    ElasticWeightConsolidation,
    EpochAnneal,
    TaskNorms,
    VariationalBinary,
    latent_weights,
    shared_norm_loss,
    task_cross_entropy,
    task_norm_loss,
)
from engrax.core import GradientLearner, Learner, metaplastic
from engrax.nn import MLP, BinaryNet, MeanFieldBinaryMLP

from ._config import Config

ANNEALED = 2.0
"""How far the annealing of permuted images goes, in the argument of its tanh."""
PAIR_ANNEALED = 1.0
"""And that of a pair of data sets."""


def adam(learning_rate: Any) -> optax.GradientTransformation:
    """The paper's: its second moment forgets after 100 steps."""
    return optax.adam(learning_rate, b1=0.9, b2=0.99, eps=1e-8)


def variational(
    widths: tuple[int, ...],
    schedule: EpochAnneal,
    rate: float,
    weight: float,
    **more: Any,
) -> VariationalBinary:
    """Binary weights with a posterior; `weight` 0 leaves the prior out."""
    return VariationalBinary(
        eqx.Partial(MeanFieldBinaryMLP, widths),
        schedule,
        adam,
        {"learning_rate": jnp.float32(rate)},
        jnp.float32(weight),
        **more,
    )


def metaplastic_table(config: Config) -> Float[Array, "cells 2"]:
    """(meta, learning rate) of every cell that the metaplastic baseline chooses from."""
    cells = [(meta, rate) for rate in config.meta_rates for meta in config.metas]
    return jnp.asarray(cells, jnp.float32)


def metaplastic_adam(
    choice: Array, *, table: Float[Array, "cells 2"], decay: float
) -> optax.GradientTransformation:
    """Adam with the numbers of cell `choice`, counted from 1, whose steps spare large weights."""
    meta, rate = table[choice.astype(jnp.int32) - 1]
    return optax.chain(
        optax.add_decayed_weights(decay),
        optax.scale_by_adam(),
        optax.scale(-rate),
        optax.masked(metaplastic(meta), latent_weights),
    )


def binarized(config: Config, widths: tuple[int, ...], *, per_task: bool) -> Learner:
    """The metaplastic baseline, with norms of all tasks or of each."""
    table = metaplastic_table(config)
    learner = GradientLearner(
        eqx.Partial(BinaryNet, widths, tasks=config.tasks if per_task else 1),
        task_norm_loss if per_task else shared_norm_loss,
        eqx.Partial(metaplastic_adam, table=table, decay=config.meta_decay),
        {"choice": jnp.float32(1 + len(table) // 2)},
        apply=_in_one_batch,
        part=10**6,
    )
    return TaskNorms(learner) if per_task else learner


def _in_one_batch(model: BinaryNet, x: Float[Array, "batch in"]) -> Float[Array, "batch out"]:
    return model(x)


def real(config: Config, widths: tuple[int, ...]) -> GradientLearner:
    """A ReLU net of real weights under plain SGD."""
    return GradientLearner(
        eqx.Partial(MLP, widths),
        task_cross_entropy,
        optax.sgd,
        {"learning_rate": jnp.float32(config.real_rate)},
    )


def consolidated(config: Config, widths: tuple[int, ...]) -> ElasticWeightConsolidation:
    """The same net under elastic weight consolidation; its strength is tuned."""
    middle = config.ewc_strengths[len(config.ewc_strengths) // 2]
    return ElasticWeightConsolidation(
        real(config, widths),
        _log_probabilities,
        jnp.float32(middle),
        jnp.float32(config.real_rate),
    )


def _log_probabilities(
    learner: Any, model: MLP, x: Float[Array, " features"]
) -> Float[Array, " classes"]:
    return jax.nn.log_softmax(model(x))
