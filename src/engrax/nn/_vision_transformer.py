"""A transformer for images."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key

from engrax.core import named

from ._attention import Prefix
from ._patch_embedding import PatchEmbedding
from ._row_attention import GivenMaps, RowAttention
from ._transformer import TransformerBlock

DEIT_SIZES: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {"tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12)}
)
"""Name -> width, depth and heads of the usual sizes (Touvron et al. 2021)."""

INIT_SCALE = 0.02
"""Standard deviation of all matrices at the start, before the cut at two of them."""


class VisionTransformer(eqx.Module):
    """Patches as tokens, pre-norm blocks, and a readout at a class token (Dosovitskiy et al. 2021).

    `attention(d, heads, key=...)` builds the first branch of each block: `RowAttention` (softmax)
    unless told otherwise, `eqx.Partial(KolmogorovArnoldAttention, n_tokens=..., rank=...)`, or any
    module that `TransformerBlock` takes. An attention whose `share` is "universal" gets one
    operator for all blocks; its gradient is the sum over blocks.

    The class token stands **last** (for softmax its place makes no difference), since the final
    block is computed for the last token alone. The net of a block has `mlp_ratio` times d units and
    GELU (`activation`); `eps` is what layer norms add to a variance. Matrices start from a normal
    distribution of .02, cut at two standard deviations, biases and the class token at 0, operators
    as they like; under one key all of it but the operators is the same whatever the attention.

    Raises:
        ValueError: patches that do not tile the image, heads that do not divide d, sizes below 1.
    """

    embedding: PatchEmbedding
    token: Float[Array, " d"]
    """The class token."""
    position: Float[Array, "tokens d"]
    """Added to the tokens; the class token's is the last."""
    stack: eqx.nn.Shared | tuple[TransformerBlock, ...]
    norm: eqx.nn.LayerNorm
    head: Float[Array, "classes d"]
    head_bias: Float[Array, " classes"]

    def __init__(
        self,
        image: tuple[int, int, int],
        patch: int,
        d: int,
        depth: int,
        heads: int,
        *,
        attention: Callable[..., eqx.Module] = RowAttention,
        classes: int = 10,
        mlp_ratio: float = 4.0,
        activation: Callable[[Array], Array] = jax.nn.gelu,
        eps: float = 1e-5,
        key: Key[Array, ""],
    ) -> None:
        """Build the model for images (channels, rows, columns)."""
        if min(depth, classes) < 1:
            raise ValueError(
                f"VisionTransformer got depth={depth} and classes={classes}; expected at least 1 "
                "each."
            )
        attended, embedded, drawn = (named(key, part) for part in ("blocks", "patches", "matrices"))
        build = eqx.Partial(
            TransformerBlock, d, heads, attention=attention, mlp_ratio=mlp_ratio,
            activation=activation, eps=eps,
        )  # fmt: skip
        blocks = tuple(build(key=own) for own in jr.split(attended, depth))
        embedding = PatchEmbedding(image, patch, d, key=embedded)
        self.token = jnp.zeros(d)
        self.norm, self.head_bias = eqx.nn.LayerNorm(d, eps=eps), jnp.zeros(classes)
        matrices = {
            "embedding": embedding,
            "position": jnp.zeros((embedding.tokens + 1, d)),
            "head": jnp.zeros((classes, d)),
            "blocks": blocks,
        }
        matrices = _drawn(matrices, drawn)
        self.embedding, self.position, self.head, self.stack = (
            matrices["embedding"], matrices["position"], matrices["head"],
            _tied(matrices["blocks"]),
        )  # fmt: skip

    @staticmethod
    def tokens(image: tuple[int, int, int], patch: int) -> int:
        """Tokens of such an image, the class token included: what an operator has to know."""
        return (image[1] // patch) * (image[2] // patch) + 1

    @property
    def blocks(self) -> tuple[TransformerBlock, ...]:
        """The blocks, each with its operators, shared or not."""
        return self.stack() if isinstance(self.stack, eqx.nn.Shared) else self.stack

    def __call__(
        self,
        x: Float[Array, "channels rows columns"],
        *,
        maps: tuple[Array, ...] | None = None,
        prefixes: Sequence[Prefix | None] | None = None,
        prompt: Float[Array, "n d"] | None = None,
    ) -> Float[Array, " classes"]:
        """Logits of one image: `features` read by the head."""
        features = self.features(x, maps=maps, prefixes=prefixes, prompt=prompt)
        return self.head @ features + self.head_bias

    def features(
        self,
        x: Float[Array, "channels rows columns"],
        *,
        maps: tuple[Array, ...] | None = None,
        prefixes: Sequence[Prefix | None] | None = None,
        prompt: Float[Array, "n d"] | None = None,
    ) -> Float[Array, " d"]:
        """The class token at the end, normalized: what the head reads.

        **Arguments:**

        - `maps`: one array (heads, tokens, tokens) a block, which the attention layers take for
          their own maps, as in `GivenMaps`.
        - `prefixes`: for each block keys and values that its tokens read, too, or None.
        - `prompt`: tokens that go through the whole model before the image's.

        **Raises:** `ValueError` for prefixes of another number than blocks, or with maps.
        """
        blocks = self._given(maps)
        given = (None,) * len(blocks) if prefixes is None else tuple(prefixes)
        if len(given) != len(blocks) or (maps is not None and prefixes is not None):
            raise ValueError(
                f"VisionTransformer of {len(blocks)} blocks got {len(given)} prefixes"
                f"{' and maps' if maps is not None else ''}; give one a block or None, and no maps "
                "beside them."
            )
        x = self._embedded(x)
        if prompt is not None:
            x = jnp.concatenate([prompt, x])
        for block, prefix in zip(blocks[:-1], given[:-1], strict=True):
            x = block(x, prefix=prefix)
        return self.norm(blocks[-1](x, last=True, prefix=given[-1])[-1])

    def inputs(self, x: Float[Array, "channels rows columns"]) -> Float[Array, "depth tokens d"]:
        """What the attention of each block reads."""
        x, seen = self._embedded(x), []
        for block in self.blocks:
            seen.append(jax.vmap(block.norms[0])(x) if block.norms else x)
            x = block(x)
        return jnp.stack(seen)

    def maps(
        self, x: Float[Array, "channels rows columns"]
    ) -> Float[Array, "depth heads tokens tokens"]:
        """How each token weighs the values of each, in each head and block."""
        return self._each(x, "weights")

    def logits(
        self, x: Float[Array, "channels rows columns"]
    ) -> Float[Array, "depth heads tokens tokens"]:
        """What the operators make these maps of: Q K^T / sqrt(d_head)."""
        return self._each(x, "logits")

    def _each(self, x: Array, what: str) -> Array:
        read = [getattr(block.attention, what) for block in self.blocks]
        return jnp.stack([f(seen) for f, seen in zip(read, self.inputs(x), strict=True)])

    def _embedded(self, x: Array) -> Array:
        tokens = jnp.concatenate([self.embedding(x), self.token[None]])
        return tokens + self.position

    def _given(self, maps: tuple[Array, ...] | None) -> tuple[Any, ...]:
        if maps is None:
            return self.blocks
        return tuple(
            eqx.tree_at(lambda b: b.attention, block, GivenMaps(block.attention, own))  # pyright: ignore[reportArgumentType] (of the right kind, or it raises there)
            for block, own in zip(self.blocks, maps, strict=True)
        )


def _tied(blocks: tuple[Any, ...]) -> eqx.nn.Shared | tuple[Any, ...]:
    """The blocks; with the first one's operator in all of them, if they ask for that."""
    if len(blocks) == 1 or getattr(blocks[0].attention, "share", "block") == "block":
        return blocks
    # Functions with names: two models are of one structure only if these are equal.
    return eqx.nn.Shared(blocks, where=_later_operators, get=_first_operator)


def _later_operators(blocks: tuple[Any, ...]) -> list[Any]:
    return [block.attention.operator for block in blocks[1:]]


def _first_operator(blocks: tuple[Any, ...]) -> list[Any]:
    return [blocks[0].attention.operator] * (len(blocks) - 1)


def _drawn(tree: Any, key: Key[Array, ""]) -> Any:
    """The tree with all its matrices drawn anew, but for those of operators, by one random call."""

    def chosen(path: Any, leaf: Any) -> bool:
        inside = any(getattr(step, "name", None) == "operator" for step in path)
        return eqx.is_inexact_array(leaf) and leaf.ndim == 2 and not inside

    where = jax.tree_util.tree_map_with_path(chosen, tree)
    matrices, rest = eqx.partition(tree, where)
    flat, restore = ravel_pytree(matrices)
    return eqx.combine(restore(INIT_SCALE * jr.truncated_normal(key, -2.0, 2.0, flat.shape)), rest)
