"""A vision transformer with weights from elsewhere."""

import math
import os
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from ._tensors import Tensors
from ._vision_transformer import VisionTransformer

HEAD = 64
"""Features of a head in all usual sizes."""

TIMM = {
    "token": "cls_token", "positions": "pos_embed", "patches": "patch_embed.proj", "norm": "norm",
    "head": "head", "block": "blocks.{}.", "before": "norm1", "qkv": "attn.qkv.",
    "output": "attn.proj", "between": "norm2", "up": "mlp.fc1", "down": "mlp.fc2",
}  # fmt: skip
TORCHVISION = {
    "token": "class_token", "positions": "encoder.pos_embedding", "patches": "conv_proj",
    "norm": "encoder.ln", "head": "heads.head", "block": "encoder.layers.encoder_layer_{}.",
    "before": "ln_1", "qkv": "self_attention.in_proj_", "output": "self_attention.out_proj",
    "between": "ln_2", "up": "mlp.0", "down": "mlp.3",
}  # fmt: skip
OLDER_TORCHVISION = {**TORCHVISION, "up": "mlp.linear_1", "down": "mlp.linear_2"}
"""Part -> its name in a file."""


def exact_gelu(x: Array) -> Array:
    """X times the normal distribution function, without the usual approximation by tanh."""
    return jax.nn.gelu(x, approximate=False)


def load_timm_vit(
    path: str | os.PathLike[str],
    *,
    heads: int | None = None,
    image: tuple[int, int] | None = None,
    classes: int | None = None,
) -> VisionTransformer:
    """A `VisionTransformer` with the weights of a file with timm's names of a plain ViT.

    Files such as that of `vit_base_patch16_224` hold `cls_token`, `pos_embed`,
    `patch_embed.proj.weight`, `blocks.0.attn.qkv.weight`, ... All sizes are read from the shapes
    but the number of heads, which no shape tells. Layer norms get eps 1e-6 and the activation is
    the exact GELU. Images are channel-first and scaled as the net was trained.

    **Arguments:**

    - `heads`: d / 64 unless given, as in all usual sizes.
    - `image`: rows and columns in pixels; a square of as many patches as there are positions
      unless given.
    - `classes`: outputs of a new head, at 0, in place of the file's, which may then be missing.

    Raises:
        ValueError: a file that cannot be read, or of another network: a tensor that is missing, of
            another shape, or one too many; an image or heads that do not fit it.
    """
    return _loaded(Tensors(path), TIMM, heads, image, classes)


def load_torchvision_vit(
    path: str | os.PathLike[str],
    *,
    heads: int | None = None,
    image: tuple[int, int] | None = None,
    classes: int | None = None,
) -> VisionTransformer:
    """A `VisionTransformer` with the weights of a file with torchvision's names of a ViT.

    Files such as that of `vit_b_16` hold `class_token`, `conv_proj.weight`,
    `encoder.layers.encoder_layer_0.self_attention.in_proj_weight`, ... The layers of a block's net
    may have their newer names (`mlp.0`, `mlp.3`) or those of released files (`mlp.linear_1`,
    `mlp.linear_2`). For all else see `load_timm_vit`.

    Raises:
        ValueError: as `load_timm_vit`.
    """
    found = Tensors(path)
    first = TORCHVISION["block"].format(0)
    older = f"{first}{OLDER_TORCHVISION['up']}.weight" in found
    return _loaded(found, OLDER_TORCHVISION if older else TORCHVISION, heads, image, classes)


