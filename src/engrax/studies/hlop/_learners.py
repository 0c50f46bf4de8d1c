"""The learners of the study: a spiking net, ways to train it, and ways to remember."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from engrax.continual import (
    ElasticWeightConsolidation,
    ExemplarReplay,
    GradientProjectionMemory,
    HebbianOrthogonalProjection,
    ReplayBuffer,
)
from engrax.core import Learner
from engrax.credit import BPTTLearner, DSRLearner, OnlineTraceLearner, SpikingLearner
from engrax.nn import SpikingNetwork
from engrax.plasticity import OrthogonalLateralCircuit
from engrax.spiking import DSRLIF, LIF, sigmoid_surrogate

from ._config import Config

RULES = {
    "dsr": "DSR, BP",
    "fa": "DSR, FA",
    "ss": "DSR, SS",
    "bptt": "BPTT, BP",
    "ottt": "OTTT, BP",
}
"""Training method and error propagation -> what figures call them."""

_PROPAGATION: dict[str, Literal["weights", "random", "sign"]] = {
    "dsr": "weights",
    "fa": "random",
    "ss": "sign",
}

BATCH_OF_TESTS = 500


def rule(config: Config, name: str, widths: tuple[int, ...], rate: float | None = None) -> Any:
    """The net under one of the `RULES`; DSR with backpropagated errors has its own steps."""
    steps = config.dsr_steps if name == "dsr" else config.rule_steps
    hyper = {"learning_rate": jnp.float32(config.learning_rate if rate is None else rate)}
    if name in ("dsr", "fa", "ss"):
        build = eqx.Partial(SpikingNetwork, widths, DSRLIF(steps), steps)
        down = _PROPAGATION[name]
        return DSRLearner(build, optax.sgd, hyper, propagation=down, part=BATCH_OF_TESTS)
    # The reset is not differentiated; OTTT detaches the membrane between steps besides.
    neuron = LIF(1 - 1 / config.tau, surrogate=sigmoid_surrogate(4.0), detach_reset=True)
    build = eqx.Partial(SpikingNetwork, widths, neuron, steps)
    kind = BPTTLearner if name == "bptt" else OnlineTraceLearner
    return kind(build, optax.sgd, hyper, part=BATCH_OF_TESTS)


def weights(model: SpikingNetwork) -> tuple[Any, ...]:
    """All weights: the head is shared by the tasks, so it is protected as well."""
    return tuple(layer.weight for layer in model.layers)


class Samples(eqx.Module):
    """What a learner's circuits are shown of each layer's input, for any batch."""

    learner: SpikingLearner

    def __call__(self, model: SpikingNetwork, x: Float[Array, "n features"]) -> list[Array]:
        """One array (samples, features) a layer."""
        # The gradient beside it is never used, so it is never computed.
        none = jnp.zeros(len(x), jnp.int32)
        found = self.learner.gradient(model, None, x, none, None)[3]
        return [a.reshape(-1, a.shape[-1]) for a in found]


def circuits(
    config: Config, widths: tuple[int, ...], burst_levels: float | None = None
) -> tuple[OrthogonalLateralCircuit, ...]:
    """One circuit for each layer's input, with room for all tasks."""
    table = config.rows
    return tuple(
        OrthogonalLateralCircuit(
            n,
            sum(rows[level] for rows in table),
            rate=config.lateral_rates[level],
            iterations=config.iterations,
            block=max(rows[level] for rows in table),
            burst_levels=burst_levels,
        )
        for level, n in enumerate(widths[:-1])
    )


def projected(
    config: Config,
    inner: Learner,
    widths: tuple[int, ...],
    *,
    traces: bool,
    burst_levels: float | None = None,
) -> HebbianOrthogonalProjection:
    """HLOP around a learner, on its presynaptic traces or, which is the same for linear lateral
    neurons, on the changes of its weights.
    """
    return HebbianOrthogonalProjection(
        inner,
        circuits(config, widths, burst_levels),
        config.rows,
        weights,
        freeze_vectors=True,
        traces=traces,
    )


def bursting(config: Config, widths: tuple[int, ...]) -> HebbianOrthogonalProjection:
    """HLOP with lateral neurons that spike: each step of time is projected by itself."""
    inner = rule(config, "dsr", widths)
    inner = DSRLearner(
        inner.build, inner.optimizer, inner.hyper, project="steps", part=BATCH_OF_TESTS
    )
    return projected(config, inner, widths, traces=True, burst_levels=config.burst_levels[-1])


def gradient_projection(config: Config, widths: tuple[int, ...]) -> GradientProjectionMemory:
    """GPM with as many directions as HLOP has lateral neurons, as far as there are dimensions."""
    inner = rule(config, "dsr", widths)
    k_max, table, used = [], [], [0] * (len(widths) - 1)
    for rows in config.rows:
        now = [min(k, n - u) for k, n, u in zip(rows, widths, used, strict=False)]
        used = [u + k for u, k in zip(used, now, strict=True)]
        table.append(now)
    k_max = used
    return GradientProjectionMemory(
        inner, weights, Samples(inner), k_max=k_max, k=table, freeze_vectors=True
    )


def consolidation(config: Config, widths: tuple[int, ...]) -> ElasticWeightConsolidation:
    """EWC on the same net; its strength is tuned."""
    middle = config.ewc_strengths[len(config.ewc_strengths) // 2]
    return ElasticWeightConsolidation(
        rule(config, "dsr", widths),
        log_probabilities,
        jnp.float32(middle),
        jnp.float32(config.learning_rate),
    )


def log_probabilities(
    learner: SpikingLearner, model: SpikingNetwork, x: Float[Array, " features"]
) -> Float[Array, " classes"]:
    """Of one image."""
    return jax.nn.log_softmax(learner.logits(model, x[None])[0])


def rehearsing(
    config: Config, inner: Learner, widths: tuple[int, ...], *, freeze_vectors: bool
) -> ExemplarReplay:
    """A learner that goes over stored images after each task; its rate of rehearsal is tuned."""
    classes = widths[-1]
    kept = config.replay_per_class * classes
    middle = config.replay_rates[len(config.replay_rates) // 2]
    return ExemplarReplay(
        inner,
        rule(config, "dsr", widths, rate=middle),
        ReplayBuffer(
            config.replay_per_class, config.tasks, classes, (widths[0],), policy="per_class"
        ),
        steps=config.replay_epochs * max(1, kept // config.replay_batch),
        batch=config.replay_batch,
        freeze_vectors=freeze_vectors,
    )


def span(rows: Float[Array, "k n"]) -> Float[Array, "k n"]:
    """Orthonormal rows with the same span; zero rows for the dimensions that it lacks."""
    # Of the small matrix of inner products: many times cheaper than singular values of the rows.
    power, turn = jnp.linalg.eigh(rows @ rows.T)
    kept = (power > 1e-4 * power[-1]) & (power > 0)
    vectors = turn.T @ rows / jnp.sqrt(jnp.where(kept, power, 1))[:, None]
    return jnp.where(kept[:, None], vectors, 0)[::-1]
