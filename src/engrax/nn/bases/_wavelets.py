"""Five mother wavelets, and a fixed dictionary of one of them."""

import math
from collections.abc import Callable, Sequence
from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._basis import Basis, along, check_size

_ATOMS = (
    (1.0, 0.0),
    (0.5, -0.5),
    (0.5, 0.5),
    (0.25, -0.25),
    (0.25, 0.25),
    (0.25, -0.75),
    (0.25, 0.75),
    (0.12, 0.0),
)


def mexican_hat(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """2 / (sqrt(3) pi^(1/4)) (u^2 - 1) exp(-u^2 / 2), of integral 0 and norm 1."""
    return 2 / (math.sqrt(3) * math.pi**0.25) * (u**2 - 1) * jnp.exp(-(u**2) / 2)


def morlet(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """cos(5 u) exp(-u^2 / 2)."""
    return jnp.cos(5 * u) * jnp.exp(-(u**2) / 2)


def dog(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """U exp(-u^2 / 2), minus the slope of the Gaussian."""
    return u * jnp.exp(-(u**2) / 2)


def meyer(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """sin(pi v) m(v) of v = |u|, with m = 1 up to 1/2, cos(pi/2 n(2 v - 1)) up to 1, and 0 beyond.

    n(t) = t^4 (35 - 84 t + 70 t^2 - 20 t^3).
    """
    v = jnp.abs(u)
    t = jnp.clip(2 * v - 1, 0.0, 1.0)
    step = t**4 * (35 - 84 * t + 70 * t**2 - 20 * t**3)
    fade = jnp.where(v >= 1, 0.0, jnp.cos(math.pi / 2 * step))
    return jnp.sin(math.pi * v) * fade


def shannon(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """sin(u) / u under a Hamming window of half-width 2 pi, and 0 beyond it.

    The window's width is a choice made here; the code it comes from takes the window over the
    index of the feature, whatever u is.
    """
    window = 0.54 + 0.46 * jnp.cos(u / 2)
    return jnp.sinc(u / math.pi) * jnp.where(jnp.abs(u) <= 2 * math.pi, window, 0.0)


@final
class Wavelet(Basis):
    """Copies of a mother wavelet: mother((x - shift) / scale) for a fixed list of atoms.

    `atoms` are pairs (scale, shift); those of `size` by default: dyadic, with scales 1, 1/2, 1/4,
    .. and 2^n shifts at level n, and for 8 functions the seven of levels 0 to 2 and a narrow one
    (scale .12) in the middle.

    **Outside [-1, 1]** the functions go on as they are, and all mothers fade to 0.

    Raises:
        ValueError: no function, or a scale that is not positive.
    """

    mother: Callable[[Array], Array] = eqx.field(static=True)
    atoms: tuple[tuple[float, float], ...] = eqx.field(static=True)

    def __init__(
        self,
        size: int = 8,
        *,
        mother: Callable[[Array], Array] = mexican_hat,
        atoms: Sequence[tuple[float, float]] | None = None,
    ) -> None:
        check_size("Wavelet", size if atoms is None else len(atoms), 1)
        self.mother = mother
        self.atoms = (
            _dyadic(size) if atoms is None else tuple((float(s), float(t)) for s, t in atoms)
        )
        if not all(0 < scale < math.inf and math.isfinite(shift) for scale, shift in self.atoms):
            raise ValueError(
                f"Wavelet got atoms={self.atoms}; expected pairs (scale, shift) of finite numbers "
                "with positive scales."
            )

    @property
    def size(self) -> int:
        """How many functions there are."""
        return len(self.atoms)

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The wavelets at `x`, along a new axis."""
        scales, shifts = zip(*self.atoms, strict=True)
        offset = jnp.expand_dims(x, axis) - along(shifts, x, axis)
        return self.mother(offset / along(scales, x, axis))


def _dyadic(size: int) -> tuple[tuple[float, float], ...]:
    if size == len(_ATOMS):
        return _ATOMS
    levels = range(size.bit_length())
    atoms = [(2.0**-n, (2 * i + 1) / 2**n - 1) for n in levels for i in range(2**n)]
    return tuple(atoms[:size])
