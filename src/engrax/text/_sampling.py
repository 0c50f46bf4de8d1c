"""Drawing the next byte, and reading and writing on from a state."""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, UInt8, UInt32

PIECE = 64
"""Bytes of a prompt that are read at once."""


def next_byte_probabilities(
    logits: Float[Array, " vocab"],
    temperature: Float[Array, ""],
    top_k: Int[Array, ""],
    top_p: Float[Array, ""],
    allowed: Bool[Array, " vocab"],
) -> Float[Array, " vocab"]:
    """What the next byte is drawn from.

    Only the `top_k` most likely allowed bytes take part, and of these only as many as it takes to
    reach the share `top_p`. Temperature 0 leaves the most likely one alone.
    """
    logits = jnp.where(allowed, logits, -jnp.inf)
    cold = jnp.where(temperature > 0, temperature, 1.0)
    scaled = (logits - logits.max()) / cold
    order = jnp.argsort(-scaled)
    share = jax.nn.softmax(scaled)[order]
    # What comes before a byte in this order decides, so the first one always takes part.
    before = jnp.cumsum(share) - share
    rank = jnp.arange(len(share))
    kept = (rank < jnp.where(temperature > 0, top_k, 1)) & (before < top_p)
    share = jnp.where(kept, share, 0.0)
    return jnp.zeros_like(share).at[order].set(share / share.sum())


@eqx.filter_jit
def _advance(
    model: Any,
    state: PyTree,
    token: Int[Array, ""],
    key: Key[Array, ""],
    place: UInt32[Array, ""],
    choice: tuple[Array, Array, Array, Array],
) -> tuple[PyTree, Int[Array, ""]]:
    """Reads a byte and draws the one after it."""
    state, logits = model.step(state, token)
    share = next_byte_probabilities(logits, *choice)
    drawn = jr.categorical(jr.fold_in(key, place), jnp.log(share))
    return state, drawn.astype(jnp.int32)


@eqx.filter_jit
def _read(
    model: Any, state: PyTree, tokens: Int[Array, " time"]
) -> tuple[PyTree, Float[Array, "time vocab"]]:
    return model.chunk(state, tokens)


def generate_bytes(
    model: Any,
    prompt: UInt8[np.ndarray, " bytes"],
    *,
    key: Key[Array, ""],
    temperature: float,
    top_k: int,
    top_p: float,
    allowed: Bool[np.ndarray, " vocab"],
) -> Iterator[int]:
    """Reads the prompt, then draws byte after byte without end; memory does not grow."""
    state = model.init_state()
    tokens = prompt.astype(np.int32)
    # The last byte is read by the first draw.
    whole = (len(tokens) - 1) // PIECE * PIECE
    for begin in range(0, whole, PIECE):
        state, _ = _read(model, state, jnp.asarray(tokens[begin : begin + PIECE]))
    for token in tokens[whole:-1]:
        state, _ = _read(model, state, jnp.asarray(token)[None])
    choice = (
        jnp.float32(temperature),
        jnp.int32(top_k),
        jnp.float32(top_p),
        jnp.asarray(allowed),
    )
    token, place = jnp.asarray(tokens[-1]), 0
    while True:
        state, token = _advance(model, state, token, key, jnp.uint32(place), choice)
        yield int(token)
        place = (place + 1) % (1 << 32)


@eqx.filter_jit
def _bits(
    model: Any, state: PyTree, tokens: Int[Array, " time"], following: Int[Array, " time"]
) -> tuple[PyTree, Float[Array, " time"]]:
    state, logits = model.chunk(state, tokens)
    share = jax.nn.log_softmax(logits)
    right = jnp.take_along_axis(share, following[:, None], 1)[:, 0]
    return state, -right / jnp.log(2.0)


def code_length(model: Any, data: UInt8[np.ndarray, " bytes"], *, piece: int) -> float:
    """Bits that it takes to say `data` to someone who has the model, read in one go.

    Each byte costs the logarithm of what the model gave it after all bytes before; the first one,
    before which there is nothing, costs 8 bits.
    """
    state, bits = model.init_state(), 8.0
    tokens = data.astype(np.int32)
    for begin in range(0, len(tokens) - 1, piece):
        part, after = tokens[begin : begin + piece], tokens[begin + 1 : begin + piece + 1]
        # Filled up, so that there is one program; nothing reads the state after the last piece.
        fill = (0, piece - len(after))
        padded = jnp.asarray(np.pad(part[: len(after)], fill)), jnp.asarray(np.pad(after, fill))
        state, cost = _bits(model, state, *padded)
        bits += float(np.asarray(cost, np.float64)[: len(after)].sum())
    return bits
