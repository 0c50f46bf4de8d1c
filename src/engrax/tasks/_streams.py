"""Streams over labeled examples that lie on the device."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, ArrayLike, Float, Int, Key, Shaped

from engrax.core import Batch, Stream

from ._dataset import Labeled


class Scaling(eqx.Module):
    """What is done to raw inputs on their way to the learner.

    Bytes (uint8) become `(x - mean) / std` in float32, with `mean` and `std` in units of the raw
    pixels: the default maps 0 ... 255 to 0 ... 1, and `Scaling(0.1307 * 255, 0.3081 * 255)` is the
    usual one of MNIST. Inputs of any other type pass as they are. `shape`, where given, is the
    shape of one example: `(784,)` flattens an image, `(1, 28, 28)` gives it a channel.
    """

    mean: Float[Array, ""]
    std: Float[Array, ""]
    shape: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(
        self,
        mean: ArrayLike = 0.0,
        std: ArrayLike = 255.0,
        *,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        self.mean, self.std = jnp.float32(mean), jnp.float32(std)
        self.shape = shape

    def __call__(self, x: Shaped[Array, "examples ..."]) -> Shaped[Array, "examples ..."]:
        """Raw inputs as the learner sees them."""
        if x.dtype == jnp.uint8:
            x = (x.astype(jnp.float32) - self.mean) / self.std
        return x if self.shape is None else x.reshape(len(x), *self.shape)


@final
class Batches(Stream):
    """Random minibatches, gathered by index inside the compiled loop.

    The data stay on the device as they are (images as bytes) and only the gathered batch is
    converted. Without replacement an epoch is a random order of all examples, drawn anew whenever
    the clock is a multiple of `per_epoch`; the last `len(data) % batch` examples of that order are
    left out. With replacement every batch is an independent uniform draw.

    The clock decides when an epoch begins, so under `jax.vmap` over states the reshuffle is still
    paid once an epoch. A run must start at a multiple of `per_epoch` for its first epoch to be
    whole.

    State: `{"key", "order"}`, the order (examples,) int32 of the present epoch; with replacement
    `{"key"}` alone.

    **Raises:** `ValueError` when `batch` is below 1 or above the number of examples, or `x` and `y`
    differ in length.
    """

    x: Shaped[Array, "examples ..."]
    y: Shaped[Array, "examples ..."]
    scaling: Scaling
    batch: int = eqx.field(static=True)
    replace: bool = eqx.field(static=True)

    def __init__(
        self,
        data: Labeled,
        batch: int,
        *,
        replace: bool = False,
        scaling: Scaling | None = None,
    ) -> None:
        self.x, self.y = _on_device(data)
        if not 1 <= batch <= len(self.x):
            raise ValueError(
                f"batch={batch} does not fit {len(self.x)} examples; choose a size from 1 to "
                f"{len(self.x)}."
            )
        self.scaling = Scaling() if scaling is None else scaling
        self.batch, self.replace = batch, replace

    @property
    def per_epoch(self) -> int:
        """Full batches in one pass over the data."""
        return len(self.x) // self.batch

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """A key, and an order that the first tick of the clock replaces."""
        if self.replace:
            return {"key": key}
        return {"key": key, "order": jnp.arange(len(self.x), dtype=jnp.int32)}

    def step(
        self, state: dict[str, Array], input: Int[Array, ""]
    ) -> tuple[dict[str, Array], Batch]:
        """The batch of this tick, with the indices of its examples."""
        if self.replace:
            key, now = jr.split(state["key"])
            index = jr.randint(now, (self.batch,), 0, len(self.x), jnp.int32)
            state = {"key": key}
        else:
            place = input % self.per_epoch
            # Wrapped, since JAX wants to hash a branch and a bound method hashes its arrays.
            state = jax.lax.cond(
                place == 0, lambda old: self._reshuffle(old), lambda old: old, state
            )
            start = (place * self.batch).astype(jnp.int32)
            index = jax.lax.dynamic_slice(state["order"], (start,), (self.batch,))
        return state, Batch(self.scaling(self.x[index]), self.y[index], index=index)

    def view(
        self, state: dict[str, Array], x: Shaped[Array, "examples ..."], task: Array | int = 0
    ) -> Shaped[Array, "examples ..."]:
        """Raw inputs scaled and shaped like those of a batch; there is one task."""
        return self.scaling(x)

    def _reshuffle(self, state: dict[str, Array]) -> dict[str, Array]:
        key, now = jr.split(state["key"])
        return {"key": key, "order": jr.permutation(now, len(self.x)).astype(jnp.int32)}


@final
class FullBatch(Stream):
    """All examples, in their own order, at every tick. State: none."""

    x: Shaped[Array, "examples ..."]
    y: Shaped[Array, "examples ..."]
    scaling: Scaling

    def __init__(self, data: Labeled, *, scaling: Scaling | None = None) -> None:
        self.x, self.y = _on_device(data)
        self.scaling = Scaling() if scaling is None else scaling

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """Nothing changes, so the state is empty."""
        return {}

    def step(
        self, state: dict[str, Array], input: Int[Array, ""]
    ) -> tuple[dict[str, Array], Batch]:
        """The whole data set."""
        index = jnp.arange(len(self.x), dtype=jnp.int32)
        return state, Batch(self.scaling(self.x), self.y, index=index)

    def view(
        self, state: dict[str, Array], x: Shaped[Array, "examples ..."], task: Array | int = 0
    ) -> Shaped[Array, "examples ..."]:
        """Raw inputs scaled and shaped like those of the batch; there is one task."""
        return self.scaling(x)


def _on_device(
    data: Labeled,
) -> tuple[Shaped[Array, "examples ..."], Shaped[Array, "examples ..."]]:
    x, y = jnp.asarray(data.x), jnp.asarray(data.y)
    if len(x) != len(y) or not len(x):
        raise ValueError(
            f"The data have {len(x)} inputs and {len(y)} targets; give as many targets as inputs, "
            "and at least one."
        )
    return x, y
