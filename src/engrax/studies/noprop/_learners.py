"""NoProp, and everything that it is held against, on images of one kind."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax

from engrax.core import Learner
from engrax.credit import (
    AdjointODEClassifier,
    BackpropChain,
    ClassAlignment,
    CosineVariancePreserving,
    CounterCurrent,
    DirectRandomTargetProjection,
    DualChain,
    ForwardForward,
    ForwardGradient,
    LearnableVariancePreserving,
    LocalCrossEntropy,
    NoProp,
    TargetPropagation,
    network_sgd,
)
from engrax.nn import (
    MLP,
    DenoisingBlock,
    LabelEmbedding,
    class_prototypes,
    matched_width,
    parameter_count,
)

from ._config import Config
from ._data import Images, seen

EMBEDDINGS = {"onehot": "one-hot", "dim": "dim-20", "prototype": "prototypes"}
"""Embedding -> what figures call it."""
BASELINES = {
    "ff": "forward-forward",
    "drtp": "DRTP",
    "fwdtp": "FW-DTP",
    "fg": "forward gradient",
    "ccl": "counter-current",
}
"""Arm -> what figures call it."""


def adamw(config: Config) -> tuple[Any, dict[str, Any]]:
    """The paper's optimizer and its numbers."""
    return flat_adamw, {
        "learning_rate": jnp.float32(config.rate),
        "weight_decay": jnp.float32(config.decay),
    }


def embedding(config: Config, name: str, images: Images) -> Any:
    """The builder of an embedding; prototypes are images as learners see them."""
    if name == "onehot":
        return eqx.Partial(LabelEmbedding, images.classes)
    if name == "dim":
        return eqx.Partial(LabelEmbedding, images.classes, config.dim, "orthogonal")
    x, y = seen(images, images.split.train), images.split.train.y
    rows = jnp.asarray(class_prototypes(x, y, images.classes))
    return eqx.Partial(LabelEmbedding, images.classes, mode="prototype", rows=rows)


def block(
    config: Config, images: Images, *, kind: str, name: str = "onehot", time: bool = False
) -> Any:
    """The builder of a block for data `kind`, "a" or "b", and an embedding."""
    path = getattr(config, f"{kind}_path")
    options: dict[str, Any] = {
        "image_path": path,
        "channels": getattr(config, f"{kind}_channels"),
        "hidden": getattr(config, f"{kind}_hidden"),
        "norm": None if time else "batch",
        "time": time,
    }
    if path == "dense" and not time:
        options["image_norm"] = "layer"
    if name == "prototype":
        options["z_shape"] = images.shape
    dim = {"onehot": images.classes, "dim": config.dim, "prototype": images.features}[name]
    return eqx.Partial(DenoisingBlock, images.shape, dim, images.classes, **options)


def chain(
    config: Config, images: Images, kind: str, name: str = "onehot", **options: Any
) -> NoProp:
    """NoProp-DT; its read-out gets one update for every block, as in the paper's order."""
    return NoProp(
        block(config, images, kind=kind, name=name),
        CosineVariancePreserving(options.pop("blocks", config.blocks)),
        embedding(config, name, images),
        *adamw(config),
        eta=config.eta,
        readout_steps=config.blocks,
        **options,
    )


def backprop(
    config: Config, images: Images, kind: str, name: str = "onehot", **options: Any
) -> BackpropChain:
    """The same blocks by backpropagation."""
    return BackpropChain(
        block(config, images, kind=kind, name=name),
        *adamw(config),
        embedding(config, name, images),
        options.pop("blocks", config.blocks),
        **options,
    )


def independent(config: Config, images: Images, kind: str) -> LocalCrossEntropy:
    """The same blocks as classifiers of the image alone."""
    return LocalCrossEntropy(block(config, images, kind=kind), *adamw(config), blocks=config.blocks)


def continuous(config: Config, images: Images, variant: str, name: str = "onehot") -> Learner:
    """NoProp-CT ("ct"), NoProp-FM ("fm") or the adjoint baseline ("adjoint") on A."""
    timed = block(config, images, kind="a", name=name, time=True)
    rows = embedding(config, name, images)
    if variant == "adjoint":
        return AdjointODEClassifier(timed, *adamw(config), rows, config.adjoint_steps)
    return continuous_noprop(config, timed, rows, variant)


def continuous_noprop(
    config: Config, timed: Any, rows: Any, variant: str, *, anchored: bool = True
) -> NoProp:
    """NoProp-CT or -FM from the builders of a block and an embedding, by Adam with decay."""
    schedule = LearnableVariancePreserving() if variant == "ct" else None
    return NoProp(
        timed,
        schedule,
        rows,
        adam_with_decay,
        adamw(config)[1],
        variant="ct" if variant == "ct" else "fm",
        steps=config.flow_steps,
        readout_steps=config.blocks if variant == "ct" else 1,
        anchored=anchored,
    )


def flat_adamw(learning_rate: Any, weight_decay: Any) -> optax.GradientTransformation:
    """AdamW on all weights of a part as one vector: the same numbers, a fraction of the program."""
    return optax.flatten(optax.adamw(learning_rate, weight_decay=weight_decay))


def adam_with_decay(learning_rate: Any, weight_decay: Any) -> optax.GradientTransformation:
    """Adam whose decay is part of the gradient, as PyTorch's `Adam(weight_decay=...)`."""
    return optax.flatten(
        optax.chain(optax.add_decayed_weights(weight_decay), optax.adam(learning_rate))
    )


def budget(config: Config, images: Images, kind: str) -> int:
    """Parameters of NoProp's chain with one-hot labels: what every baseline may have."""
    one = eqx.filter_eval_shape(block(config, images, kind=kind), key=jr.key(0))
    classes = images.classes
    return config.blocks * parameter_count(one) + classes * classes + classes


def baseline(config: Config, images: Images, kind: str, name: str) -> Learner:
    """A rule without backpropagation on a fully connected net of as many parameters."""
    n_in, n_out, depth = images.features, images.classes, config.layers

    def widths(width: int) -> tuple[int, ...]:
        return (n_in, *[width] * depth, n_out)

    allowed = budget(config, images, kind)
    width = matched_width(lambda w: eqx.Partial(MLP, widths(w)), allowed)
    clipped = {"learning_rate": jnp.float32(0.1), "clip": jnp.float32(1.0)}
    adam = {"learning_rate": jnp.float32(1e-3)}
    build = eqx.Partial(MLP, widths(width), jnp.tanh)
    if name == "ff":
        return ForwardForward(
            eqx.Partial(MLP, (n_in + n_out, *[width] * depth)), optax.adam, adam, n_out
        )
    if name == "fg":
        return ForwardGradient(eqx.Partial(MLP, widths(width)), optax.adam, adam)
    if name == "drtp":
        return DirectRandomTargetProjection(build, network_sgd, clipped)
    if name == "fwdtp":
        return TargetPropagation(build, network_sgd, clipped, step_size=jnp.float32(0.1))
    # Two networks share the budget.
    half = matched_width(lambda w: eqx.Partial(MLP, widths(w)), allowed // 2)
    pair = eqx.Partial(DualChain, widths(half), jax.nn.elu)
    return CounterCurrent(pair, ClassAlignment(n_out), network_sgd, clipped, clipped)
