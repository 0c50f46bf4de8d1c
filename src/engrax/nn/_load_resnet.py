"""A residual net with weights from elsewhere."""

import os
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr

from ._batch_norm import BatchNorm
from ._resnet import ResNet
from ._tensors import Tensors

DEPTH = 2
"""Blocks of each width in a ResNet-18."""


def load_torchvision_resnet18(
    path: str | os.PathLike[str], *, classes: int | None = None
) -> ResNet:
    """A `ResNet` with the weights of a file with torchvision's names of `resnet18`.

    The file is made by `safetensors.torch.save_file(model.state_dict(), path)`. Widths are those of
    the file, so that a narrower net of the same layout is read as well. Images are channel-first
    and scaled as the net was trained: for torchvision's weights to 0..1, minus (.485, .456, .406),
    divided by (.229, .224, .225).

    **Arguments:** `classes`: outputs of a new head, at 0, in place of the file's; which may then
    be missing.

    Raises:
        ValueError: a file that cannot be read, or of another network: a tensor that is missing,
            of another shape, or one too many.
    """
    found = Tensors(path)
    widths = [found.shape(f"layer{group}.0.conv1.weight", 4)[0] for group in range(1, 5)]
    channels = found.shape("conv1.weight", 4)[1]
    own = classes if classes is not None else found.shape("fc.weight", 2)[0]
    build = eqx.Partial(ResNet, tuple(widths), DEPTH, channels=channels, classes=own)
    # As shapes alone: every array comes from the file.
    net: Any = eqx.filter_eval_shape(build, key=jr.key(0))
    net = _layer(net, lambda n: (n.stem, n.stem_norm), found, "conv1", "bn1")
    for place in range(len(net.blocks)):
        name = f"layer{place // DEPTH + 1}.{place % DEPTH}"
        for number, part in ((1, "first"), (2, "second")):
            net = _layer(
                net, _parts(place, part), found, f"{name}.conv{number}", f"{name}.bn{number}"
            )
        if net.blocks[place].shortcut is not None:
            net = _layer(
                net, _parts(place, "shortcut"), found,
                f"{name}.downsample.0", f"{name}.downsample.1",
            )  # fmt: skip
    if classes is None:
        head = found.take("fc.weight", own, widths[-1]), found.take("fc.bias", own)
    else:
        head = jnp.zeros((own, widths[-1])), jnp.zeros(own)
        found.leave("fc.weight", "fc.bias")
    found.leave(*(name for name in found.found if name.endswith(".num_batches_tracked")))
    found.finish()
    return eqx.tree_at(
        lambda n: (n.head, n.head_bias), net, tuple(jnp.asarray(part) for part in head)
    )


def _parts(place: int, part: str) -> Any:
    return lambda net: (
        getattr(net.blocks[place], part),
        getattr(net.blocks[place], f"{part}_norm"),
    )


def _layer(net: Any, where: Any, found: Tensors, convolution: str, norm: str) -> Any:
    """The net with a convolution and the norm behind it filled."""
    shapes = where(net)[0].weight.shape
    weight = jnp.asarray(found.take(f"{convolution}.weight", *shapes))
    size = shapes[0]
    names = ("weight", "bias", "running_mean", "running_var")
    values = tuple(jnp.asarray(found.take(f"{norm}.{name}", size)) for name in names)

    def leaves(net: Any) -> tuple[Any, ...]:
        conv, batch_norm = where(net)
        assert isinstance(batch_norm, BatchNorm)
        return conv.weight, batch_norm.weight, batch_norm.bias, batch_norm.mean, batch_norm.var

    return eqx.tree_at(leaves, net, (weight, *values))
