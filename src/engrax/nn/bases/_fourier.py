"""Sines and cosines."""

import math
from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._basis import Basis, check_size


@final
class Fourier(Basis):
    """cos(m w x) and then sin(m w x) for m = 1 .. G, with w = 2 pi / period; `size` = 2 G.

    `constant=True` puts the harmonic m = 0 in front, as cos 0 = 1 alone (size 2 G + 1). Harmonics
    come from one sine and cosine by cos m = 2 cos 1 cos(m-1) - cos(m-2).

    **Outside [-period/2, period/2]** the functions repeat. Attention logits are taken with
    `period = 2 pi`, that is cos(m x) and sin(m x).

    Raises:
        ValueError: a size that is no number of pairs (and a constant), or a period that is not
            positive and finite.
    """

    harmonics: int = eqx.field(static=True)
    period: float = eqx.field(static=True)
    constant: bool = eqx.field(static=True)

    def __init__(self, size: int = 8, *, period: float = 2.0, constant: bool = False) -> None:
        check_size("Fourier", size, 2 + constant)
        if (size - constant) % 2:
            raise ValueError(
                f"Fourier got size={size} {'with' if constant else 'without'} a constant; expected "
                "a cosine and a sine for every harmonic: use one function more or less."
            )
        if not 0 < period < math.inf:
            raise ValueError(f"Fourier got period={period}; expected a positive finite number.")
        self.harmonics = (size - constant) // 2
        self.period = float(period)
        self.constant = constant

    @property
    def size(self) -> int:
        """How many functions there are."""
        return 2 * self.harmonics + self.constant

    @property
    def domain(self) -> tuple[float, float]:
        """One period around 0."""
        return -self.period / 2, self.period / 2

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The functions at `x`, along a new axis."""
        angle = x * (2 * math.pi / self.period)
        first, one = jnp.cos(angle), jnp.ones_like(x)
        cosines, sines = [one, first], [jnp.zeros_like(x), jnp.sin(angle)]
        for values in (cosines, sines):
            while len(values) <= self.harmonics:
                values.append(2 * first * values[-1] - values[-2])
        start = 0 if self.constant else 1
        return jnp.stack([*cosines[start:], *sines[1:]], axis)
