"""The two streams, and the images that nets are trained on before each."""

import dataclasses
import functools

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from engrax.continual import RehearsalStream, ShuffledSplitTasks, rehearsal_table
from engrax.core import named
from engrax.tasks import Batches, Dataset, Examples, Scaling, Split, glyphs, load, pool2, subset

from ._config import Config


def _key(what: str) -> Key[Array, ""]:
    """Of images, which are the same for the whole study: seeds differ in the order they come in."""
    return named(jr.key(0), f"rehearsal_free/{what}")


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """A stream of tasks, and what comes before it."""

    split: Split
    """The stream's images: bytes (examples, rows, columns) or with channels, labels from 0."""
    before: Examples | None
    """Images of other classes; none where weights come from a file."""
    classes_per_task: int
    batch: int
    epochs: int
    pretrain_epochs: int
    brightest: float = 255.0
    brightest_before: float = 255.0
    net: str = "conv"
    weights: str = ""
    """A file of weights, where nets are not trained before by the study itself."""

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        *channels, rows, columns = self.split.train.x.shape[1:]
        return (channels[0] if channels else 1), rows, columns

    @property
    def classes(self) -> int:
        """Classes of the stream."""
        return 1 + int(self.split.train.y.max())

    @property
    def tasks(self) -> int:
        """Tasks of the stream."""
        return self.classes // self.classes_per_task

    @property
    def images(self) -> int:
        """Training images of a task."""
        return len(self.split.train.y) // self.tasks

    @property
    def steps(self) -> int:
        """Batches a task."""
        return self.epochs * (self.images // self.batch)

    def stream(self) -> ShuffledSplitTasks:
        """Tasks of a few classes each; images are (channels, rows, columns), from 0 to 1."""
        return ShuffledSplitTasks(
            self.split, self.classes_per_task, batch=self.batch,
            scaling=Scaling(0.0, self.brightest, shape=self.image),
        )  # fmt: skip

    def rehearsed(self, memory: int) -> RehearsalStream:
        """The tasks with a store of so many images in all, shared evenly among old classes."""
        table = jnp.asarray(rehearsal_table("uniform", self.tasks, 1.0), jnp.float32)
        return RehearsalStream(
            self.stream(), table, memory, order="mixed", memory=min(memory, self.images),
            shrinking=True,
        )  # fmt: skip

    def batches_before(self) -> Batches:
        """Batches of the other classes' images."""
        assert self.before is not None
        scaling = Scaling(0.0, self.brightest_before, shape=self.image)
        return Batches(self.before, self.batch, scaling=scaling)


def setting(config: Config, name: str) -> Setting:
    """The stream called `name`, "letters" or "clothes"."""
    if name == "letters":
        other = None if config.weights else other_letters(config)
        return Setting(
            letters(config), other, config.classes_per_task, config.batch,
            config.epochs, config.pretrain_epochs, net=config.net, weights=config.weights,
        )  # fmt: skip
    return clothes(config)


@functools.lru_cache(maxsize=2)
def letters(config: Config) -> Split:
    """The stream's images: drawings (examples, size, size), or those of a data set."""
    each = (config.train_each, config.validation_each, config.test_each)
    if config.data != "glyphs":
        data = load(config.data)
        train, validation, test = (n * config.classes for n in each)
        return subset(data, train, validation, test, _key("stream"))
    drawn = glyphs(_key("stream"), config.classes, sum(each), style=config.style, size=config.size)
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
        _key("pretraining"), config.pretrain_classes, config.pretrain_each,
        style=config.style, size=config.size,
    )  # fmt: skip


def letter_stream(config: Config) -> ShuffledSplitTasks:
    """The tasks of letters."""
    return setting(config, "letters").stream()


@functools.lru_cache(maxsize=2)
def clothes(config: Config) -> Setting:
    """The second stream."""
    chosen = config.clothes
    data, before = load(chosen.data), load(chosen.before)
    each = (chosen.train_each, chosen.validation_each, chosen.test_each)
    train, validation, test = (n * data.classes for n in each)
    split = subset(data, train, validation, test, _key("clothes"))
    first = subset(before, chosen.pretrain, 0, 0, _key("digits")).train
    if chosen.pooled:
        split = Split(*(Examples(pool2(part.x), part.y) for part in split))
        first = Examples(pool2(first.x), first.y)
    return Setting(
        split, first, chosen.classes_per_task, config.batch, chosen.epochs,
        chosen.pretrain_epochs, _brightest(data), _brightest(before),
    )  # fmt: skip


def _brightest(data: Dataset) -> float:
    return float(data.brightest)
