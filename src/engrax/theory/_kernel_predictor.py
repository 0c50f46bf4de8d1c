"""Outputs of wide networks after gradient descent, as a Gaussian process."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float

from ._relu_kernels import FanIn

Kernel = Callable[[Float[Array, "*batch"], FanIn], Float[Array, "*batch"]]
"""From the cosine between two inputs of length 1, and their number of entries, to the kernel."""

Inputs = Float[np.ndarray, "_ d"] | Float[Array, "_ d"]

_ROUNDING = 1e-12
"""Eigenvalues of the kernel matrix below this share of the largest are zero on paper."""


@final
@dataclasses.dataclass(frozen=True)
class KernelPredictor:
    """The ensemble of infinitely wide networks trained on ``(x, y)`` by gradient descent.

    The loss is half the squared error, summed over examples and outputs. In function space
    ``f_T(z) = f_0(z) - R(z) (f_0(X) - Y)`` with ``R(z) = Theta(z, X) A^{-1} (1 - e^{-A T})`` and
    ``A = Theta(X, X)``. The untrained f_0 is a Gaussian process of covariance `nngp`, independent
    and equal for every output, and so is f_T, with

    - mean ``R(z) Y``,
    - covariance ``K(z, z') - R(z) K(X, z') - K(z, X) R(z')' + R(z) K(X, X) R(z')'``.

    With ``kernel = nngp`` it is a network whose readout alone is trained, and at ``T = inf`` the
    posterior of Gaussian-process regression without noise.

    - `kernel`: what gradient descent sees, `relu_ntk` or another function of cosine and fan-in;
      a function of a module, not a lambda, so that compiled programs are found again.
    - `nngp`: the covariance of untrained outputs.
    - `x`: training inputs ``(n, d)``, of any length but 0. `y`: targets ``(n, outputs)``.
    - `degree`: a network of homogeneous activation multiplies its output by ``s^degree`` when its
      input is multiplied by s: 1 for ReLU, 2 for the square.

    All in float64, whatever the precision of the program around it; results are NumPy arrays.
    Raises ValueError for shapes that do not fit, inputs of length 0, and training inputs that the
    kernel cannot tell apart. Source: Jacot et al. 2018; Lee et al. 2019, Eqs. 13 to 16.
    """

    kernel: Kernel
    nngp: Kernel
    x: Inputs
    y: Float[np.ndarray, "_ outputs"] | Float[Array, "_ outputs"]
    degree: int = 1

    def __post_init__(self):
        if self.x.ndim != 2 or self.y.ndim != 2 or len(self.x) != len(self.y) or not len(self.x):
            raise ValueError(
                f"KernelPredictor was given x of shape {self.x.shape} and y of shape "
                f"{self.y.shape}; expected (n, d) and (n, outputs) with n of at least 1."
            )
        values = np.linalg.eigvalsh(self.gram(self.x, self.x, self.kernel))
        if values[0] <= _ROUNDING * values[-1]:
            raise ValueError(
                "The kernel matrix of the training inputs is singular: two of them are the same, "
                "or there are more than the kernel can tell apart; drop some."
            )

    def gram(self, x: Inputs, x2: Inputs, kernel: Kernel) -> Float[np.ndarray, "n m"]:
        """A kernel between two sets of inputs, as it is on vectors of their lengths."""
        return _double(_gram, kernel, self.degree, self._checked(x), self._checked(x2))

    def mean(
        self, x: Inputs, t: float | int = math.inf, *, rate: float | None = None
    ) -> Float[np.ndarray, "n outputs"]:
        """Mean output of the ensemble at time `t` of gradient flow.

        With a `rate`, `t` is a number of steps of gradient descent of that size instead:
        ``(1 - rate A)^t`` takes the place of ``e^{-A t}``. Raises ValueError for a negative time.
        """
        inputs = self._checked(self.x), np.asarray(self.y, float), self._checked(x)
        return _double(_mean, self._law(t), *inputs, t, rate)

    def cov(
        self, x: Inputs, x2: Inputs, t: float | int = math.inf, *, rate: float | None = None
    ) -> Float[np.ndarray, "n m"]:
        """Covariance of an output between two sets of inputs; arguments as in `mean`."""
        inputs = (self._checked(v) for v in (self.x, x, x2))
        return _double(_cov, self._law(t), *inputs, t, rate)

    def _law(self, t: float | int) -> "_Law":
        if not t >= 0:
            raise ValueError(f"KernelPredictor was asked for time {t}; expected at least 0.")
        return _Law(self.kernel, self.nngp, self.degree, math.isinf(t))

    def _checked(self, x: Inputs) -> np.ndarray:
        found = np.asarray(x, float)
        if found.ndim != 2 or found.shape[1] != self.x.shape[1]:
            raise ValueError(
                f"KernelPredictor was given inputs of shape {found.shape}; expected "
                f"(n, {self.x.shape[1]}), as its training inputs have."
            )
        if not np.all(np.any(found != 0, axis=1)):
            raise ValueError(
                "KernelPredictor was given an input of length 0, which has no direction."
            )
        return found


def _double(function: Callable[..., Array], *operands: Any) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(function(*operands))


class _Law(NamedTuple):
    """What is known before tracing."""

    kernel: Kernel
    nngp: Kernel
    degree: int
    forever: bool


@functools.partial(jax.jit, static_argnums=(0, 1))
def _gram(kernel: Kernel, degree: int, x: Array, x2: Array) -> Array:
    size = jnp.outer(*(jnp.linalg.norm(v, axis=1) for v in (x, x2)))
    return size**degree * kernel(jnp.clip(x @ x2.T / size, -1.0, 1.0), x.shape[1])


@functools.partial(jax.jit, static_argnums=0)
def _mean(law: _Law, seen: Array, y: Array, x: Array, t: Array, rate: Array | None) -> Array:
    return _response(law, seen, x, t, rate) @ y


@functools.partial(jax.jit, static_argnums=0)
def _cov(law: _Law, seen: Array, x: Array, x2: Array, t: Array, rate: Array | None) -> Array:
    untrained = functools.partial(_gram, law.nngp, law.degree)
    first, second = (_response(law, seen, v, t, rate) for v in (x, x2))
    across = first @ untrained(seen, x2) + untrained(x, seen) @ second.T
    return untrained(x, x2) - across + first @ untrained(seen, seen) @ second.T


def _response(law: _Law, seen: Array, x: Array, t: Array, rate: Array | None) -> Array:
    """R(x), (n, training inputs)."""
    matrix = _gram(law.kernel, law.degree, seen, seen)
    across = _gram(law.kernel, law.degree, x, seen)
    if law.forever:
        return cho_solve(cho_factor(matrix, lower=True), across.T).T
    values, vectors = jnp.linalg.eigh(matrix)
    left = jnp.exp(-values * t) if rate is None else (1 - rate * values) ** t
    return (across @ vectors) * ((1 - left) / values)[None, :] @ vectors.T
