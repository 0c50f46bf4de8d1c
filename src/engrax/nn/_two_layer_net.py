"""The two-layer network without biases, on numbers or on tokens."""

import math
from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax import lax
from jaxtyping import Array, Float, Int, Key

from ._batch_norm import BatchNorm


class TwoLayerNet(eqx.Module):
    """`readout @ activation(weight @ x)`: one hidden layer, no biases.

    The input is either a vector of numbers, or a few integer tokens. Tokens stand for their one-hot
    vectors, laid one after the other: k tokens share the `d_in` columns in k equal blocks, and
    token i with value v picks column `i * d_in // k + v`. Nothing one-hot is ever built.

    Under the "standard" parametrization the net is as written above. Under "ntk" both layers are
    divided by the root of their fan-in, `readout @ activation(weight @ x / sqrt(d_in)) /
    sqrt(width)`, so that entries of variance 1 keep the output finite at any width.

    Dropout acts on the *pre*-activation and is on only where a key is given. Normalization is over
    the batch and *after* the activation ("post-BN" of Doshi et al. 2024, Eq. 5): `batch` uses the
    batch's statistics and also returns the net with moved running ones; everything else uses the
    running ones.
    """

    weight: Float[Array, "width d_in"]
    """First layer."""
    readout: Float[Array, "d_out width"]
    """Second layer."""
    norm: BatchNorm | None
    """What stands between the activation and the readout."""
    activation: Callable = eqx.field(static=True)
    """A function from an array to an array of its shape."""
    parametrization: Literal["standard", "ntk"] = eqx.field(static=True)
    """Whether the layers are divided by the root of their fan-in."""
    dropout: float = eqx.field(static=True)
    """Share of the pre-activations that a training pass sets to 0."""

    def __init__(
        self,
        d_in: int,
        width: int,
        d_out: int,
        *,
        activation: Callable = jax.nn.relu,
        parametrization: Literal["standard", "ntk"] = "standard",
        norm: Literal["post_bn"] | None = None,
        dropout: float = 0.0,
        readout_scale: float = 1.0,
        init: float | None = None,
        key: Key[Array, ""],
    ) -> None:
        """Draw every weight from a normal distribution.

        `init` is its standard deviation in both layers. By default it is 1 under "ntk" and one
        over the root of the layer's fan-in under "standard". `readout_scale` multiplies the
        readout's start.

        Raises:
            ValueError: a size below 1, or a dropout outside [0, 1).
        """
        if min(d_in, width, d_out) < 1:
            raise ValueError(
                f"TwoLayerNet needs sizes of at least 1, and was given {d_in=}, {width=}, {d_out=}."
            )
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"TwoLayerNet's dropout lies in [0, 1), and was given {dropout}.")
        ntk = parametrization == "ntk"
        first, second = (
            init if init is not None else 1.0 if ntk else 1 / math.sqrt(n) for n in (d_in, width)
        )
        key_weight, key_readout = jr.split(key)
        self.weight = first * jr.normal(key_weight, (width, d_in))
        self.readout = readout_scale * second * jr.normal(key_readout, (d_out, width))
        self.norm = None if norm is None else BatchNorm(width)
        self.activation = activation
        self.parametrization = parametrization
        self.dropout = dropout

    def __call__(
        self,
        x: Float[Array, " d_in"] | Int[Array, " tokens"],
        *,
        key: Key[Array, ""] | None = None,
    ) -> Float[Array, " d_out"]:
        """Outputs for one example; with a key, under dropout."""
        return self.read(self.hidden(x, key=key))

    def hidden(
        self,
        x: Float[Array, " d_in"] | Int[Array, " tokens"],
        *,
        key: Key[Array, ""] | None = None,
    ) -> Float[Array, " width"]:
        """What the readout reads, for one example: the activations, normalized where asked."""
        h = self._activations(x, key)
        return h if self.norm is None else self.norm(h)

    def batch(
        self,
        x: Float[Array, "n d_in"] | Int[Array, "n tokens"],
        *,
        key: Key[Array, ""] | None = None,
    ) -> tuple[Float[Array, "n d_out"], "TwoLayerNet"]:
        """One training pass over a batch: its outputs, and the net with moved statistics.

        Without normalization the net comes back as it was. With it, the batch's own statistics
        normalize, as in training; to evaluate, `vmap` the net.
        """
        h = self._activations(x, key)
        if self.norm is None:
            return self.read(h), self
        h, norm = self.norm.train(h)
        return self.read(h), eqx.tree_at(lambda net: net.norm, self, norm)

    def table(self) -> Float[Array, "vocabulary vocabulary d_out"]:
        """Outputs for all pairs of tokens, `[first, second]`, without a gather.

        The pre-activation of a pair is a sum, so all of them are one outer sum, and the gradient of
        the first layer is a plain sum over rows and columns instead of a scatter.

        Raises:
            ValueError: `d_in` is odd, so that its columns are not those of two tokens.
        """
        vocabulary = self._vocabulary(2)
        first, second = self.weight[:, :vocabulary].T, self.weight[:, vocabulary:].T
        h = self.activation(self._scaled(first[:, None] + second[None, :]))
        h = h.reshape(vocabulary**2, -1)
        h = h if self.norm is None else jax.vmap(self.norm)(h)
        return self.read(h).reshape(vocabulary, vocabulary, -1)

    def columns(self) -> Float[Array, "d_in d_out"]:
        """Outputs for all one-hot inputs, row i for the one whose entry i is 1.

        Their pre-activations are the columns of the first layer: there is no product to compute,
        and its gradient is elementwise.
        """
        h = self.activation(self._scaled(self.weight)).T
        return self.read(h if self.norm is None else jax.vmap(self.norm)(h))

    def read(self, h: Float[Array, "*n width"]) -> Float[Array, "*n d_out"]:
        """The second layer: outputs of hidden activations."""
        y = h @ self.readout.T
        return y / math.sqrt(self.readout.shape[1]) if self.parametrization == "ntk" else y

    @classmethod
    def modular_addition(cls, p: int, width: int, key: Key[Array, ""]) -> "TwoLayerNet":
        """The closed-form net that adds two tokens modulo `p` (Doshi et al. 2024, Eq. 2).

        Each unit is one frequency sigma with two free phases a and b: it weighs the first token i
        by A cos(2 pi sigma i / p + a), the second by A cos(2 pi sigma j / p + b), squares the sum,
        and votes for q by A cos(2 pi sigma q / p + a + b). Over many units everything averages out
        but the resonant term, which is 1 at q = i + j and 0 elsewhere, up to an error of order
        `width ** -0.5`.

        Differs from the paper: the amplitude is A = (2 / width) ** (+1/3). The printed exponent,
        -1/3, does not make the outputs equal 1 (each unit contributes A**3 / 2, so A**3 = 2/width).

        Raises:
            ValueError: `p` below 2, or `width` below 1.
        """
        if p < 2:
            raise ValueError(f"Addition modulo p needs a p of at least 2, and was given {p}.")
        key_frequency, key_a, key_b = jr.split(key, 3)
        net = cls(2 * p, width, p, activation=jnp.square, key=key)
        amplitude = (2 / width) ** (1 / 3)
        # Whole permutations of the frequencies: every one is used before any is used again.
        rounds = -(-width // p)
        sigma = jr.permutation(key_frequency, rounds * p)[:width] % p
        a, b = (jr.uniform(k, (width, 1), minval=-math.pi, maxval=math.pi) for k in (key_a, key_b))
        # The product is reduced modulo p while it is an integer: the angle stays exact.
        angle = 2 * math.pi / p * (jnp.outer(sigma, jnp.arange(p)) % p).astype(a.dtype)
        weight = jnp.concatenate([jnp.cos(angle + a), jnp.cos(angle + b)], axis=1)
        return eqx.tree_at(
            lambda net: (net.weight, net.readout),
            net,
            (amplitude * weight, amplitude * jnp.cos(angle + a + b).T),
        )

    def _activations(self, x: jax.Array, key: Key[Array, ""] | None) -> Float[Array, "*n width"]:
        """Everything up to the normalization, for any leading axes."""
        z = self._scaled(self._preactivation(x))
        if key is not None and self.dropout > 0:
            z = drop(z, self.dropout, key)
        return self.activation(z)

    def _preactivation(self, x: jax.Array) -> Float[Array, "*n width"]:
        if not jnp.issubdtype(x.dtype, jnp.integer):
            return x @ self.weight.T
        vocabulary, columns = self._vocabulary(x.shape[-1]), self.weight.T
        # One gather a token: XLA fuses their sum, which a single gather and a sum would not.
        picked = [columns[x[..., i] + i * vocabulary] for i in range(x.shape[-1])]
        return sum(picked[1:], start=picked[0])

    def _scaled(self, z: jax.Array) -> jax.Array:
        return z / math.sqrt(self.weight.shape[1]) if self.parametrization == "ntk" else z

    def _vocabulary(self, tokens: int) -> int:
        """Number of values that each of `tokens` tokens can take."""
        vocabulary, rest = divmod(self.weight.shape[1], tokens)
        if rest:
            raise ValueError(
                f"{tokens} tokens need a first layer whose {self.weight.shape[1]} columns divide "
                f"into {tokens} equal blocks; build the net with d_in = {tokens} x vocabulary."
            )
        return vocabulary


def drop(x: Float[Array, "*shape"], rate: float, key: Key[Array, ""]) -> Float[Array, "*shape"]:
    """Inverted dropout: 0 with probability `rate`, else scaled by 1 / (1 - rate).

    An entry costs 8 random bits, a quarter of a word: on a CPU, random bits are what dropout costs.
    They are held against a threshold that is itself rounded at random, once a call, so that the
    probability is exactly `rate` although it is no multiple of 1/256.
    """
    key_words, key_threshold = jr.split(key)
    words = jr.bits(key_words, (-(-x.size // 4),), jnp.uint32)
    draws = lax.bitcast_convert_type(words, jnp.uint8).reshape(-1)[: x.size].reshape(x.shape)
    threshold = jnp.floor(256 * rate + jr.uniform(key_threshold)).astype(jnp.uint16)
    kept = draws.astype(jnp.uint16) >= threshold
    return jnp.where(kept, x / (1 - rate), jnp.zeros_like(x))
