"""Covariance of the noise that non-retrieved patterns make."""

import math
from typing import Any, Literal, NamedTuple

Interactions = Literal["distinct", "all"]


class InteractionKernel(NamedTuple):
    """Polynomial ``D(q) = sum_k coefficients[k] q^k``; the noise has variance ``load D'(q)``.

    ``D = C / (2 P!)`` with ``C(q) = sum_k c_k^2 k! q^k`` from the Hermite expansion
    ``x^P = sum_k c_k He_k(x)``, so that ``alpha C' / 4 = gamma D'`` with ``gamma = alpha P! / 2``.
    The methods take a float or an array.
    """

    coefficients: tuple[float, ...]

    def value(self, q: Any) -> Any:
        """D(q)."""
        return _polynomial(self.coefficients, q)

    def slope(self, q: Any) -> Any:
        """D'(q): noise variance at unit load."""
        return _polynomial(_derivative(self.coefficients), q)

    def curvature(self, q: Any) -> Any:
        """D''(q): enters the stability of the replica-symmetric solution."""
        return _polynomial(_derivative(_derivative(self.coefficients)), q)


def interaction_kernel(order: int, interactions: Interactions = "distinct") -> InteractionKernel:
    """Kernel of P-body interactions: ``q^P / 2`` for ``"distinct"`` groups of spins.

    ``"all"`` adds the lower orders that repeated indices make:
    ``c_k = P! / (2^j j! k!)`` with ``j = (P - k) / 2``, for k = P, P - 2, ... >= 1.

    Raises ValueError for an order below 2 or unknown interactions.
    """
    if order < 2 or interactions not in ("distinct", "all"):
        raise ValueError(
            f"order {order} with interactions={interactions!r} was given, expected an order of at "
            "least 2 and 'distinct' or 'all'; check the arguments' order."
        )
    coefficients = [0.0] * (order + 1)
    for j in range((order - 1) // 2 + 1 if interactions == "all" else 1):
        k = order - 2 * j
        hermite = math.factorial(order) / (2**j * math.factorial(j) * math.factorial(k))
        coefficients[k] = hermite**2 * math.factorial(k) / (2 * math.factorial(order))
    return InteractionKernel(tuple(coefficients))


def _derivative(coefficients: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(k * c for k, c in enumerate(coefficients) if k) or (0.0,)


def _polynomial(coefficients: tuple[float, ...], q: Any) -> Any:
    total: Any = 0.0
    for coefficient in reversed(coefficients):
        total = total * q + coefficient
    return total
