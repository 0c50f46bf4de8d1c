"""A GPT that carries its cache: what fast-weight language models are compared with."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax import lax
from jaxtyping import Array, Float, Int, Key

from engrax.memory import rotary_frequencies, rotary_phases, rotate_halves

from ._bdh import normalized


class DecoderState(NamedTuple):
    """The last `context` keys and values of each layer, in a ring.

    **Fields:** `keys`, `values` (layers, heads, context, d_head), the token at position p in slot
    `p mod context`; `position` () int32, how many tokens were read.
    """

    keys: Float[Array, "layers heads context d_head"]
    values: Float[Array, "layers heads context d_head"]
    position: Int[Array, ""]


class Decoder(eqx.Module):
    """A decoder-only transformer: pre-norm blocks of causal softmax attention and a two-layer net.

    Each token sees itself and the `context - 1` tokens before it, wherever a text is cut: the
    carried cache gives what one long pass gives. Positions are ALiBi's linear penalties (Press et
    al. 2022: head i of h has slope 2^(-8 i / h)) or rotary. There are no biases, normalization has
    no parameters, and the readout is not tied, so a layer has (4 + 2 mlp_ratio) d^2 weights. They
    start from N(0, 1 / inputs), those that write to the stream smaller by sqrt(2 layers), and the
    embedding from N(0, 1 / d): at d 2500 that is the usual 0.02, which narrow models hardly leave.
    With few heads take rotary positions: the steepest of two ALiBi slopes, 1/16, does not tell a
    token from its neighbor.
    """

    qkv: Float[Array, "layers d qkv"]
    """Queries, keys and values of all heads, side by side."""
    out: Float[Array, "layers d d"]
    """Mixes the heads."""
    up: Float[Array, "layers d hidden"]
    """First layer of the net at each position."""
    down: Float[Array, "layers hidden d"]
    """Its second layer."""
    embedding: Float[Array, "vocab d"]
    """One row a token."""
    head: Float[Array, "d vocab"]
    """From the stream to the logits."""
    heads: int = eqx.field(static=True)
    """Number of heads; it divides d."""
    context: int = eqx.field(static=True)
    """Tokens that a token sees, itself included."""
    positions: Literal["alibi", "rotary"] = eqx.field(static=True)
    """How a head knows where a token stands."""
    dropout: float = eqx.field(static=True)
    """Share dropped of what each branch adds to the stream, in training."""
    activation: Callable = eqx.field(static=True)
    """Between `up` and `down`."""

    def __init__(
        self,
        vocab: int,
        d: int,
        layers: int,
        heads: int,
        *,
        context: int,
        positions: Literal["alibi", "rotary"] = "alibi",
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        activation: Callable = jax.nn.gelu,
        key: Key[Array, ""],
    ) -> None:
        """Build the model.

        Raises:
            ValueError: sizes that do not fit together, or dropout outside [0, 1).
        """
        if min(vocab, d, layers, heads, context) < 1 or d % heads:
            raise ValueError(
                "Decoder needs sizes of at least 1 and heads that divide d, and was given "
                f"{vocab=}, {d=}, {layers=}, {heads=}, {context=}."
            )
        if positions == "rotary" and d // heads % 2:
            raise ValueError(f"Rotary heads need an even size, and d // heads is {d // heads}.")
        if not 0 <= dropout < 1:
            raise ValueError(f"Decoder drops a share in [0, 1), and was given {dropout=}.")
        hidden = round(mlp_ratio * d)
        keys = jr.split(key, 6)
        draw = lambda key, *shape: jr.normal(key, shape) / shape[-2] ** 0.5
        self.qkv = draw(keys[0], layers, d, 3 * d)
        self.out = draw(keys[1], layers, d, d) / (2 * layers) ** 0.5
        self.up = draw(keys[2], layers, d, hidden)
        self.down = draw(keys[3], layers, hidden, d) / (2 * layers) ** 0.5
        self.embedding = jr.normal(keys[4], (vocab, d)) / d**0.5
        self.head = draw(keys[5], d, vocab)
        self.heads = heads
        self.context = context
        self.positions = positions
        self.dropout = dropout
        self.activation = activation

    def __call__(
        self, tokens: Int[Array, " time"], *, key: Key[Array, ""] | None = None
    ) -> Float[Array, "time vocab"]:
        """Logits of the next token at each place, from an empty cache; a key turns dropout on."""
        logits, _ = self._run(tokens, None, key)
        return logits

    def init_state(self) -> DecoderState:
        """The cache before the first token."""
        layers, d, _ = self.out.shape
        shape = (layers, self.heads, self.context, d // self.heads)
        empty = jnp.zeros(shape, self.qkv.dtype)
        return DecoderState(empty, empty, jnp.zeros((), jnp.int32))

    def chunk(
        self, state: DecoderState, tokens: Int[Array, " time"], *, key: Key[Array, ""] | None = None
    ) -> tuple[DecoderState, Float[Array, "time vocab"]]:
        """Reads on from a state: the same as `time` steps."""
        logits, (keys, values, _) = self._run(tokens, state, key)
        # Only the last `context` tokens have a slot to themselves.
        kept = min(tokens.shape[0], self.context)
        position = state.position + tokens.shape[0]
        slots = (position - kept + jnp.arange(kept)) % self.context
        ring = lambda old, new: old.at[:, :, slots].set(new[:, :, -kept:])
        return DecoderState(ring(state.keys, keys), ring(state.values, values), position), logits

    def step(
        self, state: DecoderState, token: Int[Array, ""]
    ) -> tuple[DecoderState, Float[Array, " vocab"]]:
        """Reads one token."""
        state, logits = self.chunk(state, token[None])
        return state, logits[0]

    def activations(self, tokens: Int[Array, " time"]) -> dict[str, Array]:
        """What the layers do while reading, from an empty cache.

        `hidden` is (layers, time, hidden), `keys` and `values` are (layers, time, heads, d_head),
        `logits` is (time, vocab). Rotary keys are turned to their positions.
        """
        logits, (keys, values, hidden) = self._run(tokens, None, None)
        keys, values = (jnp.moveaxis(z, 1, 2) for z in (keys, values))
        return {"hidden": hidden, "keys": keys, "values": values, "logits": logits}

    def _run(
        self, tokens: jax.Array, state: DecoderState | None, key: jax.Array | None
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
        """Logits, and the new keys, values and hidden activities of all layers."""
        time = tokens.shape[0]
        begin = jnp.zeros((), jnp.int32) if state is None else state.position
        place = begin + jnp.arange(time)
        seen, past = place, None
        if state is not None:
            # Slot j holds the last position before this text that is j modulo the context.
            slot = jnp.arange(self.context)
            seen = jnp.concatenate([begin - 1 - (begin - 1 - slot) % self.context, place])
            past = (state.keys, state.values)
        bias = self._bias(place, seen)
        phases = None
        if self.positions == "rotary":
            size = self.out.shape[1] // self.heads
            phases = rotary_phases(rotary_frequencies(size, 10_000.0), place)
        keys = None
        if key is not None and self.dropout > 0:
            keys = jr.split(key, (self.qkv.shape[0], 2))

        def layer(x: jax.Array, own: tuple) -> tuple[jax.Array, tuple]:
            (qkv, out, up, down), past, dropping = own
            q, k, v = self._heads(normalized(x) @ qkv, phases)
            seen_k = k if past is None else _beside(past[0], k)
            seen_v = v if past is None else _beside(past[1], v)
            x = x + self._dropped(_attend(q, seen_k, seen_v, bias) @ out, dropping, 0)
            hidden = self.activation(normalized(x) @ up)
            x = x + self._dropped(hidden @ down, dropping, 1)
            return x, (k, v, hidden)

        weights = (self.qkv, self.out, self.up, self.down)
        x, new = lax.scan(layer, self.embedding[tokens], (weights, past, keys))
        return normalized(x) @ self.head, new

    def _heads(
        self, qkv: jax.Array, phases: tuple[jax.Array, jax.Array] | None
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Queries, keys and values (heads, time, d_head)."""
        q, k, v = jnp.moveaxis(qkv.reshape(qkv.shape[0], 3, self.heads, -1), (1, 2), (0, 1))
        if phases is not None:
            q, k = rotate_halves(q, *phases), rotate_halves(k, *phases)
        return q, k, v

    def _bias(self, place: jax.Array, seen: jax.Array) -> jax.Array:
        """What is added to the scores (heads, time, seen): -inf for what a token does not see."""
        gap = place[:, None] - seen[None, :]
        visible = (gap >= 0) & (gap < self.context) & (seen >= 0)[None, :]
        slopes = jnp.zeros(self.heads)
        if self.positions == "alibi":
            slopes = 2.0 ** (-8.0 * jnp.arange(1, self.heads + 1, dtype=jnp.float32) / self.heads)
        penalty = -slopes[:, None, None] * gap.astype(jnp.float32)[None]
        return jnp.where(visible[None], penalty, -jnp.inf).astype(self.qkv.dtype)

    def _dropped(self, branch: jax.Array, keys: jax.Array | None, which: int) -> jax.Array:
        if keys is None:
            return branch
        kept = jr.bernoulli(keys[which], 1 - self.dropout, branch.shape)
        return jnp.where(kept, branch / (1 - self.dropout), jnp.zeros_like(branch))


def _beside(past: jax.Array, new: jax.Array) -> jax.Array:
    return jnp.concatenate([past, new], axis=1)


def _attend(q: jax.Array, k: jax.Array, v: jax.Array, bias: jax.Array) -> jax.Array:
    """The heads' answers (time, d)."""
    scores = q @ jnp.swapaxes(k, 1, 2) * q.shape[-1] ** -0.5 + bias
    weights = jax.nn.softmax(scores.astype(jnp.float32), axis=-1).astype(v.dtype)
    return jnp.moveaxis(weights @ v, 0, 1).reshape(q.shape[1], -1)
