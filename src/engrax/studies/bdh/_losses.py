"""Sentence by sentence: what a model loses on single bytes, and what it says by itself."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from ._data import Padded

Intervention = Literal["intact", "cleared", "no writes"]


def byte_losses(
    model: Any, text: Padded, intervention: Intervention = "intact"
) -> Float[Array, "sentences time"]:
    """Nats of every byte, read one by one from an empty state; the first byte has 0.

    "cleared": the state is emptied where the translation is asked for. "no writes": it is emptied
    after every byte.
    """
    # Which one is data to the program, so that all three share it.
    once, always = (jnp.asarray(intervention == name) for name in ("cleared", "no writes"))
    return _byte_losses(model, text, once, always)


@eqx.filter_jit
def _byte_losses(model: Any, text: Padded, once: Array, always: Array) -> Array:
    empty = model.init_state()

    def sentence(row: tuple[Array, Array]) -> Array:
        tokens, turn = row

        def read(state: Any, at: tuple[Array, Array, Array]) -> tuple[Any, Array]:
            t, token, following = at
            forget = (once & (t == turn)) | always
            state = jax.tree.map(lambda new, old: jnp.where(forget, new, old), empty, state)
            state, logits = model.step(state, token)
            return state, optax.softmax_cross_entropy_with_integer_labels(logits, following)

        steps = (jnp.arange(len(tokens) - 1), tokens[:-1], tokens[1:])
        _, losses = jax.lax.scan(read, empty, steps)
        return jnp.concatenate([jnp.zeros(1), losses])

    return jax.lax.map(sentence, (text.tokens, text.turn), batch_size=8)


def content_loss(losses: Float[Array, "sentences time"], text: Padded) -> Float[Array, ""]:
    """The mean over the bytes of the translation that only the source tells."""
    return losses.mean(where=text.content)


@eqx.filter_jit
def translations(
    model: Any, text: Padded, prompt: Int[Array, " prompt"], length: int, swap: Int[Array, ""]
) -> Int[Array, "sentences decoded"]:
    """What the model writes, greedily, after the source of each sentence and `prompt`.

    Sentence i is answered from the state that the source of sentence i + `swap` has left.
    """

    def source(row: tuple[Array, Array]) -> Any:
        tokens, turn = row

        def read(state: Any, at: tuple[Array, Array]) -> tuple[Any, None]:
            t, token = at
            moved, _ = model.step(state, token)
            return jax.tree.map(lambda new, old: jnp.where(t < turn, new, old), moved, state), None

        steps = (jnp.arange(len(tokens)), tokens)
        return jax.lax.scan(read, model.init_state(), steps)[0]

    def answer(state: Any) -> Array:
        state, logits = jax.lax.scan(lambda s, token: model.step(s, token), state, prompt)

        def write(carry: tuple[Any, Array], _: None) -> tuple[tuple[Any, Array], Array]:
            state, token = carry
            state, logits = model.step(state, token)
            return (state, logits.argmax().astype(jnp.int32)), token

        first = logits[-1].argmax().astype(jnp.int32)
        return jax.lax.scan(write, (state, first), None, length)[1]

    states = jax.lax.map(source, (text.tokens, text.turn), batch_size=8)
    states = jax.tree.map(lambda a: jnp.roll(a, -swap, axis=0), states)
    return jax.lax.map(answer, states, batch_size=8)
