"""A demonstration, no claim: three images, each with blanks, out of one damaged superposition."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr

from engrax.core import named
from engrax.memory import HopfieldNetwork, glauber
from engrax.tasks import load

from ._chains import ladder, mean_overlaps, private_errors
from ._config import Config


def demonstration(config: Config) -> xr.Dataset:
    """Patterns, cue and recalled state of three Fashion-MNIST images, as (28, 28) pictures.

    Each pixel is compared with its median over 200 images, so that a common background carries no
    overlap. The images are the first of T-shirts, trousers and boots; each keeps a random share of
    its pixels.
    """
    data = load("fashion_mnist").train
    images, labels = np.asarray(data.x).reshape(-1, 784), np.asarray(data.y)
    median = np.median(images[:200], axis=0)
    chosen = np.stack([images[np.flatnonzero(labels == label)[0]] for label in (0, 1, 9)])
    signs = np.where(chosen > median, 1, -1)
    key = jr.key(0)
    kept = np.asarray(jr.uniform(named(key, "blanks"), signs.shape)) < config.image_share
    patterns = jnp.asarray(np.where(kept, signs, 0), jnp.int8)
    network = HopfieldNetwork.from_patterns(patterns)
    state = ladder(named(key, "free"), patterns)
    wrong = jr.uniform(named(key, "damage"), state.shape) < config.damage
    cue = jnp.where(wrong, -state, state)
    recalled, _ = glauber(named(key, "chain"), network, cue, jnp.inf, config.growth_sweeps)
    means = recalled.astype(jnp.float32)
    picture = ("row", "column")
    return xr.Dataset(
        {
            "pattern_pixels": (("pattern", *picture), np.asarray(patterns).reshape(-1, 28, 28)),
            "cue": (picture, np.asarray(cue).reshape(28, 28)),
            "recalled": (picture, np.asarray(recalled).reshape(28, 28)),
            "m": (("pattern",), np.asarray(mean_overlaps(patterns, means))),
            "cue_error": (
                ("pattern",),
                np.asarray(private_errors(patterns, cue.astype(jnp.float32))),
            ),
            "error": (("pattern",), np.asarray(private_errors(patterns, means))),
        }
    )
