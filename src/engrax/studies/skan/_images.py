"""C5 and C6: images, by convolutions and by fully connected nets."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from engrax.core import AccuracyOn, System, named, observe, repeat, serial
from engrax.lab import Arm, Tuning
from engrax.nn import MLP, SelectableKAN, bases, matched_width, parameter_count, prune, select
from engrax.tasks import Batches, Scaling, Split, load, mnist_1d, pool2, subset

from ._config import Config
from ._functions import _rate, kan_parameters, mlp_widths, picked_kan, pool
from ._learner import PhaseLearner, classes, gated, learner, plain, pruned, selected
from ._nets import ConvKAN, ConvReLU, SelectableConvKAN

CONV_KINDS = ("full", "commit", "skan", "single", "cnn", "cnn_wide")
"""What is run on every set of images."""
FLAT_KINDS = ("full", "commit", "skan", "mlp")
"""What is run of fully connected nets."""
SEEN = 512
"""Training images that selection looks at."""


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that loads the images and builds the arm."""
    conv = {
        f"conv_{kind}_{number}": partial(_conv, config, name, number, kind)
        for number, name in enumerate(config.images, start=1)
        for kind in CONV_KINDS
    }
    flat = FLAT_KINDS if config.digits_widths else ()
    return {**conv, **{f"flat_{kind}": partial(_flat, config, kind) for kind in flat}}


def split_images(config: Config, name: str) -> Split:
    """Training, validation and test images; large ones halved where the configuration says so."""
    data = mnist_1d() if name == "mnist_1d" else load(name)
    have = len(data.y) - config.image_validation
    train = None if config.image_train is None else min(config.image_train, have)
    test = None if config.image_test is None else min(config.image_test, len(data.y_test))
    key = named(jr.key(0), "skan/split")  # one split for the whole study
    split = subset(data, train, config.image_validation, test, key)
    if not config.image_pooled or split.train.x.shape[-1] != 28:
        return split
    return Split(*(part._replace(x=pool2(part.x)) for part in split))


def shape_of(split: Split) -> tuple[int, ...]:
    """One example with its channels: gray images and signals get one."""
    x = split.train.x
    return (1, *x.shape[1:]) if x.ndim < 4 else x.shape[1:]


def _scaling(split: Split, shape: tuple[int, ...]) -> Scaling:
    """Bytes to [-1, 1]."""
    half = float(split.train.x.max()) / 2
    return Scaling(half, half, shape=shape)


def _made(
    config: Config,
    split: Split,
    one: PhaseLearner,
    epochs: int,
    shape: tuple[int, ...],
    **more: Any,
) -> Arm:
    """The arm of a learner: one tick is an epoch, with both accuracies after it."""
    stream = Batches(split.train, config.batch, scaling=_scaling(split, shape))
    run: System = repeat(serial(stream=stream, learner=one), stream.per_epoch)
    for name, part in (("validation", split.validation), ("test", split.test)):
        run = observe(run, AccuracyOn(jnp.asarray(part.x), jnp.asarray(part.y), f"{name}_accuracy"))
    return Arm(run, epochs, chunk=1, **more)


def _phases(config: Config, epochs: int, per_epoch: int) -> dict[str, tuple[int, dict[str, Any]]]:
    """Phase -> its epochs, and what of its learner is its own."""
    full = max(1, round(epochs * config.full))
    commit = max(1, round(epochs * config.commit))
    fine = epochs - full - commit
    steps = {"horizon": max(1, round(config.anneal * epochs)) * per_epoch}
    return {
        "full": (full, {"steps": full * per_epoch, **steps}),
        "commit": (
            commit,
            {"steps": commit * per_epoch, "offset": full * per_epoch, "hard": True, **steps},
        ),
        "skan": (fine, {"steps": fine * per_epoch}),
        "single": (epochs, {"steps": epochs * per_epoch}),
    }


def _adamw(config: Config, build: Any, gates: bool, peak: float, **own: Any) -> PhaseLearner:
    return learner(
        build,
        gated if gates else plain,
        classes,
        peak=peak,
        floor=0.01 * peak,
        decay=config.image_decay,
        temperature=config.temperature,
        entropy=config.entropy,
        **own,
    )


def conv_pool(config: Config) -> tuple[bases.Basis, ...]:
    """The families of convolutions."""
    return tuple(bases.by_name(name, config.functions) for name in config.image_families)


