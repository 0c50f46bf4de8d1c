"""Many classes from few factors."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from ._dataset import Examples


class FactorLabels(NamedTuple):
    """Training and test examples of one task: x (examples, features) float32, y int32."""

    train: Examples
    test: Examples


def factor_labels(
    key: Key[Array, ""],
    n_train: int = 8000,
    n_test: int = 2000,
    *,
    factors: int = 8,
    informative: int = 6,
    features: int = 32,
    noise: float = 0.1,
) -> FactorLabels:
    """Examples whose label says the signs of some of their hidden factors.

    Each example has `factors` independent standard normal factors f. Its label is the number whose
    binary digits are the signs of the first `informative` ones, so that there are 2^informative
    classes of equal probability (64 by default); the other factors are a nuisance. Its features are
    tanh(A f) plus normal noise of deviation `noise`, with a mixing matrix A (features, factors) of
    normal entries with variance 1 / factors, drawn once for both parts.

    Raises:
        ValueError: a number below 1, or more informative factors than factors.
    """
    if min(n_train, n_test, informative, features) < 1 or informative > factors or noise < 0:
        raise ValueError(
            f"factor_labels got n_train={n_train}, n_test={n_test}, factors={factors}, "
            f"informative={informative}, features={features}, noise={noise}; expected numbers of "
            "at least 1, no more informative factors than factors, and noise of at least 0."
        )
    mix_key, factor_key, noise_key = jr.split(key, 3)
    count = n_train + n_test
    mix = jr.normal(mix_key, (features, factors)) / jnp.sqrt(jnp.float32(factors))
    hidden = jr.normal(factor_key, (count, factors))
    x = jnp.tanh(hidden @ mix.T) + noise * jr.normal(noise_key, (count, features))
    digits = (hidden[:, :informative] > 0).astype(jnp.int32)
    y = digits @ (2 ** jnp.arange(informative))
    x, y = jax.device_get((x, y))
    y = y.astype(np.int32)
    return FactorLabels(Examples(x[:n_train], y[:n_train]), Examples(x[n_train:], y[n_train:]))
