"""A transformer that reads a few tokens and answers at the last one."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ._attention import SoftmaxAttention
from ._transformer import TransformerBlock


class EncoderTransformer(eqx.Module):
    """Tokens and learned positions, blocks without mask, normalization or bias, a linear readout.

    This is the transformer of Doshi et al. 2024 (App. A), between the standard parametrization
    (s = 0) and the maximal-update one (s = 1): scores are multiplied by d_head ** -((1 + s) / 2)
    and outputs by d ** -((1 + s) / 2). Embeddings start from N(0, 1), linear maps from
    N(0, 1 / fan-in). The readout is not tied to the embedding and reads the last position alone.
    """

    embedding: Float[Array, "vocabulary d"]
    """One row a token."""
    position: Float[Array, "length d"]
    """One row a place in the sequence."""
    blocks: tuple[TransformerBlock, ...]
    """The layers."""
    readout: Float[Array, "outputs d"]
    """Reads the last position."""
    scale: float = eqx.field(static=True)
    """Factor of the outputs."""

    def __init__(
        self,
        vocabulary: int,
        length: int,
        d: int,
        heads: int,
        *,
        layers: int = 1,
        outputs: int | None = None,
        s: float = 1.0,
        mlp_ratio: float = 4.0,
        activation: Callable = jax.nn.relu,
        key: Key[Array, ""],
    ) -> None:
        """Build the model; `outputs` is the vocabulary's size unless given."""
        keys = jr.split(key, 3 + layers)
        power = -(1 + s) / 2
        attention = eqx.Partial(SoftmaxAttention, scale=(d // heads) ** power)
        self.embedding = jr.normal(keys[0], (vocabulary, d))
        self.position = jr.normal(keys[1], (length, d))
        self.readout = jr.normal(keys[2], (outputs or vocabulary, d)) / math.sqrt(d)
        self.blocks = tuple(
            TransformerBlock(
                d,
                heads,
                attention=attention,
                mlp_ratio=mlp_ratio,
                activation=activation,
                norm=None,
                bias=False,
                key=k,
            )
            for k in keys[3:]
        )
        self.scale = d**power

    def __call__(
        self, tokens: Int[Array, " length"], *, key: Key[Array, ""] | None = None
    ) -> Float[Array, " outputs"]:
        """Outputs for one sequence. The key is not used: nothing here is random."""
        del key
        x = self.embedding[tokens] + self.position
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.blocks[-1](x, last=True)[-1]
        return self.scale * (self.readout @ x)