def _conv(config: Config, name: str, number: int, kind: str) -> Arm:
    split = split_images(config, name)
    shape, n_out = shape_of(split), int(split.train.y.max()) + 1
    families = conv_pool(config)
    size = (shape, config.image_channels, config.image_kernel, n_out)
    soft = eqx.Partial(SelectableConvKAN, *size, families)
    one_family = eqx.Partial(ConvKAN, *size, families, jnp.int32(0))
    if kind.startswith("cnn"):
        return _baseline(config, split, shape, cnn(config, kind, size), config.image_epochs)
    per_epoch = len(split.train.y) // config.batch
    phases = _phases(config, config.image_epochs, per_epoch)
    epochs, own = phases[kind]
    arm = partial(_made, config, split, shape=shape, seeds=config.image_seeds)
    fitted = partial(_adamw, config, peak=config.image_rate)
    if kind == "full":
        return arm(fitted(soft, True, **own), epochs)
    if kind == "commit":
        choose = partial(by_images, _seen(split, shape))
        start = partial(selected, fitted(soft, True, **phases["full"][1]), choose)
        one = fitted(soft, True, **own)
        return arm(one, epochs, needs=(f"conv_full_{number}",), start=start)
    if kind == "skan":
        one = _adamw(config, one_family, False, config.image_rate * config.fine, **own)
        like = one_family(key=jr.key(0))
        start = partial(pruned, fitted(soft, True, **phases["commit"][1]), partial(_prune, like))
        return arm(one, epochs, needs=(f"conv_commit_{number}",), start=start)
    grid = {"family": (_conv_family, np.arange(len(families), dtype=np.int32))}
    coords = {"family": list(config.image_families)}
    return arm(fitted(one_family, False, **own), epochs, grid=grid, coords=coords)


def _prune(like: ConvKAN, model: SelectableConvKAN) -> ConvKAN:
    return model.prune(like)


def _conv_family(system: Any) -> Any:
    return system["learner"].build.args[5]


def _seen(split: Split, shape: tuple[int, ...]) -> Array:
    return _scaling(split, shape)(jnp.asarray(split.train.x[:SEEN]))


def by_images(seen: Array, model: Any, fresh: Any, temperature: Array) -> Any:
    """The families that contribute most, judged on training images."""
    return model.select(seen, temperature)


def cnn(config: Config, kind: str, size: tuple[Any, ...]) -> Any:
    """A net of rectifiers with the same channels, or the parameters of the net of functions."""
    shape, channels, kernel, n_out = size
    if kind == "cnn":
        return eqx.Partial(ConvReLU, *size)
    like = eqx.Partial(ConvKAN, *size, conv_pool(config), jnp.int32(0))
    target = parameter_count(eqx.filter_eval_shape(like, key=jr.key(0)))
    ratio = channels[1] / channels[0]

    def make(width: int) -> Any:
        return eqx.Partial(ConvReLU, shape, (width, round(ratio * width)), kernel, n_out)

    return make(matched_width(make, target))


def _baseline(
    config: Config, split: Split, shape: tuple[int, ...], build: Any, epochs: int, **more: Any
) -> Arm:
    """A net without functions, its learning rate chosen on validation images."""
    per_epoch = len(split.train.y) // config.batch
    middle = config.mlp_rates[len(config.mlp_rates) // 2]
    one = _adamw(config, build, False, middle, steps=epochs * per_epoch)
    more = {"seeds": config.image_seeds, **more}
    arm = _made(config, split, one, epochs, shape, **more)
    if not config.tune:
        return arm
    tuning = Tuning(_rate, config.mlp_rates, last_validation_accuracy, seeds=2, extensions=1)
    return dataclasses.replace(arm, tuning=tuning)


def last_validation_accuracy(records: Mapping[str, np.ndarray]) -> np.ndarray:
    """What learning rates are chosen by: (seed, value)."""
    return records["validation_accuracy"][..., -1]


def _flat(config: Config, kind: str) -> Arm:
    """C6: fully connected nets on the digits."""
    split = split_images(config, "digits")
    widths, shape = config.digits_widths, (config.digits_widths[0],)
    more = {"seeds": config.seeds}
    if kind == "mlp":
        hidden = mlp_widths(widths[0], widths[-1], kan_parameters(widths, config.functions))
        build = eqx.Partial(MLP, hidden, jnp.tanh)
        return _baseline(config, split, shape, build, config.digits_epochs, **more)
    per_epoch = len(split.train.y) // config.batch
    phases = _phases(config, config.digits_epochs, per_epoch)
    epochs, own = phases[kind]
    families = pool(config)
    soft = eqx.Partial(SelectableKAN, widths, families)
    fitted = partial(_adamw, config, soft, True, config.image_rate)
    arm = partial(_made, config, split, shape=shape, **more)
    if kind == "full":
        return arm(fitted(**own), epochs)
    if kind == "commit":
        choose = partial(by_rows, _seen(split, shape))
        start = partial(selected, fitted(**phases["full"][1]), choose)
        return arm(fitted(**own), epochs, needs=("flat_full",), start=start)
    build = eqx.Partial(picked_kan, widths, families, jnp.int32(0))
    one = _adamw(config, build, False, config.image_rate * config.fine, **own)
    start = partial(pruned, fitted(**phases["commit"][1]), prune)
    return arm(one, epochs, needs=("flat_commit",), start=start)


def by_rows(seen: Array, model: Any, fresh: Any, temperature: Array) -> Any:
    """The families that contribute most, judged on training images in rows."""
    return select(model, seen, temperature=temperature)
