"""Quality and quantity of examples in one number."""

import numpy as np
from jaxtyping import Float, Int

Number = Float[np.ndarray, "*_"] | Int[np.ndarray, "*_"] | float | int


def dataset_entropy(quality: Number, n_examples: Number) -> Float[np.ndarray, "*batch"]:
    """``rho = (1 - r^2) / (M r^2)`` of M examples, each bit of which is right with (1 + r) / 2.

    The average of the examples has second moment ``R = r^2 (1 + rho)``; rho = 0 means that the
    pattern itself is known. Raises ValueError for a quality outside (0, 1] or fewer than one
    example.
    """
    r, m = np.asarray(quality, float), np.asarray(n_examples, float)
    if np.any((r <= 0) | (r > 1)) or np.any(m < 1):
        raise ValueError(
            "dataset_entropy was given a quality outside (0, 1] or fewer than one example, "
            "expected 0 < quality <= 1 and n_examples >= 1; check the arguments' order."
        )
    return np.asarray((1 - r**2) / (m * r**2))
