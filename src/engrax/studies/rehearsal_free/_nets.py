"""The nets and their learners."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import optax
from jaxtyping import Array, Key

from engrax.continual import (
    ClassIncrementalEWC,
    L2Anchor,
    TaughtLearner,
    TaughtLoss,
    WrappedLearner,
    mixed_bce,
    new_class_bce,
    seen_cross_entropy,
    softmax_kd,
)
from engrax.core import Batch, GradientLearner, Paths, accuracy, named
from engrax.nn import ConvFeatures, FeatureClassifier

from ._config import Config
from ._data import Setting

BODY = Paths("body.*")
HEAD = Paths("weight", "bias")
"""Weights that are held, and those that grow with the classes and are not."""

METHODS: dict[str, tuple[Callable[..., Any], str]] = {
    "softmax": (seen_cross_entropy, ""),
    "softmax_kd": (softmax_kd, ""),
    "bce": (new_class_bce, ""),
    "l2": (new_class_bce, "l2"),
    "ewc": (new_class_bce, "ewc"),
    "feat": (new_class_bce, "feat"),
    "kd": (mixed_bce, ""),
    "kd_l2": (mixed_bce, "l2"),
    "kd_ewc": (mixed_bce, "ewc"),
    "kd_ewc_start": (mixed_bce, "ewc_start"),
    "kd_feat": (mixed_bce, "feat"),
    "kd_frozen": (mixed_bce, "frozen"),
}
"""Method -> its criterion, and what holds the features."""


def conv_net(
    channels: tuple[int, ...],
    shape: tuple[int, int],
    features: int,
    classes: int,
    *,
    key: Key[Array, ""],
) -> FeatureClassifier:
    """Convolutions, a dense layer and a head; bodies are equal whatever the head."""
    body = ConvFeatures((1, *channels), shape, features, key=named(key, "body"))
    return FeatureClassifier(body, classes, key=named(key, "head"))


def predicted(model: FeatureClassifier, x: Array) -> Array:
    """Logits of a batch."""
    return model.predict(x)


def plain_cross_entropy(
    model: FeatureClassifier, batch: Batch, key: Key[Array, ""]
) -> tuple[Array, tuple[FeatureClassifier, dict[str, Array]]]:
    """Mean softmax cross-entropy of a batch, and its accuracy."""
    logits = model.predict(batch.x)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y).mean()
    return loss, (model, {"accuracy": accuracy(logits, batch.y)})


def net(
    config: Config,
    setting: Setting,
    loss: Callable[..., Any],
    *,
    classes: int | None = None,
    trainable: Callable[[Any], Any] | None = None,
) -> GradientLearner:
    """The net of a stream under Adam."""
    classes = setting.classes if classes is None else classes
    return GradientLearner(
        eqx.Partial(conv_net, config.channels, setting.shape, config.features, classes),
        loss,
        optax.adam,
        {"learning_rate": jnp.float32(config.learning_rate)},
        trainable,
        predicted,
    )


def before(config: Config, setting: Setting) -> GradientLearner:
    """The same body with a head for the classes that come before."""
    return net(config, setting, plain_cross_entropy, classes=1 + int(setting.before.y.max()))


def method(config: Config, setting: Setting, name: str) -> WrappedLearner:
    """One of `METHODS`; a strength is the second value of its grid until one is chosen."""
    criterion, held = METHODS[name]
    weight = jnp.float32(config.feature_weights[1]) if held == "feat" else None
    trainable = HEAD if held == "frozen" else None
    inner = net(config, setting, TaughtLoss(criterion, weight), trainable=trainable)
    taught = TaughtLearner(inner, setting.classes_per_task)
    if held == "l2":
        strength = jnp.float32(2 * config.l2_strengths[1])
        return L2Anchor(taught, strength, held=BODY, from_start=True)
    if held in ("ewc", "ewc_start"):
        start = jnp.float32(2 * config.start_strength) if held == "ewc_start" else None
        return ClassIncrementalEWC(
            taught, jnp.float32(config.ewc_strengths[1]), held=BODY, batch=config.batch,
            from_start=start is not None, start_strength=start,
        )  # fmt: skip
    return taught


def joint(config: Config, setting: Setting) -> WrappedLearner:
    """The loss of `kd` on all classes at once, where it is plain BCE."""
    inner = net(config, setting, TaughtLoss(mixed_bce))
    return TaughtLearner(inner, setting.classes)
