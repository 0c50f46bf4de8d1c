"""Retrieval of classes of images from test images, after a teacher averaged training images."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int8, Int32, Key

from engrax.core import System, named
from engrax.memory import DenseAssociativeMemory, retrieve
from engrax.tasks import active_pixels, binarize, class_averages, load


class Codes(eqx.Module):
    """Images as +-1 codes, the same number of each class."""

    pool: Int8[Array, "classes pool N"]
    """Training images: examples are drawn from them, archetypes are the signs of their means."""
    cues: Int8[Array, "cues N"]
    """Test images."""
    labels: Int32[Array, " cues"]
    """Classes of the test images."""


class Images(eqx.Module):
    """Centered gray images, to be encoded by a seed's random projections."""

    pool: Float[Array, "classes pool pixels"]
    cues: Float[Array, "cues pixels"]
    labels: Int32[Array, " cues"]

    def codes(self, key: Key[Array, ""], count: int) -> Codes:
        """Signs of `count` random projections."""
        directions = jr.normal(key, (self.pool.shape[-1], count))

        def signs(x: Array) -> Array:
            return jnp.where(x @ directions > 0, 1, -1).astype(jnp.int8)

        return Codes(signs(self.pool), signs(self.cues), self.labels)


def load_images(name: str, pool: int, cues: int) -> tuple[Codes, Images]:
    """The data set `name` in both encodings: active pixels, and gray for projections."""
    data = load(name)
    train, test = (x.reshape(len(x), -1) for x in (data.x, data.x_test))
    chosen = np.stack([train[data.y == c][:pool] for c in range(data.classes)])
    shown = np.concatenate([test[data.y_test == c][:cues] for c in range(data.classes)])
    labels = jnp.asarray(np.repeat(np.arange(data.classes), cues), jnp.int32)
    flat = chosen.reshape(-1, chosen.shape[-1])
    active = active_pixels(flat)
    center = flat.mean(0) / 255
    return (
        Codes(binarize(jnp.asarray(chosen), active), binarize(jnp.asarray(shown), active), labels),
        Images(
            jnp.asarray(chosen / 255 - center, jnp.float32),
            jnp.asarray(shown / 255 - center, jnp.float32),
            labels,
        ),
    )


class Retrieval(System):
    """Tick t draws the t-th number of examples a class, stores their averages and retrieves.

    The score of a cue is whether its final state overlaps most with the archetype of its class.
    """

    data: Codes | Images
    orders: tuple[int, ...] = eqx.field(static=True)
    n_examples: tuple[int, ...] = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    projections: int = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Accuracies with number of examples number `input`."""
        key = state["key"]
        codes = self.data
        if isinstance(codes, Images):
            codes = codes.codes(named(key, "projections"), self.projections)
        classes, pool, _ = codes.pool.shape
        order = jax.vmap(lambda k: jr.permutation(k, pool))(
            jr.split(named(key, "examples"), classes)
        )
        shuffled = jnp.take_along_axis(codes.pool, order[:, :, None], axis=1)
        branches = [lambda x, c, m=count: self._scores(c, x[:, :m]) for count in self.n_examples]
        return state, jax.lax.switch(input, branches, shuffled, codes)

    def _scores(self, codes: Codes, examples: Array) -> dict[str, Array]:
        archetypes = jnp.where(jnp.mean(codes.pool.astype(jnp.float32), axis=1) >= 0, 1.0, -1.0)

        def accuracy(spins: Array) -> Array:
            overlaps = spins.astype(jnp.float32) @ archetypes.T
            return jnp.mean((jnp.argmax(overlaps, axis=1) == codes.labels).astype(jnp.float32))

        averages, second = class_averages(examples)
        stored = averages / jnp.sqrt(second)[:, None]
        by_order = [
            accuracy(
                retrieve(DenseAssociativeMemory(stored, order, "all"), codes.cues, steps=self.steps)
            )
            for order in self.orders
        ]
        return {
            "accuracy": jnp.stack(by_order),
            "exponential": accuracy(exponential_retrieve(stored, codes.cues, self.steps)),
            "nearest": accuracy(codes.cues),
        }


def exponential_retrieve(
    stored: Float[Array, "K N"], cues: Int8[Array, "cues N"], steps: int
) -> Int8[Array, "cues N"]:
    """T = 0 relaxation of the modern Hopfield network, ``sigma = sign(softmax(N n) etahat)``.

    A peer with the same patterns: interactions of all orders with exponential weights.
    """

    def move(spins, _):
        field = jax.nn.softmax(spins.astype(jnp.float32) @ stored.T) @ stored
        return jnp.where(field == 0, spins, jnp.sign(field).astype(spins.dtype)), None

    return jax.lax.scan(move, cues, length=steps)[0]
