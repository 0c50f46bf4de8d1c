"""The images of both data sets, and the task with 64 classes."""

from typing import NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from engrax.core import named
from engrax.tasks import Examples, FactorLabels, Scaling, Split, factor_labels, load, pool2, subset

from ._config import Config


class Images(NamedTuple):
    """A split with the shape of its images and how a learner sees them."""

    split: Split
    shape: tuple[int, ...]
    scaling: Scaling
    classes: int

    @property
    def features(self) -> int:
        """Numbers in an image."""
        return int(np.prod(self.shape))


def images_a(config: Config) -> Images:
    """A; it needs no validation images, since nothing is chosen on it."""
    return _images(subset(load(config.a_data), config.a_train, 0, config.a_test, _key()))


def images_b(config: Config) -> Images:
    """B, halved where the configuration says so."""
    split = subset(load(config.b_data), config.b_train, config.b_validation, config.b_test, _key())
    if config.b_pooled:
        split = Split(*(part._replace(x=pool2(part.x)) for part in split))
    return _images(split)


def _images(split: Split) -> Images:
    x, y = split.train
    shape = (1, *x.shape[1:]) if x.ndim == 3 else x.shape[1:]
    scaling = Scaling(x.mean(dtype=np.float64), x.std(dtype=np.float64), shape=shape)
    return Images(split, shape, scaling, int(y.max()) + 1)


def factor_task(config: Config) -> FactorLabels:
    """The task of C6."""
    return factor_labels(_key(), config.factor_train, config.factor_test)


def _key() -> Key[Array, ""]:
    """One split, and one task, for the whole study."""
    return named(jr.key(0), "noprop/data")


def seen(images: Images, part: Examples) -> np.ndarray:
    """A part's images as a learner sees them, on the host."""
    return np.asarray(images.scaling(jnp.asarray(part.x)))
