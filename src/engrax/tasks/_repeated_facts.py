"""A stream of letters in which every random word comes again and again."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int, Key, Shaped

from engrax.core import Batch, Stream

_FIRST_LETTER = ord("a")


@final
class RepeatedFacts(Stream):
    """Noise, then a new random word said `repeats` times: `RepeatedFacts(13, 8, 8)` has period 77.

    A tick is one period of every row: `Batch(x, y)`, both (batch, period) int32, bytes of small
    letters; `y` is the letter that follows, and the last one begins the next period. Nothing in
    `warmup` letters, nor in the first time that the word is said, can be predicted; all that
    comes after can, by whoever remembers the word.

    State: `{"key", "next"}`, with the letters (batch,) int32 that begin the next period.

    Source: the Dragon Hatchling (arXiv 2509.26507), its experiment on sparsity and surprise.

    **Raises:** `ValueError` when a length is below 1 or there are not 2 to 26 letters.
    """

    warmup: int = eqx.field(static=True)
    word: int = eqx.field(static=True)
    repeats: int = eqx.field(static=True)
    batch: int = eqx.field(static=True)
    letters: int = eqx.field(static=True)

    def __init__(
        self, warmup: int, word: int, repeats: int, *, batch: int = 1, letters: int = 26
    ) -> None:
        if min(warmup, word, repeats, batch) < 1 or not 2 <= letters <= 26:
            raise ValueError(
                f"warmup={warmup}, word={word}, repeats={repeats} and batch={batch} must be at "
                f"least 1, and letters={letters} from 2 to 26."
            )
        self.warmup, self.word, self.repeats = warmup, word, repeats
        self.batch, self.letters = batch, letters

    @property
    def period(self) -> int:
        """Letters a tick."""
        return self.warmup + self.word * self.repeats

    @property
    def memorizing(self) -> Bool[np.ndarray, " period"]:
        """Where in `x` the word is said for the first time."""
        at = np.arange(self.period)
        return (at >= self.warmup) & (at < self.warmup + self.word)

    @property
    def repeating(self) -> Bool[np.ndarray, " period"]:
        """Where in `x` the word is said again."""
        return np.arange(self.period) >= self.warmup + self.word

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """A key, and the first letters."""
        key, now = jr.split(key)
        return {"key": key, "next": self._draw(now, 1)[:, 0]}

    def step(
        self, state: dict[str, Array], input: Int[Array, ""]
    ) -> tuple[dict[str, Array], Batch]:
        """One period of every row."""
        key, noise, words, after = jr.split(state["key"], 4)
        lead = self._draw(noise, self.warmup).at[:, 0].set(state["next"])
        said = jnp.tile(self._draw(words, self.word), (1, self.repeats))
        next_letters = self._draw(after, 1)
        x = jnp.concatenate([lead, said], 1)
        y = jnp.concatenate([x[:, 1:], next_letters], 1)
        return {"key": key, "next": next_letters[:, 0]}, Batch(x, y)

    def view(
        self, state: dict[str, Array], x: Shaped[Array, "examples ..."], task: Array | int = 0
    ) -> Int[Array, "examples ..."]:
        """Letters as the tokens of a batch; there is one task."""
        return x.astype(jnp.int32)

    def _draw(self, key: Key[Array, ""], length: int) -> Int[Array, "batch length"]:
        shape = (self.batch, length)
        return jr.randint(key, shape, _FIRST_LETTER, _FIRST_LETTER + self.letters, jnp.int32)
