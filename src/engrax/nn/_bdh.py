"""The Dragon Hatchling, in the form that runs on arrays (BDH-GPU)."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float, Int, Key, UInt32

from engrax.memory import rotary_frequencies, rotary_phases, rotate_halves

from ._causal_square import SAVED
from ._fast_weights import LOG_FORGOTTEN, Reading, read_and_write

INIT_SCALE = 0.02
"""Standard deviation of all weights at the start, in the released code."""


class BDHState(NamedTuple):
    """The working memory of BDH, of one size however much was read.

    **Fields:** `rho` (layers, heads, N, d), row i of a head is what follows neuron i; `position`
    () int32, how many tokens were read.
    """

    rho: Float[Array, "layers heads N d"]
    position: Int[Array, ""]


class Gates(eqx.Module):
    """Forget and input gates on the state: our reading of BDH-GPU', after xLSTM.

    `rho_t = f_t * rho_(t-1) + v_t (i_t * k_t)^T` with `f_t = sigmoid(v_t * w_f + b_f)` for each
    value slot and `i_t = softplus(k_t * w_i + b_i)` for each neuron. At the start nearly nothing is
    forgotten (b_f = 4) and the input gate is 1. No gate falls below e^-8: as good as forgotten.
    """

    forget_weight: Float[Array, " d"]
    """w_f."""
    forget_bias: Float[Array, " d"]
    """b_f."""
    input_weight: Float[Array, "heads N"]
    """w_i."""
    input_bias: Float[Array, "heads N"]
    """b_i."""

    def __init__(self, d: int, heads: int, size: int) -> None:
        """Gates of `heads` heads with `size` neurons each, and `d` value slots."""
        self.forget_weight = jnp.zeros(d)
        self.forget_bias = jnp.full(d, 4.0)
        self.input_weight = jnp.zeros((heads, size))
        self.input_bias = jnp.full((heads, size), float(np.log(np.expm1(1.0))))


class BDH(eqx.Module):
    """A language model of n non-negative neurons whose working memory is a Hebbian state.

    Kosowski et al. 2025 (arXiv 2509.26507), BDH-GPU. All layers share the same 3 n d weights. With
    `residual="stream"`, the convention of the released code, a layer is

        x = relu(v enc)                      the keys and the queries, in R^N for each head
        a_t = sum_s<t v_s (x_s . U^(t-s) x_t)     strictly causal; U turns pairs of neurons
        y = relu(LN(a) enc_v) * x
        v <- LN(v + LN(y dec))

    and the logits are `v head`. With `residual="neuron"`, the paper's own equations, the sum runs
    over x instead: `x <- x + relu(v enc)`, `v <- LN(y dec)`. LN has no parameters.

    Differs from the paper: `decay` and `gated` are choices of ours where it gives no equation; see
    `Gates`. A state that is carried over long texts needs a decay, see `head_decays`. Positions are
    counted in integers, so that the phases stay exact at any length.
    """

    enc: Float[Array, "heads d N"]
    """From the stream to the neurons, Dx^T."""
    enc_v: Float[Array, "heads d N"]
    """From what was read to the neurons, Dy^T."""
    dec: Float[Array, "heads N d"]
    """From the neurons to the stream, E^T."""
    embedding: Float[Array, "vocab d"]
    """One row a token."""
    head: Float[Array, "d vocab"]
    """From the stream to the logits."""
    frequencies: UInt32[Array, " pairs"]
    """How far each pair of neurons (2j, 2j+1) of a head turns a position, in 2^-32 turns."""
    gates: Gates | None
    """Present in BDH'."""
    layers: int = eqx.field(static=True)
    """How often the weights are used in a row."""
    residual: Literal["stream", "neuron"] = eqx.field(static=True)
    """Where the residual runs: in the stream of d numbers, or in the n neurons."""
    decay: tuple[float, ...] | None = eqx.field(static=True)
    """What is left of the state of each head after one token."""
    dropout: float = eqx.field(static=True)
    """Share of y that is dropped in training."""
    merge_logits: bool = eqx.field(static=True)
    """Whether all layers vote on the next token, with equal weight."""
    detach_kv: bool = eqx.field(static=True)
    """Whether the gradient stops at keys and values: training without backpropagation in time."""
    piece: int = eqx.field(static=True)
    """Longest text whose scores are computed at once; longer ones go through the state."""

    def __init__(
        self,
        n: int,
        d: int,
        heads: int,
        layers: int,
        vocab: int = 256,
        *,
        residual: Literal["stream", "neuron"] = "stream",
        rope_theta: float = 2.0**16,
        decay: float | Sequence[float] | None = None,
        dropout: float = 0.0,
        gated: bool = False,
        merge_logits: bool = False,
        detach_kv: bool = False,
        piece: int = 1024,
        init_scale: float = INIT_SCALE,
        key: Key[Array, ""],
    ) -> None:
        """Build the model with 3 n d + 2 vocab d weights from N(0, init_scale^2).

        The released code starts from 0.02 at d 256 and n 32,768. Small models learn sooner from
        more: what they add to the stream is at first of the size of LN's eps.

        BDH' is `gated=True, merge_logits=True`. `decay` is one factor a token for all heads, or one
        for each; None forgets nothing.

        Raises:
            ValueError: sizes that do not fit together, an unknown residual, a decay outside (0, 1],
                dropout outside [0, 1).
        """
        if min(n, d, heads, layers, vocab, piece) < 1 or n % (2 * heads):
            raise ValueError(
                "BDH needs sizes of at least 1 and an even number of neurons n / heads in each "
                f"head, and was given {n=}, {d=}, {heads=}, {layers=}, {vocab=}, {piece=}."
            )
        if residual not in ("stream", "neuron"):
            raise ValueError(
                f"residual is 'stream' (released code) or 'neuron' (paper), got {residual!r}."
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"BDH drops a share of y in [0, 1), and was given {dropout=}.")
        size = n // heads
        keys = jr.split(key, 5)
        self.enc = init_scale * jr.normal(keys[0], (heads, d, size))
        self.enc_v = init_scale * jr.normal(keys[1], (heads, d, size))
        self.dec = init_scale * jr.normal(keys[2], (heads, size, d))
        self.embedding = init_scale * jr.normal(keys[3], (vocab, d))
        self.head = init_scale * jr.normal(keys[4], (d, vocab))
        self.frequencies = rotary_frequencies(size, rope_theta)
        self.gates = Gates(d, heads, size) if gated else None
        self.layers = layers
        self.residual = residual
        self.decay = _decays(decay, heads)
        self.dropout = dropout
        self.merge_logits = merge_logits
        self.detach_kv = detach_kv
        self.piece = piece

    def __call__(
        self, tokens: Int[Array, " time"], *, key: Key[Array, ""] | None = None
    ) -> Float[Array, "time vocab"]:
        """Logits of the next token at each place, from an empty state; a key turns dropout on."""
        logits, _, _ = self._run(tokens, None, key, look=False)
        return logits

    def init_state(self) -> BDHState:
        """The state before the first token."""
        heads, d, size = self.enc.shape
        rho = jnp.zeros((self.layers, heads, size, d), self.enc.dtype)
        return BDHState(rho, jnp.zeros((), jnp.int32))

    def chunk(
        self, state: BDHState, tokens: Int[Array, " time"], *, key: Key[Array, ""] | None = None
    ) -> tuple[BDHState, Float[Array, "time vocab"]]:
        """Reads on from a state: the same as `time` steps, at the cost of a few products."""
        logits, rho, _ = self._run(tokens, state, key, look=False)
        assert rho is not None
        return BDHState(rho, state.position + tokens.shape[0]), logits

    def step(
        self, state: BDHState, token: Int[Array, ""]
    ) -> tuple[BDHState, Float[Array, " vocab"]]:
        """Reads one token; the cost does not depend on how many were read before."""
        state, logits = self.chunk(state, token[None])
        return state, logits[0]

    def activations(self, tokens: Int[Array, " time"]) -> dict[str, Array]:
        """What the neurons do while reading, from an empty state.

        `x` and `y` are (layers, time, heads, N), `stream` is (layers + 1, time, d) with the
        embedding first, `logits` is (time, vocab).
        """
        logits, _, (x, y, stream) = self._run(tokens, None, None, look=True)
        x, y = (jnp.moveaxis(z, 1, 2) for z in (x, y))
        stream = jnp.concatenate([normalized(self.embedding[tokens])[None], stream])
        return {"x": x, "y": y, "stream": stream, "logits": logits}

    def neuron_graph(
        self, which: Literal["x", "y"] = "x", heads: tuple[int, int] = (0, 0)
    ) -> Float[Array, "N N"]:
        """`G = Dx E`, or `Dy E` with "y" (Sec. 5.2): entry (i, j) is the pull of neuron j on i.

        `heads` are those of i and of j.
        """
        if which not in ("x", "y"):
            raise ValueError(f"which is 'x' (Dx E) or 'y' (Dy E), got {which!r}.")
        into = self.enc if which == "x" else self.enc_v
        return into[heads[0]].T @ self.dec[heads[1]].T

    @staticmethod
    def concatenate(a: "BDH", b: "BDH") -> "BDH":
        """One model with the neurons of both, without training (Sec. 7.1).

        Every array with an axis of neurons is laid end to end inside each head, frequencies
        included; the rest is averaged.

        Raises:
            ValueError: the models differ in anything but their neurons.
        """
        rest = lambda m: (jax.tree.structure(m), m.embedding.shape, m.enc.shape[:2])
        if rest(a) != rest(b):
            raise ValueError(
                "Only BDH models that differ in nothing but their neurons can be concatenated; "
                "train both from clones of one model."
            )
        beside = {"enc": -1, "enc_v": -1, "dec": 1, "frequencies": 0}
        beside |= {"input_weight": -1, "input_bias": -1}

        def join(path: tuple, left: jax.Array, right: jax.Array) -> jax.Array:
            axis = beside.get(path[-1].name)
            return (left + right) / 2 if axis is None else jnp.concatenate([left, right], axis)

        return jax.tree_util.tree_map_with_path(join, a, b)

    def _run(
        self,
        tokens: jax.Array,
        state: BDHState | None,
        key: jax.Array | None,
        *,
        look: bool,
    ) -> tuple[jax.Array, jax.Array | None, Any]:
        """Logits, the memory afterwards, and with `look` a tuple of x, y and v of all layers."""
        v = normalized(self.embedding[tokens])
        begin = jnp.zeros((), jnp.int32) if state is None else state.position
        place = begin + jnp.arange(tokens.shape[0])
        # A single token is turned sooner than all weights and the state are put in order.
        turn = _Turn(*rotary_phases(self.frequencies, place), ordered=tokens.shape[0] > 1)
        # The layouts whose products are fastest, forward and backward.
        dec = jnp.swapaxes(self.dec, 1, 2)
        weights = (turn.apart(self.enc), turn.apart(self.enc_v), turn.apart(dec))

        keys = None if key is None or self.dropout == 0 else jr.split(key, self.layers)
        rho = None if state is None else turn.apart(state.rho, axis=2)
        heads, _, size = self.enc.shape
        grown = None
        if self.residual == "neuron":
            grown = jnp.zeros((heads, tokens.shape[0], size), v.dtype)

        # Neurons are computed again on the way back. On a CPU this is faster than to write them out
        # and read them in; what is dear and small beside them is kept.
        @partial(jax.checkpoint, policy=jax.checkpoint_policies.save_only_these_names(*SAVED))
        def layer(carry: tuple, own: tuple) -> tuple[tuple, tuple]:
            v, grown, total = carry
            x, y, v, rho = self._layer(weights, turn, v, grown, *own)
            grown = None if grown is None else x
            total = None if total is None else total + v
            return (v, grown, total), (rho, (x, y, v) if look else (None, None, None))

        total = jnp.zeros_like(v) if self.merge_logits else None
        (v, _, total), (rho, seen) = lax.scan(layer, (v, grown, total), (rho, keys), self.layers)
        out = v if total is None else total / self.layers
        rho = None if rho is None else turn.joined(rho, axis=2)
        x, y, stream = seen
        seen = (turn.joined(x), turn.joined(y), stream) if look else seen
        return out @ self.head, rho, seen

    def _layer(
        self,
        weights: tuple[jax.Array, jax.Array, jax.Array],
        turn: "_Turn",
        v: jax.Array,
        grown: jax.Array | None,
        rho: jax.Array | None,
        key: jax.Array | None,
    ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array | None]:
        """x, y, the stream and the memory after one layer."""
        enc, enc_v, dec = weights
        heads = enc.shape[0]
        x = jax.nn.relu(jnp.broadcast_to(v, (heads, *v.shape)) @ enc)
        x = x if grown is None else grown + x
        read, rho = read_and_write(self._reading(x, v, turn), rho, piece=self.piece)
        read = checkpoint_name(read, "read")
        y = jax.nn.relu(normalized(read) @ enc_v) * x
        if key is not None:
            kept = jr.bernoulli(key, 1 - self.dropout, y.shape)
            y = jnp.where(kept, y / (1 - self.dropout), jnp.zeros_like(y))
        out = checkpoint_name((y @ jnp.swapaxes(dec, 1, 2)).sum(0), "out")
        out = normalized(out)
        return x, y, out if self.residual == "neuron" else normalized(v + out), rho

    def _reading(self, x: jax.Array, v: jax.Array, turn: "_Turn") -> Reading:
        """Queries, keys, values and how long they last."""
        heads, time, _ = x.shape
        q, k = turn.turned(x), None
        log_keep = None
        if self.decay is not None:
            log_keep = jnp.log(jnp.asarray(self.decay, v.dtype))[:, None, None]
            log_keep = jnp.broadcast_to(log_keep, (heads, time, 1))
        if (gates := self.gates) is not None:
            forget = v * gates.forget_weight[None] + gates.forget_bias[None]
            forget = jnp.maximum(jax.nn.log_sigmoid(forget), LOG_FORGOTTEN)[None]
            log_keep = forget if log_keep is None else forget + log_keep
            weight, bias = (turn.apart(z)[:, None] for z in (gates.input_weight, gates.input_bias))
            k = turn.turned(jax.nn.softplus(x * weight + bias) * x)
        if self.detach_kv:
            log_keep = lax.stop_gradient(log_keep)
        return Reading(q, k, v, log_keep, self.detach_kv)


