"""Random initial weights."""

import math

from jaxtyping import Array, Float, Key

from engrax.core import draw_uniform


def uniform_fan_in(
    key: Key[Array, ""], shape: tuple[int, ...], fan_in: int, gain: float = 1.0
) -> Float[Array, "..."]:
    """Uniform in +- gain / sqrt(fan_in): what PyTorch and Equinox draw for linear layers.

    Its variance is gain^2 / (3 fan_in); `gain=sqrt(3)` keeps the scale of random inputs.
    Raises ValueError if `fan_in` is below 1.
    """
    if fan_in < 1:
        raise ValueError(f"uniform_fan_in got fan_in={fan_in}; expected 1 or more inputs a unit.")
    bound = gain / math.sqrt(fan_in)
    return draw_uniform(key, shape, -bound, bound)
