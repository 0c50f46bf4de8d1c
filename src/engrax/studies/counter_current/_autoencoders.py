"""C5: counter-current learning of auto-encoders."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int, Key, PyTree, Shaped, UInt8

from engrax.core import (
    Batch,
    GradientLearner,
    Learner,
    accuracy,
    in_parts,
    observe,
    repeat,
    serial,
)
from engrax.credit import AutoencoderAlignment, CounterCurrent, DualAutoencoder, network_sgd
from engrax.lab import Arm, Claim, Part, Reference, at_least, at_most, paired_difference
from engrax.nn import ConvAutoencoder
from engrax.probes import linear_probe
from engrax.tasks import Batches, Examples, Scaling, Split

from ._config import Config
from ._images import FLOOR, channel_first, numbers, predicted
from ._mlp import both_rates, forward_rate, rate
from ._training import cut, tuned

SHOWN = 10
"""Test images whose reconstructions are kept."""


def padded(x: UInt8[np.ndarray, "images ..."]) -> UInt8[np.ndarray, "images ..."]:
    """Images of 28 pixels with a black border of 2; others as they are."""
    if x.shape[-1] != 28:
        return x
    return np.pad(x, [(0, 0)] * (x.ndim - 2) + [(2, 2), (2, 2)])


def split_images(config: Config) -> Split:
    """The images of C5."""
    split = cut(config.auto_data, config.auto_train, config.auto_validation, config.test)
    return Split(*(part._replace(x=padded(part.x)) for part in split))


def reconstruction_loss(
    model: ConvAutoencoder, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, ""], tuple[ConvAutoencoder, dict[str, Array]]]:
    """Mean squared error of a batch in training mode."""
    y, moved = model.train(batch.x)
    return jnp.square(y - batch.x).mean(), (moved, {})


def kernels_and_bias(model: ConvAutoencoder) -> PyTree:
    """What is trained: not the normalizations, whose scale and shift stay as in the pair."""
    nothing = jax.tree.map(lambda _: False, model)
    return eqx.tree_at(
        lambda net: (net.kernels, net.bias),
        nothing,
        replace_fn=lambda part: jax.tree.map(lambda _: True, part),
    )


def reconstruction_error(learner: Any, state: Any, x: Float[Array, "images ..."]) -> Array:
    """Mean squared error over images in evaluation mode."""
    return jnp.square(learner.predict(state, x) - x).mean()


@final
class ErrorOn(eqx.Module):
    """A probe: `validation_error`, the mean squared error of the reconstructions of images."""

    x: Shaped[Array, "images ..."]

    def __call__(self, system: Any, state: Any, t: Array) -> dict[str, Array]:
        """The record of one tick."""
        x = system["stream"].view(state["stream"], self.x)
        return {"validation_error": reconstruction_error(system["learner"], state["learner"], x)}


@final
class Judged(eqx.Module):
    """Measures a trained auto-encoder once, on the test images.

    Gives `test_error`; `probe_accuracy` of a linear probe on the code, trained on the codes of the
    training images; and the `reconstructed` first test images.
    """

    learner: Learner
    train: tuple[Shaped[Array, "train ..."], Int[Array, " train"]]
    test: tuple[Shaped[Array, "test ..."], Int[Array, " test"]]
    scaling: Scaling
    l2: Float[Array, ""]
    classes: int = eqx.field(static=True)

    def __call__(self, state: Any) -> dict[str, np.ndarray]:
        """From the final state of one run."""
        return jax.device_get(_judged(self, state["learner"]))


@eqx.filter_jit
def _judged(judged: Judged, state: Any) -> dict[str, Array]:
    learner: Any = judged.learner
    model = learner.model(state)

    def codes(x: Array) -> Array:
        return in_parts(lambda raw: model.encode(judged.scaling(raw)), x, 500)

    (x, y), (x_test, y_test) = judged.train, judged.test
    probe = linear_probe(codes(x), y, l2=judged.l2, classes=judged.classes)

    def square(raw: Array) -> Array:
        seen = judged.scaling(raw)
        return jnp.square(model.predict(seen) - seen).mean(tuple(range(1, seen.ndim)))

    return {
        "test_error": in_parts(square, x_test, 500).mean(),
        "probe_accuracy": accuracy(probe(codes(x_test)), y_test),
        "reconstructed": model.predict(judged.scaling(x_test[:SHOWN])),
    }


def autoencoders(config: Config, split: Split) -> dict[str, Learner]:
    """Counter-current learning, with and without learning feedback; backpropagation; nothing."""
    channels = (channel_first(split.train.x)[0], *config.auto_channels)
    optimizer = eqx.Partial(
        network_sgd,
        centralize=True,
        warmup=config.auto_warmup,
        decay=config.auto_epochs,
        floor=FLOOR,
        epoch=len(split.train.y) // config.auto_batch,
    )
    pair = numbers(
        clip=config.auto_clip, momentum=config.auto_momentum, weight_decay=config.auto_decay
    )
    plain = numbers(
        clip=config.auto_clip, momentum=config.auto_bp_momentum, weight_decay=config.auto_bp_decay
    )
    still = {"learning_rate": jnp.float32(0.0)}
    build = eqx.Partial(DualAutoencoder, channels)

    def backprop(hyper: dict[str, Array]) -> Learner:
        single = eqx.Partial(ConvAutoencoder, channels)
        return GradientLearner(
            single,
            reconstruction_loss,
            optimizer,
            hyper,
            apply=predicted,
            trainable=kernels_and_bias,
        )

    return {
        "auto_ccl": CounterCurrent(build, AutoencoderAlignment(), optimizer, pair, pair),
        "auto_frozen": CounterCurrent(build, AutoencoderAlignment(), optimizer, pair, pair | still),
        "auto_bp": backprop(plain),
        # One epoch at a rate of zero: the running statistics settle, the weights stay.
        "auto_random": backprop(plain | still),
    }


def _last_validation_error(records: Mapping[str, np.ndarray]) -> np.ndarray:
    return -records["validation_error"][..., -1]


def _auto(config: Config, name: str) -> Arm:
    split = split_images(config)
    learner = autoencoders(config, split)[name]
    scaling = Scaling(shape=channel_first(split.train.x))
    stream = Batches(split.train, config.auto_batch, scaling=scaling)
    epoch = repeat(serial(stream=stream, learner=learner), stream.per_epoch)
    arm = Arm(
        observe(epoch, ErrorOn(jnp.asarray(split.validation.x))),
        config.auto_epochs,
        dims={"reconstructed": ("image", "channel", "row", "column")},
        measure=Judged(
            learner,
            _device(split.train),
            _device(split.test),
            scaling,
            jnp.float32(config.auto_l2),
            int(split.train.y.max()) + 1,
        ),
        seeds=config.auto_seeds,
    )
    if name == "auto_random":
        return dataclasses.replace(arm, ticks=1)
    where, rates = {
        "auto_ccl": (both_rates, config.auto_rates),
        "auto_frozen": (forward_rate, config.auto_rates),
        "auto_bp": (rate, config.auto_bp_rates),
    }[name]
    return tuned(config, arm, where, rates, _last_validation_error)


def _device(part: Examples) -> tuple[Array, Array]:
    return jnp.asarray(part.x), jnp.asarray(part.y)


def _linear(config: Config) -> xr.Dataset:
    """The mean training image, and PCA with as many components as the code has numbers."""
    split = split_images(config)
    shape = channel_first(split.train.x)
    train, test = (
        part.x.reshape(len(part.x), -1).astype(np.float32) / 255
        for part in (split.train, split.test)
    )
    side = 2 ** len(config.auto_channels)
    size = config.auto_channels[-1] * (shape[1] // side) * (shape[2] // side)
    size = min(size, *train.shape)
    mean = train.mean(0)
    _, directions = np.linalg.eigh(np.cov(train, rowvar=False))  # by ascending variance
    leading = directions[:, -size:].astype(np.float32)
    restored = mean + (test - mean) @ leading @ leading.T
    images = ("image", "channel", "row", "column")
    return xr.Dataset(
        {
            "mean_image_error": np.square(test - mean).mean(),
            "pca_error": np.square(test - restored).mean(),
            "code_size": size,
            "original": (images, test[:SHOWN].reshape(-1, *shape)),
            "reconstructed": (images, restored[:SHOWN].reshape(-1, *shape)),
        }
    )


def _reference(config: Config) -> Reference:
    return Reference(eqx.Partial(_linear, config))


def arms(config: Config) -> dict[str, Callable[[], Arm | Reference]]:
    """Name -> a call that loads the images and builds the arm."""
    names = ("auto_ccl", "auto_frozen", "auto_bp", "auto_random")
    return {
        **{name: eqx.Partial(_auto, config, name) for name in names},
        "auto_linear": eqx.Partial(_reference, config),
    }


def _test_error(arm: Any) -> xr.DataArray:
    return arm["final"]["test_error"]


def _probe_accuracy(arm: Any) -> xr.DataArray:
    return arm["final"]["probe_accuracy"]


def _to_mean_image(run: Any) -> xr.DataArray:
    return _test_error(run["auto_ccl"]) / float(run["auto_linear"]["mean_image_error"])


def _to_backprop(run: Any) -> xr.DataArray:
    with xr.set_options(arithmetic_join="exact"):
        return _test_error(run["auto_ccl"]) / _test_error(run["auto_bp"])


CLAIMS = (
    Claim(
        "C5",
        "Counter-current learning trains auto-encoders: the reconstruction error is of the order "
        "of backpropagation's, a frozen feedback network does worse, and the code tells classes "
        "apart better than a random encoder's.",
        arms=("auto_ccl", "auto_frozen", "auto_bp", "auto_random", "auto_linear"),
        parts={
            "error, frozen feedback - CCL": Part(
                lambda run: paired_difference(run, "auto_frozen", "auto_ccl", _test_error),
                at_least(0.0),
            ),
            "error, CCL / mean image": Part(_to_mean_image, at_most(0.5)),
            "error, CCL / BP": Part(_to_backprop, at_most(2.5), paper=0.0086 / 0.0059),
            "probe accuracy, CCL - random encoder": Part(
                lambda run: paired_difference(run, "auto_ccl", "auto_random", _probe_accuracy),
                at_least(0.0),
                unit="%",
            ),
        },
        paper="STL-10: mean squared error BP 0.0059, CCL 0.0086",
    ),
)