def head_decays(heads: int, memory: float) -> tuple[float, ...]:
    """A decay for each head: the slowest has forgotten to 1/e after `memory` tokens, the fastest
    16 times sooner, the others between them in equal ratios.

    A model whose state is carried on for ever needs some: what is never forgotten piles up until
    every read is nearly the same, and training learns no more than which token follows which.
    """
    spread = [16 ** (-head / max(1, heads - 1)) for head in range(heads)]
    return tuple(float(np.exp(-1 / (memory * share))) for share in spread)


def normalized(x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """Layer normalization without parameters, eps 1e-5, computed in float32."""
    wide = x.astype(jnp.float64 if x.dtype == jnp.float64 else jnp.float32)
    centered = wide - wide.mean(-1, keepdims=True)
    scale = lax.rsqrt((centered * centered).mean(-1, keepdims=True) + 1e-5)
    return (centered * scale).astype(x.dtype)


class _Turn(NamedTuple):
    """Turns pairs of neurons (2j, 2j+1); where `ordered` they are kept at (j, j + N/2) meanwhile.

    In that order nothing is read in strides, which costs more than to put the weights into it once.
    """

    cos: jax.Array
    sin: jax.Array
    ordered: bool

    def turned(self, x: jax.Array) -> jax.Array:
        if self.ordered:
            return rotate_halves(x, self.cos, self.sin)
        return _joined(rotate_halves(_apart(x), self.cos, self.sin), -1)

    def apart(self, z: jax.Array, axis: int = -1) -> jax.Array:
        return _apart(z, axis) if self.ordered else z

    def joined(self, z: jax.Array, axis: int = -1) -> jax.Array:
        return _joined(z, axis) if self.ordered else z


def _apart(z: jax.Array, axis: int = -1) -> jax.Array:
    even, odd = (lax.slice_in_dim(z, i, None, 2, axis=axis) for i in (0, 1))
    return jnp.concatenate([even, odd], axis=axis)


def _joined(z: jax.Array, axis: int) -> jax.Array:
    axis = axis % z.ndim
    return jnp.stack(jnp.split(z, 2, axis=axis), axis=axis + 1).reshape(z.shape)


def _decays(decay: float | Sequence[float] | None, heads: int) -> tuple[float, ...] | None:
    if decay is None:
        return None
    each = (float(decay),) * heads if isinstance(decay, int | float) else tuple(map(float, decay))
    if len(each) != heads or not all(0 < factor <= 1 for factor in each):
        raise ValueError(
            f"decay is a factor in (0, 1] for all heads or for each of {heads}, and was {decay}."
        )
    return each
