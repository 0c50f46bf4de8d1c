"""The nets and their learners."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
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
from engrax.nn import (
    ConvFeatures,
    FeatureClassifier,
    ResNet,
    load_torchvision_resnet18,
    without_statistics,
)
from engrax.tasks import cache_folder

from ._config import Config
from ._data import Setting

BODY = Paths("body.*")
HEAD = Paths("weight", "bias")
"""Weights that are held, and those that grow with the classes and are not."""

_BORDER = 4
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

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
    image: tuple[int, int, int],
    features: int,
    classes: int,
    *,
    key: Key[Array, ""],
) -> FeatureClassifier:
    """Convolutions, a dense layer and a head; bodies are equal whatever the head."""
    body = ConvFeatures((image[0], *channels), image[1:], features, key=named(key, "body"))
    return FeatureClassifier(body, classes, key=named(key, "head"))


class ResNetBody(eqx.Module):
    """A residual network without its head, as a body of `FeatureClassifier`.

    Statistics of batch norms stay what they are. Pixels from 0 to 1 are scaled as ImageNet's.
    """

    net: ResNet

    @property
    def features(self) -> int:
        """Size of the features."""
        return self.net.head.shape[1]

    def levels(self, x: Array) -> list[Array]:
        """Activities (batch, units) of every block, and the features (batch, features)."""
        # The batch in the last axis, where convolution is fastest.
        scaled = (jnp.moveaxis(x, 0, -1) - _across(_IMAGENET_MEAN)) / _across(_IMAGENET_STD)
        blocks = self.net.levels(scaled)
        return [*(level.reshape(-1, len(x)).T for level in blocks), blocks[-1].mean((1, 2)).T]

    def __call__(self, x: Array) -> Array:
        """Features (batch, features) of images (batch, channels, rows, columns)."""
        return self.levels(x)[-1]


def residual_net(classes: int, *, key: Key[Array, ""]) -> FeatureClassifier:
    """Torchvision's ResNet-18 with a head of its own."""
    net = ResNet((64, 128, 256, 512), 2, channels=3, classes=1, key=named(key, "body"))
    return FeatureClassifier(ResNetBody(net), classes, key=named(key, "head"))


def imagenet_body(name: str) -> ResNetBody:
    """A body with torchvision's ImageNet weights, from a file in the cache folder."""
    return ResNetBody(load_torchvision_resnet18(cache_folder() / name, classes=1))


def _across(values: tuple[float, ...]) -> Array:
    return jnp.array(values)[:, None, None, None]


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


def dropping_adam(
    learning_rate: Array, weight_decay: Array, drops: Array
) -> optax.GradientTransformation:
    """Adam on gradients with `weight_decay` times the weights added; the rate falls to a tenth
    after each of the steps `drops`.
    """

    def rate(step: Any) -> Array:
        passed = jnp.sum(jnp.asarray(step, jnp.float32) >= drops)
        return -learning_rate * 0.1 ** passed.astype(jnp.float32)

    return optax.chain(
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_adam(),
        optax.scale_by_schedule(rate),
    )


def crop_and_flip(x: Array, key: Key[Array, ""]) -> Array:
    """Images (batch, channels, rows, columns), each shifted by up to 4 pixels over a black border,
    and mirrored with probability 1/2.
    """
    shifts, flips = jr.split(key)
    shift = jr.randint(shifts, (len(x), 2), 0, 2 * _BORDER + 1)
    border = (_BORDER, _BORDER)
    padded = jnp.pad(x, ((0, 0), (0, 0), border, border))

    def cropped(image: Array, start: Array) -> Array:
        return jax.lax.dynamic_slice(image, (0, start[0], start[1]), x.shape[1:])

    x = jax.vmap(cropped)(padded, shift)
    mirrored = jr.bernoulli(flips, 0.5, (len(x), 1, 1, 1))
    return jnp.where(mirrored, x[..., ::-1], x)


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
    if setting.net == "resnet18":
        build = eqx.Partial(residual_net, classes)
        trainable = without_statistics if trainable is None else trainable
    else:
        build = eqx.Partial(conv_net, config.channels, setting.image, config.features, classes)
    rate = jnp.float32(config.learning_rate)
    optimizer, hyper = optax.adam, {"learning_rate": rate}
    if config.weight_decay or config.drops:
        drops = jnp.array(config.drops, jnp.float32) * setting.steps
        optimizer = dropping_adam
        hyper |= {"weight_decay": jnp.float32(config.weight_decay), "drops": drops}
    return GradientLearner(build, loss, optimizer, hyper, trainable, predicted)


def before(config: Config, setting: Setting) -> GradientLearner:
    """The same body with a head for the classes that come before."""
    assert setting.before is not None
    return net(config, setting, plain_cross_entropy, classes=1 + int(setting.before.y.max()))


def method(config: Config, setting: Setting, name: str) -> WrappedLearner:
    """One of `METHODS`; a strength is the second value of its grid until one is chosen."""
    criterion, held = METHODS[name]
    weight = jnp.float32(config.feature_weights[1]) if held == "feat" else None
    trainable = HEAD if held == "frozen" else None
    inner = net(config, setting, TaughtLoss(criterion, weight), trainable=trainable)
    augment = crop_and_flip if config.augmented else None
    taught = TaughtLearner(inner, setting.classes_per_task, augment)
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
