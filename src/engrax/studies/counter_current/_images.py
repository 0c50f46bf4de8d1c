"""C4: counter-current learning on convolutional nets."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import xarray as xr
from jaxtyping import Array, Float, Key, PyTree

from engrax.core import Batch, GradientLearner, Learner, accuracy
from engrax.credit import ClassAlignment, CounterCurrent, DualConv, network_sgd
from engrax.lab import Arm, Claim, Part, at_least, at_most, paired_difference
from engrax.nn import ConvNet
from engrax.tasks import Split, pool2

from ._config import Config
from ._mlp import both_rates, rate
from ._training import (
    cut,
    final_test_accuracy,
    last_validation_accuracy,
    standardized,
    training,
    tuned,
)

FLOOR = 1e-3
"""Share of the learning rate that is left at the end of the cosine."""


def conv_cross_entropy(
    model: ConvNet, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, ""], tuple[ConvNet, dict[str, Array]]]:
    """Mean cross-entropy of a batch in training mode."""
    logits, moved = model.train(batch.x)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y).mean()
    return loss, (moved, {"accuracy": accuracy(logits, batch.y)})


def predicted(model: Any, x: Float[Array, "batch ..."]) -> Array:
    """What a model makes of a batch in evaluation mode."""
    return model.predict(x)


def all_weights(model: ConvNet) -> PyTree:
    """Convolutions and readout are trained; normalizations have no scale and shift of their own."""
    return _only(model, lambda net: (net.convolutions, net.readout))


def readout_alone(model: ConvNet) -> PyTree:
    """The readout is trained, on features that stay as they were drawn."""
    return _only(model, lambda net: net.readout)


def _only(model: PyTree, where: Callable[[Any], Any]) -> PyTree:
    nothing = jax.tree.map(lambda _: False, model)
    return eqx.tree_at(where, nothing, replace_fn=lambda part: jax.tree.map(lambda _: True, part))


def numbers(**values: float) -> dict[str, Array]:
    """An optimizer's numbers as arrays, so that they can be swept; the rate is tuned."""
    return {name: jnp.float32(value) for name, value in {"learning_rate": 1.0, **values}.items()}


def split_images(config: Config) -> Split:
    """The images of C4, halved where the configuration says so."""
    split = cut(config.conv_data, config.conv_train, config.conv_validation, config.test)
    if not config.conv_pooled:
        return split
    return Split(*(part._replace(x=pool2(part.x)) for part in split))


def channel_first(x: Any) -> tuple[int, ...]:
    """The shape of one image with its channels: gray images get one."""
    return (1, *x.shape[1:]) if x.ndim == 3 else x.shape[1:]


def conv_learners(config: Config, split: Split) -> dict[str, Learner]:
    """Counter-current learning, backpropagation, and a readout on frozen random features."""
    channels, *shape = channel_first(split.train.x)
    size = (channels, *config.conv_channels), tuple(shape), int(split.train.y.max()) + 1
    optimizer = eqx.Partial(
        network_sgd,
        centralize=True,
        warmup=config.conv_warmup,
        decay=config.conv_epochs,
        floor=FLOOR,
        epoch=len(split.train.y) // config.conv_batch,
    )
    pair = numbers(momentum=config.conv_momentum, weight_decay=config.conv_decay)
    clip = numbers(clip=config.conv_clip)
    plain = numbers(momentum=config.conv_bp_momentum, weight_decay=config.conv_bp_decay)
    alignment = ClassAlignment(size[-1], "cosine", margin=config.conv_margin)
    return {
        "conv_ccl": CounterCurrent(
            eqx.Partial(DualConv, *size), alignment, optimizer, pair | clip, pair
        ),
        "conv_bp": GradientLearner(
            eqx.Partial(ConvNet, *size, normalize=True),
            conv_cross_entropy,
            optimizer,
            plain | clip,
            apply=predicted,
            trainable=all_weights,
        ),
        "conv_frozen": GradientLearner(
            eqx.Partial(ConvNet, *size),
            conv_cross_entropy,
            optimizer,
            pair | clip,
            apply=predicted,
            trainable=readout_alone,
        ),
    }


def _conv(config: Config, name: str) -> Arm:
    split = split_images(config)
    learner = conv_learners(config, split)[name]
    scaling = standardized(split.train.x, channel_first(split.train.x))
    system, _ = training(split, learner, config.conv_batch, scaling)
    rates = {
        "conv_ccl": config.conv_rates,
        "conv_bp": config.conv_bp_rates,
        "conv_frozen": config.conv_frozen_rates,
    }[name]
    where = both_rates if name == "conv_ccl" else rate
    arm = Arm(system, config.conv_epochs, seeds=config.conv_seeds)
    return tuned(config, arm, where, rates, last_validation_accuracy)


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that loads the images and builds the arm."""
    return {
        name: eqx.Partial(_conv, config, name) for name in ("conv_ccl", "conv_bp", "conv_frozen")
    }


def _gap(first: str, second: str) -> Callable[[Any], xr.DataArray]:
    """Test accuracy of one arm minus that of another, seed by seed."""
    return lambda run: paired_difference(run, first, second, final_test_accuracy)


CLAIMS = (
    Claim(
        "C4",
        "Counter-current learning trains convolutional features: it comes within 6 points of "
        "backpropagation, and beats a readout on the features it started from.",
        arms=("conv_ccl", "conv_bp", "conv_frozen"),
        parts={
            "BP - CCL": Part(
                _gap("conv_bp", "conv_ccl"), at_most(0.06), unit="%", paper=0.8712 - 0.8294
            ),
            "CCL - frozen features": Part(_gap("conv_ccl", "conv_frozen"), at_least(0.0), unit="%"),
        },
        paper="CIFAR-10: BP 87.12, CCL 82.94 %; CIFAR-100: BP 51.92, CCL 56.29 %",
    ),
)
