"""C6: what trained models look like inside, one run at a time."""

from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from engrax.core import GradientLearner
from engrax.nn import KANRowOperator, VisionTransformer
from engrax.probes import loss_plane, spectrum

from ._config import Config
from ._models import image_shape
from ._training import images, plain_loss, scaling

SMALL = 0.01
"""Weights below count as near 0."""
BINS = np.linspace(-0.2, 0.2, 81)
"""Of the histogram of weights."""
SHOWN = 4
"""Images and functions that figures show."""
CURVE = np.linspace(-np.pi, np.pi, 65, dtype=np.float32)
"""Where learned functions are drawn."""


@final
class Dissection(eqx.Module):
    """A measure: spectra, maps, weights and the loss plane of one trained model."""

    learner: GradientLearner
    config: Config = eqx.field(static=True)

    def __call__(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """From the final state of one run."""
        config, split = self.config, images(self.config)
        see = scaling(config)
        model = self.learner.model(jax.tree.map(_on_device, state["learner"]))
        chosen = split.test.x[: config.map_images]
        logits, maps = jax.device_get(_maps(model, see(jnp.asarray(chosen))))
        plane = jax.device_get(
            _plane(
                model,
                jnp.asarray(state["saved"]),
                see(jnp.asarray(split.train.x[: config.plane_images])),
                jnp.asarray(split.train.y[: config.plane_images]),
                config.points,
            )
        )
        return {
            **_of_maps(config, logits, maps, chosen),
            **_of_weights(model),
            "plane": plane.loss,
            "plane_first": plane.first,
            "plane_second": plane.second,
            "path": plane.path,
            "captured": plane.captured,
            "roughness": plane.roughness,
            **_of_functions(config, model, logits),
        }


DIMS: dict[str, tuple[str, ...]] = {
    "logit_spectrum": ("value",), "map_spectrum": ("value",), "histogram": ("bin",),
    "plane": ("first", "second"), "plane_first": ("first",), "plane_second": ("second",),
    "path": ("snapshot", "direction"), "captured": ("direction",), "shown": ("image", "patch"),
    "functions": ("function", "x"), "logit_range": ("quantile",),
}  # fmt: skip
COORDS = {"bin": (BINS[1:] + BINS[:-1]) / 2, "x": CURVE, "quantile": [0.01, 0.5, 0.99]}


@eqx.filter_jit
def _maps(model: VisionTransformer, x: Array) -> tuple[Array, Array]:
    """Logits and maps (images, depth, heads, tokens, tokens)."""
    return jax.vmap(lambda image: (model.logits(image), model.maps(image)))(x)


@eqx.filter_jit
def _plane(model: VisionTransformer, saved: Array, x: Array, y: Array, points: int) -> Any:
    floats, rest = eqx.partition(model, eqx.is_inexact_array)
    _, restore = ravel_pytree(floats)

    def loss(flat: Array) -> Array:
        return plain_loss(jax.vmap(eqx.combine(restore(flat), rest))(x), y)

    plane = loss_plane(saved, loss, points=points)
    return _Plane(*plane, plane.roughness)


class _Plane(eqx.Module):
    loss: Array
    first: Array
    second: Array
    path: Array
    captured: Array
    roughness: Array


def _of_maps(
    config: Config, logits: np.ndarray, maps: np.ndarray, raw: np.ndarray
) -> dict[str, Any]:
    """Spectra, the rank as the operator built it, signs, and where the class token looks."""
    values = spectrum(maps)
    beyond = min(config.rank, values.shape[-1] - 1)
    row = np.maximum(maps[:, -1, :, -1, :-1].mean(1), 0)
    inside = _covered(config, raw)
    total = row.sum(1)
    mass = (row * inside).sum(1) / np.where(total > 0, total, 1)
    return {
        "logit_spectrum": spectrum(logits).mean((0, 1, 2)),
        "map_spectrum": values.mean((0, 1, 2)),
        "beyond_rank": (values[..., beyond] / values[..., 0]).max(),
        "mean_singular_value": values.mean(),
        "negative": (maps < 0).mean(),
        "foreground": mass.mean(),
        "foreground_area": inside.mean(),
        "shown": maps[:SHOWN, -1, :, -1, :-1].mean(1),
    }


def _covered(config: Config, raw: np.ndarray) -> np.ndarray:
    """(images, patches): the share of each patch's pixels that belong to the object."""
    on = (raw > 0) if raw.ndim == 3 else (raw > 0).any(1)
    (_, rows, columns), p = image_shape(config), config.patch
    blocks = on.reshape(len(raw), rows // p, p, columns // p, p)
    return blocks.mean((2, 4)).reshape(len(raw), -1)


def _of_weights(model: VisionTransformer) -> dict[str, Any]:
    """How many weights of the query, key and value maps and of the nets are near 0."""
    blocks = model.blocks
    matrices = [z for b in blocks for z in (b.attention.qkv.weight, b.up.weight, b.down.weight)]  # pyright: ignore[reportAttributeAccessIssue] (attention of this study)
    flat = np.concatenate([np.asarray(z).ravel() for z in matrices])
    histogram, _ = np.histogram(flat, BINS)
    return {"near_zero": (np.abs(flat) < SMALL).mean(), "histogram": histogram / flat.size}


def _of_functions(
    config: Config, model: VisionTransformer, logits: np.ndarray
) -> dict[str, np.ndarray]:
    """The functions of the first block's first head that vary most, and the range of its logits."""
    seen = logits[:, 0, 0]
    drawn = np.zeros((2 * SHOWN, CURVE.size))
    operator = model.blocks[0].attention.operator  # pyright: ignore[reportAttributeAccessIssue] (attention of this study)
    if isinstance(operator, KANRowOperator):
        first = jax.tree.map(lambda leaf: leaf[0], eqx.filter(operator, eqx.is_array))
        coefficients = np.asarray(first.coefficients)
        flat = coefficients.reshape(len(coefficients), -1)
        strongest = np.argsort(-(flat**2).sum(0), kind="stable")[: 2 * SHOWN]
        curves = np.asarray(operator.basis(jnp.asarray(CURVE))) @ flat[:, strongest]
        drawn[: len(strongest)] = curves.T
    return {"functions": drawn, "logit_range": np.quantile(seen, COORDS["quantile"])}


def _on_device(leaf: Any) -> Any:
    return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf
