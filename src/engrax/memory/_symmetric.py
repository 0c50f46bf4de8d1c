"""Elementary symmetric polynomials from power sums."""

from collections.abc import Sequence

from jaxtyping import Array, Float

Scalars = Float[Array, "*batch"] | Float[Array, ""] | float


def symmetric_polynomials(power_sums: Sequence[Scalars], order: int) -> list[Scalars]:
    """All elementary symmetric polynomials ``[e_0, ..., e_order]`` by Newton's identities.

    ``power_sums[k - 1]`` is ``p_k = sum_i x_i^k``; arrays of one shape and scalars may be mixed,
    so a power sum that is the same for every pattern stays a scalar and costs nothing.
    """
    polynomials: list[Scalars] = [1.0]
    for k in range(1, order + 1):
        total: Scalars = 0.0
        for i in range(1, k + 1):
            term = polynomials[k - i] * power_sums[i - 1]
            total = total + term if i % 2 else total - term
        polynomials.append(total / k)
    return polynomials


def elementary_symmetric(
    power_sums: Sequence[Scalars] | Float[Array, "order *batch"], order: int
) -> Scalars:
    """Elementary symmetric polynomial ``e_order`` of the x_i from their power sums.

    ``k e_k = sum_{i=1}^{k} (-1)^{i-1} e_{k-i} p_i`` (Newton), so a sum over all ``C(N, order)``
    tuples of different sites costs O(order^2) once the power sums are known.

    - `power_sums`: ``p_1 ... p_order`` along the first axis (or as a sequence), any batch shape.
    - `order`: the number of factors in each product, at least 0.

    Raises ValueError when fewer than `order` power sums are given.
    """
    if order < 0 or len(power_sums) < order:
        raise ValueError(
            f"elementary_symmetric of order {order} was given {len(power_sums)} power sums, "
            "expected an order of at least 0 and that many power sums; pass p_1 ... p_order."
        )
    return symmetric_polynomials(list(power_sums), order)[order]
