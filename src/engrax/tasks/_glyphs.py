"""Made-up letters: as many classes of small images as one likes."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from ._dataset import Examples

_POINTS = 20
"""Points at which a stroke is drawn."""
_MARGIN = 0.12
"""How far the control points of a class stay from the edges, as a share of the side."""
_WIDTH = (0.028, 0.045)
"""Widths of a pen, as shares of the side."""
_PIXEL_NOISE = 0.05
"""Standard deviation of the noise on a pixel, whose ink is from 0 to 1."""


@dataclasses.dataclass(frozen=True)
class GlyphStyle:
    """How much the drawings of one glyph differ. Lengths are shares of the image's side."""

    control_noise: float = 0.035
    """Standard deviation of what is added to each coordinate of a control point."""
    rotation: float = 12.0
    """Largest rotation about the center, degrees either way."""
    scale: float = 0.12
    """Largest change of the scale of each axis."""
    shear: float = 0.12
    """Largest shear."""
    shift: float = 0.05
    """Largest shift along each axis."""
    strokes: tuple[int, int] = (2, 4)
    """Fewest and most strokes of a glyph."""


GLYPH_STYLES: Mapping[str, GlyphStyle] = MappingProxyType(
    {
        "easy": GlyphStyle(),
        "middle": GlyphStyle(control_noise=0.05, rotation=18.0),
        "hard": GlyphStyle(control_noise=0.08, rotation=30.0, shear=0.2, shift=0.08),
    }
)
"""Name -> style; from drawings that lie upon one another to some that are hard to tell apart."""


def glyphs(
    key: Key[Array, ""],
    n_classes: int,
    n_per_class: int,
    *,
    style: str | GlyphStyle = "easy",
    size: int = 20,
) -> Examples:
    """Drawings of made-up letters: bytes (n_classes * n_per_class, size, size), class by class.

    A class is a few strokes, each a quadratic Bezier curve with control points uniform in the
    square. A drawing moves the control points, turns, stretches, shears and shifts the whole, and
    inks a pixel at distance d of the nearest point of a stroke by exp(-d^2 / (2 w^2)), with a width
    w of its own; then noise is added. A style is one of `GLYPH_STYLES` or your own.

    Class `i` looks the same however many there are. Other keys give other letters, so one key's
    classes can be learned before another's.

    Raises:
        ValueError: a number below 1, or a style that there is not.
    """
    if min(n_classes, n_per_class, size) < 1:
        raise ValueError(
            f"glyphs got n_classes={n_classes}, n_per_class={n_per_class} and size={size}; give "
            "numbers of at least 1."
        )
    if isinstance(style, str):
        if style not in GLYPH_STYLES:
            raise ValueError(
                f"No style of glyphs is called {style!r}; choose one of "
                f"{', '.join(GLYPH_STYLES)}, or give a GlyphStyle."
            )
        style = GLYPH_STYLES[style]
    # NumPy draws: JAX would compile a program for every number of strokes.
    seed = np.asarray(jr.key_data(key)).tolist()
    drawn = [
        _drawings(np.random.default_rng([*seed, label]), n_per_class, style, size)
        for label in range(n_classes)
    ]
    return Examples(
        np.concatenate(drawn), np.repeat(np.arange(n_classes, dtype=np.int32), n_per_class)
    )


def _drawings(random: np.random.Generator, n: int, style: GlyphStyle, size: int) -> np.ndarray:
    """Bytes (n, size, size): drawings of one class."""
    strokes = int(random.integers(style.strokes[0], style.strokes[1] + 1))
    control = random.uniform(_MARGIN, 1 - _MARGIN, (strokes, 3, 2))
    moved = control + random.normal(0, style.control_noise, (n, *control.shape))
    points = _curves(moved).reshape(n, -1, 2)
    points = _transformed(random, points, style)
    width = random.uniform(*_WIDTH, (n, 1, 1))
    pixels = (np.arange(size) + 0.5) / size
    # The square of a distance is a sum over the axes: the points of all strokes in two tables.
    across, down = (np.square(points[..., axis, None] - pixels) for axis in (0, 1))
    nearest = np.min(down[..., :, None] + across[..., None, :], axis=1)
    ink = np.exp(-nearest / (2 * np.square(width))) + random.normal(0, _PIXEL_NOISE, nearest.shape)
    return np.round(255 * np.clip(ink, 0, 1)).astype(np.uint8)


def _curves(control: Float[np.ndarray, "n strokes 3 2"]) -> Float[np.ndarray, "n strokes points 2"]:
    """Points of quadratic Bezier curves."""
    t = np.linspace(0, 1, _POINTS)
    weights = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], 1)
    return np.einsum("pc,nscx->nspx", weights, control)


def _transformed(
    random: np.random.Generator, points: Float[np.ndarray, "n points 2"], style: GlyphStyle
) -> Float[np.ndarray, "n points 2"]:
    """Each drawing stretched, sheared and turned about the center, then shifted."""
    n = len(points)
    angle = np.deg2rad(random.uniform(-style.rotation, style.rotation, n))
    stretch = 1 + random.uniform(-style.scale, style.scale, (n, 2))
    shear = random.uniform(-style.shear, style.shear, n)
    shift = random.uniform(-style.shift, style.shift, (n, 1, 2))
    zero, one = np.zeros(n), np.ones(n)
    stretched, sheared, turned = (
        np.stack(rows, -1).reshape(n, 2, 2)
        for rows in (
            (stretch[:, 0], zero, zero, stretch[:, 1]),
            (one, shear, zero, one),
            (np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)),
        )
    )
    return (points - 0.5) @ np.swapaxes(turned @ sheared @ stretched, 1, 2) + 0.5 + shift