def _loaded(
    found: Tensors,
    names: dict[str, str],
    heads: int | None,
    image: tuple[int, int] | None,
    classes: int | None,
) -> VisionTransformer:
    d, channels, patch, _ = found.shape(f"{names['patches']}.weight", 4)
    tokens = found.shape(names["positions"], 3)[1]
    depth = 0
    while f"{names['block'].format(depth)}{names['qkv']}weight" in found:
        depth += 1
    hidden = found.shape(f"{names['block'].format(0)}{names['up']}.weight", 2)[0]
    own = classes if classes is not None else found.shape(f"{names['head']}.weight", 2)[0]
    rows, columns = _size(found, tokens - 1, patch) if image is None else image
    shapes = (d, channels, patch, hidden, own)
    try:
        net: Any = eqx.filter_eval_shape(
            eqx.Partial(
                VisionTransformer, (channels, rows, columns), patch, d, depth,
                max(1, d // HEAD) if heads is None else heads, classes=own,
                mlp_ratio=hidden / d, activation=exact_gelu, eps=1e-6,
            ),
            key=jr.key(0),
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{found.path} does not make this network: {error}") from error
    if net.position.shape[0] != tokens:
        raise ValueError(
            f"{found.path} has positions of {tokens} tokens, and images of {rows} x {columns} "
            f"pixels make {net.position.shape[0]}; give the image that it was trained on."
        )
    net = _outside(net, found, names, shapes, new_head=classes is not None)
    for place in range(depth):
        net = _block(net, place, found, names, d, hidden)
    found.finish()
    return net


def _size(found: Tensors, patches: int, patch: int) -> tuple[int, int]:
    side = math.isqrt(patches)
    if side * side != patches or side == 0:
        raise ValueError(
            f"{found.path} has positions for {patches} patches, which make no square; give the "
            "rows and columns of its images as `image`."
        )
    return side * patch, side * patch


def _outside(
    net: Any, found: Tensors, names: dict[str, str], shapes: tuple[int, ...], *, new_head: bool
) -> Any:
    """The net with all but its blocks filled."""
    d, channels, patch, _, classes = shapes
    tokens = net.position.shape[0]
    # Here the class token is the last one.
    position = np.roll(found.take(names["positions"], 1, tokens, d)[0], -1, axis=0)
    weight = found.take(f"{names['patches']}.weight", d, channels, patch, patch).reshape(d, -1)
    if new_head:
        head = np.zeros((classes, d), np.float32), np.zeros(classes, np.float32)
        found.leave(f"{names['head']}.weight", f"{names['head']}.bias")
    else:
        head = _pair(found, names["head"], classes, d)
    values = (
        found.take(names["token"], 1, 1, d)[0, 0], position, weight,
        found.take(f"{names['patches']}.bias", d), *_pair(found, names["norm"], d), *head,
    )  # fmt: skip
    return eqx.tree_at(
        lambda n: (
            n.token, n.position, n.embedding.weight, n.embedding.bias,
            n.norm.weight, n.norm.bias, n.head, n.head_bias,
        ),
        net,
        tuple(jnp.asarray(value) for value in values),
    )  # fmt: skip


def _block(net: Any, place: int, found: Tensors, names: dict[str, str], d: int, hidden: int) -> Any:
    """The net with one block filled."""
    lead = names["block"].format(place)
    values = (
        *_pair(found, lead + names["before"], d),
        found.take(f"{lead}{names['qkv']}weight", 3 * d, d),
        found.take(f"{lead}{names['qkv']}bias", 3 * d),
        *_pair(found, lead + names["output"], d, d),
        *_pair(found, lead + names["between"], d),
        *_pair(found, lead + names["up"], hidden, d),
        *_pair(found, lead + names["down"], d, hidden),
    )

    def leaves(net: Any) -> tuple[Any, ...]:
        block = net.stack[place]
        before, between = block.norms
        attention = block.attention
        return (
            before.weight, before.bias, attention.qkv.weight, attention.qkv.bias,
            attention.output, attention.output_bias, between.weight, between.bias,
            block.up.weight, block.up.bias, block.down.weight, block.down.bias,
        )  # fmt: skip

    return eqx.tree_at(leaves, net, tuple(jnp.asarray(value) for value in values))


def _pair(found: Tensors, name: str, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """A weight of this shape and its bias."""
    return found.take(f"{name}.weight", *shape), found.take(f"{name}.bias", shape[0])
