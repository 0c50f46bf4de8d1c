"""A text as batches of byte sequences, cut fresh or continued from batch to batch."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int, Key, Shaped, UInt8

from engrax.core import Batch, Stream


@final
class ByteSequences(Stream):
    """Sequences of `length` bytes, each with the byte that follows every one of them.

    Emits `Batch(x, y)`, both (batch, length) int32: `y[b, t]` is the byte after `x[b, t]`. The text
    is a ring: after its last byte comes its first.

    - Fresh (the default): every sequence begins at a place drawn uniformly, with replacement; at
      one of `starts` where they are given, such as the first bytes of sentences. State: `{"key"}`.
    - `carried=True`: row `b` of a batch goes on where row `b` of the batch before it ended, so that
      a learner which carries its model's state reads one endless text a row. Rows start evenly
      spaced, at a random turn of the ring. State: `{"position"}` (batch,) int32.

    The text stays on the device as bytes; only what was gathered is converted.

    **Raises:** `ValueError` when `batch` or `length` is below 1, the text has no more than `length`
    bytes, or `starts` are none, lie outside it, or are given to what is carried.
    """

    data: UInt8[Array, " bytes"]
    starts: Int[Array, " starts"] | None
    batch: int = eqx.field(static=True)
    length: int = eqx.field(static=True)
    carried: bool = eqx.field(static=True)

    def __init__(
        self,
        data: UInt8[np.ndarray | Array, " bytes"],
        batch: int,
        length: int,
        *,
        carried: bool = False,
        starts: Int[np.ndarray, " starts"] | None = None,
    ) -> None:
        if batch < 1 or length < 1:
            raise ValueError(f"batch={batch} and length={length} must both be at least 1.")
        if len(data) <= length:
            raise ValueError(
                f"A text of {len(data)} bytes has no sequence of {length} bytes and the one after "
                "them; choose a shorter length or a longer text."
            )
        if starts is not None and (carried or not _inside(starts, len(data))):
            raise ValueError(
                f"starts must be one place or more in the {len(data)} bytes of a text that is not "
                f"carried; got {len(starts)} of them, {carried=}."
            )
        self.data = jnp.asarray(data)
        self.starts = None if starts is None else jnp.asarray(starts, jnp.int32)
        self.batch, self.length, self.carried = batch, length, carried

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The key of the draws, or where each row starts."""
        if not self.carried:
            return {"key": key}
        size = len(self.data)
        turn = jr.randint(key, (), 0, size, jnp.int32)
        # Spaced on the host: `row * size` would not fit 32 bits for a long text.
        rows = jnp.asarray(np.arange(self.batch) * size // self.batch, jnp.int32)
        return {"position": _around(turn, rows, size)}

    def step(
        self, state: dict[str, Array], input: Int[Array, ""]
    ) -> tuple[dict[str, Array], Batch]:
        """The batch of this tick; `index` (batch,) is where in the text its rows begin."""
        size = len(self.data)
        if self.carried:
            begin = state["position"]
            state = {"position": _around(begin, jnp.int32(self.length), size)}
        else:
            key, now = jr.split(state["key"])
            choices = size if self.starts is None else len(self.starts)
            begin = jr.randint(now, (self.batch,), 0, choices, jnp.int32)
            begin = begin if self.starts is None else self.starts[begin]
            state = {"key": key}
        steps = jnp.arange(self.length + 1, dtype=jnp.int32)
        read = self.data[_around(begin[:, None], steps[None], size)].astype(jnp.int32)
        return state, Batch(read[:, :-1], read[:, 1:], index=begin)

    def view(
        self, state: dict[str, Array], x: Shaped[Array, "examples ..."], task: Array | int = 0
    ) -> Int[Array, "examples ..."]:
        """Bytes as the tokens of a batch; there is one task."""
        return x.astype(jnp.int32)


def _inside(starts: Int[np.ndarray, " starts"], size: int) -> bool:
    return len(starts) > 0 and bool(((starts >= 0) & (starts < size)).all())


def _around(position: Int[Array, "..."], step: Int[Array, "..."], size: int) -> Int[Array, "..."]:
    """`(position + step) mod size` for both in 0 ... size, without leaving 32 bits."""
    left = size - step
    return jnp.where(position >= left, position - left, position + step)
