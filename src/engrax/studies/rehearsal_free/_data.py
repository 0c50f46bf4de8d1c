"""Images of the stream, and those that nets are trained on before."""

import functools

import jax.random as jr
import numpy as np

from engrax.continual import ShuffledSplitTasks
from engrax.core import named
from engrax.tasks import Examples, Scaling, Split, glyphs

from ._config import Config

LETTERS = named(jr.key(0), "rehearsal_free/stream")
OTHER_LETTERS = named(jr.key(0), "rehearsal_free/pretraining")
"""Two alphabets for the whole study: seeds differ in the order in which letters come."""


@functools.lru_cache(maxsize=2)
def letters(config: Config) -> Split:
    """The stream's drawings: bytes (examples, size, size), labels from 0, class by class."""
    each = (config.train_each, config.validation_each, config.test_each)
    drawn = glyphs(LETTERS, config.classes, sum(each), style=config.style, size=config.size)
    x = drawn.x.reshape(config.classes, sum(each), *drawn.x.shape[1:])
    first, last = np.cumsum(each)[:2]
    cuts = (slice(0, first), slice(first, last), slice(last, None))
    labels = np.arange(config.classes, dtype=np.int32)
    return Split(
        *(
            Examples(x[:, cut].reshape(-1, *x.shape[2:]), np.repeat(labels, n))
            for cut, n in zip(cuts, each, strict=True)
        )
    )


@functools.lru_cache(maxsize=2)
def other_letters(config: Config) -> Examples:
    """Drawings of letters that never come in the stream."""
    return glyphs(
        OTHER_LETTERS, config.pretrain_classes, config.pretrain_each,
        style=config.style, size=config.size,
    )  # fmt: skip


def letter_stream(config: Config) -> ShuffledSplitTasks:
    """Tasks of a few letters each; images are (1, size, size) with ink from 0 to 1."""
    shape = (1, config.size, config.size)
    return ShuffledSplitTasks(
        letters(config), config.classes_per_task, batch=config.batch, scaling=Scaling(shape=shape)
    )
