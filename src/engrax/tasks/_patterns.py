"""Random patterns, noisy examples of them, and what a teacher makes of the examples."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int8, Key, UInt8
from scipy import special

from engrax.core import draw_uniform


def random_patterns(key: Key[Array, ""], count: int, size: int) -> Int8[Array, "K N"]:
    """`count` patterns of `size` fair coins +-1."""
    return jr.rademacher(key, (count, size), dtype=jnp.int8)


def diluted_patterns(
    key: Key[Array, ""], count: int, size: int, dilution: Float[Array, ""] | float
) -> Int8[Array, "K N"]:
    """Patterns with blanks: 0 with probability `dilution`, else -1 or +1, as likely.

    One draw a site decides all, so with the same key a higher dilution blanks more sites and
    changes no other. Raises ValueError for a dilution outside [0, 1), where it is known.
    """
    if not isinstance(dilution, Tracer) and not 0 <= float(dilution) < 1:
        raise ValueError(
            f"dilution {float(dilution)} was given, expected 0 <= dilution < 1; it is the share of "
            "blank entries."
        )
    spread = draw_uniform(key, (count, size), -1.0, 1.0)
    kept = jnp.abs(spread) >= dilution
    return jnp.where(kept, jnp.where(spread < 0, -1, 1), 0).astype(jnp.int8)


def flip(
    key: Key[Array, ""], spins: Int8[Array, "*shape"], fraction: Float[Array, ""] | float
) -> Int8[Array, "*shape"]:
    """Flip every +-1 entry with probability `fraction`."""
    return jnp.where(jr.uniform(key, spins.shape) < fraction, -spins, spins)


def noisy_examples(
    key: Key[Array, ""], patterns: Int8[Array, "K N"], n_examples: int, quality: float
) -> Int8[Array, "K M N"]:
    """Examples of each pattern whose bits are right with probability ``(1 + quality) / 2``.

    So ``E[example] = quality * pattern``; blanks (0) stay blank.
    Raises ValueError as `averaged_examples` does.
    """
    _check(n_examples, quality)
    count, size = patterns.shape
    wrong = draw_uniform(key, (count, n_examples, size)) < (1 - quality) / 2
    return jnp.where(wrong, -patterns[:, None, :], patterns[:, None, :])


def class_averages(
    examples: Int8[Array, "K M N"],
) -> tuple[Float[Array, "K N"], Float[Array, " K"]]:
    """The average of each class's examples, and its second moment ``R = mean over sites``.

    A network divides the average by sqrt(R) (for random patterns R tends to
    ``r^2 + (1 - r^2) / M``, times the share of sites that are not blank), or else the temperature
    depends on quality and quantity.
    """
    mean = jnp.mean(examples.astype(jnp.float32), axis=1)
    return mean, jnp.mean(mean**2, axis=1)


def averaged_examples(
    key: Key[Array, ""], patterns: Int8[Array, "K N"], n_examples: int, quality: float
) -> Float[Array, "K N"]:
    """Averages of noisy examples without drawing the examples, at O(K N) instead of O(K M N).

    The same law as ``class_averages(noisy_examples(...))[0]``: the number of right bits on a site
    is binomial, drawn by inverting its distribution function.

    Raises ValueError for fewer than one example or a quality outside (0, 1].
    """
    _check(n_examples, quality)
    wrong = np.arange(n_examples)
    steps = special.betaincc(wrong + 1, n_examples - wrong, (1 + quality) / 2)
    uniform = draw_uniform(key, patterns.shape)
    # Few steps: compare with all of them, which vectorizes; many: binary search.
    method = "compare_all" if n_examples <= 64 else "scan"
    right = jnp.searchsorted(jnp.asarray(steps, jnp.float32), uniform, side="right", method=method)
    mean = (2 * right - n_examples).astype(jnp.float32) / n_examples
    return mean * patterns.astype(jnp.float32)


def binarize(
    images: UInt8[Array, "*batch pixels"],
    active: Bool[Array, " pixels"] | Bool[np.ndarray, " pixels"] | None = None,
    *,
    threshold: int = 127,
) -> Int8[Array, "*batch active"]:
    """Pixels above `threshold` become +1, the others -1; only `active` ones are kept.

    `active` must be a concrete mask, since it decides the shape (`active_pixels` makes one).
    """
    if active is not None:
        images = images[..., np.flatnonzero(np.asarray(active))]
    return jnp.where(images > threshold, 1, -1).astype(jnp.int8)


def active_pixels(
    images: UInt8[np.ndarray, "n pixels"],
    *,
    low: float = 0.15,
    high: float = 0.85,
    threshold: int = 127,
) -> Bool[np.ndarray, " pixels"]:
    """Pixels that are on in more than `low` and less than `high` of the images.

    Most pixels of an image data set are background in every class; with them kept, every class
    overlaps with every other one, and an associative memory falls into the common background.
    """
    rate = np.mean(np.asarray(images) > threshold, axis=0)
    return (rate > low) & (rate < high)


def _check(n_examples: int, quality: float) -> None:
    if n_examples < 1 or not 0 < quality <= 1:
        raise ValueError(
            f"{n_examples} examples of quality {quality} were asked for, expected at least one "
            "example and 0 < quality <= 1; check the arguments' order."
        )
