"""The learners that a classifier can be trained by, under the names a user knows them by."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from engrax.core import GradientLearner, Learner, cross_entropy
from engrax.credit import (
    ClassAlignment,
    CosineVariancePreserving,
    CounterCurrent,
    DirectFeedbackAlignment,
    DirectRandomTargetProjection,
    DualChain,
    FeedbackAlignment,
    ForwardForward,
    ForwardGradient,
    NoProp,
    TargetPropagation,
)
from engrax.nn import MLP, DenoisingBlock, LabelEmbedding

Widths = tuple[int, ...]
Hyper = dict[str, Array]


def layered(learner: Callable[..., Learner], *more: Any, **options: Any) -> Callable[..., Learner]:
    """What makes a learner of an `MLP`, with AdamW."""

    def make(widths: Widths, blocks: int, hyper: Hyper) -> Learner:
        build = eqx.Partial(MLP, widths)
        return learner(build, *more, optax.adamw, hyper, **options)

    return make


def _counter_current(widths: Widths, blocks: int, hyper: Hyper) -> Learner:
    build, loss = eqx.Partial(DualChain, widths), ClassAlignment(widths[-1])
    return CounterCurrent(build, loss, optax.adamw, hyper, hyper)


def _forward_forward(widths: Widths, blocks: int, hyper: Hyper) -> Learner:
    build = eqx.Partial(MLP, (widths[0] + widths[-1], *widths[1:-1]))
    return ForwardForward(build, optax.adamw, hyper, widths[-1])


def _noprop(widths: Widths, blocks: int, hyper: Hyper) -> Learner:
    classes = widths[-1]
    # Normalized by layer: a batch may hold a single row.
    block = eqx.Partial(
        DenoisingBlock, (widths[0],), classes, classes, image_path="dense", hidden=widths[1],
        norm="layer",
    )  # fmt: skip
    return NoProp(
        block,
        CosineVariancePreserving(blocks),
        eqx.Partial(LabelEmbedding, classes),
        optax.adamw,
        hyper,
        readout_steps=blocks,
        draws=5,
    )


CREDITS: dict[str, Callable[[Widths, int, Hyper], Learner]] = {
    "backprop": layered(GradientLearner, cross_entropy),
    "feedback_alignment": layered(FeedbackAlignment),
    "sign_symmetric": layered(FeedbackAlignment, sign_symmetric=True),
    "direct_feedback_alignment": layered(DirectFeedbackAlignment),
    "direct_random_target_projection": layered(DirectRandomTargetProjection),
    "target_propagation": layered(TargetPropagation),
    "counter_current": _counter_current,
    "forward_forward": _forward_forward,
    "forward_gradient": layered(ForwardGradient),
    "noprop": _noprop,
}
"""Name -> a call (widths, blocks, hyper) that makes the learner."""


def rates(learning_rate: float, weight_decay: float) -> Hyper:
    """AdamW's numbers as arrays."""
    return {"learning_rate": jnp.float32(learning_rate), "weight_decay": jnp.float32(weight_decay)}


def make_learner(
    credit: str, widths: Widths, blocks: int, learning_rate: float, weight_decay: float
) -> Learner:
    """The learner called `credit`, with AdamW at these rates."""
    return CREDITS[credit](widths, blocks, rates(learning_rate, weight_decay))


def probabilities(learner: Learner, state: Any, x: Array) -> Array:
    """Class probabilities (examples, classes), of each row as if it stood alone.

    A learner that starts from noise gives every row the same, so that the answer for a row does not
    depend on the rows around it.
    """
    if isinstance(learner, NoProp):
        scores = jax.vmap(lambda row: learner.predict(state, row[None])[0])(x)
    else:
        scores = learner.predict(state, x)
    return jax.nn.softmax(scores)
