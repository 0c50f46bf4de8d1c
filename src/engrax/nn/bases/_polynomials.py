"""Orthogonal polynomials by their three-term recurrences."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._basis import Basis, check_size


@final
class Chebyshev(Basis):
    """Chebyshev polynomials T_0 .. T_(size-1): T_n = 2 x T_(n-1) - T_(n-2).

    **Outside [-1, 1]** the input is clipped: constant there, with gradient 0.

    Raises:
        ValueError: no polynomial.
    """

    _size: int = eqx.field(static=True)

    def __init__(self, size: int = 8) -> None:
        check_size("Chebyshev", size, 1)
        self._size = size

    @property
    def size(self) -> int:
        """How many polynomials there are."""
        return self._size

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The polynomials at `x`, along a new axis."""
        x = jnp.clip(x, -1.0, 1.0)
        values = [jnp.ones_like(x), x]
        for _ in range(2, self._size):
            values.append(2 * x * values[-1] - values[-2])
        return jnp.stack(values[: self._size], axis)


@final
class Jacobi(Basis):
    """Jacobi polynomials P_0 .. P_(size-1) of weights alpha and beta (Abramowitz-Stegun 22.7.1).

    alpha = beta = 0 are Legendre's; -1/2 each, Chebyshev's up to factors.

    **Outside [-1, 1]** the input is clipped: constant there, with gradient 0.

    Raises:
        ValueError: no polynomial, or a weight that is not above -1.
    """

    _size: int = eqx.field(static=True)
    alpha: float = eqx.field(static=True)
    beta: float = eqx.field(static=True)

    def __init__(self, size: int = 8, *, alpha: float = 1.0, beta: float = 1.0) -> None:
        check_size("Jacobi", size, 1)
        if not (alpha > -1 and beta > -1):
            raise ValueError(
                f"Jacobi got alpha={alpha} and beta={beta}; expected numbers above -1, where the "
                "polynomials are orthogonal."
            )
        self._size = size
        self.alpha = float(alpha)
        self.beta = float(beta)

    @property
    def size(self) -> int:
        """How many polynomials there are."""
        return self._size

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The polynomials at `x`, along a new axis."""
        a, b = self.alpha, self.beta
        x = jnp.clip(x, -1.0, 1.0)
        values = [jnp.ones_like(x), (a - b) / 2 + (a + b + 2) / 2 * x]
        for n in range(2, self._size):
            c = 2 * n + a + b
            lead = 2 * n * (n + a + b) * (c - 2)
            slope, offset = (c - 1) * c * (c - 2) / lead, (c - 1) * (a * a - b * b) / lead
            back = 2 * (n + a - 1) * (n + b - 1) * c / lead
            values.append((slope * x + offset) * values[-1] - back * values[-2])
        return jnp.stack(values[: self._size], axis)


@final
class Gram(Basis):
    """Polynomials with a learned recurrence: p_0 = 1, p_1 = x, p_n = x p_(n-1) - b_(n-1) p_(n-2).

    The numbers b_n start at n^2 / (4 n^2 - 1), where the polynomials are the monic Legendre ones,
    the limit of Gram's for a fine grid.

    **Outside [-1, 1]** the input is clipped: constant there, with gradient 0.

    Raises:
        ValueError: fewer than three polynomials: there is nothing to learn.
    """

    recurrence: Float[Array, " size_less_two"]

    def __init__(self, size: int = 8) -> None:
        check_size("Gram", size, 3)
        n = np.arange(1, size - 1)
        with jax.ensure_compile_time_eval():
            self.recurrence = jnp.asarray(n**2 / (4 * n**2 - 1), jnp.float32)

    @property
    def size(self) -> int:
        """How many polynomials there are."""
        return self.recurrence.shape[0] + 2

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The polynomials at `x`, along a new axis."""
        x = jnp.clip(x, -1.0, 1.0)
        values = [jnp.ones_like(x), x]
        for n in range(self.size - 2):
            values.append(x * values[-1] - self.recurrence[n] * values[-2])
        return jnp.stack(values, axis)
