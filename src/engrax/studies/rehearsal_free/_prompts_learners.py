"""Transformers before the stream, and what learns on it."""

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, ArrayLike, Float, Key, PyTree

from engrax.continual import (
    AnchoredLearner,
    L2Anchor,
    PromptedLearner,
    diagonal_fisher,
    prompted_cross_entropy,
    task_cross_entropy,
)
from engrax.core import Batch, GradientLearner, Learner, Paths, State, named, path_mask
from engrax.nn import (
    CODAPrompt,
    DualPrompt,
    PromptedTransformer,
    PromptPool,
    Prompts,
    VisionTransformer,
    parameter_count,
)

from ._config import Config

QKV = "*.attention.qkv.*"
"""The arrays of a transformer that make queries, keys and values."""
HEAD = ("head", "head_bias")


def transformer(config: Config, classes: int, *, key: Key[Array, ""]) -> VisionTransformer:
    """The transformer of all arms."""
    own = config.prompts
    return VisionTransformer(
        (1, config.size, config.size), own.patch, own.width, own.depth, own.heads,
        classes=classes, mlp_ratio=own.mlp_ratio, key=key,
    )  # fmt: skip


def prompted(
    config: Config, prompts: Callable[..., Prompts], *, key: Key[Array, ""]
) -> PromptedTransformer:
    """The transformer with prompts around it."""
    net = transformer(config, config.classes, key=key)
    return PromptedTransformer(net, prompts(key=named(key, "prompts")))


def prompts_of(config: Config, name: str) -> Callable[..., Prompts]:
    """`build(key=...)` of the prompts of a method."""
    own = config.prompts
    if name == "l2p":
        return eqx.Partial(
            PromptPool, own.width, pool=own.pool, length=own.pool_length, top=own.pool_top
        )
    if name == "dual":
        return eqx.Partial(
            DualPrompt, own.width, own.depth, config.tasks, early=own.early, late=own.late,
            general_length=own.general_length, length=own.expert_length,
        )  # fmt: skip
    return eqx.Partial(
        CODAPrompt, own.width, own.depth, config.tasks, components=own.components,
        length=own.component_length, blocks=tuple(range(own.depth)),
    )  # fmt: skip


def adam(
    learning_rate: Array, factor: Array, epochs: Array, per_epoch: Array
) -> optax.GradientTransformation:
    """Adam whose rate falls over a task's epochs e = 0 .. E-1 as cos(99 pi e / (200 (E-1))).

    That is the schedule of CODA-Prompt's code. `factor` multiplies the rate of all but the head.
    """

    def rate(step: ArrayLike) -> Array:
        epoch = jnp.floor(jnp.asarray(step, jnp.float32) / per_epoch)
        return -learning_rate * jnp.cos(0.495 * jnp.pi * epoch / jnp.maximum(epochs - 1, 1))

    def scaled(updates: PyTree, params: PyTree = None) -> PyTree:
        del params
        heads = path_mask(updates, *(f"*{name}" for name in HEAD))
        return jax.tree.map(lambda u, head: u if head else u * factor, updates, heads)

    # All weights in one row: compiled once, not once a matrix.
    step = optax.flatten(optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(rate)))
    return optax.chain(step, optax.stateless(scaled))


def own_cross_entropy(
    classes_per_task: int, loss: Callable[..., Any], model: Any, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, ""], tuple[Any, dict[str, Array]]]:
    """`loss` with the outputs of earlier tasks masked away: the task's own compete."""
    assert batch.mask is not None
    task = jnp.arange(batch.mask.shape[1], dtype=jnp.int32) // classes_per_task
    return loss(model, batch._replace(mask=batch.mask & (task == batch.task)[None]), key)


def learner(
    config: Config,
    build: Callable[..., Any],
    trainable: Callable[[Any], PyTree] | None,
    *,
    prompts: bool = False,
    masked: bool = True,
) -> GradientLearner:
    """Backpropagation by masked cross-entropy, with the schedule that all methods share."""
    loss = prompted_cross_entropy if prompts else task_cross_entropy
    if masked:
        loss = eqx.Partial(own_cross_entropy, config.classes_per_task, loss)
    numbers = {
        "learning_rate": config.prompts.rates[0],
        "factor": 1.0,
        "epochs": config.prompts.epochs,
        "per_epoch": config.train_each * config.classes_per_task // config.batch,
    }
    hyper = {name: jnp.float32(value) for name, value in numbers.items()}
    return GradientLearner(build, loss, adam, hyper, trainable)


def learner_of(config: Config, name: str) -> Learner:
    """What learns in an arm."""
    net = eqx.Partial(transformer, config, config.classes)
    if name in ("l2p", "dual", "coda"):
        build = eqx.Partial(prompted, config, prompts_of(config, name))
        trainable = Paths("prompts.*", *(f"net.{part}" for part in HEAD))
        return PromptedLearner(learner(config, build, trainable, prompts=True))
    if name in ("ft", "ft_masked"):
        return learner(config, net, None, masked=name == "ft_masked")
    if name == "frozen":
        return learner(config, net, Paths(*HEAD))
    inner = learner(config, net, Paths(QKV, *HEAD))
    if name == "free":
        return inner
    if name == "l2":
        return L2Anchor(inner, jnp.float32(1), held=Paths(QKV), from_start=True)
    return OwnClassesEWC(inner, jnp.float32(1), config.classes_per_task, held=Paths(QKV))


@final
class OwnClassesEWC(AnchoredLearner):
    """EWC whose Fisher diagonal is that of the softmax among the classes of the task just learned,
    of single examples and sampled labels.
    """

    classes_per_task: int = eqx.field(static=True)

    def important(
        self, state: State, examples: Batch, key: Key[Array, ""]
    ) -> tuple[State, PyTree[Array]]:
        """The Fisher diagonal of the task's examples, added to that of the tasks before."""
        params, rest = eqx.partition(self.learner.model(state["learner"]), eqx.is_inexact_array)

        def log_prob(params: PyTree, x: Array) -> Array:
            logits = eqx.combine(params, rest)(x)
            task = jnp.arange(logits.shape[0], dtype=jnp.int32) // self.classes_per_task
            return jax.nn.log_softmax(jnp.where(task == examples.task, logits, -jnp.inf))

        found = diagonal_fisher(log_prob, params, examples.x, key=named(key, "labels"))
        found = jax.tree.structure(state["precision"]).unflatten(jax.tree.leaves(found))
        return state, jax.tree.map(jnp.add, state["precision"], found)


def trained_parameters(learner: Learner) -> int:
    """How many numbers a learner changes."""
    while hasattr(learner, "learner"):
        learner = learner.learner  # pyright: ignore[reportAttributeAccessIssue] (as just asked)
    assert isinstance(learner, GradientLearner)
    inner = learner

    def trained(key: Key[Array, ""]) -> PyTree:
        model = inner.build(key=key)
        return eqx.filter(model, inner.trained(model))

    return parameter_count(eqx.filter_eval_shape(trained, jax.random.key(0)))
